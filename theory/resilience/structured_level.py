"""Level S: a Euclidean norm in which an LSTM step contracts, each uncertain slope with a multiplier of its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky

from .affine_step import Bounds
from .cell import LSTMCell
from .interval import UNIT, sigmoid, sigmoid_slope, tanh, tanh_slope, up
from .jacobian_level import Slopes
from .lstm_step import blocks

Array = NDArray[np.float64]

CHANNELS = 6  # uncertain slopes a unit: f, a, b, d, D, q
ENTRY = 2.0**-46  # relative rounding of an entry of the system, against the sum of moduli


@dataclass(frozen=True, eq=False)
class System:
    """Δx⁺ = A Δx + B w, y = C Δx + E w, w_k = δ_k y_k with |δ_k| <= 1, and the same with moduli.

    Attributes
    ----------
    A : (2n, 2n)
    B : (2n, 6n)
    C : (6n, 2n)
    E : (6n, 6n)

    Source: docs/resilience, theorem 19.
    """

    A: Array
    B: Array
    C: Array
    E: Array

    @property
    def joined(self) -> tuple[Array, Array]:
        """[A B] and [C E]."""
        return np.hstack([self.A, self.B]), np.hstack([self.C, self.E])


def secant_slopes(bounds: Bounds) -> Slopes:
    """The coefficients of Δc⁺ = f Δc + (a R_f + b R_i + d R_g) Δh and Δh⁺ = D Δc⁺ + q R_o Δh between two states.

    f ∈ F, a ∈ C·σ'(Z_f), b ∈ G·σ'(Z_i), d ∈ I·τ(Z_g), D ∈ O·τ(C), q ∈ tanh(C)·σ'(Z_o), both states and new cells
    within the bounds.
    """
    zi, zf, zg, zo, C = (bounds.kind(k) for k in range(5))
    return Slopes(
        sigmoid(zf),
        C * sigmoid_slope(zf),
        tanh(zg) * sigmoid_slope(zi),
        sigmoid(zi) * tanh_slope(zg),
        sigmoid(zo) * tanh_slope(C),
        tanh(C) * sigmoid_slope(zo),
    )


def structured_systems(cell: LSTMCell, rates: Slopes) -> tuple[System, System]:
    """The system of a step in floating point, and the system of moduli that bounds the rounding of its entries."""
    R = [P.matrix for P in blocks(cell).R]
    parts = (rates.f, rates.a, rates.b, rates.d, rates.D, rates.q)
    middles = [0.5 * (x.lower + x.upper) for x in parts]
    radii = [np.maximum(up(x.upper - m), up(m - x.lower)) for x, m in zip(parts, middles, strict=True)]
    sizes = [np.abs(m) for m in middles]
    return _system(middles, radii, R), _system(sizes, radii, [np.abs(P) for P in R])


def _system(middles: list[Array], radii: list[Array], R: list[Array]) -> System:
    f, a, b, d, D, q = (x[:, None] for x in middles)
    rf, ra, rb, rd, rD, rq = (x[:, None] for x in radii)
    n = len(f)
    one, none = np.eye(n), np.zeros((n, n))
    Ri, Rf, Rg, Ro = R
    Ac = np.hstack([f * one, a * Rf + b * Ri + d * Rg])
    Bc = np.hstack([one, one, one, one, none, none])
    A = np.vstack([Ac, D * Ac + np.hstack([none, q * Ro])])
    B = np.vstack([Bc, D * Bc + np.hstack([none, none, none, none, one, one])])
    C = np.vstack([np.hstack([rf * one, none]), *(np.hstack([none, r * P]) for r, P in ((ra, Rf), (rb, Ri), (rd, Rg)))])
    C = np.vstack([C, rD * Ac, np.hstack([none, rq * Ro])])
    E = np.zeros((CHANNELS * n, CHANNELS * n))
    E[4 * n : 5 * n] = rD * Bc
    return System(A, B, C, E)


def inequality(system: System, P: Array, multipliers: Array, rate: float) -> Array:
    """N = diag(λ²P, T) − [A B]ᵀP[A B] − [C E]ᵀT[C E], (8n, 8n), in floating point."""
    AB, CE = system.joined
    d = len(P)
    N = -AB.T @ (P @ AB) - CE.T @ (multipliers[:, None] * CE)
    N[:d, :d] += rate**2 * P
    N[d:, d:] += np.diag(multipliers)
    return np.asarray(0.5 * (N + N.T))


def holds(systems: tuple[System, System], P: Array, multipliers: Array, rate: float) -> bool:
    """Whether N >= 0 is proved, so that ‖Δx⁺‖_P <= λ ‖Δx‖_P for every pair of states and slopes of the system.

    Source: docs/resilience, theorem 19 and lemma 20.
    """
    system, moduli = systems
    N = inequality(system, P, multipliers, rate)
    AB, CE = moduli.joined
    d = len(P)
    error = AB.T @ (np.abs(P) @ AB) + CE.T @ (multipliers[:, None] * CE)
    error[:d, :d] += rate**2 * np.abs(P)
    error[d:, d:] += np.diag(multipliers)
    error *= 8 * (len(N) + 16) * UNIT + 8 * ENTRY
    return least_eigenvalue(N, error, np.concatenate([np.diagonal(P), multipliers]))[0] >= 0


def least_eigenvalue(N: Array, error: Array, sizes: Array) -> tuple[float, Array]:
    """A proved lower bound on the eigenvalues of S X S for every symmetric |X − N| <= error, and S.

    S is diagonal, of powers of two near sizes^(−1/2).  With any R, X = μ I + RᵀR + rest in the scale S, so that no
    eigenvalue is below μ − ‖rest‖_F; R is a computed Cholesky factor, μ half of the least eigenvalue or near it.

    Source: docs/resilience, lemma 20.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = np.exp2(-np.round(0.5 * np.log2(sizes)))
    if not (np.isfinite(scale).all() and np.isfinite(N).all() and np.isfinite(error).all()):
        return -np.inf, scale
    scaled = N * scale[:, None] * scale
    off = float(np.linalg.norm(error * scale[:, None] * scale))
    m = len(N)
    shift = 0.5 * float(np.linalg.eigvalsh(scaled)[0])
    try:
        R = cholesky(scaled - shift * np.eye(m))
    except LinAlgError:
        return -np.inf, scale
    rest = float(np.linalg.norm(scaled - shift * np.eye(m) - R.T @ R))
    size = float(np.linalg.norm(R)) ** 2 + float(np.linalg.norm(scaled)) + abs(shift) * m
    rest = (rest + off) * (1 + 2.0**-20) + 4 * (m + 16) * UNIT * size + 2.0**-500
    return shift - rest, scale
