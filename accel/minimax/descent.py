"""Descending a smooth loss with the best critic: what theorem 7 promises, and whether the run stayed where it does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...theory import _check
from ...theory.minimax.smoothness import descent_bound
from .critics import ridge_loss
from .inf_convolution import inf_convolution
from .kernels import finite_cloud
from .smoothness_certificate import SmoothnessCertificate

Array = NDArray[np.float64]
State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class DescentRun:
    """Gradient descent on an L-smooth J >= 0 as done.

    Attributes
    ----------
    objectives : (T + 1,)
        J at every iterate; for an inf-convolution at most its gap too large.
    squared_gradients : (T + 1,)
        ‖ĝ‖² of the gradient used.
    gradient_errors : (T + 1,)
        Bounds on ‖ĝ − ∇J‖, 0 where J is in closed form; they hold on Θ, up to rounding.
    ratios : (T + 1,)
        The largest ‖W_l‖/S_l of each iterate: above 1 it has left Θ.
    step, smoothness : float
        h and L.
    best_state : dict
        The state of the network where J was least.
    best : int
        And which iterate that was.
    diverged : bool
        Whether a value was no longer finite and the run was stopped.
    """

    objectives: Array
    squared_gradients: Array
    gradient_errors: Array
    ratios: Array
    step: float
    smoothness: float
    best_state: State
    best: int
    diverged: bool

    @property
    def first_exit(self) -> int | None:
        """The first iterate outside Θ; None if there is none."""
        outside = np.flatnonzero(~(self.ratios <= 1))
        return int(outside[0]) if len(outside) else None

    @property
    def certified(self) -> bool:
        """Whether theorem 7 applies: all iterates in Θ, and h < 2/L, or h <= 1/L where gradients are inexact."""
        pace = self.step * self.smoothness
        allowed = pace <= 1 + 1e-12 if self.gradient_errors.any() else pace < 2
        return allowed and self.first_exit is None and not self.diverged

    @property
    def bound(self) -> float:
        """Theorem 7's bound on the mean of ‖∇J‖² over the first T iterates; inf where the run is not certified.

        inf J is taken as 0.  With inexact gradients h = 1/L' for some L' >= L, and the theorem is used with L'.
        """
        if not self.certified:
            return float(np.inf)
        steps, gap = len(self.objectives) - 1, max(float(self.objectives[0]), 0.0)
        if self.gradient_errors.any():
            return descent_bound(1 / self.step, gap, steps, gradient_errors=self.gradient_errors[:steps])
        return descent_bound(self.smoothness, gap, steps, self.step)


def descend(
    generator: nn.Module,
    data: Tensor,
    certificate: SmoothnessCertificate,
    *,
    steps: int,
    step: float | None = None,
    strength: float = np.inf,
    tolerance: float = 1e-10,
) -> DescentRun:
    r"""θ ← θ − h∇J(θ) on the certificate's batch, J = MMD²/(2λ) or c KL inf-convolved with it.

    The generator is changed in place and left at the last iterate.  Nothing is stopped where the promise ends: a run
    that leaves Θ, or a step beyond 2/L, is kept with `certified=False`.

    Parameters
    ----------
    generator : Module
        The network of the certificate.
    data : (M, d)
    certificate : SmoothnessCertificate
    steps : int
        T >= 1.
    step : float, optional
        h > 0, by default 1/L.
    strength : float
        c; inf is the ridge loss, else as in `inf_convolution`.
    tolerance : float
        Of the inf-convolution's gap.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorems 6 and 7.
    """
    h = certificate.step if step is None else step
    y, z = finite_cloud("data", data).detach(), certificate.latent
    kernel = (certificate.kernel, certificate.lengthscale, certificate.ridge)
    lipschitz = certificate.generator.squared_lipschitz**0.5

    def objective() -> tuple[Tensor, float]:
        if strength == np.inf:
            return ridge_loss(generator(z), y, *kernel), 0.0
        found = inf_convolution(generator(z), y, *kernel, strength, tolerance=tolerance)
        return found.value, lipschitz * found.gradient_error

    return walk(generator, objective, certificate.region.ratio, h, certificate.smoothness, steps)


def walk(
    network: nn.Module,
    objective: Callable[[], tuple[Tensor, float]],
    ratio: Callable[[nn.Module], float],
    step: float,
    smoothness: float,
    steps: int,
) -> DescentRun:
    """T gradient steps on an objective that returns J and a bound on the error of its gradient."""
    h, count = _check.positive("step", step), _check.integer("steps", steps, 1)
    parameters = list(network.parameters())
    rows: list[tuple[float, float, float, float]] = []
    best, best_state = 0, copy_state(network)
    for k in range(count + 1):
        loss, error = objective()
        slopes = torch.autograd.grad(loss, parameters, materialize_grads=True)
        rows.append((float(loss.detach()), square(slopes), error, ratio(network)))
        if not np.isfinite(rows[-1][:2]).all():
            break
        if rows[-1][0] < rows[best][0]:
            best, best_state = k, copy_state(network)
        if k < count:
            move(parameters, slopes, h)
    table = np.array(rows).T
    diverged = not bool(np.isfinite(table[:2]).all())
    return DescentRun(table[0], table[1], table[2], table[3], h, smoothness, best_state, best, diverged)


@torch.no_grad()
def move(parameters: list[nn.Parameter], slopes: tuple[Tensor, ...], step: float) -> None:
    for part, slope in zip(parameters, slopes, strict=True):
        part.sub_(step * slope)


def square(slopes: tuple[Tensor, ...]) -> float:
    return float(torch.stack([(part.double() ** 2).sum() for part in slopes]).sum())


def copy_state(module: nn.Module) -> State:
    return {name: part.detach().clone() for name, part in module.state_dict().items()}
