"""How random values in [0, B] become an interval for the gap: planning, stopping, and what the result says.

A sampler's values x have Δ = offset + sign · E[x].  Who draws them, and where, is not this module's business; all
moments here are in units of B, since the squares of very small gaps would underflow.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..bounded_mean import ConfidenceSequence, empirical_bernstein
from ..estimate import Estimate
from .gap_estimate import GapEstimate, Interval

OnLook = Callable[[int, Interval], object]  # called with the number of draws and the interval of the gap so far

PILOT = 128  # values that tell a sampler's variance
SPREAD = 1.2  # more than the least number of values, for the first block knows no variance
MOST = 10**8  # values that a run may take unless it is told otherwise


@dataclass(frozen=True)
class Plan:
    """What a run with a sampler should take.

    Attributes
    ----------
    name : str
        Of the sampler.
    offset, sign, upper : float
        Δ = offset + sign · E[x], 0 <= x <= upper.
    horizon : int
        How many values should do, or may be taken.
    cost : float
        Of all of them, in the units of the sampler's cost of one.
    rounding : float
        How far floating-point errors may have moved the gap.
    radius : float
        What the values must bring the interval's half width down to, rounding apart: what rounding leaves of the
        tolerance, but no less than half of it.
    """

    name: str
    offset: float
    sign: float
    upper: float
    horizon: int
    cost: float
    rounding: float
    radius: float

    def settled(self, interval: Interval) -> bool:
        """Whether the interval of E[x] / upper is as narrow as values are asked to make it."""
        return (interval[1] - interval[0]) * self.upper <= 2 * self.radius

    def of_gap(self, interval: Interval, bounds: Interval) -> Interval:
        """The interval of Δ within the bounds that goes with one of E[x] / upper."""
        ends = sorted(self.offset + self.sign * self.upper * end for end in interval)
        low, high = max(bounds[0], ends[0] - self.rounding), min(bounds[1], ends[1] + self.rounding)
        return min(low, bounds[1]), max(high, bounds[0])


def plan_run(
    name: str,
    offset: float,
    sign: float,
    upper: float,
    cost: float,
    variance: float,
    rounding: float,
    tolerance: float,
    confidence: float,
    most_draws: int,
) -> Plan:
    """From a pilot's `variance` of x / upper and the `cost` of one value; the horizon is at most `most_draws`."""
    radius = max(tolerance - rounding, tolerance / 2)
    need = 1.0
    if upper > 0:
        # a confidence sequence tuned to n has the radius √(2VL/n) + (4/3) L/n or a little less
        share, level = radius / upper, math.log(2 / (1 - confidence))
        need = max(1.0, SPREAD * level * (2 * variance / share + 4 / 3) / share)
    return Plan(name, offset, sign, upper, math.ceil(min(need, most_draws)), need * cost, rounding, radius)


def block_sizes(horizon: int, limit: int, largest: int | None = None) -> Iterator[int]:
    """How many values each block has: a 32nd of the horizon, then 16ths, then an eighth of what has been drawn."""
    drawn = 0
    while drawn < limit:
        size = max(32, -(-horizon // (16 if drawn else 32)), drawn // 8)
        size = min(size, limit - drawn, largest or limit)
        drawn += size
        yield size


def gap_from_blocks(
    plan: Plan,
    blocks: Iterable[tuple[int, float, float]],
    bounds: Interval,
    approximation: float,
    tolerance: float,
    confidence: float,
    on_look: OnLook | None = None,
) -> GapEstimate:
    """Take blocks until the interval is narrow enough or there are no more.

    A block is (n, mean, Σ(x - mean)²) of n independent values x, in units of `Plan.upper`.  Source: docs/entropy,
    section 9.
    """
    sequence = ConfidenceSequence(0.0, 1.0, confidence, horizon=plan.horizon)
    squares, bernstein, interval = 0.0, (0.0, 1.0), bounds
    for look, (n, mean, moved) in enumerate(blocks, start=1):
        before, seen = (sequence.mean, sequence.count) if sequence.count else (0.0, 0)
        squares += moved + (mean - before) ** 2 * (seen * n / (seen + n))
        sequence.update(n, mean, moved)
        # all looks together may fail with probability 1 - confidence
        spent = 1 - (1 - confidence) / (look * (look + 1))
        now = empirical_bernstein(sequence.count, sequence.mean, squares, 0.0, 1.0, spent)
        bernstein = max(bernstein[0], now[0]), min(bernstein[1], now[1])
        interval = plan.of_gap(sequence.interval, bounds)
        if on_look is not None:
            on_look(sequence.count, interval)
        if interval[1] - interval[0] <= 2 * tolerance or plan.settled(sequence.interval):
            break
    draws = sequence.count
    error = plan.upper * math.sqrt(squares / max(draws - 1, 1) / draws)
    mean = plan.offset + plan.sign * plan.upper * sequence.mean
    gap = Estimate(mean, error, draws, float(draws), f"mean of the {plan.name} sampler")
    exact = plan.of_gap(bernstein, bounds)
    return GapEstimate(gap, interval, exact, confidence, plan.name, approximation, tolerance)


def gap_from_bounds(bounds: Interval, approximation: float, tolerance: float, confidence: float) -> GapEstimate:
    """Without any draw: the middle of two bounds, with half their distance for an error."""
    middle, half = 0.5 * (bounds[0] + bounds[1]), 0.5 * (bounds[1] - bounds[0])
    gap = Estimate(middle, half, 0, 0.0, "bounds alone")
    return GapEstimate(gap, bounds, bounds, confidence, "none", approximation, tolerance)
