"""One claim of a run as a part of a page: its statement, theory beside simulation, pictures, false variants."""

from collections.abc import Mapping, Sequence

from ..engine.blocks import Search
from ..engine.row import Row
from ..engine.verdict import Verdict
from .entry import (
    SIGNS,
    Entry,
    counterexamples,
    origin,
    row_link,
    seen_words,
    theory_words,
    tight_words,
    verdict_badge,
)
from .markup import Markup, element
from .mathml import formula
from .number_words import NONE, between, number, percent
from .pictures import interval_bar, learning_curve, scatter_of_bounds, tightness
from .table import cells, table

RECOVERY = "lstm_resilience"  # whose searches over whole numbers compare recovery times


def claim_section(statement: Mapping[str, str], entries: Sequence[Entry], name: str, run: str) -> Markup:
    """All that the run says of one claim; `name` is its id on the page, `run` the name of the evidence file."""
    rows = [entry.row for entry in entries]
    numbers = _search_table(entries) if any(isinstance(row.seen, Search) for row in rows) else _mean_table(entries)
    return element(
        "section",
        element("h3", statement["claim"], " ", *(verdict_badge(v) for v in _distinct(entries)), id=name),
        element("p", f"{statement['place']}. Relation: {statement['relation']}.", class_="place"),
        formula(statement["formula"]) if statement["formula"] else "",
        element("p", statement["sentence"], class_="sentence"),
        *(_failure(entry) for entry in entries if entry.row.failure),
        *(_undecided(entry) for entry in entries if entry.verdict is Verdict.INCONCLUSIVE and not entry.row.failure),
        *(counterexamples(entry, run) for entry in entries if entry.found),
        numbers,
        element("p", "Tolerance: ", statement["remainder"], ".", class_="place") if statement["remainder"] else "",
        _pictures(entries),
        _variants(entries),
        element("details", element("summary", "Where each number comes from"), *(origin(entry) for entry in entries)),
        class_="claim",
        aria_labelledby=name,
    )


def _distinct(entries: Sequence[Entry]) -> list[Verdict]:
    return [verdict for verdict in Verdict if any(entry.verdict is verdict for entry in entries)]


def _mean_table(entries: Sequence[Entry]) -> Markup:
    heads = [
        "case",
        "verdict",
        "theory",
        "simulation ± error",
        "picture",
        "interval",
        "tolerance",
        "seen/bound",
        "origin",
    ]
    rows = [_mean_cells(entry) for entry in entries]
    if all(tight_words(entry.row) == NONE for entry in entries):
        heads.pop(7)
        rows = [row[:7] + row[8:] for row in rows]
    return table("Theory and simulation", heads, [cells(*row) for row in rows])


def _mean_cells(entry: Entry) -> list[str]:
    row = entry.row
    interval = NONE if row.interval is None else between(*row.interval)
    numbers = [theory_words(row), seen_words(row), interval_bar(row) or NONE, interval, number(row.tolerance)]
    return [row.case, verdict_badge(entry.verdict), *numbers, tight_words(row), row_link(entry)]


def _search_table(entries: Sequence[Entry]) -> Markup:
    heads = ["case", "verdict", "random inputs", "above the bound", "largest seen − bound", "tolerance"]
    heads += ["median seen/bound", "largest seen/bound", "origin"]
    rows = (cells(*_search_cells(entry)) for entry in entries)
    return table("Search for an input above the bound; the ratios are of the inputs in the picture", heads, list(rows))


def _search_cells(entry: Entry) -> list[str]:
    row, seen = entry.row, entry.row.seen
    numbers = [NONE] * 3
    if isinstance(seen, Search):
        numbers = [str(seen.trials), str(seen.violations), number(seen.worst)]
    shares = [NONE if share is None else percent(share) for share in tightness(row) or (None, None)]
    return [row.case, verdict_badge(entry.verdict), *numbers, number(row.tolerance), *shares, row_link(entry)]


def _pictures(entries: Sequence[Entry]) -> Markup:
    figures = []
    for entry in entries:
        row = entry.row
        steps = row.paper == RECOVERY and _whole(row)
        words = ("bound T̂ in steps", "recovery time seen") if steps else ("bound", "seen")
        picture = scatter_of_bounds(row, *words) or learning_curve(row)
        if picture is not None:
            said = (
                f"theory {theory_words(row)}, simulation {seen_words(row)}"
                if row.theory is not None
                else seen_words(row)
            )
            caption = element("figcaption", f"{row.case}: {said}, ", row_link(entry))
            figures.append(element("figure", picture, caption))
    return element("div", *figures, class_="figures") if figures else Markup("")


def _whole(row: Row) -> bool:
    return isinstance(row.seen, Search) and all(float(v).is_integer() and b == round(b) for v, b in row.seen.sample)


def _variants(entries: Sequence[Entry]) -> Markup:
    tried = [(entry, variant) for entry in entries for variant in entry.row.variants]
    if not tried:
        return Markup("")
    missed = [pair for pair in tried if not pair[1].refuted]
    words = f"{len(tried) - len(missed)} of {len(tried)} false variants refuted"
    rows = []
    for entry, variant in tried:
        says = SIGNS[entry.row.relation] if variant.theory is None else number(variant.theory, 6)
        fate = Markup("refuted") if variant.refuted else element("strong", "✗ not refuted")
        rows.append(cells(variant.words, entry.row.case, says, str(variant.blocks), number(variant.p, 2), fate))
    heads = ("what is wrong in it", "case", "it says", "blocks", "p-value", "fate")
    return element(
        "details",
        element("summary", words),
        table("Statements made slightly wrong on purpose, tested on the same draws", heads, rows),
        open=bool(missed),
    )


def _failure(entry: Entry) -> Markup:
    words = f"The simulation failed at {entry.row.case}: {entry.row.failure}"
    return element("p", words, " ", row_link(entry), class_="warning")


def _undecided(entry: Entry) -> Markup:
    more = entry.row.more
    words = "even a million times the draws would hardly decide it: the mean lies at the edge of the tolerance"
    if more is not None:
        words = f"about {number(more, 3)} times the draws would probably decide it"
    return element("p", f"Inconclusive at {entry.row.case}: {words}. ", row_link(entry), class_="note")
