"""The evidence on a normal mean of unknown variance, against its definition and against draws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from lemmata.theory.normal_mean import NormalMean


def of(values, prior=0.25):
    x = np.asarray(values, dtype=float)
    return NormalMean(len(x), float(x.mean()), float(((x - x.mean()) ** 2).sum()), prior)


@pytest.mark.parametrize("values", [[0.3, 1.2, -0.4, 0.9], [-1.0, -0.2, -0.7], [2.0, 2.1]])
@pytest.mark.parametrize("prior", [0.1, 1.0])
def test_the_closed_form_is_the_integral_of_likelihoods_over_effects_and_scales(values, prior):
    x = np.array(values)

    def marginal(effect):
        def weight(t):  # σ = e^t, dσ/σ = dt
            return math.exp(-len(x) * t - ((x - effect * math.exp(t)) ** 2).sum() * math.exp(-2 * t) / 2)

        return quad(weight, -8, 25, limit=400, points=[-2, 0, 2])[0]

    def mixed(effect):
        return 2 * math.exp(-(effect**2) / (2 * prior)) / math.sqrt(2 * math.pi * prior) * marginal(effect)

    above = quad(mixed, 0, 12 * math.sqrt(prior), limit=200)[0] / marginal(0.0)
    below = quad(mixed, -12 * math.sqrt(prior), 0, limit=200)[0] / marginal(0.0)
    seen = of(values, prior)
    # the quadrature is good to 1e-7
    assert seen.log_above(0.0) == pytest.approx(math.log(above), abs=1e-6)
    assert seen.log_below(0.0) == pytest.approx(math.log(below), abs=1e-6)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20), st.floats(-3, 3), st.floats(0.1, 10), st.floats(-4, 4))
def test_units_and_origin_do_not_matter(values, boundary, unit, origin):
    here, there = of(values), of([unit * v + origin for v in values])
    if here.squares > 1e-6:
        moved = there.log_above(unit * boundary + origin)
        assert moved == pytest.approx(here.log_above(boundary), rel=1e-6, abs=1e-6)  # sums of squares lose digits


@given(st.integers(2, 500), st.floats(-3, 3), st.floats(0.01, 100), st.floats(-3, 3), st.floats(0, 2))
def test_evidence_falls_with_the_boundary(count, mean, squares, boundary, step):
    seen = NormalMean(count, mean, squares)
    assert seen.log_above(boundary + step) <= seen.log_above(boundary) + 1e-9
    assert seen.log_below(boundary + step) >= seen.log_below(boundary) - 1e-9


def ever(draws, log_level, boundary=0.0, noise=np.random.Generator.standard_normal):
    """In how many of 3000 sequences of 100 values the evidence that the mean lies above ever reaches the level."""
    rng, hits = np.random.default_rng(7), 0
    for _ in range(3000):
        x = draws + noise(rng, 100)
        count = np.arange(1, 101)
        means = np.cumsum(x) / count
        squares = np.maximum(0.0, np.cumsum(x * x) - count * means**2)
        hits += any(
            NormalMean(int(n), float(m), float(s)).log_above(boundary) >= log_level
            for n, m, s in zip(count[1::3], means[1::3], squares[1::3], strict=True)
        )
    return hits


def test_the_evidence_against_a_true_boundary_ever_grows_large_as_seldom_as_stated():
    # 0.05 of 3000 is 150, and 203 would be exceeded once in 10^5 if it were exact; far below the boundary even less
    on_it = ever(0.0, math.log(20))
    assert 30 <= on_it <= 203
    assert ever(-0.3, math.log(20)) < on_it


def test_a_test_that_forgets_to_pay_for_looking_would_be_caught():
    assert ever(0.0, math.log(20) - 1.5) > 203


@given(st.integers(8, 400), st.floats(-3, 3), st.floats(0.01, 100), st.sampled_from([0.5, 0.95, 0.999]))
def test_the_interval_ends_where_the_evidence_suffices(count, mean, squares, confidence):
    seen = NormalMean(count, mean, squares)
    low, high = seen.interval(confidence)
    if math.isfinite(low):
        needed = math.log(2 / (1 - confidence))
        assert seen.log_above(low) == pytest.approx(needed, abs=1e-6)
        assert seen.log_below(high) == pytest.approx(needed, abs=1e-6)


def test_few_values_exclude_nothing_and_equal_values_everything_else():
    assert of([1.0, 1.1]).interval(0.999999) == (-math.inf, math.inf)
    assert NormalMean(30, 2.0, 0.0).interval(0.99) == (2.0, 2.0)
    assert of([1.0, 1.0]).log_above(1.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 0.0, 1.0), "count must be >= 1, got 0"),
        ((3, math.nan, 1.0), "mean must be"),
        ((3, 0.0, -1.0), "squares must be >= 0 and finite, got -1.0"),
        ((3, 0.0, 1.0, 0.0), "prior must be"),
    ],
)
def test_bad_moments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        NormalMean(*arguments)


def test_a_confidence_outside_the_open_interval_is_refused():
    with pytest.raises(ValueError, match="confidence must lie strictly between 0 and 1, got 1"):
        NormalMean(3, 0.0, 1.0).interval(1)
