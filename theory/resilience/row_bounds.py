"""Bounds on the rows of an affine step: sums over the past of what each step adds, valid at all times at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .affine_step import LARGE, LEAST, ROUNDING, ROWS, AffineStep, Bounds, affine_step
from .cell import LSTMCell
from .interval import UNIT, Interval, up

Array = NDArray[np.float64]

STEPS = 120  # powers of A that are summed
FORGOTTEN = 1e-5  # the sum stops where the powers have fallen to this
DIVERGED = 1e6  # and is given up there


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows as L x + N u + b + E ξ_c, and |L| times a vector, without the matrix L being formed."""

    cell: LSTMCell
    weights: Array
    step: AffineStep

    def times(self, Q: Array) -> Array:
        """L Q for Q (2n, k)."""
        n = self.cell.units
        z = self.cell.weight_hh @ Q[n:]
        return np.concatenate([z, Q, *self._pairs(z, Q[:n], self.step.A[:n] @ Q, -1.0)])

    def sizes(self, v: Array) -> Array:
        """At least |L| v for v >= 0."""
        n = self.cell.units
        z = np.abs(self.cell.weight_hh) @ v[n:]
        return np.concatenate([z, v, *self._pairs(z, v[:n], np.abs(self.step.A[:n]) @ v, 1.0)])

    def inputs(self) -> Array:
        """N, (12n, m)."""
        n = self.cell.units
        W, zero = self.cell.weight_ih, np.zeros((n, self.cell.inputs))
        return np.concatenate([W, zero, zero, *self._pairs(W, zero, self.step.B[:n], -1.0)])

    def input_sizes(self) -> Array:
        """At least |N|."""
        n = self.cell.units
        W, zero = np.abs(self.cell.weight_ih), np.zeros((n, self.cell.inputs))
        return np.concatenate([W, zero, zero, *self._pairs(W, zero, np.abs(self.step.B[:n]), 1.0)])

    def offset(self) -> Array:
        """b."""
        n = self.cell.units
        b, zero = self.cell.bias, np.zeros(n)
        return np.concatenate([b, zero, zero, *self._pairs(b, zero, self.step.s[:n], -1.0)])

    def offset_sizes(self) -> Array:
        """At least |b|."""
        n = self.cell.units
        b, zero = np.abs(self.cell.bias), np.zeros(n)
        return np.concatenate([b, zero, zero, *self._pairs(b, zero, np.abs(self.step.s[:n]), 1.0)])

    def error(self) -> Array:
        """|E| e_c: c⁺ in the last pairs."""
        n = self.cell.units
        return np.concatenate([np.zeros(10 * n), self.step.e[:n], self.step.e[:n]])

    def _pairs(self, z: Array, c: Array, after: Array, sign: float) -> list[Array]:
        i, f, g, o = np.split(z, 4)
        wi, wf, wo = (w.reshape(-1, *[1] * (z.ndim - 1)) for w in self.weights)
        out = []
        for first, second in ((wi * i, g), (wf * f, c), (wo * o, after)):
            out += [first + second, first + sign * second]
        return out


def row_bounds(
    cell: LSTMCell, bounds: Bounds, U: Interval, initial: Interval | None, steps: int = STEPS
) -> Interval | None:
    """Bounds on all rows along every trajectory whose rows were in `bounds` before; None where A does not contract.

    With `initial` the states at time 0 and every time t >= 0; without it times t >= `steps` of trajectories whose
    rows are in `bounds` from time 0 on.  Rounded outward.

    Source: docs/resilience, theorem 18.
    """
    sizes = (cell.weight_ih, cell.weight_hh, cell.bias, bounds.weights, bounds.rows.magnitude, U.magnitude)
    if not max(float(np.abs(x).max()) for x in sizes) < LARGE:  # LEAST would not cover what underflows
        return None
    step = affine_step(cell, bounds, U)
    A, B, n, d = step.A, step.B, cell.units, 2 * cell.units
    if not (np.isfinite(A).all() and np.isfinite(step.e).all()):
        return None
    rows = _Rows(cell, bounds.weights, step)
    u0 = 0.5 * (U.lower + U.upper)
    ur = np.maximum(up(U.upper - u0), up(u0 - U.lower))
    try:
        x0 = np.asarray(np.linalg.solve(np.eye(d) - A, step.s + B @ u0), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    share = 16 * (d + cell.inputs + steps + 16) * UNIT  # the rounding of three products and of sums over time, relative
    still = np.abs(A) @ np.abs(x0) + np.abs(B) @ np.abs(u0) + np.abs(step.s) + np.abs(x0)
    rest = np.abs(A @ x0 + B @ u0 + step.s - x0) + share * still
    far = np.maximum(np.abs(bounds.states.lower - x0), np.abs(bounds.states.upper - x0)) * (1 + ROUNDING)
    driven = np.abs(B) @ ur + step.e + np.concatenate([np.zeros(n), np.abs(step.k) * step.e[:n]]) + rest
    carried = np.abs(A) @ far + driven + far
    start = None if initial is None else (0.5 * (initial.lower + initial.upper) - x0)
    start_radius = None if initial is None else 0.5 * up(initial.upper - initial.lower) * (1 + ROUNDING) + LEAST
    own = np.abs(rows.inputs()) @ ur + rows.error()
    radius = own * (1 + ROUNDING)
    lower, upper = np.full(ROWS * n, np.inf), np.full(ROWS * n, -np.inf)
    Q, total = np.eye(d), np.zeros(d)
    for count in range(steps + 1):
        LQ = rows.times(Q)
        size = np.abs(LQ)
        total = total + np.abs(Q) @ carried
        if start is not None and start_radius is not None:
            total = total + np.abs(Q) @ (np.abs(start) + start_radius)
            middle = LQ @ start
            reach = radius + size @ start_radius
            lower, upper = np.minimum(lower, middle - reach), np.maximum(upper, middle + reach)
        if count == steps or (start is not None and np.abs(Q).max() < FORGOTTEN):
            break
        radius = radius + np.abs(LQ @ B) @ ur + np.abs(LQ[:, :n] + LQ[:, n:] * step.k) @ step.e[:n]
        radius = radius + size[:, n:] @ step.e[n:] + size @ rest
        Q = Q @ A
        if not np.abs(Q).max() < DIVERGED:
            return None
    tail = radius + size @ far
    lower, upper = np.minimum(lower, -tail), np.maximum(upper, tail)
    centre = rows.times(x0[:, None])[:, 0] + rows.inputs() @ u0 + rows.offset()
    rounding = share * (rows.sizes(total + np.abs(x0)) + rows.input_sizes() @ (np.abs(u0) + ur) + rows.offset_sizes())
    rounding = rounding + share * (np.maximum(np.abs(lower), np.abs(upper)) + tail + np.abs(centre)) + LEAST
    return Interval(centre + lower - rounding, centre + upper + rounding)
