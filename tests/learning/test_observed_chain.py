"""Chains of linear layers some of which are observed: theorem 6 of docs/learning."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.learning import deep_linear, multitask, observed_chain, partial_concept_bottleneck


@st.composite
def chains(draw, side=12, longest=7):
    """(widths, observed, ranks) of a chain and a truth that exist."""
    widths = draw(st.lists(st.integers(1, side), min_size=2, max_size=longest))
    depth = len(widths) - 1
    observed = [*sorted(draw(st.sets(st.integers(1, depth - 1), max_size=depth - 1))), depth] if depth > 1 else [1]
    ranks, reach, start = [], widths[0], 0
    for end in observed:
        reach = draw(st.integers(0, min(reach, *widths[start : end + 1])))
        ranks.append(reach)
        start = end
    return widths, observed, ranks


def pair(found):
    return found.value, found.multiplicity


@given(chains())
def test_only_the_last_layer_observed_is_a_deep_linear_network(chain):
    widths, _, ranks = chain
    rank = min(ranks[-1], *widths)
    assert pair(observed_chain(widths, [len(widths) - 1], [rank])) == pair(deep_linear(widths, rank))


@given(chains())
def test_every_layer_observed_is_regular_in_what_reaches_it(chain):
    widths, _, _ = chain
    ranks = []
    for width in widths[1:]:
        ranks.append(min(width, *ranks[-1:], widths[0]))
    found = observed_chain(widths, range(1, len(widths)), ranks)
    reach = [widths[0], *ranks]
    assert pair(found) == (Fraction(sum(a * b for a, b in zip(reach, widths[1:], strict=False)), 2), 1)


@given(chains())
def test_value_is_a_half_integer_up_to_half_the_parameters(chain):
    widths, _, _ = chain
    found = observed_chain(*chain)
    parameters = sum(a * b for a, b in pairwise(widths))
    assert (2 * found.value).denominator == 1
    assert 0 <= found.value <= Fraction(parameters, 2)
    assert 1 <= found.multiplicity <= parameters


@given(chains(), st.data())
def test_hiding_an_observed_layer_never_raises_the_value(chain, data):
    widths, observed, ranks = chain
    if len(observed) > 1:
        hidden = data.draw(st.integers(0, len(observed) - 2))
        fewer = [o for i, o in enumerate(observed) if i != hidden]
        left = [r for i, r in enumerate(ranks) if i != hidden]
        assert observed_chain(widths, fewer, left).value <= observed_chain(*chain).value


@given(chains())
def test_what_follows_a_layer_that_nothing_reaches_adds_nothing(chain):
    widths, observed, ranks = chain
    longer = observed_chain([*widths, 3, 2], [*observed, len(widths) + 1], [*ranks[:-1], 0, 0])
    assert pair(longer) == pair(observed_chain(widths, observed, [*ranks[:-1], 0]))


@given(chains())
def test_a_chain_splits_at_an_observed_layer_that_lets_everything_through(chain):
    # a layer as wide as its input and of full rank: what follows sees a fresh input of that width
    widths, observed, ranks = chain
    longer = observed_chain([widths[0], *widths], [1, *(o + 1 for o in observed)], [widths[0], *ranks])
    alone = observed_chain(*chain)
    assert pair(longer) == (alone.value + Fraction(widths[0] ** 2, 2), alone.multiplicity)


@given(st.integers(1, 8), st.integers(0, 8), st.integers(1, 8), st.integers(1, 8), st.integers(0, 8))
def test_concepts_observed_beside_the_output_are_multitask(M, K, H, N, rank):
    r = min(rank, M + K, H, N)
    assert pair(observed_chain([N, H, M + K], [2], [r])) == pair(multitask(M, K, H, N, r))


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.integers(0, 8))
def test_a_partial_bottleneck_without_free_units_is_a_chain(M, H, N, rank):
    r = min(rank, H, N)
    assert pair(observed_chain([N, H, M], [1, 2], [r, 0])) == pair(partial_concept_bottleneck(M, 0, H, N, r, 0))
