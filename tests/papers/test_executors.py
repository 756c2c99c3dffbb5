"""Who works the rows off does not matter, and a worker that dies takes no row with it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lemmata.papers.engine.campaign import run
from lemmata.papers.engine.claim import Case, Claim, FalseVariant, Relation
from lemmata.papers.engine.executors import executor
from lemmata.papers.engine.profile import Profile
from lemmata.theory.estimate import Estimate

SMALL = Profile("small", first=8, step=8, most=24, effort=1.0, trials=100, level=1e-2)


def claim(pause: float = 0.0, folder: str = "") -> Claim:
    """The mean square of products of matrices, which more threads would sum in another order."""

    def simulate(case, rng, effort):
        matrix = rng.standard_normal((60, 60))
        if pause:
            time.sleep(pause)
            if folder:
                open(os.path.join(folder, str(os.getpid())), "w").close()
        return Estimate(float((matrix @ matrix).mean()), 1.0, 1, 1.0, "entries of a product")

    return Claim(
        name="product",
        paper="made-up",
        place="page 1",
        sentence="The entries of a product of independent matrices have mean 0.",
        relation=Relation.EQUALS,
        theory=lambda number: 0.0,
        simulate=simulate,
        cases=tuple(Case(str(k), {"number": k}) for k in range(6)),
        tolerance=2.0,
        remainder="how near is near enough",
        false_variants=(FalseVariant("mean 9", lambda number: 9.0),),
    )


def rows(campaign):
    return [replace(row, seconds=0.0) for row in campaign.rows]


@contextlib.contextmanager
def cluster(workers: int, folder) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A Dask scheduler and its workers, each a process of its own, on this machine alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    started = [subprocess.Popen([*dask, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet)]
    try:
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        started += [subprocess.Popen([*worker, "--no-dashboard"], **quiet) for _ in range(workers)]
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_serial_processes_and_a_cluster_give_the_same_rows_to_the_last_bit(tmp_path):
    pytest.importorskip("distributed")
    serial = rows(run([claim()], SMALL, executor="serial"))
    assert rows(run([claim()], SMALL, jobs=2)) == serial
    with cluster(1, tmp_path) as (address, _):
        assert rows(run([claim()], SMALL, executor="dask", cluster=address)) == serial


def test_a_worker_killed_in_the_middle_of_a_task_costs_no_row(tmp_path):
    pytest.importorskip("distributed")
    trace = tmp_path / "workers"
    trace.mkdir()
    slow = claim(pause=0.05, folder=str(trace))
    finished, killed = [], []
    with cluster(2, tmp_path) as (address, workers):
        pids = {process.pid: process for process in workers}

        def on_row(row):
            finished.append(row.case)
            busy = [int(name) for name in os.listdir(trace) if int(name) in pids]
            if len(busy) == 2 and not killed:  # both have begun: the one that is hit is at work on another row
                killed.append(busy[0])
                os.kill(busy[0], signal.SIGKILL)

        campaign = run([slow], SMALL, executor="dask", cluster=address, on_row=on_row)
        assert killed
        assert pids[killed[0]].wait(timeout=10) == -signal.SIGKILL
    assert sorted(finished) == [str(k) for k in range(6)]
    assert rows(campaign) == rows(run([claim()], SMALL, executor="serial"))


def test_a_process_killed_in_the_middle_of_a_task_costs_no_row(tmp_path):
    slow, killed = claim(pause=0.05, folder=str(tmp_path)), []

    def on_row(row):
        if not killed:
            killed.append(int(os.listdir(tmp_path)[0]))
            os.kill(killed[0], signal.SIGKILL)

    campaign = run([slow], SMALL, jobs=2, on_row=on_row)
    assert killed
    assert rows(campaign) == rows(run([claim()], SMALL, executor="serial"))


def test_a_task_that_kills_every_worker_ends_the_run_with_one_sentence():
    def die(case, rng, effort):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ValueError, match="jobs must leave the workers memory enough, got 1: workers died 4 times"):
        run([replace(claim(), simulate=die, cases=(Case("0", {"number": 0}),))], SMALL, jobs=1)


def test_nobody_at_the_address_is_one_clear_sentence():
    pytest.importorskip("distributed")
    with pytest.raises(
        ValueError, match=r"cluster must be the address of a Dask scheduler that answers, got 'nowhere'"
    ):
        run([claim()], SMALL, executor="dask", cluster="nowhere")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("threads",), "executor must be one of processes, serial, dask, got 'threads'"),
        (("processes", 0), "jobs must be >= 1, got 0"),
        (("serial", 2), "jobs must be 1 where the executor is serial, got 2"),
        (("processes", None, "tcp://localhost:1"), "cluster must be left out unless the executor is dask"),
        (("dask", 2, "tcp://localhost:1"), "jobs must be left out where a cluster is named"),
    ],
)
def test_an_executor_that_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        executor(*arguments)
