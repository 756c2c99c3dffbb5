"""Concept bottleneck and multitask networks: theorem 4 of docs/learning."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.learning import concept_bottleneck, multitask, observed_chain, reduced_rank

SIDES = st.integers(1, 30)


@st.composite
def bottlenecks(draw):
    """(M, H, N, rank B*)."""
    M, H, N = draw(SIDES), draw(SIDES), draw(SIDES)
    return M, H, N, draw(st.integers(0, min(H, N)))


@given(SIDES, SIDES, SIDES)
def test_full_rank_is_the_default_and_regular_when_there_are_enough_inputs(M, H, N):
    found = concept_bottleneck(M, H, N)
    assert found == concept_bottleneck(M, H, N, min(H, N))
    assert found.multiplicity == 1
    if H <= N:
        assert found.value == Fraction(H * (M + N), 2)  # d/2
    else:
        assert found.value < Fraction(H * (M + N), 2)


@given(bottlenecks())
def test_value_grows_by_half_the_outputs_with_each_rank_of_the_concepts(shape):
    M, H, N, r = shape
    found = concept_bottleneck(*shape)
    assert found.value == concept_bottleneck(M, H, N, 0).value + Fraction(M * r, 2)
    assert (2 * found.value).denominator == 1
    assert Fraction(N * H, 2) <= found.value <= Fraction(H * (M + N), 2)


@given(bottlenecks(), st.booleans(), st.booleans())
def test_bottleneck_is_a_chain_of_two_observed_layers(shape, biases, unknown_noise):
    M, H, N, r = shape
    extra = {"biases": biases, "unknown_noise": unknown_noise}
    for rank in {0, min(r, M)}:  # the rank of the output map does not matter
        chain = observed_chain([N, H, M], [1, 2], [r, rank], **extra)
        found = concept_bottleneck(*shape, **extra)
        assert (chain.value, chain.multiplicity) == (found.value, found.multiplicity)


@st.composite
def multitasks(draw):
    """(M, K, H, N, rank)."""
    M, K, H, N = draw(SIDES), draw(st.integers(0, 30)), draw(st.integers(0, 30)), draw(st.integers(0, 30))
    return M, K, H, N, draw(st.integers(0, min(M + K, H, N)))


@given(multitasks(), st.booleans(), st.booleans())
def test_multitask_is_reduced_rank_regression_with_the_concepts_as_outputs(shape, biases, unknown_noise):
    M, K, H, N, r = shape
    extra = {"biases": biases, "unknown_noise": unknown_noise}
    found, plain = multitask(*shape, **extra), reduced_rank(M + K, H, N, r, **extra)
    assert (found.value, found.multiplicity) == (plain.value, plain.multiplicity)
    if K == 0:
        alone = reduced_rank(M, H, N, r, **extra)
        assert (found.value, found.multiplicity) == (alone.value, alone.multiplicity)


@given(multitasks())
def test_telling_one_concept_more_beside_the_output_never_lowers_the_value(shape):
    M, K, H, N, r = shape
    value = multitask(*shape).value
    assert value <= multitask(M, K + 1, H, N, r).value
    if r < min(M + K + 1, H, N):
        assert value <= multitask(M, K + 1, H, N, r + 1).value
