"""Which step a network generator may take against the best kernel critic, and as long as which bounds hold."""

from dataclasses import dataclass

from torch import Tensor, nn

from ...theory.minimax.generator_constants import GeneratorConstants
from ...theory.minimax.kernel_constants import KernelConstants, kernel_constants
from ...theory.minimax.smoothness import OuterSmoothness, outer_smoothness
from .kernels import cloud
from .region import ROOM, Region, network_constants, network_region


@dataclass(frozen=True, eq=False)
class SmoothnessCertificate:
    """θ ↦ J(μ_θ) has an L-Lipschitz gradient on Θ, for one batch of z.

    Attributes
    ----------
    kernel : str
    lengthscale, ridge : float
        ℓ, λ.
    latent : (N, m)
        The batch.
    region : Region
        Θ.
    critic : KernelConstants
        α, β₁, β₂.
    generator : GeneratorConstants
        A², B on Θ.
    outer : OuterSmoothness
        L and 1/L.
    certified : bool
        Whether the network lay in Θ when the certificate was made.
    """

    kernel: str
    lengthscale: float
    ridge: float
    latent: Tensor
    region: Region
    critic: KernelConstants
    generator: GeneratorConstants
    outer: OuterSmoothness
    certified: bool

    @property
    def smoothness(self) -> float:
        """L."""
        return self.outer.smoothness

    @property
    def step(self) -> float:
        """1/L.  Every step below 2/L descends."""
        return self.outer.step


def smoothness_certificate(
    generator: nn.Module,
    latent: Tensor,
    kernel: str,
    lengthscale: float,
    ridge: float,
    *,
    region: Region | None = None,
    room: float = ROOM,
) -> SmoothnessCertificate:
    r"""L = αB + A²β₁ of the ridge loss MMD²/(2λ), or any convex loss inf-convolved with it, as a function of θ.

    What it certifies: gradient descent on the *whole* of a fixed batch of z, against the *exact* critic, at a step
    h < 2/L, makes J fall at every step and keeps theorem 7, as long as its iterates stay in Θ.  It says nothing of
    fresh batches, of a critic that only follows, of a network critic, of Adam, or of data that change.  It is safe,
    not sharp: L may be more than ten times the largest curvature met.  float64 arithmetic, not rounded outward.

    Parameters
    ----------
    generator : Module
        Linear layers with one of tanh, sigmoid, softplus, sin between, all weights free.
    latent : (N, m)
        z.
    kernel, lengthscale, ridge
        As in `ridge_critic`.
    region : Region, optional
        Θ; by default `network_region(generator, room)`.  If the network lies outside, the constants hold on Θ all the
        same, and `certified` is False.
    room : float
        How much each norm may grow, >= 0.

    Raises TypeError or ValueError for a network of another kind, and ValueError for relu or matern12: no step follows
    from an infinite constant.  Source: docs/minimax, theorems 6 and 8.

    >>> import torch
    >>> found = smoothness_certificate(nn.Linear(1, 1), torch.tensor([[0.0], [2.0]]), "gaussian", 1.0, ridge=1.0)
    >>> round(found.generator.squared_lipschitz, 6), round(found.smoothness / found.critic.beta1, 6)
    (2.618034, 2.618034)
    """
    place = network_region(generator, room) if region is None else region
    own = network_constants(generator, cloud("latent", latent), place)
    found = kernel_constants(kernel, lengthscale, ridge)
    outer = outer_smoothness(found.alpha, found.beta1, found.beta2, own.squared_lipschitz, own.curvature)
    batch = latent.detach()
    return SmoothnessCertificate(kernel, lengthscale, ridge, batch, place, found, own, outer, place.contains(generator))
