"""What the components of a mixture make of a point: its density and how undecided it leaves the label."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OverlapAt:
    """n points, each scaled by the largest of its components' terms a_j = π_j N_j(x).

    Attributes
    ----------
    tops : (n,)
        log max_j a_j.
    logs, terms : (K, n)
        log a_j - top, and a_j / max a; for one largest j the term is 0 here, since it is 1.
    others : (n,)
        Σ_j a_j / max a - 1, without cancellation.
    largest : (n,)
        Which j that is.
    """

    tops: Array
    logs: Array
    terms: Array
    others: Array
    largest: NDArray[np.intp]

    @property
    def log_density(self) -> Array:
        """log q(x)."""
        return self.tops + np.log1p(self.others)

    @property
    def label_entropy(self) -> Array:
        """h(x) = -Σ_j r_j log r_j with a small relative error however small it is: every summand is >= 0."""
        return self.unscaled_entropy / (1 + self.others)

    @property
    def unscaled_entropy(self) -> Array:
        """q(x) h(x) / max a = S log S - Σ_j a_j log a_j, where S = Σ_j a_j and max a = 1."""
        moved: Array = np.einsum("jn,jn->n", self.terms, self.logs)
        return (1 + self.others) * np.log1p(self.others) - moved

    @property
    def all_terms(self) -> Array:
        """a_j / max a with the 1 in its place, (K, n)."""
        out = self.terms.copy()
        out[self.largest, np.arange(len(self.largest))] = 1.0
        return out


def overlap_at(logs: Array) -> OverlapAt:
    """From log π_j N_j(x), (K, n), which is overwritten."""
    lanes = np.arange(logs.shape[1])
    largest = logs.argmax(0)
    tops = logs[largest, lanes]
    logs -= tops
    terms = np.exp(logs)
    terms[largest, lanes] = 0.0
    return OverlapAt(tops, logs, terms, terms.sum(0), largest)
