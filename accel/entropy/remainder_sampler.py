"""What the sum of the pairs' exact gaps overstates: the little that three components and more have in common."""

import torch
from torch import Tensor

from .mixture import TorchMixture
from .overlap_at import OverlapAt
from .overlap_sampler import OverlapSampler
from .pair_gap import log_one_sided_gaps


class RemainderSampler(OverlapSampler):
    r"""One value is D = (Σ_{k<j} i_kj(x) - q(x) h(x)) / ρ(x) at a draw x from ρ of `OverlapSampler`, 0 <= D <= B, with

    .. math:: i_{kj} = \pi_k N_k \log(1 + t_{kj}) + \pi_j N_j \log(1 + t_{jk})

    whose integrals are the exact pair gaps: Δ = Σ_{k<j} g_kj - E[D].  Attributes as there; `offset` is Σ g_kj, which
    may be handed in as `pairwise` where it is known.  Source: docs/entropy, theorems 12 and 13.
    """

    name = "remainder"
    sign = -1.0

    @torch.no_grad()
    def __init__(self, mixture: TorchMixture, *, memory: int | None = None, pairwise: float | None = None) -> None:
        super().__init__(mixture, memory=memory)
        if pairwise is None:
            pairwise = log_one_sided_gaps(mixture.detach().to(torch.float64)).exp().sum().item()
        self.offset = pairwise
        self.cost += 15.0 * len(self.first)

    def _value(self, at: OverlapAt) -> Tensor:
        """B D ρ / max a."""
        one, two = at.logs[:, self.first], at.logs[:, self.second]
        apart = (one - two).abs()
        t = (-apart).exp()  # the smaller term over the larger
        sides = (1 + t) * torch.log1p(t) + t * apart
        return (torch.maximum(one, two).exp() * sides).sum(1) - at.unscaled_entropy
