"""The file of a sweep: its rows in SQLite, a transaction a chunk, so that a sweep that is killed can go on.

The tables are described in docs/scaling, section 6.  One process writes; others may read meanwhile.
"""

import json
import sqlite3
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from ..engine.locked_database import Kind, asked, reading, writing, written
from ..engine.machine import host, versions
from ..engine.strict_json import as_json
from .rows import Cell, Chunk, Plan
from .shape_grid import Grid

KIND = Kind("output", 0x4C4D5357, 1, "`lemmata sweep`")  # "LMSW" in the file's header
BATCH = 4096  # rows read at a time

TABLES = """
CREATE TABLE sweep (
    id INTEGER PRIMARY KEY CHECK (id = 1), family TEXT NOT NULL, grid TEXT NOT NULL, samples TEXT NOT NULL,
    simulate INTEGER NOT NULL, seed INTEGER NOT NULL, points INTEGER NOT NULL, chunk INTEGER NOT NULL, finished TEXT
) STRICT;
CREATE TABLE session (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, versions TEXT NOT NULL, machine TEXT NOT NULL
) STRICT;
CREATE TABLE chunk (
    number INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES session, points INTEGER NOT NULL,
    rows INTEGER NOT NULL, skipped INTEGER NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL
) STRICT;
"""


class Count(NamedTuple):
    """What a file holds so far.

    Attributes
    ----------
    points, rows, skipped : int
        Points worked off; the rows they gave; shapes among them that no network can have.
    reason : str
        Why the first of these cannot be.
    cpu_seconds : float
        Of the workers.
    """

    points: int
    rows: int
    skipped: int
    reason: str
    cpu_seconds: float


class SweepFile:
    """An open file; made by `writing` and `reading`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._session = 0

    @classmethod
    @contextmanager
    def writing(cls, path: Path, plan: Plan, resume: bool = False) -> Iterator["SweepFile"]:
        """A new file for the plan, or with `resume` one of the same plan, held against other writers.

        Raises ValueError where the file exists (or, to resume, does not), is in use, foreign, damaged, of another plan,
        or cannot be written.  What was written stays as it is.
        """

        def fill(connection: sqlite3.Connection) -> None:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in plan.columns.items())
            for statement in TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"CREATE TABLE shape ({columns}, PRIMARY KEY (point)) STRICT")
            grid = plan.grid
            values = (grid.family, as_json(grid.axes), as_json(plan.samples), plan.simulate, plan.seed)
            connection.execute(
                "INSERT INTO sweep VALUES (1, ?, ?, ?, ?, ?, ?, ?, NULL)", (*values, grid.points, plan.chunk)
            )

        with writing(KIND, path, resume, fill) as connection:
            file = cls(connection, path)
            old = file.plan
            if old != plan:
                differing = [part for part in ("grid", "samples", "simulate", "seed") if _differ(old, plan, part)]
                raise ValueError(
                    f"output must be of the same sweep, got {str(path)!r}, which has other {', '.join(differing)}"
                )
            with written(KIND, path, connection):
                started = connection.execute(
                    "INSERT INTO session (started, versions, machine) VALUES (?, ?, ?)",
                    (_now(), as_json(versions()), as_json(host())),
                )
                file._session = int(started.lastrowid or 0)
            yield file

    @classmethod
    @contextmanager
    def reading(cls, path: str | PathLike[str]) -> Iterator["SweepFile"]:
        """The file of a sweep, finished or not.  Raises ValueError where it is none."""
        with reading(KIND, Path(path)) as connection:
            yield cls(connection, Path(path))

    def add(self, chunk: Chunk, points: int) -> None:
        """Write the rows of a chunk of so many points in one transaction."""
        with written(KIND, self._path, self._connection):
            values = (points, len(chunk.rows), chunk.skipped, chunk.reason, chunk.seconds)
            self._connection.execute(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)", (chunk.number, self._session, *values)
            )
            if chunk.rows:
                marks = ", ".join("?" * len(chunk.rows[0]))
                self._connection.executemany(f"INSERT INTO shape VALUES ({marks})", chunk.rows)

    def chunks(self) -> "array[int]":
        """The numbers of the chunks that are there, increasing."""
        with asked(KIND, self._path):
            found = self._connection.execute("SELECT number FROM chunk ORDER BY number")
            return array("q", (row["number"] for row in found))

    def finish(self) -> None:
        """Write that all chunks are there."""
        with written(KIND, self._path, self._connection):
            self._connection.execute("UPDATE sweep SET finished = ?", (_now(),))

    def count(self) -> Count:
        """How far the sweep is."""
        sums = "SELECT total(points), total(rows), total(skipped), total(seconds) FROM chunk"
        first = "SELECT reason FROM chunk WHERE skipped > 0 ORDER BY number LIMIT 1"
        with asked(KIND, self._path):
            points, rows, skipped, seconds = self._connection.execute(sums).fetchone()
            reason = self._connection.execute(first).fetchone()
        return Count(int(points), int(rows), int(skipped), reason["reason"] if reason else "", seconds)

    @property
    def plan(self) -> Plan:
        """What the sweep sets out to do."""
        with asked(KIND, self._path):
            row = self._connection.execute("SELECT * FROM sweep").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("no sweep in it")
        grid = Grid(row["family"], tuple((name, words) for name, words in json.loads(row["grid"])))
        return Plan(grid, tuple(json.loads(row["samples"])), row["simulate"], row["seed"], row["chunk"])

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """The rows in the order of the grid, a batch of them in memory at a time."""
        with asked(KIND, self._path):
            cursor = self._connection.execute("SELECT * FROM shape ORDER BY point")
            cursor.arraysize = BATCH
            while batch := cursor.fetchmany():
                yield from map(tuple, batch)


def _differ(one: Plan, other: Plan, part: str) -> bool:
    return bool(getattr(one, part) != getattr(other, part))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
