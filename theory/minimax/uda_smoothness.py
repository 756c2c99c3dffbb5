"""Step sizes for domain adaptation, where the features of both domains move, and what a small divergence transfers."""

from dataclasses import dataclass

import numpy as np

from .arguments import constant, nonnegative, strong


@dataclass(frozen=True)
class UDASmoothness:
    """Smoothness of R_s + ω𝒟 in the features' parameters.

    Attributes
    ----------
    divergence : float
        L_𝒟.
    smoothness : float
        L = L_task + ω L_𝒟.
    step : float
        1/L, inf where L = 0.
    """

    divergence: float
    smoothness: float
    step: float


def uda_smoothness(
    alpha: float,
    beta1: float,
    beta2: float,
    source_squared_lipschitz: float,
    target_squared_lipschitz: float,
    source_curvature: float = 0.0,
    target_curvature: float = 0.0,
    task_smoothness: float = 0.0,
    weight: float = 1.0,
    sharp: bool = True,
) -> UDASmoothness:
    r"""L for the source risk plus ω times the divergence of the two domains' features.

    .. math:: L_{\mathcal D} = \alpha (B_s + B_t) + \beta_1 (A_s^2 + A_t^2) + 2 \beta_2 A_s A_t

    for the ridge divergence MMD²/(2λ); with `sharp=False` the last term is β₂(A_s + A_t)², for any divergence whose
    critic meets D1, D2 and D3 in both measures.  Constants as from `kernel_constants` and `generator_constants`.

    Parameters
    ----------
    alpha, beta1, beta2 : float
    source_squared_lipschitz, target_squared_lipschitz : float
        A_s², A_t² of the feature map on either domain.
    source_curvature, target_curvature : float
        B_s, B_t.
    task_smoothness : float
        L_task of the source risk.
    weight : float
        ω >= 0.
    sharp : bool

    Raises ValueError for a negative constant, and for an infinite one, from which no step follows.
    Source: docs/minimax, theorem 22.

    >>> uda_smoothness(1.0, 2.0, 1.0, 4.0, 9.0).divergence
    38.0
    """
    first, second = constant("alpha", alpha), constant("beta1", beta1)
    third = constant("beta2", beta2)
    source = constant("source_squared_lipschitz", source_squared_lipschitz)
    target = constant("target_squared_lipschitz", target_squared_lipschitz)
    bend = constant("source_curvature", source_curvature) + constant("target_curvature", target_curvature)
    cross = 2 * np.sqrt(source * target)
    last = cross if sharp else source + target + cross
    divergence = first * bend + second * (source + target) + third * float(last)
    value = constant("task_smoothness", task_smoothness) + nonnegative("weight", weight) * divergence
    return UDASmoothness(float(divergence), float(value), float(1 / value) if value > 0 else np.inf)


def transfer_bound(norm: float, divergence: float, ridge: float) -> float:
    r"""‖h‖ √(2λ𝒟): how far the target risk can be from the source risk.

    .. math:: |R_t - R_s| \le \|h\|_H \sqrt{2 \lambda \mathcal D}, \qquad \mathcal D = \frac{\mathrm{MMD}^2}{2\lambda}

    where h ∈ H is the conditional mean loss given the features, the same in both domains.

    Parameters
    ----------
    norm : float
        ‖h‖ in the RKHS, >= 0.
    divergence : float
        𝒟 >= 0.
    ridge : float
        λ > 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 23.

    >>> transfer_bound(3.0, 0.5, ridge=1.0)
    3.0
    """
    return nonnegative("norm", norm) * float(
        np.sqrt(2 * strong("ridge", ridge) * nonnegative("divergence", divergence))
    )
