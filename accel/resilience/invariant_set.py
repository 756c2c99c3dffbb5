"""Boxes of states that a network never leaves, differentiable in its weights."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .interval import Interval, affine, between, join, point, scaled, sigmoid, tanh
from .network import TorchGRU, TorchLayer, TorchLSTM, TorchStack

REFINEMENTS = 6  # every number of them gives an invariant box; more make it smaller


@dataclass(frozen=True, eq=False)
class LSTMGates:
    """Z_k and the gates over inputs U and outputs H; every field (n,)."""

    zi: Interval
    zf: Interval
    zg: Interval
    zo: Interval
    i: Interval
    f: Interval
    g: Interval
    o: Interval
    p: Interval


def lstm_gates(cell: TorchLSTM, U: Interval, H: Interval) -> LSTMGates:
    """The gate boxes Z = W U + R H + b, I = σ(Z_i), F = σ(Z_f), G = tanh(Z_g), O = σ(Z_o), p = I·G."""
    z = affine(torch.cat([cell.weight_ih, cell.weight_hh], 1), join([U, H]), cell.bias)
    zi, zf, zg, zo = _cut(z, 4)
    i, f, _, o = _cut(sigmoid(z), 4)  # σ(Z_g) is not used
    g = tanh(zg)
    return LSTMGates(zi, zf, zg, zo, i, f, g, o, scaled(i, g))


@dataclass(frozen=True, eq=False)
class GRUGates:
    """Z_r, Z_z, the gate r, q = R_n h + b_hn, Z_n and its tanh V over inputs U and outputs H; every field (n,)."""

    zr: Interval
    zz: Interval
    r: Interval
    q: Interval
    zn: Interval
    v: Interval


def gru_gates(cell: TorchGRU, U: Interval, H: Interval) -> GRUGates:
    """The gate boxes of docs/resilience, section 8."""
    n = cell.units
    u = affine(cell.weight_ih, U, cell.bias_ih)
    h = affine(cell.weight_hh, H, cell.bias_hh)
    zr, zz, q = u[:n] + h[:n], u[n : 2 * n] + h[n : 2 * n], h[2 * n :]
    r = sigmoid(zr)
    zn = u[2 * n :] + scaled(r, q)
    return GRUGates(zr, zz, r, q, zn, tanh(zn))


def cell_limit(gate: LSTMGates) -> Interval:
    """The least interval around 0 that c⁺ = f c + p never leaves: [min(p⁻, 0), max(p⁺, 0)] / (1 − f⁺).

    That is hull([κ⁻, κ⁺], {0}), where the ends of κ that a p of one sign would divide by 1 − f⁻ do not matter.
    1 − f⁺ is computed as σ(−Z_f⁺), never below the least normal number, so that the quotient is finite.

    Source: docs/resilience, lemma 1.
    """
    rest = torch.sigmoid(-gate.zf.upper).clamp(min=torch.finfo(gate.zf.ends.dtype).tiny)
    return between(gate.p.lower.clamp(max=0.0) / rest, gate.p.upper.clamp(min=0.0) / rest)


def invariant_set(stack: TorchStack, U: Interval, refinements: int = REFINEMENTS) -> tuple[Interval, ...]:
    """Box of states of each layer that zero states never leave for inputs in U, after a number of refinements.

    Gradients flow through every refinement; at ties of a minimum or maximum they are subgradients.

    Source: docs/resilience, propositions 2 and 13.
    """
    boxes, passed = [], U
    for layer in stack.layers:
        boxes.append(_refined(layer, passed, refinements))
        passed = boxes[-1][layer.hidden]
    return tuple(boxes)


def _refined(layer: TorchLayer, U: Interval, refinements: int) -> Interval:
    one = layer.weight_hh.new_ones(layer.units)
    zero, H = point(torch.zeros_like(one)), between(-one, one)
    for _ in range(refinements):
        if isinstance(layer, TorchGRU):
            H = (gru_gates(layer, U, H).v | zero) & H
        else:
            gate = lstm_gates(layer, U, H)
            C = cell_limit(gate)
            H = (scaled(gate.o, tanh(C)) | zero) & H
    return H if isinstance(layer, TorchGRU) else join([C, H])


def step_box(layer: TorchLayer, X: Interval, U: Interval) -> Interval:
    """A box around every state one step after X with an input in U.

    Source: docs/resilience, section 2 (LSTM), 8 (GRU).
    """
    if isinstance(layer, TorchGRU):
        gate = gru_gates(layer, U, X)
        ends = [  # affine in z, so extreme at its ends
            scaled(sigmoid(point(-end)), gate.v) + scaled(sigmoid(point(end)), X)
            for end in (gate.zz.lower, gate.zz.upper)
        ]
        return ends[0] | ends[1]
    gates = lstm_gates(layer, U, X[layer.hidden])
    C = scaled(gates.f, X[: layer.units]) + gates.p
    return join([C, scaled(gates.o, tanh(C))])


def step_stack(stack: TorchStack, boxes: tuple[Interval, ...], U: Interval) -> tuple[Interval, ...]:
    """Boxes around every state one step after `boxes`, cut with these: for boxes that are invariant under U."""
    after, passed = [], U
    for layer, X in zip(stack.layers, boxes, strict=True):
        after.append(step_box(layer, X, passed) & X)
        passed = after[-1][layer.hidden]
    return tuple(after)


def input_boxes(stack: TorchStack, U: Interval, after: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The input box of each layer: U, then the boxes of h of the layers before, out of their boxes after the step."""
    return (U, *(X[layer.hidden] for layer, X in zip(stack.layers[:-1], after, strict=False)))


def widths(perturbed: tuple[Interval, ...], nominal: tuple[Interval, ...]) -> Tensor:
    """w >= |x − x̄| of the joint states, (d,)."""
    X, Y = join(perturbed), join(nominal)
    return torch.maximum(X.upper - Y.lower, Y.upper - X.lower)


def _cut(x: Interval, parts: int) -> tuple[Interval, ...]:
    """Equal parts, one after the other."""
    return tuple(Interval(piece) for piece in x.ends.chunk(parts, 1))
