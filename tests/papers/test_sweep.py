"""A sweep's rows are those of theory, whoever works them off and however often it is stopped."""

import csv
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import pytest
import typer

from lemmata.cli.sweep import sweep_command
from lemmata.cli.words import WrongWords
from lemmata.papers.sweeps import file as sweep_file
from lemmata.papers.sweeps import table as sweep_table
from lemmata.papers.sweeps.file import KIND, SweepFile
from lemmata.papers.sweeps.shape_grid import FAMILIES, Grid
from lemmata.papers.sweeps.sweep import sweep
from lemmata.sim.learning import estimate_energy
from lemmata.theory import learning
from lemmata.theory.learning.network import partial_concept_bottleneck_truth
from lemmata.theory.streams import stream

PCBM = {
    "outputs": "1:3",
    "hidden": "0:2",
    "concepts": (1, 2),
    "inputs": range(1, 4),
    "concept_rank": "0:2",
    "residual_rank": "0:1",
}
SAMPLES = (100.0, 1e10)
SERIAL = {"executor": "serial", "samples": SAMPLES, "chunk": 18}
FEW = {"outputs": 2, "hidden": "0:1", "concepts": 1, "inputs": 2, "concept_rank": 1, "residual_rank": "0:1"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The file of an unbroken sweep."""
    file = tmp_path_factory.mktemp("sweep") / "whole.sqlite"
    sweep("pcbm", PCBM, file, **SERIAL)
    return file


def seen_in(folder):
    """The files of a folder but for hidden locks, which stay."""
    return [name for name in os.listdir(folder) if not name.endswith(".lemmata-lock")]


def records(file):
    """The rows of a finished sweep as dicts."""
    with SweepFile.reading(file) as opened:
        return [dict(zip(opened.plan.columns, row, strict=True)) for row in opened.rows()]


def test_every_shape_of_the_grid_is_a_row_of_theory_or_impossible(whole):
    grid = Grid.of("pcbm", PCBM)
    rows = {row["point"]: row for row in records(whole)}
    with SweepFile.reading(whole) as file:
        count = file.count()
    reasons = []
    for point in range(grid.points):
        shape = grid.shape(point)
        try:
            exact = learning.partial_concept_bottleneck(**shape)
        except ValueError as error:
            assert point not in rows
            reasons.append(str(error))
            continue
        row = rows.pop(point)
        assert {name: row[name] for name in shape} == shape
        assert (Fraction(row["value"]), row["multiplicity"], row["theorem"]) == (
            exact.value,
            exact.multiplicity,
            exact.theorem,
        )
        assert row["value_float"] == float(exact.value)
        for n, word in zip(SAMPLES, ("100", "10000000000"), strict=True):
            law = float(exact.value) * math.log(n) - (exact.multiplicity - 1) * math.log(math.log(n))
            assert row[f"free_energy_{word}"] == pytest.approx(law, rel=1e-14)
            assert row[f"mean_energy_{word}"] == float(exact.mean_energy(n))
    assert not rows
    assert (count.points, count.skipped, count.reason) == (grid.points, len(reasons), reasons[0])
    assert len(set(reasons)) > 1


@pytest.mark.parametrize(
    ("family", "grid"),
    [
        ("reduced-rank", {"outputs": "1:3", "hidden": "0:2", "inputs": "1:3:2", "rank": "0:2"}),
        ("deep", {"widths": "1:3/2/1,3", "rank": "0:1"}),
        ("cbm", {"outputs": "1:2", "concepts": "1:2", "inputs": "1:2"}),
        ("multitask", {"outputs": 2, "concepts": "0:1", "hidden": "1:2", "inputs": 3, "rank": "0:1"}),
        ("chain", {"widths": [2, "1:3", (2, 3)], "observed": "1/2", "ranks": [range(3), "0:1"]}),
    ],
)
def test_every_family_has_a_table(tmp_path, family, grid):
    file = tmp_path / "table.sqlite"
    swept = sweep(family, grid, file, executor="serial")
    visited = Grid.of(family, grid)
    assert swept.count.rows + swept.count.skipped == swept.planned == visited.points
    rows = records(file)
    assert rows
    for row in rows:
        assert row["value"] == str(FAMILIES[family].coefficient(**visited.shape(row["point"])).value)


def test_the_simulated_energies_are_those_of_streams_keyed_by_the_shape(tmp_path):
    file = tmp_path / "simulated.sqlite"
    sweep("pcbm", FEW, file, samples=SAMPLES, simulate=100, seed=5, executor="serial")
    rows = records(file)
    assert [row["point"] for row in rows] == [0, 2, 3]
    for row in rows:
        shape = {name: row[name] for name in FEW}
        rng = stream(5, "sweep", "pcbm", json.dumps(shape, sort_keys=True), "10000000000.0")
        truth = partial_concept_bottleneck_truth(**shape)
        seen = estimate_energy(truth, 1e10, rng=rng, sweeps=100, chains=16, warmup=100)
        assert (row["simulated_energy_10000000000"], row["error_10000000000"]) == (seen.mean, seen.error)
        assert row["failure"] == ""
        # 3 estimates within 5 errors and the remainder of the law: a false alarm in a million at most
        assert abs(seen.mean - row["mean_energy_10000000000"]) < 5 * seen.error + 0.015


def test_what_cannot_be_simulated_says_why_and_keeps_its_theory(tmp_path):
    file = tmp_path / "table.sqlite"
    grid = {"outputs": 1, "hidden": "0:1", "inputs": 1, "rank": 0}
    sweep("reduced-rank", grid, file, samples=[1e4], simulate=100, executor="serial")
    empty, one = records(file)
    assert empty["simulated_energy_10000"] is None
    assert "widths" in empty["failure"]
    assert empty["value"] == "0"
    assert one["failure"] == ""
    assert one["simulated_energy_10000"] > 0


def test_rows_do_not_depend_on_the_grid_around_them(whole, tmp_path):
    file = tmp_path / "part.sqlite"
    sweep("pcbm", PCBM | {"outputs": 3, "concepts": 2}, file, executor="serial", samples=SAMPLES)
    part = [{k: v for k, v in row.items() if k != "point"} for row in records(file)]
    among = [row for row in records(whole) if (row["outputs"], row["concepts"]) == (3, 2)]
    assert part == [{k: v for k, v in row.items() if k != "point"} for row in among]


def test_processes_give_the_rows_of_this_one_to_the_last_bit(tmp_path):
    grid = [f"{name}={values}" for name, values in FEW.items()]
    for number, ways in enumerate((["--executor", "serial"], ["--jobs", "2"])):
        words = ["sweep", "pcbm", *grid, "--samples", "100,1e10", "--simulate", "100", *ways]
        file = str(tmp_path / f"{number}.sqlite")
        subprocess.run([sys.executable, "-m", "lemmata", *words, "-o", file], check=True, capture_output=True)
    one, two = (records(tmp_path / f"{number}.sqlite") for number in (0, 1))
    assert one == two
    assert len(one) == 3


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_format_holds_the_same_rows_to_the_last_bit(whole, tmp_path, ending):
    file = tmp_path / f"table.{ending}"
    sweep("pcbm", PCBM, file, **SERIAL)
    expected = records(whole)
    if ending == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(file).to_pylist() == expected
    else:
        with file.open(newline="", encoding="utf-8") as lines:
            read = list(csv.DictReader(lines))
        assert read == [{name: str(cell) for name, cell in row.items()} for row in expected]
        assert float(read[-1]["free_energy_100"]) == expected[-1]["free_energy_100"]
    assert seen_in(tmp_path) == [file.name]  # what it was made from is gone


def test_an_interrupted_sweep_resumes_and_ends_as_an_unbroken_one(whole, tmp_path):
    file = tmp_path / "table.csv"

    def interrupt(done, planned):
        if done > 60:
            raise KeyboardInterrupt

    swept = sweep("pcbm", PCBM, file, on_progress=interrupt, **SERIAL)
    assert swept.interrupted
    assert swept.exit_status == 130
    assert swept.count.points == 72
    assert not file.exists()
    seen = []
    options = SERIAL | {"chunk": 7}  # the sweep keeps its own
    again = sweep("pcbm", PCBM, file, resume=True, on_progress=lambda *at: seen.append(at), **options)
    assert seen[:2] == [(72, 324), (90, 324)]
    assert again.count.points == again.planned == 324
    unbroken = tmp_path / "unbroken.csv"
    sweep("pcbm", PCBM, unbroken, **SERIAL)
    assert file.read_bytes() == unbroken.read_bytes()


def test_a_sweep_killed_as_its_table_took_its_name_ends_with_the_table_alone(whole, tmp_path):
    file = tmp_path / "table.csv"
    shutil.copy(whole, tmp_path / "table.csv.sqlite")
    file.write_text("the table of before")
    swept = sweep("pcbm", PCBM, file, resume=True, **SERIAL)
    assert len(file.read_text().splitlines()) == 1 + swept.count.rows
    assert seen_in(tmp_path) == [file.name]


PROGRAM = """
import os, random, signal, sys, time
import filelock, threadpoolctl  # before the children, which would each import them anew
from pathlib import Path
from lemmata.papers.sweeps import sweep as module
sys.path.insert(0, {folder!r})
from test_sweep import PCBM, SERIAL
file, moments, kills, at_once = Path({file!r}), random.Random(3), 0, module.rows_of

def slowly(*task):
    time.sleep(0.01)
    return at_once(*task)

module.rows_of = slowly
while kills < 8:
    child = os.fork()
    if child == 0:
        module.sweep("pcbm", PCBM, file, resume=file.exists(), **SERIAL)
        os._exit(0)
    time.sleep(moments.uniform(0.0, 0.3))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        kills += 1
    elif status:
        sys.exit("a resumed sweep failed")
    else:  # finished before the blow: once more from the start
        file.unlink()
    if file.exists():
        with module.SweepFile.reading(file) as opened:
            print(len(opened.chunks()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_sweep_killed_at_many_moments_ends_as_an_unbroken_one(whole, tmp_path):
    file = tmp_path / "killed.sqlite"
    program = PROGRAM.format(folder=str(Path(__file__).parent), file=str(file))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(done.stdout.split())) > 2  # the blows fell at different moments
    swept = sweep("pcbm", PCBM, file, resume=file.exists(), **SERIAL)
    assert swept.count.points == 324
    assert records(file) == records(whole)


def test_memory_does_not_grow_with_the_grid(tmp_path, monkeypatch):
    for module in (sweep_file, sweep_table):
        monkeypatch.setattr(module, "BATCH", 128)
    peaks = []
    for outputs in (1, 4, 60):  # the first brings in what is imported and kept
        file = tmp_path / f"{outputs}.csv"
        tracemalloc.start()
        swept = sweep("pcbm", PCBM | {"outputs": range(1, outputs + 1)}, file, **SERIAL | {"chunk": 108})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert swept.planned == 108 * outputs
    assert peaks[2] < 1.2 * peaks[1]  # all rows of the larger take as much again as a sweep does


def test_a_grid_beyond_all_memory_is_begun_and_stopped_at_once(tmp_path):
    grid = {"outputs": "1:999999999", "hidden": "1:9999", "inputs": "1:999", "rank": 0}

    def interrupt(done, planned):
        assert planned == 999_999_999 * 9999 * 999
        raise KeyboardInterrupt

    swept = sweep("reduced-rank", grid, tmp_path / "vast.sqlite", executor="serial", on_progress=interrupt)
    assert swept.interrupted
    assert Grid.of("reduced-rank", grid).shape(999)["inputs"] == 1


def test_the_same_numbers_are_the_same_grid():
    grids = [{"outputs": o, "hidden": 1, "inputs": 2, "rank": 0} for o in ("1:5:2", (1, 3, 5), range(1, 6, 2), "1,3,5")]
    assert len({Grid.of("reduced-rank", grid) for grid in grids}) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "mlp"}, "family must be one of reduced-rank, deep, cbm, multitask, pcbm, chain, got 'mlp'"),
        ({"grid": FEW | {"rank": 1}}, "grid must give values of outputs, .* for pcbm, got 'rank'"),
        ({"grid": {"outputs": 1}}, "grid must give values of outputs, .* for pcbm, got no hidden"),
        ({"grid": FEW | {"outputs": "1-3"}}, "outputs must be first:last, first:last:step or integers .* got '1-3'"),
        ({"grid": FEW | {"outputs": "1:3:0"}}, "outputs must be first:last, .* got '1:3:0'"),
        ({"grid": FEW | {"outputs": "3:1"}}, "outputs must have at least one value and none twice, got '3:1'"),
        ({"grid": FEW | {"outputs": "1,1"}}, "outputs must have at least one value and none twice, got '1,1'"),
        ({"grid": FEW | {"outputs": 1.5}}, "outputs must be an integer, got 1.5"),
        (
            {"grid": FEW | dict.fromkeys(("outputs", "hidden", "inputs"), "1:999999999")},
            r"grid must hold at most 2\^63",
        ),
        ({"samples": [1.0]}, "samples must be > 1, got 1"),
        ({"samples": [10, 10]}, "samples must differ, got 10, 10"),
        ({"samples": 100}, r"samples must be a sequence of at most 400 numbers, got shape \(\)"),
        ({"samples": range(2, 403)}, r"samples must be a sequence of at most 400 numbers, got shape \(401,\)"),
        ({"samples": "many"}, "samples must hold real numbers"),
        ({"samples": (), "simulate": 100}, "samples must name at least one sample size to simulate"),
        ({"samples": [1e13], "simulate": 100}, r"samples must be <= 1e\+12 to be simulated, got 1e\+13"),
        ({"simulate": 50}, "simulate must be 0 or >= 100, got 50"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"chunk": 0}, "chunk must be >= 1, got 0"),
        ({"executor": "threads"}, "executor must be one of"),
        ({"output": "table.xlsx"}, r"output must end in \.sqlite, \.csv or \.parquet, got '.*table\.xlsx'"),
        ({"output": "nowhere/table.csv"}, "output must name a file that can be written"),
        ({"output": "nowhere/table.sqlite"}, "output must lie in a folder that is there"),
        ({"resume": True}, "output must be a file that was begun, got .* which is not there"),
    ],
)
def test_a_bad_argument_is_refused_in_one_sentence(tmp_path, changes, words):
    given = {"family": "pcbm", "grid": FEW, "output": "table.sqlite", **SERIAL} | changes
    given["output"] = tmp_path / given["output"]
    with pytest.raises((ValueError, TypeError), match=words):
        sweep(**given)
    assert seen_in(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": PCBM | {"outputs": "1:4"}}, "has other grid"),
        ({"samples": [100]}, "has other samples"),
        ({"samples": [100], "simulate": 100, "seed": 3}, "has other samples, simulate, seed"),
    ],
)
def test_another_sweep_does_not_resume_it(whole, changes, words):
    before = records(whole)
    with pytest.raises(ValueError, match=f"output must be of the same sweep, got .* which {words}"):
        sweep(**{"family": "pcbm", "grid": PCBM, "output": whole, "resume": True, **SERIAL} | changes)
    assert records(whole) == before


def test_a_foreign_a_damaged_and_a_newer_file_are_told_apart_and_left_alone(whole, tmp_path):
    foreign, damaged, newer, text = (tmp_path / f"{name}.sqlite" for name in ("foreign", "damaged", "newer", "text"))
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for copy in (damaged, newer):
        shutil.copy(whole, copy)
    with damaged.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(range(256)) * 64)
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 2")
    text.write_text("mine")
    for file, words in (
        (foreign, "must be a file that `lemmata sweep` wrote, got .* of another program"),
        (damaged, "must be a whole SQLite file"),
        (newer, "must have schema 1, got .* with schema 2"),
        (text, "must be a whole SQLite file"),
    ):
        before = file.read_bytes()
        with pytest.raises(ValueError, match=f"output {words}"), SweepFile.reading(file):
            pass
        with pytest.raises(ValueError, match=f"output {words}"):
            sweep("pcbm", PCBM, file, resume=True, **SERIAL)
        with pytest.raises(ValueError, match="output must be a new file, or be resumed"):
            sweep("pcbm", PCBM, file, **SERIAL)
        assert file.read_bytes() == before
    with pytest.raises(ValueError, match="which is not there"), SweepFile.reading(tmp_path / "nowhere.sqlite"):
        pass


def test_a_table_that_is_there_is_never_overwritten(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("mine")
    with pytest.raises(ValueError, match=r"output must be a new file, got .* which is there"):
        sweep("pcbm", FEW, file, executor="serial")
    assert file.read_text() == "mine"
    assert seen_in(tmp_path) == ["table.csv"]


def test_a_second_sweep_on_the_same_file_is_refused(tmp_path):
    file = tmp_path / "one.sqlite"

    def second(done, planned):
        if done == 36:
            with pytest.raises(ValueError, match="output must not be in use"):
                sweep("pcbm", PCBM, file, resume=True, **SERIAL)

    assert sweep("pcbm", PCBM, file, on_progress=second, **SERIAL).count.points == 324


FULL = """
import resource, signal, sys
sys.path.insert(0, {folder!r})
from test_sweep import PCBM, SERIAL
from lemmata.papers.sweeps.sweep import sweep
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    sweep("pcbm", PCBM, {file!r}, **SERIAL)
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files here")
def test_a_full_disk_keeps_what_was_written_and_the_sweep_can_go_on(whole, tmp_path):
    file = tmp_path / "full.sqlite"
    program = FULL.format(folder=str(Path(__file__).parent), file=str(file))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "output must lie where files can be written" in done.stdout
    assert "what was written is kept" in done.stdout
    assert 0 < len(records(file)) < len(records(whole))
    sweep("pcbm", PCBM, file, resume=True, **SERIAL)
    assert records(file) == records(whole)


@pytest.fixture
def command(capsys):
    """`lemmata sweep`: exit status and standard output."""
    app = typer.Typer()
    app.command()(sweep_command)

    def call(words):
        status = app(words.split(), standalone_mode=False)
        return status, capsys.readouterr().out

    return call


def test_the_command_writes_the_table_and_says_how_much(command, tmp_path):
    file = tmp_path / "table.csv"
    status, out = command(f"deep widths=1:3/2/1,3 rank=0:2 --samples 1e2,1e4 -o {file} --executor serial")
    assert status == 0
    assert f"14 rows to {file}" in out
    assert "4 shapes skipped that no network can have; the first: rank must be <= min(widths) = 1, got 2" in out
    lines = file.read_text().splitlines()
    assert lines[0].startswith(
        "point,widths,rank,value,value_float,multiplicity,theorem,free_energy_100,mean_energy_100"
    )
    assert len(lines) == 15
    assert lines[1].startswith('0,"1,2,1",0,1/2,')


def test_the_command_says_the_same_as_json(command, tmp_path):
    words = "cbm outputs=1:2 concepts=1 inputs=1 concept-rank=0:2 --json - --executor serial"
    status, out = command(f"{words} -o {tmp_path / 'table.sqlite'}")
    said = json.loads(out)
    assert status == 0
    assert (said["rows"], said["skipped"], said["planned"], said["interrupted"]) == (4, 2, 6, False)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("cbm outputs", "NAME=VALUES must be such as outputs=1:6, got 'outputs'"),
        ("cbm outputs=1 outputs=2", "NAME=VALUES must name each number once, got outputs twice"),
        ("cbm outputs=1", "grid must give values of outputs, concepts, inputs, concept_rank for cbm, got no concepts"),
        ("cbm outputs=1 concepts=1 inputs=1 --samples many", "--samples must be numbers separated by commas"),
        ("cbm outputs=1 concepts=1 inputs=1 --samples 0", "--samples must be > 1, got 0"),
    ],
)
def test_the_command_complains_in_one_sentence(command, tmp_path, words, complaint):
    with pytest.raises(WrongWords, match=complaint):
        command(f"{words} -o {tmp_path / 'table.csv'}")
    assert seen_in(tmp_path) == []


def test_the_file_carries_its_application_and_schema(whole):
    with sqlite3.connect(whole) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == KIND.application
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
