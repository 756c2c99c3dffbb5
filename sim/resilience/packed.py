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

Block = np.int8 | np.int16
NARROW, WIDE = np.int8(0), np.int16(0)  # blocks of 64 and of 128 lanes

SIGMOID = -1.0 / math.log(2.0)  # σ(x) = 1/(1 + 2^y), y = SIGMOID x
TANGENT = -2.0 / math.log(2.0)  # tanh(x) = (1 - 2^y)/(1 + 2^y), y = TANGENT x


@dataclass(frozen=True)
class Packed:
    """What `_kernels` needs of a network; σ and tanh are taken of powers of two, so weights are scaled by 1/log 2.

    Attributes
    ----------
    stack : Stack
    plan : (layers, columns)
        Kind, sizes and places of each layer; the columns are named in `_kernels`.
    weights : (-)
        All weights and biases, a unit's gates side by side.
    rows : int
        Rows of lanes that a block of runs needs.
    output, offset : (p, n), (p,)
        C_y and d; no rows stand for y = h.
    """

    stack: Stack
    plan: NDArray[np.int64]
    weights: NDArray[Any]
    rows: int
    output: NDArray[Any]
    offset: NDArray[Any]

    @property
    def network(self) -> tuple[NDArray[np.int64], NDArray[Any], int, Any]:
        """The first arguments of a kernel."""
        return self.plan, self.weights, self.rows, self.weights.dtype.type(TANGENT)

    def blocks(self, runs: int) -> list[tuple[Block, int]]:
        """What names the block for a kernel, and its first run: 128 lanes, or 64 where no more are left."""
        return [(WIDE if runs - first > 64 else NARROW, first) for first in range(0, runs, 128)]

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
    plan = np.zeros((len(stack.layers), _kernels.COLUMNS), np.int64)
    parts: list[Array] = []
    rows, length = _passed(stack.inputs), 0
    for line, layer in zip(plan, stack.layers, strict=True):
        n, lstm = layer.units, isinstance(layer, LSTMCell)
        blocks = _lstm_blocks(layer) if isinstance(layer, LSTMCell) else _gru_blocks(layer)
        line[_kernels.LSTM], line[_kernels.UNITS] = lstm, n
        line[_kernels.PASSED], line[_kernels.KEPT] = _passed(layer.inputs), _padded(n)
        line[_kernels.EVEN], line[_kernels.ODD], line[_kernels.MEMORY] = rows, rows + _padded(n), rows + 2 * _padded(n)
        rows += 2 * _padded(n) + n * lstm
        for column, part in zip((_kernels.INPUT_WEIGHTS, _kernels.STATE_WEIGHTS, _kernels.BIAS), blocks, strict=True):
            line[column] = length
            parts.append(part)
            length += part.size
    output = np.empty((0, stack.units)) if stack.output is None else stack.output
    offset = np.zeros(len(output)) if stack.offset is None else stack.offset
    weights = np.concatenate([part.ravel() for part in parts]).astype(dtype)
    return Packed(stack, plan, weights, rows, output.astype(dtype), offset.astype(dtype))


def _lstm_blocks(cell: LSTMCell) -> tuple[Array, ...]:
    """(n, columns, 4) of W, of R and (n, 1, 4) of b, gates i, f, g, o last."""
    scales = np.array([SIGMOID, SIGMOID, TANGENT, SIGMOID])
    bias = _interleaved(cell.bias[:, None], scales)
    passed = _wide(_interleaved(cell.weight_ih, scales), _passed(cell.inputs))
    return passed, _wide(_interleaved(cell.weight_hh, scales), _padded(cell.units)), bias


def _gru_blocks(cell: GRUCell) -> tuple[Array, ...]:
    """(n, columns, 4) of W for r, z, a, q (0 for q), (n, columns, 3) of R for r, z, q, and (n, 1, 4) of the biases."""
    n = cell.units
    scales = np.array([SIGMOID, SIGMOID, TANGENT, TANGENT])
    passed = np.concatenate([cell.weight_ih, np.zeros((n, cell.inputs))])
    gates = cell.bias_ih[: 2 * n] + cell.bias_hh[: 2 * n]
    bias = np.concatenate([gates, cell.bias_ih[2 * n :], cell.bias_hh[2 * n :]])
    return (
        _wide(_interleaved(passed, scales), _passed(cell.inputs)),
        _wide(_interleaved(cell.weight_hh, scales[[0, 1, 3]]), _padded(n)),
        _interleaved(bias[:, None], scales),
    )


def _interleaved(blocks: Array, scales: Array) -> Array:
    """(gates * n, K) to (n, K, gates), each gate scaled."""
    ordered: Array = blocks.reshape(len(scales), -1, blocks.shape[1]).transpose(1, 2, 0) * scales
    return ordered


def _wide(ordered: Array, columns: int) -> Array:
    """(n, K, gates) with zeros for columns beyond K."""
    return np.pad(ordered, ((0, 0), (0, columns - ordered.shape[1]), (0, 0)))


def _padded(rows: int) -> int:
    """The next multiple of four."""
    return -(-rows // 4) * 4


def _passed(inputs: int) -> int:
    """Two for one or two inputs, else the next multiple of four."""
    return 2 if inputs <= 2 else _padded(inputs)
