"""Who works off the rows of a run: this process, processes of this machine, or a Dask cluster.

Every row draws from streams keyed by what it is, with one thread, so that it does not matter who works it off.
"""

import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from pickle import PicklingError
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

LIBRARIES_WITH_THREADS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in LIBRARIES_WITH_THREADS} | {"VECLIB_MAXIMUM_THREADS": "1"}

EXECUTORS = ("processes", "serial", "dask")
AHEAD = 2  # tasks handed to each worker of a cluster before one of them is done, so that none waits for the network
LOCAL = "local"
RETRIES = 3  # of a task whose worker died


class Executor(Protocol):
    """Works off tasks and gives their results as they are finished; closing the generator abandons the others."""

    def results(self, function: Callable[..., T], tasks: Iterator[tuple[Any, ...]]) -> Generator[T, None, None]:
        """`function(*task)` of every task, in no fixed order; tasks are taken only as workers become free."""
        ...


def executor(name: str = "processes", jobs: int | None = None, cluster: str | None = None) -> Executor:
    """The executor of a name.

    Parameters
    ----------
    name : str
        processes (of this machine, one thread each), serial (this process) or dask.
    jobs : int, optional
        Processes, the number of cores by default; of a cluster that is started here too.
    cluster : str, optional
        For dask: the address of its scheduler, tcp://host:port, or "local" for one started here, the default.

    Raises ValueError in one sentence for a name that is none, jobs < 1, or an argument the executor does not take.
    """
    if name not in EXECUTORS:
        raise ValueError(f"executor must be one of {', '.join(EXECUTORS)}, got {name!r}")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be >= 1, got {jobs}")
    if cluster is not None and name != "dask":
        raise ValueError(f"cluster must be left out unless the executor is dask, got {cluster!r} for {name}")
    if name == "serial":
        if jobs not in (None, 1):
            raise ValueError(f"jobs must be 1 where the executor is serial, got {jobs}")
        return Serial()
    if name == "dask":
        if cluster not in (None, LOCAL) and jobs is not None:
            raise ValueError(f"jobs must be left out where a cluster is named, which has its own workers, got {jobs}")
        return Dask(cluster or LOCAL, jobs)
    return Processes(jobs)


class Serial:
    """This process, one task after the other."""

    def results(self, function: Callable[..., T], tasks: Iterator[tuple[Any, ...]]) -> Generator[T, None, None]:
        """See `Executor`."""
        for task in tasks:
            yield with_one_thread(function, *task)


class Processes:
    """Worker processes of one thread each: that fixes the order of sums, and this process stays free of libraries.

    No worker is handed a second task before its first is done, so nothing waits in a queue that a closing would have to
    empty.  When a worker dies, what was under way is worked off again by new ones, at most RETRIES times.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs

    def results(self, function: Callable[..., T], tasks: Iterator[tuple[Any, ...]]) -> Generator[T, None, None]:
        """See `Executor`."""
        from joblib.externals.loky import cpu_count, get_reusable_executor  # here, so that claims are listed without it

        count = self.jobs or cpu_count()
        again = [(task, 0) for task in islice(tasks, count)]
        if not again:
            return
        count = len(again)  # no more than there are tasks

        def new_pool() -> Any:
            return get_reusable_executor(count, initializer=_ignore_interrupts, env=ONE_THREAD)

        with _uninterrupted():
            pool = new_pool()
        running: dict[Future[T], tuple[tuple[Any, ...], int]] = {}
        finished = False
        try:
            while True:
                with _uninterrupted():
                    again += [(task, 0) for task in islice(tasks, count - len(running) - len(again))]
                    while again:
                        task, deaths = again.pop()
                        try:
                            future = pool.submit(function, *task)
                        except BrokenExecutor:
                            pool = new_pool()
                            future = pool.submit(function, *task)
                        running[future] = task, deaths
                if not running:
                    finished = True
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task, deaths = running.pop(future)
                    if isinstance(future.exception(), BrokenExecutor):
                        if deaths == RETRIES:
                            died = f"workers died {deaths + 1} times"
                            raise ValueError(f"jobs must leave the workers memory enough, got {count}: {died}")
                        again.append((task, deaths + 1))
                    else:
                        yield _taken(future.result)
        finally:
            if not finished:
                # the pool's own thread breaks when it is shut down before it has taken up what was submitted
                while not all(future.running() or future.done() for future in running):
                    time.sleep(1e-3)
                pool.shutdown(kill_workers=True)


class Dask:
    """The workers of a Dask cluster.  A task whose worker dies is worked off again by another.

    Parameters
    ----------
    cluster : str
        The scheduler's address, or "local" for a cluster that lives as long as the run.
    jobs : int, optional
        Workers of a local cluster; the number of cores by default.
    """

    def __init__(self, cluster: str, jobs: int | None = None) -> None:
        self.cluster, self.jobs = cluster, jobs

    def results(self, function: Callable[..., T], tasks: Iterator[tuple[Any, ...]]) -> Generator[T, None, None]:
        """See `Executor`."""
        from distributed import Client, as_completed

        with self._cluster() as address, _client(Client, address) as client:
            futures = as_completed(loop=client.loop)
            waiting = 0

            def hand_over() -> int:
                """Tasks until AHEAD of each thread are under way, those of workers that joined meanwhile too."""
                count = max(0, AHEAD * max(1, sum(client.nthreads().values())) - waiting)
                new = [client.submit(with_one_thread, function, *task, pure=False) for task in islice(tasks, count)]
                for future in new:
                    futures.add(future)
                return len(new)

            waiting += hand_over()
            while waiting:
                future = next(futures)
                waiting -= 1
                waiting += hand_over()
                try:
                    result = _taken(future.result)
                except CancelledError:
                    raise ValueError(f"cluster must stay alive, got {address!r}, whose scheduler is gone") from None
                future.release()
                yield result

    @contextmanager
    def _cluster(self) -> Iterator[str]:
        if self.cluster != LOCAL:
            yield self.cluster
            return
        from distributed import LocalCluster

        with LocalCluster(n_workers=self.jobs, threads_per_worker=1, dashboard_address=None, env=ONE_THREAD) as local:
            yield local.scheduler_address


@contextmanager
def _client(kind: Any, address: str) -> Iterator[Any]:
    """A client of the scheduler; ValueError where nobody answers."""
    try:
        client = kind(address, timeout="10s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(f"cluster must be the address of a Dask scheduler that answers, got {address!r}") from error
    try:
        yield client
    finally:
        client.close()


def _taken(result: Callable[[], T]) -> T:
    """A worker's result; ValueError where the task or the result could not be sent."""
    try:
        return result()
    except (PicklingError, TypeError, AttributeError) as error:
        if isinstance(error, PicklingError) or "pickle" in str(error):
            raise ValueError(f"claims must be such that they and their rows can be sent, got {error}") from error
        raise


def with_one_thread(function: Callable[..., T], *task: Any) -> T:
    """The result with the thread pools of the libraries held to one thread."""
    from threadpoolctl import threadpool_limits

    numba = sys.modules.get("numba")
    before = numba.get_num_threads() if numba is not None else 1
    try:
        if numba is not None:
            numba.set_num_threads(1)
        with threadpool_limits(1):
            return function(*task)
    finally:
        if numba is not None:
            numba.set_num_threads(before)


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
