"""How near the exact λ do estimates from n data come, and in how much CPU time: ours, devinterp's, NUTS?

    python bench/learning_peers.py [--datasets 40] [--rivals 5] [--networks 0 1 2] [--sizes 1000 10000]
        [--methods WORD ...] [--devinterp1 PYTHON] [--tuning 5] [--seed 0] [--json FILE]

Three linear networks with known λ; rivals get the first of our data sets, and there the methods take turns.  devinterp
1 and 2 run in interpreters of their own: 1 in .venv-devinterp1 of the checkout (`make bench` makes it), 2 where this
script runs.  Their settings are tuned before, on other data sets.  Where two sides disagree on a data set, the rows of
that network and n are left out, and the script ends with status 1.
"""

import answer

# isort: split
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from peers.devinterp_client import Worker
from peers.langevin import estimates as langevin
from peers.methods import (
    GRID_CHAINS,
    LOSSES_AGREE,
    NOISELESS,
    NUTS,
    PRIORS,
    STEPS,
    DataSet,
    Disagreement,
    Method,
    Seen,
    agree,
    by_devinterp,
    by_nuts,
    calibration,
    data_set,
    ours,
    plain_settings,
    problem,
    readme,
    reduced_rank_test,
    tuned,
)

from lemmata.sim.learning import estimate_generalization, population, sample
from lemmata.theory.learning import LearningCoefficient, deep_linear, partial_concept_bottleneck, reduced_rank
from lemmata.theory.learning.network import (
    Truth,
    deep_linear_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)
from lemmata.theory.streams import stream

NETWORKS: dict[str, tuple[LearningCoefficient, Truth]] = {
    f"{name} {shape}": (exact(*shape), truth(*shape))
    for name, exact, truth, shape in (
        ("reduced rank", reduced_rank, reduced_rank_truth, (3, 3, 4, 1)),
        ("partial bottleneck", partial_concept_bottleneck, partial_concept_bottleneck_truth, (3, 2, 2, 5, 2, 1)),
        ("reduced rank", reduced_rank, reduced_rank_truth, (10, 8, 10, 3)),
    )
}
SIZES = (1000, 10_000)
CONVENTIONS = 0.1  # relative: five sampling errors, while a factor of two forgotten makes 0.5 or 1
LANGEVIN_STEP, LANGEVIN_DRAWS = 0.3, 750  # of that check: 500 effective draws
TUNING = 1000  # the data sets from this number on are for tuning and checks
GENERALIZATION, GENERALIZED = "ours, n E[G], truth given", 8  # data sets of its own
CALIBRATION, CALIBRATED = "devinterp 2, calibration", 2  # data sets at most: 16 000 steps each
SECOND_TUNED = "devinterp 2, tuned"
FIRST_VERSION = Path(__file__).parent.parent / ".venv-devinterp1" / "bin" / "python"

COLUMNS = {
    "network": "",
    "λ": "",
    "n": "d",
    "method": "",
    "settings": "",
    "data sets": "d",
    "estimate": ".3f",
    "error %": "+.1f",
    "± %": ".1f",
    "spread of one data set": ".3f",
    "CPU s a data set": ".3g",
    "effective draws / CPU s": ".3g",
}


class Case(NamedTuple):
    """A network at one n."""

    name: str
    exact: LearningCoefficient
    truth: Truth
    n: int


def row(case: Case, method: str, settings: str, sets: int, mean: float, spread: float, seconds: float) -> dict:
    """A row without its effective draws."""
    λ = float(case.exact.value)
    cells = (case.name, str(case.exact.value), case.n, method, settings, sets, mean)
    figures = (100 * (mean / λ - 1), 100 * spread / sets**0.5 / λ, spread, seconds)
    return dict(zip(COLUMNS, (*cells, *figures), strict=False))


def sets_of(method: Method, asked: Namespace) -> int:
    """On how many data sets, the first ones, a method runs."""
    if method.name.startswith("ours"):
        return asked.datasets
    return min(asked.datasets, asked.rivals, CALIBRATED if method.name == CALIBRATION else asked.rivals)


def rows_of(case: Case, methods: Sequence[Method], asked: Namespace, folder: Path) -> Iterator[dict]:
    """A row a method; all that run on a data set take turns."""
    seen: dict[str, list[Seen]] = {method.name: [] for method in methods}
    settings: dict[str, str] = {}
    for k in range(max(sets_of(method, asked) for method in methods)):
        if k < asked.rivals:
            given: DataSet = problem(case.truth, case.n, folder, asked.seed, k)
        else:
            given = data_set(case.truth, case.n, asked.seed, k)
        for method in methods:
            if k < sets_of(method, asked):
                seen[method.name].append(method.run(given))
                settings.setdefault(method.name, method.settings(given))
    for name, found in seen.items():
        values, seconds = np.array([one.value for one in found]), median(one.seconds for one in found)
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        rates = [one.effective / one.seconds for one in found if one.effective is not None]
        out = row(case, name, settings[name], len(found), mean, spread, seconds)
        yield out | {list(COLUMNS)[-1]: median(rates) if rates else None}


def generalization_row(case: Case, asked: Namespace) -> dict:
    """n·E[G_n], which draws its own data sets: only its mean over them tends to λ."""
    sets = GENERALIZED
    rng = stream(asked.seed, "learning peers, generalization", *case.truth.network.widths, case.n)
    found, seconds = answer.timed(lambda: estimate_generalization(case.truth, case.n, rng=rng, datasets=sets))
    mean, error = found.generalization_error.mean, found.generalization_error.error
    return row(case, GENERALIZATION, "400 draws", sets, mean, error * sets**0.5, seconds / sets)


def worker_of(version: str, interpreter: Path, folder: Path) -> Worker | None:
    """The interpreter's devinterp at work; None where it lacks this version."""
    ask = "from importlib.metadata import version; print(version('devinterp'))"
    try:
        found = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return Worker(interpreter, folder) if found.startswith(f"{version}.") else None


def check_conventions(workers: Mapping[str, Worker], methods: Sequence[Method], folder: Path) -> None:
    """Raise where a method misses λ = d/2 of a linear regression, whose posterior is Gaussian; compiles on the way.

    S = XᵀX is near n·1 here, and E_β[E] − min E = d/2β up to a share 1/nβ; Langevin steps ε leave d/2β / (1 − εnβ/4).
    """
    given = problem(deep_linear_truth((4, 3), 3), 10_000, folder, 0, TUNING)
    exact = float(deep_linear((4, 3), 3).value)
    for method in methods:
        agree(f"λ of a regression by {method.name}", method.run(given).value, exact, CONVENTIONS * exact)
    warm = exact / (1 - LANGEVIN_STEP / 4)
    chosen = plain_settings(given.n, LANGEVIN_STEP, localization=1.0, burnin=0, draws=LANGEVIN_DRAWS)
    seen = langevin(given.truth.network, given.posterior, given.start, [chosen], given.rng)
    agree("λ of a regression by the tuning's steps", float(seen[0]), warm, CONVENTIONS * warm)
    for version, worker in workers.items():
        for stored in (False, True)[: int(version)]:
            name = f"devinterp {version}" + ", storing its losses" * stored
            method = by_devinterp(name, worker, lambda _, stored=stored: replace(chosen, stored=stored))
            agree(f"λ of a regression by {name}", method.run(given).value, warm, CONVENTIONS * warm)


def explanations(asked: Namespace) -> list[str]:
    """What the columns and the settings mean."""
    own, theirs = asked.datasets, min(asked.datasets, asked.rivals)
    return [
        f"Ours run on {own} data sets, rivals on the first {theirs} of them, the calibration setting, which costs "
        f"most, on {min(theirs, CALIBRATED)}; n E[G] draws {GENERALIZED} of its own. Error: of the mean against the "
        "exact λ; ± %: its standard error over the data sets, itself rough where they are few. CPU seconds: their "
        "median, without compilation and imports. Settings: chains × (steps before + steps kept).",
        "All three networks have m = 2: exact draws of the posterior miss λ by about −1/log n, −0.14 and −0.11.",
        "No noise and n E[G] are given the truth, which no user has and no rival gets: the first averages over β = n "
        "without data, so that its data sets are only repeats; the second draws data at the truth.",
        "Effective draws: ArviZ's effective sample size a CPU second, warm-up, burn-in and adaptation counted in the "
        "seconds of all. Ours are of the energy smoothed over conditional laws, at most the draws made; those of NUTS "
        "and devinterp are of the raw energy, README's with the noise of its batches, which looks like mixing. "
        "learning_nuts.py compares raw with raw.",
        "devinterp starts at a minimum of L_n next to the truth, found beforehand; at the truth itself its λ̂ would be "
        "lower by about a share 1/log n. Single precision, as is usual there; where all data make a step, it gets "
        "the same sufficient statistics as ours, so that its cost does not depend on n.",
        "Its test: of devinterp 1 on reduced rank regression. The loss there is the mean of the squares over the M "
        "outputs, 2/M times ours, so nβ is 2/M of its default here, which makes the chain and λ̂ those of its loss. "
        "README: version 2's example.",
        "Calibration: version 2's example against exact λ, lr 1e-3, n/log n, no localization, as it stands. It was set "
        "for n = 1000, where lr is 0.14/nβ; at n = 10 000 it is 1.1/nβ, long enough to raise λ̂ by itself. Version 2 "
        "runs it by its single chains, which store nothing.",
        f"Tuned: of {sum(map(len, STEPS.values())) * len(PRIORS)} settings (step, pull to the start or our prior, "
        f"plain or RMSprop; {GRID_CHAINS} chains) the one nearest to the exact λ, which no user knows, on "
        f"{asked.tuning} other data sets in mean square, found with the same steps in NumPy, time not counted. Version "
        "1 runs it; version 2, whose steps are the same and cost more, where 1 is missing or --methods names "
        f"'{SECOND_TUNED}'.",
        "NUTS: NumPyro's defaults in float64 on the sufficient statistics, given the least energy that WBIC of ours "
        "searches itself.",
        "WBIC, two temperatures, NUTS and devinterp's plain steps meet λ = 6 of a linear regression up to "
        f"{100 * CONVENTIONS:g} %, two searches agree on the least energy, and devinterp's loss at its start is ours "
        f"up to {LOSSES_AGREE:g}, or the script ends with status 1.",
    ]


def rivals(case: Case, workers: Mapping[str, Worker], asked: Namespace, folder: Path) -> list[Method]:
    """devinterp as its authors set it and as tuned for this network and n."""
    if not workers:
        return []
    sets = [problem(case.truth, case.n, folder, asked.seed, TUNING + k) for k in range(asked.tuning)]
    best = tuned(case.truth, case.n, float(case.exact.value), sets)
    settings = {"1": {"its test": reduced_rank_test, "tuned": lambda _: best}}
    settings["2"] = {"README": readme, "calibration": calibration, "tuned": lambda _: best}
    return [
        by_devinterp(f"devinterp {version}, {which}", worker, by)
        for version, worker in workers.items()
        for which, by in settings[version].items()
    ]


def rows_at(case: Case, workers: Mapping[str, Worker], extra: Sequence[Method], asked: Namespace, folder: Path) -> list:
    """All rows of a network at one n."""
    names = asked.methods
    methods = [
        method for method in ours() + rivals(case, workers, asked, folder) if wanted(method.name, names, workers)
    ]
    rows = list(rows_of(case, [*methods, *extra], asked, folder)) if methods or extra else []
    return rows + ([generalization_row(case, asked)] if wanted(GENERALIZATION, names, workers) else [])


def wanted(name: str, words: Sequence[str] | None, workers: Iterable[str]) -> bool:
    """Whether --methods names it; without that all but version 2's tuned run, where version 1 makes the same."""
    return any(word in name for word in words) if words else not (name == SECOND_TUNED and "1" in workers)


def compare(asked: Namespace, folder: Path, workers: Mapping[str, Worker]) -> tuple[list[dict], list[str], list[str]]:
    """The rows, what there is to say of them, and where two sides disagree, so that rows are missing."""
    asks = wanted(NUTS, asked.methods, workers)
    numpyro = asks and find_spec("numpyro") is not None
    notes = ["NumPyro is not installed: the rows of NUTS are left out."] if asks and not numpyro else []
    nuts = [by_nuts(deep_linear_truth((4, 3), 3))[0]] if numpyro else []
    check_conventions(workers, [method for method in ours() if method.name != NOISELESS] + nuts, folder)
    rows: list[dict] = []
    failed = []
    for name in (list(NETWORKS)[k] for k in asked.networks):
        exact, truth = NETWORKS[name]
        nuts = []
        if numpyro:
            method, seconds = by_nuts(truth)
            nuts = [method]
            notes.append(f"{name}: NUTS takes {seconds:.1f} CPU seconds to compile.")
        for n in asked.sizes:
            try:
                rows += rows_at(Case(name, exact, truth, n), workers, nuts, asked, folder)
            except Disagreement as why:  # the rows made so far stay
                failed.append(f"{name}, n = {n}: {why}")
    return rows, notes, failed


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--datasets", type=int, default=40, help="of our methods, the most of all (default 40)")
    parser.add_argument("--rivals", type=int, default=5, help="data sets of the rivals (default 5)")
    parser.add_argument("--networks", type=int, nargs="+", default=[0, 1, 2], help="which of the three")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="n")
    parser.add_argument("--methods", nargs="+", help="only those whose names hold one of these words")
    parser.add_argument("--devinterp1", type=Path, default=FIRST_VERSION, help="an interpreter with devinterp 1")
    parser.add_argument("--tuning", type=int, default=5, help="data sets that the settings are tuned on (default 5)")
    asked = parser.parse_args()
    if min(asked.datasets, asked.rivals) < 2:
        parser.error(f"--datasets and --rivals must be >= 2 for a spread, got {asked.datasets} and {asked.rivals}")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # read by JAX
    torch.set_num_threads(1)
    sample(population(NETWORKS[next(iter(NETWORKS))][1]), 10.0, rng=stream(0), sweeps=10, chains=2)  # compiles
    notes, workers = explanations(asked), {}
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        for version, interpreter in (("1", asked.devinterp1), ("2", Path(sys.executable))):
            worker = worker_of(version, interpreter, folder)
            if worker is None:
                notes.append(f"devinterp {version} is not installed where it is looked for: its rows are left out.")
            else:
                stack.callback(worker.close)
                workers[version] = worker
                notes.append(f"devinterp {worker.versions['devinterp']}, torch {worker.versions['torch']}.")
        rows, more, failed = compare(asked, folder, workers)
    lost = [f"Rows left out: {each}." for each in failed]
    answer.publish(answer.Answer(question, COLUMNS, rows, [*notes, *more, *lost]), asked.json)
    if failed:
        sys.exit("two sides disagree: " + "; ".join(failed))


if __name__ == "__main__":
    main()
