"""The same four questions asked of either kind of layer: where it starts, refines, steps, and keeps its output."""

from collections.abc import Sequence
from itertools import pairwise

from . import gru_step, lstm_step
from .cell import Cell, GRUCell, Stack
from .interval import Interval, join


def everything(cell: Cell) -> Interval:
    """All states from which the refinement starts: ℝⁿ × [−1, 1]ⁿ, or [−1, 1]ⁿ of a GRU."""
    return gru_step.everything(cell) if isinstance(cell, GRUCell) else lstm_step.everything(cell)


def phi(cell: Cell, U: Interval, initial: Interval, X: Interval) -> Interval:
    """Φ of propositions 2 and 14 at the box X."""
    if isinstance(cell, GRUCell):
        return gru_step.phi(cell, U, initial, X)
    return lstm_step.phi(cell, U, initial, X)


def step_box(cell: Cell, X: Interval, U: Interval) -> Interval:
    """Ψ(X, U), a box around every state one step after X."""
    if isinstance(cell, GRUCell):
        return gru_step.step_box(cell, X, U)
    return lstm_step.step_box(cell, X, U)


def hidden(cell: Cell) -> slice:
    """Where h stands in the state of the layer."""
    return gru_step.hidden(cell) if isinstance(cell, GRUCell) else lstm_step.hidden(cell)


def places(stack: Stack) -> tuple[slice, ...]:
    """Where each layer stands in the joint state."""
    ends = [0]
    for layer in stack.layers:
        ends.append(ends[-1] + layer.dimension)
    return tuple(slice(a, b) for a, b in pairwise(ends))


def split(stack: Stack, X: Interval) -> tuple[Interval, ...]:
    """A box of joint states, layer by layer."""
    return tuple(X[place] for place in places(stack))


def inputs_of(stack: Stack, U: Interval, after: Sequence[Interval]) -> tuple[Interval, ...]:
    """The input box of each layer: U, then the boxes of h of the layers before, out of their boxes after the step."""
    return (U, *(X[hidden(layer)] for layer, X in zip(stack.layers[:-1], after, strict=False)))


def step_stack(stack: Stack, X: Interval, U: Interval) -> Interval:
    """A box around every joint state one step after X."""
    after: list[Interval] = []
    passed = U
    for layer, box in zip(stack.layers, split(stack, X), strict=True):
        after.append(step_box(layer, box, passed))
        passed = after[-1][hidden(layer)]
    return join(after)
