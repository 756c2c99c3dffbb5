"""The rank of a matrix known in floating point, with a warning where the answer hangs by a thread."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from . import _check

NEAR = 10.0  # a singular value within this factor of the threshold makes the rank doubtful


class DoubtfulRankWarning(UserWarning):
    """A singular value lies within a factor 10 of the threshold that decides the rank."""


def numerical_rank(
    name: str, matrix: ArrayLike, tolerance: float | None = None, *, scale: float | None = None, floor: float = 0.0
) -> int:
    """Number of singular values above the threshold max(tolerance · scale, floor).

    Parameters
    ----------
    name : str
        What to call the matrix in messages.
    matrix : (M, N)
    tolerance : float, optional
        Relative to `scale`; by default max(M, N) times the float64 epsilon, as in `numpy.linalg.matrix_rank`.
    scale : float, optional
        By default the largest singular value.
    floor : float
        What rounding may have left of a zero, where the matrix is itself a computed result.

    Warns `DoubtfulRankWarning` when a singular value lies within a factor 10 of the threshold.
    Raises ValueError for a matrix that is not finite or a tolerance outside [0, 1).

    >>> numerical_rank("A", [[1.0, 2.0], [2.0, 4.0]])
    1
    """
    values = _check.matrix(name, matrix)
    relative = checked_tolerance(tolerance, values.shape)
    if values.size == 0:
        return 0
    singular = np.linalg.svd(values, compute_uv=False)
    threshold = max(relative * (singular[0] if scale is None else scale), floor)
    near = (singular > threshold / NEAR) & (singular < threshold * NEAR)
    if near.any():
        warnings.warn(
            f"the rank of {name} is doubtful: singular value {singular[near][0]:.3g} lies within a factor {NEAR:g} "
            f"of the threshold {threshold:.3g}; pass a tolerance that separates signal from rounding",
            DoubtfulRankWarning,
            stacklevel=3,
        )
    return int((singular > threshold).sum())


def checked_tolerance(tolerance: float | None, shape: tuple[int, ...]) -> float:
    """`tolerance`, or the default for a matrix of this shape."""
    if tolerance is None:
        return max(shape, default=0) * float(np.finfo(np.float64).eps)
    if not 0.0 <= tolerance < 1.0:
        raise ValueError(f"tolerance must lie in [0, 1), got {tolerance!r}")
    return float(tolerance)
