"""How far apart the components stand, and what that alone says about the gap."""

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .mixture import GaussianMixture
from .pair_spectrum import pair_spectra

Array = NDArray[np.float64]


def separation(mixture: GaussianMixture) -> Array:
    r"""The ratios α_kj at [k, j], (K, K), 0 on the diagonal.

    .. math:: \alpha_{kj} = \frac{\|\Sigma_k^{-1/2}(\mu_k - \mu_j)\|}{1 + \|\Sigma_k^{-1/2}\Sigma_j^{1/2}\|_2}

    The ellipsoids of radius α_kj about both means do not meet.  Relative error near m · κ · 1e-16, κ the condition
    number.

    Source: T. Furuya et al., arXiv:2202.13059; docs/entropy, theorem 6.

    >>> separation(GaussianMixture([0.5, 0.5], [[0.0], [6.0]], [1.0, 4.0])).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    out = np.zeros((mixture.components, mixture.components))
    for spectra in pair_spectra(mixture):
        k, j = spectra.first, spectra.second
        out[k, j], out[j, k] = spectra.separations()
    return out


def separation_gap_upper(mixture: GaussianMixture, share: float | None = None) -> float:
    r"""An upper bound on the gap Δ from the separation ratios, in nats.

    .. math:: \Delta \le 2 (1-s)^{-m/4} \sum_{k \ne j} \sqrt{\pi_k \pi_j}\, e^{-s \alpha_{kj}^2 / 4}

    Parameters
    ----------
    mixture : GaussianMixture
    share : float, optional
        s, strictly between 0 and 1.  Left out, each pair has its best: s = max(0, 1 - m/α_kj²), trivial for α_kj² <= m.

    May exceed H(π), and overflow to inf for s near 1 and large m.  Raises ValueError for s outside (0, 1).
    Source: the form of T. Furuya et al., arXiv:2202.13059; docs/entropy, theorem 6.

    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [12.0]], [1.0, 1.0])
    >>> round(separation_gap_upper(mixture, 0.5), 6), round(separation_gap_upper(mixture), 6)
    (0.026422, 0.000776)
    """
    if share is not None:
        share = _check.positive("share", share)
        if share >= 1:
            raise ValueError(f"share must lie strictly between 0 and 1, got {share!r}")
    return separation_sum(mixture, separation(mixture), share)


def separation_sum(mixture: GaussianMixture, alpha: Array, share: float | None = None) -> float:
    """`separation_gap_upper` from ratios that are known."""
    m, square = mixture.dimension, alpha**2
    # r = 1 - s; the optimum is r = m/α² where that is below 1
    r = np.minimum(1.0, m / np.maximum(square, m)) if share is None else np.full_like(square, 1 - share)
    exponents = -0.25 * (m * np.log(r) + (1 - r) * square)
    root = np.sqrt(mixture.weights)
    with np.errstate(over="ignore"):
        terms = root[:, None] * root * np.exp(exponents)
    return float(2 * terms[~np.eye(len(root), dtype=bool)].sum())
