"""The sweep of sim.learning's kernel in plain NumPy, for a network of two layers: many chains in the leading axis.

It does the same draws from the same random numbers in the same order, so that the two can be held against each other
number by number.  Letters are those of docs/learning, section 8; the noise-free posterior, prior N(0, I).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sweep(
    W1: Floats, W2: Floats, targets: tuple[Floats, Floats], beta: float, normals: Floats, uniforms: Floats
) -> tuple[Floats, Floats]:
    """One sweep in place of W1 (C, h, N), W2 (C, M, h); the energy before it and its conditional means, (C,), (C, 2).

    normals (C, ·) and uniforms (C, ·) are one row each of what the kernel takes.
    """
    T1, T2 = targets
    C, h, N = W1.shape
    M, seen = W2.shape[1], T1.shape[0]
    free = h - seen
    energy = _energy(W1, W2, T1, T2, beta)
    # the first layer: columns of precision β P + I, P = S + W2ᵀ W2
    P = np.swapaxes(W2, 1, 2) @ W2
    P[:, range(free, h), range(free, h)] += 1.0
    D = np.swapaxes(W2, 1, 2) @ (T2 - W2 @ W1)
    D[:, free:] += T1 - W1[:, free:]
    noise = np.swapaxes(normals[:, : h * N].reshape(C, N, h), 1, 2)
    step, kick, spread = _draw(beta * P, beta * D - W1, noise)
    mean_first = energy - _gain(beta * D - W1, W1, step) + 0.5 * N * spread
    W1 += step + kick
    # the last layer: rows of precision β W1 W1ᵀ + I
    energy_now = _energy(W1, W2, T1, T2, beta)
    g = beta * (T2 - W2 @ W1) @ np.swapaxes(W1, 1, 2) - W2
    noise = np.swapaxes(normals[:, h * N : h * (N + M)].reshape(C, M, h), 1, 2)
    step, kick, spread = _draw(beta * W1 @ np.swapaxes(W1, 1, 2), np.swapaxes(g, 1, 2), noise)
    step, kick = np.swapaxes(step, 1, 2), np.swapaxes(kick, 1, 2)
    mean_last = energy_now - _gain(g, W2, step) + 0.5 * M * spread
    W2 += step + kick
    used, tried = h * (N + M) + free * (h - 1), 3 * free
    shear(W1, W2, free, normals[:, h * (N + M) : used])
    if uniforms[0, -1] < 0.5:  # one coin for all chains
        rescale(W1, W2, free, uniforms[:, :tried])
    if seen:
        move_observed(W1, W2, T1, free, beta, normals[:, used:], uniforms[:, tried:])
    return energy, np.stack([mean_first, mean_last], axis=1)


def _energy(W1: Floats, W2: Floats, T1: Floats, T2: Floats, beta: float) -> Floats:
    above, below = T2 - W2 @ W1, T1 - W1[:, W1.shape[1] - T1.shape[0] :]
    return 0.5 * beta * ((above**2).sum((1, 2)) + (below**2).sum((1, 2)))


def _draw(curvature: Floats, g: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Λ⁻¹g, C⁻ᵀ noise and tr(curvature Λ⁻¹) for Λ = curvature + I = CCᵀ; columns of g (C, size, columns)."""
    eye = np.eye(g.shape[1])
    U = np.linalg.inv(np.linalg.cholesky(curvature + eye))
    across = np.swapaxes(U, 1, 2)
    return across @ (U @ g), across @ noise, g.shape[1] - (U * U).sum((1, 2))


def _gain(g: Floats, W: Floats, step: Floats) -> Floats:
    """How far the step lowers the energy."""
    return (0.5 * g * step + (W + 0.5 * step) * step).sum((1, 2))


def shear(lower: Floats, upper: Floats, free: int, normals: Floats) -> None:
    """Resample t in row i += t·row j of `lower`, column j −= t·column i of `upper`, i < free, j ≠ i, in place."""
    used = 0
    for i in range(free):
        square = (upper[:, :, i] ** 2).sum(1)
        for j in range(lower.shape[1]):
            if j == i:
                continue
            total = square + (lower[:, j] ** 2).sum(1)
            t = (upper[:, :, i] * upper[:, :, j]).sum(1) - (lower[:, i] * lower[:, j]).sum(1)
            t = (t / total + normals[:, used] / np.sqrt(total))[:, None]
            lower[:, i] += t * lower[:, j]
            upper[:, :, j] -= t * upper[:, :, i]
            used += 1


def rescale(lower: Floats, upper: Floats, free: int, uniforms: Floats) -> None:
    """Resample τ in row i *= exp(τ) of `lower`, column i *= exp(−τ) of `upper`, i < free, in place."""
    if not free:
        return
    row, column = (lower[:, :free] ** 2).sum(2), (upper[:, :, :free] ** 2).sum(1)
    y = 0.5 * np.log(row / column)
    u, v, w = np.moveaxis(uniforms.reshape(len(uniforms), free, 3), 2, 0)
    fresh = log_ratio_draw(np.sqrt(row * column), 0.5 * (lower.shape[2] - upper.shape[1]), u, v, w, y)
    scale = np.exp(0.5 * (fresh - y))
    lower[:, :free] *= scale[:, :, None]
    upper[:, :, :free] /= scale[:, None, :]


def move_observed(
    lower: Floats, upper: Floats, target: Floats, free: int, beta: float, normals: Floats, uniforms: Floats
) -> None:
    """The same moves of the observed units i >= free, which change what unit i is seen to compute, in place."""
    units, used = lower.shape[1], 0
    for i in range(free, units):
        column = (upper[:, :, i] ** 2).sum(1)
        for j in range(units):
            if j == i:
                continue
            cross = (upper[:, :, i] * upper[:, :, j]).sum(1) - (lower[:, i] * lower[:, j]).sum(1)
            row = (lower[:, j] ** 2).sum(1)
            pull = ((target[i - free] - lower[:, i]) * lower[:, j]).sum(1)
            precision = row + column + beta * row
            t = (cross + beta * pull) / precision + normals[:, used] / np.sqrt(precision)
            lower[:, i] += t[:, None] * lower[:, j]
            upper[:, :, j] -= t[:, None] * upper[:, :, i]
            used += 1
        row, pull = (lower[:, i] ** 2).sum(1), lower[:, i] @ target[i - free]
        power = float(lower.shape[2] - upper.shape[1] - 1)
        scale = observed_scale((beta + 1) * row, beta * pull, column, power, normals[:, used], uniforms[:, i - free])
        lower[:, i] *= scale[:, None]
        upper[:, :, i] /= scale[:, None]
        used += 1


def observed_scale(q: Floats, pull: Floats, cost: Floats, power: float, z: Floats, u: Floats) -> Floats:
    """A move from s = 1 that keeps the density ∝ exp(−½qs² + pull·s − ½cost/s²) |s|^power."""

    def density(s: Floats) -> Floats:
        return -0.5 * q * s**2 + pull * s - 0.5 * cost / s**2 + power * np.log(np.abs(s))

    mean, one = pull / q, np.ones_like(q)
    moves = mean**2 * q >= 4.0
    mean = np.where(moves, mean, 1.0)  # of no consequence where the unit stays
    for _ in range(5):
        precision = q + 3.0 * cost / mean**4 + power / mean**2
        moves &= precision >= 0.1 * q
        precision = np.where(moves, precision, q)
        step = (pull - q * mean + cost / mean**3 + power / mean) / precision
        half = 0.5 * np.abs(mean)
        mean += np.clip(step, -half, half)
    precision = q + 3.0 * cost / mean**4 + power / mean**2
    moves &= precision >= 0.1 * q
    precision = np.where(moves, precision, q)
    s = mean + z / np.sqrt(precision)
    gain = density(s) - density(one) + 0.5 * precision * ((s - mean) ** 2 - (1.0 - mean) ** 2)
    return np.where(moves & (np.log(1.0 - u) < gain), s, one)


def log_ratio_draw(omega: Floats, nu: float, u: Floats, v: Floats, w: Floats, current: Floats) -> Floats:
    """A draw from the density ∝ exp(−ω cosh y + ν y), or `current` where the one trial is rejected."""
    lam = abs(nu)
    root = np.sqrt(omega**2 + lam**2)
    alpha = omega**2 / (root + lam)
    mode = np.log((lam + root) / omega)
    right, left = _hat_reach(alpha, lam)
    eta, zeta = -_log_shape(right, alpha, lam), alpha * np.sinh(right) + lam * np.expm1(right)
    theta, xi = -_log_shape(-left, alpha, lam), alpha * np.sinh(left) - lam * np.expm1(-left)
    flat_right, flat_left = right - eta / zeta, left - theta / xi
    width = flat_right + flat_left
    pick, tail = u * (width + 1.0 / xi + 1.0 / zeta), -np.log(1.0 - v)
    flat, above = pick < width, pick < width + 1.0 / zeta
    x = np.where(flat, v * width - flat_left, np.where(above, flat_right + tail / zeta, -flat_left - tail / xi))
    hat = np.where(flat, 0.0, np.where(above, -eta - zeta * (x - right), -theta + xi * (x + left)))
    accepted = np.log(1.0 - w) + hat <= _log_shape(x, alpha, lam)
    return np.where(accepted, (1.0 if nu >= 0.0 else -1.0) * (mode + x), current)


def _log_shape(x: Floats, alpha: Floats, lam: float) -> Floats:
    return -alpha * (np.cosh(x) - 1.0) - lam * (np.expm1(x) - x)


def _hat_reach(alpha: Floats, lam: float) -> tuple[Floats, Floats]:
    one = np.ones_like(alpha)
    fall = -_log_shape(one, alpha, lam)
    right = np.where(fall > 2.0, np.sqrt(2.0 / (alpha + lam)), one)
    right = np.where(fall < 0.5, np.log(4.0 / (alpha + 2.0 * lam)), right)
    fall = -_log_shape(-one, alpha, lam)
    left = np.where(fall > 2.0, np.sqrt(4.0 / (alpha * np.cosh(1.0) + lam)), one)
    far = np.log(1.0 + 1.0 / alpha + np.sqrt(1.0 / alpha**2 + 2.0 / alpha))
    return right, np.where(fall < 0.5, np.minimum(far, 1.0 / lam) if lam > 0.0 else far, left)
