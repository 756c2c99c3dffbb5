"""Claims from a reader's file or from an installed package are run like those of the papers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lemmata.papers.engine.campaign import run
from lemmata.papers.engine.claim_sources import GROUP, claims_from, plugins
from lemmata.papers.engine.profile import Profile
from lemmata.papers.engine.verdict import Verdict

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_claims.py"
SMALL = Profile("small", first=8, step=8, most=24, effort=1.0, trials=100, level=1e-2)

CLAIM = """
import os
from lemmata.papers.engine.claim import Case, Claim, FalseVariant, Relation
from lemmata.theory.estimate import Estimate

HALF = 0.5


def spread(rng):
    return 0.01 * rng.standard_normal()


def simulate(case, rng, effort):
    return Estimate(HALF + spread(rng), 0.01, 1, 1.0, f"process {os.getpid()}")


def theory(k):
    return HALF


CLAIMS = [
    Claim("half", "mine", "page 1", "It is a half.", Relation.EQUALS, theory, simulate,
          tuple(Case(str(k), {"k": k}) for k in range(4)), 0.1, "near enough", (FalseVariant("one", lambda k: 1.0),)),
]
"""


@pytest.fixture
def written(tmp_path):
    """A file of the given text."""

    def write(text, name="claims.py"):
        file = tmp_path / name
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed distribution that offers its claims as `halves`, and one that is broken."""
    (tmp_path / "halves.py").write_text(CLAIM)
    info = tmp_path / "halves-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
    points = ("halves = halves:CLAIMS", "missing = halves:NOTHING", "gone = no_such_module_of_halves:CLAIMS")
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *points]) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("halves", None)


def lemmata(*words, path=""):
    """The command in a process of its own: its exit status, output and complaints."""
    paths = os.pathsep.join(filter(None, [str(path), os.environ.get("PYTHONPATH", "")]))
    environment = dict(os.environ, PYTHONPATH=paths)
    done = subprocess.run([sys.executable, "-m", "lemmata", *words], capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout, done.stderr


def test_the_example_is_supported_and_its_false_variants_are_refuted(tmp_path):
    file = tmp_path / "run.json"
    status, out, err = lemmata("validate", str(EXAMPLE), "--jobs", "1", "--json", str(file))
    assert (status, err) == (0, "")
    rows = json.loads(file.read_text())["rows"]
    assert "2 supported of 2 rows" in out
    assert "2 of 2 false variants refuted" in out
    assert [row["theory"] for row in rows] == [2 / 3, 10 / 11]


def test_the_example_stays_short():
    assert len(EXAMPLE.read_text().splitlines()) < 40


def test_the_claims_of_a_file_and_of_a_plugin_are_listed(plugin):
    status, out, err = lemmata("claims", str(EXAMPLE), "halves", path=plugin)
    assert (status, err) == (0, "")
    for words in ("your own claims", "mean-of-the-largest", "must refute: (n - 1)/n", "It is a half."):
        assert words in out


def test_functions_of_a_file_reach_worker_processes(written):
    claims = claims_from([written(CLAIM)])
    campaign = run(claims, SMALL, jobs=2)
    assert campaign.verdicts == (Verdict.SUPPORTED,) * 4
    assert campaign.powerful
    workers = {row.seen.method for row in campaign.rows}
    assert not any(method.endswith(f"process {os.getpid()}") for method in workers)
    again = run(claims, SMALL, executor="serial")
    assert [row.seen.mean for row in again.rows] == [row.seen.mean for row in campaign.rows]


def test_a_plugin_is_found_and_run(plugin):
    assert {"halves", "missing", "gone"} <= set(plugins())
    campaign = run(claims_from(["halves"]), SMALL, executor="serial")
    assert campaign.verdicts == (Verdict.SUPPORTED,) * 4


def test_two_files_of_the_same_name_are_told_apart(written, tmp_path):
    (tmp_path / "other").mkdir()
    first = written(CLAIM)
    second = written(CLAIM.replace('"half"', '"another-half"').replace("HALF = 0.5", "HALF = 0.6"), "other/claims.py")
    campaign = run(claims_from([first, second]), SMALL, executor="serial")
    assert [round(row.theory, 1) for row in campaign.rows] == [0.5] * 4 + [0.6] * 4
    assert set(campaign.verdicts) == {Verdict.SUPPORTED}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CLAIMS = [", r"claims must load, got '.*claims\.py': SyntaxError"),
        ("1 / 0", "claims must load, got .* ZeroDivisionError: division by zero"),
        ("import no_such_module", "claims must load, got .* ModuleNotFoundError"),
        ("x = 1", "claims must be a sequence of Claim named CLAIMS, got None in"),
        ("CLAIMS = []", r"claims must be a sequence of Claim named CLAIMS, got \[\] in"),
        ("CLAIMS = 'mine'", "claims must be a sequence of Claim named CLAIMS, got 'mine' in"),
        ("CLAIMS = [1]", "claims must hold Claim alone, got int in"),
    ],
)
def test_a_file_without_claims_is_refused_in_one_sentence(written, text, words):
    with pytest.raises(ValueError, match=words):
        claims_from([written(text)])


def test_what_is_not_there_is_refused(plugin, tmp_path):
    with pytest.raises(ValueError, match=r"claims must be a file that is there, got '.*nowhere\.py'"):
        claims_from([str(tmp_path / "nowhere.py")])
    with pytest.raises(ValueError, match="claims must be a file that is there"):
        claims_from([str(tmp_path)])
    with pytest.raises(
        ValueError, match=r"must be a file that ends in \.py or a plugin \(.*halves.*\), got 'quarters'"
    ):
        claims_from(["quarters"])
    for name in ("missing", "gone"):
        with pytest.raises(ValueError, match=f"claims must load, got the plugin '{name}'"):
            claims_from([name])


def test_a_complaint_about_a_file_is_one_line_and_status_2(written):
    status, out, err = lemmata("validate", written("x = 1"))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "CLAIMS" in err
