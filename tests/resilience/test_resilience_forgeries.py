"""Certificates made to deceive do not load."""

import json

import numpy as np
import pytest

from lemmata.theory.resilience import Certificate, LSTMCell, certify
from lemmata.theory.resilience.structured_proof import StructuredProof

SMALL = LSTMCell([[0.5], [0.25], [1], [0.5]], [[0.25], [-0.2], [-0.3], [0.2]], [0, -0.5, 0.25, 0])


def cell_of(seed=0, units=3):
    rng, width = np.random.default_rng(seed), 1 / units**0.5
    return LSTMCell(*(rng.uniform(-width, width, shape) for shape in ((4 * units, 2), (4 * units, units), 4 * units)))


CELL = cell_of()


@pytest.fixture(scope="module")
def true(tmp_path_factory):
    """A certificate by levels C, D and S, as JSON."""
    file = tmp_path_factory.mktemp("certificates") / "true.json"
    certify(CELL, 0.2, 0.25, levels=("C", "D", "S")).save(file)
    return file.read_text()


def load(document, folder, cell=CELL):
    file = folder / "forged.json"
    file.write_text(json.dumps(document))
    return Certificate.load(file, cell)


def test_the_true_one_loads(true, tmp_path):
    loaded = load(json.loads(true), tmp_path)
    assert loaded.status == "certified"
    assert loaded.levels["S"].certified


def test_a_witness_without_inputs_refutes_nothing(tmp_path):
    file = tmp_path / "c.json"
    certify(SMALL, 1.0, levels=("C",)).save(file)
    document = json.loads(file.read_text())
    low, high = map(np.array, document["nominal"]["box"])
    ends = [list(0.9 * low + 0.1 * high), list(0.1 * low + 0.9 * high)]
    gap = 0.5 * (ends[1][1] - ends[0][1])
    document["levels"], document["status"] = {}, "refuted"
    document["witness"] = {
        "inputs": [], "first": [ends[0]] * 2, "second": [ends[1]] * 2, "gap": gap, "output_gap": gap, "frame": None,
        "growing": 0,
    }  # fmt: skip
    with pytest.raises(ValueError, match="a witness whose trajectories stay apart"):
        load(document, tmp_path, SMALL)


@pytest.mark.parametrize("name", ["tube_S", "tube_D", "Q"])
def test_levels_that_do_not_exist_are_refused(true, tmp_path, name):
    document = json.loads(true)
    rate = {"rate": document["levels"]["S"]["rate"]["rate"] * (1 + 1e-9), "vector": [1.0], "spectral_radius": 0.5}
    document["levels"][name] = document["levels"]["C"] | {"rate": rate, "recovery": rate}
    with pytest.raises(ValueError, match="certificate must hold levels from"):
        load(document, tmp_path)


def change_norm(proof):
    proof["norm"][0][1] *= 1 + 1e-12


def tiny(proof):
    d = len(proof["norm"])
    proof["norm"], proof["multipliers"] = (5e-324 * np.eye(d)).tolist(), [2.5e-323] * (3 * d)
    proof["rates"] = ["inf"] * (len(proof["rates"]) - 1) + [0.5]


def many_stages(proof):
    proof["stages"] = 3000


@pytest.mark.parametrize("change", [change_norm, tiny, many_stages])
def test_a_proof_of_level_s_that_was_touched_is_refused(true, tmp_path, change):
    document = json.loads(true)
    for proof in document["levels"]["S"]["structured"]:
        if proof is not None:
            change(proof)
    with pytest.raises(ValueError, match="certificate must hold"):
        load(document, tmp_path)


def test_the_proof_for_other_inputs_does_not_stand_in(tmp_path):
    cell, file = cell_of(0, 8), tmp_path / "reachable.json"
    certify(cell, 0.5, 0.6, levels=("S",)).save(file)
    document = json.loads(file.read_text())
    first, second = document["levels"]["S"]["structured"]
    assert first["start"] != second["start"]  # sets that inputs in U, and in U_a, never leave
    document["levels"]["S"]["structured"] = [first, first]
    document["levels"]["S"]["recovery"] = document["levels"]["S"]["rate"]
    with pytest.raises(ValueError, match="bounds at level S that the states never leave"):
        load(document, tmp_path, cell)


def test_a_norm_that_is_not_positive_proves_no_rate(true):
    proof = certify(CELL, 0.2, levels=("S",)).levels["S"].structured
    assert proof.checks(CELL)
    rates = np.full(len(proof.rates), np.inf)
    flipped = StructuredProof(proof.whole, proof.stages, -proof.norm, proof.multipliers, rates)
    assert not flipped.checks(CELL)


def test_a_start_outside_the_range_of_h_and_boxes_of_other_sizes_are_refused(true, tmp_path):
    document = json.loads(true)
    document["initial_box"] = [[0.0, 0, 0, -5, -5, -5], [0.0, 0, 0, 5, 5, 5]]
    with pytest.raises(ValueError, match=r"initial_box must keep h within \[-1, 1\]"):
        load(document, tmp_path)
    document = json.loads(true)
    for key in ("input_box", "anomaly_box"):
        document[key] = [[-0.2], [0.2]]
    with pytest.raises(ValueError, match="certificate must have boxes of 2 inputs"):
        load(document, tmp_path)


def test_no_part_is_no_split(true, tmp_path):
    document = json.loads(true)
    document["split"] = 0
    with pytest.raises(ValueError, match="split of the certificate must be >= 1, got 0"):
        load(document, tmp_path)
