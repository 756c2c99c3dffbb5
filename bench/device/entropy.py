"""Rows of gpu.py: draws and densities of a large mixture, and the samplers of its gap."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from entropy_speed import ERROR, SAMPLERS, SPREADS, mixture

from device.case import Case, Maker, Setting
from device.clock import Run, Way
from lemmata.accel import entropy as accel
from lemmata.accel.entropy.label_sampler import points_at_a_time
from lemmata.sim import entropy as sim
from lemmata.theory.entropy import GaussianMixture, approximate_entropy
from lemmata.theory.streams import stream

SHAPE, DRAWS = (50, 50), 100_000_000
FEW_SHAPE, FEW_DRAWS = (5, 2), 20_000
LARGE = 4 << 30  # bytes for the working arrays where there is room
ROOM = 8  # times the working arrays, which the memory must have
PILOT, FEWEST = 4000, 64  # rounds that tell a sampler's variance; the fewest however small it is
FINER = 0.4  # of ERROR: the standard error of the CPU's gap
POINTS = 500  # at which densities are compared
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-4}  # of log densities of some hundred
TWINS = {"labels": accel.LabelSampler, "overlap": accel.OverlapSampler, "remainder": accel.RemainderSampler}


@dataclass(frozen=True)
class Pair:
    """The mixture of a row on the CPU and on the device, and what the CPU says about it."""

    setting: Setting
    exact: GaussianMixture
    there: accel.TorchMixture
    memory: int

    @classmethod
    def of(cls, setting: Setting, dtype: torch.dtype, share: float) -> "Pair":
        K, m = FEW_SHAPE if setting.small else SHAPE
        q = mixture(K, m, SPREADS[K, m][0], setting.seed)
        memory = int(min(LARGE * share, setting.device.free() // ROOM))
        return cls(setting, q, accel.TorchMixture.from_mixture(q, dtype=dtype, device=setting.device.place), memory)

    @property
    def shape(self) -> tuple[int, int]:
        return self.exact.components, self.exact.dimension

    @property
    def draws(self) -> int:
        return FEW_DRAWS if self.setting.small else DRAWS

    def gap(self) -> tuple[float, float]:
        """By the CPU's draws from the pairs."""

        def make() -> tuple[float, float]:
            sampler, rng = sim.OverlapSampler(self.exact), stream(self.setting.seed, "gap")
            rounds = max(FEWEST, int(sampler.draw(rng, PILOT).var(ddof=1) / (FINER * ERROR) ** 2))
            values = sampler.draw(rng, rounds)
            return float(values.mean()), float(values.std(ddof=1) / rounds**0.5)

        return self.setting.once("gap", make)

    def off(self) -> float:
        """Of log densities at points of the mixture."""
        points = sim.draw_points(self.exact, POINTS, stream(self.setting.seed, "points"))[0]
        exact = sim.log_density(self.exact, points)
        there = torch.tensor(points, dtype=self.there.dtype, device=self.there.device)
        seen = accel.log_density(self.there, there).double().cpu().numpy()
        return float(np.abs(seen - exact).max() / np.abs(exact).max())


class Moments:
    """Of values as they are drawn, around a number near their mean, where they are."""

    def __init__(self, near: float = 0.0) -> None:
        self.near, self.parts = near, list[torch.Tensor]()

    def add(self, values: torch.Tensor) -> None:
        x = values.double() - self.near
        self.parts.append(torch.stack([torch.full_like(x[0], x.numel()), x.sum(), x.square().sum()]))

    def mean(self) -> tuple[float, float]:
        n, total, square = torch.stack(self.parts).sum(0).tolist()
        mean = total / n
        return self.near + mean, ((square / n - mean**2) / (n - 1)) ** 0.5


def densities(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    pair = Pair.of(setting, dtype, share)
    (K, m), about = pair.shape, approximate_entropy(pair.exact)
    seen = Moments(about)

    def prepare() -> Run:
        generator, q = setting.device.generator(setting.seed), pair.there
        chunk = max(1, points_at_a_time(q, pair.memory, 0) // K)

        def run(amount: int) -> None:
            """So many rounds of a draw from each component."""
            with torch.inference_mode():
                for start in range(0, amount, chunk):
                    points = accel.draw_points(q, min(chunk, amount - start), generator=generator)
                    logs = accel.log_density(q, points.flatten(0, 1)).reshape(K, -1)
                    seen.add(-(q.weights @ logs))

        return run

    def gap() -> tuple[float, float]:
        mean, error = seen.mean()
        return about - mean, error

    def host() -> Run:
        rng = stream(setting.seed, "draws")
        return lambda amount: sim.log_density(pair.exact, sim.draw_points(pair.exact, amount, rng)[0])

    ways = {
        "log_density": Way(prepare, pair.draws / K, off=pair.off, mean=gap),
        "host": Way(host, pair.draws, least=2000, host=True),
    }
    total = float(pair.draws)
    needs = {"product": total * 2 * (K + 1) * m * m, "exp": total * K, "normals": total * m}
    return Case(
        *("entropy", "draws and their densities", f"{pair.draws:.0e} draws, {pair.shape}", dtype, total),
        *("Mdraws/s", 1e6, ways, needs, CLOSE[dtype], pair.gap, "densities"),
    )


def labels(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    pair = Pair.of(setting, dtype, share)
    rounds = pair.draws / (2 * pair.exact.components)
    memories = {"labels, default memory": None, f"labels, {pair.memory / 2**30:.2g} GiB": pair.memory}
    seen = {name: Moments() for name in memories}

    def prepare(name: str, memory: int | None) -> Run:
        generator, sampler = setting.device.generator(setting.seed), accel.LabelSampler(pair.there, memory=memory)
        return lambda amount: seen[name].add(sampler.draw(amount, generator))

    def host() -> Run:
        rng, sampler = stream(setting.seed, "labels"), sim.LabelSampler(pair.exact)
        return lambda amount: sampler.draw(rng, amount)

    ways = {
        name: Way(lambda name=name, memory=memory: prepare(name, memory), rounds, mean=seen[name].mean)
        for name, memory in memories.items()
    }
    ways["host"] = Way(host, rounds, least=20, host=True)
    size = f"{pair.draws:.0e} draws, {pair.shape}"
    needs = per_round(pair, rounds)
    return Case(
        *("entropy", "label entropy at draws", size, dtype, float(pair.draws), "Mdraws/s", 1e6, ways, needs),
        *(0.0, pair.gap, "labels"),
    )


def per_round(pair: Pair, rounds: float) -> dict[str, float]:
    """What rounds of `LabelSampler` need: two mirror images share their product with the factors."""
    K, m = pair.shape
    return {
        "product": rounds * K * (2 * m * m * (K + 1) + 6 * K * m),
        "exp": rounds * 2 * K * K,
        "normals": rounds * K * m,
    }


def to_error(name: str) -> Maker:
    """Building a sampler and drawing to a standard error of `ERROR`."""

    def make(setting: Setting, dtype: torch.dtype, share: float) -> Case:
        pair = Pair.of(setting, dtype, share)
        K, m = pair.shape
        kind: Callable[..., Any] = TWINS[name]

        def pilot() -> float:
            return float(kind(pair.there).draw(PILOT, setting.device.generator(setting.seed + 1)).var())

        def host_pilot() -> float:
            return float(SAMPLERS[name](pair.exact).draw(stream(setting.seed, "pilot", name), PILOT).var(ddof=1))

        seen, rounds, host_rounds = (
            Moments(),
            enough(setting, name, pilot),
            enough(setting, f"{name}, host", host_pilot),
        )

        def prepare() -> Run:
            generator = setting.device.generator(setting.seed)

            def run(amount: int) -> None:
                for _ in range(amount):
                    sampler = kind(pair.there)
                    seen.add(sampler.offset + sampler.sign * sampler.draw(rounds, generator))

            return run

        def host() -> Run:
            rng = stream(setting.seed, "to error", name)

            def run(amount: int) -> None:
                for _ in range(amount):
                    SAMPLERS[name](pair.exact).draw(rng, host_rounds)

            return run

        ways = {name: Way(prepare, 1, mean=seen.mean), "host": Way(host, 1, host=True)}
        needs = per_round(pair, rounds) if name == "labels" else {"product": float(rounds * 2 * (K + 1) * m * m)}
        size = f"{rounds} draws (core: {host_rounds}), {pair.shape}"
        return Case(
            *("entropy", f"to ± {ERROR:g} nats", size, dtype, 1.0, "/s", 1.0, ways, needs),
            *(0.0, pair.gap, f"to error by {name}"),
        )

    return make


def enough(setting: Setting, name: str, variance: Callable[[], float]) -> int:
    """How many values a standard error of `ERROR` takes, by a pilot that is run once."""
    needed = setting.once(f"rounds of {name}", lambda: (variance() / ERROR**2, 0.0))[0]
    return max(FEWEST, math.ceil(needed))


CASES: tuple[Maker, ...] = (densities, labels, *(to_error(name) for name in TWINS))
