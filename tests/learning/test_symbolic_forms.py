"""The SymPy forms equal the numeric functions, as exact rationals, over whole grids."""

from fractions import Fraction
from itertools import chain, combinations, combinations_with_replacement, product

import pytest
import sympy as sp

from lemmata.theory import learning
from lemmata.theory.learning import symbolic

TERMS = [{}, {"biases": True}, {"unknown_noise": True}, {"biases": True, "unknown_noise": True}]


def agree(form, exact):
    """Both numbers come out as exact SymPy rationals and equal the exact ones."""
    assert form.value.is_Rational
    assert form.multiplicity.is_Integer
    assert not form.where
    assert (Fraction(form.value.p, form.value.q), int(form.multiplicity)) == (exact.value, exact.multiplicity)


def partial_shapes(M, H1, H2, N):
    for shape in product(M, H1, H2, N):
        for r2 in range(min(shape[2], shape[3]) + 1):
            for rest in range(min(shape[0], shape[1], shape[3] - r2) + 1):
                words = ("outputs", "hidden", "concepts", "inputs", "concept_rank", "residual_rank")
                yield dict(zip(words, (*shape, r2, rest), strict=True))


@pytest.mark.parametrize("terms", TERMS)
def test_reduced_rank_on_every_side_up_to_five(terms):
    form = symbolic.reduced_rank(**terms)
    for M, H, N in product(range(1, 6), range(6), range(6)):
        for r in range(min(M, H, N) + 1):
            shape = {"outputs": M, "hidden": H, "inputs": N, "rank": r}
            agree(form.at(**shape), learning.reduced_rank(**shape, **terms))


@pytest.mark.parametrize("terms", TERMS)
def test_concept_bottleneck_and_multitask_on_every_side_up_to_four(terms):
    bottleneck, multitask = symbolic.concept_bottleneck(**terms), symbolic.multitask(**terms)
    for M, H, N in product(range(1, 5), repeat=3):
        for r in range(min(H, N) + 1):
            shape = {"outputs": M, "concepts": H, "inputs": N, "concept_rank": r}
            agree(bottleneck.at(**shape), learning.concept_bottleneck(**shape, **terms))
        for K in range(3):
            for r in range(min(M + K, H, N) + 1):
                shape = {"outputs": M, "concepts": K, "hidden": H, "inputs": N, "rank": r}
                agree(multitask.at(**shape), learning.multitask(**shape, **terms))


def test_partial_concept_bottleneck_on_every_shape_up_to_four():
    form = symbolic.partial_concept_bottleneck()
    for shape in partial_shapes(range(1, 5), range(4), range(4), range(1, 5)):
        agree(form.at(**shape), learning.partial_concept_bottleneck(**shape))


@pytest.mark.parametrize("terms", TERMS)
def test_partial_concept_bottleneck_bounds_with_every_free_rank(terms):
    form, exact_form = symbolic.partial_concept_bottleneck_bounds(**terms), symbolic.partial_concept_bottleneck(**terms)
    for shape in partial_shapes((1, 3), (0, 2), (1, 3), (2, 4)):
        agree(exact_form.at(**shape), learning.partial_concept_bottleneck(**shape, **terms))
        r2, rest = shape["concept_rank"], shape["residual_rank"]
        for free in range(rest, min(shape["outputs"], shape["hidden"], rest + r2) + 1):
            bounds = learning.partial_concept_bottleneck_bounds(**shape, free_rank=free, **terms)
            found = form.at(**shape, free_rank=free)
            assert not found.where
            for name in bounds._fields:
                value = getattr(found, name)
                assert Fraction(value.p, value.q) == getattr(bounds, name)


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5])
def test_deep_linear_on_every_chain_of_widths_up_to_four(layers):
    form = symbolic.deep_linear(layers)
    widths = (
        product(range(1, 5), repeat=layers + 1)
        if layers < 4
        else combinations_with_replacement((1, 2, 3, 5), layers + 1)
    )
    for chain_widths in widths:
        for rank in range(min(chain_widths) + 1):
            sizes = symbolic.deep_linear_sizes(chain_widths, rank)
            agree(form.at(**sizes), learning.deep_linear(chain_widths, rank))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_observed_chain_for_every_choice_of_observed_layers(layers):
    inner = range(1, layers)
    choices = chain.from_iterable(combinations(inner, k) for k in range(layers))
    for observed in ([*choice, layers] for choice in choices):
        form = symbolic.observed_chain(layers, observed)
        for widths in product((1, 2, 3), repeat=layers + 1):
            for ranks in product(range(4), repeat=len(observed)):
                try:
                    exact = learning.observed_chain(widths, observed, ranks)
                except ValueError:  # no such truth
                    continue
                agree(form.at(**symbolic.observed_chain_sizes(widths, observed, ranks)), exact)


@pytest.mark.parametrize("terms", TERMS)
def test_terms_of_deep_chains(terms):
    widths, observed, ranks = [4, 3, 3, 2, 3], [2, 4], [2, 1]
    deep = symbolic.deep_linear(4, **terms).at(**symbolic.deep_linear_sizes(widths, 1))
    agree(deep, learning.deep_linear(widths, 1, **terms))
    sizes = symbolic.observed_chain_sizes(widths, observed, ranks)
    agree(
        symbolic.observed_chain(4, observed, **terms).at(**sizes),
        learning.observed_chain(widths, observed, ranks, **terms),
    )


def test_sizes_may_be_put_in_one_by_one_or_as_letters():
    form = symbolic.reduced_rank()
    k = sp.Symbol("k", integer=True, positive=True)
    slowly = form.at(rank=0).at(hidden=1).at(outputs=k, inputs=k)
    assert (slowly.value, slowly.multiplicity) == (k / 2, 2)  # a product of two vectors of one length, whatever it is
    assert slowly.at().value == k / 2


@pytest.mark.parametrize(
    "form", [symbolic.reduced_rank(), symbolic.multitask(), symbolic.deep_linear(3), symbolic.observed_chain(3, [3])]
)
def test_printed_formula_can_be_read_back(form):
    letters = {s.name: s for s in (*form.symbols.values(), *form.where)}
    shown = dict(part.split(" = ", 1) for part in str(form).split(", ") if " = " in part)
    assert set(shown) == {"λ", "m", *(s.name for s in form.where)}
    start, end = str(form).index("λ = ") + 4, str(form).index(", m = ")
    assert sp.simplify(sp.sympify(str(form)[start:end], locals=letters) - form.value) == 0


@pytest.mark.parametrize("form", [symbolic.reduced_rank(), symbolic.deep_linear(4), symbolic.observed_chain(4, [2, 4])])
def test_latex_defines_every_letter_that_it_abbreviates(form):
    shown = form.latex()
    assert shown.startswith(r"\lambda = ")
    assert r"\qquad m = " in shown
    for name in form.where:
        assert f"{sp.latex(name)} = " in shown
    written = form.written_out()
    assert not written.where
    assert written.value.free_symbols | written.multiplicity.free_symbols <= set(form.symbols.values())


def test_latex_of_the_bounds_is_a_chain_of_three():
    shown = symbolic.partial_concept_bottleneck_bounds().latex()
    assert shown.count(r" \le ") == 3
    assert r"\epsilon = " in shown


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: symbolic.reduced_rank().at(concepts=2),
            "sizes must be named outputs, hidden, inputs, rank, got concepts",
        ),
        (lambda: symbolic.deep_linear(0), "layers must be >= 1, got 0"),
        (lambda: symbolic.deep_linear_sizes([2, 2], 3), r"rank must be <= min\(widths\) = 2, got 3"),
        (lambda: symbolic.observed_chain(3, [2, 1]), r"observed must be increasing, got \[2, 1\]"),
        (lambda: symbolic.observed_chain(3, [1, 2]), r"observed must end with the output layer 3, got \[1, 2\]"),
        (lambda: symbolic.observed_chain_sizes([3, 2], [1], [3]), r"ranks\[0\] must be <= .* = 2, got 3"),
    ],
)
def test_wrong_sizes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
