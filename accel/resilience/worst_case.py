"""Which states and inputs make recovery take longest, as far as gradients lead?"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...theory import _check
from ...theory.resilience.box import Box
from ...theory.resilience.cell import Cell, GRUCell, LSTMCell, Stack, as_stack
from ...theory.streams import stream
from .ascent import RESEED, Record, Search, Space
from .network import TorchStack

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The longest recovery that a search found, and the pair of runs that shows it.

    Attributes
    ----------
    recovery_time : int
        1 + the last t with e(t) > ε of the pair below, replayed in NumPy: T*(ε) >= recovery_time, up to rounding of e.
    deviations : (T + 1,)
        e(t) of that pair, replayed in NumPy; t = 0 is the end of the anomaly.
    envelope : (T + 1,)
        The largest e(t) of any pair tried, up to rounding a lower bound on E(t).
    nominal_states, perturbed_states
        Where the pair starts: (2, n) of an LSTM, (n,) of a GRU, a tuple of these for a stack.
    nominal_inputs, perturbed_inputs : (D + T, m)
        What it receives.
    anomaly_end : int
        D.
    epsilon : float
        ε.
    tried : int
        Pairs tried.
    """

    recovery_time: int
    deviations: Array
    envelope: Array
    nominal_states: Any
    perturbed_states: Any
    nominal_inputs: Array
    perturbed_inputs: Array
    anomaly_end: int
    epsilon: float
    tried: int

    @property
    def horizon(self) -> int:
        """T, the steps after the anomaly."""
        return len(self.envelope) - 1

    @property
    def censored(self) -> bool:
        """Whether e still exceeds ε at the horizon, so that a longer one would find more."""
        return self.recovery_time > self.horizon

    def replay(self, cell: Cell | Stack) -> Array:
        """e(t), t = 0, …, T, of the pair by the NumPy steps of the cell, (T + 1,)."""
        y = [
            _outputs(as_stack(cell), states, inputs)
            for states, inputs in (
                (self.nominal_states, self.nominal_inputs),
                (self.perturbed_states, self.perturbed_inputs),
            )
        ]
        return np.asarray(np.abs(y[1] - y[0]).max(1)[self.anomaly_end :])


def worst_case(
    cell: Cell | Stack,
    input_box: Box,
    epsilon: float,
    *,
    nominal_states: Box | None = None,
    perturbed_states: Box | None = None,
    anomaly_box: Box | None = None,
    anomaly_length: int = 0,
    anomaly_size: float | None = None,
    horizon: int = 50,
    restarts: int = 16,
    iterations: int = 16,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
) -> WorstCase:
    """A pair of runs with a long recovery, by projected sign-gradient ascent on |y_j(t) − ȳ_j(t)| for t = 0, 1, …, T.

    Free are both initial states, both inputs during the anomaly and the common inputs after it.  Restart r follows
    output j = r mod p.  At every horizon t the candidates of the horizon before go on with one more common input, in
    steps from 0.6 to 0.03 half widths, and are clipped to their boxes; every third horizon the worst quarter starts
    afresh.  The best pair is replayed in NumPy, and only what the replay shows is reported: it proves
    T*(ε) >= recovery_time (up to rounding); that nothing longer was found proves nothing.

    Parameters
    ----------
    cell : LSTMCell, GRUCell or Stack
    input_box : Box
        U.
    epsilon : float
        ε > 0.
    nominal_states, perturbed_states : Box or None
        Of joint states, layer by layer, c before h: S_n and S_a for the state-set version.  None: zero.
    anomaly_box : Box or None
        U_a ⊇ U; None stands for U.
    anomaly_length : int
        D >= 0, the steps in which the inputs differ.
    anomaly_size : float or None
        a >= 0: the magnitude version.  Both runs start at one state of `nominal_states`, and inputs of the anomaly
        differ by at most a.
    horizon : int
        T >= 0, the steps after the anomaly.  The work grows with its square.
    restarts, iterations : int
        Candidates, and steps of ascent at every horizon.
    seed : int
        Decides where the candidates start.
    device, dtype
        Where and in which type the search runs; the replay is in float64 on the CPU.

    Raises ValueError or TypeError in one sentence that names the argument.

    Source: docs/resilience, sections 1 and 6.

    >>> cell = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> unit = Box([-1.0], [1.0])
    >>> worst_case(cell, unit, 0.1, nominal_states=unit, perturbed_states=unit, horizon=8).recovery_time
    5
    """
    space = _space(cell, input_box, nominal_states, perturbed_states, anomaly_box, anomaly_size)
    D, T = _check.integer("anomaly_length", anomaly_length, 0), _check.integer("horizon", horizon, 0)
    eps = _check.positive("epsilon", epsilon)
    N, rounds = _check.integer("restarts", restarts, 1), _check.integer("iterations", iterations, 1)
    network = TorchStack.from_cells(cell, dtype=dtype, device=device)
    search = Search(network, space, D, T, N, stream(seed, "worst case by gradients"))
    record = Record(search, eps)
    for t in range(T + 1):
        if t and t % RESEED == 0:
            search.reseed()
        search.ascend(t, rounds, record)
    return _replayed(cell, search, record, eps, N * (T + 1) * (rounds + 1))


def _replayed(cell: Cell | Stack, search: Search, record: Record, epsilon: float, tried: int) -> WorstCase:
    """The best candidate as NumPy has it."""
    k = record.score.argmax().reshape(1)
    parts = [part.index_select(0, k) for part in record.parts]
    first, second, ours, theirs = (x[0].double().cpu().numpy() for x in search.pair(parts, search.after))
    space = search.space
    states = [
        _layer_states(cell, np.clip(x, box.lower, box.upper))  # float32 rounds the ends of a box
        for x, box in ((first, space.nominal_states), (second, space.perturbed_states))
    ]
    ours = np.clip(ours, space.nominal.lower, space.nominal.upper)
    theirs = np.clip(theirs, space.anomalous.lower, space.anomalous.upper)
    theirs[search.before :] = ours[search.before :]
    shape = np.zeros(search.after + 1)
    found = WorstCase(0, shape, shape, states[0], states[1], ours, theirs, search.before, epsilon, tried)
    e = found.replay(cell)
    above = np.flatnonzero(e > epsilon)
    envelope = np.maximum(record.envelope.double().cpu().numpy(), e)
    time = int(above[-1]) + 1 if len(above) else 0
    return replace(found, recovery_time=time, deviations=e, envelope=envelope)


def _outputs(stack: Stack, states: Any, inputs: Array) -> Array:
    """y(0), …, y(T) without offset, (T + 1, p)."""
    state = tuple(states) if isinstance(states, tuple) else (states,)
    h = [_hidden(stack, state)]
    for u in inputs:
        state = stack.step(state, u)
        h.append(_hidden(stack, state))
    out = np.array(h)
    return out if stack.output is None else out @ stack.output.T


def _hidden(stack: Stack, state: tuple[Any, ...]) -> Array:
    return np.asarray(state[-1][1] if isinstance(stack.layers[-1], LSTMCell) else state[-1])


def _layer_states(cell: Cell | Stack, joint: Array) -> Any:
    """A joint state (d,) as the cell has it: (2, n), (n,), or a tuple of these for a stack."""
    parts, start = [], 0
    for layer in as_stack(cell).layers:
        part = joint[start : start + layer.dimension]
        start += layer.dimension
        parts.append(part if isinstance(layer, GRUCell) else part.reshape(2, -1))
    return tuple(parts) if isinstance(cell, Stack) else parts[0]


def _space(
    cell: Cell | Stack,
    input_box: Box,
    nominal_states: Box | None,
    perturbed_states: Box | None,
    anomaly_box: Box | None,
    anomaly_size: float | None,
) -> Space:
    stack = as_stack(cell)
    zero = Box(np.zeros(stack.dimension), np.zeros(stack.dimension))
    if anomaly_size is not None:
        size = _check.finite("anomaly_size", anomaly_size)
        if size.ndim or not size >= 0:
            raise ValueError(f"anomaly_size must be a number >= 0, got {anomaly_size!r}")
        if perturbed_states is not None:
            raise ValueError("perturbed_states must be left out where anomaly_size says that both runs start together")
    U = _of("input_box", input_box, stack.inputs)
    Ua = U if anomaly_box is None else _of("anomaly_box", anomaly_box, stack.inputs)
    if not Ua.includes(U):
        raise ValueError("anomaly_box must contain input_box, got one that does not")
    first = zero if nominal_states is None else _of("nominal_states", nominal_states, stack.dimension)
    if anomaly_size is not None:
        return Space(first, first, U, Ua, float(anomaly_size))
    second = zero if perturbed_states is None else _of("perturbed_states", perturbed_states, stack.dimension)
    return Space(first, second, U, Ua, None)


def _of(name: str, box: Box, dimension: int) -> Box:
    if not isinstance(box, Box):
        raise TypeError(f"{name} must be a Box, got {type(box).__name__}")
    if box.dimension != dimension:
        raise ValueError(f"{name} must have {dimension} coordinates, got {box.dimension}")
    return box
