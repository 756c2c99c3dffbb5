"""Two trajectories under one periodic input that never meet: the proof that a network is not incrementally stable."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product as combinations

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell, Stack
from .certificate_vector import spectral_radius
from .comparison import MatrixMap
from .interval import Interval, down, point
from .layer import inputs_of, places, split, step_stack
from .levels import stack_map

Array = NDArray[np.float64]

SETTLING = 2000  # steps until an orbit counts as settled
RESTARTS = 24
STILL = 1e-14  # relative movement of a settled orbit over a period
APART = 1e-3  # states closer than this count as one
RADII = (1e-9, 1e-7, 1e-5, 1e-3)
CORNERS = 6  # up to 2⁶ corners of U are tried one by one


@dataclass(frozen=True, eq=False)
class Witness:
    """Two disjoint boxes of states that a periodic input maps into themselves.

    Attributes
    ----------
    inputs : (p, m)
        One period of the input, within U.
    first, second : Interval
        Boxes B with Ψ^p(B) ⊆ B, proved with outward rounding; the first within S_n, the second within S_a.
    gap : float
        At least this far apart some coordinate of h of the last layer stays at the end of every period.

    Source: docs/resilience, proposition 12.
    """

    inputs: Array
    first: Interval
    second: Interval
    gap: float


def refute(stack: Stack, U: Interval, nominal: Interval, anomaly: Interval, rng: np.random.Generator) -> Witness | None:
    """A witness found by letting random states settle under constant and two-periodic corner inputs; None if none was.

    That none was found proves nothing.
    """
    for inputs in _inputs(U):
        found = _settled_states(stack, inputs, nominal, anomaly, rng)
        for k, second in enumerate(found):
            for first in found[:k]:
                witness = _proved(stack, inputs, first, second, U, nominal, anomaly)
                if witness is not None:
                    return witness
    return None


def witness_holds(stack: Stack, witness: Witness, U: Interval, nominal: Interval, anomaly: Interval) -> bool:
    """Whether the boxes are invariant, reachable and apart, by one interval step for each input of the period."""
    if not all(point(u).within(U) for u in witness.inputs):
        return False
    if not (witness.first.within(nominal) and witness.second.within(anomaly)):
        return False
    invariant = all(_stays(stack, box, witness.inputs) for box in (witness.first, witness.second))
    return invariant and 0 < witness.gap <= _gap(stack, witness.first, witness.second)


def _inputs(U: Interval) -> Iterator[Array]:
    """Constant inputs at the centre and the corners, then periods of two opposite corners."""
    centre = 0.5 * (U.lower + U.upper)
    yield np.clip(centre, U.lower, U.upper)[None]
    m = len(centre)
    signs = list(combinations((False, True), repeat=m)) if m <= CORNERS else [(False,) * m, (True,) * m]
    corners = [np.where(np.array(sign), U.upper, U.lower) for sign in signs]
    for corner in corners:
        yield corner[None]
    for low, high in zip(corners, reversed(corners), strict=True):
        yield np.stack([low, high])


def _settled_states(
    stack: Stack, inputs: Array, nominal: Interval, anomaly: Interval, rng: np.random.Generator
) -> list[Array]:
    """Different states at the end of a period after many; those of S_n first."""
    starts = []
    for box in (nominal, anomaly):
        shares = rng.random((RESTARTS, len(box.lower)))
        shares[: RESTARTS // 2] = shares[: RESTARTS // 2].round()
        starts.append(box.lower + shares * (box.upper - box.lower))
    x = np.concatenate(starts)
    before = x
    for _ in range(SETTLING // len(inputs)):
        before = x
        for u in inputs:
            x = step_points(stack, x, u)
        if np.abs(x - before).max() <= STILL * (1 + np.abs(x).max()):
            break
        if np.ptp(x, axis=0).max() < APART:  # one attractor for all that was tried
            return []
    found: list[Array] = []
    for state, old in zip(x, before, strict=True):
        if np.abs(state - old).max() <= 1e-10 and all(np.abs(state - other).max() > APART for other in found):
            found.append(state)
    return found[:4]


def step_points(stack: Stack, states: Array, u: Array) -> Array:
    """Joint states (N, d) one step later, in floating point."""
    parts = []
    for layer, place in zip(stack.layers, places(stack), strict=True):
        part = states[:, place]
        parts.append(part.reshape(len(part), 2, -1) if isinstance(layer, LSTMCell) else part)
    return np.concatenate([out.reshape(len(states), -1) for out in stack.step(tuple(parts), u)], axis=1)


def _proved(
    stack: Stack, inputs: Array, first: Array, second: Array, U: Interval, nominal: Interval, anomaly: Interval
) -> Witness | None:
    boxes = []
    for state, within in ((first, nominal), (second, anomaly)):
        box = _invariant_box(stack, inputs, state, within)
        if box is None:
            return None
        boxes.append(box)
    gap = _gap(stack, boxes[0], boxes[1])
    if not gap > 0:
        return None
    witness = Witness(inputs, boxes[0], boxes[1], gap)
    return witness if witness_holds(stack, witness, U, nominal, anomaly) else None


def _invariant_box(stack: Stack, inputs: Array, state: Array, within: Interval) -> Interval | None:
    """A box around a settled state that one period maps into itself, its shape the Perron vector of the period."""
    shape = _shape(stack, inputs, state)
    for radius in RADII:
        box = Interval(state - radius * shape, state + radius * shape) & within
        if (box.lower <= box.upper).all() and _stays(stack, box, inputs):
            return box
    return None


def _shape(stack: Stack, inputs: Array, state: Array) -> Array:
    """A vector that |Jacobian| of one period shrinks where any does, the largest entry 1."""
    d = len(state)
    total, x = np.eye(d), state
    for u in inputs:
        box = point(x)
        after = split(stack, point(step_points(stack, x[None], u)[0]))
        matrix: MatrixMap = stack_map("C", stack, box, inputs_of(stack, point(u), after), box, 1).rows(np.ones(d))
        total, x = matrix.matrix @ total, step_points(stack, x[None], u)[0]
    s = spectral_radius(total) * (1 + 1e-3) + 1e-9
    v = np.linalg.solve(np.eye(d) - total / s, np.ones(d))
    if not (v > 0).all():
        v = np.ones(d)
    return np.asarray(np.maximum(v / v.max(), 1e-6))


def _stays(stack: Stack, box: Interval, inputs: Array) -> bool:
    X = box
    for u in inputs:
        X = step_stack(stack, X, point(u))
    return X.within(box)


def _gap(stack: Stack, first: Interval, second: Interval) -> float:
    """The largest distance of the boxes along a coordinate of h of the last layer, rounded down."""
    n = stack.units
    a, b = first[-n:], second[-n:]
    return float(np.maximum(down(b.lower - a.upper), down(a.lower - b.upper)).max())
