"""What the README tells people to run does run, and what it shows is what the program knows."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lemmata.papers.registry import PAPERS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PRINTED = (
    "λ = 11, m = 1",  # (M r₂ + N H₂)/2 + λ_RRR(2, 2, 4; 1) = 8 + 3 by hand
    "<- chosen",
    "nats with probability 0.999 (",  # the certified estimate, after the bracket
    "unstable_step: ",
    "mean |bias|/λ of devinterp_sgld",
    "supported\n",
)


@pytest.mark.parametrize(("block", "printed"), list(zip(BLOCKS, PRINTED, strict=True)))
def test_the_examples_run(block, printed, tmp_path):
    if "devinterp" in block and importlib.util.find_spec("devinterp") is None:
        pytest.skip("devinterp is another library, which the tests do not install")
    script = tmp_path / "example.py"
    script.write_text(block, encoding="utf-8")
    done = subprocess.run([sys.executable, "-X", "utf8", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_the_table_shown_has_the_claims_as_they_are():
    shown = README.partition("<!-- validate -->")[2].partition("```\n\n")[0]
    for claim in PAPERS["partial_concept_bottleneck"]:
        assert claim.name in shown
        for case in claim.cases:
            assert case.name in shown
            if claim.relation != "never exceeds":
                assert f"{claim.theory_at(case.arguments):.4f}" in shown


def test_the_coefficient_shown_is_what_the_command_prints(tmp_path):
    shown = README.partition("<!-- coefficient -->\n```\n$ ")[2].partition("\n```")[0]
    command, _, output = shown.partition("\n")
    words = command.replace("\\\n", " ").split()[1:]
    done = subprocess.run([sys.executable, "-m", "lemmata", *words], capture_output=True, text=True, check=True)
    assert [line.rstrip() for line in done.stdout.splitlines()] == [line.rstrip() for line in output.splitlines()]


@pytest.mark.parametrize("name", ["entropy", "certify"])
def test_what_is_shown_of_a_file_is_what_the_command_prints(name):
    shown = README.partition(f"<!-- {name} -->\n```\n$ ")[2].partition("\n```")[0]
    command, _, output = shown.partition("\n")
    words = [sys.executable, "-m", "lemmata", *command.split()[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    # the draws are those of the seed; their sums may differ in the last bits between processors, what is shown not
    assert [line.rstrip() for line in done.stdout.splitlines()] == output.splitlines()


def test_the_files_that_the_readme_points_to_exist():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make (\w+)", README):
        assert f"\n{target}:" in targets or target not in ("validate", "test"), target
