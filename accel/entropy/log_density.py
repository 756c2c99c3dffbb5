"""The log density of a mixture, draws through which gradients flow, and the entropy that they average to."""

import torch
from torch import Tensor

from .components import Components
from .mixture import TorchMixture


def log_density(mixture: TorchMixture, points: Tensor) -> Tensor:
    """log q(x) for each row x of `points`, (n, m) -> (n,), differentiable in the points too.

    Absolute error about u κ d², u the rounding of the dtype, κ the condition number of the nearest component's
    covariance and d the distance from it.  Memory is that of n K m numbers.

    Raises ValueError where `points` has not m columns, the mixture's dtype and its device.

    >>> mixture = TorchMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [2.0]]), torch.ones(2))
    >>> log_density(mixture, torch.tensor([[0.0], [1.0]]))
    tensor([-1.4852, -1.4189])
    """
    m = mixture.dimension
    if points.ndim != 2 or points.shape[1] != m:
        raise ValueError(f"points must have shape (n, {m}), got {tuple(points.shape)}")
    if (points.dtype, points.device) != (mixture.dtype, mixture.device):
        wanted, came = f"{mixture.dtype} on {mixture.device}", f"{points.dtype} on {points.device}"
        raise ValueError(f"points must be {wanted} like the mixture, got {came}")
    return Components(mixture).logs(points).logsumexp(1)


def draw_points(mixture: TorchMixture, draws: int, *, generator: torch.Generator | None = None) -> Tensor:
    """x = μ_k + L_k z with standard normal z, `draws` of them from every component: (K, draws, m).

    Gradients flow through means and factors.  Averages over q are Σ_k π_k of averages over the rows of [k], so that
    gradients flow through the weights too.

    >>> mixture = TorchMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [2.0]]), torch.ones(2))
    >>> draw_points(mixture, 5).shape
    torch.Size([2, 5, 1])
    """
    K, m, factors = mixture.components, mixture.dimension, mixture.factors
    normals = torch.randn(K, draws, m, dtype=mixture.dtype, device=mixture.device, generator=generator)
    if mixture.kind in ("full", "tied"):
        return mixture.means[:, None] + normals @ factors.mT
    return mixture.means[:, None] + normals * factors.reshape(K, 1, -1)


def monte_carlo_entropy(mixture: TorchMixture, points: Tensor) -> Tensor:
    """-Σ_k π_k log q averaged over the `points` [k] of `draw_points`: the plain estimate of H, in nats, ().

    For comparison: K² densities for every draw, and a spread that does not fall as the components separate.

    >>> mixture = TorchMixture(torch.tensor([1.0]), torch.tensor([[0.0]]), torch.ones(1))
    >>> points = draw_points(mixture, 1000, generator=torch.Generator().manual_seed(0))
    >>> abs(monte_carlo_entropy(mixture, points).item() - 1.4189) < 0.1
    True
    """
    logs = log_density(mixture, points.flatten(0, 1)).reshape(points.shape[:2])
    return -(mixture.weights @ logs.mean(1))
