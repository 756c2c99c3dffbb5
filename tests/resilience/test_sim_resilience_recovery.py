"""Simulated recovery times are those of the definition, and no search finds more than is proven."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lemmata.sim.resilience import (
    anomalous_inputs,
    deviations,
    nominal_inputs,
    outputs,
    recovery_times,
    trajectories,
    worst_case,
)
from lemmata.theory.resilience import Box, GRUCell, LSTMCell, Stack


def formula(n, m, a, r, beta, s, forget):
    """The weights by formula of docs/resilience, rounded to two decimals."""
    q = np.arange(4 * n)
    W, R = a * np.sin(2 * q[:, None] + 3 * np.arange(m) + s), r * np.cos(q[:, None] + 2 * np.arange(n) + s)
    return LSTMCell(*(x.round(2) for x in (W, R, beta * np.sin(3 * q + s) + forget * ((q >= n) & (q < 2 * n)))))


def column(*values):
    return np.array(values)[:, None]


# networks, nominal inputs, the sets S_n and S_a of joint states, and proven bounds on T*(ε) for ε = 0.1 and 0.01
R2 = (
    LSTMCell(column(0.5, 0.25, 1, 0.5), column(0.25, -0.2, -0.3, 0.2), [0, -0.5, 0.25, 0]),
    Box([-1.0], [1.0]),
    Box([-0.866538301982, -0.451992975921], [1.06530719891, 0.508895372204]),
    Box([-1.57833254382, -0.695821889728], [1.61835726877, 0.700401742804]),
    (7, 13),
)
R4 = (
    formula(2, 1, 0.4, 0.3, 0.5, 1, 0),
    Box([-1.0], [1.0]),
    Box(
        [-0.0135930444649, -0.443190285744, -0.00815624592631, -0.241228463899],
        [0.926629364863, 0.333869333408, 0.437460539946, 0.186588196829],
    ),
    Box(
        [-2.57473508834, -1.53339206614, -0.707405233041, -0.661240557134],
        [4.10049155871, 1.43799943412, 0.715269928318, 0.648386700223],
    ),
    (16, 25),
)
R5 = (
    formula(3, 2, 0.3, 0.2, 0.6, 2, 1),
    Box([-0.5, -0.5], [0.5, 0.5]),
    Box(
        [0, -1.78035493211, 0, 0, -0.571078110253, 0],
        [1.72478669519, 0, 1.28886362317, 0.436426668953, 0, 0.46885586917],
    ),
    Box(
        [-0.345006823483, -2.8750535637, -0.565293879377, -0.179875918244, -0.623660619749, -0.319771598321],
        [2.74279910702, 0, 1.91692766261, 0.537418106886, 0, 0.598235456066],
    ),
    (27, 49),
)
R6 = LSTMCell(column(0, 0, 0.5, 0), column(0, 0, 3, 0), [4, 3, 0, 4])  # two fixed points, h near ±0.982


def random_stack(rng):
    draw = rng.standard_normal
    first = LSTMCell(draw((12, 2)), 0.4 * draw((12, 3)), draw(12))
    second = GRUCell(draw((12, 3)), 0.4 * draw((12, 4)), draw(12), draw(12))
    return Stack((first, second), draw((2, 4)), draw(2))


def by_definition(curves, epsilon):
    return [max((t + 1 for t, e in enumerate(curve) if e > epsilon), default=0) for curve in curves]


def test_deviations_are_those_of_two_outputs():
    rng = np.random.default_rng(0)
    cell = random_stack(rng)
    x = [(rng.standard_normal((90, 2, 3)), rng.uniform(-1, 1, (90, 4))) for _ in range(2)]
    u = rng.uniform(-1, 1, (2, 90, 25, 2))
    seen = deviations(cell, u[0], u[1], x[0], x[1])
    apart = np.abs(outputs(cell, x[0], u[0]) - outputs(cell, x[1], u[1])).max(2)
    assert_allclose(seen[:, 1:], apart, atol=1e-14)  # C h - C h' against C (h - h'), a few roundings of numbers near 3
    start = np.abs((x[0][1] - x[1][1]) @ cell.output.T).max(1)
    assert_allclose(seen[:, 0], start, atol=1e-14)
    assert_array_equal(seen, deviations(cell, u[0], u[1], x[0], x[1], threads=2))


def test_deviations_in_float32_are_those_of_float64_to_its_digits():
    cell, U, nominal, perturbed, _ = R5
    u = nominal_inputs(U, 70, 30)
    pair = (nominal.upper.reshape(2, 3), perturbed.lower.reshape(2, 3))
    wide, narrow = deviations(cell, u, u, *pair), deviations(cell, u, u, *pair, precision="float32")
    assert narrow.dtype == np.float32
    assert np.abs(wide - narrow).max() < 2e-6  # a step is good to 2e-7, and ten of them count


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(0, 12), st.floats(1e-6, 1.0))
def test_recovery_times_are_those_of_the_definition(seed, end, epsilon):
    rng = np.random.default_rng(seed)
    cell = random_stack(rng)
    nominal = rng.uniform(-1, 1, (67, 40, 2))
    perturbed = anomalous_inputs(nominal, Box([-3, -3], [3, 3]), 0, end, seed)
    seen = recovery_times(cell, nominal, perturbed, epsilon, anomaly_end=end)
    assert_array_equal(seen.times, by_definition(deviations(cell, nominal, perturbed)[:, end:], epsilon))
    assert not seen.final.any()
    assert seen.horizon == 40 - end
    assert seen.largest == seen.times.max()


def test_what_a_certificate_calls_final_is_final():
    cell, U, _, _, _ = R2
    # level B on C x [-1, 1]: M v <= λ v with λ < 1, and the runs below stay there
    M = np.array([[0.487502603516, 0.32141415833], [0.325743278569, 0.256613657866]])
    v = np.linalg.solve(np.eye(2) - M / 0.75, np.ones(2))
    assert (M @ v < v).all()
    nominal = nominal_inputs(U, 500, 200)
    perturbed = anomalous_inputs(nominal, Box([-2.0], [2.0]), 0, 5)
    seen = recovery_times(cell, nominal, perturbed, 1e-3, anomaly_end=5, vector=v)
    short = recovery_times(cell, nominal[:, :11], perturbed[:, :11], 1e-3, anomaly_end=5, vector=v)
    assert seen.final.all()
    assert_array_equal(seen.times, by_definition(deviations(cell, nominal, perturbed)[:, 5:], 1e-3))
    assert 0 < short.final.sum() < 500
    assert_array_equal(short.times[short.final], seen.times[short.final])
    assert (short.times <= seen.times).all()
    assert_array_equal(short.surely_above(2), short.times > 2)
    assert_array_equal(short.possibly_above(2), (short.times > 2) | ~short.final)
    both = recovery_times(cell, nominal, perturbed, 1e-3, anomaly_end=5, vector=v, threads=2)
    assert_array_equal(both.times, seen.times)


def test_the_proof_is_asked_of_every_coordinate():
    # c differs by 1 while h does not: e(0) = 0, but the run is not over
    cell = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    zero = np.zeros((6, 1))
    states = {"nominal_states": [[0.0], [0.0]], "perturbed_states": [[1.0], [0.0]]}
    # M = [[1/2, 0], [1/4, 0]] has v = (2, 1.5): M v = (1, 0.5)
    at_once = recovery_times(cell, zero[:0], zero[:0], 0.1, vector=[2.0, 1.5], **states)
    assert (at_once.times, at_once.final) == ([0], [False])
    later = recovery_times(cell, zero, zero, 0.1, vector=[2.0, 1.5], **states)
    # h(t) = tanh(2^-t)/2 is 0.2311, 0.1225, 0.0622: the last above 0.1 is at t = 2
    assert (later.times, later.final) == ([3], [True])


def test_the_proof_is_the_weighted_norm_of_the_joint_state():
    rng = np.random.default_rng(4)
    cell, v = random_stack(rng), rng.uniform(0.5, 2, 10)
    u = rng.uniform(-1, 1, (100, 30, 2))
    x = [(rng.standard_normal((100, 2, 3)), rng.uniform(-1, 1, (100, 4))) for _ in range(2)]
    paths = [
        np.concatenate([part.reshape(100, 31, -1) for part in trajectories(cell, start, u)], axis=2) for start in x
    ]
    sizes = (np.abs(cell.output) @ v[-4:]).max() * (np.abs(paths[0] - paths[1]) / v).max(2)
    shares = []
    for steps in (0, 3, 10, 30):
        for epsilon in (0.01, 0.3, 3.0):
            seen = recovery_times(
                cell, u[:, :steps], u[:, :steps], epsilon, nominal_states=x[0], perturbed_states=x[1], vector=v
            )
            assert_array_equal(seen.final, (sizes[:, : steps + 1] <= epsilon).any(1))
            shares.append(seen.final.mean())
    assert len({0.0, *shares}) > 4  # some are final, some are not


@pytest.mark.parametrize("case", [R2, R4, R5], ids=["R2", "R4", "R5"])
def test_sampled_is_at_most_found_is_at_most_proven(case):
    cell, U, nominal, perturbed, bounds = case
    for epsilon, bound in zip((0.1, 0.01), bounds, strict=True):
        boxes = {"nominal_states": nominal, "perturbed_states": perturbed}
        found = worst_case(cell, U, epsilon, **boxes, horizon=60, rounds=200)
        assert found.recovery_time <= bound
        rng = np.random.default_rng(1)
        start = [
            rng.uniform(box.lower, box.upper, (500, 2 * cell.units)).reshape(500, 2, -1) for box in (nominal, perturbed)
        ]
        u = nominal_inputs(U, 500, 60)
        sampled = recovery_times(cell, u, u, epsilon, nominal_states=start[0], perturbed_states=start[1])
        assert 0 < sampled.largest <= found.recovery_time


def test_the_search_finds_what_trying_all_corners_finds():
    cell, U, nominal, perturbed, _ = R2
    share = np.array(list(itertools.product(np.linspace(0, 1, 4), repeat=4)))
    start = nominal.lower + share[:, :2] * (nominal.upper - nominal.lower)
    other = perturbed.lower + share[:, 2:] * (perturbed.upper - perturbed.lower)
    best = np.zeros(9)
    for signs in itertools.product([-1.0, 1.0], repeat=8):
        u = column(*signs)
        curves = deviations(cell, u, u, start.reshape(-1, 2, 1), other.reshape(-1, 2, 1))
        best = np.maximum(best, curves.max(0))
    for epsilon in (0.1, 0.01):
        found = worst_case(cell, U, epsilon, nominal_states=nominal, perturbed_states=perturbed, horizon=8)
        assert found.recovery_time >= by_definition([best], epsilon)[0]
        assert (found.envelope[:3] >= 0.9 * best[:3]).all()


@pytest.mark.parametrize("epsilon", [0.3, 0.02])
def test_a_finding_can_be_replayed(epsilon):
    cell, U, nominal, _, _ = R4
    found = worst_case(
        cell,
        U,
        epsilon,
        nominal_states=nominal,
        perturbed_states=nominal,
        anomaly_box=Box([-3.0], [2.0]),
        anomaly_length=6,
        rounds=40,
        horizon=30,
    )
    u = (found.nominal_inputs, found.perturbed_inputs)
    curve = deviations(cell, *u, found.nominal_states, found.perturbed_states)[0]
    assert by_definition([curve[found.anomaly_end :]], epsilon) == [found.recovery_time]
    assert (curve[6:] <= found.envelope).all()
    assert U.contains(u[0])
    assert Box([-3.0], [2.0]).contains(u[1][:6])
    assert_array_equal(u[0][6:], u[1][6:])
    assert nominal.contains(np.concatenate([found.nominal_states.ravel()]))
    assert found.horizon == 30
    assert found.tried == 4 * 41 * 64


def test_the_result_is_the_seeds_alone():
    cell, U, nominal, perturbed, _ = R5
    arguments = {"nominal_states": nominal, "perturbed_states": perturbed, "rounds": 20}
    one, two = (worst_case(cell, U, 0.01, **arguments, threads=threads) for threads in (1, 3))
    assert_array_equal(one.envelope, two.envelope)
    assert_array_equal(one.nominal_inputs, two.nominal_inputs)
    assert_array_equal(one.perturbed_states, two.perturbed_states)
    other = worst_case(cell, U, 0.01, **arguments, seed=1)
    assert (one.nominal_inputs != other.nominal_inputs).any()


def test_improvement_finds_longer_recoveries_than_sampling():
    cell, U, nominal, perturbed, _ = R5
    arguments = {"nominal_states": nominal, "perturbed_states": perturbed, "horizon": 80}
    sampled = worst_case(cell, U, 0.01, **arguments, searches=44, rounds=0)
    improved = worst_case(cell, U, 0.01, **arguments, searches=1, rounds=200)
    assert sampled.tried < improved.tried * 0.25
    assert improved.recovery_time > sampled.recovery_time


def test_two_fixed_points_never_meet():
    box = Box([-20.6, -0.982], [20.6, 0.982])
    found = worst_case(R6, Box([-0.1], [0.1]), 1.0, nominal_states=box, perturbed_states=box, rounds=20, horizon=400)
    assert found.censored
    assert found.recovery_time == 401
    assert found.envelope[-1] > 1.9
    assert not worst_case(R2[0], R2[1], 0.1, rounds=0).censored


def test_a_fixed_point_stays_where_it_is():
    h = 0.982013790
    states = trajectories(R6, [[20.6], [h]], np.zeros((500, 1)))[0]
    assert_allclose(states[-1, 1], h, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be a number > 0, got 0.0"),
        ({"anomaly_end": 9}, "anomaly_end must be <= 8, the steps of the inputs, got 9"),
        ({"anomaly_end": 3}, "perturbed_inputs must equal nominal_inputs from step 3, the end of the anomaly, on"),
        ({"perturbed_inputs": np.ones((7, 1))}, "perturbed_inputs must have 8 steps to go with nominal_inputs, got 7"),
        ({"vector": [1.0, 0.0]}, "vector must be > 0, got 0"),
        ({"vector": [1.0]}, r"vector must have shape \(2,\), got \(1,\)"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {
        "nominal_inputs": np.zeros((8, 1)),
        "perturbed_inputs": np.ones((8, 1)),
        "epsilon": 0.1,
        "anomaly_end": 8,
    }
    with pytest.raises(ValueError, match=message):
        recovery_times(R2[0], **{**arguments, **change})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epsilon": -1.0}, ValueError, "epsilon must be a number > 0, got -1.0"),
        ({"input_box": 1.0}, TypeError, "input_box must be a Box, got float"),
        ({"nominal_states": Box([0.0], [1.0])}, ValueError, "nominal_states must have 2 coordinates, got 1"),
        ({"anomaly_box": Box([0, 0], [1, 1])}, ValueError, "anomaly_box must have 1 coordinates, got 2"),
        ({"horizon": -1}, ValueError, "horizon must be >= 0, got -1"),
        ({"anomaly_length": 1.5}, ValueError, "anomaly_length must be an integer, got 1.5"),
    ],
)
def test_bad_arguments_of_the_search_are_named(change, error, message):
    with pytest.raises(error, match=message):
        worst_case(**{"cell": R2[0], "input_box": R2[1], "epsilon": 0.1, **change})
