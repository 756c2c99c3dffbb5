"""The closed forms of this folder as SymPy formulas, to be printed, differentiated or put into a paper."""

from typing import Any

import sympy as sp

d, omega = sp.symbols("d omega", nonnegative=True)
p, q = sp.symbols("pi_k pi_j", positive=True)
mu, nu = sp.symbols("mu_k mu_j", real=True)
sigma, tau = sp.symbols("sigma_k sigma_j", positive=True)
z = sp.Symbol("z")


def affinity(power: Any = z) -> Any:
    r"""C(z) = ∫ N_k^{1-z} N_j^z of two Gaussians on the line, in μ_k, μ_j, σ_k, σ_j; SymPy.

    Source: docs/entropy, lemma 1.

    >>> sp.simplify(affinity(0)), sp.simplify(affinity(1))
    (1, 1)
    """
    ratio, square = tau**2 / sigma**2, (nu - mu) ** 2 / sigma**2
    u = (1 - power) * ratio + power
    return ratio ** ((1 - power) / 2) / sp.sqrt(u) * sp.exp(-power * (1 - power) * square / (2 * u))


def bhattacharyya_coefficient() -> Any:
    """BC = ∫ √(N_k N_j) of two Gaussians on the line: C(1/2)."""
    return sp.simplify(affinity(sp.Rational(1, 2)))


def bhattacharyya_gap_upper() -> Any:
    r"""2 log 2 √(π_k π_j) BC, the bound on the gap of two components on the line.

    Source: docs/entropy, theorem 4.
    """
    return 2 * sp.log(2) * sp.sqrt(p * q) * bhattacharyya_coefficient()


def pair_gap_integrand() -> Any:
    r"""The integrand in ω of the two-component identity on Re z = 1/2, before the real part is taken.

    Δ is the integral over (0, ∞) of its real part, for two components on the line.  Source: docs/entropy, theorem 2.
    """
    power = sp.Rational(1, 2) + sp.I * omega
    weight = sp.sqrt(p * q) * sp.exp(sp.I * omega * sp.log(q / p))
    return weight * affinity(power) / ((sp.Rational(1, 4) + omega**2) * sp.cosh(sp.pi * omega))


def equal_covariance_pair_gap() -> Any:
    r"""Δ of two components with one covariance, any dimension, as an unevaluated integral in d, π_k, π_j.

    d is the Mahalanobis distance of the means.  Source: docs/entropy, theorem 2.

    >>> equal_covariance_pair_gap().free_symbols == {d, p, q}
    True
    """
    y = sp.Rational(1, 4) + omega**2
    integrand = sp.cos(omega * sp.log(q / p)) * sp.exp(-y * d**2 / 2) / (y * sp.cosh(sp.pi * omega))
    return sp.sqrt(p * q) * sp.Integral(integrand, (omega, 0, sp.oo))


def equal_covariance_bhattacharyya_gap_upper() -> Any:
    """2 log 2 √(π_k π_j) e^{-d²/8}, the bound on `equal_covariance_pair_gap`.

    >>> equal_covariance_bhattacharyya_gap_upper().subs({d: 0, p: sp.Rational(1, 2), q: sp.Rational(1, 2)})
    log(2)
    """
    return 2 * sp.log(2) * sp.sqrt(p * q) * sp.exp(-(d**2) / 8)
