"""The simulated sides of the claims about recurrent networks are what they say, and their wrong bounds are wrong."""

import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from lemmata.papers import incremental_stability, lstm_resilience, order_of_levels, random_networks
from lemmata.papers.engine.claim import Case, Relation
from lemmata.papers.incremental_stability import cell_bound, gru_rate, lstm_matrix
from lemmata.papers.kept import Kept
from lemmata.papers.one_block_networks import GRU_BLOCKS, NETWORKS, one_block
from lemmata.papers.order_of_levels import cancelling
from lemmata.papers.random_networks import SIZES, certificate, network, recovery_bounds, weights
from lemmata.theory.resilience import Box, GRUCell, LSTMCell, Stack, cells_from_torch, recovery_time_bound
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import interval, point
from lemmata.theory.resilience.norm_level import gru_norm_map, norm_bounds
from lemmata.theory.streams import stream

CLAIMS = {claim.name: claim for claim in (*lstm_resilience.CLAIMS, *incremental_stability.CLAIMS)}
ROWS = [(claim, case) for claim in CLAIMS.values() for case in claim.cases]
SEARCHED = [(claim, case) for claim, case in ROWS if claim.relation is Relation.NEVER_EXCEEDS]
INPUTS = interval(Box([-0.5], [0.5]))


def names(rows):
    return [f"{claim.name}-{case.name}" for claim, case in rows]


@pytest.mark.parametrize(("claim", "case"), SEARCHED, ids=names(SEARCHED))
def test_a_sighting_that_was_written_can_be_read_again_and_drawn_again(claim, case):
    once, twice = (claim.simulate(case, stream(2, claim.name), 1.0) for _ in range(2))
    assert once == twice
    again = json.loads(json.dumps(dict(once.arguments), allow_nan=False), parse_constant=pytest.fail)
    again = {name: tuple(value) if isinstance(value, list) else value for name, value in again.items()}
    assert claim.theory_at(again) == claim.theory_at(once.arguments)
    assert math.isfinite(once.value)


@pytest.mark.parametrize("kind", SIZES)
def test_the_networks_are_those_of_torch_with_both_bias_vectors(kind):
    for number in range(3):
        state, sizes = weights(kind, number), SIZES[kind][number]
        cell, inputs = as_stack(network(kind, number)), np.linspace(-1.0, 1.0, 7)
        h = torch.from_numpy(inputs)[:, None]
        for layer, units in enumerate(sizes):
            module = (torch.nn.GRU if kind == "GRU" else torch.nn.LSTM)(h.shape[1], units).double()
            own = {name: value for name, value in state.items() if name.endswith(f"_l{layer}")}
            module.load_state_dict({f"{name[:-1]}0": torch.from_numpy(value) for name, value in own.items()})
            h = module(h)[0].detach()
        shapes = [(2, layer.units) if isinstance(layer, LSTMCell) else (layer.units,) for layer in cell.layers]
        state = tuple(np.zeros(shape) for shape in shapes)
        for u, right in zip(inputs, h.numpy(), strict=True):
            state = cell.step(state, [u])
            last = state[-1][1] if kind != "GRU" else state[-1]
            assert last == pytest.approx(right, abs=1e-14)


@pytest.mark.parametrize("kind", SIZES)
def test_most_networks_have_a_bound_that_runs_can_be_followed_to(kind):
    short = [
        min(recovery_bounds(kind, k).values()) <= random_networks.LONGEST for k in range(random_networks.NETWORKS[kind])
    ]
    assert sum(short) > len(short) / 2
    sizes = {len(network(kind, k).layers) if kind == "stack" else network(kind, k).units for k in range(3)}
    assert sizes == ({2} if kind == "stack" else {1, 2, 3})


def test_recorded_runs_know_nothing_of_the_boxes(monkeypatch):
    claim = CLAIMS["data-independence"]
    known = claim.simulate(claim.cases[0], stream(4, "recorded"), 1.0)  # the networks' bounds are known from now on

    def forbidden(*arguments, **more):
        raise AssertionError("the theory was asked")

    for module, name in (("invariant_set", "settled"), ("tube", "tube"), ("certify", "certify")):
        monkeypatch.setattr(sys.modules[f"lemmata.theory.resilience.{module}"], name, forbidden)
    assert claim.simulate(claim.cases[0], stream(4, "recorded"), 1.0) == known


def test_bounds_from_data_do_not_cover_other_data():
    # what makes the claim one: some network whose recorded runs recover sooner than others do
    claim = CLAIMS["data-independence"]
    recorded = claim.false_variants[0]
    seen = [claim.simulate(claim.cases[0], stream(6, "data", k), 1.0) for k in range(1500)]
    assert any(s.value > claim.theory_at(s.arguments, recorded) for s in seen)
    assert all(s.value <= claim.theory_at(s.arguments) for s in seen)


def test_the_deviation_after_an_anomaly_grows_with_its_size():
    claim = CLAIMS["anomaly-size"]
    seen = [claim.simulate(claim.cases[0], stream(7, "size", k), 1.0) for k in range(300)]
    means = {size: np.mean([s.value for s in seen if s.arguments["size"] == size]) for size in (0.1, 1.0)}
    assert means[1.0] > 4 * means[0.1] > 0


def test_without_a_penalty_training_does_not_halve_the_bound():
    # what the claim shows is owed to the penalty, not to the fit; means of 12 trainings, seed fixed
    claim = CLAIMS["resilience-aware-training"]
    with_penalty = claim.cases[0]
    without = Case("none", {**with_penalty.arguments, "weight": 0.0})
    ratios = {
        case.name: np.mean([lstm_resilience._training(case, stream(8, "training", k)) for k in range(12)])
        for case in (with_penalty, without)
    }
    assert ratios[with_penalty.name] < math.log10(0.5) < ratios["none"]


def test_the_closed_form_of_training_is_never_below_the_bound_of_level_A():
    from lemmata.theory.resilience import certify

    for number in range(8):
        cell = network("LSTM", number)
        exact = recovery_time_bound(certify(cell, 1.0, random_networks.ANOMALY, levels=("A",)), random_networks.EPSILON)
        assert lstm_resilience._norm_recovery(cell) >= exact.value or math.isinf(exact.value)


# ---- other processes

SENT = """
import runpy, sys
from joblib.externals.loky.backend.reduction import dumps
import lemmata.papers.engine.script
def send(paper, claims):
    with open(sys.argv[2], "wb") as file:
        file.write(dumps(claims))
lemmata.papers.engine.script.main = send
runpy.run_module(f"lemmata.papers.{sys.argv[1]}", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("paper", ["lstm_resilience", "incremental_stability"])
def test_the_claims_of_a_script_can_be_sent_to_other_processes(paper, tmp_path):
    # as a script the module is no module that the others could import
    subprocess.run([sys.executable, "-W", "error", "-c", SENT, paper, str(tmp_path / "claims")], check=True)
    for claim in pickle.loads((tmp_path / "claims").read_bytes()):
        arguments = claim.cases[-1].arguments
        if claim.relation is Relation.NEVER_EXCEEDS:
            arguments = claim.simulate(claim.cases[-1], stream(8, claim.name), 1.0).arguments
        assert claim.theory_at(arguments) == CLAIMS[claim.name].theory_at(arguments)
        assert math.isfinite(claim.theory_at(arguments, claim.false_variants[0]))


def test_a_kept_value_is_worked_out_once_and_not_sent():
    calls = []

    def double(x):
        calls.append(x)
        return 2 * x

    kept = Kept(double)
    assert (kept(3), kept(3), kept(x=3)) == (6, 6, 6)
    assert calls == [3, 3]  # by place and by name are two keys
    again = kept.__reduce__()
    assert again == (Kept, (double,))


# ---- the second form of each norm condition


@pytest.mark.parametrize("norm", ["max", "euclidean"])
def test_level_A_written_out_is_that_of_the_theory(norm):
    for number in range(NETWORKS):
        cell = one_block("LSTM", number)
        right = norm_bounds(cell, point(np.zeros(cell.dimension)), INPUTS, norm).matrix
        assert lstm_matrix(number, norm) == pytest.approx(right, rel=1e-12)
        assert (lstm_matrix(number, norm, slope=1 / 8) < right).any()


def test_level_A_of_a_GRU_written_out_is_that_of_the_theory():
    for number in range(NETWORKS):
        right = gru_norm_map(one_block("GRU", number), INPUTS).matrix[0, 0]
        assert gru_rate(number) == pytest.approx(right, rel=1e-12)
        assert gru_rate(number, slope=1 / 8) < right


def test_the_condition_on_cells_has_the_rate_of_its_paper():
    assert all(cell_bound(number, 0.0) >= 0 for number in range(NETWORKS))
    number = next(k for k in range(NETWORKS) if one_block("LSTM", k).units == 1)
    slope = cell_bound(number, 1.0) - cell_bound(number, 0.0)
    at = norm_bounds(one_block("LSTM", number), point(np.zeros(2)), INPUTS)
    assert slope == pytest.approx(at.forget_gate + at.input_gate * abs(one_block("LSTM", number).weight_hh[2, 0]))


def test_every_block_stands_out_in_some_network():
    for kind, count in (("LSTM", 4), ("GRU", len(GRU_BLOCKS))):
        loudest = set()
        for number in range(NETWORKS):
            cell = one_block(kind, number)
            assert isinstance(cell, LSTMCell if kind == "LSTM" else GRUCell)
            sizes = [np.abs(block).max() for block in np.split(cell.weight_hh, count)]
            loudest.add(int(np.argmax(sizes)))
        assert loudest == set(range(count))


def test_every_link_of_the_order_is_tried():
    claim = CLAIMS["order"]
    tried = [claim.simulate(claim.cases[0], stream(5, "order", k), 1.0).arguments for k in range(300)]
    assert {(at["smaller"], at["larger"]) for at in tried} == set(order_of_levels.LINKS)


def test_where_signs_cancel_only_the_euclidean_level_has_a_bound():
    # docs/resilience, section 5, and case R3 of the references
    known = cancelling()
    assert known.levels["A2"].rate.spectral_radius == pytest.approx(0.941941738242, rel=2e-6)
    assert known.levels["R"].rate.spectral_radius == pytest.approx(1.125, rel=2e-6)
    found = recovery_time_bound(known, 0.1).levels
    assert (found["A2"].value, found["R"].value) == (34, math.inf)
    wrong = order_of_levels._with_norm(1.25 * math.sqrt(2))
    claim = CLAIMS["cancellation"]
    assert wrong(steps=10) == pytest.approx(claim.theory_at({"steps": 10}), rel=1e-6)  # but for the factor the same


def test_the_last_layer_alone_is_another_network():
    stack = certificate("stack", 0).stack
    assert isinstance(stack, Stack)
    assert len(stack.layers) == 2
    case = Case("stack", {"kind": "stack"})
    seen = random_networks.searched_recovery(case, stream(3, "stack"), 1.0)
    assert seen.value <= random_networks.recovery_bound(**seen.arguments)
    assert cells_from_torch(weights("stack", 0)).layers[1].inputs == stack.layers[0].units
