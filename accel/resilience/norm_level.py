"""Level A: one number for the deviation of c and one for that of h, in closed form and differentiable."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from .interval import Interval
from .network import TorchGRU, TorchLSTM, TorchStack

Norm = Literal["max", "euclidean"]


def norm_rates(
    stack: TorchStack, inputs: Sequence[Interval], boxes: Sequence[Interval] | None, norm: Norm = "max"
) -> Tensor:
    """ρ of level A of every layer, (L,), for its input box and its states in `boxes`.

    Without boxes: on the states that zero states reach, which level A bounds by itself.

    Raises ValueError for a GRU in the Euclidean norm, which is not defined.
    """
    rates = []
    for k, (layer, U) in enumerate(zip(stack.layers, inputs, strict=True)):
        if isinstance(layer, TorchLSTM):
            rates.append(lstm_norm_rate(layer, U, None if boxes is None else boxes[k], norm))
        elif norm == "max":
            rates.append(gru_norm_rate(layer, U))
        else:
            raise ValueError("level must be 'A' or 'C' for a GRU, got 'A2'")
    return torch.stack(rates)


def lstm_norm_rate(cell: TorchLSTM, U: Interval, X: Interval | None = None, norm: Norm = "max") -> Tensor:
    """ρ of A = [[σ̄_f, α], [σ̄_o σ̄_f, σ̄_o α + ¼ φ̄_c ‖R_o‖]], α = ¼ ‖R_f‖ c̄ + σ̄_i ‖R_g‖ + ¼ φ̄_g ‖R_i‖.

    c̄ = σ̄_i φ̄_g / σ(−a_f) bounds every cell that zero states reach under U; larger cells come with the box X.

    Source: docs/resilience, theorem 4.
    """
    n = cell.units
    ai, af, ag, ao = _reach(cell.weight_ih, cell.weight_hh, cell.bias, U).reshape(4, n).amax(1)
    si, sf, so, pg = torch.sigmoid(ai), torch.sigmoid(af), torch.sigmoid(ao), torch.tanh(ag)
    c = si * pg / torch.sigmoid(-af).clamp(min=torch.finfo(af.dtype).tiny)
    if X is not None:
        c = torch.maximum(c, X[:n].magnitude.amax())
    Ri, Rf, Rg, Ro = (_size(norm)(block) for block in cell.weight_hh.chunk(4))
    alpha = Rf * c / 4 + si * Rg + pg * Ri / 4
    direct = so * alpha + torch.tanh(c) * Ro / 4
    # the discriminant is 0 only where both terms are: there the root has no slope, and none is needed
    root = torch.sqrt(((sf - direct) ** 2 + 4 * alpha * so * sf).clamp(min=torch.finfo(af.dtype).tiny))
    return (sf + direct + root) / 2


def gru_norm_rate(cell: TorchGRU, U: Interval) -> Tensor:
    """λ_A = z̄ + (1 − z̄) L + ¼ ‖R_z‖ (1 + φ̄) for L <= 1, and L + ¼ ‖R_z‖ (1 + φ̄) beyond, where it exceeds 1.

    The second form bounds the same quantity, as (1 − z) L + z <= L for L > 1, and joins the first at L = 1.

    Source: docs/resilience, theorem 15.
    """
    n = cell.units
    Wn, Rn = cell.weight_ih[2 * n :], cell.weight_hh[2 * n :]
    gates = _reach(cell.weight_ih[: 2 * n], cell.weight_hh[: 2 * n], (cell.bias_ih + cell.bias_hh)[: 2 * n], U)
    r, z = torch.sigmoid(gates.reshape(2, n).amax(1))
    q = (Rn.abs().sum(1) + cell.bias_hh[2 * n :].abs()).amax()
    v = torch.tanh((Wn.abs() @ U.magnitude + cell.bias_ih[2 * n :].abs()).amax() + r * q)
    Rr, Rz, _ = (row_sum_norm(block) for block in cell.weight_hh.chunk(3))
    L = r * row_sum_norm(Rn) + Rr * q / 4
    return torch.where(L <= 1, z + (1 - z) * L, L) + Rz * (1 + v) / 4


def row_sum_norm(matrix: Tensor) -> Tensor:
    """The norm induced by the largest entry."""
    return matrix.abs().sum(1).amax()


def _size(norm: Norm) -> Callable[[Tensor], Tensor]:
    return row_sum_norm if norm == "max" else partial(torch.linalg.matrix_norm, ord=2)


def _reach(weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, U: Interval) -> Tensor:
    """|W| mag U + |R| 1 + |b|."""
    return weight_ih.abs() @ U.magnitude + weight_hh.abs().sum(1) + bias.abs()
