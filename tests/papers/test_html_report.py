"""The report of a run: what it says, that it escapes everything, needs nothing but itself, and works in a browser."""

import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from lemmata.papers.engine.campaign import run
from lemmata.papers.engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from lemmata.papers.engine.evidence import Evidence, Plan
from lemmata.papers.engine.profile import Profile
from lemmata.papers.page.html_report import html_report
from lemmata.papers.page.mathml import formula, mathml
from lemmata.papers.page.pictures import agreement, learning_curve, scatter_of_bounds
from lemmata.papers.registry import PAPERS
from lemmata.theory.estimate import Estimate

SMALL = Profile("small", first=8, step=8, most=32, effort=1.0, trials=400, level=1e-3)
SCRIPT = "<script>alert(1)</script>"
QUOTES = """"><img src=x onerror=alert(2)> ' onload="alert(3)"""


def squares(case, rng, effort):
    draws = case.arguments["variance"] * rng.standard_normal(500) ** 2
    return Estimate(draws.mean(), draws.std() / 500**0.5, 500, 500.0, f"squares {SCRIPT}")


def uniform(case, rng, effort):
    x = rng.random()
    return Sighting(x, {"x": x, "note": QUOTES})


def broken(case, rng, effort):
    raise RuntimeError(f"no such file {SCRIPT}")


MEAN = Claim(
    name="second-moment",
    paper=f"gauss {SCRIPT}",
    place=f"page 1 {QUOTES}",
    sentence=f"The mean square is the variance. {SCRIPT}",
    relation=Relation.EQUALS,
    theory=lambda variance: variance,
    simulate=squares,
    cases=(Case(f"one {SCRIPT}", {"variance": 1.0}), Case(f"two {QUOTES}", {"variance": 2.0})),
    tolerance=0.4,
    remainder=f"how near is near enough {SCRIPT}",
    false_variants=(FalseVariant(f"half as much again {SCRIPT}", lambda variance: 2.5 * variance),),
    formula=r"\mathbb{E} X^2 = \sigma^2",
)
SEARCH = replace(
    MEAN,
    name="never-above",
    relation=Relation.NEVER_EXCEEDS,
    theory=lambda x, note: 0.75,
    simulate=uniform,
    cases=(Case(f"uniform {SCRIPT}", {}),),
    tolerance=0.0,
    false_variants=(FalseVariant("none", lambda x, note: 0.5),),
    formula=r"\text{<script>alert(1)</script>}",
)
BROKEN = replace(MEAN, name="broken", simulate=broken, cases=MEAN.cases[:1])
FALSE = replace(MEAN, name="false", theory=lambda variance: variance + 3.0, cases=MEAN.cases[:1])
CLAIMS = [MEAN, SEARCH, BROKEN, FALSE]


class Page(HTMLParser):
    """What a browser would make of it: every tag with its attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def report(path):
    with Evidence.reading(path) as evidence:
        return html_report(evidence, path.name)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "run & more.sqlite"
    campaign = run(CLAIMS, SMALL, evidence=path, executor="serial")
    return path, campaign, report(path)


def test_the_page_holds_every_row_with_its_numbers_and_where_they_come_from(finished):
    path, campaign, text = finished
    page = Page(text)
    assert "2 supported" in page.words
    assert "2 refuted" in page.words
    assert "1 inconclusive" in page.words
    assert "Holm's procedure at level 0.001" in page.words
    assert "anytime-valid" in page.words
    for index, row in enumerate(campaign.rows):
        assert ("section", f"row-{index}") in [(tag, given.get("id")) for tag, given in page.tags]
        if isinstance(row.seen, Estimate):
            assert repr(float(row.seen.mean)) in page.words
            assert repr(float(row.interval[0])) in page.words
    assert '0, "gauss <script>alert(1)</script>", "second-moment"' in page.words
    assert "as normal: 3." in page.words
    with Evidence.reading(path) as evidence:
        identifier, _ = evidence.counterexamples()[0]
        versions = evidence.sessions()[0]["versions"]
    assert f"lemmata replay 'run & more.sqlite' {identifier}" in page.words
    assert versions["numpy"] in page.words
    assert "no such file" in page.words


def test_tags_of_the_page_are_closed_in_order(finished):
    _, _, text = finished
    body = re.sub(r"<(meta|input)\b([^>]*)>", r"<\1\2/>", text.removeprefix("<!doctype html>"))
    body = re.sub(r"(<[a-z]+[^>]*) (open|hidden)(?=[ >])", r'\1 \2=""', body)
    body = re.sub(r"<(style|script)>.*?</\1>", "", body, flags=re.S)
    root = ElementTree.fromstring(body)
    identifiers = [node.attrib["id"] for node in root.iter() if "id" in node.attrib]
    assert len(identifiers) == len(set(identifiers))
    targets = {node.attrib["href"][1:] for node in root.iter() if node.attrib.get("href", "").startswith("#")}
    assert targets <= set(identifiers)
    for table in root.iter("table"):
        assert table.find("caption") is not None
        assert all(head.attrib["scope"] == "col" for head in table.iter("th"))


def test_whatever_a_claim_is_called_shows_as_text(finished):
    _, _, text = finished
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert "img" not in tags
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [name for _, given in page.tags for name in given if name.startswith("on")]
    assert SCRIPT in page.words
    assert QUOTES in page.words
    labels = " ".join(given.get("aria-label", "") for _, given in page.tags)
    assert SCRIPT in labels
    assert f"two {QUOTES}" in [given.get("data-value") for _, given in page.tags]


def test_the_page_refers_to_nothing_outside_of_itself(finished):
    _, _, text = finished
    for _, given in Page(text).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            assert given.get(name, "#").startswith("#")
    assert not re.search(r"url\(|@import|https?://", text)
    (policy,) = (given["content"] for _, given in Page(text).tags if "http-equiv" in given)
    assert policy.startswith("default-src 'none'; ")


def test_a_run_that_was_stopped_says_how_many_rows_are_missing(tmp_path, finished):
    _, campaign, _ = finished
    path = tmp_path / "stopped.sqlite"
    work = [(claim, case) for claim in CLAIMS for case in claim.cases]
    with Evidence.writing(path, Plan.of(work, 0, SMALL)) as evidence:
        evidence.add(0, campaign.rows[0])
    words = Page(report(path)).words
    assert f"{len(work) - 1} of {len(work)} rows are missing" in words
    empty = tmp_path / "empty.sqlite"
    with Evidence.writing(empty, Plan.of(work, 0, SMALL)):
        pass
    assert f"{len(work)} of {len(work)} rows are missing" in Page(report(empty)).words


@pytest.mark.parametrize("claim", [claim for claims in PAPERS.values() for claim in claims], ids=lambda c: c.name)
def test_every_claim_has_a_formula_that_mathml_can_show(claim):
    assert claim.formula
    shown = formula(claim.formula)
    assert "<math" in shown
    assert "<code>" not in shown


@pytest.mark.parametrize(
    "latex",
    [
        SCRIPT.join([r"\text{", "}"]),
        r"\text{<img src=x onerror=alert(1)>}",
        r"\text{<mi onclick='alert(1)'>x</mi>}",
        r"\href{javascript:alert(1)}{x}",
        r"\style{position:fixed}{x}",
        r"\text{&amp}",
        r"\frac{",
        r"\unheard{x}",
    ],
)
def test_a_formula_beyond_mathml_shows_as_its_latex(latex):
    with pytest.raises(ValueError, match="formula must be LaTeX"):
        mathml(latex)
    assert "".join(Page(formula(latex)).text) == latex


def test_pictures_hold_no_infinite_or_missing_numbers(finished):
    _, campaign, text = finished
    assert not re.search(r'(d|x|y)="[^"]*(nan|inf)', text)
    mean, search = campaign.rows[0], campaign.rows[2]
    assert learning_curve(search) is None
    assert scatter_of_bounds(mean) is None
    assert agreement([("#row-0", "supported", mean)]) is None
    wild = replace(search.seen, sample=((math.nan, 1.0), (1e-300, 1e300), (0.0, 0.0), (-1.0, 5.0)))
    assert "nan" not in scatter_of_bounds(replace(search, seen=wild))
    assert "nan" not in learning_curve(replace(mean, interval=(-math.inf, math.inf), tolerance=0.0))
    constant = replace(
        mean, seen=replace(mean.seen, mean=0.0, error=0.0), theory=0.0, tolerance=0.0, interval=(0.0, 0.0)
    )
    assert "nan" not in learning_curve(constant)


def test_a_page_of_a_hundred_rows_stays_small(finished, tmp_path):
    _, campaign, _ = finished
    cases = tuple(Case(f"case {i}", {"variance": 1.0}) for i in range(100))
    work = [(replace(MEAN, cases=cases), case) for case in cases]
    path = tmp_path / "many.sqlite"
    sample = tuple((1.0 / (i + 1.5), 1.0 + 0.01 * i) for i in range(200))
    search = replace(campaign.rows[2], seen=replace(campaign.rows[2].seen, sample=sample))
    with Evidence.writing(path, Plan.of(work, 0, SMALL)) as evidence:
        for i, (claim, case) in enumerate(work):
            row = search if i % 2 else replace(campaign.rows[0], blocks=campaign.rows[0].blocks * 40)
            evidence.add(i, replace(row, claim=claim.name, case=case.name))
    assert len(report(path).encode()) < 1_500_000


def test_the_command_writes_the_page_and_says_in_one_sentence_what_is_wrong(finished, tmp_path):
    import typer

    from lemmata.cli.report import report_command
    from lemmata.cli.words import WrongWords

    app = typer.Typer()
    app.command()(report_command)
    path, _, text = finished
    output = tmp_path / "page.html"
    output.write_text("old")
    assert "5 rows" in CliRunner().invoke(app, [str(path), "-o", str(output)], catch_exceptions=False).output
    assert output.read_text(encoding="utf-8") == text
    wrong = tmp_path / "wrong.sqlite"
    wrong.write_text("no database")
    for arguments, words in [
        ([str(wrong)], "RUN must"),
        ([str(tmp_path / "none.sqlite")], "which is not there"),
        ([str(path), "-o", str(tmp_path / "none" / "page.html")], "--output must name a file that can be written"),
        ([str(path), "-o", str(path)], "--output must name another file"),
    ]:
        with pytest.raises(WrongWords, match=words):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
    with Evidence.reading(path) as evidence:
        assert len(evidence.rows()) == 5


# ---- in a browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROBE = """
<script>
{
const seen = [], note = (words) => seen.push(words), body = document.getElementById("rows").tBodies[0];
const column = (k) => [...body.rows].filter((row) => !row.hidden).map((row) => row.cells[k].textContent).join("|");
const button = (words) => [...document.querySelectorAll("#rows th button")].find((b) => b.textContent === words);
note("start " + column(0));
button("row").click();
button("row").click();
note("falling " + column(0) + " " + button("row").parentElement.getAttribute("aria-sort"));
button("p support").click();
note("p " + [...body.rows].map((row) => row.cells[8].dataset.value).join("|"));
const filter = document.getElementById("filter"), verdict = document.getElementById("verdict");
filter.value = "BROKEN";
filter.dispatchEvent(new Event("input"));
note("filtered " + column(3) + " " + document.getElementById("shown").textContent);
filter.value = "";
verdict.value = "refuted";
verdict.dispatchEvent(new Event("change"));
note("refuted " + column(3));
location.hash = "row-0";
setTimeout(() => {
  note("open " + document.getElementById("row-0").closest("details").open);
  note("width " + innerWidth);
  note("wide " + (document.documentElement.scrollWidth <= innerWidth));
  note("drawn " + [...document.querySelectorAll("math, svg")].every((x) => x.getBoundingClientRect().height > 4
    || x.closest("details:not([open])")));
  document.body.append(Object.assign(document.createElement("pre"), { id: "probe", textContent: seen.join("\\n") }));
}, 50);
}
</script>
"""


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    folder = tmp_path_factory.mktemp("browser")

    def opened(text, width=1280):
        page = folder / "page.html"
        page.write_text(text, encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
        command += ["--enable-logging=stderr", f"--window-size={width},900", "--virtual-time-budget=3000", "--dump-dom"]
        done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return opened


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_the_page_sorts_filters_and_fits_without_an_error(finished, browse, width):
    _, _, text = finished
    allowed = re.sub(r"script-src &#x27;[^&]*&#x27;", "script-src 'unsafe-inline'", text, count=1)
    shown, complaints = browse(allowed.replace("</body>", f"{PROBE}</body>"), width)
    assert complaints == []
    seen = dict(line.split(" ", 1) for line in re.search(r'<pre id="probe">(.*?)</pre>', shown, re.S)[1].split("\n"))
    assert seen["start"] == "row 0|row 1|row 2|row 3|row 4"
    assert seen["falling"] == "row 4|row 3|row 2|row 1|row 0 descending"
    numbers = [float(word) for word in seen["p"].split("|")]
    assert numbers == sorted(numbers)
    assert seen["filtered"] == "broken 1 of 5 rows"
    assert sorted(seen["refuted"].split("|")) == ["false", "never-above"]
    assert seen["open"] == seen["wide"] == seen["drawn"] == "true"


def test_in_a_browser_the_page_as_it_is_runs_its_own_script_and_no_other(finished, browse):
    _, _, text = finished
    shown, complaints = browse(text)
    assert complaints == []
    assert 'class="scripts"' in shown
    _, complaints = browse(text.replace("</body>", "<script>console.error('in')</script></body>"))
    assert len(complaints) == 1
    assert "Content Security Policy" in complaints[0]
