"""Integrals of a complex Chernoff affinity along the vertical line through its saddle point."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from .pair_spectrum import PairSpectra, log_affinity

Array = NDArray[np.float64]

REACH = 13.0  # e^{-13π} is 2e-18
FEWEST = 32  # intervals to begin with
MOST = 1 << 17  # reached only where weights differ by hundreds of orders of magnitude
SETTLED = 1e-10  # the error is the square of the last change: halving the step squares it
BLOCK = 1 << 19  # entries of one array of pairs, dimensions and nodes


@dataclass(frozen=True, eq=False)
class Line:
    """z = s + iω for P pairs, and the affinity's expansion about s; the letters of docs/entropy, lemma 2."""

    s: Array  # (P,)
    r: Array  # 1 - s, without cancellation
    height: Array  # φ(s) = s log(π_j/π_k) + log C(s)
    slope: Array  # φ'(s)
    c: Array  # (P, n)
    v: Array  # (P, n)
    multiplicity: int

    def take(self, rows: NDArray[np.intp] | slice) -> "Line":
        """The same line for some of the pairs."""
        s, r, height, slope, c, v = (p[rows] for p in (self.s, self.r, self.height, self.slope, self.c, self.v))
        return Line(s, r, height, slope, c, v, self.multiplicity)


def saddle_line(spectra: PairSpectra, log_odds: Array) -> Line:
    """The line through the minimum of φ(s) - log(s (1-s) sin πs) on (0, 1), found by bisection in logit s.

    The integrals do not depend on s, so that a rough minimum does; there the integrand hardly changes sign.
    """
    ratios, squares, n = spectra.ratios, spectra.squares, spectra.multiplicity
    low, high = np.full(len(ratios), -40.0), np.full(len(ratios), 40.0)
    half_logs = 0.5 * n * np.log(ratios).sum(-1)
    for _ in range(20):
        y = 0.5 * (low + high)
        s, r = expit(y), expit(-y)
        kernel = 1 / r - 1 / s - np.pi / np.tan(np.pi * np.minimum(s, r)) * np.where(s < r, 1, -1)
        falling = _slope(ratios, squares, n, s, r, half_logs) + log_odds + kernel < 0
        low, high = np.where(falling, y, low), np.where(falling, high, y)
    y = 0.5 * (low + high)
    s, r = expit(y), expit(-y)
    u = r[:, None] * ratios + s[:, None]
    height = s * log_odds + log_affinity(ratios, squares, n, s)
    slope = log_odds + _slope(ratios, squares, n, s, r, half_logs)
    return Line(s, r, height, slope, (1 - ratios) / u, squares * ratios / u**3, n)


def _slope(ratios: Array, squares: Array, n: int, s: Array, r: Array, half_logs: Array) -> Array:
    """(log C)'(s) = -½ Σ [log ℓ + (1-ℓ)/u + δ² ((1-s)²ℓ - s²)/u²]."""
    s, r = s[:, None], r[:, None]
    u = r * ratios + s
    moved = n * (1 - ratios) / u + squares * (r**2 * ratios - s**2) / u**2
    out: Array = -half_logs - 0.5 * moved.sum(-1)
    return out


def sided_integrals(line: Line) -> tuple[Array, Array]:
    r"""log of ∫_0^∞ Re[e^{φ(z)} / (z sin πz)] dω and of the same with 1 - z for z, each (P,).

    The substitution ω = a sinh x, with a the smaller of the distance to the nearest pole and the width of |C|, makes
    the trapezoid rule converge exponentially in the number of nodes for every s.  Relative error below 1e-13 beside
    rounding, which φ passes on multiplied by its size.  Raises ArithmeticError if 2^17 nodes do not settle it.
    """
    width = np.sqrt((0.5 * line.multiplicity * line.c**2 + line.v).sum(-1))
    scale = 1 / np.maximum(np.maximum(1 / line.s, 1 / line.r), width)
    end = np.arcsinh(REACH / scale)
    count = FEWEST
    # both sums start with half the node at 0
    total = 0.5 * _sums(line, scale, np.zeros((len(end), 1)))
    total += _sums(line, scale, end[:, None] * np.arange(1, count + 1) / count)
    left = np.arange(len(end))
    while len(left):
        if count >= MOST:
            raise ArithmeticError(f"the pair integral did not settle within {MOST} nodes for {len(left)} pairs")
        middles = (np.arange(count) + 0.5) / count
        old, more = total[:, left], _sums(line.take(left), scale[left], end[left][:, None] * middles)
        total[:, left] += more
        moved = np.abs(more - old) > SETTLED * np.abs(old + more)
        count *= 2
        done = left[~moved.any(0)]
        total[:, done] *= end[done] / count
        left = left[moved.any(0)]
    if not (total > 0).all():
        raise ArithmeticError("the pair integral lost all digits to cancellation")
    first, second = np.log(total * scale) + line.height
    return first, second


def _sums(line: Line, scale: Array, x: Array) -> Array:
    """Both integrands summed over the nodes x (P, N), without e^{φ(s)} and dω/dx's factor a: (2, P)."""
    out = np.zeros((2, len(x)))
    nodes = min(x.shape[1], max(1, BLOCK // line.c.shape[1]))
    step = max(1, BLOCK // (line.c.shape[1] * nodes))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        part = line.take(rows)
        for begin in range(0, x.shape[1], nodes):
            out[:, rows] += _block(part, scale[rows], x[rows, begin : begin + nodes])
    return out


def _block(line: Line, scale: Array, x: Array) -> Array:
    w = scale[:, None] * np.sinh(x)
    s, r = line.s[:, None], line.r[:, None]
    t = line.c[:, :, None] * w[:, None, :]
    q = 1 / (1 + t * t)
    pull = np.matmul(line.v[:, None, :], q)[:, 0]  # Σ v/(1+t²)
    turn = np.matmul((line.v * line.c)[:, None, :], q)[:, 0] * w
    # log R = -½ Σ [log(1+it) - it + ω² v/(1+it)]
    real = 0.25 * line.multiplicity * np.log(q).sum(1) - 0.5 * w * w * pull
    bend = np.arctan(t)
    bend -= t
    angle = w * line.slope[:, None] - 0.5 * line.multiplicity * bend.sum(1) + 0.5 * w * w * turn
    z, opposite = s + 1j * w, r - 1j * w
    nearest = np.pi * np.minimum(s, r)
    sine = np.sin(nearest) * np.cosh(np.pi * w) + 1j * np.cos(nearest) * np.where(s < r, 1, -1) * np.sinh(np.pi * w)
    f = np.exp(real) * np.exp(1j * angle) * np.cosh(x) / sine
    return np.stack([(f / z).real.sum(1), (f / opposite).real.sum(1)])
