"""Draws from where two components overlap, for gaps that draws from the mixture would hardly ever see."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ...theory.entropy.chernoff_weight import log_chernoff_constants, position_indices
from ...theory.entropy.mixture import GaussianMixture
from ...theory.entropy.overlap import Overlap, overlap
from . import _kernels
from .components import Components
from .label_sampler import density_cost
from .overlap_at import OverlapAt, overlap_at

Array = NDArray[np.float64]

MEMORY = 1 << 30  # bytes that the pairs' factors may take
GAIN = 0.9  # s = 1/2 for all pairs unless the best s lowers the bound at least to this share
LOG_HALF = math.log(2 * math.log(2))  # log c_s at s = 1/2


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
        Roughly how many nanoseconds a value takes on one core, as `LabelSampler.cost`.

    Raises MemoryError where the factors of all pairs would take more than 1 GiB.
    Source: docs/entropy, theorems 12 and 13.
    """

    name = "overlap"
    offset = 0.0
    sign = 1.0
    lower = 0.0

    def __init__(self, mixture: GaussianMixture, pairs: Overlap | None = None) -> None:
        K, m = mixture.components, mixture.dimension
        size = K * (K - 1) // 2 * (m * m if mixture.kind in ("full", "tied") else m) * 8
        if size > MEMORY:
            raise MemoryError(
                f"the pairs of {mixture!r} would take {size / 2**30:.1f} GiB, more than {MEMORY / 2**30:g}"
            )
        pairs = overlap(mixture) if pairs is None else pairs
        self.components = Components(mixture)
        self.first, self.second = np.triu_indices(K, 1)
        logs = pairs.log_weights[self.first, self.second]
        priors = np.log(mixture.weights)
        halves = LOG_HALF + 0.5 * (priors[self.first] + priors[self.second])
        halves += pairs.log_bhattacharyya[self.first, self.second]
        self.halves = bool(np.logaddexp.reduce(logs) > np.logaddexp.reduce(halves) + math.log(GAIN))
        self.positions: Array = np.full((K, K), 0.5) if self.halves else pairs.positions
        self.log_weights: Array = halves if self.halves else logs
        self.log_bound = float(np.logaddexp.reduce(self.log_weights))
        self.upper = math.exp(self.log_bound)
        self.constants: Array = log_chernoff_constants()[position_indices(self.positions)]
        shares = np.exp(self.log_weights - self.log_bound).cumsum()
        self.cumulative: Array = shares / shares[-1]
        self.centres, self.roots = self._gaussians()
        self.cost = density_cost(mixture) + 150.0 + 30.0 * K + (0.0 if self.halves else 10.0 * len(self.first))

    def draw(self, generator: np.random.Generator, rounds: int) -> Array:
        """Independent values, (rounds,)."""
        out = np.empty(rounds)
        for start in range(0, rounds, self.components.chunk):
            part = out[start : start + self.components.chunk]
            at = overlap_at(self.components.logs(self.points(generator, len(part))))
            part[:] = self._value(at)
        out *= self.upper
        return np.clip(out, self.lower, self.upper)

    def points(self, generator: np.random.Generator, count: int) -> Array:
        """Draws from ρ, (m, count)."""
        chosen = np.searchsorted(self.cumulative, generator.random(count), side="right")
        points = generator.standard_normal((count, self.centres.shape[1]))
        if self.components.matrices:
            _kernels.place(self.roots, self.centres, chosen, chosen.argsort(), points)
        else:
            points *= self.roots[chosen]
            points += self.centres[chosen]
        return np.ascontiguousarray(points.T)

    def _value(self, at: OverlapAt) -> Array:
        """Y / B."""
        return at.unscaled_entropy / self._density(at)

    def _density(self, at: OverlapAt) -> Array:
        """B ρ(x) / max a."""
        terms = at.all_terms
        if self.halves:
            roots = np.sqrt(terms)
            out: Array = 2 * math.log(2) * np.einsum("jn,jn->n", roots[1:], roots.cumsum(0)[:-1])
            return out
        out = np.zeros(terms.shape[1])
        for k in range(len(terms) - 1):
            s = self.positions[k, k + 1 :, None]
            exponents = self.constants[k, k + 1 :, None] + (1 - s) * at.logs[k] + s * at.logs[k + 1 :]
            out += np.exp(exponents).sum(0)
        return out

    def _gaussians(self) -> tuple[Array, Array]:
        """Centres (P, m) of N_k^{1-s} N_j^s and, (P, m, m), lower R with precision R Rᵀ, or (P, m) deviations."""
        means, inverses = self.components.mixture.means, self.components.inverses
        shift = means[self.second] - means[self.first]
        s = self.positions[self.first, self.second]
        if not self.components.matrices:
            left, right = (1 - s)[:, None] * inverses[self.first] ** 2, s[:, None] * inverses[self.second] ** 2
            return means[self.first] + shift * right / (left + right), 1 / np.sqrt(left + right)
        m = means.shape[1]
        centres, roots = np.empty((len(s), m)), np.empty((len(s), m, m))
        precisions = inverses.transpose(0, 2, 1) @ inverses
        for p, (k, j) in enumerate(zip(self.first, self.second, strict=True)):
            root = np.linalg.cholesky((1 - s[p]) * precisions[k] + s[p] * precisions[j])
            pulled = solve_triangular(root, s[p] * (precisions[j] @ shift[p]), lower=True)
            centres[p] = means[k] + solve_triangular(root, pulled, lower=True, trans=1)
            roots[p] = root
        return centres, roots
