"""The exact learning coefficient of a partial concept bottleneck network, and the bounds on it."""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from .. import _check
from .coefficient import LearningCoefficient
from .observation import regular_terms
from .reduced_rank import reduced_rank_core


def partial_concept_bottleneck(
    outputs: int,
    hidden: int,
    concepts: int,
    inputs: int,
    concept_rank: int,
    residual_rank: int,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    r"""λ and m of y = (A₁B₁ + A₂B₂) x + noise where the concepts c = B₂ x + noise are observed too.

    .. math:: \lambda = \tfrac12 (M r_2 + N H_2) + \lambda_{RRR}(M, H_1, N - r_2; r'), \qquad
        m = m_{RRR}(M, H_1, N - r_2; r')

    Here r₂ = rank(B₂*) and r' = rank(A*B* Q), Q the projector onto the complement of the row space of B₂*:
    the rank of what the concepts leave unexplained.

    Parameters
    ----------
    outputs, hidden, concepts, inputs : int
        M >= 1, H₁ >= 0 free hidden units, H₂ >= 0 observed ones, N >= 1.
    concept_rank : int
        r₂ <= min(H₂, N).
    residual_rank : int
        r' <= min(M, H₁, N - r₂).
    biases : bool
        All layers carry biases: adds (H₂ + M)/2.
    unknown_noise : bool
        The noise covariances of c and of y are parameters too: adds H₂(H₂+1)/4 + M(M+1)/4.

    Returns
    -------
    LearningCoefficient
        Exact; 2λ is an integer.

    Source: derived in docs/learning, theorem 5; N. Hayashi and Y. Sawada, arXiv:2403.09206, prove an upper bound
    (`partial_concept_bottleneck_bounds`).

    >>> exact = partial_concept_bottleneck(
    ...     outputs=3, hidden=2, concepts=2, inputs=5, concept_rank=2, residual_rank=1)
    >>> exact.value, exact.multiplicity
    (Fraction(23, 2), 2)
    """
    M, H1, H2, N, r2, rest = _dimensions(outputs, hidden, concepts, inputs, concept_rank, residual_rank)
    core = partial_core(M, H1, H2, N, r2, rest)
    extra = regular_terms([H2, M], biases, unknown_noise)
    return LearningCoefficient(core.value + extra, core.multiplicity, core.theorem) if extra else core


class PartialConceptBottleneckBounds(NamedTuple):
    """Upper bounds on λ, each at least the one before it."""

    splitting_sharp: Fraction
    splitting: Fraction
    concept_bottleneck: Fraction


def partial_concept_bottleneck_bounds(
    outputs: int,
    hidden: int,
    concepts: int,
    inputs: int,
    concept_rank: int,
    residual_rank: int,
    free_rank: int | None = None,
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> PartialConceptBottleneckBounds:
    r"""Upper bounds on `partial_concept_bottleneck`: exact ≤ splitting_sharp ≤ splitting ≤ concept_bottleneck.

    `splitting` is the sum of a bottleneck of the observed units and a reduced rank regression of the free ones,
    ½H₂(M+N) + λ_RRR(M, H₁, N; rank A₁*B₁*); `splitting_sharp` has ½(M r₂ + N H₂) in front; `concept_bottleneck` is
    ½H(M+N), all of the hidden layer observed at full rank.

    Parameters
    ----------
    free_rank : int, optional
        rank(A₁*B₁*), between r' and min(M, H₁, r' + r₂); by default r', which some factorisation of the truth has
        (B₁* may be taken off the row space of B₂*) and for which the bounds are smallest.
    others
        As in `partial_concept_bottleneck`.

    Source: N. Hayashi and Y. Sawada, arXiv:2403.09206 (`splitting`); docs/learning, corollary 5.

    >>> partial_concept_bottleneck_bounds(3, 2, 2, 5, concept_rank=2, residual_rank=1).splitting
    Fraction(25, 2)
    """
    M, H1, H2, N, r2, rest = _dimensions(outputs, hidden, concepts, inputs, concept_rank, residual_rank)
    most = min(M, H1, rest + r2)
    free = (
        rest
        if free_rank is None
        else _check.integer(
            "free_rank",
            free_rank,
            rest,
            most,
            f"min(outputs, hidden, residual_rank + concept_rank) = {most}",
        )
    )
    extra = regular_terms([H2, M], biases, unknown_noise)
    split = reduced_rank_core(M, H1, N, free).value + extra
    return PartialConceptBottleneckBounds(
        splitting_sharp=Fraction(M * r2 + N * H2, 2) + split,
        splitting=Fraction(H2 * (M + N), 2) + split,
        concept_bottleneck=Fraction((H1 + H2) * (M + N), 2) + extra,
    )


def _dimensions(
    outputs: int, hidden: int, concepts: int, inputs: int, concept_rank: int, residual_rank: int
) -> tuple[int, int, int, int, int, int]:
    M = _check.integer("outputs", outputs, 1)
    H1 = _check.integer("hidden", hidden, 0)
    H2 = _check.integer("concepts", concepts, 0)
    N = _check.integer("inputs", inputs, 1)
    r2 = _check.integer("concept_rank", concept_rank, 0, min(H2, N), f"min(concepts, inputs) = {min(H2, N)}")
    most = min(M, H1, N - r2)
    rest = _check.integer(
        "residual_rank", residual_rank, 0, most, f"min(outputs, hidden, inputs - concept_rank) = {most}"
    )
    return M, H1, H2, N, r2, rest


@lru_cache(maxsize=1 << 16)
def partial_core(M: int, H1: int, H2: int, N: int, r2: int, rest: int) -> LearningCoefficient:
    """`partial_concept_bottleneck` for numbers known to be possible, in the letters of the theorem."""
    free = reduced_rank_core(M, H1, N - r2, rest)
    return LearningCoefficient(
        Fraction(M * r2 + N * H2, 2) + free.value,
        free.multiplicity,
        f"partial concept bottleneck, {M * r2 + N * H2} regular coordinates + {free.theorem}",
    )
