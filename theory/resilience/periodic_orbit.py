"""Orbits of a periodic input that are proved to exist, each alone in its box."""

import numpy as np
from numpy.typing import NDArray

from .cell import Stack
from .interval import UNIT, Interval, Signed, matvec_up, point
from .separated_runs import step_points
from .step_jacobian import centred, interval_product, period_box, period_jacobian

Array = NDArray[np.float64]

NEWTON_STEPS = 15
NEAR = 1e-6  # relative, of the differences that stand for derivatives
STILL = 1e-11  # relative size of the last Newton step
FAR = 1e4  # relative size of a step that leads nowhere
INFLATIONS = (2.0, 10.0, 100.0)  # of the error of the orbit, for the box that is proved to hold it


def find_orbit(stack: Stack, inputs: Array, start: Array) -> Array | None:
    """A state that one period of the inputs, (p, m), maps to itself, by Newton steps; None where they do not settle."""
    x, d = start, stack.dimension
    for _ in range(NEWTON_STEPS):
        by = NEAR * (1 + np.abs(x))
        images = np.concatenate([x[None], x + np.diag(by), x - np.diag(by)])
        for u in inputs:
            images = step_points(stack, images, u)
        slopes = (images[1 : d + 1] - images[d + 1 :]).T / (2 * by)
        try:
            move = np.linalg.solve(np.eye(d) - slopes, images[0] - x)
        except np.linalg.LinAlgError:
            return None
        x, size = x + move, float(np.abs(move).max())
        if size <= STILL * (1 + float(np.abs(x).max())):
            return np.asarray(x)
        if not size < FAR * (1 + float(np.abs(start).max())):
            return None
    return None


def orbit_box(stack: Stack, inputs: Array, state: Array) -> Interval | None:
    """A box around the state that is proved to hold an orbit."""
    missed = (period_box(stack, point(state), inputs) - point(state)).magnitude
    centre, _ = centred(period_jacobian(stack, point(state), inputs))
    inverse = near_inverse(np.eye(len(state)) - centre)
    if inverse is None:
        return None
    error = np.abs(inverse) @ missed + UNIT * (1 + np.abs(state))
    for share in INFLATIONS:
        box = Interval(state - share * error, state + share * error)
        if holds_orbit(stack, inputs, box):
            return box
    return None


def holds_orbit(stack: Stack, inputs: Array, X: Interval) -> bool:
    """Whether one state x* in X is proved to be mapped to itself by a period: Φ(X) ⊆ X, or Krawczyk's test.

    Krawczyk: x̂ + G(Φ(x̂) − x̂) + (I − G(I − J))(X − x̂) inside X, for any x̂ in X and any matrix G.

    Source: docs/resilience, proposition 12.
    """
    if period_box(stack, X, inputs).within(X):
        return True
    x = point(0.5 * X.lower + 0.5 * X.upper)
    J = period_jacobian(stack, X, inputs)
    eye = point(np.eye(len(x.lower)))
    G = near_inverse(eye.lower - centred(J)[0])
    if G is None:
        return False
    step = Signed(G) @ (period_box(stack, x, inputs) - x)
    spread = matvec_up((eye - interval_product(point(G), eye - J)).magnitude, (X - x).magnitude)
    return inside(x + step + Interval(-spread, spread), X)


def inside(inner: Interval, outer: Interval) -> bool:
    """Whether the inner box lies in the interior of the outer one."""
    return bool((outer.lower < inner.lower).all() and (inner.upper < outer.upper).all())


def near_inverse(matrix: Array) -> Array | None:
    """A floating-point inverse; None where there is none."""
    try:
        out = np.asarray(np.linalg.inv(matrix), dtype=float)
    except np.linalg.LinAlgError:
        return None
    return out if np.isfinite(out).all() else None
