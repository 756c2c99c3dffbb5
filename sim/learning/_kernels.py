"""Loops of the blocked Gibbs sampler, many chains side by side in the last axis of every array (a lane a chain).

Letters are those of docs/learning, section 8: W weights, Z what a layer receives, R residuals, D backpropagated
residuals, Q = ZZᵀ, P the curvature seen from above, p the prior's precision.  Matrices are (rows, columns, lanes).
Nothing here checks its arguments or draws random numbers.  The lanes are innermost so that the compiler turns each
inner loop into vector instructions; `contract` lets it fuse a product and a sum, which only rounds less.  All kernels
share one file because Numba's cache notices a change of a function's own file alone, not of what it calls elsewhere.
Kernels are inlined by force wherever a sum of two products lets the compiler choose which of them to fuse: the process
that compiles would call such a kernel as compiled apart, one that loads from the cache the copy within the code of
`sweeps`, and the choices may differ.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract"})
def sweeps(W, widths, observed, design, T, beta, p, shared, normals, uniforms, energy, smooth, draws):
    """Run as many sweeps as `normals` has rows; record the energy before each (sweeps, lanes) and, within it, its
    conditional mean given all layers but one, for every layer (sweeps, layers, lanes)."""
    L, h, C = observed.size, W.shape[1], W.shape[3]
    N = widths[0]
    inner = N if L == 1 else widths[1:L].max()
    # h is the widest layer: what narrower ones leave free is neither cleared nor read, so that it costs nothing; where
    # only rows may be that many, arrays are as wide as the widest hidden layer, so that rows lie close together
    Z, R, D = np.empty((L + 1, h, N, C)), np.empty((L, h, N, C)), np.empty((L, h, N, C))
    P = np.empty((L - 1, inner, inner, C))
    work = np.empty((6, h, inner, C))
    lanes = np.zeros((5 * h + 2, C))
    e = np.zeros(C)
    if L == 1:  # deeper networks never multiply by Z_0
        Z[0, :N] = 0.0
        for j in range(N):
            Z[0, j, j] = design[j]
    for t in range(normals.shape[0]):
        curvatures(W, widths, observed, P, work[0])
        used = 0
        for k in range(L):
            size = widths[k + 1] * widths[k]
            residuals(W, widths, observed, design, T, Z, R, max(k - 1, 0))
            total_energy(R, observed, N, beta, e)
            if k == 0:
                energy[t] = e
            backpropagate(W, widths, observed, R, D, k)
            noise = normals[t, used : used + size]
            if k == L - 1:
                update_output_layer(W[k], widths[k + 1], widths[k], Z[k], D[k], N, beta, p, noise, work, lanes, e)
            elif k == 0:
                update_first_layer(W[0], widths[1], N, design, D[0], P[0], beta, p, shared, noise, work, lanes, e)
            else:
                update_inner_layer(W[k], widths[k + 1], widths[k], Z[k], D[k], P[k], N, beta, p, noise, work, lanes, e)
            smooth[t, k] = e
            used += size
        tried = 0
        for k in range(L - 1):
            units, free = widths[k + 1], widths[k + 1] - observed[k]
            moves = free * (units - 1)
            shear(W[k], W[k + 1], free, units, widths[k], widths[k + 2], p, normals[t, used : used + moves], lanes)
            # the dearest move, of which every other chance is enough: a coin of its own for every hidden layer
            if uniforms[t, uniforms.shape[1] - L + 1 + k, 0] < 0.5:
                rescale(W[k], W[k + 1], free, widths[k], widths[k + 2], p, uniforms[t, tried : tried + 3 * free], lanes)
            used += moves
            tried += 3 * free
            if observed[k]:
                residuals(W, widths, observed, design, T, Z, R, 0)
                moves = observed[k] * units
                z, u = normals[t, used : used + moves], uniforms[t, tried : tried + observed[k]]
                move_observed(
                    W[k], W[k + 1], Z[k + 1], R[k], free, units, widths[k], widths[k + 2], N, beta, p, z, u, lanes
                )
                used += moves
                tried += observed[k]
        if t < draws.shape[0]:
            draws[t] = W


# ---- the passes through the network


@njit(cache=True, nogil=True, fastmath={"contract"})
def residuals(W, widths, observed, design, T, Z, R, first):
    """Recompute what layers first, first+1, … compute, and the residuals of their observed units."""
    N, C = widths[0], W.shape[3]
    for k in range(first, observed.size):
        if k == 0:
            for i in range(widths[1]):
                for j in range(N):
                    for c in range(C):
                        Z[1, i, j, c] = W[0, i, j, c] * design[j, c]
        else:
            Z[k + 1, : widths[k + 1]] = 0.0
            add_matmul(W[k], Z[k], Z[k + 1], widths[k + 1], widths[k], N)
        start = widths[k + 1] - observed[k]
        for i in range(observed[k]):
            for j in range(N):
                for c in range(C):
                    R[k, i, j, c] = T[k, i, j, c] - Z[k + 1, start + i, j, c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def backpropagate(W, widths, observed, R, D, last):
    """D_k = S_kᵀ R_k + W_{k+1}ᵀ D_{k+1} from the output down to layer `last`."""
    for k in range(observed.size - 1, last - 1, -1):
        D[k, : widths[k + 1]] = 0.0
        for i in range(observed[k]):
            D[k, widths[k + 1] - observed[k] + i] = R[k, i]
        if k + 1 < observed.size:
            add_transposed_matmul(W[k + 1], D[k + 1], D[k], widths[k + 1], widths[k + 2], widths[0])


@njit(cache=True, nogil=True, fastmath={"contract"})
def curvatures(W, widths, observed, P, scratch):
    """P_k = S_kᵀ S_k + W_{k+1}ᵀ P_{k+1} W_{k+1} from the output down; P may leave out the last, I, as none needs it."""
    for k in range(P.shape[0] - 1, -1, -1):
        h = widths[k + 1]
        P[k, :h, :h] = 0.0
        for i in range(h - observed[k], h):
            P[k, i, i] = 1.0
        if k + 2 == observed.size:  # the last P is I
            add_transposed_matmul(W[k + 1], W[k + 1], P[k], h, widths[k + 2], h)
        elif k + 1 < observed.size:
            scratch[: widths[k + 2], :h] = 0.0
            add_matmul(P[k + 1], W[k + 1], scratch, widths[k + 2], widths[k + 2], h)
            add_transposed_matmul(W[k + 1], scratch, P[k], h, widths[k + 2], h)


@njit(cache=True, nogil=True, fastmath={"contract"})
def total_energy(R, observed, N, beta, energy):
    """½ β Σ ‖R‖² in every lane."""
    energy[:] = 0.0
    for k in range(observed.size):
        for i in range(observed[k]):
            for j in range(N):
                for c in range(energy.size):
                    energy[c] += 0.5 * beta[c] * R[k, i, j, c] * R[k, i, j, c]


# ---- exact draws of a layer, given the others


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def update_output_layer(W, a, b, Z, D, N, beta, p, noise, work, lanes, energy):
    """The rows of the last layer are independent and share the precision βQ + pI."""
    U, g = work[0], work[1]
    U[:b, :b] = 0.0
    add_matmul_transposed(Z, Z, U, b, N, b)
    for i in range(b):
        for j in range(i + 1):
            for c in range(beta.size):
                U[i, j, c] = beta[c] * U[i, j, c] + (p if i == j else 0.0)
    inverse_factor(U, b)
    add_trace(U, b, p, a, energy)
    g[:a, :b] = 0.0
    add_matmul_transposed(D, Z, g, a, N, b)
    for i in range(a):
        for j in range(b):
            for c in range(beta.size):
                g[i, j, c] = beta[c] * g[i, j, c] - p * W[i, j, c]
        draw_vector(W[i], g[i], noise[i * b : (i + 1) * b], U, b, p, lanes, energy)


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def update_first_layer(W, a, N, design, D, P, beta, p, shared, noise, work, lanes, energy):
    """The columns of the first layer are independent, column j with precision β d_j² P + pI."""
    U, g, w = work[0], work[1], work[2]
    q = lanes[-1]
    for j in range(N):
        for c in range(beta.size):
            q[c] = beta[c] * design[j, c] * design[j, c]
        for i in range(a):
            for c in range(beta.size):
                g[j, i, c] = beta[c] * D[i, j, c] * design[j, c] - p * W[i, j, c]
                w[j, i, c] = W[i, j, c]
        if j == 0 or not shared:
            column_factor(U, P, q, p, a)
            add_trace(U, a, p, N if shared else 1, energy)
        draw_vector(w[j], g[j], noise[j * a : (j + 1) * a], U, a, p, lanes, energy)
        for i in range(a):
            for c in range(beta.size):
                W[i, j, c] = w[j, i, c]


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def update_inner_layer(W, a, b, Z, D, P, N, beta, p, noise, work, lanes, energy):
    """In the eigenvectors V of Q the columns of W V are independent, column j with precision β q_j P + pI."""
    U, g, w, Q, V, gv = work[0], work[1], work[2], work[3], work[4], work[5]
    q = lanes[-1]
    Q[:b, :b] = 0.0
    add_matmul_transposed(Z, Z, Q, b, N, b)
    jacobi(Q, V, b, lanes)
    g[:a, :b] = 0.0
    add_matmul_transposed(D, Z, g, a, N, b)
    for i in range(a):
        for j in range(b):
            for c in range(beta.size):
                g[i, j, c] = beta[c] * g[i, j, c] - p * W[i, j, c]
    gv[:b, :a] = 0.0
    w[:b, :a] = 0.0
    for i in range(a):
        for k in range(b):
            for j in range(b):
                for c in range(beta.size):
                    gv[j, i, c] += V[k, j, c] * g[i, k, c]
                    w[j, i, c] += V[k, j, c] * W[i, k, c]
    for j in range(b):
        for c in range(beta.size):
            q[c] = beta[c] * max(Q[j, j, c], 0.0)
        column_factor(U, P, q, p, a)
        add_trace(U, a, p, 1, energy)
        draw_vector(w[j], gv[j], noise[j * a : (j + 1) * a], U, a, p, lanes, energy)
    W[:a, :b] = 0.0
    for i in range(a):
        for j in range(b):
            for k in range(b):
                for c in range(beta.size):
                    W[i, j, c] += V[j, k, c] * w[k, i, c]


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def column_factor(U, P, q, p, size):
    """U = C⁻¹ where q P + pI = C Cᵀ."""
    for i in range(size):
        for j in range(i + 1):
            for c in range(q.size):
                U[i, j, c] = q[c] * P[i, j, c] + (p if i == j else 0.0)
    inverse_factor(U, size)


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def draw_vector(w, g, noise, U, size, p, lanes, energy):
    """Replace w by its mean UᵀU g away and a fresh Uᵀ noise; add what it changes in the energy at the mean."""
    y, step, kick = lanes[:size], lanes[size : 2 * size], lanes[2 * size : 3 * size]
    y[:] = 0.0
    step[:] = 0.0
    kick[:] = 0.0
    C = energy.size
    for i in range(size):
        for k in range(i + 1):
            for c in range(C):
                y[i, c] += U[i, k, c] * g[k, c]
        for k in range(i + 1):
            for c in range(C):
                step[k, c] += U[i, k, c] * y[i, c]
                kick[k, c] += U[i, k, c] * noise[i, c]
    for i in range(size):
        for c in range(C):
            energy[c] -= 0.5 * g[i, c] * step[i, c] + p * (w[i, c] + 0.5 * step[i, c]) * step[i, c]
            w[i, c] += step[i, c] + kick[i, c]


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def add_trace(U, size, p, times, energy):
    """Add times·½(size − p‖U‖²), the energy of the conditional spread of `times` vectors."""
    for c in range(energy.size):
        energy[c] += 0.5 * times * size
    for i in range(size):
        for k in range(i + 1):
            for c in range(energy.size):
                energy[c] -= 0.5 * times * p * U[i, k, c] * U[i, k, c]


# ---- moves along the symmetries: the likelihood stays as it is


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def shear(lower, upper, free, units, fan_in, fan_out, p, noise, lanes):
    """Resample t in row i += t·row j of `lower`, column j −= t·column i of `upper`, for every free unit i and j ≠ i.

    The product upper·lower and the observed rows of `lower` stay as they are; t has a Gaussian conditional, precision
    p(‖row j‖² + ‖column i‖²), and is drawn from it.
    """
    C = noise.shape[1]
    square, t, rows = lanes[-1], lanes[-2], lanes[:units]
    for j in range(units):
        rows[j] = 0.0
        for k in range(fan_in):
            for c in range(C):
                rows[j, c] += lower[j, k, c] * lower[j, k, c]
    used = 0
    for i in range(free):
        squares_of_column(upper, i, fan_out, square)
        for j in range(units):
            if j == i:
                continue
            t[:] = 0.0
            for k in range(fan_in):
                for c in range(C):
                    t[c] -= lower[i, k, c] * lower[j, k, c]
            for k in range(fan_out):
                for c in range(C):
                    t[c] += upper[k, i, c] * upper[k, j, c]
            for c in range(C):
                total = square[c] + rows[j, c]
                t[c] = t[c] / total + noise[used, c] / math.sqrt(p * total)
            for k in range(fan_in):
                for c in range(C):
                    lower[i, k, c] += t[c] * lower[j, k, c]
            for k in range(fan_out):
                for c in range(C):
                    upper[k, j, c] -= t[c] * upper[k, i, c]
            used += 1
        rows[i] = 0.0
        for k in range(fan_in):
            for c in range(C):
                rows[i, c] += lower[i, k, c] * lower[i, k, c]


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def rescale(lower, upper, free, fan_in, fan_out, p, uniforms, lanes):
    """Resample τ in row i *= exp(τ) of `lower`, column i *= exp(−τ) of `upper`, for every free unit i.

    With y = log(‖row‖/‖column‖) and ω = p‖row‖‖column‖, which the move keeps, the conditional density of y is
    ∝ exp(−ω cosh y + ½(fan_in − fan_out) y): the prior times the Jacobian.
    """
    row, column = lanes[0], lanes[1]
    for i in range(free):
        row[:] = 0.0
        for k in range(fan_in):
            for c in range(row.size):
                row[c] += lower[i, k, c] * lower[i, k, c]
        squares_of_column(upper, i, fan_out, column)
        for c in range(row.size):
            y = 0.5 * math.log(row[c] / column[c])
            u, v, w = uniforms[3 * i, c], uniforms[3 * i + 1, c], uniforms[3 * i + 2, c]
            fresh = log_ratio_draw(p * math.sqrt(row[c] * column[c]), 0.5 * (fan_in - fan_out), u, v, w, y)
            row[c] = math.exp(0.5 * (fresh - y))
            column[c] = 1.0 / row[c]
        for k in range(fan_in):
            for c in range(row.size):
                lower[i, k, c] *= row[c]
        for k in range(fan_out):
            for c in range(row.size):
                upper[k, i, c] *= column[c]


@njit(cache=True, nogil=True, forceinline=True)
def log_ratio_draw(omega, nu, u, v, w, current):
    """A draw from the density ∝ exp(−ω cosh y + ν y), or `current` where the one trial is rejected.

    Rejection from a flat top with exponential tails (L. Devroye, Statistics and Computing 24 (2014) 239-246: the
    logarithm of a generalised inverse Gaussian).  Whether the trial is rejected does not depend on `current`, so the
    density is kept; between 0.82 and 0.97 of the trials succeed for ω from 1e-8 to 1e5 and half-integer |ν| <= 20.

    With α = √(ω²+ν²) − |ν| the log density at x from its mode is −α(cosh x − 1) − |ν|(e^x − 1 − x).  One exponential
    gives all of it: with r = e^|x| − 1 and f = 1 − e^−|x|, cosh x − 1 = rf/2 and sinh |x| = (r + f)/2.
    """
    lam = abs(nu)
    root = math.sqrt(omega * omega + lam * lam)
    alpha = omega * omega / (root + lam)  # without cancellation
    right, left = hat_reach(alpha, lam)
    rise = math.expm1(right)
    fall = rise / (1.0 + rise)
    eta, zeta = 0.5 * alpha * rise * fall + lam * (rise - right), 0.5 * alpha * (rise + fall) + lam * rise
    rise = math.expm1(left)
    fall = rise / (1.0 + rise)
    theta, xi = 0.5 * alpha * rise * fall + lam * (left - fall), 0.5 * alpha * (rise + fall) + lam * fall
    flat_right, flat_left = right - eta / zeta, left - theta / xi
    width = flat_right + flat_left
    pick = u * (width + 1.0 / xi + 1.0 / zeta)
    if pick < width:
        x = v * width - flat_left
        log_hat = 0.0
    elif pick < width + 1.0 / zeta:
        x = flat_right - math.log(1.0 - v) / zeta
        log_hat = -eta - zeta * (x - right)
    else:
        x = math.log(1.0 - v) / xi - flat_left
        log_hat = -theta + xi * (x + left)
    rise = math.expm1(abs(x))
    fall = rise / (1.0 + rise)
    beyond = rise - x if x >= 0.0 else -fall - x  # e^x − 1 − x
    if math.log(1.0 - w) + log_hat <= -0.5 * alpha * rise * fall - lam * beyond:
        y = math.log((lam + root) / omega) + x
        return y if nu >= 0.0 else -y
    return current


@njit(cache=True, nogil=True, forceinline=True)
def hat_reach(alpha, lam):
    """Where the hat leaves its flat top, right and left: near the points at which the log density has fallen by 1."""
    right, left = 1.0, 1.0
    fall = alpha * (math.cosh(1.0) - 1.0) + lam * (math.e - 2.0)
    if fall > 2.0:
        right = math.sqrt(2.0 / (alpha + lam))
    elif fall < 0.5:
        right = math.log(4.0 / (alpha + 2.0 * lam))
    fall = alpha * (math.cosh(1.0) - 1.0) + lam / math.e
    if fall > 2.0:
        left = math.sqrt(4.0 / (alpha * math.cosh(1.0) + lam))
    elif fall < 0.5:
        left = math.log(1.0 + 1.0 / alpha + math.sqrt(1.0 / alpha**2 + 2.0 / alpha))
        if lam > 0.0:
            left = min(1.0 / lam, left)
    return right, left


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def move_observed(lower, upper, Z, R, free, units, fan_in, fan_out, N, beta, p, noise, uniforms, lanes):
    """The moves of `shear` and `rescale` for every observed unit i, which change the energy of that unit alone.

    Row i of Z is what unit i computes, R its residual.  t is Gaussian, precision p(‖row j‖² + ‖column i‖²) + β‖Z_j‖².
    Without these moves a layer observed below weights of singular value σ needs σ² sweeps to forget.
    """
    C = beta.size
    column, row, cross, seen, pull = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    used = 0
    for i in range(free, units):
        squares_of_column(upper, i, fan_out, column)
        for j in range(units):
            if j == i:
                continue
            row[:] = 0.0
            cross[:] = 0.0
            for k in range(fan_in):
                for c in range(C):
                    row[c] += lower[j, k, c] * lower[j, k, c]
                    cross[c] -= lower[i, k, c] * lower[j, k, c]
            for k in range(fan_out):
                for c in range(C):
                    cross[c] += upper[k, i, c] * upper[k, j, c]
            seen[:] = 0.0
            pull[:] = 0.0
            for k in range(N):
                for c in range(C):
                    seen[c] += Z[j, k, c] * Z[j, k, c]
                    pull[c] += R[i - free, k, c] * Z[j, k, c]
            t = row  # its last use is in the precision
            for c in range(C):
                precision = p * (row[c] + column[c]) + beta[c] * seen[c]
                t[c] = (p * cross[c] + beta[c] * pull[c]) / precision + noise[used, c] / math.sqrt(precision)
            for k in range(fan_in):
                for c in range(C):
                    lower[i, k, c] += t[c] * lower[j, k, c]
            for k in range(fan_out):
                for c in range(C):
                    upper[k, j, c] -= t[c] * upper[k, i, c]
            for k in range(N):
                for c in range(C):
                    Z[i, k, c] += t[c] * Z[j, k, c]
                    R[i - free, k, c] -= t[c] * Z[j, k, c]
            used += 1
        row[:] = 0.0
        seen[:] = 0.0
        pull[:] = 0.0
        for k in range(fan_in):
            for c in range(C):
                row[c] += lower[i, k, c] * lower[i, k, c]
        for k in range(N):
            for c in range(C):
                seen[c] += Z[i, k, c] * Z[i, k, c]
                pull[c] += (R[i - free, k, c] + Z[i, k, c]) * Z[i, k, c]
        s = cross
        for c in range(C):
            q, power = beta[c] * seen[c] + p * row[c], fan_in - fan_out - 1
            s[c] = observed_scale(q, beta[c] * pull[c], p * column[c], power, noise[used, c], uniforms[i - free, c])
        for k in range(fan_in):
            for c in range(C):
                lower[i, k, c] *= s[c]
        for k in range(fan_out):
            for c in range(C):
                upper[k, i, c] /= s[c]
        for k in range(N):
            for c in range(C):
                R[i - free, k, c] += (1.0 - s[c]) * Z[i, k, c]
                Z[i, k, c] *= s[c]
        used += 1


@njit(cache=True, nogil=True, fastmath={"contract"})
def squares_of_column(a, i, rows, out):
    """out = ‖column i‖² of a."""
    out[:] = 0.0
    for k in range(rows):
        for c in range(out.size):
            out[c] += a[k, i, c] * a[k, i, c]


@njit(cache=True, nogil=True, forceinline=True)
def observed_scale(q, pull, cost, power, z, u):
    """A move from s = 1 that keeps the density ∝ exp(−½qs² + pull·s − ½cost/s²) |s|^power.

    The proposal is the Gaussian of Laplace at the mode on the side of pull/q, found by Newton's steps from there; it
    depends on the orbit of the scaling alone, not on where in it the chain stands.  Where the target hardly shows in
    the first two terms, or the steps go astray, the unit stays: nothing is stiff there.
    """
    mean = pull / q
    if mean * mean * q < 4.0:
        return 1.0
    for _ in range(5):
        precision = q + 3.0 * cost / mean**4 + power / mean**2
        if precision < 0.1 * q:
            return 1.0
        step = (pull - q * mean + cost / mean**3 + power / mean) / precision
        mean = mean + step if abs(step) < 0.5 * abs(mean) else mean + math.copysign(0.5 * mean, step)
    precision = q + 3.0 * cost / mean**4 + power / mean**2
    if precision < 0.1 * q:
        return 1.0
    s = mean + z / math.sqrt(precision)
    gain = scale_density(s, q, pull, cost, power) - scale_density(1.0, q, pull, cost, power)
    gain += 0.5 * precision * ((s - mean) * (s - mean) - (1.0 - mean) * (1.0 - mean))
    return s if math.log(1.0 - u) < gain else 1.0


@njit(cache=True, nogil=True, forceinline=True)
def scale_density(s, q, pull, cost, power):
    """Logarithm of the density of `observed_scale`."""
    return -0.5 * q * s * s + pull * s - 0.5 * cost / (s * s) + power * math.log(abs(s))


# ---- small linear algebra, lane by lane


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_matmul(a, b, out, rows, inner, columns):
    """out += a b."""
    for i in range(rows):
        for j in range(columns):
            for k in range(inner):
                for c in range(out.shape[2]):
                    out[i, j, c] += a[i, k, c] * b[k, j, c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_transposed_matmul(a, b, out, rows, inner, columns):
    """out += aᵀ b."""
    for i in range(rows):
        for j in range(columns):
            for k in range(inner):
                for c in range(out.shape[2]):
                    out[i, j, c] += a[k, i, c] * b[k, j, c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_matmul_transposed(a, b, out, rows, inner, columns):
    """out += a bᵀ."""
    for i in range(rows):
        for j in range(columns):
            for k in range(inner):
                for c in range(out.shape[2]):
                    out[i, j, c] += a[i, k, c] * b[j, k, c]


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def inverse_factor(a, size):
    """Replace the lower triangle of a positive definite a by C⁻¹, where a = C Cᵀ."""
    C = a.shape[2]
    for j in range(size):
        for k in range(j):
            for i in range(j, size):
                for c in range(C):
                    a[i, j, c] -= a[i, k, c] * a[j, k, c]
        for c in range(C):
            a[j, j, c] = 1.0 / math.sqrt(a[j, j, c])
        for i in range(j + 1, size):
            for c in range(C):
                a[i, j, c] *= a[j, j, c]
    for j in range(size):  # the diagonal already holds 1/C_jj
        for i in range(j + 1, size):
            for c in range(C):
                a[i, j, c] *= a[j, j, c]
            for k in range(j + 1, i):
                for c in range(C):
                    a[i, j, c] += a[i, k, c] * a[k, j, c]
            for c in range(C):
                a[i, j, c] *= -a[i, i, c]


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def jacobi(a, v, size, lanes):
    """Diagonalise the symmetric positive semidefinite a in place by cyclic rotations; v gets the eigenvectors.

    An entry counts as zero below 1e-14 of its diagonal entries' geometric mean, or below 1e-17 of the trace, which is
    less than a itself was rounded by.
    """
    C = a.shape[2]
    cos, sin, floor = lanes[0], lanes[1], lanes[2]
    v[:size, :size] = 0.0
    floor[:] = 0.0
    for i in range(size):
        v[i, i] = 1.0
        for c in range(C):
            floor[c] += 1e-17 * a[i, i, c]
    for _ in range(30):
        left = 0
        for i in range(size):
            for j in range(i):
                for c in range(C):
                    left += a[i, j, c] * a[i, j, c] > 1e-28 * abs(a[i, i, c] * a[j, j, c]) + floor[c] * floor[c]
        if left == 0:
            return
        for i in range(size):
            for j in range(i + 1, size):
                rotate(a, v, i, j, size, cos, sin)


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def rotate(a, v, i, j, size, cos, sin):
    """One Jacobi rotation in the plane (i, j) of every lane."""
    C = a.shape[2]
    for c in range(C):
        # the smaller root of t² + 2 t gap/twice − 1 = 0, in a form without cancellation
        twice, gap = 2.0 * a[i, j, c], a[j, j, c] - a[i, i, c]
        t = twice / (gap + math.copysign(math.sqrt(gap * gap + twice * twice) + 1e-300, gap))
        cos[c] = 1.0 / math.sqrt(1.0 + t * t)
        sin[c] = t * cos[c]
        # what the rotation makes of this plane, without the rounding that would stay in its zeros
        a[i, i, c] -= 0.5 * t * twice
        a[j, j, c] += 0.5 * t * twice
        a[i, j, c] = 0.0
        a[j, i, c] = 0.0
    for k in range(size):
        if k in (i, j):
            continue
        for c in range(C):
            x, y = a[k, i, c], a[k, j, c]
            a[k, i, c] = cos[c] * x - sin[c] * y
            a[k, j, c] = sin[c] * x + cos[c] * y
            a[i, k, c] = a[k, i, c]
            a[j, k, c] = a[k, j, c]
    for k in range(size):
        for c in range(C):
            x, y = v[k, i, c], v[k, j, c]
            v[k, i, c] = cos[c] * x - sin[c] * y
            v[k, j, c] = sin[c] * x + cos[c] * y
