"""Training two networks against each other: what each loses, how steep it is, and how far the laws are apart."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...theory import _check
from ...theory.minimax.arguments import choice
from .critics import squared_mmd
from .descent import State, copy_state, move, square
from .kernels import finite_cloud

Array = NDArray[np.float64]
Loss = Callable[[nn.Module, nn.Module, Tensor, Tensor], Tensor]
Clouds = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]

ALGORITHMS = ("simultaneous", "alternating")


@dataclass(frozen=True, eq=False)
class GameRun:
    """Two networks against each other as played; nothing about it is certified.

    Attributes
    ----------
    steps : (K,)
        The rounds at which the rest was recorded.
    generator_losses, critic_losses : (K,)
        What each player lowers.
    generator_gradients, critic_gradients : (K,)
        Norms of their gradients.
    mmd : (K,)
        MMD(μ_θ, μ₀).
    best_state : dict
        The generator's state at the record of least MMD.
    best : int
        And the round of that.
    diverged : bool
        Whether a value was no longer finite and the run was stopped.
    """

    steps: NDArray[np.int64]
    generator_losses: Array
    critic_losses: Array
    generator_gradients: Array
    critic_gradients: Array
    mmd: Array
    best_state: State
    best: int
    diverged: bool


def train(
    generator: nn.Module,
    critic: nn.Module,
    generator_loss: Loss,
    critic_loss: Loss,
    latent: Tensor,
    data: Tensor,
    *,
    min_step: float,
    max_step: float,
    steps: int,
    algorithm: str = "alternating",
    critic_steps: int = 1,
    every: int = 1,
    kernel: str = "gaussian",
    lengthscale: float = 1.0,
    clouds: Clouds | None = None,
) -> GameRun:
    """Plain gradient steps of both players on fixed batches; the networks are changed in place.

    No theorem promises that it converges: a network critic that is not the best one fails D3.  Its local stability is
    what `diagnose` answers.

    Parameters
    ----------
    generator, critic : Module
    generator_loss, critic_loss : callable
        (generator, critic, latent, data) to a scalar; each player lowers its own, penalties included.  Between records
        of an alternating game the critic's is taken at its steps alone and not looked at; should it alone cease to be
        finite, the run stops a round later or at the next record.
    latent, data : (N, m), (M, d)
        z and x.
    min_step, max_step : float
        η, γ > 0, of the generator and of the critic.
    steps : int
        Rounds, >= 1.
    algorithm : str
        alternating: the generator first, then the critic against the new generator; simultaneous: both from one point.
    critic_steps : int
        Steps of the critic in a round, >= 1; 1 if simultaneous.
    every : int
        Rounds between records; the start and the end are always recorded.
    kernel, lengthscale
        Of the MMD.
    clouds : callable, optional
        (generator, latent, data) to the two clouds between which the MMD is; by default generator(latent) and data.

    Raises ValueError outside these ranges.  Source: docs/minimax, section 5.
    """
    choice("algorithm", algorithm, ALGORITHMS)
    eta, gamma = _check.positive("min_step", min_step), _check.positive("max_step", max_step)
    count, gap = _check.integer("steps", steps, 1), _check.integer("every", every, 1)
    at_most = 1 if algorithm == "simultaneous" else None
    inner = _check.integer("critic_steps", critic_steps, 1, at_most, "1 if simultaneous")
    z, x = finite_cloud("latent", latent), finite_cloud("data", data)
    first, second = list(generator.parameters()), list(critic.parameters())
    rows: list[tuple[float, ...]] = []
    rounds: list[int] = []
    best, best_state = 0, copy_state(generator)
    for k in range(count + 1):
        own = generator_loss(generator, critic, z, x)
        slopes = torch.autograd.grad(own, first, materialize_grads=True)
        alive = _finite(own, *slopes)
        due = k % gap == 0 or k == count or not alive
        if due or algorithm == "simultaneous":
            other = critic_loss(generator, critic, z, x)
            others = torch.autograd.grad(other, second, materialize_grads=True)
            alive = alive and _finite(other, *others)
        if due or not alive:
            with torch.no_grad():
                pair = (generator(z), x) if clouds is None else clouds(generator, z, x)
                distance = float(squared_mmd(pair[0], pair[1], kernel, lengthscale)) if alive else float("nan")
            rounds.append(k)
            sizes = square(slopes) ** 0.5, square(others) ** 0.5
            rows.append((float(own.detach()), float(other.detach()), *sizes, max(distance, 0.0) ** 0.5))
            if not alive:
                break
            if rows[-1][-1] < min((row[-1] for row in rows[:-1]), default=np.inf):
                best, best_state = k, copy_state(generator)
        if k == count:
            break
        move(first, slopes, eta)
        if algorithm == "simultaneous":
            move(second, others, gamma)
            continue
        for _ in range(inner):
            loss = critic_loss(generator, critic, z, x)
            move(second, torch.autograd.grad(loss, second, materialize_grads=True), gamma)
    table = np.array(rows).T
    diverged = not bool(np.isfinite(table[:4]).all())
    return GameRun(
        np.array(rounds), table[0], table[1], table[2], table[3], table[4], best_state, best, diverged=diverged
    )


def _finite(*parts: Tensor) -> bool:
    """Whether all values are; a device is waited for once."""
    return bool(torch.stack([part.isfinite().all() for part in parts]).all())
