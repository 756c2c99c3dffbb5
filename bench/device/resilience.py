"""Rows of gpu.py: pairs of runs of an LSTM, and how far apart they are at every step."""

import numpy as np
import torch

from device.case import Case, Maker, Setting
from device.clock import Run, Way
from lemmata.accel.resilience import TorchStack, deviations
from lemmata.sim import resilience as sim
from lemmata.theory.resilience import LSTMCell
from lemmata.theory.streams import stream

PAIRS, STEPS, UNITS = 100_000, 1000, 64
FEW_PAIRS, FEW_STEPS, FEW_UNITS = 16, 20, 8
INPUTS = 2
COMPARED = (64, 100)  # pairs and steps
BLOCK = 64  # pairs that the CPU's kernels take at once
MEMORIES = {"default memory": (None, None), "1 GiB": (1 << 30, 1 << 19)}  # timed; compared, where it must cut
WORK = 4  # times the inputs and deviations: what the pieces may take beside them
# of deviations near 1; a step is off by a few roundings and contracts what came before
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5}


def lstm(units: int, seed: int) -> LSTMCell:
    """Drawn as `torch.nn.LSTM` draws it."""
    rng, width = stream(seed, "LSTM", units), units**-0.5
    b = rng.uniform(-width, width, 4 * units)
    return LSTMCell(rng.uniform(-width, width, (4 * units, INPUTS)), rng.uniform(-width, width, (4 * units, units)), b)


def pairs_apart(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    asked, T, n = (FEW_PAIRS, FEW_STEPS, FEW_UNITS) if setting.small else (PAIRS, STEPS, UNITS)
    place, cell = setting.device.place, lstm(n, setting.seed)
    network = TorchStack.from_cells(cell, dtype=dtype, device=place)
    pairs = setting.fitting("pairs", asked, WORK * (2 * T * INPUTS + T + 1) * dtype.itemsize, share)
    precision = "float64" if dtype == torch.float64 else "float32"

    generator = setting.device.generator(setting.seed)
    u = torch.rand(2, pairs, T, INPUTS, dtype=dtype, device=place, generator=generator).mul_(2).sub_(1)

    def prepare(memory: int | None) -> Run:
        def run(amount: int) -> torch.Tensor:
            with torch.inference_mode():
                return deviations(network, u[0, :amount], u[1, :amount], memory=memory)

        return run

    def off(memory: int | None) -> float:
        count, steps = COMPARED
        few = stream(setting.seed, "inputs").uniform(-1, 1, (2, count, min(T, steps), INPUTS))
        exact = sim.deviations(cell, *few)
        with torch.inference_mode():
            there = torch.tensor(few, dtype=dtype, device=place)
            seen = deviations(network, *there, memory=memory).double().cpu().numpy()
        return float(np.abs(seen - exact).max() / exact.max())

    def host() -> Run:
        v = stream(setting.seed, "host").uniform(-1, 1, (2, 16 * BLOCK, T, INPUTS))

        def run(amount: int) -> None:
            for start in range(0, amount, 16 * BLOCK):
                rows = min(16 * BLOCK, amount - start)
                sim.deviations(cell, v[0, :rows], v[1, :rows], precision=precision)

        return run

    made = 2.0 * pairs * T
    ways = {
        name: Way(lambda m=timed: prepare(m), pairs, min(pairs, BLOCK), off=lambda m=compared: off(m))
        for name, (timed, compared) in MEMORIES.items()
    }
    ways["host"] = Way(host, pairs, min(pairs, BLOCK), host=True)
    needs = {
        "product": made * 2 * 4 * n * (n + INPUTS),
        "exp": made * 5 * n,
        "copy": float(pairs * (2 * T * INPUTS + T + 1) * dtype.itemsize),
    }
    size = f"{pairs} pairs, {T} steps, {n} units"
    return Case(
        *("resilience", "pairs of LSTM runs", size, dtype, made, "Msteps/s", 1e6, ways, needs, CLOSE[dtype]),
        host_key=f"resilience, {precision}",
    )


CASES: tuple[Maker, ...] = (pairs_apart,)
