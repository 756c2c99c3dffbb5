"""The gap, and so the entropy, of a mixture by simulation, with intervals that hold for finitely many draws."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, islice
from typing import Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from ...theory import _check
from ...theory.bounded_mean import ConfidenceSequence, empirical_bernstein
from ...theory.entropy.approximate_entropy import approximate_entropy
from ...theory.entropy.gap_bounds import gap_bounds
from ...theory.entropy.gap_estimate import GapEstimate
from ...theory.entropy.mixture import UNIT, GaussianMixture
from ...theory.entropy.overlap import overlap
from ...theory.estimate import Estimate
from ...theory.streams import stream
from .label_sampler import LabelSampler
from .overlap_sampler import OverlapSampler
from .pilot import Plan, pairs_cost, plan_for
from .remainder_sampler import RemainderSampler
from .same_gap import same_gap

Interval = tuple[float, float]
Sampler = LabelSampler | OverlapSampler | RemainderSampler
Name = Literal["labels", "overlap", "remainder"]

MOST = 10**8  # draws


def estimate_gap(
    mixture: GaussianMixture,
    tolerance: float = 1e-3,
    *,
    confidence: float = 0.999,
    sampler: Name | None = None,
    seed: int = 0,
    threads: int = 1,
    most_draws: int = MOST,
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
        return GapEstimate(_known((0.0, 0.0)), (0.0, 0.0), (0.0, 0.0), confidence, "none", about, width)

    small = same_gap(mixture)
    with threadpool_limits(limits=1, user_api="blas"):
        chosen, bounds = _choose(small, width, confidence, sampler, seed)
        if chosen is None:
            return GapEstimate(_known(bounds), bounds, bounds, confidence, "none", about, width)
        return _run(chosen, bounds, about, confidence, width, seed, workers, limit)


def _known(bounds: Interval) -> Estimate:
    """The middle of two bounds, with half their distance for an error."""
    return Estimate(0.5 * (bounds[0] + bounds[1]), 0.5 * (bounds[1] - bounds[0]), 0, 0.0, "bounds alone")


def _choose(
    mixture: GaussianMixture, tolerance: float, confidence: float, name: Name | None, seed: int
) -> tuple[Plan | None, Interval]:
    """What to draw, or None where the bounds are near enough, and the bounds on Δ as far as they are known."""
    known = (0.0, math.log(mixture.components))
    labels = None
    if name in (None, "labels"):
        # an exponent of about ½(m + 40) is off by 2u (1 + κ) times itself, h by no more than 1 + log K times that
        amount = UNIT * (1 + float(mixture.conditions.max())) * (mixture.dimension + 40) * (1 + known[1])
        labels = plan_for(LabelSampler(mixture), tolerance, amount, confidence, seed)
        if name is not None or labels.cost < pairs_cost(mixture):
            return labels, known
    pairs = overlap(mixture)
    found = gap_bounds(mixture, pairs)
    rounding = found.relative_rounding * found.upper
    known = max(0.0, found.lower - rounding), min(known[1], found.upper + rounding)
    if name is None and known[1] - known[0] <= 2 * tolerance:
        return None, known
    plans = [] if labels is None else [labels]
    for kind in (OverlapSampler, RemainderSampler):
        if name in (None, kind.name):
            try:
                plans.append(plan_for(kind(mixture, pairs), tolerance, rounding, confidence, seed))
            except MemoryError:
                if name is not None:
                    raise
    return min(plans, key=lambda plan: plan.cost), known


def _run(
    plan: Plan,
    bounds: Interval,
    about: float,
    confidence: float,
    tolerance: float,
    seed: int,
    threads: int,
    limit: int,
) -> GapEstimate:
    """Draw block after block until the interval is narrow enough or the limit is reached."""
    sampler = plan.sampler
    # in units of the range: the squares of very small gaps would underflow
    sequence = ConfidenceSequence(0.0, 1.0, confidence, horizon=min(plan.horizon, limit))
    squares, bernstein = 0.0, (0.0, 1.0)
    interval = bounds
    with _blocks(sampler, _sizes(plan.horizon, limit), seed, threads) as blocks:
        for look, (n, mean, moved) in enumerate(blocks, start=1):
            before, seen = (sequence.mean, sequence.count) if sequence.count else (0.0, 0)
            squares += moved + (mean - before) ** 2 * (seen * n / (seen + n))
            sequence.update(n, mean, moved)
            # all looks together may fail with probability 1 - confidence
            spent = 1 - (1 - confidence) / (look * (look + 1))
            now = empirical_bernstein(sequence.count, sequence.mean, squares, 0.0, 1.0, spent)
            bernstein = max(bernstein[0], now[0]), min(bernstein[1], now[1])
            interval = _of_gap(sequence.interval, plan, bounds)
            if interval[1] - interval[0] <= 2 * tolerance or plan.settled(sequence.interval):
                break
    draws = sequence.count
    error = sampler.upper * math.sqrt(squares / max(draws - 1, 1) / draws)
    mean = sampler.offset + sampler.sign * sampler.upper * sequence.mean
    gap = Estimate(mean, error, draws, float(draws), f"mean of the {sampler.name} sampler")
    return GapEstimate(gap, interval, _of_gap(bernstein, plan, bounds), confidence, sampler.name, about, tolerance)


def _of_gap(interval: Interval, plan: Plan, bounds: Interval) -> Interval:
    """The interval of Δ that goes with one of the mean of the sampler's values over their upper bound."""
    sampler = plan.sampler
    ends = sorted(sampler.offset + sampler.sign * sampler.upper * end for end in interval)
    low, high = max(bounds[0], ends[0] - plan.rounding), min(bounds[1], ends[1] + plan.rounding)
    return min(low, bounds[1]), max(high, bounds[0])


def _sizes(horizon: int, limit: int) -> Iterator[int]:
    """How many values each block has: a 32nd of the horizon, then 16ths, then an eighth of what has been drawn."""
    drawn = 0
    for block in count():
        size = max(32, -(-horizon // (16 if block else 32)), drawn // 8)
        size = min(size, limit - drawn)
        if size < 1:
            return
        drawn += size
        yield size


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
