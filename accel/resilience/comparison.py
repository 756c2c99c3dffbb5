"""Maps T with |x⁺ − x′⁺| <= T(|x − x′|), differentiable in the weights, and their spectral radii."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIX = 1e-12  # added to every entry, so that the Perron vectors are positive
POLICY_STEPS = 30


@dataclass(frozen=True, eq=False)
class Comparison:
    """δ⁺_r <= max_s Σ_k M^s_rk δ_k + Σ_l N^s_rl ν_l; a matrix where S = 1.

    Attributes
    ----------
    tables : (S, d, d)
        M >= 0.
    gains : (S, d, m)
        N >= 0.
    hidden : slice
        Where the deviation of h stands.
    """

    tables: Tensor
    gains: Tensor
    hidden: slice

    def values(self, deviation: Tensor, drive: Tensor | None = None) -> Tensor:
        """Every row of every table at δ (..., d) and ν (..., m): (..., S, d)."""
        out = torch.einsum("sij,...j->...si", self.tables, deviation)
        return out if drive is None else out + torch.einsum("sij,...j->...si", self.gains, drive)


def apply(maps: Sequence[Comparison], deviation: Tensor) -> Tensor:
    """T(δ) of the joint deviations (..., d): each layer is driven by the new deviation of h of the one before."""
    parts = torch.split(deviation, [layer.tables.shape[1] for layer in maps], -1)
    out: list[Tensor] = []
    drive = None
    for layer, part in zip(maps, parts, strict=True):
        out.append(layer.values(part, drive).amax(-2))
        drive = out[-1][..., layer.hidden]
    return torch.cat(out, -1)


def worst_rows(maps: Sequence[Comparison], deviation: Tensor) -> Tensor:
    """The joint matrix, block lower triangular, of the rows that attain T(δ) at δ (d,)."""
    parts = torch.split(deviation, [layer.tables.shape[1] for layer in maps], -1)
    blocks: list[Tensor] = []
    drive, before, start = None, slice(0, 0), 0
    for layer, part in zip(maps, parts, strict=True):
        values = layer.values(part, drive)
        M, N = _chosen(layer, values.argmax(0))
        drive = values.amax(0)[layer.hidden]
        block = N @ blocks[-1][before] if blocks else M.new_zeros(len(M), len(deviation))
        own = torch.zeros_like(block)
        own[:, start : start + len(M)] = M
        blocks.append(block + own)
        before, start = layer.hidden, start + len(M)
    return torch.cat(blocks)


def contraction_rate(layer: Comparison) -> Tensor:
    """ρ(T), the largest spectral radius over selections of rows; its gradient is exact where the selection is unique.

    Policy iteration without gradients chooses the rows.  Source: docs/resilience, theorem 8.
    """
    rows = torch.zeros_like(layer.tables[0, :, 0], dtype=torch.long)
    if len(layer.tables) > 1:
        with torch.no_grad():
            v = torch.ones_like(layer.tables[0, :, 0])
            for _ in range(POLICY_STEPS):
                now = layer.values(v).argmax(0)
                if torch.equal(now, rows):
                    break
                rows = now
                v = perron_vector(_chosen(layer, rows)[0])
    return spectral_radius(_chosen(layer, rows)[0])


def spectral_radius(matrix: Tensor) -> Tensor:
    """ρ(M) = wᵀ M v / wᵀ v for M >= 0; the Perron vectors v, w stay out of the graph, and ∂ρ = wᵀ (∂M) v / wᵀ v.

    Exact where ρ is a simple eigenvalue; where it is not, the value can be too high by up to √1e-12.

    Source: docs/resilience, section 10.

    >>> spectral_radius(torch.tensor([[0.0, 4.0], [1.0, 0.0]], dtype=torch.float64)).round(decimals=9)
    tensor(2., dtype=torch.float64)
    """
    with torch.no_grad():
        v, w = perron_vector(matrix), perron_vector(matrix.T)
    return w @ (matrix @ v) / (w @ v)


def perron_vector(matrix: Tensor) -> Tensor:
    """The positive right eigenvector of M + 1e-12 · 1 1ᵀ, without gradients."""
    values, vectors = torch.linalg.eig(matrix.detach() + MIX)
    largest = values.real.argmax().reshape(1)
    v: Tensor = vectors.index_select(1, largest)[:, 0].abs()
    return v


def _chosen(layer: Comparison, rows: Tensor) -> tuple[Tensor, Tensor]:
    every = torch.arange(layer.tables.shape[1], device=rows.device)
    return layer.tables[rows, every], layer.gains[rows, every]
