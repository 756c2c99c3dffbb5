"""Where one GRU step takes a box of states: gate boxes, the refinement and the image of a box."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .cell import GRUCell
from .interval import Interval, Signed, point, sigmoid, tanh

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks r, z, n of a GRU's weights as signed matrices, and the sums of the biases of r and z."""

    W: tuple[Signed, ...]
    R: tuple[Signed, ...]
    ih: Signed
    hh: Signed


@lru_cache(maxsize=8)
def blocks(cell: GRUCell) -> Blocks:
    """The weights of a cell, cut once."""
    W, R = np.split(cell.weight_ih, 3), np.split(cell.weight_hh, 3)
    return Blocks(tuple(map(Signed, W)), tuple(map(Signed, R)), Signed(cell.weight_ih), Signed(cell.weight_hh))


@dataclass(frozen=True, eq=False)
class Gates:
    """Z_r, Z_z, the gate r, q = R_n h + b_hn, Z_n and its tanh V over inputs U and outputs H; every field (n,)."""

    zr: Interval
    zz: Interval
    r: Interval
    q: Interval
    zn: Interval
    v: Interval


def gates(cell: GRUCell, U: Interval, H: Interval) -> Gates:
    """The gate boxes of docs/resilience, section 8."""
    cut, n = blocks(cell), cell.units
    u = cut.ih @ U + point(cell.bias_ih)
    h = cut.hh @ H + point(cell.bias_hh)
    zr, zz, q = u[:n] + h[:n], u[n : 2 * n] + h[n : 2 * n], h[2 * n :]
    r = sigmoid(zr)
    zn = u[2 * n :] + r * q
    return Gates(zr, zz, r, q, zn, tanh(zn))


def phi(cell: GRUCell, U: Interval, initial: Interval, X: Interval) -> Interval:
    """hull(V, H0) of the box X; docs/resilience, proposition 14."""
    return gates(cell, U, X).v | initial


def everything(cell: GRUCell) -> Interval:
    """[−1, 1]ⁿ, where the refinement starts."""
    return Interval(-np.ones(cell.units), np.ones(cell.units))


def step_box(cell: GRUCell, X: Interval, U: Interval) -> Interval:
    """A box around (1 − z)∘ν + z∘h for every z in its box, which contains every state one step after X."""
    gate = gates(cell, U, X)
    ends = [  # affine in z, so extreme at its ends
        sigmoid(point(-end)) * gate.v + sigmoid(point(end)) * X for end in (gate.zz.lower, gate.zz.upper)
    ]
    return ends[0] | ends[1]


def hidden(cell: GRUCell) -> slice:
    """Where h stands in the state."""
    return slice(0, cell.units)
