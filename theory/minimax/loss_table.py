"""The losses of adversarial training: functional, optimal critic, and what each does about the three conditions."""

from dataclasses import dataclass

import numpy as np

from .arguments import choice, number


@dataclass(frozen=True)
class Entry:
    """Whether a condition holds for a bare loss: the constant as a formula, or the witness against it."""

    holds: bool
    constant: str
    reason: str


@dataclass(frozen=True)
class Loss:
    """A row of table 1 of docs/minimax: J(μ), its optimal critic Φ_μ up to a constant, and D1 to D3."""

    functional: str
    critic: str
    entries: tuple[Entry, Entry, Entry]
    kernel: bool = False  # the critic comes from a kernel in closed form, not from a network


DENSITIES = "μ(1 + ε cos(x/ε)) is within O(ε²) of μ in W₁, yet ∇Φ moves by O(1)"
JUMP = "δ_t and δ_{−t} with μ₀ = δ_0: ∇Φ changes sign while W₁ = 2t → 0"


def failing(reason: str) -> Entry:
    return Entry(False, "", reason)


LOSSES = {
    "minimax": Loss(
        "JS(μ, μ₀)",
        "½ log(1 − D), D = μ₀/(μ + μ₀)",
        (
            failing("N(m, 1) against N(0, 1) has α = |m|/2, which no constant bounds"),
            failing("N(m, 1) against N(0, 1) has β₁ = m²/8, which no constant bounds"),
            failing(DENSITIES),
        ),
    ),
    "non_saturating": Loss(
        "KL(½μ + ½μ₀ ‖ μ₀)",
        "−½ log D, D = μ₀/(μ + μ₀)",
        (
            failing("N(m, 1) against N(0, 1) has α = |m|/2, which no constant bounds"),
            failing("N(m, 1) against N(0, 1) has β₁ = m²/8, which no constant bounds"),
            failing(DENSITIES),
        ),
    ),
    "kl": Loss(
        "KL(μ ‖ μ₀)",
        "log(μ/μ₀)",
        (
            failing("N(m, 1) against N(0, 1) has α = |m|, which no constant bounds"),
            failing("N(0, v) against N(0, 1) has β₁ = |1 − 1/v|, which no constant bounds as v → 0"),
            failing(DENSITIES),
        ),
    ),
    "chi_squared": Loss(
        "χ²(μ ‖ μ₀)",
        "2μ/μ₀",
        (
            failing("N(m, 1) against N(0, 1) has Φ = 2 exp(mx − m²/2), whose slope is unbounded"),
            failing("N(m, 1) against N(0, 1) has Φ = 2 exp(mx − m²/2), whose curvature is unbounded"),
            failing(DENSITIES),
        ),
    ),
    "wasserstein": Loss(
        "W₁(μ, μ₀)",
        "a Kantorovich potential",
        (
            Entry(True, "1", "the critic is 1-Lipschitz by definition"),
            failing("μ = ½(δ_{−1} + δ_1), μ₀ = δ_0 force Φ = |x| between the atoms, a kink"),
            failing("on the line Φ' = −sign(F_μ − F_0), which flips while W₁(μ, μ₀) → 0"),
        ),
    ),
    "mmd": Loss(
        "MMD(μ, μ₀), not squared",
        "(m_μ − m_μ₀)/MMD(μ, μ₀)",
        (
            Entry(True, "√K1", "the critic has norm 1 in the RKHS"),
            Entry(True, "√K2", "the critic has norm 1 in the RKHS"),
            failing(JUMP),
        ),
        kernel=True,
    ),
    "energy": Loss(
        "half the energy distance, MMD²/2 with k = −|x − y| on the line",
        "Φ' = −2(F_μ − F_0)",
        (
            Entry(True, "2", "distribution functions differ by at most 1"),
            failing("Φ' jumps where μ has an atom"),
            failing("δ_x and δ_{x+t} differ by 2 in Φ' between them while W₁ = t → 0"),
        ),
        kernel=True,
    ),
    "ridge": Loss(
        "MMD²(μ, μ₀)/(2λ)",
        "(m_μ − m_μ₀)/λ",
        (
            Entry(True, "2 max|ψ'|/λ", "∇Φ is an integral of ∇k against a difference of probabilities"),
            Entry(True, "(M + K1)/λ", "∇²Φ is an integral of ∇²k against a difference of probabilities"),
            Entry(True, "K1/λ", "y ↦ ∇k(x, y) is K1-Lipschitz"),
        ),
        kernel=True,
    ),
}


@dataclass(frozen=True)
class GaussianPair:
    """The least α and β₁ of the optimal critic of one pair of measures; inf where there is none."""

    alpha: float
    beta1: float


def gaussian_pair(loss: str, shift: float) -> GaussianPair:
    r"""α = sup|Φ'| and β₁ = sup|Φ''| of the optimal critic for N(m, 1) against N(0, 1).

    ================================  ======  =======
    minimax, non_saturating           |m|/2   m²/8
    kl                                |m|     0
    chi_squared                       inf     inf (0 at m = 0)
    ================================  ======  =======

    Exact.  They grow with the shift m, which is why D1 fails for these losses.
    Raises ValueError for another loss.  Source: docs/minimax, section 1.

    >>> gaussian_pair("minimax", 2.0)
    GaussianPair(alpha=1.0, beta1=0.5)
    """
    choice("loss", loss, ("minimax", "non_saturating", "kl", "chi_squared"))
    m = abs(number("shift", shift))
    if loss == "kl":
        return GaussianPair(m, 0.0)
    if loss == "chi_squared":
        return GaussianPair(np.inf, np.inf) if m else GaussianPair(0.0, 0.0)
    return GaussianPair(m / 2, m**2 / 8)
