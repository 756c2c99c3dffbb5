"""Draws from where two components overlap, for gaps that draws from the mixture would hardly ever see."""

import math

import numpy as np
import torch
from torch import Tensor

from ...theory import _check
from ...theory.entropy.chernoff_weight import POSITIONS, log_chernoff_constants
from .components import Components
from .label_sampler import density_cost, draw_normals, points_at_a_time, working_memory
from .mixture import TorchMixture
from .overlap_at import OverlapAt, overlap_at
from .pair_spectrum import pair_chunks, ratios_and_axes, spectra_of

GAIN = 0.9  # s = 1/2 for all pairs unless the best s lowers the bound at least to this share
MIDDLE = len(POSITIONS) // 2  # s = 1/2


class OverlapSampler:
    r"""One value is Y = q(x) h(x) / ρ(x) at a draw x from the pairs' density

    .. math:: \rho = \frac1B \sum_{k<j} c_s\, (\pi_k N_k)^{1-s} (\pi_j N_j)^s, \qquad 0 \le Y \le B

    a mixture of Gaussians, s = s_kj.  Every s is ½, where B is the bhattacharyya bound, unless the best s of each pair
    make B smaller by a tenth.

    Attributes
    ----------
    name, offset, sign
        Δ = offset + sign · E[value].
    lower, upper : float
        Between which values lie, 0 and B.
    cost : float
        Roughly how much a value costs, as `LabelSampler.cost`.

    `memory` bytes go to the working arrays, by default 128 MB, on CUDA 2 GB.  The pairs' Gaussians are kept beside
    them: P m² numbers for P = K(K-1)/2 pairs of full covariances, P m for others.  Raises MemoryError where they would
    take more than `memory` bytes.
    Source: docs/entropy, theorems 12 and 13.
    """

    name = "overlap"
    offset = 0.0
    sign = 1.0
    lower = 0.0

    @torch.no_grad()
    def __init__(self, mixture: TorchMixture, *, memory: int | None = None) -> None:
        memory = working_memory(mixture, memory)
        K, m = mixture.components, mixture.dimension
        pairs = K * (K - 1) // 2
        size = pairs * (m * m if mixture.kind == "full" else m) * 8
        if size > memory:
            raise MemoryError(f"memory must be at least {size} bytes for the pairs of {mixture!r}, got {memory}")
        self.components = Components(mixture.detach())
        self.first, self.second = torch.triu_indices(K, K, 1, device=mixture.device)
        self.chunk = points_at_a_time(mixture, memory, pairs, gathered=mixture.device.type != "cpu")
        wide = mixture.detach().to(torch.float64)  # what is found once is found in float64
        log_weights = self._place(wide)
        self.log_bound = float(log_weights.logsumexp(0))
        self.upper = math.exp(self.log_bound)
        shares = (log_weights - self.log_bound).exp().cumsum(0)
        self.cumulative = shares / shares[-1]
        self.centres, self.roots = (part.to(mixture.dtype) for part in self._gaussians(wide))
        self.cost = density_cost(mixture) + m**2 * (mixture.kind in ("full", "tied")) + 30.0 * K
        self.cost += 0.0 if self.halves else 10.0 * pairs

    @torch.no_grad()
    def draw(self, rounds: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent values, (rounds,), float64; ValueError for rounds < 1."""
        parts = []
        for start in range(0, _check.integer("rounds", rounds, 1), self.chunk):
            points = self.points(min(self.chunk, rounds - start), generator)
            parts.append(self.shares(points))
        return (torch.cat(parts) * self.upper).clamp(self.lower, self.upper)

    @torch.no_grad()
    def points(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws from ρ, (count, m)."""
        mixture = self.components.mixture
        uniform = torch.rand(count, dtype=torch.float64, device=mixture.device, generator=generator)
        chosen = torch.searchsorted(self.cumulative, uniform, right=True).clamp(max=len(self.cumulative) - 1)
        normals = draw_normals(mixture, count, generator)
        if mixture.kind == "tied":
            return self.centres[chosen] + normals @ mixture.factors.T
        if mixture.kind != "full":
            return self.centres[chosen] + self.roots[chosen] * normals
        if mixture.device.type != "cpu":  # to go from pair to pair would make the device wait, and launch for each
            return self._gathered(chosen, normals)
        return self._pair_by_pair(chosen, normals)

    def _gathered(self, chosen: Tensor, normals: Tensor) -> Tensor:
        """μ + A z with an A for every draw."""
        out: Tensor = self.centres[chosen] + (self.roots[chosen] @ normals[..., None]).squeeze(-1)
        return out

    def _pair_by_pair(self, chosen: Tensor, normals: Tensor) -> Tensor:
        """The same with A read once for all draws of a pair, in the place of the normals."""
        order = chosen.argsort()
        counts = chosen.bincount(minlength=len(self.cumulative)).tolist()
        ends = np.cumsum([0, *counts])
        for pair in np.nonzero(counts)[0]:
            rows = order[ends[pair] : ends[pair + 1]]
            normals[rows] = self.centres[pair] + normals[rows] @ self.roots[pair].T
        return normals

    @torch.no_grad()
    def shares(self, points: Tensor) -> Tensor:
        """What the value at any points (n, m) is of B: in [0, 1] but for rounding, (n,), float64."""
        at = overlap_at(self.components.logs(points))
        value, density = self._value(at), self._density(at)
        # both underflow only where the quotient is below 1e-16 too
        return torch.where(density > 0, value / density, 0.0)

    def _value(self, at: OverlapAt) -> Tensor:
        """B Y ρ / max a."""
        return at.unscaled_entropy

    def _density(self, at: OverlapAt) -> Tensor:
        """B ρ(x) / max a."""
        if self.halves:
            roots = at.all_terms.sqrt()
            out: Tensor = self.constants[0].exp() * (roots[:, 1:] * roots.cumsum(1)[:, :-1]).sum(1)
            return out
        s = self.positions
        exponents: Tensor = self.constants + (1 - s) * at.logs[:, self.first] + s * at.logs[:, self.second]
        return exponents.exp().sum(1)

    def _place(self, mixture: TorchMixture) -> Tensor:
        """Choose s for every pair; the logarithms of the terms of B, (P,)."""
        constants = log_chernoff_constants()
        priors = mixture.weights.log()
        tables = []
        for first, second in pair_chunks(mixture):
            spectra, odds = spectra_of(mixture, first, second), priors[second] - priors[first]
            rows = [c + s * odds + spectra.log_affinity(float(s)) for s, c in zip(POSITIONS, constants, strict=True)]
            logs = torch.stack(rows) + priors[first]
            least, where = logs.min(0)
            tables.append((least, where, logs[MIDDLE]))
        best, where, middle = (torch.cat(parts) for parts in zip(*tables, strict=True))
        self.halves = bool(best.logsumexp(0) > middle.logsumexp(0) + math.log(GAIN))
        if self.halves:
            where = torch.full_like(where, MIDDLE)
        table = torch.tensor(np.stack([POSITIONS, constants]), device=mixture.device)
        self.positions, self.constants = table[:, where]
        return middle if self.halves else best

    def _gaussians(self, mixture: TorchMixture) -> tuple[Tensor, Tensor]:
        """Centres (P, m) of N_k^{1-s} N_j^s, and A, (P, m, m), with covariance A Aᵀ, or (P, m) deviations."""
        means, factors, kind = mixture.means, mixture.factors, mixture.kind
        shift, s = means[self.second] - means[self.first], self.positions[:, None]
        if kind == "full":
            parts, start = [], 0
            for first, second in pair_chunks(mixture):
                parts.append(_whitened_gaussians(mixture, first, second, s[start : start + len(first)]))
                start += len(first)
            centres, roots = (torch.cat(each) for each in zip(*parts, strict=True))
            return centres, roots
        if kind == "tied":
            return means[self.first] + s * shift, s
        precisions = factors.reshape(mixture.components, -1) ** -2
        left, right = (1 - s) * precisions[self.first], s * precisions[self.second]
        return means[self.first] + shift * right / (left + right), (left + right).rsqrt()


def _whitened_gaussians(mixture: TorchMixture, first: Tensor, second: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """With N_k = N(0, I) and N_j = N(δ, diag ℓ) it is N(s δ/u, diag ℓ/u), u = (1-s)ℓ + s, axis by axis."""
    L, shift = mixture.factors[first], mixture.means[second] - mixture.means[first]
    ratios, axes = ratios_and_axes(torch.linalg.solve_triangular(L, mixture.factors[second], upper=False))
    white = axes.mT @ torch.linalg.solve_triangular(L, shift[..., None], upper=False)
    u = (1 - s) * ratios + s
    back = L @ axes
    centres = mixture.means[first] + (back @ (s / u * white.squeeze(-1))[..., None]).squeeze(-1)
    return centres, back * (ratios / u).sqrt()[:, None, :]
