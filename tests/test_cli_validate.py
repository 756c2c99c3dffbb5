"""`lemmata validate` with evidence, power and a reader's own claims; replay and export."""

import json
import sqlite3

import pytest

TRUE = """
from lemmata.papers import Case, Claim, FalseVariant, Relation, Sighting
from lemmata.theory.estimate import Estimate

def draw(case, rng, effort):
    return Estimate(case.arguments["mean"] + 0.05 * rng.standard_normal(), 0.05, 1, 1.0, "a normal value")

def truth(mean):
    return mean

def look(case, rng, effort):
    x = float(rng.random())
    return Sighting(x * x, {"x": x})

MEAN = Claim("mean", "mine", "page 1", "The mean is the mean.", Relation.EQUALS, truth, draw,
             (Case("one", {"mean": 1.0}), Case("two", {"mean": 2.0})), 0.1, "how near is near enough",
             (FalseVariant("half more", lambda mean: 1.5 * mean),))
SQUARE = Claim("square", "mine", "page 2", "A square stays below BOUND.", Relation.NEVER_EXCEEDS, lambda x: BOUND, look,
               (Case("uniform", {}),), 0.0, "nothing", (FalseVariant("half of it", lambda x: 0.5 * BOUND),))
CLAIMS = (MEAN, SQUARE)
"""


def written(folder, bound="1.0", **changes):
    text = TRUE.replace("BOUND", bound)
    for old, new in changes.items():
        text = text.replace(old, new)
    file = folder / "my_claims.py"
    file.write_text(text)
    return file


def test_a_readers_claims_are_tested_and_every_row_is_kept(lemmata, tmp_path):
    mine, run = written(tmp_path), tmp_path / "run.sqlite"
    status, out, err = lemmata("validate", mine, "--evidence", run, "--executor", "serial")
    assert (status, err) == (0, "")
    assert "3 supported of 3 rows" in out
    assert "3 of 3 false variants refuted" in out
    with sqlite3.connect(run) as connection:
        assert connection.execute("SELECT verdict, count(*) FROM entry GROUP BY verdict").fetchall() == [
            ("supported", 3)
        ]
    status, out, err = lemmata("validate", mine, "--evidence", run, "--executor", "serial")
    assert (status, out) == (2, "")
    assert "--evidence must be a new file, or be resumed" in err
    assert lemmata("validate", mine, "--evidence", run, "--resume", "--executor", "serial")[0] == 0


def test_power_asks_for_every_false_variant(lemmata, tmp_path):
    status, out, _ = lemmata("validate", written(tmp_path), "--power", "--executor", "serial")
    assert status == 0
    assert "half more" in out
    assert "half of it" in out
    weak = written(tmp_path, **{"1.5 * mean": "1.01 * mean"})
    status, out, _ = lemmata("validate", weak, "--power", "--executor", "serial")
    assert status == 1
    assert "not refuted" in out
    assert lemmata("validate", weak, "--executor", "serial")[0] == 0  # the claim itself holds


def test_a_violation_is_replayed_and_a_changed_claim_is_noticed(lemmata, tmp_path):
    mine, run = written(tmp_path, bound="0.9"), tmp_path / "run.sqlite"
    assert lemmata("validate", mine, "--evidence", run, "--executor", "serial")[0] == 1
    status, out, _ = lemmata("replay", run)
    assert status == 0
    assert "1: mine/square at uniform" in out
    status, out, _ = lemmata("replay", run, "1", "--claims", mine)
    assert status == 0
    assert "identical to the run's" in out
    assert "tolerance 0.0: violated" in out
    written(tmp_path, bound="0.95")
    status, out, _ = lemmata("replay", run, "1", "--claims", mine)
    assert status == 1
    assert "bound 0.9" in out
    status, out, err = lemmata("replay", run, "1")
    assert (status, out) == (2, "")
    assert "must hold mine/square" in err
    assert "got 99" in lemmata("replay", run, "99", "--claims", mine)[2]


def test_rows_are_exported(lemmata, tmp_path):
    run, table = tmp_path / "run.sqlite", tmp_path / "rows.csv"
    lemmata("validate", written(tmp_path), "--evidence", run, "--executor", "serial")
    assert lemmata("export", run, "-o", table)[:2] == (0, f"3 rows to {table}\n")
    assert table.read_text().count("\n") == 4
    assert "must end in .csv or .parquet" in lemmata("export", run, "-o", tmp_path / "rows.xml")[2]


def test_json_says_what_the_p_values_rest_on(lemmata, tmp_path):
    out = tmp_path / "run.json"
    lemmata("validate", written(tmp_path), "--json", out, "--executor", "serial")
    rows = json.loads(out.read_text())["rows"]
    assert rows[0]["sequence"].startswith("asymptotic")
    assert rows[0]["interval"][0] < rows[0]["seen"]["mean"] < rows[0]["interval"][1]
    assert rows[2]["sequence"].startswith("finite-sample")


def test_claims_and_replay_say_the_same_as_json(lemmata, tmp_path):
    mine, run = written(tmp_path, bound="0.9"), tmp_path / "run.sqlite"
    (mean, square) = json.loads(lemmata("claims", mine, "--json", "-")[1])["claims"]
    assert (mean["name"], mean["cases"], square["relation"]) == ("mean", ["one", "two"], "never exceeds")
    lemmata("validate", mine, "--evidence", run, "--executor", "serial")
    known = json.loads(lemmata("replay", run, "--json", "-")[1])["counterexamples"]
    assert known[0] == {"id": 1, "paper": "mine", "claim": "square", "case": "uniform"}
    status, out, _ = lemmata("replay", run, "1", "--claims", mine, "--json", "-")
    drawn = json.loads(out)
    assert (status, drawn["identical"], drawn["violated"], drawn["bound"]) == (0, True, True, 0.9)
    assert drawn["value"] == drawn["arguments"]["x"] ** 2 > 0.9


def test_claims_lists_a_readers_own(lemmata, tmp_path):
    status, out, _ = lemmata("claims", written(tmp_path))
    assert status == 0
    assert "The mean is the mean." in out
    assert "must refute: half more" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no_such_file.py"], "--claims must be a file that is there"),
        (["nobody"], "--claims must be a file that ends in .py or a plugin"),
        (["--resume"], "--evidence must name the file of the run to resume"),
        (["--executor", "threads"], "--executor must be one of processes, serial, dask"),
        (["--cluster", "nowhere", "--executor", "serial"], "--cluster must be left out unless the executor is dask"),
        (["--profile", "slow"], "--profile must be one of quick, full"),
        (["--seed", "-1"], "--seed must be an integer >= 0 and below 2^63, got -1"),
        (["nobody", "--paper", "deep_linear"], "--paper must be left out where claims are named"),
    ],
)
def test_a_run_that_could_not_be_made_is_refused_in_one_line(lemmata, words, message):
    status, out, err = lemmata("validate", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
