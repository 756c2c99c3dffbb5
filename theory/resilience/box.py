"""What a box is here: the states or inputs between two corners, checked once at the door."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, init=False)
class Box:
    """X = [X⁻, X⁺] in ℝ^d, ends included.

    Parameters
    ----------
    lower, upper : (d,)
        X⁻ <= X⁺, finite.

    Raises ValueError in one sentence that names the end and the coordinate.

    >>> box = Box([-1.0, 0.0], [1.0, 0.5])
    >>> box, box.magnitude
    (Box(2 dimensions), array([1. , 0.5]))
    """

    lower: Array
    upper: Array

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        low, high = _check.finite("lower", lower), _check.finite("upper", upper)
        if low.ndim != 1:
            raise ValueError(f"lower must have shape (d,), got {low.shape}")
        if high.shape != low.shape:
            raise ValueError(f"upper must have shape {low.shape} to go with lower, got {high.shape}")
        if not (low <= high).all():
            k = int(np.argmax(low > high))
            raise ValueError(f"lower must be <= upper, got lower[{k}] = {low[k]:g} and upper[{k}] = {high[k]:g}")
        for name, value in (("lower", low), ("upper", high)):
            kept = value.copy()
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.lower)

    @property
    def magnitude(self) -> Array:
        """max(|X⁻|, |X⁺|), the largest modulus of each coordinate; exact."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    def contains(self, points: ArrayLike) -> bool:
        """Whether every point of the (..., d) array lies in the box."""
        inside = np.asarray(points, dtype=float)
        return bool(((self.lower <= inside) & (inside <= self.upper)).all())

    def includes(self, other: "Box") -> bool:
        """Whether the other box is a subset."""
        return bool((self.lower <= other.lower).all() and (other.upper <= self.upper).all())

    def __repr__(self) -> str:
        return f"Box({self.dimension} dimension{'s' * (self.dimension != 1)})"


def symmetric_box(name: str, bound: "float | ArrayLike | Box", dimension: int) -> Box:
    """The box |x| <= bound of `dimension` coordinates; a bound for each coordinate or a ready box is taken as it is."""
    if isinstance(bound, Box):
        if bound.dimension != dimension:
            raise ValueError(f"{name} must have {dimension} coordinates, got a box of {bound.dimension}")
        return bound
    radius = _check.finite(name, bound)
    if radius.ndim > 1 or (radius.ndim == 1 and len(radius) != dimension):
        raise ValueError(f"{name} must be a number or have shape ({dimension},), got {radius.shape}")
    if not (radius >= 0).all():
        raise ValueError(f"{name} must be >= 0, got {radius.min():g}")
    full = np.broadcast_to(radius, dimension)
    return Box(-full, full)
