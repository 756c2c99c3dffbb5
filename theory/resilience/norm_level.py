"""Levels A and A2r: one number for the deviation of c and one for that of h."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .cell import GRUCell, LSTMCell
from .comparison import MatrixMap
from .interval import UNIT, Interval, matvec_up, sigmoid, sigmoid_slope, sum_up, tanh, tanh_slope, times_up, up
from .lstm_step import gates

Array = NDArray[np.float64]
Norm = Literal["max", "euclidean"]


@dataclass(frozen=True, eq=False)
class NormBounds:
    """The scalars of level A, each rounded up: σ̄_i, σ̄_f, σ̄_o, φ̄_g, c̄, φ̄_c, α and ‖R_o‖.

    Source: docs/resilience, theorem 4.
    """

    input_gate: float
    forget_gate: float
    output_gate: float
    candidate: float
    cell: float
    cell_output: float
    coupling: float
    output_norm: float

    @property
    def matrix(self) -> Array:
        """A = [[σ̄_f, α], [σ̄_o σ̄_f, σ̄_o α + ¼ φ̄_c ‖R_o‖]], (2, 2), rounded up."""
        across = _times(self.output_gate, self.coupling)
        direct = _times(0.25, self.cell_output, self.output_norm)
        return np.array(
            [
                [self.forget_gate, self.coupling],
                [_times(self.output_gate, self.forget_gate), _sum(across, direct)],
            ]
        )

    @property
    def schur(self) -> float:
        """J = (1 − σ̄_f)(1 − ¼ φ̄_c ‖R_o‖) − σ̄_o α; ρ(A) < 1 exactly where J > 0.  Not rounded outward.

        Source: docs/resilience, theorem 5.
        """
        direct = 1 - self.cell_output * self.output_norm / 4
        return (1 - self.forget_gate) * direct - self.output_gate * self.coupling


def norm_bounds(cell: LSTMCell, X: Interval, U: Interval, norm: Norm = "max") -> NormBounds:
    """The scalars of level A for cells c within the box X and inputs within U."""
    n = cell.units
    ai, af, ag, ao = (float(part.max()) for part in np.split(_reach(cell.weight_ih, cell.weight_hh, cell.bias, U), 4))
    si, sf, so = (float(sigmoid(_at(a)).upper) for a in (ai, af, ao))
    pg, rest = float(tanh(_at(ag)).upper), float(sigmoid(_at(-af)).lower)
    held = _times(si, pg)
    limit = 0.0 if held == 0 else (np.inf if rest == 0 else float(np.nextafter(held / rest, np.inf)))
    c = max(limit, float(X[:n].magnitude.max()))
    Ri, Rf, Rg, Ro = (norm_up(block, norm) for block in np.split(cell.weight_hh, 4))
    alpha = _coupling(Rf, c, si, Rg, pg, Ri)
    return NormBounds(si, sf, so, pg, c, float(tanh(_at(c)).upper), alpha, Ro)


def norm_map(cell: LSTMCell, X: Interval, U: Interval, norm: Norm = "max") -> MatrixMap:
    """Level A: (‖Δc⁺‖, ‖Δh⁺‖) <= A (‖Δc‖, ‖Δh‖) + N ‖Δu‖ in the largest-entry or the Euclidean norm.

    Source: docs/resilience, theorem 4.
    """
    bounds = norm_bounds(cell, X, U, norm)
    Wi, Wf, Wg, Wo = (norm_up(block, norm) for block in np.split(cell.weight_ih, 4))
    into = _coupling(Wf, bounds.cell, bounds.input_gate, Wg, bounds.candidate, Wi)
    direct = _times(0.25, bounds.cell_output, Wo)
    gain = np.array([[into], [_sum(_times(bounds.output_gate, into), direct)]])
    return MatrixMap(bounds.matrix, gain, slice(1, 2))


def refined_norm_map(cell: LSTMCell, X: Interval, U: Interval) -> MatrixMap:
    """Level A2r: the Euclidean level with the bounds of each unit over the box X inside the norms.

    Source: docs/resilience, theorem 4.
    """
    n = cell.units
    gate, C = gates(cell, U, X[n:]), X[:n]
    out = times_up(gate.o.upper, tanh_slope(C).upper)
    columns = {
        "f": times_up(C.magnitude, sigmoid_slope(gate.zf).upper),
        "i": times_up(gate.g.magnitude, sigmoid_slope(gate.zi).upper),
        "g": times_up(gate.i.upper, tanh_slope(gate.zg).upper),
    }
    direct = times_up(tanh(C).magnitude, sigmoid_slope(gate.zo).upper)

    def entries(weights: Array) -> tuple[float, float]:
        i, f, g, o = np.split(weights, 4)
        pairs = ((columns["f"], f), (columns["i"], i), (columns["g"], g))
        first = _sum(*(_scaled_norm(d, block) for d, block in pairs))
        second = _sum(*(_scaled_norm(times_up(out, d), block) for d, block in pairs), _scaled_norm(direct, o))
        return first, second

    top, bottom = entries(cell.weight_hh)
    forget = gate.f.upper
    matrix = np.array([[forget.max(), top], [times_up(out, forget).max(), bottom]])
    return MatrixMap(matrix, np.array(entries(cell.weight_ih))[:, None], slice(1, 2))


def gru_norm_map(cell: GRUCell, U: Interval) -> MatrixMap:
    """Level A of a GRU in the largest-entry norm, (1, 1).

    Source: docs/resilience, theorem 15.
    """
    n = cell.units
    both = _reach(cell.weight_ih[: 2 * n], cell.weight_hh[: 2 * n], (cell.bias_ih + cell.bias_hh)[: 2 * n], U)
    both = both + np.abs(both) * 2 * UNIT + 4 * UNIT * np.abs(cell.bias_ih + cell.bias_hh)[: 2 * n]
    ar, az = float(both[:n].max()), float(both[n:].max())
    Wr, Wz, Wn = np.split(cell.weight_ih, 3)
    Rr, Rz, Rn = np.split(cell.weight_hh, 3)
    r, z = float(sigmoid(_at(ar)).upper), float(sigmoid(_at(az)).upper)
    q = float(_reach(None, Rn, cell.bias_hh[2 * n :], U).max())
    reach = float(_reach(Wn, None, cell.bias_ih[2 * n :], U).max())
    v = float(tanh(_at(_sum(reach, _times(r, q)))).upper)
    slope = _sum(_times(r, norm_up(Rn, "max")), _times(0.25, norm_up(Rr, "max"), q))
    direct = _times(0.25, norm_up(Rz, "max"), _sum(1.0, v))
    kept = _sum(z, _times(float(np.nextafter(1 - z, np.inf)), slope)) if slope <= 1 else slope
    rate = _sum(kept, direct)
    into = _sum(norm_up(Wn, "max"), _times(0.25, norm_up(Wr, "max"), q))
    gain = _sum(into, _times(0.25, norm_up(Wz, "max"), _sum(1.0, v)))
    return MatrixMap(np.array([[rate]]), np.array([[gain]]), slice(0, 1))


def norm_up(matrix: Array, norm: Norm) -> float:
    """‖P‖ induced by the largest-entry or the Euclidean norm, rounded up.

    Euclidean: Σ₁₁ √((1 + ‖PᵀP − I‖_F)(1 + ‖QᵀQ − I‖_F)) + ‖R − PΣQᵀ‖_F of a computed P Σ Qᵀ, which holds however well
    that was computed.

    >>> norm_up(np.array([[3.0, 4.0]]), "max"), round(norm_up(np.array([[3.0, 4.0]]), "euclidean"), 12)
    (7.000000000000006, 5.0)
    """
    if norm == "max":
        return float(sum_up(np.abs(matrix)).max())
    if not matrix.any():
        return 0.0
    P, s, Q = np.linalg.svd(matrix, full_matrices=False)
    top, share = float(s[0]), 2 * (max(matrix.shape) + 6) * UNIT  # the rounding of an inner product, relative
    left, right = _skewness(P.T, share), _skewness(Q, share)
    sizes = float(np.linalg.norm(P) * np.linalg.norm(Q))
    rest = float(np.linalg.norm(matrix - (P * s) @ Q)) + share * (2 * top * sizes + 2 * float(np.linalg.norm(matrix)))
    return float((top * np.sqrt((1 + left) * (1 + right)) + rest) * (1 + share))


def _skewness(rows: Array, share: float) -> float:
    """At least ‖P Pᵀ − I‖_F of nearly orthonormal rows."""
    skew = float(np.linalg.norm(rows @ rows.T - np.eye(len(rows))))
    return (skew + share * 2 * float((rows**2).sum())) * (1 + share)


def _scaled_norm(scale: Array, matrix: Array) -> float:
    """‖diag(s) R‖₂ rounded up; the rounding of s R is a factor 1 + 2u on s."""
    return float(np.nextafter(norm_up(scale[:, None] * matrix, "euclidean") * (1 + 8 * UNIT), np.inf))


def _coupling(f: float, cell: float, input_gate: float, g: float, candidate: float, i: float) -> float:
    """α = ¼ ‖R_f‖ c̄ + σ̄_i ‖R_g‖ + ¼ φ̄_g ‖R_i‖ from the norms f, g, i."""
    return _sum(_times(0.25, f, cell), _times(input_gate, g), _times(0.25, candidate, i))


def _reach(weight_ih: Array | None, weight_hh: Array | None, bias: Array, U: Interval) -> Array:
    """|W| mag U + |R| 1 + |b|, rounded up."""
    total = np.abs(bias)
    if weight_ih is not None:
        total = up(total + matvec_up(np.abs(weight_ih), U.magnitude))
    if weight_hh is not None:
        total = up(total + sum_up(np.abs(weight_hh)))
    return total


def _at(value: float) -> Interval:
    return Interval(np.asarray(value), np.asarray(value))


def _times(*factors: float) -> float:
    out = np.asarray(1.0)
    for factor in factors:
        with np.errstate(invalid="ignore"):
            out = times_up(out, np.asarray(factor)) if 0.0 not in (float(out), factor) else np.asarray(0.0)
    return float(out)


def _sum(*terms: float) -> float:
    out = np.asarray(0.0)
    for term in terms:
        out = up(out + term)
    return float(out)
