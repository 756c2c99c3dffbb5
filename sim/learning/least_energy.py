"""The smallest energy a network can reach on data: minus the maximum log likelihood, up to its constant."""

import numpy as np

from .posterior import Posterior
from .sampler import LARGEST, sample

COLD = 1e8  # inverse temperature relative to one datum: the energy above the minimum is then about λ/β, below 1e-6


def least_energy(posterior: Posterior, rng: np.random.Generator, *, chains: int = 32, sweeps: int = 2000) -> float:
    """min E(w) over all weights, without the prior, by annealing chains from the prior to almost zero temperature.

    The best of all chains is returned, so that one chain in the deepest basin is enough; it is never below the
    minimum, and above it by about d/2β: below 1e-6 for networks whose data allow β = 1e8.
    """
    stiffness = posterior.prior_scale**2 * max(1.0, float(posterior.design.max()) ** 2)
    beta = min(COLD, 0.1 * LARGEST / stiffness)
    seen = sample(posterior, beta, rng=rng, sweeps=20, chains=chains, warmup=sweeps)
    return posterior.constant + float(seen.energy.min()) / beta
