"""Steps of LSTM and GRU layers for a block of runs at a time, a lane a run, the lanes innermost in every array.

Letters are those of docs/resilience: u inputs, h and c states, z pre-activations, R weights.  A block has 64 or 128
lanes, as the type of `block` says; arrays that hold lanes are flat, so that the distance of two rows is a constant that
the compiler knows, and blocks are always full: one path of instructions for every run, whatever its neighbours.  `plan`
has a row a layer (columns below); `weights`, V, holds the gates of a unit side by side, column by column, scaled as
`packed.py` says.  Rows of h and u are padded with zeros to a multiple of four, one or two inputs to two.

`contract` lets the compiler fuse a product and a sum, which only rounds less; nothing may be reordered, as that would
ruin the exponential.  The error model is NumPy's because a test for a zero divisor would keep loops from becoming
vector instructions, and so would an index that might be negative: hence the guards.  Where a loop over lanes ends at
z.size // 4, that is L, but no constant: the compiler would unroll the whole loop, which is slower.

Nothing here checks its arguments or draws random numbers.  All kernels share one file because Numba's cache notices a
change of a function's own file alone, not of what it calls elsewhere.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

STRETCH = 16  # steps whose inputs are brought into lanes together

# the columns of `plan`
LSTM, UNITS, PASSED, KEPT, INPUT_WEIGHTS, STATE_WEIGHTS, BIAS, EVEN, ODD, MEMORY, COLUMNS = range(11)

# 2^k comes out of the exponent's bits; adding 1.5 * 2^52 (2^23) rounds to an integer and leaves it in the lowest bits
ROUND64, ROUND32 = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
# y O(y²)/E(y²) is tanh(y log √2) for |y| <= 1/2, O monic, coefficients lowest first: interpolated at Chebyshev's points
# from that constant term of O, among 400 neighbours, for which rounding the others costs least; off by less than 2e-17
# (2e-9 in float32) of the value
ODD64, EVEN64 = (65550.99013060912, 874.7432766047971), (189140.17677358232, 10096.72290640797, 43.30054141478044)
ODD32, EVEN32 = (np.float32(125.041748046875),), (np.float32(360.7942199707031), np.float32(17.330764770507812))
# beyond these |y| the smaller of σ(x) and 1 - σ(x) is held; three denominators then multiply without overflow
MOST64, MOST32 = 300.0, np.float32(26.0)


def lanes(block):
    """How many runs a block has: `block` is a number whose type alone counts, so that compiled code has a constant."""
    raise NotImplementedError("only compiled code calls this")


@overload(lanes)
def _lanes(block):
    if block == types.int8:
        return lambda block: 64
    return lambda block: 128


# ---- σ and tanh as fractions, for one number of either precision


@intrinsic
def power_of_two(typing, rounded):
    """2^k where `rounded` is k + ROUND."""
    wide = rounded == types.float64
    integers = ir.IntType(64 if wide else 32)
    floats = ir.DoubleType() if wide else ir.FloatType()
    bits, one = (52, 0x3FF << 52) if wide else (23, 0x7F << 23)

    def generate(context, builder, signature, arguments):
        shifted = builder.shl(builder.bitcast(arguments[0], integers), ir.Constant(integers, bits))
        return builder.bitcast(builder.add(shifted, ir.Constant(integers, one)), floats)

    return rounded(rounded), generate


@njit(error_model="numpy")
def clamp(y, most):
    """y where |y| <= most, otherwise the nearer end."""
    y = y if y < most else most
    return y if y > -most else -most


def exponential(y):
    """(s, E, O) with 2^y = s (E + O)/(E - O), |y| at most MOST."""
    raise NotImplementedError("only compiled code calls this")


@overload(exponential)
def _exponential(y):
    if y == types.float64:

        def wide(y):
            y = clamp(y, MOST64)
            k = y + ROUND64
            r = y - (k - ROUND64)
            w = r * r
            even = (EVEN64[2] * w + EVEN64[1]) * w + EVEN64[0]
            return power_of_two(k), even, r * ((w + ODD64[1]) * w + ODD64[0])  # type: ignore[call-arg]

        return wide

    def narrow(y):
        y = clamp(y, MOST32)
        k = y + ROUND32
        r = y - (k - ROUND32)
        w = r * r
        return power_of_two(k), EVEN32[1] * w + EVEN32[0], r * (w + ODD32[0])  # type: ignore[call-arg]

    return narrow


@njit(error_model="numpy", fastmath={"contract"})
def sigmoid(y):
    """(p, q, d): p/d = 1/(1 + 2^y) = σ(x) for y = -x/log 2, and q/d = 1 - σ(x)."""
    s, even, odd = exponential(y)
    p, q = even - odd, s * (even + odd)
    return p, q, p + q


@njit(error_model="numpy", fastmath={"contract"})
def tangent(y):
    """(p, d): p/d = (1 - 2^y)/(1 + 2^y) = tanh(x) for y = -2x/log 2; near 0 nothing cancels."""
    s, even, odd = exponential(y)
    one = type(s)(1)
    return (one - s) * even - (s + one) * odd, (s + one) * even - (one - s) * odd


# ---- one unit of a layer


@njit(error_model="numpy", fastmath={"contract"})
def lstm_unit(block, z, state, c, h, scale):
    """c⁺ = fc + ig and h⁺ = o tanh c⁺ from the rows i, f, g, o of z, at the places c and h; scale = -2/log 2."""
    L = lanes(block)
    L2, L3 = 2 * L, 3 * L
    if c < 0 or h < 0:
        return
    for t in range(L):
        pi, _, di = sigmoid(z[t])
        pf, _, df = sigmoid(z[L + t])
        pg, dg = tangent(z[L2 + t])
        both = di * dg
        state[c + t] = (state[c + t] * pf * both + pi * pg * df) / (both * df)
    for t in range(L):
        po, _, do = sigmoid(z[L3 + t])
        pc, dc = tangent(scale * state[c + t])
        state[h + t] = po * pc / (do * dc)


@njit(error_model="numpy", fastmath={"contract"})
def gru_unit(block, z, state, old, new):
    """h⁺ = (1 - z)ν + zh, ν = tanh(a + rq), from the rows r, z, a, q of z."""
    L = lanes(block)
    L2, L3 = 2 * L, 3 * L
    if old < 0 or new < 0:
        return
    for t in range(L):
        pr, _, dr = sigmoid(z[t])
        z[L2 + t] += z[L3 + t] * pr / dr
    for t in range(L):
        pz, qz, dz = sigmoid(z[L + t])
        pn, dn = tangent(z[L2 + t])
        state[new + t] = (qz * pn + pz * dn * state[old + t]) / (dz * dn)


# ---- z = b + W u + R h of one unit, four columns a pass


@njit(error_model="numpy", fastmath={"contract"})
def begin_two(block, V, v, b, state, s, z):
    """Four rows of z from b and two rows of the state, starting at s."""
    L = lanes(block)
    L2, L3 = 2 * L, 3 * L
    if v < 0 or b < 0 or s < 0:
        return
    b0, b1, b2, b3 = V[b], V[b + 1], V[b + 2], V[b + 3]
    v00, v01, v02, v03 = V[v], V[v + 1], V[v + 2], V[v + 3]
    v10, v11, v12, v13 = V[v + 4], V[v + 5], V[v + 6], V[v + 7]
    for t in range(L):
        x0, x1 = state[s + t], state[s + L + t]
        z[t] = v10 * x1 + (v00 * x0 + b0)
        z[L + t] = v11 * x1 + (v01 * x0 + b1)
        z[L2 + t] = v12 * x1 + (v02 * x0 + b2)
        z[L3 + t] = v13 * x1 + (v03 * x0 + b3)


@njit(error_model="numpy", fastmath={"contract"})
def begin_four(block, V, v, b, state, s, z):
    """Four rows of z from b and four rows of the state, starting at s."""
    L = lanes(block)
    L2, L3 = 2 * L, 3 * L
    if v < 0 or b < 0 or s < 0:
        return
    b0, b1, b2, b3 = V[b], V[b + 1], V[b + 2], V[b + 3]
    v00, v01, v02, v03 = V[v], V[v + 1], V[v + 2], V[v + 3]
    v10, v11, v12, v13 = V[v + 4], V[v + 5], V[v + 6], V[v + 7]
    v20, v21, v22, v23 = V[v + 8], V[v + 9], V[v + 10], V[v + 11]
    v30, v31, v32, v33 = V[v + 12], V[v + 13], V[v + 14], V[v + 15]
    for t in range(L):
        x0, x1, x2, x3 = state[s + t], state[s + L + t], state[s + L2 + t], state[s + L3 + t]
        z[t] = v30 * x3 + (v20 * x2 + (v10 * x1 + (v00 * x0 + b0)))
        z[L + t] = v31 * x3 + (v21 * x2 + (v11 * x1 + (v01 * x0 + b1)))
        z[L2 + t] = v32 * x3 + (v22 * x2 + (v12 * x1 + (v02 * x0 + b2)))
        z[L3 + t] = v33 * x3 + (v23 * x2 + (v13 * x1 + (v03 * x0 + b3)))


@njit(error_model="numpy", fastmath={"contract"})
def add_four(block, V, v, state, s, passes, z):
    """Add 4 * passes rows of the state to the four rows of z."""
    L = lanes(block)
    L2, L3 = 2 * L, 3 * L
    if v < 0 or s < 0:
        return
    for _ in range(passes):
        v00, v01, v02, v03 = V[v], V[v + 1], V[v + 2], V[v + 3]
        v10, v11, v12, v13 = V[v + 4], V[v + 5], V[v + 6], V[v + 7]
        v20, v21, v22, v23 = V[v + 8], V[v + 9], V[v + 10], V[v + 11]
        v30, v31, v32, v33 = V[v + 12], V[v + 13], V[v + 14], V[v + 15]
        for t in range(z.size // 4):
            x0, x1, x2, x3 = state[s + t], state[s + L + t], state[s + L2 + t], state[s + L3 + t]
            z[t] = v30 * x3 + (v20 * x2 + (v10 * x1 + (v00 * x0 + z[t])))
            z[L + t] = v31 * x3 + (v21 * x2 + (v11 * x1 + (v01 * x0 + z[L + t])))
            z[L2 + t] = v32 * x3 + (v22 * x2 + (v12 * x1 + (v02 * x0 + z[L2 + t])))
            z[L3 + t] = v33 * x3 + (v23 * x2 + (v13 * x1 + (v03 * x0 + z[L3 + t])))
        v += 16
        s += 4 * L


@njit(error_model="numpy", fastmath={"contract"})
def add_three(block, V, v, state, s, passes, z):
    """Add 4 * passes rows of the state to the rows 0, 1 and 3 of z."""
    L = lanes(block)
    L2, L3 = 2 * L, 3 * L
    if v < 0 or s < 0:
        return
    for _ in range(passes):
        v00, v01, v03 = V[v], V[v + 1], V[v + 2]
        v10, v11, v13 = V[v + 3], V[v + 4], V[v + 5]
        v20, v21, v23 = V[v + 6], V[v + 7], V[v + 8]
        v30, v31, v33 = V[v + 9], V[v + 10], V[v + 11]
        for t in range(z.size // 4):
            x0, x1, x2, x3 = state[s + t], state[s + L + t], state[s + L2 + t], state[s + L3 + t]
            z[t] = v30 * x3 + (v20 * x2 + (v10 * x1 + (v00 * x0 + z[t])))
            z[L + t] = v31 * x3 + (v21 * x2 + (v11 * x1 + (v01 * x0 + z[L + t])))
            z[L3 + t] = v33 * x3 + (v23 * x2 + (v13 * x1 + (v03 * x0 + z[L3 + t])))
        v += 12
        s += 4 * L


# ---- one step of all layers


@njit(error_model="numpy", fastmath={"contract"})
def step(block, plan, V, state, z, scale, odd):
    """Every layer from the h that `odd` names (0 even, 1 odd) to the other; the inputs stand in the first rows."""
    L = lanes(block)
    source = 0
    for k in range(plan.shape[0]):
        old, new = plan[k, EVEN + odd] * L, plan[k, ODD - odd] * L
        passed, kept, lstm = plan[k, PASSED], plan[k, KEPT] // 4, plan[k, LSTM]
        v, w, b, c = plan[k, INPUT_WEIGHTS], plan[k, STATE_WEIGHTS], plan[k, BIAS], plan[k, MEMORY] * L
        for i in range(plan[k, UNITS]):
            if passed == 2:
                begin_two(block, V, v, b, state, source, z)
            else:
                begin_four(block, V, v, b, state, source, z)
                add_four(block, V, v + 16, state, source + 4 * L, passed // 4 - 1, z)
            if lstm:
                add_four(block, V, w, state, old, kept, z)
                lstm_unit(block, z, state, c + i * L, new + i * L, scale)
                w += 16 * kept
            else:
                add_three(block, V, w, state, old, kept, z)
                gru_unit(block, z, state, old + i * L, new + i * L)
                w += 12 * kept
            v += 4 * passed
            b += 4
        source = new


# ---- into the lanes and out of them


@njit
def place(block, plan, initial, first, state):
    """Spread joint states, (N, d) or (1, d) for all, over the lanes from run `first` on; all else is 0."""
    L = lanes(block)
    state[:] = 0
    for t in range(L):
        run = 0 if initial.shape[0] == 1 else min(first + t, initial.shape[0] - 1)
        r = 0
        for k in range(plan.shape[0]):
            if plan[k, LSTM]:
                for i in range(plan[k, UNITS]):
                    state[(plan[k, MEMORY] + i) * L + t] = initial[run, r]
                    r += 1
            for i in range(plan[k, UNITS]):
                state[(plan[k, EVEN] + i) * L + t] = initial[run, r]
                r += 1


@njit
def receive(block, inputs, steps, width, first, start, received):
    """The inputs of up to STRETCH steps from `start` on, for a block of runs, into the lanes of `received`.

    `inputs` is (N, T, m) or (1, T, m) for all, flat; `width` is m.
    """
    L = lanes(block)
    runs = inputs.size // (steps * width)
    count = min(STRETCH, steps - start) * width
    for t in range(L):
        place = ((0 if runs == 1 else min(first + t, runs - 1)) * steps + start) * width
        if place < 0:
            return
        for e in range(count):
            received[e * L + t] = inputs[place + e]


@njit
def feed(block, received, s, width, state):
    """The inputs of one step to the first rows of the state."""
    L = lanes(block)
    place = s * width * L
    if place < 0:
        return
    for e in range(width * L):
        state[e] = received[place + e]


@njit
def write_rows(block, state, row, count, out, place, runs, first):
    """`count` rows of the state, from `row` on, to the lines of `runs` numbers that start at `place` in `out`."""
    L = lanes(block)
    width = min(L, runs - first)
    for i in range(count):
        target, source = place + i * runs + first, (row + i) * L
        # slices and a length of their own let the compiler use vector instructions here
        line, values = out[target : target + width], state[source : source + width]
        for t in range(line.size):
            line[t] = values[t]


@njit
def write_states(block, plan, state, odd, out, place, runs, first):
    """The joint states, a line a coordinate."""
    for k in range(plan.shape[0]):
        n = plan[k, UNITS]
        if plan[k, LSTM]:
            write_rows(block, state, plan[k, MEMORY], n, out, place, runs, first)
            place += n * runs
        write_rows(block, state, plan[k, EVEN + odd], n, out, place, runs, first)
        place += n * runs


@njit(error_model="numpy", fastmath={"contract"})
def write_outputs(block, state, row, C, d, out, place, runs, first, work):
    """y = C h + d, a line an output, where h starts at `row`; no rows of C stand for y = h."""
    L = lanes(block)
    if C.shape[0] == 0:
        write_rows(block, state, row, C.shape[1], out, place, runs, first)
    for q in range(C.shape[0]):
        read(block, C, q, state, row, work)
        for t in range(L):
            work[t] += d[q]
        write_rows(block, work, 0, 1, out, place + q * runs, runs, first)


@njit(error_model="numpy", fastmath={"contract"})
def read(block, C, q, rows, row, total):
    """Row q of C times the rows from `row` on."""
    L = lanes(block)
    total[:] = 0
    for k in range(C.shape[1]):
        weight, place = C[q, k], (row + k) * L
        if place < 0:
            return
        for t in range(L):
            total[t] += weight * rows[place + t]


# ---- one network along many runs, a block at a time


@njit(cache=True, nogil=True)
def run_states(block, plan, V, rows, scale, initial, inputs, steps, width, first, out, runs):
    """The joint states at the times 0 to T of the block of runs from `first` on to `out`, (T + 1, d, N) flat."""
    L = lanes(block)
    state, z = np.empty(rows * L, V.dtype), np.empty(4 * L, V.dtype)
    received = np.empty(STRETCH * width * L, V.dtype)
    place(block, plan, initial, first, state)
    size = initial.shape[1] * runs
    write_states(block, plan, state, 0, out, 0, runs, first)
    for s in range(steps):
        if s % STRETCH == 0:
            receive(block, inputs, steps, width, first, s, received)
        feed(block, received, s % STRETCH, width, state)
        step(block, plan, V, state, z, scale, s % 2)
        write_states(block, plan, state, (s + 1) % 2, out, (s + 1) * size, runs, first)


@njit(cache=True, nogil=True)
def run_outputs(block, plan, V, rows, scale, C, d, initial, inputs, steps, width, first, out, runs):
    """The outputs at the times 1 to T of the block of runs from `first` on to `out`, (T, p, N) flat."""
    L = lanes(block)
    state, z, work = np.empty(rows * L, V.dtype), np.empty(4 * L, V.dtype), np.empty(L, V.dtype)
    received = np.empty(STRETCH * width * L, V.dtype)
    place(block, plan, initial, first, state)
    size = (C.shape[0] or C.shape[1]) * runs
    for s in range(steps):
        if s % STRETCH == 0:
            receive(block, inputs, steps, width, first, s, received)
        feed(block, received, s % STRETCH, width, state)
        step(block, plan, V, state, z, scale, s % 2)
        write_outputs(block, state, plan[-1, ODD - s % 2], C, d, out, s * size, runs, first, work)


# ---- two runs of one network side by side


@njit(error_model="numpy", fastmath={"contract"})
def output_deviation(block, row, C, left, right, size, work, total):
    """‖C (h - h')‖∞ of every lane to `size`; no rows of C stand for ‖h - h'‖∞."""
    L = lanes(block)
    size[:] = 0
    n = C.shape[1]
    for k in range(n):
        place = (row + k) * L
        if place < 0:
            return
        for t in range(L):
            work[k * L + t] = left[place + t] - right[place + t]
    for q in range(C.shape[0] or n):
        if C.shape[0]:
            read(block, C, q, work, 0, total)
        for t in range(L):
            x = abs(total[t]) if C.shape[0] else abs(work[q * L + t])
            size[t] = x if x > size[t] else size[t]


@njit(error_model="numpy", fastmath={"contract"})
def state_deviation(block, plan, odd, inverse, left, right, size):
    """max |x - x'|/v over the coordinates of the joint state, 1/v = `inverse`, of every lane to `size`."""
    L = lanes(block)
    size[:] = 0
    r = 0
    for k in range(plan.shape[0]):
        for part in range(1 - plan[k, LSTM], 2):
            row = plan[k, EVEN + odd] if part else plan[k, MEMORY]
            for i in range(plan[k, UNITS]):
                place = (row + i) * L
                if place < 0:
                    return
                for t in range(L):
                    x = inverse[r] * abs(left[place + t] - right[place + t])
                    size[t] = x if x > size[t] else size[t]
                r += 1


@njit(cache=True, nogil=True)
def run_deviations(block, plan, V, rows, scale, C, initials, inputs, steps, width, first, out, runs):
    """e(t) = ‖y - y'‖∞ at the times 0 to T of the block of pairs from `first` on to `out`, (T + 1, N) flat."""
    L = lanes(block)
    left, right = np.empty(rows * L, V.dtype), np.empty(rows * L, V.dtype)
    z, size, total = np.empty(4 * L, V.dtype), np.empty(L, V.dtype), np.empty(L, V.dtype)
    work = np.empty(C.shape[1] * L, V.dtype)
    ours, theirs = np.empty(STRETCH * width * L, V.dtype), np.empty(STRETCH * width * L, V.dtype)
    place(block, plan, initials[0], first, left)
    place(block, plan, initials[1], first, right)
    for s in range(steps + 1):
        output_deviation(block, plan[-1, EVEN + s % 2], C, left, right, size, work, total)
        write_rows(block, size, 0, 1, out, s * runs, runs, first)
        if s == steps:
            break
        if s % STRETCH == 0:
            receive(block, inputs[0], steps, width, first, s, ours)
            receive(block, inputs[1], steps, width, first, s, theirs)
        feed(block, ours, s % STRETCH, width, left)
        feed(block, theirs, s % STRETCH, width, right)
        step(block, plan, V, left, z, scale, s % 2)
        step(block, plan, V, right, z, scale, s % 2)


@njit(cache=True, nogil=True)
def run_recovery(
    block, plan, V, rows, scale, C, initials, inputs, steps, width, start, first, epsilon, inverse, gain, out, proven
):
    """The recovery times of the block of pairs from `first` on, until all are final or the inputs end.

    Times count from the step `start` on.  out[r] becomes 1 + the last time with e > ε, or stays 0; proven[r] the first
    time at which `gain` max |x - x'|/v <= ε says that none can follow, or stays -1; no `inverse`, no such test.
    """
    L = lanes(block)
    left, right = np.empty(rows * L, V.dtype), np.empty(rows * L, V.dtype)
    z, size, total = np.empty(4 * L, V.dtype), np.empty(L, V.dtype), np.empty(L, V.dtype)
    work = np.empty(C.shape[1] * L, V.dtype)
    ours, theirs = np.empty(STRETCH * width * L, V.dtype), np.empty(STRETCH * width * L, V.dtype)
    place(block, plan, initials[0], first, left)
    place(block, plan, initials[1], first, right)
    pairs = min(L, out.size - first)
    for s in range(steps + 1):
        if s >= start:
            output_deviation(block, plan[-1, EVEN + s % 2], C, left, right, size, work, total)
            for t in range(pairs):
                if size[t] > epsilon:
                    out[first + t] = s - start + 1
        if s >= start and inverse.size:
            waiting = 0
            state_deviation(block, plan, s % 2, inverse, left, right, size)
            for t in range(pairs):
                if proven[first + t] < 0 and gain * size[t] <= epsilon:
                    proven[first + t] = s - start
                waiting += proven[first + t] < 0
            if waiting == 0:
                return
        if s == steps:
            return
        if s % STRETCH == 0:
            receive(block, inputs[0], steps, width, first, s, ours)
            receive(block, inputs[1], steps, width, first, s, theirs)
        feed(block, ours, s % STRETCH, width, left)
        feed(block, theirs, s % STRETCH, width, right)
        step(block, plan, V, left, z, scale, s % 2)
        step(block, plan, V, right, z, scale, s % 2)
