"""Work shared out over threads, block by block, so that no digit depends on their number."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from ...theory import _check


def each(work: Callable[[int], Any], items: Sequence[int], threads: int) -> list[Any]:
    """work(item) of every item, in order."""
    workers = _check.integer("threads", threads, 1)
    if workers == 1 or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        try:
            return list(pool.map(work, items))
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread_products() -> Iterator[None]:
    """Matrix products by one thread each, as their sums would else depend on the machine."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that are loaded, NumPy's among them: looking them up takes a millisecond."""
    return ThreadpoolController()
