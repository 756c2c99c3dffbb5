"""Positive vectors v with T(v) <= λ v, the proof that a map contracts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from .comparison import Comparison

Array = NDArray[np.float64]

ABOVE = 1e-6  # relative distance of s from ρ
SPARE = 1e-12  # relative, added to λ so that another machine's rounding still finds T(v) <= λ v
POLICY_STEPS = 30
POWER_STEPS = 400
LARGEST = 1e150  # of max v / min v


@dataclass(frozen=True, eq=False)
class Rate:
    """A contraction rate and its proof.

    Attributes
    ----------
    rate : float
        λ with T(v) <= λ v, rounded up; infinite where no v was found.
    vector : (d,) or None
        v >= 1.
    spectral_radius : float
        ρ of the matrix of the worst rows, in floating point; no bound.
    """

    rate: float
    vector: Array | None
    spectral_radius: float

    @property
    def certified(self) -> bool:
        """λ < 1."""
        return self.rate < 1


def contraction_rate(comparison: Comparison, start: Array | None = None) -> Rate:
    """The least λ that policy iteration finds, from `start` or from the vector of ones.

    The worst rows at v make a matrix; its resolvent vector is the next v; the v with the least max_r T(v)_r / v_r is
    kept.  For a single matrix this is one step.

    Source: docs/resilience, lemma 9 and theorem 8.
    """
    v = np.ones(comparison.dimension) if start is None else start
    best = Rate(np.inf, None, np.inf)
    radius = 0.0
    for step in range(POLICY_STEPS):
        rows = comparison.rows(v).matrix
        if not np.isfinite(rows).all():
            return Rate(np.inf, None, np.inf)
        if start is not None or step:
            rate = verified_rate(comparison, v)
            if rate < best.rate:
                best = Rate(rate, v, radius)
            if radius and rate <= radius * (1 + 3 * ABOVE) + 2 * SPARE:
                break
        radius = spectral_radius(rows)
        found = resolvent_vector(rows, radius * (1 + ABOVE) + SPARE)
        if found is None:
            break
        v = found
    return Rate(best.rate, best.vector, min(radius, best.rate) if best.vector is not None else radius)


def verified_rate(comparison: Comparison, vector: Array) -> float:
    """max_r T(v)_r / v_r rounded up, for v > 0: one multiplication, which proves T(v) <= λ v."""
    ratio = np.nextafter(comparison.apply(vector) / vector, np.inf)
    return float(ratio.max() * (1 + SPARE))


def resolvent_vector(matrix: Array, level: float) -> Array | None:
    """v = (I − M/s)⁻¹ 1 >= 1 for s > ρ(M), for which M v = s (v − 1) < s v; s is raised while v is not positive."""
    d = len(matrix)
    for attempt in range(8):
        s = level * (1 + (4**attempt - 1) * 1e-6)
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                v = np.linalg.solve(np.eye(d) - matrix / s, np.ones(d))
            except np.linalg.LinAlgError:
                continue
        if np.isfinite(v).all() and (v > 0).all() and v.max() <= LARGEST * v.min():
            return np.asarray(v / v.min())
    return None


def spectral_radius(matrix: Array) -> float:
    """ρ(M) for M >= 0, the largest over the strongly connected blocks; in floating point."""
    count, labels = connected_components(csr_matrix((matrix > 0).astype(float)), directed=True, connection="strong")
    if count == len(matrix):
        return float(np.diagonal(matrix).max())
    if count == 1:
        return _irreducible_radius(matrix)
    sizes = np.bincount(labels, minlength=count)
    alone = sizes[labels] == 1
    best = float(np.diagonal(matrix)[alone].max(initial=0.0))
    for block in np.flatnonzero(sizes > 1):
        inside = np.flatnonzero(labels == block)
        best = max(best, _irreducible_radius(matrix[np.ix_(inside, inside)]))
    return best


def _irreducible_radius(matrix: Array) -> float:
    """Power steps while they close in fast, eigenvalues otherwise."""
    x = np.ones(len(matrix))
    for _ in range(POWER_STEPS):
        y = matrix @ x
        if not (y > 0).all() or not np.isfinite(y).all():
            break
        ratio = y / x
        low, high = ratio.min(), ratio.max()
        if high - low <= 1e-14 * high:
            return float(high)
        x = y / y.max()
    return float(np.abs(np.linalg.eigvals(matrix)).max())
