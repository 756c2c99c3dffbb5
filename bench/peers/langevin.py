"""devinterp's Langevin steps again, for all settings of a grid at once: how the best of them is found."""

from collections.abc import Sequence

import numpy as np

from lemmata.sim.learning import Posterior
from lemmata.theory.learning.network import Layers, LinearNetwork
from peers.devinterp_client import Settings, statistics

Floats = np.ndarray

FORGET, FLOOR = 0.99, 0.1  # of the preconditioner: devinterp's defaults


def estimates(
    network: LinearNetwork, posterior: Posterior, start: Layers, grid: Sequence[Settings], rng: np.random.Generator
) -> Floats:
    """λ̂ of every setting, (settings,); NaN where the steps diverge.  All settings share chains, burn-in and draws."""
    first = grid[0]
    x, y = statistics(posterior)
    chains, n = first.chains, posterior.samples

    def column(values: Sequence[float]) -> Floats:
        return np.repeat(np.array(values, float), chains)[:, None, None]

    lr, n_beta = column([s.lr for s in grid]), column([s.nbeta for s in grid])
    pull, decay = column([s.localization for s in grid]), column([s.weight_decay for s in grid])
    plain = column([not s.rmsprop for s in grid]) > 0
    weights = [np.repeat(layer[None], lr.shape[0], axis=0) for layer in start]
    squares = [np.zeros_like(w) for w in weights]
    base = energy_and_gradients(network, x, y, weights)[0] / n
    total = np.zeros(lr.shape[0])
    for step in range(first.burnin + first.draws):
        energy, gradients = energy_and_gradients(network, x, y, weights)
        if step >= first.burnin:
            total += energy / n - base
        for w, g, v, centre in zip(weights, gradients, squares, start, strict=True):
            g /= n
            v *= FORGET
            v += (1 - FORGET) * g * g
            scale = np.where(plain, 1.0, 1.0 / (np.sqrt(v) + FLOOR))
            drift = scale * (n_beta * g + pull * (w - centre) + decay * w)
            w += np.sqrt(lr * scale) * rng.standard_normal(w.shape) - 0.5 * lr * drift
    found = n_beta[:, 0, 0] * total / first.draws
    return found.reshape(len(grid), chains).mean(1)


def energy_and_gradients(network: LinearNetwork, x: Floats, y: Floats, weights: list[Floats]) -> tuple[Floats, list]:
    """½ Σ ‖prediction − y‖² of each chain's weights (R, h_l, h_{l−1}), and its gradient, by back-propagation."""
    values = [np.broadcast_to(x, (weights[0].shape[0], *x.shape))]
    for w in weights:
        values.append(values[-1] @ w.transpose(0, 2, 1))
    energy, back, end = np.zeros(weights[0].shape[0]), np.zeros_like(values[-1]), y.shape[1]
    gradients: list[Floats] = []
    for layer in range(len(weights), 0, -1):
        seen = network.observed[layer - 1]
        if seen:
            off = values[layer][:, :, values[layer].shape[2] - seen :] - y[:, end - seen : end]
            energy += 0.5 * (off**2).sum((1, 2))
            back[:, :, back.shape[2] - seen :] += off
            end -= seen
        gradients.insert(0, back.transpose(0, 2, 1) @ values[layer - 1])
        back = back @ weights[layer - 1]
    return energy, gradients
