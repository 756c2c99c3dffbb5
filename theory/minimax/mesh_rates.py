"""Whether refining the grid slows a game down: a Sobolev penalty on the torus, with two geometries for the critic."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .arguments import choice, nonnegative, strong
from .modes import mode_rate

Array = NDArray[np.float64]

GEOMETRIES = ("sobolev", "euclidean")


@dataclass(frozen=True, eq=False)
class MeshRates:
    """Rates of one game on several grids.

    Attributes
    ----------
    points : (M,)
        n.
    rates : (M,)
        ρ_n = max |z| over the n modes; above 1 the game diverges on that grid.
    limit : float
        sup of |z| over every grid; inf for the euclidean geometry with smoothing.
    critical_points : float
        n_c, above which the fixed steps diverge; inf for the sobolev geometry.  For even n, once the coarse grids are
        stable.
    largest_max_step : (M,)
        γ_n, above which the critic's finest mode diverges; inf where none does.
    """

    points: NDArray[np.int64]
    rates: Array
    limit: float
    critical_points: float
    largest_max_step: Array


def torus_penalty(points: int, ridge: float, smoothing: float) -> Array:
    r"""λ_j = λ + 4ρn² sin²(πj/n), the eigenvalues of λ + ρD*D with forward differences on n points of [0, 1).

    Returns (n,), j = 0, …, n − 1.  Source: docs/minimax, section 4.

    >>> torus_penalty(2, 1.0, 0.25)
    array([1., 5.])
    """
    n = _check.integer("points", points, 1)
    lam, rho = strong("ridge", ridge), nonnegative("smoothing", smoothing)
    return lam + 4 * rho * n**2 * np.sin(np.pi * np.arange(n) / n) ** 2


def mesh_rates(
    points: ArrayLike,
    geometry: str,
    ridge: float,
    smoothing: float,
    min_step: float,
    max_step: float,
    strong_convexity: float = 0.0,
) -> MeshRates:
    r"""ρ_n of simultaneous steps for ⟨f, u⟩ − ½‖f‖²_V + (τ/2)‖u‖², ‖f‖²_V = λ‖f‖² + ρ‖D_n f‖², on n-point grids.

    ===========  ============================================  =======================================
    sobolev      f ← f + γ(C⁻¹u − f), the gradient in V         p = ητ, c = γ, w_j = ηγ/λ_j
    euclidean    f ← f + γ(u − Cf), the same penalty in L²      p = ητ, c_j = γλ_j, w = ηγ
    ===========  ============================================  =======================================

    In V the rate has a limit for every n,

    .. math:: \sup_n \rho_n \le \max\left\{ |1-p|,\ |1-c|,\ \sqrt{|(1-p)(1-c) + \eta\gamma/\lambda|} \right\};

    in L² fixed steps diverge for n > n_c and the best admissible ones slow down as n²,

    .. math:: n_c = \sqrt{\frac{(2 + \eta\gamma/(2-p))/\gamma - \lambda}{4\rho}}, \qquad
        \gamma_n = \frac{2(2-p)}{\lambda_{\max}(2-p) - \eta}.

    Without τ the sobolev rate, too, tends to 1 as n grows: only the objective's bound is free of the mesh
    (`exact_critic_bound`).

    Parameters
    ----------
    points : (M,) or number
        n >= 1.
    geometry : str
        sobolev or euclidean.
    ridge, smoothing : float
        λ > 0, ρ >= 0.
    min_step, max_step : float
        η, γ > 0; ητ < 2.
    strong_convexity : float
        τ >= 0.

    Returns
    -------
    rates : MeshRates
        `limit` is the supremum over all couplings t ∈ (0, 1/λ].

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 11.

    >>> found = mesh_rates([16, 512], "sobolev", 1.0, 1e-3, 0.5, 0.5, strong_convexity=1.0)
    >>> found.rates.round(12)
    array([0.70710678, 0.70710678])
    """
    choice("geometry", geometry, GEOMETRIES)
    sizes = np.atleast_1d(np.asarray(points))
    grids = [_check.integer("points", n, 1) for n in sizes.ravel()]
    if not grids:
        raise ValueError("points must have at least 1 entries, got 0")
    eta, gamma = _check.positive("min_step", min_step), _check.positive("max_step", max_step)
    tau = nonnegative("strong_convexity", strong_convexity)
    if eta * tau >= 2:
        raise ValueError(f"min_step must be < 2/strong_convexity = {2 / tau:g}, got {eta:g}")
    spectra = [torus_penalty(n, ridge, smoothing) for n in grids]
    if geometry == "sobolev":
        rates = [mode_rate("simultaneous", eta, gamma, 1 / values, 1.0, tau).rate for values in spectra]
        limit = _limit(eta * tau, gamma, eta * gamma / ridge)
        steps = np.full(len(grids), np.inf)
        return MeshRates(np.array(grids), np.array(rates), limit, np.inf, steps)
    rates = [_euclidean_rate(eta, gamma, tau, values) for values in spectra]
    room = 2 - eta * tau
    finest = np.array([values.max() for values in spectra])
    below = finest * room - eta
    steps = np.divide(2 * room, below, out=np.full(len(grids), np.inf), where=below > 0)
    square = ((2 + eta * gamma / room) / gamma - ridge) / (4 * smoothing) if smoothing else np.inf
    critical = float(np.sqrt(square)) if square > 0 else 0.0
    return MeshRates(np.array(grids), np.array(rates), np.inf if smoothing else max(rates), critical, steps)


def _euclidean_rate(eta: float, gamma: float, tau: float, penalties: Array) -> float:
    """max |z| with t = 1 and the ridge of each mode."""
    return max(mode_rate("simultaneous", eta, gamma, 1.0, float(value), tau).rate for value in np.unique(penalties))


def _limit(p: float, c: float, top: float) -> float:
    """sup of max |z| over w in (0, top]: real roots lie between 1 − p and 1 − c, complex ones on the circle √det."""
    return float(max(abs(1 - p), abs(1 - c), abs((1 - p) * (1 - c) + top) ** 0.5))


def exact_critic_bound(squared_distance: float, min_step: float, steps: int) -> float:
    r"""Bound on J(u_T) for the exact critic in function space, whatever the grid.

    .. math:: J(u_T) \le \frac{\|u_0 - u^*\|^2}{2\eta(2T+1)} \left( \frac{2T}{2T+1} \right)^{2T}

    for u ← u − ηf, f = T(u − u*)/λ, with η <= λ/‖T‖ and J = MMD²/(2λ).  Attained as the spectrum fills in.

    Parameters
    ----------
    squared_distance : float
        ‖u_0 − u*‖² in L².
    min_step : float
        η > 0; that η <= λ/‖T‖ is for the caller to see to.
    steps : int
        T >= 1.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 12.

    >>> exact_critic_bound(3.0, 0.5, 1).__round__(12)
    0.444444444444
    """
    square, eta = nonnegative("squared_distance", squared_distance), _check.positive("min_step", min_step)
    n = 2 * _check.integer("steps", steps, 1)
    return float(square / (2 * eta * (n + 1)) * np.exp(-n * np.log1p(1 / n)))
