"""The entropy of a Gaussian mixture as if its components never met."""

import numpy as np
from numpy.typing import NDArray

from .mixture import UNIT, GaussianMixture


def approximate_entropy(mixture: GaussianMixture) -> float:
    r"""H̃, in nats: the entropy of a draw together with its label.

    .. math:: \tilde H = \sum_k \pi_k \tfrac12 \log\det(2\pi e \Sigma_k) - \sum_k \pi_k \log \pi_k
        = H + \Delta, \qquad 0 \le \Delta \le H(\pi)

    Exact up to `approximate_entropy_rounding`.  H̃ does not depend on the means.

    Source: Y. Gal and Z. Ghahramani, ICML 2016, appendix; T. Furuya et al., arXiv:2202.13059; docs/entropy, theorem 1.

    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])
    >>> round(approximate_entropy(mixture), 12)
    2.112085713765
    """
    return float(mixture.weights @ _terms(mixture))


def label_entropy(mixture: GaussianMixture) -> float:
    """H(π) = -Σ π_k log π_k in nats, the largest that the gap Δ can be; relative error a few 1e-16.

    >>> label_entropy(GaussianMixture([1.0, 1e-30], [[0.0], [0.0]], [1.0, 1.0])) / 1e-30 > 70
    True
    """
    weights = mixture.weights / mixture.weights.sum()
    largest = int(np.argmax(weights))
    logs = np.log(weights)
    # a weight near 1 has lost what is left for the others
    logs[largest] = np.log1p(-np.delete(weights, largest).sum())
    return float(-weights @ logs) + 0.0


def approximate_entropy_rounding(mixture: GaussianMixture) -> float:
    """A first-order bound on the rounding error of `approximate_entropy`, in nats.

    It holds the rounding of the Cholesky factors, of the sums, and the 1e-12 by which the weights may miss 1: the
    mixture meant is then the one with weights π_k / Σπ.
    """
    terms, size = _terms(mixture), np.abs(np.log(mixture.weights)) + 3 * mixture.dimension
    sums = UNIT * (mixture.components + 8) * float(mixture.weights @ (np.abs(terms) + size))
    factors = 0.5 * float(mixture.weights @ mixture.determinant_rounding)
    missing = abs(float(mixture.weights.sum()) - 1)
    if missing <= mixture.components * UNIT:
        missing = 0.0  # the rounding of the sum itself, counted above
    return sums + factors + missing * (1 + abs(float(mixture.weights @ terms)))


def _terms(mixture: GaussianMixture) -> NDArray[np.float64]:
    constant = mixture.dimension * (1 + np.log(2 * np.pi))
    terms: NDArray[np.float64] = 0.5 * (constant + mixture.log_determinants) - np.log(mixture.weights)
    return terms
