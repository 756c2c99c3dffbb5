"""Particles against a critic with finitely many features, ridge and gradient penalty."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.minimax.arguments import nonnegative
from ...theory.streams import stream
from . import _kernels
from .algorithms import State, play
from .kernel_sums import points
from .threads import each, one_thread_products

Array = NDArray[np.float64]

TABLE = 1 << 18  # angles of a block held at a time
QUARTER = 2.0 / np.pi  # of a turn, in radians


@dataclass(frozen=True, eq=False)
class FourierFeatures:
    r"""φ_j(x) = a cos(ω_j·x + b_j), j < F; sin and cos to 3e-16 beside the rounding of the angle.

    Attributes
    ----------
    frequencies : (F, d)
        ω.
    phases : (F,)
        b.
    amplitude : float
        a; √(2/F) makes ⟨φ(x), φ(y)⟩ estimate a kernel.
    """

    frequencies: Array
    phases: Array
    amplitude: float


def fourier_features(frequencies: ArrayLike, phases: ArrayLike, amplitude: float | None = None) -> FourierFeatures:
    """Features with given frequencies (F, d), phases (F,) and amplitude, √(2/F) by default.

    Raises ValueError for sizes that do not agree.
    """
    omega = points("frequencies", frequencies)
    b = _check.finite("phases", phases)
    if b.shape != (len(omega),):
        raise ValueError(f"phases must have shape ({len(omega)},), got {b.shape}")
    a = (2.0 / len(omega)) ** 0.5 if amplitude is None else _check.positive("amplitude", amplitude)
    return FourierFeatures(omega, np.ascontiguousarray(b), a)


def random_features(count: int, dimension: int, lengthscale: float, seed: int = 0) -> FourierFeatures:
    """Random features of the gaussian kernel: ω normal with deviation 1/ℓ, b uniform on a turn.

    Raises ValueError for count or dimension < 1 or ℓ <= 0.
    """
    F, d = _check.integer("count", count, 1), _check.integer("dimension", dimension, 1)
    rng = stream(seed, "random features", F, d)
    omega = rng.standard_normal((F, d)) / _check.positive("lengthscale", lengthscale)
    return fourier_features(omega, rng.uniform(0.0, 2 * np.pi, F))


@dataclass(frozen=True, eq=False)
class FeatureGame:
    r"""E_μ f − E_μ0 f − (λ/2)|c|² − (ρ/2) E_μ0|∇f|² with f = ⟨c, φ⟩; made by `feature_game`.

    A particle's direction is −∇f(x_i), the critic's E_μ φ − E_μ0 φ − (λ + ρG)c, G = E_μ0[∇φ ∇φᵀ].

    Attributes
    ----------
    features : FourierFeatures
    data : (M, d)
    ridge, penalty : float
        λ, ρ.
    data_means : (F,)
        E_μ0 φ.
    gram : (F, F)
        G, its sum over coordinates.
    threads : int
    """

    features: FourierFeatures
    data: Array
    ridge: float
    penalty: float
    data_means: Array
    gram: Array
    threads: int = field(default=1)

    def min_direction(self, u: Array, f: Array) -> Array:
        """−∇f at the particles."""
        return -_pass(self.features, u, f, self.threads)[1]

    def max_direction(self, u: Array, f: Array) -> Array:
        """E_μ φ − E_μ0 φ − (λ + ρG)c."""
        return self._pull(_pass(self.features, u, None, self.threads)[0], f)

    def directions(self, u: Array, f: Array) -> tuple[Array, Array]:
        """Both, in one pass over the particles."""
        means, slopes = _pass(self.features, u, f, self.threads)
        return -slopes, self._pull(means, f)

    def mismatch(self, u: Array) -> float:
        """‖E_μ φ − E_μ0 φ‖."""
        return float(np.linalg.norm(_pass(self.features, u, None, self.threads)[0] - self.data_means))

    def _pull(self, means: Array, c: Array) -> Array:
        out: Array = means - self.data_means - self.ridge * c
        return out - self.penalty * (self.gram @ c) if self.penalty else out


def feature_game(
    features: FourierFeatures, data: ArrayLike, *, ridge: float = 0.0, penalty: float = 0.0, threads: int = 1
) -> FeatureGame:
    """The game of particles against data (M, d), for `simulate_features`.

    Raises ValueError for data that do not fit the features, or λ or ρ < 0.  Source: docs/minimax, theorem 14.
    """
    y = points("data", data, features.frequencies.shape[1])
    lam, rho = nonnegative("ridge", ridge), nonnegative("penalty", penalty)
    workers = _check.integer("threads", threads, 1)
    with one_thread_products():
        means = _pass(features, y, None, workers)[0]
        return FeatureGame(features, y, lam, rho, means, slope_gram(features, y), workers)


@dataclass(frozen=True, eq=False)
class FeatureRun:
    """Particles against a critic of features as played.

    Attributes
    ----------
    residuals : (K,)
        ‖E_μ φ − E_μ0 φ‖ after 0, every, 2·every, … steps.
    critic_norms : (K,)
        ‖c‖.
    particles : (N, d)
        At the end.
    critic : (F,)
        c at the end.
    every : int
    diverged : bool
        Whether the state grew beyond 1e100 and the game was stopped.
    """

    residuals: Array
    critic_norms: Array
    particles: Array
    critic: Array
    every: int
    diverged: bool


def simulate_features(
    game: FeatureGame,
    algorithm: str,
    min_step: float,
    max_step: float,
    steps: int,
    *,
    start: ArrayLike,
    critic: ArrayLike | None = None,
    every: int = 1,
) -> FeatureRun:
    """Play particles against a critic of features.

    Parameters
    ----------
    game : FeatureGame
    algorithm, min_step, max_step, steps, every
        As in `simulate_particles`; η is the step of each particle.
    start : (N, d)
    critic : (F,), optional
        c_0, 0 by default.

    Memory is O(N d) and a block of angles a thread.
    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 14.

    >>> game = feature_game(fourier_features([[1.0]], [0.0], 1.0), [[0.0]], ridge=1.0)
    >>> seen = simulate_features(game, "simultaneous", 0.5, 1.0, 1, start=[[np.pi / 2]])
    >>> seen.critic.round(12)
    array([-1.])
    """
    x = points("start", start, game.data.shape[1])
    F = len(game.data_means)
    c = np.zeros(F) if critic is None else _check.finite("critic", critic)
    if c.shape != (F,):
        raise ValueError(f"critic must have shape ({F},), got {c.shape}")
    with one_thread_products():

        def observe(state: State) -> tuple[float, float]:
            return game.mismatch(state.u), float(np.linalg.norm(state.f))

        run = play(game, algorithm, min_step, max_step, steps, State(x, c), observe, every)
    return FeatureRun(run.records[:, 0], run.records[:, 1], run.u, run.f, run.every, run.diverged)


def slope_gram(features: FourierFeatures, data: Array) -> Array:
    """G_jl = (ω_j·ω_l) a² mean of sin_j sin_l over the data, (F, F)."""
    omega = features.frequencies
    total = np.zeros((len(omega), len(omega)))
    rows = max(1, TABLE // len(omega))
    for first in range(0, len(data), rows):
        sines, _ = _table(features, data[first : first + rows])
        total += sines.T @ sines
    return (omega @ omega.T) * total * features.amplitude**2 / len(data)


def _pass(features: FourierFeatures, x: Array, c: Array | None, threads: int) -> tuple[Array, Array]:
    """E_μ φ and, where c is given, ∇f at every particle."""
    omega, n = features.frequencies, len(x)
    rows = max(1, TABLE // len(omega))
    slopes = np.empty_like(x) if c is not None else np.empty((0, x.shape[1]))
    pulls = None if c is None else -features.amplitude * c[:, None] * omega
    turned = np.ascontiguousarray(omega.T) * QUARTER

    def block(first: int) -> Array:
        sines, sums = _table(features, x[first : first + rows], turned)
        if pulls is not None:
            np.matmul(sines, pulls, out=slopes[first : first + rows])
        return sums

    sums = each(block, range(0, n, rows), threads)
    total = np.zeros(len(omega))
    for part in sums:  # in the order of the blocks, whoever did them
        total += part
    return features.amplitude / n * total, slopes


def _table(features: FourierFeatures, x: Array, turned: Array | None = None) -> tuple[Array, Array]:
    """sin(ω_j·x_i + b_j), (n, F), and the sums of the cosines over i."""
    columns = np.ascontiguousarray(features.frequencies.T) * QUARTER if turned is None else turned
    angles = x @ columns
    sums = np.zeros(len(features.phases))
    _kernels.features(angles, features.phases * QUARTER, sums)
    return angles, sums
