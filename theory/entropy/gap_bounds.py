"""Between which two numbers the gap of a Gaussian mixture lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .approximate_entropy import label_entropy
from .mixture import UNIT, GaussianMixture
from .overlap import Overlap, overlap
from .separation import separation_sum

UPPER = ("pairwise", "bhattacharyya", "chernoff_mixture", "mixing", "separation_ratio")
LOWER = ("one_pair", "kl_mixture", "zero")


@dataclass(frozen=True)
class GapBounds:
    """Bounds on Δ = H̃ - H by name, in nats.

    Attributes
    ----------
    pairwise, bhattacharyya, chernoff_mixture, mixing, separation_ratio : float
        Upper bounds; pairwise <= bhattacharyya <= separation_ratio and chernoff_mixture <= mixing.
    one_pair, kl_mixture, zero : float
        Lower bounds.
    relative_rounding : float
        A first-order bound on the relative rounding error of each.
    """

    pairwise: float
    bhattacharyya: float
    chernoff_mixture: float
    mixing: float
    separation_ratio: float
    one_pair: float
    kl_mixture: float
    relative_rounding: float
    zero: float = 0.0

    @property
    def least_upper(self) -> str:
        """The name of the smallest upper bound."""
        return min(UPPER, key=lambda name: float(getattr(self, name)))

    @property
    def greatest_lower(self) -> str:
        """The name of the largest lower bound."""
        return max(LOWER, key=lambda name: float(getattr(self, name)))

    @property
    def upper(self) -> float:
        """The smallest upper bound."""
        return float(getattr(self, self.least_upper))

    @property
    def lower(self) -> float:
        """The largest lower bound."""
        return float(getattr(self, self.greatest_lower))


def gap_bounds(mixture: GaussianMixture, pairs: Overlap | None = None) -> GapBounds:
    r"""Every bound on the gap Δ, by name.

    ============================  ==========================================================================
    pairwise                      Σ_{k<j} g_kj; equal to Δ for K = 2
    bhattacharyya                 log 2 · Σ_{k≠j} √(π_k π_j) BC_kj
    chernoff_mixture              Σ_k π_k log(Σ_j π_j BC_kj / π_k)
    mixing                        H(π)
    separation_ratio              `separation_gap_upper` with the best s for each pair
    one_pair                      Σ_k max_j π_k E_k log(1 + t_kj); equal to Δ for K = 2
    kl_mixture                    Σ_k π_k log(Σ_j π_j e^{-KL_kj} / π_k)
    zero                          0
    ============================  ==========================================================================

    For K = 1 all are 0.  `pairs` may hand in the mixture's `overlap` where it is known already.

    Source: A. Kolchinsky and B. Tracey, Entropy 19 (2017) 361, for chernoff_mixture and kl_mixture; T. Furuya et al.,
    arXiv:2202.13059, for separation_ratio; docs/entropy, theorems 3 to 7.

    >>> bounds = gap_bounds(GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0]))
    >>> bounds.least_upper, round(bounds.upper, 9), round(bounds.lower, 9), round(bounds.bhattacharyya, 9)
    ('pairwise', 0.35631636, 0.35631636, 0.420415017)
    """
    pairs = overlap(mixture) if pairs is None else pairs
    weights = mixture.weights
    root = np.sqrt(weights)
    affinity = np.exp(pairs.log_bhattacharyya)
    sides = np.exp(pairs.log_sides)
    apart = ~np.eye(mixture.components, dtype=bool)
    products = (root[:, None] * root * affinity)[apart]
    return GapBounds(
        pairwise=float(sides.sum()),
        bhattacharyya=float(np.log(2) * products.sum()),
        chernoff_mixture=_mixture_sum(mixture, pairs.log_bhattacharyya),
        mixing=label_entropy(mixture),
        separation_ratio=separation_sum(mixture, pairs.separations),
        one_pair=float(sides.max(axis=1).sum()),
        kl_mixture=_mixture_sum(mixture, -pairs.divergences),
        relative_rounding=_relative_rounding(mixture, pairs),
    )


def _mixture_sum(mixture: GaussianMixture, log_kernel: NDArray[np.float64]) -> float:
    """Σ_k π_k log(Σ_j π_j e^{a_kj} / π_k) with a_kk = 0, as log1p: a sum near 1 would round it away."""
    logs = np.log(mixture.weights)
    terms = logs - logs[:, None] + log_kernel
    np.fill_diagonal(terms, -np.inf)
    with np.errstate(over="ignore"):
        others = np.logaddexp.reduce(terms, axis=1)
        # log(1 + e^a) without overflow
        values = np.where(others > 30, others + np.exp(-np.abs(others)), np.log1p(np.exp(np.minimum(others, 30))))
    return float(mixture.weights @ values)


def _relative_rounding(mixture: GaussianMixture, pairs: Overlap) -> float:
    """The largest error of a pair that reaches the sums at all, and that of the sums."""
    sides = np.logaddexp(pairs.log_sides, pairs.log_sides.T)
    seen = sides > sides.max() + np.log(UNIT / mixture.components**2) if mixture.components > 1 else sides > 0
    worst = float(pairs.rounding[seen].max()) if seen.any() else 0.0
    return worst + 4 * UNIT * (mixture.components + 4) + abs(float(mixture.weights.sum()) - 1)
