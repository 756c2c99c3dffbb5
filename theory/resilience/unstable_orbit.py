"""Periodic orbits that repel: proved to exist, and proved to throw near states a stated distance away."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_lyapunov

from .cell import Stack
from .interval import UNIT, Interval, down, join, point
from .metric_level import checked_metric
from .norm_level import norm_up
from .periodic_orbit import holds_orbit, inside, near_inverse, orbit_box
from .step_jacobian import centred, interval_product, period_jacobian

Array = NDArray[np.float64]

RADII = tuple(2.0**-k for k in range(24, -1, -1))  # of the box in which distances grow, relative to its shape
SLOPES = (0.3, 0.03)  # of its cone, for the shape
FLOOR = 1e-6  # least side of its shape, relative
TRIED = 3  # frames
SPARE = 1e-12  # relative, for the rounding of a few scalars


@dataclass(frozen=True, eq=False)
class Repeller:
    """A periodic orbit in a box and a larger box from which a cone of near states is driven out.

    Attributes
    ----------
    orbit : Interval
        X, which holds one state x* of the orbit at the start of a period.
    around : Interval
        N ⊇ X, over which the cone is invariant and grows.
    frame : (d, d)
        Y: states x* + Y ζ, the first `growing` columns the directions that grow.
    growing : int
        k.
    """

    orbit: Interval
    around: Interval
    frame: Array
    growing: int


def repeller(stack: Stack, inputs: Array, state: Array, nominal: Interval, anomaly: Interval) -> Repeller | None:
    """The proof that the orbit of a state repels, with the largest gap of those tried; None where none was found."""
    if not (point(state).within(nominal) and point(state).within(anomaly)):
        return None
    centre, _ = centred(period_jacobian(stack, point(state), inputs))
    frames = list(_frames(centre))
    orbit = orbit_box(stack, inputs, state) if frames else None
    if orbit is None or not (orbit.within(nominal) and inside(orbit, anomaly)):
        return None
    best, most = None, 0.0
    for frame, growing in frames[:TRIED]:
        found, gap = _widest(stack, inputs, orbit, state, frame, growing)
        if gap > most:
            best, most = found, gap
    return best


def _widest(
    stack: Stack, inputs: Array, orbit: Interval, state: Array, frame: Array, growing: int
) -> tuple[Repeller | None, float]:
    """The largest gap over the radii, which rises with the radius up to where the cone is lost."""

    def gap(number: int) -> tuple[float, Repeller]:
        tried = [Repeller(orbit, _around(state, frame, growing, RADII[number], c), frame, growing) for c in SLOPES]
        return max(((repelled_gap(stack, inputs, each, None), each) for each in tried), key=lambda pair: pair[0])

    low, high = 0, len(RADII)  # RADII[low] proves something, RADII[high] would not
    best, found = gap(low)
    if best == 0:
        return None, 0.0
    while high - low > 1:
        middle = (low + high) // 2
        size, tried = gap(middle)
        low, high = (middle, high) if size > 0 else (low, middle)
        if size > best:
            best, found = size, tried
    if low:
        size, tried = gap(low - 1)
        if size > best:
            best, found = size, tried
    return found, best


def repeller_holds(stack: Stack, inputs: Array, found: Repeller, nominal: Interval, anomaly: Interval) -> bool:
    """Whether X holds one orbit of states of S_n with S_a around them; Krawczyk's test, no search."""
    return found.orbit.within(nominal) and inside(found.orbit, anomaly) and holds_orbit(stack, inputs, found.orbit)


def repelled_gap(stack: Stack, inputs: Array, found: Repeller, output: Array | None) -> float:
    """How far apart, in C_y h (None: h of the last layer), near starts are driven; rounded down, 0 where not proved.

    For every t there are starts, as near to x* as one likes for large t, whose output is so far from that of x* after t
    or after t + 1 periods.

    Source: docs/resilience, proposition 12a.
    """
    k, Y, d = found.growing, found.frame, stack.dimension
    inverse = near_inverse(Y) if Y.shape == (d, d) else None
    pair = None if inverse is None else checked_metric(inverse, Y)
    if pair is None or not pair.defect < 0.5 or not 0 < k <= d:
        return 0.0
    room = np.minimum(down(found.orbit.lower - found.around.lower), down(found.around.upper - found.orbit.upper))
    if not (room > 0).all():
        return 0.0
    J = period_jacobian(stack, found.around, inputs)
    moved = interval_product(J, point(Y))
    slope = _cone(interval_product(point(pair.factor), moved), pair.defect, k)
    if slope is None:
        return 0.0
    reach = _norms_up(Y[:, :k]) + slope * _norms_up(Y[:, k:])
    radius = float((room / np.maximum(reach * (1 + SPARE), 1e-300)).min()) * (1 - SPARE)
    h = Y[-stack.units :], moved[-stack.units :]
    seen = [point(h[0]), h[1]] if output is None else [interval_product(point(output), x) for x in (point(h[0]), h[1])]
    return max(0.0, _observed(join(seen), k, slope) * radius * (1 - SPARE))


def _cone(B: Interval, defect: float, k: int) -> float | None:
    """c for which ‖ζ_s‖ <= c ‖ζ_u‖ is kept and ‖ζ_u‖ grows, ζ⁺ = (I − E)⁻¹ B ζ with ‖E‖ <= defect; None without one.

    With m <= σ_min(B_uu) and b, q, s >= ‖B_us‖, ‖B_su‖, ‖B_ss‖: q + s c <= c (m − b c) and m − b c > 1.
    """
    slack = _size(B) * defect / (1 - defect) * (1 + SPARE)
    m = _least_stretch(B[:k, :k]) - slack
    b, q, s = (_size(part) + slack for part in (B[:k, k:], B[k:, :k], B[k:, k:]))
    gap = m - s
    if not gap > 0 or gap**2 <= 4 * b * q:
        return None
    c = 2 * q / (gap + math.sqrt(gap**2 - 4 * b * q)) * (1 + 1e-9)
    stretch = (m - b * c) - SPARE * (m + b * c)
    return c if stretch > 1 + SPARE and (q + s * c) * (1 + SPARE) <= c * stretch * (1 - SPARE) else None


def _observed(seen: Interval, k: int, slope: float) -> float:
    """At least min ‖O ζ‖_∞ over ‖ζ_u‖ = 1, ‖ζ_s‖ <= c."""
    if len(seen.lower) == 0:
        return 0.0
    own, rest = seen[:, :k], slope * _norms_up(seen[:, k:].magnitude)
    if k == 1:
        least = np.maximum(np.maximum(own.lower, -own.upper)[:, 0], 0.0)
        return float((least * (1 - SPARE) - rest * (1 + SPARE)).max())
    inverse = np.asarray(np.linalg.pinv(centred(own)[0]), dtype=float)
    miss = _size(_minus_identity(interval_product(point(inverse), own)))
    lost = slope * _size(interval_product(point(inverse), seen[:, k:]))
    most = float(np.sqrt((np.abs(inverse).sum(1) ** 2).sum())) * (1 + SPARE)
    return (1 - SPARE - (miss + lost) * (1 + SPARE)) / most * (1 - SPARE) if most > 0 else 0.0


def _least_stretch(B: Interval) -> float:
    """At least min ‖B ζ‖/‖ζ‖: (1 − ‖I − G B‖)/‖G‖ for any G."""
    G = near_inverse(centred(B)[0])
    if G is None:
        return 0.0
    miss = _size(_minus_identity(interval_product(point(G), B)))
    return max(0.0, (1 - SPARE - miss) * (1 - SPARE) / norm_up(G, "euclidean"))


def _size(A: Interval) -> float:
    """At least ‖A‖₂ of every matrix in the interval."""
    if 0 in A.lower.shape:
        return 0.0
    centre, radius = centred(A)
    return (norm_up(centre, "euclidean") + norm_up(radius, "euclidean")) * (1 + 4 * UNIT)


def _norms_up(rows: Array) -> Array:
    """Euclidean norms of rows, rounded up."""
    return np.asarray(np.linalg.norm(rows, axis=1) * (1 + SPARE) + 1e-300)


def _minus_identity(A: Interval) -> Interval:
    return A - point(np.eye(len(A.lower)))


def _around(state: Array, frame: Array, growing: int, radius: float, slope: float) -> Interval:
    """The box around x* + Y ζ, ‖ζ_s‖ <= slope ‖ζ_u‖ <= slope radius."""
    shape = _norms_up(frame[:, :growing]) + slope * _norms_up(frame[:, growing:])
    size = radius * np.maximum(shape, FLOOR * shape.max())
    return Interval(state - size, state + size)


def _frames(J: Array) -> Iterator[tuple[Array, int]]:
    """Bases of the growing directions and of the rest, each in a norm in which J acts as its eigenvalues do."""
    values, right = np.linalg.eig(J)
    order = np.argsort(-np.abs(values), kind="stable")
    sizes = np.append(np.abs(values)[order], 0.0)
    lefts, left = np.linalg.eig(J.T)
    back = np.argsort(-np.abs(lefts), kind="stable")
    counts = [k for k in range(1, len(J) + 1) if sizes[k - 1] > 1 + 1e-6 and sizes[k] < sizes[k - 1] * (1 - 1e-3)]
    for k in sorted(counts, key=lambda k: -min(math.log(sizes[k - 1]), -math.log(max(sizes[k] / sizes[k - 1], 1e-9)))):
        high, low = sizes[k - 1], max(sizes[k], 1e-3)
        grow, _ = np.linalg.qr(_real_span(right[:, order[:k]], k))
        dual, _ = np.linalg.qr(_real_span(left[:, back[:k]], k), mode="complete")
        rest = dual[:, k:]
        try:  # the equations may have no solution to rounding
            inner = _adapted(np.linalg.inv(grow.T @ J @ grow), high ** (2 / 3) * min(high, max(low, 1.0)) ** (1 / 3))
            outer = _adapted(rest.T @ J @ rest, 1 / (high ** (1 / 3) * low ** (2 / 3)))
            frame = np.concatenate([grow @ np.linalg.inv(inner), rest @ np.linalg.inv(outer)], axis=1)
        except (np.linalg.LinAlgError, ValueError):
            continue
        if np.isfinite(frame).all():
            yield frame / np.abs(frame[:, :k]).max(), k


def _real_span(vectors: NDArray[Any], k: int) -> Array:
    """k real columns with the span of complex vectors that come with their conjugates."""
    both = np.concatenate([vectors.real, vectors.imag], axis=1)
    return np.asarray(np.linalg.svd(both, full_matrices=False)[0][:, :k])


def _adapted(A: Array, stretch: float) -> Array:
    """L with ‖L A L⁻¹‖ <= 1/stretch, for stretch below 1/ρ(A): LᵀL = P, stretch² AᵀPA − P = −I."""
    if len(A) == 0:
        return A
    P = solve_discrete_lyapunov((stretch * A).T, np.eye(len(A)))
    return np.asarray(np.linalg.cholesky(0.5 * (P + P.T)).T)
