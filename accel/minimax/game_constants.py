"""The constants of a game of networks: what norms promise, what is seen on the batch, and an estimate of L."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...theory.minimax.generator_constants import generator_constants, hidden_norm_bounds
from ...theory.minimax.network_critic import critic_constants
from .derivatives import gradient, jacobian
from .game import Game

Array = NDArray[np.float64]

RANK = 1e-10  # share of the largest eigenvalue of N below which one counts as 0
UPWARD = 1e-8  # share of ‖J‖ above which the critic's curvature counts as positive
FLAT = 1e-12  # share of ‖J‖ below which it counts as 0
WORDS: dict[type[nn.Module], str] = {
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.ReLU: "relu",
    nn.LeakyReLU: "relu",  # slopes up to 1, a kink and σ(0) = 0
}


@dataclass(frozen=True)
class GameConstants:
    """Constants of a generator and a critic at their present weights; None where they are not known.

    Attributes
    ----------
    squared_lipschitz : float
        A² = λ_max(N), N = mean Df_zᵀDf_z, at these weights, not over a region.
    squared_lipschitz_bound, curvature_bound : float or None
        A² and B of theorem 8 where layers have the present norms; Sequential of Linear with one known activation only.
    alpha, beta1 : float or None
        Of theorem 4, likewise; β₁ = inf for an activation with kinks.
    slope : float
        max |∇D| over data and generated samples.
    curvature : float
        max ‖∇²D‖ there.
    local_beta2 : float or None
        max over these x and v of ‖∂_ψ∇D(x) (−J_ψψ)⁺J_ψθ v‖/√(vᵀNv), a lower bound on β₂ over the family; inf where the
        best critic does not follow θ, None where the critic is not at a maximum.
    """

    squared_lipschitz: float
    squared_lipschitz_bound: float | None
    curvature_bound: float | None
    alpha: float | None
    beta1: float | None
    slope: float
    curvature: float
    local_beta2: float | None

    @property
    def smoothness_estimate(self) -> float | None:
        """αB + A²(β₁ + local β₂): an estimate of L, never a certificate, which kernel critics alone have."""
        parts = (self.curvature_bound, self.alpha, self.beta1, self.local_beta2)
        b, alpha, beta1, beta2 = parts
        if b is None or alpha is None or beta1 is None or beta2 is None:
            return None
        bend = alpha * b if b and alpha else 0.0  # never 0 · ∞
        rest = self.squared_lipschitz * (beta1 + beta2) if self.squared_lipschitz else 0.0
        return bend + rest


@dataclass(frozen=True, eq=False)
class Layers:
    """W_Lσ(… σ(W₁x + b₁) …) + b_L: norms of weights and biases, widths of the hidden layers, one activation."""

    norms: Array
    bias_norms: Array
    widths: Array
    activation: str


def sequential_layers(network: nn.Module) -> Layers | None:
    """The layers of a Sequential of Linear with one known activation between them, else None.

    Call the network once before: an old spectral norm sets its weights only then.
    """
    if not isinstance(network, nn.Sequential):
        return None
    parts = [m for m in _flat(network) if not isinstance(m, nn.Identity | nn.Dropout)]
    linear = [m for m in parts[::2] if isinstance(m, nn.Linear)]
    words = {_word(m) for m in parts[1::2]}
    if len(parts) != 2 * len(linear) - 1 or len(words) > 1 or None in words:
        return None
    matrices = [m.weight.detach() for m in linear]
    norms = [float(torch.linalg.matrix_norm(w, 2)) for w in matrices]
    biases = [0.0 if m.bias is None else float(torch.linalg.vector_norm(m.bias.detach())) for m in linear]
    widths = np.array([w.shape[0] for w in matrices[:-1]], dtype=float)
    word = words.pop() if words else "tanh"  # without hidden layers the activation does not enter
    return Layers(np.array(norms), np.array(biases), widths, str(word))


def game_constants(game: Game, jac: Array, floor: float) -> GameConstants:
    """The constants of a game with J = `jac`; values up to `floor` count as 0.  Source: docs/minimax, section 3."""
    theta, psi = game.players
    fake = game.generator(game.latent)
    points = samples(game, fake).requires_grad_()
    gram = _gram(jacobian(fake, theta).detach().cpu().numpy(), len(fake))
    slopes = critic_slopes(game.critic, points)
    bends = torch.stack([gradient(column.sum(), [points], graph=False) for column in slopes.unbind(1)], 1)
    d = slopes.shape[1]
    hessians = bends.reshape(len(points), d, d)
    a2_bound = b_bound = alpha = beta1 = None
    a2 = float(max(np.linalg.eigvalsh(gram)[-1], 0.0))
    layers = sequential_layers(game.generator)
    if layers is not None and game.latent.is_floating_point():
        a2_bound, b_bound = _generator_bounds(layers, game.latent)
    layers = sequential_layers(game.critic)
    if layers is not None:
        found = critic_constants(layers.norms, layers.activation)
        alpha, beta1 = found.alpha, found.beta1
    return GameConstants(
        a2,
        a2_bound,
        b_bound,
        alpha,
        beta1,
        float(torch.linalg.vector_norm(slopes.detach(), dim=1).max()),
        float(torch.linalg.matrix_norm(hessians.detach(), 2).max()),
        _local_beta2(jacobian(slopes, psi).detach().cpu().numpy(), jac, gram, d, floor),
    )


def samples(game: Game, fake: Tensor) -> Tensor:
    """Data and generated samples in one batch."""
    if fake.shape[1:] != game.data.shape[1:]:
        raise ValueError(
            f"generator must return samples of the shape of data, {tuple(game.data.shape[1:])}, "
            f"got {tuple(fake.shape[1:])}"
        )
    return torch.cat([game.data, fake]).detach()


def critic_slopes(critic: nn.Module, points: Tensor) -> Tensor:
    """∇D, (N, d), differentiable."""
    values = critic(points)
    if values.numel() != len(points):
        raise ValueError(f"critic must return one number a sample, {len(points)}, got shape {tuple(values.shape)}")
    return gradient(values.sum(), [points], graph=True).reshape(len(points), -1)


def _gram(derivative: Array, count: int) -> Array:
    out: Array = derivative.T @ derivative / count
    return out


def _local_beta2(mixed: Array, jac: Array, gram: Array, d: int, floor: float) -> float | None:
    p, scale = len(gram), float(np.linalg.norm(jac, 2))
    coupling, damping = jac[p:, :p], -jac[p:, p:]
    values, vectors = np.linalg.eigh(0.5 * (damping + damping.T))
    if values[0] < -max(UPWARD * scale, floor):
        return None
    flat = max(FLAT * scale, floor)
    kept = values > flat
    # couplings are as large as roots of curvatures: CCᵀ ⪯ A²G
    if np.linalg.norm(vectors[:, ~kept].T @ coupling) > np.sqrt(flat * scale):
        return np.inf
    strengths, directions = np.linalg.eigh(gram)
    moved = strengths > RANK * max(strengths[-1], 0.0)
    unit = directions[:, moved] / np.sqrt(strengths[moved])
    response = (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ (coupling @ unit))
    if not response.size:
        return 0.0
    return float(np.linalg.norm((mixed @ response).reshape(-1, d, response.shape[1]), 2, axis=(1, 2)).max())


def _generator_bounds(layers: Layers, latent: Tensor) -> tuple[float, float]:
    norms = torch.linalg.vector_norm(latent.reshape(-1, latent.shape[-1]), dim=1).cpu().numpy()
    hidden = hidden_norm_bounds(layers.activation, layers.widths, norms, layers.norms[:-1], layers.bias_norms[:-1])
    found = generator_constants(norms, layers.norms, hidden, layers.activation)
    return found.squared_lipschitz, found.curvature


def _word(module: nn.Module) -> str | None:
    if isinstance(module, nn.Softplus):
        return "softplus" if module.beta == 1 else None
    if isinstance(module, nn.LeakyReLU) and not abs(module.negative_slope) <= 1:
        return None
    return WORDS.get(type(module))


def _flat(network: nn.Sequential) -> list[nn.Module]:
    out: list[nn.Module] = []
    for part in network:
        out.extend(_flat(part) if isinstance(part, nn.Sequential) else [part])
    return out
