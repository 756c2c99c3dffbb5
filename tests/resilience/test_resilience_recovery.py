"""Recovery bounds hold along simulated pairs, are monotone, and stop where they must."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lemmata.theory.resilience import (
    Box,
    GRUCell,
    LSTMCell,
    Stack,
    certify,
    deviation_bounds,
    first_deviation,
    known_input_recovery,
    recovery_time_bound,
    stability_functions,
    steady_gain,
)
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import interval
from lemmata.theory.resilience.refutation import step_points

EXAMPLES = 12  # each takes a certificate or more

LEVELS = ("A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R", "D")


def single(rng, kind, n, m, most):
    scale = np.exp(rng.uniform(np.log(0.05), np.log(most))) / np.sqrt(n)
    blocks = 3 if kind == "gru" else 4
    W, R = rng.uniform(-scale, scale, (blocks * n, m)), rng.uniform(-scale, scale, (blocks * n, n))
    b = rng.uniform(-scale, scale, (2, blocks * n))
    if kind == "gru":
        return GRUCell(W, R, *b)
    b[0, n : 2 * n] += rng.choice([0.0, 1.0])
    return LSTMCell(W, R, b.sum(0))


def network(seed, most=1.5):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["lstm", "lstm", "gru", "stack"])
    n, m = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    if kind != "stack":
        return single(rng, kind, n, m, most)
    second = int(rng.integers(1, 4))
    layers = [single(rng, rng.choice(["lstm", "gru"]), a, b, most) for a, b in ((n, m), (second, n))]
    return Stack(layers, rng.standard_normal((2, second)))


def random_points(rng, box, count):
    shares = rng.random((count, len(box.lower)))
    shares[: count * 2 // 3] = shares[: count * 2 // 3].round()
    return np.clip(box.lower + shares * (box.upper - box.lower), box.lower, box.upper)


def outputs(stack, deviation):
    h = deviation[:, -stack.units :]
    return np.abs(h if stack.output is None else h @ stack.output.T).max(axis=1)


def simulated(stack, cert, rng, steps=25, pairs=60):
    """Largest output deviations (steps + 1,) of pairs from S_n × S_a under one input in U each."""
    x, y = random_points(rng, cert.nominal.interval, pairs), random_points(rng, cert.anomaly.interval, pairs)
    seen = [outputs(stack, x - y).max()]
    for _ in range(steps):
        u = random_points(rng, interval(cert.input_box), pairs)
        x, y = step_points(stack, x, u), step_points(stack, y, u)
        seen.append(outputs(stack, x - y).max())
    return np.array(seen)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0, 3.0]))
def test_simulated_deviations_stay_below_every_level(seed, bound, more):
    stack = as_stack(network(seed))
    cert = certify(stack, bound, bound + more, levels=LEVELS, split=2)
    seen = simulated(stack, cert, np.random.default_rng(seed))
    scale = 1 + cert.anomaly.interval.magnitude.max()
    for name in cert.levels:
        bounds = deviation_bounds(cert, name, 25)
        assert (seen <= bounds + 1e-12 * scale).all(), name
    for epsilon in (0.3 * seen[0] + 1e-3, 0.01):
        late = np.flatnonzero(seen > epsilon + 1e-12 * scale)
        found = 0 if not len(late) else late[-1] + 1
        for name, level in recovery_time_bound(cert, epsilon).levels.items():
            assert found <= level.value, name


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32), st.sampled_from([0.05, 1.0]), st.integers(0, 6))
def test_simulated_anomalies_stay_below_the_magnitude_version(seed, size, length):
    rng = np.random.default_rng(seed)
    stack = as_stack(network(seed))
    cert = certify(stack, 0.5, 1.5, levels=("C", "tube_C"))
    x = random_points(rng, cert.nominal.interval, 60)
    y = x
    for _ in range(length):
        u = random_points(rng, interval(cert.input_box), 60)
        v = np.clip(u + size * rng.choice([-1.0, 1.0], u.shape), cert.anomaly_box.lower, cert.anomaly_box.upper)
        x, y = step_points(stack, x, u), step_points(stack, y, v)
    start = first_deviation(cert, (size, length))
    assert (np.abs(x - y) <= start + 1e-12 * (1 + cert.anomaly.interval.magnitude)).all()
    for name in cert.levels:
        bounds = deviation_bounds(cert, name, 15, anomaly=(size, length))
        a, b = x, y
        for t in range(16):
            assert (outputs(stack, a - b) <= bounds[t] + 1e-11).all()
            u = random_points(rng, interval(cert.input_box), 60)
            a, b = step_points(stack, a, u), step_points(stack, b, u)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_bounds_fall_with_epsilon_and_iterates_stay_below_the_logarithmic_form(seed):
    cert = certify(network(seed), 0.5, 1.5, levels=LEVELS, split=2)
    last = None
    for epsilon in (1e-6, 1e-3, 0.03, 0.3, 3.0):
        found = recovery_time_bound(cert, epsilon)
        for name, level in found.levels.items():
            assert level.iterate <= level.logarithmic
            assert last is None or level.value <= last.levels[name].value
            certified = cert.levels[name].recovery.rate < 1
            assert not certified or level.iterate < math.inf  # finite for every epsilon
            if 0 < level.iterate < 5000 and name != "D":
                before = deviation_bounds(cert, name, int(level.iterate))
                assert before[-2] > epsilon >= before[-1]  # the bound is the first time that the iterate allows
        last = found


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_bounds_grow_with_the_anomaly_and_saturate(seed):
    cert = certify(network(seed), 0.5, 1.5, levels=("C", "tube_C"))
    whole = recovery_time_bound(cert, 0.02).value
    for length in (1, 4):
        steps = [recovery_time_bound(cert, 0.02, anomaly=(a, length)).value for a in (0.0, 0.01, 0.1, 1.0)]
        assert steps == sorted(steps)
        assert steps[0] == 0
        assert steps[-1] <= whole
    steps = [recovery_time_bound(cert, 0.02, anomaly=(0.1, D)).value for D in (0, 1, 3, 10, 10**9)]
    assert steps == sorted(steps)
    assert steps[-1] <= whole


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_bounds_grow_with_the_anomaly_box(seed):
    cell = network(seed)
    small, large = (certify(cell, 0.5, bound, levels=("C", "tube_C")) for bound in (0.5, 2.0))
    for name in ("C", "tube_C"):
        for epsilon in (0.01, 0.2):
            few, many = (recovery_time_bound(cert, epsilon).levels[name].value for cert in (small, large))
            assert few <= many


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_finer_levels_recover_no_later(seed):
    cert = certify(network(seed), 0.5, 1.5, levels=("A", "B", "C", "tube_C", "R"), split=2)
    found = recovery_time_bound(cert, 0.02).levels
    for fine, coarse in (("C", "B"), ("tube_C", "C"), ("R", "C"), ("B", "A")):
        assert found[fine].iterate <= found[coarse].iterate


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_a_known_input_gives_no_later_recovery_and_still_a_bound(seed, length):
    rng = np.random.default_rng(seed)
    stack = as_stack(network(seed))
    cert = certify(stack, 0.5, 1.5, levels=("tube_C", "tube_R"), split=2)
    u = random_points(rng, interval(cert.input_box), length)
    x, y = random_points(rng, cert.nominal.interval, 60), random_points(rng, cert.anomaly.interval, 60)
    seen = []
    for t in range(25):
        seen.append(outputs(stack, x - y).max())
        now = u[t] if t < length else random_points(rng, interval(cert.input_box), 60)
        x, y = step_points(stack, x, now), step_points(stack, y, now)
    late = np.flatnonzero(np.array(seen) > 0.05 + 1e-11)
    for level in cert.levels:
        found = known_input_recovery(cert, u, 0.05, level=level)
        assert found <= recovery_time_bound(cert, 0.05).levels[level].iterate
        assert found >= (late[-1] + 1 if len(late) else 0)
        boxes = [Box(row, row) for row in u]  # and after the tube was walked, whose held maps must not serve earlier
        assert known_input_recovery(cert, boxes, 0.05, level=level) == found


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_different_inputs_stay_within_beta_and_gamma(seed):
    rng = np.random.default_rng(seed)
    stack = as_stack(network(seed, most=0.8))
    cert = certify(stack, 1.0, levels=("C", "R"), split=2)
    try:
        functions = stability_functions(cert)
    except ValueError:
        assert not any(result.rate.certified for result in cert.levels.values())
        return
    x, y = (random_points(rng, cert.nominal.interval, 60) for _ in range(2))
    first = np.abs(x - y).max(axis=1)
    gain, size = steady_gain(cert), 0.2
    for t in range(40):
        bound = np.array([functions.beta(r, t) + functions.gamma(size) for r in first])
        assert (np.abs(x - y).max(axis=1) <= bound + 1e-11).all()
        u = random_points(rng, interval(cert.input_box), 60)
        v = np.clip(u + size * rng.choice([-1.0, 1.0], u.shape), -1, 1)
        x, y = step_points(stack, x, u), step_points(stack, y, v)
    a = b = random_points(rng, cert.nominal.interval, 60)
    for _ in range(40):  # from one state, no part is left to die out
        u = random_points(rng, interval(cert.input_box), 60)
        v = np.clip(u + size * rng.choice([-1.0, 1.0], u.shape), -1, 1)
        a, b = step_points(stack, a, u), step_points(stack, b, v)
        assert (outputs(stack, a - b) <= (gain.sum(axis=1) * size).max() + 1e-11).all()


def small():
    return LSTMCell([[0.5], [0.25], [1], [0.5]], [[0.25], [-0.2], [-0.3], [0.2]], [0, -0.5, 0.25, 0])


def test_a_tenfold_anomaly_costs_the_stated_steps():
    level = recovery_time_bound(certify(small(), 1.0, 2.0, levels=["C"]), 1e-9).levels["C"]
    cert = certify(small(), 1.0, 2.0, levels=["C"])
    steps = [recovery_time_bound(cert, 1e-9, anomaly=(a, 1)).levels["C"].logarithmic for a in (1e-4, 1e-3)]
    assert abs(steps[1] - steps[0] - level.steps_per_decade) <= 1


def test_zero_weights_need_no_step_and_a_started_cell_does():
    still = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    assert recovery_time_bound(certify(still, 1.0, 3.0), 1e-300).value == 0
    started = certify(still, 1.0, 3.0, Box([-1.0, 0.0], [1.0, 0.0]), levels=["C"])
    assert recovery_time_bound(started, 0.01).value > 0


def test_a_large_epsilon_needs_no_step_even_where_nothing_is_certified():
    wild = LSTMCell([[0], [0], [0.5], [0]], [[0], [0], [3], [0]], [4, 3, 0, 4])
    cert = certify(wild, 0.1)
    assert cert.status == "refuted"
    assert recovery_time_bound(cert, 2.0).value == 0
    assert recovery_time_bound(cert, 1.9).value == math.inf
    assert recovery_time_bound(cert, 1.9).level is None
    assert recovery_time_bound(cert, 1e-3, output=[[0.0]]).value == 0


@pytest.mark.parametrize("forget", [40.0, 800.0])
def test_a_cell_that_hardly_forgets_is_not_certified_and_gives_no_nan(forget):
    cert = certify(LSTMCell([[0.0], [0.0], [1.0], [0.0]], np.zeros((4, 1)), [0.0, forget, 0.0, 0.0]), 1.0, 2.0)
    assert cert.status != "certified"
    found = recovery_time_bound(cert, 0.01)
    assert found.value == math.inf
    assert recovery_time_bound(cert, 2.0).value == 0  # h is bounded all the same
    assert not any(math.isnan(level.iterate) for level in found.levels.values())
    assert all("not evaluated" in level.note for level in found.levels.values()) == (forget == 800.0)


def test_the_output_matrix_scales_the_deviation():
    cert = certify(small(), 1.0, 2.0, levels=["C", "A"])
    for name in cert.levels:
        plain = deviation_bounds(cert, name, 5)
        assert_allclose(deviation_bounds(cert, name, 5, output=[[2.0], [-3.0]]), 3 * plain, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"epsilon": 0.0}, ValueError, "epsilon must be a number > 0, got 0.0"),
        ({"epsilon": float("nan")}, ValueError, "epsilon must be finite"),
        ({"epsilon": 0.1, "output": [[1.0, 2.0]]}, ValueError, "output must have shape"),
        ({"epsilon": 0.1, "anomaly": (-1.0, 2)}, ValueError, "anomaly size must be a number >= 0, got -1.0"),
        ({"epsilon": 0.1, "anomaly": (1.0, 2.5)}, ValueError, "anomaly length must be an integer, got 2.5"),
        ({"epsilon": 0.1, "anomaly": (1.0, -1)}, ValueError, "anomaly length must be >= 0, got -1"),
        ({"epsilon": 0.1, "anomaly": 3.0}, ValueError, "anomaly must be a pair"),
    ],
)
def test_questions_that_make_no_sense_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        recovery_time_bound(certify(small(), 1.0, levels=["C"]), **arguments)


def test_a_known_input_outside_its_box_is_refused():
    cert = certify(small(), 1.0, levels=["tube_C"])
    with pytest.raises(ValueError, match=r"inputs\[1\] must lie in the input box"):
        known_input_recovery(cert, [[0.5], [1.5]], 0.1)
    with pytest.raises(ValueError, match="level must be tube_C or tube_R"):
        known_input_recovery(cert, [[0.5]], 0.1, level="tube_R")
    with pytest.raises(ValueError, match="level must be one of tube_C"):
        deviation_bounds(cert, "A", 3)
