"""Exact draws along the symmetries of a linear network: moves of weights that no observed unit notices.

Unobserved unit i of a layer may take on any multiple t of another unit j, if what reads j gives it back, and may be
scaled by any factor, if what reads i divides by it.  t and the factor are drawn from their exact conditional law under
the prior N(0, s²), so nothing is rejected that would have to be tried again.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def shear(
    lower: Tensor, upper: Tensor, unobserved: int, prior_scale: float, generator: torch.Generator | None = None
) -> None:
    """Resample t ∈ R^{h−1} in row i += Σ_j t_j row j of `lower`, column j −= t_j column i of `upper`, in place.

    For each of the first `unobserved` units i in turn, jointly over all other units j.  t is Gaussian with precision
    (B Bᵀ + ‖a‖² I)/s² and linear term (Aᵀa − B b)/s², where b, a are row and column i, B, A the other rows and columns.

    Parameters
    ----------
    lower : (..., h, fan_in)
        Weights of the layer of the units.
    upper : (..., fan_out, h)
        Weights of the layer above.
    """
    h = lower.shape[-2]
    if h == 1:
        return
    for i in range(unobserved):
        # all but i, without an index that would be sent to the device
        B = torch.cat([lower[..., :i, :], lower[..., i + 1 :, :]], -2)
        A = torch.cat([upper[..., :i], upper[..., i + 1 :]], -1)
        b, a = lower[..., i, :, None].clone(), upper[..., :, i, None].clone()
        wide, tall = B.double(), a.double()  # factorised in float64 whatever the dtype of the weights
        precision = wide @ wide.mT
        precision.diagonal(dim1=-2, dim2=-1).add_((tall * tall).sum((-2, -1))[..., None])
        C = torch.linalg.cholesky_ex(precision).L.to(lower.dtype)
        noise = torch.randn((*lower.shape[:-2], h - 1, 1), dtype=lower.dtype, device=lower.device, generator=generator)
        y = torch.linalg.solve_triangular(C, A.mT @ a - B @ b, upper=False) + prior_scale * noise
        t = torch.linalg.solve_triangular(C.mT, y, upper=True)
        lower[..., i, :] += (B.mT @ t)[..., 0]
        sheared = A - a @ t.mT
        upper[..., :i], upper[..., i + 1 :] = sheared[..., :i], sheared[..., i:]


def rescale(
    lower: Tensor, upper: Tensor, unobserved: int, prior_scale: float, generator: torch.Generator | None = None
) -> None:
    """Resample τ in row i *= exp(τ) of `lower`, column i *= exp(−τ) of `upper`, for all i < `unobserved`, in place.

    With y = log(‖row‖/‖column‖) and ω = ‖row‖‖column‖/s², which the move leaves alone, the law of y is that of
    `log_ratio_draw` with ν = (fan_in − fan_out)/2: half the Jacobian's exponent, because y changes by 2τ.
    Shapes as in `shear`.
    """
    row = lower[..., :unobserved, :].norm(dim=-1)
    column = upper[..., :unobserved].norm(dim=-2)
    y = torch.log(row / column)
    fresh = log_ratio_draw(row * column / prior_scale**2, (lower.shape[-1] - upper.shape[-2]) / 2, y, generator)
    scale = torch.exp((fresh - y) / 2)
    lower[..., :unobserved, :] *= scale[..., None]
    upper[..., :unobserved] /= scale[..., None, :]


def log_ratio_draw(omega: Tensor, nu: float, current: Tensor, generator: torch.Generator | None = None) -> Tensor:
    r"""A draw from the density ∝ exp(−ω cosh y + ν y), or `current` where the one trial is rejected.

    Rejection from a hat with a flat top and exponential tails (L. Devroye, Statistics and Computing 24, 2014: y is the
    logarithm of a generalised inverse Gaussian).  Whether the trial is rejected does not depend on `current`, so the
    density is kept exactly; more than half of the trials are accepted whatever ω and ν.

    Parameters
    ----------
    omega : (...)
        ω > 0.
    nu : float
        ν, of either sign.
    current : (...)
    """
    lam = abs(nu)
    root = torch.sqrt(omega**2 + lam**2)
    alpha = omega * (omega / (root + lam))  # √(ω² + ν²) − |ν| without cancellation
    mode = torch.log((lam + root) / omega)

    def shape(x: Tensor) -> Tensor:
        """Log density at distance x from the mode, relative to the mode."""
        return -alpha * (torch.cosh(x) - 1.0) - lam * (torch.expm1(x) - x)

    right, left = _hat_reach(alpha, lam, shape)
    eta, zeta = -shape(right), alpha * torch.sinh(right) + lam * torch.expm1(right)
    theta, xi = -shape(-left), alpha * torch.sinh(left) - lam * torch.expm1(-left)
    flat_right, flat_left = right - eta / zeta, left - theta / xi
    width = flat_right + flat_left
    u, v, w = torch.rand((3, *omega.shape), dtype=omega.dtype, device=omega.device, generator=generator)
    pick, tail = u * (width + 1.0 / xi + 1.0 / zeta), -torch.log1p(-v)
    flat, above = pick < width, pick < width + 1.0 / zeta
    x = torch.where(flat, v * width - flat_left, torch.where(above, flat_right + tail / zeta, -flat_left - tail / xi))
    tails = torch.where(above, -eta - zeta * (x - right), -theta + xi * (x + left))
    hat = torch.where(flat, torch.zeros_like(x), tails)  # a number would be sent to the device
    accepted = torch.log1p(-w) + hat <= shape(x)
    return torch.where(accepted, (1.0 if nu >= 0 else -1.0) * (mode + x), current)


def _hat_reach(alpha: Tensor, lam: float, shape: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Where the hat leaves its flat top, right and left: near the points at which the log density has fallen by 1."""
    one = torch.ones_like(alpha)
    fall = -shape(one)
    right = torch.where(fall > 2.0, torch.sqrt(2.0 / (alpha + lam)), one)
    right = torch.where(fall < 0.5, torch.log(4.0 / (alpha + 2.0 * lam)), right)
    fall = -shape(-one)
    left = torch.where(fall > 2.0, torch.sqrt(4.0 / (alpha * math.cosh(1.0) + lam)), one)
    far = torch.log1p((1.0 + torch.sqrt(1.0 + 2.0 * alpha)) / alpha)  # log(1 + 1/α + √(1/α² + 2/α))
    return right, torch.where(fall < 0.5, far.clamp_max(1.0 / lam) if lam > 0 else far, left)
