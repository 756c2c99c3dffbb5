"""Where do the states and outputs of a recurrent network go?"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory.resilience.cell import Cell, Stack
from . import _kernels
from .packed import Block, Precision, pack
from .runs import each, input_runs, layer_states, state_runs, together


def trajectories(
    cell: Cell | Stack,
    initial_states: Any,
    inputs: ArrayLike,
    precision: Precision = "float64",
    *,
    threads: int = 1,
) -> Any:
    """The states x(0), …, x(T) of N runs, x(t + 1) = F(x(t), u(t)); for a stack F goes through its layers in turn.

    σ and tanh are within 4e-16 (float64) or 2e-7 (float32) of their values.  A step agrees with torch within 1e-14 or
    2e-7 where |c| stays below about 1; further out both are good to a few roundings of c and of the sums.  A run comes
    out the same, to the last bit, whatever runs beside it and however many threads.

    Parameters
    ----------
    cell : LSTMCell, GRUCell or Stack
    initial_states : (N, 2, n) or (2, n), (N, n) or (n) of a GRU, a tuple of these for a stack, or None
        x(0), c before h; without N one state for all runs, None for zeros.
    inputs : (N, T, m) or (T, m)
        u(0), …, u(T - 1); without N the same for all runs.
    precision : "float64" or "float32"
        In which the run is computed and returned; weights and inputs are rounded to it.
    threads : int
        How many blocks of 64 runs, or of four where there are few, are computed side by side.

    Returns
    -------
    states : (N, T + 1, 2, n), (N, T + 1, n) of a GRU, or a tuple of these for a stack
        A view whose memory has the runs innermost; N = 1 where neither argument has an N.

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 1.

    >>> from ...theory.resilience.cell import LSTMCell
    >>> cell = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    >>> trajectories(cell, [[1.0], [0.0]], np.zeros((2, 1)))[0, :, 0, 0]
    array([1.  , 0.5 , 0.25])
    """
    packed = pack(cell, precision)
    x, u = state_runs("initial_states", cell, initial_states), input_runs("inputs", cell, inputs)
    runs, (_, T, m) = together(initial_states=x, inputs=u), u.shape
    out: NDArray[Any] = np.empty((T + 1, packed.stack.dimension, runs), precision)

    def block(place: tuple[Block, int]) -> None:
        _kernels.run_states(place[0], *packed.network(place[0]), x, u.ravel(), T, m, place[1], out.reshape(-1), runs)

    each(block, packed.blocks(runs), threads)
    return layer_states(cell, out.transpose(2, 0, 1))


def outputs(
    cell: Cell | Stack,
    initial_states: Any,
    inputs: ArrayLike,
    precision: Precision = "float64",
    *,
    threads: int = 1,
) -> NDArray[Any]:
    """The outputs y(1), …, y(T) of N runs, (N, T, p): what torch returns; y = C_y h + d, or h of the last layer.

    Arguments, accuracy and errors are those of `trajectories`.

    >>> from ...theory.resilience.cell import GRUCell
    >>> cell = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> outputs(cell, [1.0], np.zeros((2, 1)))[0, :, 0]
    array([0.5 , 0.25])
    """
    packed = pack(cell, precision)
    x, u = state_runs("initial_states", cell, initial_states), input_runs("inputs", cell, inputs)
    runs, (_, T, m) = together(initial_states=x, inputs=u), u.shape
    out: NDArray[Any] = np.empty((T, packed.outputs, runs), precision)

    def block(place: tuple[Block, int]) -> None:
        read = (packed.output, packed.offset)
        _kernels.run_outputs(
            place[0], *packed.network(place[0]), *read, x, u.ravel(), T, m, place[1], out.reshape(-1), runs
        )

    each(block, packed.blocks(runs), threads)
    return out.transpose(2, 0, 1)
