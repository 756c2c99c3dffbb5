"""Kernel sums on a GPU in one pass: the block of pairs never leaves the chip.

Points come in units of ℓ.  One program owns a block of targets and walks over a share of the blocks of sources; up to
`DIRECT` dimensions it takes differences coordinate by coordinate, beyond that matrix products.  Importable without
Triton; only `fused_sums` needs it.  With TRITON_INTERPRET=1 set before the first import, tensors may be on the CPU.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

try:
    import triton  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import triton.language as tl  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError:  # Triton exists for Linux alone
    triton = tl = None

KINDS = {"gaussian": 0, "imq": 1, "matern32": 2, "matern52": 3}
DIRECT = 4  # dimensions up to which differences are taken
WIDEST = 64  # dimensions whose products fit into registers
STRETCH = 32  # blocks of sources summed before their sum joins the total: two levels round less than one
PROGRAMS = 1024  # wanted at once: fewer blocks of targets than this share out the sources


@dataclass(frozen=True)
class Tile:
    """Targets and sources of a block and the warps of a program."""

    rows: int
    columns: int
    warps: int


# by the dtype and the dimension up to which it serves: large, but for sm_90 of about what the registers hold
TILES = {
    torch.float64: {2: Tile(32, 32, 4), 4: Tile(32, 16, 4), 32: Tile(64, 32, 8), 64: Tile(64, 16, 8)},
    torch.float32: {
        2: Tile(64, 32, 4),
        4: Tile(32, 32, 4),
        16: Tile(32, 64, 4),
        32: Tile(64, 64, 8),
        64: Tile(64, 64, 16),
    },
}


def tile(dtype: torch.dtype, dimension: int) -> Tile:
    """The block for points of a dimension up to `WIDEST`."""
    return next(found for widest, found in TILES[dtype].items() if dimension <= widest)


def padded(dimension: int) -> int:
    """Columns of a point in memory: d for differences, a power of two of at least 16 for products."""
    return dimension if dimension <= DIRECT else max(16, 1 << (dimension - 1).bit_length())


def available(device: torch.device) -> bool:
    """Whether tensors of a device can be given to `fused_sums`."""
    return triton is not None and (device.type == "cuda" or bool(triton.knobs.runtime.interpret))


def fused_sums(kernel: str, targets: Tensor, sources: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_j a_j ψ(s_ij), (n,), and Σ_j a_j (ψ'(s_ij)/s_ij)(x_i − z_j), (n, d), of points in units of ℓ."""
    (n, d), m = targets.shape, len(sources)
    shape, D = tile(targets.dtype, d), padded(d)
    x, z = _padded(targets, shape.rows, D), _padded(sources, shape.columns, D)
    a = torch.nn.functional.pad(weights, (0, len(z) - m))
    blocks, parts = len(z) // shape.columns, len(x) // shape.rows
    each = -(-blocks // min(blocks, max(1, PROGRAMS // parts)))  # blocks of sources of a program
    shares = -(-blocks // each)
    values, gradients = x.new_empty(shares, len(x)), x.new_empty(shares, len(x), D)
    program: Any = _differences if d <= DIRECT else _products
    if d <= DIRECT:
        x, z = x.T.contiguous(), z.T.contiguous()
    else:  # what came transposed still is, where there was nothing to pad
        x, z = x.contiguous(), z.contiguous()
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        program[(parts, shares)](
            *(x, z, a, values, gradients, parts * shape.rows, blocks * shape.columns, blocks, each),
            KIND=KINDS[kernel],
            D=D,
            ROWS=shape.rows,
            COLUMNS=shape.columns,
            STRETCH=STRETCH,
            num_warps=shape.warps,
            enable_fp_fusion=True,
        )
    return values.sum(0)[:n], gradients.sum(0)[:n, :d]


def _padded(points: Tensor, rows: int, columns: int) -> Tensor:
    """Zeros behind the last point up to a whole block, and behind the last coordinate."""
    n, d = points.shape
    return torch.nn.functional.pad(points, (0, columns - d, 0, -n % rows))


if triton is not None:

    @triton.jit  # type: ignore[untyped-decorator,unused-ignore]
    def _profile(q, KIND: tl.constexpr):  # type: ignore[no-untyped-def]
        """ψ and ψ'/s of q = s² >= 0."""
        if KIND == 0:
            value = tl.exp(-0.5 * q)
            slope = -value
        elif KIND == 1:
            value = 1.0 / tl.sqrt(1.0 + q)
            slope = -value * value * value
        elif KIND == 2:
            t = tl.sqrt(3.0 * q)
            decay = tl.exp(-t)
            value = (1.0 + t) * decay
            slope = -3.0 * decay
        else:
            t = tl.sqrt(5.0 * q)
            decay = tl.exp(-t)
            value = (1.0 + t + 5.0 / 3.0 * q) * decay
            slope = -5.0 / 3.0 * (1.0 + t) * decay
        return value, slope

    @triton.jit  # type: ignore[untyped-decorator,unused-ignore]
    def _differences(  # type: ignore[no-untyped-def]
        x,
        z,
        a,
        values,
        gradients,
        n,
        m,
        blocks,
        each,
        KIND: tl.constexpr,
        D: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
        STRETCH: tl.constexpr,
    ):
        """Points coordinate by coordinate, x (D, n) and z (D, m); sums over the sources' lanes come last."""
        rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        share = tl.program_id(1)
        lanes = tl.arange(0, COLUMNS)
        real = x.dtype.element_ty
        x0 = tl.load(x + rows)[:, None]
        x1 = tl.load(x + n + rows)[:, None] if D > 1 else x0
        x2 = tl.load(x + 2 * n + rows)[:, None] if D > 2 else x0
        x3 = tl.load(x + 3 * n + rows)[:, None] if D > 3 else x0
        total = tl.zeros((ROWS,), real)
        total0 = tl.zeros((ROWS,), real)
        total1 = tl.zeros((ROWS,), real)
        total2 = tl.zeros((ROWS,), real)
        total3 = tl.zeros((ROWS,), real)
        last = tl.minimum((share + 1) * each, blocks)
        for stretch in range(share * each, last, STRETCH):
            sum = tl.zeros((ROWS, COLUMNS), real)
            sum0 = tl.zeros((ROWS, COLUMNS), real)
            sum1 = tl.zeros((ROWS, COLUMNS), real)
            sum2 = tl.zeros((ROWS, COLUMNS), real)
            sum3 = tl.zeros((ROWS, COLUMNS), real)
            for block in range(stretch, tl.minimum(stretch + STRETCH, last)):
                columns = block * COLUMNS + lanes
                weights = tl.load(a + columns)[None, :]
                d0 = x0 - tl.load(z + columns)[None, :]
                q = d0 * d0
                if D > 1:
                    d1 = x1 - tl.load(z + m + columns)[None, :]
                    q += d1 * d1
                if D > 2:
                    d2 = x2 - tl.load(z + 2 * m + columns)[None, :]
                    q += d2 * d2
                if D > 3:
                    d3 = x3 - tl.load(z + 3 * m + columns)[None, :]
                    q += d3 * d3
                value, slope = _profile(q, KIND)
                sum += weights * value
                slope = weights * slope
                sum0 += slope * d0
                if D > 1:
                    sum1 += slope * d1
                if D > 2:
                    sum2 += slope * d2
                if D > 3:
                    sum3 += slope * d3
            total += tl.sum(sum, 1)
            total0 += tl.sum(sum0, 1)
            if D > 1:
                total1 += tl.sum(sum1, 1)
            if D > 2:
                total2 += tl.sum(sum2, 1)
            if D > 3:
                total3 += tl.sum(sum3, 1)
        place = share.to(tl.int64) * n + rows
        tl.store(values + place, total)
        tl.store(gradients + place * D, total0)
        if D > 1:
            tl.store(gradients + place * D + 1, total1)
        if D > 2:
            tl.store(gradients + place * D + 2, total2)
        if D > 3:
            tl.store(gradients + place * D + 3, total3)

    @triton.jit  # type: ignore[untyped-decorator,unused-ignore]
    def _tile_of_products(  # type: ignore[no-untyped-def]
        here, squares, z, a, block, KIND: tl.constexpr, D: tl.constexpr, COLUMNS: tl.constexpr
    ):
        """Σ a ψ over a block of sources, R a at its pairs, and the sources."""
        columns = (block * COLUMNS + tl.arange(0, COLUMNS)).to(tl.int64)
        there = tl.load(z + columns[:, None] * D + tl.arange(0, D)[None, :])
        weights = tl.load(a + columns)[None, :]
        inner = tl.dot(here, tl.trans(there), input_precision="ieee", out_dtype=here.dtype)
        q = squares + tl.sum(there * there, 1)[None, :] - 2.0 * inner
        value, slope = _profile(tl.maximum(q, 0.0), KIND)
        return tl.sum(weights * value, 1), weights * slope, there

    @triton.jit  # type: ignore[untyped-decorator,unused-ignore]
    def _products(  # type: ignore[no-untyped-def]
        x,
        z,
        a,
        values,
        gradients,
        n,
        m,
        blocks,
        each,
        KIND: tl.constexpr,
        D: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
        STRETCH: tl.constexpr,
    ):
        """s² = |x|² + |z|² − 2 x·z and Σ R a (x − z) = x Σ R a − (R a) z, x (n, D) and z (m, D)."""
        rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        share = tl.program_id(1)
        axes = tl.arange(0, D)
        real = x.dtype.element_ty
        here = tl.load(x + rows[:, None] * D + axes[None, :])
        squares = tl.sum(here * here, 1)[:, None]
        total = tl.zeros((ROWS,), real)
        drawn = tl.zeros((ROWS,), real)  # Σ R a
        pulled = tl.zeros((ROWS, D), real)  # Σ R a z
        last = tl.minimum((share + 1) * each, blocks)
        if real == tl.float64:
            for block in range(share * each, last):
                some, slope, there = _tile_of_products(here, squares, z, a, block, KIND, D, COLUMNS)
                total += some
                drawn += tl.sum(slope, 1)
                pulled = tl.dot(slope, there, acc=pulled, input_precision="ieee", out_dtype=real)
        else:
            for stretch in range(share * each, last, STRETCH):
                sum = tl.zeros((ROWS,), real)
                draw = tl.zeros((ROWS,), real)
                pull = tl.zeros((ROWS, D), real)
                for block in range(stretch, tl.minimum(stretch + STRETCH, last)):
                    some, slope, there = _tile_of_products(here, squares, z, a, block, KIND, D, COLUMNS)
                    sum += some
                    draw += tl.sum(slope, 1)
                    pull += tl.dot(slope, there, input_precision="ieee", out_dtype=real)
                total += sum
                drawn += draw
                pulled += pull
        place = share.to(tl.int64) * n + rows
        tl.store(values + place, total)
        tl.store(gradients + place[:, None] * D + axes[None, :], here * drawn[:, None] - pulled)
