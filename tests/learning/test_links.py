"""Bernoulli and Poisson observations keep λ and m: the divergence in place of a squared distance, by quadrature."""

import numpy as np
import pytest
from scipy.special import k0e

from lemmata.theory.learning import concept_bottleneck, reduced_rank

LOG_N = np.arange(30.0, 61.0, 6.0)  # n from 1e13 to 1e26, as where the Gaussian models are checked
LOG_T = np.linspace(
    -60.0, 5.0, 40_001
)  # the trapezoid rule: the integrands are analytic in log t and vanish at the ends
T = np.exp(LOG_T)


def bernoulli(t):
    """Divergence of a Bernoulli variable of logit t from a fair one: log cosh(t/2)."""
    x = np.tanh(np.clip(t, -1, 1) / 4) ** 2  # cosh(t/2) = (1 + x)/(1 - x)
    return np.where(abs(t) < 1, np.log1p(x) - np.log1p(-x), abs(t) / 2 + np.log1p(np.exp(-abs(t))) - np.log(2))


def poisson(t):
    """Divergence of a Poisson variable of rate exp(t) from one of rate 1."""
    small = t**2 * (0.5 + t / 6 + t**2 / 24)
    return np.where(abs(t) < 1e-3, small, np.expm1(t) - t)


def gaussian(t):
    return t**2 / 2


def scaled(exact, integrand):
    """n^λ ∫ over both signs of t, at every n."""
    step = LOG_T[1] - LOG_T[0]
    return np.array(
        [np.exp(float(exact.value) * log_n) * (integrand(np.exp(log_n)) * T).sum() * step for log_n in LOG_N]
    )


def assert_degree(polynomial, degree):
    """A polynomial in log n of exactly this degree on the equidistant LOG_N."""
    slope = np.diff(polynomial, n=degree)
    assert abs(slope).min() > 1e-2 * polynomial.max()
    assert abs(np.diff(slope)).max() < 1e-4 * abs(slope).max()


@pytest.mark.parametrize("divergence", [gaussian, bernoulli, poisson])
def test_a_link_changes_neither_coefficient_nor_multiplicity_of_a_free_unit(divergence):
    exact = reduced_rank(1, 1, 1, 0)
    density = k0e(T) * np.exp(-T) / np.pi  # of the product of two standard normal weights

    def integrand(n):
        return density * (np.exp(-n * divergence(T)) + np.exp(-n * divergence(-T)))

    assert (exact.value, exact.multiplicity) == (0.5, 2)
    assert_degree(scaled(exact, integrand), exact.multiplicity - 1)


@pytest.mark.parametrize("divergence", [gaussian, bernoulli, poisson])
def test_a_link_changes_neither_coefficient_nor_multiplicity_of_a_concept(divergence):
    exact = concept_bottleneck(1, 1, 1, concept_rank=0)
    density = np.exp(-(T**2) / 2) / np.sqrt(2 * np.pi)

    def integrand(n):  # the output weight is integrated out by hand
        seen = np.exp(-n * divergence(T)) + np.exp(-n * divergence(-T))
        return density * seen / np.sqrt(1 + n * T**2)

    assert (exact.value, exact.multiplicity) == (0.5, 1)
    assert_degree(scaled(exact, integrand), exact.multiplicity - 1)


def test_the_divergences_are_those_of_the_distributions():
    t = np.array([-2.0, -0.3, 0.4, 1.5])
    p = 1 / (1 + np.exp(-t))
    np.testing.assert_allclose(bernoulli(t), 0.5 * np.log(0.5 / p) + 0.5 * np.log(0.5 / (1 - p)), rtol=1e-12)
    np.testing.assert_allclose(poisson(t), np.exp(t) - 1 - t, rtol=1e-12)
