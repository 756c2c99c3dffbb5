"""A row of a run as lines of the tables of its file, and back."""

import json
import math
import time
from dataclasses import asdict
from typing import Any

from ...theory.estimate import Estimate
from .blocks import Block, Counterexample, Search
from .claim import Claim, Relation
from .row import Row, VariantResult
from .strict_json import as_json
from .verdict import PValues


def statement_of(claim: Claim, title: str) -> dict[str, Any]:
    """What a claim says, and what its paper is called."""
    return {
        "paper": claim.paper,
        "claim": claim.name,
        "title": title,
        "place": claim.place,
        "sentence": claim.sentence,
        "formula": claim.formula,
        "relation": str(claim.relation),
        "remainder": claim.remainder,
    }


def entry_of(index: int, session: int, row: Row) -> dict[str, Any]:
    seen = row.seen
    low, high = row.interval or (None, None)
    values: dict[str, Any] = {
        "id": index,
        "session": session,
        "paper": row.paper,
        "claim": row.claim,
        "place": row.place,
        "relation": str(row.relation),
        "case_name": row.case,
        "arguments": as_json(row.arguments),
        "theory": row.theory,
        "tolerance": row.tolerance,
        "sequence": row.sequence,
        "low": low,
        "high": high,
        "p_supported": row.p.supported,
        "p_refuted": row.p.refuted,
        "more": row.more,
        "failure": row.failure,
        "seconds": row.seconds,
        "finished": now(),
    }
    if isinstance(seen, Estimate):
        values |= asdict(seen)
    if isinstance(seen, Search):
        values |= {
            "trials": seen.trials,
            "violations": seen.violations,
            "worst": _number(seen.worst),
            "worst_stream": as_json(seen.key),
            "worst_arguments": as_json(seen.arguments),
        }
    return values


def row_of(entry: Any, blocks: Any, variants: Any, found: Any, sample: Any) -> Row:
    seen: Estimate | Search | None = None
    if entry["mean"] is not None:
        seen = Estimate(*(entry[k] for k in ("mean", "error", "draws", "effective", "method")))
    elif entry["trials"] is not None:
        seen = Search(
            entry["trials"],
            entry["violations"],
            math.nan if entry["worst"] is None else entry["worst"],
            tuple(json.loads(entry["worst_stream"])),
            json.loads(entry["worst_arguments"]),
            tuple(counterexample_of(x) for x in found),
            tuple((math.nan if x["value"] is None else x["value"], x["bound"]) for x in sample),
        )
    return Row(
        paper=entry["paper"],
        claim=entry["claim"],
        place=entry["place"],
        relation=Relation(entry["relation"]),
        case=entry["case_name"],
        arguments=json.loads(entry["arguments"]),
        theory=entry["theory"],
        tolerance=entry["tolerance"],
        seen=seen,
        sequence=entry["sequence"],
        interval=None if entry["low"] is None else (entry["low"], entry["high"]),
        p=PValues(entry["p_supported"], entry["p_refuted"]),
        blocks=tuple(
            Block(b["draws"], math.nan if b["value"] is None else b["value"], b["violations"]) for b in blocks
        ),
        more=entry["more"],
        variants=tuple(
            VariantResult(v["words"], v["theory"], v["p_refuted"], v["blocks"], bool(v["refuted"])) for v in variants
        ),
        seconds=entry["seconds"],
        failure=entry["failure"],
    )


def counterexample_of(entry: Any) -> Counterexample:
    value = math.nan if entry["value"] is None else entry["value"]
    return Counterexample(tuple(json.loads(entry["stream"])), value, entry["bound"], json.loads(entry["arguments"]))


def grouped(rows: Any) -> dict[int, list[Any]]:
    out: dict[int, list[Any]] = {}
    for row in rows:
        out.setdefault(row["entry"], []).append(row)
    return out


def _number(value: float) -> float | None:
    """SQLite takes NaN for no value, and says so."""
    return None if math.isnan(value) else value


def now() -> str:
    """The time in UTC to a second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
