"""Loops of the minimax games: kernel profiles, features, stencils and the small GANs.

Every loop over many numbers has the number innermost, so that the compiler turns it into vector instructions.
`contract` lets it fuse a product and a sum, which only rounds less; nothing may be reordered, as that would ruin the
exponential.  The error model is NumPy's because a test for a zero divisor would keep loops from becoming vector
instructions.  Nothing here checks its arguments or draws random numbers.  All kernels share one file because Numba's
cache notices a change of a function's own file alone, not of what it calls elsewhere.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit
from numba.extending import intrinsic

GAUSSIAN, IMQ, MATERN32, MATERN52 = range(4)
SIMULTANEOUS, ALTERNATING, EXTRAGRADIENT, OPTIMISTIC = range(4)
DIRAC, LINEAR_QUADRATIC = range(2)
LOGISTIC, WGAN, NON_SATURATING = range(3)
# the settings of a Dirac-GAN, and the first two of a linear-quadratic one
LOSS, CRITIC_DECAY, GENERATOR_DECAY, SLOPE_PENALTY, SLOPE_TARGET, NORMALISED, CLIP, SETTINGS = range(8)
RIDGE, R1 = range(2)

FARTHEST = 1e100  # a game whose state grows beyond this is stopped

# adding 1.5 * 2^52 rounds to an integer and leaves it in the lowest bits
ROUND = 1.5 * 2.0**52
# 2^r, sin(πr/2)/r and cos(πr/2) for |r| <= 1/2 by Taylor's series, the rest below 1e-17
POWER = tuple(math.log(2.0) ** k / math.factorial(k) for k in range(14))
SINE = tuple((-1) ** k * (math.pi / 2) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(9))
COSINE = tuple((-1) ** k * (math.pi / 2) ** (2 * k) / math.factorial(2 * k) for k in range(10))
E0, E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13 = POWER
S0, S1, S2, S3, S4, S5, S6, S7, S8 = SINE
C0, C1, C2, C3, C4, C5, C6, C7, C8, C9 = COSINE
LOG2E = 1.0 / math.log(2.0)
R3, R5 = math.sqrt(3.0), math.sqrt(5.0)


# ---- the elementary functions


@intrinsic
def power_of_two(typing, rounded):
    """2^k where `rounded` is k + ROUND."""
    integers = ir.IntType(64)

    def generate(context, builder, signature, arguments):
        shifted = builder.shl(builder.bitcast(arguments[0], integers), ir.Constant(integers, 52))
        return builder.bitcast(builder.add(shifted, ir.Constant(integers, 0x3FF << 52)), ir.DoubleType())

    return rounded(rounded), generate


@njit(error_model="numpy", fastmath={"contract"})
def decay(x):
    """e^{-x} for x >= 0, off by at most 3e-16; below 2^{-1000} that value."""
    y = -LOG2E * x
    y = y if y > -1000.0 else -1000.0
    k = y + ROUND
    r = y - (k - ROUND)
    high = (((((E13 * r + E12) * r + E11) * r + E10) * r + E9) * r + E8) * r + E7
    return (((((((high * r + E6) * r + E5) * r + E4) * r + E3) * r + E2) * r + E1) * r + E0) * power_of_two(k)  # type: ignore[call-arg]


@njit(error_model="numpy", fastmath={"contract"})
def circle(turns):
    """(sin, cos) of π/2 times the argument, in quarters of a turn; to 3e-16 beside the rounding of the argument."""
    k = np.rint(turns)
    r = turns - k
    w = r * r
    s = r * ((((((((S8 * w + S7) * w + S6) * w + S5) * w + S4) * w + S3) * w + S2) * w + S1) * w + S0)
    c = ((((((((C9 * w + C8) * w + C7) * w + C6) * w + C5) * w + C4) * w + C3) * w + C2) * w + C1) * w + C0
    quarter = np.int64(k)
    odd = (quarter & 1) == 1
    sine, cosine = (c if odd else s), (s if odd else c)
    return (-sine if (quarter & 2) == 2 else sine), (-cosine if ((quarter + 1) & 2) == 2 else cosine)


# ---- kernels of squared distances, in units of the lengthscale


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def slopes(kind, squares):
    """Turn s² into ψ'(s)/s in place; flat."""
    n = squares.size
    if kind == GAUSSIAN:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            squares[t] = -decay(0.5 * q)
    elif kind == IMQ:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            squares[t] = -1.0 / ((1.0 + q) * math.sqrt(1.0 + q))
    elif kind == MATERN32:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            squares[t] = -3.0 * decay(R3 * math.sqrt(q))
    else:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            s = R5 * math.sqrt(q)
            squares[t] = -5.0 / 3.0 * (1.0 + s) * decay(s)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def values(kind, squares):
    """Turn s² into ψ(s) in place; flat."""
    n = squares.size
    if kind == GAUSSIAN:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            squares[t] = decay(0.5 * q)
    elif kind == IMQ:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            squares[t] = 1.0 / math.sqrt(1.0 + q)
    elif kind == MATERN32:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            s = R3 * math.sqrt(q)
            squares[t] = (1.0 + s) * decay(s)
    else:
        for t in range(n):
            q = squares[t] if squares[t] > 0.0 else 0.0
            s = R5 * math.sqrt(q)
            squares[t] = (1.0 + s + s * s / 3.0) * decay(s)


# ---- Fourier features


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def features(angles, phases, sums):
    """Turn ω·x, (n, F), into sin(ω·x + b) in place and add the cosines of the rows to `sums`; quarters of a turn."""
    n, F = angles.shape
    for i in range(n):
        row = angles[i]
        for j in range(F):
            s, c = circle(row[j] + phases[j])
            row[j] = s
            sums[j] += c


# ---- the torus


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def torus_penalty(f, ridge, stiffness, out):
    """λf + ρDᵀDf with forward differences on a ring, stiffness = ρn²."""
    n = f.size
    centre = ridge + 2.0 * stiffness
    for i in range(1, n - 1):
        out[i] = centre * f[i] - stiffness * (f[i - 1] + f[i + 1])
    out[0] = centre * f[0] - stiffness * (f[n - 1] + f[1 % n])
    if n > 1:
        out[n - 1] = centre * f[n - 1] - stiffness * (f[n - 2] + f[0])


# ---- small GANs


@njit(cache=True, nogil=True)
def payoff_slope(loss, t):
    """g'(t): of log σ for the logistic losses, 1 for WGAN's."""
    if loss == WGAN:
        return 1.0
    if t >= 0.0:
        e = math.exp(-t)
        return e / (1.0 + e)
    return 1.0 / (1.0 + math.exp(t))


@njit(cache=True, nogil=True)
def payoff_asymmetry(loss, a, b):
    """g'(a) - g'(-b) without cancellation near a = b = 0."""
    return 0.0 if loss == WGAN else -0.5 * (math.tanh(0.5 * a) + math.tanh(0.5 * b))


@njit(cache=True, nogil=True)
def dirac_field(u, f, settings, noise, du, df):
    """Directions of generator θ and critic ψ; `noise` has the nodes and weights of the smoothing of both points."""
    theta, psi = u[0], f[0]
    loss = int(settings[LOSS])
    sign = 1.0 if psi > 0.0 else (-1.0 if psi < 0.0 else 0.0)
    normalised = settings[NORMALISED] != 0.0
    slope = sign if normalised else psi
    push = pull = 0.0
    for q in range(noise.shape[1]):
        x, y, w = theta + noise[0, q], noise[0, q], noise[1, q]
        fake = payoff_slope(loss, slope * x)
        if loss == NON_SATURATING:
            push += w * payoff_slope(loss, -slope * x)
        else:
            push += w * fake
        pull += w * (fake * theta + payoff_asymmetry(loss, slope * x, slope * y) * y)
    du[0] = -push * slope - settings[GENERATOR_DECAY] * theta
    df[0] = 0.0 if normalised else pull
    df[0] -= settings[CRITIC_DECAY] * psi + settings[SLOPE_PENALTY] * (psi - settings[SLOPE_TARGET] * sign)


@njit(cache=True, nogil=True)
def quadratic_field(u, f, settings, covariance, du, df):
    """-2ΨW and WWᵀ - Σ0 - λΨ - 2ρ(ΨΣ0 + Σ0Ψ) of flat W and Ψ."""
    n = covariance.shape[0]
    W, P, dW, dP = u.reshape(n, n), f.reshape(n, n), du.reshape(n, n), df.reshape(n, n)
    for i in range(n):
        for j in range(n):
            move = square = left = right = 0.0
            for k in range(n):
                move += P[i, k] * W[k, j]
                square += W[i, k] * W[j, k]
                left += P[i, k] * covariance[k, j]
                right += covariance[i, k] * P[k, j]
            dW[i, j] = -2.0 * move
            dP[i, j] = square - covariance[i, j] - settings[RIDGE] * P[i, j] - 2.0 * settings[R1] * (left + right)


@njit(cache=True, nogil=True)
def field(kind, u, f, settings, table, du, df):
    """The directions of both players of a small game."""
    if kind == DIRAC:
        dirac_field(u, f, settings, table, du, df)
    else:
        quadratic_field(u, f, settings, table, du, df)


@njit(cache=True, nogil=True)
def clip(kind, f, settings):
    """Weight clipping of a Dirac critic."""
    if kind == DIRAC:
        f[0] = min(max(f[0], -settings[CLIP]), settings[CLIP])


@njit(cache=True, nogil=True)
def play(kind, algorithm, u, f, settings, table, eta, gamma, steps, every, us, fs):
    """Carry u and f on; states after 0, every, 2 every, … steps go to us and fs.  Returns how many were written."""
    du, df = np.empty_like(u), np.empty_like(f)
    old_u, old_f = np.empty_like(u), np.empty_like(f)
    trial_u, trial_f = np.empty_like(u), np.empty_like(f)
    us[0], fs[0] = u, f
    written = 1
    for k in range(steps):
        field(kind, u, f, settings, table, du, df)
        if algorithm == ALTERNATING:
            u += eta * du
            field(kind, u, f, settings, table, du, df)
            f += gamma * df
        elif algorithm == EXTRAGRADIENT:
            trial_u[:] = u + eta * du
            trial_f[:] = f + gamma * df
            clip(kind, trial_f, settings)
            field(kind, trial_u, trial_f, settings, table, du, df)
            u += eta * du
            f += gamma * df
        elif algorithm == OPTIMISTIC:
            if k == 0:
                old_u[:] = du
                old_f[:] = df
            u += eta * (2.0 * du - old_u)
            f += gamma * (2.0 * df - old_f)
            old_u[:] = du
            old_f[:] = df
        else:
            u += eta * du
            f += gamma * df
        clip(kind, f, settings)
        # a comparison with NaN is false, so this catches it too
        if not (np.abs(u).max() < FARTHEST and np.abs(f).max() < FARTHEST):
            return written
        if (k + 1) % every == 0:
            us[written], fs[written] = u, f
            written += 1
    return written
