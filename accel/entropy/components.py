"""Weighted log densities of the components of a mixture at many points, by their inverse Cholesky factors."""

import math

import torch
from torch import Tensor

from .approximate_entropy import log_determinants
from .mixture import TorchMixture


class Components:
    """The components of a mixture, prepared for evaluation at many points (n, m); gradients flow through all of it.

    Attributes
    ----------
    mixture : TorchMixture
    inverses : (m, K m), (m, m), (K, m) or (K, 1)
        P_jᵀ = L_j⁻ᵀ side by side; one for all; reciprocals of the standard deviations.
    heights : (K,)
        log π_j - ½ m log 2π - ½ log det Σ_j.
    """

    def __init__(self, mixture: TorchMixture) -> None:
        m, factors = mixture.dimension, mixture.factors
        self.mixture = mixture
        if mixture.kind in ("full", "tied"):
            eye = torch.eye(m, dtype=mixture.dtype, device=mixture.device)
            inverses = torch.linalg.solve_triangular(factors, eye, upper=False)
            self.inverses = inverses.reshape(-1, m).T
        else:
            self.inverses = 1 / (factors if mixture.kind == "diagonal" else factors[:, None])
        self.heights = mixture.weights.log() - 0.5 * m * math.log(2 * math.pi) - 0.5 * log_determinants(mixture)

    def logs(self, points: Tensor) -> Tensor:
        """log π_j N_j(x), (n, K); the error is about a rounding times the condition number of Σ_j and the exponent."""
        centre = self.mixture.means.detach().mean(0)
        return self._logs(self._whitened(points - centre) + self._offsets(centre))

    def logs_around(self, component: int, directions: Tensor) -> Tensor:
        """log π_j N_j(μ_k ± w), (2, n, K), for one k and n directions w, sharing the work of the two signs."""
        offsets, shift = self._offsets(self.mixture.means[component]), self._whitened(directions)
        return torch.stack([self._logs(offsets + shift), self._logs(offsets - shift)])

    def directions(self, component: int, normals: Tensor) -> Tensor:
        """L_k z for standard normal z, (n, m)."""
        factors, kind = self.mixture.factors, self.mixture.kind
        factor = factors if kind == "tied" else factors[component]
        out: Tensor = normals @ factor.T if kind in ("full", "tied") else normals * factor
        return out

    def _whitened(self, shift: Tensor) -> Tensor:
        """P_j w, (n, K, m), or (n, 1, m) where it is the same for all j."""
        if self.mixture.kind in ("full", "tied"):
            side_by_side: Tensor = shift @ self.inverses
            return side_by_side.reshape(len(shift), -1, self.mixture.dimension)
        out: Tensor = shift[:, None] * self.inverses
        return out

    def _offsets(self, centre: Tensor) -> Tensor:
        """P_j (c - μ_j), (K, m)."""
        away = centre - self.mixture.means
        if self.mixture.kind == "full":
            inverses = self.inverses.reshape(self.mixture.dimension, self.mixture.components, -1)
            return torch.einsum("ja,ajb->jb", away, inverses)
        out: Tensor = away @ self.inverses if self.mixture.kind == "tied" else away * self.inverses
        return out

    def _logs(self, white: Tensor) -> Tensor:
        out: Tensor = self.heights - 0.5 * white.square().sum(-1)
        return out
