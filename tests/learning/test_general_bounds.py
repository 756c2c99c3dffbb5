"""The general bounds hold for every network the theorems speak of, and are attained."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.learning import (
    concept_bottleneck,
    deep_linear,
    multitask,
    observed_chain,
    partial_concept_bottleneck,
    reduced_rank,
)
from lemmata.theory.learning.general_bounds import general_bounds, observed_chain_bounds

sides = st.integers(1, 12)


def test_reduced_rank_regression_lies_between_its_bounds_and_reaches_the_lower():
    reached = False
    for M, H, N in product(range(1, 7), range(7), range(7)):
        for r in range(min(M, H, N) + 1):
            exact, bounds = reduced_rank(M, H, N, r).value, general_bounds([N, H, M], M, r)
            assert bounds.lower <= exact <= bounds.upper
            reached |= exact == bounds.lower > 0
    assert reached


def test_a_regular_bottleneck_reaches_both_bounds():
    exact, bounds = concept_bottleneck(3, 2, 5).value, general_bounds([5, 2, 3], 5, 2)
    assert bounds.lower == exact == bounds.upper


def test_partial_concept_bottlenecks_lie_between_their_bounds_by_the_stated_margin():
    for M, H1, H2, N in product(range(1, 5), range(5), range(5), range(1, 6)):
        for r2 in range(min(H2, N) + 1):
            for rest in range(min(M, H1, N - r2) + 1):
                exact = partial_concept_bottleneck(M, H1, H2, N, r2, rest).value
                bounds = general_bounds([N, H1 + H2, M], M + H2, r2 + rest)
                assert bounds.lower + Fraction((N - r2 - rest) * (H2 - r2), 2) <= exact <= bounds.upper


@given(sides, sides, sides, st.data())
def test_bottlenecks_and_multitask_networks_lie_between_their_bounds(M, H, N, data):
    rank = data.draw(st.integers(0, min(H, N)))
    bounds = general_bounds([N, H, M], M + H, rank)
    assert bounds.lower <= concept_bottleneck(M, H, N, rank).value <= bounds.upper
    K = data.draw(st.integers(0, 8))
    r = data.draw(st.integers(0, min(M + K, H, N)))
    bounds = general_bounds([N, H, M + K], M + K, r)
    assert bounds.lower <= multitask(M, K, H, N, r).value <= bounds.upper


@given(st.lists(sides, min_size=2, max_size=7), st.data())
def test_chains_lie_between_their_bounds(widths, data):
    last = len(widths) - 1
    observed = [layer for layer in range(1, last) if data.draw(st.booleans())] + [last]
    ranks, start, reach = [], 0, widths[0]
    for end in observed:
        reach = data.draw(st.integers(0, min(reach, *widths[start + 1 : end + 1])))
        ranks.append(reach)
        start = end
    bounds = observed_chain_bounds(widths, observed, ranks)
    assert bounds.lower <= observed_chain(widths, observed, ranks).value <= bounds.upper
    if len(observed) == 1:
        assert bounds == general_bounds(widths, widths[-1], ranks[0])
        assert bounds.lower <= deep_linear(widths, ranks[0]).value


def test_regular_coordinates_move_both_bounds():
    bounds = general_bounds([4, 2, 3], 3, 1)
    moved = bounds.plus(Fraction(3, 2))
    assert (moved.lower - bounds.lower, moved.upper - bounds.upper) == (Fraction(3, 2), Fraction(3, 2))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([4], 3, 1), "widths must have at least 2 entries, got 1"),
        (([4, 2, 3], -1, 0), "observed must be >= 0, got -1"),
        (([4, 2, 3], 3, 4), r"rank must be <= min\(observed, widths\[0\]\) = 3, got 4"),
    ],
)
def test_impossible_counts_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        general_bounds(*arguments)


def test_an_impossible_chain_is_refused():
    with pytest.raises(ValueError, match="observed must end with the output layer 2"):
        observed_chain_bounds([3, 2, 3], [1], [1])
