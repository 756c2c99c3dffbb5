"""The questions asked of arguments at the public edge: each answers in one sentence or returns the converted value."""

import numbers
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def integer(name: str, value: Any, minimum: int, maximum: int | None = None, because: str = "") -> int:
    """`value` as an int within [minimum, maximum]; `because` says where the maximum comes from."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        # 2.5 is a wrong value, "two" a wrong kind
        kind = ValueError if isinstance(value, numbers.Real) else TypeError
        raise kind(f"{name} must be an integer, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be >= {minimum}, got {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be <= {because or maximum}, got {number}")
    return number


def integers(name: str, values: Any, minimum: int, least: int) -> tuple[int, ...]:
    """A sequence of at least `least` integers, each >= minimum."""
    scalar = isinstance(values, np.ndarray) and values.ndim == 0
    if scalar or isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)):
        raise TypeError(f"{name} must be a sequence of integers, got {values!r}")
    if len(values) < least:
        raise ValueError(f"{name} must have at least {least} entries, got {len(values)}")
    return tuple(integer(f"{name}[{i}]", value, minimum) for i, value in enumerate(values))


def matrix(name: str, value: ArrayLike, rows: int | None = None, columns: int | None = None) -> NDArray[np.float64]:
    """A finite float64 matrix, (rows, columns) where they are given."""
    out = finite(name, value)
    if out.ndim != 2:
        raise ValueError(f"{name} must be a matrix, got {out.ndim} dimensions")
    wanted = (rows if rows is not None else out.shape[0], columns if columns is not None else out.shape[1])
    if out.shape != wanted:
        raise ValueError(f"{name} must have shape {wanted}, got {out.shape}")
    return out


def finite(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """A float64 array without NaN or infinity."""
    try:
        raw = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be a rectangular array of numbers, got rows of different lengths") from None
    if raw.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {raw.dtype}")
    out = np.asarray(raw, dtype=np.float64)
    if not np.isfinite(out).all():
        raise ValueError(f"{name} must be finite, got {out[~np.isfinite(out)].flat[0]}")
    return out


def positive(name: str, value: float) -> float:
    """A finite number > 0."""
    out = finite(name, value)
    if out.ndim or not out > 0:
        raise ValueError(f"{name} must be a number > 0, got {value!r}")
    return float(out)


def above(name: str, value: ArrayLike, bound: float) -> NDArray[np.float64]:
    """A finite array with every entry > bound."""
    out = finite(name, value)
    if not (out > bound).all():
        raise ValueError(f"{name} must be > {bound:g}, got {out.min():g}")
    return out
