"""Data drawn from a true network: standard normal inputs, unit Gaussian noise on every observed unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...theory import _check
from ...theory.learning.network import Layers, LinearNetwork, Truth


@dataclass(frozen=True)
class Data:
    """n inputs (n, N) and what the observed units of every layer showed, (n, observed_l) a layer."""

    inputs: NDArray[np.float64]
    observations: Layers


def draw_data(truth: Truth, n: int, rng: np.random.Generator) -> Data:
    """n independent data of the true network."""
    _check.integer("n", n, 1)
    X = rng.standard_normal((n, truth.network.widths[0]))
    return Data(X, tuple(X @ T.T + rng.standard_normal((n, T.shape[0])) for T in truth.targets))


def log_density(network: LinearNetwork, weights: Layers, data: Data) -> NDArray[np.float64]:
    """log p(observations | input, w) in nats for draws of weights (R, h_l, h_{l−1}), as (R, n)."""
    Z = np.broadcast_to(data.inputs, (weights[0].shape[0], *data.inputs.shape))
    out = np.full(Z.shape[:2], -0.5 * sum(network.observed) * np.log(2 * np.pi))
    for W, seen, Y in zip(weights, network.observed, data.observations, strict=True):
        Z = Z @ np.swapaxes(W, 1, 2)
        if seen:
            out -= 0.5 * ((Z[..., Z.shape[2] - seen :] - Y) ** 2).sum(-1)
    return out
