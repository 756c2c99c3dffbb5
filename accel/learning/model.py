"""A linear network with observed units as a torch module, its loss, and data drawn at a truth."""

import numpy as np
import torch
from torch import Tensor, nn

from ...theory.learning.network import LinearNetwork, Truth


class ObservedChain(nn.Module):
    """x ↦ what all observed units compute, layer by layer: with a bottleneck the concepts first, then the outputs.

    The layers are `torch.nn.Linear` without biases, `layers[l - 1].weight` is W_l.  With unit Gaussian noise on every
    observed unit `squared_error` is the negative log likelihood.
    """

    def __init__(self, truth: Truth, *, device: torch.device | str | None = None, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.network: LinearNetwork = truth.network
        self.layers = nn.ModuleList()
        for weights in truth.layers:
            layer = nn.Linear(weights.shape[1], weights.shape[0], bias=False, device="meta")  # draws nothing
            layer.weight = nn.Parameter(torch.tensor(weights, device=device, dtype=dtype))
            self.layers.append(layer)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., h_0) to (..., number of observed units)."""
        seen = []
        for layer, count in zip(self.layers, self.network.observed, strict=True):
            inputs = layer(inputs)
            seen.append(inputs[..., inputs.shape[-1] - count :])
        return torch.cat(seen, -1)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """L_n = ½ Σ_units (prediction − target)², averaged over the data and not over the units.

    The negative log likelihood a datum, in nats and up to a constant, when every unit carries unit Gaussian noise.
    """
    return 0.5 * (prediction - target).square().sum(-1).mean()


def draw_data(
    truth: Truth,
    n: int,
    rng: np.random.Generator,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
) -> tuple[Tensor, Tensor]:
    """n inputs x ~ N(0, I), (n, h_0), and what the observed units show, with unit noise, (n, observed units)."""
    x = rng.standard_normal((n, truth.network.widths[0]))
    clean = x @ np.vstack(truth.targets).T
    y = clean + rng.standard_normal(clean.shape)
    return torch.as_tensor(x, device=device, dtype=dtype), torch.as_tensor(y, device=device, dtype=dtype)
