"""Small networks for both players, and what a network is made of where its constants are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ...theory import _check
from ...theory.minimax.arguments import choice
from ...theory.minimax.network_critic import ACTIVATIONS


class Sine(nn.Module):
    """sin, entry by entry."""

    def forward(self, x: Tensor) -> Tensor:
        """sin x."""
        return torch.sin(x)


MODULES: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "sin": Sine,
    "relu": nn.ReLU,
}


def generator_network(
    latent: int,
    widths: Sequence[int],
    outputs: int,
    activation: str = "tanh",
    *,
    random: torch.Generator,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> nn.Sequential:
    r"""W_Lσ(… σ(W₁z + b₁) …) + b_L, (N, latent) to (N, outputs).

    Weights are drawn from N(0, 1/inputs of the layer) and hidden biases from N(0, 1/10) on the generator's device, then
    moved: the same seed gives the same network everywhere.

    Parameters
    ----------
    latent, outputs : int
        Dimensions of z and of the data, >= 1.
    widths : sequence of int
        Of the hidden layers; empty for a linear generator.
    activation : str
        tanh, sigmoid, softplus, sin or relu.
    random : torch.Generator
    dtype, device
        Where the network is to live.

    Raises ValueError for a width < 1 or another activation.  Source: docs/minimax, theorem 8.

    >>> generator_network(2, [16], 2, random=torch.Generator().manual_seed(0))
    Sequential(
      (0): Linear(in_features=2, out_features=16, bias=True)
      (1): Tanh()
      (2): Linear(in_features=16, out_features=2, bias=True)
    )
    """
    first, last = _check.integer("latent", latent, 1), _check.integer("outputs", outputs, 1)
    hidden = _check.integers("widths", widths, 1, 0)
    kind = MODULES[choice("activation", activation, ACTIVATIONS)]
    if not isinstance(random, torch.Generator):
        raise TypeError(f"random must be a torch.Generator, got {type(random).__name__}")
    sizes, parts = (first, *hidden, last), list[nn.Module]()
    for place, (inputs, out) in enumerate(pairwise(sizes)):
        parts += [kind()] if place else []
        parts.append(_linear(inputs, out, 0.1**0.5 if place < len(hidden) else 0.0, random, dtype, device))
    return nn.Sequential(*parts)


def critic_network(
    dimension: int,
    widths: Sequence[int],
    activation: str = "softplus",
    *,
    random: torch.Generator,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> nn.Sequential:
    """A network of one output, (N, dimension) to (N, 1), drawn as `generator_network`; it is high on what is generated.

    With softplus, tanh, sigmoid or sin condition D2 can hold, with relu never.  See `spectral_normalise` for D1.
    Raises as `generator_network`.  Source: docs/minimax, theorem 4.
    """
    size = _check.integer("dimension", dimension, 1)
    return generator_network(size, widths, 1, activation, random=random, dtype=dtype, device=device)


@torch.no_grad()
def _linear(
    inputs: int,
    outputs: int,
    bias: float,
    random: torch.Generator,
    dtype: torch.dtype,
    device: torch.device | str | None,
) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):  # what torch itself draws here is not used
        layer = nn.Linear(inputs, outputs, device="cpu", dtype=dtype)
    for part, scale in ((layer.weight, inputs**-0.5), (layer.bias, bias)):
        drawn = torch.randn(part.shape, generator=random, device=random.device, dtype=torch.float64)
        part.copy_(scale * drawn)
    return layer.to(device)


@dataclass(frozen=True)
class Layers:
    """The linear layers of a network and the activation between them; "tanh" stands in where there is one layer."""

    linear: tuple[nn.Linear, ...]
    activation: str


def network_layers(name: str, network: nn.Module) -> Layers:
    """What theorem 8 speaks of: Linear layers with one known activation between each two, all free parameters.

    Raises TypeError for anything else, ValueError for a parametrised weight or one layer used twice: its constants
    would be others.
    """
    if isinstance(network, nn.Linear):
        network = nn.Sequential(network)
    if not isinstance(network, nn.Sequential) or len(network) % 2 == 0:
        raise TypeError(
            f"{name} must be a Sequential of Linear layers with an activation between, got {_words(network)}"
        )
    linear, between = list(network)[::2], list(network)[1::2]
    for layer in linear:
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{name} must have a Linear layer at every other place, got {type(layer).__name__}")
        if is_parametrized(layer):
            raise ValueError(f"{name} must have free weights, got a parametrised Linear layer")
    words = {activation_word(name, part) for part in between}
    if len(words) > 1:
        raise TypeError(f"{name} must have one activation throughout, got {', '.join(sorted(words))}")
    found = tuple(layer for layer in linear if isinstance(layer, nn.Linear))
    if len({id(layer.weight) for layer in found}) < len(found):
        raise ValueError(f"{name} must use each layer once, got one twice")
    return Layers(found, words.pop() if words else "tanh")


def activation_word(name: str, module: nn.Module) -> str:
    """The name under which theory knows an activation."""
    for word, kind in MODULES.items():
        if type(module) is kind and not (isinstance(module, nn.Softplus) and module.beta != 1):
            return word
    raise TypeError(f"{name} must have an activation among {', '.join(MODULES)}, got {module}")


def _words(network: nn.Module) -> str:
    return f"one of {len(network)} parts" if isinstance(network, nn.Sequential) else type(network).__name__
