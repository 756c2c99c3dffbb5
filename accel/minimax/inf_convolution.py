"""A loss made smooth by inf-convolution with MMD²/(2λ): its value, its critic, and how far both are from exact."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...theory import _check
from ...theory.minimax.arguments import strong
from ...theory.minimax.kernel_constants import kernel_constants
from .critics import KernelCritic, ridge_critic
from .kernels import finite_cloud, kernel_matrix, point_weights


@dataclass(frozen=True, eq=False)
class InfConvolution:
    """J̃(μ) = inf_ν J(ν) + MMD²(μ, ν)/(2λ) as found.

    Attributes
    ----------
    value : scalar
        J(ν) + MMD²(μ, ν)/(2λ) at the ν found: at least J̃(μ), at most `gap` above it.  Its first derivative in x is
        that of E_μΦ with Φ the critic below; it carries no second one.
    critic : KernelCritic
        Φ = (m_μ − m_ν)/λ, a constant.
    weights : (M,)
        ν on the atoms of the data.
    gap : float
        Duality gap, >= 0.
    gradient_error : float
        Bound on |∇Φ − ∇Φ_μ| everywhere: √K1 √(2·gap/λ).  A times it bounds the error of a generator's gradient.
    iterations : int
    converged : bool
        Whether the gap came below the tolerance.
    """

    value: Tensor
    critic: KernelCritic
    weights: Tensor
    gap: float
    gradient_error: float
    iterations: int
    converged: bool


def inf_convolution(
    x: Tensor,
    data: Tensor,
    kernel: str,
    lengthscale: float,
    ridge: float,
    strength: float = 1.0,
    *,
    data_weights: Tensor | None = None,
    tolerance: float = 1e-10,
    iterations: int = 10_000,
) -> InfConvolution:
    r"""J = c KL(· ‖ μ₀), inf-convolved with MMD²/(2λ); μ₀ the weights on the data, μ the cloud x.

    .. math:: \tilde J(\mu) = \min_\nu \; c \, \mathrm{KL}(\nu \| \mu_0) + \frac{\mathrm{MMD}^2(\mu, \nu)}{2\lambda}
        = \max_f \; E_\mu f - c \log E_{\mu_0} e^{f/c} - \frac\lambda2 \|f\|_H^2

    Bregman steps log ν ← (c log μ₀ + l log ν + Φ)/(c + l) up to a constant, l = 1/(2λ), shrink the error by
    l/(l + c) each, as MMD²/(2λ) is l-smooth relative to KL.  The gap between both sides at ν and its Φ is
    c KL(ν ‖ μ₀e^{Φ/c}/Z), and as the right side is λ-strongly concave, ‖Φ − Φ_μ‖_H <= √(2·gap/λ).  In exact
    arithmetic all of this is proved; rounding adds about 1e-16/λ.

    c = inf is the indicator of μ₀, for which the result is the ridge loss.

    Parameters
    ----------
    x, data : (N, d), (M, d)
    kernel, lengthscale, ridge
        As in `ridge_critic`; any kernel with values in [0, 1].
    strength : float
        c > 0, inf allowed.
    data_weights : (M,), optional
        μ₀ > 0 of sum 1, equal by default.
    tolerance : float
        The gap at which to stop, > 0.
    iterations : int
        At most so many, >= 0; where they run out, the result says how large the gap still is.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorems 2 and 13.
    """
    weight, goal = strong("ridge", ridge), _check.positive("tolerance", tolerance)
    c = strength if strength == torch.inf else _check.positive("strength", strength)
    most = _check.integer("iterations", iterations, 0)
    y = finite_cloud("data", data, finite_cloud("x", x)).detach()
    base = point_weights("data_weights", data_weights, y).detach()
    if not (base > 0).all():
        raise ValueError(f"data_weights must be > 0, got {base.min().item():g}")
    with torch.no_grad():
        log_nu, gap, count = _solve(x, y, base.log(), kernel, lengthscale, weight, c, goal, most)
        nu = log_nu.exp()
        critic = ridge_critic(x, y, kernel, lengthscale, weight, data_weights=nu)
        inner = 0.0 if c == torch.inf else float(c * (nu * (log_nu - base.log())).sum())
        # ‖Φ‖² from differences of embeddings; through x the value has the gradient of E_μΦ with Φ held fixed
        value = inner + weight / 2 * critic.squared_norm
    pull = critic(x).mean()
    first = kernel_constants(kernel, lengthscale, weight).K1
    error = 0.0 if gap == 0 else (first * 2 * gap / weight) ** 0.5
    return InfConvolution(value + (pull - pull.detach()), critic, nu, gap, error, count, gap <= goal)


def _solve(
    x: Tensor,
    y: Tensor,
    log_base: Tensor,
    kernel: str,
    lengthscale: float,
    ridge: float,
    c: float,
    goal: float,
    most: int,
) -> tuple[Tensor, float, int]:
    """log ν, the gap there, and the steps taken."""
    if c == torch.inf:
        return log_base, 0.0, 0
    pull, own = kernel_matrix(y, x, kernel, lengthscale).mean(1), kernel_matrix(y, y, kernel, lengthscale)
    log_nu, smooth = log_base, 1 / (2 * ridge)
    for count in range(most + 1):
        critic = (pull - own @ log_nu.exp()) / ridge
        gibbs = torch.log_softmax(log_base + critic / c, 0)
        gap = max(float(c * (log_nu.exp() * (log_nu - gibbs)).sum()), 0.0)
        if gap <= goal or count == most:
            break
        log_nu = torch.log_softmax((c * log_base + smooth * log_nu + critic) / (c + smooth), 0)
    return log_nu, gap, count
