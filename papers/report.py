"""A run as a table for people and as JSON for programs."""

import json
from typing import Any

from rich.table import Table
from rich.text import Text

from ..theory.estimate import Estimate
from .campaign import Campaign
from .claim import Relation
from .machine import versions
from .row import Row, Search
from .verdict import RARITY, Verdict

STYLES = {Verdict.SUPPORTED: "green", Verdict.REFUTED: "bold red", Verdict.INCONCLUSIVE: "yellow"}
SIGNS = {
    Relation.EQUALS: "=",
    Relation.AT_MOST: "≤",
    Relation.AT_LEAST: "≥",
    Relation.NEVER_EXCEEDS: "never above",
}


def table(campaign: Campaign) -> Table:
    """A line a row: paper, claim, case, theory, simulation ± error, verdict."""
    out = Table(box=None, pad_edge=False)
    for name in ("paper", "claim", "case"):
        out.add_column(name)
    out.add_column("theory", justify="right")
    out.add_column("simulation ± error", justify="right")
    out.add_column("verdict")
    previous = ("", "")
    for row, verdict in zip(campaign.rows, campaign.verdicts, strict=True):
        here = (row.paper, row.claim)
        heading = ("" if here[0] == previous[0] else here[0], "" if here == previous else here[1])
        cells = (*heading, row.case, _theory(row), _seen(row))
        out.add_row(*(Text(cell) for cell in cells), Text(verdict, style=STYLES[verdict]))
        previous = here
    return out


def closing(campaign: Campaign) -> str:
    """What the run comes to, in one paragraph, with what is known of its error."""
    counts = ", ".join(f"{campaign.count(v)} {v}" for v in Verdict if campaign.count(v) or v is Verdict.SUPPORTED)
    variants = [v for row in campaign.rows for v in row.variants]
    caught = sum(v.refuted for v in variants)
    missing = campaign.planned - len(campaign.rows)
    lines = [
        f"{counts} of {campaign.planned} rows{f'; {missing} not finished' if missing else ''} "
        f"(profile {campaign.profile.name}, seed {campaign.seed}, {campaign.seconds:.0f} s).",
        f"{caught} of {len(variants)} false variants refuted with the same budget.",
        f"Probability of even one wrong verdict at most {campaign.profile.level:g} (Holm over all rows, "
        f"{len(campaign.profile.rounds)} looks each).",
    ]
    if any(row.relation is Relation.NEVER_EXCEEDS for row in campaign.rows):
        lines.append(f"'Never above' is supported where violating inputs are rarer than 1 in {1 / RARITY:.0f}.")
    lines += [f"{row.paper}/{row.claim} at {row.case}: {row.failure}" for row in campaign.rows if row.failure]
    for row in campaign.rows:
        lines += [
            f"{row.paper}/{row.claim} at {row.case}: the budget does not refute {v.words!r}"
            for v in row.variants
            if not v.refuted
        ]
    return "\n".join(lines)


def as_json(campaign: Campaign) -> str:
    """The whole run in strict JSON (no NaN): versions, rows, p-values, false variants."""
    data = {
        "versions": versions(),
        "profile": campaign.profile.name,
        "level": campaign.profile.level,
        "seed": campaign.seed,
        "seconds": campaign.seconds,
        "planned": campaign.planned,
        "interrupted": campaign.interrupted,
        "rows": [_row(row, verdict) for row, verdict in zip(campaign.rows, campaign.verdicts, strict=True)],
    }
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _row(row: Row, verdict: Verdict) -> dict[str, Any]:
    return {
        "paper": row.paper,
        "claim": row.claim,
        "place": row.place,
        "relation": row.relation,
        "case": row.case,
        "arguments": dict(row.arguments),
        "theory": row.theory,
        "tolerance": row.tolerance,
        "seen": _evidence(row),
        "blocks": row.blocks,
        "p_supported": row.p.supported,
        "p_refuted": row.p.refuted,
        "verdict": verdict,
        "false_variants": [
            {"words": v.words, "theory": v.theory, "p_refuted": v.p, "blocks": v.blocks, "refuted": v.refuted}
            for v in row.variants
        ],
        "seconds": row.seconds,
        "failure": row.failure,
    }


def _evidence(row: Row) -> dict[str, Any] | None:
    seen = row.seen
    if isinstance(seen, Estimate):
        return {
            "mean": seen.mean,
            "error": seen.error,
            "draws": seen.draws,
            "effective": seen.effective,
            "method": seen.method,
        }
    if isinstance(seen, Search):
        return {
            "trials": seen.trials,
            "violations": seen.violations,
            "worst_margin": seen.worst,
            "worst_stream": list(seen.key),
            "worst_arguments": dict(seen.arguments),
        }
    return None


def _theory(row: Row) -> str:
    sign = SIGNS[row.relation]
    return sign if row.theory is None else f"{sign} {row.theory:.4f}"


def _seen(row: Row) -> str:
    if isinstance(row.seen, Search):
        return f"{row.seen.violations} above in {row.seen.trials}, closest {row.seen.worst:+.4g}"
    return "failed" if row.seen is None else f"{row.seen.mean:.4f} ± {row.seen.error:.1g}"
