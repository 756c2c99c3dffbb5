"""How fast the entropy can change when a mean moves."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from .mixture import GaussianMixture
from .pair_spectrum import spectra_of

Array = NDArray[np.float64]


def derivative_bound(mixture: GaussianMixture) -> Array:
    r"""Upper bounds on ‖∂H/∂μ_k‖ = ‖∂Δ/∂μ_k‖, (K,), in nats per unit of x.

    .. math:: \|\partial\Delta/\partial\mu_k\| \le \tfrac12 \sum_{j \ne k} \sqrt{\pi_k \pi_j}\, BC_{kj}
        \left( \|c_{kj}\|^2 + \operatorname{tr} D_{kj} V_{kj} D_{kj}^\top \right)^{1/2}

    where √(N_k N_j)/BC_kj is the Gaussian N(x̄, V), D = Σ_j⁻¹ - Σ_k⁻¹ and c = D x̄ - (Σ_j⁻¹μ_j - Σ_k⁻¹μ_k).  Relative
    error near m · κ · 1e-16, κ the condition number of a covariance.  Time grows like K² m³ for every kind.

    Source: docs/entropy, theorem 10.

    >>> derivative_bound(GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])).round(9)
    array([0.30326533, 0.30326533])
    """
    K = mixture.components
    precisions = [_inverse(mixture.covariance(k)) for k in range(K if mixture.kind != "tied" else 1)]
    precisions *= K if mixture.kind == "tied" else 1
    root, out = np.sqrt(mixture.weights), np.zeros(K)
    for k in range(K - 1):
        spectra = spectra_of(mixture, k, np.arange(k + 1, K))
        affinity = np.exp(spectra.log_bhattacharyya())
        for j, coefficient in zip(spectra.second, affinity, strict=True):
            D = precisions[j] - precisions[k]
            V = _inverse(0.5 * (precisions[k] + precisions[j]))
            # x̄ - μ_k = ½ V Σ_j⁻¹ (μ_j - μ_k): centred at μ_k nothing large cancels
            shift = mixture.means[j] - mixture.means[k]
            pulled = precisions[j] @ shift
            c = D @ (0.5 * V @ pulled) - pulled
            size = np.sqrt(c @ c + np.einsum("ij,jl,il->", D, V, D, optimize=True))
            out[[k, j]] += 0.5 * root[k] * root[j] * coefficient * size
    return out


def _inverse(matrix: Array) -> Array:
    inverse: Array = cho_solve(cho_factor(matrix, lower=True), np.eye(len(matrix)))
    return 0.5 * (inverse + inverse.T)
