"""Where a network's weights may go while its constants hold, and what those constants are."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...theory.minimax.arguments import nonnegative, numbers
from ...theory.minimax.generator_constants import (
    GeneratorConstants,
    generator_constants,
    hidden_norm_bounds,
    linear_generator_constants,
)
from ...theory.minimax.network_critic import ACTIVATIONS
from .kernels import cloud
from .networks import Layers, network_layers
from .spectral_norm import spectral_norm

Array = NDArray[np.float64]

ROOM = 1.0


@dataclass(frozen=True)
class Region:
    """Θ = {‖W_l‖ <= S_l, ‖b_l‖ <= b̄_l}, convex; inf where nothing is asked.

    Attributes
    ----------
    spectral_norms : tuple of float
        S_1, …, S_L.
    bias_norms : tuple of float
        b̄_1, …, b̄_L.
    """

    spectral_norms: tuple[float, ...]
    bias_norms: tuple[float, ...]

    def ratio(self, network: nn.Module) -> float:
        """The largest ‖W_l‖/S_l or ‖b_l‖/b̄_l, at most 1 inside; inf for weights that are no longer finite."""
        bounds = np.array([self.spectral_norms, self.bias_norms])
        layers = network_layers("network", network)
        if len(layers.linear) != bounds.shape[1]:
            raise ValueError(f"network must have {bounds.shape[1]} layers, got {len(layers.linear)}")
        seen = np.array(layer_norms(layers, np.isinf(bounds[0])))
        if not np.isfinite(seen).all():
            return float(np.inf)
        return float(np.where(seen > 0, seen / np.maximum(bounds, np.finfo(float).tiny), 0.0).max())

    def contains(self, network: nn.Module) -> bool:
        """Whether the network's weights lie in Θ."""
        return self.ratio(network) <= 1


@torch.no_grad()
def layer_norms(layers: Layers, free: NDArray[np.bool_] | None = None) -> tuple[Array, Array]:
    """‖W_l‖ by decomposition and ‖b_l‖ in float64, both (L,); nan for a weight that is not finite, 0 for a free one."""
    norms, biases = np.full(len(layers.linear), np.nan), np.zeros(len(layers.linear))
    for place, layer in enumerate(layers.linear):
        weight = layer.weight.double()
        if weight.isfinite().all():
            norms[place] = 0.0 if free is not None and free[place] else float(spectral_norm(weight))
        biases[place] = 0.0 if layer.bias is None else float(layer.bias.double().norm())
    return norms, biases


def network_region(network: nn.Module, room: float = ROOM) -> Region:
    """The region in which every ‖W_l‖ and ‖b_l‖ that matters may exceed its present value by `room`.

    What does not enter A² and B is left free: the biases of bounded activations (tanh, sigmoid, sin) and the first
    layer of these, and all of a linear map.  Much room makes for small steps, little for an early end of the promise.

    Raises TypeError or ValueError for a network of another kind (`network_layers`) or room < 0.
    Source: docs/minimax, theorem 8.

    >>> network_region(nn.Linear(3, 2))
    Region(spectral_norms=(inf,), bias_norms=(inf,))
    """
    layers, more = network_layers("network", network), nonnegative("room", room)
    norms, biases = layer_norms(layers)
    if not np.isfinite(norms).all() or not np.isfinite(biases).all():
        raise ValueError("network must have finite weights, got one that is not")
    depth, bounded = len(norms), np.isfinite(ACTIVATIONS[layers.activation].bound)
    if depth == 1:
        return Region((np.inf,), (np.inf,))
    first, second = norms + more, np.append(biases[:-1] + more, np.inf)
    if bounded:
        first[0], second[:] = np.inf, np.inf
    return Region(tuple(map(float, first)), tuple(map(float, second)))


def network_constants(network: nn.Module, inputs: Tensor, region: Region) -> GeneratorConstants:
    r"""A² and B of x ↦ network(x), θ all its weights, over a region and a fixed batch of inputs.

    By `theory.minimax.generator_constants`; for a linear map exactly, A² = λ_max(E x̃x̃ᵀ), x̃ = (x, 1) with a bias.
    In float64, not rounded outward: relative error near 1e-13.

    Parameters
    ----------
    network : Module
        Linear layers with one activation between.
    inputs : (N, m)
        The batch over which the mean is taken.  The constants say nothing about another one.
    region : Region

    Raises TypeError or ValueError for a network of another kind or inputs that do not fit; relu has B = inf.
    Source: docs/minimax, theorem 8.
    """
    layers = network_layers("network", network)
    z = cloud("inputs", inputs).detach().double()
    if z.shape[1] != layers.linear[0].in_features:
        raise ValueError(f"inputs must have {layers.linear[0].in_features} columns, got {z.shape[1]}")
    if len(layers.linear) == 1:
        ones = z.new_ones(len(z), 0 if layers.linear[0].bias is None else 1)
        return linear_generator_constants(torch.cat([z, ones], 1).cpu().numpy())
    lengths = numbers("inputs", z.norm(dim=1).cpu().numpy())
    widths = [layer.out_features for layer in layers.linear[:-1]]
    bounded = np.isfinite(ACTIVATIONS[layers.activation].bound)
    if bounded:
        hidden = hidden_norm_bounds(layers.activation, widths)
    else:
        hidden = hidden_norm_bounds(
            layers.activation, widths, lengths, region.spectral_norms[:-1], region.bias_norms[:-1]
        )
    norms = [0.0 if bounded and not place else s for place, s in enumerate(region.spectral_norms)]  # S_1 plays no part
    return generator_constants(lengths, norms, hidden, layers.activation)
