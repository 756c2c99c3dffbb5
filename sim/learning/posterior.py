"""The posterior that is sampled: a linear network's weights given a truth, or given data, as sufficient statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.learning.network import Layers, LinearNetwork, Truth


@dataclass(frozen=True)
class Posterior:
    r"""Density ∝ exp(−β E(w)) N(w; 0, s²I) with E(w) = ½ Σ_l ‖(W_l … W_1 D)[observed rows] − T_l‖² + constant.

    The population posterior has D = I, T_l = what the true network computes, and β = n; a data posterior has D = the
    singular values of X and targets in the same rotated coordinates, so that its cost does not depend on n, and β = 1
    for Bayes.  The prior is isotropic, so that the rotation changes nothing but the coordinates of the first layer.

    Attributes
    ----------
    network : LinearNetwork
    design : (N,)
        The diagonal of D, all >= 0.
    targets : tuple of (observed_l, N)
        T_l for every layer.
    constant : float
        The part of the energy that no weights reach.
    rotation : (N, N)
        Orthogonal V such that W_1 V is what is sampled; identity for the population.
    samples : int
        n for a data posterior, 0 for the population.
    prior_scale : float
        s > 0.
    """

    network: LinearNetwork
    design: NDArray[np.float64]
    targets: Layers
    constant: float
    rotation: NDArray[np.float64]
    samples: int
    prior_scale: float


def population(truth: Truth, prior_scale: float = 1.0) -> Posterior:
    """The noise-free posterior at a truth: the energy is K(w), inputs have unit second moment."""
    N = truth.network.widths[0]
    scale = _check.positive("prior_scale", prior_scale)
    return Posterior(truth.network, np.ones(N), truth.targets, 0.0, np.eye(N), 0, scale)


def from_data(
    network: LinearNetwork, inputs: ArrayLike, observations: Sequence[ArrayLike | None], prior_scale: float = 1.0
) -> Posterior:
    """The posterior given n data with unit noise: the energy is nL_n(w) without its constant ½ n Σ observed · log 2π.

    Parameters
    ----------
    network : LinearNetwork
    inputs : (n, N)
    observations : one per layer
        (n, observed_l) what the observed units of layer l showed, None where nothing is observed.
    prior_scale : float
        The standard deviation s of the Gaussian prior of every weight.
    """
    X = _check.matrix("inputs", inputs, columns=network.widths[0])
    n, N = X.shape
    if n < 1:
        raise ValueError("inputs must hold at least one row, got none")
    if len(observations) != network.depth:
        raise ValueError(f"observations must have one entry per layer = {network.depth}, got {len(observations)}")
    U, d, Vt = np.linalg.svd(X, full_matrices=False)
    design, rotation = np.zeros(N), np.linalg.qr(np.hstack([Vt.T, np.eye(N)]))[0]
    design[: d.size] = d
    rotation[:, : d.size] = Vt.T
    targets, constant = [], 0.0
    for layer, (values, seen) in enumerate(zip(observations, network.observed, strict=True), start=1):
        Y = np.zeros((n, 0)) if values is None else _check.matrix(f"observations[{layer - 1}]", values, n, seen)
        if Y.shape[1] != seen:
            raise ValueError(f"observations[{layer - 1}] must have {seen} columns, got none")
        T = np.zeros((seen, N))
        T[:, : d.size] = Y.T @ U
        targets.append(T)
        # what U does not reach, as a sum of squares rather than a difference of two
        constant += 0.5 * math.fsum(((Y - U @ T[:, : d.size].T) ** 2).ravel())
    scale = _check.positive("prior_scale", prior_scale)
    return Posterior(network, design, tuple(targets), constant, rotation, n, scale)


def log_likelihood_constant(posterior: Posterior) -> float:
    """½ n log 2π times the number of observed units: what turns a data energy into n L_n(w)."""
    return 0.5 * posterior.samples * sum(posterior.network.observed) * math.log(2.0 * math.pi)
