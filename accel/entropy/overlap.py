"""Everything that the bounds ask of the pairs of a mixture, gathered in one pass."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .mixture import TorchMixture
from .pair_spectrum import pair_chunks, spectra_of
from .saddle_line import log_side_integrals


@dataclass(frozen=True, eq=False)
class Overlap:
    """The (K, K) tensors of a mixture's pairs.

    Attributes
    ----------
    log_sides : log π_k E_k log(1 + t_kj) at [k, j]; -inf on the diagonal.
    log_bhattacharyya : log BC_kj, symmetric; 0 on the diagonal.
    divergences : KL(N_k‖N_j) at [k, j], nats; 0 on the diagonal.
    squared_separations : α_kj² at [k, j]; 0 on the diagonal.
    """

    log_sides: Tensor
    log_bhattacharyya: Tensor
    divergences: Tensor
    squared_separations: Tensor


def overlap(mixture: TorchMixture) -> Overlap:
    """The overlap of every pair; time grows like K² m³ for full covariances and like K² m for the others.

    Pairs are taken in chunks of about 16 MiB a tensor; where there are several and gradients are asked for, a chunk is
    computed again in the backward pass instead of being kept.
    """
    K = mixture.components
    first, second = torch.triu_indices(K, K, 1, device=mixture.device)
    chunks = list(pair_chunks(mixture))
    again = len(chunks) > 1 and torch.is_grad_enabled() and any(part.requires_grad for part in mixture.parts)
    rows = [
        checkpoint(_pairs, mixture, *chunk, use_reentrant=False) if again else _pairs(mixture, *chunk)
        for chunk in chunks
    ]
    if not rows:
        rows = [mixture.means.new_zeros(7, 0)]
    forward, backward, affinity, *others = torch.cat(rows, dim=1)

    def table(value: Tensor, mirrored: Tensor, own: float = 0.0) -> Tensor:
        out = value.new_full((K, K), own)
        return out.index_put((first, second), value).index_put((second, first), mirrored)

    return Overlap(
        log_sides=table(forward, backward, -torch.inf),
        log_bhattacharyya=table(affinity, affinity),
        divergences=table(others[0], others[1]),
        squared_separations=table(others[2], others[3]),
    )


def _pairs(mixture: TorchMixture, first: Tensor, second: Tensor) -> Tensor:
    """log sides, log BC, divergences and squared separations of the pairs, (7, P)."""
    spectra, logs = spectra_of(mixture, first, second), mixture.weights.log()
    forward, backward = log_side_integrals(spectra, logs[second] - logs[first])
    sides = logs[first] + forward, logs[first] + backward
    return torch.stack([*sides, spectra.log_bhattacharyya(), *spectra.divergences(), *spectra.squared_separations()])
