"""Interval arithmetic whose results contain the exact ones: every operation is rounded outward.

Sums, products and quotients move one or two floats outward; exp, σ, tanh and their slopes by 16 units in the last
place, where the errors of the forms below were measured below 8 (docs/resilience, section 9).  Exact zeros stay zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .box import Box

Array = NDArray[np.float64]

UNIT = 2.0**-53  # rounding of one operation
STEP = 2.0**-52  # of a normal float: at least the distance to the next one
TINY = 2.0**-1074  # the least positive float
MARGIN = 2.0**-48  # 16 to 32 units in the last place, relative
SAFE = 2.0**-1000  # products of factors whose product is above this do not underflow
TOGETHER = 4096  # entries up to which the four products of ends are taken at once: fewer calls, the same numbers


@dataclass(frozen=True, eq=False)
class Interval:
    """[lower, upper], arrays of one shape, unchecked; +, *, & (intersection) and | (hull) work entry by entry."""

    lower: Array
    upper: Array

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(down(self.lower + other.lower), up(self.upper + other.upper))

    def __neg__(self) -> "Interval":
        return Interval(-self.upper, -self.lower)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        a, b, c, d = self.lower, self.upper, other.lower, other.upper
        if a.shape != c.shape:
            a, b, c, d = np.broadcast_arrays(a, b, c, d)
        if a.size <= TOGETHER:
            lows, highs = product(np.array([a, a, b, b]), np.array([c, d, c, d]))
            return Interval(lows.min(0), highs.max(0))
        products = [product(x, y) for x in (a, b) for y in (c, d)]
        lowest = np.minimum.reduce([low for low, _ in products])
        return Interval(lowest, np.maximum.reduce([high for _, high in products]))

    def __and__(self, other: "Interval") -> "Interval":
        return Interval(np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper))

    def __or__(self, other: "Interval") -> "Interval":
        return Interval(np.minimum(self.lower, other.lower), np.maximum(self.upper, other.upper))

    def __getitem__(self, key: Any) -> "Interval":
        return Interval(self.lower[key], self.upper[key])

    @property
    def magnitude(self) -> Array:
        """max(|lower|, |upper|); exact."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    @property
    def width(self) -> Array:
        """upper − lower, rounded up."""
        return up(self.upper - self.lower)

    def within(self, other: "Interval") -> bool:
        """Whether the other interval contains this one."""
        return bool((other.lower <= self.lower).all() and (self.upper <= other.upper).all())

    def box(self) -> Box:
        """The same as a checked box."""
        return Box(self.lower, self.upper)


def interval(box: Box) -> Interval:
    """A box as an interval."""
    return Interval(np.array(box.lower), np.array(box.upper))


def point(values: Array) -> Interval:
    """[x, x]."""
    return Interval(values, values)


def join(parts: Sequence[Interval]) -> Interval:
    """Intervals one after the other."""
    return Interval(np.concatenate([x.lower for x in parts]), np.concatenate([x.upper for x in parts]))


def up(values: Array) -> Array:
    """One or two floats up, for computed sums: those in the subnormal range, 0 among them, are exact and stay."""
    return np.asarray(values + np.abs(values) * STEP)


def down(values: Array) -> Array:
    """One or two floats down, for computed sums."""
    return np.asarray(values - np.abs(values) * STEP)


def product(x: Array, y: Array) -> tuple[Array, Array]:
    """x · y rounded down and up; exact where a factor is zero."""
    value = x * y
    exact = (x == 0) | (y == 0)
    value = np.where(exact, 0.0, value)
    return (
        np.where(exact, value, np.nextafter(value, -np.inf)),
        np.where(exact, value, np.nextafter(value, np.inf)),
    )


def times_up(x: Array, y: Array) -> Array:
    """x · y rounded up."""
    return product(x, y)[1]


def sum_up(terms: Array, axis: int = -1) -> Array:
    """The sum of nonnegative terms along one axis, rounded up."""
    total = terms.sum(axis)
    return np.asarray(total * (1 + 2 * (terms.shape[axis] + 2) * UNIT))


def sigmoid(z: Interval) -> Interval:
    """σ at both ends, as e^z / (1 + e^z) for z < 0."""
    low, high = _widened(_sigmoid(np.array([z.lower, z.upper])))
    return Interval(np.maximum(low[0], 0.0), np.minimum(high[1], 1.0))


def tanh(z: Interval) -> Interval:
    """tanh at both ends; tanh 0 = 0 exactly."""
    ends = np.array([z.lower, z.upper])
    low, high = _widened(np.tanh(ends))
    zero = ends == 0
    lower, upper = np.where(zero[0], 0.0, low[0]), np.where(zero[1], 0.0, high[1])
    return Interval(np.maximum(lower, -1.0), np.minimum(upper, 1.0))


def sigmoid_slope(z: Interval) -> Interval:
    """The range of σ'(z) = σ(z) σ(−z)."""
    return _slope(z, lambda x: _sigmoid(x) * _sigmoid(-x), 0.25)


def tanh_slope(z: Interval) -> Interval:
    """The range of τ(z) = 1 − tanh² z = 4 σ(2z) σ(−2z)."""
    return _slope(z, lambda x: 4 * _sigmoid(2 * x) * _sigmoid(-2 * x), 1.0)


def _sigmoid(z: Array) -> Array:
    t = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, t) / (1 + t))


def _widened(values: Array) -> tuple[Array, Array]:
    margin = np.abs(values) * MARGIN + 32 * TINY
    return np.nextafter(values - margin, -np.inf), np.nextafter(values + margin, np.inf)


def _slope(z: Interval, slope: Callable[[Array], Array], top: float) -> Interval:
    """The range of an even slope that falls with |z| from `top` at 0."""
    near = np.where((z.lower <= 0) & (z.upper >= 0), 0.0, np.minimum(np.abs(z.lower), np.abs(z.upper)))
    least = np.maximum(_widened(slope(z.magnitude))[0], 0.0)
    return Interval(least, np.where(near == 0, top, np.minimum(_widened(slope(near))[1], top)))


class Signed:
    """A matrix P with its parts P₊ = max(P, 0), P₋ = min(P, 0) and |P| at hand."""

    def __init__(self, matrix: Array) -> None:
        self.matrix = np.ascontiguousarray(matrix)

    @cached_property
    def plus(self) -> Array:
        """P₊."""
        return np.asarray(np.maximum(self.matrix, 0.0))

    @cached_property
    def minus(self) -> Array:
        """P₋."""
        return np.minimum(self.matrix, 0.0)

    @cached_property
    def size(self) -> Array:
        """|P|."""
        return np.asarray(np.abs(self.matrix))

    @cached_property
    def least(self) -> float:
        """The smallest nonzero modulus, infinite for P = 0."""
        return least_modulus(self.matrix)

    def __matmul__(self, x: Interval) -> Interval:
        """P · X = [P₊X⁻ + P₋X⁺, P₊X⁺ + P₋X⁻], the rounding of the dot products bounded by γ_N |P| mag X."""
        terms = 2 * x.lower.shape[0] + 2
        error = 2 * terms * UNIT * (self.size @ x.magnitude) + self._underflow(x.magnitude, terms)
        lower = self.plus @ x.lower + self.minus @ x.upper - error
        upper = self.plus @ x.upper + self.minus @ x.lower + error
        return Interval(lower, upper)

    def _underflow(self, magnitude: Array, terms: int) -> Array | float:
        if self.least * least_modulus(magnitude) >= SAFE:
            return 0.0
        hit = (self.matrix != 0).astype(float) @ (magnitude != 0).astype(float)
        return np.asarray(np.where(hit > 0, terms * TINY, 0.0))


def least_modulus(values: Array) -> float:
    """The smallest nonzero modulus of an array, infinite where all are zero."""
    sizes = np.abs(values)
    least = float(sizes.min(initial=np.inf))
    return least if least > 0 else float(sizes[sizes > 0].min(initial=np.inf))


def row_combination(coefficients: Sequence[Interval], matrices: Sequence[Signed]) -> Interval:
    """Σ_q x_q[..., None] · P_q for interval columns x_q, (..., n), and matrices P_q, (n, k): (..., n, k)."""
    first = coefficients[0].lower
    shape = (*first.shape, matrices[0].matrix.shape[1])
    lower, upper, size = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    underflow = 0.0
    for x, P in zip(coefficients, matrices, strict=True):
        low, high, magnitude = x.lower[..., None], x.upper[..., None], x.magnitude
        upper += high * P.plus
        upper += low * P.minus
        lower += low * P.plus
        lower += high * P.minus
        size += magnitude[..., None] * P.size
        if P.least * least_modulus(magnitude) < SAFE:
            underflow += 4 * TINY
    terms = 2 * len(matrices) + 3
    size *= 2 * terms * UNIT
    size += underflow
    upper += size
    lower -= size
    return Interval(lower, upper)


def matvec_up(matrix: Array, vector: Array) -> Array:
    """M x rounded up, for M >= 0 and x >= 0; M may have leading batch axes."""
    terms = matrix.shape[-1] + 2
    value = matrix @ vector
    value = value * (1 + 2 * terms * UNIT)
    if least_modulus(matrix) * least_modulus(vector) < SAFE:
        hit = (matrix != 0).astype(float) @ (vector != 0).astype(float)
        value = np.where(hit > 0, np.nextafter(value + terms * TINY, np.inf), value)
    return np.asarray(value)


def matmat_up(left: Array, right: Array) -> Array:
    """A B rounded up, for A, B >= 0."""
    return matvec_up(left, right)


def scale_rows(scale: Interval, X: Interval) -> Interval:
    """s[..., None] · X for s >= 0: (..., n) times (..., n, k)."""
    low, high = scale.lower[..., None], scale.upper[..., None]
    upper = X.upper * np.where(X.upper >= 0, high, low)
    lower = X.lower * np.where(X.lower >= 0, low, high)
    upper += np.abs(upper) * 2.0**-50
    lower -= np.abs(lower) * 2.0**-50
    least = min(least_modulus(low), least_modulus(high)) * min(least_modulus(X.lower), least_modulus(X.upper))
    if least < SAFE:
        lower, upper = lower - 4 * TINY, upper + 4 * TINY
    return Interval(lower, upper)
