"""What the command line prints, and with which exit status."""

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from strict_json import strict

from lemmata import __version__
from lemmata.papers.registry import PAPERS
from lemmata.theory.learning import observed_chain, partial_concept_bottleneck, partial_concept_bottleneck_bounds

PCBM = "coefficient pcbm --outputs 3 --hidden 2 --concepts 2 --inputs 5 --concept-rank 2 --residual-rank 1"


@pytest.fixture
def lemmata(lemmata):
    """The same, of a line or of a list of words."""
    return lambda words: lemmata(*(words.split() if isinstance(words, str) else words))


@pytest.mark.parametrize("words", ["", "--help", "coefficient --help", "coefficient pcbm --help", "validate --help"])
def test_help_is_help(lemmata, words):
    status, out, err = lemmata(words)
    assert (status, err) == (0, "")
    assert "Usage" in out


def test_the_version_is_printed(lemmata):
    assert lemmata("--version") == (0, f"lemmata {__version__}\n", "")


def test_coefficient_prints_the_exact_value_with_its_theorem_bounds_and_curve(lemmata):
    status, out, err = lemmata(PCBM)
    assert (status, err) == (0, "")
    assert "λ = 23/2 = 11.5" in out
    assert "m = 2" in out
    assert "Aoyagi & Watanabe 2005" in out
    assert "λ ≤ 25/2  (splitting)" in out
    assert "0.115" in out  # λ/n at n = 100


@pytest.mark.parametrize(
    ("words", "value", "multiplicity"),
    [
        ("reduced-rank --outputs 3 --hidden 3 --inputs 4 --rank 1", "5", 2),
        ("deep --widths 2,2,2,2,2 --rank 0", "3/2", 5),
        ("cbm --outputs 3 --concepts 2 --inputs 5", "8", 1),
        ("cbm --outputs 3 --concepts 2 --inputs 5 --concept-rank 1", "13/2", 1),
        ("multitask --outputs 2 --concepts 1 --hidden 2 --inputs 4 --rank 1", "4", 1),
        ("pcbm --outputs 4 --hidden 3 --concepts 3 --inputs 6 --concept-rank 1 --residual-rank 2", "19", 1),
        ("chain --widths 3,3,2,2,2 --observed 1,4 --ranks 1,0", "11/2", 3),
    ],
)
def test_every_family_gives_its_reference_value_within_the_general_bounds(lemmata, words, value, multiplicity):
    status, out, _ = lemmata(f"coefficient {words} --json -")
    data = strict(out)
    assert status == 0
    assert (data["value"]["exact"], data["multiplicity"]) == (value, multiplicity)
    assert data["value"]["float"] == float(Fraction(value))
    bounds = {name: Fraction(bound["exact"]) for name, bound in data["bounds"].items()}
    assert bounds.pop("general_lower") <= Fraction(value) <= min(bounds.values())


def test_biases_and_unknown_noise_reach_the_theory(lemmata):
    chain = "--widths 4,3,3,2,3 --observed 2,4 --ranks 2,1"
    _, out, _ = lemmata(f"coefficient chain {chain} --biases --unknown-noise --json -")
    right = observed_chain([4, 3, 3, 2, 3], [2, 4], [2, 1], biases=True, unknown_noise=True)
    assert strict(out)["value"]["exact"] == str(right.value)
    _, out, _ = lemmata(f"{PCBM} --free-rank 2 --biases --json -")
    bounds = partial_concept_bottleneck_bounds(3, 2, 2, 5, 2, 1, free_rank=2, biases=True)
    assert strict(out)["value"]["exact"] == str(partial_concept_bottleneck(3, 2, 2, 5, 2, 1, biases=True).value)
    assert strict(out)["bounds"]["splitting"]["exact"] == str(bounds.splitting)


def test_a_picture_is_drawn_and_json_written(lemmata, tmp_path):
    status, out, _ = lemmata(f"{PCBM} --n 10,1e3 --plot {tmp_path / 'curve.svg'} --json {tmp_path / 'curve.json'}")
    assert status == 0
    assert "λ = 23/2" in out
    assert "<svg" in (tmp_path / "curve.svg").read_text()
    data = strict((tmp_path / "curve.json").read_text())
    assert data["learning_curve"]["n"] == [10.0, 1000.0]
    assert data["learning_curve"]["generalization_error"] == [1.15, 0.0115]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nonsense", "nonsense"),
        ("coefficient", "name a family"),
        ("coefficient nonsense", "nonsense"),
        ("coefficient pcbm", "--outputs"),
        ("coefficient reduced-rank --outputs 3 --hidden 2 --inputs 4 --rank 5", "--rank must be <= min("),
        ("coefficient reduced-rank --outputs three --hidden 2 --inputs 4 --rank 1", "'--outputs'"),
        ("coefficient reduced-rank --outputs 0 --hidden 2 --inputs 4 --rank 0", "--outputs must be >= 1, got 0"),
        (PCBM.replace("--residual-rank 1", "--residual-rank 3"), "--residual-rank must be <="),
        (f"{PCBM} --free-rank 9", "--free-rank must be <="),
        ("coefficient deep --widths 3,x --rank 0", "--widths must be integers separated by commas, got '3,x'"),
        ("coefficient deep --widths 3,-2,3 --rank 0", "--widths[1] must be >= 1, got -2"),
        ("coefficient chain --widths 3,2,3 --observed 1 --ranks 1", "--observed must end with the output layer 2"),
        (f"{PCBM} --n 1,10", "--n must be finite numbers > 1"),
        (f"{PCBM} --n ten", "--n must be numbers separated by commas"),
        (f"{PCBM} --plot /nowhere/x.png", "--plot must name a file that can be written"),
        (f"{PCBM} --json /nowhere/x.json", "--json must name a file that can be written"),
        ("validate --paper nobody", "--paper must be one of reduced_rank, deep_linear"),
        ("validate --profile slow", "--profile must be one of quick, full, got 'slow'"),
        ("validate --seed -1", "--seed must be an integer >= 0 and below 2^63, got -1"),
        ("validate --jobs 0", "--jobs must be >= 1, got 0"),
        ("validate --json /nowhere/x.json", "--json must name a file that can be written"),
        ("validate --sed 1", "--sed"),
        ("claims --paper nobody", "--paper must be one of"),
    ],
)
def test_a_wrong_command_line_gets_one_line_that_says_what_to_change(lemmata, words, said):
    status, out, err = lemmata(words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_picture_in_an_unknown_format_is_refused(lemmata, tmp_path):
    status, _, err = lemmata(f"{PCBM} --plot {tmp_path / 'curve.xyz'}")
    assert status == 2
    assert "--plot must end in" in err
    assert not (tmp_path / "curve.xyz").exists()


def test_claims_are_listed_with_what_they_must_refute(lemmata):
    status, out, _ = lemmata("claims")
    assert status == 0
    assert all(name in out for name in PAPERS)
    assert all(variant.words in out for claims in PAPERS.values() for c in claims for variant in c.false_variants)


def test_the_doctor_finds_this_installation_sound(lemmata):
    status, out, _ = lemmata("doctor --json -")
    facts = strict(out)
    assert status == 0
    assert facts["lemmata"]["value"] == __version__
    assert facts["layout"]["value"].startswith("sound")
    assert all(fact["sound"] for fact in facts.values())


def test_validate_prints_the_table_and_writes_the_run(lemmata, tmp_path):
    status, out, _ = lemmata(f"validate --paper reduced_rank --jobs 2 --json {tmp_path / 'run.json'}")
    data = strict((tmp_path / "run.json").read_text())
    assert status == 0
    assert all(word in out for word in ("paper", "claim", "case", "theory", "simulation ± error", "verdict"))
    assert f"{len(data['rows'])} supported of {data['planned']} rows" in out
    assert {row["verdict"] for row in data["rows"]} == {"supported"}
    assert all(variant["refuted"] for row in data["rows"] for variant in row["false_variants"])


def test_a_paper_is_a_script_with_the_same_manners():
    script = [sys.executable, "-W", "error", "-m", "lemmata.papers.concept_bottleneck"]
    wrong = subprocess.run([*script, "--profile", "slow"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "quick" in wrong.stderr
    right = subprocess.run([*script, "--profile", "quick"], capture_output=True, text=True, check=False)
    assert right.returncode == 0, right.stderr
    assert "concept_bottleneck" in right.stdout


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent to a POSIX process group")
def test_ctrl_c_prints_what_was_finished():
    command = [sys.executable, "-m", "lemmata", "validate", "--profile", "full"]
    run = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # shells start jobs in the background deaf to it
    )
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    waited = time.monotonic()
    while children.exists() and len(children.read_text().split()) < 2 and time.monotonic() < waited + 60:
        time.sleep(0.05)  # until there are workers
    time.sleep(1.0 if children.exists() else 8.0)  # within the run: a full profile takes minutes
    os.killpg(run.pid, signal.SIGINT)
    try:
        out, err = run.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        raise
    assert run.returncode == 130
    assert "not finished" in out
    assert "Traceback" not in err
