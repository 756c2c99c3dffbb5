"""Which inputs does a network see, and what goes wrong with them for a while?"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.resilience.box import Box
from ...theory.streams import stream

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, Box, int], Array]
Anomaly = Callable[[np.random.Generator, Box, Array], Array]

HOLD = 10  # steps that a level is held
SINES = 4  # in a multisine
CORNERS = 0.6  # share of runs with corners among nominal inputs: the worst cases are found there


def nominal_inputs(
    box: Box, runs: int, steps: int, seed: int = 0, *, kinds: Iterable[str] | None = None
) -> NDArray[np.float64]:
    """Inputs of N independent runs, (N, T, m), each of one kind: six in ten "corners", the others evenly.

    - "corners": every entry an end of its interval, at random;
    - "held": levels uniform in the box, each for 10 steps;
    - "multisine": four sines of random frequency and phase, which together just fill the box;
    - "uniform": independent and uniform in the box.

    Parameters
    ----------
    box : Box
        U, m coordinates.
    runs, steps : int
        N >= 1 and T >= 0.
    seed : int
        Decides run r alone, whatever N.
    kinds : names or None
        Only these, evenly.

    Raises ValueError or TypeError in one sentence that names the argument.

    >>> nominal_inputs(Box([-1.0, 0.0], [1.0, 0.0]), 3, 2, kinds=["corners"]).shape
    (3, 2, 2)
    """
    names, shares = _kinds(kinds, NOMINAL)
    if kinds is None:
        shares = np.where(np.array(names) == "corners", CORNERS, (1 - CORNERS) / (len(names) - 1))
    N, T = _check.integer("runs", runs, 1), _check.integer("steps", steps, 0)
    out = np.empty((N, T, box.dimension))
    for run, rng in _streams(seed, "nominal inputs", N):
        out[run] = NOMINAL[names[_choice(rng, shares)]](rng, box, T)
    return out


def anomalous_inputs(
    nominal: ArrayLike, box: Box, start: int, length: int, seed: int = 0, *, kinds: Iterable[str] | None = None
) -> NDArray[np.float64]:
    """The inputs with an anomaly in the steps start, …, start + length - 1, one kind a run, all kinds evenly.

    - "spike": one of these steps goes to a corner of the box;
    - "stuck": one level, uniform in the box, all the time;
    - "burst": every entry an end of its interval, at random;
    - "ramp": on a straight line from the first nominal value to a corner;
    - "dropout": 0, or what in the box is nearest to it.

    Parameters
    ----------
    nominal : (N, T, m)
    box : Box
        U_a, m coordinates.
    start, length : int
        start >= 0, length = D >= 0, start + length <= T.
    seed, kinds
        As for `nominal_inputs`.

    Raises ValueError or TypeError in one sentence that names the argument.

    >>> anomalous_inputs(np.ones((1, 4, 1)), Box([-3.0], [3.0]), 1, 2, kinds=["dropout"])[0, :, 0]
    array([1., 0., 0., 1.])
    """
    out = _check.finite("nominal", nominal).copy()
    if out.ndim != 3 or out.shape[2] != box.dimension:
        raise ValueError(f"nominal must have shape (N, T, {box.dimension}) to go with the box, got {out.shape}")
    begin = _check.integer("start", start, 0, out.shape[1])
    end = begin + _check.integer("length", length, 0, out.shape[1] - begin, f"{out.shape[1] - begin}, the steps left")
    names, shares = _kinds(kinds, ANOMALIES)
    for run, rng in _streams(seed, "anomalous inputs", len(out)):
        kind = ANOMALIES[names[_choice(rng, shares)]]
        if end > begin:
            out[run, begin:end] = kind(rng, box, out[run, begin:end])
    return out


def corners(rng: np.random.Generator, box: Box, steps: int) -> Array:
    """(T, m) of random ends."""
    return np.where(rng.random((steps, box.dimension)) < 0.5, box.lower, box.upper)


def uniform(rng: np.random.Generator, box: Box, steps: int) -> Array:
    """(T, m), uniform."""
    return _inside(box, rng.random((steps, box.dimension)))


def held(rng: np.random.Generator, box: Box, steps: int) -> Array:
    """(T, m), a new uniform level every HOLD steps."""
    return np.repeat(uniform(rng, box, -(-steps // HOLD)), HOLD, axis=0)[:steps]


def multisine(rng: np.random.Generator, box: Box, steps: int) -> Array:
    """(T, m), the mean of sines, stretched to the box's ends where it has any width."""
    frequencies, phases = rng.uniform(0.0, np.pi, (2, SINES, box.dimension))
    waves = np.sin(frequencies * np.arange(steps)[:, None, None] + 2 * phases).sum(1)
    least, width = waves.min(0, initial=np.inf), np.ptp(waves, axis=0) if steps else 1.0
    return _inside(box, np.where(width > 0, (waves - least) / np.where(width > 0, width, 1.0), 0.5))


NOMINAL: dict[str, Draw] = {"corners": corners, "held": held, "multisine": multisine, "uniform": uniform}


def _spike(rng: np.random.Generator, box: Box, nominal: Array) -> Array:
    out = nominal.copy()
    out[rng.integers(len(out))] = corners(rng, box, 1)[0]
    return out


def _stuck(rng: np.random.Generator, box: Box, nominal: Array) -> Array:
    return np.broadcast_to(uniform(rng, box, 1), nominal.shape)


def _burst(rng: np.random.Generator, box: Box, nominal: Array) -> Array:
    return corners(rng, box, len(nominal))


def _ramp(rng: np.random.Generator, box: Box, nominal: Array) -> Array:
    end, share = corners(rng, box, 1)[0], np.arange(1, len(nominal) + 1)[:, None] / len(nominal)
    return _inside(
        Box(np.minimum(nominal[0], end), np.maximum(nominal[0], end)), np.where(end < nominal[0], 1 - share, share)
    )


def _dropout(rng: np.random.Generator, box: Box, nominal: Array) -> Array:
    return np.broadcast_to(np.clip(0.0, box.lower, box.upper), nominal.shape)


ANOMALIES: dict[str, Anomaly] = {
    "spike": _spike,
    "stuck": _stuck,
    "burst": _burst,
    "ramp": _ramp,
    "dropout": _dropout,
}


def _inside(box: Box, share: Array) -> Array:
    """The point of the box at that share of the way from its lower to its upper end; never beyond by rounding."""
    return np.clip((1 - share) * box.lower + share * box.upper, box.lower, box.upper)


def _kinds(asked: Iterable[str] | None, known: Iterable[str]) -> tuple[list[str], Array]:
    """The kinds and an equal share for each."""
    names = list(known) if asked is None else [asked] if isinstance(asked, str) else list(asked)
    strange = [name for name in names if name not in list(known)]
    if strange or not names:
        raise ValueError(f"kinds must be among {', '.join(known)}, got {strange[0] if strange else 'none'!r}")
    return names, np.full(len(names), 1 / len(names))


def _choice(rng: np.random.Generator, shares: Array) -> int:
    return min(int(np.searchsorted(shares.cumsum(), rng.random(), side="right")), len(shares) - 1)


def _streams(seed: int, what: str, runs: int) -> Iterator[tuple[int, np.random.Generator]]:
    """Each run with a generator of its own."""
    return ((run, stream(seed, what, run)) for run in range(runs))
