"""A run of many rows over the machine's cores, whose results do not depend on how many there are."""

import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any

from .claim import Case, Claim
from .row import Profile, Row, examine
from .verdict import Verdict, row_threshold, verdicts

Task = tuple[int, Claim, Case, int, Profile, float]

LIBRARIES_WITH_THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in LIBRARIES_WITH_THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}

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
    tasks = [(index, claim, case, seed, profile, threshold) for index, (claim, case) in enumerate(work)]
    with closing(_in_processes(tasks, jobs)) as results:
        try:
            for index, row in results:
                finished[index] = row
                on_row(row)
        except KeyboardInterrupt:
            interrupted = True
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


def _in_processes(tasks: Sequence[Task], jobs: int | None) -> Generator[tuple[int, Row], None, None]:
    """The (index, row) of every task as it is finished; closing the iterator kills what is still running.

    Always worker processes, of one thread each: that fixes the order of sums, and this process stays free of the
    simulations' libraries.  No worker is handed a second task before its first is done, so nothing waits in a queue
    that a closing would have to empty.
    """
    from joblib.externals.loky import cpu_count, get_reusable_executor  # here, so that claims are listed without it

    count = min(jobs or cpu_count(), len(tasks))
    with _uninterrupted():
        executor = get_reusable_executor(count, initializer=_ignore_interrupts, env=ONE_THREAD)
    waiting, running = iter(tasks), set[Future[tuple[int, Row]]]()
    finished = False
    try:
        while True:
            with _uninterrupted():
                running |= {executor.submit(_examine, *task) for task in islice(waiting, count - len(running))}
            if not running:
                finished = True
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        if not finished:
            # the executor's own thread breaks when it is shut down before it has taken up what was submitted
            while not all(future.running() or future.done() for future in running):
                time.sleep(1e-3)
            executor.shutdown(kill_workers=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block is left: within it a task could be submitted that nobody knows of.

    Processes started within it never see Ctrl-C, as they inherit the mask.
    """
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    resource_tracker.ensure_running()  # before, as some versions of Python unblock the signal when they start it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches the whole process group; the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _examine(index: int, claim: Claim, case: Case, seed: int, profile: Profile, threshold: float) -> tuple[int, Row]:
    return index, examine(claim, case, seed, profile, threshold)
