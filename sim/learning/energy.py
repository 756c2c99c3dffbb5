"""The posterior mean of n·K, which the learning coefficient predicts."""

import numpy as np

from ...theory import _check
from ...theory.estimate import Estimate
from ...theory.learning.network import Truth
from .batch_means import mean_with_error
from .posterior import population
from .sampler import sample
from .smoothing import smoothed_energy


def estimate_energy(
    truth: Truth,
    n: float,
    *,
    rng: np.random.Generator,
    sweeps: int = 4000,
    chains: int = 32,
    warmup: int = 200,
    prior_scale: float = 1.0,
) -> Estimate:
    """Estimate ⟨nK⟩_n, the mean of n·K under the noise-free posterior exp(−nK(w)) N(w; 0, s²I).

    Compare with `theory.learning.LearningCoefficient.mean_energy`: λ − (m−1)/log n, up to O((m−1)/log² n) and a power
    of 1/n.  The estimate is the mean of the smoothed energies (`smoothing.smoothed_energy`); its error is that of
    their batch means.

    Parameters
    ----------
    truth : Truth
    n : float
        The sample size that the posterior imitates, 0 < n <= 1e12 / s².
    rng : Generator
    sweeps, chains, warmup : int
        As in `sampler.sample`.
    prior_scale : float
        s.
    """
    _check.positive("n", n)
    chains_seen = sample(population(truth, prior_scale), n, rng=rng, sweeps=sweeps, chains=chains, warmup=warmup)
    return mean_with_error(smoothed_energy(chains_seen)[0], "blocked Gibbs, smoothed energy, batch means")
