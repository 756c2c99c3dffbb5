"""How much faster is a sweep over shapes with two processes than with one?

    python bench/sweep_scaling.py [--processes 1,2] [--repeats 5] [--seed 0] [--json FILE]

Partial concept bottleneck networks: a hundred thousand shapes by theory alone, and some hundreds whose mean energies
are simulated at two sample sizes.  Each time is of a whole sweep into SQLite by worker processes that already run.
"""

import answer

# isort: split
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np

from lemmata.papers.sweeps.sweep import CHUNK, Swept, sweep

WANTED = 1.8  # times the throughput of one process
SMALL = {"outputs": "1:2", "hidden": "1:2", "concepts": "1", "inputs": "2", "concept_rank": "1", "residual_rank": "0:1"}
RANKS = {"concept_rank": "0:1", "residual_rank": "0:1"}
WORKS = {
    "theory alone": (
        {"outputs": "1:13", "hidden": "1:13", "concepts": "1:13", "inputs": "1:12", **RANKS},
        {"samples": (1e2, 1e3, 1e4, 1e6, 1e8)},
    ),
    "simulated": (
        {"outputs": "1:4", "hidden": "1:4", "concepts": "1:3", "inputs": "2:4", **RANKS},
        {"samples": (1e4, 1e10), "simulate": 200},
    ),
}
COLUMNS = {
    "work": "",
    "shapes": "d",
    "processes": "d",
    "wall s": ".2f",
    "CPU s of the workers": ".2f",
    "CPU s of the writer": ".2f",
    "shapes a second": ".0f",
    "times as fast": ".2f",
    "slowest to fastest": "",
}


def seconds(work: str, processes: int, seed: int, folder: Path) -> tuple[Swept, float, float]:
    """A sweep, its wall time and this process's CPU time, after a small one that starts and warms the workers."""
    grid, options = WORKS[work]
    for name, shapes, chunk in (("warm", SMALL, 1), ("timed", grid, None)):
        file = folder / f"{name}.sqlite"
        file.unlink(missing_ok=True)
        wall, cpu = perf_counter(), process_time()
        swept = sweep("pcbm", shapes, file, seed=seed, jobs=processes, chunk=chunk, **options)
    return swept, perf_counter() - wall, process_time() - cpu


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--processes", default="1,2", help="numbers of them, the first to compare with (default 1,2)")
    parser.add_argument("--repeats", type=int, default=5, help="sweeps a row (default 5)")
    asked = parser.parse_args()
    rows = []
    for work in WORKS:
        runs: dict[int, list[tuple[Swept, float, float]]] = {int(word): [] for word in asked.processes.split(",")}
        with TemporaryDirectory() as folder:
            for _ in range(asked.repeats):  # in turn, so that a busy machine slows all alike
                for count, seen in runs.items():
                    seen.append(seconds(work, count, asked.seed, Path(folder)))
        first = float(np.median([wall for _, wall, _ in next(iter(runs.values()))]))
        for count, seen in runs.items():
            walls = [wall for _, wall, _ in seen]
            wall, done = float(np.median(walls)), seen[0][0].count
            workers = float(np.median([swept.count.cpu_seconds for swept, _, _ in seen]))
            here = float(np.median([cpu for _, _, cpu in seen]))
            spread = f"{max(walls):.2f} to {min(walls):.2f} s"
            values = (work, done.rows, count, wall, workers, here, done.rows / wall, first / wall, spread)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    notes = (
        f"Medians of {asked.repeats} sweeps each, in turn. Wanted of two processes on two free cores: {WANTED}.",
        f"By theory alone a task is {CHUNK} shapes. The writer's time is that of unpacking rows and of SQLite; what it "
        "takes of the same cores bounds the gain.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
