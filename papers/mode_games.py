"""Games of functions against functions: many modes at once, on grids or with given couplings, played and predicted."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.estimate import Estimate
from ..theory.minimax.mesh_rates import mesh_rates
from ..theory.minimax.modes import ALGORITHMS, mode_rate
from ..theory.minimax.optimal_steps import optimal_steps
from .engine.claim import Case, Sighting
from .kept import Kept
from .random_games import of_numbers

Array = NDArray[np.float64]

COUPLINGS = 4  # modes of a game, so far apart that the slowest one stands out
MODAL = 400  # steps of a game of modes
KAPPAS, RIDGES = (2.0, 5.0, 20.0), (0.5, 2.0)  # of games whose steps are searched
CROWDED = 4  # grid points for each period of the slowest wave


# ---- grids


def seen_mesh_rate(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """The largest rate of waves on the grid: the constant, the steepest and two random ones, in random phase.

    A random function would show its slowest wave only after more steps than rounding leaves.
    """
    from ..sim.minimax import estimate_rate, simulate_grid, torus_game

    at, n = case.arguments, case.arguments["points"]
    game = torus_game(n, at["geometry"], 1.0, at["smoothing"], at["strong_convexity"])
    seen = []
    for _ in range(max(1, round(effort))):
        rates = []
        for waves in (0, n // 2, *rng.integers(1, n // 2, 2)):
            start = np.cos(2 * np.pi * (waves * np.arange(n) / n + rng.uniform(-0.2, 0.2)))
            run = simulate_grid(game, "simultaneous", at["min_step"], at["max_step"], 32, start=start, every=4)
            rates.append(estimate_rate(run.residuals, every=4).rate)
        seen.append(max(rates))
    return of_numbers(np.array(seen), "slopes of log residuals, the largest of four waves")


def mesh_rate(points: int, geometry: str, smoothing: float, min_step: float, max_step: float, **more: float) -> float:
    return float(mesh_rates(points, geometry, 1.0, smoothing, min_step, max_step, **more).rates[0])


def as_coarse(points: int, **at: Any) -> float:
    return mesh_rate(points=16, **at)


def other_geometry(geometry: str, **at: Any) -> float:
    return mesh_rate(geometry="euclidean" if geometry == "sobolev" else "sobolev", **at)


def real_roots(points: int, min_step: float, max_step: float, strong_convexity: float, **at: Any) -> float:
    """max{1 − p, 1 − c}, as if no root were complex."""
    return max(1 - min_step * strong_convexity, 1 - max_step)


def slowest_waves(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """J(u_T)/‖u_0 − u*‖² of the exact critic, largest over waves on a grid, each with a random phase."""
    from ..sim.minimax import kernel_torus_game

    at = case.arguments
    n, eta, steps = at["points"], at["min_step"], at["steps"]
    game = kernel_torus_game(n, "matern52", 0.01, ridge=1.0)  # ‖T‖ is 0.024
    seen = []
    for _ in range(max(1, round(effort))):
        most = 0.0
        for waves in range(n // CROWDED):
            u = np.cos(2 * np.pi * (waves * np.arange(n) / n + rng.random()))
            square = float(np.mean(u**2))
            for _ in range(steps):
                u = u + eta * game.min_direction(u, game.best_response(u))
            most = max(most, game.objective(u) / square if square else 0.0)
        seen.append(most)
    return of_numbers(np.array(seen), "waves of random phase")


# ---- modes


@dataclass(frozen=True, eq=False)
class ModeGame:
    """⟨f, u⟩ in as many modes as there are couplings t: u along −(τu + f), f along tu − λf."""

    couplings: Array
    ridge: float
    strong_convexity: float = 0.0

    def min_direction(self, u: Array, f: Array) -> Array:
        """That of u."""
        return -(self.strong_convexity * u + f)

    def max_direction(self, u: Array, f: Array) -> Array:
        """That of f."""
        return self.couplings * u - self.ridge * f

    def directions(self, u: Array, f: Array) -> tuple[Array, Array]:
        """Both."""
        return self.min_direction(u, f), self.max_direction(u, f)


def _couplings(smallest: float, largest: float) -> Array:
    return np.geomspace(smallest, largest, COUPLINGS)


def played_modes(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """The slope of log residuals in the modal norm, from random starts."""
    from ..sim.minimax import dense_norm, estimate_rate, rest
    from ..sim.minimax.algorithms import State, play
    from ..sim.minimax.modal import displacement

    at = dict(case.arguments)
    algorithm, t = at["algorithm"], _couplings(at["smallest"], at["largest"])
    game = ModeGame(t, at["ridge"], at.get("strong_convexity", 0.0))
    if "min_step" not in at:
        best = optimal_steps(algorithm, at["smallest"], at["largest"], at["ridge"])
        at |= {"min_step": best.min_step, "max_step": best.max_step}
    zero, steps = np.zeros(COUPLINGS), (at["min_step"], at["max_step"])
    centre = rest(game, algorithm, zero, zero)
    norm, double = dense_norm(game, algorithm, *steps, centre), at.get("double_root", False)
    seen = []
    for _ in range(max(1, round(effort))):
        u, f = rng.standard_normal((2, COUPLINGS))
        old = game.directions(u, f) if algorithm == "optimistic" else None
        run = play(game, algorithm, *steps, MODAL, State(u, f, old), displacement(centre, norm), 4)
        seen.append(estimate_rate(run.records[:, 0], double_root=double, every=4).rate)
    return of_numbers(np.array(seen), "slopes of log residuals")


def modal_rate(algorithm: str, smallest: float, largest: float, **more: float) -> float:
    return mode_rate(algorithm, coupling=_couplings(smallest, largest), **more).rate


def fastest_mode(algorithm: str, smallest: float, largest: float, **more: float) -> float:
    """That of the mode which shrinks most."""
    return float(mode_rate(algorithm, coupling=_couplings(smallest, largest), **more).moduli.min())


def next_algorithm(algorithm: str, **at: float) -> float:
    """That of the next algorithm in the list."""
    return modal_rate(ALGORITHMS[(ALGORITHMS.index(algorithm) + 1) % len(ALGORITHMS)], **at)


def best_rate(algorithm: str, smallest: float, largest: float, ridge: float, double_root: bool = False) -> float:
    return optimal_steps(algorithm, smallest, largest, ridge).rate


def other_root(algorithm: str, smallest: float, largest: float, **more: Any) -> float:
    """√κ for κ in the rate of simultaneous steps, κ for √κ in that of alternating ones."""
    kappa = largest / smallest
    if algorithm == "alternating":
        return (kappa - 1) / (kappa + 1)
    return math.sqrt((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1))


def tried_steps(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """−max|z| over both ends of the spectrum at random steps, from near the best pair to far off."""
    order, kappa, ridge = int(rng.integers(2)), float(KAPPAS[rng.integers(len(KAPPAS))]), float(RIDGES[rng.integers(2)])
    at: dict[str, Any] = {"algorithm": ALGORITHMS[order], "smallest": 1.0, "largest": kappa, "ridge": ridge}
    best = _pair(**at)
    eta, gamma = np.array(best) * np.exp(10 ** rng.uniform(-8.0, 0.0) * rng.standard_normal(2))
    w = eta * gamma * np.array([1.0, kappa])
    step = np.empty((2, 2, 2))
    step[:, 0] = 1.0, -eta
    step[:, 1, 0] = w / eta
    step[:, 1, 1] = 1 - gamma * ridge - (w if order else 0.0)
    return Sighting(-float(np.abs(np.linalg.eigvals(step)).max()), at)


@Kept
def _pair(algorithm: str, smallest: float, largest: float, ridge: float) -> tuple[float, float]:
    found = optimal_steps(algorithm, smallest, largest, ridge)
    return found.min_step, found.max_step


@Kept
def least_rate(algorithm: str, smallest: float, largest: float, ridge: float) -> float:
    return optimal_steps(algorithm, smallest, largest, ridge).rate


def as_descent(algorithm: str, smallest: float, largest: float, ridge: float) -> float:
    """(κ − 1)/(κ + 1) for alternating steps, that of gradient descent with the exact critic."""
    if algorithm == "alternating":
        return -(largest - smallest) / (largest + smallest)
    return -least_rate(algorithm, smallest, largest, ridge)
