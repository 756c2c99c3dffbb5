"""How does the time of each calculation grow with its sizes?

    python bench/scaling.py [--only TEXT ...] [--repeats 5] [--picture FILE] [--list] [--seed 0] [--json FILE]

Every series times one calculation over a range of one size n, the others fixed (`scaled/`).  t = a + b·nᵖ with a >= 0
is fitted to all of them by least squares of log t: a is the overhead, p the exponent.
"""

import answer

# isort: split
import gc
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scaled.entropy import ENTROPY
from scaled.learning import LEARNING
from scaled.minimax import MINIMAX
from scaled.papers import PAPERS
from scaled.resilience import RESILIENCE
from scaled.series import Series, Work
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from lemmata.theory.streams import stream

SERIES = (*ENTROPY, *LEARNING, *RESILIENCE, *MINIMAX, *PAPERS)
TOLERANCE = 0.15  # of an exponent: a factor of 1.4 over a decade, as caches, vectors and blocks move a rate
SHORTEST = 5e-3  # CPU seconds of a timing: shorter calls are repeated until they fill it
LONG = 0.1  # CPU seconds of a first call, after which a timing is one call
KINK = 0.5  # by which a step between two sizes must stray from the fit's to be named
LARGEST = 10.0  # exponent that is sought
STARTS = (0.0, 0.5, 0.9)  # shares of the least value, from which the overhead is sought

COLUMNS = {
    "calculation": "",
    "size": "",
    "from": "d",
    "to": "d",
    "points": "d",
    "decades": ".2f",
    "first": ".3g",
    "last": ".3g",
    "unit": "",
    "faults": ".0f",
    "overhead": ".2g",
    "exponent": ".2f",
    "±": ".2f",
    "growth": "",
    "theory": ".2f",
    "law": "",
    "bare": ".2f",
    "note": "",
}


@dataclass(frozen=True)
class Fit:
    """y = overhead + factor · xᵖ, with the standard error of the exponent p."""

    overhead: float
    factor: float
    exponent: float
    error: float

    def at(self, size: ArrayLike) -> NDArray[np.float64]:
        """y at sizes."""
        return self.overhead + self.factor * np.asarray(size, dtype=float) ** self.exponent


@dataclass(frozen=True)
class Measured:
    """A series as timed: a value for each size, and for the bare operation beside it.

    `faults` are the pages of memory that a call at the last size has the system hand out anew.
    """

    series: Series
    values: Sequence[float]
    bare: Sequence[float] | None = None
    faults: float | None = None

    def fit(self, values: Sequence[float]) -> Fit:
        """The fit of any values at the sizes of the series: of a power alone where they should not grow."""
        return power_fit(self.series.sizes, values) if self.series.flat else overhead_fit(self.series.sizes, values)

    @property
    def law(self) -> list[float]:
        """What the law says at the sizes, up to a constant."""
        return [self.series.law.cost(size) for size in self.series.sizes]

    @property
    def row(self) -> dict[str, object]:
        series, sizes, seen = self.series, self.series.sizes, self.fit(self.values)
        theory = self.fit(self.law).exponent
        beside = None if self.bare is None else self.fit(self.bare).exponent
        said = verdict(seen.exponent, theory)
        cells = (
            *(f"{series.subject}: {series.calculation}", series.size, sizes[0], sizes[-1], len(sizes)),
            *(log10(sizes[-1] / sizes[0]), self.values[0], self.values[-1], "MB" if series.megabytes else "s"),
            *(self.faults, None if series.flat else seen.overhead),
            *(seen.exponent, seen.error, series.law.words, theory, said, beside, self._note(seen, said, beside)),
        )
        return dict(zip(COLUMNS, cells, strict=True))

    def _note(self, seen: Fit, said: str, beside: float | None) -> str:
        series, sizes = self.series, self.series.sizes
        words = []
        if series.bare is not None and beside is not None:
            follows = said != "yes" and abs(seen.exponent - beside) <= TOLERANCE
            words.append(f"grows as {series.bare[0]}, not as the law" if follows else f"bare: {series.bare[0]}")
        if said != "yes" and series.cause:
            words.append(series.cause)
        if series.short:
            words.append(series.short)
        widths = np.diff(np.log(sizes))
        steps, wanted = np.diff(np.log(self.values)) / widths, np.diff(np.log(seen.at(sizes))) / widths
        k = int(np.abs(steps - wanted).argmax())
        if abs(steps[k] - wanted[k]) > KINK:
            words.append(f"{steps[k]:.1f} between {sizes[k]} and {sizes[k + 1]}, where the fit has {wanted[k]:.1f}")
        return "; ".join(words)


def power_fit(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Least squares of log values over log sizes, without overhead."""
    x, y = np.log(sizes), np.log(values)
    spread = ((x - x.mean()) ** 2).sum()
    exponent = float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    constant = float(y.mean() - exponent * x.mean())
    rest = float(((y - constant - exponent * x) ** 2).sum())
    return Fit(0.0, float(np.exp(constant)), exponent, (rest / (len(x) - 2) / spread) ** 0.5)


def overhead_fit(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """Least squares of log values with an overhead >= 0; the error from the Jacobian of what is free there."""
    centre, scale = float(np.exp(np.mean(np.log(sizes)))), min(values)  # both sides near 1
    x, y = np.log(np.asarray(sizes) / centre), np.log(np.asarray(values) / scale)
    slope = (y[-1] - y[0]) / (x[-1] - x[0])

    def parts(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        overhead, log_factor, exponent = at
        return overhead, np.exp(log_factor + exponent * x)

    def rest(at: NDArray[np.float64]) -> NDArray[np.float64]:
        overhead, grown = parts(at)
        return np.log(overhead + grown) - y

    def jacobian(at: NDArray[np.float64]) -> NDArray[np.float64]:
        overhead, grown = parts(at)
        return np.column_stack([np.ones_like(x), grown, grown * x]) / (overhead + grown)[:, None]

    bounds = ([0.0, -np.inf, -LARGEST], [np.inf, np.inf, LARGEST])
    tried = [
        least_squares(rest, (max(share, 1e-9), y.mean(), slope), jacobian, bounds, ftol=1e-13, xtol=1e-13, gtol=1e-13)
        for share in STARTS
    ]
    best = min(tried, key=lambda found: found.cost)
    free = [0, 1, 2] if best.x[0] > 1e-6 else [1, 2]
    J = jacobian(best.x)[:, free]
    variance = 2 * best.cost / (len(x) - len(free)) * np.linalg.pinv(J.T @ J)[-1, -1]
    overhead, log_factor, exponent = map(float, best.x)
    factor = float(scale * np.exp(log_factor) / centre**exponent)
    return Fit(float(scale * overhead) if 0 in free else 0.0, factor, exponent, float(variance) ** 0.5)


def verdict(exponent: float, theory: float) -> str:
    """yes within the tolerance of the law's exponent, else on which side of it."""
    if abs(exponent - theory) <= TOLERANCE:
        return "yes"
    return "more" if exponent > theory else "less"


def measured(series: Series, asked: Namespace) -> Measured:
    """The medians of a series, all sizes taking turns after a first call of each that does not count."""
    if series.megabytes is not None:
        return Measured(series, [series.megabytes(size) for size in series.sizes])
    works = {("ours", size): series.make(size, stream(asked.seed, series.name, size)) for size in series.sizes}
    if series.bare is not None:
        works |= {("bare", size): series.bare[1](size, stream(asked.seed, "bare", size)) for size in series.sizes}
    calls = {}
    for key, work in works.items():
        first = answer.timed(work)[1]  # compiles, and fills what is kept
        again = answer.timed(work)[1] if first < LONG or key[1] == series.sizes[0] else first
        calls[key] = max(1, ceil(SHORTEST / max(again, 1e-7)))
    gc.collect()
    gc.freeze()  # collections go through what a call makes, not through what this script has loaded
    times: dict[tuple[str, int], list[float]] = {key: [] for key in works}
    faults = dict.fromkeys(works, 0.0)
    for _ in range(asked.repeats):
        for key, work in works.items():
            before = getrusage(RUSAGE_SELF).ru_minflt
            times[key].append(answer.timed(lambda: repeat(work, calls[key]))[1] / calls[key])  # noqa: B023
            faults[key] += (getrusage(RUSAGE_SELF).ru_minflt - before) / (calls[key] * asked.repeats)
    gc.unfreeze()
    middle = {key: median(spent) for key, spent in times.items()}
    bare = None if series.bare is None else [middle["bare", size] for size in series.sizes]
    return Measured(series, [middle["ours", size] for size in series.sizes], bare, faults["ours", series.sizes[-1]])


def repeat(work: Work, count: int) -> None:
    for _ in range(count):
        work()


def draw(found: Sequence[Measured], file: Path) -> None:
    """Small multiples of all series, log-log, with the fit and the law through the middle of the points."""
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
        sizes, law = np.array(series.sizes, dtype=float), np.array(seen.law)
        middle = np.exp(np.mean(np.log(seen.values)) - np.log(law).mean())
        ax.loglog(series.sizes, seen.values, "o", ms=3, color="C0")
        if seen.bare is not None and series.bare is not None:
            ax.loglog(series.sizes, seen.bare, "x", ms=3, color="0.6")
        ax.loglog(sizes, fit.at(sizes), "-", lw=1, color="C0")
        ax.loglog(sizes, law * middle, "--", lw=1, color="C1")
        if series.flat:
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
        f"{1e3 * SHORTEST:g} ms are repeated to fill that. Memory: the largest resident size of a process of its own. "
        "Faults: pages of memory that a call at the last size has the system hand out anew.",
        "Exponent: p of t = overhead + b·nᵖ, overhead >= 0, least squares of log t over all sizes, ± standard error "
        "from its Jacobian; no overhead where the law is 1. Decades: what the sizes span. Theory: p of the same fit to "
        "the numbers of the growth that is expected.",
        f"Law: whether the exponent lies within {TOLERANCE} of theory, a factor of 1.4 over a decade, as caches, "
        "vector widths and the blocks of a matrix product move a rate; else on which side. Bare: the exponent of an "
        "operation of NumPy's or SciPy's that should take most of the time, fitted likewise; the note names it.",
        "grows as …, not as the law: the exponent lies within the same tolerance of the bare operation's; the library "
        "reaches a better or a worse rate at larger sizes, and the calculation with it.",
        "pages: memory of large temporaries goes back to the system after each call (glibc) and is cleared page by "
        "page when the next one asks for it; told to keep it (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_), a call "
        "spends no such time.",
        f"Note: also the step between neighbouring sizes that strays most from the fit, where by more than {KINK}.",
        "operations: additions, multiplications and functions counted from the sampler's loops, as in "
        "learning_speed.py.",
    )
    answer.publish(answer.Answer(question, COLUMNS, [each.row for each in found], notes), asked.json)


if __name__ == "__main__":
    main()
