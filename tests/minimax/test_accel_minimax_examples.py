"""The worked examples run, shortened, and their tables say what the theorems demand."""

import importlib.util
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(params=["eight_gaussians", "two_domains"])
def name(request):
    return request.param


@pytest.fixture
def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


SHORT = {
    "eight_gaussians": ["--steps", "25", "--points", "32"],
    "two_domains": ["--steps", "12", "--seeds", "1", "--points", "40"],
}


def test_the_example_prints_its_table_and_what_is_promised_is_kept(name, example, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    example.main([*SHORT[name], "--plot", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line[:1].isdigit()]
    assert len(rows) == 4
    if name == "eight_gaussians":
        assert [row[0] for row in rows] == ["1", "30", "200", "3000"]
        assert [row[1] for row in rows] == ["yes", "no,", "no,", "no,"]
        first, arrow, last, rises, slope = rows[0][2:7]
        assert (arrow, rises) == ("->", "0")
        assert float(last) < float(first)
        assert float(slope) <= 1
        return
    assert [row[:2] for row in rows] == [["0", "1"], ["5", "1"], ["5", "10"], ["5", "5000"]]
    assert [row[2] for row in rows] == ["1", "1", "0", "0"]  # of 1
    assert [row[6] for row in rows[:2]] == ["0", "0"]  # rises
    assert float(rows[1][7]) < float(rows[0][7])  # the divergence with ω = 5 and without
