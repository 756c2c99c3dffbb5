"""Deep linear networks: theorem 3 and lemma 3 of docs/learning, and routes to λ and m that do not use them."""

from fractions import Fraction
from itertools import combinations_with_replacement, pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from lemmata.theory.learning import deep_linear, reduced_rank


@st.composite
def chains(draw, shortest=2, longest=9, side=25):
    """Widths and a rank that a truth can have."""
    widths = draw(st.lists(st.integers(1, side), min_size=shortest, max_size=longest))
    return widths, draw(st.integers(0, min(widths)))


def pair(found):
    return found.value, found.multiplicity


def level(widths, rank):
    """Σ/ℓ of theorem 3, the height at which the water of lemma 3 stands."""
    gaps = sorted(w - rank for w in widths)
    ell = max(k for k in range(1, len(gaps)) if sum(gaps[: k + 1]) >= k * gaps[k])
    return Fraction(sum(gaps[: ell + 1]), ell)


def test_two_layers_are_reduced_rank_regression_for_every_side_up_to_eight():
    for M, H, N in product(range(1, 9), repeat=3):
        for r in range(min(M, H, N) + 1):
            assert pair(deep_linear([N, H, M], r)) == pair(reduced_rank(M, H, N, r))


@given(chains(shortest=2, longest=2))
def test_one_layer_is_regular(chain):
    widths, rank = chain
    assert pair(deep_linear(widths, rank)) == (Fraction(widths[0] * widths[1], 2), 1)


@given(chains(), st.randoms(use_true_random=False))
def test_inner_widths_may_be_permuted_and_the_chain_reversed(chain, random):
    widths, rank = chain
    inner = widths[1:-1]
    random.shuffle(inner)
    shuffled = [widths[0], *inner, widths[-1]]
    assert pair(deep_linear(shuffled, rank)) == pair(deep_linear(widths, rank))
    assert pair(deep_linear(widths[::-1], rank)) == pair(deep_linear(widths, rank))


@given(chains())
def test_value_lies_between_the_set_of_maps_and_the_parameters(chain):
    widths, rank = chain
    found = deep_linear(widths, rank)
    parameters = sum(a * b for a, b in pairwise(widths))
    assert Fraction(rank * (widths[0] + widths[-1] - rank), 2) <= found.value <= Fraction(parameters, 2)
    assert (2 * found.value).denominator == 1
    assert 1 <= found.multiplicity <= parameters


@given(chains(), st.data())
def test_no_width_and_no_rank_lowers_the_value_by_growing(chain, data):
    widths, rank = chain
    value = deep_linear(widths, rank).value
    layer = data.draw(st.integers(0, len(widths) - 1))
    wider = [w + (i == layer) for i, w in enumerate(widths)]
    assert value <= deep_linear(wider, rank).value
    if rank < min(widths):
        assert value <= deep_linear(widths, rank + 1).value


@given(chains(), st.integers(0, 40), st.data())
def test_an_extra_inner_layer_never_raises_the_value(chain, extra, data):
    widths, rank = chain
    place = data.draw(st.integers(1, len(widths) - 1))
    deeper = [*widths[:place], rank + extra, *widths[place:]] if rank + extra else None
    if deeper:
        assert deep_linear(deeper, rank).value <= deep_linear(widths, rank).value


@given(chains(), st.integers(0, 3))
def test_an_extra_inner_layer_above_the_water_changes_nothing(chain, above):
    widths, rank = chain
    gap = -(-level(widths, rank) // 1) + above  # the least integer >= Σ/ℓ, and a little more
    two_smallest = sum(sorted(w - rank for w in widths)[:2])
    assert gap - above <= two_smallest
    if rank + gap:
        deeper = [widths[0], rank + int(gap), *widths[1:]]
        assert pair(deep_linear(deeper, rank)) == pair(deep_linear(widths, rank))


@given(chains(), st.integers(0, 60))
def test_an_extra_inner_layer_leaves_the_value_exactly_from_one_below_the_water(chain, extra):
    widths, rank = chain
    smallest = min(widths) - rank
    if smallest:
        gap = smallest + extra
        deeper = deep_linear([widths[0], rank + gap, *widths[1:]], rank).value
        surface = -(-level(widths, rank) // 1)  # ⌈Σ/ℓ⌉
        assert (deeper == deep_linear(widths, rank).value) == (gap >= surface - 1)


@given(chains(shortest=3))
def test_depth_pays_at_most_until_the_value_rests_on_the_smallest_gaps(chain):
    widths, rank = chain
    gaps = sorted(w - rank for w in widths)
    ends = Fraction(rank * (widths[0] + widths[-1] - rank), 2)
    assert ends <= deep_linear(widths, rank).value <= ends + Fraction(gaps[0] * gaps[1], 2)


def fillings(units, columns):
    """All ways to pour `units` of water into `columns` columns."""
    if columns == 1:
        yield (units,)
        return
    for first in range(units + 1):
        for others in fillings(units - first, columns - 1):
            yield (first, *others)


def test_value_is_the_best_way_to_pour_the_smallest_gap_over_the_others():
    for length in range(2, 6):
        for widths in combinations_with_replacement(range(1, 6), length):
            for rank in range(widths[0] + 1):
                smallest, *gaps = (w - rank for w in widths)
                cost = min(
                    sum(g * x for g, x in zip(gaps, poured, strict=True))
                    - (smallest**2 - sum(x * x for x in poured)) // 2
                    for poured in fillings(smallest, length - 1)
                )
                ends = rank * (widths[0] + widths[-1] - rank)
                assert deep_linear(widths, rank).value == Fraction(ends + cost, 2)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
def test_a_single_input_gives_the_poles_of_a_product_of_gamma_functions(widths, data):
    # from one input, |W_l v| for Gaussian W_l is |v| times an independent chi variable, so that E K^z is a constant to
    # the power z times Π Γ(h_l/2 + z)/Γ(h_l/2): largest pole −min h_l/2, of the order of the number of ties
    place = data.draw(st.integers(0, len(widths)))
    chain = [*widths[:place], 1, *widths[place:]]
    assert pair(deep_linear(chain, 0)) == (Fraction(min(widths), 2), widths.count(min(widths)))


def three_layer_program(widths):
    """λ and m of three layers at truth 0 from a linear program (docs/learning, section 3).

    With singular values n^{−α_i/2} of W_3 and n^{−β_j/2} of W_1, W_2 is integrated out exactly and Z(n) is the integral
    of n^{−E(α, β)}, E = ½[Σ (1 − α_i − β_j)₊ + Σ κ_i α_i + Σ κ'_j β_j]: λ = min E, m = 1 + dim(its minimisers).
    """
    h0, h1, h2, h3 = widths
    a, b = min(h2, h3), min(h0, h1)
    kappa = [h2 + h3 + 1 - 2 * i for i in range(1, a + 1)] + [h0 + h1 + 1 - 2 * j for j in range(1, b + 1)]
    cost = np.array([*kappa, *np.ones(a * b)]) / 2
    rows = np.zeros((a * b, a + b + a * b))
    for k, (i, j) in enumerate(product(range(a), range(b))):
        rows[k, [i, a + j, a + b + k]] = -1  # 1 <= α_i + β_j + slack
    best = linprog(cost, A_ub=rows, b_ub=-np.ones(a * b), method="highs")
    assert best.status == 0
    tight = {
        "A_ub": np.vstack([rows, cost]),
        "b_ub": np.append(-np.ones(a * b), best.fun + 1e-9),
        "bounds": [(0, 2)] * (a + b) + [(0, None)] * (a * b),
        "method": "highs",
    }
    span, rng = np.zeros((a + b, 0)), np.random.default_rng(3)
    while span.shape[1] < a + b:  # in a random direction off the span found so far, a larger face has extent
        direction = rng.standard_normal(a + b)
        direction -= span @ (span.T @ direction)
        objective = np.concatenate([direction, np.zeros(a * b)])
        low, high = (linprog(sign * objective, **tight).x[: a + b] for sign in (1, -1))
        if direction @ (high - low) < 1e-6:  # the program is solved to about 1e-9
            break
        step = (high - low) - span @ (span.T @ (high - low))
        span = np.column_stack([span, step / np.linalg.norm(step)])
    return best.fun, 1 + span.shape[1]


@pytest.mark.parametrize("widths", list(combinations_with_replacement(range(1, 5), 4)), ids=str)
def test_three_layers_at_truth_zero_solve_a_linear_program(widths):
    # the program does not know that the order of the widths is immaterial, so it is asked in two orders
    for order in (widths, (widths[1], widths[3], widths[0], widths[2])):
        value, multiplicity = three_layer_program(order)
        exact = deep_linear(order, 0)
        assert value == pytest.approx(float(exact.value), abs=1e-7)  # solver tolerance; values are multiples of 1/2
        assert multiplicity == exact.multiplicity
