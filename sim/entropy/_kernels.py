"""Squared distances of many points from few components in low dimension, the points side by side in the last axis.

Points are (m, n), directions and offsets are in the coordinates that the callers document.  The inner loops run over
64 points at a time, so that the compiler turns them into vector instructions and their sums stay in the first cache;
in higher dimension a triangular matrix product does better.  `contract` lets the compiler fuse a product and a sum,
which only rounds less; nothing may be reordered.  Nothing here checks its arguments.
"""

import numpy as np
from numba import njit

LANES = 64


@njit(cache=True, nogil=True, fastmath={"contract"})
def dense_squares(inverse, means, points, out):
    """‖P_j (x - μ_j)‖² at out[j, x] for lower triangular P, (K, m, m)."""
    K, m = means.shape
    n = points.shape[1]
    away = np.empty((m, LANES))
    row = np.empty(LANES)
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        for j in range(K):
            for i in range(m):
                for t in range(width):
                    away[i, t] = points[i, start + t] - means[j, i]
            total = out[j, start : start + width]
            total[:] = 0.0
            for i in range(m):
                row[:] = 0.0
                for h in range(i + 1):
                    p = inverse[j, i, h]
                    for t in range(width):
                        row[t] += p * away[h, t]
                for t in range(width):
                    total[t] += row[t] * row[t]


@njit(cache=True, nogil=True, fastmath={"contract"})
def dense_squares_around(inverse, offsets, directions, out):
    """‖a_j + P_j w‖² at out[0, j, w] and ‖a_j - P_j w‖² at out[1, j, w]."""
    K, m = offsets.shape
    n = directions.shape[1]
    row = np.empty(LANES)
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        for j in range(K):
            ahead, behind = out[0, j, start : start + width], out[1, j, start : start + width]
            ahead[:] = 0.0
            behind[:] = 0.0
            for i in range(m):
                row[:] = 0.0
                for h in range(i + 1):
                    p = inverse[j, i, h]
                    for t in range(width):
                        row[t] += p * directions[h, start + t]
                a = offsets[j, i]
                for t in range(width):
                    ahead[t] += (a + row[t]) ** 2
                    behind[t] += (a - row[t]) ** 2


@njit(cache=True, nogil=True, fastmath={"contract"})
def diagonal_squares(scales, means, points, out):
    """Σ_i ((x_i - μ_ji) p_ji)² at out[j, x]."""
    K, m = means.shape
    n = points.shape[1]
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        for j in range(K):
            total = out[j, start : start + width]
            total[:] = 0.0
            for i in range(m):
                p, c = scales[j, i], means[j, i]
                for t in range(width):
                    total[t] += ((points[i, start + t] - c) * p) ** 2


@njit(cache=True, nogil=True, fastmath={"contract"})
def diagonal_squares_around(scales, offsets, directions, out):
    """Σ_i (a_ji + p_ji w_i)² at out[0, j, w] and Σ_i (a_ji - p_ji w_i)² at out[1, j, w]."""
    K, m = offsets.shape
    n = directions.shape[1]
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        for j in range(K):
            ahead, behind = out[0, j, start : start + width], out[1, j, start : start + width]
            ahead[:] = 0.0
            behind[:] = 0.0
            for i in range(m):
                p, a = scales[j, i], offsets[j, i]
                for t in range(width):
                    u = p * directions[i, start + t]
                    ahead[t] += (a + u) ** 2
                    behind[t] += (a - u) ** 2


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_squares_around(offset, rows, ahead, behind):
    """‖a + u‖² and ‖a - u‖² for the columns u of `rows`, into (n,) each."""
    ahead[:] = 0.0
    behind[:] = 0.0
    for i in range(offset.size):
        a = offset[i]
        for t in range(ahead.size):
            ahead[t] += (a + rows[i, t]) ** 2
            behind[t] += (a - rows[i, t]) ** 2


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_squares(rows, out):
    """‖u‖² for the columns u of `rows`, into (n,)."""
    out[:] = 0.0
    for i in range(rows.shape[0]):
        for t in range(out.size):
            out[t] += rows[i, t] ** 2


@njit(cache=True, nogil=True, fastmath={"contract"})
def place(roots, centres, chosen, order, points):
    """Turn each row z of `points`, (n, m), into x̄_p + R_p⁻ᵀ z for lower triangular R and its pair p.

    Rows are taken in an order that keeps one R in the cache as long as it is needed.
    """
    m = points.shape[1]
    for r in order:
        row, root, centre = points[r], roots[chosen[r]], centres[chosen[r]]
        for i in range(m - 1, -1, -1):
            row[i] /= root[i, i]
            x = row[i]
            for h in range(i):
                row[h] -= x * root[i, h]
        for i in range(m):
            row[i] += centre[i]


@njit(cache=True, nogil=True, fastmath={"contract"})
def solve(roots, pulls, out):
    """(R_p R_pᵀ)⁻¹ b_p for lower triangular R, (P, m, m), and the rows b of `pulls`, (P, m)."""
    m = pulls.shape[1]
    for p in range(len(roots)):
        root, row = roots[p], out[p]
        for i in range(m):
            total = pulls[p, i]
            for h in range(i):
                total -= root[i, h] * row[h]
            row[i] = total / root[i, i]
        for i in range(m - 1, -1, -1):
            row[i] /= root[i, i]
            for h in range(i):
                row[h] -= row[i] * root[i, h]
