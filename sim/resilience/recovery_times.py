"""How long do simulated runs take to recover from an anomaly, and which of these times are known to be final?"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.resilience.cell import Cell, Stack
from . import _kernels
from .deviations import pairs
from .packed import Block, pack
from .runs import each


@dataclass(frozen=True, eq=False)
class RecoveryTimes:
    """Recovery times of N sampled runs.

    Attributes
    ----------
    times : (N,)
        1 + the last observed t with e(t) > ε, 0 where there is none: T_R where it is final, a lower bound on it
        otherwise.
    final : (N,)
        Whether a certificate proves that no later e(t) exceeds ε.  The others are censored.
    epsilon : float
        ε.
    horizon : int
        Steps that were simulated after the anomaly.
    """

    times: NDArray[np.int64]
    final: NDArray[np.bool_]
    epsilon: float
    horizon: int

    @property
    def largest(self) -> int:
        """The largest time seen, a lower bound on T*(ε)."""
        return int(self.times.max())

    def surely_above(self, time: int) -> NDArray[np.bool_]:
        """Runs that exceeded ε at or after `time`: T_R > time."""
        return self.times > time

    def possibly_above(self, time: int) -> NDArray[np.bool_]:
        """These and the censored runs, of which T_R > time cannot be excluded."""
        return (self.times > time) | ~self.final


def recovery_times(
    cell: Cell | Stack,
    nominal_inputs: ArrayLike,
    perturbed_inputs: ArrayLike,
    epsilon: float,
    *,
    anomaly_end: int = 0,
    nominal_states: Any = None,
    perturbed_states: Any = None,
    vector: ArrayLike | None = None,
    threads: int = 1,
) -> RecoveryTimes:
    r"""T_R(ε) of N pairs of runs that receive the same inputs from the end of the anomaly on, in float64.

    T_R = min{T >= 0 : e(t) <= ε for all t >= T}, e(t) = ‖y(t) - ȳ(t)‖∞, where t = 0 is the end of the anomaly.  What is
    seen up to the end of the inputs is final where v ("vector") proves the rest: with M v <= λ v, λ < 1,

    .. math:: \mathrm{out}(v) \max_r |\Delta x_r(t)| / v_r \le \varepsilon, \qquad
        \mathrm{out}(v) = \max_j (|C_y| v_h)_j

    implies e(s) <= ε for all s >= t.  A run without that proof is censored.  Deviations are subject to rounding: ε
    should be far above 1e-15 max(1, |c|).

    Parameters
    ----------
    cell : LSTMCell, GRUCell or Stack
    nominal_inputs, perturbed_inputs : (N, T, m) or (T, m)
        ū and u; equal from the step `anomaly_end` on.
    epsilon : float
        ε > 0.
    anomaly_end : int
        D >= 0, the step that is t = 0; before it the inputs may differ.
    nominal_states, perturbed_states
        The states D steps before t = 0, as `trajectories` takes them.
    vector : (d,) or None
        v > 0 of a certificate on boxes that hold both runs, layer by layer, c before h.  None: every run is censored.
    threads : int
        Changes no digit.

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, sections 1 and 4.

    >>> from ...theory.resilience.cell import GRUCell
    >>> cell = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> rest = np.zeros((9, 1))
    >>> seen = recovery_times(cell, rest, rest, 0.1, nominal_states=[0.0], perturbed_states=[1.0], vector=[1.0])
    >>> seen.times, seen.final
    (array([4]), array([ True]))
    """
    packed = pack(cell, "float64")
    level, D = _check.positive("epsilon", epsilon), _check.integer("anomaly_end", anomaly_end, 0)
    x, u, runs = pairs(cell, nominal_inputs, perturbed_inputs, nominal_states, perturbed_states)
    _, T, m = u[0].shape
    if D > T:
        raise ValueError(f"anomaly_end must be <= {T}, the steps of the inputs, got {D}")
    if not (u[0][:, D:] == u[1][:, D:]).all():
        raise ValueError(f"perturbed_inputs must equal nominal_inputs from step {D}, the end of the anomaly, on")
    inverse, gain = _certificate(packed.stack, vector)
    times, proven = np.zeros(runs, np.int64), np.full(runs, -1, np.int64)
    flat = (u[0].reshape(-1), u[1].reshape(-1))

    def block(place: tuple[Block, int]) -> None:
        _kernels.run_recovery(
            place[0],
            *packed.network(place[0]),
            packed.output,
            x,
            flat,
            T,
            m,
            D,
            place[1],
            level,
            inverse,
            gain,
            times,
            proven,
        )

    each(block, packed.blocks(runs), threads)
    return RecoveryTimes(times, proven >= 0, level, T - D)


def _certificate(stack: Stack, vector: ArrayLike | None) -> tuple[NDArray[np.float64], float]:
    """1/v and out(v), both rounded up by more than their own error; nothing and infinity where there is no v."""
    if vector is None:
        return np.empty(0), math.inf
    v = _check.above("vector", vector, 0.0)
    if v.shape != (stack.dimension,):
        raise ValueError(f"vector must have shape ({stack.dimension},), got {v.shape}")
    h = v[-stack.units :]
    out = h.max() if stack.output is None else (np.abs(stack.output) @ h).max(initial=0.0)
    return 1 / v * (1 + 1e-15), float(out) * (1 + 1e-12)
