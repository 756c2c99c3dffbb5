"""`lemmata certify`: what it prints, writes, draws, checks and refuses."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_files import BISTABLE, BLOCKS, QUICK, Reader, tensors
from strict_json import strict

from lemmata.theory.resilience import Certificate, cells_from_torch, certify, recovery_time_bound, weights_sha256

LEVELS = ["A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R", "S"]


# ---- what is said


def test_the_json_has_the_reference_numbers_and_every_level(lemmata, saved):
    file = saved(tensors(BLOCKS))
    words = ("--anomaly-bound", 2, "--epsilon", 0.1, "--split", 2, "--json", "-")
    status, out, err = lemmata("certify", file, *words)
    assert (status, err) == (0, "")
    data = strict(out)
    assert data["status"] == "certified"
    assert list(data["levels"]) == LEVELS
    steps = {name: level["recovery_time"] for name, level in data["levels"].items()}
    assert {name: steps[name] for name in ("A", "B", "C", "tube_C")} == {"A": 151, "B": 9, "C": 8, "tube_C": 7}
    assert steps["A2r"] == 9
    radii = {name: level["spectral_radius"] for name, level in data["levels"].items()}
    assert radii["A"] == pytest.approx(0.982775779055, rel=2e-6)  # what rounding outward adds
    assert radii["B"] == pytest.approx(0.715607149055, rel=2e-6)
    assert radii["C"] == pytest.approx(0.660298642869, rel=2e-6)
    assert radii["tube_R"] == pytest.approx(0.655745448349, rel=2e-6)
    assert data["recovery_time"] == min(steps.values())
    assert data["epsilon"] == 0.1
    cell = cells_from_torch(torch.load(file, weights_only=True))
    assert data["weights_sha256"] == weights_sha256(cell)
    assert 1 <= data["worst_found"] <= data["recovery_time"]
    assert data["ratio"] == data["recovery_time"] / data["worst_found"]
    assert data["sampled"]["longest"] <= data["worst_found"]


def test_what_is_printed_is_what_is_written(lemmata, saved, tmp_path):
    status, out, err = lemmata("certify", saved(tensors(BLOCKS)), "--json", tmp_path / "run.json")
    assert (status, err) == (0, "")
    data = strict((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert "LSTMCell(1 unit, 1 input), y = h\ninputs |u| ≤ 1, anomalies |u| ≤ 3\nstatus: certified" in out
    for name, level in data["levels"].items():
        cells = (f"{level['spectral_radius']:.6f}", f"{level['rate_for_recovery']:.6f}", f"{level['recovery_time']}")
        assert re.search(rf"^{name} +{' +'.join(map(re.escape, cells))} ", out, re.MULTILINE), name
    assert f"recovery time ≤ {data['recovery_time']} steps" in out
    assert f"recovery time ≥ {data['worst_found']} steps, the worst of {data['pairs_searched']} pairs" in out
    assert f"(bound / found = {data['ratio']:.3g})" in out
    assert f"sampled: at most {data['sampled']['longest']} steps in 1000 anomalies" in out
    assert "rarer than 0.3% with confidence 95%" in out


def test_a_refuted_network_says_inf_and_leaves_with_status_1(lemmata, saved, tmp_path):
    words = ("--input-bound", 0.1, "--anomaly-bound", 0.1, "--plot", tmp_path / "r6.svg")
    status, out, _ = lemmata("certify", saved(tensors(BISTABLE)), *words)
    assert status == 1
    # h stays within 0.9820137900 of the references on either side
    assert "status: refuted, under a constant input two trajectories stay 1.96403 apart" in out
    assert "recovery time ≤ inf steps" in out
    assert "recovery time = inf" in out
    status, out, _ = lemmata("certify", saved(tensors(BISTABLE)), *words[:4], "--json", "-", *QUICK)
    data = strict(out)
    assert (status, data["status"], data["recovery_time"], data["worst_found"]) == (1, "refuted", "inf", "inf")
    assert all(level["recovery_time"] == "inf" for level in data["levels"].values())
    assert data["ratio"] is None


def test_an_undecided_network_is_not_called_unstable(lemmata, saved):
    # level R gives 1.351, and simulations settle
    status, out, _ = lemmata("certify", saved(Reader(scale=0.4).state_dict()), *QUICK)
    assert status == 1
    assert "status: undecided, neither a proof nor a counterexample was found" in out
    assert "unstable" not in out


def test_a_cell_without_a_bound_gives_inf_and_no_simulation(lemmata, saved):
    weights = tensors(BLOCKS)
    weights["bias_ih_l0"] = torch.tensor([0.0, 800.0, 0.0, 0.0])
    status, out, _ = lemmata("certify", saved(weights), "--json", "-")
    data = strict(out)
    assert (status, data["status"], data["recovery_time"], data["worst_found"]) == (1, "undecided", "inf", None)
    assert data["levels"]["C"]["spectral_radius"] == "inf"
    assert data["levels"]["C"]["note"].startswith("not evaluated")


def test_bounds_and_boxes_reach_the_theory(lemmata, saved, tmp_path):
    file, net = saved(Reader().state_dict()), Reader()
    box = tmp_path / "box.json"
    box.write_text(json.dumps({"lower": [-1.0, 0.0], "upper": [0.5, 4.0]}))
    words = ("--input-box", box, "--epsilon", 0.01, "--output", "head", "--json", "-", *QUICK)
    status, out, _ = lemmata("certify", file, *words)
    data = strict(out)
    assert data["input_box"] == {"lower": [-1.0, 0.0], "upper": [0.5, 4.0]}
    assert data["anomaly_box"] == {"lower": [-3.0, -3.0], "upper": [3.0, 4.0]}  # ±3, stretched to hold the inputs
    from lemmata.theory.resilience import Box

    right = certify(
        cells_from_torch(net, output="head"), Box([-1.0, 0.0], [0.5, 4.0]), Box([-3.0, -3.0], [3.0, 4.0]), split=3
    )
    assert status == 0
    assert data["recovery_time"] == recovery_time_bound(right, 0.01).value
    assert data["outputs"] == 1
    _, out, _ = lemmata("certify", file, "--input-bound", 0.5, "--anomaly-bound", 0.7, "--json", "-", *QUICK)
    assert strict(out)["input_box"] == {"lower": [-0.5, -0.5], "upper": [0.5, 0.5]}
    assert strict(out)["anomaly_box"]["upper"] == [0.7, 0.7]


def test_a_longer_search_keeps_the_bound_and_what_was_found(lemmata, saved):
    file = saved(Reader().state_dict())
    short, long = (
        strict(lemmata("certify", file, "--json", "-", "--epsilon", 0.01, *more)[1]) for more in ((), ("--search", 3))
    )
    assert long["recovery_time"] == short["recovery_time"]
    assert short["worst_found"] <= long["worst_found"] <= long["recovery_time"]
    assert long["pairs_searched"] > short["pairs_searched"] or long["worst_found"] == long["recovery_time"]


def test_the_seed_decides_what_is_sampled(lemmata, saved):
    file = saved(tensors(BLOCKS))
    one, two = (lemmata("certify", file, "--json", "-", "--seed", 3)[1] for _ in range(2))
    assert one == two


def test_a_network_that_the_example_trained_is_certified_from_its_file(lemmata, saved):
    place = Path(__file__).parents[1] / "examples" / "resilient_identification.py"
    spec = importlib.util.spec_from_file_location("resilient_identification", place)
    example = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = example  # its dataclasses look themselves up
    spec.loader.exec_module(example)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    recipe = next(one for one in example.RECIPES if one.kind == "C")
    model = example.train("tanks", recipe, 100, 0)
    torch.set_num_threads(threads)
    status, out, _ = lemmata("certify", saved(model.state_dict()), "--output", "reading", "--json", "-")
    data = strict(out)
    assert (status, data["status"]) == (0, "certified")
    assert 0 < data["sampled"]["longest"] <= data["worst_found"] <= data["recovery_time"] < math.inf
    own = example.judge("tanks", model, 50, 0)  # by fewer levels
    assert own.seen <= data["recovery_time"] <= own.bound
    assert data["levels"]["tube_C"]["recovery_time"] == own.bound


# ---- certificates


def test_a_saved_certificate_is_checked_and_gives_the_same_bounds(lemmata, saved, tmp_path):
    file, kept = saved(Reader(layers=2).state_dict()), tmp_path / "kept.json"
    words = ("--output", "head", "--json", "-", *QUICK)
    status, out, _ = lemmata("certify", file, *words, "--certificate", kept)
    assert status == 0
    again = lemmata("certify", file, *words, "--check", kept)
    assert again[0] == 0
    assert strict(again[1]) == strict(out)
    assert Certificate.load(kept, cells_from_torch(Reader(layers=2), output="head")).status == "certified"
    _, shown, _ = lemmata("certify", file, "--output", "head", "--check", kept, *QUICK)
    assert f"{kept} holds: checked by interval steps and multiplications alone" in shown


def test_a_certificate_that_does_not_hold_is_refused(lemmata, saved, tmp_path):
    file, kept = saved(tensors(BLOCKS)), tmp_path / "kept.json"
    lemmata("certify", file, "--certificate", kept, *QUICK)
    other = {name: 1.01 * value for name, value in tensors(BLOCKS).items()}
    assert "kept.json: cell must have the weights of the certificate" in refused(
        lemmata, saved(other, "other.pt"), "--check", kept
    )
    document = json.loads(kept.read_text())
    document["levels"]["C"]["recovery"]["rate"] = 0.1
    kept.write_text(json.dumps(document))
    assert "must hold at level C, recovery: rate 0.1, got 0.7" in refused(lemmata, file, "--check", kept)
    kept.write_text("{}")
    assert "kept.json: must be a file with format" in refused(lemmata, file, "--check", kept)
    assert "--check must name a file that can be read" in refused(lemmata, file, "--check", tmp_path / "none")
    assert "--check must come without bounds" in refused(lemmata, file, "--check", kept, "--input-bound", 1)


# ---- pictures


@pytest.mark.parametrize(
    ("weights", "suffix", "more"),
    [
        (tensors(BLOCKS), "png", ()),
        (tensors(BISTABLE), "svg", ()),
        ({name: 0 * value for name, value in tensors(BLOCKS).items()}, "png", ()),  # never a deviation
        ({**tensors(BLOCKS), "bias_ih_l0": torch.tensor([0.0, 800.0, 0.0, 0.0])}, "pdf", ()),  # no boxes
        (Reader(2, torch.nn.GRU).state_dict(), "png", ("--output", "head")),
        (tensors(BLOCKS), "svg", QUICK),
    ],
    ids=["certified", "refuted", "zero", "no boxes", "stack of GRUs", "not searched"],
)
def test_a_picture_is_drawn_of_any_network(lemmata, saved, tmp_path, weights, suffix, more):
    picture = tmp_path / f"recovery.{suffix}"
    _, _, err = lemmata("certify", saved(weights), "--plot", picture, *more)
    assert err == ""
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(begins)
    assert picture.stat().st_size > 8_000


def test_the_picture_shows_the_bound_above_what_was_found_and_their_times():
    from matplotlib.figure import Figure

    from lemmata.cli.longest_recovery import sample, search
    from lemmata.cli.recovery_picture import draw_deviations, draw_levels

    certificate = certify(cells_from_torch(tensors(BLOCKS)), 1.0, 2.0)
    recovery = recovery_time_bound(certificate, 0.1)
    found = search(certificate, 0.1, recovery.value, None, 0)
    sampled = sample(certificate, 0.1, recovery.value, 0)
    left, right = Figure().subplots(1, 2)
    draw_deviations(certificate, recovery, found, sampled, left)
    lines = {line.get_label(): line.get_ydata() for line in left.lines}
    (bound,) = (y for label, y in lines.items() if label.startswith(f"bound by level {recovery.level}"))
    worst = lines["worst pair found"]
    assert (worst <= bound[: len(worst)] + 1e-12).all()
    assert worst[found.recovery_time - 1] > 0.1 >= worst[found.recovery_time :].max()
    assert (lines["median of 1000 sampled anomalies"] <= bound[: len(worst)] + 1e-12).all()
    draw_levels(recovery, found.recovery_time, sampled.times.largest, right)
    widths = [patch.get_width() for patch in right.patches]
    assert widths == [level.value for level in recovery.levels.values()]
    assert [line.get_xdata()[0] for line in right.lines] == [found.recovery_time, sampled.times.largest]


# ---- what is refused


def refused(lemmata, *words):
    status, out, err = lemmata("certify", *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--epsilon 0", "--epsilon must be a finite number > 0, got 0.0"),
        ("--epsilon nan", "--epsilon must be a finite number > 0, got nan"),
        ("--epsilon small", "'--epsilon'"),
        ("--input-bound -1", "--input-bound must be >= 0, got -1"),
        ("--input-bound nan", "--input-bound must be finite, got nan"),
        ("--anomaly-bound 0.5", "--anomaly-bound must contain"),
        ("--anomaly-bound inf", "--anomaly-bound must be finite, got inf"),
        ("--input-bound 1 --input-box box.json", "--input-box must be given instead of --input-bound"),
        ("--input-box none.json", "--input-box must name a file that can be read, got none.json"),
        ("--input-box model.pt", "--input-box must end in .npz or .json"),
        ("--input-box wide.json", "--input-box must have 1 coordinates, got a box of 2"),
        ("--input-box crossed.json", "crossed.json: lower must be <= upper"),
        ("--input-box half.json", "half.json: must hold arrays named lower, upper, got lower without upper"),
        ("--split 0", "--split must be >= 1, got 0"),
        ("--time-budget 0", "--time-budget must be a number > 0, got 0.0"),
        ("--search -1", "--search must be a finite number of seconds >= 0, got -1.0"),
        ("--seed -1", "--seed must be an integer >= 0, got -1"),
        ("--output head", "--output must name a linear layer, one of none, got 'head'"),
        ("--json /nowhere/x.json", "--json must name a file that can be written"),
        ("--certificate /nowhere/x.json", "--certificate must name a file that can be written"),
        ("--plot /nowhere/x.png", "--plot must name a file that can be written"),
        ("--plot x.xyz", "--plot must end in .png, .pdf or .svg"),
        ("--nonsense", "--nonsense"),
    ],
)
def test_a_wrong_option_gets_one_line_that_says_what_to_change(lemmata, saved, tmp_path, monkeypatch, words, said):
    file = saved(tensors(BLOCKS))
    monkeypatch.chdir(tmp_path)
    for name, box in (
        ("wide", {"lower": [0, 0], "upper": [1, 1]}),
        ("crossed", {"lower": [1], "upper": [0]}),
        ("half", {"lower": [1]}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(box))
    before = sorted(os.listdir(tmp_path))
    assert said in refused(lemmata, file, *words.split())
    assert sorted(os.listdir(tmp_path)) == before


def test_a_file_is_asked_for(lemmata):
    assert "MODEL" in refused(lemmata)


def test_help_needs_no_heavy_library():
    program = (
        "import sys\nfrom lemmata.cli import main\ntry:\n    main(['certify', '--help'])\nexcept SystemExit: pass\n"
        "print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", program], capture_output=True, text=True, check=True)
    help_text, _, loaded = done.stdout.partition("loaded:")
    assert "--anomaly-bound" in help_text
    assert {"numpy", "numba", "matplotlib", "torch", "scipy", "onnx", "safetensors"}.isdisjoint(loaded.split())
