"""The learning coefficient of reduced rank regression, a linear network with one hidden layer."""

from fractions import Fraction
from functools import lru_cache

from .. import _check
from .coefficient import LearningCoefficient
from .observation import regular_terms


def reduced_rank(
    outputs: int, hidden: int, inputs: int, rank: int, *, biases: bool = False, unknown_noise: bool = False
) -> LearningCoefficient:
    r"""λ and m of y = A B x + noise at a truth A*B* of rank r.

    With :math:`N + r \le M + H`, :math:`M + r \le N + H`, :math:`H + r \le M + N` (the balanced case)

    .. math:: \lambda = \tfrac18 \left[ 2(H+r)(M+N) - (M-N)^2 - (H+r)^2 + \epsilon \right], \qquad m = 1 + \epsilon

    where ε is the parity of M + H + N + r; outside it one of three regular cases holds, with m = 1.

    Parameters
    ----------
    outputs, hidden, inputs : int
        M >= 1, H >= 0, N >= 0: A is (M, H), B is (H, N).
    rank : int
        r, the rank of the true map, 0 <= r <= min(M, H, N).
    biases : bool
        The hidden layer and the output carry biases: adds M/2.
    unknown_noise : bool
        The full noise covariance is a parameter too: adds M(M+1)/4.

    Returns
    -------
    LearningCoefficient
        Exact; 2λ is an integer, with biases and unknown noise too.

    Raises ValueError or TypeError where no such network or truth exists.
    Source: M. Aoyagi and S. Watanabe, Neural Networks 18 (2005) 924-933; docs/learning, theorem 2.

    >>> print(reduced_rank(outputs=3, hidden=2, inputs=4, rank=1))
    λ = 4, m = 1 (reduced rank regression, balanced, even (Aoyagi & Watanabe 2005, case 1))
    """
    M = _check.integer("outputs", outputs, 1)
    H = _check.integer("hidden", hidden, 0)
    N = _check.integer("inputs", inputs, 0)
    r = _check.integer("rank", rank, 0, min(M, H, N), f"min(outputs, hidden, inputs) = {min(M, H, N)}")
    core = reduced_rank_core(M, H, N, r)
    extra = regular_terms([M], biases, unknown_noise)
    return LearningCoefficient(core.value + extra, core.multiplicity, core.theorem) if extra else core


@lru_cache(maxsize=1 << 16)
def reduced_rank_core(M: int, H: int, N: int, r: int) -> LearningCoefficient:
    """`reduced_rank` for numbers known to be possible, in the letters of the theorem."""

    def case(eight_lambda: int, m: int, name: str) -> LearningCoefficient:
        return LearningCoefficient(
            Fraction(eight_lambda, 8), m, f"reduced rank regression, {name} (Aoyagi & Watanabe 2005, {cite})"
        )

    if M == 0 or H == 0 or N == 0:
        cite = "no parameters act"
        return case(0, 1, "empty")
    if N + r > M + H:
        cite = "case 2"
        return case(4 * (H * M - H * r + N * r), 1, "wide input")
    if M + r > N + H:
        cite = "case 3"
        return case(4 * (H * N - H * r + M * r), 1, "wide output")
    if H + r > M + N:
        cite = "case 4"
        return case(4 * M * N, 1, "wide hidden layer")
    cite = "case 1"
    odd = (M + H + N + r) % 2
    value = 2 * (H + r) * (M + N) - (M - N) ** 2 - (H + r) ** 2 + odd
    return case(value, 1 + odd, "balanced, odd" if odd else "balanced, even")
