"""How two players move: one step of each of the four algorithms, for any game that names its directions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...theory import _check
from ...theory.minimax.modes import ALGORITHMS
from ._kernels import FARTHEST

Array = NDArray[np.float64]


class Game(Protocol):
    """u minimises and f maximises; both are arrays, or anything that adds and takes factors.

    A direction is minus the gradient of u and plus the gradient of f, each in its player's own geometry.
    """

    def directions(self, u: Any, f: Any) -> tuple[Any, Any]:
        """Those of both players at the same point."""

    def min_direction(self, u: Any, f: Any) -> Any:
        """That of u alone."""

    def max_direction(self, u: Any, f: Any) -> Any:
        """That of f alone."""


@dataclass(frozen=True, eq=False)
class State:
    """Where the players are, and for the optimistic algorithm the directions they took before."""

    u: Any
    f: Any
    old: tuple[Any, Any] | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """A game as played.

    Attributes
    ----------
    u, f
        The players at the end, or where the game was stopped.
    records : (K, q)
        What was observed after 0, every, 2·every, … steps.
    every : int
    diverged : bool
        Whether the state left all bounds (1e100), at which the game was stopped.
    """

    u: Any
    f: Any
    records: Array
    every: int
    diverged: bool


def advance(game: Game, algorithm: str, min_step: float, max_step: float, state: State) -> State:
    r"""One step, v_u and v_f being the directions, η and γ the steps of u and f.

    =============  ===========================================================================
    simultaneous   u, f ← u + η v_u(u, f), f + γ v_f(u, f)
    alternating    u ← u + η v_u(u, f), then f ← f + γ v_f(u, f) with the new u
    extragradient  a simultaneous trial step, then the step with the directions of the trial
    optimistic     twice the direction less the one before, which first is the same
    =============  ===========================================================================
    """
    u, f = state.u, state.f
    if algorithm == "alternating":
        u = u + min_step * game.min_direction(u, f)
        return State(u, f + max_step * game.max_direction(u, f))
    du, df = game.directions(u, f)
    if algorithm == "extragradient":
        du, df = game.directions(u + min_step * du, f + max_step * df)
    if algorithm != "optimistic":
        return State(u + min_step * du, f + max_step * df)
    before = (du, df) if state.old is None else state.old
    u = u + min_step * (2.0 * du + -1.0 * before[0])
    return State(u, f + max_step * (2.0 * df + -1.0 * before[1]), (du, df))


def play(
    game: Game,
    algorithm: str,
    min_step: float,
    max_step: float,
    steps: int,
    state: State,
    observe: Callable[[State], Any],
    every: int = 1,
) -> Run:
    """`advance` many times; `observe` returns the q numbers of a record.

    Raises ValueError for another algorithm, a step <= 0, steps < 0 or every < 1.
    """
    eta, gamma = checked_steps(algorithm, min_step, max_step)
    count, gap = _check.integer("steps", steps, 0), _check.integer("every", every, 1)
    records = [np.atleast_1d(observe(state))]
    for k in range(count):
        state = advance(game, algorithm, eta, gamma, state)
        if not (_reach(state.u) < FARTHEST and _reach(state.f) < FARTHEST):
            return Run(state.u, state.f, np.array(records, dtype=float), gap, True)
        if (k + 1) % gap == 0:
            records.append(np.atleast_1d(observe(state)))
    return Run(state.u, state.f, np.array(records, dtype=float), gap, False)


def checked_steps(algorithm: str, min_step: float, max_step: float) -> tuple[float, float]:
    """η and γ, once the algorithm's name is known to be one."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
    return _check.positive("min_step", min_step), _check.positive("max_step", max_step)


def _reach(player: Any) -> float:
    """The largest number in a player; NaN where there is one."""
    return float(np.abs(player).max()) if isinstance(player, np.ndarray) else float(player.reach())
