"""Coefficients at truths given as matrices: the ranks are found whatever basis the truth is written in."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.learning import (
    concept_bottleneck,
    concept_bottleneck_at,
    deep_linear,
    deep_linear_at,
    multitask,
    multitask_at,
    observed_chain,
    observed_chain_at,
    partial_concept_bottleneck,
    partial_concept_bottleneck_at,
    reduced_rank,
    reduced_rank_at,
)
from lemmata.theory.numerical_rank import DoubtfulRankWarning

SEEDS = st.integers(0, 2**32 - 1)
CLEAR = 1e-9  # far from both the singular values of the truths drawn here (>= 1e-5) and rounding (<= 1e-12)


def frame(rng, rows, columns):
    """Orthonormal columns (rows >= columns) or rows."""
    q = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))[0]
    return q if rows >= columns else q.T


def of_rank(rng, rows, columns, rank):
    """A random matrix of the rank, nonzero singular values in [1/2, 2]."""
    return frame(rng, rows, rank) * rng.uniform(0.5, 2.0, rank) @ frame(rng, rank, columns)


def stretched(rng, size, condition):
    """A random invertible matrix of the condition number, and its inverse."""
    u, v, s = frame(rng, size, size), frame(rng, size, size), np.geomspace(1.0, condition, size)
    return u * s @ v, v.T / s @ u.T


@given(SEEDS, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.data())
def test_reduced_rank_is_found_in_any_basis(seed, M, H, N, data):
    r = data.draw(st.integers(0, min(M, H, N)))
    rng = np.random.default_rng(seed)
    A, B = np.zeros((M, H)), np.zeros((H, N))
    A[:, :r], B[:r] = of_rank(rng, M, r, r), of_rank(rng, r, N, r)
    # weights of hidden units that the other side ignores: factors of higher rank than their product
    left = data.draw(st.integers(r, H))
    A[:, r:left] = rng.standard_normal((M, left - r))
    B[left:] = rng.standard_normal((H - left, N))
    # at rank 0 no signal is left against which the rounding of a skew basis could be seen to be small
    G, inverse = stretched(rng, H, 1e3 if r else 1.0)
    assert reduced_rank_at(A @ inverse, G @ B, CLEAR) == reduced_rank(M, H, N, r)


def test_factors_that_cancel_have_rank_zero_without_a_warning():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        hidden = frame(rng, 4, 4)
        A, B = rng.standard_normal((3, 2)) @ hidden[:, :2].T, hidden[:, 2:] @ rng.standard_normal((2, 5))
        assert np.any(A @ B != 0)  # rounding is left, which a relative tolerance alone would call rank 3
        assert reduced_rank_at(A, B) == reduced_rank(3, 4, 5, 0)
        assert deep_linear_at([B, A]) == deep_linear([5, 4, 3], 0)
        assert multitask_at(A[:2], A[2:], B) == multitask(2, 1, 4, 5, 0)
        assert observed_chain_at([B, A], [2]) == observed_chain([5, 4, 3], [2], [0])
        assert partial_concept_bottleneck_at(A, B, 0) == partial_concept_bottleneck(3, 4, 0, 5, 0, 0)


@given(SEEDS, st.integers(2, 5), st.data())
def test_deep_rank_is_found_in_any_basis(seed, layers, data):
    widths = [data.draw(st.integers(1, 5)) for _ in range(layers + 1)]
    r = data.draw(st.integers(0, min(widths)))
    rng = np.random.default_rng(seed)
    weights = []
    change, dead = np.eye(widths[0]), data.draw(st.integers(0, layers - 1))
    for layer, (before, after) in enumerate(pairwise(widths)):
        # the signal lives in the first r units; all the others are busy, but one layer passes nothing of them on
        W = np.zeros((after, before))
        W[:r, :r] = of_rank(rng, r, r, r)
        W[r:, r:] = 0.0 if layer == dead else rng.standard_normal((after - r, before - r))
        G, inverse = stretched(rng, after, 10.0)
        weights.append(G @ W @ change)
        change = inverse
    assert deep_linear_at(weights, CLEAR) == deep_linear(widths, r)


@given(SEEDS, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.data())
def test_concept_rank_is_found_in_any_basis(seed, M, H, N, data):
    r = data.draw(st.integers(0, min(H, N)))
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((M, H)), of_rank(rng, H, N, r)
    assert concept_bottleneck_at(A, B, CLEAR) == concept_bottleneck(M, H, N, r)


@given(SEEDS, *[st.integers(1, 3)] * 2, st.integers(1, 4), st.integers(1, 5), st.data())
def test_multitask_rank_is_that_of_output_and_concepts_together(seed, M, K, H, N, data):
    r = data.draw(st.integers(0, min(M + K, H, N)))
    rng = np.random.default_rng(seed)
    whole, B = np.zeros((M + K, H)), np.zeros((H, N))
    whole[:, :r], B[:r] = of_rank(rng, M + K, r, r), of_rank(rng, r, N, r)
    assert multitask_at(whole[:M], whole[M:], B, CLEAR) == multitask(M, K, H, N, r)


@st.composite
def partial_shapes(draw):
    M, N, H1, H2 = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(0, 4)), draw(st.integers(0, 4))
    r2 = draw(st.integers(0, min(H2, N)))
    if H1 + H2 == 0:
        H1 = 1
    return M, H1, H2, N, r2, draw(st.integers(0, min(M, H1, N - r2)))


def partial_truth(rng, shape):
    """Random A, B with rank(B₂) = r₂ and rank(A B Q) = r', moved by random symmetries that keep what is observed."""
    M, H1, H2, N, r2, rest = shape
    turn = frame(rng, N, N)  # its first r₂ rows span the row space of B₂
    B2 = of_rank(rng, H2, r2, r2) @ turn[:r2]
    A1, B1 = np.zeros((M, H1)), np.zeros((H1, N))
    A1[:, :rest] = of_rank(rng, M, rest, rest)
    B1[:rest] = of_rank(rng, rest, N - r2, rest) @ turn[r2:] + rng.standard_normal((rest, r2)) @ turn[:r2]
    B1[rest:] = rng.standard_normal((H1 - rest, N))  # units that the output ignores
    A2 = rng.standard_normal((M, H2))
    G, inverse = stretched(rng, H1, 30.0)  # gauge of the free units, and the shear B₁ → B₁ + C B₂, A₂ → A₂ − A₁C
    A1, B1 = A1 @ inverse, G @ B1
    C = rng.standard_normal((H1, H2))
    return np.hstack([A1, A2 - A1 @ C]), np.vstack([B1 + C @ B2, B2])


@given(SEEDS, partial_shapes())
def test_partial_bottleneck_ranks_survive_gauge_and_shear(seed, shape):
    A, B = partial_truth(np.random.default_rng(seed), shape)
    assert partial_concept_bottleneck_at(A, B, shape[2], CLEAR) == partial_concept_bottleneck(*shape)


@pytest.mark.parametrize("spread", [1.0, 1e2, 1e4, 1e6])
def test_a_residual_of_pure_rounding_counts_as_none_however_skew_the_concepts(spread):
    # T = C B₂ exactly; B₂ has condition `spread`, by which a projection off its row space would magnify rounding
    for seed in range(20):
        rng = np.random.default_rng(seed)
        B2 = stretched(rng, 3, spread)[0] @ frame(rng, 3, 6)
        B = np.vstack([rng.standard_normal((2, 3)) @ B2, B2])
        found = partial_concept_bottleneck_at(rng.standard_normal((4, 5)), B, 3)
        assert found == partial_concept_bottleneck(4, 2, 3, 6, 3, 0)


def test_a_residual_is_measured_against_the_true_map():
    # 1e-7 of the map is unexplained: signal at the default tolerance, none at 1e-5
    B = np.array([[0.0, 1e-7], [1.0, 0.0]])
    assert partial_concept_bottleneck_at([[1.0, 1.0]], B, 1) == partial_concept_bottleneck(1, 1, 1, 2, 1, 1)
    assert partial_concept_bottleneck_at([[1.0, 1.0]], B, 1, 1e-5) == partial_concept_bottleneck(1, 1, 1, 2, 1, 0)


@given(SEEDS, st.integers(1, 4), st.data())
def test_chain_ranks_are_those_of_the_maps_from_the_input(seed, layers, data):
    widths = [data.draw(st.integers(1, 4)) for _ in range(layers + 1)]
    rng = np.random.default_rng(seed)
    weights, ranks, change, reach = [], [], np.eye(widths[0]), widths[0]
    for before, after in pairwise(widths):
        reach = data.draw(st.integers(0, min(reach, after)))
        W = np.zeros((after, before))
        W[:reach, :reach] = np.diag(rng.uniform(0.5, 2.0, reach))
        G, inverse = stretched(rng, after, 10.0)
        weights.append(G @ W @ change)
        change = inverse
        ranks.append(reach)
    observed = [*sorted(data.draw(st.sets(st.integers(1, layers)))), layers]
    observed = sorted(set(observed))
    expected = observed_chain(widths, observed, [ranks[o - 1] for o in observed])
    assert observed_chain_at(weights, observed, CLEAR) == expected


def test_biases_and_noise_are_passed_on():
    A, B = np.eye(2), np.eye(2, 3)
    terms = {"biases": True, "unknown_noise": True}
    assert reduced_rank_at(A, B, **terms) == reduced_rank(2, 2, 3, 2, **terms)
    assert deep_linear_at([B, A], **terms) == deep_linear([3, 2, 2], 2, **terms)
    assert concept_bottleneck_at(A, B, **terms) == concept_bottleneck(2, 2, 3, 2, **terms)
    assert multitask_at(A, A, B, **terms) == multitask(2, 2, 2, 3, 2, **terms)
    assert observed_chain_at([B, A], [1, 2], **terms) == observed_chain([3, 2, 2], [1, 2], [2, 2], **terms)
    partial = partial_concept_bottleneck_at(A, B, 1, **terms)
    assert partial == partial_concept_bottleneck(2, 1, 1, 3, 1, 1, **terms)


@pytest.mark.parametrize(
    "ask",
    [
        lambda s, t: reduced_rank_at(np.eye(2), np.diag([1.0, s]), t),
        lambda s, t: deep_linear_at([np.eye(2), np.diag([1.0, s])], t),
        lambda s, t: concept_bottleneck_at(np.eye(2), np.diag([1.0, s]), t),
        lambda s, t: multitask_at(np.eye(2), np.zeros((1, 2)), np.diag([1.0, s]), t),
        lambda s, t: observed_chain_at([np.diag([1.0, s]), np.eye(2)], [1, 2], t),
        lambda s, t: partial_concept_bottleneck_at(np.eye(2), np.diag([s, 1.0]), 1, t),
    ],
    ids=["reduced rank", "deep", "bottleneck", "multitask", "chain", "partial"],
)
@pytest.mark.parametrize("factor", [0.11, 0.9, 1.1, 9.0])
def test_a_singular_value_near_the_threshold_warns_and_one_far_from_it_does_not(ask, factor):
    with pytest.warns(DoubtfulRankWarning, match="doubtful.*within a factor 10"):
        ask(1e-6 * factor, 1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask(1e-6 * factor / 100 if factor < 1 else 1e-6 * factor * 100, 1e-6)
