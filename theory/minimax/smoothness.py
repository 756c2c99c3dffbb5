"""How smooth the generator's objective is, the step size that follows, and what that step size promises."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import _check
from .arguments import constant, nonnegative, numbers
from .kernel_constants import KernelConstants


@dataclass(frozen=True)
class OuterSmoothness:
    """θ ↦ J(μ_θ) has an L-Lipschitz gradient.

    Attributes
    ----------
    smoothness : float
        L.
    step : float
        1/L, inf where L = 0.  Every step below 2/L descends.
    """

    smoothness: float
    step: float


def _smooth(value: float) -> OuterSmoothness:
    return OuterSmoothness(float(value), float(1 / value) if value > 0 else np.inf)


def outer_smoothness(
    alpha: float, beta1: float, beta2: float, squared_lipschitz: float, curvature: float = 0.0, sharp: bool = True
) -> OuterSmoothness:
    r"""L for the generator's objective under D1 to D3.

    .. math:: L = \alpha B + A^2 \beta_1 \quad\text{(sharp)}, \qquad L = \alpha B + A^2 (\beta_1 + \beta_2)

    The sharp form holds for the ridge loss MMD²/(2λ) and every convex loss inf-convolved with it; for any other loss
    that meets D1 to D3, a gradient penalty included, take `sharp=False`.

    Parameters
    ----------
    alpha, beta1, beta2 : float
        α, β₁, β₂ as from `kernel_constants`.
    squared_lipschitz, curvature : float
        A², B as from `generator_constants`.
    sharp : bool

    Raises ValueError for a negative constant, and for an infinite one, from which no step follows.
    Source: docs/minimax, theorems 5 and 6.

    >>> outer_smoothness(1.0, 2.0, 3.0, squared_lipschitz=4.0, curvature=5.0)
    OuterSmoothness(smoothness=13.0, step=0.07692307692307693)
    """
    a2, b = constant("squared_lipschitz", squared_lipschitz), constant("curvature", curvature)
    value = constant("alpha", alpha) * b + a2 * constant("beta1", beta1)
    if not sharp:
        value += a2 * constant("beta2", beta2)
    return _smooth(value)


def particle_smoothness(constants: KernelConstants, particles: int) -> OuterSmoothness:
    r"""The least L of MMD²/(2λ) as a function of N particles: β₁/N for N >= 2, β₂ for one particle.

    Attained: with all particles at the distance r₂ = argmax ψ'' from a single data point.
    Raises ValueError for infinite constants or particles < 1.  Source: docs/minimax, theorem 6.

    >>> from lemmata.theory.minimax.kernel_constants import kernel_constants
    >>> particle_smoothness(kernel_constants("gaussian", 1.0, 1.0), 1).smoothness
    1.0
    """
    n = _check.integer("particles", particles, 1)
    if n == 1:
        return _smooth(constant("beta2", constants.beta2))
    return _smooth(constant("beta1", constants.beta1) / n)


def descent_bound(
    smoothness: float,
    gap: float,
    steps: int,
    step: float | None = None,
    gradient_errors: ArrayLike | None = None,
) -> float:
    r"""Bound on the mean of ‖∇J(θ_t)‖² over t < T for gradient descent; on the least see `least_gradient_bound`.

    .. math:: \frac{J_0 - J_{\inf}}{h (1 - Lh/2) T}, \qquad\text{at } h = 1/L: \quad
        \frac{2 L (J_0 - J_{\inf})}{T} + \frac1T \sum_t \|e_t\|^2

    Parameters
    ----------
    smoothness : float
        L > 0.
    gap : float
        J(θ_0) − inf J >= 0; for J >= 0 the value J(θ_0) serves.
    steps : int
        T >= 1.
    step : float, optional
        h in (0, 2/L), by default 1/L.
    gradient_errors : (T,), optional
        ‖e_t‖, how far the gradients used are from ∇J; only with the default step.

    Raises ValueError for steps < 1, a step outside (0, 2/L) or errors that do not fit.
    Source: docs/minimax, theorem 7.

    >>> descent_bound(2.0, 3.0, 10)
    1.2
    """
    slope = constant("smoothness", smoothness)
    if slope == 0:
        raise ValueError("smoothness must be > 0, got 0")
    room, count = nonnegative("gap", gap), _check.integer("steps", steps, 1)
    if gradient_errors is not None:
        if step is not None:
            raise ValueError(f"step must be left at 1/smoothness where gradient_errors are given, got {step!r}")
        errors = numbers("gradient_errors", gradient_errors)
        if len(errors) != count:
            raise ValueError(f"gradient_errors must have {count} entries, one for each step, got {len(errors)}")
        return float(2 * slope * room / count + (errors**2).mean())
    h = 1 / slope if step is None else _check.positive("step", step)
    if h * slope >= 2:
        raise ValueError(f"step must be < 2/smoothness = {2 / slope:g}, got {h:g}")
    return float(room / (h * (1 - slope * h / 2) * count))


def least_gradient_bound(smoothness: float, gap: float, steps: int) -> float:
    r"""Sharp bound on the least of ‖∇J(θ_t)‖² over t < T for gradient descent with h = 1/L.

    .. math:: \min_{t < T} \|\nabla J(\theta_t)\|^2 \le \frac{4 L (J_0 - J_{\inf})}{3T - 1}

    For large T two thirds of `descent_bound`, which is sharp for the mean.  ∇J must be L-Lipschitz everywhere, not only
    where the iterates are.

    Parameters
    ----------
    smoothness : float
        L > 0.
    gap : float
        J(θ_0) − inf J >= 0.
    steps : int
        T >= 1.

    Raises ValueError for L <= 0, a negative gap or steps < 1.  Source: docs/minimax, theorem 7, least gradient.

    >>> least_gradient_bound(2.0, 3.0, 3)
    3.0
    """
    slope = constant("smoothness", smoothness)
    if slope == 0:
        raise ValueError("smoothness must be > 0, got 0")
    return 4 * slope * nonnegative("gap", gap) / (3 * _check.integer("steps", steps, 1) - 1)


@dataclass(frozen=True)
class RegionCertificate:
    """Whether a run stayed where its constants hold.

    Attributes
    ----------
    certified : bool
        False as soon as one iterate left; the run itself is kept, its bound no longer claimed.
    first_exit : int or None
        The first iterate outside.
    largest_ratio : float
        max ‖W_l‖/S_l over the run.
    """

    certified: bool
    first_exit: int | None
    largest_ratio: float


def region_certificate(spectral_norms: ArrayLike, visited_norms: ArrayLike) -> RegionCertificate:
    """Whether ‖W_l‖ <= S_l at every iterate, without which L is not proved along the run.

    Parameters
    ----------
    spectral_norms : (L,)
        S_l > 0, the bounds from which L was computed.
    visited_norms : (T, L)
        ‖W_l‖ at the iterates, the first included.

    The region is convex, so the segments between iterates lie in it too.
    Raises ValueError for sizes that do not agree.  Source: docs/minimax, theorem 8.

    >>> region_certificate([1.0, 2.0], [[0.5, 1.0], [1.5, 1.0]])
    RegionCertificate(certified=False, first_exit=1, largest_ratio=1.5)
    """
    bounds = numbers("spectral_norms", spectral_norms)
    if not (bounds > 0).all():
        raise ValueError("spectral_norms must be > 0, got 0")
    visited = _check.matrix("visited_norms", visited_norms, columns=len(bounds))
    if len(visited) == 0:
        raise ValueError(f"visited_norms must not be empty, got shape {visited.shape}")
    ratios = (visited / bounds).max(axis=1)
    outside = np.flatnonzero((visited > bounds).any(axis=1))
    return RegionCertificate(len(outside) == 0, int(outside[0]) if len(outside) else None, float(ratios.max()))
