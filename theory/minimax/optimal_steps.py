"""Which two step sizes make a quadratic minimax game with a known spectrum converge fastest."""

from dataclasses import dataclass

import numpy as np

from .. import _check
from .arguments import choice, nonnegative, number, strong

BILINEAR = ("extragradient", "optimistic")


@dataclass(frozen=True)
class OptimalSteps:
    """The best pair of steps and the rate they give.

    Attributes
    ----------
    min_step, max_step : float
        η*, γ*; nan where no pair has a uniform rate.  For extragradient and optimistic, where only ηγ matters, η* = γ*.
    rate : float
        ρ* = max |z| over the spectrum, as `mode_rate` gives it.
    no_uniform_rate : bool
        True where the spectrum reaches 0, so that ρ* = 1 whatever the steps.
    """

    min_step: float
    max_step: float
    rate: float
    no_uniform_rate: bool = False


def optimal_steps(algorithm: str, smallest: float, largest: float, ridge: float = 0.0) -> OptimalSteps:
    r"""η*, γ*, ρ* for couplings t ∈ [s, S], κ = S/s, ridge λ and no strong convexity (τ = 0).

    ==============  ==============================  =========================  =======================================
    simultaneous    γ = 2/λ                         η = λ/(s + S)              ρ = √((κ − 1)/(κ + 1))
    alternating     γ = (1 − ρ²)/λ                  ηγ = 4/(√S + √s)²          ρ = (√κ − 1)/(√κ + 1)
    extragradient   ηγ = 1/(s + S)                  needs λ = 0                ρ² = 1 − κ/(1 + κ)²
    optimistic      ηγ = (E + 1)²/(16 E S)          needs λ = 0                ρ² = (E + 1)/4
    ==============  ==============================  =========================  =======================================

    with E the larger root of κE² − (3κ − 1)E + 1.  Alternating is heavy ball on MMD²/(2λ); its z is a double root at
    both ends of the spectrum, so residuals decay like k ρ^k.

    Parameters
    ----------
    algorithm : str
        simultaneous and alternating with λ > 0, extragradient and optimistic with λ = 0.
    smallest, largest : float
        0 <= s <= S, S > 0.  With s = 0 no steps give a uniform rate.
    ridge : float
        λ.

    Raises ValueError for s > S (κ < 1), a ridge of the wrong kind or another algorithm.
    Source: docs/minimax, theorem 10.

    >>> optimal_steps("simultaneous", 1.0, 1.0, ridge=0.5)
    OptimalSteps(min_step=0.25, max_step=4.0, rate=0.0, no_uniform_rate=False)
    >>> round(optimal_steps("alternating", 0.1, 2.0, ridge=0.8).rate, 12)
    0.634512004737
    """
    choice("algorithm", algorithm, ("simultaneous", "alternating", *BILINEAR))
    low, high = nonnegative("smallest", smallest), _check.positive("largest", largest)
    if low > high:
        raise ValueError(f"smallest must be <= largest = {high:g}, so that the condition number is >= 1, got {low:g}")
    if algorithm in BILINEAR and number("ridge", ridge) != 0:
        raise ValueError(
            f"ridge must be 0 for {algorithm}, whose optimum is known for bilinear games only, got {ridge:g}"
        )
    weight = 0.0 if algorithm in BILINEAR else strong("ridge", ridge)
    if low == 0:
        return OptimalSteps(np.nan, np.nan, 1.0, no_uniform_rate=True)
    if algorithm == "simultaneous":
        rate = np.sqrt((high - low) / (high + low))
        return OptimalSteps(weight / (low + high), 2 / weight, float(rate))
    if algorithm == "alternating":
        above, below = np.sqrt(high), np.sqrt(low)
        rate = (above - below) / (above + below)
        gamma = 4 * above * below / (above + below) ** 2 / weight  # 1 − ρ²
        return OptimalSteps(float(4 / (above + below) ** 2 / gamma), float(gamma), float(rate))
    if algorithm == "extragradient":
        step, square = 1 / (low + high), 1 - high * low / (low + high) ** 2
    else:
        e = _larger_root(high / low)
        step, square = (e + 1) ** 2 / (16 * e * high), (e + 1) / 4
    return OptimalSteps(float(np.sqrt(step)), float(np.sqrt(step)), float(np.sqrt(square)))


def _larger_root(kappa: float) -> float:
    return float((3 * kappa - 1 + np.sqrt((9 * kappa - 1) * (kappa - 1))) / (2 * kappa))


def monotone_steps(largest: float, modulus: float) -> OptimalSteps:
    r"""The best equal steps where both players have the modulus m = λ = τ, simultaneous.

    .. math:: \eta = \gamma = \frac{m}{m^2 + S}, \qquad \rho = \sqrt{\frac{S}{m^2 + S}}

    The rate is set by the top of the spectrum, so it does not depend on a grid.

    Parameters
    ----------
    largest : float
        S >= 0, the largest coupling; the smallest does not enter.
    modulus : float
        m > 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 10.

    >>> monotone_steps(3.0, 1.0).min_step
    0.25
    """
    high, m = nonnegative("largest", largest), strong("modulus", modulus)
    step = m / (m**2 + high)
    return OptimalSteps(step, step, float(np.sqrt(high / (m**2 + high))))
