"""The steps of recurrent networks that limits.py times: operations and parts.

Counted in the running code: gates and interval steps.  By formulas that are checked: products, against the weights that
the kernels read, and differences of outputs, against such a count.  By formula alone: the candidates of a search.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from resilience_share import fresh
from resilience_speed import gates

from lemmata.sim import resilience
from lemmata.sim.resilience import _kernels as recurrent
from lemmata.sim.resilience.packed import MANY, TANGENT, pack
from lemmata.theory.resilience import GRUCell, LSTMCell, interval, layer, lstm_step
from lemmata.theory.resilience.box import Box
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.resilience.interval import Interval
from lemmata.theory.streams import stream
from limited import tally
from limited.case import Case, same, times, together
from limited.tally import Counted, Numbers

Array = NDArray[Any]

INPUTS = 2  # of a layer
WHY = "gates at {rate gates} take {gates}, products at {rate products} {products}"


def gate_work(kind: str, precision: str) -> dict[str, float]:
    """Of one unit in one step, counted."""
    code = tally.plain(recurrent)
    bits = precision[5:]
    code.power_of_two = lambda k: Counted(1.0)
    number = code.types.float64 if bits == "64" else code.types.float32
    code.exponential = code._exponential(number)
    for name in ("MOST32", "ROUND32"):
        setattr(code, name, float(getattr(code, name)))
    z, state = Numbers(np.zeros(4 * code.ROOM)), Numbers(np.zeros(2))
    with tally.tally() as counted:
        if kind == "LSTM":
            code.lstm_gates(z, 1, state, 0, 1, Counted(TANGENT))
        else:
            code.gru_gates(z, 1, state, 0, 1)
    return {name.replace("64", bits): count for name, count in counted.items()}


def step_work(cell: LSTMCell | GRUCell, precision: str) -> dict[str, float]:
    """Of a step of one run: four (GRU: three) numbers of W and R a unit and column, and the gates."""
    n, lstm = cell.units, isinstance(cell, LSTMCell)
    gates = 4 if lstm else 3
    flops = 2 * gates * n * (n + cell.inputs)
    weights = pack(cell, precision).network(MANY)[1].size  # one product and sum each, but for the four biases of a unit
    same("a step", flops, 2 * (weights - 4 * n))
    bits = precision[5:]
    return together({f"flops{bits}": flops}, times(gate_work("LSTM" if lstm else "GRU", precision), n))


@njit
def products(lstm: bool, block: Any, V: Any, state: Any, z: Any, rows: int, times: int) -> None:
    """The product of one unit for a block of runs, again and again, its arguments in the cache."""
    for _ in range(times):
        if lstm:
            recurrent.lstm_product(block, V, 0, state, 0, 0, 0, rows, z, 0)
        else:
            recurrent.gru_product(block, V, 0, state, 0, 0, 0, rows, z, 0)


def step_parts(cell: LSTMCell | GRUCell, precision: str, steps: int) -> dict[str, Callable[[], object]]:
    """The products and the gates of so many steps of one run."""
    n, lstm, dtype = cell.units, isinstance(cell, LSTMCell), np.dtype(precision)
    rows = n + cell.inputs
    V, state, z = np.zeros(4 * (1 + rows), dtype), np.zeros(64 * rows, dtype), np.zeros(4 * recurrent.ROOM, dtype)
    mild, pair = np.full(4 * recurrent.ROOM, 0.01, dtype), np.zeros(2 * recurrent.ROOM, dtype)
    blocks = max(1, steps * n // 64)
    return {
        "products": partial(products, lstm, MANY, V, state, z, rows, blocks),
        "gates": partial(gates, lstm, mild, pair, dtype.type(TANGENT), steps * n // recurrent.ROOM),
    }


def part_flops(kind: str, precision: str, n: int, steps: int) -> dict[str, float]:
    """Sums and products of `step_parts`."""
    of_gates = n * gate_work(kind, precision)[f"flops{precision[5:]}"]
    return {"gates": steps * of_gates, "products": steps * 2.0 * (4 if kind == "LSTM" else 3) * n * (n + INPUTS)}


def layers(cell: LSTMCell | GRUCell, precision: str, u: Array) -> Callable[[], object]:
    """What `outputs` calls once its arguments are checked."""
    packed, (runs, T, m) = pack(cell, precision), u.shape
    x, out = np.zeros((1, packed.stack.dimension)), np.empty(T * cell.units * runs, precision)

    def work() -> None:
        for block, first in packed.blocks(runs):
            given = (*packed.network(block), packed.output, packed.offset, x)
            recurrent.run_outputs(block, *given, u.ravel(), T, m, first, out, runs)

    return work


def cell_of(kind: str, n: int, seed: int) -> LSTMCell | GRUCell:
    """As torch draws it."""
    lstm = fresh(n, seed)
    if kind == "LSTM":
        return lstm
    half = lstm.bias[: 3 * n] / 2
    return GRUCell(lstm.weight_ih[: 3 * n], lstm.weight_hh[: 3 * n], half, half)


def step_cases(seed: int) -> Iterator[Case]:
    for kind in ("LSTM", "GRU"):
        for precision in ("float64", "float32"):
            for n in (4, 16, 64, 256):
                cell, runs = cell_of(kind, n, seed), 128
                T = int(np.clip(3e5 // (n * (n + 8)), 4, 400))
                u = stream(seed, "limits", "inputs").uniform(-1, 1, (runs, T, INPUTS)).astype(precision)
                steps, width = runs * T, np.dtype(precision).itemsize
                yield Case(
                    *(f"{kind} step, {precision}", f"n = {n}", "step of a run", steps),
                    *(times(step_work(cell, precision), steps), float(width * steps * (n + INPUTS))),
                    partial(resilience.outputs, cell, None, u, precision),
                    step_parts(cell, precision, steps) | {"without checks": layers(cell, precision, u)},
                    part_flops=part_flops(kind, precision, n, steps),
                    why=WHY + ", checks and packing {beside without checks}",
                )


def pair_cases(seed: int) -> Iterator[Case]:
    for n in (16, 64):
        cell, runs, T = cell_of("LSTM", n, seed), 128, 40
        u = stream(seed, "limits", "pairs").uniform(-1, 1, (2, runs, T, INPUTS))
        step = step_work(cell, "float64")
        check_deviation(n)
        pair = together(times(step, 2 * T), {"flops64": (T + 1) * n})
        yield Case(
            *("deviations", f"LSTM, n = {n}", "step of a pair", runs * T, times(pair, runs)),
            *(8.0 * runs * (4 * T * 1 + T + 1), partial(resilience.deviations, cell, u[0], u[1])),
            step_parts(cell, "float64", 2 * runs * T),
            part_flops=part_flops("LSTM", "float64", n, 2 * runs * T),
            why=WHY,
        )
    cell, horizon, rounds = cell_of("LSTM", 16, seed), 50, 30
    box, states = Box(np.full(INPUTS, -1.0), np.full(INPUTS, 1.0)), Box(np.full(32, -1.0), np.full(32, 1.0))
    free = 2 * 32 + horizon * INPUTS  # coordinates of a candidate
    pair = together(times(step_work(cell, "float64"), 2 * horizon), {"flops64": (horizon + 1) * 16})
    numbers = {"uniforms": free + 3, "flops64": 3 * free}  # which stretch, in what manner, to what
    tried = 64 * (rounds + 1)
    u = stream(seed, "limits", "search").uniform(-1, 1, (2, 64, horizon, INPUTS))

    def deviated() -> None:
        for _ in range(rounds + 1):
            resilience.deviations(cell, u[0], u[1])

    yield Case(
        *("worst-case search", "LSTM, n = 16, T = 50", "pair tried", tried, times(together(pair, numbers), tried), 0.0),
        partial(
            resilience.worst_case,
            *(cell, box, 0.1),
            nominal_states=states,
            perturbed_states=states,
            horizon=horizon,
            searches=1,
            rounds=rounds,
        ),
        {**step_parts(cell, "float64", 2 * horizon * tried), "deviations": deviated},
        part_flops=part_flops("LSTM", "float64", 16, 2 * horizon * tried),
        why=WHY + ", all but deviations {beside deviations}",
    )


def check_deviation(n: int) -> None:
    """A difference a unit."""
    code = tally.plain(recurrent)
    code.lanes = lambda block: 1
    C, column = Numbers(np.zeros((0, n))), partial(np.zeros, n)
    with tally.tally() as counted:
        code.output_deviation(
            *(0, 0, C, Numbers(column()), Numbers(column()), Numbers([0.0]), Numbers(column()), Numbers([0.0]))
        )
    same("output_deviation", n, sum(counted.values()))


def tube_cases(seed: int) -> Iterator[Case]:
    for n in (4, 16, 64, 256):
        cell = cell_of("LSTM", n, seed)
        stack = as_stack(cell)
        X = Interval(np.full(2 * n, -0.5), np.full(2 * n, 0.7))
        U = Interval(np.full(INPUTS, -0.5), np.full(INPUTS, 0.5))
        layer.step_stack(stack, X, U)
        with tally.tally() as counted, tally.subclasses_kept(interval, lstm_step):
            seen = [Interval(tally.traced(each.lower), tally.traced(each.upper)) for each in (X, U)]
            layer.step_stack(stack, *seen)
        matrices = 3 * 4 * n * (n + INPUTS)  # P₊, P₋ and |P|
        if counted["flops64"] < 2 * 5 * 4 * n * (n + INPUTS):
            raise SystemExit("the count of an interval step misses its five products")
        cut = lstm_step.blocks(cell)
        low, high = X.lower[n:], X.upper[n:]

        def five(P: Any = cut.hh, low: Array = low, high: Array = high) -> None:
            for matrix, x in ((P.plus, low), (P.minus, high), (P.plus, high), (P.minus, low), (P.size, high)):
                matrix @ x

        yield Case(
            *("interval step", f"LSTM, n = {n}", "step", 1, dict(counted), 8.0 * (matrices + 8 * n)),
            partial(layer.step_stack, stack, X, U),
            {"five products with R": five, **interval_parts(cell, X, U)},
            why="NumPy calls, if bare, take {floor calls}; with what they do pre-activations take {pre-activations}, "
            "of which the five products with R {five products with R}, σ and tanh {σ and tanh}, products of intervals "
            "{products of intervals}",
        )


def interval_parts(cell: LSTMCell, X: Interval, U: Interval) -> dict[str, Callable[[], object]]:
    """The lines of `lstm_step.step_box`."""
    cut, n = lstm_step.blocks(cell), cell.units
    C, H = X[:n], X[n:]

    def affine() -> None:
        z = cut.ih @ U + cut.hh @ H + interval.point(cell.bias)
        for k in range(4):
            z[k * n : (k + 1) * n]

    def functions() -> None:
        for function in (interval.sigmoid, interval.sigmoid, interval.sigmoid, interval.tanh, interval.tanh):
            function(H)

    def of_intervals() -> None:
        for _ in range(3):
            C * H

    return {"pre-activations": affine, "σ and tanh": functions, "products of intervals": of_intervals}
