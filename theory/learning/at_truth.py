"""The learning coefficients at truths given as matrices: the ranks are computed, with a stated tolerance."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from ..numerical_rank import checked_tolerance, numerical_rank
from .coefficient import LearningCoefficient
from .concept_bottleneck import concept_bottleneck, multitask
from .deep_linear import deep_linear
from .observed_chain import observed_chain
from .partial_concept_bottleneck import partial_concept_bottleneck
from .reduced_rank import reduced_rank

# In all of them `tolerance` is relative to the largest singular value, with the default of numpy.linalg.matrix_rank,
# and a DoubtfulRankWarning is given when a singular value lies within a factor 10 of the threshold.  The threshold for
# a product of weights never falls below what rounding can leave of a zero, ROUNDING · (largest width) · Π‖W_l‖: factors
# that cancel give a true map of rank 0, not noise of full rank.

ROUNDING = 16 * float(np.finfo(np.float64).eps)


def reduced_rank_at(
    output_weights: ArrayLike,
    hidden_weights: ArrayLike,
    tolerance: float | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """`reduced_rank` at the truth A* (M, H), B* (H, N).

    >>> reduced_rank_at([[1.0], [0.0]], [[1.0, 1.0]]).value
    Fraction(3, 2)
    """
    A, B = _factors(output_weights, hidden_weights)
    rank = numerical_rank("the true map", A @ B, tolerance, floor=_rounding(B, A))
    return reduced_rank(A.shape[0], A.shape[1], B.shape[1], rank, biases=biases, unknown_noise=unknown_noise)


def deep_linear_at(
    layers: Sequence[ArrayLike],
    tolerance: float | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """`deep_linear` at the true layers W_1, …, W_L, each (h_l, h_{l−1}), input side first.

    >>> deep_linear_at([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]], [[1.0, 1.0]]]).value
    Fraction(1, 1)
    """
    weights = _chain(layers)
    rank = numerical_rank("the true map", _product(weights), tolerance, floor=_rounding(*weights))
    return deep_linear(_widths(weights), rank, biases=biases, unknown_noise=unknown_noise)


def concept_bottleneck_at(
    output_weights: ArrayLike,
    concept_weights: ArrayLike,
    tolerance: float | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """`concept_bottleneck` at the truth A* (M, H), B* (H, N).

    >>> concept_bottleneck_at([[1.0, 1.0]], [[1.0, 0.0], [2.0, 0.0]]).value
    Fraction(5, 2)
    """
    A, B = _factors(output_weights, concept_weights, "concept_weights")
    rank = numerical_rank("concept_weights", B, tolerance)
    return concept_bottleneck(A.shape[0], A.shape[1], B.shape[1], rank, biases=biases, unknown_noise=unknown_noise)


def multitask_at(
    output_weights: ArrayLike,
    concept_weights: ArrayLike,
    hidden_weights: ArrayLike,
    tolerance: float | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """`multitask` at the truth A* (M, H), C* (K, H), B* (H, N).

    >>> multitask_at([[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]).value
    Fraction(2, 1)
    """
    A, B = _factors(output_weights, hidden_weights)
    C = _check.matrix("concept_weights", concept_weights, columns=A.shape[1])
    heads = np.vstack([A, C])
    rank = numerical_rank("the true map", heads @ B, tolerance, floor=_rounding(B, heads))
    return multitask(A.shape[0], C.shape[0], A.shape[1], B.shape[1], rank, biases=biases, unknown_noise=unknown_noise)


def partial_concept_bottleneck_at(
    output_weights: ArrayLike,
    hidden_weights: ArrayLike,
    concepts: int,
    tolerance: float | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """`partial_concept_bottleneck` at the truth A* (M, H), B* (H, N), the last `concepts` hidden units observed.

    The rank of what the concepts leave unexplained is taken as r' = rank([B₂*; A*B*]) − rank(B₂*), each block divided
    by its norm, `tolerance` relative to 1.  Raises ValueError where the tolerance cuts B₂* so that no truth has the
    ranks it leaves.

    >>> partial_concept_bottleneck_at([[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], concepts=1).value
    Fraction(2, 1)
    """
    A, B = _factors(output_weights, hidden_weights)
    (M, H), N = A.shape, B.shape[1]
    H2 = _check.integer("concepts", concepts, 0, H, f"the number of hidden units = {H}")
    B2, T = B[H - H2 :], A @ B
    relative = checked_tolerance(tolerance, B2.shape if H2 else T.shape)
    r2 = numerical_rank("the concept weights", B2, relative)
    rest, noise, size = 0, _rounding(B, A), _norm(T)
    if size > noise:
        # a projection onto the complement of row(B₂*) would magnify rounding by the condition of B₂*; stacking does not
        stack = np.vstack([B2 / (_norm(B2) or 1.0), T / size])
        joint = numerical_rank("concepts and true map together", stack, relative, scale=1.0, floor=noise / size)
        rest = max(joint - r2, 0)
    most = min(M, H - H2, N - r2)
    if rest > most:
        raise ValueError(
            f"tolerance must leave ranks that some truth has: at {relative:.3g} the concepts have rank {r2} and leave "
            f"rank {rest} of the true map unexplained, which must be <= {most}"
        )
    return partial_concept_bottleneck(M, H - H2, H2, N, r2, rest, biases=biases, unknown_noise=unknown_noise)


def observed_chain_at(
    layers: Sequence[ArrayLike],
    observed: Sequence[int],
    tolerance: float | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """`observed_chain` at the true layers W_1, …, W_L, each (h_l, h_{l−1}), input side first.

    Raises ValueError where the tolerance leaves ranks that grow along the chain, which no truth has.

    >>> observed_chain_at([[[1.0, 0.0]], [[2.0], [0.0]]], observed=[1, 2]).value
    Fraction(2, 1)
    """
    weights = _chain(layers)
    numbers = _check.integers("observed", observed, 1, 1)
    if max(numbers) > len(weights):
        raise ValueError(f"observed must name layers up to {len(weights)}, got {max(numbers)}")
    ranks = []
    for n in numbers:
        true_map = _product(weights[:n])
        ranks.append(numerical_rank(f"the true map to layer {n}", true_map, tolerance, floor=_rounding(*weights[:n])))
    if list(numbers) == sorted(numbers) and ranks != sorted(ranks, reverse=True):
        raise ValueError(f"tolerance must leave ranks that never grow along the chain, got {ranks}")
    return observed_chain(_widths(weights), numbers, ranks, biases=biases, unknown_noise=unknown_noise)


def _factors(
    output_weights: ArrayLike, hidden_weights: ArrayLike, name: str = "hidden_weights"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    A = _check.matrix("output_weights", output_weights)
    return A, _check.matrix(name, hidden_weights, rows=A.shape[1])


def _chain(layers: Sequence[ArrayLike]) -> list[NDArray[np.float64]]:
    if len(layers) == 0:
        raise ValueError("layers must hold at least one matrix, got none")
    weights = [_check.matrix("layers[0]", layers[0])]
    for i, layer in enumerate(layers[1:], start=1):
        weights.append(_check.matrix(f"layers[{i}]", layer, columns=weights[-1].shape[0]))
    return weights


def _widths(weights: Sequence[NDArray[np.float64]]) -> list[int]:
    return [weights[0].shape[1], *(w.shape[0] for w in weights)]


def _product(weights: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    out = weights[0]
    for w in weights[1:]:
        out = w @ out
    return out


def _norm(matrix: NDArray[np.float64]) -> float:
    """The largest singular value, 0 for an empty matrix."""
    return float(np.linalg.norm(matrix, 2)) if matrix.size else 0.0


def _rounding(*weights: NDArray[np.float64]) -> float:
    """How large the product of the weights, input side first, may come out where it is zero."""
    return ROUNDING * max(_widths(weights)) * float(np.prod([_norm(w) for w in weights]))
