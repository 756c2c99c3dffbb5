"""The questions this folder asks of its arguments, beside those of `theory._check`."""

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check

Array = NDArray[np.float64]

SUM_TOLERANCE = 1e-9  # how far weights may be from the sum 1


def number(name: str, value: float) -> float:
    """A finite number."""
    out = _check.finite(name, value)
    if out.ndim:
        raise ValueError(f"{name} must be a number, got shape {out.shape}")
    return float(out)


def nonnegative(name: str, value: float) -> float:
    """A finite number >= 0."""
    out = number(name, value)
    if out < 0:
        raise ValueError(f"{name} must be >= 0, got {out:g}")
    return out


def strong(name: str, value: float) -> float:
    """A weight > 0 without which the critic's problem would not be strongly concave."""
    out = number(name, value)
    if out <= 0:
        raise ValueError(f"{name} must be > 0, as this needs strong concavity, got {out:g}")
    return out


def constant(name: str, value: float) -> float:
    """A number >= 0 from which a step size is to follow: infinity is refused with the reason."""
    if np.ndim(value) == 0 and value == np.inf:
        raise ValueError(f"{name} must be finite, as no step size follows from an infinite constant, got inf")
    return nonnegative(name, value)


def numbers(name: str, values: ArrayLike, least: int = 1) -> Array:
    """A finite vector of at least `least` entries, each >= 0."""
    out = _check.finite(name, values)
    if out.ndim != 1:
        raise ValueError(f"{name} must be a vector, got {out.ndim} dimensions")
    if len(out) < least:
        raise ValueError(f"{name} must have at least {least} entries, got {len(out)}")
    if not (out >= 0).all():
        raise ValueError(f"{name} must be >= 0, got {out.min():g}")
    return out


def choice(name: str, value: str, options: Collection[str]) -> str:
    """One of the words in `options`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a word, got {value!r}")
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")
    return value


def weights(name: str, values: ArrayLike | None, count: int) -> Array:
    """Weights of `count` points, >= 0 and of sum 1; equal ones by default."""
    if values is None:
        return np.full(count, 1.0 / count)
    out = numbers(name, values)
    if len(out) != count:
        raise ValueError(f"{name} must have {count} entries, one for each point, got {len(out)}")
    if abs(out.sum() - 1.0) > SUM_TOLERANCE:
        raise ValueError(f"{name} must sum to 1, got {out.sum():.12g}")
    return out


def symmetric(name: str, value: ArrayLike, size: int | None = None) -> Array:
    """A symmetric matrix without a negative eigenvalue, both up to rounding; returned exactly symmetric."""
    out = _check.matrix(name, value, size, size)
    if out.shape[0] != out.shape[1] or out.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix, got shape {out.shape}")
    scale = np.abs(out).max()
    if np.abs(out - out.T).max() > 1e-10 * scale:
        raise ValueError(f"{name} must be symmetric, got entries that differ by {np.abs(out - out.T).max():.3g}")
    out = 0.5 * (out + out.T)
    least = np.linalg.eigvalsh(out)[0]
    if least < -1e-10 * scale:
        raise ValueError(f"{name} must have no negative eigenvalue, got {least:.3g}")
    return out
