"""Weighted log densities of the components of a mixture at many points, by their inverse Cholesky factors."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dtrmm

from ...theory.entropy.mixture import GaussianMixture
from . import _kernels

Array = NDArray[np.float64]

DENSE = 20  # from this dimension on a triangular matrix product beats the loops of _kernels
ENTRIES = 1 << 15  # of an array of components times points: 256 kB, so that it stays in the second cache
FEWEST = 512  # points at a time in a matrix product, but no more than fill
BLOCK = 1 << 18  # entries of an array of coordinates times points


class Components:
    """The components of a mixture, prepared for evaluation at many points; points are (m, n).

    Attributes
    ----------
    mixture : GaussianMixture
    factors : (K, m, m) lower triangular, or (K, m)
        L_k with Σ_k = L_k L_kᵀ, or standard deviations.
    inverses : as `factors`
        P_k = L_k⁻¹.
    heights : (K,)
        log π_k - ½ m log 2π - ½ log det Σ_k.
    chunk : int
        How many points are best evaluated at a time.
    """

    def __init__(self, mixture: GaussianMixture) -> None:
        K, m = mixture.components, mixture.dimension
        self.mixture = mixture
        self.matrices = mixture.kind in ("full", "tied")
        if self.matrices:
            eye = np.eye(m)
            inverses = np.stack([solve_triangular(factor, eye, lower=True) for factor in mixture.factors])
            self.factors: Array = np.broadcast_to(mixture.factors, (K, m, m))
            self.inverses: Array = np.broadcast_to(inverses, (K, m, m))
        else:
            scales = mixture.factors.reshape(K, -1)
            self.factors = np.ascontiguousarray(np.broadcast_to(scales, (K, m)))
            self.inverses = 1 / self.factors
        self.heights: Array = np.log(mixture.weights) - 0.5 * m * math.log(2 * math.pi) - 0.5 * mixture.log_determinants
        self.chunk = max(64, ENTRIES // K)
        if self.by_products:
            self.chunk = max(64, min(max(FEWEST, self.chunk), BLOCK // m))

    @property
    def by_products(self) -> bool:
        """Whether distances come from matrix products."""
        return self.matrices and self.mixture.dimension >= DENSE

    def logs(self, points: Array) -> Array:
        """log π_j N_j(x), (K, n); the error is about 1e-16 times the condition number of Σ_j times the exponent."""
        means = self.mixture.means
        out = np.empty((len(means), points.shape[1]))
        if self.by_products:
            for mean, inverse, squares in zip(means, self.inverses, out, strict=True):
                _kernels.add_squares(_times(inverse, points - mean[:, None]), squares)
        elif self.matrices:
            _kernels.dense_squares(self.inverses, means, points, out)
        else:
            _kernels.diagonal_squares(self.inverses, means, points, out)
        return self._logs(out)

    def logs_around(self, offsets: Array, directions: Array) -> Array:
        """log π_j N_j(μ_k ± w), (2, K, n), for n directions w, sharing the work of the two signs.

        `offsets` are those of k.
        """
        out = np.empty((2, len(offsets), directions.shape[1]))
        if self.by_products:
            for j, (offset, inverse) in enumerate(zip(offsets, self.inverses, strict=True)):
                _kernels.add_squares_around(offset, _times(inverse, directions.copy()), out[0, j], out[1, j])
        elif self.matrices:
            _kernels.dense_squares_around(self.inverses, offsets, directions, out)
        else:
            _kernels.diagonal_squares_around(self.inverses, offsets, directions, out)
        return self._logs(out)

    def offsets(self, component: int) -> Array:
        """P_j (μ_k - μ_j) for one k and all j, (K, m)."""
        shift = self.mixture.means[component] - self.mixture.means
        out: Array = np.matmul(self.inverses, shift[:, :, None])[:, :, 0] if self.matrices else self.inverses * shift
        return out

    def directions(self, component: int, normals: Array) -> Array:
        """L_k z for standard normal z, (m, n); the normals may be overwritten."""
        factor = self.factors[component]
        out: Array = _times(factor, normals) if self.matrices else factor[:, None] * normals
        return out

    def _logs(self, squares: Array) -> Array:
        squares *= -0.5
        squares += self.heights[:, None]
        return squares


def _times(lower: Array, block: Array) -> Array:
    """A lower triangular matrix times a block (m, n), in place if the block is C-ordered, at half a product's work."""
    out: Array = dtrmm(1.0, lower.T, block.T, side=1, lower=0, overwrite_b=1).T
    return out
