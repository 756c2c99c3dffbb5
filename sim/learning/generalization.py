"""What Bayesian learning of a network costs on fresh data, averaged over data sets: n·E[G_n] tends to λ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ...theory import _check
from ...theory.estimate import Estimate
from ...theory.learning.network import Layers, LinearNetwork, Truth
from .data import Data, draw_data, log_density
from .posterior import from_data
from .sampler import sample

BLOCK = 1 << 20  # entries of a table of log densities held at a time


@dataclass(frozen=True)
class Generalization:
    """Means over data sets, each times n, in nats, with standard errors over the data sets.

    Attributes
    ----------
    generalization_error : Estimate
        n·E[G_n], the Kullback-Leibler divergence from truth to the Bayes prediction of all observed units; tends to λ.
    training_error : Estimate
        n·E[T_n], tends to λ − 2ν.
    waic : Estimate
        n·(E[WAIC] − S), tends to λ too.
    fluctuation : Estimate
        The functional variance halved, tends to ν.
    """

    generalization_error: Estimate
    training_error: Estimate
    waic: Estimate
    fluctuation: Estimate


def estimate_generalization(
    truth: Truth,
    n: int,
    *,
    rng: np.random.Generator,
    datasets: int = 100,
    fresh: int = 4000,
    draws: int = 400,
    prior_scale: float = 1.0,
) -> Generalization:
    """Estimate the Bayes errors at sample size n over independent data sets.

    Each data set gets its own chains, its own fresh data and its own random stream.  The predictive density p̂ is the
    mean over `draws` posterior draws, which raises n·G_n by about ν/draws: a quarter of a percent by default.

    With r = log p̂ - log p*, G = -E* r = E*(e^r - 1 - r) under the truth p*, because E* e^r = ∫ p̂ = 1; this is of the
    order r² where r has fluctuations of order r.  It is averaged over the mean of p* and p̂ instead of p*, where the
    values 2(e^r - 1 - r)/(1 + e^r) have the same mean and no heavy tail, however far p̂ is from p*.

    Parameters
    ----------
    truth : Truth
    n : int
        Data per data set, >= 1.
    datasets, fresh, draws : int
        Data sets (>= 8), fresh data each (>= 2, half of them from p̂), posterior draws each (a multiple of 8).
    """
    _check.integer("n", n, 1)
    _check.integer("datasets", datasets, 8)
    _check.integer("fresh", fresh, 2)
    if _check.integer("draws", draws, 8) % 8:
        raise ValueError(f"draws must be a multiple of 8, got {draws}")
    rows = np.array([_one(truth, n, stream, fresh, draws, prior_scale) for stream in rng.spawn(datasets)])
    method = f"{datasets} data sets of n = {n}"
    found = [
        Estimate(float(m), float(s / np.sqrt(datasets)), datasets, float(datasets), method)
        for m, s in zip(n * rows.mean(0), n * rows.std(0, ddof=1), strict=True)
    ]
    return Generalization(*found)


def _one(
    truth: Truth, n: int, rng: np.random.Generator, fresh: int, draws: int, prior_scale: float
) -> tuple[float, float, float, float]:
    """G, T, WAIC − S and V/2n of one data set."""
    network = truth.network
    data = draw_data(truth, n, rng)
    posterior = from_data(network, data.inputs, data.observations, prior_scale)
    seen = sample(posterior, 1.0, rng=rng, sweeps=draws // 8 * 5, chains=8, warmup=300, thin=5)
    weights = tuple(layer[0].reshape(-1, *layer.shape[-2:]) for layer in seen.weights)
    true = tuple(layer[None] for layer in truth.layers)
    tests = draw_data(truth, fresh - fresh // 2, rng), _draw_predicted(network, weights, fresh // 2, rng)
    ratios = [_prediction(network, weights, test)[0] - log_density(network, true, test)[0] for test in tests]
    generalization = float(np.mean([_divergence_terms(r).mean() for r in ratios]))
    predicted, variance = _prediction(network, weights, data)
    training = float((log_density(network, true, data)[0] - predicted).mean())
    return generalization, training, training + float(variance.mean()), float(variance.mean()) / 2


def _divergence_terms(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """2(e^r - 1 - r)/(1 + e^r), without overflow."""
    t, less = np.exp(-np.abs(r)), np.expm1(-np.abs(r))
    out: NDArray[np.float64] = 2 * np.where(r > 0, -less - r * t, less - r) / (1 + t)
    return out


def _draw_predicted(network: LinearNetwork, weights: Layers, n: int, rng: np.random.Generator) -> Data:
    """n independent data of the predictive density: each has a posterior draw of its own."""
    X = rng.standard_normal((n, network.widths[0]))
    drawn = rng.integers(weights[0].shape[0], size=n)
    Z, observations = X, []
    for W, seen in zip(weights, network.observed, strict=True):
        Z = np.einsum("nij,nj->ni", W[drawn], Z)
        observations.append(Z[:, Z.shape[1] - seen :] + rng.standard_normal((n, seen)))
    return Data(X, tuple(observations))


def _prediction(network: LinearNetwork, weights: Layers, data: Data) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """log of the predictive density and the posterior variance of the log density, at every datum."""
    rows = max(1, BLOCK // weights[0].shape[0])
    means, variances = [], []
    for start in range(0, data.inputs.shape[0], rows):
        part = Data(data.inputs[start : start + rows], tuple(y[start : start + rows] for y in data.observations))
        table = log_density(network, weights, part)
        means.append(logsumexp(table, axis=0) - np.log(table.shape[0]))
        variances.append(table.var(axis=0, ddof=1))
    return np.concatenate(means), np.concatenate(variances)
