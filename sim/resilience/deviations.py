"""How far apart are two runs of one network, step by step?"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory.resilience.cell import Cell, Stack
from . import _kernels
from .packed import Block, Packed, Precision, pack
from .runs import each, input_runs, state_runs, together

Array = NDArray[np.float64]


def deviations(
    cell: Cell | Stack,
    nominal_inputs: ArrayLike,
    perturbed_inputs: ArrayLike,
    nominal_states: Any = None,
    perturbed_states: Any = None,
    *,
    precision: Precision = "float64",
    threads: int = 1,
) -> NDArray[Any]:
    """e(t) = ‖y(t) - ȳ(t)‖∞ at t = 0, …, T of N pairs of runs; the offset of y drops out.

    The difference is taken of two rounded runs, so that e below about 1e-15 (float32: 1e-6) times max(1, |c|) is noise.

    Parameters
    ----------
    cell : LSTMCell, GRUCell or Stack
    nominal_inputs, perturbed_inputs : (N, T, m) or (T, m)
        ū and u; without N the same for all pairs.
    nominal_states, perturbed_states
        x̄(0) and x(0), as `trajectories` takes them.
    precision, threads
        As for `trajectories`.

    Returns
    -------
    deviations : (N, T + 1)

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 1.

    >>> from ...theory.resilience.cell import GRUCell
    >>> cell = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> deviations(cell, np.zeros((2, 1)), np.zeros((2, 1)), [0.0], [1.0])
    array([[1.  , 0.5 , 0.25]])
    """
    packed = pack(cell, precision)
    x, u, runs = pairs(cell, nominal_inputs, perturbed_inputs, nominal_states, perturbed_states)
    return deviations_of(packed, x, u, runs, threads)


def deviations_of(
    packed: Packed, states: tuple[Array, Array], inputs: tuple[Array, Array], runs: int, threads: int = 1
) -> NDArray[Any]:
    """`deviations` of joint states (N or 1, d) and inputs (N or 1, T, m), unchecked."""
    _, T, m = inputs[0].shape
    out: NDArray[Any] = np.empty((T + 1, runs), packed.precision)
    flat = (inputs[0].reshape(-1), inputs[1].reshape(-1))

    def block(place: tuple[Block, int]) -> None:
        _kernels.run_deviations(
            place[0], *packed.network(place[0]), packed.output, states, flat, T, m, place[1], out.reshape(-1), runs
        )

    each(block, packed.blocks(runs), threads)
    return out.T


def pairs(
    cell: Cell | Stack,
    nominal_inputs: ArrayLike,
    perturbed_inputs: ArrayLike,
    nominal_states: Any,
    perturbed_states: Any,
) -> tuple[tuple[Array, Array], tuple[Array, Array], int]:
    """Joint states and inputs of both runs of each pair, and how many pairs there are."""
    inputs = {
        "nominal_inputs": input_runs("nominal_inputs", cell, nominal_inputs),
        "perturbed_inputs": input_runs("perturbed_inputs", cell, perturbed_inputs),
    }
    steps = tuple(each.shape[1] for each in inputs.values())
    if steps[0] != steps[1]:
        raise ValueError(f"perturbed_inputs must have {steps[0]} steps to go with nominal_inputs, got {steps[1]}")
    states = {
        "nominal_states": state_runs("nominal_states", cell, nominal_states),
        "perturbed_states": state_runs("perturbed_states", cell, perturbed_states),
    }
    x, u = tuple(states.values()), tuple(inputs.values())
    return (x[0], x[1]), (u[0], u[1]), together(**inputs, **states)
