"""A few draws that say how many would be needed, and what they would cost."""

import math
from dataclasses import dataclass

from ...theory.entropy.mixture import GaussianMixture
from ...theory.streams import stream
from .label_sampler import LabelSampler
from .overlap_sampler import OverlapSampler
from .remainder_sampler import RemainderSampler

Sampler = LabelSampler | OverlapSampler | RemainderSampler

PILOT = 128  # values, fewer where they are dear beside the exact bounds
FEWEST = 16
SPREAD = 1.2  # more than the least number of draws, for the first block knows no variance


@dataclass(frozen=True)
class Plan:
    """A sampler, how many values it should take to reach the tolerance, and their cost.

    Attributes
    ----------
    rounding : float
        How far floating-point errors may have moved the gap.
    radius : float
        What the draws must bring the interval's half width down to, rounding apart: what rounding leaves of the
        tolerance, but no less than half of it.
    """

    sampler: Sampler
    horizon: int
    cost: float
    rounding: float
    radius: float

    def settled(self, interval: tuple[float, float]) -> bool:
        """Whether the values' interval, in units of their upper bound, is as narrow as draws need to make it."""
        return (interval[1] - interval[0]) * self.sampler.upper <= 2 * self.radius


def plan_for(sampler: Sampler, tolerance: float, rounding: float, confidence: float, seed: int) -> Plan:
    """From a few values, drawn from a stream of their own."""
    affordable = int(0.2 * pairs_cost(sampler.components.mixture) / sampler.cost)
    seen = sampler.draw(stream(seed, "entropy", sampler.name, "pilot"), min(PILOT, max(FEWEST, affordable)))
    if sampler.upper == 0:
        return Plan(sampler, 1, sampler.cost, rounding, tolerance)
    radius = max(tolerance - rounding, tolerance / 2)
    level = math.log(2 / (1 - confidence))
    # in units of the range, a confidence sequence tuned to n has the radius √(2VL/n) + (4/3) L/n or a little less
    w = radius / sampler.upper
    variance = float((seen / sampler.upper).var(ddof=1))
    need = SPREAD * level * (2 * variance / w + 4 / 3) / w
    return Plan(sampler, math.ceil(min(need, 1e15)), need * sampler.cost, rounding, radius)


def pairs_cost(mixture: GaussianMixture) -> float:
    """Roughly what the exact bounds of all pairs cost, in the units of `LabelSampler.cost`."""
    K, m = mixture.components, mixture.dimension
    pairs = K * (K - 1) / 2
    return 1e7 + pairs * (1e5 + 2e3 * m + (0.4 * m**3 if mixture.kind == "full" else 0.0))
