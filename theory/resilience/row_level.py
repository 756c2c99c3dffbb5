"""Level R: the rows of level C over sub-boxes, of which the worst counts at every deviation anew."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell
from .comparison import MatrixMap
from .interval import Interval, Signed, matvec_up, sigmoid, tanh, times_up, up
from .jacobian_level import Slopes, cell_block, output_block, slopes
from .lstm_step import Gates, blocks, gates

Array = NDArray[np.float64]

ENTRIES = 2_000_000  # numbers of one array at a time, about 16 MB
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, eq=False)
class RowMap:
    """T(δ)_r = max_s Σ_k M^s_rk δ_k over the sub-boxes s of row r, cut in `split` parts along each of its five scalars.

    Row j of the step depends on z_i,j, z_f,j, z_g,j, z_o,j and c_j alone, so that split⁵ sub-boxes a unit cover it.

    Source: docs/resilience, theorem 8.
    """

    cell: LSTMCell
    rates: Slopes  # (S, n) with the output gate's part first: S = split⁵
    full: NDArray[np.bool_]  # (S, n), False where a sub-box is empty
    split: int
    kept: dict[tuple[int, int], list[Array]] = field(default_factory=dict, repr=False)

    @property
    def dimension(self) -> int:
        """2n."""
        return 2 * self.cell.units

    @property
    def hidden(self) -> slice:
        """h."""
        return slice(self.cell.units, 2 * self.cell.units)

    def apply(self, deviation: Array, drive: Array | None = None) -> Array:
        """T(δ, ν), rounded up."""
        parts = self._over_chunks(deviation, drive, False)
        return np.concatenate([np.concatenate([part[k] for part in parts]) for k in (0, 1)])

    def rows(self, deviation: Array, drive: Array | None = None) -> MatrixMap:
        """The rows that attain it."""
        parts = self._over_chunks(deviation, drive, True)
        A, K, AW, KW, forget, through = (np.concatenate([part[k] for part in parts]) for k in range(2, 8))
        matrix = np.block([[np.diag(forget), A], [np.diag(through), K]])
        return MatrixMap(matrix, np.concatenate([AW, KW]), self.hidden)

    @cached_property
    def _chunks(self) -> list[slice]:
        n = self.cell.units
        rows = max(1, ENTRIES // (self.split**4 * max(n, self.cell.inputs)))
        if rows < n:  # the same work for every core
            rounds = math.ceil(n / (rows * CORES))
            rows = math.ceil(n / (rounds * CORES))
        return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]

    def _over_chunks(self, deviation: Array, drive: Array | None, gather: bool) -> list[tuple[Array, ...]]:
        """`_worst` of every chunk, on all cores where there are several: NumPy leaves the lock while it computes."""

        def worst(chunk: slice) -> tuple[Array, ...]:
            return self._worst(chunk, deviation, drive, gather)

        if len(self._chunks) == 1 or CORES == 1:
            return [worst(chunk) for chunk in self._chunks]
        with ThreadPoolExecutor(CORES) as pool:
            # each with a copy of this thread's context, in which NumPy keeps what to do about overflow
            running = [pool.submit(copy_context().run, worst, chunk) for chunk in self._chunks]
            return [future.result() for future in running]

    def _worst(self, chunk: slice, deviation: Array, drive: Array | None, gather: bool) -> tuple[Array, ...]:
        """The largest values of the c and h rows in a chunk of units and, if asked for, the rows themselves."""
        n, inner = self.cell.units, self.split**4
        kinds = (0, 1) if gather or drive is not None else (0,)
        vectors = [deviation[n:], drive]
        cells, full = deviation[:n][chunk], self.full[:, chunk]
        tables = [self._tables(chunk, kind) for kind in kinds]
        forget = self.rates.f.upper[:inner, chunk]
        sizes = [table[0] for table in tables]
        value = np.where(full[:inner], _total(forget, cells, sizes, vectors), 0.0)
        top = value.max(axis=0)
        picked: tuple[Array, ...] = _pick(value, sizes, forget) if gather else ()
        bottom = np.full(len(top), -1.0)
        lower: tuple[Array, ...] = ()
        for part in range(self.split):
            rows = slice(part * inner, (part + 1) * inner)
            through = times_up(self.rates.D.upper[rows, chunk], self.rates.f.upper[rows, chunk])
            sizes = [table[1 + part] for table in tables]
            value = np.where(full[rows], _total(through, cells, sizes, vectors), 0.0)
            better = value.max(axis=0) > bottom
            bottom = np.maximum(bottom, value.max(axis=0))
            if gather:
                found = _pick(value, sizes, through)
                lower = tuple(map(partial(_better, better), found, lower)) if lower else found
        if not gather:
            return top, bottom
        return top, bottom, picked[0], lower[0], picked[1], lower[1], picked[2], lower[2]

    def _tables(self, chunk: slice, kind: int) -> list[Array]:
        """mag A and, for each part of the output gate, mag K, (split⁴, J, k), with R or W; kept where small."""
        key = (chunk.start, kind)
        if key in self.kept:
            return self.kept[key]
        inner, cut = self.split**4, blocks(self.cell)
        weights = tuple(Signed(P.matrix[chunk]) for P in (cut.W if kind else cut.R))
        A = cell_block(_rows(self.rates, slice(0, inner), chunk), weights)
        tables = [A.magnitude]
        for part in range(self.split):
            rates = _rows(self.rates, slice(part * inner, (part + 1) * inner), chunk)
            tables.append(output_block(rates, A, weights).magnitude)
        if len(self._chunks) == 1:
            self.kept[key] = tables
        return tables


def row_map(cell: LSTMCell, X: Interval, U: Interval, split: int, after: Interval | None = None) -> RowMap:
    """Level R over the box X of states and U of inputs; `after` as for level C."""
    n, K = cell.units, split
    gate, C = gates(cell, U, X[n:]), X[:n]
    limit = (gate.f * C + gate.p) & (C if after is None else after)
    axes = {  # each scalar varies along an axis of its own: o, f, c, i, g
        name: _cut(scalar, K, axis)
        for axis, (name, scalar) in enumerate({"o": gate.zo, "f": gate.zf, "c": C, "i": gate.zi, "g": gate.zg}.items())
    }
    shape = (K, K, K, K, K, n)
    zo, zf, zi, zg, c = (axes[name] for name in ("o", "f", "i", "g", "c"))
    i, g = sigmoid(zi), tanh(zg)
    piece = Gates(zi, zf, zg, zo, i, sigmoid(zf), g, sigmoid(zo), i * g)
    new = (piece.f * c + piece.p) & limit
    full = new.lower <= new.upper
    new = Interval(new.lower, np.maximum(new.lower, new.upper))
    rates = slopes(piece, c, new)
    spread = {name: _spread(getattr(rates, name), shape) for name in ("f", "a", "b", "d", "D", "q")}
    return RowMap(cell, Slopes(**spread), np.broadcast_to(full, shape).reshape(-1, n), K)


def _cut(scalar: Interval, parts: int, axis: int) -> Interval:
    """The intervals cut in equal parts along one of five leading axes."""
    shares = np.linspace(0.0, 1.0, parts + 1)[:, None]
    edges = scalar.lower + shares * (scalar.upper - scalar.lower)
    edges[0], edges[-1] = scalar.lower, scalar.upper
    edges = np.clip(np.maximum.accumulate(edges, axis=0), scalar.lower, scalar.upper)
    shape = [1, 1, 1, 1, 1, edges.shape[1]]
    shape[axis] = parts
    return Interval(edges[:-1].reshape(shape), edges[1:].reshape(shape))


def _spread(x: Interval, shape: tuple[int, ...]) -> Interval:
    """Views of full shape flattened to (S, n)."""
    ends = (np.broadcast_to(end, shape).reshape(-1, shape[-1]) for end in (x.lower, x.upper))
    return Interval(*ends)


def _rows(rates: Slopes, boxes: slice, units: slice) -> Slopes:
    return Slopes(*(getattr(rates, name)[boxes, units] for name in ("f", "a", "b", "d", "D", "q")))


def _total(diagonal: Array, cells: Array, sizes: list[Array], vectors: list[Array | None]) -> Array:
    """diag · δ_c + Σ blocks times their vectors, rounded up, (S, J)."""
    total = times_up(diagonal, cells)
    for block, vector in zip(sizes, vectors, strict=False):
        if vector is not None:
            total = up(total + matvec_up(block, vector))
    return total


def _pick(value: Array, sizes: list[Array], diagonal: Array) -> tuple[Array, ...]:
    best, every = value.argmax(axis=0), np.arange(value.shape[1])
    return (*(block[best, every] for block in sizes), diagonal[best, every])


def _better(better: Array, new: Array, old: Array) -> Array:
    return np.where(better[:, None] if new.ndim == 2 else better, new, old)
