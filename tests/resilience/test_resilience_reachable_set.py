"""States never leave the set that affine bounds close, each piece of the bounds holds at every point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from lemmata.theory.resilience import LSTMCell
from lemmata.theory.resilience.affine_step import Bounds, affine_step, chord
from lemmata.theory.resilience.box import symmetric_box
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import Interval, interval, sigmoid, sigmoid_slope, tanh, tanh_slope
from lemmata.theory.resilience.invariant_set import settled
from lemmata.theory.resilience.reachable_set import (
    STAGE,
    box_bounds,
    closes,
    consequences,
    reachable_bounds,
    stages,
)
from lemmata.theory.resilience.row_bounds import row_bounds

ROUNDING = 1e-12  # of a float run, whose rows are of order 1


def fresh(seed, n=4, m=2):
    """Weights as torch draws them, uniform within ± 1/√n."""
    rng = np.random.default_rng(seed)
    width = 1 / np.sqrt(n)
    return LSTMCell(
        rng.uniform(-width, width, (4 * n, m)),
        rng.uniform(-width, width, (4 * n, n)),
        rng.uniform(-width, width, (2, 4 * n)).sum(0),
    )


def box(bound, m=2):
    return interval(symmetric_box("input_bound", bound, m))


def rest(cell):
    return Interval(np.zeros(2 * cell.units), np.zeros(2 * cell.units))


def rows_of(cell, x, u, weights):
    """The rows at states (N, 2, n) and inputs (N, m), and the states after the step."""
    z = u @ cell.weight_ih.T + x[:, 1] @ cell.weight_hh.T + cell.bias
    i, f, g, o = np.split(z, 4, axis=1)
    new = cell.step(x, u)
    parts = ((weights[0] * i, g), (weights[1] * f, x[:, 0]), (weights[2] * o, new[:, 0]))
    pairs = [a + sign * b for a, b in parts for sign in (1, -1)]
    return np.concatenate([z, x[:, 0], x[:, 1], *pairs], axis=1), new


def inputs(rng, bound, runs, steps, m=2):
    """Held and switching corners, and uniform ones, (steps, runs, m)."""
    held = rng.random((runs, 1))
    u = np.sign(rng.standard_normal((runs, m))) * bound
    out = []
    for _ in range(steps):
        fresh_ones = np.sign(rng.standard_normal((runs, m))) * bound
        u = np.where(rng.random((runs, 1)) < held, u, fresh_ones)
        scale = np.where(np.arange(runs)[:, None] % 4 == 3, rng.random((runs, m)), 1.0)
        out.append(u * scale)
    return np.array(out)


def greedy(cell, bound, bounds, rng, runs, steps):
    """Runs whose input at each step is the corner that takes a chosen row of the next state furthest."""
    corners = bound * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    x = np.zeros((runs, 2, cell.units))
    goals = rng.standard_normal((runs, 2, cell.units)) * (rng.random((runs, 2, cell.units)) < 0.3)
    seen = []
    for _ in range(steps):
        after = np.array([cell.step(x, np.broadcast_to(u, (runs, 2))) for u in corners])
        best = (after * goals).sum((2, 3)).argmax(0)
        rows, x = rows_of(cell, x, corners[best], bounds.weights)
        seen.append(rows)
    return np.array(seen)


def excess(rows, bounds):
    return max(float((rows - bounds.rows.upper).max()), float((bounds.rows.lower - rows).max()))


@settings(max_examples=60)
@given(st.floats(-8, 8), st.floats(0, 9), st.integers(0, 10**6))
def test_a_chord_bounds_the_function_everywhere(low, width, seed):
    z = Interval(np.array([low]), np.array([low + width]))
    points = low + width * np.concatenate([[0, 1], np.random.default_rng(seed).random(400)])
    points = np.clip(points, low, low + width)
    for function, slope, exact in ((sigmoid, sigmoid_slope, expit), (tanh, tanh_slope, np.tanh)):
        line = chord(z, function, slope)
        off = exact(points) - line.value - line.slope * (points - line.centre)
        assert np.abs(off).max() <= line.error[0] + ROUNDING * (1 + abs(low))
        assert line.error[0] <= 1.02 * np.abs(off).max() + 1e-3 * width + ROUNDING  # 400 points come this near to it
        assert np.abs(points - line.centre).max() <= line.radius[0]


@pytest.mark.parametrize("seed", range(4))
def test_the_step_is_affine_but_for_its_error_where_the_rows_are_bounded(seed):
    rng = np.random.default_rng(seed)
    cell = fresh(seed)
    bounds = box_bounds(cell, settled(as_stack(cell), box(0.5), rest(cell)).interval, box(0.5))
    step = affine_step(cell, bounds, box(0.5))
    low, high = bounds.states.lower, bounds.states.upper
    share = rng.random((4000, len(low)))
    share[:2000] = share[:2000].round()
    x, u = low + share * (high - low), rng.uniform(-0.5, 0.5, (4000, 2))
    new = cell.step(x.reshape(-1, 2, cell.units), u).reshape(len(x), -1)
    off = new - (x @ step.A.T + u @ step.B.T + step.s)
    n = cell.units
    first, second = off[:, :n], off[:, n:] - step.k * off[:, :n]  # η = G⁻¹ of what is left
    assert np.abs(first).max(0).max() > 0
    assert (np.abs(first) <= step.e[:n] + ROUNDING).all()
    assert (np.abs(second) <= step.e[n:] + ROUNDING).all()
    assert (np.abs(second).max(0) > 0.2 * step.e[n:]).any()  # the bound is of the right size


@pytest.mark.parametrize(("seed", "n", "bound"), [(0, 4, 0.5), (1, 8, 0.5), (2, 5, 1.0), (3, 3, 0.25)])
def test_no_run_from_rest_leaves_the_closed_set_nor_its_later_stages(seed, n, bound):
    rng = np.random.default_rng(seed)
    cell = fresh(seed, n)
    found = reachable_bounds(cell, box(bound), rest(cell))
    assert closes(cell, found, box(bound), rest(cell))
    later = stages(cell, found, box(bound))
    assert len(later) > 1
    x, worst = np.zeros((300, 2, n)), np.inf
    for t, u in enumerate(inputs(rng, bound, 300, 90)):
        rows, x = rows_of(cell, x, u, found.weights)
        for j, bounds in enumerate(later):
            if t >= j * STAGE:
                assert excess(rows, bounds) <= ROUNDING
        worst = min(worst, -excess(rows, found))
    chased = greedy(cell, bound, found, rng, 200, 60)
    assert excess(chased, found) <= ROUNDING
    reach = chased.reshape(-1, 12 * n)
    assert (np.ptp(reach, axis=0) / (found.rows.upper - found.rows.lower)).mean() > 0.2  # the set is not idle


def test_runs_from_every_corner_of_the_box_are_in_the_later_stages_in_time():
    cell, rng = fresh(3), np.random.default_rng(0)
    X = settled(as_stack(cell), box(0.25), rest(cell)).interval
    later = stages(cell, box_bounds(cell, X, box(0.25)), box(0.25))
    assert later[-1].states.width.sum() < 0.7 * X.width.sum()
    share = rng.random((300, 8)).round()
    x = (X.lower + share * (X.upper - X.lower)).reshape(-1, 2, 4)
    for t, u in enumerate(inputs(rng, 0.25, 300, 150)):
        rows, x = rows_of(cell, x, u, later[0].weights)
        for j, bounds in enumerate(later):
            if t >= j * STAGE:
                assert excess(rows, bounds) <= ROUNDING


def test_a_set_that_is_too_small_does_not_close():
    cell = fresh(0)
    found = reachable_bounds(cell, box(0.5), rest(cell))
    for row in range(0, 48, 5):
        upper = found.rows.upper.copy()
        upper[row] -= 0.05 * (found.rows.upper - found.rows.lower)[row]
        assert not closes(cell, Bounds(Interval(found.rows.lower, upper), found.weights), box(0.5), rest(cell))
    assert not closes(cell, found, box(0.55), rest(cell))
    wide = Interval(-0.5 * np.ones(8), 0.5 * np.ones(8))
    assert not closes(cell, found, box(0.5), wide)


def test_larger_inputs_and_starts_give_no_smaller_bounds():
    cell = fresh(5)
    bounds = reachable_bounds(cell, box(0.5), rest(cell))
    near = consequences(cell, bounds, box(0.2), rest(cell))
    assert near.within(consequences(cell, bounds, box(0.5), rest(cell)))
    start = Interval(-0.1 * np.ones(8), 0.1 * np.ones(8))
    assert consequences(cell, bounds, box(0.5), rest(cell)).within(consequences(cell, bounds, box(0.5), start))
    after = [row_bounds(cell, bounds, box(0.5), None, steps) for steps in (5, 40)]
    assert after[1].width.sum() < after[0].width.sum()


def test_a_network_without_weights_stays_at_its_start():
    still = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    found = reachable_bounds(still, box(1.0, 1), rest(still))
    assert np.abs(found.states.upper).max() < 1e-2
    assert np.abs(stages(still, found, box(1.0, 1))[-1].states.upper).max() < 1e-3


def test_the_set_is_found_by_bounds_that_no_box_has():
    """At n = 16 the refined box leaves h nearly its whole range, the closed set a sixth of it."""
    cell = fresh(7, 16)
    X = settled(as_stack(cell), box(0.5), rest(cell)).interval
    found = reachable_bounds(cell, box(0.5), rest(cell))
    assert found.states.width[16:].mean() < 0.25 * X.width[16:].mean()
