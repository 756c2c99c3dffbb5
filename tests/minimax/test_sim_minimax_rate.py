"""Rates told from residuals: exactness without noise, coverage with it, and what happens where there is no rate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from lemmata.sim.minimax import compare, estimate_rate


@pytest.mark.parametrize("rate", [1e-3, 0.3, 0.9, 0.999, 1.01, 30.0])
def test_a_clean_decay_gives_its_rate(rate):
    found = estimate_rate(2.5 * rate ** np.arange(60))
    assert_allclose(found.rate, rate, rtol=1e-12)
    assert found.error < 1e-12


def test_residuals_below_rounding_are_left_out():
    k = np.arange(200)
    found = estimate_rate(np.maximum(0.5**k, 1e-14))
    assert_allclose(found.rate, 0.5, rtol=1e-12)
    assert found.points == 22  # 2^-44 < 1e-13 < 2^-43, so 44 residuals are above, and half of them are fitted


def test_every_makes_the_rate_one_of_single_steps():
    assert_allclose(estimate_rate(0.9 ** np.arange(0, 400, 10), every=10).rate, 0.9, rtol=1e-13)


def test_a_double_root_needs_its_factor_k():
    k = np.arange(200)
    residuals = (k + 1e-300) * 0.9**k
    residuals[0] = 1.0
    right, plain = estimate_rate(residuals, (100, 200), double_root=True), estimate_rate(residuals, (100, 200))
    assert_allclose(right.rate, 0.9, rtol=1e-12)
    assert_allclose(plain.rate, 0.9 * np.exp(1 / 150), rtol=2e-4)  # the slope of log k in the middle of the window


def test_the_error_is_least_squares_with_the_ar1_factor():
    x = 0.03 * np.random.default_rng(0).standard_normal(50)
    k = np.arange(50.0)
    found = estimate_rate(np.exp(-0.1 * k + x), (0, 50))
    fit, covariance = np.polyfit(k, -0.1 * k + x, 1, cov=True)
    left = -0.1 * k + x - np.polyval(fit, k)
    lag = left[1:] @ left[:-1] / (left @ left)
    phi = min(max(lag + (2 + 4 * lag) / 50, 0), 0.99)
    assert_allclose(found.rate, np.exp(fit[0]), rtol=1e-12)
    assert_allclose(found.correlation, phi, rtol=1e-9, atol=1e-12)
    assert_allclose(found.error, np.sqrt(covariance[0, 0] * (1 + phi) / (1 - phi)), rtol=1e-9)


def coverage(phi, n, runs, seed):
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(runs):
        draws = rng.standard_normal(n)
        draws[0] /= np.sqrt(1 - phi**2)
        noise = lfilter([1.0], [1.0, -phi], draws)  # x_t = φ x_{t−1} + a draw
        low, high = estimate_rate(np.exp(-0.01 * np.arange(n) + 0.1 * noise), (0, n)).interval(0.95)
        hits += low <= np.exp(-0.01) <= high
    return hits / runs


@pytest.mark.parametrize(
    ("phi", "n", "expected"),
    [(0.0, 50, 0.961), (0.5, 50, 0.937), (0.8, 50, 0.918), (0.5, 200, 0.946), (0.8, 200, 0.942)],
)
def test_the_interval_covers_as_often_as_its_docstring_says(cases, phi, n, expected):
    # expected: 20 000 other runs, good to 0.002; 2000 runs here have a standard error below 0.0062, 20 000 one below
    # 0.002, and beyond 4.5 of both together a right interval falls once in 150 000
    runs = cases(2000, 20_000)
    seen = coverage(phi, n, runs, seed=int(10 * phi) + n)
    assert abs(seen - expected) < 4.5 * np.hypot(cases(0.0062, 0.002), 0.002)
    cases.record(f"95 % interval of a rate, φ = {phi}, n = {n}: coverage", runs, seen)


def test_without_the_ar1_factor_the_interval_would_cover_far_less():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(500):
        noise = np.zeros(200)
        for t in range(200):
            noise[t] = 0.8 * noise[t - 1] + rng.standard_normal()
        found = estimate_rate(np.exp(0.01 * noise), (0, 200))
        plain = found.error * np.sqrt((1 - found.correlation) / (1 + found.correlation))
        hits += abs(np.log(found.rate)) <= 1.97 * plain
    assert hits / 500 < 0.7


@pytest.mark.parametrize(
    ("residuals", "reason"),
    [
        ([0.0, 0.0, 0.0, 0.0], "the first residual is 0"),
        ([1.0, 0.5], "a rate needs at least 3 residuals, got 2"),
        ([2.0, 2.0, 2.0, 2.0, 2.0, 2.0], "the residuals are constant"),
        ([1.0, 0.0, 0.0, 0.0, 0.0], "at least 3 residuals above rounding"),
        ([1.0, np.inf, np.inf, np.inf], "at least 3 residuals above rounding"),
    ],
)
def test_where_there_is_no_rate_a_reason_is_given(residuals, reason):
    found = estimate_rate(residuals)
    assert np.isnan(found.rate)
    assert reason in found.reason


def test_the_estimate_carries_the_error_of_the_rate():
    found = estimate_rate(np.exp(-0.1 * np.arange(80) + 0.01 * np.random.default_rng(3).standard_normal(80)))
    seen = found.estimate()
    assert (seen.mean, seen.draws) == (found.rate, 40)
    assert_allclose(seen.error, found.rate * found.error)
    low, high = found.interval(0.95)
    assert low < np.exp(-0.1) < high


def test_compare_allows_three_errors_or_a_millionth():
    assert compare(1.0 + 0.9e-6, 1.0, "equal").holds
    assert not compare(1.0 + 1.1e-6, 1.0, "equal").holds
    assert compare(1.29, 1.0, "equal", error=0.1).holds
    assert not compare(1.31, 1.0, "equal", error=0.1).holds
    assert compare(1.0 + 5e-13, 1.0, "upper_bound").holds
    assert not compare(1.0 + 2e-12, 1.0, "upper_bound").holds
    assert compare(0.25, 0.5, "upper_bound").tightness == 0.5


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: estimate_rate([1.0, -1.0, 1.0]), "residuals must be >= 0, got -1"),
        (lambda: estimate_rate(np.ones((2, 2))), "residuals must be a vector, got 2 dimensions"),
        (lambda: estimate_rate([1.0, 0.5, 0.2], (2, 1)), r"window must be \(first, last\) with first < last"),
        (lambda: estimate_rate([1.0, 0.5, 0.2], (0, 4)), "window must be <= 3, got 4"),
        (lambda: estimate_rate([1.0, 0.5, 0.2]).interval(1.0), "level must lie strictly between 0 and 1"),
        (lambda: compare(1.0, 1.0, "close"), "kind must be equal or upper_bound, got 'close'"),
        (lambda: compare(1.0, np.nan, "equal"), "theory must be finite, got nan"),
        (lambda: compare(1.0, 1.0, "equal", -1.0), "error must be >= 0, got -1"),
    ],
)
def test_bad_residuals_are_refused_in_one_sentence(work, message):
    with pytest.raises(ValueError, match=message):
        work()
