"""Which states and inputs make recovery take longest, as far as a search can tell?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...theory import _check
from ...theory.resilience.box import Box
from ...theory.resilience.cell import Cell, Stack
from ...theory.streams import stream
from .deviations import deviations_of
from .packed import Packed, pack
from .runs import each, layer_states

Array = NDArray[np.float64]

PAIRS = 64  # that a search improves side by side, one block of lanes
REFRESH = 10  # rounds after which the worst quarter takes over the best quarter's places
CORNERS = 0.6  # share of candidates that start in a corner of everything


@dataclass(frozen=True, eq=False)
class WorstCase:
    """The longest recovery that a search found.

    Attributes
    ----------
    recovery_time : int
        1 + the last t with e(t) > ε of any pair tried, up to rounding of e a lower bound on T*(ε).
    envelope : (T + 1,)
        The largest e(t) of any pair tried, a lower bound on E(t), t = 0 being the end of the anomaly.
    nominal_states, perturbed_states
        Where the pair with this recovery time starts, as `trajectories` takes them.
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
    envelope: NDArray[np.float64]
    nominal_states: Any
    perturbed_states: Any
    nominal_inputs: NDArray[np.float64]
    perturbed_inputs: NDArray[np.float64]
    anomaly_end: int
    epsilon: float
    tried: int

    @property
    def horizon(self) -> int:
        """T, the steps simulated after the anomaly."""
        return len(self.envelope) - 1

    @property
    def censored(self) -> bool:
        """Whether e still exceeds ε at the horizon, so that a longer one would find more."""
        return self.recovery_time > self.horizon


def worst_case(
    cell: Cell | Stack,
    input_box: Box,
    epsilon: float,
    *,
    nominal_states: Box | None = None,
    perturbed_states: Box | None = None,
    anomaly_box: Box | None = None,
    anomaly_length: int = 0,
    horizon: int = 50,
    searches: int = 4,
    rounds: int = 300,
    seed: int = 0,
    threads: int = 1,
) -> WorstCase:
    """A pair of runs with a long recovery, by sampling corners and improving 64 pairs a search, step by step.

    Free are both initial states, both inputs during the anomaly and the common inputs after it.  A change touches the
    states or one input over a stretch of time; it is kept unless T_R falls or, at the same T_R, the largest later e.
    What is found proves T*(ε) >= recovery_time (up to rounding); that nothing longer was found proves nothing, and it
    says nothing about frequencies.

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
        U_a; None stands for U.
    anomaly_length : int
        D >= 0, the steps in which the inputs differ.
    horizon : int
        T >= 0, the steps after them.
    searches, rounds : int
        Independent searches, and changes tried on each of their pairs.
    seed : int
        Alone decides the result; `threads`, how many searches run side by side, does not.

    Raises ValueError or TypeError in one sentence that names the argument.

    Source: docs/resilience, sections 1 and 4.

    >>> from ...theory.resilience.cell import GRUCell
    >>> cell = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> unit = Box([-1.0], [1.0])
    >>> worst_case(cell, unit, 0.1, nominal_states=unit, perturbed_states=unit).recovery_time
    5
    """
    packed, level = pack(cell, "float64"), _check.positive("epsilon", epsilon)
    space = _Space(
        packed,
        (
            _states("nominal_states", nominal_states, packed.stack.dimension),
            _states("perturbed_states", perturbed_states, packed.stack.dimension),
        ),
        _inputs("input_box", input_box, packed.stack.inputs),
        _inputs("anomaly_box", input_box if anomaly_box is None else anomaly_box, packed.stack.inputs),
        _check.integer("anomaly_length", anomaly_length, 0),
        _check.integer("horizon", horizon, 0),
    )
    tries = _check.integer("rounds", rounds, 0)

    def one(search: int) -> tuple[float, Array, Array]:
        return _search(space, level, tries, stream(seed, "worst case", search))

    found = each(one, range(_check.integer("searches", searches, 1)), threads)
    best = max(range(len(found)), key=lambda search: found[search][0])  # the first of the best
    states, inputs = space.split(found[best][1][None])
    envelope = np.max([curve for *_, curve in found], axis=0)
    return WorstCase(
        int(_recovery(envelope[None], level)[0]),
        envelope,
        layer_states(cell, states[0][0]),
        layer_states(cell, states[1][0]),
        inputs[0][0],
        inputs[1][0],
        space.before,
        level,
        len(found) * (tries + 1) * PAIRS,
    )


@dataclass(frozen=True)
class _Space:
    """What a search is free to choose, as one vector: states, anomaly, common inputs; an input's steps together."""

    packed: Packed
    states: tuple[Box, Box]
    nominal: Box
    anomalous: Box
    before: int
    after: int

    @property
    def ends(self) -> tuple[Array, Array]:
        """The lower and upper ends of all coordinates."""
        spans = [(self.nominal, self.before), (self.anomalous, self.before), (self.nominal, self.after)]
        low = [box.lower for box in self.states] + [np.repeat(box.lower, steps) for box, steps in spans]
        high = [box.upper for box in self.states] + [np.repeat(box.upper, steps) for box, steps in spans]
        return np.concatenate(low), np.concatenate(high)

    def split(self, candidates: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """The joint states (N, d) and the inputs (N, D + T, m) of both runs."""
        d, m, N = self.states[0].dimension, self.nominal.dimension, len(candidates)
        sizes = (d, d, m * self.before, m * self.before, m * self.after)
        first, second, *inputs = np.split(candidates, np.cumsum(sizes)[:-1], axis=1)
        ours, theirs, common = (part.reshape(N, m, part.shape[1] // m).transpose(0, 2, 1) for part in inputs)
        both = (np.concatenate([part, common], axis=1) for part in (ours, theirs))
        return (np.ascontiguousarray(first), np.ascontiguousarray(second)), (next(both), next(both))

    def curves(self, candidates: Array) -> Array:
        """e(t) from the end of the anomaly on, (N, T + 1)."""
        states, inputs = self.split(candidates)
        out: Array = deviations_of(self.packed, states, inputs, len(candidates))[:, self.before :]
        return out


def _search(space: _Space, epsilon: float, rounds: int, rng: np.random.Generator) -> tuple[float, Array, Array]:
    """The best score, its candidate, and the largest deviation of all tried."""
    low, high = space.ends
    N = PAIRS
    corner = rng.random((N, 1)) < CORNERS
    share = rng.random((N, len(low)))
    now = _between(low, high, np.where(corner, share < 0.5, share))
    curves = space.curves(now)
    scores, envelope = _scores(curves, epsilon), curves.max(0)
    for turn in range(rounds):
        tried = _changed(now, low, high, now[scores.argmax()], rng)
        curves = space.curves(tried)
        found = _scores(curves, epsilon)
        np.maximum(envelope, curves.max(0), out=envelope)
        better = found >= scores
        now[better], scores[better] = tried[better], found[better]
        if turn % REFRESH == REFRESH - 1:
            order = np.argsort(scores, kind="stable")
            last, first = order[: N // 4], order[-(N // 4) :]
            now[last], scores[last] = now[first], scores[first]
    place = int(scores.argmax())
    winner: Array = now[place]
    return float(scores[place]), winner, envelope


def _changed(now: Array, low: Array, high: Array, best: Array, rng: np.random.Generator) -> Array:
    """Every candidate with a stretch of coordinates set to one end, to random ends, to anything, or as in the best."""
    N, K = now.shape
    length = np.ceil(np.exp(rng.random(N) * np.log(max(1, K // 2)))).astype(int)
    start = np.asarray(rng.integers(0, K, N))
    place = np.arange(K)
    touched = (place >= start[:, None]) & (place < (start + length)[:, None])
    manner = rng.random((N, 1))
    one, many = rng.random((N, 1)) < 0.5, rng.random((N, K))
    share = np.where(manner < 0.4, one, np.where(manner < 0.7, many < 0.5, many))
    new = np.where(manner < 0.9, _between(low, high, share), best)
    return np.where(touched, new, now)


def _scores(curves: Array, epsilon: float) -> Array:
    """T_R, and in its fraction how near the largest later deviation comes to ε."""
    times = _recovery(curves, epsilon)
    late = np.arange(curves.shape[1]) >= times[:, None]
    rest: Array = np.where(late, curves, 0.0).max(1)
    return times + rest / (2 * epsilon)


def _recovery(curves: Array, epsilon: float) -> NDArray[np.int64]:
    """1 + the last t with e(t) > ε, 0 where there is none."""
    above = curves > epsilon
    out: NDArray[np.int64] = np.where(above.any(1), curves.shape[1] - above[:, ::-1].argmax(1), 0)
    return out


def _between(low: Array, high: Array, share: NDArray[Any]) -> Array:
    """low + share (high - low), exact at both ends."""
    return np.clip((1 - share) * low + share * high, low, high)


def _states(name: str, box: Box | None, dimension: int) -> Box:
    return Box(np.zeros(dimension), np.zeros(dimension)) if box is None else _inputs(name, box, dimension)


def _inputs(name: str, box: Box, dimension: int) -> Box:
    if not isinstance(box, Box):
        raise TypeError(f"{name} must be a Box, got {type(box).__name__}")
    if box.dimension != dimension:
        raise ValueError(f"{name} must have {dimension} coordinates, got {box.dimension}")
    return box
