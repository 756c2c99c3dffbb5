"""How steep and how curved a network critic can be, from the spectral norms of its layers and its activation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .arguments import choice, numbers

R3 = 3**0.5


@dataclass(frozen=True)
class Activation:
    """sup |σ'|, sup |σ''|, |σ(0)| and sup |σ|."""

    slope: float
    curvature: float
    at_zero: float
    bound: float


ACTIVATIONS = {
    "tanh": Activation(1.0, 4 / (3 * R3), 0.0, 1.0),
    "sigmoid": Activation(0.25, 1 / (6 * R3), 0.5, 1.0),
    "softplus": Activation(1.0, 0.25, float(np.log(2)), np.inf),
    "sin": Activation(1.0, 1.0, 0.0, 1.0),
    "relu": Activation(1.0, np.inf, 0.0, np.inf),
}


@dataclass(frozen=True)
class CriticConstants:
    """Constants of D1 and D2 for a network critic; D3 does not follow from norms.

    Attributes
    ----------
    alpha : float
        A Lipschitz constant of the critic.
    beta1 : float
        A Lipschitz constant of its gradient; inf for an activation with kinks.
    """

    alpha: float
    beta1: float


def critic_constants(spectral_norms: ArrayLike, activation: str) -> CriticConstants:
    r"""α, β₁ of W_L σ(… σ(W₁x + b₁) …) with scalar output and ‖W_l‖ <= S_l.

    From P = 1, Q = 0, with c₁ = sup|σ'| and c₂ = sup|σ''|, each hidden layer does

    .. math:: h = S_l P, \qquad Q \leftarrow c_2 h^2 + c_1 S_l Q, \qquad P \leftarrow c_1 h,

    and α = S_L P, β₁ = S_L Q.  Upper bounds, not sharp in general.

    Parameters
    ----------
    spectral_norms : (L,)
        S_1, …, S_L >= 0 in the order of the layers; L = 1 is a linear critic.
    activation : str
        tanh, sigmoid, softplus, sin or relu.

    Returns
    -------
    constants : CriticConstants
        For relu with a hidden layer β₁ = inf.

    Raises ValueError for an unknown activation, an empty list or a norm < 0.  Source: docs/minimax, theorem 4.

    >>> critic_constants([1.0, 1.0, 1.0], "softplus")
    CriticConstants(alpha=1.0, beta1=0.5)
    """
    norms = numbers("spectral_norms", spectral_norms)
    sigma = ACTIVATIONS[choice("activation", activation, ACTIVATIONS)]
    p, q = 1.0, 0.0
    for s in norms[:-1]:
        h = s * p
        q = np.inf if np.isinf(sigma.curvature) else sigma.curvature * h**2 + sigma.slope * s * q
        p = sigma.slope * h
    return CriticConstants(float(norms[-1] * p), float(np.inf if np.isinf(q) else norms[-1] * q))
