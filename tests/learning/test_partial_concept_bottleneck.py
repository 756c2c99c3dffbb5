"""Partial concept bottleneck networks: theorem 5 and corollary 5 of docs/learning."""

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from lemmata.theory.learning import (
    concept_bottleneck,
    partial_concept_bottleneck,
    partial_concept_bottleneck_bounds,
    reduced_rank,
)


@st.composite
def shapes(draw, side=20):
    """(M, H₁, H₂, N, r₂, r') of a network and a truth that exist."""
    M, N = draw(st.integers(1, side)), draw(st.integers(1, side))
    H1, H2 = draw(st.integers(0, side)), draw(st.integers(0, side))
    r2 = draw(st.integers(0, min(H2, N)))
    return M, H1, H2, N, r2, draw(st.integers(0, min(M, H1, N - r2)))


def integer_matrix(rows, columns):
    row = st.lists(st.integers(-2, 2), min_size=columns, max_size=columns)
    return st.lists(row, min_size=rows, max_size=rows)


@st.composite
def integer_truths(draw):
    """(A, B, H₁) with small integer entries, so that all ranks are exact and often deficient."""
    M, N, H1, H2 = (draw(st.integers(1, 4)) for _ in range(4))
    return draw(integer_matrix(M, H1 + H2)), draw(integer_matrix(H1 + H2, N)), H1


def rank(rows):
    """The rank of a matrix of integers, by elimination in fractions."""
    rows, found = [[Fraction(x) for x in row] for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column] / rows[found][column]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


def product(A, B):
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*B, strict=True)] for row in A]


def at(A, B, observed_from):
    """The exact value when the hidden units from `observed_from` on are observed: rank(TQ) = rank [B₂; T] − rank B₂."""
    T, seen = product(A, B), B[observed_from:]
    r2 = rank(seen)
    shape = len(A), observed_from, len(seen), len(B[0]), r2, rank(seen + T) - r2
    return partial_concept_bottleneck(*shape).value, shape


def pair(found):
    return found.value, found.multiplicity


@given(shapes())
def test_no_free_unit_is_the_bottleneck_and_no_concept_is_reduced_rank_regression(shape):
    M, H1, H2, N, r2, rest = shape
    if H2:
        assert pair(partial_concept_bottleneck(M, 0, H2, N, r2, 0)) == pair(concept_bottleneck(M, H2, N, r2))
    assert pair(partial_concept_bottleneck(M, H1, 0, N, 0, rest)) == pair(reduced_rank(M, H1, N, rest))


@given(shapes())
def test_concepts_that_show_every_input_leave_nothing_to_the_free_units(shape):
    M, H1, H2, N, _, _ = shape
    if H2 >= N:
        found = partial_concept_bottleneck(M, H1, H2, N, N, 0)
        assert pair(found) == (Fraction(N * (M + H2), 2), 1)


@given(shapes())
def test_value_lies_between_the_regular_part_and_half_the_parameters(shape):
    M, H1, H2, N, r2, rest = shape
    found = partial_concept_bottleneck(*shape)
    regular = M * r2 + N * H2 + rest * (M + N - r2 - rest)
    assert Fraction(regular, 2) <= found.value <= Fraction((H1 + H2) * (M + N), 2)
    assert (2 * found.value).denominator == 1
    assert 1 <= found.multiplicity <= max(1, (H1 + H2) * (M + N))


@given(shapes(), st.data())
def test_bounds_stand_in_their_order_for_every_free_rank(shape, data):
    M, H1, _, _, r2, rest = shape
    exact = partial_concept_bottleneck(*shape).value
    bounds = partial_concept_bottleneck_bounds(*shape)
    assert exact <= bounds.splitting_sharp <= bounds.splitting <= bounds.concept_bottleneck
    free = data.draw(st.integers(rest, min(M, H1, rest + r2)))
    wider = partial_concept_bottleneck_bounds(*shape, free)
    assert bounds.splitting_sharp <= wider.splitting_sharp <= wider.splitting <= wider.concept_bottleneck
    assert bounds.splitting <= wider.splitting


@given(shapes())
def test_sharp_bound_is_exact_where_no_concept_reaches_the_output(shape):
    _, _, _, _, r2, _ = shape
    exact, bounds = partial_concept_bottleneck(*shape).value, partial_concept_bottleneck_bounds(*shape)
    if r2 == 0:
        assert bounds.splitting_sharp == exact


def test_splitting_bounds_are_strict_somewhere():
    exact = partial_concept_bottleneck(3, 2, 2, 5, 2, 1).value
    bounds = partial_concept_bottleneck_bounds(3, 2, 2, 5, 2, 1)
    assert exact < bounds.splitting_sharp == bounds.splitting < bounds.concept_bottleneck
    deficient = partial_concept_bottleneck_bounds(3, 2, 2, 5, 1, 1)
    assert deficient.splitting_sharp < deficient.splitting


@given(shapes(), st.data())
def test_partial_observation_lies_between_none_and_all_for_ranks_of_one_truth(shape, data):
    M, H1, H2, N, r2, rest = shape
    exact = partial_concept_bottleneck(*shape).value
    H = H1 + H2
    whole = data.draw(st.integers(rest, min(M, H, N, rest + r2)))  # rank(A*B*)
    assert reduced_rank(M, H, N, whole).value <= exact
    if H:
        seen = data.draw(st.integers(r2 + rest, min(N, r2 + H1)))  # rank(B*)
        assert exact <= concept_bottleneck(M, H, N, seen).value


@given(shapes(), st.sampled_from([(0, 0), (1, 0), (1, 1)]))
def test_observing_one_more_unit_never_lowers_the_value_for_ranks_of_one_truth(shape, change):
    M, H1, H2, N, r2, rest = shape
    raised, lowered = change
    # the new row lies in the old row space, or it does not and explains a direction of the residual or none
    assume(H1 >= 1 and r2 + raised <= min(H2 + 1, N))
    assume(0 <= rest - lowered <= min(M, H1 - 1, N - r2 - raised))
    more = partial_concept_bottleneck(M, H1 - 1, H2 + 1, N, r2 + raised, rest - lowered)
    assert partial_concept_bottleneck(*shape).value <= more.value


@given(integer_truths())
def test_observing_more_units_of_an_actual_truth_never_lowers_the_value(truth):
    A, B, _ = truth
    H = len(B)
    values = [at(A, B, free)[0] for free in range(H, -1, -1)]  # from no unit observed to all
    assert values == sorted(values)
    M, N, T = len(A), len(B[0]), product(A, B)
    assert values[0] == reduced_rank(M, H, N, rank(T)).value
    assert values[-1] == concept_bottleneck(M, H, N, rank(B)).value


@given(integer_truths())
def test_bounds_hold_at_an_actual_truth_with_its_own_free_rank(truth):
    A, B, H1 = truth
    exact, shape = at(A, B, H1)
    free = rank(product([row[:H1] for row in A], B[:H1]))
    bounds = partial_concept_bottleneck_bounds(*shape, free)  # raises if the stated range of free_rank were wrong
    assert exact <= bounds.splitting_sharp <= bounds.splitting <= bounds.concept_bottleneck


@given(shapes())
def test_no_size_lowers_the_value_by_growing_at_fixed_ranks(shape):
    M, H1, H2, N, r2, rest = shape
    value = partial_concept_bottleneck(*shape).value
    for wider in ((M + 1, H1, H2, N), (M, H1 + 1, H2, N), (M, H1, H2 + 1, N), (M, H1, H2, N + 1)):
        assert value <= partial_concept_bottleneck(*wider, r2, rest).value
