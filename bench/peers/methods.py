"""The methods that `learning_peers.py` compares: each turns one data set into λ̂ and the CPU seconds it took."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import answer
import numpy as np
from estimators import CHAINS, SWEEPS, WARMUP

from lemmata.sim.learning import (
    Data,
    Posterior,
    diagnose,
    draw_data,
    estimate_energy,
    from_data,
    population,
    two_temperatures,
    wbic,
)
from lemmata.sim.learning.least_energy import least_energy
from lemmata.theory.learning.network import Layers, Truth
from lemmata.theory.streams import stream
from peers.devinterp_client import Settings, Worker, trained, write
from peers.langevin import estimates as langevin
from peers.nuts import nuts

SHORT = 100  # sweeps of the noise-free chains, which need no more
NOISELESS, NUTS = "ours, no noise, truth given", "NUTS, WBIC"
NUTS_CHAINS, NUTS_LARGE = 4, 100  # weights of a network that gets the smaller number of draws
NUTS_DRAWS, NUTS_FEWER = 250, 100  # and as many steps of adaptation
LOSSES_AGREE = 1e-5  # relative: devinterp computes in single precision
MINIMA_AGREE = 1e-3  # nats: an annealed minimum

# The grid: step sizes in units of 1/nβ, plain and preconditioned; pulls to the start, or the prior that ours has.
STEPS = {False: (0.03, 0.1, 0.2, 0.3, 0.5, 1.0), True: (0.003, 0.01, 0.03, 0.1)}
PRIORS = ({"localization": 1.0}, {"localization": 10.0}, {"localization": 100.0}, {"weight_decay": 1.0})
GRID_CHAINS, GRID_BURNIN, GRID_DRAWS = 4, 400, 800


class Seen(NamedTuple):
    """λ̂ of one data set, its CPU seconds and, where it has a meaning, its effective draws."""

    value: float
    seconds: float
    effective: float | None = None


class Disagreement(SystemExit):
    """Two sides of the comparison say different things; ends the script with status 1 where nobody catches it."""


@dataclass(frozen=True)
class DataSet:
    """One data set: all that our methods need."""

    truth: Truth
    n: int
    data: Data
    posterior: Posterior
    rng: np.random.Generator
    seed: int


@dataclass(frozen=True)
class Problem(DataSet):
    """A data set, the least energy, and files for devinterp that start at a minimum of L_n next to the truth."""

    start: Layers
    least: float
    rows: Path
    statistics: Path


@dataclass(frozen=True)
class Method:
    """What it is called, what a user chose, and the estimate: from a data set where it is ours, else from a problem."""

    name: str
    settings: Callable[[Any], str]
    run: Callable[[Any], Seen]


def agree(name: str, seen: float, exact: float, allowed: float) -> None:
    """Raise where two sides of the comparison say different things."""
    if not abs(seen - exact) < allowed:
        raise Disagreement(f"{name} is {seen:.6g}, not {exact:.6g} ± {allowed:.2g}")


def data_set(truth: Truth, n: int, seed: int, number: int) -> DataSet:
    """The data set of this number, the same for all methods."""
    rng = stream(seed, "learning peers", *truth.network.widths, n, number)
    data = draw_data(truth, n, rng)
    posterior = from_data(truth.network, data.inputs, data.observations)
    return DataSet(truth, n, data, posterior, rng, int(rng.integers(2**31)))


def problem(truth: Truth, n: int, folder: Path, seed: int, number: int) -> Problem:
    """The same data set with what the rivals need; raises where two searches for the least energy disagree."""
    given = data_set(truth, n, seed, number)
    data, posterior, rng = given.data, given.posterior, given.rng
    layers, least = trained(truth, posterior, rng), least_energy(posterior, rng)
    off = np.hstack([data.inputs @ T.T for T in truth.network.targets(layers)]) - np.hstack(data.observations)
    found = 0.5 * float((off**2).sum())
    agree(f"data set {number}: the minimum of n L_n found by L-BFGS", found, least, MINIMA_AGREE)
    name = "-".join(map(str, (*truth.network.widths, n, seed, number)))
    rows = write(folder / f"{name}-rows.npz", truth, layers, data)
    statistics = write(folder / f"{name}-statistics.npz", truth, layers, posterior)
    return Problem(truth, n, data, posterior, rng, given.seed, layers, least, rows, statistics)


def ours() -> list[Method]:
    """Without noise and so without data, and the two estimators of one data set."""
    chains = f"{CHAINS} × ({WARMUP} + {SWEEPS}) sweeps"
    return [
        Method(NOISELESS, lambda _: f"β = n, 32 × ({SHORT} + {SHORT}) sweeps", _without_noise),
        Method("ours, WBIC", lambda _: f"β = 1/log n, {chains}", _wbic),
        Method("ours, two temperatures", lambda _: f"β = 0.7 and 1.4 / log n, {chains}", _two_temperatures),
    ]


def by_nuts(truth: Truth) -> tuple[Method, float]:
    """WBIC from NUTS, given the least energy, and the CPU seconds of its compilation."""
    draws = NUTS_DRAWS if truth.network.parameters < NUTS_LARGE else NUTS_FEWER
    sample, compilation = nuts(population(truth), NUTS_CHAINS, draws)

    def run(given: Problem) -> Seen:
        log_n = float(np.log(given.n))
        raw, seconds = answer.timed(lambda: sample(given.posterior, 1 / log_n, given.seed))
        above = float(raw.mean()) + given.posterior.constant - given.least
        return Seen(above / log_n, seconds, diagnose(raw).effective)

    return Method(NUTS, lambda _: f"β = 1/log n, {NUTS_CHAINS} × ({draws} + {draws})", run), compilation


def reduced_rank_test(given: Problem) -> Settings:
    """Those of devinterp 1's own test on reduced rank regression: all data a step.

    Its loss is the mean of the squares over the M outputs, 2/M times ours: nβ times that loss is 2nβ/M times ours.
    """
    outputs = sum(given.truth.network.observed)
    return Settings(lr=6e-5, nbeta=2 / outputs * _usual(given.n), localization=1.0, chains=3, draws=2000)


def readme(_: Problem) -> Settings:
    """Those of devinterp 2's README and its default of 32 rows a step."""
    return Settings(lr=1e-3, nbeta=30.0, chains=4, draws=200, batch=32, stored=True)


def calibration(given: Problem) -> Settings:
    """Those of devinterp 2's calibration example, whose loss has no noise: all data a step, by its single chains."""
    return Settings(lr=1e-3, nbeta=_usual(given.n), chains=8, burnin=1000, draws=1000)


def plain_settings(n: int, step: float, **more: float) -> Settings:
    """All data a step, which is given in units of 1/nβ."""
    run = {"chains": GRID_CHAINS, "draws": GRID_DRAWS, "burnin": GRID_BURNIN}
    return Settings(lr=step / _usual(n), nbeta=_usual(n), **(run | more))  # type: ignore[arg-type]


def tuned(truth: Truth, n: int, exact: float, problems: Sequence[Problem]) -> Settings:
    """The point of the grid with the least mean square error against the exact λ over these data sets."""
    grid = [
        plain_settings(n, step, rmsprop=rmsprop, **prior)
        for rmsprop, steps in STEPS.items()
        for step, prior in product(steps, PRIORS)
    ]
    with np.errstate(over="ignore", invalid="ignore"):  # the largest steps diverge for some
        found = np.array([langevin(truth.network, one.posterior, one.start, grid, one.rng) for one in problems])
    return grid[int(np.nanargmin(((found - exact) ** 2).mean(0)))]


def by_devinterp(name: str, worker: Worker, settings: Callable[[Problem], Settings]) -> Method:
    """Raises where devinterp's loss at its start is not ours."""

    def run(given: Problem) -> Seen:
        chosen = settings(given)
        found = worker.ask(given.rows if chosen.batch else given.statistics, chosen, given.seed)
        least = given.least / given.n
        agree(f"the loss of {name} at its start", found.start, least, LOSSES_AGREE * least + MINIMA_AGREE / given.n)
        finite = bool(np.isfinite(found.trace).all())
        return Seen(found.value, found.seconds, diagnose(found.trace).effective if finite else None)

    return Method(name, lambda given: str(settings(given)), run)


def _usual(n: int) -> float:
    """nβ at β = 1/log n, devinterp's `default_nbeta` of all data."""
    return n / float(np.log(n))


def _wbic(given: DataSet) -> Seen:
    found, seconds = answer.timed(
        lambda: wbic(given.posterior, rng=given.rng, sweeps=SWEEPS, chains=CHAINS, warmup=WARMUP).learning_coefficient
    )
    return Seen(found.mean, seconds, found.effective)


def _two_temperatures(given: DataSet) -> Seen:
    found, seconds = answer.timed(
        lambda: two_temperatures(given.posterior, rng=given.rng, sweeps=SWEEPS, chains=CHAINS, warmup=WARMUP)
    )
    return Seen(found.mean, seconds)


def _without_noise(given: DataSet) -> Seen:
    found, seconds = answer.timed(
        lambda: estimate_energy(given.truth, given.n, rng=given.rng, sweeps=SHORT, warmup=SHORT)
    )
    return Seen(found.mean, seconds, found.effective)
