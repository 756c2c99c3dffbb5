"""One row of a run on a page: its words, and everything that its numbers can be traced to."""

from dataclasses import dataclass
from shlex import quote

from ...theory.estimate import Estimate
from ..engine.blocks import Search
from ..engine.claim import Relation
from ..engine.row import Row
from ..engine.strict_json import as_json
from ..engine.verdict import Verdict
from .markup import Markup, element, joined
from .number_words import NONE, measured, number, percent
from .pictures import tightness
from .table import cells, table

SIGNS = {Relation.EQUALS: "=", Relation.AT_MOST: "≤", Relation.AT_LEAST: "≥", Relation.NEVER_EXCEEDS: "never above"}
SYMBOLS = {Verdict.SUPPORTED: "✓", Verdict.REFUTED: "✗", Verdict.INCONCLUSIVE: "?"}


@dataclass(frozen=True)
class Entry:
    """A row of a run with what the page says of it.

    Attributes
    ----------
    index : int
        Its place in the plan.
    row : Row
    verdict : Verdict
    session : int
        Of the run, in which it was worked off.
    finished : str
        When, in UTC.
    seed : int
    found : tuple of int
        The ids of its counterexamples.
    """

    index: int
    row: Row
    verdict: Verdict
    session: int
    finished: str
    seed: int
    found: tuple[int, ...] = ()

    @property
    def address(self) -> str:
        """Where on the page its numbers are traced."""
        return f"row-{self.index}"


def verdict_badge(verdict: Verdict) -> Markup:
    """The verdict as a word with a sign: colour alone says nothing."""
    return element("span", f"{SYMBOLS[verdict]} {verdict}", class_=f"verdict {verdict}")


def theory_words(row: Row) -> str:
    """What the claim says of the row."""
    return SIGNS[row.relation] if row.theory is None else f"{SIGNS[row.relation]} {number(row.theory, 6)}"


def seen_words(row: Row) -> str:
    """What the simulation says of the row."""
    if isinstance(row.seen, Search):
        return f"{row.seen.violations} above in {row.seen.trials}"
    return "failed" if row.seen is None else measured(row.seen.mean, row.seen.error)


def tight_words(row: Row) -> str:
    """How much of the bound was reached."""
    shares = tightness(row)
    if shares is None:
        return NONE
    return percent(shares[0]) if isinstance(row.seen, Estimate) else f"{percent(shares[0])}, {percent(shares[1])}"


def row_link(entry: Entry) -> Markup:
    """A link to where the numbers of the row come from."""
    return element("a", f"row {entry.index}", href=f"#{entry.address}")


def origin(entry: Entry) -> Markup:
    """Everything that the numbers of a row can be traced to."""
    row, seen = entry.row, entry.row.seen
    stream = [entry.seed, row.paper, row.claim, row.case]
    facts: list[tuple[str, str]] = [
        ("claim", f"{row.paper}/{row.claim}"),
        (
            "random stream",
            f"({as_json(stream)[1:-1]}, block)" + (" with the trial" if isinstance(seen, Search) else ""),
        ),
        ("blocks", str(len(row.blocks))),
        ("p-value of support", number(row.p.supported, 3)),
        ("p-value of refutation", number(row.p.refuted, 3)),
        ("rests on", row.sequence or NONE),
        ("case", as_json(row.arguments)),
    ]
    if isinstance(seen, Estimate):
        facts += [
            ("mean", repr(seen.mean)),
            ("standard error", repr(seen.error)),
            ("theory", repr(row.theory)),
            ("interval", NONE if row.interval is None else f"{row.interval[0]!r} to {row.interval[1]!r}"),
            ("draws", f"{seen.draws}, worth {number(seen.effective, 6)} independent ones"),
            ("how", seen.method),
        ]
    if isinstance(seen, Search):
        facts += [
            ("largest seen − bound", f"{seen.worst!r}, drawn from the stream ({as_json(seen.key)[1:-1]})"),
            ("its inputs", as_json(seen.arguments)),
        ]
    session = element("a", f"session {entry.session}", href=f"#session-{entry.session}")
    facts += [("worked off in", joined(session, f", finished {entry.finished} after {number(row.seconds, 3)} s"))]
    pairs = (joined(element("dt", name), element("dd", words)) for name, words in facts)
    return element(
        "section",
        element("h4", f"Row {entry.index}: {row.case}"),
        element("dl", *pairs),
        id=entry.address,
    )


def counterexamples(entry: Entry, run: str) -> Markup:
    """The violations kept, each with the command that draws it again."""
    seen = entry.row.seen
    assert isinstance(seen, Search)
    rows = []
    for identifier, found in zip(entry.found, seen.counterexamples, strict=False):
        inputs = element("code", as_json(found.arguments))
        excess = number(found.value - found.bound)
        shown = (str(identifier), number(found.value, 8), number(found.bound, 8), excess)
        rows.append(cells(*shown, _replay(run, identifier), inputs))
    heads = ("id", "seen", "bound", "seen − bound", "to draw it again", "inputs")
    caption = f"Counterexamples at {entry.row.case}: the first that were found"
    return joined(
        element(
            "p",
            f"{seen.violations} of {seen.trials} inputs at {entry.row.case} lie above the bound. The first again: ",
            _replay(run, entry.found[0]),
            class_="warning",
        ),
        element("details", element("summary", f"{len(rows)} counterexamples"), table(caption, heads, rows)),
    )


def _replay(run: str, identifier: int) -> Markup:
    return element("code", f"lemmata replay {quote(run)} {identifier}")
