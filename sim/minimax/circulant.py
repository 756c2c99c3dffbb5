"""Games on an n-point torus: functions against functions, every operator a convolution."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ...theory import _check
from ...theory.minimax.arguments import choice, nonnegative, strong
from ...theory.minimax.kernel_profile import kernel_profile
from ...theory.minimax.mesh_rates import GEOMETRIES
from . import _kernels
from .algorithms import State, advance
from .modal import ModalNorm, modal_norm

Array = NDArray[np.float64]
Operator = Callable[[Array], Array]

WRAPPED = ("gaussian", "matern32", "matern52", "matern12")
STILL = 1e-11  # |z - 1| below which a mode is neutral; blocks are exact up to rounding


@dataclass(frozen=True, eq=False)
class CirculantGame:
    r"""⟨f, u⟩ − ½⟨f, Rf⟩ + (τ/2)‖u‖² with ⟨f, g⟩ the mean of fg; u stands for the distance from its target.

    The directions are −(τu + f) and Tu − Cf, where T = C = 1 up to the geometry in which f moves.

    Attributes
    ----------
    points : int
        n; u and f are (n,).
    coupling, penalty : callable
        T and C.
    best_response : callable
        u ↦ R⁻¹u, the critic that maximises.
    strong_convexity : float
        τ >= 0.
    """

    points: int
    coupling: Operator
    penalty: Operator
    best_response: Operator
    strong_convexity: float

    def min_direction(self, u: Array, f: Array) -> Array:
        """−(τu + f)."""
        return -(self.strong_convexity * u + f)

    def max_direction(self, u: Array, f: Array) -> Array:
        """Tu − Cf."""
        return self.coupling(u) - self.penalty(f)

    def directions(self, u: Array, f: Array) -> tuple[Array, Array]:
        """Both."""
        return self.min_direction(u, f), self.max_direction(u, f)

    def objective(self, u: Array) -> float:
        """J(u) = ½⟨u, R⁻¹u⟩, what the best critic earns; without the term in τ."""
        return float(0.5 * np.mean(u * self.best_response(u)))


def torus_game(
    points: int, geometry: str, ridge: float, smoothing: float, strong_convexity: float = 0.0
) -> CirculantGame:
    r"""The Sobolev penalty ⟨f, Rf⟩ = λ‖f‖² + ρ‖D_n f‖², D_n f forward differences divided by 1/n.

    sobolev: f moves along the gradient in that norm, T = R⁻¹ and C = 1.  euclidean: along the plain one, T = 1, C = R.
    R⁻¹ goes by FFT, R is a stencil; a step costs O(n log n) or O(n).

    Parameters
    ----------
    points : int
        n >= 2.
    geometry : "sobolev" or "euclidean"
    ridge, smoothing : float
        λ > 0, ρ >= 0.
    strong_convexity : float
        τ >= 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, section 4.

    >>> torus_game(4, "euclidean", 1.0, 0.25).penalty(np.array([1.0, 0.0, 0.0, 0.0]))
    array([ 9., -4.,  0., -4.])
    """
    n = _check.integer("points", points, 2)
    choice("geometry", geometry, GEOMETRIES)
    lam, rho = strong("ridge", ridge), nonnegative("smoothing", smoothing)
    tau = nonnegative("strong_convexity", strong_convexity)
    stiffness = rho * n**2

    def penalty(f: Array) -> Array:
        out = np.empty(n)
        _kernels.torus_penalty(np.ascontiguousarray(f), lam, stiffness, out)
        return out

    # the transform of the stencil would lose the low modes to rounding once n² is large
    inverse = _convolution(1.0 / (lam + rho * (2 * n * np.sin(np.pi * np.arange(n // 2 + 1) / n)) ** 2), n)
    if geometry == "sobolev":
        return CirculantGame(n, inverse, _same, inverse, tau)
    return CirculantGame(n, _same, penalty, inverse, tau)


def kernel_torus_game(
    points: int, kernel: str, lengthscale: float, ridge: float, strong_convexity: float = 0.0
) -> CirculantGame:
    r"""A ridge critic in the RKHS of the wrapped kernel Σ_k ψ(|x − y + k|): T is its integral operator and C = λ.

    Parameters
    ----------
    points : int
        n >= 2, on [0, 1).
    kernel : str
        gaussian, matern32, matern52 or matern12; imq does not decay fast enough to be wrapped.
    lengthscale : float
        ℓ > 0.
    ridge, strong_convexity : float
        λ > 0, τ >= 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, section 4.

    >>> game = kernel_torus_game(8, "gaussian", 0.1, ridge=0.5)
    >>> bool(np.allclose(game.best_response(np.ones(8)), 2 * game.coupling(np.ones(8))))
    True
    """
    lam, tau = strong("ridge", ridge), nonnegative("strong_convexity", strong_convexity)
    n, symbol = points, wrapped_symbol(points, kernel, lengthscale) / points
    smooth = _convolution(symbol, n)

    def scaled(f: Array) -> Array:
        return lam * f

    def response(u: Array) -> Array:
        return smooth(u) / lam

    return CirculantGame(n, smooth, scaled, response, tau)


def wrapped_symbol(points: int, kernel: str, lengthscale: float) -> Array:
    """The transform, (n // 2 + 1,), of Σ_k ψ(|x + k|) on n points of the ring [0, 1), to 1e-16 of its largest entry."""
    n = _check.integer("points", points, 2)
    profile = kernel_profile(choice("kernel", kernel, WRAPPED), lengthscale)
    row: Array = np.zeros(n)
    for k in range(-_turns(lengthscale), _turns(lengthscale)):
        row += profile.value(np.abs(np.arange(n) / n + k))
    symbol: Array = np.maximum(fft.rfft(row).real, 0.0)
    return symbol


def _turns(lengthscale: float) -> int:
    """So many lengthscales away every kernel of the list is below 1e-17."""
    return 1 + int(np.ceil(40 * lengthscale))


def circulant_norm(game: CirculantGame, algorithm: str, min_step: float, max_step: float) -> ModalNorm:
    """The modal norm of the game: its blocks are the transforms of one step taken from a single point's unit."""
    n, slots = game.points, 4 if algorithm == "optimistic" else 2
    blocks = np.empty((n // 2 + 1, slots, slots), dtype=complex)
    for k in range(slots):
        parts = [np.zeros(n) for _ in range(slots)]
        parts[k][0] = 1.0
        old = (parts[2], parts[3]) if slots == 4 else None
        after = advance(game, algorithm, min_step, max_step, State(parts[0], parts[1], old))
        blocks[:, :, k] = modes(after)
    weights = np.full(n // 2 + 1, 2.0)  # all but the first and, for even n, the last stand for two modes
    weights[0] = 1.0
    if n % 2 == 0:
        weights[-1] = 1.0
    return modal_norm(blocks, weights / n**2, STILL)


def modes(state: State) -> NDArray[np.complex128]:
    """The transforms of a state's parts, (n // 2 + 1, parts)."""
    parts = (state.u, state.f) if state.old is None else (state.u, state.f, *state.old)
    return np.stack([fft.rfft(part) for part in parts], axis=1)


def _same(x: Array) -> Array:
    return x


def _convolution(symbol: Array, n: int) -> Operator:
    return lambda x: fft.irfft(symbol * fft.rfft(x), n)
