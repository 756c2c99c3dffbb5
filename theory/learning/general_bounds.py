"""Between which numbers a learning coefficient must lie, whatever the theorem: a check from counting alone."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from .. import _check
from .observed_chain import observed_chain


class GeneralBounds(NamedTuple):
    """lower ≤ λ ≤ upper."""

    lower: Fraction
    upper: Fraction

    def plus(self, regular: Fraction) -> "GeneralBounds":
        """The bounds when regular coordinates add `regular` to λ: biases, unknown noise covariances."""
        return GeneralBounds(self.lower + regular, self.upper + regular)


def general_bounds(widths: Sequence[int], observed: int, rank: int) -> GeneralBounds:
    r"""½ R (S + N − R) ≤ λ ≤ ½ d for a linear network observed at its output and, perhaps, one layer before it.

    The lower bound is half the dimension of the set of S × N matrices of rank R; the upper is half the number d of
    weights.

    Parameters
    ----------
    widths : (L+1,) ints
        From the input width N to the output width.  For a multitask network the last is M + K.
    observed : int
        S, how many units are observed: the outputs, and in a (partial) concept bottleneck the concepts too.
    rank : int
        R, of the true map from the input to all observed units: r, or r₂ + r' for a (partial) concept bottleneck.

    Source: for the output alone S. Watanabe 2009; for the bottleneck of docs/learning, theorem 5, 2λ exceeds
    R(S + N − R) by at least (N − r₂ − r')(H₂ − r₂) >= 0.

    >>> general_bounds([4, 2, 3], observed=3, rank=1)
    GeneralBounds(lower=Fraction(3, 1), upper=Fraction(7, 1))
    """
    sides = _check.integers("widths", widths, 0, 2)
    S, N = _check.integer("observed", observed, 0), sides[0]
    R = _check.integer("rank", rank, 0, min(S, N), f"min(observed, widths[0]) = {min(S, N)}")
    return GeneralBounds(_half_dimension(S, N, R), _half_weights(sides))


def observed_chain_bounds(widths: Sequence[int], observed: Sequence[int], ranks: Sequence[int]) -> GeneralBounds:
    """`general_bounds` for an observed chain: the lower bounds of its stretches, each entered at its rank, added up.

    Arguments and errors as in `observed_chain`.

    >>> observed_chain_bounds([4, 3, 3, 2, 3], observed=[2, 4], ranks=[2, 1])
    GeneralBounds(lower=Fraction(7, 1), upper=Fraction(33, 2))
    """
    observed_chain(widths, observed, ranks)  # says what is impossible
    reached = [widths[0], *ranks]
    stretches = zip(observed, pairwise(reached), strict=True)
    lower = sum((_half_dimension(widths[layer], N, R) for layer, (N, R) in stretches), Fraction(0))
    return GeneralBounds(lower, _half_weights(widths))


def _half_dimension(S: int, N: int, R: int) -> Fraction:
    """Half the dimension of the set of S × N matrices of rank R."""
    return Fraction(R * (S + N - R), 2)


def _half_weights(widths: Sequence[int]) -> Fraction:
    return Fraction(sum(a * b for a, b in pairwise(widths)), 2)
