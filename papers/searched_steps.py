"""The step at which a game turns unstable, found by playing it: no theory enters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine.claim import Agreed, Case
from .random_games import agreed

Array = NDArray[np.float64]

SEARCHED = (0.05, 20.0)  # steps among which a threshold is looked for
HALVINGS = 11  # of the logarithm of that range, after which 0.3% of the step is left
NEAR = 1e-6  # how far from rest it starts
FAR = 100.0  # times the first distance
GROWN = 1.001  # by what share a later part of a run must reach farther, so that a cycle is no growth
PLAYED = 1000  # steps of a game whose growth is judged
FEATURES = 3
WATCHED = 20  # steps of particles, whose modal norm tells growth at once
COARSE = 10  # halvings, after which 0.6% of the step is left


def threshold_of(grows: Callable[[float], bool], halvings: int = HALVINGS) -> float:
    """The step at which games begin to grow, by halving a range that no theory enters."""
    low, high = np.log(SEARCHED)
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if grows(float(np.exp(middle))) else (middle, high)
    return float(np.exp(0.5 * (low + high)))


def halved(thresholds: Sequence[float], halvings: int = HALVINGS) -> Agreed:
    """Thresholds that agree within what the halving leaves."""
    return agreed(np.array(thresholds), (SEARCHED[1] / SEARCHED[0]) ** (1.01 / 2**halvings) - 1, "found by halving")


def has_grown(residuals: Array, diverged: bool = False) -> bool:
    """Whether a run near rest leaves its neighbourhood, or reaches farther in its last quarter than its second.

    A game that is not linear may settle far away, so that the quarters alone would not tell.
    """
    if diverged or residuals.max() > FAR * residuals[0]:
        return True
    quarter = len(residuals) // 4
    return bool(residuals[-quarter:].max() > GROWN * residuals[quarter : 2 * quarter].max())


def searched_dirac(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """Where equal steps begin to grow, from a random place 1e-6 off rest."""
    from ..sim.minimax import dirac_game, simulate_gan  # here: the claims are listed without Numba

    algorithm, game = split(case.arguments, "algorithm")
    played = dirac_game(**game)
    seen = []
    for _ in range(max(1, round(effort))):
        start = NEAR * rng.standard_normal(2)

        def grows(step: float, start: Array = start) -> bool:
            run = simulate_gan(played, algorithm, step, step, PLAYED, generator=start[:1], critic=start[1:])
            return has_grown(np.hypot(run.generators, run.critics).ravel(), run.diverged)

        seen.append(threshold_of(grows))
    return halved(seen)


def searched_lq(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """The same, after a random rotation of the data, by the distance of WWᵀ from their covariance."""
    from ..sim.minimax import lq_game

    algorithm, game = split(case.arguments, "algorithm")
    sigma = np.asarray(game["covariance"])
    n, seen = len(sigma), []
    for _ in range(max(1, round(effort))):
        turn = np.linalg.qr(rng.standard_normal((n, n)))[0]
        turned = turn @ sigma @ turn.T
        turned = (turned + turned.T) / 2
        root = turn @ np.diag(np.diagonal(sigma) ** 0.5)
        seen.append(threshold_of(_lq_grows(lq_game(turned, game["ridge"], game["penalty"]), algorithm, root, rng)))
    return halved(seen)


def _lq_grows(game: Any, algorithm: str, root: Array, rng: np.random.Generator) -> Callable[[float], bool]:
    from ..sim.minimax import simulate_gan

    start, critic = root + NEAR * rng.standard_normal(root.shape), NEAR * rng.standard_normal(root.shape)

    def grows(step: float) -> bool:
        run = simulate_gan(game, algorithm, step, step, PLAYED, generator=start, critic=critic + critic.T)
        off = run.generators @ run.generators.swapaxes(1, 2) - root @ root.T
        with np.errstate(over="ignore"):
            return has_grown(np.sqrt((off**2 + run.critics**2).sum(axis=(1, 2))), run.diverged)

    return grows


def searched_particles(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """Where the particles' step begins to grow, for random features, data, N and critic step."""
    from ..sim.minimax import feature_game, fourier_features, growth

    rho, dimension = case.arguments["penalty"], case.arguments["dimension"]
    seen = []
    for _ in range(max(1, round(effort))):
        n = int(rng.integers(2, 5))
        features = fourier_features(rng.standard_normal((FEATURES, dimension)), rng.uniform(0.0, 2 * np.pi, FEATURES))
        game = feature_game(features, 2.0 * rng.standard_normal((n, dimension)), penalty=rho)
        top = float(np.linalg.eigvalsh(game.gram)[-1])
        gamma, seed = float(rng.uniform(0.3, 1.0)) / (rho * top), int(rng.integers(2**31))

        def grows(step: float, game: Any = game, gamma: float = gamma, seed: int = seed) -> bool:
            critic = np.zeros(FEATURES)
            return (
                growth(
                    game, "simultaneous", step, gamma, game.data, critic, decided=0.1, seed=seed, max_steps=WATCHED
                ).change
                > 0
            )

        seen.append(threshold_of(grows, COARSE))
    return halved(seen, COARSE)


def searched_linear(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """Where the critic's step begins to grow: u ← u − ηKᵀv, then v ← v + γ(Ku − D̂v), from a random place."""
    damping, coupling, eta = (np.asarray(case.arguments[k]) for k in ("damping", "coupling", "min_step"))
    size = coupling.shape[1]
    seen = []
    for _ in range(max(1, round(effort))):
        start = rng.standard_normal(size + len(damping))

        def grows(gamma: float, start: Array = start) -> bool:
            first, second = np.eye(len(start)), np.eye(len(start))
            first[:size, size:] = -eta * coupling.T
            second[size:, :size] = gamma * coupling
            second[size:, size:] -= gamma * damping
            with np.errstate(over="ignore", invalid="ignore"):
                rounds = np.linalg.matrix_power(second @ first, PLAYED // 2)
                before = rounds @ start
                return not np.linalg.norm(rounds @ before) <= np.linalg.norm(before)  # nor where it left all bounds

        seen.append(threshold_of(grows))
    return halved(seen)


def split(arguments: Mapping[str, Any], *names: str) -> tuple[Any, dict[str, Any]]:
    """The values of the names, and the other arguments."""
    first = tuple(arguments[name] for name in names)
    return first if len(names) > 1 else first[0], {k: v for k, v in arguments.items() if k not in names}
