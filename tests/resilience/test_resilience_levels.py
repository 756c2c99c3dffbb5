"""Comparison maps bound what the networks do, keep their order and their symmetries."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lemmata.theory.resilience import GRUCell, LSTMCell, Stack, certify, loop_gain
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.certificate_vector import contraction_rate, resolvent_vector, spectral_radius
from lemmata.theory.resilience.comparison import MatrixMap, StackMap, TableMap
from lemmata.theory.resilience.interval import Interval, interval
from lemmata.theory.resilience.layer import inputs_of, split
from lemmata.theory.resilience.levels import block_norm, reduced, stack_map
from lemmata.theory.resilience.loop_gain import loop_gain_of
from lemmata.theory.resilience.metric_level import metric_rate
from lemmata.theory.resilience.norm_level import norm_bounds
from lemmata.theory.resilience.refutation import step_points

EXAMPLES = 12  # each takes a certificate or more

ABOVE = 1 + 3e-6  # a rate lies up to 1e-6 above its spectral radius, twice in a comparison
ROUNDING = 1e-12


def single(rng, kind, n, m):
    scale = np.exp(rng.uniform(np.log(0.05), np.log(3.0))) / np.sqrt(n)
    blocks = 3 if kind == "gru" else 4
    W, R = rng.uniform(-scale, scale, (blocks * n, m)), rng.uniform(-scale, scale, (blocks * n, n))
    b = rng.uniform(-scale, scale, (2, blocks * n))
    if kind == "gru":
        return GRUCell(W, R, *b)
    b[0, n : 2 * n] += rng.choice([0.0, 1.0])
    return LSTMCell(W, R, b.sum(0))


def network(seed, kind="any"):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["lstm", "gru", "stack"]) if kind == "any" else kind
    n, m = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    if kind != "stack":
        return single(rng, kind, n, m)
    second = int(rng.integers(1, 4))
    return Stack([single(rng, rng.choice(["lstm", "gru"]), n, m), single(rng, rng.choice(["lstm", "gru"]), second, n)])


def random_points(rng, box, count):
    shares = rng.random((count, len(box.lower)))
    shares[: count // 2] = shares[: count // 2].round()
    return np.clip(box.lower + shares * (box.upper - box.lower), box.lower, box.upper)


def maps(stack, X, U, names, parts=2):
    zero = np.zeros(stack.dimension)
    inputs = inputs_of(stack, U, split(stack, X))
    return {name: stack_map(name, stack, X, inputs, Interval(zero, zero), parts) for name in names}


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_every_level_bounds_one_step_under_one_input_and_under_two(seed):
    rng = np.random.default_rng(seed)
    stack = as_stack(network(seed))
    cert = certify(stack, 1.0, 2.0, levels=["C"])
    X, U = cert.anomaly.interval, interval(cert.input_box)
    lstm = all(isinstance(layer, LSTMCell) for layer in stack.layers)
    found = maps(stack, X, U, ("A", "B", "C", "R", *(("A2", "A2r") if lstm else ())))
    x = random_points(rng, X, 60)
    near = np.clip(x + 1e-4 * rng.standard_normal(x.shape), X.lower, X.upper)
    other = np.where(np.arange(60)[:, None] % 2, random_points(rng, X, 60), near)
    u, v = random_points(rng, U, 60), random_points(rng, U, 60)
    for second in (u, v):
        new, moved = step_points(stack, x, u), step_points(stack, other, second)
        for name, fixed in found.items():
            for k in range(0, 60, 7):
                before = reduced(name, stack, np.abs(x[k] - other[k]))
                drive = np.abs(u[k] - second[k])
                if name in ("A", "A2", "A2r"):
                    drive = np.array([block_norm(name, drive)])
                after = reduced(name, stack, np.abs(new[k] - moved[k]))
                slack = ROUNDING * (1 + np.abs(after).max() + X.magnitude.max())
                assert (after <= fixed.apply(before, drive) + slack).all(), name


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_sampled_derivatives_lie_below_level_C(seed):
    rng = np.random.default_rng(seed)
    stack = as_stack(network(seed))
    cert = certify(stack, 1.0, levels=["C"])
    X, U = cert.nominal.interval, interval(cert.input_box)
    rows = maps(stack, X, U, ("C",))["C"]
    d, h = stack.dimension, 1e-6
    x = X.lower + rng.random((5, d)) * (X.upper - X.lower)
    u = random_points(rng, U, 5)
    for k in range(d):
        e = np.eye(d)[k]
        slope = np.abs(step_points(stack, x + h * e, u) - step_points(stack, x - h * e, u)) / (2 * h)
        assert (slope <= rows.apply(e) + 1e-8).all()  # h² from the third derivative, 1e-16 / h from rounding


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 2.0]))
def test_finer_levels_have_smaller_rates(seed, bound):
    cell = network(seed)
    cert = certify(cell, bound, bound + 1.0, levels=("A", "A2", "A2r", "B", "C", "R", "tube_C", "tube_R"), split=2)
    rates = {name: result.rate.rate for name, result in cert.levels.items()}
    recoveries = {name: result.recovery.rate for name, result in cert.levels.items()}
    for found in (rates, recoveries):
        for fine, coarse in (("R", "C"), ("C", "B"), ("B", "A"), ("tube_R", "tube_C")):
            assert found[fine] <= found[coarse] * ABOVE
        if "A2" in found:
            assert found["A2r"] <= found["A2"] * ABOVE
    # the tube starts in S_a, whose first map is that of the recovery
    assert rates["tube_C"] <= recoveries["C"] * ABOVE


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_more_parts_along_divisors_lower_level_R(seed):
    cell = network(seed, "lstm")
    rates = [certify(cell, 1.0, levels=["C", "R"], split=split).levels for split in (1, 2, 4)]
    values = [rates[0]["C"].rate.rate, *(found["R"].rate.rate for found in rates)]
    for coarse, fine in pairwise(values):
        assert fine <= coarse * ABOVE


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_rates_lie_above_the_eigenvalue_that_they_bound(seed):
    cell = network(seed)
    cert = certify(cell, 1.0, levels=("A", "B", "C", "R"), split=2)
    for name, result in cert.levels.items():
        if result.rate.vector is None:
            continue
        fixed = cert.comparison(name)
        rows = fixed.rows(result.rate.vector).matrix
        assert np.abs(np.linalg.eigvals(rows)).max() <= result.rate.rate * (1 + 1e-7)  # eigvals of defective blocks
        assert (fixed.apply(result.rate.vector) <= result.rate.rate * result.rate.vector).all()


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 1.0, 4.0]))
def test_the_schur_test_decides_like_the_spectral_radius(seed, bound):
    cert = certify(network(seed, "lstm"), bound, levels=["A"])
    found = norm_bounds(cert.stack.layers[0], cert.nominal.interval, interval(cert.input_box))
    radius = np.abs(np.linalg.eigvals(found.matrix)).max()
    if abs(found.schur) > 1e-12:
        assert (found.schur > 0) == (radius < 1)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_the_loop_gain_decides_like_the_whole_matrix(seed):
    cert = certify(network(seed, "lstm"), 0.5, levels=["A", "B", "C"])
    for name in ("A", "B", "C"):
        fixed = cert.comparison(name)
        radius = spectral_radius(fixed.matrix)
        if abs(radius - 1) > 1e-9:
            assert loop_gain(cert, name).stable == (radius < 1)
        if radius < 1:  # G = K + E (I - F)⁻¹ A, by another route
            n = fixed.dimension // 2
            M = fixed.matrix
            G = M[n:, n:] + M[n:, :n] @ np.linalg.solve(np.eye(n) - M[:n, :n], M[:n, n:])
            assert_allclose(loop_gain_of(fixed).matrix, G, rtol=1e-9)
            assert (loop_gain_of(fixed).matrix >= G * (1 - 1e-9)).all()


def permuted(cell, order):
    n = cell.units
    rows = np.concatenate([k * n + order for k in range(4)])
    return LSTMCell(cell.weight_ih[rows], cell.weight_hh[rows][:, order], cell.bias[rows])


def mirrored(cell, unit):
    """The same network with c and h of one unit negated."""
    n = cell.units
    W, R, b = cell.weight_ih.copy(), cell.weight_hh.copy(), cell.bias.copy()
    for block in (W, R, b):
        block[2 * n + unit] *= -1
    R[:, unit] *= -1
    return LSTMCell(W, R, b)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_permuting_and_mirroring_units_leaves_the_rates(seed):
    cell = network(seed, "lstm")
    rng = np.random.default_rng(seed)
    levels = ("A", "A2", "A2r", "B", "C", "R", "tube_C")
    wanted = certify(cell, 1.0, levels=levels, split=2)
    twins = permuted(cell, rng.permutation(cell.units)), mirrored(cell, int(rng.integers(cell.units)))
    for twin in twins:
        found = certify(twin, 1.0, levels=levels, split=2)
        for name in levels:
            assert_allclose(found.levels[name].rate.rate, wanted.levels[name].rate.rate, rtol=1e-5)  # of s above ρ


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_a_stack_is_certified_exactly_where_every_layer_is(seed):
    stack = network(seed, "stack")
    cert = certify(stack, 1.0, levels=["C", "R"], split=2)
    for name in ("C", "R"):
        fixed = cert.comparison(name)
        assert isinstance(fixed, StackMap)
        alone = max(contraction_rate(layer).rate for layer in fixed.layers)
        if name == "C" and not any(isinstance(layer, TableMap) for layer in fixed.layers):
            assert_allclose(cert.levels[name].rate.spectral_radius, alone, rtol=1e-5)
        # with an input the worst rows of a layer may be others, at the same spectral radius
        assert cert.levels[name].rate.rate >= alone * (1 - 1e-5)
        if abs(alone - 1) > 1e-4:
            assert cert.levels[name].certified == (alone < 1)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_the_joint_matrix_of_a_stack_is_its_layers_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    layers = [MatrixMap(rng.random((4, 4)), rng.random((4, m)), slice(2, 4)) for m in (3, 2, 2)]
    fixed, delta, drive = StackMap(tuple(layers)), rng.random(12), rng.random(3)
    joint = fixed.rows(delta, drive)
    assert_allclose(joint.apply(delta, drive), fixed.apply(delta, drive), rtol=1e-13)
    assert (joint.matrix[:4, 4:] == 0).all()
    assert joint.hidden == slice(10, 12)


def test_a_table_takes_its_worst_row():
    table = TableMap(np.array([[[1.0, 0.0], [0.0, 0.2]], [[0.0, 0.5], [0.3, 0.0]]]), np.zeros((2, 2, 1)), slice(0, 2))
    assert_allclose(table.apply(np.array([1.0, 3.0])), [1.5, 0.6])
    assert table.rows(np.array([1.0, 3.0])).matrix.tolist() == [[0.0, 0.5], [0.0, 0.2]]


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        ([[0.5, 0.0], [0.25, 0.0]], 0.5),
        ([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [0.0, 0.0, 0.5]], 0.5),
        ([[0.0, 1.0], [1.0, 0.0]], 1.0),
        ([[0.0, 1.0], [0.0, 0.0]], 0.0),
        ([[0.2, 0.1, 0.0], [0.3, 0.4, 0.0], [9.0, 9.0, 0.1]], 0.5),
    ],
)
def test_spectral_radii_and_vectors_of_reducible_matrices(matrix, radius):
    M = np.array(matrix)
    assert_allclose(spectral_radius(M), radius, atol=1e-12)
    v = resolvent_vector(M, radius * (1 + 1e-6) + 1e-3)
    assert (v > 0).all()
    assert (M @ v < (radius + 1.1e-3) * v).all()


def test_no_vector_is_found_below_the_spectral_radius():
    assert resolvent_vector(np.array([[0.5, 0.2], [0.2, 0.5]]), 0.6) is None


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_level_D_bounds_one_step_in_its_norm(seed):
    rng = np.random.default_rng(seed)
    cell = network(seed, "lstm")
    cert = certify(cell, 1.0, levels=["C"])
    X, U = cert.nominal.interval, interval(cert.input_box)
    rate, metric = metric_rate(cell, X, U)
    x, other, u = random_points(rng, X, 50), random_points(rng, X, 50), random_points(rng, U, 50)
    before = np.linalg.norm((x - other) @ metric.factor.T, axis=1)
    stack = as_stack(cell)
    after = np.linalg.norm((step_points(stack, x, u) - step_points(stack, other, u)) @ metric.factor.T, axis=1)
    assert (after <= rate * before * (1 + 1e-9) + 1e-12).all()
    deviation = np.abs(x - other)
    assert all(metric.size(deviation[k]) >= before[k] * (1 - 1e-12) for k in range(50))


def test_a_closed_reset_does_not_keep_the_input_of_a_gru_out():
    """ν = tanh(W_n u + …): the reset multiplies R_n h alone, so ∂h⁺/∂u = (1 − z) τ W_n = ½ at u = 0 whatever r is."""
    cell = GRUCell([[0.0], [0.0], [1.0]], np.zeros((3, 1)), [-9.0, 0.0, 0.0], np.zeros(3))
    for name in ("B", "C", "R"):
        cert = certify(cell, 0.0, levels=[name])
        assert 0.5 <= cert.comparison(name).apply(np.zeros(1), np.ones(1))[0] <= 0.5 * (1 + ROUNDING)
    assert certify(cell, 0.0, levels=["A"]).comparison("A").gain[0, 0] >= 0.5


def test_a_gru_with_a_large_candidate_has_a_finite_bound_at_level_A():
    cell = GRUCell(np.zeros((3, 1)), [[0.0], [0.0], [5.0]], np.zeros(3), np.zeros(3))
    found = certify(cell, 1.0, levels=["A"]).levels["A"].rate
    assert_allclose(found.rate, 2.5, rtol=3e-6)  # r̄ ‖R_n‖ = ½ · 5, as z + (1 − z) L <= L


def test_level_D_sees_a_rotation_that_moduli_do_not():
    """Two candidates that turn (h_1, h_2): the signs cancel in the Euclidean norm and not in the moduli."""
    R = np.zeros((8, 2))
    R[4:6] = 1.25 * np.array([[1.0, 1.0], [1.0, -1.0]])
    cert = certify(LSTMCell(np.zeros((8, 1)), R, np.zeros(8)), 1.0, levels=("A2", "C", "D"))
    assert cert.levels["C"].rate.rate > 1.1
    assert cert.levels["D"].rate.rate < cert.levels["C"].rate.rate * 0.95
