"""What the scripts of this folder share: one thread, the machine in words, and a table that prints itself.

Imported before NumPy, since the number of threads is read when a library loads.
"""

import json
import os
import platform
import re
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, TypeVar

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[name] = "1"

Value = TypeVar("Value")

# module: the package that holds it; named with its version where the script has loaded it
PACKAGES = {
    **{name: name for name in ("numpy", "scipy", "numba", "torch", "triton", "jax", "numpyro", "mixentropy", "cvxpy")},
    "sklearn": "scikit-learn",
    "PEPit": "PEPit",
}


@dataclass(frozen=True)
class Answer:
    """A question and the table that answers it.

    `columns` maps each column to the format of its numbers, a row maps columns to values; a missing one prints as "-".
    Results of one machine class are kept together: the processor with its widest vectors and the number of cores, or
    the accelerator.
    """

    question: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()
    command: str = field(default_factory=lambda: " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *_words()]))
    machine: str = field(default_factory=lambda: machine())
    machine_class: str = field(default_factory=lambda: machine_class())
    measured: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))

    def cells(self) -> list[list[str]]:
        """The rows as words, the heads of the columns first."""
        table = [list(self.columns)]
        for row in self.rows:
            table.append([_word(row.get(column), spec) for column, spec in self.columns.items()])
        return table

    def __str__(self) -> str:
        table = self.cells()
        widths = [max(len(row[k]) for row in table) for k in range(len(self.columns))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
        return "\n".join([self.question, "", *lines, "", *self.notes, self.machine])

    def markdown(self) -> str:
        """The answer as a section of a Markdown page."""
        head, *body = self.cells()
        rows = [[cell.replace("|", "\\|") for cell in row] for row in (head, ["---"] * len(head), *body)]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        notes = [f"- {note}" for note in self.notes]
        source = f"`{self.command}`, {self.measured}  \n{self.machine}"
        parts = [f"### {self.question}", "\n".join(lines), "\n".join(notes), source]
        return "\n\n".join(part for part in parts if part)

    def data(self) -> dict[str, Any]:
        """The answer as JSON takes it."""
        return asdict(self)


def parser(question: str) -> ArgumentParser:
    """The command line of a script: `--seed`, `--json FILE`; the script adds its own."""
    out = ArgumentParser(description=question)
    out.add_argument("--seed", type=int, default=0, help="of the random streams (default 0)")
    out.add_argument("--json", type=Path, metavar="FILE", help="write the table there as data")
    return out


def publish(answer: Answer, file: Path | None) -> None:
    """Print the answer and, where a file is given, write it as JSON."""
    print(answer)
    if file is not None:
        file.write_text(json.dumps(answer.data(), ensure_ascii=False, indent=1) + "\n")


def timed(work: Callable[[], Value]) -> tuple[Value, float]:
    """What `work` returns and the CPU seconds, of all threads, that it took."""
    start = process_time()
    value = work()
    return value, process_time() - start


def turns(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each work, all taking turns after a first call that does not count."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            seconds = timed(work)[1]
            if repeat:
                spent[name].append(seconds)
    return {name: median(times) for name, times in spent.items()}


def machine() -> str:
    """Processor, system and the versions that decide a time: those of the packages that are loaded."""
    packages = [f"{name} {version(name)}" for module, name in PACKAGES.items() if module in sys.modules]
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; one BLAS thread; "
        f"Python {platform.python_version()}, {', '.join(packages)}"
    )


def machine_class() -> str:
    """Processor, with the numbers that tell generations of one name apart, and cores, as the name of a file."""
    facts = _facts()
    numbers = [f"{key.split()[-1]} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    return slug(" ".join([_processor(), *numbers, f"{os.cpu_count()} cores"]))


def slug(words: str) -> str:
    """Lower case letters and digits, all else as single hyphens.

    >>> slug("AMD EPYC with avx512f 2 cores")
    'amd-epyc-with-avx512f-2-cores'
    """
    return "-".join(re.findall("[a-z0-9]+", words.lower()))


def _processor() -> str:
    facts = _facts()
    flags = facts.get("flags", "").split()
    widest = next((f" with {name}" for name in ("avx512f", "avx2") if name in flags), "")
    return (facts.get("model name") or platform.processor() or platform.machine()) + widest


def _facts() -> dict[str, str]:
    """What Linux says of the first core."""
    file = Path("/proc/cpuinfo")
    core = file.read_text().split("\n\n")[0].splitlines() if file.exists() else []
    pairs = (line.split(":", 1) for line in core if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _words() -> list[str]:
    """The arguments of this run that change its figures."""
    words, skip = [], False
    for word in sys.argv[1:]:
        if skip or word == "--json":
            skip = not skip
        elif not word.startswith("--json="):
            words.append(word)
    return words


def _word(value: Any, spec: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, spec) if isinstance(value, (int, float)) else str(value)
