"""Where the states of an LSTM can be at all: bounds on sums of them, closed by induction over the time."""

import numpy as np
from numpy.typing import NDArray

from .affine_step import ROWS, Bounds
from .cell import LSTMCell
from .interval import Interval, join, point, sigmoid, tanh
from .lstm_step import Gates, blocks, cell_limit
from .row_bounds import row_bounds

Array = NDArray[np.float64]

ROUNDS = 200  # of the search
GROWTH = 1.02  # of the bounds in each, until they close
WEIGHINGS = 12  # rounds after which the weights of the pairs stay
STILL = 1e-4  # an end that moves by less stays
WIDEST = 60.0  # rows; wider ones are given up
SPARES = (1e-3, 5e-3)  # by which the bounds are widened at last, so that they close with something to spare
SETTLING = 30
SPARE = 1e-9  # absolute, for the rounding of another machine
LEAST_WIDTH = 1e-9
STAGE = 15  # steps after which a later set holds
STAGES = 40
SETTLED = 2e-3  # of the widest row: a stage that gains less is the last


def consequences(cell: LSTMCell, bounds: Bounds, U: Interval, initial: Interval) -> Interval:
    """Bounds on all rows at every time, if they were in `bounds` before: what affine and interval steps leave over.

    c lies in the limits of its gates, h in O·tanh C, z in W U + R H + b, a pair in the sum of its parts, each cut with
    the affine bounds before it is used.

    Source: docs/resilience, theorem 18.
    """
    n = cell.units
    affine = row_bounds(cell, bounds, U, initial)
    if affine is None:
        affine = Interval(np.full(ROWS * n, -np.inf), np.full(ROWS * n, np.inf))
    cut = blocks(cell)
    gate = _gates(bounds)
    C = (cell_limit(gate) | initial[:n]) & affine[4 * n : 5 * n]
    H = ((gate.o * tanh(C)) | initial[n:]) & affine[5 * n : 6 * n]
    z = (cut.ih @ U + cut.hh @ H + point(cell.bias)) & affine[: 4 * n]
    return _with_pairs(z, C, H, bounds.weights) & affine


def _gates(bounds: Bounds) -> Gates:
    zi, zf, zg, zo = (bounds.kind(k) for k in range(4))
    i, g = sigmoid(zi), tanh(zg)
    return Gates(zi, zf, zg, zo, i, sigmoid(zf), g, sigmoid(zo), i * g)


def _with_pairs(z: Interval, C: Interval, H: Interval, weights: Array) -> Interval:
    """All rows from z, c and h, each pair from its parts."""
    n = C.lower.shape[0]
    zi, zf, zg, zo = (z[k * n : (k + 1) * n] for k in range(4))
    parts = [z, C, H]
    for w, first, second in zip(weights, (zi, zf, zo), (zg, C, C), strict=True):
        scaled = point(w) * first
        parts += [scaled + second, scaled - second]
    return join(parts)


def closes(cell: LSTMCell, bounds: Bounds, U: Interval, initial: Interval) -> bool:
    """Whether the bounds are proved for all times from the initial states: what follows from them lies inside them."""
    return consequences(cell, bounds, U, initial).within(bounds.rows)


def reachable_bounds(cell: LSTMCell, U: Interval, initial: Interval) -> Bounds | None:
    """Bounds that close, for every state reachable from `initial` under inputs in U; None where none were found.

    The search starts at the state where the middle of U holds the network.  It grows the bounds by what follows from
    them and 2 % until they close, cuts them with what follows while that shrinks them, and lets them settle with
    0.1 % to spare.

    Source: docs/resilience, theorem 18.
    """
    bounds = _around_rest(cell, U, initial)
    for number in range(ROUNDS):
        found = consequences(cell, bounds, U, initial)
        if not (found.upper - found.lower).max() < WIDEST:
            return None
        if _wider(found, 1.0, SPARE).within(bounds.rows):
            break
        bounds = Bounds(_wider(found, GROWTH, 0.0), bounds.weights)
        if number < WEIGHINGS:
            bounds = _reweighted(bounds)
    else:
        return None
    closed = bounds
    for _ in range(ROUNDS):
        rows = consequences(cell, bounds, U, initial) & bounds.rows
        moved = _moved(rows, bounds.rows)
        bounds = Bounds(rows, bounds.weights)
        if moved < STILL:
            break
    for share in SPARES:
        tight = bounds
        for _ in range(SETTLING):
            found = consequences(cell, tight, U, initial)
            if _wider(found, 1.0, SPARE).within(tight.rows):
                return tight
            tight = Bounds(_wider(found, 1.0 + share, 2 * SPARE), tight.weights)
    return closed


def box_bounds(cell: LSTMCell, X: Interval, U: Interval) -> Bounds:
    """Bounds on the rows at states in a box that the network never leaves, with new cells in the box too."""
    n, cut = cell.units, blocks(cell)
    C, H = X[:n], X[n:]
    z = cut.ih @ U + cut.hh @ H + point(cell.bias)
    i, f, g, o = (np.maximum(z[k * n : (k + 1) * n].width, LEAST_WIDTH) for k in range(4))
    c = np.maximum(C.width, LEAST_WIDTH)
    weights = np.array([g / i, c / f, c / o])
    return Bounds(_with_pairs(z, C, H, weights), weights)


def stages(cell: LSTMCell, start: Bounds, U: Interval, count: int | None = None) -> tuple[Bounds, ...]:
    """Y_0, Y_1, …: Y_j holds from time j · STAGE on if Y_0 = `start` does from time 0 on; inputs in U.

    As many as `count` says, or until no end moves by more than 1e-3 of the widest row.

    Source: docs/resilience, theorem 18.
    """
    out = [start]
    for _ in range(STAGES if count is None else count):
        last = out[-1]
        later = row_bounds(cell, last, U, None, STAGE)
        if later is None:
            break
        rows = later & last.rows
        out.append(Bounds(rows, last.weights))
        if count is None and _moved(rows, last.rows) < SETTLED * float(last.states.width.max()):
            break
    return tuple(out)


def _moved(new: Interval, old: Interval) -> float:
    return float(np.maximum(new.lower - old.lower, old.upper - new.upper).max())


def _around_rest(cell: LSTMCell, U: Interval, initial: Interval) -> Bounds:
    u0, n = 0.5 * (U.lower + U.upper), cell.units
    x = (0.5 * (initial.lower + initial.upper)).reshape(2, n)
    for _ in range(100):
        x = cell.step(x, u0)
    z = cell.weight_ih @ u0 + cell.weight_hh @ x[1] + cell.bias
    values = np.concatenate([z, x.ravel()])
    weights = np.ones((3, n))
    i, f, g, o = np.split(z, 4)
    pairs = [first + sign * second for first, second in ((i, g), (f, x[0]), (o, x[0])) for sign in (1, -1)]
    values = np.concatenate([values, *pairs])
    return Bounds(Interval(values - 1e-3, values + 1e-3), weights)


def _reweighted(bounds: Bounds) -> Bounds:
    """The same with pairs whose parts are equally wide; the pairs' own widths are scaled along."""
    n, half = bounds.units, 0.5 * (bounds.rows.upper - bounds.rows.lower)
    middle = 0.5 * (bounds.rows.upper + bounds.rows.lower)
    r = [np.maximum(half[k * n : (k + 1) * n], 1e-9) for k in range(6)]
    new = np.array([r[2] / r[0], r[4] / r[1], r[4] / r[3]])
    for number, (first, second) in enumerate(((0, 2), (1, 4), (3, 4))):
        for which, sign in ((0, 1), (1, -1)):
            place = slice((6 + 2 * number + which) * n, (7 + 2 * number + which) * n)
            middle[place] = (
                new[number] * middle[first * n : (first + 1) * n] + sign * middle[second * n : (second + 1) * n]
            )
            half[place] *= np.maximum(1.0, new[number] / bounds.weights[number])
    return Bounds(Interval(middle - half, middle + half), new)


def _wider(rows: Interval, factor: float, by: float) -> Interval:
    middle, half = 0.5 * (rows.upper + rows.lower), 0.5 * (rows.upper - rows.lower) * factor + by
    return Interval(middle - half, middle + half)
