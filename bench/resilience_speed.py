"""How many steps of LSTM and GRU runs per CPU second do Numba and torch make, and how near is that to the machine?

    python bench/resilience_speed.py [--batch 64 256] [--few 1 4 16] [--repeats 7] [--seconds 0.2] [--seed 0]
        [--json FILE]

Both compute the outputs of the same batch from rest, torch under no_grad; arrays in, arrays out.  What one core could
do at most is measured in the same turns: its sums and products by the fastest way known to peaks.py, and the kernels'
gates alone.
"""

import answer

# isort: split
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from itertools import product
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from numba import njit
from peaks import probe, rate

from lemmata.sim.resilience import _kernels, outputs
from lemmata.sim.resilience.packed import TANGENT
from lemmata.theory.resilience import cells_from_torch

UNITS = (4, 16, 64, 256)
WIDE = (64, 256)  # layers of which few runs are timed too
INPUTS = 2
ASKED = {
    ("LSTM", "float64"): (11.0, 7.0, 4.5, 1.9),
    ("LSTM", "float32"): (7.0, 1.8, 1.5, 0.95),
}  # times torch
AGREED = {"float64": 1e-14, "float32": 6e-7}  # float32: 2e-7 a step, times three for those before it
WORK = 6e7  # steps times units times columns of a call, about

COLUMNS = {
    "layer": "",
    "precision": "",
    "units": "d",
    "runs": "d",
    "steps": "d",
    "torch Msteps/s": ".3f",
    "Numba Msteps/s": ".3f",
    "× torch": ".2f",
    "asked": "g",
    "met": "",
    "difference": ".1e",
    "product GFLOP/s": ".1f",
    "of the peak %": ".0f",
    "product alone: × torch": ".1f",
    "product and gates: × torch": ".1f",
}


@njit
def gates(lstm: bool, z: Any, state: Any, scale: Any, times: int) -> None:
    """The gates of `ROOM` numbers, again and again; their arguments stay in the cache."""
    for _ in range(times):
        if lstm:
            _kernels.lstm_gates(z, _kernels.ROOM, state, 0, _kernels.ROOM, scale)
        else:
            _kernels.gru_gates(z, _kernels.ROOM, state, 0, _kernels.ROOM)


def gate_seconds(kind: str, dtype: np.dtype[Any], times: int = 20_000) -> float:
    """CPU seconds of the gates of one unit of one run."""
    # the GRU's sum grows with every call, and σ and tanh take the same time everywhere
    z, state = np.full(4 * _kernels.ROOM, 0.01, dtype), np.zeros(2 * _kernels.ROOM, dtype)
    call = partial(gates, kind == "LSTM", z, state, dtype.type(TANGENT))
    call(1)
    return answer.timed(lambda: call(times))[1] / (times * _kernels.ROOM)


def per_call(work: Callable[[], Any], seconds: float) -> float:
    """CPU seconds a call over calls that fill `seconds`."""
    start, calls = process_time(), 0
    while (spent := process_time() - start) < seconds:
        work()
        calls += 1
    return spent / calls


def row(kind: str, precision: str, n: int, batch: int, asked: Namespace) -> dict[str, object]:
    """One layer: medians over the repeats, in which all take turns."""
    dtype = np.dtype(precision)
    steps = int(min(200, max(10, WORK // (batch * n * (n + INPUTS)))))
    torch.manual_seed(asked.seed)
    module = getattr(torch.nn, kind)(INPUTS, n, batch_first=True).to(getattr(torch, precision))
    inputs = torch.empty(batch, steps, INPUTS, dtype=getattr(torch, precision)).uniform_(-1, 1)
    cell, array = cells_from_torch(module), inputs.numpy()

    def rival() -> Any:
        with torch.no_grad():
            return module(inputs)[0]

    def ours() -> Any:
        return outputs(cell, None, array, precision)

    difference = float(np.abs(ours() - rival().numpy()).max())
    if difference > AGREED[precision]:
        raise SystemExit(f"{kind} in {precision} with {n} units differs from torch by {difference:.1e}")
    times: dict[str, list[float]] = {"torch": [], "ours": [], "product": [], "gates": []}
    for _ in range(asked.repeats):
        times["torch"].append(per_call(rival, asked.seconds))
        times["ours"].append(per_call(ours, asked.seconds))
        times["product"].append(rate(probe(f"flops{precision[5:]}"), 1))
        times["gates"].append(gate_seconds(kind, dtype))
    theirs, mine, peak, gate = (median(each) for each in times.values())
    made = batch * steps
    flops = 2.0 * (4 if kind == "LSTM" else 3) * n * (n + INPUTS)
    wanted = ASKED[kind, precision][UNITS.index(n)] if (kind, precision) in ASKED and batch >= 64 else None
    cells = (
        *(kind, precision, n, batch, steps, made / theirs / 1e6, made / mine / 1e6),
        *(theirs / mine, wanted, None if wanted is None else theirs / mine >= wanted, difference),
        *(flops * made / mine / 1e9, 100 * flops * made / mine / peak),
        *(theirs / (made * flops / peak), theirs / (made * (flops / peak + n * gate))),
    )
    return dict(zip(COLUMNS, cells, strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[64, 256], help="runs side by side (default 64 and 256)"
    )
    parser.add_argument(
        "--few", type=int, nargs="*", default=[1, 4, 16], help="the same of wide layers alone (default 1, 4 and 16)"
    )
    parser.add_argument("--repeats", type=int, default=7, help="timings of each, median taken (default 7)")
    parser.add_argument("--seconds", type=float, default=0.2, help="that each is timed at a stretch (default 0.2)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    layers = tuple(product(("LSTM", "GRU"), ("float64", "float32")))
    cases = (*product(layers, UNITS, asked.batch), *product(layers, WIDE, asked.few))
    rows = [row(*layer, n, batch, asked) for layer, n, batch in cases]
    notes = (
        f"Outputs of all runs from rest, {INPUTS} inputs, one layer with torch's initial weights; median of "
        f"{asked.repeats}, all taking turns. A step is one step of one run.",
        "Numba: the public function `outputs`, with its checks. × torch: CPU seconds of torch over those of Numba.",
        "Product: 2 · 4 n (n + 2) operations a step (GRU: 2 · 3 n (n + 2)) in the time of the whole step, against "
        "the peak, the fastest of BLAS products in and out of the cache, the kernels' own product in the cache and "
        "sums and products in the registers, same precision.",
        "Product alone: what would be the speed-up if a step took no longer than these operations at the peak; "
        "product and gates: with our σ and tanh, run from the cache, added. "
        "What is asked beyond it cannot be met here.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
