"""How steep, how curved and how sensitive the optimal critic of a ridge, inf-convolved or penalised loss can be."""

from dataclasses import dataclass

import numpy as np

from .arguments import strong
from .kernel_profile import kernel_profile


@dataclass(frozen=True)
class KernelConstants:
    """Constants of conditions D1 to D3 for critics in the RKHS of a kernel.

    Attributes
    ----------
    alpha : float
        D1, the Lipschitz constant of every optimal critic.
    beta1 : float
        D2, the Lipschitz constant of its gradient; inf where there is none.
    beta2 : float
        D3, that of μ ↦ ∇Φ_μ(x) in W₁; inf where there is none.
    K1, K2 : float
        |∇f| <= √K1 ‖f‖ and ‖∇²f‖ <= √K2 ‖f‖ for f in the RKHS.
    oscillation : float
        ψ(0) − inf ψ over the distances that occur.
    """

    alpha: float
    beta1: float
    beta2: float
    K1: float
    K2: float
    oscillation: float


def kernel_constants(kernel: str, lengthscale: float, ridge: float) -> KernelConstants:
    r"""α, β₁, β₂ of the ridge loss MMD²/(2λ) and of every convex loss inf-convolved with it.

    .. math:: \alpha = \frac{2 \max_r |\psi'(r)|}{\lambda}, \qquad \beta_1 = \frac{M + K_1}{\lambda}, \qquad
        \beta_2 = \frac{K_1}{\lambda}, \qquad M = \max_r \psi''(r), \quad K_1 = -\psi''(0)

    Valid for all probability measures in every dimension; for the ridge loss none can be lowered.  Closed forms,
    relative error near 1e-15.

    Parameters
    ----------
    kernel : str
        gaussian, imq, matern32, matern52 or matern12, as in `kernel_profile`.
    lengthscale : float
        ℓ > 0, in the unit of x.
    ridge : float
        λ > 0, the weight of ½‖f‖².

    Returns
    -------
    constants : KernelConstants
        For matern12 β₁ = β₂ = inf, as the critic has kinks.

    Raises ValueError for an unknown kernel, ℓ <= 0 or λ <= 0.  Source: docs/minimax, theorems 1 and 2.

    >>> constants = kernel_constants("gaussian", 1.0, 1.0)
    >>> round(constants.alpha, 12), round(constants.beta1, 12), constants.beta2
    (1.213061319425, 1.446260320297, 1.0)
    """
    profile, weight = kernel_profile(kernel, lengthscale), strong("ridge", ridge)
    shape, length = profile.shape, profile.lengthscale
    first, second = shape.gradient_square / length**2, shape.hessian_square / length**4
    return KernelConstants(
        alpha=float(2 * shape.slope_peak / (length * weight)),
        beta1=float((shape.curvature_peak / length**2 + first) / weight),
        beta2=float(first / weight),
        K1=float(first),
        K2=float(second),
        oscillation=1.0,
    )


def penalised_constants(kernel: str, lengthscale: float, ridge: float, diameter: float = np.inf) -> KernelConstants:
    r"""Bounds α, β₁, β₂ where a ridge λ and a gradient penalty (ρ/2) E|∇f|² under a fixed measure act together.

    .. math:: \alpha \le \frac{\sqrt{2 \Delta K_1}}{\lambda}, \qquad
        \beta_1 \le \frac{\sqrt{2 \Delta K_2}}{\lambda}, \qquad \beta_2 \le \frac{K_1}{\lambda}, \qquad
        \Delta = 1 - \psi(\text{diameter})

    for any ρ >= 0, any convex loss and any fixed measure.  They are safe, not sharp.  Without the ridge there are none.

    Parameters
    ----------
    kernel, lengthscale, ridge
        As in `kernel_constants`.
    diameter : float
        The largest distance that occurs, > 0; by default unbounded, Δ = 1.

    Raises ValueError as `kernel_constants` and for a diameter <= 0.  Source: docs/minimax, theorem 3.

    >>> round(penalised_constants("gaussian", 1.0, 1.0).alpha ** 2, 12)
    2.0
    """
    sharp = kernel_constants(kernel, lengthscale, ridge)
    if np.ndim(diameter) or not diameter > 0:
        raise ValueError(f"diameter must be a number > 0, got {diameter!r}")
    delta = 1.0 if np.isinf(diameter) else 1.0 - float(kernel_profile(kernel, lengthscale).value(diameter))
    return KernelConstants(
        alpha=float(np.sqrt(2 * delta * sharp.K1) / ridge),
        beta1=float(np.sqrt(2 * delta * sharp.K2) / ridge),
        beta2=sharp.beta2,
        K1=sharp.K1,
        K2=sharp.K2,
        oscillation=delta,
    )
