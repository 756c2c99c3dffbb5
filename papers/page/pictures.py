"""Pictures of a row in SVG: theory against simulation, the mean as draws come in, what was seen against its bound."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ...theory.estimate import Estimate
from ..engine.blocks import FINITE, Search
from ..engine.claim import Relation
from ..engine.row import Row
from ..engine.verdict import edges
from .markup import Markup, element, joined
from .number_words import number
from .picture_scale import Scale, fitted, spread_out

WIDTH, HEIGHT = 330, 230
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 24, 38  # what the axes leave free
BAR_WIDTH, BAR_HEIGHT = 150, 22
MOST_POINTS = 100  # of a curve
FINE = 1e-5  # shares of the theory below which a curve shows differences from it
DOT = 4.2  # the diameter of a point that was seen once
LARGEST = 16.0
MARKS = {  # of the rows in `agreement`: a disc, a triangle that hangs and one that stands
    Relation.EQUALS: "M{x} {y}m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    Relation.AT_MOST: "M{x} {y}m-4.5 -3h9l-4.5 8z",
    Relation.AT_LEAST: "M{x} {y}m-4.5 3h9l-4.5 -8z",
}

Point = tuple[float, float]


def interval_bar(row: Row) -> Markup | None:
    """The interval of the mean as a bar, the theory as a stroke, shaded where the mean lies if the claim holds."""
    if not isinstance(row.seen, Estimate) or row.theory is None:
        return None
    low, high = _allowed(row)
    across = fitted(_landmarks(row), 3, BAR_WIDTH - 3)
    middle = BAR_HEIGHT / 2
    parts = [_rectangle("allowed", _clip(across, low), 2, _clip(across, high), BAR_HEIGHT - 2)]
    parts.append(_line("theory", across(row.theory), 1, across(row.theory), BAR_HEIGHT - 1))
    if row.interval is not None:
        parts.append(_line("interval", across(row.interval[0]), middle, across(row.interval[1]), middle))
    parts.append(_dots("mean", [((across(row.seen.mean), middle), 1)]))
    words = f"theory {number(row.theory)}, mean {number(row.seen.mean)}"
    return _svg(BAR_WIDTH, BAR_HEIGHT, words, *parts, class_="bar")


def learning_curve(row: Row) -> Markup | None:
    """The running mean of the blocks ± its error, the theory, and shaded where the mean lies if the claim holds."""
    if not isinstance(row.seen, Estimate) or row.theory is None or len(row.blocks) < 2:
        return None
    count = np.array([block.draws if row.sequence == FINITE else 1.0 for block in row.blocks])
    value = np.array([block.value for block in row.blocks])
    mean = np.cumsum(count * value) / np.cumsum(count)
    square = np.maximum(np.cumsum(count * value**2) / np.cumsum(count) - mean**2, 0.0)
    blocks = np.arange(1, len(mean) + 1)
    error = np.sqrt(square / np.maximum(blocks - 1, 1))
    at = np.unique(np.linspace(1, len(mean) - 1, min(len(mean) - 1, MOST_POINTS)).round().astype(int))
    marks = _landmarks(row)
    span = max(*marks, *mean[at]) - min(*marks, *mean[at])
    zero = row.theory if span < FINE * abs(row.theory) else 0.0
    across = Scale(0, len(mean) * 1.04, LEFT, WIDTH - RIGHT)
    up = _upwards([v - zero for v in (*marks, *(mean - error)[at], *(mean + error)[at])])
    low, high = _allowed(row)
    ribbon = [(across(blocks[i]), up(mean[i] - error[i] - zero)) for i in at]
    ribbon += [(across(blocks[i]), up(mean[i] + error[i] - zero)) for i in at[::-1]]
    parts = [_rectangle("allowed", LEFT, _clip(up, high - zero), WIDTH - RIGHT, _clip(up, low - zero))]
    parts.append(_path("ribbon", ribbon, closed=True))
    parts.append(_line("theory", LEFT, up(row.theory - zero), WIDTH - RIGHT, up(row.theory - zero)))
    parts.append(_path("mean-line", [(across(blocks[i]), up(mean[i] - zero)) for i in at]))
    if row.interval is not None:
        end = across(len(mean))
        parts.append(_line("interval", end, up(row.interval[0] - zero), end, up(row.interval[1] - zero)))
    parts.append(_dots("mean", [((across(len(mean)), up(row.seen.mean - zero)), 1)]))
    words = f"Running mean of {len(mean)} blocks of {row.claim} at {row.case}, beside the theory {number(row.theory)}"
    upright = "mean − theory" if zero else "mean"
    return _svg(WIDTH, HEIGHT, words, *_frame(across, up, "blocks drawn", upright), *parts)


def scatter_of_bounds(row: Row, across_words: str = "bound", up_words: str = "seen") -> Markup | None:
    """What was seen against its bound, input by input, with the diagonal that nothing may exceed."""
    points = [] if not isinstance(row.seen, Search) else [(b, v) for v, b in row.seen.sample if math.isfinite(v - b)]
    if not points:
        return None
    log = spread_out([b for b, _ in points], [v for _, v in points])
    both = [end for point in points for end in point]
    bounds = [b for b, _ in points]
    across = fitted(bounds if not log and min(bounds) < max(bounds) else both, LEFT, WIDTH - RIGHT, log)
    up = fitted(both, HEIGHT - BOTTOM, TOP, log)
    low, high = max(across.low, up.low), min(across.high, up.high)
    counted = Counter((round(across(b), 1), round(up(v), 1)) for b, v in points)
    parts = [_path("forbidden", _above(across, up, low, high), closed=True)] if low < high else []
    if low < high:
        parts.append(_line("theory", across(low), up(low), across(high), up(high)))
    words = f"{len(points)} random inputs of {row.claim} at {row.case}: {up_words} against {across_words}"
    dots = _dots("seen", sorted(counted.items()))
    return _svg(WIDTH, HEIGHT, words, *_frame(across, up, across_words, up_words), *parts, dots)


def tightness(row: Row) -> tuple[float, float] | None:
    """Median and largest of value/bound over the inputs kept, or mean/bound twice; None where no bound is above 0."""
    if isinstance(row.seen, Search):
        shares = [value / bound for value, bound in row.seen.sample if bound > 0 and math.isfinite(value)]
        return (float(np.median(shares)), max(shares)) if shares else None
    if not isinstance(row.seen, Estimate) or row.theory is None or not row.theory > 0 or not row.seen.mean > 0:
        return None
    share = row.seen.mean / row.theory
    return {Relation.AT_MOST: (share, share), Relation.AT_LEAST: (1 / share, 1 / share)}.get(row.relation)


def agreement(rows: Sequence[tuple[str, str, Row]]) -> Markup | None:
    """Theory against simulation of rows that compare a mean, given as address, verdict and row; points are links."""
    known = [
        (where, fate, r, r.seen) for where, fate, r in rows if isinstance(r.seen, Estimate) and r.theory is not None
    ]
    if len(known) < 2:
        return None
    stated, means = [row.theory or 0.0 for _, _, row, _ in known], [seen.mean for _, _, _, seen in known]
    log = spread_out(stated, means)
    ends = [end for _, _, row, _ in known for end in row.interval or ()] if not log else []
    across = fitted(stated, LEFT, WIDTH - RIGHT, log)
    up = fitted([*stated, *means, *ends], HEIGHT - BOTTOM, TOP, log)
    low, high = max(across.low, up.low), min(across.high, up.high)
    parts = [_line("theory", across(low), up(low), across(high), up(high))] if low < high else []
    for (where, fate, row, seen), theory in zip(known, stated, strict=True):
        x, y = across(theory), up(seen.mean)
        bar = _line("interval", x, up(row.interval[0]), x, up(row.interval[1])) if row.interval else Markup("")
        words = f"{row.claim} at {row.case}: theory {number(theory)}, simulation {number(seen.mean)}, {fate}"
        mark = element("path", class_=f"mark {fate}", d=MARKS[row.relation].format(x=_f(x), y=_f(y)))
        parts.append(element("a", element("title", words), bar, mark, href=where))
    words = f"Theory against simulation of {len(known)} rows"
    return _svg(WIDTH, HEIGHT, words, *_frame(across, up, "theory", "simulation"), *parts)


def _allowed(row: Row) -> tuple[float, float]:
    assert row.theory is not None
    return edges(row.relation, row.theory, row.tolerance)


def _landmarks(row: Row) -> list[float]:
    """The numbers that a picture of the row must show."""
    assert isinstance(row.seen, Estimate)
    marks = [*_allowed(row), row.theory, row.seen.mean, *(row.interval or ())]
    return [mark for mark in marks if mark is not None and math.isfinite(mark)]


def _above(across: Scale, up: Scale, low: float, high: float) -> list[Point]:
    """The corners of the part above the diagonal."""
    corners = [(across(low), up(low)), (across(high), up(high))]
    if across.high > high:
        return [*corners, (across(low), up(high))]
    return [*corners, (across(high), up(up.high)), (across(low), up(up.high))]


def _upwards(values: Iterable[float]) -> Scale:
    return fitted(values, HEIGHT - BOTTOM, TOP)


def _clip(scale: Scale, value: float) -> float:
    return scale(max(min(value, scale.high), scale.low))


def _frame(across: Scale, up: Scale, across_words: str, up_words: str) -> list[Markup]:
    """Axes with ticks, numbers and words."""
    bottom = HEIGHT - BOTTOM
    parts = [_path("axis", [(LEFT, TOP), (LEFT, bottom), (WIDTH - RIGHT, bottom)])]
    for tick in across.ticks():
        parts.append(_line("axis", across(tick), bottom, across(tick), bottom + 4))
        parts.append(_text(across(tick), bottom + 15, number(tick, 4), "middle"))
    for tick in up.ticks():
        parts.append(_line("grid", LEFT - 4, up(tick), WIDTH - RIGHT, up(tick)))
        parts.append(_text(LEFT - 7, up(tick) + 4, number(tick, 7), "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 5, across_words, "middle"))
    parts.append(_text(4, 13, up_words, "start"))
    return parts


def _svg(width: float, height: float, words: str, *parts: Markup, class_: str = "picture") -> Markup:
    return element("svg", element("title", words), *parts, class_=class_, role="img", viewBox=f"0 0 {width} {height}")


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return _path(kind, [(x1, y1), (x2, y2)])


def _rectangle(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return _path(kind, [(x1, y1), (x2, y1), (x2, y2), (x1, y2)], closed=True)


def _path(kind: str, points: Sequence[Point], closed: bool = False) -> Markup:
    drawn = "M" + "L".join(f"{_f(x)} {_f(y)}" for x, y in points)
    return element("path", class_=kind, d=drawn + ("z" if closed else ""))


def _dots(kind: str, counted: Sequence[tuple[Point, int]]) -> Markup:
    """Points, of an area that grows with their number: one path for all of a size."""
    sizes: dict[str, list[Point]] = {}
    unit = min(DOT, LARGEST / math.sqrt(max(times for _, times in counted)))
    for point, times in counted:
        sizes.setdefault(_f(unit * math.sqrt(times)), []).append(point)
    return joined(
        *(
            element("path", class_=kind, stroke_width=size, d="".join(f"M{_f(x)} {_f(y)}h0" for x, y in points))
            for size, points in sizes.items()
        )
    )


def _text(x: float, y: float, words: str, anchor: str) -> Markup:
    return element("text", words, x=_f(x), y=_f(y), text_anchor=anchor)


def _f(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
