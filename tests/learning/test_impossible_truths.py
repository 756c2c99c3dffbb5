"""No number comes back for what does not exist: the message names the argument, the constraint and the value."""

import re
from fractions import Fraction
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
    partial_concept_bottleneck_bounds,
    reduced_rank,
    reduced_rank_at,
    softmax_outputs,
)

NAN, INF = float("nan"), float("inf")
E2 = [[1.0, 0.0], [0.0, 1.0]]

WRONG_VALUES = [
    (reduced_rank, (0, 2, 3, 0), "outputs must be >= 1, got 0"),
    (reduced_rank, (2, -1, 3, 0), "hidden must be >= 0, got -1"),
    (reduced_rank, (2, 2, -1, 0), "inputs must be >= 0, got -1"),
    (reduced_rank, (2, 2, 3, -1), "rank must be >= 0, got -1"),
    (reduced_rank, (2, 3, 4, 3), "rank must be <= min(outputs, hidden, inputs) = 2, got 3"),
    (reduced_rank, (3, 0, 4, 1), "rank must be <= min(outputs, hidden, inputs) = 0, got 1"),
    (reduced_rank, (2, 3, 4, 0.5), "rank must be an integer, got 0.5"),
    (reduced_rank, (2.0, 3, 4, 1), "outputs must be an integer, got 2.0"),
    (reduced_rank, (2, 3, 4, Fraction(1, 2)), "rank must be an integer, got Fraction(1, 2)"),
    (reduced_rank, (2, NAN, 4, 1), "hidden must be an integer, got nan"),
    (deep_linear, ([3], 0), "widths must have at least 2 entries, got 1"),
    (deep_linear, ([3, 0, 2], 0), "widths[1] must be >= 1, got 0"),
    (deep_linear, ([3, 2.5, 2], 0), "widths[1] must be an integer, got 2.5"),
    (deep_linear, ([3, 2, 4], 3), "rank must be <= min(widths) = 2, got 3"),
    (deep_linear, ([3, 2, 4], -1), "rank must be >= 0, got -1"),
    (concept_bottleneck, (0, 2, 3), "outputs must be >= 1, got 0"),
    (concept_bottleneck, (2, 0, 3), "concepts must be >= 1, got 0"),
    (concept_bottleneck, (2, 2, 0), "inputs must be >= 1, got 0"),
    (concept_bottleneck, (5, 4, 3, 4), "concept_rank must be <= min(concepts, inputs) = 3, got 4"),
    (concept_bottleneck, (5, 4, 3, -1), "concept_rank must be >= 0, got -1"),
    (multitask, (2, -1, 3, 4, 0), "concepts must be >= 0, got -1"),
    (multitask, (1, 1, 3, 4, 3), "rank must be <= min(outputs + concepts, hidden, inputs) = 2, got 3"),
    (partial_concept_bottleneck, (2, -1, 2, 5, 1, 0), "hidden must be >= 0, got -1"),
    (partial_concept_bottleneck, (2, 2, 2, 0, 0, 0), "inputs must be >= 1, got 0"),
    (partial_concept_bottleneck, (2, 2, 2, 5, 3, 0), "concept_rank must be <= min(concepts, inputs) = 2, got 3"),
    (
        partial_concept_bottleneck,
        (4, 4, 3, 5, 3, 3),
        "residual_rank must be <= min(outputs, hidden, inputs - concept_rank) = 2, got 3",
    ),
    (
        partial_concept_bottleneck,
        (3, 0, 2, 5, 1, 1),
        "residual_rank must be <= min(outputs, hidden, inputs - concept_rank) = 0, got 1",
    ),
    (
        partial_concept_bottleneck_bounds,
        (4, 4, 3, 9, 1, 1, 3),
        "free_rank must be <= min(outputs, hidden, residual_rank + concept_rank) = 2, got 3",
    ),
    (partial_concept_bottleneck_bounds, (4, 4, 3, 9, 1, 2, 1), "free_rank must be >= 2, got 1"),
    (partial_concept_bottleneck_bounds, (4, 4, 3, 9, 4, 2), "concept_rank must be <= min(concepts, inputs) = 3, got 4"),
    (observed_chain, ([3, 2, 2], [], [1]), "observed must have at least 1 entries, got 0"),
    (observed_chain, ([3, 2, 2], [1], [1]), "observed must end with the output layer 2, got [1]"),
    (observed_chain, ([3, 2, 2], [2, 1], [1, 1]), "observed must be increasing, got [2, 1]"),
    (observed_chain, ([3, 2, 2], [1, 1, 2], [1, 1, 1]), "observed must be increasing, got [1, 1, 2]"),
    (observed_chain, ([3, 2, 2], [0, 2], [1, 1]), "observed[0] must be >= 1, got 0"),
    (observed_chain, ([3, 2, 2], [1, 2], [1]), "ranks must have one entry per observed layer = 2, got 1"),
    (observed_chain, ([3, 2, 2], [1, 2], [1, 2]), "ranks[1] must be <= the narrowest point before layer 2 = 1, got 2"),
    (observed_chain, ([3, 2, 5], [2], [3]), "ranks[0] must be <= the narrowest point before layer 2 = 2, got 3"),
    (observed_chain, ([3, 2, 2], [1, 2], [1, -1]), "ranks[1] must be >= 0, got -1"),
    (softmax_outputs, (0,), "classes must be >= 1, got 0"),
    (reduced_rank_at, ([[1.0, NAN]], E2), "output_weights must be finite, got nan"),
    (reduced_rank_at, (E2, [[INF], [0.0]]), "hidden_weights must be finite, got inf"),
    (reduced_rank_at, (E2, [[1.0, 0.0]]), "hidden_weights must have shape (2, 2), got (1, 2)"),
    (reduced_rank_at, ([1.0, 2.0], E2), "output_weights must be a matrix, got 1 dimensions"),
    (reduced_rank_at, ([[1.0], [1.0, 2.0]], E2), "output_weights must be a rectangular array of numbers"),
    (reduced_rank_at, (E2, E2, 1.0), "tolerance must lie in [0, 1), got 1.0"),
    (reduced_rank_at, (E2, E2, NAN), "tolerance must lie in [0, 1), got nan"),
    (reduced_rank_at, (E2, E2, -1e-9), "tolerance must lie in [0, 1), got -1e-09"),
    (concept_bottleneck_at, (E2, [[1.0, 2.0]]), "concept_weights must have shape (2, 2), got (1, 2)"),
    (multitask_at, (E2, [[1.0]], E2), "concept_weights must have shape (1, 2), got (1, 1)"),
    (deep_linear_at, ([],), "layers must hold at least one matrix, got none"),
    (deep_linear_at, ([E2, [[1.0, 2.0, 3.0]]],), "layers[1] must have shape (1, 2), got (1, 3)"),
    (deep_linear_at, ([E2, [[1.0, -INF]]],), "layers[1] must be finite, got -inf"),
    (partial_concept_bottleneck_at, (E2, E2, 3), "concepts must be <= the number of hidden units = 2, got 3"),
    (partial_concept_bottleneck_at, (E2, E2, -1), "concepts must be >= 0, got -1"),
    (observed_chain_at, ([E2, E2], [3]), "observed must name layers up to 2, got 3"),
    (observed_chain_at, ([E2, E2], [1]), "observed must end with the output layer 2, got [1]"),
]

WRONG_KINDS = [
    (reduced_rank, (2, "3", 4, 1), "hidden must be an integer, got '3'"),
    (reduced_rank, (2, 3, 4, None), "rank must be an integer, got None"),
    (reduced_rank, (2, True, 4, 1), "hidden must be an integer, got True"),
    (deep_linear, (3, 0), "widths must be a sequence of integers, got 3"),
    (deep_linear, ("33", 0), "widths must be a sequence of integers, got '33'"),
    (deep_linear, (np.array(3), 0), "widths must be a sequence of integers, got array(3)"),
    (deep_linear, ([[1, 2], 3], 0), "widths[0] must be an integer, got [1, 2]"),
    (observed_chain, ([3, 2], {1}, [1]), "observed must be a sequence of integers, got {1}"),
    (reduced_rank_at, ([["a"]], E2), "output_weights must hold real numbers, got dtype <U1"),
    (reduced_rank_at, ([[1j]], E2), "output_weights must hold real numbers, got dtype complex128"),
    (partial_concept_bottleneck_at, (E2, E2, "1"), "concepts must be an integer, got '1'"),
]


@pytest.mark.parametrize(("function", "arguments", "message"), WRONG_VALUES)
def test_a_wrong_value_is_refused_in_one_sentence(function, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("function", "arguments", "message"), WRONG_KINDS)
def test_a_wrong_kind_is_a_type_error(function, arguments, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        function(*arguments)


def test_a_tolerance_that_leaves_ranks_of_no_truth_is_refused():
    # the output magnifies a direction of the concepts that the tolerance has cut
    message = "tolerance must leave ranks that some truth has: at 0.01 the concepts have rank 1 and leave rank 1"
    with pytest.raises(ValueError, match=message):
        partial_concept_bottleneck_at(np.diag([1.0, 1e4]), np.diag([1.0, 1e-4]), 2, 1e-2)
    message = re.escape("tolerance must leave ranks that never grow along the chain, got [1, 2]")
    with pytest.raises(ValueError, match=message):
        observed_chain_at([np.diag([1.0, 1e-4]), np.diag([1.0, 1e4])], [1, 2], 1e-2)


SIZE = st.integers(-2, 5)


@given(SIZE, SIZE, SIZE, SIZE)
def test_reduced_rank_speaks_exactly_where_a_truth_exists(M, H, N, r):
    exists = M >= 1 and H >= 0 and N >= 0 and 0 <= r <= min(M, H, N)
    if exists:
        assert reduced_rank(M, H, N, r).value >= 0
    else:
        with pytest.raises(ValueError, match="must be"):
            reduced_rank(M, H, N, r)


@given(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE)
def test_partial_bottleneck_speaks_exactly_where_a_truth_exists(M, H1, H2, N, r2, rest):
    exists = M >= 1 and H1 >= 0 and H2 >= 0 and N >= 1
    exists = exists and 0 <= r2 <= min(H2, N) and 0 <= rest <= min(M, H1, N - r2)
    for function in (partial_concept_bottleneck, partial_concept_bottleneck_bounds):
        if exists:
            function(M, H1, H2, N, r2, rest)
        else:
            with pytest.raises(ValueError, match="must be"):
                function(M, H1, H2, N, r2, rest)


@given(st.lists(SIZE, min_size=1, max_size=4), st.lists(SIZE, max_size=3), st.lists(SIZE, max_size=3))
def test_a_chain_speaks_exactly_where_a_truth_exists(widths, observed, ranks):
    exists = len(widths) >= 2 and min(widths) >= 1 and len(observed) == len(ranks) >= 1
    exists = exists and all(a < b for a, b in zip([0, *observed], observed, strict=False))
    exists = exists and observed[-1] == len(widths) - 1
    if exists:
        limits = [min(widths[: o + 1]) for o in observed]
        exists = all(0 <= r <= limit for r, limit in zip(ranks, limits, strict=True))
        exists = exists and all(a >= b for a, b in pairwise(ranks))
    if exists:
        assert observed_chain(widths, observed, ranks).value >= 0
    else:
        with pytest.raises(ValueError, match="must"):
            observed_chain(widths, observed, ranks)
