"""A game of functions on a grid, played step by step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.streams import stream
from .algorithms import State, checked_steps, play
from .circulant import CirculantGame, circulant_norm, modes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GridRun:
    """A game on a grid as played.

    Attributes
    ----------
    residuals : (K,)
        The modal norm of the state after 0, every, 2·every, … steps.
    objectives : (K,)
        J(u).
    u, f : (n,)
        The players at the end.
    every : int
    diverged : bool
        Whether the state grew beyond 1e100 and the game was stopped.
    defective : int
        Modes with a double root, whose part of the residual goes like k ρ^k.
    """

    residuals: Array
    objectives: Array
    u: Array
    f: Array
    every: int
    diverged: bool
    defective: int


def simulate_grid(
    game: CirculantGame,
    algorithm: str,
    min_step: float,
    max_step: float,
    steps: int,
    *,
    start: ArrayLike | None = None,
    best_critic: bool = False,
    every: int = 1,
    seed: int = 0,
) -> GridRun:
    """Play a game from `torus_game` or `kernel_torus_game`, in float64.

    The players move on the grid itself; transforms serve the operators and the residual only.

    Parameters
    ----------
    game : CirculantGame
    algorithm : str
        simultaneous, alternating, extragradient or optimistic.
    min_step, max_step : float
        η, γ > 0.
    steps : int
        T >= 0.
    start : (n,), optional
        u_0; independent standard normals of the seed by default.
    best_critic : bool
        Whether f_0 is the best response to u_0; else 0.
    every : int
        How many steps lie between records.
    seed : int

    Raises ValueError outside these ranges.  Source: docs/minimax, section 4.

    >>> from .circulant import torus_game
    >>> game = torus_game(32, "sobolev", 1.0, 1e-3, strong_convexity=1.0)
    >>> seen = simulate_grid(game, "simultaneous", 0.5, 0.5, steps=1, start=np.ones(32))
    >>> round(float(seen.residuals[1] / seen.residuals[0]), 12)
    0.707106781187
    """
    eta, gamma = checked_steps(algorithm, min_step, max_step)
    n = game.points
    if start is None:
        u = stream(seed, "minimax grid", n).standard_normal(n)
    else:
        u = _check.finite("start", start)
        if u.shape != (n,):
            raise ValueError(f"start must have shape ({n},), got {u.shape}")
    f = game.best_response(u) if best_critic else np.zeros(n)
    old = game.directions(u, f) if algorithm == "optimistic" else None
    norm = circulant_norm(game, algorithm, eta, gamma)

    def observe(state: State) -> tuple[float, float]:
        return norm(modes(state)), game.objective(state.u)

    run = play(game, algorithm, eta, gamma, steps, State(u, f, old), observe, every)
    return GridRun(run.records[:, 0], run.records[:, 1], run.u, run.f, run.every, run.diverged, norm.defective)
