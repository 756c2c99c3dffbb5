"""The worked example runs, and its table says what the theory demands."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "variational_mixture.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("variational_mixture", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_prints_a_row_for_each_entropy_term_and_saves_its_picture(example, tmp_path, capsys):
    picture = tmp_path / "mixture.png"
    example.main(["--steps", "4", "--draws", "50", "--plot", str(picture)])
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0]: line for line in lines}
    assert {"bound", "sampled", "no gap"} <= set(rows)
    assert " 1,024 " in rows["sampled"]  # 4 steps of 16 draws and 4 components, with 4 densities each
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_bound_never_exceeds_the_entropy_and_the_approximation_never_falls_short(example):
    inputs, outputs = example.standardised()
    q = example.fit(example.TERMS["sampled"], inputs, outputs, 3, seed=0).mixture
    low, high = example.entropy.estimate_gap(q, 1e-3).entropy_interval
    assert example.TERMS["bound"](q, None).item() <= high
    assert example.TERMS["no gap"](q, None).item() >= low


def test_mirror_images_explain_the_data_equally(example):
    inputs, outputs = example.standardised()
    q = example.fit(example.TERMS["no gap"], inputs, outputs, 1, seed=0).mixture
    mirrored = q.means.clone()
    mirrored[:, : example.INPUTS + 2] *= -1
    seen = [example.log_joint(means, inputs, outputs) for means in (q.means, mirrored)]
    assert seen[0].tolist() == pytest.approx(seen[1].tolist(), rel=1e-12)
