"""Where the derivative of one step, or of several, lies over a box of states: entry by entry, signs kept."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from . import gru_step
from .cell import Cell, GRUCell, LSTMCell, Stack
from .interval import (
    TINY,
    UNIT,
    Interval,
    join,
    matmat_up,
    point,
    row_combination,
    scale_rows,
    sigmoid,
    sigmoid_slope,
    tanh_slope,
    up,
)
from .jacobian_level import box_slopes, cell_block, output_block
from .layer import hidden, places, split, step_box, step_stack
from .lstm_step import blocks

Array = NDArray[np.float64]


def step_jacobian(stack: Stack, X: Interval, U: Interval) -> Interval:
    """∂F/∂x of the joint state over X × U, (d, d): its entries at every point of the box.

    Layer ℓ sees x of the layers before through their new h: rows ℓ are ∂F_ℓ/∂u times the h-rows of ℓ−1, and ∂F_ℓ/∂x.

    Source: docs/resilience, proposition 12a.
    """
    d, passed, before = stack.dimension, U, slice(0, 0)
    rows: list[Interval] = []
    for layer, place, box in zip(stack.layers, places(stack), split(stack, X), strict=True):
        after = step_box(layer, box, passed)
        own, driven = _layer_jacobian(layer, box, passed, after)
        whole = Interval(np.zeros((layer.dimension, d)), np.zeros((layer.dimension, d)))
        if rows:
            whole = interval_product(driven, rows[-1][before])
        whole.lower[:, place], whole.upper[:, place] = own.lower, own.upper  # zero there before
        rows.append(whole)
        before, passed = hidden(layer), after[hidden(layer)]
    return join(rows)


def period_jacobian(stack: Stack, X: Interval, inputs: Array) -> Interval:
    """The product of `step_jacobian` along the boxes that the inputs, (p, m), take X to.

    For x, x′ in X the difference p steps later is J(x − x′) for some J in it.
    """
    total = step_jacobian(stack, X, point(inputs[0]))
    for old, u in pairwise(inputs):
        X = step_stack(stack, X, point(old))
        total = interval_product(step_jacobian(stack, X, point(u)), total)
    return total


def interval_product(A: Interval, B: Interval) -> Interval:
    """A B for interval matrices, by centres and radii: (a, k) times (k, b) is (a, b)."""
    (a, ra), (b, rb) = centred(A), centred(B)
    size = np.abs(b)
    terms = a.shape[1] + 4
    radius = matmat_up(np.abs(a), rb) + matmat_up(ra, size + rb)
    radius = radius * (1 + 8 * UNIT) + 4 * terms * UNIT * matmat_up(np.abs(a), size) + 2 * terms * TINY
    value = a @ b
    return Interval(np.nextafter(value - radius, -np.inf), np.nextafter(value + radius, np.inf))


def centred(A: Interval) -> tuple[Array, Array]:
    """A centre and a radius, rounded up, that together hold the interval."""
    centre = 0.5 * A.lower + 0.5 * A.upper
    return centre, np.maximum(up(A.upper - centre), up(centre - A.lower))


def _layer_jacobian(cell: Cell, X: Interval, U: Interval, after: Interval) -> tuple[Interval, Interval]:
    """∂F/∂x and ∂F/∂u of one layer."""
    return _gru_jacobian(cell, X, U) if isinstance(cell, GRUCell) else _lstm_jacobian(cell, X, U, after)


def _lstm_jacobian(cell: LSTMCell, X: Interval, U: Interval, after: Interval) -> tuple[Interval, Interval]:
    """[[diag f, A], [diag(D f), K]] and the same blocks with W in place of R, theorem 7 with its signs."""
    n, cut = cell.units, blocks(cell)
    rates = box_slopes(cell, X, U, after[:n])
    forget, through = rates.f, rates.D * rates.f
    inner, driven = (cell_block(rates, weights) for weights in (cut.R, cut.W))
    outer, passed = (output_block(rates, A, w) for A, w in ((inner, cut.R), (driven, cut.W)))
    ends = [
        np.block([[np.diag(f), A], [np.diag(t), K]])
        for f, A, t, K in (
            (forget.lower, inner.lower, through.lower, outer.lower),
            (forget.upper, inner.upper, through.upper, outer.upper),
        )
    ]
    return Interval(*ends), join([driven, passed])


def _gru_jacobian(cell: GRUCell, X: Interval, U: Interval) -> tuple[Interval, Interval]:
    """diag z + diag((h−ν)σ′(z))R_z + diag((1−z)τ)(r R_n + q r′ R_r), and with W, without z and with 1 for r."""
    cut, gate = gru_step.blocks(cell), gru_step.gates(cell, U, X)
    through, reset = tanh_slope(gate.zn), gate.q * sigmoid_slope(gate.zr)
    kept, rest = sigmoid(gate.zz), sigmoid(-gate.zz)
    slope = (X - gate.v) * sigmoid_slope(gate.zz)
    out = []
    for weights, r in ((cut.R, gate.r), (cut.W, point(np.ones(cell.units)))):
        Pr, Pz, Pn = weights
        inside = scale_rows(through, row_combination((r, reset), (Pn, Pr)))
        out.append(scale_rows(rest, inside) + row_combination((slope,), (Pz,)))
    own = out[0] + Interval(np.diag(kept.lower), np.diag(kept.upper))
    return own, out[1]


def period_box(stack: Stack, X: Interval, inputs: Array) -> Interval:
    """A box around the states after the inputs, (p, m), one step each, from X."""
    for u in inputs:
        X = step_stack(stack, X, point(u))
    return X
