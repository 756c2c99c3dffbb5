"""The learning coefficient of a deep linear network."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from .. import _check
from .coefficient import LearningCoefficient
from .observation import regular_terms


def deep_linear(
    widths: Sequence[int], rank: int, *, biases: bool = False, unknown_noise: bool = False
) -> LearningCoefficient:
    r"""λ and m of y = W_L … W_1 x + noise at a true product of rank r.

    Let :math:`M^{(s)} = H_s - r`, and 𝓜 the ℓ+1 smallest of them, ℓ the largest with Σ_𝓜 ≥ ℓ max 𝓜.  With
    :math:`\Sigma = \Sigma_𝓜`, :math:`a = \Sigma - (\lceil \Sigma/\ell \rceil - 1)\ell`,

    .. math:: \lambda = \frac{r(H_1 + H_{L+1}) - r^2}{2} + \frac{a(\ell-a)}{4\ell}
        - \frac{\ell(\ell-1)}{4}\Big(\frac{\Sigma}{\ell}\Big)^2 + \frac12 \sum_{i<j \in 𝓜} M^{(i)}M^{(j)},
        \qquad m = a(\ell-a) + 1

    Parameters
    ----------
    widths : (L+1,) ints >= 1
        From the input H_1 to the output H_{L+1}, L >= 1.
    rank : int
        r, the rank of the true product, 0 <= r <= min(widths).
    biases, unknown_noise : bool
        As in `reduced_rank`, for the output layer.

    Returns
    -------
    LearningCoefficient
        Exact; 2λ is an integer.

    Source: M. Aoyagi, Neural Networks 172 (2024) 106132; docs/learning, theorem 3.

    >>> deep_linear([2, 2, 2, 2, 2], rank=0).value, deep_linear([2, 2, 2, 2, 2], rank=0).multiplicity
    (Fraction(3, 2), 5)
    """
    H = _check.integers("widths", widths, 1, 2)
    r = _check.integer("rank", rank, 0, min(H), f"min(widths) = {min(H)}")
    core = deep_linear_core(H, r)
    extra = regular_terms([H[-1]], biases, unknown_noise)
    return LearningCoefficient(core.value + extra, core.multiplicity, core.theorem) if extra else core


@lru_cache(maxsize=1 << 16)
def deep_linear_core(H: tuple[int, ...], r: int) -> LearningCoefficient:
    """`deep_linear` for numbers known to be possible; an input width of 0 is possible here and gives (0, 1)."""
    if 0 in H:
        return LearningCoefficient(Fraction(0), 1, "deep linear network, empty")
    gaps = sorted(h - r for h in H)
    # Σ − ℓ max never grows with ℓ (docs/learning, lemma 3), so the last ℓ that qualifies is found by a plain scan
    ell = max(k for k, (gap, total) in enumerate(zip(gaps, accumulate(gaps), strict=True)) if k and total >= k * gap)
    chosen = gaps[: ell + 1]
    total = sum(chosen)
    a = total - (-(-total // ell) - 1) * ell
    pairs = (total**2 - sum(g * g for g in chosen)) // 2
    value = (
        Fraction(r * (H[0] + H[-1]) - r * r, 2)
        + Fraction(a * (ell - a), 4 * ell)
        - Fraction((ell - 1) * total**2, 4 * ell)
        + Fraction(pairs, 2)
    )
    return LearningCoefficient(
        value,
        a * (ell - a) + 1,
        f"deep linear network, the {ell + 1} narrowest of {len(H)} widths bind (Aoyagi 2024, ℓ = {ell}, a = {a})",
    )
