"""One step of a hundred thousand particles against the best critic of a kernel, on any device."""

import torch
from torch import Tensor

from ...theory import _check
from .kernel_sums import kernel_sums
from .kernels import cloud


@torch.no_grad()
def particle_step(
    kernel: str,
    lengthscale: float,
    particles: Tensor,
    data: Tensor,
    step: float,
    *,
    ridge: float = 1.0,
    memory: int | None = None,
    fused: bool | None = None,
) -> Tensor:
    r"""x_i − η ∇f(x_i) with f = (m_μ − m_μ0)/λ, the best critic in the unit of its kernel, for all N particles at once.

    .. math:: \nabla f(x) = \frac1\lambda \Big(\frac1N \sum_j \nabla k(x, x_j) - \frac1M \sum_j \nabla k(x, y_j)\Big)

    A gradient step on MMD²/(2λ) whose step is N η.  Accuracy, memory and `fused` as in `kernel_sums`; time goes like
    N(N + M)d.  No gradients are recorded: to differentiate a step, `kernels` and autograd serve small clouds.

    Parameters
    ----------
    kernel : str
        gaussian, imq, matern32 or matern52.
    lengthscale : float
        ℓ > 0.
    particles : (N, d)
    data : (M, d)
        Of the dtype and on the device of the particles.
    step : float
        η > 0 of each particle.
    ridge : float
        λ > 0.

    Raises as `kernel_sums`, and ValueError for another step or ridge.  The twin of sim.minimax.kernel_game with its
    best response.  Source: docs/minimax, theorem 21.

    >>> x, y = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    >>> particle_step("gaussian", 1.0, x, y, 0.1)
    tensor([[0.9393]], dtype=torch.float64)
    """
    eta, lam = _check.positive("step", step), _check.positive("ridge", ridge)
    x = cloud("particles", particles)
    y = cloud("data", data, x)
    if (y.dtype, y.device) != (x.dtype, x.device):
        raise ValueError(f"data must be {x.dtype} on {x.device} as the particles, got {y.dtype} on {y.device}")
    weights = torch.cat([x.new_full((len(x),), 1 / (lam * len(x))), x.new_full((len(y),), -1 / (lam * len(y)))])
    seen = kernel_sums(kernel, lengthscale, x, torch.cat([x, y]), weights, memory=memory, fused=fused)
    return x - eta * seen.gradients
