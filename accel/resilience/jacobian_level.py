"""Level C: entry by entry bounds on the Jacobian of one step over a box, differentiable in the weights."""

import torch

from .comparison import Comparison
from .interval import Interval, point, row_combination, scale_rows, scaled, sigmoid, sigmoid_slope, tanh, tanh_slope
from .invariant_set import gru_gates, input_boxes, lstm_gates
from .network import TorchGRU, TorchLayer, TorchLSTM, TorchStack


def jacobian_maps(
    stack: TorchStack, boxes: tuple[Interval, ...], U: Interval, after: tuple[Interval, ...] | None = None
) -> list[Comparison]:
    """Level C of every layer over `boxes` with inputs in U; `after` holds the states one step later, as in a tube."""
    later = boxes if after is None else after
    inputs = input_boxes(stack, U, later)
    return [_map(*parts) for parts in zip(stack.layers, boxes, inputs, later, strict=True)]


def _map(layer: TorchLayer, X: Interval, U: Interval, after: Interval) -> Comparison:
    return gru_map(layer, X, U) if isinstance(layer, TorchGRU) else lstm_map(layer, X, U, after)


def lstm_map(cell: TorchLSTM, X: Interval, U: Interval, after: Interval) -> Comparison:
    """M_C = [[diag F⁺, mag A], [diag(D⁺F⁺), mag K]], and the gain with W in place of R.

    A_jk = a_j R_f,jk + b_j R_i,jk + d_j R_g,jk and K_jk = D_j A_jk + q_j R_o,jk, with a = C·σ'(Z_f), b = G·σ'(Z_i),
    d = I·τ(Z_g), D = O·τ(C′), q = tanh(C′)·σ'(Z_o), C′ = (F·C + p) ∩ `after`.

    Source: docs/resilience, theorem 7.
    """
    n = cell.units
    gate, C = lstm_gates(cell, U, X[cell.hidden]), X[:n]
    new = (scaled(gate.f, C) + gate.p) & after[:n]
    a, b = scaled(sigmoid_slope(gate.zf), C), scaled(sigmoid_slope(gate.zi), gate.g)
    d, D = scaled(gate.i, tanh_slope(gate.zg)), scaled(gate.o, tanh_slope(new))
    q = scaled(sigmoid_slope(gate.zo), tanh(new))
    i, f, g, o = torch.cat([cell.weight_hh, cell.weight_ih], 1).chunk(4)
    A = row_combination((a, b, d), (f, i, g))
    K = scale_rows(D, A) + row_combination((q,), (o,))
    forget = gate.f.upper
    both = torch.cat([A.magnitude, K.magnitude])
    kept = torch.cat([torch.diag(forget), torch.diag(D.upper * forget)])
    return Comparison(torch.cat([kept, both[:, :n]], 1)[None], both[None, :, n:], cell.hidden)


def gru_map(cell: TorchGRU, X: Interval, U: Interval) -> Comparison:
    """T(δ)_j = max over ends ζ of the update gate of Σ_k mag(ζ δ_jk + (1−ζ) B_jk + (h_j − ν_j) σ'(z_j) R_z,jk) δ_k.

    B_jk = τ (r R_n,jk + q r' R_r,jk); the gain has W in place of R and no ζ δ_jk.

    Source: docs/resilience, theorem 15.
    """
    n, gate = cell.units, gru_gates(cell, U, X)
    Pr, Pz, Pn = torch.cat([cell.weight_hh, cell.weight_ih], 1).chunk(3)
    inside = row_combination((gate.r, scaled(sigmoid_slope(gate.zr), gate.q)), (Pn, Pr))
    B = scale_rows(tanh_slope(gate.zn), inside)
    gating = row_combination((scaled(sigmoid_slope(gate.zz), X - gate.v),), (Pz,))
    pieces = []
    for end in (gate.zz.lower, gate.zz.upper):
        kept = torch.nn.functional.pad(torch.diag(torch.sigmoid(end)), (0, cell.inputs))
        pieces.append((scale_rows(sigmoid(point(-end)), B) + gating + point(kept)).magnitude)
    both = torch.stack(pieces)
    return Comparison(both[..., :n], both[..., n:], cell.hidden)
