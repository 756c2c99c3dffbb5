"""Random LSTMs, GRUs and stacks, as torch names their weights, and pairs of runs through them that could break a bound.

Networks are numbered, so that what is known of one is worked out once; states, inputs and anomalies are always new.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.resilience.box import Box
from ..theory.resilience.cell import Cell, Stack, as_stack
from ..theory.resilience.certificate import Certificate
from ..theory.resilience.certify import certify
from ..theory.resilience.conversion import cells_from_torch
from ..theory.resilience.recovery import deviation_bounds, recovery_time_bound
from ..theory.streams import stream
from .engine.claim import Case, Sighting
from .kept import Kept

Array = NDArray[np.float64]
Weights = Mapping[str, Array]

INPUT, ANOMALY = 1.0, 2.5  # |u| in normal operation, and while something is wrong
EPSILON = 0.05
LEVELS = ("A", "B", "C", "tube_C")
LONGEST = 40  # steps; bounds above are left alone, as no run is followed for so long
NETWORKS = {"LSTM": 7, "GRU": 6, "stack": 5}
BEYOND = 6  # steps for which a run is followed past its bound
ROUNDS = 20  # of a search at effort 1
NEVER = 1e6
PAIRS = 48  # in a trial
WATCHED = 6  # steps of which the deviations are compared

SIZES = {  # units of the layers
    "LSTM": ((1,), (2,), (3,)),
    "GRU": ((1,), (2,), (3,)),
    "stack": ((1, 1), (2, 1), (1, 2)),
}


def network(kind: str, number: int) -> Cell | Stack:
    """The network as `cells_from_torch` reads it."""
    return _network(kind, number)


@Kept
def _network(kind: str, number: int) -> Cell | Stack:
    return cells_from_torch(weights(kind, number))


@Kept
def weights(kind: str, number: int) -> Weights:
    """A state_dict with one input: uniform weights of width s/√n with s log-uniform in [0.2, 0.8], two bias vectors.

    A third of the LSTMs has a forget bias raised by 1.  A stack is an LSTM on an LSTM.
    """
    rng = stream(0, "random networks", kind, number)
    sizes = SIZES[kind][number % len(SIZES[kind])]
    gates, inputs, out = 3 if kind == "GRU" else 4, 1, {}
    for layer, units in enumerate(sizes):
        width = float(np.exp(rng.uniform(np.log(0.2), np.log(0.8)))) / units**0.5
        for name, shape in (("ih", (gates * units, inputs)), ("hh", (gates * units, units))):
            out[f"weight_{name}_l{layer}"] = width * rng.uniform(-1.0, 1.0, shape)
            out[f"bias_{name}_l{layer}"] = width * rng.uniform(-1.0, 1.0, gates * units)
        if gates == 4 and rng.random() < 1 / 3:
            out[f"bias_hh_l{layer}"][units : 2 * units] += 1.0
        inputs = units
    return out


@Kept
def certificate(kind: str, number: int, levels: tuple[str, ...] = LEVELS) -> Certificate:
    """For inputs up to 1 and anomalies up to 2.5."""
    return certify(network(kind, number), INPUT, ANOMALY, levels=levels)


@Kept
def recovery_bounds(kind: str, number: int) -> Mapping[str, float]:
    """T̂(ε) by level."""
    found = recovery_time_bound(certificate(kind, number), EPSILON)
    return {name: level.value for name, level in found.levels.items()}


def drawn(rng: np.random.Generator, kind: str) -> tuple[int, str]:
    """A network and one of its levels with a bound that runs can be followed to."""
    while True:
        number = int(rng.integers(NETWORKS[kind]))
        short = [name for name, steps in recovery_bounds(kind, number).items() if steps <= LONGEST]
        if short:
            return number, short[int(rng.integers(len(short)))]


def sets(known: Certificate) -> tuple[Box, Box]:
    """S_n and S_a."""
    return known.nominal.interval.box(), known.anomaly.interval.box()


def within(rng: np.random.Generator, box: Box, *shape: int) -> Array:
    """Points of the box, (*shape, d): most of them corners, the others uniform."""
    share = rng.random((*shape, box.dimension))
    corner = rng.random((*shape, 1)) < 0.6
    share = np.where(corner, share.round(), share)
    return np.clip((1 - share) * box.lower + share * box.upper, box.lower, box.upper)


def states_of(cell: Cell | Stack, joint: Array) -> Any:
    """Joint states (N, d) as `cell.step` takes them."""
    parts, start = [], 0
    for layer in as_stack(cell).layers:
        part = joint[:, start : start + layer.dimension]
        parts.append(part if layer.dimension == layer.units else part.reshape(len(part), 2, -1))
        start += layer.dimension
    return tuple(parts) if isinstance(cell, Stack) else parts[0]


def of_network(quantity: Callable[..., float]) -> Callable[..., float]:
    """A function of a network's kind and number, and perhaps of more, that is worked out once for each."""
    return Kept(quantity)


def searched_recovery(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The longest recovery of pairs that start in S_n and S_a; in one of fifty trials a search improves them."""
    kind = case.arguments["kind"]
    number, level = drawn(rng, kind)
    steps = int(recovery_bounds(kind, number)[level]) + BEYOND
    if rng.random() < 1 / 50:
        longest = _searched(kind, number, steps, round(ROUNDS * effort), int(rng.integers(2**31)))
    else:
        above = sampled_deviations(kind, number, steps, rng) > EPSILON
        longest = int((steps + 1 - above[:, ::-1].argmax(1))[above.any(1)].max(initial=0))
    return Sighting(longest, {"kind": kind, "number": number, "level": level})


def _searched(kind: str, number: int, steps: int, rounds: int, seed: int) -> int:
    from ..sim.resilience import worst_case  # here: the claims are listed without Numba

    known = certificate(kind, number)
    nominal, perturbed = sets(known)
    return worst_case(
        network(kind, number),
        known.input_box,
        EPSILON,
        nominal_states=nominal,
        perturbed_states=perturbed,
        horizon=steps,
        searches=1,
        rounds=rounds,
        seed=seed,
    ).recovery_time


def sampled_deviations(kind: str, number: int, steps: int, rng: np.random.Generator) -> Array:
    """e(t), t = 0, …, steps, of pairs that start in S_n and S_a, most of them in corners, under one input in U."""
    from ..sim.resilience import deviations

    known, cell = certificate(kind, number), network(kind, number)
    first, second = (states_of(cell, within(rng, box, PAIRS)) for box in sets(known))
    u = within(rng, known.input_box, PAIRS, steps)
    return deviations(cell, u, u, first, second)


def searched_deviation(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The largest deviation of such pairs at a random time."""
    kind = case.arguments["kind"]
    number, level = drawn(rng, kind)
    time = int(rng.integers(WATCHED + 1))
    seen = sampled_deviations(kind, number, time, rng)[:, time].max()
    return Sighting(float(seen), {"kind": kind, "number": number, "level": level, "time": time})


def deviation_bound(kind: str, number: int, level: str, time: int) -> float:
    """out(δ_t) by that level."""
    return float(_deviations(kind, number, level)[time])


@Kept
def _deviations(kind: str, number: int, level: str) -> Array:
    return deviation_bounds(certificate(kind, number), level, WATCHED + 1)


def recovery_bound(kind: str, number: int, level: str) -> float:
    """T̂(ε) of the network by that level."""
    return recovery_bounds(kind, number)[level]


def bound_of(cell: Cell | Stack, anomaly: float | Box | None = ANOMALY, inputs: float | Box = INPUT) -> float:
    """T̂(ε) along the tube of any network; infinity comes as a number of steps that no run reaches."""
    known = certify(cell, inputs, anomaly, levels=("tube_C",))
    return min(recovery_time_bound(known, EPSILON).value, NEVER)


def whatever_level(quantity: Callable[[str, int], float]) -> Callable[..., float]:
    """A wrong bound along the tube, which is the sharpest, for the bound of any level."""
    once = of_network(quantity)
    return lambda kind, number, level: once(kind=kind, number=number)


def step_less(kind: str, number: int, level: str) -> float:
    """T̂(ε) − 1."""
    return recovery_bound(kind, number, level) - 1


def without_anomaly(kind: str, number: int) -> float:
    """As if the anomaly left the state within S_n."""
    return bound_of(network(kind, number), anomaly=None)
