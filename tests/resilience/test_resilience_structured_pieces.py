"""What the proofs of level S rest on, piece by piece: each test fails where a piece is left out."""

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from lemmata.theory.resilience import LSTMCell, structured_level
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import Interval
from lemmata.theory.resilience.invariant_set import settled
from lemmata.theory.resilience.reachable_set import STAGE, box_bounds, consequences, reachable_bounds, stages
from lemmata.theory.resilience.structured_level import holds, secant_slopes, structured_systems
from lemmata.theory.resilience.structured_proof import StructuredProof, prove_from_box


def fresh(seed, units=4, inputs=2, scale=1.0):
    rng, width = np.random.default_rng(seed), scale / units**0.5
    shapes = ((4 * units, inputs), (4 * units, units), (2, 4 * units))
    W, R, b = (rng.uniform(-width, width, shape) for shape in shapes)
    return LSTMCell(W, R, b.sum(0))


def box_of(cell, bound):
    U, zero = Interval(np.full(2, -bound), np.full(2, bound)), np.zeros(2 * cell.units)
    return settled(as_stack(cell), U, Interval(zero, zero)).interval, U


def test_starts_all_over_a_wide_box_stay_in_the_closed_set():
    cell, rng, n = fresh(1), np.random.default_rng(0), 4
    start = Interval(np.r_[np.full(n, 0.6), np.full(n, -0.6)], np.r_[np.full(n, 1.0), np.full(n, -0.4)])
    U = Interval(np.array([-0.1, 0.2]), np.array([0.3, 0.25]))
    bounds = reachable_bounds(cell, U, start)
    assert start.within(bounds.states)
    share = rng.random((400, 2 * n))
    share[:200] = share[:200].round()  # corners
    x = (start.lower + share * start.width).reshape(-1, 2, n)
    tight = consequences(cell, bounds, U, start)[4 * n : 6 * n]
    for _ in range(40):
        flat = x.reshape(len(x), -1)
        assert (flat <= tight.upper + 1e-13).all()  # the simulation rounds too
        assert (flat >= tight.lower - 1e-13).all()
        x = cell.step(x, U.lower + rng.random((len(x), 2)).round() * U.width)


def secant(function, slope, a, b):
    d = a - b
    far = np.abs(d) > 1e-4
    return np.where(far, (function(a) - function(b)) / np.where(far, d, 1.0), slope(0.5 * (a + b)))


def test_all_six_secant_slopes_of_pairs_lie_in_their_intervals():
    n, rng = 3, np.random.default_rng(0)
    plain = fresh(2, n, scale=2.0)
    cell = LSTMCell(plain.weight_ih, plain.weight_hh, plain.bias + np.repeat([3.0, 0.0, 0.5, 1.0], n))
    X, U = box_of(cell, 0.5)
    slopes = secant_slopes(box_bounds(cell, X, U))
    share = rng.random((2, 4000, 2 * n))
    share[:, :2000] = share[:, :2000].round()
    x, y = X.lower + share * X.width
    u = rng.uniform(-0.5, 0.5, (4000, 2))
    z, w = (u @ cell.weight_ih.T + v[:, n:] @ cell.weight_hh.T + cell.bias for v in (x, y))
    (xi, xf, xg, xo), (yi, yf, yg, yo) = (np.split(v, 4, axis=1) for v in (z, w))
    cx, cy = (cell.step(v.reshape(-1, 2, n), u)[:, 0] for v in (x, y))

    def s(a, b):
        return secant(expit, lambda z: expit(z) * expit(-z), a, b)

    def t(a, b):
        return secant(np.tanh, lambda z: 1 - np.tanh(z) ** 2, a, b)

    seen = {
        "f": expit(xf),
        "a": y[:, :n] * s(xf, yf),
        "b": np.tanh(xg) * s(xi, yi),
        "d": expit(yi) * t(xg, yg),
        "D": expit(xo) * t(cx, cy),
        "q": np.tanh(cy) * s(xo, yo),
    }
    for name, values in seen.items():
        interval = getattr(slopes, name)
        assert (values >= interval.lower - 1e-9).all(), name  # differences over 1e-4 lose 1e-12
        assert (values <= interval.upper + 1e-9).all(), name
        assert (np.ptp(values, axis=0) > 0.3 * interval.width).all(), name  # and are not idle


def test_narrow_sets_hold_states_to_fifty_digits():
    # one input, one start: what is left of the sets is rounding, and the exact states lie in it
    with mp.workdps(50):
        for seed in range(3):
            _exact_states_stay(fresh(seed, 3, 1, 0.8))


def _exact_states_stay(cell):
    n, u = 3, np.array([0.3])
    start = np.r_[np.full(n, 0.2), np.full(n, -0.1)]
    sets = stages(cell, reachable_bounds(cell, Interval(u, u), Interval(start, start)), Interval(u, u))
    assert sets[-1].states.width.max() < 1e-11
    c, h = ([mp.mpf(float(v)) for v in part] for part in np.split(start, 2))
    W, R, b = (mp.matrix(np.atleast_2d(part).tolist()) for part in (cell.weight_ih, cell.weight_hh, cell.bias))

    def sigmoid(v):
        return 1 / (1 + mp.exp(-v))

    for t in range(STAGE * (len(sets) - 1) + 3):
        for number, bounds in enumerate(sets):
            if t >= number * STAGE:
                states = zip([*c, *h], bounds.states.lower, bounds.states.upper, strict=True)
                assert all(low <= v <= high for v, low, high in states), (t, number)
        z = W * mp.mpf(float(u[0])) + R * mp.matrix(h) + b.T
        gates = [[z[k * n + j] for j in range(n)] for k in range(4)]
        c = [sigmoid(gates[1][j]) * c[j] + sigmoid(gates[0][j]) * mp.tanh(gates[2][j]) for j in range(n)]
        h = [sigmoid(gates[3][j]) * mp.tanh(c[j]) for j in range(n)]


def test_the_system_closed_by_any_uncertainties_is_the_step_with_these_slopes():
    n, rng = 3, np.random.default_rng(0)
    cell = fresh(0, n)
    slopes = secant_slopes(box_bounds(cell, *box_of(cell, 0.5)))
    system, moduli = structured_systems(cell, slopes)
    intervals = [getattr(slopes, name) for name in "fabdDq"]
    Ri, Rf, Rg, Ro = np.split(cell.weight_hh, 4)
    for _ in range(20):
        delta = rng.choice([-1, 1], 6 * n) * rng.random(6 * n)
        closed = np.linalg.solve(np.eye(6 * n) - system.E * delta, system.C)
        whole = system.A + (system.B * delta) @ closed
        parts = zip(intervals, np.split(delta, 6), strict=True)
        f, a, b, d, D, q = (0.5 * (part.lower + part.upper) + 0.5 * part.width * e for part, e in parts)
        top = np.hstack([np.diag(f), a[:, None] * Rf + b[:, None] * Ri + d[:, None] * Rg])
        step = np.vstack([top, D[:, None] * top + np.hstack([np.zeros((n, n)), q[:, None] * Ro])])
        assert_allclose(whole, step, atol=1e-13)
    for name in "ABCE":
        assert (getattr(moduli, name) >= np.abs(getattr(system, name)) * (1 - 1e-15)).all()


def test_the_rounding_of_the_entries_counts(monkeypatch):
    cell = fresh(0, 3)
    proof = prove_from_box(cell, *box_of(cell, 0.25))
    systems = structured_systems(cell, secant_slopes(proof.stages[-1]))
    claim = systems, proof.norm, proof.multipliers, float(proof.rates[-1])
    assert holds(*claim)
    monkeypatch.setattr(structured_level, "ENTRY", 1e-2)
    assert not holds(*claim)


def test_any_solution_gives_an_output_norm_that_holds_and_small_rows_are_not_lost(monkeypatch):
    cell = fresh(0, 3)
    proof = prove_from_box(cell, *box_of(cell, 0.25))
    rows = np.random.default_rng(0).standard_normal((3, 6))
    best = np.sqrt(np.einsum("ki,ij,kj->k", rows, np.linalg.inv(proof.norm), rows)).max()
    for scale in (1e-100, 1e-170, 1e-250):
        assert proof.output_norm(scale * rows) / (scale * best) == pytest.approx(1, rel=1e-6)
    exact = np.linalg.solve
    for factor in (0.9, 0.999, 1.001, 1.1):
        monkeypatch.setattr(np.linalg, "solve", lambda A, b, factor=factor: factor * exact(A, b))
        assert best <= proof.output_norm(rows)


def test_coefficients_that_underflow_before_huge_inputs_prove_nothing():
    # 5e-324 · 1e308 = 4.9e-16 is the size of c, but the model's coefficient rounds to 0
    cell = LSTMCell(np.array([[0], [0], [5e-324], [0]]), np.zeros((4, 1)), np.zeros(4))
    huge = Interval(np.array([-1e308]), np.array([1e308]))
    assert reachable_bounds(cell, huge, Interval(np.zeros(2), np.zeros(2))) is None


def test_saturated_gates_leave_level_s_without_a_warning():
    cell = LSTMCell(np.zeros((8, 1)), np.zeros((8, 2)), np.repeat([0.0, -800.0, 0.0, -800.0], 2))
    X, U = Interval(np.full(4, -0.1), np.full(4, 0.1)), Interval(np.full(1, -0.1), np.full(1, 0.1))
    proof = prove_from_box(cell, X, U)
    assert proof is None or proof.checks(cell)


def test_a_proof_whose_products_might_underflow_or_overflow_is_refused_even_where_it_claims_no_rate():
    cell = fresh(3)
    proof = prove_from_box(cell, *box_of(cell, 0.25))
    nothing = np.full_like(proof.rates, np.inf)  # so that only the sizes of P and T are left to look at

    def claims_nothing(scale_P, scale_T):
        return StructuredProof(proof.whole, proof.stages, scale_P * proof.norm, scale_T * proof.multipliers, nothing)

    assert claims_nothing(1.0, 1.0).checks(cell)
    assert claims_nothing(2.0**-100, 2.0**100).checks(cell)
    for scale in (2.0**-400, 2.0**400):
        assert not claims_nothing(scale, 1.0).checks(cell)
        assert not claims_nothing(1.0, scale).checks(cell)
