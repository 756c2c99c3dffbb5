"""Runs, boxes, levels and searches of LSTMs against units n, steps, runs and parts."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lemmata.sim.resilience import nominal_inputs, recovery_times, trajectories, worst_case
from lemmata.theory.resilience import LSTMCell, Stack
from lemmata.theory.resilience.box import symmetric_box
from lemmata.theory.resilience.certificate_vector import contraction_rate
from lemmata.theory.resilience.interval import Interval, interval
from lemmata.theory.resilience.invariant_set import refine
from lemmata.theory.resilience.layer import everything, step_stack
from lemmata.theory.resilience.levels import stack_map
from lemmata.theory.resilience.reachable_set import reachable_bounds, stages
from lemmata.theory.resilience.structured_level import System, holds, secant_slopes, structured_systems
from lemmata.theory.resilience.structured_search import least_rate, multipliers
from lemmata.theory.streams import stream

from .series import Maker, Series, Work, power, steps

Array = NDArray[np.float64]


def cell(n: int, rng: np.random.Generator, share: float = 1.0) -> LSTMCell:
    """As `torch.nn.LSTM` draws it, times a share."""
    width = share * n**-0.5
    b = rng.uniform(-width, width, (2, 4 * n)).sum(axis=0)
    return LSTMCell(rng.uniform(-width, width, (4 * n, 2)), rng.uniform(-width, width, (4 * n, n)), b)


def runs_of(n: int | None, N: int | None, T: int | None, pairs: bool = False) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        network, inputs = cell(n or size, rng), rng.uniform(-1, 1, (N or size, T or size, 2))
        if not pairs:
            return lambda: trajectories(network, None, inputs)
        start = rng.uniform(-0.5, 0.5, (2, n or size))
        return lambda: recovery_times(network, inputs, inputs, 1e-3, perturbed_states=start)

    return make


def states(runs: int, rng: np.random.Generator) -> Work:
    """Room for what `trajectories` returns, written once."""
    return lambda: np.ones((51, 32, runs))


def boxes(n: int, rng: np.random.Generator, share: float = 1.0) -> tuple[LSTMCell, Interval, Interval, Interval]:
    """A network, the box of its states after ten refinements, that of its inputs and the initial state."""
    network, U = cell(n, rng, share), interval(symmetric_box("bound", 0.5, 2))
    rest = Interval(np.zeros(2 * n), np.zeros(2 * n))
    return network, refine(network, U, rest, everything(network), 10)[0], U, rest


def level(name: str) -> Maker:
    def make(n: int, rng: np.random.Generator) -> Work:
        network, X, U, rest = boxes(n, rng)
        return lambda: contraction_rate(stack_map(name, Stack((network,)), X, [U], rest, 2))

    return make


def level_map(name: str, n: int | None = None) -> Maker:
    """The map alone; with n units, against the parts that each scalar is cut into."""

    def make(size: int, rng: np.random.Generator) -> Work:
        network, X, U, rest = boxes(n or size, rng)
        v = np.ones(2 * network.units)

        def work() -> object:
            found = stack_map(name, Stack((network,)), X, [U], rest, 2 if n is None else size)
            return found.apply(v[: found.dimension])

        return work

    return make


def refinements(n: int, rng: np.random.Generator) -> Work:
    network, _, U, rest = boxes(n, rng)
    return lambda: refine(network, U, rest, everything(network), 5)


def tube_steps(n: int, rng: np.random.Generator) -> Work:
    network, X, U, _ = boxes(n, rng)
    return lambda: [step_stack(Stack((network,)), X, U) & X for _ in range(5)]


@cache
def proved(n: int) -> tuple[tuple[System, System], Array, Array, float]:
    """What level S proves of a network; three series ask for the same."""
    network, _, U, rest = boxes(n, stream(0, "level S", n), 0.5)
    bounds = stages(network, reachable_bounds(network, U, rest), U)[-1]
    systems = structured_systems(network, secant_slopes(bounds))
    T = multipliers(systems[0])
    rate, P = least_rate(systems[0], T)
    rate = 0.5 * (1 + rate)
    if not holds(systems, P, T, rate):
        raise SystemExit(f"level S does not hold with {n} units")
    return systems, T, P, rate


def structured(part: str) -> Maker:
    """A part of level S on the states reachable from rest."""

    def make(n: int, rng: np.random.Generator) -> Work:
        systems, T, P, rate = proved(n)
        works: dict[str, Work] = {
            "multipliers": lambda: multipliers(systems[0]),
            "norm": lambda: least_rate(systems[0], T),
            "proof": lambda: holds(systems, P, T, rate),
        }
        return works[part]

    return make


def proof_matrix(n: int, rng: np.random.Generator) -> Work:
    A = rng.standard_normal((8 * n, 8 * n))
    A = A @ A.T
    return lambda: (np.linalg.eigvalsh(A), A @ A)


def entries(n: int, rng: np.random.Generator) -> Work:
    """A few passes over n × n numbers, as an interval product makes them."""
    A, B = rng.standard_normal((2, n, n))
    return lambda: np.nextafter(np.minimum(A * B, A + B), np.inf)


def linear_system(n: int, rng: np.random.Generator) -> Work:
    A, b = rng.random((2 * n, 2 * n)) / n + 2 * np.eye(2 * n), np.ones(2 * n)
    return lambda: np.linalg.solve(A, b)


def search(horizon: int | None, rounds: int | None, n: int | None) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        network, box = cell(n or size, rng), symmetric_box("bound", 1.0, 2)
        states = symmetric_box("bound", 0.5, 2 * network.units)
        sizes = {"horizon": horizon or size, "rounds": rounds or size, "searches": 1}
        return lambda: worst_case(network, box, 1e-2, perturbed_states=states, **sizes)

    return make


def inputs(runs: int, rng: np.random.Generator) -> Work:
    return lambda: nominal_inputs(symmetric_box("bound", 1.0, 2), runs, 50)


WEIGHTS = "the weights leave the cache from 250 to 630 units, with memory kept as well"
UNITS = "the multipliers of 100 units would take about 5 s"
RESILIENCE = [
    Series(
        *("resilience", "trajectories", "n", steps(5, 500), power("n", 2), runs_of(None, 64, 20)),
        cause="n gates beside n² products",
    ),
    Series("resilience", "trajectories", "steps", steps(30, 3000), power("T", 1), runs_of(16, 64, None)),
    Series(
        *("resilience", "trajectories", "runs", steps(64, 6400), power("N", 1), runs_of(16, None, 50)),
        bare=("an array as large", states),
    ),
    Series("resilience", "recovery_times", "runs", steps(64, 6400), power("N", 1), runs_of(16, None, 50, pairs=True)),
    Series("resilience", "nominal_inputs", "runs", steps(30, 3000), power("N", 1), inputs),
    Series(
        "resilience",
        "refinements of the box",
        "n",
        steps(10, 1000, 5),
        power("n", 2),
        refinements,
        bare=("entrywise", entries),
        cause=WEIGHTS,
    ),
    Series(
        "resilience",
        "steps of the tube",
        "n",
        steps(10, 1000, 5),
        power("n", 2),
        tube_steps,
        bare=("entrywise", entries),
        cause=WEIGHTS,
    ),
    *(
        Series(
            "resilience",
            f"map of level {name}",
            "n",
            steps(10, 1000, 5),
            power("n", 2),
            level_map(name),
            bare=("entrywise", entries),
            cause="cache and pages: level C at 1000 takes 0.07 s in a fresh process, after other series up to 0.2",
        )
        for name in ("A", "B", "C")
    ),
    Series(
        *("resilience", "map of level R", "n", steps(4, 400, 6), power("n", 2), level_map("R")),
        cause="cache and pages: 1.5 µs · n² from 251 units on; in parts of 1.6 MB instead of 16, memory kept, 0.7",
    ),
    Series(
        *("resilience", "map of level R", "parts", tuple(range(2, 14)), power("p", 5), level_map("R", 2)),
        cause="the cell's tables take p⁴ beside p⁵",
        short="200 parts would take a million times as long as 13",
    ),
    *(
        Series(
            *("resilience", f"level {name}, with its vector", "n", steps(10, 1000, 5), power("n", 3), level(name)),
            bare=("solve", linear_system),
            cause="the solves take two fifths of level B's time at 1000; the rest is n² work on intervals",
        )
        for name in ("B", "C")
    ),
    Series(
        *("resilience", "level S, multipliers", "n", steps(1, 64, 5), power("n", 2), structured("multipliers")),
        cause="28 to 100 evaluations, by the network; one takes 3 ms at 27 and 10 at 41, as arrays leave the cache",
        short=UNITS,
    ),
    Series(
        *("resilience", "level S, norm", "n", steps(1, 64, 5), power("n", 3), structured("norm")),
        bare=("eigvalsh, product", proof_matrix),
        cause="solves and Cholesky factors, whose rates still rise at 64",
        short=UNITS,
    ),
    Series(
        *("resilience", "level S, proof", "n", steps(1, 64, 5), power("n", 3), structured("proof")),
        bare=("eigvalsh, product", proof_matrix),
        short=UNITS,
    ),
    Series("resilience", "worst_case", "horizon", steps(20, 2000), power("T", 1), search(None, 10, 8)),
    Series("resilience", "worst_case", "rounds", steps(10, 1000), power("R", 1), search(20, None, 8)),
]
