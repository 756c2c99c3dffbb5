"""One energy per sweep of least variance, from the energy itself and its conditional means."""

import warnings

import numpy as np
from numpy.typing import NDArray

from .batch_means import SHORTEST, batch_means
from .sampler import Chains

RIDGE = 1e-5  # of the mean variance: keeps the weights small where two layers say the same
DRIFT = 5.7  # standard errors of a rank sum: chains that forgot their start show more for one run in 10^8


def smoothed_energy(chains: Chains) -> NDArray[np.float64]:
    """A weighted sum of β E and its conditional means with the mean of β E and little variance, (B, chains, sweeps).

    All L + 1 terms have the same mean, so that any weights that sum to 1 keep it; those of least variance,
    Σ⁻¹1 / 1ᵀΣ⁻¹1, are found from the covariance Σ of the batch means.  Estimating them from the same draws makes the
    batch-means error too small by about a share L/batches: 1 percent with 256 batches.

    Raises ValueError when there are fewer than 8 batches per term: run more chains or more sweeps.  Warns where the
    energy still drifts: a truth far outside the prior asks for a longer warm-up than one of order 1.
    """
    terms = np.concatenate([chains.energy[:, None], chains.layer_energy], axis=1)
    batches, needed = batch_means(chains.energy).shape[1], 8 * terms.shape[1]
    if batches < needed:
        raise ValueError(f"chains and sweeps must give at least {needed} batches of {SHORTEST} sweeps, got {batches}")
    for beta, energy in zip(chains.beta, chains.energy, strict=True):
        if _drift(energy) > DRIFT:
            warnings.warn(f"the chains at beta = {beta:g} have not settled: raise warmup", RuntimeWarning, stacklevel=3)
    out = np.empty_like(chains.energy)
    for b, series in enumerate(terms):
        covariance = np.cov(batch_means(series))
        covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        weights = np.linalg.solve(covariance, np.ones(len(covariance)))
        out[b] = np.tensordot(weights / weights.sum(), series, axes=1)
    return out


def _drift(energy: NDArray[np.float64]) -> float:
    """How many standard errors the first and the last sweeps of (chains, sweeps) are apart in rank.

    The first third against the last, and the first batch against the last for a start that is soon forgotten.
    """
    third, found = energy.shape[1] // 3, 0.0
    for width in (third, min(third, SHORTEST)):
        if width:
            first, last = batch_means(energy[:, :width]), batch_means(energy[:, energy.shape[1] - width :])
            size = first.size
            ranks = np.concatenate([first, last]).argsort().argsort()[:size]
            # Wilcoxon's rank sum: mean size·(2 size − 1)/2, variance size²·(2 size + 1)/12
            found = max(found, abs(ranks.sum() - size * (size - 0.5)) / (size * np.sqrt((2 * size + 1) / 12)))
    return float(found)
