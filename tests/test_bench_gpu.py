"""bench/gpu.py where there is no GPU: what it says, what it writes, and that it notices what is wrong."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from time import sleep

import pytest
import torch

BENCH = Path(__file__).parents[1] / "bench"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, str(BENCH / "gpu.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_in_one_sentence_and_writes_nothing(tmp_path):
    done = run("--json", str(tmp_path / "table.json"))
    assert done.returncode == 0
    assert done.stdout.startswith("No CUDA device is at hand")
    assert done.stdout.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_cpu_is_refused_at_full_size():
    done = run("--device", "cpu")
    assert done.returncode == 2
    assert "must go with --small" in done.stderr


def test_a_rehearsal_runs_its_rows_agrees_and_says_what_it_is(tmp_path):
    file = tmp_path / "table.json"
    words = ("--device", "cpu", "--small", "--only", "resilience", "--repeats", "2", "--seconds", "0.02", "0.02")
    done = run(*words, "--json", str(file))
    assert done.returncode == 0, done.stderr
    table = json.loads(file.read_text())
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert any("REHEARSAL" in note for note in table["notes"])
    assert "rehearsal" in table["machine"]
    rows = {(row["subject"], row["work"], row["precision"]): row for row in table["rows"]}
    assert {key for row in table["rows"] for key in row} <= set(table["columns"])
    for precision, near in (("float64", 1e-12), ("float32", 1e-5)):
        for work in ("matrix product", "copy", "exp from memory", "Philox normals"):
            assert rows["ceiling", work, precision]["rate"] > 0
        assert "seconds" not in rows["ceiling", "exp on the chip", precision]  # Triton compiles for a GPU alone
        seen = rows["resilience", "pairs of LSTM runs", precision]
        assert seen["seconds"] > 0
        assert seen["× one core"] == pytest.approx(seen["one core s"] / seen["seconds"])
        assert seen["off by"] < near


def test_the_kernel_that_measures_exponentials_takes_them_to_their_fixed_point():
    pytest.importorskip("triton")
    program = """
import torch
from device.exp import BLOCK, FIXED, exponentials
x = torch.full((2 * BLOCK,), 0.5, dtype=torch.float64)
out = torch.zeros_like(x)
assert exponentials(x, out, 256) == 2 * BLOCK * 256
print((out - FIXED).abs().max().item())
"""
    env = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(BENCH)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-14


def test_a_way_that_is_wrong_or_fails_is_not_timed_and_leaves_the_others_alone(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    from device.clock import Device, NotHere, Way, measure

    def broken():
        raise RuntimeError("no kernel image")

    def elsewhere():
        raise NotHere("needs a GPU")

    right, asked = Way(lambda: lambda amount: None, 64, off=lambda: 1e-15), []
    ways = {
        "right": right,
        "wrong": Way(right.prepare, 64, off=lambda: 1e-3),
        "not a number": Way(right.prepare, 64, off=lambda: float("nan")),
        "broken": Way(broken, 64),
        "elsewhere": Way(elsewhere, 64),
        "core": Way(lambda: asked.append, 64, least=2, host=True),
    }
    times, offs, failed = measure(Device("cpu"), ways, 3, (0.1, 0.1), 1e-12)
    assert set(times) == {"right", "core"}
    assert times["right"].part == 1.0
    assert times["right"].count == 3
    assert max(asked) == 64
    assert offs["wrong"] == 1e-3
    assert failed["wrong"].startswith("DISAGREES")
    assert failed["not a number"].startswith("DISAGREES")
    assert "no kernel image" in failed["broken"]
    assert failed["elsewhere"] == "not timed: needs a GPU"


def test_the_first_piece_is_timed_before_the_check_can_warm_anything_up(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    from device.clock import Device, Way, measure

    cold = [0.2]

    def work(amount: int) -> None:
        sleep(cold.pop() if cold else 0.0)

    def off() -> float:
        work(1)
        return 0.0

    times = measure(Device("cpu"), {"way": Way(lambda: work, 8, off=off)}, 3, (0.01, 0.01), 1.0)[0]
    assert times["way"].first >= 0.2 > times["way"].seconds


def test_a_device_that_is_lost_ends_the_rows_and_not_the_script(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCH))
    from device.case import Setting
    from device.clock import Device
    from gpu import Table, fill

    def lost(*arguments):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    device = Device("cpu")
    monkeypatch.setattr(device, "clean", lost)
    table = Table(Namespace(repeats=3, seconds=(0.01, 0.01), json=None, minutes=1.0), Setting(device, True, 0))
    fill(table, ["resilience"])
    assert len(table.wrong) == 1
    assert "the device is lost" in table.wrong[0]
    assert {row["work"] for row in table.rows} == {"matrix product"}  # the first case; nothing was begun after it
    assert table.so_far().rows == table.rows
    assert "the device is lost" in capsys.readouterr().out


def test_a_size_that_runs_out_of_memory_is_halved_and_a_mean_far_from_the_cpu_s_is_told(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    from device.case import Case, Setting
    from device.clock import Device, Way
    from gpu import Table

    shares = []

    def make(setting, dtype, share):
        shares.append(share)
        if share > 0.3:
            raise torch.cuda.OutOfMemoryError("full")
        ways = {
            "near": Way(lambda: lambda amount: None, 8, mean=lambda: (1.04, 0.01)),
            "far": Way(lambda: lambda amount: None, 8, mean=lambda: (1.06, 0.01)),
        }
        words = ("entropy", "draws", "8", dtype, 8.0, "draws/s", 1.0, ways)
        return Case(*words, needs={"copy": 4.0}, reference=lambda: (1.0, 1e-9))

    table = Table(Namespace(repeats=3, seconds=(0.01, 0.01), json=None), Setting(Device("cpu"), True, 0))
    table.ceilings["copy", torch.float64] = 2.0  # so that the work takes two seconds at best
    table.run("entropy", make, torch.float64)
    assert shares == [1.0, 0.5, 0.25]
    assert [row["standard errors off"] for row in table.rows] == pytest.approx([4.0, 6.0])
    for row in table.rows:
        assert row["share of it %"] == pytest.approx(200.0 / row["seconds"])
    assert len(table.wrong) == 1
    assert "far" in table.wrong[0]
    assert "DISAGREES" in table.wrong[0]
    assert sum("out of memory" in note for note in table.setting.notes) == 2
