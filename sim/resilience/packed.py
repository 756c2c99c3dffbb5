"""A network's weights in the order and on the scale in which the kernels read them."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...theory.resilience.cell import Cell, GRUCell, LSTMCell, Stack, as_stack
from . import _kernels

Array = NDArray[np.float64]
Precision = Literal["float64", "float32"]

Block = np.int8 | np.int16 | np.int32
MANY, FOUR, ONE = np.int8(0), np.int16(0), np.int32(0)  # blocks of 64 lanes, of four and of one

SIGMOID = -1.0 / math.log(2.0)  # σ(x) = 1/(1 + 2^y), y = SIGMOID x
TANGENT = -2.0 / math.log(2.0)  # tanh(x) = (1 - 2^y)/(1 + 2^y), y = TANGENT x


@dataclass(frozen=True)
class Packed:
    """What `_kernels` needs of a network; σ and tanh are taken of powers of two, so weights are scaled by 1/log 2.

    Attributes
    ----------
    stack : Stack
    precision : "float64" or "float32"
    output, offset : (p, n), (p,)
        C_y and d; no rows stand for y = h.
    """

    stack: Stack
    precision: Precision
    output: NDArray[Any]
    offset: NDArray[Any]

    def network(self, block: Block) -> tuple[NDArray[np.int64], NDArray[Any], int, Any]:
        """The next arguments of a kernel after a block: plan, weights, rows of lanes and the scale of tanh."""
        return _layout(self.stack, self.precision, block.dtype == MANY.dtype)

    def blocks(self, runs: int) -> list[tuple[Block, int]]:
        """What names the block for a kernel, and its first run: the blocks that compute the fewest numbers in vain.

        Blocks of fewer than 64 lanes fill up the units of a layer instead; they are taken for at least a quarter less.
        """
        if runs == 1:
            return [(ONE, 0)]
        units = [layer.units for layer in self.stack.layers]
        width = _kernels.VECTOR // np.dtype(self.precision).itemsize
        few, many = sum(_padded(n, width) for n in units) * _padded(runs, 4), sum(units) * _padded(runs, 64)
        block: Block = FOUR if 4 * few <= 3 * many else MANY
        return [(block, first) for first in range(0, runs, 4 if block is FOUR else 64)]

    @property
    def outputs(self) -> int:
        """p, the outputs."""
        return len(self.output) or self.stack.units


def pack(cell: Cell | Stack, precision: Precision) -> Packed:
    """The cell or stack for the kernels of that precision.

    Raises TypeError for what is no cell or stack, ValueError for another precision.
    """
    if not isinstance(cell, LSTMCell | GRUCell | Stack):
        raise TypeError(f"cell must be an LSTMCell, a GRUCell or a Stack, got {type(cell).__name__}")
    if precision not in ("float64", "float32"):
        raise ValueError(f"precision must be 'float64' or 'float32', got {precision!r}")
    return _pack(cell, precision)


@lru_cache(maxsize=16)  # cells are compared by identity and cannot change
def _pack(cell: Cell | Stack, precision: Precision) -> Packed:
    stack, dtype = as_stack(cell), np.dtype(precision)
    output = np.empty((0, stack.units)) if stack.output is None else stack.output
    offset = np.zeros(len(output)) if stack.offset is None else stack.offset
    return Packed(stack, precision, output.astype(dtype), offset.astype(dtype))


@lru_cache(maxsize=32)
def _layout(stack: Stack, precision: Precision, alone: bool) -> tuple[NDArray[np.int64], NDArray[Any], int, Any]:
    """The plan, the weights with each unit alone or as many as a vector holds together, the rows and the scale."""
    dtype = np.dtype(precision)
    width = _kernels.VECTOR // dtype.itemsize
    plan = np.zeros((len(stack.layers), _kernels.COLUMNS), np.int64)
    parts: list[Array] = []
    rows, length = stack.inputs, 0
    for line, layer in zip(plan, stack.layers, strict=True):
        lstm, room = isinstance(layer, LSTMCell), _padded(layer.units, width)
        line[_kernels.LSTM], line[_kernels.UNITS] = lstm, layer.units
        line[_kernels.PASSED], line[_kernels.KEPT] = layer.inputs, layer.units
        line[_kernels.EVEN], line[_kernels.ODD], line[_kernels.MEMORY] = rows, rows + room, rows + 2 * room
        line[_kernels.WEIGHTS] = length
        part = _grouped(_columns(layer), 1 if alone else width)
        rows, length = rows + (2 + lstm) * room, length + part.size
        parts.append(part.ravel())
    return plan, _aligned(np.concatenate(parts), dtype), rows, dtype.type(TANGENT)


def _columns(cell: Cell) -> Array:
    """(columns, n): what meets 1, u and h in turn, each entry gate by gate: b, W and R; scaled.

    LSTM: gates i, f, g, o in all.  GRU: r, z, a, q in b, where a goes with u and q with h; r, z, a in W; r, z, q in R.
    """
    n = cell.units
    if isinstance(cell, LSTMCell):
        scales, bias = np.array([SIGMOID, SIGMOID, TANGENT, SIGMOID]), cell.bias
    else:
        scales, both = np.array([SIGMOID, SIGMOID, TANGENT, TANGENT]), cell.bias_ih + cell.bias_hh
        bias = np.concatenate([both[: 2 * n], cell.bias_ih[2 * n :], cell.bias_hh[2 * n :]])
    blocks = [block.reshape(-1, n, block.shape[1]) for block in (bias[:, None], cell.weight_ih, cell.weight_hh)]
    return np.concatenate(
        [(scales[: len(gates), None, None] * gates).transpose(2, 0, 1).reshape(-1, n) for gates in blocks]
    )


def _grouped(columns: Array, width: int) -> Array:
    """(groups, columns, width) of (columns, n), with zeros for units beyond n."""
    count, n = columns.shape
    full = np.pad(columns, ((0, 0), (0, _padded(n, width) - n)))
    return full.reshape(count, -1, width).transpose(1, 0, 2)


def _aligned(values: Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values as that type, the first at the start of a cache line."""
    room = np.empty(values.size + 64 // dtype.itemsize, dtype)
    skip = -room.ctypes.data % 64 // dtype.itemsize
    out = room[skip : skip + values.size]
    out[:] = values
    return out


def _padded(count: int, width: int) -> int:
    """The next multiple of `width`."""
    return -(-count // width) * width
