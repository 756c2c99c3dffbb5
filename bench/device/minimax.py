"""Rows of gpu.py: steps of particles against a kernel's exact critic, and of a game of two networks."""

from collections.abc import Callable

import numpy as np
import torch
from minimax_speed import STEP, clouds
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from device.case import Case, Maker, Setting
from device.clock import NotHere, Run, Way
from lemmata.accel.minimax import GameRun, critic_network, generator_network, train
from lemmata.accel.minimax.kernel_sums import kernel_sums
from lemmata.accel.minimax.losses import critic_loss, generator_loss
from lemmata.sim import minimax as sim
from lemmata.sim.minimax.threads import one_thread_products

DIMENSIONS, PARTICLES, FEW_PARTICLES = (2, 10, 50), 100_000, 300
COMPARED = 500, 2000  # targets and sources
LEAST, HOST_LEAST = 256, 256  # targets that are timed at least
CLOSE = {torch.float64: 1e-11, torch.float32: 1e-4}  # f is a difference of two sums ten times larger
LATENT, DATA = 16, 2
WIDTHS, BATCH, ROUNDS = (512, 512), 8192, 100
FEW_WIDTHS, FEW_BATCH, FEW_ROUNDS = (16,), 32, 3
HOST_PART = 8  # of the batch, which one core is given
RECORDED = 256  # points of the records' MMD, which is no part of a step
PACE = 1e-3
CLOSE_GAME = {torch.float64: 1e-10, torch.float32: 1e-4}  # after five rounds


def particles(d: int) -> Maker:
    """All particles' steps x ← x − h∇f(x), f the best critic between them and as many data."""

    def make(setting: Setting, dtype: torch.dtype, share: float) -> Case:
        asked, place = FEW_PARTICLES if setting.small else PARTICLES, setting.device.place
        n = setting.fitting("particles", asked, 16 * (d + 2) * dtype.itemsize, share)
        x, y = clouds(n, d, setting.seed)
        sources, weights = np.concatenate([x, y]), np.repeat([1.0 / n, -1.0 / n], n)
        length = d**0.5

        def there(value: np.ndarray) -> Tensor:
            return torch.tensor(value, dtype=dtype, device=place)

        def prepare(fused: bool) -> Run:
            if fused and not setting.device.triton():
                raise NotHere("Triton needs a GPU")
            X, Z, a = there(x), there(sources), there(weights)

            def run(amount: int) -> Tensor:
                with torch.inference_mode():
                    targets = X[:amount]
                    return targets - STEP * kernel_sums("gaussian", length, targets, Z, a, fused=fused).gradients

            return run

        def off(fused: bool) -> float:
            """Of values and gradients between fewer points."""
            rows, few = COMPARED
            u, v = clouds(few // 2, d, setting.seed + 1)
            z, a = np.concatenate([u, v]), np.repeat([2.0 / few, -2.0 / few], few // 2)
            exact = sim.kernel_sums("gaussian", length, u[:rows], z, a)
            seen = kernel_sums("gaussian", length, there(u[:rows]), there(z), there(a), fused=fused)
            both = (seen.values, exact.values), (seen.gradients, exact.gradients)
            return max(float(np.abs(s.double().cpu().numpy() - e).max() / np.abs(e).max()) for s, e in both)

        def host() -> Run:
            def run(amount: int) -> None:
                with one_thread_products():
                    sim.kernel_sums("gaussian", length, x[:amount], sources, weights)

            return run

        ways = {
            name: Way(lambda fused=fused: prepare(fused), n, min(LEAST, n), off=lambda fused=fused: off(fused))
            for name, fused in (("eager chunks", False), ("fused", True))
        }
        ways["host"] = Way(host, n, min(HOST_LEAST, n), host=True)
        pairs = 2.0 * n * n
        needs = {"product": pairs * (4 * d + 8), "exp": pairs, "copy": 4.0 * n * (d + 1) * dtype.itemsize}
        size = f"{n} particles, {n} data, d = {d}"
        return Case(
            *("minimax", "step of particles", size, dtype, pairs, "Gpairs/s", 1e9, ways, needs, CLOSE[dtype]),
            host_key=f"particles, {d}",
        )

    return make


def game(setting: Setting, dtype: torch.dtype, place: torch.device, batch: int) -> Callable[..., GameRun]:
    """Rounds of a game that goes on from call to call, from the same networks and batches wherever it is played."""
    random = torch.Generator().manual_seed(setting.seed)
    widths = FEW_WIDTHS if setting.small else WIDTHS
    G = generator_network(LATENT, widths, DATA, random=random, dtype=dtype, device=place)
    D = critic_network(DATA, widths, random=random, dtype=dtype, device=place)
    z, x = (torch.randn(batch, k, generator=random, dtype=torch.float64).to(place, dtype) for k in (LATENT, DATA))

    def first(generator: nn.Module, critic: nn.Module, z: Tensor, x: Tensor) -> Tensor:
        return generator_loss("non_saturating", critic(generator(z)))

    def second(generator: nn.Module, critic: nn.Module, z: Tensor, x: Tensor) -> Tensor:
        return critic_loss("non_saturating", critic(generator(z).detach()), critic(x))

    def clouds(generator: nn.Module, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return generator(z[:RECORDED]), x[:RECORDED]

    def play(rounds: int, every: int | None = None) -> GameRun:
        steps = {"min_step": PACE, "max_step": PACE, "steps": rounds, "every": every or rounds}
        return train(G, D, first, second, z, x, clouds=clouds, **steps)

    return play


def networks(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    asked, rounds = (FEW_BATCH, FEW_ROUNDS) if setting.small else (BATCH, ROUNDS)
    widths, place, cpu = FEW_WIDTHS if setting.small else WIDTHS, setting.device.place, torch.device("cpu")
    batch = setting.fitting("batch", asked, 16 * sum(widths) * dtype.itemsize, share)
    part = max(1, batch // HOST_PART)

    def counted(number: int) -> int:
        """Operations of so many rounds on a batch of `part`, as torch counts them."""
        play = game(setting, dtype, cpu, part)
        with FlopCounterMode(display=False) as counter:
            play(number)
        return counter.get_total_flops()

    def off() -> float:
        runs = [game(setting, kind, where, part)(5, 1) for kind, where in ((dtype, place), (torch.float64, cpu))]
        seen, exact = (np.stack([run.generator_losses, run.critic_losses]) for run in runs)
        return float(np.abs(seen - exact).max() / np.abs(exact).max())

    flops = (counted(3) - counted(2)) * batch / part * rounds
    ways = {
        "train": Way(lambda: game(setting, dtype, place, batch), rounds, min(rounds, 10), off=off),
        "host": Way(lambda: game(setting, dtype, cpu, part), rounds * batch / part, 2, host=True),
    }
    size = f"{rounds} rounds, widths {widths}, batch {batch}"
    return Case(
        *("minimax", "game of networks", size, dtype, float(rounds), "rounds/s", 1.0, ways, {"product": flops}),
        *(CLOSE_GAME[dtype], None, f"networks, {dtype}"),
    )


CASES: tuple[Maker, ...] = (*(particles(d) for d in DIMENSIONS), networks)
