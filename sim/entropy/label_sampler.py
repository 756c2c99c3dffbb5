"""The label entropy at draws from the mixture itself."""

import math

import numpy as np
from numpy.typing import NDArray

from ...theory.entropy.mixture import GaussianMixture
from .components import Components
from .cost import density_cost
from .overlap_at import overlap_at

Array = NDArray[np.float64]


class LabelSampler:
    """One value is a whole round: Σ_k π_k ½ (h(μ_k + L_k z_k) + h(μ_k - L_k z_k)), with fresh z_k.

    A round holds one pair of mirror images of each component, so that values are independent with one mean, which
    finite-sample intervals ask for, and neither the labels nor the side of the mean add to their variance.

    Attributes
    ----------
    name, offset, sign
        Δ = offset + sign · E[value].
    lower, upper : float
        Between which values lie, 0 and log K.
    cost : float
        Roughly how many nanoseconds a value takes on one core; only ratios matter, and within a factor of two or so.

    Source: docs/entropy, theorem 13.
    """

    name = "labels"
    offset = 0.0
    sign = 1.0
    lower = 0.0

    def __init__(self, mixture: GaussianMixture) -> None:
        self.components = Components(mixture)
        self.upper = math.log(mixture.components)
        self.cost = mixture.components * (density_cost(mixture) + 20.0 * mixture.components)

    def draw(self, generator: np.random.Generator, rounds: int) -> Array:
        """Independent values, (rounds,)."""
        mixture = self.components.mixture
        K, m = mixture.components, mixture.dimension
        out = np.zeros(rounds)
        for k in range(K):
            offsets = self.components.offsets(k)
            for start in range(0, rounds, self.components.chunk):
                part = out[start : start + self.components.chunk]
                normals = generator.standard_normal((m, len(part)))
                for side in self.components.logs_around(offsets, self.components.directions(k, normals)):
                    part += 0.5 * mixture.weights[k] * overlap_at(side).label_entropy
        return np.clip(out, self.lower, self.upper)  # log K may be passed by a rounding
