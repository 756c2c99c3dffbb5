"""Statements about frequencies cover as they say, and take no adversarial finding for a sample."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import binom

from lemmata.sim.resilience import RecoveryTimes, exceedance, exceedance_upper, quantile, worst_case
from lemmata.theory.resilience import Box, GRUCell


def sampled(times, censored=()):
    times = np.array(times)
    final = np.ones(len(times), bool)
    final[list(censored)] = False
    return RecoveryTimes(times, final, 0.1, 10**6)


def above(count, runs):
    """`count` of `runs` above time 0."""
    return sampled([1] * count + [0] * (runs - count))


@pytest.mark.parametrize("runs", [1, 5, 40])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_intervals_for_an_exceedance_cover(runs, confidence):
    counts = np.arange(runs + 1)
    two = np.array([exceedance(above(k, runs), 0, confidence) for k in counts])
    one = np.array([exceedance_upper(above(k, runs), 0, confidence) for k in counts])
    for p in np.linspace(0, 1, 401):
        law = binom.pmf(counts, runs, p)
        assert law[(two[:, 0] <= p) & (p <= two[:, 1])].sum() >= confidence - 1e-12  # exact but for rounding
        assert law[p <= one].sum() >= confidence - 1e-12


def test_none_of_n_runs_bounds_the_rest():
    assert_allclose(exceedance_upper(sampled([4] * 3000), 4), 1 - 0.05 ** (1 / 3000), rtol=1e-12)


def test_the_interval_of_clopper_and_pearson_is_the_published_one():
    # 10 of 100 at 95 percent: 0.0490 to 0.1762 (any table of exact binomial limits)
    assert_allclose(exceedance(above(10, 100), 0), (0.0490, 0.1762), atol=5e-5)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("runs", [3, 30])
def test_the_intervals_for_a_quantile_cover(level, runs):
    # T_R uniform on 0, …, 9: how many of the runs lie at or below each value decides everything
    rng = np.random.default_rng(1)
    trials, right = 4000, math.ceil(10 * level - 1e-9) - 1
    inside = 0
    for times in rng.integers(0, 10, (trials, runs)):
        low, high = quantile(sampled(times), level, 0.9)
        inside += low <= right <= high
    # a coverage of exactly 0.9 would fail for one seed in 10^5; the seed is fixed
    assert inside >= 0.9 * trials - 4.3 * math.sqrt(0.09 * trials)


def test_ranks_of_a_quantile_are_those_of_the_binomial_law():
    low, high = quantile(sampled(range(200)), 0.95, 0.95)
    # X_(k) with k = low + 1: P(B >= k) >= 0.975 and no larger k; k = high + 1: P(B <= k - 1) >= 0.975 and no smaller
    B = binom(200, 0.95)
    assert B.sf(low) >= 0.975 > B.sf(low + 1)
    assert B.cdf(high) >= 0.975 > B.cdf(high - 1)


def test_too_few_runs_bound_no_high_quantile():
    assert quantile(sampled([1, 2, 3]), 0.99)[1] == math.inf


def test_censored_runs_only_widen():
    times = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    for censored in ([0], [3, 4], range(10)):
        free, held = sampled(times), sampled(times, censored)
        for time in range(10):
            assert exceedance(held, time)[0] == exceedance(free, time)[0]
            assert exceedance(held, time)[1] >= exceedance(free, time)[1]
            assert exceedance_upper(held, time) >= exceedance_upper(free, time)
        assert quantile(held, 0.5, 0.5)[0] == quantile(free, 0.5, 0.5)[0]
        assert quantile(held, 0.5, 0.5)[1] >= quantile(free, 0.5, 0.5)[1]
    assert exceedance_upper(sampled(times, range(10)), 9) == 1.0
    assert quantile(sampled(times, range(10)), 0.5, 0.5)[1] == math.inf


@pytest.mark.parametrize("statement", [exceedance, exceedance_upper, quantile])
def test_what_a_search_found_is_no_sample(statement):
    cell, unit = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3)), Box([-1.0], [1.0])
    found = worst_case(cell, unit, 0.1, nominal_states=unit, perturbed_states=unit, rounds=0)
    with pytest.raises(TypeError, match=r"sampled must be the RecoveryTimes of independent runs .*, got WorstCase"):
        statement(found, 0.5)


@pytest.mark.parametrize("confidence", [0.0, 1.0, math.nan])
def test_a_confidence_outside_its_range_is_named(confidence):
    with pytest.raises(ValueError, match="confidence must lie strictly between 0 and 1, got"):
        exceedance(above(1, 3), 0, confidence)
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1, got"):
        quantile(above(1, 3), confidence)
