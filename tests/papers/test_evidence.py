"""What a run leaves in its file, and that nothing that happens to it loses or doubles a row."""

import math
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lemmata.papers.engine.campaign import run
from lemmata.papers.engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from lemmata.papers.engine.evidence import KIND, Evidence
from lemmata.papers.engine.export import export
from lemmata.papers.engine.profile import Profile
from lemmata.papers.engine.replay import replay
from lemmata.papers.engine.verdict import Verdict
from lemmata.theory.estimate import Estimate

SMALL = Profile("small", first=8, step=8, most=24, effort=1.0, trials=100, level=1e-2)
SERIAL = {"profile": SMALL, "executor": "serial"}
CASES = 12


def mean_claim() -> Claim:
    """The mean of a normal variable."""
    return Claim(
        name="mean",
        paper="made-up",
        place="page 1",
        sentence="The mean is what it is said to be.",
        relation=Relation.EQUALS,
        theory=lambda mean: mean,
        simulate=lambda case, rng, effort: Estimate(
            case.arguments["mean"] + 0.1 * rng.standard_normal(), 0.1, 1, 1.0, "a normal value"
        ),
        cases=tuple(Case(f"mean {k}", {"mean": float(k)}) for k in range(CASES)),
        tolerance=0.3,
        remainder="how near is near enough",
        false_variants=(FalseVariant("one more", lambda mean: mean + 1.0),),
    )


def search_claim(bound: float) -> Claim:
    """A square of a uniform number never exceeds the bound."""

    def simulate(case, rng, effort):
        x = float(rng.random())
        return Sighting(x * x, {"x": x})

    return Claim(
        name="square",
        paper="made-up",
        place="page 2",
        sentence="The square stays below the bound.",
        relation=Relation.NEVER_EXCEEDS,
        theory=lambda x: bound,
        simulate=simulate,
        cases=(Case("uniform", {}),),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(FalseVariant("half the bound", lambda x: bound / 2),),
    )


CLAIMS = (mean_claim(), search_claim(0.99))


def changed(**parts):
    """The claims with the first one changed."""
    return (replace(CLAIMS[0], **parts), CLAIMS[1])


def contents(file):
    """All that a file says of its rows, but for when they were made."""
    with sqlite3.connect(file) as connection:
        tables = {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("block", "variant", "sighting", "counterexample", "statement")
        }
        names = [row[1] for row in connection.execute("PRAGMA table_info(entry)")]
        kept = ", ".join(name for name in names if name not in ("seconds", "finished", "session"))
        tables["entry"] = connection.execute(f"SELECT {kept} FROM entry ORDER BY id").fetchall()
    tables["counterexample"] = [row[1:] for row in tables["counterexample"]]  # ids count in the order of finishing
    tables["counterexample"].sort()
    return tables


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The file of an unbroken run."""
    file = tmp_path_factory.mktemp("evidence") / "whole.sqlite"
    campaign = run(CLAIMS, evidence=file, **SERIAL)
    assert campaign.count(Verdict.SUPPORTED) == CASES
    assert campaign.count(Verdict.REFUTED) == 1
    return file


def test_the_file_holds_the_rows_that_the_run_returned(whole):
    campaign = run(CLAIMS, **SERIAL)
    with Evidence.reading(whole) as evidence:
        rows = list(evidence.rows().values())
        assert list(evidence.verdicts().values()) == list(campaign.verdicts)
        assert [s["claim"] for s in evidence.statements()] == ["mean", "square"]
        (session,) = evidence.sessions()
    assert [replace(row, seconds=0.0) for row in rows] == [replace(row, seconds=0.0) for row in campaign.rows]
    assert session["versions"]["lemmata"]
    assert session["machine"]["processor"]
    assert [f.name for f in whole.parent.iterdir() if not f.name.endswith("-lock")] == [whole.name]
    assert not whole.with_name(whole.name + "-wal").exists()


def test_an_interrupted_run_resumes_and_ends_as_an_unbroken_one(whole, tmp_path):
    file, seen = tmp_path / "broken.sqlite", []

    def interrupt(row):
        seen.append(row)
        if len(seen) == 5:
            raise KeyboardInterrupt

    assert run(CLAIMS, evidence=file, on_row=interrupt, **SERIAL).interrupted
    with Evidence.reading(file) as evidence:
        assert len(evidence.rows()) == 5
        assert len(evidence.verdicts()) == 5
    again = []
    campaign = run(CLAIMS, evidence=file, resume=True, on_row=again.append, **SERIAL)
    assert len(campaign.rows) == len(again) == CASES + 1
    assert contents(file) == contents(whole)
    with Evidence.reading(file) as evidence:
        assert len(evidence.sessions()) == 2


PROGRAM = """
import os, random, signal, sys, time
import filelock, threadpoolctl  # before the children, which would each import them anew
sys.path.insert(0, {folder!r})
from test_evidence import CASES, CLAIMS, SMALL, ids
from lemmata.papers import registry
from lemmata.papers.engine import campaign
from pathlib import Path
file, moments, kills, finished = Path({file!r}), random.Random(3), 0, 0
at_once = campaign.examine

def slowly(*args):
    time.sleep(0.01)
    return at_once(*args)

campaign.examine = slowly
while kills < 20:
    child = os.fork()
    if child == 0:
        campaign.run(CLAIMS, SMALL, evidence=file, resume=file.exists(), executor="serial")
        os._exit(0)
    time.sleep(moments.uniform(0.0, 0.4))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        kills += 1
    elif status == 0:  # finished before the blow: once more from the start, so that every kill hits a run under way
        finished += 1
        file.unlink()
    else:
        sys.exit("a resumed run failed")
    if file.exists():
        print(kills, finished, len(ids(file)), flush=True)
"""


def test_a_run_killed_at_twenty_moments_ends_as_an_unbroken_one(whole, tmp_path):
    file = tmp_path / "killed.sqlite"
    program = PROGRAM.format(folder=str(Path(__file__).parent), file=str(file))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    counts = {int(line.split()[2]) for line in done.stdout.splitlines()}
    assert len(counts) > 3  # kills came at different moments
    run(CLAIMS, evidence=file, resume=file.exists(), **SERIAL)
    assert contents(file) == contents(whole)
    assert ids(file) == list(range(CASES + 1))


def ids(file):
    """The places of the rows that a file holds."""
    with Evidence.reading(file) as evidence:
        return list(evidence.rows())


def test_a_second_run_on_the_same_file_is_refused(tmp_path):
    file = tmp_path / "one.sqlite"

    def second(row):
        with pytest.raises(ValueError, match="evidence must not be in use"):
            run(CLAIMS, evidence=file, resume=True, **SERIAL)
        raise KeyboardInterrupt

    assert run(CLAIMS, evidence=file, on_row=second, **SERIAL).interrupted
    assert run(CLAIMS, evidence=file, resume=True, **SERIAL).exit_status == 1


def test_a_file_that_holds_something_is_never_overwritten(whole, tmp_path):
    before = whole.read_bytes()
    with pytest.raises(ValueError, match="must be a new file, or be resumed"):
        run(CLAIMS, evidence=whole, **SERIAL)
    text = tmp_path / "notes.txt"
    text.write_text("mine")
    for resume in (False, True):
        with pytest.raises(ValueError, match="evidence must"):
            run(CLAIMS, evidence=text, resume=resume, **SERIAL)
    assert text.read_text() == "mine"
    assert whole.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "has other seed"),
        ({"profile": replace(SMALL, most=16)}, "has other profile"),
        ({"claims": CLAIMS[:1]}, "has other claims or cases"),
        ({"claims": changed(tolerance=0.31)}, "has other claims or cases"),
        ({"claims": changed(theory=lambda mean: mean + 1e-9)}, "has other claims or cases"),
        ({"claims": changed(sentence="Another one.")}, "has other claims or cases"),
        ({"claims": changed(cases=(*CLAIMS[0].cases[:-1], Case("mean 11", {"mean": 11.5})))}, "has other claims or"),
        ({"claims": changed(false_variants=(FalseVariant("two more", lambda mean: mean + 1.0),))}, "has other claims"),
        ({"claims": changed(false_variants=(FalseVariant("one more", lambda mean: mean + 2.0),))}, "has other claims"),
    ],
)
def test_another_run_does_not_resume_it(whole, changes, words):
    before = contents(whole)
    with pytest.raises(ValueError, match=words):
        run(**({"claims": CLAIMS, "evidence": whole, "resume": True, **SERIAL} | changes))
    assert contents(whole) == before


def test_a_foreign_a_damaged_and_a_newer_file_are_told_apart(whole, tmp_path):
    foreign, damaged, newer = (tmp_path / name for name in ("foreign.sqlite", "damaged.sqlite", "newer.sqlite"))
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (x)")
    shutil.copy(whole, damaged)
    with damaged.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8192))
    shutil.copy(whole, newer)
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {KIND.schema + 1}")
    for file, words in (
        (foreign, "of another program"),
        (damaged, "must be a whole SQLite file"),
        (newer, f"must have schema {KIND.schema}, got .* with schema {KIND.schema + 1}"),
        (tmp_path / "nowhere.sqlite", "which is not there"),
    ):
        before = file.read_bytes() if file.exists() else None
        with pytest.raises(ValueError, match=words), Evidence.reading(file):
            pass
        with pytest.raises(ValueError, match="evidence must"):
            run(CLAIMS, evidence=file, resume=True, **SERIAL)
        assert (file.read_bytes() if file.exists() else None) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ValueError, match="evidence must lie in a folder that is there"):
        run(CLAIMS, evidence=tmp_path / "no such folder" / "run.sqlite", **SERIAL)
    with pytest.raises(ValueError, match="evidence must"):
        run(CLAIMS, evidence="/proc/run.sqlite", **SERIAL)  # where nobody can write, root included


FULL = """
import resource, signal, sys
sys.path.insert(0, {folder!r})
from test_evidence import CLAIMS, SERIAL
from lemmata.papers.engine.campaign import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
try:
    run(CLAIMS, evidence={file!r}, **SERIAL)
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit on the size of files here")
def test_a_full_disk_keeps_what_was_written_and_the_run_can_go_on(whole, tmp_path):
    file = tmp_path / "full.sqlite"
    program = FULL.format(folder=str(Path(__file__).parent), file=str(file))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "evidence must lie where files can be written" in done.stdout
    assert "what was written is kept" in done.stdout
    assert 0 < len(ids(file)) < CASES + 1
    run(CLAIMS, evidence=file, resume=True, **SERIAL)
    assert contents(file) == contents(whole)


def test_a_counterexample_is_drawn_again_bit_for_bit(whole):
    with Evidence.reading(whole) as evidence:
        ids = evidence.counterexamples()
        assert ids
        for number, index in ids:
            again = replay(evidence, number, CLAIMS)
            assert index == CASES
            assert again.identical
            assert again.violates
        other = replay(evidence, ids[0][0], [search_claim(0.5)])
        assert not other.identical  # the claim has changed since
        with pytest.raises(ValueError, match="ID must be that of a counterexample in the file"):
            replay(evidence, 10**6, CLAIMS)
        with pytest.raises(ValueError, match="claims must hold made-up/square"):
            replay(evidence, ids[0][0], CLAIMS[:1])


def test_what_json_has_no_word_for_is_kept_in_words(tmp_path):
    claim = search_claim(1.0)
    odd = replace(claim, simulate=lambda case, rng, effort: Sighting(math.nan, {"x": math.inf}))
    campaign = run([odd], evidence=tmp_path / "odd.sqlite", **SERIAL)
    assert campaign.verdicts == (Verdict.REFUTED,)
    with Evidence.reading(tmp_path / "odd.sqlite") as evidence:
        (row,) = evidence.rows().values()
        assert math.isnan(row.seen.worst)
        assert evidence.counterexample(1)[1].arguments == {"x": "inf"}
        assert replay(evidence, 1, [odd]).identical


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_table_of_a_run_is_the_same_in_every_format(whole, tmp_path, ending):
    import pandas

    file = tmp_path / f"rows.{ending}"
    with Evidence.reading(whole) as evidence:
        assert export(evidence, file) == CASES + 1
        records = pandas.DataFrame(evidence.records())
    read = pandas.read_csv(file) if ending == "csv" else pandas.read_parquet(file)
    for column in ("claim", "case_name", "verdict", "blocks"):
        assert list(read[column]) == list(records[column])
    assert (read["mean"] == records["mean"])[:CASES].all()  # to the last bit


def test_a_table_of_unknown_format_is_refused(whole, tmp_path):
    with Evidence.reading(whole) as evidence, pytest.raises(ValueError, match=r"output must end in \.csv or \.parquet"):
        export(evidence, tmp_path / "rows.xlsx")


def test_an_unfinished_run_is_judged_as_one_of_all_its_rows(tmp_path):
    # p between level/(2·1) and level/(2·13): enough for a run of one row, not for one of thirteen
    def stop(row):
        raise KeyboardInterrupt

    file, wide = tmp_path / "short.sqlite", changed(tolerance=0.145)
    assert run(
        wide, evidence=file, on_row=stop, **(SERIAL | {"profile": replace(SMALL, first=16, most=16)})
    ).interrupted
    with Evidence.reading(file) as evidence:
        (row,) = evidence.rows().values()
        assert SMALL.level / (2 * (CASES + 1)) < row.p.supported < SMALL.level / 2
        assert evidence.verdicts() == {0: Verdict.INCONCLUSIVE}


def test_a_finished_run_says_when(whole, tmp_path):
    with sqlite3.connect(whole) as connection:
        assert connection.execute("SELECT finished FROM campaign").fetchone()[0].endswith("Z")


def test_numbers_of_numpy_are_kept_and_what_json_has_not_is_refused(tmp_path):
    import numpy as np

    single = replace(
        CLAIMS[0],
        cases=CLAIMS[0].cases[:1],
        simulate=lambda case, rng, effort: Estimate(np.float32(0.1 * rng.random()), 0.1, np.int64(1), 1.0, "singles"),
    )
    inputs = replace(CLAIMS[1], simulate=lambda case, rng, effort: Sighting(rng.integers(1), {"x": np.float32(0.5)}))
    run([single, inputs], evidence=tmp_path / "numpy.sqlite", **SERIAL)
    assert len(ids(tmp_path / "numpy.sqlite")) == 2
    sets = replace(CLAIMS[1], simulate=lambda case, rng, effort: Sighting(0.5, {"x": {1, 2}}))
    (row,) = run([sets], evidence=tmp_path / "sets.sqlite", **SERIAL).rows
    assert "not JSON serializable" in row.failure
    with pytest.raises(ValueError, match="arguments of mean at 'set' must be what JSON has"):
        changed(cases=(Case("set", {"mean": {1.0}}),))


def test_a_link_is_locked_as_the_file_that_it_points_to(whole, tmp_path):
    real, link = tmp_path / "real.sqlite", tmp_path / "link.sqlite"
    link.symlink_to(real)

    def second(row):
        with pytest.raises(ValueError, match="evidence must not be in use"):
            run(CLAIMS, evidence=real, resume=True, **SERIAL)
        raise KeyboardInterrupt

    assert run(CLAIMS, evidence=link, on_row=second, **SERIAL).interrupted
    assert link.is_symlink()
    assert real.is_file()


def test_a_neighbour_that_is_called_like_a_lock_or_a_part_is_left_alone(tmp_path):
    neighbours = [tmp_path / f"run.sqlite{ending}" for ending in (".lock", ".part")]
    for file in neighbours:
        file.write_text("mine")
    run(CLAIMS[1:], evidence=tmp_path / "run.sqlite", **SERIAL)
    assert [file.read_text() for file in neighbours] == ["mine", "mine"]


def test_nothing_is_written_over_the_evidence(whole, tmp_path):
    file = tmp_path / "run.csv"
    shutil.copy(whole, file)
    with Evidence.reading(file) as evidence, pytest.raises(ValueError, match="another file than the evidence"):
        export(evidence, file)
    assert file.read_bytes() == whole.read_bytes()
