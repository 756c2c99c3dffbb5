"""Two GANs small enough to be understood, played as they stand: the Dirac-GAN and the linear-quadratic one."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.minimax import arguments
from ...theory.minimax.dirac_gan import QUADRATIC, REGULARISERS
from ...theory.minimax.modes import ALGORITHMS
from . import _kernels
from .algorithms import State, checked_steps
from .modal import ModalNorm, flatten

Array = NDArray[np.float64]

LOSSES = ("logistic", "wgan", "non_saturating")
NODES = 48  # of the quadrature that smooths both points


@dataclass(frozen=True, eq=False)
class SmallGan:
    """A GAN of few numbers; made by `dirac_game` or `lq_game`.

    Attributes
    ----------
    kind : int
    shape : tuple of int
        Of the generator u and of the critic f alike.
    settings, table : (…)
        As the kernels take them.
    """

    kind: int
    shape: tuple[int, ...]
    settings: Array
    table: Array

    def directions(self, u: Array, f: Array) -> tuple[Array, Array]:
        """Of generator and critic."""
        du, df = np.empty(u.size), np.empty(f.size)
        flat_u, flat_f = np.ascontiguousarray(u).ravel(), np.ascontiguousarray(f).ravel()
        _kernels.field(self.kind, flat_u, flat_f, self.settings, self.table, du, df)
        return du.reshape(self.shape), df.reshape(self.shape)

    def min_direction(self, u: Array, f: Array) -> Array:
        """Of the generator."""
        return self.directions(u, f)[0]

    def max_direction(self, u: Array, f: Array) -> Array:
        """Of the critic."""
        return self.directions(u, f)[1]


def dirac_game(
    loss: str = "logistic",
    regulariser: str = "none",
    weight: float = 0.0,
    noise: float = 0.0,
    generator_decay: float = 0.0,
    norm: float = 1.0,
    clip: float = 1.0,
) -> SmallGan:
    r"""Data δ_0, generator δ_θ, critic D(x) = ψx; payoff g(D(θ)) + g(−D(0)), which ψ raises and θ lowers.

    .. math:: \dot\theta = -g'(\psi\theta)\psi - \delta\theta, \qquad
        \dot\psi = g'(\psi\theta)\theta - \text{the penalty's slope}

    ========================  =================================================================
    r1, r2, weight_decay      γψ²/2, the same thing thrice as |∇D| = |ψ| everywhere
    wgan_gp                   γ(|ψ| − norm)²/2
    spectral_normalisation    D(x) = ψx/|ψ| instead
    clipping                  ψ is cut to [−clip, clip] after each step of `simulate_gan`
    ========================  =================================================================

    Parameters
    ----------
    loss : str
        logistic, g = log σ; wgan, g(t) = t; non_saturating: logistic, but θ raises g(−D(θ)).
    regulariser : str
        none or one of the table.
    weight : float
        γ >= 0.
    noise : float
        Standard deviation of the instance noise added to both points, by a quadrature of 48 nodes.
    generator_decay : float
        δ >= 0.
    norm, clip : float
        > 0.

    Raises ValueError for another loss or regulariser, a negative number or a weight without a penalty.
    Source: docs/minimax, theorem 18.
    """
    settings = np.zeros(_kernels.SETTINGS)
    settings[_kernels.LOSS] = LOSSES.index(arguments.choice("loss", loss, LOSSES))
    arguments.choice("regulariser", regulariser, REGULARISERS)
    gamma, bound = arguments.nonnegative("weight", weight), _check.positive("clip", clip)
    if gamma and regulariser not in (*QUADRATIC, "wgan_gp"):
        raise ValueError(f"weight must be 0 for {regulariser!r}, which has none, got {gamma:g}")
    settings[_kernels.CRITIC_DECAY if regulariser in QUADRATIC else _kernels.SLOPE_PENALTY] = gamma
    settings[_kernels.GENERATOR_DECAY] = arguments.nonnegative("generator_decay", generator_decay)
    settings[_kernels.SLOPE_TARGET] = _check.positive("norm", norm)
    settings[_kernels.NORMALISED] = float(regulariser == "spectral_normalisation")
    settings[_kernels.CLIP] = bound if regulariser == "clipping" else np.inf
    deviation = arguments.nonnegative("noise", noise)
    table = np.array([[0.0], [1.0]])
    if deviation:
        nodes, weights = hermegauss(NODES)
        table = np.array([deviation * nodes, weights / weights.sum()])
    return SmallGan(_kernels.DIRAC, (1,), settings, table)


def lq_game(covariance: ArrayLike, ridge: float = 0.0, penalty: float = 0.0) -> SmallGan:
    r"""Generator x = Wz, z ~ N(0, 1), critic xᵀΨx, data covariance Σ0: both players are (n, n), Ψ symmetric.

    .. math:: \dot W = -2\Psi W, \qquad \dot\Psi = WW^T - \Sigma_0 - \lambda\Psi - 2\rho(\Psi\Sigma_0 + \Sigma_0\Psi)

    for the WGAN payoff with penalties (λ/2)‖Ψ‖² and (ρ/2) E|∇D|² under the data.

    Raises ValueError for a Σ0 that is not symmetric or has a negative eigenvalue, or λ or ρ < 0.
    Source: docs/minimax, theorem 19.
    """
    sigma = arguments.symmetric("covariance", covariance)
    settings = np.array([arguments.nonnegative("ridge", ridge), arguments.nonnegative("penalty", penalty)])
    return SmallGan(_kernels.LINEAR_QUADRATIC, sigma.shape, settings, sigma)


@dataclass(frozen=True, eq=False)
class GanRun:
    """A small GAN as played.

    Attributes
    ----------
    generators, critics : (K, …)
        u and f after 0, every, 2·every, … steps.
    every : int
    diverged : bool
        Whether the state grew beyond 1e100 and the game was stopped.
    """

    generators: Array
    critics: Array
    every: int
    diverged: bool

    def residuals(self, norm: ModalNorm, equilibrium: State) -> Array:
        """The modal norms (K,) of the distance from an equilibrium; not for the optimistic algorithm's larger state."""
        if equilibrium.old is not None:
            raise ValueError("equilibrium must carry no old directions: only u and f are recorded")
        count = len(self.generators)
        states = np.concatenate([self.generators.reshape(count, -1), self.critics.reshape(count, -1)], axis=1)
        return np.array([norm(x[None]) for x in states - flatten(equilibrium)])


def simulate_gan(
    game: SmallGan,
    algorithm: str,
    min_step: float,
    max_step: float,
    steps: int,
    *,
    generator: ArrayLike,
    critic: ArrayLike,
    every: int = 1,
) -> GanRun:
    """Play a small GAN by one compiled loop.

    Parameters
    ----------
    game : SmallGan
    algorithm : str
        simultaneous, alternating (generator first), extragradient or optimistic.
    min_step, max_step : float
        η, γ > 0.
    steps : int
        T >= 0.
    generator, critic : (1,) or (n, n)
        The start; numbers do for a Dirac-GAN.
    every : int
        How many steps lie between records.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorems 18 and 19.

    >>> seen = simulate_gan(dirac_game("wgan"), "alternating", 1.0, 1.0, 6, generator=1.0, critic=0.0)
    >>> seen.generators.ravel(), seen.critics.ravel()
    (array([ 1.,  1.,  0., -1., -1.,  0.,  1.]), array([ 0.,  1.,  1.,  0., -1., -1.,  0.]))
    """
    eta, gamma = checked_steps(algorithm, min_step, max_step)
    count, gap = _check.integer("steps", steps, 0), _check.integer("every", every, 1)
    u, f = (_player(name, value, game.shape) for name, value in (("generator", generator), ("critic", critic)))
    rows = count // gap + 1
    us, fs = np.empty((rows, u.size)), np.empty((rows, f.size))
    order = ALGORITHMS.index(algorithm)
    written = _kernels.play(game.kind, order, u, f, game.settings, game.table, eta, gamma, count, gap, us, fs)
    shape = (written, *game.shape)
    return GanRun(us[:written].reshape(shape), fs[:written].reshape(shape), gap, written < rows)


def _player(name: str, value: ArrayLike, shape: tuple[int, ...]) -> Array:
    """A flat copy of a player."""
    out = _check.finite(name, value)
    if out.ndim == 0 and shape == (1,):
        out = out.reshape(1)
    if out.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {out.shape}")
    if len(shape) == 2 and name == "critic" and not np.array_equal(out, out.T):
        raise ValueError("critic must be symmetric, got a matrix that is not")
    return out.ravel().copy()
