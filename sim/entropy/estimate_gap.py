"""The gap, and so the entropy, of a mixture by simulation, with intervals that hold for finitely many draws."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from ...theory import _check
from ...theory.entropy.approximate_entropy import approximate_entropy
from ...theory.entropy.gap_bounds import gap_bounds
from ...theory.entropy.gap_estimate import GapEstimate, Interval
from ...theory.entropy.gap_sequence import (
    MOST,
    PILOT,
    OnLook,
    Plan,
    block_sizes,
    gap_from_blocks,
    gap_from_bounds,
    plan_run,
)
from ...theory.entropy.mixture import UNIT, GaussianMixture
from ...theory.entropy.overlap import Overlap, overlap
from ...theory.streams import stream
from .cost import gaussians_cost, pairs_cost
from .label_sampler import LabelSampler
from .overlap_sampler import OverlapSampler, check_memory
from .remainder_sampler import RemainderSampler
from .same_gap import same_gap

Sampler = LabelSampler | OverlapSampler | RemainderSampler
Name = Literal["labels", "overlap", "remainder"]

FEWEST = 16  # values of a pilot where they are dear beside the exact bounds


def estimate_gap(
    mixture: GaussianMixture,
    tolerance: float = 1e-3,
    *,
    confidence: float = 0.999,
    sampler: Name | None = None,
    seed: int = 0,
    threads: int = 1,
    most_draws: int = MOST,
    pairs: Overlap | None = None,
    on_look: OnLook | None = None,
) -> GapEstimate:
    r"""Δ = H̃ - H within `tolerance`, in nats, and with it H itself (`GapEstimate.entropy`, `.entropy_interval`).

    Averaged is never -log q but one of three bounded values: the label entropy at draws from the mixture
    (`LabelSampler`), the same at draws from where pairs of components overlap (`OverlapSampler`), or only what the
    exact pair gaps overstate (`RemainderSampler`).  A pilot run chooses the one that should get there at the least
    cost; its draws are not used again.  Where the exact bounds alone are near enough no draw is made (sampler "none").
    The interval is intersected with the bounds wherever they had to be computed.

    Parameters
    ----------
    mixture : GaussianMixture
    tolerance : float
        Half the width of the interval at which to stop, > 0.
    confidence : float
        Of the interval, in (0, 1).
    sampler : "labels", "overlap" or "remainder"
        Instead of a pilot's choice.
    seed : int
        Alone decides the numbers; `threads` and how often the run looked do not.
    threads : int
        How many blocks are drawn side by side.
    most_draws : int
        Where to stop in any case; `GapEstimate.reached` tells.
    pairs : Overlap, optional
        The mixture's `overlap` where it is known already.
    on_look : callable, optional
        Called with the number of draws and the interval of Δ so far after each block.

    The intervals are valid for the finite number of draws, up to floating-point errors, by a first-order bound of
    which they are widened.  Time per draw grows like K m² (labels: K² m²) for full covariances, the bounds and pairs
    cost K² m³ once; memory is that of a few blocks and, for the latter, of the pairs (at most 1 GiB).

    Raises ValueError or TypeError for arguments out of range, MemoryError if a sampler that was asked for needs more.
    Source: docs/entropy, theorem 13.

    >>> mixture = GaussianMixture([0.2, 0.3, 0.5], [[-2.0], [0.0], [5.0]], [1.0, 0.25, 4.0])
    >>> seen = estimate_gap(mixture, 1e-4)
    >>> seen.reached, abs(seen.entropy.mean - 2.42727050894850) < 1e-4
    (True, True)
    """
    width = _check.positive("tolerance", tolerance)
    if not 0 < _check.positive("confidence", confidence) < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}")
    if sampler is not None and sampler not in get_args(Name):
        raise ValueError(f"sampler must be one of {', '.join(get_args(Name))}, or None, got {sampler!r}")
    workers = _check.integer("threads", threads, 1)
    limit = _check.integer("most_draws", most_draws, 1)
    about = approximate_entropy(mixture)
    if mixture.components == 1:
        return gap_from_bounds((0.0, 0.0), about, width, confidence)

    small = same_gap(mixture)
    with threadpool_limits(limits=1, user_api="blas"):
        chosen, bounds = _choose(small, width, confidence, sampler, seed, limit, pairs)
        if chosen is None:
            return gap_from_bounds(bounds, about, width, confidence)
        drawn, plan = chosen
        with _blocks(drawn, block_sizes(plan.horizon, limit), seed, workers) as blocks:
            return gap_from_blocks(plan, blocks, bounds, about, width, confidence, on_look)


def _choose(
    mixture: GaussianMixture,
    tolerance: float,
    confidence: float,
    name: Name | None,
    seed: int,
    limit: int,
    pairs: Overlap | None,
) -> tuple[tuple[Sampler, Plan] | None, Interval]:
    """What to draw, or None where bounds are near enough, and the bounds on Δ as far as they are known.

    What tells more costs more to prepare: nothing, the pairs' Gaussians, their exact gaps.  Each next step is only
    taken if it costs less than the best run known so far.
    """
    numbers = tolerance, confidence, seed, limit
    # an exponent of about ½(m + 40) is off by 2u (1 + κ) times itself, h by no more than 1 + log K times that
    relative = UNIT * (1 + float(mixture.conditions.max())) * (mixture.dimension + 40)
    known, found = (0.0, math.log(mixture.components)), []
    if name in (None, "labels"):
        found.append(_planned(LabelSampler(mixture), relative * (1 + known[1]), *numbers))
        if name is not None or (pairs is None and found[0][1].cost < gaussians_cost(mixture)):
            return found[0], known
    if name is not None:
        check_memory(mixture)
    elif pairs is None:
        try:
            sampler = OverlapSampler(mixture)
        except MemoryError:
            return found[0], known
        rounding = 8 * relative * sampler.upper
        known = 0.0, min(known[1], sampler.upper + rounding)
        if known[1] <= 2 * tolerance:
            return None, known
        found.append(_planned(sampler, rounding, *numbers))
        best = min(found, key=_cost)
        if _cost(best) < pairs_cost(mixture):
            return best, known

    pairs = overlap(mixture) if pairs is None else pairs
    bounds = gap_bounds(mixture, pairs)
    rounding = bounds.relative_rounding * bounds.upper
    known = max(0.0, bounds.lower - rounding), min(known[1], bounds.upper + rounding)
    if name is None and known[1] - known[0] <= 2 * tolerance:
        return None, known
    for kind in (OverlapSampler, RemainderSampler):
        if name in (None, kind.name):
            try:
                found.append(_planned(kind(mixture, pairs), rounding, *numbers))
            except MemoryError:  # where the pairs were handed in
                break
    return min(found, key=_cost), known


def _cost(planned: tuple[Sampler, Plan]) -> float:
    return planned[1].cost


def _planned(
    sampler: Sampler, rounding: float, tolerance: float, confidence: float, seed: int, limit: int
) -> tuple[Sampler, Plan]:
    """The sampler and its plan, from a few values drawn from a stream of their own."""
    affordable = int(0.2 * pairs_cost(sampler.components.mixture) / sampler.cost)
    rounds = min(PILOT, max(FEWEST, affordable))
    seen = sampler.draw(stream(seed, "entropy", sampler.name, "pilot"), rounds) / (sampler.upper or 1.0)
    numbers = (sampler.offset, sampler.sign, sampler.upper, sampler.cost, float(seen.var(ddof=1)))
    return sampler, plan_run(sampler.name, *numbers, rounding, tolerance, confidence, limit)


@contextmanager
def _blocks(
    sampler: Sampler, sizes: Iterator[int], seed: int, threads: int
) -> Iterator[Iterator[tuple[int, float, float]]]:
    """(n, mean, Σ(x - mean)²) of each block's values x over their upper bound, each block from its own stream."""

    def moments(block: int, n: int) -> tuple[int, float, float]:
        values = sampler.draw(stream(seed, "entropy", sampler.name, block), n) / (sampler.upper or 1.0)
        mean = min(1.0, max(0.0, float(values.mean())))
        return n, mean, float(np.square(values - mean).sum())

    work = enumerate(sizes)
    if threads == 1:
        yield (moments(*each) for each in work)
        return
    with ThreadPoolExecutor(threads) as pool:

        def ahead() -> Iterator[tuple[int, float, float]]:
            waiting = [pool.submit(moments, *each) for each in islice(work, threads)]
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(moments, *each) for each in islice(work, 1)]

        try:
            yield ahead()
        finally:
            pool.shutdown(cancel_futures=True)
