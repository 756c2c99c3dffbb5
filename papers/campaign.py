"""A run of many rows over the machine's cores, whose results do not depend on how many there are."""

import signal
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .claim import Case, Claim
from .row import Profile, Row, examine
from .verdict import Verdict, row_threshold, verdicts

PROFILES = {
    "quick": Profile("quick", rounds=(24, 48, 96, 192), effort=1.0, trials=300, level=1e-3),
    "full": Profile("full", rounds=(32, 64, 128, 256), effort=8.0, trials=1000, level=1e-4),
}


@dataclass(frozen=True)
class Campaign:
    """The rows that a run finished, in the order of the claims, and their verdicts.

    Attributes
    ----------
    rows : tuple of Row
    verdicts : tuple of Verdict
        One per row; the probability of even one wrong one is at most `profile.level`.
    planned : int
        How many rows the run set out to do.
    profile : Profile
    seed : int
    seconds : float
        Wall time.
    interrupted : bool
        Whether it was stopped from outside.
    """

    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    planned: int
    profile: Profile
    seed: int
    seconds: float
    interrupted: bool

    def count(self, verdict: Verdict) -> int:
        """How many rows got the verdict."""
        return self.verdicts.count(verdict)

    @property
    def exit_status(self) -> int:
        """0 all supported, 1 any refuted, 2 any inconclusive, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.count(Verdict.REFUTED):
            return 1
        return 0 if self.count(Verdict.SUPPORTED) == self.planned else 2


def run(
    claims: Sequence[Claim],
    profile: Profile = PROFILES["quick"],
    seed: int = 0,
    jobs: int | None = None,
    on_row: Callable[[Row], Any] = lambda row: None,
) -> Campaign:
    """Examine every claim at each of its cases, in `jobs` processes with one thread each.

    Parameters
    ----------
    claims : sequence of Claim
        With distinct (paper, name).
    jobs : int, optional
        The number of cores by default.
    on_row : callable
        Called in this process with each row as it is finished, in no fixed order.

    Every block is drawn from a stream of its own, keyed by (seed, paper, claim, case, block), so the rows are the same
    to the last bit for every `jobs`; only `seconds` differs.  KeyboardInterrupt ends the run with the rows finished.
    Raises ValueError for an empty or ambiguous list of claims, a seed < 0 or jobs < 1.
    """
    work = plan(claims, seed, jobs)
    threshold = row_threshold(profile.level, len(work))
    started = time.perf_counter()
    finished: dict[int, Row] = {}
    interrupted = False
    results = _parallel(work, seed, profile, threshold, jobs)
    try:
        for index, row in results:
            finished[index] = row
            on_row(row)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that rows were cancelled is what closing is for
            results.close()
    rows = tuple(finished[i] for i in sorted(finished))
    given = verdicts([row.p for row in rows], profile.level, len(work))
    seconds = time.perf_counter() - started
    return Campaign(rows, tuple(given), len(work), profile, seed, seconds, interrupted)


def plan(claims: Sequence[Claim], seed: int, jobs: int | None) -> list[tuple[Claim, Case]]:
    """The rows that `run` would do with these arguments; raises what it would raise."""
    names = [(claim.paper, claim.name) for claim in claims]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"claims must be at least one, and distinct, got {['/'.join(n) for n in names]}")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    if seed < 0:
        raise ValueError(f"seed must be an integer >= 0, got {seed}")
    return [(claim, case) for claim in claims for case in claim.cases]


def _parallel(
    work: Sequence[tuple[Claim, Case]], seed: int, profile: Profile, threshold: float, jobs: int | None
) -> Any:
    """A generator of (index, row), as they are finished."""
    import joblib  # here, so that the claims can be listed without it

    count = min(jobs or joblib.cpu_count(), len(work))
    tasks = (joblib.delayed(_examine)(i, c, k, seed, profile, threshold) for i, (c, k) in enumerate(work))
    # Always worker processes: their single thread fixes the order of sums, and this process stays free of the
    # simulations' libraries.  joblib would run a single job here, so one job is two workers with one task at a time.
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(
            n_jobs=max(2, count),
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2 * n_jobs" if count > 1 else 1,
        )
    return parallel(tasks)


def _examine(index: int, claim: Claim, case: Case, seed: int, profile: Profile, threshold: float) -> tuple[int, Row]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    return index, examine(claim, case, seed, profile, threshold)
