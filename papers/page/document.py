"""The frame of a page that loads nothing: its style, for screens light and dark and for paper, and its short script."""

import base64
import hashlib

from .markup import Markup, element, joined

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #59636e; --page: #fff; --part: #f6f7f9; --edge: #d5dae0;
  --good: #005a9c; --bad: #a63c00; --open: #6d5200; --allowed: #0072b22b; --forbidden: #d55e0024; --seen: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #a3adb8; --page: #14181c; --part: #1c2227;
  --edge: #3a434c; --good: #6cbcf5; --bad: #ff9d5c; --open: #f0cf65; --allowed: #56b4e938; --forbidden: #e69f0030;
  --seen: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem clamp(.8rem, 3vw, 2.5rem) 4rem; max-width: 78rem; color: var(--ink);
  background: var(--page); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .2rem 0; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 3rem 0 .3rem; border-top: 2px solid var(--edge);
  padding-top: 1rem; }
h4 { margin: .6rem 0 0; font-size: .95rem; }
h3 { font-size: 1.1rem; margin: 0; display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: baseline; }
a { color: var(--good); }
a:focus-visible, button:focus-visible, summary:focus-visible, .wide:focus-visible, input:focus-visible,
select:focus-visible { outline: 2px solid var(--good); outline-offset: 2px; }
.place { color: var(--soft); font-size: .9rem; margin: .15rem 0; }
.sentence { margin: .4rem 0 .8rem; }
.formula { overflow-x: auto; padding: .5rem 0 .3rem; font-size: 1.12rem; }
.formula div { display: flex; flex-wrap: wrap; gap: .3rem 2rem; align-items: center; padding: .15rem 0; }
.formula math { margin: 0; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "Libertinus Math", math; }
mtd { math-style: normal; }
mtd[columnalign=left] { text-align: left; }
.claim { background: var(--part); border: 1px solid var(--edge); border-radius: .5rem; padding: 1rem 1.1rem;
  margin: 1.1rem 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .7rem; list-style: none; padding: 0; margin: .8rem 0; }
.tile { border: 1px solid var(--edge); border-left: .4rem solid var(--soft); border-radius: .4rem;
  padding: .4rem .9rem; min-width: 8rem; overflow-wrap: normal; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.15; }
.tile.supported { border-left-color: var(--good); }
.tile.refuted, .tile.failed { border-left-color: var(--bad); }
.tile.inconclusive, .tile.missing { border-left-color: var(--open); }
.words { padding-left: 1.2rem; max-width: 62rem; }
.verdict { font-weight: 600; white-space: nowrap; font-size: .9rem; }
.verdict.supported { color: var(--good); }
.verdict.refuted { color: var(--bad); }
.verdict.inconclusive { color: var(--open); }
.warning, .note { border-left: .3rem solid var(--bad); padding: .3rem .8rem; background: var(--part); }
.note { border-left-color: var(--open); }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem; }
th, td { text-align: left; padding: .28rem .8rem .28rem 0; vertical-align: middle;
  border-bottom: 1px solid var(--edge); }
th { vertical-align: bottom; font-weight: 600; }
td { white-space: nowrap; }
nav td:first-child { white-space: normal; min-width: 12rem; }
caption span { display: block; max-width: min(46rem, 84vw); }
td.text { white-space: pre-wrap; min-width: 9rem; }
td.text code { display: block; min-width: 18rem; }
th button { all: unset; cursor: pointer; font-weight: 600; white-space: nowrap; }
th button::after { content: " ↕"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " ↑"; color: var(--ink); }
th[aria-sort=descending] button::after { content: " ↓"; color: var(--ink); }
th button:focus-visible { outline: 2px solid var(--good); }
.rows tbody tr:hover { background: var(--part); }
form { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; align-items: center; margin: .6rem 0; }
input, select { font: inherit; padding: .25rem .5rem; border: 1px solid var(--soft); border-radius: .3rem;
  background: var(--page); color: var(--ink); max-width: 100%; }
html:not(.scripts) .scripted { display: none; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .9rem 1.2rem;
  margin: .9rem 0; }
figure { margin: 0; }
figcaption { font-size: .85rem; color: var(--soft); }
.overview { display: grid; grid-template-columns: minmax(0, 24rem) minmax(0, 1fr); gap: .5rem 2.5rem;
  align-items: start; margin: .8rem 0; }
.overview ul, .listed ul { list-style: none; padding: 0; margin: .6rem 0; }
.listed ul { display: flex; flex-wrap: wrap; gap: .1rem 1.6rem; }
.overview li { padding: .1rem 0; }
svg { display: block; }
.picture { width: 100%; max-width: 30rem; height: auto; }
.bar { width: 150px; height: 22px; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg path { fill: none; stroke: var(--ink); }
svg .axis { stroke: var(--soft); }
svg .grid { stroke: var(--edge); }
svg .allowed, svg .forbidden, svg .ribbon { stroke: none; fill: var(--allowed); }
svg .forbidden { fill: var(--forbidden); }
svg .ribbon { fill: var(--soft); fill-opacity: .35; }
svg .theory { stroke: var(--ink); stroke-dasharray: 5 3; stroke-width: 1.3; }
svg .interval { stroke: var(--seen); stroke-width: 2.2; }
svg .mean-line { stroke: var(--seen); stroke-width: 1.6; }
svg .mean, svg .seen { stroke: var(--seen); stroke-linecap: round; }
svg .mean { stroke-width: 6; }
svg .seen { stroke-opacity: .6; }
svg .mark { fill: var(--seen); stroke: var(--page); stroke-width: .8; }
svg .mark.refuted { fill: var(--bad); }
svg .mark.inconclusive { fill: var(--open); }
details { margin: .35rem 0; }
summary { cursor: pointer; color: var(--soft); font-size: .92rem; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .2rem 1rem; font-size: .88rem;
  margin: .4rem 0 .8rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; white-space: pre-wrap; }
@media (max-width: 40rem) {
  .overview, dl { grid-template-columns: 1fr; }
  .minor { display: none; }
  .claim { padding: .8rem .7rem; }
  .tile { min-width: max-content; flex: 1; padding: .3rem .6rem; }
  .formula { font-size: 1rem; }
  dl { gap: 0; }
  dd { margin-bottom: .4rem; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --page: #fff; --part: #fff; --edge: #bbb; --good: #005a9c;
    --bad: #a63c00; --open: #6d5200; --allowed: #0072b22b; --forbidden: #d55e0024; --seen: #0072b2; }
  @page { margin: 14mm; }
  body { font-size: 9.5pt; max-width: none; padding: 0; }
  .scripted { display: none !important; }
  .wide, .formula { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding-right: .5rem; }
  td { white-space: normal; }
  td:first-child { white-space: nowrap; }
  td.text { white-space: pre-wrap !important; min-width: 0; }
  td.text code { min-width: 0; }
  th button { white-space: normal; }
  th button::after { content: "" !important; }
  figure, tr, .tile { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; }
  .figures { grid-template-columns: repeat(3, 1fr); }
  a { color: inherit; text-decoration: none; }
}
"""

SCRIPT = """
"use strict";
document.documentElement.classList.add("scripts");
const rows = document.getElementById("rows"), body = rows.tBodies[0], heads = [...rows.tHead.rows[0].cells];
const filter = document.getElementById("filter"), verdict = document.getElementById("verdict");
const value = (row, column) => row.cells[column].dataset.value ?? "";
const compare = (a, b) => {
  const x = Number(a), y = Number(b);
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
};
heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const falling = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const known = (row) => value(row, column) !== "";
    const sorted = [...body.rows].sort((a, b) => known(b) - known(a)
      || (falling ? -1 : 1) * compare(value(a, column), value(b, column)));
    body.append(...sorted);
  });
});
const show = () => {
  const words = filter.value.toLowerCase().split(/\\s+/);
  let shown = 0;
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    const fits = words.every((word) => text.includes(word))
      && (!verdict.value || row.dataset.verdict === verdict.value);
    row.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${body.rows.length} rows`;
};
filter.addEventListener("input", show);
verdict.addEventListener("change", show);
filter.form.addEventListener("submit", (event) => event.preventDefault());
const open = () => {
  for (let part = document.getElementById(location.hash.slice(1)); part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
};
addEventListener("hashchange", open);
show();
open();
"""


def page(title: str, body: Markup) -> str:
    """A whole document; its policy forbids the browser to load anything, and any script but this one."""
    trusted = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{trusted}'; base-uri 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    script = element("script", Markup(SCRIPT))
    return "<!doctype html>\n" + element("html", head, element("body", joined(body, script)), lang="en") + "\n"
