"""A run as a table for people and as JSON for programs."""

from typing import Any

from rich.table import Table
from rich.text import Text

from ...theory.estimate import Estimate
from .blocks import ASYMPTOTIC, NOISELESS, Search
from .campaign import Campaign
from .claim import Relation
from .machine import versions
from .row import Row
from .strict_json import as_json as strict_json
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
    nearly = [row for row in campaign.rows if row.sequence == ASYMPTOTIC]
    lines = [
        f"{counts} of {campaign.planned} rows{f'; {missing} not finished' if missing else ''} "
        f"(profile {campaign.profile.name}, seed {campaign.seed}, {campaign.seconds:.0f} s).",
        f"{caught} of {len(variants)} false variants refuted with the same budget.",
        f"Probability of even one wrong verdict at most {campaign.profile.level:g} (Holm over all rows, "
        "p-values that hold at every look)" + (", where block means taken as normal are." if nearly else "."),
    ]
    if nearly:
        most = max(nearly, key=lambda row: abs(row.skewness))
        lines.append(
            f"{len(nearly)} rows are asymptotic: means of independent blocks, taken as normal (the most skewed by "
            f"{most.skewness:+.1f}: {most.paper}/{most.claim} at {most.case})."
        )
    if alike := sum(row.sequence == NOISELESS for row in campaign.rows):
        lines.append(f"{alike} rows are without noise: all their blocks agreed. The others hold for finite samples.")
    if any(row.relation is Relation.NEVER_EXCEEDS for row in campaign.rows):
        lines.append(f"'Never above' is supported where violating inputs are rarer than 1 in {1 / RARITY:.0f}.")
    lines += [f"{row.paper}/{row.claim} at {row.case}: {row.failure}" for row in campaign.rows if row.failure]
    for row, verdict in zip(campaign.rows, campaign.verdicts, strict=True):
        if verdict is Verdict.INCONCLUSIVE and not row.failure:
            lines.append(f"{row.paper}/{row.claim} at {row.case}: {_would_decide(row)}")
    for row in campaign.rows:
        lines += [
            f"{row.paper}/{row.claim} at {row.case}: the budget does not refute {v.words!r}"
            for v in row.variants
            if not v.refuted
        ]
    return "\n".join(lines)


def power_table(campaign: Campaign) -> Table:
    """A line a false variant: what is wrong in it, what it says, what was seen, after how many blocks it fell."""
    out = Table(box=None, pad_edge=False)
    for name in ("claim", "case", "false variant"):
        out.add_column(name)
    for name in ("says", "simulation ± error", "blocks", "p"):
        out.add_column(name, justify="right")
    out.add_column("")
    for row in campaign.rows:
        for v in row.variants:
            says = SIGNS[row.relation] if v.theory is None else f"{SIGNS[row.relation]} {v.theory:.4f}"
            cells = (f"{row.paper}/{row.claim}", row.case, v.words, says, _seen(row), str(v.blocks), f"{v.p:.0e}")
            fate = Text("refuted", style="green") if v.refuted else Text("not refuted", style="bold red")
            out.add_row(*(Text(cell) for cell in cells), fate)
    return out


def _would_decide(row: Row) -> str:
    """How much more would probably decide an inconclusive row."""
    if row.more is None and row.relation is Relation.NEVER_EXCEEDS:
        return "even a million times the inputs would not decide it"
    if row.more is None:
        return "even a million times the draws would hardly decide it: the mean lies at the edge of the tolerance"
    return f"about {row.more:.1f} times the draws would probably decide it"


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
    return strict_json(data, indent=1) + "\n"


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
        "sequence": row.sequence,
        "interval": None if row.interval is None else list(row.interval),
        "blocks": len(row.blocks),
        "more": row.more,
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
