"""The worked example runs, keeps its promises, and leaves networks that can be loaded without trust."""

import contextlib
import importlib.util
import io
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lemmata.theory.resilience import cells_from_torch, certify, recovery_time_bound

EXAMPLE = Path(__file__).parents[2] / "examples" / "resilient_identification.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("resilient_identification", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def run(example, tmp_path_factory):
    """What a quick run prints, and the folder with what it saves."""
    folder = tmp_path_factory.mktemp("example")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        example.main(["--quick", "--save", str(folder / "models"), "--plot", str(folder / "curve.png")])
    return printed.getvalue().splitlines(), folder


def cells_of(line):
    return line.replace(" of ", "/").split()


def test_the_example_prints_a_row_for_each_plant_and_penalty_and_saves_its_picture(run):
    lines, folder = run
    rows = [cells_of(line)[:2] for line in lines if line.startswith(("tanks", "motor"))]
    assert rows == [[plant, kind] for plant in ("tanks", "motor") for kind in ("none", "A", "C", "T")]
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_no_simulated_recovery_is_longer_than_the_bound(run):
    lines, _ = run
    assert any(line.startswith("bounds that a simulated recovery exceeded: 0 of 8") for line in lines)
    for line in lines:
        if line.startswith(("tanks", "motor")):
            *_, bound, seen = cells_of(line)
            assert float(seen) <= float(bound)


def test_a_saved_network_loads_as_weights_only_and_has_the_bound_of_its_row(run):
    lines, folder = run
    assert len(list((folder / "models").iterdir())) == 8
    state = torch.load(folder / "models" / "tanks_T_40_0.pt", weights_only=True)
    network = cells_from_torch(state, output="reading")
    bound = recovery_time_bound(certify(network, 1.0, 3.0, levels=("A", "C", "tube_C")), 0.05).value
    row = next(cells_of(line) for line in lines if line.startswith("tanks   T"))
    assert float(row[-2]) == bound


def test_every_penalty_lowers_the_rate_that_it_is_about(example):
    torch.set_num_threads(1)
    models = {recipe.kind: example.train("motor", recipe, 60, 0) for recipe in example.QUICK}
    rates = {}
    for kind, model in models.items():
        certificate = certify(cells_from_torch(model), 1.0, 3.0, levels=("A", "C"))
        rates[kind] = {level: certificate.levels[level].rate.rate for level in ("A", "C")}
    assert rates["A"]["A"] < rates["none"]["A"]
    assert rates["C"]["C"] < rates["none"]["C"]
    assert rates["T"]["C"] < rates["none"]["C"]


def test_the_simulated_plants_rest_where_their_equations_say(example):
    """Levels with 0.2 + 0.15 u = 0.4 √x, both tanks alike; a speed with 1.2 (u − 0.3 w) = w / 2 + 0.2 tanh 5 w."""
    for u in (-0.5, 0.0, 1.0):
        inputs = np.full((1, 400), u)
        level = ((0.2 + 0.15 * u) / 0.4) ** 2
        assert example.tanks(inputs)[0, -1] == pytest.approx((level - 0.3) / 0.25, abs=1e-9)
        w = example.motor(inputs)[0, -1]
        assert 1.2 * (u - 0.3 * w) == pytest.approx(w / 2 + 0.2 * math.tanh(5 * w), abs=1e-9)
