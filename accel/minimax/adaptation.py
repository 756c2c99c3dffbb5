"""Domain adaptation by descent: which step a smooth divergence of the features admits, and as long as what holds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...theory.minimax.generator_constants import GeneratorConstants
from ...theory.minimax.kernel_constants import KernelConstants, kernel_constants
from ...theory.minimax.uda_smoothness import UDASmoothness, uda_smoothness
from .critics import ridge_loss
from .descent import DescentRun, walk
from .kernels import finite_cloud
from .networks import network_layers
from .region import ROOM, Region, network_constants, network_region

Array = NDArray[np.float64]


def task_smoothness(constants: GeneratorConstants) -> float:
    """L_task = ½A² + √2 B of the mean cross-entropy of logits f_θ(x).

    The cross-entropy has a gradient of norm at most √2 in the logits, and a Hessian diag(p) − ppᵀ of norm at most ½.
    Infinite where B is.  Source: docs/minimax, section 7.

    >>> task_smoothness(GeneratorConstants(4.0, 0.0))
    2.0
    """
    return constants.squared_lipschitz / 2 + 2**0.5 * constants.curvature


@dataclass(frozen=True, eq=False)
class AdaptationCertificate:
    """R_s + ω MMD²/(2λ) of the features is L-smooth on Θ, for one batch of each domain.

    Attributes
    ----------
    kernel : str
    lengthscale, ridge, weight : float
        ℓ, λ, ω.
    source, target : (N, m), (M, m)
        The batches.
    region : Region
        Θ, of the layers of features and classifier together.
    critic : KernelConstants
    source_features, target_features, logits : GeneratorConstants
        A_s², B_s, A_t², B_t of the features, and those of the logits on the source.
    smoothness : UDASmoothness
        L_𝒟, L = L_task + ωL_𝒟 and 1/L.
    certified : bool
        Whether the weights lay in Θ when the certificate was made.
    """

    kernel: str
    lengthscale: float
    ridge: float
    weight: float
    source: Tensor
    target: Tensor
    region: Region
    critic: KernelConstants
    source_features: GeneratorConstants
    target_features: GeneratorConstants
    logits: GeneratorConstants
    smoothness: UDASmoothness
    certified: bool

    @property
    def step(self) -> float:
        """1/L.  Every step below 2/L descends."""
        return self.smoothness.step


def adaptation_certificate(
    features: nn.Module,
    classifier: nn.Module,
    source: Tensor,
    target: Tensor,
    kernel: str,
    lengthscale: float,
    ridge: float,
    weight: float,
    *,
    region: Region | None = None,
    room: float = ROOM,
) -> AdaptationCertificate:
    r"""L = L_task + ωL_𝒟 of the mean cross-entropy on the source plus ω MMD²/(2λ) between the features of both domains.

    .. math:: L_{\mathcal D} = \alpha (B_s + B_t) + \beta_1 (A_s^2 + A_t^2) + 2 \beta_2 A_s A_t, \qquad
        L_{\text{task}} = \tfrac12 A^2 + \sqrt2 B

    It certifies gradient descent on whole batches with the exact critic at a step h < 2/L while the iterates stay in Θ,
    and that the objective falls: not that the target is classified better, for which no such promise exists.

    Parameters
    ----------
    features : Module
        Linear layers with one of tanh, sigmoid, softplus, sin between; it ends with a Linear layer.
    classifier : Module
        Begins with that activation and goes on alike, so that both together are a network of theorem 8.
    source, target : (N, m), (M, m)
    kernel, lengthscale, ridge
        As in `ridge_critic`, in the space of the features.
    weight : float
        ω >= 0.
    region, room
        As in `smoothness_certificate`, for both networks together.

    Raises TypeError or ValueError as `smoothness_certificate`.  Source: docs/minimax, theorems 8 and 22.
    """
    whole = joined(features, classifier)
    place = network_region(whole, room) if region is None else region
    depth = len(network_layers("features", features).linear)
    part = Region(place.spectral_norms[:depth], place.bias_norms[:depth])
    x, y = finite_cloud("source", source).detach(), finite_cloud("target", target, source).detach()
    first, second = network_constants(features, x, part), network_constants(features, y, part)
    logits, found = network_constants(whole, x, place), kernel_constants(kernel, lengthscale, ridge)
    smooth = uda_smoothness(
        found.alpha,
        found.beta1,
        found.beta2,
        first.squared_lipschitz,
        second.squared_lipschitz,
        first.curvature,
        second.curvature,
        task_smoothness=task_smoothness(logits),
        weight=weight,
    )
    inside = place.contains(whole)
    kept = (kernel, lengthscale, ridge, float(weight), x, y, place)
    return AdaptationCertificate(*kept, found, first, second, logits, smooth, inside)


def joined(features: nn.Module, classifier: nn.Module) -> nn.Sequential:
    """Features and classifier as one network with the same parameters."""
    parts = [list(part) if isinstance(part, nn.Sequential) else [part] for part in (features, classifier)]
    return nn.Sequential(*parts[0], *parts[1])


@dataclass(frozen=True, eq=False)
class AdaptationRun:
    """Adaptation by descent as done.

    Attributes
    ----------
    descent : DescentRun
        Of R_s + ω𝒟; its `certified`, `first_exit` and `bound` say what holds.  The state is that of `joined`.
    task_losses, divergences : (T + 1,)
        R_s, and 𝒟 = MMD²/(2λ) of the features.
    """

    descent: DescentRun
    task_losses: Array
    divergences: Array


def adapt(
    features: nn.Module,
    classifier: nn.Module,
    labels: Tensor,
    certificate: AdaptationCertificate,
    *,
    steps: int,
    step: float | None = None,
) -> AdaptationRun:
    """Gradient descent on R_s + ω MMD²/(2λ), on the certificate's batches; both networks are changed in place.

    Nothing is stopped where the promise ends: a run that leaves Θ, or a step beyond 2/L, is kept with
    `certified=False`.  ω = 0 is training on the source alone.

    Parameters
    ----------
    features, classifier : Module
        The networks of the certificate.
    labels : (N,)
        Classes of the source, as integers.
    certificate : AdaptationCertificate
    steps : int
        T >= 1.
    step : float, optional
        h > 0, by default 1/L.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorems 7 and 22.
    """
    x, y = certificate.source, certificate.target
    answers = class_labels(labels, x)
    losses: list[tuple[float, float]] = []

    def objective() -> tuple[Tensor, float]:
        seen = features(x)
        task = cross_entropy(classifier(seen), answers)
        apart = ridge_loss(seen, features(y), certificate.kernel, certificate.lengthscale, certificate.ridge)
        losses.append((float(task.detach()), float(apart.detach())))
        return task + certificate.weight * apart, 0.0

    whole, h = joined(features, classifier), certificate.step if step is None else step
    run = walk(whole, objective, certificate.region.ratio, h, certificate.smoothness.smoothness, steps)
    return AdaptationRun(run, *np.array(losses).T)


def class_labels(labels: Tensor, points: Tensor) -> Tensor:
    """Integers, one for each point."""
    if not isinstance(labels, Tensor) or labels.is_floating_point():
        kind = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels must be a torch tensor of integers, got {kind}")
    if labels.shape != (len(points),):
        raise ValueError(f"labels must have shape ({len(points)},) to go with source, got {tuple(labels.shape)}")
    return labels
