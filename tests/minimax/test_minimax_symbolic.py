"""The derived formulas equal the numeric functions and the forms in the documentation."""

import numpy as np
import pytest
import sympy as sp

from lemmata.theory.minimax import symbolic
from lemmata.theory.minimax.dirac_gan import dirac_gan
from lemmata.theory.minimax.modes import ALGORITHMS, mode_polynomial

P, C, W, Z = symbolic.p, symbolic.c, symbolic.w, symbolic.z


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_derived_polynomial_has_the_numeric_coefficients(algorithm):
    derived = sp.Poly(symbolic.mode_polynomial(algorithm), Z)
    for eta, gamma, t, ridge, tau in ((0.4, 0.6, 0.7, 0.5, 0.0), (1.1, 0.3, 2.0, 0.9, 0.6)):
        place = {P: eta * tau, C: gamma * ridge, W: eta * gamma * t}
        numbers = [float(value.subs(place)) for value in derived.all_coeffs()]
        np.testing.assert_allclose(numbers, mode_polynomial(algorithm, eta, gamma, t, ridge, tau), atol=1e-14)


def test_the_derived_polynomials_are_those_of_the_table():
    a, b = P + C, P * C + W
    table = {
        "simultaneous": Z**2 - (2 - P - C) * Z + (1 - P) * (1 - C) + W,
        "alternating": Z**2 - (2 - P - C - W) * Z + (1 - P) * (1 - C),
        "optimistic": (Z**2 - Z) ** 2 + a * (Z**2 - Z) * (2 * Z - 1) + b * (2 * Z - 1) ** 2,
    }
    for algorithm, stated in table.items():
        assert sp.expand(symbolic.mode_polynomial(algorithm) - stated) == 0
    x, y = sp.symbols("x y")  # extragradient: z = 1 − a + a² for the roots a of a² − (p + c)a + pc + w
    product = sp.expand((Z - 1 + x - x**2) * (Z - 1 + y - y**2))
    reduced, rest = sp.symmetrize(product, [x, y], formal=False)
    assert rest == 0
    derived = symbolic.mode_polynomial("extragradient")
    for first, second in ((2, 3), (sp.Rational(1, 2), -1)):
        place = {P: first, C: second, W: 0}  # then the roots a are p and c themselves
        assert sp.expand(derived.subs(place) - product.subs({x: first, y: second})) == 0
    assert reduced.has(x)


def test_the_schur_conditions_of_the_two_quadratics_are_the_stated_inequalities():
    determinant, one, minus = symbolic.schur_conditions(symbolic.mode_polynomial("simultaneous"))
    assert sp.expand(determinant - (1 - (1 - P) * (1 - C) - W)) == 0
    assert sp.expand(one - (P * C + W)) == 0
    assert sp.expand(minus - ((2 - P) * (2 - C) + W)) == 0
    determinant, one, minus = symbolic.schur_conditions(symbolic.mode_polynomial("alternating"))
    assert sp.expand(determinant - (1 - (1 - P) * (1 - C))) == 0
    assert sp.expand(one - (P * C + W)) == 0
    assert sp.expand(minus - ((2 - P) * (2 - C) - W)) == 0
    with pytest.raises(ValueError, match=r"^polynomial must have degree 2 in z, got 4$"):
        symbolic.schur_conditions(symbolic.mode_polynomial("optimistic"))


@pytest.mark.parametrize("loss", ["logistic", "wgan"])
def test_the_derived_dirac_eigenvalues_are_the_numeric_ones(loss):
    for weight, decay, noise in ((0.3, 0.0, 0.0), (0.3, 0.2, 1.2), (4.0, 0.0, 0.5)):
        place = {symbolic.gamma: weight, symbolic.delta: decay, symbolic.deviation: noise}
        derived = [complex(value.subs(place)) for value in symbolic.dirac_eigenvalues(loss)]
        stated = dirac_gan(loss, "r1", weight=weight, noise=noise, generator_decay=decay).eigenvalues
        np.testing.assert_allclose(derived, stated, rtol=1e-13)


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
@pytest.mark.parametrize("weight", [0.1, 0.7, 1.5, 6.0])
def test_the_derived_dirac_threshold_is_the_numeric_one(algorithm, weight):
    for loss, c in (("logistic", sp.Rational(1, 2)), ("wgan", 1)):
        derived = symbolic.dirac_threshold(algorithm).subs({symbolic.gamma: weight, symbolic.slope: c})
        assert float(derived) == pytest.approx(dirac_gan(loss, "r1", weight=weight).threshold(algorithm), rel=1e-12)


def test_the_derived_thresholds_print_as_in_the_documentation():
    g, c = symbolic.gamma, symbolic.slope
    assert sp.simplify(symbolic.dirac_threshold("alternating") - (sp.sqrt(g**2 + 4 * c**2) - g) / c**2) == 0
    complex_branch, real_branch = (piece[0] for piece in symbolic.dirac_threshold("simultaneous").args)
    assert sp.simplify(complex_branch - g / c**2) == 0
    assert sp.simplify(real_branch - (g - sp.sqrt(g**2 - 4 * c**2)) / c**2) == 0
    with pytest.raises(ValueError, match=r"^algorithm must be one of simultaneous, alternating, got 'optimistic'$"):
        symbolic.dirac_threshold("optimistic")
