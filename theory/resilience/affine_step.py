"""An LSTM step between affine bounds: F(x, u) = A x + B u + s + G η with |η| <= e wherever some rows are bounded.

The rows are z_i, z_f, z_g, z_o, c, h, then ω_i z_i ± z_g, ω_f z_f ± c and ω_o z_o ± c⁺, n of each; docs/resilience,
theorem 17.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell
from .interval import Interval, point, sigmoid, sigmoid_slope, tanh, tanh_slope, up
from .lstm_step import blocks

Array = NDArray[np.float64]

ROWS = 12  # kinds of rows, n of each
ROUNDING = 2.0**-44  # relative, of sums and products of fewer than 200 floats without cancellation
LEAST = 2.0**-700  # absolute, for products that underflow, of factors below LARGE
LARGE = 2.0**60


@dataclass(frozen=True, eq=False)
class Bounds:
    """Intervals of the rows, and the weights of the pairs.

    Attributes
    ----------
    rows : Interval
        (12n,).
    weights : (3, n)
        ω_i, ω_f, ω_o > 0.
    """

    rows: Interval
    weights: Array

    @property
    def units(self) -> int:
        """n."""
        return int(self.weights.shape[1])

    def kind(self, number: int) -> Interval:
        """The n rows of one kind."""
        return self.rows[number * self.units : (number + 1) * self.units]

    @property
    def states(self) -> Interval:
        """The box of (c, h)."""
        return self.rows[4 * self.units : 6 * self.units]


@dataclass(frozen=True, eq=False)
class AffineStep:
    """A, B, s and e of F(x, u) = A x + B u + s + G η, |η| <= e, G = [[I, 0], [diag k, I]].

    Attributes
    ----------
    A : (2n, 2n)
    B : (2n, m)
    s : (2n,)
    k : (n,)
    e : (2n,)
        Rounded up; it holds for these floats A, B, s, k as they are.
    """

    A: Array
    B: Array
    s: Array
    k: Array
    e: Array


@dataclass(frozen=True, eq=False)
class Chord:
    """f(z) = value + slope (z − centre) + η, |z − centre| <= radius, |η| <= error."""

    centre: Array
    radius: Array
    slope: Array
    value: Array
    error: Array

    @property
    def reach(self) -> Array:
        """At least slope · radius."""
        return self.slope * self.radius * (1 + ROUNDING)


def affine_step(cell: LSTMCell, bounds: Bounds, U: Interval) -> AffineStep:
    """The affine bounds of a step on states and inputs whose rows lie in `bounds`, rounded outward.

    Source: docs/resilience, theorem 17.
    """
    cut = blocks(cell)
    W, R = [P.matrix for P in cut.W], [P.matrix for P in cut.R]
    b = np.split(cell.bias, 4)
    i, f, o = (chord(bounds.kind(k), sigmoid, sigmoid_slope) for k in (0, 1, 3))
    g, t = chord(bounds.kind(2), tanh, tanh_slope), chord(bounds.kind(4), tanh, tanh_slope)
    c0, top = t.centre, bounds.kind(4).magnitude
    mean1, spread1 = _pair(bounds, 0, i.centre, g.centre, i.radius, g.radius)
    mean2, spread2 = _pair(bounds, 1, f.centre, c0, f.radius, t.radius)
    mean3, spread3 = _pair(bounds, 2, o.centre, c0, o.radius, t.radius)
    ki, kf, kg, ko, k = i.slope * g.value, f.slope * c0, g.slope * i.value, o.slope * t.value, t.slope * o.value
    zero = np.zeros((cell.units, cell.units))
    Ac = np.hstack([np.diag(f.value), ki[:, None] * R[0] + kf[:, None] * R[1] + kg[:, None] * R[2]])
    Bc = ki[:, None] * W[0] + kf[:, None] * W[1] + kg[:, None] * W[2]
    inner = i.slope * g.slope
    sc = ki * (b[0] - i.centre) + kf * (b[1] - f.centre) + kg * (b[2] - g.centre)
    sc = sc + i.value * g.value + inner * mean1 + f.slope * mean2
    ec = inner * spread1 + f.slope * spread2 + f.error * top + _crossed(i, g)
    largest, driven = bounds.kind(5).magnitude, U.magnitude
    z = [np.abs(R[q]) @ largest + np.abs(W[q]) @ driven + np.abs(b[q]) for q in range(4)]
    size = np.abs(f.value) * top + np.abs(i.value * g.value) + inner * np.abs(mean1) + f.slope * np.abs(mean2)
    for q, weight, part in ((0, ki, i), (1, kf, f), (2, kg, g)):
        size = size + np.abs(weight) * (z[q] + np.abs(part.centre))
    ec = ec + ROUNDING * (size + ec) + LEAST
    A = np.vstack([Ac, k[:, None] * Ac + np.hstack([zero, ko[:, None] * R[3]])])
    B = np.vstack([Bc, k[:, None] * Bc + ko[:, None] * W[3]])
    outer = o.slope * t.slope
    sh = k * (sc - c0) + ko * (b[3] - o.centre) + o.value * t.value + outer * mean3
    eh = outer * spread3 + _crossed(o, t)
    size = np.abs(k) * (size + ec + np.abs(c0)) + np.abs(ko) * (z[3] + np.abs(o.centre))
    size = size + np.abs(o.value * t.value) + outer * np.abs(mean3)
    eh = eh + ROUNDING * (size + eh) + LEAST
    return AffineStep(A, B, np.concatenate([sc, sh]), k, np.concatenate([ec, eh]))


def chord(z: Interval, function: Callable[[Interval], Interval], slope: Callable[[Interval], Interval]) -> Chord:
    """A line near a function that is odd but for a constant and concave for z >= 0, and how far it is off at most.

    The error is bounded at the ends, on z >= 0 by the tangent of the concave difference at one point from above, on
    z <= 0 from below: whatever point, slope and value are taken, the bound holds.
    """
    low, high = z.lower, z.upper
    centre = 0.5 * (low + high)
    radius = np.maximum(up(high - centre), up(centre - low))
    rise, value, turn = _line(low, high, centre, function, slope)
    near, far = np.maximum(low, 0.0), np.minimum(high, 0.0)  # where the sides z >= 0 and z <= 0 begin
    tip = np.where(high > 0, np.clip(turn, near, np.maximum(high, near)), high)
    dip = np.where(low < 0, np.clip(-turn, np.minimum(low, far), far), low)
    points = (low, high, tip, dip)
    minus = point(-value)
    off = [function(point(p)) + minus + point(-rise) * (point(p) + point(-centre)) for p in points]
    right, left = (slope(point(p)) + point(-rise) for p in points[2:])
    rising = np.maximum(
        np.maximum(right.upper, 0.0) * np.maximum(up(high - tip), 0.0),
        np.maximum(-right.lower, 0.0) * np.maximum(up(tip - near), 0.0),
    )
    falling = np.maximum(
        np.maximum(left.upper, 0.0) * np.maximum(up(dip - low), 0.0),
        np.maximum(-left.lower, 0.0) * np.maximum(up(far - dip), 0.0),
    )
    top = np.maximum.reduce([off[0].upper, off[1].upper, off[2].upper + rising])
    bottom = np.minimum.reduce([off[0].lower, off[1].lower, off[3].lower - falling])
    error = np.maximum(np.maximum(top, -bottom), 0.0) * (1 + ROUNDING) + LEAST
    return Chord(centre, radius, rise, value, error)


def _line(
    low: Array,
    high: Array,
    centre: Array,
    function: Callable[[Interval], Interval],
    slope: Callable[[Interval], Interval],
) -> tuple[Array, Array, Array]:
    """Slope and value of the chord through the ends moved to the middle of its errors, and where its error turns."""
    top = 1.0 if function is tanh else 0.25

    def at(z: Array) -> Array:
        return np.asarray(np.tanh(z) if function is tanh else 0.5 + 0.5 * np.tanh(0.5 * z))

    wide = high - low > 1e-9
    rise = np.where(wide, (at(high) - at(low)) / np.where(wide, high - low, 1.0), slope(point(centre)).lower)
    rise = np.clip(rise, 0.0, top)
    root = np.sqrt(np.maximum(1.0 - rise / top, 0.0))  # tanh(z) or tanh(z/2) where the slope is that of the chord
    turn = np.arctanh(np.minimum(root, 1.0 - 1e-16)) * (1.0 if function is tanh else 2.0)
    marks = np.array([low, high, np.clip(turn, low, high), np.clip(-turn, low, high)])
    off = at(marks) - rise * (marks - centre)
    return rise, 0.5 * (off.max(axis=0) + off.min(axis=0)), turn


def _crossed(x: Chord, y: Chord) -> Array:
    """|x₀ η_y + y₀ η_x + a_x dx η_y + a_y dy η_x + η_x η_y| at most, but for the rounding of these sums."""
    first = np.abs(x.value) * y.error + np.abs(y.value) * x.error
    return np.asarray(first + x.reach * y.error + y.reach * x.error + x.error * y.error)


def _pair(bounds: Bounds, number: int, x: Array, y: Array, rx: Array, ry: Array) -> tuple[Array, Array]:
    """Middle and half width of dx dy = ((ω dx + dy)² − (ω dx − dy)²) / 4ω, cut with ± r_x r_y; rounded outward."""
    w = bounds.weights[number]
    scaled = point(w) * point(x)
    sums = (bounds.kind(6 + 2 * number) - (scaled + point(y))).magnitude
    differences = (bounds.kind(7 + 2 * number) - (scaled - point(y))).magnitude
    both = rx * ry
    with np.errstate(over="ignore"):  # then the other bound is the smaller one
        most = np.minimum(sums**2 / (4 * w), both) * (1 + ROUNDING) + LEAST
        least = np.minimum(differences**2 / (4 * w), both) * (1 + ROUNDING) + LEAST
    mean = 0.5 * (most - least)
    return mean, np.maximum(up(most - mean), up(least + mean)) + LEAST
