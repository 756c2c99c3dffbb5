"""The learning coefficient from the mean energy at two temperatures, which needs no baseline."""

import numpy as np

from ...theory import _check
from ...theory.estimate import Estimate
from .batch_means import batch_means
from .posterior import Posterior
from .sampler import sample
from .smoothing import smoothed_energy


def two_temperatures(
    posterior: Posterior,
    *,
    rng: np.random.Generator,
    factors: tuple[float, float] = (0.7, 1.4),
    sweeps: int = 2000,
    chains: int = 32,
    warmup: int = 500,
) -> Estimate:
    """λ̂ = (E_β₁[nL_n] − E_β₂[nL_n]) / (1/β₁ − 1/β₂) at β_i = c_i / log n, on one data set.

    Over data sets λ̂ moves by O(1/√log n) with mean λ − (m−1)/log n + …; the error given is that of the sampling alone.
    Both temperatures are driven by the same random numbers.  Source: docs/learning, section 1.

    Parameters
    ----------
    posterior : Posterior
        Of at least 3 data.
    factors : two different numbers > 0
        c₁, c₂.
    """
    if posterior.samples < 3:
        raise ValueError(f"posterior must hold at least 3 data, got {posterior.samples}")
    c = _check.above("factors", factors, 0.0)
    if c.shape != (2,) or c[0] == c[1]:
        raise ValueError(f"factors must be two different numbers > 0, got {factors!r}")
    betas = c / np.log(posterior.samples)
    seen = sample(posterior, betas, rng=rng, sweeps=sweeps, chains=chains, warmup=warmup)
    energies = smoothed_energy(seen) / betas[:, None, None]
    means = batch_means(energies[0] - energies[1]) / (1 / betas[0] - 1 / betas[1])
    error = float(means.std(ddof=1) / np.sqrt(means.size))
    return Estimate(float(means.mean()), error, seen.energy[0].size, float(means.size), "two temperatures, batch means")
