"""Where one LSTM step takes a box of states: gate boxes, the limit of the cell, the image of a box."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell
from .interval import Interval, Signed, join, point, sigmoid, tanh

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks i, f, g, o of an LSTM's weights as signed matrices."""

    W: tuple[Signed, ...]
    R: tuple[Signed, ...]
    ih: Signed
    hh: Signed


@lru_cache(maxsize=8)
def blocks(cell: LSTMCell) -> Blocks:
    """The weights of a cell, cut once."""
    W, R = np.split(cell.weight_ih, 4), np.split(cell.weight_hh, 4)
    return Blocks(tuple(map(Signed, W)), tuple(map(Signed, R)), Signed(cell.weight_ih), Signed(cell.weight_hh))


@dataclass(frozen=True, eq=False)
class Gates:
    """Z_k and the gates over inputs U and outputs H, docs/resilience, section 2; every field (n,)."""

    zi: Interval
    zf: Interval
    zg: Interval
    zo: Interval
    i: Interval
    f: Interval
    g: Interval
    o: Interval
    p: Interval


def gates(cell: LSTMCell, U: Interval, H: Interval) -> Gates:
    """The gate boxes Z = W U + R H + b, I = σ(Z_i), F = σ(Z_f), G = tanh(Z_g), O = σ(Z_o), p = I·G."""
    cut = blocks(cell)
    z = cut.ih @ U + cut.hh @ H + point(cell.bias)
    n = cell.units
    zi, zf, zg, zo = (z[k * n : (k + 1) * n] for k in range(4))
    i, g = sigmoid(zi), tanh(zg)
    return Gates(zi, zf, zg, zo, i, sigmoid(zf), g, sigmoid(zo), i * g)


def cell_limit(gate: Gates) -> Interval:
    """[κ⁻, κ⁺], the least interval that c⁺ = f c + p never leaves; infinite where 1 − f⁺ may be 0.

    Source: docs/resilience, lemma 1; 1 − f is computed as σ(−z).
    """
    rest = sigmoid(-gate.zf)  # 1 − f, from 1 − f⁺ to 1 − f⁻
    return Interval(-_limit_up(-gate.p.lower, rest), _limit_up(gate.p.upper, rest))


def _limit_up(p: Array, rest: Interval) -> Array:
    """κ⁺ rounded up: p / (1 − f⁺) for p >= 0, p / (1 − f⁻) below."""
    divisor = np.where(p >= 0, rest.lower, rest.upper)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        quotient = np.nextafter(p / divisor, np.inf)
    return np.asarray(np.where(p == 0, 0.0, quotient))


def phi(cell: LSTMCell, U: Interval, initial: Interval, X: Interval) -> Interval:
    """(C, H′) of the box X: C the cell limit with C0, cut with that of X, and H′ = hull(O·tanh C, H0).

    Source: docs/resilience, proposition 2.
    """
    n = cell.units
    gate = gates(cell, U, X[n:])
    C = (cell_limit(gate) | initial[:n]) & X[:n]
    return join([C, (gate.o * tanh(C)) | initial[n:]])


def everything(cell: LSTMCell) -> Interval:
    """ℝⁿ × [−1, 1]ⁿ, where the refinement starts."""
    n = cell.units
    upper = np.concatenate([np.full(n, np.inf), np.ones(n)])
    return Interval(-upper, upper)


def step_box(cell: LSTMCell, X: Interval, U: Interval) -> Interval:
    """Ψ(X, U) = (C′, O·tanh C′) with C′ = F·C + p, which contains every state one step after X."""
    n = cell.units
    gate = gates(cell, U, X[n:])
    C = gate.f * X[:n] + gate.p
    return join([C, gate.o * tanh(C)])


def hidden(cell: LSTMCell) -> slice:
    """Where h stands in the state."""
    return slice(cell.units, 2 * cell.units)
