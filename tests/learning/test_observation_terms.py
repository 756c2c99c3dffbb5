"""What biases, unknown noise and a softmax add: section 7 of docs/learning."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.learning import (
    concept_bottleneck,
    deep_linear,
    multitask,
    observed_chain,
    partial_concept_bottleneck,
    partial_concept_bottleneck_at,
    partial_concept_bottleneck_bounds,
    reduced_rank,
    softmax_outputs,
)

SIDES = st.integers(1, 12)


@st.composite
def shapes(draw):
    """(M, H₁, H₂, N, r₂, r') of a partial bottleneck and a truth that exist."""
    M, H1, H2, N = draw(SIDES), draw(st.integers(0, 12)), draw(st.integers(0, 12)), draw(SIDES)
    r2 = draw(st.integers(0, min(H2, N)))
    return M, H1, H2, N, r2, draw(st.integers(0, min(M, H1, N - r2)))


def pair(found):
    return found.value, found.multiplicity


@given(shapes())
def test_biases_are_a_known_concept_that_copies_a_constant_input(shape):
    # append the input 1 and the hidden unit 1: biases are ordinary weights of a partial bottleneck with one concept and
    # one input more, both ranks of the concepts up by one; that concept's N + 1 weights are known, not learnt
    M, H1, H2, N, r2, rest = shape
    longer = partial_concept_bottleneck(M, H1, H2 + 1, N + 1, r2 + 1, rest)
    biased = partial_concept_bottleneck(*shape, biases=True)
    assert pair(biased) == (longer.value - Fraction(N + 1, 2), longer.multiplicity)


@given(SIDES, st.integers(0, 12), SIDES, st.integers(0, 12))
def test_output_bias_of_reduced_rank_regression_is_the_same_concept_alone(M, H, N, rank):
    r = min(rank, M, H, N)
    longer = partial_concept_bottleneck(M, H, 1, N + 1, 1, r)
    biased = reduced_rank(M, H, N, r, biases=True)
    assert pair(biased) == (longer.value - Fraction(N + 1, 2), longer.multiplicity)


@given(SIDES, SIDES, SIDES, st.integers(0, 12))
def test_biases_of_a_bottleneck_are_a_constant_carried_through_the_chain(M, H, N, rank):
    r = min(rank, H, N)
    longer = observed_chain([N + 1, H + 1, M], [1, 2], [r + 1, 0])
    biased = concept_bottleneck(M, H, N, r, biases=True)
    assert pair(biased) == (longer.value - Fraction(N + 1, 2), longer.multiplicity)


@pytest.mark.parametrize("seed", range(10))
def test_biases_of_an_actual_truth_leave_the_ranks_of_its_weights_alone(seed):
    rng = np.random.default_rng(seed)
    M, H1, H2, N = rng.integers(1, 5, size=4)
    A, B = rng.integers(-2, 3, (M, H1 + H2)), rng.integers(-2, 3, (H1 + H2, N))
    a, b = rng.standard_normal((M, 1)), rng.standard_normal((H1 + H2, 1))
    with_constant = np.block([[B, b], [np.zeros((1, N)), np.ones((1, 1))]])
    longer = partial_concept_bottleneck_at(np.hstack([A, a]), with_constant, int(H2) + 1, tolerance=1e-9)
    biased = partial_concept_bottleneck_at(A, B, int(H2), tolerance=1e-9, biases=True)
    assert pair(biased) == (longer.value - Fraction(int(N) + 1, 2), longer.multiplicity)


@given(shapes())
def test_each_observed_block_is_charged_once_and_the_multiplicity_stays(shape):
    M, _, H2, _, _, _ = shape
    plain = partial_concept_bottleneck(*shape)
    for biases, noise in ((True, False), (False, True), (True, True)):
        found = partial_concept_bottleneck(*shape, biases=biases, unknown_noise=noise)
        entries = biases * (H2 + M) + noise * (H2 * (H2 + 1) // 2 + M * (M + 1) // 2)  # free parameters of the blocks
        assert found.value - plain.value == Fraction(entries, 2)
        assert found.multiplicity == plain.multiplicity
        assert found.theorem == plain.theorem


@given(shapes())
def test_bounds_move_with_the_exact_value(shape):
    terms = {"biases": True, "unknown_noise": True}
    added = partial_concept_bottleneck(*shape, **terms).value - partial_concept_bottleneck(*shape).value
    plain, charged = partial_concept_bottleneck_bounds(*shape), partial_concept_bottleneck_bounds(*shape, **terms)
    assert [b - a for a, b in zip(plain, charged, strict=True)] == [added] * 3


@pytest.mark.parametrize(
    ("found", "plain", "blocks"),
    [
        (reduced_rank(3, 2, 4, 1, unknown_noise=True), reduced_rank(3, 2, 4, 1), [3]),
        (deep_linear([4, 2, 3, 5], 1, unknown_noise=True), deep_linear([4, 2, 3, 5], 1), [5]),
        (multitask(2, 3, 2, 4, 1, unknown_noise=True), multitask(2, 3, 2, 4, 1), [5]),
        (concept_bottleneck(3, 2, 4, unknown_noise=True), concept_bottleneck(3, 2, 4), [2, 3]),
        (
            observed_chain([4, 3, 3, 2, 3], [2, 4], [2, 1], unknown_noise=True),
            observed_chain([4, 3, 3, 2, 3], [2, 4], [2, 1]),
            [3, 3],
        ),
    ],
    ids=["reduced rank", "deep", "multitask", "bottleneck", "chain"],
)
def test_unknown_noise_counts_the_entries_of_symmetric_matrices(found, plain, blocks):
    entries = sum(len(np.triu_indices(size)[0]) for size in blocks)
    assert found.value - plain.value == Fraction(entries, 2)
    assert found.multiplicity == plain.multiplicity


def test_hidden_layers_carry_free_biases():
    deep, chain = ([4, 2, 3, 5], 1), ([4, 3, 3, 2, 3], [2, 4], [2, 1])
    assert deep_linear(*deep, biases=True).value - deep_linear(*deep).value == Fraction(5, 2)
    assert observed_chain(*chain, biases=True).value - observed_chain(*chain).value == Fraction(3 + 3, 2)


@given(st.integers(1, 10**6))
def test_softmax_sees_its_logits_up_to_a_common_shift(classes):
    assert softmax_outputs(classes) == classes - 1
