"""Certificates say what was proved, survive the disk, and do not check once tampered with."""

import json
import math

import numpy as np
import pytest
import torch

from lemmata.theory.resilience import Box, Certificate, GRUCell, LSTMCell, Stack, certify, recovery_time_bound
from lemmata.theory.resilience.interval import Interval, interval
from lemmata.theory.resilience.refutation import Witness, witness_holds

ALL = ("A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R", "D")


def small():
    return LSTMCell([[0.5], [0.25], [1], [0.5]], [[0.25], [-0.2], [-0.3], [0.2]], [0, -0.5, 0.25, 0])


def wild():
    return LSTMCell([[0], [0], [0.5], [0]], [[0], [0], [3], [0]], [4, 3, 0, 4])


def gated(seed=0, n=3):
    rng = np.random.default_rng(seed)
    return GRUCell(*(0.3 * rng.standard_normal(shape) for shape in ((3 * n, 2), (3 * n, n), 3 * n, 3 * n)))


def stack():
    rng = np.random.default_rng(1)
    first = LSTMCell(*(0.3 * rng.standard_normal(shape) for shape in ((12, 2), (12, 3), 12)))
    second = GRUCell(*(0.3 * rng.standard_normal(shape) for shape in ((6, 3), (6, 2), 6, 6)))
    return Stack([first, second], [[1, 2]])


@pytest.mark.parametrize("cell", [small(), wild(), gated(), stack()])
def test_a_certificate_survives_the_disk_and_gives_the_same_bounds(cell, tmp_path):
    cert = certify(cell, 0.5, 1.0, levels=ALL, split=2)
    cert.save(tmp_path / "certificate.json")
    again = Certificate.load(tmp_path / "certificate.json", cell)
    assert again.status == cert.status
    for name, result in cert.levels.items():
        assert again.levels[name].rate.rate == result.rate.rate
        assert again.levels[name].recovery.rate == result.recovery.rate
    for epsilon in (0.1, 0.001):
        assert recovery_time_bound(again, epsilon) == recovery_time_bound(cert, epsilon)


def tampered(tmp_path, change, cell=None):
    path = tmp_path / "certificate.json"
    certify(cell or small(), 1.0, 2.0, levels=ALL, split=2).save(path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("level", ALL)
@pytest.mark.parametrize("part", ["rate", "recovery"])
def test_a_lowered_rate_does_not_check(tmp_path, level, part):
    def lower(document):
        document["levels"][level][part]["rate"] *= 0.99

    with pytest.raises(ValueError, match=f"certificate must hold at level {level}"):
        Certificate.load(tampered(tmp_path, lower), small())


def changed_vector(document):
    document["levels"]["C"]["rate"]["vector"][0] *= 3


def negative_vector(document):
    document["levels"]["C"]["rate"]["vector"][0] *= -1


def smaller_box(document):
    document["nominal"]["box"][1][0] *= 0.9


def other_inputs(document):
    document["input_box"] = [[-0.5], [0.5]]


def larger_inputs(document):
    document["input_box"] = [[-3.0], [3.0]]


def false_start(document):
    document["nominal"]["starts"] = [[["-inf", -0.1], ["inf", 0.1]]]


def missing(document):
    del document["anomaly"]


def other_format(document):
    document["format"] = "something"


def other_status(document):
    document["status"] = "refuted"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed_vector, "at level C"),
        (negative_vector, "a positive vector at level C"),
        (smaller_box, "the nominal box"),
        (other_inputs, "the nominal box"),
        (larger_inputs, "its input box inside its anomaly box"),
        (false_start, "an invariant start box"),
        (missing, "whole certificate, got one that fails at 'anomaly'"),
        (other_format, "a file with format"),
        (other_status, "the status 'certified'"),
    ],
)
def test_a_certificate_that_was_tampered_with_does_not_check(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        Certificate.load(tampered(tmp_path, change), small())


def test_a_certificate_of_other_weights_does_not_check(tmp_path):
    path = tampered(tmp_path, lambda document: None)
    other = LSTMCell(small().weight_ih, small().weight_hh, np.nextafter(small().bias, 9))
    with pytest.raises(ValueError, match="cell must have the weights of the certificate"):
        Certificate.load(path, other)
    (tmp_path / "noise").write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match="path must be a certificate in JSON"):
        Certificate.load(tmp_path / "noise", small())


def test_a_false_witness_does_not_check(tmp_path):
    def move(document):
        document["witness"]["second"] = [[x - 0.5 for x in end] for end in document["witness"]["second"]]

    with pytest.raises(ValueError, match="a witness whose trajectories stay apart"):
        Certificate.load(tampered(tmp_path, move, wild()), wild())


def test_infinite_rates_are_written_as_words(tmp_path):
    cell = LSTMCell([[0.0], [0.0], [1.0], [0.0]], np.zeros((4, 1)), [0.0, 800.0, 0.0, 0.0])
    certify(cell, 1.0).save(tmp_path / "c.json")
    document = json.loads((tmp_path / "c.json").read_text())
    assert document["levels"]["C"]["rate"]["rate"] == "inf"
    assert document["tube_steps"] is None
    assert Certificate.load(tmp_path / "c.json", cell).rate == math.inf


def test_the_witness_of_a_bistable_network_never_meets():
    cell = wild()
    cert = certify(cell, 0.1)
    assert cert.status == "refuted"
    x, y = (
        np.array([0.5 * (box.lower + box.upper)]).reshape(2, 1) for box in (cert.witness.first, cert.witness.second)
    )
    for t in range(500):
        u = cert.witness.inputs[t % len(cert.witness.inputs)]
        x, y = cell.step(x, u), cell.step(y, u)
    assert np.abs(x[1] - y[1]).max() >= cert.witness.gap - 1e-9


def test_a_witness_outside_the_sets_or_not_invariant_does_not_hold():
    cert = certify(wild(), 0.1)
    U, Sn, Sa = interval(cert.input_box), cert.nominal.interval, cert.anomaly.interval
    good = cert.witness
    assert witness_holds(cert.stack, good, U, Sn, Sa)
    moved = Interval(good.first.lower * 0.9, good.first.upper * 0.9)
    assert not witness_holds(cert.stack, Witness(good.inputs, moved, good.second, good.gap), U, Sn, Sa)
    assert not witness_holds(cert.stack, Witness(good.inputs + 9, good.first, good.second, good.gap), U, Sn, Sa)
    assert not witness_holds(cert.stack, Witness(good.inputs, good.first, good.second, 2 * good.gap), U, Sn, Sa)
    assert not witness_holds(cert.stack, Witness(good.inputs, good.first, good.first, good.gap), U, Sn, Sa)


def test_networks_that_are_certified_are_never_refuted():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cell = LSTMCell(*(rng.uniform(0.1, 2.0) * rng.standard_normal(shape) for shape in ((8, 1), (8, 2), 8)))
        cert = certify(cell, 1.0, levels=["C"])
        assert cert.status in ("certified", "refuted", "undecided")
        assert not (cert.status == "certified" and cert.witness is not None)
        assert (cert.status == "certified") == (cert.rate < 1)


def test_a_spent_time_budget_puts_level_C_in_the_place_of_R_and_says_so(tmp_path):
    seen = []
    cert = certify(
        small(), 1.0, 2.0, levels=ALL, time_budget=1e-9, progress=lambda name, share: seen.append((name, share))
    )
    assert [name for name, _ in seen] == ["boxes", *ALL]
    assert [share for _, share in seen] == sorted(share for _, share in seen)
    for fine, coarse in (("R", "C"), ("tube_R", "tube_C")):
        assert cert.levels[fine].note == "time budget of 1e-09 s is over: level C instead"
        assert cert.levels[fine].rate.rate == cert.levels[coarse].rate.rate
    found = recovery_time_bound(cert, 0.01)
    assert found.levels["tube_R"].iterate == found.levels["tube_C"].iterate
    cert.save(tmp_path / "c.json")
    assert Certificate.load(tmp_path / "c.json", small()).levels["R"].note


def test_a_torch_module_is_certified_as_its_cells_are():
    torch.manual_seed(0)
    module = torch.nn.GRU(1, 2)
    with torch.no_grad():
        for weight in module.parameters():
            weight *= 0.5
    assert certify(module, 1.0).status == "certified"
    assert certify(module.state_dict(), 1.0).rate == certify(module, 1.0).rate


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"input_bound": -1.0}, ValueError, "input_bound must be >= 0"),
        ({"input_bound": 1.0, "anomaly_bound": 0.5}, ValueError, "anomaly_bound must contain input_bound"),
        (
            {"input_bound": 1.0, "anomaly_bound": Box([0.0], [1.0])},
            ValueError,
            "anomaly_bound must contain input_bound",
        ),
        ({"input_bound": 1.0, "split": 0}, ValueError, "split must be >= 1, got 0"),
        ({"input_bound": 1.0, "levels": ["E"]}, ValueError, "levels must be from A, A2, .*, got 'E'"),
        ({"input_bound": 1.0, "levels": "C"}, TypeError, "levels must be a sequence of names, got 'C'"),
        ({"input_bound": 1.0, "levels": []}, ValueError, "levels must hold at least one name"),
        ({"input_bound": 1.0, "time_budget": 0.0}, ValueError, "time_budget must be a number > 0"),
        ({"input_bound": 1.0, "initial_box": Box([0.0], [0.0])}, ValueError, "initial_box must have 2 coordinates"),
    ],
)
def test_requests_that_make_no_sense_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        certify(small(), **arguments)


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="source must be a torch module or a state_dict, got int"):
        certify(3, 1.0)
