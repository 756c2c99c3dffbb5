"""Everything that the bounds ask of the pairs of a mixture, gathered in one pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .chernoff_weight import best_positions
from .mixture import UNIT, GaussianMixture
from .pair_gap import log_sides
from .pair_spectrum import pair_spectra

Array = NDArray[np.float64]

QUADRATURE = 2e-13  # relative error of the pair integral beside rounding
FAR = 700.0  # e^{-KL} beyond this is below 1e-304


@dataclass(frozen=True, eq=False)
class Overlap:
    """The (K, K) matrices of a mixture's pairs.

    Attributes
    ----------
    log_sides : log π_k E_k log(1 + t_kj) at [k, j]; -inf on the diagonal.
    log_bhattacharyya : log BC_kj, symmetric; 0 on the diagonal.
    divergences : KL(N_k‖N_j) at [k, j], nats; 0 on the diagonal.
    separations : α_kj at [k, j]; 0 on the diagonal.
    positions : the s in [0.05, 0.95], in steps of 1/40, where the next field is least; s_jk = 1 - s_kj; ½ on the
        diagonal.
    log_weights : log of c_s π_k^{1-s} π_j^s C_kj(s), an upper bound on g_kj; symmetric, -inf on the diagonal.
    rounding : first-order bound on the relative error of g_kj, BC_kj and e^{-KL_kj}, symmetric; 0 on the diagonal.
    """

    log_sides: Array
    log_bhattacharyya: Array
    divergences: Array
    separations: Array
    positions: Array
    log_weights: Array
    rounding: Array


def overlap(mixture: GaussianMixture) -> Overlap:
    """The overlap of every pair; time grows like K² m³ for full covariances and like K² m for the others.

    `rounding` is 2e-13 + 4u (1 + κ_k + κ_j)(m + A), u = 1.1e-16, where A is the size of the exponents that are
    exponentiated and κ the condition number of `GaussianMixture.conditions` (0 where nothing is factored).

    Source: docs/entropy, section 8.
    """
    K, m = mixture.components, mixture.dimension
    sides, logs = np.full((K, K), -np.inf), np.zeros((K, K))
    positions, weights = np.full((K, K), 0.5), np.full((K, K), -np.inf)
    log_prior = np.log(mixture.weights)
    divergences, separations, rounding = np.zeros((K, K)), np.zeros((K, K)), np.zeros((K, K))
    for spectra in pair_spectra(mixture):
        k, j = spectra.first, spectra.second
        sides[k, j], sides[j, k] = log_sides(mixture, spectra)
        logs[k, j] = logs[j, k] = spectra.log_bhattacharyya()
        divergences[k, j], divergences[j, k] = spectra.divergences()
        separations[k, j], separations[j, k] = spectra.separations()
        s, least = best_positions(spectra, log_prior[j] - log_prior[k])
        positions[k, j], positions[j, k] = s, 1 - s
        weights[k, j] = weights[j, k] = log_prior[k] + least
        near = np.minimum(divergences[k, j], FAR) + np.minimum(divergences[j, k], FAR)
        height = np.abs(np.logaddexp(sides[k, j], sides[j, k])) + np.abs(logs[k, j]) + near
        height += spectra.multiplicity * np.abs(np.log(spectra.ratios)).sum(-1)
        amount = QUADRATURE + 4 * UNIT * (1 + spectra.condition) * (m + height)
        rounding[k, j] = rounding[j, k] = amount
    return Overlap(sides, logs, divergences, separations, positions, weights, rounding)
