"""The entropy of a Gaussian mixture as if its components never met, differentiable."""

import math

import torch
from torch import Tensor

from .mixture import TorchMixture


def approximate_entropy(mixture: TorchMixture) -> Tensor:
    r"""H̃ = Σ_k π_k ½ log det(2πe Σ_k) - Σ_k π_k log π_k in nats, (); `theory.entropy.approximate_entropy`.

    Differentiable in the weights and factors any number of times.  Source: docs/entropy, theorem 1.

    >>> parts = torch.tensor([0.5, 0.5]).double(), torch.tensor([[0.0], [2.0]]).double(), torch.ones(2).double()
    >>> round(approximate_entropy(TorchMixture(*parts)).item(), 12)
    2.112085713765
    """
    constant = mixture.dimension * (1 + math.log(2 * math.pi))
    terms = 0.5 * (constant + log_determinants(mixture)) - mixture.weights.log()
    return mixture.weights @ terms


def label_entropy(mixture: TorchMixture) -> Tensor:
    """H(π) = -Σ π_k log π_k in nats, (): the largest that the gap Δ can be; `theory.entropy.label_entropy`."""
    weights = mixture.weights / mixture.weights.sum()
    largest = weights.argmax()
    others = torch.arange(len(weights), device=mixture.device) != largest
    # a weight near 1 has lost what is left for the others
    rest = torch.where(others, weights, 0.0).sum()
    return -(weights * torch.where(others, weights.log(), torch.log1p(-rest))).sum()


def log_determinants(mixture: TorchMixture) -> Tensor:
    """log det Σ_k, (K,)."""
    factors, kind = mixture.factors, mixture.kind
    if kind in ("full", "tied"):
        logs = 2 * factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return logs.expand(mixture.components)
    return 2 * (factors.log().sum(-1) if kind == "diagonal" else mixture.dimension * factors.log())
