"""How strongly a linear layer can stretch: its largest singular value, exact or between bounds, and how to set it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...theory import _check

FAILURE = 1e-9


def spectral_norm(weight: Tensor) -> Tensor:
    """σ(W), the largest singular value of the last two axes, (...), by a full decomposition; differentiable.

    Relative error near 1e-15 in float64.  The cost grows with the cube of the smaller side: well below a second up to
    1000.  Where the largest singular value is multiple the gradient is one of the subgradients.

    Raises ValueError for a tensor with fewer than two axes or none in one.

    >>> spectral_norm(torch.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor(4.)
    """
    values: Tensor = torch.linalg.svdvals(_matrix(weight))
    return values[..., 0]


@dataclass(frozen=True)
class SpectralNormBounds:
    """lower <= σ(W) <= upper, the first always, the second with probability at least 1 − failure.

    Attributes
    ----------
    lower, upper : float
        Both up to rounding of the matrix products.
    failure : float
        Over the random start; 0 where a bound without chance was the smaller.
    """

    lower: float
    upper: float
    failure: float


@torch.no_grad()
def spectral_norm_bounds(
    weight: Tensor, iterations: int = 100, failure: float = FAILURE, *, random: torch.Generator
) -> SpectralNormBounds:
    r"""Bounds on σ(W) by power iteration, for layers too large to decompose.

    From a uniform unit vector v_0 in ℝ^n, v_k ∝ WᵀWv_{k−1},

    .. math:: \|W v_k\| \le \sigma \le \Big( \frac1t \prod_{j<k} \|W^T W v_j\| \Big)^{1/(2k)}, \qquad
        t = \varepsilon \sqrt{\pi/(2n)},

    the second unless |⟨v_0, e⟩| < t, e the top singular vector, as ‖(WᵀW)^k v_0‖ >= σ^{2k}|⟨v_0, e⟩|.  That has
    probability at most ε: the density of ⟨v_0, e⟩ is at most √(n/2π) for n >= 3, and for n = 2 it is the arcsine law.
    The upper bound is never taken above ‖W‖_F and (‖W‖₁‖W‖_∞)^{1/2}, which hold without chance.  What power iteration
    itself estimates, and torch's `parametrizations.spectral_norm` divides by, is the lower bound: the norm it leaves is
    1 or more.

    Parameters
    ----------
    weight : (m, n)
    iterations : int
        k >= 1.  The upper bound exceeds σ by a factor of at most t^{−1/(2k)}.
    failure : float
        ε in (0, 1).
    random : torch.Generator

    Raises ValueError outside these ranges.

    >>> found = spectral_norm_bounds(torch.diag(torch.tensor([4.0, 1.0])), random=torch.Generator().manual_seed(0))
    >>> found.lower <= 4.0 <= found.upper
    True
    """
    k, chance = _check.integer("iterations", iterations, 1), _check.positive("failure", failure)
    if chance >= 1:
        raise ValueError(f"failure must be < 1, got {chance:g}")
    W = _matrix(weight).double()
    if W.ndim != 2:
        raise ValueError(f"weight must be a matrix, got {W.ndim} dimensions")
    n = W.shape[1]
    safe = min(float(W.norm()), float((W.abs().sum(0).max() * W.abs().sum(1).max()).sqrt()))
    v = torch.randn(n, generator=random, device=random.device, dtype=torch.float64).to(W.device)
    v, logs = v / v.norm(), 0.0
    for _ in range(k):
        v = W.T @ (W @ v)
        size = float(v.norm())
        if size == 0:  # W = 0, or a start in its kernel: almost surely the former
            return SpectralNormBounds(0.0, safe, 0.0)
        v, logs = v / size, logs + math.log(size)
    chanced = math.exp((logs - math.log(chance * (math.pi / (2 * n)) ** 0.5)) / (2 * k))
    lower = float((W @ v).norm())
    return SpectralNormBounds(lower, *((safe, 0.0) if safe <= chanced else (chanced, chance)))


class SpectralNormalised(nn.Module):
    """The parametrisation W ↦ S W/σ(W) by the exact σ."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, weight: Tensor) -> Tensor:
        """S W/σ(W)."""
        return self.bound * weight / spectral_norm(weight)


def spectral_normalise(module: nn.Module, bound: float = 1.0) -> nn.Module:
    """Give every Linear layer of a module the spectral norm S, whatever its parameters become; returns the module.

    It gives D1, with smooth activations D2, and never D3: a spectrally normalised critic can still drive the generator
    in circles or away (docs/minimax, sections 1 and 5).  σ is exact, so that the norm is S up to rounding.  For layers
    too large to decompose there is `torch.nn.utils.parametrizations.spectral_norm`, which is not: see
    `spectral_norm_bounds`.

    Raises ValueError for S <= 0, a module without Linear layers, a weight of 0 or a layer that is parametrised already.
    """
    size = _check.positive("bound", bound)
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    if not layers:
        raise ValueError(f"module must contain a Linear layer, got {type(module).__name__}")
    for layer in layers:
        if parametrize.is_parametrized(layer, "weight"):
            raise ValueError("module must have free weights, got a layer that is parametrised already")
        if not layer.weight.detach().any():
            raise ValueError("module must have no weight of 0, which cannot be normalised, got one")
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", SpectralNormalised(size))
    return module


def _matrix(weight: Tensor) -> Tensor:
    if not isinstance(weight, Tensor):
        raise TypeError(f"weight must be a torch tensor, got {type(weight).__name__}")
    if weight.ndim < 2 or not weight.numel():
        raise ValueError(f"weight must be a matrix of at least one entry, got shape {tuple(weight.shape)}")
    return weight
