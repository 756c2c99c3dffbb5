"""Pair gaps against routes of high precision: quadrature in x, over a radius, and along the line with 40 digits."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lemmata.theory.entropy import (
    GaussianMixture,
    log_one_sided_gaps,
    log_pair_gaps,
    one_sided_gaps,
    overlap,
    pair_gap,
    pair_gaps,
)

PROMISED = 1e-12  # the docstring's relative accuracy


@pytest.fixture(autouse=True)
def _forty_digits():
    with mp.workdps(40):
        yield


def bend(difference, low, high):
    """Marks about the sign change of a function between two points, where log(1 + t) bends."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if difference(middle) > 0 else (low, middle)
    return [low + sign * mp.mpf(2) ** i / 64 for i in range(9) for sign in (-1, 1)] + [low]


def quadrature(integrand, marks):
    """mp.quad stops at an absolute error: scaled to size 1 by a first pass it is a relative one."""
    size = mp.quad(integrand, marks)
    return size * mp.quad(lambda x: integrand(x) / size, marks)


def log1p_over_x(w1, w2, a, b, s1, s2):
    """π_1 E_1 log(1 + t_12) on the line, by quadrature in x."""
    w1, w2, a, b, s1, s2 = (mp.mpf(float(value)) for value in (w1, w2, a, b, s1, s2))

    def density(x, c, s):
        return mp.exp(-(((x - c) / s) ** 2) / 2) / (s * mp.sqrt(2 * mp.pi))

    def integrand(x):
        return w1 * density(x, a, s1) * mp.log1p(w2 * density(x, b, s2) / (w1 * density(x, a, s1)))

    # the mass sits at the mean or, far apart, in a peak of width near 1/distance where the joint densities cross
    cross = bend(lambda x: mp.log(w1 * density(x, a, s1)) - mp.log(w2 * density(x, b, s2)), a, b)
    low, high = min(a - 40 * s1, b - 40 * s2), max(a + 40 * s1, b + 40 * s2)
    marks = {low, high, a, b, *(a + (b - a) * mp.mpf(i) / 20 for i in range(21)), a - 9 * s1, a + 9 * s1, *cross}
    marks = sorted(mark for mark in marks if low <= mark <= high)
    return quadrature(integrand, marks)


@pytest.mark.parametrize("distance", [0.0, 0.3, 5.0, 20.0, 60.0])
@pytest.mark.parametrize(("weight", "ratio"), [(0.5, 1.0), (0.1, 1.5), (0.999, 1.0)])
def test_one_sided_gaps_are_those_of_direct_quadrature(distance, weight, ratio):
    w = np.array([weight, 1 - weight])
    mixture = GaussianMixture(w, [[0.0], [distance]], np.array([1.0, ratio]) ** 2)
    expected = log1p_over_x(w[0], w[1], 0, distance, 1, ratio)
    assert abs(log_one_sided_gaps(mixture)[0, 1] - float(mp.log(expected))) < PROMISED


@pytest.mark.parametrize("m", [1, 10, 100, 1000])
@pytest.mark.parametrize("ratio", [0.25, 0.9, 1.1])
def test_concentric_scales_in_many_dimensions_meet_the_integral_over_the_radius(m, ratio):
    mixture = GaussianMixture([0.4, 0.6], np.zeros((2, m)), [1.0, ratio])
    half, ell = mp.mpf(m) / 2, mp.mpf(float(ratio))

    def integrand(x):  # x = |X|² has a chi-squared law
        odds = mp.mpf(0.6) / mp.mpf(0.4) * mp.exp(-half * mp.log(ell) + x * (1 - 1 / ell) / 2)
        return mp.exp((half - 1) * mp.log(x / 2) - x / 2 - mp.loggamma(half)) / 2 * mp.log1p(odds)

    reach = 40 * mp.sqrt(2 * m) + 60
    marks = [max(mp.mpf(0), m + reach * mp.mpf(i) / 24) for i in range(-24, 25)]
    turn = (half * mp.log(ell) - mp.log(mp.mpf(0.6) / mp.mpf(0.4))) * 2 / (1 - 1 / ell)
    marks += [max(mp.mpf(0), turn + sign * mp.mpf(2) ** i / 4) for i in range(12) for sign in (-1, 1)]
    expected = mp.mpf(0.4) * quadrature(integrand, sorted(set(marks)))
    assert abs(log_one_sided_gaps(mixture)[0, 1] - float(mp.log(expected))) < PROMISED


def exact_line(weights, ratios, squares):
    """Both one-sided gaps with 40 digits and the exact spectra, on the line where φ is least in (0, 1)."""
    odds = mp.log(mp.mpf(weights[1]) / mp.mpf(weights[0]))

    def phi(z):
        total = odds * z
        for ell, square in zip(ratios, squares, strict=True):
            u = (1 - z) * ell + z
            total += (1 - z) * mp.log(ell) / 2 - mp.log(u) / 2 - z * (1 - z) * square / u / 2
        return total

    low, high = mp.mpf(-16), mp.mpf(16)  # logit s
    for _ in range(40):
        third = (high - low) / 3
        left, right = (phi(1 / (1 + mp.exp(-y))) for y in (low + third, high - third))
        low, high = (low, high - third) if left < right else (low + third, high)
    s = 1 / (1 + mp.exp(-(low + high) / 2))
    width = mp.sqrt(abs(mp.diff(phi, s, 2, h=mp.mpf(10) ** -12)))
    scale, old = min(s, 1 - s, 1 / (width + mp.mpf(10) ** -9)), None
    for nodes in (150, 300, 600, 1200, 2400, 4800):
        step, sums = mp.asinh(14 / scale) / nodes, [mp.mpf(0), mp.mpf(0)]
        for i in range(nodes + 1):
            z = mp.mpc(s, scale * mp.sinh(i * step))
            value = mp.exp(phi(z)) / mp.sin(mp.pi * z) * mp.cosh(i * step) / (2 if i == 0 else 1)
            sums = [sums[0] + mp.re(value / z), sums[1] + mp.re(value / (1 - z))]
        new = [mp.log(mp.mpf(weights[0]) * total * scale * step) if total > 0 else mp.inf for total in sums]
        if old is not None and max(abs(a - b) for a, b in zip(old, new, strict=True)) < 1e-14:
            return [float(value) for value in new]
        old = new
    raise AssertionError("the reference did not settle")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("distance", [0.0, 3.0, 60.0])
def test_the_line_integral_keeps_its_digits_for_any_scales_and_weights(seed, distance):
    rng = np.random.default_rng(seed)
    # six decades at distance 60: beyond, the slow reference takes more than 5000 nodes
    m, decades = int(rng.integers(1, 4)), rng.choice([0.0, 0.5, 3.0, 12.0 if distance < 60 else 6.0])
    covs = 10.0 ** rng.uniform(-decades / 2, decades / 2, (2, m))
    direction = rng.standard_normal(m)
    means = np.stack([np.zeros(m), distance * direction / np.linalg.norm(direction) * np.sqrt(covs[0])])
    small = 10.0 ** -rng.choice([0.3, 3.0, 12.0])
    mixture = GaussianMixture([small, 1 - small], means, covs, kind="diagonal")
    ratios = [mp.mpf(b) / mp.mpf(a) for a, b in covs.T]
    squares = [mp.mpf(x) ** 2 / mp.mpf(a) for x, a in zip(means[1], covs[0], strict=True)]
    expected = exact_line(mixture.weights, ratios, squares)
    seen = log_one_sided_gaps(mixture)
    assert_allclose([seen[0, 1], seen[1, 0]], expected, rtol=0, atol=PROMISED)


@pytest.mark.parametrize("weight", [0.5, 1e-3, 1e-30, 1e-100, 1e-300])
def test_identical_components_have_the_label_entropy_for_a_gap(weight):
    mixture = GaussianMixture([weight, 1 - weight], [[3.0, 1.0], [3.0, 1.0]], [2.0, 2.0])
    small = -weight * np.log(weight)
    large = -(1 - weight) * np.log1p(-weight)
    assert_allclose(one_sided_gaps(mixture), [[0, small], [large, 0]], rtol=PROMISED)


def test_the_logarithm_outlives_the_gap():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [100.0]], [1.0, 1.0])
    assert pair_gap(mixture, 0, 1) == 0.0
    # Laplace's method at ω = 0: e^{-d²/8} √(2π)/d, with a relative correction near (4 + π²/2)/d²
    d = 100.0
    assert log_pair_gaps(mixture)[0, 1] == pytest.approx(-(d**2) / 8 + np.log(np.sqrt(2 * np.pi) / d), abs=2e-3)


@given(st.floats(0, 60), st.floats(0, 60), st.floats(1e-6, 1 - 1e-6))
def test_the_gap_of_equal_scales_falls_with_distance(a, b, weight):
    near, far = sorted((a, b))

    def gap(distance):
        return log_pair_gaps(GaussianMixture([weight, 1 - weight], [[0.0], [distance]], [1.0, 1.0]))[0, 1]

    assert gap(far) <= gap(near) + PROMISED


@given(st.integers(0, 10**6), st.sampled_from(["full", "diagonal", "spherical"]))
def test_swapping_the_components_changes_nothing(seed, kind):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 6))
    covs = {
        "full": [np.cov(rng.standard_normal((m, 3 * m + 2))).reshape(m, m) for _ in range(2)],
        "diagonal": rng.gamma(2, size=(2, m)),
        "spherical": rng.gamma(2, size=2),
    }[kind]
    means, w = 3 * rng.standard_normal((2, m)), rng.dirichlet([1, 1])
    w[1] = 1 - w[0]
    one = one_sided_gaps(GaussianMixture(w, means, covs, kind=kind))
    two = one_sided_gaps(GaussianMixture(w[::-1], means[::-1], covs[::-1], kind=kind))
    assert_allclose(one, two[::-1, ::-1], rtol=1e-11)  # a sample covariance of condition near 1e3


def test_every_entry_of_the_matrix_is_the_gap_of_its_pair():
    rng = np.random.default_rng(3)
    covs = [np.cov(rng.standard_normal((3, 9))) for _ in range(5)]
    mixture = GaussianMixture(np.full(5, 0.2), rng.standard_normal((5, 3)), covs)
    table, sides = pair_gaps(mixture), one_sided_gaps(mixture)
    assert (np.diag(table) == 0).all()
    assert_allclose(sides + sides.T, table, rtol=1e-13)
    for k in range(5):
        for j in range(5):
            if k != j:
                assert pair_gap(mixture, k, j) == pytest.approx(table[k, j], rel=1e-13)


@pytest.mark.parametrize("kind", ["full", "tied", "diagonal"])
def test_the_same_covariances_in_another_form_give_the_same_gaps(kind):
    rng = np.random.default_rng(4)
    means = rng.standard_normal((4, 6))
    variances = np.full((4, 6), 0.7)
    forms = {"full": np.stack([np.diag(v) for v in variances]), "tied": np.diag(variances[0]), "diagonal": variances}
    same = GaussianMixture(np.full(4, 0.25), means, np.full(4, 0.7))
    assert_allclose(
        pair_gaps(GaussianMixture(np.full(4, 0.25), means, forms[kind])), pair_gaps(same), rtol=PROMISED, atol=0
    )


@pytest.mark.parametrize("close", [1e-3, 1e-8, 2e-12])
def test_ill_conditioned_covariances_stay_within_the_stated_rounding(close):
    one = np.array([[1.0, 1 - close], [1 - close, 1.0]])
    two = np.array([[2.0, 2 - 3 * close], [2 - 3 * close, 2.0]])
    means = np.array([[0.0, 0.0], [1.0, 1.0 - np.sqrt(close)]])
    mixture = GaussianMixture([0.4, 0.6], means, [one, two])
    # the exact pencil of the numbers as they are stored
    a, b, shift = mp.matrix(one.tolist()), mp.matrix(two.tolist()), mp.matrix(means[1].tolist())
    factor = mp.inverse(mp.cholesky(a))
    values, axes = mp.eigsy(factor * b * factor.T)
    white = axes.T * (factor * shift)
    expected = exact_line(mixture.weights, list(values), [x**2 for x in white])
    seen, allowed = log_one_sided_gaps(mixture), overlap(mixture).rounding[0, 1]
    assert_allclose([seen[0, 1], seen[1, 0]], expected, rtol=0, atol=allowed)
    assert allowed < 1e-13 / close  # a figure with digits, not a licence


def test_a_pair_must_be_two_components_that_exist():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])
    with pytest.raises(ValueError, match="first and second must be two components, got 1 twice"):
        pair_gap(mixture, 1, 1)
    with pytest.raises(ValueError, match="second must be <= 1, got 2"):
        pair_gap(mixture, 0, 2)


def test_distances_that_overflow_are_refused_by_pair():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [1e200]], [1.0, 1.0])
    with pytest.raises(ValueError, match="between components 0 and 1"):
        pair_gaps(mixture)
