"""The rival of resilience_tightness.py: norms of whole blocks of weights, as published and at their best.

Everything is in floating point, not rounded outward.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lemmata.theory.resilience import LSTMCell, Stack

Array = NDArray[np.float64]

MOST = 100_000  # powers of a matrix that are taken one by one
REFINED = 200  # rounds of the bounds of a tuned norm


def scalar_set(cell: LSTMCell, bound: float, rounds: int) -> tuple[float, float]:
    """c̄ and h̄ with |c| <= c̄, |h| <= h̄ from rest under |u| <= bound: h̄ = 1, or σ̄_o tanh c̄ of the round before."""
    hidden = 1.0
    for _ in range(rounds):
        hidden = min(hidden, gate_bounds(cell, bound, hidden)[2] * math.tanh(cell_bound(cell, bound, hidden)))
    return cell_bound(cell, bound, hidden), hidden


def gate_bounds(cell: LSTMCell, bound: float, hidden: float) -> tuple[float, float, float, float]:
    """σ̄_i, σ̄_f, σ̄_o and φ̄_g: σ and tanh of the largest row sum of [|W_k| u, |R_k| h̄, |b_k|]."""
    rows = np.abs(cell.weight_ih).sum(1) * bound + np.abs(cell.weight_hh).sum(1) * hidden + np.abs(cell.bias)
    ai, af, ag, ao = rows.reshape(4, -1).max(1)
    return float(expit(ai)), float(expit(af)), float(expit(ao)), float(np.tanh(ag))


def cell_bound(cell: LSTMCell, bound: float, hidden: float) -> float:
    """c̄ = σ̄_i φ̄_g / (1 − σ̄_f)."""
    si, sf, _, pg = gate_bounds(cell, bound, hidden)
    return si * pg / (1 - sf) if sf < 1 else math.inf


def norm_matrix(cell: LSTMCell, bound: float, within: tuple[float, float], order: float) -> Array:
    """A of (‖Δc⁺‖, ‖Δh⁺‖) <= A (‖Δc‖, ‖Δh‖) for |u| <= bound, |c| <= c̄, |h| <= h̄; not rounded outward.

    A = [[σ̄_f, α], [σ̄_o σ̄_f, σ̄_o α + ¼ φ̄_c ‖R_o‖]], α = ¼ ‖R_f‖ c̄ + σ̄_i ‖R_g‖ + ¼ φ̄_g ‖R_i‖, φ̄_c = tanh c̄.  The
    condition as published is ρ(A) < 1 in the Euclidean norm with h̄ = 1.

    Source: [T21] and theorem 4 of docs/resilience, whose level A2 it is.
    """
    c, hidden = within
    si, sf, so, pg = gate_bounds(cell, bound, hidden)
    Ri, Rf, Rg, Ro = (float(np.linalg.norm(block, order)) for block in np.split(cell.weight_hh, 4))
    alpha = Rf * c / 4 + si * Rg + pg * Ri / 4
    return np.array([[sf, alpha], [so * sf, so * alpha + np.tanh(c) * Ro / 4]])


def spectral_radius(A: Array) -> float:
    """ρ(A), infinite where an entry is no number."""
    return float(np.abs(np.linalg.eigvals(A)).max()) if np.isfinite(A).all() else math.inf


def steps_by_powers(A: Array, start: Array, row: float, epsilon: float) -> float:
    """1 + max{t : row · (Aᵗ δ_0)_h > ε}, infinite unless ρ(A) < 1; past `MOST` steps by the logarithm."""
    if not spectral_radius(A) < 1:
        return math.inf
    v, deviation, last = np.linalg.solve(np.eye(2) - A, np.ones(2)), start, -1
    for t in range(MOST):
        if row * deviation[1] > epsilon:
            last = t
        if row * v[1] * (deviation / v).max() <= epsilon:
            return last + 1
        deviation = A @ deviation
    excess, rate = row * v[1] * (deviation / v).max() / epsilon, (A @ v / v).max()
    return MOST + math.ceil(math.log(excess) / -math.log(rate))


def published(stack: Stack, bound: float, anomaly: float, epsilon: float) -> tuple[float, float]:
    """ρ(A) of the published condition, and the steps that powers of A give for states within the bounds it knows."""
    cell = stack.layers[0]
    assert isinstance(cell, LSTMCell)
    usual, wide = (scalar_set(cell, u, 0) for u in (bound, anomaly))
    hidden = [gate_bounds(cell, u, 1.0)[2] * math.tanh(c) for u, (c, _) in ((bound, usual), (anomaly, wide))]
    start = cell.units**0.5 * np.array([usual[0] + wide[0], sum(hidden)])
    A = norm_matrix(cell, bound, wide, 2)
    return spectral_radius(norm_matrix(cell, bound, usual, 2)), steps_by_powers(A, start, row_norm(stack, 2), epsilon)


def tuned(stack: Stack, bound: float, anomaly: float, epsilon: float, widths: Array) -> tuple[float, float]:
    """The same at its best: h̄ refined, the better of both norms, deviations at the start from the boxes S_n and S_a."""
    cell = stack.layers[0]
    assert isinstance(cell, LSTMCell)
    usual, wide = (scalar_set(cell, u, REFINED) for u in (bound, anomaly))
    rates, steps = [], []
    for order in (2.0, math.inf):
        start = np.linalg.norm(widths.reshape(2, -1), order, axis=1)
        A = norm_matrix(cell, bound, wide, order)
        rates.append(spectral_radius(norm_matrix(cell, bound, usual, order)))
        steps.append(steps_by_powers(A, start, row_norm(stack, order), epsilon))
    return min(rates), min(steps)


def row_norm(stack: Stack, order: float) -> float:
    """The largest |(C_y h)_j| over ‖h‖ <= 1."""
    if stack.output is None:
        return 1.0
    return float(np.linalg.norm(stack.output, 2 if order == 2 else 1, axis=1).max())
