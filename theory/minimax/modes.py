"""How fast one mode of a quadratic minimax game shrinks under four algorithms, and when it does not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .arguments import choice, nonnegative, numbers

Array = NDArray[np.float64]

ALGORITHMS = ("simultaneous", "alternating", "extragradient", "optimistic")


@dataclass(frozen=True, eq=False)
class ModeRate:
    """The decay per step of a game that falls into modes.

    Attributes
    ----------
    rate : float
        max |z| over the modes that are not neutral, z the roots of `mode_polynomial`; nan where there is none.
    moduli : (T,)
        max |z| of each coupling; at a neutral one that of the roots other than z = 1.
    neutral : int
        Couplings t = 0 without strong convexity: z = 1 is a root, the mode never moves, and it is left out of `rate`.
    reason : str
        Why `rate` is nan, else empty.
    """

    rate: float
    moduli: Array
    neutral: int
    reason: str = ""


def mode_polynomial(
    algorithm: str,
    min_step: float,
    max_step: float,
    coupling: float,
    ridge: float = 0.0,
    strong_convexity: float = 0.0,
) -> Array:
    r"""The characteristic polynomial of one mode's update, highest power first, with p = ητ, c = γλ, w = ηγt.

    ================  =================================================================
    simultaneous      :math:`z^2 - (2 - p - c) z + (1 - p)(1 - c) + w`
    alternating       :math:`z^2 - (2 - p - c - w) z + (1 - p)(1 - c)`
    extragradient     :math:`\prod_a (z - 1 + a - a^2)`, :math:`a^2 - (p + c) a + pc + w = 0`
    optimistic        :math:`\prod_a (z^2 - (1 - 2a) z - a)`, the same two a
    ================  =================================================================

    `mode_rate` explains the arguments and errors.  Source: docs/minimax, theorem 9.

    >>> mode_polynomial("simultaneous", 1.0, 1.0, 0.5, ridge=1.0)
    array([ 1. , -1. ,  0.5])
    """
    p, c, products = _products(algorithm, min_step, max_step, [coupling], ridge, strong_convexity)
    return _polynomial(algorithm, p, c, float(products[0]))


def _polynomial(algorithm: str, p: float, c: float, w: float) -> Array:
    a, b = p + c, p * c + w  # sum and product of the two values a
    return np.array(
        {
            "simultaneous": [1.0, a - 2, (1 - p) * (1 - c) + w],
            "alternating": [1.0, a + w - 2, (1 - p) * (1 - c)],
            "extragradient": [1.0, a - 2 - a**2 + 2 * b, 1 - a + a**2 - b - a * b + b**2],
            "optimistic": [1.0, 2 * a - 2, 1 - 3 * a + 4 * b, a - 4 * b, b],
        }[algorithm]
    )


def mode_roots(
    algorithm: str,
    min_step: float,
    max_step: float,
    coupling: ArrayLike,
    ridge: float = 0.0,
    strong_convexity: float = 0.0,
) -> NDArray[np.complex128]:
    """The eigenvalues z of the update of each mode: (T, 2), for optimistic (T, 4).

    By the quadratic formula without cancellation: relative error near 1e-15 but at double roots, where it is near 1e-8.
    `mode_rate` explains the arguments and errors.  Source: docs/minimax, theorem 9.

    >>> mode_roots("alternating", 1.0, 1.0, [0.5], ridge=1.0).real
    array([[0. , 0.5]])
    """
    p, c, w = _products(algorithm, min_step, max_step, np.atleast_1d(coupling), ridge, strong_convexity)
    if algorithm == "simultaneous":
        return 1 - _quadratic(p + c, p * c + w, (p - c) ** 2 / 4 - w)
    if algorithm == "alternating":
        # in a = 1 − z: a² − (p + c + w) a + pc + w, and its discriminant without cancellation at w = 0
        return 1 - _quadratic(p + c + w, p * c + w, ((p - c) ** 2 + w**2 + 2 * (p + c - 2) * w) / 4)
    a = _quadratic(p + c, p * c + w, (p - c) ** 2 / 4 - w)
    if algorithm == "extragradient":
        return 1 - a + a**2
    root = np.sqrt(1 + 4 * a**2)
    # z = (1 − 2a ± root)/2 with product −a: the smaller from the larger
    large = (1 - 2 * a + np.where(((1 - 2 * a) * root.conj()).real >= 0, root, -root)) / 2
    return np.concatenate([large, np.divide(-a, large, out=np.zeros_like(a), where=large != 0)], axis=1)


def _quadratic(total: float | Array, product: Array, discriminant: Array) -> NDArray[np.complex128]:
    """Both roots of a² − total a + product, given total²/4 − product; (T, 2), the larger first."""
    half = np.broadcast_to(np.asarray(total, dtype=float) / 2, product.shape)
    root = np.sqrt(discriminant.astype(complex))
    large = np.where(half >= 0, half + root, half - root)
    small = np.where(
        discriminant >= 0,
        np.divide(product, large, out=np.zeros_like(large), where=large != 0),
        half - np.where(half >= 0, root, -root),
    )
    return np.stack([large, small], axis=1)


def mode_rate(
    algorithm: str,
    min_step: float,
    max_step: float,
    coupling: ArrayLike,
    ridge: float = 0.0,
    strong_convexity: float = 0.0,
) -> ModeRate:
    r"""ρ = max |z| of the game ⟨f, Bu⟩ − (λ/2)‖f‖² + (τ/2)‖u‖² under an algorithm, over the modes t of B*B.

    Each player moves along the gradient in its own geometry.  Simultaneous: u and f from the same point.  Alternating:
    u first, then f with the new u.  Extragradient: a trial step of both, then the step with the trial's gradients.
    Optimistic: twice the new gradient less the old.  Residuals shrink like ρ^k, at a double root like k ρ^k.

    Parameters
    ----------
    algorithm : str
        simultaneous, alternating, extragradient or optimistic.
    min_step, max_step : float
        η > 0 of the minimising u, γ > 0 of the maximising f.
    coupling : (T,) or number
        t >= 0.
    ridge, strong_convexity : float
        λ >= 0, τ >= 0.

    Returns
    -------
    rate : ModeRate
        Relative error near 1e-15 away from double roots, near 1e-8 at them.

    Raises ValueError for a step <= 0, a negative or infinite argument or another algorithm.
    Source: docs/minimax, theorem 9.

    >>> round(mode_rate("simultaneous", 0.4, 0.6, 0.7, ridge=0.5).rate, 12)
    0.931665175908
    >>> mode_rate("extragradient", 0.4, 0.6, [0.0, 0.7]).neutral
    1
    """
    t = np.atleast_1d(_check.finite("coupling", coupling))
    moduli = np.abs(mode_roots(algorithm, min_step, max_step, t, ridge, strong_convexity))
    still = (t == 0) & (strong_convexity == 0)
    for row in np.flatnonzero(still):
        roots = mode_roots(algorithm, min_step, max_step, t[row], ridge, strong_convexity)[0]
        moduli[row, np.argmin(np.abs(roots - 1))] = 0.0
    largest = moduli.max(axis=1)
    if still.all():
        reason = "every mode is neutral: t = 0 without strong convexity"
        return ModeRate(np.nan, largest, int(still.sum()), reason)
    return ModeRate(float(largest[~still].max()), largest, int(still.sum()))


def stable(
    algorithm: str,
    min_step: float,
    max_step: float,
    coupling: ArrayLike,
    ridge: float = 0.0,
    strong_convexity: float = 0.0,
) -> bool:
    r"""Whether every mode that is not neutral has all |z| < 1, by inequalities, with no root taken.

    ================  ==================================================================
    simultaneous      (1−p)(1−c) + w < 1, pc + w > 0, (2−p)(2−c) + w > 0
    alternating       |(1−p)(1−c)| < 1, pc + w > 0, w < (2−p)(2−c)
    extragradient     |1 − a + a²| < 1 for both a
    optimistic        Schur's recursion on the quartic
    ================  ==================================================================

    p = ητ, c = γλ, w = ηγt, a as in `mode_polynomial`; arguments and errors as in `mode_rate`.  The edge itself counts
    as unstable, and is decided up to rounding.  Source: docs/minimax, theorem 9.

    >>> stable("simultaneous", 0.1, 0.1, 1.0), stable("extragradient", 0.1, 0.1, 1.0)
    (False, True)
    """
    t = np.atleast_1d(_check.finite("coupling", coupling))
    p, c, w = _products(algorithm, min_step, max_step, t, ridge, strong_convexity)
    if p == 0:
        w = w[t > 0]
    if algorithm == "simultaneous":
        # (1−p)(1−c) + w < 1 without the cancelling ones
        inside = (p * c + w < p + c) & (p * c + w > 0) & ((2 - p) * (2 - c) + w > 0)
    elif algorithm == "alternating":
        inside = (p * c + w > 0) & (w < (2 - p) * (2 - c)) & (0 < p + c - p * c < 2)
    elif algorithm == "extragradient":
        a = _quadratic(p + c, p * c + w, (p - c) ** 2 / 4 - w)
        inside = np.abs(1 - a + a**2) < 1
    else:
        inside = np.array([_schur(_polynomial(algorithm, p, c, float(value))) for value in w], dtype=bool)
    return bool(np.all(inside))


def _schur(polynomial: Array) -> bool:
    """Whether all roots lie inside the unit circle: |a_0| < |a_n| at every reduction."""
    while len(polynomial) > 1:
        if not abs(polynomial[-1]) < abs(polynomial[0]):
            return False
        polynomial = (polynomial[0] * polynomial - polynomial[-1] * polynomial[::-1])[:-1]
    return True


def _products(
    algorithm: str, min_step: float, max_step: float, coupling: ArrayLike, ridge: float, strong_convexity: float
) -> tuple[float, float, Array]:
    """p = ητ, c = γλ and w = ηγt."""
    choice("algorithm", algorithm, ALGORITHMS)
    eta, gamma = _check.positive("min_step", min_step), _check.positive("max_step", max_step)
    lam, tau = nonnegative("ridge", ridge), nonnegative("strong_convexity", strong_convexity)
    return eta * tau, gamma * lam, eta * gamma * numbers("coupling", coupling)
