"""Random kernels and clouds, and the slopes of the critics that they make."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.estimate import Estimate
from ..theory.minimax.kernel_profile import KernelProfile, kernel_profile
from .engine.claim import Agreed, Case
from .kept import Kept

Array = NDArray[np.float64]

KERNELS = ("gaussian", "imq", "matern32", "matern52")
LENGTHSCALES, RIDGES = (0.5, 0.8, 1.0, 2.0), (0.3, 1.0, 3.0)


def cases(named: Mapping[str, Mapping[str, Any]]) -> tuple[Case, ...]:
    """Cases by name."""
    return tuple(Case(name, arguments) for name, arguments in named.items())


def of_numbers(values: Array, method: str) -> Estimate:
    """The mean of numbers from independent games with its standard error, 0 for a single one."""
    n = len(values)
    error = float(values.std(ddof=1) / n**0.5) if n > 1 else 0.0
    return Estimate(float(values.mean()), error, n, float(n), method)


def agreed(values: Array, share: float, method: str) -> Agreed:
    """Numbers that independent games without noise agree on, up to a share of them."""
    value = float(values.mean())
    if not (np.abs(values - value) <= share * abs(value)).all():
        raise ValueError(f"games must agree within {share:g}, got {values.min()} to {values.max()}")
    return Agreed(value, share * abs(value), method)


def random_critic(rng: np.random.Generator) -> dict[str, Any]:
    """A kernel, ℓ and λ from short lists, so that their constants are worked out once."""
    kernel, length, ridge = rng.integers((len(KERNELS), len(LENGTHSCALES), len(RIDGES))).tolist()
    return {"kernel": KERNELS[kernel], "lengthscale": LENGTHSCALES[length], "ridge": RIDGES[ridge]}


def slopes(kernel: str, lengthscale: float, targets: Array, sources: Array, weights: Array) -> Array:
    """∇ Σ_j a_j k(·, z_j) at the targets, (n, d), of small clouds."""
    profile = profile_of(kernel, lengthscale)
    apart = (targets[:, None] - sources) / lengthscale
    pulls = profile.shape.slope_ratio(np.sqrt((apart**2).sum(axis=2))) * weights
    out: Array = np.einsum("nm,nmd->nd", pulls, apart) / lengthscale
    return out


def signed(near: Array, far: Array) -> tuple[Array, Array]:
    """The points of μ − μ0 and their weights, all alike in either cloud."""
    weights = np.concatenate([np.full(len(near), 1.0 / len(near)), np.full(len(far), -1.0 / len(far))])
    return np.concatenate([near, far]), weights


@Kept
def profile_of(kernel: str, lengthscale: float) -> KernelProfile:
    """ψ."""
    return kernel_profile(kernel, lengthscale)


def line_slopes(profile: KernelProfile, targets: Array, sources: Array, weights: Array) -> Array:
    """`slopes` on the line, (n,)."""
    apart = (targets[:, None] - sources) / profile.lengthscale
    out: Array = (apart * profile.shape.slope_ratio(np.abs(apart))) @ weights / profile.lengthscale
    return out


def square_norm(profile: KernelProfile, clouds: Sequence[Array], weights: Sequence[Array]) -> float:
    """‖Σ_j a_j k(·, z_j)‖² in H, on the line."""
    z, a = np.concatenate(clouds), np.concatenate(weights)
    return float(a @ profile.shape.value(np.abs(z[:, None] - z) / profile.lengthscale) @ a)
