"""The widely applicable Bayesian information criterion, and the learning coefficient it implies."""

from dataclasses import dataclass

import numpy as np

from ...theory.estimate import Estimate
from .batch_means import mean_with_error
from .least_energy import least_energy
from .posterior import Posterior, log_likelihood_constant
from .sampler import sample
from .smoothing import smoothed_energy


@dataclass(frozen=True)
class WBIC:
    """The criterion and the learning coefficient read off it.

    Attributes
    ----------
    free_energy : Estimate
        E_β[n L_n] at β = 1/log n, nats: the Bayes free energy F_n up to O(√log n).
    learning_coefficient : Estimate
        (E_β[n L_n] − n L_n(ŵ)) / log n at the maximum likelihood ŵ.  Its error is that of the sampling alone; over
        data sets λ̂ moves by O(1/√log n).
    """

    free_energy: Estimate
    learning_coefficient: Estimate


def wbic(
    posterior: Posterior,
    *,
    rng: np.random.Generator,
    sweeps: int = 2000,
    chains: int = 32,
    warmup: int = 500,
) -> WBIC:
    """WBIC of a data posterior with unit noise.

    The baseline is the maximum likelihood: the energy at the truth lies about λ above it, which would bias λ̂ by about
    λ/log n.  Source: S. Watanabe, Journal of Machine Learning Research 14 (2013) 867-897.

    Raises ValueError for a posterior of fewer than 3 data or of a population.
    """
    if posterior.samples < 3:
        raise ValueError(f"posterior must hold at least 3 data, got {posterior.samples}")
    log_n = np.log(posterior.samples)
    seen = sample(posterior, 1.0 / log_n, rng=rng, sweeps=sweeps, chains=chains, warmup=warmup)
    # the sampler records β E, the criterion wants E
    tempered = mean_with_error(smoothed_energy(seen)[0] * log_n, "blocked Gibbs at β = 1/log n, batch means")
    least = least_energy(posterior, rng)
    constant = log_likelihood_constant(posterior) + posterior.constant
    return WBIC(
        _shifted(tempered, constant, 1.0, tempered.method),
        _shifted(tempered, posterior.constant - least, 1.0 / log_n, "WBIC above the maximum likelihood"),
    )


def _shifted(estimate: Estimate, shift: float, factor: float, method: str) -> Estimate:
    mean, error = (estimate.mean + shift) * factor, estimate.error * factor
    return Estimate(float(mean), float(error), estimate.draws, estimate.effective, method)
