"""Levels B and C: entry by entry bounds on the Jacobian of an LSTM step over a box."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell
from .comparison import MatrixMap
from .interval import (
    UNIT,
    Interval,
    Signed,
    join,
    row_combination,
    scale_rows,
    sigmoid_slope,
    tanh,
    tanh_slope,
    times_up,
)
from .lstm_step import Gates, blocks, everything, gates, phi

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Slopes:
    """Interval coefficients of the rows of the Jacobian, (..., n): F, a, b, d, D, q of docs/resilience, theorem 7."""

    f: Interval
    a: Interval
    b: Interval
    d: Interval
    D: Interval
    q: Interval


def slopes(gate: Gates, C: Interval, after: Interval) -> Slopes:
    """a = C·σ'(Z_f), b = G·σ'(Z_i), d = I·τ(Z_g), D = O·τ(C′), q = tanh(C′)·σ'(Z_o)."""
    return Slopes(
        gate.f,
        C * sigmoid_slope(gate.zf),
        gate.g * sigmoid_slope(gate.zi),
        gate.i * tanh_slope(gate.zg),
        gate.o * tanh_slope(after),
        tanh(after) * sigmoid_slope(gate.zo),
    )


def cell_block(rates: Slopes, weights: tuple[Signed, ...]) -> Interval:
    """A_jk = a_j R_f,jk + b_j R_i,jk + d_j R_g,jk, (..., n, k)."""
    i, f, g, _ = weights
    return row_combination((rates.a, rates.b, rates.d), (f, i, g))


def output_block(rates: Slopes, A: Interval, weights: tuple[Signed, ...]) -> Interval:
    """K_jk = D_j A_jk + q_j R_o,jk, (..., n, k)."""
    return scale_rows(rates.D, A) + row_combination((rates.q,), (weights[3],))


def box_slopes(cell: LSTMCell, X: Interval, U: Interval, after: Interval | None = None) -> Slopes:
    """The coefficients over the box X of states and U of inputs, with C′ = (F·C + p) ∩ C.

    Where X is not mapped into itself, `after` holds the new cells: C′ = (F·C + p) ∩ after.
    """
    n = cell.units
    gate, C = gates(cell, U, X[n:]), X[:n]
    return slopes(gate, C, (gate.f * C + gate.p) & (C if after is None else after))


def interval_map(cell: LSTMCell, X: Interval, U: Interval, after: Interval | None = None) -> MatrixMap:
    """Level C: M_C = [[diag F⁺, mag A], [diag(D⁺F⁺), mag K]] and the gain N_C with W in place of R.

    Source: docs/resilience, theorem 7.
    """
    n, cut = cell.units, blocks(cell)
    rates = box_slopes(cell, X, U, after)
    parts = []
    for weights in (cut.R, cut.W):
        inner = cell_block(rates, weights)
        parts.append((inner.magnitude, output_block(rates, inner, weights).magnitude))
    forget, through = rates.f.upper, times_up(rates.D.upper, rates.f.upper)
    (A, K), (AW, KW) = parts
    return MatrixMap(_assembled(forget, A, through, K), np.concatenate([AW, KW]), slice(n, 2 * n))


def signed_jacobian(cell: LSTMCell, X: Interval, U: Interval) -> Interval:
    """[J⁻, J⁺] over the box, (2n, 2n), signs kept."""
    cut = blocks(cell)
    rates = box_slopes(cell, X, U)
    inner = cell_block(rates, cut.R)
    outer, through = output_block(rates, inner, cut.R), rates.D * rates.f
    return Interval(
        _assembled(rates.f.lower, inner.lower, through.lower, outer.lower),
        _assembled(rates.f.upper, inner.upper, through.upper, outer.upper),
    )


def global_map(cell: LSTMCell, X: Interval, U: Interval) -> MatrixMap:
    """Level B: the entries with the largest slopes ¼ and 1 and the moduli of c, g, i, o, tanh c over the box X.

    Source: docs/resilience, theorem 6.
    """
    n, cut = cell.units, blocks(cell)
    gate, C = gates(cell, U, X[n:]), X[:n]
    coefficients = (0.25 * C.magnitude, 0.25 * gate.g.magnitude, gate.i.upper)
    direct, out = 0.25 * tanh(C).magnitude, gate.o.upper
    parts: list[tuple[Array, Array]] = []
    for i, f, g, o in (cut.R, cut.W):
        inner = _combined(coefficients, (f.size, i.size, g.size))
        outer = _combined((out, direct), (inner, o.size))
        parts.append((inner, outer))
    (A, K), (AW, KW) = parts
    forget = gate.f.upper
    matrix = _assembled(forget, A, times_up(out, forget), K)
    return MatrixMap(matrix, np.concatenate([AW, KW]), slice(n, 2 * n))


def global_box(cell: LSTMCell, X: Interval, U: Interval, initial: Interval) -> Interval:
    """hull(C⁰, C) × [−1, 1]ⁿ, the box of level B; C⁰ is the cell limit over [−1, 1]ⁿ."""
    n = cell.units
    start = everything(cell)
    return join([phi(cell, U, initial, start)[:n] | X[:n], start[n:]])


def _combined(coefficients: tuple[Array, ...], matrices: tuple[Array, ...]) -> Array:
    """Σ_q diag(x_q) P_q rounded up, everything nonnegative."""
    total = np.zeros(matrices[0].shape)
    for x, P in zip(coefficients, matrices, strict=True):
        total += times_up(x[:, None], P)
    return np.asarray(total * (1 + 16 * UNIT))


def _assembled(forget: Array, A: Array, through: Array, K: Array) -> Array:
    return np.block([[np.diag(forget), A], [np.diag(through), K]])
