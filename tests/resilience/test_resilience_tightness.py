"""The rival of bench/resilience_tightness.py is the published condition, its bounds hold, and broken ones stop it."""

import importlib
import math
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from lemmata.theory.resilience import LSTMCell, Stack, certify, first_deviation, recovery_time_bound

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        yield importlib.import_module("resilience_tightness")


@pytest.fixture(scope="module")
def rival(bench):
    return importlib.import_module("peers.norm_condition")


@pytest.fixture(scope="module")
def nets(bench):
    return importlib.import_module("tightness_networks")


def small(units=3, width=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return LSTMCell(*(width * rng.standard_normal(shape) for shape in ((4 * units, 2), (4 * units, units), 4 * units)))


def test_the_condition_of_one_unit_without_input_or_bias_is_the_one_worked_out_by_hand(rival):
    cell = LSTMCell(np.zeros((4, 1)), [[0.5], [-1.0], [0.25], [2.0]], np.zeros(4))
    i, f, g, o = 1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(-1)), math.tanh(0.25), 1 / (1 + math.exp(-2))
    c = i * g / (1 - f)
    alpha = c / 4 + i * 0.25 + g * 0.5 / 4
    A = rival.norm_matrix(cell, 1.0, rival.scalar_set(cell, 1.0, 0), 2)
    # a dozen roundings of numbers near 1
    np.testing.assert_allclose(A, [[f, alpha], [o * f, o * alpha + math.tanh(c) * 2 / 4]], rtol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_refined_norms_never_lose_to_the_published_one(bench, seed):
    stack = Stack((small(seed=seed),))
    known = certify(stack, 0.5, 1.0, levels=("A2",))
    rate, steps = bench.published(stack, 0.5, 1.0, 0.01)
    assert rate == pytest.approx(known.levels["A2"].rate.spectral_radius, rel=1e-12)  # its own search ends at 1e-13
    best, least = bench.tuned(stack, 0.5, 1.0, 0.01, first_deviation(known, None))
    assert best <= rate
    assert least <= steps < math.inf


def test_steps_by_powers_are_those_of_a_scalar(rival):
    A = np.array([[0.5, 0.0], [0.0, 0.5]])
    assert rival.steps_by_powers(A, np.ones(2), 1.0, 0.1) == 4  # 2^-3 > 0.1 >= 2^-4
    assert rival.steps_by_powers(A, np.ones(2), 1.0, 1.0) == 0
    assert rival.steps_by_powers(2 * A, np.ones(2), 1.0, 0.1) == math.inf


def test_powers_past_the_limit_go_on_by_the_logarithm(rival, monkeypatch):
    A = np.array([[0.5, 0.1], [0.2, 0.6]])
    whole = rival.steps_by_powers(A, np.ones(2), 1.0, 1e-6)
    monkeypatch.setattr(rival, "MOST", 3)
    assert whole <= rival.steps_by_powers(A, np.ones(2), 1.0, 1e-6) < 3 * whole


def test_a_bound_below_what_was_found_stops_the_script(bench):
    known = certify(small(), 1.0, levels=("A2", "C"))
    found = bench.search(known, 0.01, 20, 20, 0)
    assert found.recovery_time > 0
    bench.holds_against(known, found, {"C": found.recovery_time})
    with pytest.raises(SystemExit, match="were found"):
        bench.holds_against(known, found, {"norms": found.recovery_time - 1})
    other = certify(small(width=0.02), 1.0, levels=("C",))  # recovers sooner
    with pytest.raises(SystemExit, match="goes above the deviation by level C"):
        bench.holds_against(other, found, {"C": math.inf})


def test_another_condition_than_the_published_one_stops_the_script(bench):
    known = certify(small(), 1.0, levels=("A2",))
    recovery = recovery_time_bound(known, 0.01)
    rate, steps = bench.published(known.stack, 1.0, 1.0, 0.01)
    bench.same_condition(known, recovery, rate, steps)
    with pytest.raises(SystemExit, match="level A2"):
        bench.same_condition(known, recovery, rate * 1.001, steps)
    with pytest.raises(SystemExit, match="wider sets"):
        bench.same_condition(known, recovery, rate, recovery.value - 1)


def test_training_is_the_same_again_and_meets_what_its_penalty_asks_for(nets):
    first, error = nets.train("neutralisation", 3, "C", 40, 0)
    again, same = nets.train("neutralisation", 3, "C", 40, 0)
    assert error == same
    assert all((a == b).all() for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert nets.holds(first, "C")
    assert not nets.holds(nets.train("neutralisation", 3, "none", 40, 0)[0], "C")


def test_the_levels_prove_shorter_recovery_than_norms_on_networks_that_both_certify(bench):
    networks = [bench.Network("small", Stack((small(seed=k),)), 0.5, 1.0, None) for k in range(3)]
    outcomes = [bench.judge(network, 20, 0) for network in networks]
    (line, *_) = bench.rows(outcomes)
    assert line["nets"] == line["norms"] == line["levels"] == 3
    assert line["norms/levels"] > 1.1
    assert 1 <= line["levels/found"] < 2
    assert line["refuted"] == line["undecided"] == 0


def test_drawn_networks_are_those_of_torch(nets):
    asked = Namespace(units=[3], bounds=[0.5], drawn=2, seed=0)
    networks = list(nets.drawn(asked))
    assert [each.units for each in networks] == [3, 3]
    weights = [each.stack.layers[0].weight_hh for each in networks]
    assert (weights[0] != weights[1]).all()
    assert max(np.abs(part).max() for part in weights) <= 3**-0.5
