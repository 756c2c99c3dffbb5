"""The label entropy at draws from the mixture itself."""

import math

import torch
from torch import Tensor

from ...theory import _check
from .components import Components
from .mixture import TorchMixture
from .overlap_at import overlap_at

MEMORY = 1 << 27  # bytes of the working arrays, unless said otherwise
MEMORY_ON_CUDA = 1 << 31  # the same where each array costs a launch


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
        Roughly how much a value costs, in multiplications; only ratios matter.
    weights : list of float
        π.

    `memory` bytes go to the working arrays, by default 128 MB, on CUDA 2 GB.
    Source: docs/entropy, theorem 13.
    """

    name = "labels"
    offset = 0.0
    sign = 1.0
    lower = 0.0

    def __init__(self, mixture: TorchMixture, *, memory: int | None = None) -> None:
        self.components = Components(mixture.detach())
        self.weights = mixture.weights.tolist()  # the device waits here, not at every draw
        self.upper = math.log(mixture.components)
        self.cost = mixture.components * (density_cost(mixture) + 20.0 * mixture.components)
        self.chunk = points_at_a_time(mixture, working_memory(mixture, memory), 0)

    @torch.no_grad()
    def draw(self, rounds: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent values, (rounds,), float64; ValueError for rounds < 1."""
        mixture = self.components.mixture
        parts = []
        for size in _sizes(_check.integer("rounds", rounds, 1), self.chunk):
            total: Tensor | float = 0.0
            for k, weight in enumerate(self.weights):
                normals = draw_normals(mixture, size, generator)
                logs = self.components.logs_around(k, self.components.directions(k, normals))
                total = total + 0.5 * weight * overlap_at(logs).label_entropy.sum(0)
            parts.append(total)
        values = torch.cat([part for part in parts if isinstance(part, Tensor)])
        return values.clamp(self.lower, self.upper)  # log K may be passed by a rounding


def working_memory(mixture: TorchMixture, memory: int | None) -> int:
    """The bytes asked for, or what suits the device of the mixture."""
    default = MEMORY_ON_CUDA if mixture.device.type == "cuda" else MEMORY
    return default if memory is None else memory


def density_cost(mixture: TorchMixture) -> float:
    """Roughly how many multiplications all components' densities at a point take."""
    m = mixture.dimension
    return mixture.components * ((m**2 if mixture.kind == "full" else 0.0) + 4.0 * m + 20.0)


def points_at_a_time(mixture: TorchMixture, memory: int, pairs: int, *, gathered: bool = False) -> int:
    """How many points may be evaluated at once, each with about four (K, m) arrays and eight numbers for a pair.

    And, where factors are gathered, an (m, m) one each.
    """
    K, m = mixture.components, mixture.dimension
    size = torch.finfo(mixture.dtype).bits // 8
    factor = size * m * m if gathered and mixture.kind == "full" else 0
    return max(1, memory // (4 * size * (K + 1) * m + 64 * (2 * K + pairs) + factor))


def draw_normals(mixture: TorchMixture, count: int, generator: torch.Generator | None) -> Tensor:
    """(count, m) standard normals where the mixture is."""
    return torch.randn(count, mixture.dimension, dtype=mixture.dtype, device=mixture.device, generator=generator)


def _sizes(total: int, chunk: int) -> list[int]:
    return [min(chunk, total - start) for start in range(0, total, chunk)]
