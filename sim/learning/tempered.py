"""Mean energies at WBIC's temperature, of data given as a signal in units of its noise."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...theory.learning.network import LinearNetwork
from ...theory.learning.noise_units import Response
from .batch_means import mean_with_error
from .posterior import Posterior
from .sampler import sample
from .smoothing import smoothed_energy


class TemperedEnergy(NamedTuple):
    """E_β[E] at β = 1/log n and its standard error, nats; E is the log-likelihood lost to the best linear map."""

    mean: float
    error: float


def unit_noise_signal(response: Response) -> NDArray[np.float64]:
    """(M, N) least-squares fit in units of the noise, for inputs with orthonormal columns.

    An unknown covariance is taken at what least squares leaves, G/n, so that the loss of a map F is half the squared
    distance of the signals in either case.
    """
    return response.whitened * (1.0 if response.known else np.sqrt(response.n))


def tempered_network(
    network: LinearNetwork,
    signals: tuple[NDArray[np.float64], ...],
    n: int,
    *,
    rng: np.random.Generator,
    sweeps: int,
    prior_scale: float,
) -> TemperedEnergy:
    """The mean energy of a network fitted to `signals`, one (observed_l, N) a layer, inputs of unit second moment."""
    N = network.widths[0]
    posterior = Posterior(network, np.full(N, np.sqrt(n)), signals, 0.0, np.eye(N), n, prior_scale)
    log_n = float(np.log(n))
    seen = sample(posterior, 1.0 / log_n, rng=rng, sweeps=sweeps, warmup=500)
    mean = mean_with_error(smoothed_energy(seen)[0] * log_n, "blocked Gibbs at β = 1/log n")
    return TemperedEnergy(mean.mean, mean.error)


def tempered_linear(signal: NDArray[np.float64], n: int, prior_scale: float) -> TemperedEnergy:
    """The mean energy of an unrestricted linear map, in closed form: every weight is a regular coordinate."""
    beta = 1.0 / np.log(n)
    precision = beta * n + prior_scale**-2
    shrunk = (signal / (prior_scale**2 * precision)) ** 2
    return TemperedEnergy(float(0.5 * shrunk.sum() + 0.5 * signal.size * n / precision), 0.0)
