"""What the components of a mixture make of a point: its density and how undecided it leaves the label."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class OverlapAt:
    """n points, each scaled by the largest of its components' terms a_j = π_j N_j(x); float64.

    Attributes
    ----------
    logs, terms : (n, K)
        log a_j - log max a, and a_j / max a; for one largest j the term is 0 here, since it is 1.
    others : (n,)
        Σ_j a_j / max a - 1, without cancellation.
    all_terms : (n, K)
        The terms with the 1 in its place.
    """

    logs: Tensor
    terms: Tensor
    others: Tensor
    all_terms: Tensor

    @property
    def label_entropy(self) -> Tensor:
        """h(x) = -Σ_j r_j log r_j with a small relative error however small it is: every summand is >= 0."""
        return self.unscaled_entropy / (1 + self.others)

    @property
    def unscaled_entropy(self) -> Tensor:
        """q(x) h(x) / max a = S log S - Σ_j a_j log a_j, where S = Σ_j a_j and max a = 1."""
        return (1 + self.others) * torch.log1p(self.others) - (self.terms * self.logs).sum(-1)


def overlap_at(logs: Tensor) -> OverlapAt:
    """From log π_j N_j(x), (n, K), of any dtype: what follows is cheap, and float32 would underflow."""
    logs = logs.double()
    tops, largest = logs.max(-1, keepdim=True)
    logs = logs - tops
    all_terms = logs.exp()
    terms = all_terms.scatter(-1, largest, 0.0)
    return OverlapAt(logs, terms, terms.sum(-1), all_terms)
