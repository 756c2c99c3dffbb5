"""Particles against a critic in the RKHS of a kernel, which is kept exactly as sums of kernels over past clouds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.minimax.arguments import nonnegative, strong
from .algorithms import State, play
from .kernel_sums import KernelSums, block_gradients, block_sums, block_values, checked_kernel, points
from .threads import one_thread_products

Array = NDArray[np.float64]

FORGOTTEN = 2.0**-60  # a cloud whose coefficient is so much below the largest is dropped


@dataclass(frozen=True, eq=False)
class KernelCritic:
    r"""f = Σ_c a_c m_c with m_c the mean embedding of the cloud c.

    Critics add and take factors; clouds are told apart as objects.

    Attributes
    ----------
    clouds : sequence of (N_c, d)
    coefficients : sequence of float
    """

    clouds: tuple[Array, ...] = ()
    coefficients: tuple[float, ...] = ()
    __array_ufunc__ = None  # so that a NumPy number leaves the product to `__rmul__`

    def __add__(self, other: "KernelCritic") -> "KernelCritic":
        merged: dict[int, tuple[Array, float]] = {}
        for cloud, a in (*self.terms(), *other.terms()):
            merged[id(cloud)] = (cloud, merged.get(id(cloud), (cloud, 0.0))[1] + a)
        least = FORGOTTEN * max((abs(a) for _, a in merged.values()), default=0.0)
        kept = [(cloud, a) for cloud, a in merged.values() if abs(a) > least]
        return KernelCritic(tuple(cloud for cloud, _ in kept), tuple(a for _, a in kept))

    def __rmul__(self, factor: float) -> "KernelCritic":
        return KernelCritic(self.clouds, tuple(factor * a for a in self.coefficients))

    def terms(self) -> Sequence[tuple[Array, float]]:
        """Clouds with their coefficients."""
        return tuple(zip(self.clouds, self.coefficients, strict=True))

    def sources(self) -> tuple[Array, Array]:
        """All points and their weights."""
        weights = [np.full(len(cloud), a / len(cloud)) for cloud, a in self.terms()]
        return np.concatenate(self.clouds), np.concatenate(weights)

    def reach(self) -> float:
        """The largest coefficient."""
        return max((abs(a) for a in self.coefficients), default=0.0)


@dataclass(frozen=True, eq=False)
class KernelGame:
    r"""E_μ f − E_μ0 f − (λ/2)‖f‖²_H with μ the mean of N particles; f moves in H.

    A particle's direction is −∇f(x_i), the critic's m_μ − m_μ0 − λf.  Built by `kernel_game`.

    Attributes
    ----------
    kind, lengthscale, ridge
        The kernel's number, ℓ and λ.
    data : (M, d)
    threads : int
    """

    kind: int
    lengthscale: float
    ridge: float
    data: Array
    threads: int = 1

    def min_direction(self, u: Array, f: KernelCritic) -> Array:
        """−∇f at the particles."""
        if not f.clouds:
            return np.zeros_like(u)
        return -block_gradients(self.kind, self.lengthscale, u, *f.sources(), self.threads)[0]

    def max_direction(self, u: Array, f: KernelCritic) -> KernelCritic:
        """m_μ − m_μ0 − λf."""
        return KernelCritic((u, self.data), (1.0, -1.0)) + -self.ridge * f

    def directions(self, u: Array, f: KernelCritic) -> tuple[Array, KernelCritic]:
        """Both."""
        return self.min_direction(u, f), self.max_direction(u, f)

    def best_response(self, u: Array) -> KernelCritic:
        """Φ_μ = (m_μ − m_μ0)/λ."""
        return (1.0 / self.ridge) * KernelCritic((u, self.data), (1.0, -1.0))

    def evaluate(self, f: KernelCritic, at: Array) -> KernelSums:
        """f and ∇f at points (n, d)."""
        if not f.clouds:
            return KernelSums(np.zeros(len(at)), np.zeros_like(at))
        return block_sums(self.kind, self.lengthscale, at, *f.sources(), self.threads)


def kernel_game(kernel: str, lengthscale: float, ridge: float, data: ArrayLike, *, threads: int = 1) -> KernelGame:
    """The game of particles against data (M, d), for `simulate_particles`.

    With λ = 0 no cloud is ever forgotten and a step costs more and more; else a critic holds about 42/(γλ) clouds.

    Raises ValueError as `kernel_sums` and for ridge < 0.  Source: docs/minimax, theorem 21.
    """
    kind, length = checked_kernel(kernel, lengthscale)
    return KernelGame(kind, length, nonnegative("ridge", ridge), points("data", data), _threads(threads))


@dataclass(frozen=True, eq=False)
class ParticleRun:
    """Particles against a kernel critic as played.

    Attributes
    ----------
    residuals : (K,)
        MMD(μ, μ0) after 0, every, 2·every, … steps.
    particles : (N, d)
        At the end.
    critic : KernelCritic
    every : int
    diverged : bool
        Whether the state grew beyond 1e100 and the game was stopped.
    """

    residuals: Array
    particles: Array
    critic: KernelCritic
    every: int
    diverged: bool


def simulate_particles(
    game: KernelGame,
    algorithm: str,
    min_step: float,
    max_step: float,
    steps: int,
    *,
    start: ArrayLike,
    best_critic: bool = False,
    every: int = 1,
) -> ParticleRun:
    """Play particles against a kernel critic that is never truncated but by rounding.

    Parameters
    ----------
    game : KernelGame
    algorithm : str
        simultaneous, alternating, extragradient or optimistic.
    min_step : float
        η > 0 of each particle: N times less than the step of the parameter that holds them all.
    max_step : float
        γ > 0.
    steps : int
        T >= 0.
    start : (N, d)
    best_critic : bool
        Whether f_0 is the best response to the start; else 0.
    every : int
        How many steps lie between records; a record costs a pass over all pairs.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 21.

    >>> game = kernel_game("gaussian", 1.0, 1.0, [[0.0]])
    >>> seen = simulate_particles(game, "alternating", 0.1, 1.0, 1, start=[[1.0]], best_critic=True)
    >>> seen.particles.round(6)
    array([[0.939347]])
    """
    x = points("start", start, game.data.shape[1])
    f = _best(game, x) if best_critic else KernelCritic()
    with one_thread_products():
        own = float(block_mean(game, game.data, game.data))

        def observe(state: State) -> float:
            return discrepancy(game, state.u, own)

        run = play(game, algorithm, min_step, max_step, steps, State(x, f), observe, every)
    return ParticleRun(run.records[:, 0], run.u, run.f, run.every, run.diverged)


@dataclass(frozen=True, eq=False)
class DescentRun:
    """Gradient descent on J = MMD²/(2λ) as done.

    Attributes
    ----------
    objectives, squared_gradients : (T + 1,)
        J and ‖∇_θ J‖² at every iterate, θ all particles together.
    particles : (N, d)
        At the end.
    """

    objectives: Array
    squared_gradients: Array
    particles: Array


def descend(game: KernelGame, step: float, steps: int, *, start: ArrayLike) -> DescentRun:
    r"""Particles that descend against the exact critic: θ ← θ − h∇J(θ), x_i ← x_i − (h/N)∇Φ_μ(x_i).

    Parameters
    ----------
    game : KernelGame
        With λ > 0.
    step : float
        h > 0 of the parameter that holds all particles.
    steps : int
        T >= 0.
    start : (N, d)

    J comes from the same sums as its gradient, to about 1e-16/λ.
    Raises ValueError outside these ranges.  Source: docs/minimax, theorems 5 and 7.

    >>> game = kernel_game("gaussian", 1.0, 1.0, [[0.0], [1.0], [2.0]])
    >>> descend(game, 1 / 0.72313016014843, 1, start=[[0.5], [1.5]]).particles.round(6)
    array([[0.402549],
           [1.597451]])
    """
    h, count = _check.positive("step", step), _check.integer("steps", steps, 0)
    x = points("start", start, game.data.shape[1])
    strong("ridge", game.ridge)
    objectives, squares = np.empty(count + 1), np.empty(count + 1)
    with one_thread_products():
        own = block_mean(game, game.data, game.data)
        for k in range(count + 1):
            near, far = _embedding(game, x, x), _embedding(game, game.data, x)
            slope = (near.gradients - far.gradients) / game.ridge
            objectives[k] = (near.values.mean() - 2 * far.values.mean() + own) / (2 * game.ridge)
            squares[k] = (slope**2).sum() / len(x) ** 2
            if k < count:
                x = x - h / len(x) * slope
    return DescentRun(objectives, squares, x)


def discrepancy(game: KernelGame, x: Array, own: float) -> float:
    """MMD(μ, μ0), with the mean of the kernel over pairs of data given."""
    square = block_mean(game, x, x) - 2 * block_mean(game, game.data, x) + own
    return float(max(square, 0.0) ** 0.5)


def block_mean(game: KernelGame, sources: Array, targets: Array) -> float:
    """The mean of k over all pairs."""
    weights = np.full(len(sources), 1.0 / len(sources))
    return float(block_values(game.kind, game.lengthscale, targets, sources, weights, game.threads).mean())


def _embedding(game: KernelGame, sources: Array, targets: Array) -> KernelSums:
    weights = np.full(len(sources), 1.0 / len(sources))
    return block_sums(game.kind, game.lengthscale, targets, sources, weights, game.threads)


def _best(game: KernelGame, x: Array) -> KernelCritic:
    strong("ridge", game.ridge)
    return game.best_response(x)


def _threads(threads: int) -> int:
    return _check.integer("threads", threads, 1)
