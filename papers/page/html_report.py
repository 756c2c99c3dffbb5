"""A run as one page that needs nothing but itself: what it claims, what was seen, and where every number comes from."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..engine.blocks import ASYMPTOTIC
from ..engine.claim import Relation
from ..engine.evidence import Evidence, Plan
from ..engine.verdict import RARITY, Verdict, row_threshold
from .claim_section import claim_section
from .document import page
from .entry import Entry, row_link, seen_words, theory_words, tight_words, verdict_badge
from .markup import Markup, element, joined
from .number_words import number
from .pictures import agreement, tightness
from .table import cells, scrolled, table

Statement = Mapping[str, str]

ALL_ROWS = "Seen/bound is the share of the bound that was reached, in a search by the median and by the largest input."
READING = (
    "In the pictures the broken line is the theory. Of a mean: shaded is where it lies if the claim holds, the curve "
    "is the mean of the blocks so far with its standard error as a band, and the upright bar is the interval that the "
    "verdict rests on. Of a search: each point is a random input, larger where several coincide, and nothing may lie "
    "in the shaded part above the line."
)


def html_report(evidence: Evidence, name: str) -> str:
    """The page of a run, finished or not.

    Parameters
    ----------
    evidence : Evidence
    name : str
        What the run's file is called, for the title and for the commands that replay.

    Raises ValueError where the file is damaged.
    """
    plan, entries, statements = evidence.plan, _entries(evidence), evidence.statements()
    papers = {statement["paper"]: statement["title"] for statement in statements}
    body = joined(
        element("h1", "Theorems beside their simulations"),
        _summary(plan, entries, name),
        _papers(papers, entries),
        element("p", READING, class_="place"),
        element("main", *(_paper(paper, statements, entries, name) for paper in papers), id="papers"),
        _all_rows(entries),
        _sessions(evidence.sessions()),
    )
    return page(f"Report of {name}", body)


def _entries(evidence: Evidence) -> list[Entry]:
    rows, given, seed = evidence.rows(), evidence.verdicts(), evidence.plan.seed
    found: dict[int, tuple[int, ...]] = {}
    for identifier, index in evidence.counterexamples():
        found[index] = (*found.get(index, ()), identifier)
    known = {record["id"]: record for record in evidence.records()}
    return [
        Entry(i, row, given[i], known[i]["session"], known[i]["finished"], seed, found.get(i, ()))
        for i, row in rows.items()
    ]


def _count(entries: Sequence[Entry], verdict: Verdict) -> int:
    return sum(entry.verdict is verdict for entry in entries)


def _summary(plan: Plan, entries: Sequence[Entry], name: str) -> Markup:
    missing, failed = plan.rows - len(entries), sum(bool(entry.row.failure) for entry in entries)
    counts = [(str(verdict), _count(entries, verdict)) for verdict in Verdict]
    counts += [(word, count) for word, count in (("failed", failed), ("missing", missing)) if count]
    tiles = (element("li", element("b", str(count)), " ", word, class_=f"tile {word}") for word, count in counts)
    unfinished = ""
    if missing:
        words = f"This run is not finished: {missing} of {plan.rows} rows are missing"
        unfinished = element("p", f"{words}, and count as undecided. --resume goes on with it.", class_="warning")
    profile = plan.profile.name
    return element(
        "section",
        element(
            "p", f"{name}: {len(entries)} rows of {plan.rows}, profile {profile}, seed {plan.seed}.", class_="place"
        ),
        unfinished,
        element("ul", *tiles, class_="tiles", aria_label="Rows by verdict"),
        element("ul", *(element("li", words) for words in _error_control(plan, entries)), class_="words"),
        aria_label="Summary",
    )


def _error_control(plan: Plan, entries: Sequence[Entry]) -> list[str]:
    """What the verdicts mean, in sentences."""
    level, threshold = plan.profile.level, row_threshold(plan.profile.level, plan.rows)
    variants = [variant for entry in entries for variant in entry.row.variants]
    nearly = sum(entry.row.sequence == ASYMPTOTIC for entry in entries)
    fallen = sum(variant.refuted for variant in variants)
    exact = sum(bool(entry.row.sequence) for entry in entries) - nearly
    out = [
        f"With probability at least {number(1 - level, 6)} not one verdict of the run is wrong: Holm's procedure at "
        f"level {number(level)} over the two hypotheses of each of the {plan.rows} rows, whatever their dependence"
        + (", where block means taken as normal are." if nearly else "."),
        "The p-values are anytime-valid, that is, they hold at all looks at once. A row may stop as soon as one of "
        f"them reaches {number(threshold, 3)}; an interval misses its mean, at any look, with probability at most "
        f"{number(2 * threshold, 3)}.",
        f"Rows that are finite-sample, taking nothing for granted but independent draws: {exact}. Rows that are "
        f"asymptotic, taking the means of independent blocks as normal: {nearly}.",
        f"False variants, statements made slightly wrong on purpose, that the same draws refuted: {fallen} of "
        f"{len(variants)}. "
        + (
            ""
            if not variants
            else "These checks can fail."
            if fallen == len(variants)
            else "The others are marked below."
        ),
    ]
    if any(entry.row.relation is Relation.NEVER_EXCEEDS for entry in entries):
        rare = f"1 in {1 / RARITY:.0f}"
        out.append(f"'Never above' is supported where random inputs that violate it are shown to be rarer than {rare}.")
    return out


def _papers(papers: Mapping[str, str], entries: Sequence[Entry]) -> Markup:
    rows = []
    for paper, title in papers.items():
        own = [entry for entry in entries if entry.row.paper == paper]
        variants = [variant for entry in own for variant in entry.row.variants]
        counts = [str(_count(own, verdict)) for verdict in Verdict]
        fate = f"{sum(variant.refuted for variant in variants)} of {len(variants)}"
        link = element("a", title.rstrip("."), href=f"#{_place(paper, papers)}")
        rows.append(cells(link, str(len(own)), *counts, fate))
    heads = ("paper", "rows", *Verdict, "false variants refuted")
    return element("nav", table("Papers", heads, rows), aria_label="Papers")


def _place(paper: str, papers: Mapping[str, str]) -> str:
    return f"paper-{list(papers).index(paper) + 1}"


def _paper(paper: str, statements: Sequence[Statement], entries: Sequence[Entry], name: str) -> Markup:
    papers = {statement["paper"]: statement["title"] for statement in statements}
    place, own = _place(paper, papers), [entry for entry in entries if entry.row.paper == paper]
    picture = agreement([(f"#{entry.address}", str(entry.verdict), entry.row) for entry in own])
    claims, listed = [], []
    for count, statement in enumerate(s for s in statements if s["paper"] == paper):
        of_claim, where = [entry for entry in own if entry.row.claim == statement["claim"]], f"{place}-{count + 1}"
        claims.append(claim_section(statement, of_claim, where, name))
        badges = (verdict_badge(v) for v in Verdict if any(entry.verdict is v for entry in of_claim))
        listed.append(element("li", element("a", statement["claim"], href=f"#{where}"), " ", *badges))
    overview: str = ""
    if picture is not None:
        words = "Discs belong on the line, ▼ on or below it, ▲ on or above it; bars are intervals."
        overview = element("figure", picture, element("figcaption", words))
    return element(
        "section",
        element("h2", papers[paper].rstrip("."), id=place),
        element("p", element("code", paper), class_="place"),
        element(
            "div", overview, element("ul", *listed, aria_label="Claims"), class_="overview" if overview else "listed"
        ),
        *claims,
        aria_labelledby=place,
    )


def _all_rows(entries: Sequence[Entry]) -> Markup:
    heads = ["row", "verdict", "paper", "claim", "case", "theory", "simulation", "seen/bound"]
    heads += ["p support", "p refute", "blocks", "draws", "seconds"]
    head = (element("th", words, scope="col", class_=_column(words)) for words in heads)
    body = (_line(entry, heads) for entry in entries)
    choices = (element("option", str(verdict), value=str(verdict)) for verdict in Verdict)
    controls = element(
        "form",
        element("label", "Filter ", element("input", type="search", id="filter", autocomplete="off")),
        element("label", "Verdict ", element("select", element("option", "all", value=""), *choices, id="verdict")),
        element("output", id="shown", for_="filter verdict", aria_live="polite"),
        class_="scripted",
        role="search",
        aria_label="Rows",
    )
    caption = element("caption", element("span", ALL_ROWS))
    parts = (caption, element("thead", element("tr", *head)), element("tbody", *body))
    return element(
        "section",
        element("h2", "All rows", id="all-rows"),
        controls,
        scrolled("All rows", element("table", *parts, id="rows", class_="rows")),
        aria_labelledby="all-rows",
    )


def _line(entry: Entry, heads: Sequence[str]) -> Markup:
    row, seen = entry.row, entry.row.seen
    draws = sum(block.draws for block in row.blocks)
    mean = getattr(seen, "mean", getattr(seen, "worst", None))
    shown: list[tuple[str, Any]] = [
        (row_link(entry), entry.index),
        (verdict_badge(entry.verdict), str(entry.verdict)),
        (row.paper, row.paper),
        (row.claim, row.claim),
        (row.case, row.case),
        (theory_words(row), row.theory),
        (seen_words(row), mean),
        (tight_words(row), (tightness(row) or (None,))[0]),
        (number(row.p.supported, 3), row.p.supported),
        (number(row.p.refuted, 3), row.p.refuted),
        (str(len(row.blocks)), len(row.blocks)),
        (str(draws), draws),
        (number(row.seconds, 3), row.seconds),
    ]
    values = (
        element("td", words, data_value=value, class_=_column(head))
        for head, (words, value) in zip(heads, shown, strict=True)
    )
    return element("tr", *values, data_verdict=str(entry.verdict))


def _column(head: str) -> str | None:
    """Columns that a narrow screen leaves to the row's own part of the page."""
    return "minor" if head in ("paper", "p refute", "blocks", "draws", "seconds") else None


def _sessions(sessions: Sequence[Mapping[str, Any]]) -> Markup:
    parts = []
    for session in sessions:
        facts = {"machine": session["machine"], "versions": session["versions"]}
        pairs = [(f"{kind}: {key}", str(value)) for kind, known in facts.items() for key, value in known.items()]
        listed = element("dl", *(joined(element("dt", name), element("dd", words)) for name, words in pairs))
        words = (
            f"Session {session['id']}, started {session['started']}, lemmata {session['versions'].get('lemmata', '?')}"
        )
        parts.append(element("details", element("summary", words), listed, id=f"session-{session['id']}"))
    return element("section", element("h2", "Sessions", id="sessions"), *parts, aria_labelledby="sessions")
