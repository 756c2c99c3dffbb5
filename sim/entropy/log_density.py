"""The log density of a mixture, and draws from it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.entropy.mixture import GaussianMixture
from .components import Components
from .overlap_at import overlap_at

Array = NDArray[np.float64]


def log_density(mixture: GaussianMixture, points: ArrayLike) -> Array:
    """log q(x) for each row x of `points`, (n, m) -> (n,).

    The absolute error is about 1e-16 · κ · d², d the Mahalanobis distance from the nearest component and κ the
    condition number of its covariance.  Beside the result, memory is that of a block of points, whatever n.

    Raises ValueError or TypeError where `points` is no finite matrix with m columns.

    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])
    >>> log_density(mixture, [[0.0], [1.0]]).round(6)
    array([-1.485158, -1.418939])
    """
    checked = _check.matrix("points", points, columns=mixture.dimension)
    components = Components(mixture)
    out = np.empty(len(checked))
    for start in range(0, len(checked), components.chunk):
        rows = slice(start, start + components.chunk)
        out[rows] = overlap_at(components.logs(np.ascontiguousarray(checked[rows].T))).log_density
    return out


def draw_points(mixture: GaussianMixture, draws: int, generator: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """Independent draws x ~ q, (draws, m), and their labels, (draws,).

    >>> points, labels = draw_points(GaussianMixture([1.0], [[0.0, 3.0]], [4.0]), 5, np.random.default_rng(0))
    >>> points.shape, labels.tolist()
    ((5, 2), [0, 0, 0, 0, 0])
    """
    n = _check.integer("draws", draws, 0)
    components = Components(mixture)
    cumulative = mixture.weights.cumsum()
    labels = np.searchsorted(cumulative / cumulative[-1], generator.random(n), side="right")
    points = generator.standard_normal((n, mixture.dimension))
    for k in np.unique(labels):
        rows = labels == k
        moved = components.directions(int(k), np.ascontiguousarray(points[rows].T))
        points[rows] = moved.T + mixture.means[k]
    return points, labels
