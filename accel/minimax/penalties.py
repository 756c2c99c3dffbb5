"""Penalties on a critic's slope, and which of them a generator has to feel."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...theory.minimax.arguments import nonnegative
from .kernels import cloud

Critic = Callable[[Tensor], Tensor]


def slopes(critic: Critic, points: Tensor) -> Tensor:
    """∇D at each point, (N, d), differentiable in the critic's parameters and, where they carry gradients, the points.

    The critic acts on each point by itself: batch normalisation would mix them.
    """
    x = cloud("points", points)
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    with torch.enable_grad():
        values = critic(x)
        if values.numel() != len(x):
            raise ValueError(f"critic must give one value for each of {len(x)} points, got {tuple(values.shape)}")
        if not values.requires_grad:
            return torch.zeros_like(x)
        (found,) = torch.autograd.grad(values.sum(), x, create_graph=True, materialize_grads=True)
    return found


def r1(critic: Critic, real: Tensor, weight: float) -> Tensor:
    r"""(ρ/2) E_μ₀|∇D|², to be added to what the critic lowers.

    Stable near the equilibrium for η g'(0)²A² < ρ and a small enough critic step (`theory.minimax.r1_threshold`); with
    no ridge it gives none of D1 to D3.

    Parameters
    ----------
    critic : callable
        (N, d) to N values, each from its own point.
    real : (N, d)
    weight : float
        ρ >= 0.

    Raises ValueError for ρ < 0.  Source: docs/minimax, theorems 3, 16 and 17.

    >>> print(f"{r1(lambda x: 3 * x[:, 0], torch.ones(4, 2), 0.5).item():.2f}")
    2.25
    """
    return nonnegative("weight", weight) / 2 * (slopes(critic, real.detach()) ** 2).sum(1).mean()


def r2(critic: Critic, fake: Tensor, weight: float, *, through_generator: bool) -> Tensor:
    r"""(ρ/2) E_μ|∇D|², the penalty under the generated law.

    The critic adds it to its loss.  The generator of J(μ) = max_f E_μ f − E_μ₀ f − … − (ρ/2)E_μ|∇f|² descends V_μ and
    not Φ_μ,

    .. math:: V_\mu = \Phi_\mu - \tfrac\rho2 |\nabla\Phi_\mu|^2,

    so it lowers E_μ D − r2 with `through_generator=True`.  With False the points are cut off from the generator, which
    then descends no J; that is what many programs do.

    Raises ValueError for ρ < 0.  Source: docs/minimax, section 2 after theorem 3.
    """
    points = fake if through_generator else fake.detach()
    return nonnegative("weight", weight) / 2 * (slopes(critic, points) ** 2).sum(1).mean()


def wgan_gp(
    critic: Critic, real: Tensor, fake: Tensor, weight: float, target: float = 1.0, *, random: torch.Generator
) -> Tensor:
    r"""(γ/2) E(|∇D(εx + (1 − ε)y)| − g₀)², x data, y generated, ε uniform; the usual coefficient is γ/2.

    Points are paired in order.  Where ∇D = 0 the derivative of |∇D| is taken to be 0.  It has no equilibrium at the
    data: the Dirac-GAN ends at the distance γg₀/c, or in a cycle.

    Parameters
    ----------
    real, fake : (N, d)
        Both are detached.
    weight, target : float
        γ, g₀ >= 0.
    random : torch.Generator

    Raises ValueError for a negative number or clouds of different sizes.  Source: docs/minimax, theorem 18.
    """
    gamma, wanted = nonnegative("weight", weight), nonnegative("target", target)
    x, y = cloud("real", real).detach(), cloud("fake", fake, real).detach()
    if len(x) != len(y):
        raise ValueError(f"fake must have {len(x)} points, one for each of real, got {len(y)}")
    drawn = torch.rand(len(x), 1, generator=random, device=random.device, dtype=torch.float64)
    mix = drawn.to(device=x.device, dtype=x.dtype)
    square = (slopes(critic, mix * x + (1 - mix) * y) ** 2).sum(1)
    some = square > 0
    length = torch.where(some, square.where(some, torch.ones_like(square)).sqrt(), torch.zeros_like(square))
    return gamma / 2 * ((length - wanted) ** 2).mean()
