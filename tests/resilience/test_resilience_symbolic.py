"""The formulas agree with the numbers and with each other."""

import numpy as np
import sympy as sp
from numpy.testing import assert_allclose

from lemmata.theory.resilience import LSTMCell, certify, symbolic
from lemmata.theory.resilience.interval import interval
from lemmata.theory.resilience.norm_level import norm_bounds, norm_up


def test_the_schur_test_is_the_determinant_and_vanishes_at_rate_one():
    J, A = symbolic.schur_test(), symbolic.norm_matrix()
    assert sp.expand(J - (sp.eye(2) - A).det()) == 0
    critical = sp.solve(J, symbolic.alpha)[0]
    assert sp.simplify((sp.eye(2) - symbolic.norm_matrix(critical)).det()) == 0
    assert sp.simplify(A.trace() - 2 + (sp.eye(2) - A).det() - (A.det() - 1)) == 0


def test_formulas_give_the_numbers_of_level_A():
    rng = np.random.default_rng(4)
    cell = LSTMCell(*(0.4 * rng.standard_normal(shape) for shape in ((12, 2), (12, 3), 12)))
    cert = certify(cell, 1.0, levels=["A"])
    found = norm_bounds(cell, cert.nominal.interval, interval(cert.input_box))
    Ri, Rf, Rg, Ro = (norm_up(block, "max") for block in np.split(cell.weight_hh, 4))
    values = {
        symbolic.inp: found.input_gate, symbolic.forget: found.forget_gate, symbolic.out: found.output_gate,
        symbolic.candidate: found.candidate, symbolic.cell: found.cell, symbolic.cell_output: found.cell_output,
        symbolic.norm_i: Ri, symbolic.norm_f: Rf, symbolic.norm_g: Rg, symbolic.norm_o: Ro,
    }  # fmt: skip
    alpha = symbolic.coupling()
    assert_allclose(float(alpha.subs(values)), found.coupling, rtol=1e-13)
    assert_allclose(np.array(symbolic.norm_matrix(alpha).subs(values), dtype=float), found.matrix, rtol=1e-13)
    assert_allclose(float(symbolic.schur_test(alpha).subs(values)), found.schur, rtol=1e-12)
    assert_allclose(float(symbolic.norm_rate(alpha).subs(values)), cert.levels["A"].rate.spectral_radius, rtol=1e-12)


def test_the_single_unit_jacobian_is_the_derivative_of_a_step():
    W, R = np.array([[0.3], [-0.2], [0.7], [0.1]]), np.array([[0.5], [0.4], [-0.6], [0.9]])
    cell, x, u = LSTMCell(W, R, [0.1, 0.2, 0.3, 0]), np.array([[0.4], [-0.3]]), [0.25]
    z = W[:, 0] * u[0] + R[:, 0] * x[1, 0] + cell.bias
    i, f, o = (1 / (1 + np.exp(-z[k])) for k in (0, 1, 3))
    g = np.tanh(z[2])
    names = ("i", "f", "g", "o", "c", "c_new", "r_i", "r_f", "r_g", "r_o")
    values = dict(zip(names, (i, f, g, o, x[0, 0], f * x[0, 0] + i * g, *R[:, 0]), strict=True))
    J = symbolic.single_unit_jacobian()
    found = np.array(J.subs({symbol: values[symbol.name] for symbol in J.free_symbols}), dtype=float)
    for k in range(2):
        step = 1e-6 * np.eye(2)[k][:, None]
        slope = (cell.step(x + step, u) - cell.step(x - step, u))[:, 0] / 2e-6
        assert_allclose(found[:, k], slope, atol=1e-9)  # 1e-12 from the third derivative, 1e-10 from rounding
