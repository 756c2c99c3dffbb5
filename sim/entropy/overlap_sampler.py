"""Draws from where two components overlap, for gaps that draws from the mixture would hardly ever see."""

import math

import numpy as np
from numpy.typing import NDArray

from ...theory.entropy.chernoff_weight import log_chernoff_constants, position_indices
from ...theory.entropy.mixture import GaussianMixture
from ...theory.entropy.overlap import Overlap
from . import _kernels
from .components import ENTRIES, Components
from .cost import density_cost
from .overlap_at import OverlapAt, overlap_at

Array = NDArray[np.float64]

MEMORY = 1 << 30  # bytes that the pairs' factors may take
CACHED = 1 << 18  # bytes of factors that stay in the second cache, in whatever order they are used
GAIN = 0.9  # s = 1/2 for all pairs unless the best s lowers the bound at least to this share
LOG_HALF = math.log(2 * math.log(2))  # log c_s at s = 1/2


class OverlapSampler:
    r"""One value is Y = q(x) h(x) / ρ(x) at a draw x from the pairs' density

    .. math:: \rho = \frac1B \sum_{k<j} c_s\, (\pi_k N_k)^{1-s} (\pi_j N_j)^s, \qquad 0 \le Y \le B

    a mixture of Gaussians, s = s_kj.  Every s is ½, where B is the bhattacharyya bound, unless `pairs` hands in the
    mixture's `overlap` and the best s of each pair make B smaller by a tenth.

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
        check_memory(mixture)
        K = mixture.components
        self.components = Components(mixture)
        self.first, self.second = np.triu_indices(K, 1)
        self.halves, self.positions = True, np.full((K, K), 0.5)
        if pairs is not None:
            halves = _log_halves(mixture.weights, pairs.log_bhattacharyya)[self.first, self.second]
            best = pairs.log_weights[self.first, self.second]
            self.halves = bool(np.logaddexp.reduce(best) > np.logaddexp.reduce(halves) + math.log(GAIN))
            self.positions = self.positions if self.halves else pairs.positions
        self.constants: Array = log_chernoff_constants()[position_indices(self.positions)]
        self.centres, self.roots, log_weights = self._gaussians()
        log_bound = float(np.logaddexp.reduce(log_weights))
        self.upper = math.exp(log_bound)
        shares = np.exp(log_weights - log_bound).cumsum()
        self.cumulative: Array = shares / shares[-1]
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
            near = self.roots.nbytes <= CACHED
            order = np.arange(count) if near else chosen.argsort()
            _kernels.place(self.roots, self.centres, chosen, order, points)
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
            before = roots[:-1].copy()
            for k in range(1, len(before)):  # row by row, as cumsum along the first axis takes a point at a time
                before[k] += before[k - 1]
            out: Array = 2 * math.log(2) * np.einsum("jn,jn->n", roots[1:], before)
            return out
        out = np.zeros(terms.shape[1])
        for k in range(len(terms) - 1):
            s = self.positions[k, k + 1 :, None]
            exponents = self.constants[k, k + 1 :, None] + (1 - s) * at.logs[k] + s * at.logs[k + 1 :]
            out += np.exp(exponents).sum(0)
        return out

    def _gaussians(self) -> tuple[Array, Array, Array]:
        """Of every pair's N_k^{1-s} N_j^s: the centre (P, m); lower R with precision R Rᵀ, (P, m, m), or the deviations
        (P, m); and the logarithm of its weight in Bρ, (P,)."""
        mixture, inverses = self.components.mixture, self.components.inverses
        shift = mixture.means[self.second] - mixture.means[self.first]
        s = self.positions[self.first, self.second]
        r = 1 - s
        if self.components.matrices:
            precisions = inverses.transpose(0, 2, 1) @ inverses
            pulls = s[:, None] * np.einsum("pij,pj->pi", precisions[self.second], shift)
            roots, moves = np.empty((len(s), *precisions.shape[1:])), np.empty_like(shift)
            step = max(1, ENTRIES // mixture.dimension**2)
            for start in range(0, len(s), step):
                part = slice(start, start + step)
                left, right = precisions[self.first[part]], precisions[self.second[part]]
                roots[part] = np.linalg.cholesky(r[part, None, None] * left + s[part, None, None] * right)
            _kernels.solve(roots, pulls, moves)
            logs = 2 * np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
            whitened = np.einsum("pij,pj->pi", inverses[self.first], shift)
            pulled = np.einsum("pij,pj->pi", inverses[self.first], moves)
        else:
            left, right = r[:, None] * inverses[self.first] ** 2, s[:, None] * inverses[self.second] ** 2
            roots, moves = 1 / np.sqrt(left + right), shift * right / (left + right)
            logs = np.log(left + right).sum(1)
            whitened, pulled = inverses[self.first] * shift, inverses[self.first] * moves
        # ∫ N_k^{1-s} N_j^s: x̄ - μ_k = s V Σ_j⁻¹ (μ_j - μ_k), and the exponent is -½ (1-s) (μ_j - μ_k)ᵀ Σ_k⁻¹ (x̄ - μ_k)
        logs = -0.5 * logs - 0.5 * r * np.einsum("pi,pi->p", whitened, pulled)
        priors = np.log(mixture.weights) - 0.5 * mixture.log_determinants
        logs += self.constants[self.first, self.second] + r * priors[self.first] + s * priors[self.second]
        return mixture.means[self.first] + moves, roots, logs


def check_memory(mixture: GaussianMixture) -> None:
    """Raise MemoryError where the factors of all pairs would take more than 1 GiB."""
    K, m = mixture.components, mixture.dimension
    size = K * (K - 1) // 2 * (m * m if mixture.kind in ("full", "tied") else m) * 8
    if size > MEMORY:
        raise MemoryError(f"the pairs of {mixture!r} would take {size / 2**30:.1f} GiB, more than {MEMORY / 2**30:g}")


def _log_halves(weights: Array, log_bhattacharyya: Array) -> Array:
    """The logarithms of the weights for s = 1/2, (K, K)."""
    priors = 0.5 * np.log(weights)
    out: Array = LOG_HALF + priors[:, None] + priors + log_bhattacharyya
    return out
