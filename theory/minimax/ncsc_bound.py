"""How many steps of descent-ascent find a nearly stationary point when only the maximisation is well behaved."""

from dataclasses import dataclass

import numpy as np

from .. import _check
from .arguments import nonnegative, strong


@dataclass(frozen=True)
class NCSCBound:
    """Steps and promise of simultaneous gradient descent-ascent on a nonconvex-strongly-concave f.

    Attributes
    ----------
    condition : float
        κ = ℓ/μ.
    min_step, max_step : float
        η_x = 1/(6κ²ℓ), η_y = 1/ℓ.
    constant : float
        21.6 κ²ℓ ΔΦ + 7.2 κℓ² δ_0.
    bound : float
        constant/T, on the mean of ‖∇Φ(x_t)‖² over t < T.
    """

    condition: float
    min_step: float
    max_step: float
    constant: float
    bound: float

    def steps(self, tolerance: float) -> int:
        """The T after which some iterate has ‖∇Φ‖ <= tolerance: ⌈constant/tolerance²⌉, at least 1."""
        return max(1, int(np.ceil(self.constant / _check.positive("tolerance", tolerance) ** 2)))


def ncsc_bound(
    smoothness: float, strong_concavity: float, gap: float, squared_distance: float, steps: int = 1
) -> NCSCBound:
    r"""Step sizes and the bound for min over x, max over y of f, Φ(x) = max_y f(x, y).

    .. math:: \frac1T \sum_{t<T} \|\nabla\Phi(x_t)\|^2 \le
        \frac{21.6\, \kappa^2 \ell\, \Delta_\Phi + 7.2\, \kappa \ell^2\, \delta_0}{T}

    The maximisation may be over a closed convex set, with projection.  Not tight.

    Parameters
    ----------
    smoothness : float
        ℓ > 0: ∇f is ℓ-Lipschitz in (x, y).
    strong_concavity : float
        μ in (0, ℓ]: f(x, ·) is μ-strongly concave.
    gap : float
        ΔΦ = Φ(x_0) − inf Φ >= 0.
    squared_distance : float
        δ_0 = ‖y_0 − y*(x_0)‖² >= 0.
    steps : int
        T >= 1.

    Raises ValueError for μ <= 0, μ > ℓ, a negative gap or T < 1.
    Source: docs/minimax, theorem 20; the rate's order is that of T. Lin, C. Jin, M. Jordan, ICML 2020.

    >>> found = ncsc_bound(2.0, 0.5, gap=3.0, squared_distance=1.0)
    >>> found.condition, found.max_step, found.steps(0.11)
    (4.0, 0.5, 180893)
    """
    ell, mu = _check.positive("smoothness", smoothness), strong("strong_concavity", strong_concavity)
    if mu > ell:
        raise ValueError(f"strong_concavity must be <= smoothness = {ell:g}, got {mu:g}")
    room, start = nonnegative("gap", gap), nonnegative("squared_distance", squared_distance)
    count, kappa = _check.integer("steps", steps, 1), ell / mu
    total = 21.6 * kappa**2 * ell * room + 7.2 * kappa * ell**2 * start
    return NCSCBound(kappa, 1 / (6 * kappa**2 * ell), 1 / ell, total, total / count)


def quadratic_threshold(smoothness: float, strong_concavity: float) -> float:
    r"""The exact η_x below which descent-ascent with η_y = 1/ℓ is stable on one quadratic: 1/((κ − 1)ℓ).

    For f = −(ℓ/4)x² + bxy − (μ/2)y² with b² = ℓ(ℓ − μ)/2, whose joint smoothness is exactly ℓ; so no universal η_x can
    be larger.  Raises ValueError for κ <= 2, where Φ is not bounded below.  Source: docs/minimax, theorem 20.

    >>> quadratic_threshold(1.0, 0.25)
    0.3333333333333333
    """
    ell, mu = _check.positive("smoothness", smoothness), strong("strong_concavity", strong_concavity)
    if ell <= 2 * mu:
        raise ValueError(f"strong_concavity must be < smoothness/2 = {ell / 2:g}, got {mu:g}")
    return mu / (ell * (ell - mu))
