"""A table over a grid of shapes, far larger than memory or one machine: exact coefficients, and energies simulated."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ...theory import _check
from ..engine.executors import executor as executor_of
from .file import Count, SweepFile
from .rows import WARMUP, Plan, number_word, rows_of
from .shape_grid import Grid
from .table import check_table, write_table

CHUNK = 4096  # points handed over at a time where only theory is asked: a tenth of a second
EFFORT = 10_000  # sweeps of the sampler in a chunk where it is simulated: some tenths of a second
LARGEST_SAMPLE = 1e12  # that can be simulated
FEWEST_SWEEPS = 100  # that give an error
MOST_SAMPLES = 400  # that SQLite has columns for


@dataclass(frozen=True)
class Swept:
    """How a sweep ended.

    Attributes
    ----------
    output : Path
        Where the rows are.
    planned : int
        Points of the grid.
    count : Count
        What the file held at the end.
    seconds : float
        Wall time.
    interrupted : bool
        Whether it was stopped from outside.
    """

    output: Path
    planned: int
    count: Count
    seconds: float
    interrupted: bool

    @property
    def exit_status(self) -> int:
        """0 done, 130 interrupted."""
        return 130 if self.interrupted else 0


def sweep(
    family: str,
    grid: Mapping[str, Any],
    output: str | PathLike[str],
    *,
    samples: ArrayLike = (),
    simulate: int = 0,
    seed: int = 0,
    resume: bool = False,
    jobs: int | None = None,
    executor: str = "processes",
    cluster: str | None = None,
    chunk: int | None = None,
    on_progress: Callable[[int, int], Any] = lambda done, planned: None,
) -> Swept:
    """Write a row for every shape of a grid that some network can have.

    A row holds the shape; λ exact (`value`, a fraction in words) and as a float, m and the theorem; for each sample
    size n the free energy λ log n − (m−1) log log n and the mean energy λ − (m−1)/log n in nats; with `simulate` the
    simulated mean of n·K under the noise-free posterior and its standard error, or in `failure` why there is none.

    Parameters
    ----------
    family : str
        reduced-rank, deep, cbm, multitask, pcbm or chain.
    grid : mapping
        The values of each of its numbers, named as in `theory.learning`; see `shape_grid.Grid.of`.
    output : path
        A file that ends in .sqlite, .csv or .parquet; of the latter two the rows are kept in `<output>.sqlite` until
        the table is whole.
    samples : (K,)
        At most 400 distinct sample sizes n, finite and > 1; at most 1e12 where they are simulated.
    simulate : int
        Sweeps of each of 16 chains at every n, >= 100, after 100 of warm-up; 0 simulates nothing.
    seed : int
        >= 0, of the streams, which are keyed by (seed, family, shape, n).
    resume : bool
        Go on with the sweep in `output`: chunks that are there are kept.
    jobs, executor, cluster
        See `executors.executor`.
    chunk : int, optional
        Points handed to a worker at a time.  No row depends on it; a sweep that is resumed keeps its own.
    on_progress : callable
        Called in this process with the points worked off and those planned, at the start and after each chunk.

    Returns
    -------
    swept : Swept

    The rows are the same to the last bit whoever works them off, and however often the sweep is stopped and resumed.
    KeyboardInterrupt ends it with the chunks finished.  Raises ValueError or TypeError in one sentence for a bad
    argument, or an output that is damaged, foreign, of another sweep, in use, or cannot be written.
    """
    plan = _plan(Grid.of(family, grid), samples, simulate, seed, chunk)
    chosen = executor_of(executor, jobs, cluster)
    target = Path(output)
    check_table(target)
    rows = target if target.suffix == ".sqlite" else target.with_name(f"{target.name}.sqlite")
    if target != rows and target.exists() and not resume:
        raise ValueError(f"output must be a new file, got {str(target)!r}, which is there")
    started = time.perf_counter()
    interrupted = False
    with SweepFile.writing(rows, plan, resume) as file:
        plan = file.plan
        done = file.count().points
        try:
            on_progress(done, plan.grid.points)
            with (
                _in_background(file.add) as add,
                closing(chosen.results(rows_of, _tasks(plan, file.chunks()))) as results,
            ):
                for found in results:
                    points = min(plan.chunk, plan.grid.points - found.number * plan.chunk)
                    add(found, points)
                    done += points
                    on_progress(done, plan.grid.points)
            file.finish()
            if target != rows:
                write_table(file, target)
        except KeyboardInterrupt:
            interrupted = True
        count = file.count()
    if target != rows and not interrupted:
        rows.unlink()
    return Swept(target, plan.grid.points, count, time.perf_counter() - started, interrupted)


def _plan(grid: Grid, samples: ArrayLike, simulate: int, seed: int, chunk: int | None) -> Plan:
    given = _check.above("samples", samples, 1.0)
    if given.ndim != 1 or given.size > MOST_SAMPLES:
        raise ValueError(f"samples must be a sequence of at most {MOST_SAMPLES} numbers, got shape {given.shape}")
    sizes = tuple(given.tolist())
    if len(set(sizes)) < len(sizes):
        raise ValueError(f"samples must differ, got {', '.join(map(number_word, sizes))}")
    sweeps = _check.integer("simulate", simulate, 0)
    if 0 < sweeps < FEWEST_SWEEPS:
        raise ValueError(f"simulate must be 0 or >= {FEWEST_SWEEPS}, got {sweeps}")
    if sweeps and not sizes:
        raise ValueError("samples must name at least one sample size to simulate, got none")
    if sweeps and max(sizes) > LARGEST_SAMPLE:
        raise ValueError(f"samples must be <= {LARGEST_SAMPLE:g} to be simulated, got {max(sizes):g}")
    if chunk is None:
        chunk = max(1, min(CHUNK, EFFORT // ((sweeps + WARMUP) * len(sizes)))) if sweeps else CHUNK
    return Plan(grid, sizes, sweeps, _check.integer("seed", seed, 0, 2**63 - 1), _check.integer("chunk", chunk, 1))


def _tasks(plan: Plan, finished: Sequence[int]) -> Iterator[tuple[Plan, int]]:
    """The chunks that are not finished, one by one as workers become free."""
    there = iter(finished)
    following = next(there, None)
    for number in range(plan.chunks):
        if number == following:
            following = next(there, None)
        else:
            yield plan, number


@contextmanager
def _in_background(work: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """`work` in a thread, so that no worker waits for the disk.

    A call waits for the one before it, and raises what that one raised.
    """
    with ThreadPoolExecutor(1) as pool:
        last: Future[None] | None = None

        def hand_over(*arguments: Any) -> None:
            nonlocal last
            before, last = last, None
            if before is not None:
                before.result()
            last = pool.submit(work, *arguments)

        try:
            yield hand_over
        finally:
            if last is not None:
                last.result()
