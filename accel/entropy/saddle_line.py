"""Integrals of a complex Chernoff affinity along the vertical line through its saddle point, and their derivatives."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...theory.entropy.saddle_line import BLOCK, FEWEST, MOST, REACH
from .pair_spectrum import PairSpectra

WIDEST = 40.0  # |logit s|


@dataclass(frozen=True, eq=False)
class Line:
    """z = s + iω for P pairs, and the affinity's expansion about s; the letters of docs/entropy, lemma 2."""

    s: Tensor  # (P,)
    r: Tensor  # 1 - s, without cancellation
    height: Tensor  # φ(s) = s log(π_j/π_k) + log C(s)
    slope: Tensor  # φ'(s)
    u: Tensor  # (P, n), u(s)
    c: Tensor  # (P, n)
    v: Tensor  # (P, n)
    multiplicity: int

    def take(self, rows: Tensor | slice) -> "Line":
        """The same line for some of the pairs."""
        parts = (self.s, self.r, self.height, self.slope, self.u, self.c, self.v)
        s, r, height, slope, u, c, v = (part[rows] for part in parts)
        return Line(s, r, height, slope, u, c, v, self.multiplicity)

    @property
    def scale(self) -> Tensor:
        """a of ω = a sinh x: the smaller of the distance to the nearest pole and the width of |C|."""
        width = (0.5 * self.multiplicity * self.c**2 + self.v).sum(-1).sqrt()
        return 1 / torch.maximum(torch.maximum(1 / self.s, 1 / self.r), width)


def log_side_integrals(spectra: PairSpectra, log_odds: Tensor) -> tuple[Tensor, Tensor]:
    r"""log of ∫_0^∞ Re[e^{φ(z)} / (z sin πz)] dω and of the same with 1 - z for z in the denominator, each (P,).

    φ(z) = z log_odds + log C(z); e^{φ} = (π_j/π_k)^z C(z).  Differentiable once in the spectra and in log_odds (P,):
    the derivative of φ is integrated along the same line, which itself does not matter and is held fixed.
    """
    tensors = (log_odds, spectra.ratios, spectra.squares, spectra.coupling)
    first, second = _SideIntegrals.apply(*tensors, spectra.multiplicity)  # type: ignore[no-untyped-call]
    return first, second


def saddle_point(ratios: Tensor, squares: Tensor, multiplicity: int, log_odds: Tensor) -> Tensor:
    """logit s, (P,), of the minimum of φ(s) - log(s (1-s) sin πs) on (0, 1), found by bisection.

    The integrals do not depend on s, so that a rough minimum does; there the integrand hardly changes sign.
    """
    low, high = torch.full_like(log_odds, -WIDEST), torch.full_like(log_odds, WIDEST)
    half_logs = 0.5 * multiplicity * ratios.log().sum(-1)
    for _ in range(20):
        y = 0.5 * (low + high)
        s, r = torch.sigmoid(y), torch.sigmoid(-y)
        kernel = 1 / r - 1 / s - math.pi / torch.tan(math.pi * torch.minimum(s, r)) * torch.where(s < r, 1.0, -1.0)
        falling = _slope(ratios, squares, multiplicity, s, r, half_logs) + log_odds + kernel < 0
        low, high = torch.where(falling, y, low), torch.where(falling, high, y)
    return 0.5 * (low + high)


def line_at(point: Tensor, ratios: Tensor, squares: Tensor, multiplicity: int, log_odds: Tensor) -> Line:
    """The line Re z = s for logit s, (P,)."""
    s, r = torch.sigmoid(point), torch.sigmoid(-point)
    half_logs = 0.5 * multiplicity * ratios.log().sum(-1)
    u = r[:, None] * ratios + s[:, None]
    logs = r[:, None] * ratios.log() - u.log()
    affinity = 0.5 * (multiplicity * logs - (s * r)[:, None] * squares / u).sum(-1)
    slope = log_odds + _slope(ratios, squares, multiplicity, s, r, half_logs)
    return Line(s, r, s * log_odds + affinity, slope, u, (1 - ratios) / u, squares * ratios / u**3, multiplicity)


def _slope(ratios: Tensor, squares: Tensor, n: int, s: Tensor, r: Tensor, half_logs: Tensor) -> Tensor:
    """(log C)'(s) = -½ Σ [log ℓ + (1-ℓ)/u + δ² ((1-s)²ℓ - s²)/u²]."""
    s, r = s[:, None], r[:, None]
    u = r * ratios + s
    moved = n * (1 - ratios) / u + squares * (r**2 * ratios - s**2) / u**2
    return -half_logs - 0.5 * moved.sum(-1)


class _SideIntegrals(torch.autograd.Function):
    r"""Values by the trapezoid rule in x, ω = a sinh x, halved until it settles; gradients by the rule that settled.

    With p = g₁ e^φ/(z sin πz I₁) + g₂ e^φ/(r sin πz I₂), for upstream gradients g of the logarithms of the integrals I
    and r = 1 - z, the gradient is the integral of Re[p ∂φ], where ∂φ is z for log_odds, and

        -½ z r/u for δ²,   ½ z r (1-ℓ)/(ℓu) + ½ z r² δ²/u² for ℓ,   ½ z r²/(u_i u_l) for X_il.
    """

    @staticmethod
    def forward(
        ctx: Any, log_odds: Tensor, ratios: Tensor, squares: Tensor, coupling: Tensor | None, multiplicity: int
    ) -> tuple[Tensor, Tensor]:
        point = saddle_point(ratios, squares, multiplicity, log_odds)
        line = line_at(point, ratios, squares, multiplicity, log_odds)
        total, counts = _settle(line)
        ctx.save_for_backward(log_odds, ratios, squares, point, total, counts)
        ctx.multiplicity, ctx.coupled = multiplicity, coupling is not None
        first, second = (total * line.scale).log() + line.height
        return first, second

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        log_odds, ratios, squares, point, total, counts = ctx.saved_tensors
        line = line_at(point, ratios, squares, ctx.multiplicity, log_odds)
        shares = torch.stack(upstream) / total
        of_odds, of_ratios, of_squares = (torch.zeros_like(part) for part in (log_odds, ratios, squares))
        of_coupling = ratios.new_zeros(*ratios.shape, ratios.shape[1]) if ctx.coupled else None
        for count in counts.unique().tolist():
            same = (counts == count).nonzero()[:, 0]
            grid = torch.arange(count + 1, dtype=ratios.dtype, device=ratios.device) / count
            for some, nodes in _blocks(line, len(same), count + 1):
                rows = same[some]
                part, end = line.take(rows), torch.asinh(REACH / line.scale[rows])
                nodes_of_rows = _nodes(part, end[:, None] * grid[nodes])
                step = torch.where(grid[nodes] > 0, 1.0, 0.5) * (end / count)[:, None]
                p = nodes_of_rows.sides(*shares[:, rows, None]) * step
                of_odds[rows] += (p * nodes_of_rows.z).real.sum(1)
                once, twice = _moments(part, nodes_of_rows, p, ctx.coupled)
                of_squares[rows] -= 0.5 * once
                own = twice.diagonal(dim1=1, dim2=2) if ctx.coupled else twice
                ell = ratios[rows]
                of_ratios[rows] += 0.5 * (ctx.multiplicity * (1 - ell) / ell * once + squares[rows] * own)
                if of_coupling is not None:
                    of_coupling[rows] += 0.5 * twice
        return of_odds, of_ratios, of_squares, of_coupling, None


@dataclass(frozen=True, eq=False)
class _Nodes:
    """z = s + iω at (P, N) nodes, and e^{φ(z) - φ(s)} cosh x / sin πz."""

    w: Tensor
    t: Tensor  # cω, (P, n, N)
    q: Tensor  # 1/(1 + t²), (P, n, N)
    z: Tensor
    opposite: Tensor  # 1 - z, without cancellation
    f: Tensor

    def sides(self, first: Tensor | float, second: Tensor | float) -> Tensor:
        """first f/z + second f/(1-z)."""
        return self.f * (first / self.z + second / self.opposite)


def _nodes(line: Line, x: Tensor) -> _Nodes:
    w = line.scale[:, None] * torch.sinh(x)
    s, r = line.s[:, None], line.r[:, None]
    t = line.c[:, :, None] * w[:, None, :]
    q = 1 / (1 + t * t)
    pull = (line.v[:, None, :] @ q)[:, 0]  # Σ v/(1+t²)
    turn = ((line.v * line.c)[:, None, :] @ q)[:, 0] * w
    # log R = -½ Σ [log(1+it) - it + ω² v/(1+it)]
    real = 0.25 * line.multiplicity * q.log().sum(1) - 0.5 * w * w * pull
    angle = w * line.slope[:, None] - 0.5 * line.multiplicity * (t.atan() - t).sum(1) + 0.5 * w * w * turn
    z, opposite = torch.complex(s.expand_as(w), w), torch.complex(r.expand_as(w), -w)
    nearest = math.pi * torch.minimum(s, r)
    side = torch.where(s < r, 1.0, -1.0)
    sine = torch.complex(nearest.sin() * torch.cosh(math.pi * w), nearest.cos() * side * torch.sinh(math.pi * w))
    f = torch.polar(real.exp() * torch.cosh(x), angle) / sine
    return _Nodes(w, t, q, z, opposite, f)


def _moments(line: Line, at: _Nodes, p: Tensor, coupled: bool) -> tuple[Tensor, Tensor]:
    """Σ Re[p z r/u_i], (P, n), and Σ Re[p z r²/(u_i u_l)], (P, n, n), or with i = l alone, (P, n)."""
    a = p * at.z * at.opposite
    b = a * at.opposite
    # 1/u(z) = (1 - it)/(u(s) (1 + t²))
    real = at.q / line.u[:, :, None]
    imaginary = -at.t * real
    once = _apply(real, a.real) - _apply(imaginary, a.imag)
    if not coupled:
        return once, _apply(real**2 - imaginary**2, b.real) - _apply(2 * real * imaginary, b.imag)
    br, bi = b.real[:, None, :], b.imag[:, None, :]
    twice = (real * br - imaginary * bi) @ real.mT - (imaginary * br + real * bi) @ imaginary.mT
    return once, twice


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None]).squeeze(-1)


def _settle(line: Line) -> tuple[Tensor, Tensor]:
    """Both sums over the nodes, times dx, (2, P), and how many intervals they took, (P,).

    Raises ArithmeticError if 2^17 intervals do not settle a pair, or cancellation leaves nothing of it.
    """
    settled = max(1e-10, 1e3 * torch.finfo(line.s.dtype).eps)  # the error is the square of the last change
    end = torch.asinh(REACH / line.scale)
    count = FEWEST
    grid = torch.arange(count + 1, dtype=end.dtype, device=end.device) / count
    total = _sums(line, end[:, None] * grid)
    counts = torch.full(end.shape, count, device=end.device)
    left = torch.arange(len(end), device=end.device)
    while len(left):
        if count >= MOST:
            raise ArithmeticError(f"the pair integral did not settle within {MOST} nodes for {len(left)} pairs")
        middles = (torch.arange(count, dtype=end.dtype, device=end.device) + 0.5) / count
        old, more = total[:, left], _sums(line.take(left), end[left, None] * middles)
        total[:, left] += more
        moved = ((more - old).abs() > settled * (old + more).abs()).any(0)
        count *= 2
        counts[left] = count
        left = left[moved]
    if not bool((total > 0).all()):
        raise ArithmeticError("the pair integral lost all digits to cancellation")
    return total * end / counts, counts


def _sums(line: Line, x: Tensor) -> Tensor:
    """Both integrands summed over the nodes x (P, N), half of the one at 0, without e^{φ(s)} and dω/dx's a: (2, P)."""
    out = x.new_zeros(2, len(x))
    for rows, nodes in _blocks(line, *x.shape):
        at, half = _nodes(line.take(rows), x[rows, nodes]), torch.where(x[rows, nodes] > 0, 1.0, 0.5)
        out[0, rows] += (at.sides(1.0, 0.0) * half).real.sum(1)
        out[1, rows] += (at.sides(0.0, 1.0) * half).real.sum(1)
    return out


def _blocks(line: Line, rows: int, nodes: int) -> Iterator[tuple[slice, slice]]:
    """Slices of pairs and nodes whose arrays of pairs, dimensions and nodes stay small."""
    entries = BLOCK if line.s.device.type == "cpu" else BLOCK * 32
    width = min(nodes, max(1, entries // line.c.shape[1]))
    height = max(1, entries // (line.c.shape[1] * width))
    for begin in range(0, rows, height):
        for start in range(0, nodes, width):
            yield slice(begin, begin + height), slice(start, start + width)
