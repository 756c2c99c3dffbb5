"""A refutation is proved: its orbits exist, its repelling orbit does repel, and its gaps are seen in simulated runs."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lemmata.theory.resilience import Certificate, GRUCell, LSTMCell, Stack, certify
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import Interval, interval, point
from lemmata.theory.resilience.periodic_orbit import find_orbit, holds_orbit, orbit_box
from lemmata.theory.resilience.refutation import lasting_gap, witness_holds
from lemmata.theory.resilience.separated_runs import step_points
from lemmata.theory.resilience.step_jacobian import interval_product, period_box, period_jacobian, step_jacobian
from lemmata.theory.resilience.unstable_orbit import repelled_gap, repeller, repeller_holds


def bistable():
    """h = ±0.982 attract, 0 repels: c⁺ = σ(3) c + σ(4) tanh(3h + u/2), h = σ(4) tanh c."""
    return LSTMCell([[0], [0], [0.5], [0]], [[0], [0], [3], [0]], [4, 3, 0, 4])


def rotating():
    """A closed curve attracts, on which two states never meet; the orbit of period 1 in its middle repels."""
    R, W = np.zeros((8, 2)), np.zeros((8, 1))
    R[4:6], W[4:6] = [[3.72, -2.28], [2.28, 3.72]], 0.1
    return LSTMCell(W, R, [2, 2, -1.88, -1.88, 0, 0, 2, 2])


def random_network(rng, kind, scale):
    def draw(*shape):
        return scale * rng.standard_normal(shape)

    if kind == "LSTM":
        return LSTMCell(draw(12, 2), draw(12, 3), draw(12))
    if kind == "GRU":
        return GRUCell(draw(9, 2), draw(9, 3), draw(9), draw(9))
    first = LSTMCell(draw(8, 2), draw(8, 2), draw(8))
    return Stack([first, GRUCell(draw(9, 2), draw(9, 3), draw(9), draw(9)), LSTMCell(draw(4, 3), draw(4, 1), draw(4))])


def random_state(rng, stack):
    out = []
    for cell in stack.layers:
        cells = 2 * rng.standard_normal(cell.units) if isinstance(cell, LSTMCell) else []
        out += [*cells, *rng.uniform(-1, 1, cell.units)]
    return np.array(out)


def parts(found):
    return found.stack, interval(found.input_box), found.nominal.interval, found.anomaly.interval


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["LSTM", "GRU", "stack"]), st.integers(1, 3))
def test_the_product_of_jacobians_holds_differences_and_derivatives(seed, kind, period):
    rng = np.random.default_rng(seed)
    stack = as_stack(random_network(rng, kind, 0.8))
    inputs, x = rng.uniform(-1, 1, (period, 2)), random_state(rng, stack)

    def image(states):
        for u in inputs:
            states = step_points(stack, states, u)
        return states

    at = period_jacobian(stack, point(x), inputs)
    nearby = x + 1e-6 * np.eye(len(x))
    slopes = (image(nearby) - image(2 * x - nearby)).T / 2e-6
    # central differences: 1e-12 from the third derivative, 1e-10 from the rounding of c up to about 5
    assert_allclose(0.5 * (at.lower + at.upper), slopes, atol=2e-9)
    assert (at.upper - at.lower).max() < 1e-10
    radius = rng.uniform(0, 0.3, len(x))
    box = Interval(x - radius, x + radius)
    J, pair = period_jacobian(stack, box, inputs), x + radius * rng.uniform(-1, 1, (2, len(x)))
    difference, out = pair[0] - pair[1], image(pair)
    middle, half = 0.5 * (J.lower + J.upper), 0.5 * (J.upper - J.lower)
    spare = half @ np.abs(difference) + 1e-13 * (1 + np.abs(out).max())
    assert (np.abs(out[0] - out[1] - middle @ difference) <= spare).all()
    assert (J.lower <= at.lower).all()
    assert (at.upper <= J.upper).all()
    reached = period_box(stack, box, inputs)
    assert (reached.lower <= out).all()
    assert (out <= reached.upper).all()


def test_the_product_of_interval_matrices_holds_every_product():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 5))
        ra, rb = rng.uniform(0, 0.5, (4, 3)), rng.uniform(0, 0.5, (3, 5))
        found = interval_product(Interval(a - ra, a + ra), Interval(b - rb, b + rb))
        for _ in range(20):
            x, y = (c + r * rng.choice([-1, 1], c.shape) for c, r in ((a, ra), (b, rb)))
            assert (found.lower <= x @ y).all()
            assert (x @ y <= found.upper).all()
        one = interval_product(point(a), point(b))
        assert (one.upper - one.lower <= 64 * 2.0**-53 * (abs(a) @ abs(b))).all()  # 8 (k + 4) u and the last rounding


@pytest.mark.parametrize("period", [1, 2, 3])
def test_an_orbit_is_found_where_one_is_and_its_box_is_proved_to_hold_it(period):
    stack, inputs = as_stack(bistable()), np.linspace(-0.1, 0.1, period)[:, None]
    boxes = []
    for start in ([20.0, 0.98], [0.01, 0.01], [-20.0, -0.98]):
        state = find_orbit(stack, inputs, np.array(start))
        box = orbit_box(stack, inputs, state)
        assert holds_orbit(stack, inputs, box)
        assert (box.upper - box.lower).max() < 1e-9  # c near 20 and 1/(1 - 0.95) times the margin 4e-15 of σ and tanh
        boxes.append(box)
        moved = Interval(box.lower + 1e-6, box.upper + 1e-6)
        assert not holds_orbit(stack, inputs, moved)
    assert boxes[2].upper[1] < boxes[1].lower[1]
    assert boxes[1].upper[1] < boxes[0].lower[1]
    wide = Interval(boxes[2].lower, boxes[0].upper)  # three orbits: Krawczyk's test would prove that there is one
    shrunk = Interval(wide.lower * 0.99, wide.upper * 0.99)
    assert holds_orbit(stack, inputs, wide) == period_box(stack, wide, inputs).within(wide)
    assert not holds_orbit(stack, inputs, shrunk)


def test_two_orbits_stay_their_gap_apart_for_ever():
    found = certify(bistable(), 0.1, levels=["C"])
    witness = found.witness
    assert witness.frame is None
    assert 1.96 < witness.gap <= witness.output_gap < 1.97
    # h* = σ(4) tanh c*, c*(1 - σ(3)) = σ(4) tanh(3 h* ± 0.05): 0.98201 to five digits at either sign
    x = np.stack([0.5 * (box.lower + box.upper) for box in (witness.first, witness.second)])
    for t in range(300):
        x = step_points(found.stack, x, witness.inputs[t % len(witness.inputs)])
    assert abs(x[0, 1] - x[1, 1]) >= witness.gap - 1e-9


def test_an_orbit_that_repels_is_proved_though_everything_around_it_is_bounded():
    found = certify(rotating(), 0.1, levels=["C", "tube_C"])
    witness = found.witness
    assert found.status == "refuted"
    assert witness.frame is not None
    assert witness.growing == 2  # a pair of complex eigenvalues
    assert witness.gap > 0.03
    assert witness_holds(found.stack, witness, *parts(found)[1:])
    J = period_jacobian(found.stack, witness.first, witness.inputs)
    assert np.abs(np.linalg.eigvals(0.5 * (J.lower + J.upper))).max() > 1.2


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("cell", [bistable(), rotating()], ids=["saddle", "focus"])
def test_near_starts_part_by_the_proved_gap_and_the_later_the_nearer(cell, distance):
    found = certify(cell, 0.1, levels=["C"])
    stack, _, Sn, Sa = parts(found)
    inputs = np.zeros((1, 1))
    state = find_orbit(stack, inputs, np.full(stack.dimension, 0.01))
    away = repeller(stack, inputs, state, Sn, Sa)
    gap = repelled_gap(stack, inputs, away, None)
    assert repeller_holds(stack, inputs, away, Sn, Sa)
    assert gap > 0.03
    x = np.stack([state, state + distance * away.frame[:, 0]])
    time, apart = 0, 0.0
    while apart <= gap and time < 500:
        x = step_points(stack, x, inputs[0])
        x[0] = state  # where rounding would let it go
        time, apart = time + 1, np.abs(x[1] - x[0])[-stack.units :].max()
    J = period_jacobian(stack, point(state), inputs)
    fastest = np.abs(np.linalg.eigvals(J.lower)).max()
    assert apart > gap
    # growth is at most a bit above the eigenvalue's, with a factor for the norm
    assert time >= math.log(gap / (30 * distance)) / math.log(fastest)


def test_a_witness_of_a_repelling_orbit_does_not_hold_once_changed():
    found = certify(rotating(), 0.1, levels=["C"])
    stack, U, Sn, Sa = parts(found)
    good = found.witness
    assert witness_holds(stack, good, U, Sn, Sa)
    size = good.second.upper - good.second.lower
    wide = Interval(good.second.lower - 20 * size, good.second.upper + 20 * size)
    changes = [
        {"gap": good.gap * 1.01},
        {"output_gap": good.output_gap * 1.01},
        {"output_gap": -1.0},
        {"gap": math.nan},
        {"growing": 1},
        {"growing": 4},
        {"growing": 0},
        {"frame": good.frame[:, ::-1]},
        {"frame": np.zeros((4, 4))},
        {"frame": np.eye(3)},
        {"frame": np.full((4, 4), math.nan)},
        {"second": wide},
        {"second": Interval(good.second.lower + size, good.second.upper + size)},
        {"first": Interval(good.first.lower + 1e-6, good.first.upper + 1e-6)},
        {"inputs": good.inputs + 1},
        {"frame": None, "growing": 0},
    ]
    for change in changes:
        assert not witness_holds(stack, dataclasses.replace(good, **change), U, Sn, Sa), change
    assert not witness_holds(stack, good, U, Interval(Sn.lower * 1e-3 + 1, Sn.upper), Sa)
    assert not witness_holds(stack, good, U, Sn, Interval(good.first.lower, good.first.upper))


def test_an_orbit_that_attracts_is_not_taken_for_one_that_repels():
    found = certify(bistable(), 0.1, levels=["C"])
    stack, _, Sn, Sa = parts(found)
    inputs = np.zeros((1, 1))
    assert repeller(stack, inputs, find_orbit(stack, inputs, np.array([20.0, 0.98])), Sn, Sa) is None
    away = repeller(stack, inputs, np.zeros(2), Sn, Sa)
    attracting = np.eye(2), 1  # c alone does not grow
    assert repelled_gap(stack, inputs, dataclasses.replace(away, frame=attracting[0], growing=2), None) == 0


def test_the_gap_of_the_outputs_is_that_of_the_output_layer():
    rows = np.array([[2.0], [0.0]])
    for output, share in ((None, 1.0), (rows, 2.0), (np.zeros((1, 1)), 0.0), (np.zeros((0, 1)), 0.0)):
        found = certify(Stack([bistable()], output), 0.1, levels=["C"])
        assert found.status == "refuted"
        assert_allclose(found.witness.output_gap, share * found.witness.gap, rtol=1e-12)
        assert_allclose(lasting_gap(found.stack, found.witness, rows), 2 * found.witness.gap, rtol=1e-12)


def test_an_output_that_does_not_see_the_growing_direction_is_given_no_gap():
    # two units that do not know each other: the first repels at 0, the second forgets
    blocks = [np.zeros((4, 2, 2)), np.zeros((4, 2)), np.zeros((8, 1))]
    blocks[0][2, 0, 0], blocks[1][:, 0], blocks[1][:, 1] = 3.0, [4, 3, 0, 4], [0, 0, 0.3, 0]
    stack = Stack([LSTMCell(blocks[2], blocks[0].reshape(8, 2), blocks[1].ravel())])
    found = certify(stack, 0.0, levels=["C"])
    *_, Sa = parts(found)
    inputs, state = np.zeros((1, 1)), find_orbit(stack, np.zeros((1, 1)), np.zeros(4))
    wide = Interval(Sa.lower - 1, Sa.upper + 1)
    away = repeller(stack, inputs, state, wide, wide)
    assert repelled_gap(stack, inputs, away, None) > 0.1
    assert repelled_gap(stack, inputs, away, np.array([[1.0, 0.0]])) > 0.1
    assert repelled_gap(stack, inputs, away, np.array([[0.0, 1.0]])) == 0


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "stack"])
def test_what_is_refuted_is_seen_to_part_and_what_is_certified_never_is(kind):
    refuted = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, 7])
        found = certify(random_network(rng, kind, rng.uniform(1.0, 3.0)), 1.0, levels=["C"])
        witness = found.witness
        assert (witness is None) == (found.status != "refuted")
        if witness is None or witness.frame is not None:
            continue
        refuted += 1
        stack = found.stack
        assert witness_holds(stack, witness, *parts(found)[1:])
        x = np.stack([0.5 * (box.lower + box.upper) for box in (witness.first, witness.second)])
        again = x
        for u in witness.inputs:
            again = step_points(stack, again, u)
        assert_allclose(again, x, atol=1e-6 * (1 + np.abs(x).max()))
        assert np.abs(x[0] - x[1])[-stack.units :].max() >= witness.gap - 1e-9
    assert refuted >= 1


def test_a_jacobian_of_one_step_over_a_box_is_that_of_a_period_of_one():
    rng = np.random.default_rng(3)
    stack = as_stack(random_network(rng, "stack", 0.5))
    x, u = random_state(rng, stack), rng.uniform(-1, 1, 2)
    a, b = step_jacobian(stack, point(x), point(u)), period_jacobian(stack, point(x), u[None])
    assert (a.lower == b.lower).all()
    assert (a.upper == b.upper).all()


def test_a_repelling_orbit_survives_the_disk_and_is_proved_again(tmp_path):
    found = certify(rotating(), 0.1, levels=["C"])
    found.save(tmp_path / "certificate.json")
    again = Certificate.load(tmp_path / "certificate.json", rotating())
    assert again.status == "refuted"
    assert (again.witness.frame == found.witness.frame).all()
    assert (again.witness.gap, again.witness.output_gap) == (found.witness.gap, found.witness.output_gap)
