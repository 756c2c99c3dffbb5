"""Sweeps, evidence and campaigns against their rows, in time and in memory."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from lemmata.papers.engine.campaign import run
from lemmata.papers.engine.claim import Case, Claim, FalseVariant, Relation
from lemmata.papers.engine.evidence import Evidence
from lemmata.papers.engine.evidence import Plan as Run
from lemmata.papers.engine.profile import Profile
from lemmata.papers.engine.row import examine
from lemmata.theory.estimate import Estimate

from .memory import IN_MEMORY, table
from .series import Maker, Series, Work, power, steps

Array = NDArray[np.float64]

PROFILE = Profile("small", first=8, step=8, most=8, effort=1.0, trials=100, level=1e-2)


def claim(cases: int) -> Claim:
    """A mean that is what it is said to be, at so many cases."""
    return Claim(
        *("mean", "made-up", "page 1", "The mean is what it is said to be.", Relation.EQUALS),
        theory=lambda mean: mean,
        simulate=lambda case, rng, effort: Estimate(
            case.arguments["mean"] + 0.1 * rng.standard_normal(), 0.1, 1, 1.0, "a normal value"
        ),
        cases=tuple(Case(f"mean {k}", {"mean": float(k)}) for k in range(cases)),
        tolerance=0.5,
        remainder="how near is near enough",
        false_variants=(FalseVariant("one more", lambda mean: mean + 1.0),),
    )


def evidence(part: str) -> Maker:
    """Writing rows that are there, reading them back, or a whole run with its draws."""

    def make(rows: int, rng: np.random.Generator) -> Work:
        said = claim(rows)
        folder = TemporaryDirectory(dir=IN_MEMORY)
        file = Path(folder.name) / "run.sqlite"
        one = examine(said, said.cases[0], 0, PROFILE, 1e-9)
        every = [replace(one, case=case.name, arguments=case.arguments) for case in said.cases]
        plan = Run.of([(said, case) for case in said.cases], 0, PROFILE)

        def write() -> None:
            file.unlink(missing_ok=True)
            with Evidence.writing(file, plan) as kept:
                for number, row in enumerate(every):
                    kept.add(number, row)

        def read() -> None:
            with Evidence.reading(file) as kept:
                kept.records()

        def whole() -> None:
            file.unlink(missing_ok=True)
            run([said], PROFILE, executor="serial", evidence=file)

        write()
        works: dict[str, Work] = {"write": write, "read": read, "run": whole}
        chosen = works[part]
        return lambda: (folder, chosen())  # holds the folder as long as the work

    return make


def tables(ending: str) -> Maker:
    return lambda shapes, rng: lambda: table(shapes, ending)


def megabytes(shapes: int) -> float:
    """The largest resident size of a fresh process that makes a table of so many shapes."""
    words = [sys.executable, str(Path(__file__).with_name("memory.py")), str(shapes)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def nothing(size: int, rng: np.random.Generator) -> Work:
    return lambda: None


SHAPES = (100, 200, 500, 1000, 2000, 5000, 10_000)
PAPERS = [
    Series("papers", "sweep to SQLite", "shapes", SHAPES, power("S", 1), tables("sqlite")),
    Series("papers", "sweep to CSV", "shapes", SHAPES, power("S", 1), tables("csv")),
    Series("papers", "evidence, written", "rows", steps(20, 2000), power("R", 1), evidence("write")),
    Series("papers", "evidence, read", "rows", steps(20, 2000), power("R", 1), evidence("read")),
    Series("papers", "campaign", "rows", steps(3, 300, 3), power("R", 1), evidence("run")),
    Series(
        *(
            "papers",
            "memory of a sweep to CSV",
            "shapes",
            (1000, 10_000, 100_000),
            power("S", 0),
            nothing,
        ),
        megabytes=megabytes,
    ),
]
