"""Why the gap is small in high dimension: the means of most mixtures lie far apart."""

import numpy as np

from .. import _check
from .mixture import GaussianMixture
from .pair_spectrum import log_affinity, pair_spectra


def random_means_gap_upper(mixture: GaussianMixture, spread: float) -> float:
    r"""An upper bound on the mean of Δ when the means are drawn at random, in nats.

    .. math:: E\Delta \le \log 2 \sum_{k \ne j} \sqrt{\pi_k \pi_j}\, B^0_{kj} (1 + c^2/2)^{-m/2}, \qquad
        \mu_k - \mu_j \sim N(0, c^2 (\Sigma_k + \Sigma_j))

    with B⁰_kj the Bhattacharyya coefficient at equal means; for instance μ_k ~ N(0, c² Σ_k) independently.  The means
    of `mixture` are not used.

    Parameters
    ----------
    mixture : GaussianMixture
        Its weights and covariances.
    spread : float
        c > 0.

    Source: docs/entropy, theorem 9.

    >>> mixture = GaussianMixture([0.5, 0.5], np.zeros((2, 10)), [1.0, 1.0])
    >>> round(random_means_gap_upper(mixture, 2.0) * 3**5, 12)
    0.69314718056
    """
    c = _check.positive("spread", spread)
    root, total = np.sqrt(mixture.weights), 0.0
    for spectra in pair_spectra(mixture):
        at_equal_means = log_affinity(spectra.ratios, np.zeros_like(spectra.squares), spectra.multiplicity, 0.5)
        shrink = -0.5 * mixture.dimension * np.log1p(c * c / 2)
        total += float(2 * (root[spectra.first] * root[spectra.second]) @ np.exp(at_equal_means + shrink))
    return float(np.log(2) * total)


def random_means_tail_upper(mixture: GaussianMixture, spread: float, threshold: float) -> float:
    """An upper bound min(1, `random_means_gap_upper` / ε) on P(Δ >= ε), ε > 0 the threshold in nats (Markov).

    >>> mixture = GaussianMixture([0.5, 0.5], np.zeros((2, 100)), [1.0, 1.0])
    >>> random_means_tail_upper(mixture, 2.0, 1e-6) < 1e-17
    True
    """
    return min(1.0, random_means_gap_upper(mixture, spread) / _check.positive("threshold", threshold))
