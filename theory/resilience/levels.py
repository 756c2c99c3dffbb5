"""Which comparison map each named level uses on a box of joint states."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .cell import Cell, GRUCell, LSTMCell, Stack
from .comparison import Comparison, stacked
from .gru_level import gru_map
from .interval import Interval
from .jacobian_level import global_box, global_map, interval_map
from .layer import everything, places, split
from .norm_level import gru_norm_map, norm_map, refined_norm_map
from .row_level import row_map

Array = NDArray[np.float64]

LEVELS = ("A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R", "D", "S")
GRU_PARTS = 8  # pieces of the update gate at level R
NORM = {"A": "max", "A2": "euclidean", "A2r": "euclidean"}


def available(stack: Stack, level: str) -> bool:
    """Whether a level is defined for the layers: A2 and A2r for LSTMs, D and S for a single LSTM."""
    lstm = not any(isinstance(layer, GRUCell) for layer in stack.layers)
    if level in ("A2", "A2r"):
        return lstm
    return level not in ("D", "S") or (lstm and len(stack.layers) == 1)


def layer_map(
    level: str, cell: Cell, X: Interval, U: Interval, initial: Interval, parts: int, after: Interval | None = None
) -> Comparison:
    """The map of one layer at level A, A2, A2r, B, C or R over states in X and inputs in U.

    `after` holds every state one step after X where X itself does not; C and R take the new cells from it.
    """
    choices: dict[str, Callable[[], Comparison]]
    if isinstance(cell, GRUCell):
        choices = {
            "A": partial(gru_norm_map, cell, U),
            "B": partial(gru_map, cell, everything(cell), U),
            "C": partial(gru_map, cell, X, U),
            "R": partial(gru_map, cell, X, U, GRU_PARTS),
        }
    else:
        cells = None if after is None else after[: cell.units]
        choices = {
            "A": partial(norm_map, cell, X, U, "max"),
            "A2": partial(norm_map, cell, X, U, "euclidean"),
            "A2r": partial(refined_norm_map, cell, X, U),
            "B": partial(_global, cell, X, U, initial),
            "C": partial(interval_map, cell, X, U, cells),
            "R": partial(row_map, cell, X, U, parts, cells),
        }
    return choices[level]()


def _global(cell: LSTMCell, X: Interval, U: Interval, initial: Interval) -> Comparison:
    return global_map(cell, global_box(cell, X, U, initial), U)


def stack_map(
    level: str,
    stack: Stack,
    X: Interval,
    inputs: Sequence[Interval],
    initial: Interval,
    parts: int,
    after: Interval | None = None,
) -> Comparison:
    """The map of the joint state over the box X, each layer with its own input box."""
    maps = [
        layer_map(level, layer, box, U, initial[place], parts, None if after is None else after[place])
        for layer, box, U, place in zip(stack.layers, split(stack, X), inputs, places(stack), strict=True)
    ]
    return stacked(maps)


def reduced(level: str, stack: Stack, deviation: Array) -> Array:
    """δ as the level has it: a norm of each block for A, A2 and A2r, rounded up; as it is otherwise."""
    if level not in NORM:
        return deviation
    parts = []
    for layer, place in zip(stack.layers, places(stack), strict=True):
        parts += [deviation[place]] if isinstance(layer, GRUCell) else np.split(deviation[place], 2)
    return np.array([block_norm(level, part) for part in parts])


def block_norm(level: str, values: Array) -> float:
    """The largest entry or the Euclidean norm, rounded up."""
    if NORM[level] == "max":
        return float(np.abs(values).max())
    top = float(np.abs(values).max())
    if top == 0:
        return 0.0
    return float(top * np.sqrt(((values / top) ** 2).sum()) * (1 + 2.0**-50 * len(values)))


def output_weights(level: str, stack: Stack, output: Array | None) -> Array:
    """W with out(δ) = max_j (W δ)_j: |C_y| on the h of the last layer, or the norms of its rows; rounded up."""
    n = stack.units
    C = np.eye(n) if output is None else np.abs(output)
    if level not in NORM:
        d = stack.dimension
        out = np.zeros((len(C), d))
        out[:, d - n :] = C
        return out
    if NORM[level] == "max":
        norm = float(C.sum(axis=1).max() * (1 + 2.0**-50 * n))
    else:
        norm = max(block_norm(level, row) for row in C)
    size = sum(1 if isinstance(layer, GRUCell) else 2 for layer in stack.layers)
    weights = np.zeros((1, size))
    weights[0, -1] = norm if output is not None else 1.0
    return weights
