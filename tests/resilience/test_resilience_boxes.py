"""States never leave the invariant boxes and the tube; the boxes grow with what is allowed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemmata.theory.resilience import Box, GRUCell, LSTMCell, Stack, certify, invariant_set
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import interval
from lemmata.theory.resilience.invariant_set import initial_interval, refine
from lemmata.theory.resilience.layer import everything
from lemmata.theory.resilience.refutation import step_points

EXAMPLES = 20  # each takes a certificate or more

NEAR = 1e-12  # rounding of simulated steps against boxes of size 1; cells beyond get it relative


def network(seed, kind="any", most=5):
    """Scales from 0.05 to 3, half with a shifted forget bias; LSTM, GRU or a stack of both."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["lstm", "gru", "stack"]) if kind == "any" else kind
    n, m = int(rng.integers(1, most + 1)), int(rng.integers(1, 4))
    if kind == "stack":
        second = int(rng.integers(1, 4))
        layers = [single(rng, rng.choice(["lstm", "gru"]), n, m), single(rng, rng.choice(["lstm", "gru"]), second, n)]
        return Stack(layers, rng.standard_normal((2, second)))
    return single(rng, kind, n, m)


def single(rng, kind, n, m):
    scale = np.exp(rng.uniform(np.log(0.05), np.log(3.0))) / np.sqrt(n)
    blocks = 3 if kind == "gru" else 4
    W, R = rng.uniform(-scale, scale, (blocks * n, m)), rng.uniform(-scale, scale, (blocks * n, n))
    b = rng.uniform(-scale, scale, (2, blocks * n))
    if kind == "gru":
        return GRUCell(W, R, *b)
    b[0, n : 2 * n] += rng.choice([0.0, 1.0])
    return LSTMCell(W, R, b.sum(0))


def random_points(rng, box, count):
    """Half of them corners."""
    shares = rng.random((count, len(box.lower)))
    shares[: count // 2] = shares[: count // 2].round()
    return np.clip(box.lower + shares * (box.upper - box.lower), box.lower, box.upper)


def outside(points, box):
    slack = NEAR * (1 + box.magnitude)
    return ((points < box.lower - slack) | (points > box.upper + slack)).any()


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0.0, 0.5, 3.0]))
def test_states_stay_in_the_invariant_boxes_and_the_tube(seed, bound, more):
    rng = np.random.default_rng(seed)
    stack = as_stack(network(seed))
    cert = certify(stack, bound, bound + more, levels=["C"])
    Sn, Sa, tube = cert.nominal.interval, cert.anomaly.interval, cert.tube
    assert Sn.within(Sa)
    inside, stormy, after = random_points(rng, Sn, 40), random_points(rng, Sa, 40), random_points(rng, Sa, 40)
    calm = inside
    for t in range(30):
        assert not outside(after, tube.box(t))
        assert not outside(calm, tube.nominal[min(t, tube.steps)])
        u = random_points(rng, interval(cert.input_box), 40)
        inside, after = step_points(stack, inside, u), step_points(stack, after, u)
        calm = step_points(stack, calm, u)
        stormy = step_points(stack, stormy, random_points(rng, interval(cert.anomaly_box), 40))
        assert not outside(inside, Sn)
        assert not outside(stormy, Sa)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_the_tube_is_nested_and_the_nominal_one_lies_inside(seed):
    cert = certify(network(seed), 1.0, 2.0, levels=["C"])
    for t in range(cert.tube.steps):
        assert cert.tube.perturbed[t + 1].within(cert.tube.perturbed[t])
        assert cert.tube.nominal[t + 1].within(cert.tube.nominal[t])
        assert cert.tube.nominal[t].within(cert.tube.perturbed[t])


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_every_refinement_lies_in_the_one_before(seed):
    stack = as_stack(network(seed, "lstm"))
    layer, U, start = stack.layers[0], Box(-np.ones(stack.inputs), np.ones(stack.inputs)), initial_interval(stack, None)
    boxes = [refine(layer, interval(U), start, everything(layer), k)[0] for k in (1, 2, 5, 30)]
    for coarse, fine in pairwise(boxes):
        assert fine.within(coarse)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32))
def test_boxes_grow_with_the_inputs_and_the_initial_box(seed):
    cell = network(seed, "lstm")
    small, large = invariant_set(cell, 0.5), invariant_set(cell, 1.0)
    d = cell.dimension
    started = invariant_set(cell, 0.5, Box(np.full(d, -0.9), np.full(d, 0.7)))
    for bigger in (large, started):
        slack = 1e-9 * (1 + bigger.interval.magnitude)  # where the refinement stopped, and boxes found from below
        assert (bigger.interval.lower <= small.interval.lower + slack).all()
        assert (bigger.interval.upper >= small.interval.upper - slack).all()
    assert (started.interval.lower <= -0.9).all()
    assert (started.interval.upper >= 0.7).all()


def test_a_box_found_from_below_is_smaller_and_still_invariant():
    cell = LSTMCell([[0], [0], [0.01], [0]], [[6.0], [0], [1.0], [0.0]], [-3.0, 2.0, 0.0, 4.0])
    stack = as_stack(cell)
    U = interval(Box([-1.0], [1.0]))
    above, _ = refine(cell, U, initial_interval(stack, None), everything(cell))
    found = invariant_set(cell, 1.0)
    assert found.starts[0] is not None
    assert found.interval.upper[1] < 0.5 * above.upper[1]
    rng = np.random.default_rng(3)
    x = random_points(rng, found.interval, 200)
    for _ in range(100):
        x = step_points(stack, x, random_points(rng, U, 200))
        assert not outside(x, found.interval)


def test_zero_weights_leave_nothing_but_zero():
    still = LSTMCell(np.zeros((8, 1)), np.zeros((8, 2)), np.zeros(8))
    assert invariant_set(still, 5.0).box.magnitude.tolist() == [0, 0, 0, 0]


def test_a_cell_that_never_forgets_has_no_box():
    hoarder = LSTMCell([[0.0], [0.0], [1.0], [0.0]], np.zeros((4, 1)), [0.0, 800.0, 0.0, 0.0])
    found = invariant_set(hoarder, 1.0)
    assert not found.finite
    assert found.box is None
    idle = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), [0.0, 800.0, 0.0, 0.0])
    assert invariant_set(idle, 1.0).finite  # nothing ever enters the cell


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((-1.0,), ValueError, "input_bound must be >= 0, got -1"),
        ((float("nan"),), ValueError, "input_bound must be finite"),
        (([1.0, 1.0, 1.0],), ValueError, r"input_bound must be a number or have shape \(2,\)"),
        ((Box([0.0], [1.0]),), ValueError, "input_bound must have 2 coordinates"),
        ((1.0, Box([0.0], [0.0])), ValueError, "initial_box must have 2 coordinates"),
        ((1.0, Box([0.0, 0.0], [0.0, 1.5])), ValueError, r"initial_box must keep h within \[-1, 1\], got 1.5"),
        ((1.0, [0.0]), TypeError, "initial_box must be a Box, got list"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(arguments, error, words):
    cell = LSTMCell(np.zeros((4, 2)), np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(error, match=words):
        invariant_set(cell, *arguments)
