"""The SymPy forms equal the numeric functions."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

from lemmata.theory.entropy import GaussianMixture, gap_bounds, pair_gap, symbolic

PLACE = {symbolic.mu: 0, symbolic.nu: sp.Rational(3), symbolic.sigma: 1, symbolic.tau: 2}
SHARES = {symbolic.p: sp.Rational(3, 10), symbolic.q: sp.Rational(7, 10)}
MIXTURE = GaussianMixture([0.3, 0.7], [[0.0], [3.0]], [1.0, 4.0])


def test_the_affinity_is_the_integral_of_powers_of_the_densities():
    x, s = sp.Symbol("x", real=True), sp.Rational(1, 3)

    def density(mean, deviation):
        return sp.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * sp.sqrt(2 * sp.pi))

    product = sp.powsimp(sp.expand_log(density(0, 1)) ** (1 - s) * density(3, 2) ** s)
    numeric = quad(sp.lambdify(x, product), -40, 40, epsabs=1e-13)[0]
    assert float(symbolic.affinity(s).subs(PLACE)) == pytest.approx(numeric, rel=1e-11)


def test_the_integrand_of_two_components_integrates_to_their_gap():
    integrand = sp.lambdify(symbolic.omega, symbolic.pair_gap_integrand().subs(PLACE | SHARES))
    value = quad(lambda w: complex(integrand(w)).real, 0, 12, epsabs=1e-13)[0]
    assert value == pytest.approx(pair_gap(MIXTURE, 0, 1), rel=1e-10)


def test_the_bhattacharyya_bound_is_that_of_two_components():
    bound = float(symbolic.bhattacharyya_gap_upper().subs(PLACE | SHARES))
    assert bound == pytest.approx(gap_bounds(MIXTURE).bhattacharyya, rel=1e-13)


@pytest.mark.parametrize(("distance", "weight"), [(1, 0.5), (2, 0.3), (4, 0.1)])
def test_the_equal_covariance_forms_are_the_gap_and_its_bound(distance, weight):
    numbers = {symbolic.d: distance, symbolic.p: weight, symbolic.q: 1 - weight}
    mixture = GaussianMixture([weight, 1 - weight], np.array([[0.0], [distance]]), [1.0, 1.0])
    integrand = sp.lambdify(symbolic.omega, _integrand(symbolic.equal_covariance_pair_gap()).subs(numbers))
    gap = quad(integrand, 0, 12, epsabs=1e-14)[0]
    bound = float(symbolic.equal_covariance_bhattacharyya_gap_upper().subs(numbers))
    assert gap == pytest.approx(pair_gap(mixture, 0, 1), rel=1e-10)
    assert bound == pytest.approx(gap_bounds(mixture).bhattacharyya, rel=1e-13)


def test_the_general_integrand_has_the_equal_covariance_form_as_a_special_case():
    general = symbolic.pair_gap_integrand().subs({symbolic.sigma: 1, symbolic.tau: 1, symbolic.mu: 0})
    special = symbolic.equal_covariance_pair_gap()
    for w in (0, sp.Rational(1, 3), 2):
        numbers = SHARES | {symbolic.omega: w}
        left = sp.re(sp.N(general.subs(symbolic.nu, 2).subs(numbers), 30))
        right = sp.N(_integrand(special).subs(symbolic.d, 2).subs(numbers), 30)
        assert abs(left - right) < 1e-25


def _integrand(expression):
    (integral,) = expression.atoms(sp.Integral)
    return expression / integral * integral.function
