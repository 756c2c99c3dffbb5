"""Roughly how many nanoseconds things take on one core; only ratios matter, and within a factor of two or so."""

from ...theory.entropy.mixture import GaussianMixture
from .components import DENSE


def density_cost(mixture: GaussianMixture) -> float:
    """All components' densities at a point."""
    m = mixture.dimension
    squares = 0.0 if mixture.kind in ("diagonal", "spherical") else (0.06 if m >= DENSE else 0.3) * m**2
    return mixture.components * (squares + m + 10.0)


def pairs_cost(mixture: GaussianMixture) -> float:
    """The exact bounds of all pairs."""
    K, m = mixture.components, mixture.dimension
    pairs = K * (K - 1) / 2
    return 1e7 + pairs * (1e5 + 2e3 * m + (0.4 * m**3 if mixture.kind == "full" else 0.0))


def gaussians_cost(mixture: GaussianMixture) -> float:
    """The Gaussians between all pairs, as `OverlapSampler` needs them."""
    K, m = mixture.components, mixture.dimension
    each = 4.0 * m**2 + 0.04 * m**3 if mixture.kind in ("full", "tied") else 10.0 * m
    return 2e5 + K * (K - 1) / 2 * (1e3 + each)
