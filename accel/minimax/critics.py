"""Critics in closed form: the best one against given points in the space of a kernel, and the losses they attain."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...theory.minimax.arguments import strong
from .kernels import SHAPES, checked_kernel, cloud, kernel_matrix, point_weights


@dataclass(frozen=True, eq=False)
class KernelCritic:
    r"""f = Σ_j a_j k(·, y_j), as a function on points.

    Attributes
    ----------
    points : (M, d)
        y_j.
    coefficients : (M,)
        a_j.
    kernel : str
    lengthscale : float

    Gradients reach the points and coefficients unless the critic is detached; a generator's loss takes a detached one.
    """

    points: Tensor
    coefficients: Tensor
    kernel: str
    lengthscale: float

    def __call__(self, x: Tensor) -> Tensor:
        """f at points (N, d), (N,)."""
        return kernel_matrix(x, self.points, self.kernel, self.lengthscale) @ self.coefficients

    def gradient(self, x: Tensor) -> Tensor:
        """∇f at points (N, d), (N, d), by the closed form of ψ'/r."""
        length = checked_kernel(self.kernel, self.lengthscale)
        apart = cloud("x", x, self.points)[:, None] - self.points
        slope = SHAPES[self.kernel].slope_ratio((apart**2).sum(-1) / length**2) / length**2
        return torch.einsum("nm,m,nmd->nd", slope, self.coefficients, apart)

    @property
    def squared_norm(self) -> Tensor:
        """‖f‖² in the RKHS."""
        return self.coefficients @ self(self.points)

    def detach(self) -> "KernelCritic":
        """The same function, a constant."""
        return KernelCritic(self.points.detach(), self.coefficients.detach(), self.kernel, self.lengthscale)


def ridge_critic(
    x: Tensor,
    data: Tensor,
    kernel: str,
    lengthscale: float,
    ridge: float,
    *,
    weights: Tensor | None = None,
    data_weights: Tensor | None = None,
) -> KernelCritic:
    r"""Φ_μ = (m_μ − m_μ₀)/λ, the best critic of E_μ f − E_μ₀ f − (λ/2)‖f‖²_H.

    Exact; it meets D1, D2 and D3 with the constants of `theory.minimax.kernel_constants`.

    Parameters
    ----------
    x, data : (N, d), (M, d)
        Atoms of μ and μ₀.
    kernel, lengthscale
        As in `kernel_matrix`.
    ridge : float
        λ > 0.
    weights, data_weights : (N,), (M,), optional
        Of sum 1 to 1e-9, looked at once; equal by default.

    Raises ValueError for λ <= 0, points or weights that do not fit; the points' values are not looked at, lest a device
    wait.  Source: docs/minimax, theorem 1.

    >>> critic = ridge_critic(torch.zeros(1, 1), torch.ones(1, 1), "gaussian", 1.0, ridge=2.0)
    >>> critic(torch.tensor([[0.0], [1.0]]))
    tensor([ 0.1967, -0.1967])
    """
    checked_kernel(kernel, lengthscale)
    points, factor = _signed(x, data, weights, data_weights), 1 / strong("ridge", ridge)
    return KernelCritic(points[0], factor * points[1], kernel, lengthscale)


def squared_mmd(
    x: Tensor,
    y: Tensor,
    kernel: str,
    lengthscale: float,
    *,
    weights: Tensor | None = None,
    data_weights: Tensor | None = None,
) -> Tensor:
    """MMD²(μ, ν) = ‖m_μ − m_ν‖² of two clouds with weights, all pairs counted; error near 1e-16, so that it may be
    negative by as much.  Differentiable twice in the points.  Arguments and errors as in `ridge_critic`."""
    a, b = point_weights("weights", weights, x), point_weights("data_weights", data_weights, cloud("y", y, x))
    own = a @ kernel_matrix(x, x, kernel, lengthscale) @ a + b @ kernel_matrix(y, y, kernel, lengthscale) @ b
    return own - 2 * a @ kernel_matrix(x, y, kernel, lengthscale) @ b


def ridge_loss(
    x: Tensor,
    data: Tensor,
    kernel: str,
    lengthscale: float,
    ridge: float,
    *,
    weights: Tensor | None = None,
    data_weights: Tensor | None = None,
) -> Tensor:
    r"""J(μ) = MMD²(μ, μ₀)/(2λ), the value of the game at its best critic.

    Its gradient in what x was computed from is that of E_μΦ_μ with Φ_μ held fixed (theorem 5), here by the product
    rule.  Arguments and errors as in `ridge_critic`.  Source: docs/minimax, theorems 1 and 5.

    >>> round(ridge_loss(torch.zeros(1, 1), torch.ones(1, 1), "gaussian", 1.0, 1.0).item(), 4)  # 1 − exp(−1/2)
    0.3935
    """
    cloud("data", data, cloud("x", x))
    square = squared_mmd(x, data, kernel, lengthscale, weights=weights, data_weights=data_weights)
    return square / (2 * strong("ridge", ridge))


def mmd_loss(x: Tensor, data: Tensor, kernel: str, lengthscale: float) -> Tensor:
    """MMD(μ, μ₀), not squared: its critic (m_μ − m_μ₀)/MMD fails D3, and no step size follows.

    Where the square is not positive, value and derivative are 0.  Source: docs/minimax, table 1.
    """
    square = squared_mmd(x, cloud("data", data, cloud("x", x)), kernel, lengthscale)
    some = square > 0
    return torch.where(some, square.where(some, torch.ones_like(square)).sqrt(), torch.zeros_like(square))


def energy_loss(x: Tensor, data: Tensor) -> Tensor:
    """Half the energy distance, E|x − y| − ½E|x − x'| − ½E|y − y'|: MMD²/2 with k = −|x − y|, in any dimension.

    The derivative at coinciding points is taken to be 0; D2 and D3 fail.  Source: docs/minimax, table 1.

    >>> energy_loss(torch.zeros(1, 1), torch.full((1, 1), 3.0))
    tensor(3.)
    """
    cloud("data", data, cloud("x", x))
    return _length(x, data) - (_length(x, x) + _length(data, data)) / 2


def _length(x: Tensor, y: Tensor) -> Tensor:
    q = ((x[:, None] - y) ** 2).sum(-1)
    some = q > 0
    return torch.where(some, q.where(some, torch.ones_like(q)).sqrt(), torch.zeros_like(q)).mean()


def _signed(x: Tensor, data: Tensor, weights: Tensor | None, data_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """All atoms of μ − μ₀, with their weights."""
    points = torch.cat([cloud("x", x), cloud("data", data, x)])
    return points, torch.cat([point_weights("weights", weights, x), -point_weights("data_weights", data_weights, data)])
