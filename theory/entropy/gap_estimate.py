"""What a certified simulation says of the gap, and so of the entropy, of a Gaussian mixture."""

from dataclasses import dataclass

from ..estimate import Estimate

Interval = tuple[float, float]


@dataclass(frozen=True)
class GapEstimate:
    """The gap Δ = H̃ - H of a mixture from random draws, and intervals that hold for finitely many of them; in nats.

    Attributes
    ----------
    gap : Estimate
        The mean and its standard error; what is certified are the intervals, never the standard error.
    interval : (float, float)
        An anytime-valid confidence sequence, intersected over the looks: it contains Δ with probability at least
        `confidence` although the run stopped when it looked narrow enough.
    bernstein : (float, float)
        The empirical Bernstein interval at the last look, its error probability spent over the looks that were
        planned: it contains Δ with probability at least `confidence` too, taken by itself.
    confidence : float
    sampler : str
        What was averaged: "labels", "overlap", "remainder", or "none" where bounds alone were narrow enough.
    approximation : float
        H̃.
    tolerance : float
        Half the width that was asked for.
    """

    gap: Estimate
    interval: Interval
    bernstein: Interval
    confidence: float
    sampler: str
    approximation: float
    tolerance: float

    @property
    def reached(self) -> bool:
        """Whether half the width of `interval` is at most `tolerance`."""
        return self.interval[1] - self.interval[0] <= 2 * self.tolerance

    @property
    def entropy(self) -> Estimate:
        """H = H̃ - Δ with the same standard error."""
        gap = self.gap
        return Estimate(self.approximation - gap.mean, gap.error, gap.draws, gap.effective, gap.method)

    @property
    def entropy_interval(self) -> Interval:
        """The interval that contains H with probability at least `confidence`."""
        return self.approximation - self.interval[1], self.approximation - self.interval[0]

    def __str__(self) -> str:
        low, high = self.entropy_interval
        source = f"{self.sampler}, {self.gap.draws} draws"
        return f"{low:.6f} <= H <= {high:.6f} nats with probability {self.confidence:g} ({source})"
