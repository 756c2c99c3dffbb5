"""Rows of gpu.py: chains of a reduced-rank posterior, sweep by sweep and as replays of a captured graph."""

from time import perf_counter

import numpy as np
import torch
from learning_speed import BETA, flops, with_numba

from device.case import Case, Maker, Setting
from device.clock import Run, Way
from lemmata.accel.learning import Chains, Posterior, true_layers
from lemmata.sim.learning import population, sample
from lemmata.sim.learning.sampler import random_numbers
from lemmata.theory.learning.network import reduced_rank_truth
from lemmata.theory.streams import stream

SHAPE = (10, 8, 10, 3)
CHAINS, SWEEPS = 100_000, 100
FEW_CHAINS, FEW_SWEEPS = 64, 4
WARMUP = 50  # as `estimate_energies` has it
HOST_CHAINS = 1024  # where the kernel is fastest (learning_speed.py)
NUMBERS = 30_000  # that a chain may hold at the height of a sweep, both ways together
SEEN = (128, 1000, 200)  # chains, sweeps and warm-up of the CPU's mean
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5}


class Average:
    """Of the smoothed energies of each chain, added up where they are."""

    def __init__(self) -> None:
        self.total: torch.Tensor | None = None
        self.sweeps = 0

    def add(self, total: torch.Tensor, sweeps: int) -> None:
        self.total = total.double() if self.total is None else self.total + total.double()
        self.sweeps += sweeps

    def mean(self) -> tuple[float, float]:
        chains = self.total.flatten() / self.sweeps
        return chains.mean().item(), chains.std().item() / chains.numel() ** 0.5


def recorded(setting: Setting, posterior: Posterior, start: list[torch.Tensor], generator: torch.Generator) -> Chains:
    """Captured on a GPU."""
    began = perf_counter()
    held = Chains(posterior, start, generator)
    if setting.device.cuda:
        if not held.captured:
            raise RuntimeError("no graph was captured")
        setting.device.wait()
        setting.notes.append(f"learning, {posterior.beta.dtype}: capturing took {perf_counter() - began:.2g} s.")
    return held


def sweeps(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    truth, place = reduced_rank_truth(*SHAPE), setting.device.place
    asked, whole = (FEW_CHAINS, FEW_SWEEPS) if setting.small else (CHAINS, SWEEPS)
    chains = setting.fitting("chains", asked, 8 * NUMBERS, share)
    posterior = Posterior.of_population([truth], [BETA], device=place, dtype=dtype)
    layers = true_layers([truth], device=place, dtype=dtype)
    averages = {"eager": Average(), "graph": Average()}

    def eager() -> Run:
        generator = setting.device.generator(setting.seed)
        state = [posterior.start(chains, layers, generator)]

        def run(amount: int, keep: bool = True) -> None:
            with torch.inference_mode():
                total = torch.zeros(1, chains, dtype=torch.float64, device=place)
                for _ in range(amount):
                    state[0], smooth = posterior.sweep(state[0], generator)
                    total += smooth
            if keep:
                averages["eager"].add(total, amount)

        run(WARMUP, False)
        return run

    def graph() -> Run:
        generator = setting.device.generator(setting.seed + 1)
        held = recorded(setting, posterior, posterior.start(chains, layers, generator), generator)
        held.run(WARMUP)

        def run(amount: int) -> None:
            averages["graph"].add(held.run(amount) * amount, amount)

        return run

    def off() -> float:
        """Of the energies of random weights."""
        W = [stream(setting.seed, "weights", k).standard_normal((1, 64, *w.shape[1:])) for k, w in enumerate(layers)]
        exact = 0.5 * BETA * ((W[1] @ W[0] - truth.targets[-1]) ** 2).sum((-2, -1))
        seen = posterior.energy([torch.tensor(w, dtype=dtype, device=place) for w in W]).double().cpu().numpy()
        return float(np.abs(seen - exact).max() / np.abs(exact).max())

    def reference() -> tuple[float, float]:
        count, kept, warmup = SEEN
        rng = stream(setting.seed, "energies")
        seen = sample(population(truth), BETA, rng=rng, sweeps=kept, chains=count, warmup=warmup)
        means = seen.layer_energy[0].mean((0, 2))
        return float(means.mean()), float(means.std(ddof=1) / count**0.5)

    total = float(whole * chains)
    numbers, state = sum(random_numbers(truth.network)), truth.network.parameters
    ways = {
        "eager": Way(eager, whole, off=off, mean=averages["eager"].mean),
        "graph": Way(graph, whole, captured=True, mean=averages["graph"].mean),
        "host": Way(lambda: with_numba(truth, HOST_CHAINS, setting.seed), total / HOST_CHAINS, host=True),
    }
    needs = {
        "product": total * flops(truth.network),
        "copy": total * 2 * state * dtype.itemsize,
        "normals": total * numbers,
    }
    size = f"{whole} sweeps, {chains} chains of {SHAPE}"
    return Case(
        *("learning", "sweeps", size, dtype, total, "Msweeps/s", 1e6, ways, needs, CLOSE[dtype]),
        lambda: setting.once("learning", reference),
        host_key="learning",
    )


CASES: tuple[Maker, ...] = (sweeps,)
