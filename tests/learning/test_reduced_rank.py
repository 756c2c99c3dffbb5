"""Reduced rank regression: what theorem 2 of docs/learning demands of λ and m."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.learning import concept_bottleneck, reduced_rank

SIDE = 40


@st.composite
def shapes(draw):
    """(M, H, N, r) of a network and a truth that exist."""
    M, H, N = draw(st.integers(1, SIDE)), draw(st.integers(0, SIDE)), draw(st.integers(0, SIDE))
    return M, H, N, draw(st.integers(0, min(M, H, N)))


def by_singular_values(M, H, N, r):
    """Theorem 2 in its other form: each singular value of B beyond the rank costs ½ min(M − r, κ_i)."""
    M0, H0, N0 = M - r, H - r, N - r
    costs = [H0 + N0 + 1 - 2 * i for i in range(1, min(H0, N0) + 1)]
    value = Fraction(r * (M + N - r) + sum(min(M0, cost) for cost in costs), 2)
    return value, 1 + costs.count(M0)


@given(shapes())
def test_four_cases_are_one_sum_over_singular_values(shape):
    found = reduced_rank(*shape)
    assert (found.value, found.multiplicity) == by_singular_values(*shape)


@given(shapes())
def test_exchanging_input_and_output_changes_nothing(shape):
    M, H, N, r = shape
    if N:  # a network has an output; an input it may lack
        there, back = reduced_rank(M, H, N, r), reduced_rank(N, H, M, r)
        assert (there.value, there.multiplicity) == (back.value, back.multiplicity)


@given(shapes())
def test_value_lies_between_the_set_of_maps_and_the_parameters(shape):
    M, H, N, r = shape
    found = reduced_rank(*shape)
    assert Fraction(r * (M + N - r), 2) <= found.value <= Fraction(H * (M + N), 2)
    assert (2 * found.value).denominator == 1
    assert found.multiplicity in (1, 2)
    assert found.multiplicity <= max(1, H * (M + N))


@given(shapes())
def test_no_side_and_no_rank_lowers_the_value_by_growing(shape):
    M, H, N, r = shape
    value = reduced_rank(*shape).value
    assert value <= reduced_rank(M + 1, H, N, r).value
    assert value <= reduced_rank(M, H + 1, N, r).value
    assert value <= reduced_rank(M, H, N + 1, r).value
    if r < min(M, H, N):
        assert value <= reduced_rank(M, H, N, r + 1).value


@given(shapes())
def test_full_rank_of_the_hidden_layer_counts_the_set_of_maps(shape):
    M, H, N, _ = shape
    if min(M, N) >= H:
        full = reduced_rank(M, H, N, H)
        assert (full.value, full.multiplicity) == (Fraction(H * (M + N - H), 2), 1)


@given(st.integers(1, SIDE), st.integers(1, SIDE), st.integers(0, SIDE), st.integers(0, SIDE))
def test_a_hidden_layer_that_is_wide_enough_makes_every_map_regular(M, N, rank, extra):
    r = min(rank, M, N)
    wide = reduced_rank(M, M + N - r + extra, N, r)
    assert (wide.value, wide.multiplicity) == (Fraction(M * N, 2), 1)


@given(shapes())
def test_showing_the_hidden_layer_never_lowers_the_value(shape):
    M, H, N, r = shape
    if H and N:  # theorem 4 at a truth with rank(B*) = r, where B* may have any rank from r up
        assert reduced_rank(*shape).value <= concept_bottleneck(M, H, N, r).value


@pytest.mark.parametrize("shape", [(3, 0, 4, 0), (3, 2, 0, 0), (1, 0, 0, 0)])
def test_a_network_without_parameters_has_coefficient_zero(shape):
    found = reduced_rank(*shape)
    assert (found.value, found.multiplicity) == (0, 1)


def test_sizes_of_numpy_are_as_good_as_python_ones():
    assert reduced_rank(*np.array([3, 2, 4, 1])) == reduced_rank(3, 2, 4, 1)
