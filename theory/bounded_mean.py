"""Between which two numbers does the mean of a bounded variable lie, when its variance is not known?"""

import math
from typing import Final

from scipy.special import lambertw

from ._check import finite, integer

EPSILON: Final = 2.0**-52
SLACK: Final = 1e-9  # of the range: how far rounding may have carried moments past what the range allows


def empirical_bernstein(
    count: int, mean: float, squares: float, lower: float, upper: float, confidence: float
) -> tuple[float, float]:
    """The two-sided interval of Maurer and Pontil for E X from n i.i.d. values in [lower, upper], n fixed in advance.

    The mean plus and minus √(2VL/n) + 7(upper - lower)L/(3(n - 1)), V = squares/(n - 1), L = log(3/(1 - confidence)).
    It contains E X with probability at least `confidence`, for every n and every law.  It must not be watched while n
    grows; `ConfidenceSequence` may.  Clipped to [lower, upper] and rounded outward; all of [lower, upper] for n = 1.

    Parameters
    ----------
    count : int
        n >= 1.
    mean, squares : float
        Of the values: their mean and Σ(x - mean)².
    lower, upper : float
        lower <= upper; if they are equal, so is the interval.
    confidence : float
        In (0, 1).

    Raises ValueError where an argument lies outside these ranges, and for moments that values in [lower, upper] cannot
    have.

    Source: [maurer2009, theorem 4], with one event less in the union bound (docs/bounded_mean, theorem 1).

    >>> low, high = empirical_bernstein(1000, 0.5, 10.0, 0.0, 1.0, 0.95)
    >>> round(low, 6), round(high, 6)
    (0.481383, 0.518617)
    """
    low, high = _bounds(lower, upper)
    level = _spare(3.0, confidence)
    n = integer("count", count, 1)
    centre, total = _moments(n, mean, squares, low, high)
    if low == high or n == 1:
        return low, high
    radius = math.sqrt(2 * total / (n - 1) * level / n) + 7 * level / (3 * (n - 1))
    return _outward(centre, radius, 16 * EPSILON, low, high)


class ConfidenceSequence:
    """Intervals for E X that hold at all times at once, from blocks of i.i.d. values in [lower, upper].

    With probability at least `confidence` every interval, after every block, contains E X: one may stop at any block,
    for any reason.  In units where the range is [0, 1] and L = log(2/(1 - confidence)), an interval is

        (Σλ_i x_i ± (L + Σψ(λ_i)(x_i - μ̂_i)²)) / Σλ_i,    ψ(λ) = -log(1 - λ) - λ,

    intersected with the earlier ones and with the range, rounded outward.  λ and μ̂ stay constant over a block and are
    set from earlier blocks and from the block's length, which must therefore be chosen before its values are seen.
    λ minimises the radius expected after N values of the variance σ̂² seen so far: N is the horizon up to there; beyond
    it, or without one, N grows like t log t.  At the horizon the radius is near σ√(2L/t); without one it shrinks like
    √(log t/t).  The first block knows no variance yet: let it be a few percent of the horizon.  O(1) time and memory.

    Parameters
    ----------
    lower, upper : float
        lower <= upper; if they are equal, so are the intervals.
    confidence : float
        In (0, 1).
    horizon : int, optional
        At about how many values one expects to stop, >= 1.

    Raises ValueError where an argument lies outside these ranges.

    Source: [waudbysmith2024, theorem 2]; blocks, the choice of λ and rounding: docs/bounded_mean, theorems 2 and 3.

    >>> sequence = ConfidenceSequence(0.0, 1.0, 0.95, horizon=1000)
    >>> sequence.update(100, 0.5, 1.0)
    >>> sequence.update(900, 0.5, 9.0)
    >>> tuple(round(end, 6) for end in sequence.interval)
    (0.488294, 0.511706)
    """

    def __init__(self, lower: float, upper: float, confidence: float, horizon: int | None = None) -> None:
        self._lower, self._upper = self._interval = _bounds(lower, upper)
        self._level = _spare(2.0, confidence)
        self._horizon = 1 if horizon is None else integer("horizon", horizon, 1)
        self._blocks = self._count = 0
        self._mean = self._squares = 0.0  # of all values, in units of the range
        self._rates = self._weighted = self._spent = 0.0  # Σλ, Σλx, Σψ(λ)(x - μ̂)²

    def update(self, count: int, mean: float, squares: float) -> None:
        """Take a block of n = count >= 1 values in, by its mean and squares = Σ(x - mean)².

        Raises ValueError for moments that values in [lower, upper] cannot have.
        """
        n = integer("count", count, 1)
        x, total = _moments(n, mean, squares, self._lower, self._upper)
        rate, guess = self._rate(n), min(1.0, (0.5 + self._count * self._mean) / (1 + self._count))
        # each term is rounded up by more than its own rounding error
        logarithm = -math.log1p(-rate)
        cost = logarithm - rate + 4 * EPSILON * logarithm
        self._spent += cost * (total + n * (abs(x - guess) + 4 * EPSILON) ** 2)
        self._rates += n * rate
        self._weighted += n * rate * x

        seen, step = self._count + n, x - self._mean
        self._squares += total + step**2 * (self._count * n / seen)
        self._mean = min(1.0, max(0.0, self._mean + step * (n / seen)))
        self._count, self._blocks = seen, self._blocks + 1
        self._intersect()

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high); [lower, upper] before the first block.

        Should the intersection be empty, which has probability at most 1 - confidence, the last that was not stays.
        """
        return self._interval

    def log_above(self, boundary: float) -> float:
        """log of the evidence that E X lies above the boundary, rounded down: Σλ(x - b) - Σψ(λ)(x - μ̂)².

        If E X <= boundary, it ever reaches log(1/α) with probability at most α: the least of its exp(-·) so far is a
        p-value that may be looked at after every block.  0 before the first block.
        """
        return self._log_evidence(boundary, 1.0)

    def log_below(self, boundary: float) -> float:
        """log of the evidence that E X lies below the boundary, as `log_above`."""
        return self._log_evidence(boundary, -1.0)

    def bounds(self, p: float) -> tuple[float, float]:
        """The boundaries that neither side's evidence excludes at p, clipped to the range: all of it may be left.

        Over all times together they miss E X with probability at most 2p.  Unlike `interval` they are those of the
        values so far alone, and any p may be asked for; they are narrow where p is near (1 - confidence)/2.
        """
        level = math.log(1 / _number("p", p))
        width = self._upper - self._lower
        if not self._count or not width:
            return self._lower, self._upper
        relative = (2 * self._blocks + 16) * EPSILON
        return _outward(
            self._weighted / self._rates, (level + self._spent) / self._rates, relative, self._lower, self._upper
        )

    @property
    def count(self) -> int:
        """How many values have been taken in."""
        return self._count

    @property
    def mean(self) -> float:
        """The mean of all values; ValueError before the first."""
        if not self._count:
            raise ValueError("mean must wait for a first value, got none")
        return self._lower + (self._upper - self._lower) * self._mean

    @property
    def variance(self) -> float:
        """Σ(x - mean)²/(n - 1) over all n values; ValueError below two."""
        if self._count < 2:
            raise ValueError(f"variance must wait for two values, got {self._count}")
        return (self._upper - self._lower) ** 2 * self._squares / (self._count - 1)

    def _log_evidence(self, boundary: float, side: float) -> float:
        """Σλ(x - b) or Σλ(b - x), less what the variance costs; in units of the range, rounded down."""
        b, width = _number("boundary", boundary), self._upper - self._lower
        if not self._count:
            return 0.0
        if not width:  # every value is the mean
            return math.inf if side * (self._lower - b) > 0 else -math.inf
        edge = (b - self._lower) / width
        error = (2 * self._blocks + 16) * EPSILON * (self._weighted + self._rates * (1 + abs(edge)) + self._spent)
        return side * (self._weighted - self._rates * edge) - self._spent - error

    def _rate(self, n: int) -> float:
        """The λ of the coming block, of n values: the minimiser of (L + N σ̂² ψ(λ))/λ."""
        ahead = self._count + n
        planned = max(self._horizon, ahead) * (1 + max(0.0, math.log(ahead / self._horizon)))
        variance = (0.25 + self._squares) / (1 + self._count)
        # y = 1/(1 - λ) solves y - 1 - log y = L/(N σ̂²) <= 4L, as N > count
        excess = self._level / (planned * variance)
        if excess < 1e-6:  # the branch point of Lambert's function, where it loses half its digits
            return math.sqrt(2 * excess)
        return float(1 + 1 / lambertw(-math.exp(-1 - excess), -1).real)

    def _intersect(self) -> None:
        """Cut the last interval down to the one of the values so far."""
        if self._lower == self._upper:
            return
        relative = (2 * self._blocks + 16) * EPSILON  # of sums of positive terms, a few roundings each
        centre, radius = self._weighted / self._rates, (self._level + self._spent) / self._rates
        low, high = _outward(centre, radius, relative, self._lower, self._upper)
        low, high = max(low, self._interval[0]), min(high, self._interval[1])
        if low <= high:
            self._interval = low, high


def _bounds(lower: float, upper: float) -> tuple[float, float]:
    """Two finite numbers in order."""
    low, high = _number("lower", lower), _number("upper", upper)
    if not low <= high:
        raise ValueError(f"upper must be >= lower = {low:g}, got {high:g}")
    if not math.isfinite(high - low):
        raise ValueError(f"upper - lower must be finite, got {low:g} and {high:g}")
    return low, high


def _number(name: str, value: float) -> float:
    """A finite number."""
    out = finite(name, value)
    if out.ndim:
        raise ValueError(f"{name} must be a number, got shape {out.shape}")
    return float(out)


def _spare(events: float, confidence: float) -> float:
    """log(events/(1 - confidence)): what events of equal probability may spend together."""
    level = _number("confidence", confidence)
    if not 0.0 < level < 1.0:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {level!r}")
    return math.log(events) - math.log1p(-level)


def _moments(n: int, mean: float, squares: float, low: float, high: float) -> tuple[float, float]:
    """The mean and the squares of n values, where [low, high] is taken to [0, 1]."""
    centre, total, width = _number("mean", mean), _number("squares", squares), high - low
    slack = SLACK * width + 16 * EPSILON * max(abs(low), abs(high))
    if not low - slack <= centre <= high + slack:
        raise ValueError(f"mean must lie in [lower, upper] = [{low:g}, {high:g}], got {centre!r}")
    most = n * (max(0.0, (centre - low) * (high - centre)) + slack * (width + slack))
    if not 0.0 <= total <= most:
        raise ValueError(f"squares must lie in [0, count (mean - lower) (upper - mean)] = [0, {most:g}], got {total!r}")
    if not width:
        return 0.0, 0.0
    return min(1.0, max(0.0, (centre - low) / width)), total / width**2


def _outward(centre: float, radius: float, relative: float, low: float, high: float) -> tuple[float, float]:
    """centre ± radius on [0, 1], both good to `relative`, taken back to [low, high] and rounded outward."""
    width, reach = high - low, radius * (1 + relative) + centre * relative
    below, above = low + width * (centre - reach), low + width * (centre + reach)
    edge = 4 * EPSILON * (abs(low) + width)
    return min(high, max(low, below - edge)), max(low, min(high, above + edge))
