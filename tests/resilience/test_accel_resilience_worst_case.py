"""What the search by gradients finds can be replayed, stays below every bound, and beats blind sampling."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from lemmata.accel.resilience import TorchStack, deviations, worst_case
from lemmata.sim.resilience import deviations as simulated_deviations
from lemmata.theory.resilience import (
    Box,
    GRUCell,
    LSTMCell,
    Stack,
    certify,
    deviation_bounds,
    recovery_time_bound,
)

SLACK = 1e-12  # rounding of e in a replay; the bounds are for exact arithmetic


def drawn(kind, units, inputs, seed, scale=0.7):
    rng = np.random.default_rng(seed)
    q = 4 * units if kind == "lstm" else 3 * units
    parts = [rng.uniform(-scale, scale, shape) for shape in ((q, inputs), (q, units), (q,), (q,))]
    return LSTMCell(*parts[:3]) if kind == "lstm" else GRUCell(*parts)


NETWORKS = {
    "lstm": drawn("lstm", 3, 2, 1),
    "gru": drawn("gru", 3, 1, 2),
    "stack": Stack([drawn("lstm", 2, 1, 3), drawn("gru", 3, 2, 4)], np.random.default_rng(5).normal(size=(2, 3))),
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request):
    return certify(NETWORKS[request.param], 1.0, 2.0)


def searched(case, epsilon=0.05, **options):
    given = {"nominal_states": case.nominal.box, "perturbed_states": case.anomaly.box, "horizon": 12, "iterations": 8}
    return worst_case(case.stack, case.input_box, epsilon, **given | options)


def test_a_witness_replays_in_numpy_and_in_the_simulation(case):
    found = searched(case)
    e = found.replay(case.stack)
    assert_allclose(found.deviations, e, atol=0)
    assert found.recovery_time == 1 + np.flatnonzero(e > found.epsilon).max()
    states = (found.nominal_states, found.perturbed_states)
    simulated = simulated_deviations(case.stack, found.nominal_inputs, found.perturbed_inputs, *states)[0]
    assert_allclose(simulated[found.anomaly_end :], e, atol=1e-13)


def test_a_witness_lies_in_its_boxes_and_ends_on_common_inputs(case):
    found = searched(case, anomaly_box=case.anomaly_box, anomaly_length=4)
    flat = [
        np.concatenate([np.ravel(part) for part in states]) for states in (found.nominal_states, found.perturbed_states)
    ]
    assert case.nominal.box.contains(flat[0])
    assert case.anomaly.box.contains(flat[1])
    assert case.input_box.contains(found.nominal_inputs)
    assert case.anomaly_box.contains(found.perturbed_inputs)
    assert (found.nominal_inputs[4:] == found.perturbed_inputs[4:]).all()
    assert (found.nominal_inputs[:4] != found.perturbed_inputs[:4]).any()


def test_nothing_found_exceeds_a_bound(case):
    for epsilon in (0.2, 0.02):
        found = searched(case, epsilon)
        assert found.recovery_time <= recovery_time_bound(case, epsilon).value
        for level in ("C", "tube_C", "tube_R"):
            assert (found.envelope <= deviation_bounds(case, level, found.horizon) + SLACK).all()


@pytest.mark.parametrize("size", [0.0, 0.3, 1.0])
def test_the_magnitude_version_keeps_to_its_size_and_below_its_bound(case, size):
    found = searched(
        case, 0.01, perturbed_states=None, anomaly_box=case.anomaly_box, anomaly_size=size, anomaly_length=3, horizon=8
    )
    assert np.abs(found.nominal_inputs - found.perturbed_inputs).max() <= size + 1e-15  # one rounding of u − ū
    assert found.recovery_time <= recovery_time_bound(case, 0.01, anomaly=(size, 3)).value
    bound = deviation_bounds(case, "tube_C", found.horizon, anomaly=(size, 3))
    assert (found.envelope <= bound + SLACK).all()
    assert (found.recovery_time == 0) == (size == 0)
    starts = [np.concatenate([np.ravel(part) for part in x]) for x in (found.nominal_states, found.perturbed_states)]
    assert (starts[0] == starts[1]).all()


def test_the_search_finds_larger_deviations_than_as_many_random_corners(case):
    """At every horizon from 2 on, with as many pairs as the search tried."""
    found = searched(case)
    rng = np.random.default_rng(9)
    N, T, m = found.tried, found.horizon, case.stack.inputs
    u = torch.tensor(rng.choice([-1.0, 1.0], (N, T, m)))
    states = [
        torch.tensor(np.where(rng.random((N, box.dimension)) < 0.5, box.lower, box.upper))
        for box in (case.nominal.box, case.anomaly.box)
    ]
    blind = deviations(TorchStack.from_cells(case.stack), u, u, *states).amax(0).numpy()
    assert (found.envelope[3:] >= blind[3:] - SLACK).mean() >= 0.8
    assert found.recovery_time >= 1 + np.flatnonzero(blind > found.epsilon).max(initial=-1)


def test_two_states_that_never_meet_are_still_apart_at_the_horizon():
    cell = LSTMCell([[0.0], [0.0], [0.5], [0.0]], [[0.0], [0.0], [3.0], [0.0]], [4.0, 3.0, 0.0, 4.0])
    case = certify(cell, 0.1)
    assert case.status == "refuted"
    found = searched(case, 1.0, horizon=10, iterations=2)
    assert found.censored
    assert found.recovery_time == 11


def test_the_exact_worst_case_of_a_halving_network_is_found():
    """All weights zero: h of a GRU halves whatever the input, so that from ±1 e(t) = 2^{1−t}."""
    cell = GRUCell(np.zeros((6, 1)), np.zeros((6, 2)), np.zeros(6), np.zeros(6))
    box = Box([-1.0, -1.0], [1.0, 1.0])
    found = worst_case(cell, Box([0.0], [0.0]), 0.03, nominal_states=box, perturbed_states=box, horizon=9)
    assert_allclose(found.envelope, 2.0 ** (1 - np.arange(10)), rtol=1e-12)
    assert found.recovery_time == math.floor(math.log2(2 / 0.03)) + 1


def test_the_seed_decides_the_result():
    cell = NETWORKS["gru"]
    unit = Box([-1.0] * 3, [1.0] * 3)
    runs = [
        worst_case(cell, Box([-1.0], [1.0]), 0.1, nominal_states=unit, perturbed_states=unit, horizon=4, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert_allclose(runs[0].envelope, runs[1].envelope, rtol=0)
    assert (runs[0].nominal_inputs == runs[1].nominal_inputs).all()
    assert (runs[0].nominal_inputs != runs[2].nominal_inputs).any()


def test_a_search_in_float32_is_reported_as_its_float64_replay_shows(case):
    found = searched(case, dtype=torch.float32, horizon=6)
    flat = np.concatenate([np.ravel(part) for part in found.nominal_states])
    assert case.nominal.box.contains(flat)  # float32 rounds the ends of a box: clipped again
    assert found.recovery_time == 1 + np.flatnonzero(found.replay(case.stack) > found.epsilon).max(initial=-1)


def test_without_states_and_anomaly_there_is_nothing_to_find(case):
    found = worst_case(case.stack, case.input_box, 1e-6, horizon=3)
    assert found.recovery_time == 0
    assert not found.envelope.any()


CELL, UNIT = NETWORKS["gru"], Box([-1.0], [1.0])


@pytest.mark.parametrize(
    ("error", "words", "options"),
    [
        (ValueError, "epsilon must be a number > 0", {"epsilon": 0.0}),
        (ValueError, "input_box must have 1 coordinates, got 2", {"input_box": Box([0, 0], [1, 1])}),
        (TypeError, "input_box must be a Box, got float", {"input_box": 1.0}),
        (ValueError, "nominal_states must have 3 coordinates", {"nominal_states": UNIT}),
        (ValueError, "anomaly_box must contain input_box", {"anomaly_box": Box([0.0], [1.0])}),
        (ValueError, "anomaly_length must be >= 0", {"anomaly_length": -1}),
        (ValueError, "anomaly_size must be a number >= 0", {"anomaly_size": -0.5}),
        (
            ValueError,
            "perturbed_states must be left out",
            {"anomaly_size": 1.0, "perturbed_states": Box([0] * 3, [1] * 3)},
        ),
        (ValueError, "horizon must be >= 0", {"horizon": -1}),
        (ValueError, "restarts must be >= 1", {"restarts": 0}),
        (ValueError, "iterations must be >= 1", {"iterations": 0}),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(error, words, options):
    given = {"cell": CELL, "input_box": UNIT, "epsilon": 0.1} | options
    with pytest.raises(error, match=words):
        worst_case(**given)
