"""The gap of a mixture with one common covariance, by plain quadrature: a second route for small mixtures."""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .mixture import GaussianMixture

Array = NDArray[np.float64]

TAIL = 8.5  # standard deviations; beyond them 2e-17 of the mass is left
POINTS = 1 << 25
SETTLED = 1e-11
SLAB = 1 << 16


def equal_covariance_gap(mixture: GaussianMixture) -> float:
    r"""Δ of a mixture with tied covariance (or equal spherical or diagonal ones), in nats, to 1e-10.

    .. math:: \Delta = \int_{\mathbb{R}^q} q(x)\, h(r(x))\, dx, \qquad h(r) = -\sum_k r_k \log r_k

    After whitening, the law of the label's posterior depends on the means through their differences alone, so that the
    integral runs over their span, of q <= min(m, K-1) dimensions; the tensor trapezoid rule is halved until it settles.

    Raises ValueError where the covariances differ, where q > 3, and where 2^25 points do not settle it.
    Source: docs/entropy, theorem 11.

    >>> round(equal_covariance_gap(GaussianMixture([0.3, 0.7], [[0.0], [2.0]], [1.0, 1.0])), 9)
    0.319006784
    """
    centres = span_coordinates(mixture)
    q = centres.shape[1]
    if q > 3:
        raise ValueError(f"means must span at most 3 dimensions for quadrature, got {q}")
    low, high = centres.min(0) - TAIL, centres.max(0) + TAIL
    step, old = 0.5, np.inf
    while True:
        axes = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
        size = np.prod([len(axis) for axis in axes])
        if size > POINTS:
            raise ValueError(f"means must lie near enough to settle within {POINTS} points, got {size:.0f} without it")
        new = float(_integral(mixture.weights, centres, axes) * step**q)
        if abs(new - old) <= SETTLED:
            return new
        step, old = step / 2, new


def span_coordinates(mixture: GaussianMixture) -> Array:
    """The whitened means in an orthonormal basis of the span of their differences, (K, q), q their numerical rank.

    Raises ValueError where the covariances are not all equal.
    """
    shift = mixture.means - mixture.means[0]
    if mixture.kind == "tied":
        white = solve_triangular(mixture.factors[0], shift.T, lower=True).T
    else:
        if not (mixture.covariances == mixture.covariances[0]).all():
            raise ValueError(f"covariances must be equal for all components, got {mixture.kind} ones that differ")
        if mixture.kind == "full":
            white = solve_triangular(mixture.factors[0], shift.T, lower=True).T
        else:
            white = shift / mixture.factors[0]
    _, sizes, axes = np.linalg.svd(white, full_matrices=False)
    rank = int((sizes > 1e-13 * max(sizes.max(), 1e-300)).sum())
    out: Array = white @ axes[:rank].T
    return out


def _integral(weights: Array, centres: Array, axes: list[Array]) -> float:
    """The sum of q(x) h(x) over the grid, slab by slab."""
    q = len(axes)
    logs = np.log(weights) - 0.5 * q * np.log(2 * np.pi)
    inner = np.stack([part.ravel() for part in np.meshgrid(*axes[1:], indexing="ij")], 1) if q > 1 else np.zeros((1, 0))
    total = 0.0
    per_slab = max(1, SLAB // len(inner))
    outer = axes[0] if q else np.zeros(1)
    slabs = [(begin, start) for begin, start in product(range(0, len(outer), per_slab), range(0, len(inner), SLAB))]
    for begin, start in slabs:
        tail = ((inner[start : start + SLAB, None] - centres[:, 1:]) ** 2).sum(-1)
        head = (outer[begin : begin + per_slab, None] - centres[:, 0]) ** 2 if q else np.zeros((1, len(weights)))
        joint = logs - 0.5 * (head[:, None] + tail)
        top = joint.max(-1, keepdims=True)
        odds = joint - top
        posterior = np.exp(odds)
        mass = posterior.sum(-1)
        # Σ r (-log r) = log Σ e^odds - Σ r odds
        entropy = np.log(mass) - (posterior * odds).sum(-1) / mass
        total += float((np.exp(top[..., 0]) * mass * entropy).sum())
    return total
