"""The learning coefficients of networks that are shown concepts: at the bottleneck, or beside the output."""

from fractions import Fraction

from .. import _check
from .coefficient import LearningCoefficient
from .observation import regular_terms
from .reduced_rank import reduced_rank_core


def concept_bottleneck(
    outputs: int,
    concepts: int,
    inputs: int,
    concept_rank: int | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    r"""λ and m of the concept bottleneck network c = B x + noise, y = A B x + noise.

    .. math:: \lambda = \tfrac12 \left( M \operatorname{rank} B^* + N H \right), \qquad m = 1

    Parameters
    ----------
    outputs, concepts, inputs : int
        M, H, N >= 1.
    concept_rank : int, optional
        rank(B*), at most min(H, N), which is also the default: there the model is regular, λ = H(M+N)/2.
    biases : bool
        Both layers carry biases: adds (H + M)/2.
    unknown_noise : bool
        The noise covariances of c and of y are parameters too: adds H(H+1)/4 + M(M+1)/4.

    Source: N. Hayashi and Y. Sawada, arXiv:2303.09154 (the regular case, rank(B*) = H); docs/learning, theorem 4.

    >>> concept_bottleneck(outputs=3, concepts=2, inputs=5).value
    Fraction(8, 1)
    """
    M = _check.integer("outputs", outputs, 1)
    H = _check.integer("concepts", concepts, 1)
    N = _check.integer("inputs", inputs, 1)
    most = min(H, N)
    r = (
        most
        if concept_rank is None
        else _check.integer("concept_rank", concept_rank, 0, most, f"min(concepts, inputs) = {most}")
    )
    value = Fraction(M * r + N * H, 2) + regular_terms([H, M], biases, unknown_noise)
    return LearningCoefficient(value, 1, "concept bottleneck, every hidden unit observed (Hayashi & Sawada 2023)")


def multitask(
    outputs: int,
    concepts: int,
    hidden: int,
    inputs: int,
    rank: int,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    """λ and m of the multitask network [y; c] = [A; C] B x + noise: reduced rank regression with M + K outputs.

    Parameters
    ----------
    outputs, concepts, hidden, inputs : int
        M >= 1, K >= 0, H >= 0, N >= 0.
    rank : int
        The rank of [A*; C*]B*, at most min(M + K, H, N).
    biases : bool
        Adds (M + K)/2.
    unknown_noise : bool
        One full covariance of (y, c): adds (M+K)(M+K+1)/4.

    Source: N. Hayashi and Y. Sawada, arXiv:2303.09154; docs/learning, theorem 4.

    >>> multitask(outputs=2, concepts=1, hidden=2, inputs=4, rank=1).value
    Fraction(4, 1)
    """
    M = _check.integer("outputs", outputs, 1)
    K = _check.integer("concepts", concepts, 0)
    H = _check.integer("hidden", hidden, 0)
    N = _check.integer("inputs", inputs, 0)
    most = min(M + K, H, N)
    r = _check.integer("rank", rank, 0, most, f"min(outputs + concepts, hidden, inputs) = {most}")
    core = reduced_rank_core(M + K, H, N, r)
    value = core.value + regular_terms([M + K], biases, unknown_noise)
    return LearningCoefficient(value, core.multiplicity, f"multitask (Hayashi & Sawada 2023) as {core.theorem}")
