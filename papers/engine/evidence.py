"""The evidence of a run: its rows in one SQLite file, a transaction a row, so that a run that is killed can go on.

The tables are described in docs/validation, section 5.  One process writes; others may read meanwhile.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from .blocks import Counterexample, Search
from .claim import Case, Claim, FalseVariant, Relation
from .evidence_rows import counterexample_of, entry_of, grouped, now, row_of, statement_of
from .locked_database import Kind, asked, reading, writing, written
from .machine import host, versions
from .profile import Profile
from .row import Row
from .strict_json import as_json
from .verdict import Verdict, verdicts

KIND = Kind("evidence", 0x4C4D4D54, 1, "`lemmata validate`")  # "LMMT" in the file's header

TABLES = """
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY CHECK (id = 1), plan TEXT NOT NULL, profile TEXT NOT NULL, seed INTEGER NOT NULL,
    level REAL NOT NULL, planned INTEGER NOT NULL, finished TEXT
) STRICT;
CREATE TABLE session (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, versions TEXT NOT NULL, machine TEXT NOT NULL
) STRICT;
CREATE TABLE statement (
    paper TEXT NOT NULL, claim TEXT NOT NULL, title TEXT NOT NULL, place TEXT NOT NULL, sentence TEXT NOT NULL,
    formula TEXT NOT NULL, relation TEXT NOT NULL, remainder TEXT NOT NULL, PRIMARY KEY (paper, claim)
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES session, paper TEXT NOT NULL, claim TEXT NOT NULL,
    place TEXT NOT NULL, relation TEXT NOT NULL, case_name TEXT NOT NULL, arguments TEXT NOT NULL, theory REAL,
    tolerance REAL NOT NULL, mean REAL, error REAL, draws INTEGER, effective REAL, method TEXT, sequence TEXT NOT NULL,
    low REAL, high REAL, trials INTEGER, violations INTEGER, worst REAL, worst_stream TEXT, worst_arguments TEXT,
    p_supported REAL NOT NULL, p_refuted REAL NOT NULL, more REAL, verdict TEXT, failure TEXT NOT NULL,
    seconds REAL NOT NULL, finished TEXT NOT NULL, UNIQUE (paper, claim, case_name)
) STRICT;
CREATE TABLE block (
    entry INTEGER NOT NULL REFERENCES entry, number INTEGER NOT NULL, draws INTEGER NOT NULL, value REAL,
    violations INTEGER NOT NULL, PRIMARY KEY (entry, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE variant (
    entry INTEGER NOT NULL REFERENCES entry, number INTEGER NOT NULL, words TEXT NOT NULL, theory REAL,
    p_refuted REAL NOT NULL, blocks INTEGER NOT NULL, refuted INTEGER NOT NULL, PRIMARY KEY (entry, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE sighting (
    entry INTEGER NOT NULL REFERENCES entry, number INTEGER NOT NULL, value REAL, bound REAL NOT NULL,
    PRIMARY KEY (entry, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE counterexample (
    id INTEGER PRIMARY KEY, entry INTEGER NOT NULL REFERENCES entry, stream TEXT NOT NULL, value REAL,
    bound REAL NOT NULL, arguments TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True)
class Plan:
    """What a run sets out to do: two runs with the same plan have the same rows.

    Attributes
    ----------
    fingerprint : str
        SHA-256 of what the claims say: names, sentences, cases, stated numbers, tolerances, variants.
    rows : int
    seed : int
    profile : Profile
    claims : tuple of Claim
    titles : mapping
        What papers are called.  Neither is compared: they are written down.
    """

    fingerprint: str
    rows: int
    seed: int
    profile: Profile
    claims: tuple[Claim, ...] = field(default=(), compare=False)
    titles: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, work: Sequence[tuple[Claim, Case]], seed: int, profile: Profile) -> "Plan":
        """The plan of claims at their cases."""
        words = []
        for claim, case in work:
            tried = [(v.words, _said(claim, case, v)) for v in claim.false_variants if v.applies(case)]
            name = (claim.paper, claim.name, claim.relation, case.name, claim.place, claim.sentence, claim.formula)
            words.append([*name, case.arguments, claim.tolerance_at(case), _said(claim, case), tried])
        claims = tuple({(claim.paper, claim.name): claim for claim, _ in work}.values())
        return cls(hashlib.sha256(as_json(words).encode()).hexdigest(), len(work), seed, profile, claims)


def _said(claim: Claim, case: Case, variant: FalseVariant | None = None) -> float | str:
    """The stated number, by which another theory is noticed; nothing for a bound, which every input has anew."""
    if claim.relation is Relation.NEVER_EXCEEDS:
        return ""
    try:
        return claim.theory_at(case.arguments, variant)
    except Exception as error:  # the row will say so
        return str(error)


class Evidence:
    """An open evidence file; made by `writing` and `reading`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._session = 0

    @classmethod
    @contextmanager
    def writing(cls, path: str | PathLike[str], plan: Plan, resume: bool = False) -> Iterator["Evidence"]:
        """A new file for the plan, or with `resume` the file of a run with the same plan, held against other writers.

        Raises ValueError where the file exists (or, to resume, does not), is in use, foreign, damaged, of another plan,
        or cannot be written.  What was written stays as it is.
        """
        file = Path(path)
        with writing(KIND, file, resume, lambda connection: _fill(connection, plan)) as connection:
            evidence = cls(connection, file)
            if (old := evidence.plan) != plan:
                what = (
                    "seed" if old.seed != plan.seed else "profile" if old.profile != plan.profile else "claims or cases"
                )
                raise ValueError(f"evidence must be of the same run, got {str(path)!r}, which has other {what}")
            with written(KIND, file, connection):
                values = {"started": now(), "versions": as_json(versions()), "machine": as_json(host())}
                evidence._session = _insert(connection, "session", values)
            yield evidence

    @classmethod
    @contextmanager
    def reading(cls, path: str | PathLike[str]) -> Iterator["Evidence"]:
        """The file of a run, finished or not.  Raises ValueError where it is none."""
        with reading(KIND, Path(path)) as connection:
            yield cls(connection, Path(path))

    def add(self, index: int, row: Row) -> None:
        """Write a row with all that belongs to it in one transaction."""
        with written(KIND, self._path, self._connection):
            _insert(self._connection, "entry", entry_of(index, self._session, row))
            for number, block in enumerate(row.blocks):
                _insert(self._connection, "block", {"entry": index, "number": number} | asdict(block))
            for number, variant in enumerate(row.variants):
                _insert(
                    self._connection,
                    "variant",
                    {
                        "entry": index,
                        "number": number,
                        "words": variant.words,
                        "theory": variant.theory,
                        "p_refuted": variant.p,
                        "blocks": variant.blocks,
                        "refuted": int(variant.refuted),
                    },
                )
            if not isinstance(row.seen, Search):
                return
            for number, (value, bound) in enumerate(row.seen.sample):
                _insert(
                    self._connection, "sighting", {"entry": index, "number": number, "value": value, "bound": bound}
                )
            for found in row.seen.counterexamples:
                _insert(
                    self._connection,
                    "counterexample",
                    {
                        "entry": index,
                        "stream": as_json(found.key),
                        "value": found.value,
                        "bound": found.bound,
                        "arguments": as_json(found.arguments),
                    },
                )

    def close_campaign(self, given: Sequence[Verdict]) -> None:
        """Write the verdicts of a run whose rows are all there."""
        with written(KIND, self._path, self._connection):
            ids = [row["id"] for row in self._connection.execute("SELECT id FROM entry ORDER BY id")]
            for index, verdict in zip(ids, given, strict=True):
                self._connection.execute("UPDATE entry SET verdict = ? WHERE id = ?", (verdict, index))
            self._connection.execute("UPDATE campaign SET finished = ?", (now(),))

    def rows(self) -> dict[int, Row]:
        """The rows by their place in the plan."""
        with asked(KIND, self._path):
            ask = self._connection.execute
            blocks = grouped(ask("SELECT * FROM block ORDER BY entry, number"))
            variants = grouped(ask("SELECT * FROM variant ORDER BY entry, number"))
            found = grouped(ask("SELECT * FROM counterexample ORDER BY entry, id"))
            samples = grouped(ask("SELECT * FROM sighting ORDER BY entry, number"))
            entries = ask("SELECT * FROM entry ORDER BY id").fetchall()
        parts = (blocks, variants, found, samples)
        return {e["id"]: row_of(e, *(part.get(e["id"], ()) for part in parts)) for e in entries}

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def plan(self) -> Plan:
        """What the run set out to do."""
        with asked(KIND, self._path):
            row = self._connection.execute("SELECT * FROM campaign").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("no campaign in it")
            return Plan(row["plan"], row["planned"], row["seed"], Profile(**json.loads(row["profile"])))

    def verdicts(self) -> dict[int, Verdict]:
        """The verdicts by place in the plan; rows that are not there count as undecided."""
        rows, plan = self.rows(), self.plan
        given = verdicts([row.p for row in rows.values()], plan.profile.level, plan.rows)
        return dict(zip(rows, given, strict=True))

    def statements(self) -> list[dict[str, str]]:
        """What the claims say, in the order of their rows: its columns are the keys."""
        order = "SELECT paper, claim, min(id) AS first FROM entry GROUP BY paper, claim"
        with asked(KIND, self._path):
            found = self._connection.execute(
                f"SELECT s.* FROM statement s JOIN ({order}) USING (paper, claim) ORDER BY first"
            )
            return [dict(row) for row in found]

    def sessions(self) -> list[dict[str, Any]]:
        """When, with what versions and on what machine rows were worked off: id, started, versions, machine."""
        with asked(KIND, self._path):
            found = self._connection.execute("SELECT * FROM session ORDER BY id").fetchall()
        return [dict(row) | {key: json.loads(row[key]) for key in ("versions", "machine")} for row in found]

    def records(self) -> list[dict[str, Any]]:
        """A flat dict a row, of numbers and words alone: the columns of `entry`, verdict and session.

        pandas.DataFrame and polars.DataFrame take it.
        """
        given = self.verdicts()
        sessions = {s["id"]: s for s in self.sessions()}
        plan = self.plan
        with asked(KIND, self._path):
            entries = [dict(e) for e in self._connection.execute("SELECT * FROM entry ORDER BY id")]
            counts = dict(self._connection.execute("SELECT entry, count(*) FROM block GROUP BY entry").fetchall())
        return [
            entry
            | {"verdict": str(given[entry["id"]]), "blocks": counts.get(entry["id"], 0), "seed": plan.seed}
            | {"profile": plan.profile.name, "lemmata": sessions[entry["session"]]["versions"]["lemmata"]}
            | {"machine": sessions[entry["session"]]["machine"]["processor"]}
            for entry in entries
        ]

    def counterexample(self, number: int) -> tuple[Row, Counterexample]:
        """A violation by its id, with its row; ValueError where there is none."""
        with asked(KIND, self._path):
            asked_for = min(max(number, -1), 2**62)  # what SQLite takes
            found = self._connection.execute("SELECT * FROM counterexample WHERE id = ?", (asked_for,)).fetchone()
            known = [r["id"] for r in self._connection.execute("SELECT id FROM counterexample ORDER BY id LIMIT 21")]
        if found is None:
            words = ", ".join(map(str, known[:20])) + ("…" if len(known) > 20 else "") if known else "none"
            raise ValueError(f"ID must be that of a counterexample in the file ({words}), got {number}")
        return self.rows()[found["entry"]], counterexample_of(found)

    def counterexamples(self) -> list[tuple[int, int]]:
        """(id, place of the row in the plan) of every violation that was kept."""
        with asked(KIND, self._path):
            found = self._connection.execute("SELECT id, entry FROM counterexample ORDER BY id").fetchall()
        return [(row["id"], row["entry"]) for row in found]


def _fill(connection: sqlite3.Connection, plan: Plan) -> None:
    """The tables, and what is known before the first row."""
    for statement in TABLES.split(";\n"):
        connection.execute(statement)
    values = {"plan": plan.fingerprint, "profile": as_json(asdict(plan.profile)), "seed": plan.seed}
    _insert(connection, "campaign", {"id": 1, **values, "level": plan.profile.level, "planned": plan.rows})
    for claim in plan.claims:
        _insert(connection, "statement", statement_of(claim, plan.titles.get(claim.paper, claim.paper)))


def _insert(connection: sqlite3.Connection, table: str, values: dict[str, Any]) -> int:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    done = connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
    return int(done.lastrowid or 0)
