"""The rows of a sweep: what theory and simulation say of each shape of a grid, chunk by chunk."""

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ...theory.learning import LearningCoefficient
from ...theory.learning.deep_linear import deep_linear_core
from ...theory.learning.partial_concept_bottleneck import partial_core
from ...theory.learning.reduced_rank import reduced_rank_core
from ...theory.streams import stream
from ..engine.strict_json import as_json
from .shape_grid import FAMILIES, SEQUENCES, Family, Grid, Shape

CHAINS, WARMUP = 16, 100  # of one simulated energy

Cell = int | float | str | None


@dataclass(frozen=True)
class Plan:
    """What a sweep sets out to do; two with the same plan have the same rows.

    Attributes
    ----------
    grid : Grid
    samples : tuple of float
        The sample sizes n, each > 1.
    simulate : int
        Sweeps of the sampler at each n; 0 simulates nothing.
    seed : int
    chunk : int
        Points handed to a worker at a time; not compared, as no row depends on it.
    """

    grid: Grid
    samples: tuple[float, ...]
    simulate: int
    seed: int
    chunk: int = field(compare=False)

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.grid.points // self.chunk)

    @property
    def columns(self) -> dict[str, str]:
        """The names of a row's cells and their types in SQLite."""
        columns = {"point": "INTEGER"}
        columns |= {name: "TEXT" if name in SEQUENCES else "INTEGER" for name, _ in self.grid.axes}
        columns |= {"value": "TEXT", "value_float": "REAL", "multiplicity": "INTEGER", "theorem": "TEXT"}
        kinds = ["free_energy", "mean_energy"] + ["simulated_energy", "error"] * bool(self.simulate)
        columns |= {f"{kind}_{number_word(n)}": "REAL" for n in self.samples for kind in kinds}
        return columns | ({"failure": "TEXT"} if self.simulate else {})


class Chunk(NamedTuple):
    """The rows of a chunk, how many of its shapes no network can have, why the first, and CPU seconds."""

    number: int
    rows: list[tuple[Cell, ...]]
    skipped: int
    reason: str
    seconds: float


def number_word(n: float) -> str:
    """A sample size as a part of a column's name: 100, 2.5, 1e16."""
    return repr(float(n)).removesuffix(".0").replace("e+", "e")


def rows_of(plan: Plan, number: int) -> Chunk:
    """Work off a chunk; its rows depend on the plan alone.

    Random numbers come from streams keyed by (seed, family, shape, n).
    """
    started = time.process_time()
    family = FAMILIES[plan.grid.family]
    rows: list[tuple[Cell, ...]] = []
    skipped, reason = 0, ""
    laws: dict[tuple[str, int], list[list[float]]] = {}  # few coefficients, many shapes
    words: dict[str, str] = {}  # one object for equal words, which travels once
    for point in range(number * plan.chunk, min((number + 1) * plan.chunk, plan.grid.points)):
        shape = plan.grid.shape(point)
        try:
            exact = family.coefficient(**shape)
        except ValueError as error:
            skipped, reason = skipped + 1, reason or str(error)
            continue
        value, theorem = (words.setdefault(word, word) for word in (str(exact.value), exact.theorem))
        at_n = laws.get((value, exact.multiplicity))
        if at_n is None:
            at_n = laws[value, exact.multiplicity] = _laws(exact, plan.samples)
        cells = [",".join(map(str, v)) if isinstance(v, list) else v for v in shape.values()]
        head = (point, *cells, value, float(exact.value), exact.multiplicity, theorem)
        rows.append((*head, *_tail(plan, family, shape, at_n)))
    for remembered in (deep_linear_core, partial_core, reduced_rank_core):
        remembered.cache_clear()  # of shapes that do not come back
    return Chunk(number, rows, skipped, reason, time.process_time() - started)


def _laws(exact: LearningCoefficient, samples: tuple[float, ...]) -> list[list[float]]:
    """(λ log n − (m−1) log log n, λ − (m−1)/log n) for each n."""
    if not samples:
        return []
    out: list[list[float]] = np.stack([exact.free_energy(samples), exact.mean_energy(samples)], 1).tolist()
    return out


def _tail(plan: Plan, family: Family, shape: Shape, laws: list[list[float]]) -> list[Cell]:
    """The cells of the ladder and, where there is a simulation, what went wrong in it."""
    out: list[Cell] = []
    failure = ""
    for n, law in zip(plan.samples, laws, strict=True):
        out += law
        if plan.simulate:
            seen, words = _simulated(plan, family, shape, n)
            out += seen
            failure = failure or words
    return [*out, failure] if plan.simulate else out


def _simulated(plan: Plan, family: Family, shape: Shape, n: float) -> tuple[list[float | None], str]:
    """The mean of n·K under the noise-free posterior with its error, or nothing and why."""
    from ...sim.learning.energy import estimate_energy  # here: theory alone needs no Numba

    rng = stream(plan.seed, "sweep", plan.grid.family, as_json(shape), repr(float(n)))
    arguments: dict[str, Any] = shape
    try:
        truth = family.truth(**arguments)
        seen = estimate_energy(truth, n, rng=rng, sweeps=plan.simulate, chains=CHAINS, warmup=WARMUP)
    except (ValueError, ArithmeticError) as error:
        return [None, None], str(error)
    return [seen.mean, seen.error], ""
