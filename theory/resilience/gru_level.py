"""Levels B, C and R of a GRU: the rows of its Jacobian over a box, the update gate cut in pieces."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .cell import GRUCell
from .comparison import TableMap
from .gru_step import blocks, gates
from .interval import Interval, Signed, point, row_combination, scale_rows, sigmoid, sigmoid_slope, tanh_slope

Array = NDArray[np.float64]


def gru_map(cell: GRUCell, X: Interval, U: Interval, split: int = 1) -> TableMap:
    """T(δ)_j = max Σ_k mag(ζ δ_jk + (1−ζ) B_jk + (h_j − ν_j) σ'(z_j) R_z,jk) δ_k over pieces of z_j and their ends ζ.

    B_jk = τ (r R_n,jk + q r' R_r,jk); the gain has W in place of R, 1 in place of r and no ζ δ_jk.

    Source: docs/resilience, theorem 16.
    """
    cut, gate = blocks(cell), gates(cell, U, X)
    through, reset = tanh_slope(gate.zn), gate.q * sigmoid_slope(gate.zr)
    apart, one = X - gate.v, point(np.ones(cell.units))
    edges = np.clip(np.linspace(gate.zz.lower, gate.zz.upper, split + 1), gate.zz.lower, gate.zz.upper)
    edges[-1] = gate.zz.upper
    tables, gains = [], []
    for low, high in pairwise(edges):
        slope = apart * sigmoid_slope(Interval(low, high))
        for end in (low, high):
            kept, rest = sigmoid(point(end)), sigmoid(point(-end))
            J = _rows(cut.R, through, gate.r, reset, rest, slope)
            J = J + Interval(np.diag(kept.lower), np.diag(kept.upper))
            tables.append(J.magnitude)
            gains.append(_rows(cut.W, through, one, reset, rest, slope).magnitude)  # r does not meet W_n u
    return TableMap(np.stack(tables), np.stack(gains), slice(0, cell.units))


def _rows(
    weights: tuple[Signed, ...], through: Interval, r: Interval, reset: Interval, rest: Interval, slope: Interval
) -> Interval:
    """(1 − ζ) τ (r P_n + q r' P_r) + (h − ν) σ' P_z."""
    Pr, Pz, Pn = weights
    inside = scale_rows(through, row_combination((r, reset), (Pn, Pr)))
    return scale_rows(rest, inside) + row_combination((slope,), (Pz,))
