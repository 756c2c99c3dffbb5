"""The benchmarks: their page says what their files say, and the smoke run tells a fall from none."""

import json
import subprocess
import sys
from pathlib import Path

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
