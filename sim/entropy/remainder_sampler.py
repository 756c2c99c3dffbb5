"""What the sum of the pairs' exact gaps overstates: the little that three components and more have in common."""

import numpy as np
from numpy.typing import NDArray

from ...theory.entropy.mixture import GaussianMixture
from ...theory.entropy.overlap import Overlap, overlap
from .overlap_at import OverlapAt
from .overlap_sampler import OverlapSampler

Array = NDArray[np.float64]


class RemainderSampler(OverlapSampler):
    r"""One value is D = (Σ_{k<j} i_kj(x) - q(x) h(x)) / ρ(x) at a draw x from ρ of `OverlapSampler`, 0 <= D <= B, with

    .. math:: i_{kj} = \pi_k N_k \log(1 + t_{kj}) + \pi_j N_j \log(1 + t_{jk})

    whose integrals are the exact pair gaps: Δ = Σ_{k<j} g_kj - E[D].  Attributes as there; `offset` is Σ g_kj.
    Source: docs/entropy, theorems 12 and 13.
    """

    name = "remainder"
    sign = -1.0

    def __init__(self, mixture: GaussianMixture, pairs: Overlap | None = None) -> None:
        pairs = overlap(mixture) if pairs is None else pairs
        super().__init__(mixture, pairs)
        self.offset = float(np.exp(pairs.log_sides).sum())
        self.cost += 5.0 * len(self.first)

    def _value(self, at: OverlapAt) -> Array:
        """D / B."""
        terms = at.all_terms
        pairs = np.zeros(terms.shape[1])
        for k in range(len(terms) - 1):
            apart = np.abs(at.logs[k + 1 :] - at.logs[k])
            t = np.exp(-apart)  # the smaller term over the larger
            sides = (1 + t) * np.log1p(t) + t * apart
            pairs += np.einsum("jn,jn->n", np.maximum(terms[k + 1 :], terms[k]), sides)
        return (pairs - at.unscaled_entropy) / self._density(at)
