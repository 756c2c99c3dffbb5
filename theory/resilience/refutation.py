"""Proof that a network is not incrementally stable: runs under one input that never meet, or an orbit that repels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from .cell import Stack
from .interval import Interval, Signed, down, point
from .periodic_orbit import find_orbit, holds_orbit, orbit_box
from .separated_runs import Separated, separated_runs, step_points
from .unstable_orbit import Repeller, repelled_gap, repeller, repeller_holds

Array = NDArray[np.float64]

TRIED = 4  # inputs for which a proof is tried
NEAR = 6  # runs from which Newton steps start
REPEATS = 12  # steps after which an orbit may close, or two periods of the input
CLOSED = 1e-9  # relative, of an orbit that counts as closed
APART = 1e-4  # states closer than this count as one


@dataclass(frozen=True, eq=False)
class Witness:
    """A periodic input under which trajectories do not approach each other.

    Without a frame: two disjoint boxes that hold an orbit each, x̄ and x, which never meet.  With a frame: the first box
    holds an orbit that drives near states away, so that the recovery time is unbounded though each trajectory may
    recover.

    Attributes
    ----------
    inputs : (p, m)
        One period of the input, within U.
    first, second : Interval
        Boxes with a state that one period maps to itself, proved with outward rounding; the first within S_n, the
        second within S_a.  With a frame: X within S_n and inside S_a, which holds a state x* of the orbit, and N ⊇ X,
        where distances grow.
    gap : float
        At least this far apart some coordinate of h of the last layer stays at the end of every period.  With a frame:
        at the end of infinitely many periods, for trajectories that start as near to x* as one likes.
    output_gap : float
        The same for y = C_y h of the stack, so that T*(ε) = ∞ for ε below it; 0 where none was proved.
    frame : (d, d) or None
        Y: near states are x* + Y ζ.
    growing : int
        The first so many coordinates of ζ grow.

    Source: docs/resilience, propositions 12 and 12a.
    """

    inputs: Array
    first: Interval
    second: Interval
    gap: float
    output_gap: float = 0.0
    frame: Array | None = None
    growing: int = 0


def refute(stack: Stack, U: Interval, nominal: Interval, anomaly: Interval, rng: np.random.Generator) -> Witness | None:
    """A witness found where simulated runs under periodic inputs do not meet; None if none was.

    That none was found proves nothing.
    """
    runs = list(islice(separated_runs(stack, U, nominal, anomaly, rng), TRIED))
    orbits = [_orbits(stack, seen, nominal) for seen in runs]
    for search in (_two_orbits, _two_phases, _repelled):
        for seen, states in zip(runs, orbits, strict=True):
            for witness in search(stack, seen, states, nominal, anomaly):
                if witness_holds(stack, witness, U, nominal, anomaly):
                    return witness
    return None


def witness_holds(stack: Stack, witness: Witness, U: Interval, nominal: Interval, anomaly: Interval) -> bool:
    """Whether the boxes hold orbits apart, or the orbit repels: interval steps alone, nothing is searched for."""
    d, m = stack.dimension, stack.inputs
    if witness.inputs.ndim != 2 or witness.inputs.shape[1] != m or not len(witness.inputs):  # no steps prove nothing
        return False
    if any(end.shape != (d,) for box in (witness.first, witness.second) for end in (box.lower, box.upper)):
        return False
    if not all(point(u).within(U) for u in witness.inputs):
        return False
    if witness.frame is not None:
        found = Repeller(witness.first, witness.second, witness.frame, witness.growing)
        if not repeller_holds(stack, witness.inputs, found, nominal, anomaly):
            return False
    elif not (
        witness.first.within(nominal)
        and witness.second.within(anomaly)
        and all(holds_orbit(stack, witness.inputs, box) for box in (witness.first, witness.second))
    ):
        return False
    if not 0 < witness.gap <= lasting_gap(stack, witness):
        return False
    own = witness.output_gap == 0 or witness.output_gap <= lasting_gap(stack, witness, stack.output)
    return witness.output_gap >= 0 and own


def lasting_gap(stack: Stack, witness: Witness, output: Array | None = None) -> float:
    """How far apart the outputs C_y h of the last layer, (p, n), are again and again; None stands for h.

    Rounded down; 0 where nothing is proved.  For the output y of the recovery time, T*(ε) = ∞ for every ε below it.

    Source: docs/resilience, propositions 12 and 12a.
    """
    if witness.frame is not None:
        found = Repeller(witness.first, witness.second, witness.frame, witness.growing)
        return repelled_gap(stack, witness.inputs, found, output)
    n = stack.units
    a, b = witness.first[-n:], witness.second[-n:]
    apart = np.maximum(down(b.lower - a.upper), down(a.lower - b.upper))
    if output is not None:
        between = Signed(output) @ (a - b)
        apart = np.maximum(between.lower, -between.upper)
    return max(0.0, float(apart.max(initial=0.0)))


def _two_orbits(
    stack: Stack, seen: Separated, states: list[Array], nominal: Interval, anomaly: Interval
) -> Iterator[Witness]:
    """Two orbits of the input's period."""
    yield from _pairs(stack, seen.inputs, states, nominal, anomaly)


def _two_phases(
    stack: Stack, seen: Separated, states: list[Array], nominal: Interval, anomaly: Interval
) -> Iterator[Witness]:
    """Two phases of an orbit whose period is a multiple of the input's."""
    for inputs, phases in _longer(stack, seen):
        yield from _pairs(stack, inputs, phases, nominal, anomaly)


def _repelled(
    stack: Stack, seen: Separated, states: list[Array], nominal: Interval, anomaly: Interval
) -> Iterator[Witness]:
    """An orbit that repels."""
    for state in states:
        away = repeller(stack, seen.inputs, state, nominal, anomaly)
        if away is not None:
            frame, growing = away.frame, away.growing
            yield _measured(stack, Witness(seen.inputs, away.orbit, away.around, 0.0, 0.0, frame, growing))


def _orbits(stack: Stack, seen: Separated, nominal: Interval) -> list[Array]:
    """States of different orbits, by Newton steps from the runs, from between them and from their means."""
    states, means = seen.states, seen.means
    far = np.abs(states - states[0]).max(axis=1).argmax()
    starts = [*states[:NEAR], states[far], 0.5 * (states[0] + states[far]), *means[:2], means.mean(axis=0)]
    found: list[Array] = []
    for start in [*starts, 0.5 * nominal.lower + 0.5 * nominal.upper]:
        state = find_orbit(stack, seen.inputs, start)
        if state is not None and all(np.abs(state - other).max() > APART for other in found):
            found.append(state)
    return found


def _pairs(stack: Stack, inputs: Array, states: list[Array], nominal: Interval, anomaly: Interval) -> list[Witness]:
    """Boxes that are proved to hold an orbit each, the first within S_n, the second within S_a; the farthest first."""
    if len(states) < 2:
        return []
    boxes = [orbit_box(stack, inputs, state) for state in states]
    firsts, seconds = (
        [(k, box & within) for k, box in enumerate(boxes) if box is not None and _meets(stack, inputs, box, within)]
        for within in (nominal, anomaly)
    )
    found = [_measured(stack, Witness(inputs, B, C, 0.0)) for k, B in firsts for j, C in seconds if j != k]
    return sorted((each for each in found if each.gap > 0), key=lambda each: (-each.output_gap, -each.gap))


def _meets(stack: Stack, inputs: Array, box: Interval, within: Interval) -> bool:
    """Whether the orbit of the box is proved to lie in the other one, on whose edge it may be."""
    if box.within(within):
        return True
    cut = box & within
    return bool((cut.lower <= cut.upper).all()) and holds_orbit(stack, inputs, cut)


def _longer(stack: Stack, seen: Separated) -> Iterator[tuple[Array, list[Array]]]:
    """Periods of the input, repeated, after which a run closes that does not close after fewer: two of its phases."""
    now, open_ = seen.states, np.ones(len(seen.states), bool)
    for repeats in range(1, max(2, REPEATS // len(seen.inputs)) + 1):
        for u in seen.inputs:
            now = step_points(stack, now, u)
        closed = np.abs(now - seen.states).max(axis=1) <= CLOSED * (1 + np.abs(seen.states).max(axis=1))
        fresh = np.flatnonzero(closed & open_)
        open_ &= ~closed
        if repeats > 1 and len(fresh):
            state = later = seen.states[fresh[:1]]
            for u in seen.inputs:
                later = step_points(stack, later, u)
            yield np.tile(seen.inputs, (repeats, 1)), [state[0], later[0]]


def _measured(stack: Stack, witness: Witness) -> Witness:
    gap = lasting_gap(stack, witness)
    output = gap if stack.output is None else lasting_gap(stack, witness, stack.output)
    return replace(witness, gap=gap, output_gap=output)
