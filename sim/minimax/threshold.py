"""Does a game near rest grow or shrink, and does it change from one to the other at a predicted step?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.streams import stream
from .algorithms import Game, State, advance, checked_steps
from .modal import displacement, flatten, matrix_norm, rest, unflatten, update_matrix, without_neutral
from .threads import one_thread_products

Array = NDArray[np.float64]

NEAR = 1e-6  # how far from rest a game is started, beside the size of the rest point or 1
RANGE = np.log(100.0)  # growth or decay after which it is put back to that distance
DECIDED = 20.0  # change of the logarithm of the residual that decides; takes 20/|log ρ| steps


@dataclass(frozen=True)
class Growth:
    """What a game did near its equilibrium.

    Attributes
    ----------
    verdict : str
        stable, unstable, or undecided when the steps ran out first.
    change : float
        log of the last residual over the first.
    steps : int
    neutral : int
        Directions that were left out because nothing moves in them.
    """

    verdict: str
    change: float
    steps: int
    neutral: int

    @property
    def rate(self) -> float:
        """e^{change/steps}, the mean factor a step."""
        return float(np.exp(self.change / self.steps)) if self.steps else 1.0


def growth(
    game: Game,
    algorithm: str,
    min_step: float,
    max_step: float,
    generator: ArrayLike,
    critic: ArrayLike,
    *,
    decided: float = DECIDED,
    max_steps: int = 1_000_000,
    seed: int = 0,
) -> Growth:
    r"""Play a game from a random point 1e-6 beside its equilibrium until its modal norm has changed by e^{±20}.

    The norm's axes come from differences of the game's own step, the verdict from the steps that are played.  Whenever
    the distance has changed a hundredfold, the state is put back to the first distance along its direction, so that
    the game stays where it is linear up to 1e-4 and far above rounding.  What lies along neutral directions (z = 1) is
    taken off at the start and whenever the state is put back.

    Parameters
    ----------
    game : Game
        With arrays as players: a `SmallGan`, `FeatureGame` or `CirculantGame` of up to a few hundred numbers.
    algorithm, min_step, max_step
        As in `simulate_gan`.
    generator, critic
        The equilibrium.
    decided : float
        How much the logarithm of the residual must change.
    max_steps : int
    seed : int

    Raises ValueError for another algorithm, a step <= 0, or a point that is no equilibrium.
    """
    eta, gamma = checked_steps(algorithm, min_step, max_step)
    most, goal = _check.integer("max_steps", max_steps, 1), _check.positive("decided", decided)
    centre = rest(game, algorithm, _check.finite("generator", generator), _check.finite("critic", critic))
    with one_thread_products():
        _check_rest(game, centre)
        matrix = update_matrix(game, algorithm, eta, gamma, centre)
        norm = matrix_norm(matrix)
        if norm.neutral == len(matrix):
            raise ValueError("generator and critic must have a direction that is not neutral, got none")
        distance, project = displacement(centre, norm), without_neutral(matrix, norm)
        origin = flatten(centre)
        scale = NEAR * max(1.0, float(np.abs(origin).max()))
        away = project @ stream(seed, "growth", len(origin)).standard_normal(len(origin))
        state = unflatten(origin + scale / np.linalg.norm(away) * away, centre)
        begin = before = distance(state)
        total = 0.0
        for k in range(1, most + 1):
            state = advance(game, algorithm, eta, gamma, state)
            now = distance(state)
            if not now > 0:
                return Growth("stable", -np.inf, k, norm.neutral)
            change = total + np.log(now / before)
            if abs(change) >= goal:
                return Growth("stable" if change < 0 else "unstable", float(change), k, norm.neutral)
            if abs(np.log(now / begin)) > RANGE:
                state = unflatten(origin + begin / now * (project @ (flatten(state) - origin)), centre)
                total, before = change, distance(state)
    return Growth("undecided", float(change), most, norm.neutral)


@dataclass(frozen=True)
class Bracket:
    """A threshold put to the test from both sides.

    Attributes
    ----------
    below, above : Growth
    holds : bool
        Whether the game is stable below and unstable above.
    """

    below: Growth
    above: Growth

    @property
    def holds(self) -> bool:
        return (self.below.verdict, self.above.verdict) == ("stable", "unstable")


def bracket(grow: Callable[[float], Growth], threshold: float, margin: float = 0.01) -> Bracket:
    """`grow` at (1 − margin) and (1 + margin) times the threshold, a step or whatever else `grow` takes.

    Raises ValueError for a threshold <= 0 or a margin outside (0, 1).

    >>> from .gans import dirac_game
    >>> game = dirac_game("wgan", "r1", 1.0)  # z = 1 - h/2 ± i √3 h/2 has modulus 1 at h = 1
    >>> bracket(lambda h: growth(game, "simultaneous", h, h, [0.0], [0.0]), 1.0).holds
    True
    """
    centre, reach = _check.positive("threshold", threshold), _check.positive("margin", margin)
    if reach >= 1:
        raise ValueError(f"margin must be < 1, got {reach:g}")
    return Bracket(grow((1 - reach) * centre), grow((1 + reach) * centre))


def _check_rest(game: Game, centre: State) -> None:
    moved = max(float(np.abs(part).max()) for part in game.directions(centre.u, centre.f))
    if not moved < NEAR * 1e-3:
        raise ValueError(f"generator and critic must be an equilibrium, got a direction of size {moved:.3g} there")
