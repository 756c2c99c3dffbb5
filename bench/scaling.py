"""How does the time of each calculation grow with its sizes?

    python bench/scaling.py [--only TEXT ...] [--repeats 5] [--picture FILE] [--list] [--seed 0] [--json FILE]

Every series times one calculation over a range of one size, the others fixed (`scaled/`).  The exponent is
the slope of log time over log size by least squares over the sizes whose time is ten times that of the least or more:
there overheads are no more than a tenth.
"""

import answer

# isort: split
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scaled.entropy import ENTROPY
from scaled.learning import LEARNING
from scaled.minimax import MINIMAX
from scaled.papers import PAPERS
from scaled.resilience import RESILIENCE
from scaled.series import Series, Work
from threadpoolctl import threadpool_limits

from lemmata.theory.streams import stream

SERIES = (*ENTROPY, *LEARNING, *RESILIENCE, *MINIMAX, *PAPERS)
TOLERANCE = 0.15  # of an exponent: a factor of 1.4 over a decade, as caches, vectors and blocks move a rate
SHORTEST = 5e-3  # CPU seconds of a timing: shorter calls are repeated until they fill it
ABOVE = 10  # times the value at the least size, from which on sizes are fitted
FEWEST = 4  # sizes of a fit
LONG = 0.1  # CPU seconds of a first call, after which a timing is one call
KINK = 0.5  # by which a step between two sizes must stray to be named

COLUMNS = {
    "calculation": "",
    "size": "",
    "from": "d",
    "to": "d",
    "points": "d",
    "first": ".3g",
    "last": ".3g",
    "unit": "",
    "fitted from": "d",
    "exponent": ".2f",
    "±": ".2f",
    "law": "",
    "theory": ".2f",
    "agrees": "",
    "note": "",
}


@dataclass(frozen=True)
class Fit:
    """log y = exponent · log x + constant, with the exponent's standard error."""

    exponent: float
    error: float
    constant: float


@dataclass(frozen=True)
class Measured:
    """A series as timed: a value for each size, and for the bare operation beside it."""

    series: Series
    values: Sequence[float]
    bare: Sequence[float] | None

    @property
    def fitted(self) -> list[int]:
        """Which sizes are fitted."""
        every = list(range(len(self.values)))
        if self.series.everywhere:
            return every
        above = [k for k in every if self.values[k] >= ABOVE * self.values[0]]
        return every[min(above[0] if above else len(every), len(every) - FEWEST) :]

    def fit(self, values: Sequence[float]) -> Fit:
        """The fit of any values at the fitted sizes."""
        return slope([self.series.sizes[k] for k in self.fitted], [values[k] for k in self.fitted])

    @property
    def row(self) -> dict[str, object]:
        sizes, seen = self.series.sizes, self.fit(self.values)
        theory = self.fit([self.series.law.cost(size) for size in sizes]).exponent
        beside = None if self.bare is None else self.fit(self.bare).exponent
        cells = (
            *(f"{self.series.subject}: {self.series.calculation}", self.series.size, sizes[0], sizes[-1], len(sizes)),
            *(self.values[0], self.values[-1], "MB" if self.series.megabytes else "s", sizes[self.fitted[0]]),
            *(seen.exponent, seen.error, self.series.law.words, theory),
            *(verdict(seen.exponent, theory, beside), self._note(seen, beside)),
        )
        return dict(zip(COLUMNS, cells, strict=True))

    def _note(self, seen: Fit, beside: float | None) -> str:
        words = [] if beside is None or self.series.bare is None else [f"{self.series.bare[0]} alone {beside:.2f}"]
        sizes, chosen = self.series.sizes, self.fitted
        steps = [
            (slope([sizes[k], sizes[k + 1]], [self.values[k], self.values[k + 1]]).exponent, k) for k in chosen[:-1]
        ]
        far, k = max(steps, key=lambda step: abs(step[0] - seen.exponent))
        if abs(far - seen.exponent) > KINK:
            words.append(f"{far:.1f} between {sizes[k]} and {sizes[k + 1]}")
        return ", ".join(words)


def slope(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Least squares of log values over log sizes; no error where two points leave none."""
    x, y = np.log(sizes), np.log(values)
    spread = ((x - x.mean()) ** 2).sum()
    exponent = float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    constant = float(y.mean() - exponent * x.mean())
    rest = float(((y - constant - exponent * x) ** 2).sum())
    return Fit(exponent, (rest / (len(x) - 2) / spread) ** 0.5 if len(x) > 2 else 0.0, constant)


def verdict(exponent: float, theory: float, beside: float | None) -> str:
    """yes within the tolerance of the law, of the bare operation or between them; else on which side of the law."""
    wanted = [theory] if beside is None else [theory, beside]
    if min(wanted) - TOLERANCE <= exponent <= max(wanted) + TOLERANCE:
        return "yes"
    return "more" if exponent > theory else "less"


def measured(series: Series, asked: Namespace) -> Measured:
    """The medians of a series, all sizes taking turns after a first call of each that does not count."""
    if series.megabytes is not None:
        return Measured(series, [series.megabytes(size) for size in series.sizes], None)
    works = {("ours", size): series.make(size, stream(asked.seed, series.name, size)) for size in series.sizes}
    if series.bare is not None:
        works |= {("bare", size): series.bare[1](size, stream(asked.seed, "bare", size)) for size in series.sizes}
    calls = {}
    for key, work in works.items():
        first = answer.timed(work)[1]  # compiles, and fills what is kept
        again = answer.timed(work)[1] if first < LONG or key[1] == series.sizes[0] else first
        calls[key] = max(1, ceil(SHORTEST / max(again, 1e-7)))
    times: dict[tuple[str, int], list[float]] = {key: [] for key in works}
    for _ in range(asked.repeats):
        for key, work in works.items():
            times[key].append(answer.timed(lambda: repeat(work, calls[key]))[1] / calls[key])  # noqa: B023
    middle = {key: median(spent) for key, spent in times.items()}
    bare = None if series.bare is None else [middle["bare", size] for size in series.sizes]
    return Measured(series, [middle["ours", size] for size in series.sizes], bare)


def repeat(work: Work, count: int) -> None:
    for _ in range(count):
        work()


def draw(found: Sequence[Measured], file: Path) -> None:
    """Small multiples of all series, log-log, with the fit and the law through the fitted points."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    columns = min(7, ceil(len(found) ** 0.5))
    lines = ceil(len(found) / columns)
    figure, axes = plt.subplots(lines, columns, figsize=(2.9 * columns, 2.5 * lines), squeeze=False)
    for ax in axes.flat[len(found) :]:
        ax.set_visible(False)
    for ax, seen in zip(axes.flat, found, strict=False):
        series, fit = seen.series, seen.fit(seen.values)
        sizes = np.array([series.sizes[k] for k in seen.fitted], dtype=float)
        law = np.array([series.law.cost(size) for size in series.sizes])[seen.fitted]
        middle = np.exp(np.mean(np.log([seen.values[k] for k in seen.fitted])) - np.log(law).mean())
        ax.loglog(series.sizes, seen.values, "o", ms=3, color="C0")
        if seen.bare is not None and series.bare is not None:
            ax.loglog(series.sizes, seen.bare, "x", ms=3, color="0.6")
        ax.loglog(sizes, np.exp(fit.constant) * sizes**fit.exponent, "-", lw=1, color="C0")
        ax.loglog(sizes, law * middle, "--", lw=1, color="C1")
        if series.megabytes is not None or series.everywhere:
            ax.set_ylim(min(seen.values) / 10, max(seen.values) * 10)
        ax.set_title(f"{series.subject}: {series.calculation}", fontsize=8)
        ax.set_xlabel(f"{series.size}: {fit.exponent:.2f}, law {series.law.words}", fontsize=7, labelpad=1)
        ax.tick_params(labelsize=6)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_formatter(NullFormatter())  # short ranges would have too many labels
    figure.suptitle(
        "Seconds (megabytes) against size: medians (dots), fit (line), law (dashes), bare operation (crosses)"
    )
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    figure.savefig(file, dpi=110)


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="series whose names contain one of these")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each size, median taken (default 5)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the series there")
    parser.add_argument("--list", action="store_true", help="print the names of the series and end")
    asked = parser.parse_args()
    chosen = [each for each in SERIES if asked.only is None or any(text in each.name for text in asked.only)]
    if not chosen:
        parser.error(f"--only must be a part of a name that --list prints, got {' '.join(asked.only)}")
    if asked.list:
        print("\n".join(each.name for each in chosen))
        return
    torch.set_num_threads(1)
    with threadpool_limits(limits=1, user_api="blas"):
        found = [measured(series, asked) for series in chosen]
    if asked.picture is not None:
        draw(found, asked.picture)
    notes = (
        f"CPU seconds of a call, median of {asked.repeats}, all sizes of a series taking turns; calls shorter than "
        f"{1e3 * SHORTEST:g} ms are repeated to fill that. Memory: the largest resident size of a process of its own.",
        "Exponent ± standard error: least squares of log time over log size from the first size on that takes "
        f"{ABOVE} times as long as the least, or of the last {FEWEST}; where the law is 1, over all. Theory: the same "
        "of the law's numbers at the same sizes.",
        f"Agrees: within {TOLERANCE} of the theory, of the bare operation of NumPy or SciPy that the note names, or "
        f"between; it is timed beside. {TOLERANCE} is a factor of 1.4 over a decade, as caches, vector widths and the "
        "blocks of a matrix product move a rate. Less: overheads, or larger sizes run at a better rate; more: a defect "
        "or a cache.",
        f"Note: also the step between neighbouring sizes that strays most, where by more than {KINK}.",
        "operations: additions, multiplications and functions counted from the sampler's loops, as in "
        "learning_speed.py.",
    )
    answer.publish(answer.Answer(question, COLUMNS, [each.row for each in found], notes), asked.json)


if __name__ == "__main__":
    main()
