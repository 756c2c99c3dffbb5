"""Outward rounding: computed intervals contain the exact results, checked with 60-digit arithmetic and fractions."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.resilience.box import Box
from lemmata.theory.resilience.interval import (
    Interval,
    Signed,
    interval,
    matvec_up,
    point,
    product,
    row_combination,
    scale_rows,
    sigmoid,
    sigmoid_slope,
    tanh,
    tanh_slope,
)
from lemmata.theory.resilience.norm_level import norm_up

POINTS = np.concatenate(
    [
        [0.0, -0.0, 5e-324, -5e-324, 1e-300, 1e-8, 0.1, 0.5, 1.0, 17.3, 36.7, 40.0, 345.0, 708.9, 745.3, 800.0, 1e6],
        np.random.default_rng(1).uniform(-40, 40, 200),
        np.random.default_rng(2).standard_normal(200) * 10.0 ** np.random.default_rng(3).integers(-12, 3, 200),
    ]
)
FUNCTIONS = {
    sigmoid: lambda z: 1 / (1 + mpmath.exp(-z)),
    tanh: mpmath.tanh,
    sigmoid_slope: lambda z: 1 / (1 + mpmath.exp(-z)) / (1 + mpmath.exp(z)),
    tanh_slope: lambda z: 1 / mpmath.cosh(z) ** 2,
}
finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e100, 1e100)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_functions_contain_the_exact_value_within_64_units_in_the_last_place(function, sign):
    z = sign * POINTS
    found = function(point(z))
    with mpmath.workdps(60):
        for x, low, high in zip(z, found.lower, found.upper, strict=True):
            exact = FUNCTIONS[function](mpmath.mpf(float(x)))
            assert mpmath.mpf(float(low)) <= exact <= mpmath.mpf(float(high))
            # both margins: 32 units each, and 32 least floats where the value is subnormal
            assert mpmath.mpf(float(high)) - mpmath.mpf(float(low)) <= abs(exact) * 2.0**-46 + 2.0**-1066


@pytest.mark.parametrize("form", ["sigmoid", "slope"])
def test_the_forms_without_a_margin_are_within_8_units_of_the_exact_value(form):
    z = np.concatenate([POINTS, -POINTS])
    z = z[np.abs(z) < 700]
    t = np.exp(-np.abs(z))
    plain = np.where(z >= 0, 1.0, t) / (1 + t)
    other = np.where(z <= 0, 1.0, t) / (1 + t)
    found = plain if form == "sigmoid" else plain * other
    exact = FUNCTIONS[sigmoid if form == "sigmoid" else sigmoid_slope]
    with mpmath.workdps(60):
        for x, value in zip(z, found, strict=True):
            wanted = exact(mpmath.mpf(float(x)))
            assert abs(mpmath.mpf(float(value)) - wanted) <= 8 * 2.0**-52 * wanted  # the margin allows 16


@pytest.mark.parametrize("slope", [sigmoid_slope, tanh_slope])
def test_slopes_over_an_interval_reach_their_top_at_zero_and_fall_outwards(slope):
    top = 0.25 if slope is sigmoid_slope else 1.0
    around = slope(Interval(np.array([-1.0, 0.5, -3.0]), np.array([2.0, 2.0, -1.0])))
    assert around.upper[0] == top
    single = slope(point(np.array([2.0, 0.5, 1.0, 3.0])))
    assert around.lower[0] == single.lower[0]
    assert around.upper[1] == single.upper[1]
    assert around.upper[2] == single.upper[2]
    assert around.lower[2] == single.lower[3]


def test_exact_zeros_stay_zero():
    zero = point(np.zeros(2))
    assert tanh(zero).upper.tolist() == tanh(zero).lower.tolist() == [0, 0]
    assert (zero * point(np.array([1e300, 3.0]))).upper.tolist() == [0, 0]
    assert (Signed(np.zeros((2, 2))) @ point(np.ones(2))).upper.tolist() == [0, 0]
    assert (zero + zero).lower.tolist() == [0, 0]
    assert matvec_up(np.zeros((2, 2)), np.ones(2)).tolist() == [0, 0]


@given(moderate, moderate)
def test_sums_and_products_contain_the_exact_ones(x, y):
    a, b = point(np.array([x])), point(np.array([y]))
    for found, exact in ((a + b, Fraction(x) + Fraction(y)), (a * b, Fraction(x) * Fraction(y))):
        assert Fraction(float(found.lower[0])) <= exact <= Fraction(float(found.upper[0]))


@given(st.floats(-1e-160, 1e-160), st.floats(-1e-160, 1e-160))
def test_products_that_underflow_are_widened(x, y):
    low, high = product(np.array([x]), np.array([y]))
    assert Fraction(float(low[0])) <= Fraction(x) * Fraction(y) <= Fraction(float(high[0]))


def exact_product(matrix, vector):
    return [
        sum((Fraction(float(p)) * Fraction(float(x)) for p, x in zip(row, vector, strict=True)), Fraction(0))
        for row in matrix
    ]


@pytest.mark.parametrize("scale", [1.0, 1e-160, 1e-300, 5e-324])
@pytest.mark.parametrize("seed", range(5))
def test_matrix_times_interval_contains_every_corner_product(seed, scale):
    rng = np.random.default_rng(seed)
    P = rng.standard_normal((5, 7)) * 10.0 ** rng.integers(-3, 4, (5, 7)) * scale
    P[rng.random(P.shape) < 0.3] = 0
    centre, radius = rng.standard_normal(7), rng.random(7)
    X = Interval(centre - radius, centre + radius)
    found = Signed(P) @ X
    for k in range(8):
        corner = np.where(rng.random(7) < 0.5, X.lower, X.upper) if k else np.where(P[0] > 0, X.upper, X.lower)
        for value, low, high in zip(exact_product(P, corner), found.lower, found.upper, strict=True):
            assert Fraction(float(low)) <= value <= Fraction(float(high))


@pytest.mark.parametrize("scale", [1.0, 1e-155, 1e-300])
@pytest.mark.parametrize("seed", range(5))
def test_nonnegative_products_are_rounded_up(seed, scale):
    rng = np.random.default_rng(seed)
    M, x = rng.random((6, 40)) * scale, rng.random(40) * scale
    M[0] = 0
    for value, high in zip(exact_product(M, x), matvec_up(M, x), strict=True):
        assert value <= Fraction(float(high))


@pytest.mark.parametrize("seed", range(10))
def test_rows_of_the_jacobian_contain_exact_combinations(seed):
    rng = np.random.default_rng(seed)
    matrices = [rng.standard_normal((3, 4)) for _ in range(3)]
    columns = [Interval(c - r, c + r) for c, r in zip(rng.standard_normal((3, 3)), rng.random((3, 3)), strict=True)]
    scale = Interval(np.array([0.0, 0.1, 0.3]), np.array([0.2, 0.1, 0.9]))
    found = row_combination(columns, [Signed(P) for P in matrices])
    scaled = scale_rows(scale, found)
    for j in range(3):
        for k in range(4):
            picks = [x.lower[j] if rng.random() < 0.5 else x.upper[j] for x in columns]
            exact = sum(Fraction(float(x)) * Fraction(float(P[j, k])) for x, P in zip(picks, matrices, strict=True))
            assert Fraction(float(found.lower[j, k])) <= exact <= Fraction(float(found.upper[j, k]))
            s = Fraction(float(scale.lower[j] if rng.random() < 0.5 else scale.upper[j]))
            assert Fraction(float(scaled.lower[j, k])) <= s * exact <= Fraction(float(scaled.upper[j, k]))


@pytest.mark.parametrize("seed", range(8))
def test_spectral_norms_are_bounded_from_above_and_closely(seed):
    rng = np.random.default_rng(seed)
    P = rng.standard_normal((rng.integers(1, 8), rng.integers(1, 8))) * 10.0 ** rng.integers(-5, 5)
    with mpmath.workdps(40):
        exact = max(mpmath.svd_r(mpmath.matrix(P.tolist()), compute_uv=False))
        assert exact <= mpmath.mpf(norm_up(P, "euclidean")) <= exact * (1 + mpmath.mpf(10) ** -12)
    rows = max(sum(abs(Fraction(float(x))) for x in row) for row in P)
    assert rows <= Fraction(norm_up(P, "max")) <= rows * (1 + Fraction(1, 10**13))


def test_a_box_must_be_a_box():
    for lower, upper, words in (
        ([0.0], [0.0, 1.0], "upper must have shape"),
        ([1.0], [0.0], "lower must be <= upper"),
        ([float("nan")], [0.0], "lower must be finite"),
        ([[0.0]], [[1.0]], "lower must have shape"),
    ):
        with pytest.raises(ValueError, match=words):
            Box(lower, upper)
    box = Box([-1.0, 0.0], [1.0, 2.0])
    assert box.contains([[0.0, 1.0], [1.0, 2.0]])
    assert not box.contains([0.0, 2.5])
    assert interval(box).within(interval(Box([-1.0, -1.0], [1.0, 2.0])))
    with pytest.raises(ValueError, match="read-only"):
        box.lower[0] = 3.0
