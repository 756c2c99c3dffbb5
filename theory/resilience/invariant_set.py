"""Boxes of states that a network never leaves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .box import Box, symmetric_box
from .cell import Cell, LSTMCell, Stack, as_stack
from .interval import Interval, interval, join
from .layer import everything, hidden, phi, places

STILL = 1e-14  # no entry moves by more: the refinement has arrived
STEPS = 2000
SEARCH_STEPS = 300  # of the search from below
INFLATIONS = (1e-3, 1e-2, 1e-1)  # of the width, tried in turn from below


@dataclass(frozen=True, eq=False)
class InvariantSet:
    """A forward invariant box of joint states for inputs in a box.

    Attributes
    ----------
    interval : Interval
        c and h of each layer in turn (h alone of a GRU), containing the initial states; a cell is infinite where 1 − f⁺
        may be 0 to rounding.
    starts : tuple of Interval or None
        For each layer the box found from below at which its refinement started, None where it started from everything.
    steps : tuple of int
        Refinements taken in each layer.
    """

    interval: Interval
    starts: tuple[Interval | None, ...]
    steps: tuple[int, ...]

    @property
    def finite(self) -> bool:
        """Whether every end is."""
        return bool(np.isfinite(self.interval.lower).all() and np.isfinite(self.interval.upper).all())

    @property
    def box(self) -> Box | None:
        """The set as a box; None where it is infinite."""
        return self.interval.box() if self.finite else None


def invariant_set(
    cell: Cell | Stack, input_bound: "float | ArrayLike | Box", initial_box: Box | None = None
) -> InvariantSet:
    """A forward invariant box for inputs in `input_bound` that contains `initial_box`, rounded outward.

    The refinement H ← hull(O·tanh C(H), H0) from [−1, 1]ⁿ; where an inflated orbit from the initial box proves a
    smaller invariant box, that one.

    Parameters
    ----------
    cell : LSTMCell, GRUCell or Stack
    input_bound : float, (m,) or Box
        U: |u| <= bound, or the box itself.
    initial_box : Box or None
        B0 of the joint state, h within [−1, 1]; None stands for {0}.

    Raises ValueError for a bound that is negative or of a wrong length and for h outside [−1, 1].

    Source: docs/resilience, proposition 2 (LSTM), 14 (GRU).

    >>> still = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    >>> invariant_set(still, 1.0).box.upper
    array([0., 0.])
    """
    stack = as_stack(cell)
    U = interval(symmetric_box("input_bound", input_bound, stack.inputs))
    return settled(stack, U, initial_interval(stack, initial_box))


def settled(stack: Stack, U: Interval, initial: Interval) -> InvariantSet:
    """The invariant set of a stack from checked arguments; each layer's input box is the h box of the one before."""
    boxes, starts, steps = [], [], []
    passed = U
    for layer, place in zip(stack.layers, places(stack), strict=True):
        X, count = refine(layer, passed, initial[place], everything(layer))
        start = _from_below(layer, passed, initial[place], X)
        if start is not None:
            X, count = refine(layer, passed, initial[place], start)
        boxes.append(X)
        starts.append(start)
        steps.append(count)
        passed = X[hidden(layer)]
    return InvariantSet(join(boxes), tuple(starts), tuple(steps))


def refine(layer: Cell, U: Interval, initial: Interval, start: Interval, steps: int = STEPS) -> tuple[Interval, int]:
    """Φ applied to `start`, every result cut with the box before it, and how often; proposition 2."""
    X = start
    for count in range(1, steps + 1):
        finer = phi(layer, U, initial, X) & X
        with np.errstate(invalid="ignore"):  # ∞ − ∞ of a cell without a bound
            moved = np.maximum(X.upper - finer.upper, finer.lower - X.lower)
        X = finer
        if not (moved > STILL).any():
            return X, count
    return X, steps


def replay(stack: Stack, U: Interval, initial: Interval, found: InvariantSet) -> Interval:
    """The box of `found` computed again from its starts, which are proved anew; ValueError where one is not."""
    boxes, passed = [], U
    for layer, place, start, count in zip(stack.layers, places(stack), found.starts, found.steps, strict=True):
        if start is not None and not _maps_into(layer, passed, initial[place], start):
            raise ValueError("certificate must hold an invariant start box, got one that the network leaves")
        X, _ = refine(layer, passed, initial[place], everything(layer) if start is None else start, count)
        boxes.append(X)
        passed = X[hidden(layer)]
    return join(boxes)


def initial_interval(stack: Stack, initial_box: Box | None) -> Interval:
    """B0 as an interval, checked."""
    if initial_box is None:
        return Interval(np.zeros(stack.dimension), np.zeros(stack.dimension))
    if not isinstance(initial_box, Box):
        raise TypeError(f"initial_box must be a Box, got {type(initial_box).__name__}")
    if initial_box.dimension != stack.dimension:
        raise ValueError(f"initial_box must have {stack.dimension} coordinates, got {initial_box.dimension}")
    for layer, place in zip(stack.layers, places(stack), strict=True):
        h = initial_box.magnitude[place][hidden(layer)]
        if not (h <= 1).all():
            raise ValueError(f"initial_box must keep h within [-1, 1], got {h.max():g}")
    return interval(initial_box)


def _from_below(layer: Cell, U: Interval, initial: Interval, above: Interval) -> Interval | None:
    """A box proved invariant that is smaller than `above`, grown from the initial one; None where none was found."""
    h = hidden(layer)
    G = initial[h]
    for _ in range(SEARCH_STEPS):
        larger = G | phi(layer, U, initial, _with_output(layer, G))[h]
        moved = np.maximum(larger.upper - G.upper, G.lower - larger.lower).max()
        G = larger
        if moved <= 1e-9:
            break
    if (G.width >= above[h].width * (1 - 1e-6) - 1e-9).all():
        return None
    for share in INFLATIONS:
        by = 1e-9 + share * G.width
        start = _with_output(layer, Interval(np.maximum(G.lower - by, -1.0), np.minimum(G.upper + by, 1.0)))
        if _maps_into(layer, U, initial, start):
            return start
    return None


def _with_output(layer: Cell, H: Interval) -> Interval:
    """ℝⁿ × H for an LSTM, H for a GRU."""
    return join([everything(layer)[: layer.units], H]) if isinstance(layer, LSTMCell) else H


def _maps_into(layer: Cell, U: Interval, initial: Interval, start: Interval) -> bool:
    h = hidden(layer)
    return phi(layer, U, initial, start)[h].within(start[h])
