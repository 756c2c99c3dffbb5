"""On which side of a boundary does the mean of a normal variable lie, when its variance is not known?

The answer may be watched while values come in: what is said here holds at all times at once.
"""

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import stdtr

from ._check import integer

PRIOR = 0.25  # variance of the effect (μ − boundary)/σ that the test expects to meet


@dataclass(frozen=True)
class NormalMean:
    r"""What n independent normal values say of their mean, by a mixture of likelihood ratios of Student's t.

    The evidence that the mean lies above a boundary b is, for effects of variance g, y = mean − b and S = Σ(x − mean)²,

        E = 2 (1 + ng)^{-1/2} ((S + ny²)/(S + ny²/(1 + ng)))^{n/2} F_n(n√(ng) y/√((1 + ng)S + ny²)),

    F_n being the distribution function of Student's t with n degrees of freedom.  If the mean is at most b, then
    E ever reaches 1/α with probability at most α, whatever σ is: 1/E, the least so far, is a p-value that may be
    looked at after every value.  For values that are only nearly normal, such as means of long runs, it holds nearly.

    Attributes
    ----------
    count : int
        n >= 1.
    mean, squares : float
        Of the values: their mean and S.
    prior : float
        g > 0.

    Raises ValueError where an attribute lies outside these ranges.

    Source: docs/anytime, theorems 1 and 2.

    >>> seen = NormalMean(100, 0.5, 99.0)
    >>> round(seen.log_above(0.0), 4), round(seen.log_below(0.0), 4)
    (9.8389, -3.3769)
    """

    count: int
    mean: float
    squares: float
    prior: float = PRIOR

    def __post_init__(self) -> None:
        integer("count", self.count, 1)
        if not math.isfinite(self.mean):
            raise ValueError(f"mean must be finite, got {self.mean!r}")
        for name in ("squares", "prior"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)) or (name == "prior" and value == 0):
                raise ValueError(f"{name} must be {'>' if name == 'prior' else '>='} 0 and finite, got {value!r}")

    def log_above(self, boundary: float) -> float:
        """log E that the mean lies above the boundary."""
        return _log_evidence(self.count, self.mean - boundary, self.squares, self.prior)

    def log_below(self, boundary: float) -> float:
        """log E that the mean lies below the boundary."""
        return _log_evidence(self.count, boundary - self.mean, self.squares, self.prior)

    def interval(self, confidence: float) -> tuple[float, float]:
        """The boundaries that neither side's evidence excludes at (1 − confidence)/2; infinite where n is too small.

        All of these intervals together, for every n, contain the mean with probability at least `confidence`.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}")
        needed = math.log(2 / (1 - confidence))
        if self.squares == 0.0:  # any other boundary is as far as every other
            reach = 0.0 if _log_evidence(self.count, 1.0, 0.0, self.prior) >= needed else math.inf
            return self.mean - reach, self.mean + reach
        unit = math.sqrt(self.squares) / self.count

        def short(reach: float) -> float:
            return _log_evidence(self.count, reach * unit, self.squares, self.prior) - needed

        far = 1.0
        while short(far) < 0:
            far *= 2
            if far > 1e12:
                return -math.inf, math.inf
        reach = unit * float(brentq(short, 0.0, far, rtol=1e-12))
        return self.mean - reach, self.mean + reach

    def repeated(self, factor: float) -> "NormalMean":
        """As many values times `factor`, with the same mean and variance: what more of the same would say."""
        count = max(1, round(self.count * factor))
        return NormalMean(count, self.mean, self.squares * count / self.count, self.prior)


def _log_evidence(n: int, y: float, squares: float, prior: float) -> float:
    """log E at mean − boundary = y; 0 where all values lie on the boundary."""
    spread, shift = 1 + n * prior, n * y * y
    whole, rest = squares + shift, squares + shift / spread
    if rest == 0.0:
        return 0.0
    side = float(stdtr(n, math.sqrt(n * prior / spread) * n * y / math.sqrt(rest)))
    growth = 0.5 * n * math.log1p((whole - rest) / rest)
    return math.log(2) - 0.5 * math.log(spread) + growth + (math.log(side) if side > 0 else -math.inf)
