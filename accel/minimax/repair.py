"""The smallest weight of a ridge or a gradient penalty that makes an unstable game stable."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...theory.minimax.update_map import RELATIVE_RANK
from .derivatives import gradient, jacobian
from .game import Game, copied, trainable
from .game_constants import critic_slopes, samples
from .optimiser_map import OptimiserMap

Array = NDArray[np.float64]

RANGE = 1e4  # weights tried, up and down from the one that makes the two sides alike
GROWTH = 1.5
BISECTIONS = 40
LINEAR = 1e-9  # relative error of a critic that is linear in some weights
SHIFT = 1.0


@dataclass(frozen=True)
class Repair:
    """What to add to the critic's loss.

    Attributes
    ----------
    name : str
        gradient_penalty, which is ½E|∇D|² on the data, or ridge, which is ½‖ψ_L‖² on the last layer.
    weight : float
        The smallest that makes the optimiser stable at its present steps; 0 where it is, inf where none does.
    """

    name: str
    weight: float


def repairs(game: Game, jac: Array, maps: Sequence[OptimiserMap], edge: float, floor: float) -> tuple[Repair, ...]:
    """R1 and, where D is linear in its last layer, a ridge there, each with its least weight.

    The Jacobian tried is J − weight·H, H the penalty's ψψ Hessian at these weights, which a penalty moves unless its
    gradient vanishes there.  Not weight decay on all layers: it makes ψ = 0 attract.
    """
    hessians = {"gradient_penalty": gradient_penalty_hessian(game)}
    ridge = ridge_hessian(game)
    if ridge is not None:
        hessians["ridge"] = ridge
    return tuple(Repair(name, least_weight(jac, hessian, maps, edge, floor)) for name, hessian in hessians.items())


def least_weight(jac: Array, hessian: Array, maps: Sequence[OptimiserMap], edge: float, floor: float) -> float:
    """The first weight at which J − weight·H, H in the ψψ block, has ρ < `edge` in all maps; 0 where J has.

    By steps of 1.5 and bisection; inf where none has.
    """
    n, f = len(jac), len(hessian)
    penalty = np.zeros((n, n))
    penalty[n - f :, n - f :] = hessian
    size, scale = float(np.linalg.norm(hessian, 2)), float(np.linalg.norm(jac, 2))
    trials = _trials(jac, penalty, maps, floor, scale / size if size > 0 else 1.0)

    def holds(weight: float) -> bool:
        return all(each.spectrum(j - weight * h, least).rate < edge for each, j, h, least in trials)

    if holds(0.0):
        return 0.0
    if size == 0:
        return np.inf
    low, high = 0.0, scale / size / RANGE
    while not holds(high):
        low, high = high, high * GROWTH
        if high > scale / size * RANGE:
            return np.inf
    for _ in range(BISECTIONS):
        weight = 0.5 * (low + high)
        low, high = (low, weight) if holds(weight) else (weight, high)
    return high


def _trials(
    jac: Array, penalty: Array, maps: Sequence[OptimiserMap], floor: float, balance: float
) -> list[tuple[OptimiserMap, Array, Array, float]]:
    """Map, J, H and floor for each map, compressed to what J or H moves where that is the smaller problem."""
    _, singular, right = np.linalg.svd(np.vstack([jac, balance * penalty]), full_matrices=False)
    w = right[singular > max(RELATIVE_RANK * singular[0], floor)].T
    if 2 * w.shape[1] >= len(jac):
        return [(each, jac, penalty, floor) for each in maps]
    return [(each.compact(w.shape[1]), each.compressed(jac, w), each.compressed(penalty, w), 0.0) for each in maps]


def gradient_penalty_hessian(game: Game) -> Array:
    """∇²_ψψ of ½E|∇D|² on the data, (F, F)."""
    psi = game.players[1]
    slopes = critic_slopes(game.critic, game.data.clone().requires_grad_())
    penalty = 0.5 * (slopes**2).sum(1).mean()
    out: Array = jacobian(gradient(penalty, psi, graph=True), psi).detach().cpu().numpy()
    return 0.5 * (out + out.T)


def ridge_hessian(game: Game) -> Array | None:
    """The diagonal matrix that is 1 on the last layer, None where D is not linear in any of its last weights."""
    psi = game.players[1]
    last = _last_layer(game)
    if not last:
        return None
    flags = [np.full(w.numel(), float(i in last)) for i, w in enumerate(psi)]
    return np.diag(np.concatenate(flags))


def _last_layer(game: Game) -> set[int]:
    """The trained tensors, counted from the end, in which D is jointly linear."""
    critic = copied(game.critic)
    points = samples(game, game.generator(game.latent))
    weights, chosen = trainable(critic), set[int]()
    random = torch.Generator().manual_seed(0)
    shifts = [SHIFT * torch.randn(w.shape, generator=random, dtype=w.dtype).to(w.device) for w in weights]
    for i in reversed(range(len(weights))):
        if _linear(critic, points, weights, shifts, chosen | {i}):
            chosen.add(i)
    return chosen


@torch.no_grad()
def _linear(
    critic: nn.Module,
    points: torch.Tensor,
    weights: list[nn.Parameter],
    shifts: list[torch.Tensor],
    moved: set[int],
) -> bool:
    start = [w.clone() for w in weights]
    values = []
    for sign in (-1.0, 0.0, 1.0):
        for i in moved:
            weights[i].copy_(start[i] + sign * shifts[i])
        values.append(critic(points))
    for i in moved:
        weights[i].copy_(start[i])
    below, here, above = values
    size = max(float(value.abs().max()) for value in values)
    return bool((below + above - 2 * here).abs().max() <= LINEAR * size)
