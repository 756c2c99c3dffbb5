"""Maps T with |x⁺ − x′⁺| <= T(|x − x′|, |u − u′|): a matrix, the largest of several rows, or one for each layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .interval import matmat_up, matvec_up, up

Array = NDArray[np.float64]


class Comparison(Protocol):
    """A monotone, homogeneous, convex map of deviations δ >= 0, with a drive ν >= 0 from the input."""

    @property
    def dimension(self) -> int:
        """Entries of δ."""
        ...

    @property
    def hidden(self) -> slice:
        """The entries of δ that the next layer receives."""
        ...

    def apply(self, deviation: Array, drive: Array | None = None) -> Array:
        """T(δ, ν), rounded up."""
        ...

    def rows(self, deviation: Array, drive: Array | None = None) -> "MatrixMap":
        """The matrix of the rows that attain T(δ, ν)."""
        ...


@dataclass(frozen=True, eq=False)
class MatrixMap:
    """δ⁺ <= M δ + N ν.

    Attributes
    ----------
    matrix : (d, d)
        M >= 0.
    gain : (d, m)
        N >= 0.
    hidden : slice
        Where the deviation of h stands.
    """

    matrix: Array
    gain: Array
    hidden: slice

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.matrix)

    def apply(self, deviation: Array, drive: Array | None = None) -> Array:
        """M δ + N ν, rounded up."""
        out = matvec_up(self.matrix, deviation)
        return out if drive is None else up(out + matvec_up(self.gain, drive))

    def rows(self, deviation: Array, drive: Array | None = None) -> "MatrixMap":
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class TableMap:
    """δ⁺_r <= max_s Σ_k M^s_rk δ_k + Σ_l N^s_rl ν_l.

    Attributes
    ----------
    tables : (S, d, d)
    gains : (S, d, m)
    hidden : slice
    """

    tables: Array
    gains: Array
    hidden: slice

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.tables.shape[1])

    def apply(self, deviation: Array, drive: Array | None = None) -> Array:
        """The largest row at δ, ν, rounded up."""
        return np.asarray(self._values(deviation, drive).max(axis=0))

    def rows(self, deviation: Array, drive: Array | None = None) -> MatrixMap:
        """The rows that attain it."""
        best, every = self._values(deviation, drive).argmax(axis=0), np.arange(self.dimension)
        return MatrixMap(self.tables[best, every], self.gains[best, every], self.hidden)

    def _values(self, deviation: Array, drive: Array | None) -> Array:
        out = matvec_up(self.tables, deviation)
        return out if drive is None else up(out + matvec_up(self.gains, drive))


@dataclass(frozen=True, eq=False)
class StackMap:
    """One map a layer, each driven by the new deviation of h of the one before; docs/resilience, section 7."""

    layers: tuple[Comparison, ...]

    @property
    def dimension(self) -> int:
        """d of the joint state."""
        return sum(layer.dimension for layer in self.layers)

    @property
    def hidden(self) -> slice:
        """h of the last layer."""
        start, last = self.dimension - self.layers[-1].dimension, self.layers[-1].hidden
        return slice(start + last.start, start + last.stop)

    def apply(self, deviation: Array, drive: Array | None = None) -> Array:
        """The layers one after the other, rounded up."""
        out, start, passed = [], 0, drive
        for layer in self.layers:
            out.append(layer.apply(deviation[start : start + layer.dimension], passed))
            start, passed = start + layer.dimension, out[-1][layer.hidden]
        return np.concatenate(out)

    def rows(self, deviation: Array, drive: Array | None = None) -> MatrixMap:
        """The joint matrix, block lower triangular, of the rows that attain T(δ, ν); rounded up."""
        d, start, passed = self.dimension, 0, drive
        before = slice(0, 0)
        blocks: list[Array] = []
        gains: list[Array] = []
        for layer in self.layers:
            part = deviation[start : start + layer.dimension]
            chosen = layer.rows(part, passed)
            passed = layer.apply(part, passed)[layer.hidden]
            if blocks:
                block, gain = (matmat_up(chosen.gain, done[-1][before]) for done in (blocks, gains))
            else:
                block, gain = np.zeros((layer.dimension, d)), chosen.gain
            block[:, start : start + layer.dimension] += chosen.matrix  # zero there before
            blocks.append(block)
            gains.append(gain)
            start, before = start + layer.dimension, layer.hidden
        return MatrixMap(np.concatenate(blocks), np.concatenate(gains), self.hidden)


def stacked(layers: Sequence[Comparison]) -> Comparison:
    """The map of a single layer as it is, of several as a `StackMap`."""
    return layers[0] if len(layers) == 1 else StackMap(tuple(layers))
