"""The benchmarks: their page says what their files say, and the smoke run tells a fall from none."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(script: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / script), *options], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_of_results_is_the_one_that_the_files_of_results_make() -> None:
    run("run.py", "--check")


def test_the_smoke_run_reports_a_ratio_that_fell_by_more_than_thirty_percent_and_no_other(tmp_path: Path) -> None:
    measured, before = tmp_path / "measured.json", tmp_path / "before.json"
    options = ("--only", "import lemmata", "--repeats", "1")
    assert "nothing is compared" in run("smoke.py", *options, "--against", str(before), "--json", str(measured))
    (row,) = json.loads(measured.read_text())["rows"]
    for factor, fell in ((20.0, True), (0.05, False)):  # far beyond what another process beside it changes
        before.write_text(json.dumps({"smoke": {"rows": [{"ratio": row["ratio"], "now": row["now"] * factor}]}}))
        seen = run("smoke.py", *options, "--against", str(before))
        assert ("SLOWER THAN COMMITTED: import lemmata" in seen) == fell
        assert ("Nothing has become slower" in seen) != fell


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    for name in ("answer", "targets", "run"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        monkeypatch.setenv(name, "1")  # what the scripts set; undone after the test
    return importlib.import_module("run")


def table(runner, question, rows, machine_class="one"):
    return runner.answer.Answer(question, dict.fromkeys(rows[0], ""), rows, machine_class=machine_class)


def test_a_table_replaces_its_own_and_leaves_the_others(runner, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    for name, value in (("scaling", 1), ("limits", 2), ("scaling", 3)):
        runner.add(name, table(runner, name, [{"a": value}]))
    runner.add("limits", table(runner, "limits", [{"a": 4}], "two"))
    found = runner.classes()
    assert {k: {name: each.rows for name, each in tables.items()} for k, tables in found.items()} == {
        "one": {"limits": [{"a": 2}], "scaling": [{"a": 3}]},
        "two": {"limits": [{"a": 4}]},
    }
    page = runner.rendered(found)
    assert page.count("(#limits)") == page.count("(#limits-1)") == 1  # two headings of one name


def test_targets_tell_met_from_missed_from_not_measured(runner):
    rows = [{"route": "exact", "shapes": 100_000, "CPU s": seconds} for seconds in (0.5, 4.0)]
    line = "| 100 000 exact coefficients, CPU seconds | ≤ 5 | {} |"
    assert line.format("4 | yes") in runner.targets.markdown({"learning_table": table(runner, "t", rows)})
    rows[0]["CPU s"] = 5.5
    page = runner.targets.markdown({"learning_table": table(runner, "t", rows)})
    assert line.format("5.5 | no") in page
    assert "Missed:" in page
    assert "| sweep with simulation, two processes, × one | ≥ 1.8 | not measured | - |" in page
    assert runner.targets.markdown({}) == ""
