"""Sums of kernels over a cloud of points, with gradients, in blocks: what every kernel critic is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.minimax.arguments import choice
from . import _kernels
from .threads import each, one_thread_products

Array = NDArray[np.float64]

KINDS = {"gaussian": 0, "imq": 1, "matern32": 2, "matern52": 3}
ROWS, COLUMNS = 256, 512  # targets and sources of a block; a table of so many numbers a thread


@dataclass(frozen=True, eq=False)
class KernelSums:
    """f(x) = Σ_j a_j k(x, z_j) at the targets.

    Attributes
    ----------
    values : (n,)
    gradients : (n, d)
    """

    values: Array
    gradients: Array


def kernel_sums(
    kernel: str,
    lengthscale: float,
    targets: ArrayLike,
    sources: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threads: int = 1,
) -> KernelSums:
    r"""f = Σ_j a_j k(·, z_j) and ∇f = Σ_j a_j (ψ'(r)/r) (· − z_j) at n targets, in float64.

    Distances come from matrix products, so their squares are off by about 4e-16 R² with R the distance of the farthest
    point from the centre of the sources: keep R/ℓ below a thousand.  Memory is O((n + m)d) and 1 MB a thread.

    Parameters
    ----------
    kernel : str
        gaussian, imq, matern32 or matern52; the critic of matern12 has kinks.
    lengthscale : float
        ℓ > 0.
    targets : (n, d)
    sources : (m, d)
    weights : (m,), optional
        a, by default 1/m each.
    threads : int
        Changes no digit.

    Raises ValueError for sizes that do not agree, an empty array or another kernel.  Source: docs/minimax, section 2.

    >>> seen = kernel_sums("gaussian", 1.0, [[1.0]], [[0.0]])
    >>> seen.values.round(6), seen.gradients.round(6)
    (array([0.606531]), array([[-0.606531]]))
    """
    kind, length = checked_kernel(kernel, lengthscale)
    x = points("targets", targets)
    z = points("sources", sources, x.shape[1])
    a = np.full(len(z), 1.0 / len(z)) if weights is None else _check.finite("weights", weights)
    if a.shape != (len(z),):
        raise ValueError(f"weights must have shape ({len(z)},), got {a.shape}")
    with one_thread_products():
        return block_sums(kind, length, x, z, a, threads)


def checked_kernel(kernel: str, lengthscale: float) -> tuple[int, float]:
    """The kernel's number and ℓ."""
    return KINDS[choice("kernel", kernel, KINDS)], _check.positive("lengthscale", lengthscale)


def points(name: str, value: ArrayLike, columns: int | None = None) -> Array:
    """At least one point of at least one coordinate, (n, d)."""
    out = _check.matrix(name, value, columns=columns)
    if out.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {out.shape}")
    return np.ascontiguousarray(out)


def block_values(kind: int, length: float, targets: Array, sources: Array, weights: Array, threads: int = 1) -> Array:
    """f alone, (n,), of arguments that were checked."""
    blocks = _blocks(length, targets, sources)
    out = np.empty(len(targets))

    def block(first: int) -> None:
        total: Array = np.zeros(min(ROWS, len(out) - first))
        for here, table in blocks.tables(first):
            _kernels.values(kind, table.reshape(-1))
            total += table @ weights[here]
        out[first : first + ROWS] = total

    each(block, range(0, len(out), ROWS), threads)
    return out


def block_gradients(
    kind: int, length: float, targets: Array, sources: Array, weights: Array, threads: int = 1
) -> tuple[Array, Array]:
    """∇f, (n, d), and ℓ² Σ_j a_j ψ'(r)/r, (n,), of arguments that were checked.

    With R_ij = ψ'(s)/s the products Σ_j R_ij a_j (z_j, 1) give ∇f = x Σ_j R_ij a_j − Σ_j R_ij a_j z_j.
    """
    blocks = _blocks(length, targets, sources)
    (n, d), m = targets.shape, len(sources)
    back = np.zeros((m, d + 1 + -(d + 1) % 4))  # products are fastest with four columns at a time
    back[:, :d], back[:, d] = weights[:, None] * blocks.sources, weights
    out, sums = np.empty((n, d)), np.empty(n)

    def block(first: int) -> None:
        total: Array = np.zeros((min(ROWS, n - first), back.shape[1]))
        for here, table in blocks.tables(first):
            _kernels.slopes(kind, table.reshape(-1))
            total += table @ back[here]
        rows = slice(first, first + ROWS)
        sums[rows] = total[:, d]
        out[rows] = (total[:, d : d + 1] * blocks.targets[rows] - total[:, :d]) / length

    each(block, range(0, n, ROWS), threads)
    return out, sums


def block_sums(
    kind: int, length: float, targets: Array, sources: Array, weights: Array, threads: int = 1
) -> KernelSums:
    """`kernel_sums` of arguments that were checked."""
    gradients, sums = block_gradients(kind, length, targets, sources, weights, threads)
    if kind == _kernels.GAUSSIAN:  # ψ'/s = −ψ
        return KernelSums(-sums, gradients)
    return KernelSums(block_values(kind, length, targets, sources, weights, threads), gradients)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Points in units of ℓ around the sources' centre, and what their squared distances are products of."""

    targets: Array
    sources: Array
    left: Array  # rows (x, |x|², 1)
    right: list[Array]  # columns (−2z, 1, |z|²), a block of sources each

    def tables(self, first: int) -> Iterator[tuple[slice, Array]]:
        """s² between a block of targets and each block of sources, in one place of memory."""
        rows = self.left[first : first + ROWS]
        memory = np.empty(len(rows) * COLUMNS)
        for j, part in enumerate(self.right):
            table = memory[: len(rows) * part.shape[1]].reshape(len(rows), -1)
            np.matmul(rows, part, out=table)
            yield slice(j * COLUMNS, j * COLUMNS + part.shape[1]), table


def _blocks(length: float, targets: Array, sources: Array) -> Blocks:
    (n, d), m = targets.shape, len(sources)
    centre = sources.mean(axis=0)
    left, right, z = np.empty((n, d + 2)), np.empty((d + 2, m)), sources - centre
    x = left[:, :d]
    np.subtract(targets, centre, out=x)
    x *= 1 / length
    z *= 1 / length
    np.einsum("ij,ij->i", x, x, out=left[:, d])
    left[:, d + 1], right[d] = 1.0, 1.0
    np.multiply(z.T, -2.0, out=right[:d])
    np.einsum("ij,ij->i", z, z, out=right[d + 1])
    return Blocks(x, z, left, [right[:, j : j + COLUMNS] for j in range(0, m, COLUMNS)])
