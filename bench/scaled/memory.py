"""A table of exact coefficients over so many shapes, and the memory that a fresh process takes to write it.

    python bench/scaled/memory.py SHAPES

`scaling.py` calls it; it prints megabytes.
"""

import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lemmata.papers.sweeps.sweep import sweep

GRID = {"hidden": "1:10", "concepts": "1:10", "inputs": "4:13", "concept_rank": "0", "residual_rank": "0"}
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # so that no disk is waited for
LAYER = 1000  # shapes for each number of outputs


def table(shapes: int, ending: str) -> None:
    """A sweep in this process into a file that is dropped, shapes a multiple of 1000 or, below that, of 50.

    Raises SystemExit where the table has another number of rows.
    """
    if shapes >= LAYER:
        grid = GRID | {"outputs": f"1:{shapes // LAYER}"}
    else:
        grid = GRID | {"outputs": "1", "hidden": "1:5", "concepts": f"1:{shapes // 50}"}
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        done = sweep("pcbm", grid, Path(folder) / f"table.{ending}", samples=(1e2, 1e4), executor="serial")
    if done.count.rows != shapes:
        raise SystemExit(f"the sweep wrote {done.count.rows} rows of {shapes}")


def most_memory() -> float:
    """The largest resident size of this process so far, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there begins with the parent's size
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    table(int(sys.argv[1]), "csv")
    print(most_memory())
