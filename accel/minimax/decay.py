"""Does training near the equilibrium go as its linearisation says: the field's norm, predicted and measured."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...theory.minimax.update_map import neutral_directions
from .game import Game
from .optimiser_map import OptimiserMap

Array = NDArray[np.float64]

STILL = 1e-9  # share of ‖J‖ below which ‖v‖ is too small to see a decay
DISPLACEMENT = 1e-6  # of the weights, where it is: the prediction is wrong by about as much
FLOOR = 1e-9  # share of ‖v_0‖ below which two values are not compared


@dataclass(frozen=True, eq=False)
class Decay:
    """‖v_k‖ at the start of rounds k = 0, …, K.

    Attributes
    ----------
    predicted : (K + 1,)
        ‖JW(WᵀMW)^k(JW)⁺v_0‖, memory included.
    measured : (K + 1,)
        Of the real torch optimiser on copies.
    displacement : float
        How far the run started from the weights given, off the neutral directions: 0 unless the field vanishes there.
    """

    predicted: Array
    measured: Array
    displacement: float

    @property
    def error(self) -> float:
        """max |measured/predicted − 1| while both exceed 1e-9 ‖v_0‖; inf where either overflows."""
        if not np.isfinite(self.measured).all() or not np.isfinite(self.predicted).all():
            return np.inf
        least = np.minimum(self.predicted, self.measured)
        seen = least > FLOOR * self.measured[0]
        return float(np.abs(self.measured[seen] / self.predicted[seen] - 1).max()) if seen.any() else 0.0


def decay(game: Game, jac: Array, optimiser: OptimiserMap, rounds: int, floor: float = 0.0) -> Decay:
    """The decay over `rounds` rounds from the weights of `game`, J = `jac`.

    The prediction needs no knowledge of the equilibrium: (JW)⁺v_0 is where the weights stand from it.  For Adam P is
    frozen, so that it holds as long as v̂ stays what it is.
    """
    trial = game.copy()
    w = neutral_directions(jac, floor).complement
    start, v = trial.weights, _numbers(trial.field())
    moved = 0.0
    if np.linalg.norm(v) <= STILL * np.linalg.norm(jac, 2):
        moved = DISPLACEMENT
        direction = w @ np.random.default_rng(0).standard_normal(w.shape[1])
        shift = torch.as_tensor(moved * direction / max(float(np.linalg.norm(direction)), 1e-300))
        trial.place(start + shift.to(start))
        v = _numbers(trial.field())
    memory = np.zeros(len(v))
    if optimiser.adam is not None:
        memory = -np.concatenate([_numbers(s.mean).reshape(-1) for states in optimiser.adam for s in states])
    predicted = predict(jac, w, optimiser, v, memory, rounds)
    return Decay(predicted, run(trial, optimiser, rounds), moved)


def predict(jac: Array, complement: Array, optimiser: OptimiserMap, v: Array, memory: Array, rounds: int) -> Array:
    """‖v_k‖, k = 0, …, rounds, from v_0 and the memory m_0 by the linearised update.

    Source: docs/minimax, theorem 15.
    """
    w, m = complement, optimiser.map(jac)
    n, r = w.shape
    steep = jac @ w
    state = np.linalg.lstsq(steep, v, rcond=None)[0] if r else np.zeros(0)
    wide = w
    if len(m) > n:
        wide = np.block([[w, np.zeros((n, n))], [np.zeros((n, r)), np.eye(n)]])
        state = np.concatenate([state, memory])
    step = wide.T @ m @ wide
    out = np.empty(rounds + 1)
    with np.errstate(over="ignore", invalid="ignore"):  # an unstable prediction may end at inf or nan
        for k in range(rounds + 1):
            out[k] = np.linalg.norm(steep @ state[:r])
            state = step @ state
    return out


def run(game: Game, optimiser: OptimiserMap, rounds: int) -> Array:
    """‖v_k‖, k = 0, …, rounds, while torch's own optimiser trains `game` in place, the generator first."""
    optimisers = [_torch_optimiser(game, optimiser, player) for player in (0, 1)]
    together = optimiser.algorithm == "simultaneous"
    out = np.empty(rounds + 1)
    for k in range(rounds):
        pulls = [game.pull(0), game.pull(1)]
        out[k] = float(torch.linalg.vector_norm(torch.cat(pulls)))
        _step(game, optimisers[0], 0, pulls[0])
        if together:
            _step(game, optimisers[1], 1, pulls[1])
            continue
        for _ in range(optimiser.critic_steps):
            _step(game, optimisers[1], 1, game.pull(1))
    out[rounds] = float(torch.linalg.vector_norm(game.field()))
    return out


def _step(game: Game, optimiser: torch.optim.Optimizer, player: int, pull: torch.Tensor) -> None:
    weights = game.players[player]
    parts = torch.split(-pull, [x.numel() for x in weights])
    for x, part in zip(weights, parts, strict=True):
        x.grad = part.view_as(x)
    optimiser.step()


def _torch_optimiser(game: Game, optimiser: OptimiserMap, player: int) -> torch.optim.Optimizer:
    weights, rate = game.players[player], optimiser.rates[player]
    if optimiser.adam is None:
        return torch.optim.SGD(weights, lr=rate, momentum=optimiser.momentum)
    states = optimiser.adam[player]
    groups = [
        {"params": [x], "betas": (s.first, s.second), "eps": s.epsilon} for x, s in zip(weights, states, strict=True)
    ]
    out = torch.optim.Adam(groups, lr=rate)
    for x, s in zip(weights, states, strict=True):
        out.state[x] = {
            "step": torch.tensor(s.count),
            "exp_avg": s.mean.to(x).clone(),
            "exp_avg_sq": s.square.to(x).clone(),
        }
    return out


def _numbers(value: torch.Tensor) -> Array:
    out: Array = value.detach().double().cpu().numpy()
    return out
