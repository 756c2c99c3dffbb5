"""The laws that λ and m govern: section 1 of docs/learning."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from lemmata.theory.learning import LearningCoefficient, LearningCurve, reduced_rank

COEFFICIENTS = st.builds(
    LearningCoefficient, st.fractions(0, 100, max_denominator=2), st.integers(1, 9), st.just("drawn")
)
LOGS = st.floats(0.5, 60.0)


@given(COEFFICIENTS, LOGS)
def test_mean_energy_is_the_slope_of_the_free_energy_in_log_n(found, log_n):
    step = 1e-5 * log_n
    low, high = found.free_energy(np.exp([log_n - step, log_n + step]))
    # rounding of F / step and the third derivative of log log n over step²
    slack = 1e-9 * (float(found.value) + found.multiplicity) / step * log_n + 1e-8 * found.multiplicity / log_n
    assert abs((high - low) / (2 * step) - found.mean_energy(np.exp(log_n))) <= slack


@given(COEFFICIENTS, st.integers(1, 10**9))
def test_generalization_error_is_what_one_datum_more_adds_to_the_free_energy(found, n):
    regular = LearningCoefficient(found.value, 1, found.theorem)
    added = float(found.value) * np.log1p(1 / n)  # λ log((n+1)/n), without cancellation
    assert added <= regular.generalization_error(n) <= added * (1 + 1 / n) + 1e-15


@given(COEFFICIENTS, LOGS, st.floats(-5.0, 5.0))
def test_entropy_adds_n_times_itself(found, log_n, entropy):
    n = np.exp(log_n)
    assert found.free_energy(n, entropy) == pytest.approx(found.free_energy(n) + n * entropy, rel=1e-12, abs=1e-9)


def test_free_energy_of_a_known_integral():
    # exp(−n a²b²/2), unit Gaussians: Z = (2n)^{−1/2} U(1/2, 1, 1/(2n)) and F − ½ log n + log log n → ½ log 2π
    with mpmath.workdps(30):
        for log_n, left in ((200.0, 0.01), (2000.0, 0.001)):
            z = mpmath.exp(-log_n) / 2
            exact = -mpmath.log(mpmath.sqrt(z) * mpmath.hyperu(0.5, 1, z))
            law = mpmath.mpf(log_n) / 2 - mpmath.log(log_n)
            assert abs(exact - law - mpmath.log(2 * mpmath.pi) / 2) < left  # b / log n of section 1, b = 1.50
    assert reduced_rank(1, 1, 1, 0).free_energy(np.exp(200.0)) == pytest.approx(100 - np.log(200.0), rel=1e-12)


def test_a_learning_curve_holds_the_three_laws_in_the_shape_of_n():
    found, n = reduced_rank(3, 2, 4, 1), np.array([[10.0, 100.0], [1e3, 1e4]])
    curve = found.learning_curve(n)
    assert isinstance(curve, LearningCurve)
    for name in ("generalization_error", "free_energy", "mean_energy"):
        np.testing.assert_array_equal(getattr(curve, name), getattr(found, name)(n))
        assert getattr(curve, name).shape == n.shape
    np.testing.assert_array_equal(curve.n, n)


def test_a_curve_is_drawn_on_the_axes_it_is_given():
    ax = Figure().add_subplot()
    curve = reduced_rank(3, 2, 4, 1).learning_curve([10, 100, 1000])
    curve.draw(ax, label="exact")
    (line,) = ax.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), curve.generalization_error)
    assert (ax.get_xscale(), ax.get_yscale(), line.get_label()) == ("log", "log", "exact")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.free_energy(1.0), "n must be > 1, got 1"),
        (lambda c: c.free_energy([10.0, 0.5]), "n must be > 1, got 0.5"),
        (lambda c: c.free_energy(10.0, np.nan), "entropy must be finite, got nan"),
        (lambda c: c.generalization_error(0), "n must be > 0, got 0"),
        (lambda c: c.generalization_error(np.inf), "n must be finite, got inf"),
        (lambda c: c.mean_energy(-3), "n must be > 1, got -3"),
        (lambda c: c.learning_curve([5, 1]), "ns must be > 1, got 1"),
    ],
)
def test_a_sample_size_that_the_law_does_not_know_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(LearningCoefficient(Fraction(3, 2), 2, "any"))
