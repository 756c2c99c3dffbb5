"""Steps of LSTM and GRU layers for a block of runs at a time, a lane a run, the lanes innermost in every array.

Letters are those of docs/resilience: u inputs, h and c states, z pre-activations, R weights.  A block has 64, four or
one lanes, as the type of `block` says, so that the distance of two rows is a constant that the compiler knows; blocks
are always full.  With 64 lanes a vector holds a number of several runs and the weights are spread over vectors one by
one; with fewer a vector holds a weight of several units and the states are spread.  Every sum has the same order in
both, b, then W u, then R h, column by column: a run comes out the same in any block.

`plan` has a row a layer (columns below); `weights`, V, holds the units in groups of as many as stand side by side in a
vector (of one, with 64 lanes), a group's b, W and R column by column, gate by gate, scaled as `packed.py` says.

`contract` lets the compiler fuse a product and a sum, which only rounds less; nothing may be reordered, as that would
ruin the exponential.  The error model is NumPy's because a test for a zero divisor would keep loops from becoming
vector instructions, and so would an index that might be negative: hence the guards.

Nothing here checks its arguments or draws random numbers.  All kernels share one file because Numba's cache notices a
change of a function's own file alone, not of what it calls elsewhere.
"""

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.extending import intrinsic, overload

STRETCH = 16  # steps whose inputs are brought into lanes together
ROOM = 128  # numbers of a row of z, whose gates are taken together

# bytes of a vector, and how many vectors of one gate are summed up side by side: four gates' fill half the registers
VECTOR, SIDE = (64, 4) if get_host_cpu_features().get("avx512f") else (32, 2)

# the columns of `plan`
LSTM, UNITS, PASSED, KEPT, WEIGHTS, EVEN, ODD, MEMORY, COLUMNS = range(9)

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


def group(block, V):
    """How many units stand side by side in V."""
    raise NotImplementedError("only compiled code calls this")


def lanes_of(block):
    """`lanes` of the type of a block."""
    return {types.int8: 64, types.int16: 4, types.int32: 1}[block]


def group_of(block, dtype):
    """`group` of the types of a block and of its numbers."""
    return 1 if block == types.int8 else 8 * VECTOR // dtype.bitwidth


@overload(lanes)
def _lanes(block):
    number = lanes_of(block)
    return lambda block: number


@overload(group)
def _group(block, V):
    number = group_of(block, V.dtype)
    return lambda block, V: number


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


# ---- the gates of some units


@njit(error_model="numpy", fastmath={"contract"})
def lstm_gates(z, count, state, c, h, scale):
    """c⁺ = fc + ig and h⁺ = o tanh c⁺ from the rows i, f, g, o of z, at c and h and after; scale = -2/log 2."""
    if c < 0 or h < 0:
        return
    for t in range(count):
        pi, _, di = sigmoid(z[t])
        pf, _, df = sigmoid(z[ROOM + t])
        pg, dg = tangent(z[2 * ROOM + t])
        both = di * dg
        state[c + t] = (state[c + t] * pf * both + pi * pg * df) / (both * df)
    for t in range(count):
        po, _, do = sigmoid(z[3 * ROOM + t])
        pc, dc = tangent(scale * state[c + t])
        state[h + t] = po * pc / (do * dc)


@njit(error_model="numpy", fastmath={"contract"})
def gru_gates(z, count, state, old, new):
    """h⁺ = (1 - z)ν + zh, ν = tanh(a + rq), from the rows r, z, a, q of z."""
    if old < 0 or new < 0:
        return
    for t in range(count):
        pr, _, dr = sigmoid(z[t])
        z[2 * ROOM + t] += z[3 * ROOM + t] * pr / dr
    for t in range(count):
        pz, qz, dz = sigmoid(z[ROOM + t])
        pn, dn = tangent(z[2 * ROOM + t])
        state[new + t] = (qz * pn + pz * dn * state[old + t]) / (dz * dn)


# ---- z = b + W u + R h of one group of units


def product_of(input_gates, state_gates):
    """A product that fills four rows of z, where W has columns for the `input_gates` of them and R for the others.

    Written in LLVM's instructions, since of loops over arrays the compiler stores and reloads the sums at every column.
    """

    @intrinsic
    def product(typing, block, V, v, state, source, passed, old, kept, z, place):
        """The rows of z from `place` on, of the group at v: `passed` rows of u at `source`, `kept` of h at `old`."""
        number = types.intp
        signature = types.void(block, V, number, state, number, number, number, number, z, number)

        def generate(context, builder, signature, arguments):
            emitter = Emitter(context, builder, signature.args[0], signature.args[1].dtype)
            V, state, z = (
                context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (1, 3, 8)
            )
            _, _, v, _, source, passed, old, kept, _, place = arguments
            parts = ((input_gates, source, passed), (state_gates, old, kept))
            sums = [[None] * emitter.vectors for gate in range(4)]
            for first in range(0, emitter.vectors, emitter.side):
                emitter.sum_up(sums, first, V, v, state, parts)
            emitter.write(sums, z, place)
            return context.get_dummy_value()

        return signature, generate

    return product


class Emitter:
    """Writes the instructions of a product; what the methods take and return stands for numbers of the program."""

    def __init__(self, context, builder, block, dtype):
        self.builder = builder
        self.bytes = dtype.bitwidth // 8
        self.width = VECTOR // self.bytes
        self.lanes, self.group = lanes_of(block), group_of(block, dtype)
        self.vectors = self.lanes // self.width if self.group == 1 else self.lanes  # of one gate
        self.side = min(SIDE, self.vectors)
        self.vector = ir.VectorType(context.get_value_type(dtype), self.width)
        self.integer = context.get_value_type(types.intp)

    def number(self, value):
        return ir.Constant(self.integer, value)

    def load(self, array, place, offset):
        """Neighbours, as a vector."""
        pointer = self.builder.gep(array, [self.builder.add(place, self.number(offset))])
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.bytes)

    def spread(self, array, place, offset):
        """One number, all over a vector."""
        value = self.builder.load(self.builder.gep(array, [self.builder.add(place, self.number(offset))]))
        nothing = ir.Constant(self.vector, ir.Undefined)
        single = self.builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(single, nothing, self.order([0] * self.width))

    def order(self, places):
        return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)

    def weight(self, V, v, gate):
        if self.group == 1:
            return self.spread(V, v, gate)
        return self.load(V, v, gate * self.group)

    def value(self, state, row, j):
        if self.group == 1:
            return self.load(state, row, j * self.width)
        return self.spread(state, row, j)

    def sum_up(self, sums, first, V, v, state, parts):
        """The vectors from `first` on of every gate, `side` of them: b and the columns of all parts."""
        chosen = range(first, first + self.side)
        for gate in range(4):
            bias = self.weight(V, v, gate)
            for j in chosen:
                sums[gate][j] = bias
        v = self.builder.add(v, self.number(4 * self.group))
        for gates, row, count in parts:
            v = self.add_columns(sums, chosen, gates, V, v, state, row, count)

    def add_columns(self, sums, chosen, gates, V, v, state, row, count):
        """Add `count` rows of the state, times the columns from v on, to the sums; where the next columns start."""
        builder, before = self.builder, self.builder.block
        head, body, after = (builder.append_basic_block(name) for name in ("columns", "column", "summed"))
        start = builder.mul(row, self.number(self.lanes))
        builder.branch(head)
        builder.position_at_end(head)
        k, here, place = (self.running(value, before) for value in (self.number(0), v, start))
        for gate in gates:
            for j in chosen:
                sums[gate][j] = self.running(sums[gate][j], before)
        builder.cbranch(builder.icmp_signed("<", k, count), body, after)
        builder.position_at_end(body)
        values = [self.value(state, place, j) for j in chosen]
        for q, gate in enumerate(gates):
            weight = self.weight(V, here, q)
            for j, value in zip(chosen, values, strict=True):
                term = builder.fmul(weight, value, flags=("contract",))
                sums[gate][j].add_incoming(builder.fadd(sums[gate][j], term, flags=("contract",)), body)
        for phi, more in ((k, 1), (here, len(gates) * self.group), (place, self.lanes)):
            phi.add_incoming(builder.add(phi, self.number(more)), body)
        builder.branch(head)
        builder.position_at_end(after)
        return here

    def running(self, value, before):
        """A number that starts as `value` and changes in a loop."""
        phi = self.builder.phi(value.type)
        phi.add_incoming(value, before)
        return phi

    def write(self, sums, z, place):
        """The sums to z, the runs of a unit side by side."""
        for gate, row in enumerate(sums):
            if self.group > 1:
                while len(row) > 1:  # 0 1 2 3 to 02 13 to 0123
                    half = len(row) // 2
                    row = [self.interleaved(*pair) for pair in zip(row[:half], row[half:], strict=True)]
            for j, vector in enumerate(row):
                target = self.builder.gep(z, [self.builder.add(place, self.number(gate * ROOM + j * self.width))])
                pointer = self.builder.bitcast(target, vector.type.as_pointer())
                self.builder.store(vector, pointer, align=self.bytes)

    def interleaved(self, left, right):
        """left[0], right[0], left[1], …"""
        n = left.type.count
        return self.builder.shuffle_vector(left, right, self.order([k // 2 + n * (k % 2) for k in range(2 * n)]))


lstm_product = product_of((0, 1, 2, 3), (0, 1, 2, 3))
gru_product = product_of((0, 1, 2), (0, 1, 3))


# ---- one step of all layers


@njit(error_model="numpy", fastmath={"contract"})
def step(block, plan, V, state, z, scale, odd):
    """Every layer from the h that `odd` names (0 even, 1 odd) to the other; the inputs stand in the first rows."""
    L, G = lanes(block), group(block, V)
    source = 0
    for k in range(plan.shape[0]):
        old, new, c = plan[k, EVEN + odd], plan[k, ODD - odd], plan[k, MEMORY]
        passed, kept, lstm, v = plan[k, PASSED], plan[k, KEPT], plan[k, LSTM], plan[k, WEIGHTS]
        size = G * (4 + (3 + lstm) * (passed + kept))  # of a group, in V
        for i in range(0, plan[k, UNITS], ROOM // L):
            count = min(ROOM, L * G * -((i - plan[k, UNITS]) // G))
            for place in range(0, count, G * L):
                if lstm:
                    lstm_product(block, V, v, state, source, passed, old, kept, z, place)
                else:
                    gru_product(block, V, v, state, source, passed, old, kept, z, place)
                v += size
            if lstm:
                lstm_gates(z, count, state, (c + i) * L, (new + i) * L, scale)
            else:
                gru_gates(z, count, state, (old + i) * L, (new + i) * L)
        source = new


# ---- into the lanes and out of them


@njit
def aligned(count, V):
    """`count` numbers of V's type, the first at the start of a cache line."""
    out = np.empty(count + 64 // V.itemsize, V.dtype)
    skip = -out.ctypes.data % 64 // V.itemsize
    return out[skip : skip + count]


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
    if runs == L:  # the lines lie side by side
        count, width = 1, count * L
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
    state, z = aligned(rows * L, V), aligned(4 * ROOM, V)
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
    state, z, work = aligned(rows * L, V), aligned(4 * ROOM, V), np.empty(L, V.dtype)
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
    left, right = aligned(rows * L, V), aligned(rows * L, V)
    z, size, total = aligned(4 * ROOM, V), np.empty(L, V.dtype), np.empty(L, V.dtype)
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
        for state in (left, right):  # one place from which `step` is called, as it is compiled for each
            step(block, plan, V, state, z, scale, s % 2)


@njit(cache=True, nogil=True)
def run_recovery(
    block, plan, V, rows, scale, C, initials, inputs, steps, width, start, first, epsilon, inverse, gain, out, proven
):
    """The recovery times of the block of pairs from `first` on, until all are final or the inputs end.

    Times count from the step `start` on.  out[r] becomes 1 + the last time with e > ε, or stays 0; proven[r] the first
    time at which `gain` max |x - x'|/v <= ε says that none can follow, or stays -1; no `inverse`, no such test.
    """
    L = lanes(block)
    left, right = aligned(rows * L, V), aligned(rows * L, V)
    z, size, total = aligned(4 * ROOM, V), np.empty(L, V.dtype), np.empty(L, V.dtype)
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
        for state in (left, right):  # one place from which `step` is called, as it is compiled for each
            step(block, plan, V, state, z, scale, s % 2)
