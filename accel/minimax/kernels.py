"""k(x, y) of a stationary kernel between two clouds in torch, with first and second derivatives that hold at x = y."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...theory import _check
from ...theory.minimax.arguments import SUM_TOLERANCE, choice
from ...theory.minimax.kernel_profile import KERNELS

Function = Callable[[Tensor], Tensor]

R3, R5 = 3**0.5, 5**0.5


def _root(q: Tensor) -> Tensor:
    """√q with derivative 0 at 0, so that gradients stay finite there."""
    some = q > 0
    return torch.where(some, q.where(some, torch.ones_like(q)).sqrt(), torch.zeros_like(q))


def _over(q: Tensor) -> Tensor:
    """−e^{−s}/s, and 0 at the kink s = 0."""
    some, s = q > 0, _root(q)
    return torch.where(some, -torch.exp(-s) / s.where(some, torch.ones_like(s)), torch.zeros_like(s))


@dataclass(frozen=True)
class Shape:
    """ψ and ψ'/s as functions of q = s², s = r/ℓ; dψ/dq is half the latter."""

    value: Function
    slope_ratio: Function


def _matern32(q: Tensor) -> Tensor:
    a = R3 * _root(q)
    return (1 + a) * torch.exp(-a)


def _matern52(q: Tensor) -> Tensor:
    a = R5 * _root(q)
    return (1 + a + a**2 / 3) * torch.exp(-a)


SHAPES = {
    "gaussian": Shape(lambda q: torch.exp(-q / 2), lambda q: -torch.exp(-q / 2)),
    "imq": Shape(lambda q: (1 + q) ** -0.5, lambda q: -((1 + q) ** -1.5)),
    "matern32": Shape(_matern32, lambda q: -3 * torch.exp(-R3 * _root(q))),
    "matern52": Shape(_matern52, lambda q: -5 / 3 * (1 + R5 * _root(q)) * torch.exp(-R5 * _root(q))),
    "matern12": Shape(lambda q: torch.exp(-_root(q)), _over),
}


class _Value(torch.autograd.Function):
    """ψ(q) whose derivative is the closed form ½ψ'/s: the chain rule through √q would lose it at q = 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q: Tensor, kernel: str) -> Tensor:
        return SHAPES[kernel].value(q)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: Tensor) -> None:
        ctx.kernel = inputs[1]
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (q,) = ctx.saved_tensors
        return slopes[0] * SHAPES[ctx.kernel].slope_ratio(q) / 2, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        (q,) = ctx.saved_tensors
        return tangents[0] * SHAPES[ctx.kernel].slope_ratio(q) / 2


def kernel_matrix(x: Tensor, y: Tensor, kernel: str, lengthscale: float) -> Tensor:
    r"""k(x_i, y_j) = ψ(|x_i − y_j|), (N, M), differentiable twice in both clouds.

    From differences, with no loss of digits for close points: memory N·M·d, relative error near 1e-15 in float64.  For
    matern12, which has a kink, the derivative at x_i = y_j is taken to be 0.

    Parameters
    ----------
    x : (N, d)
    y : (M, d)
    kernel : str
        gaussian, imq, matern32, matern52 or matern12.
    lengthscale : float
        ℓ > 0.

    Raises ValueError for another kernel, ℓ <= 0 or clouds that do not fit.  Source: docs/minimax, section 2.

    >>> kernel_matrix(torch.zeros(1, 1), torch.tensor([[0.0], [2.0]]), "imq", 2.0)
    tensor([[1.0000, 0.7071]])
    """
    length = checked_kernel(kernel, lengthscale)
    q = ((cloud("x", x)[:, None] - cloud("y", y, x)) ** 2).sum(-1) / length**2
    if kernel in ("gaussian", "imq"):
        return SHAPES[kernel].value(q)
    out: Tensor = _Value.apply(q, kernel)  # type: ignore[no-untyped-call]
    return out


def checked_kernel(kernel: str, lengthscale: float) -> float:
    """ℓ, after both were looked at."""
    choice("kernel", kernel, KERNELS)
    return _check.positive("lengthscale", lengthscale)


def cloud(name: str, value: Tensor, like: Tensor | None = None) -> Tensor:
    """A matrix of N >= 1 points, of the dimension of `like`; values are not looked at, lest a device wait."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"{name} must hold floating point numbers, got {value.dtype}")
    if value.ndim != 2 or not value.numel():
        raise ValueError(f"{name} must hold points as (N, d) with N, d >= 1, got shape {tuple(value.shape)}")
    if like is not None and value.shape[1] != like.shape[1]:
        raise ValueError(f"{name} must have points of dimension {like.shape[1]}, got {value.shape[1]}")
    return value


def finite_cloud(name: str, value: Tensor, like: Tensor | None = None) -> Tensor:
    """A cloud of finite points; a device waits for the answer once."""
    out = cloud(name, value, like)
    good = torch.isfinite(out)
    if not good.all():
        raise ValueError(f"{name} must be finite, got {out[~good][0].item()}")
    return out


def point_weights(name: str, weights: Tensor | None, points: Tensor) -> Tensor:
    """Weights of points, >= 0 and of sum 1 to 1e-9 (float32: 4e-6); equal ones by default."""
    n = len(points)
    if weights is None:
        return torch.full((n,), 1 / n, dtype=points.dtype, device=points.device)
    if weights.shape != (n,):
        raise ValueError(f"{name} must have {n} entries, one for each point, got shape {tuple(weights.shape)}")
    if not (weights >= 0).all():
        raise ValueError(f"{name} must be >= 0, got {weights.min().item():g}")
    total = weights.sum().item()
    if abs(total - 1) > max(SUM_TOLERANCE, 32 * torch.finfo(weights.dtype).eps):
        raise ValueError(f"{name} must sum to 1, got {total:.12g}")
    return weights
