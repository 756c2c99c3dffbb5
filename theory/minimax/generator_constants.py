"""How strongly a generator's output depends on its parameters: the two constants that enter the outer problem."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .arguments import choice, numbers, weights
from .network_critic import ACTIVATIONS, Activation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GeneratorConstants:
    """A² and B of a family of maps f_θ.

    Attributes
    ----------
    squared_lipschitz : float
        A² >= λ_max(E_z Df_θᵀDf_θ) for every θ of the region.
    curvature : float
        B with E_z‖(Df_θ − Df_θ')v‖ <= B ‖θ − θ'‖ ‖v‖.
    """

    squared_lipschitz: float
    curvature: float


def generator_constants(
    latent_norms: ArrayLike, spectral_norms: ArrayLike, hidden_norms: ArrayLike, activation: str
) -> GeneratorConstants:
    r"""A², B of a network a_l = σ(W_l a_{l−1} + b_l) with linear last layer, θ all weights and biases, z a fixed batch.

    For each z, from P = Q = 0 and n = ‖z‖, layer l does

    .. math:: h^2 = n^2 + 1 + S_l^2 P^2, \qquad q = \tfrac12 \left( S_l Q + \sqrt{S_l^2 Q^2 + 4 P^2} \right)

    and, if hidden, Q ← c₂h² + c₁q, P ← c₁h, n ← n_l.  The last layer gives A_z² = h², B_z = q; A² and B are their
    means.  Upper bounds on the convex region where ‖W_l‖ <= S_l and ‖a_l‖ <= n_l, safe, not sharp.

    Parameters
    ----------
    latent_norms : (n,)
        ‖z‖.
    spectral_norms : (L,)
        S_l >= 0.  S_1 does not enter.
    hidden_norms : (L - 1,) or (n, L - 1)
        n_l >= ‖a_l‖, as from `hidden_norm_bounds`.
    activation : str
        tanh, sigmoid, softplus, sin or relu; for relu with a hidden layer B = inf.

    Raises ValueError for an empty batch, sizes that do not agree or a norm < 0.  Source: docs/minimax, theorem 8.

    >>> generator_constants([1.0], [1.0], [], "tanh")
    GeneratorConstants(squared_lipschitz=2.0, curvature=0.0)
    """
    z = numbers("latent_norms", latent_norms)
    norms = numbers("spectral_norms", spectral_norms)
    sigma = ACTIVATIONS[choice("activation", activation, ACTIVATIONS)]
    hidden = _check.finite("hidden_norms", hidden_norms)
    wanted = (len(norms) - 1,)
    if hidden.shape not in (wanted, (len(z), *wanted)):
        raise ValueError(f"hidden_norms must have shape {wanted} or {(len(z), *wanted)}, got {hidden.shape}")
    if not (hidden >= 0).all():
        raise ValueError(f"hidden_norms must be >= 0, got {hidden.min():g}")
    square, bend = _recursion(z, norms, np.broadcast_to(hidden, (len(z), *wanted)), sigma)
    return GeneratorConstants(float(square.mean()), float(bend.mean()))


def _recursion(n: Array, norms: Array, hidden: Array, sigma: Activation) -> tuple[Array, Array]:
    p, q = np.zeros_like(n), np.zeros_like(n)
    for layer, s in enumerate(norms):
        h2 = n**2 + 1 + s**2 * p**2
        steep = np.where(np.isinf(q), np.inf, s * np.where(np.isinf(q), 0.0, q))  # never 0 · ∞
        bend = 0.5 * (steep + np.sqrt(steep**2 + 4 * p**2))
        if layer == len(norms) - 1:
            break
        q = sigma.curvature * h2 + sigma.slope * bend
        p, n = sigma.slope * np.sqrt(h2), hidden[:, layer]
    return h2, bend


def hidden_norm_bounds(
    activation: str,
    widths: ArrayLike,
    latent_norms: ArrayLike | None = None,
    spectral_norms: ArrayLike | None = None,
    bias_norms: ArrayLike | None = None,
) -> Array:
    r"""n_l >= ‖a_l‖ for the hidden layers: √width for bounded σ, else through the layers.

    .. math:: n_l = \sqrt{\text{width}_l}\, |\sigma(0)| + c_1 (S_l n_{l-1} + \bar b_l), \qquad n_0 = \|z\|

    Parameters
    ----------
    activation : str
    widths : (L - 1,)
        Hidden widths.
    latent_norms : (n,), optional
    spectral_norms : (L - 1,), optional
        S_l of the hidden layers, the first included.
    bias_norms : (L - 1,), optional
        b̄_l >= ‖b_l‖.  The three last are needed for softplus and relu only.

    Returns
    -------
    norms : (L - 1,) for tanh, sigmoid and sin, (n, L - 1) for softplus and relu.

    Raises ValueError for sizes that do not agree or a missing argument.  Source: docs/minimax, theorem 8.

    >>> hidden_norm_bounds("tanh", [4, 9])
    array([2., 3.])
    """
    sigma = ACTIVATIONS[choice("activation", activation, ACTIVATIONS)]
    roots = np.sqrt(numbers("widths", widths, least=0))
    if np.isfinite(sigma.bound):
        return roots * sigma.bound
    given = {"latent_norms": latent_norms, "spectral_norms": spectral_norms, "bias_norms": bias_norms}
    for name, value in given.items():
        if value is None:
            raise ValueError(f"{name} must be given for {activation}, which is unbounded, got None")
    z = numbers("latent_norms", given["latent_norms"])  # type: ignore[arg-type]
    norms = numbers("spectral_norms", given["spectral_norms"], least=0)  # type: ignore[arg-type]
    biases = numbers("bias_norms", given["bias_norms"], least=0)  # type: ignore[arg-type]
    for name, value in (("spectral_norms", norms), ("bias_norms", biases)):
        if len(value) != len(roots):
            raise ValueError(f"{name} must have {len(roots)} entries, one for each hidden layer, got {len(value)}")
    out, n = np.empty((len(z), len(roots))), z
    for layer, (root, s, b) in enumerate(zip(roots, norms, biases, strict=True)):
        n = root * sigma.at_zero + sigma.slope * (s * n + b)
        out[:, layer] = n
    return out


def linear_generator_constants(samples: ArrayLike, sample_weights: ArrayLike | None = None) -> GeneratorConstants:
    r"""A² = λ_max(E xxᵀ), B = 0 of the linear maps x ↦ θx with any number of outputs.

    Exact, by an eigenvalue routine.

    Parameters
    ----------
    samples : (n, m)
    sample_weights : (n,), optional
        >= 0 and of sum 1 to 1e-9; equal by default.

    Raises ValueError for an empty sample or weights that do not fit.  Source: docs/minimax, theorem 8.

    >>> linear_generator_constants([[1.0, 0.0], [0.0, 2.0]])
    GeneratorConstants(squared_lipschitz=2.0, curvature=0.0)
    """
    x = _check.matrix("samples", samples)
    if x.size == 0:
        raise ValueError(f"samples must not be empty, got shape {x.shape}")
    w = weights("sample_weights", sample_weights, len(x))
    return GeneratorConstants(float(np.linalg.eigvalsh((x.T * w) @ x)[-1]), 0.0)
