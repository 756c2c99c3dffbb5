"""A Dirac-GAN as it is played on the command line: from a start of one's own, and close to its equilibrium."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..sim.minimax import Growth, SmallGan
    from ..theory.minimax import DiracGAN

Array = NDArray[np.float64]

SHORTEST, LONGEST = 60, 2000  # steps of a run whose number nobody chose
DECADES = 3.0  # of change that such a run is to show
MOST_STEPS = 20_000  # near the equilibrium, to tell growth from decay


@dataclass(frozen=True, eq=False)
class Played:
    """What was seen, and what the linearisation lets expect.

    Attributes
    ----------
    path : (T + 1, 2)
        θ and ψ.
    diverged : bool
        Whether the game left all bounds before its last step.
    bounds : (T + 1,), or None without a linearisation
        The largest distance of the linearised game after each step, over all starts as far from 0 as this one.
    near : Growth, or None without a linearisation
        Growth or decay close to 0.
    """

    path: Array
    diverged: bool
    bounds: Array | None
    near: "Growth | None"

    @property
    def distances(self) -> Array:
        """√(θ² + ψ²), (T + 1,)."""
        return np.hypot(self.path[:, 0], self.path[:, 1])


def play(
    game: "SmallGan", theory: "DiracGAN", algorithm: str, step: float, start: tuple[float, float], steps: int | None
) -> Played:
    """Play with equal steps; without a number of them, until the rate of the theory has changed three decades.

    Raises ValueError as `simulate_gan`.
    """
    from ..sim.minimax import growth, simulate_gan

    linear = theory.eigenvalues is not None
    count = steps
    if count is None:
        rate = theory.spectrum(algorithm, step, step).rate if linear else 1.0
        slope = abs(math.log(rate)) if rate > 0 else math.inf
        count = int(min(LONGEST, max(SHORTEST, math.ceil(DECADES * math.log(10) / max(slope, 1e-12)))))
    run = simulate_gan(game, algorithm, step, step, count, generator=start[0], critic=start[1])
    path = np.concatenate([run.generators, run.critics], axis=1)
    zero = np.zeros(1)
    near = growth(game, algorithm, step, step, zero, zero, max_steps=MOST_STEPS) if linear else None
    bounds = _bounds(theory, algorithm, step, math.hypot(*start), len(path)) if linear else None
    return Played(path, run.diverged, bounds, near)


def _bounds(theory: "DiracGAN", algorithm: str, step: float, distance: float, count: int) -> Array:
    """The norms of the first powers of the update map; the optimistic one begins with its old state as the new."""
    from ..theory.minimax import update_map

    matrix = update_map(theory.jacobian, 1, algorithm, step, step)
    state = np.concatenate([np.eye(2)] * (len(matrix) // 2))
    out = np.empty(count)
    for k in range(count):
        out[k] = distance * np.linalg.norm(state[:2], 2)
        with np.errstate(over="ignore"):
            state = matrix @ state
    return out
