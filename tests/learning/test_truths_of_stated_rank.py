"""Networks and the truths that simulations start from: their ranks are the stated ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory import learning
from lemmata.theory.learning.network import (
    LinearNetwork,
    Truth,
    concept_bottleneck_truth,
    deep_linear_truth,
    observed_chain_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)

SIDES = st.integers(1, 6)


@given(SIDES, SIDES, SIDES, st.integers(0, 6))
def test_reduced_rank_truth_has_its_rank_and_singular_values_one(M, H, N, rank):
    r = min(rank, M, H, N)
    B, A = reduced_rank_truth(M, H, N, r).layers
    np.testing.assert_allclose(np.linalg.svd(A @ B, compute_uv=False)[:r], 1.0, rtol=1e-12)
    assert learning.reduced_rank_at(A, B) == learning.reduced_rank(M, H, N, r)


@given(SIDES, st.integers(0, 6), st.integers(0, 6), SIDES, st.data())
def test_partial_truth_has_both_ranks(M, H1, H2, N, data):
    if H1 + H2 == 0:
        H1 = 1
    r2 = data.draw(st.integers(0, min(H2, N)))
    rest = data.draw(st.integers(0, min(M, H1, N - r2)))
    B, A = partial_concept_bottleneck_truth(M, H1, H2, N, r2, rest).layers
    exact = learning.partial_concept_bottleneck(M, H1, H2, N, r2, rest)
    assert learning.partial_concept_bottleneck_at(A, B, H2) == exact


@given(st.lists(SIDES, min_size=2, max_size=5), st.data())
def test_chain_truth_has_every_rank(widths, data):
    depth = len(widths) - 1
    observed = sorted({*data.draw(st.sets(st.integers(1, depth))), depth})
    ranks, reach, start = [], widths[0], 0
    for end in observed:
        reach = data.draw(st.integers(0, min(reach, *widths[start : end + 1])))
        ranks.append(reach)
        start = end
    truth = observed_chain_truth(widths, observed, ranks)
    assert learning.observed_chain_at(truth.layers, observed) == learning.observed_chain(widths, observed, ranks)
    assert [t.shape[0] for t in truth.targets if t.shape[0]] == [widths[o] for o in observed]


@given(SIDES, SIDES, SIDES, st.none() | st.integers(0, 6))
def test_bottleneck_truth_has_its_concept_rank(M, H, N, rank):
    r = rank if rank is None else min(rank, H, N)
    B, A = concept_bottleneck_truth(M, H, N, r).layers
    assert learning.concept_bottleneck_at(A, B) == learning.concept_bottleneck(M, H, N, r)


def test_targets_are_the_observed_rows_of_the_running_product():
    network = LinearNetwork([3, 4, 2], [1, 2])
    rng = np.random.default_rng(5)
    B, A = rng.standard_normal((4, 3)), rng.standard_normal((2, 4))
    concepts, outputs = network.targets([B, A])
    np.testing.assert_array_equal(concepts, B[3:])
    np.testing.assert_allclose(outputs, A @ B, rtol=1e-12)
    assert (network.depth, network.parameters) == (2, 20)
    assert network == LinearNetwork((3, 4, 2), (1, 2))
    assert hash(network) == hash(LinearNetwork((3, 4, 2), (1, 2)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LinearNetwork((3, 2), (1,)), "observed must count all 2 units of the output layer, got 1"),
        (lambda: LinearNetwork((3, 2, 2), (2,)), "observed must have one entry per layer = 2, got 1"),
        (lambda: LinearNetwork((3, 2, 2), (3, 2)), r"observed\[0\] must be <= the width of layer 1 = 2, got 3"),
        (lambda: LinearNetwork((3, 0, 2), (0, 2)), r"widths\[1\] must be >= 1, got 0"),
        (lambda: Truth(LinearNetwork((3, 2), (2,)), (np.ones((3, 2)),)), r"layers\[0\] must have shape \(2, 3\)"),
        (lambda: Truth(LinearNetwork((3, 2), (2,)), ()), "layers must hold 1 matrices, got 0"),
        (lambda: Truth(LinearNetwork((1, 1), (1,)), ([[np.nan]],)), r"layers\[0\] must be finite, got nan"),
        (lambda: reduced_rank_truth(2, 2, 2, 3), r"rank must be <= min\(outputs, hidden, inputs\) = 2, got 3"),
        (lambda: deep_linear_truth([2, 3], 3), r"rank must be <= min\(widths\) = 2, got 3"),
        (lambda: observed_chain_truth([2, 3, 2], [1], [1]), "observed must end with the output layer 2"),
        (lambda: concept_bottleneck_truth(2, 2, 2, 3), "concept_rank must be <= .* = 2, got 3"),
        (lambda: partial_concept_bottleneck_truth(2, 1, 2, 5, 2, 2), "residual_rank must be <= .* = 1, got 2"),
    ],
)
def test_a_truth_that_does_not_exist_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
