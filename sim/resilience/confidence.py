"""What do sampled recovery times say about those not sampled?

These statements hold for independent runs drawn from one stated distribution of anomalies and inputs.  What a search
found was not drawn so, and `WorstCase` is refused: it speaks about the worst case, these about frequencies.
"""

import math
from typing import Any

import numpy as np
from scipy.stats import beta, binom

from .recovery_times import RecoveryTimes


def exceedance(sampled: RecoveryTimes, time: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's two-sided interval for P(T_R > time), which contains it with at least that confidence.

    A censored run counts as above for the upper end, and for the lower end only if it was seen above.

    Raises TypeError for what is no `RecoveryTimes`, ValueError for a confidence outside (0, 1).

    >>> some = RecoveryTimes(np.array([3, 5, 8, 4]), np.ones(4, bool), 0.1, 50)
    >>> tuple(round(end, 6) for end in exceedance(some, 7))
    (0.006309, 0.80588)
    """
    spare = _spare(sampled, confidence) / 2
    N = len(sampled.times)
    least, most = int(sampled.surely_above(time).sum()), int(sampled.possibly_above(time).sum())
    low = 0.0 if least == 0 else float(beta.ppf(spare, least, N - least + 1))
    return low, _upper(most, N, spare)


def exceedance_upper(sampled: RecoveryTimes, time: int, confidence: float = 0.95) -> float:
    """Clopper and Pearson's one-sided bound on P(T_R > time), with at least that confidence 1 - α.

    1 - α^(1/N) where none of N runs can be above.  Censored runs count as above.  With time = `sampled.largest` it
    bounds the share of what was not seen.

    Raises TypeError for what is no `RecoveryTimes`, ValueError for a confidence outside (0, 1).

    >>> some = RecoveryTimes(np.zeros(3000, int), np.ones(3000, bool), 0.1, 50)
    >>> round(exceedance_upper(some, 0), 6)
    0.000998
    """
    spare = _spare(sampled, confidence)
    return _upper(int(sampled.possibly_above(time).sum()), len(sampled.times), spare)


def quantile(sampled: RecoveryTimes, level: float, confidence: float = 0.95) -> tuple[float, float]:
    """Two order statistics with the `level`-quantile of T_R between them, with at least that confidence; inf where N is
    too small or censored runs reach so far.

    The quantile is inf{x : P(T_R <= x) >= level}.  The ranks are those of the binomial law, each end spends half.

    Raises TypeError for what is no `RecoveryTimes`, ValueError for a level or a confidence outside (0, 1).

    >>> some = RecoveryTimes(np.arange(100), np.ones(100, bool), 0.1, 500)
    >>> quantile(some, 0.5)
    (39.0, 60.0)
    """
    spare = _spare(sampled, confidence) / 2
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level!r}")
    N = len(sampled.times)
    below = binom.cdf(np.arange(-1, N), N, level)  # P(B <= k - 1) at k = 0, …, N for B binomial
    # X_(k) is at most the quantile where at least k runs are, P(B >= k) at least 1 - spare; at least it where
    # fewer than k are below it, P(B <= k - 1) at least 1 - spare
    lower, upper = np.flatnonzero(below <= spare)[-1], np.flatnonzero(below >= 1 - spare)
    times = np.sort(sampled.times).astype(float)
    possible = np.sort(np.where(sampled.final, sampled.times, math.inf))
    low = float(times[lower - 1]) if lower else 0.0
    return low, float(possible[upper[0] - 1]) if len(upper) else math.inf


def _upper(above: int, N: int, spare: float) -> float:
    return 1.0 if above == N else float(beta.ppf(1 - spare, above + 1, N - above))


def _spare(sampled: Any, confidence: float) -> float:
    """α, after a look at both arguments."""
    if not isinstance(sampled, RecoveryTimes):
        kind = type(sampled).__name__
        raise TypeError(f"sampled must be the RecoveryTimes of independent runs from one distribution, got {kind}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}")
    return 1.0 - confidence
