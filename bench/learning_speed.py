"""How many sweeps of one chain per CPU second do Numba, NumPy and torch make, and how near is that to the machine?

    python bench/learning_speed.py [--seconds 0.5] [--seeds 5] [--device cpu] [--seed 0] [--json FILE]

All three sample the noise-free posterior at n = 1e6 in float64 and record the energy and its conditional means; the
NumPy twin (peers/numpy_sweep.py) is first held against the kernel number by number.  Drawing is included.
The floating-point operations of a sweep are counted from the kernel's loops, a square root, exponential or logarithm as
one, and set against a product of two large matrices on one core in the same run.
"""

import answer

# isort: split
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from peers.numpy_sweep import sweep

from lemmata.sim.learning import _kernels, population, sample
from lemmata.sim.learning.sampler import BLOCK, GROUP, random_numbers
from lemmata.theory.learning.network import LinearNetwork, Truth, partial_concept_bottleneck_truth, reduced_rank_truth
from lemmata.theory.streams import stream

BETA = 1e6
CASES = {
    "reduced rank (3, 3, 4, 1)": reduced_rank_truth(3, 3, 4, 1),
    "reduced rank (5, 4, 6, 2)": reduced_rank_truth(5, 4, 6, 2),
    "partial bottleneck (4, 3, 3, 6, 1, 2)": partial_concept_bottleneck_truth(4, 3, 3, 6, 1, 2),
    "reduced rank (10, 8, 10, 3)": reduced_rank_truth(10, 8, 10, 3),
    "reduced rank (20, 16, 20, 5)": reduced_rank_truth(20, 16, 20, 5),
}
CHAINS = (64, 1024)
AGREED = 1e-5  # twenty sweeps blow rounding up a thousandfold and more; another number drawn would show as 1e-1

Maker = Callable[[Truth, int, int], Callable[[int], Any]]

COLUMNS = {
    "network": "",
    "chains": "d",
    "flops a sweep": "d",
    "Numba sweeps/s": ".0f",
    "NumPy sweeps/s": ".0f",
    "torch sweeps/s": ".0f",
    "Numba / NumPy": ".1f",
    "Numba / torch": ".1f",
    "Numba GFLOP/s": ".2f",
    "of the peak %": ".1f",
    "drawing numbers %": ".0f",
}


def flops(network: LinearNetwork) -> int:
    """Additions, multiplications, divisions and functions of one sweep of two layers, as the kernel's loops do them."""
    N, h, M = network.widths
    seen = network.observed[0]
    free, half = h - seen, h * (h + 1) // 2
    forward = h * N + 2 * M * h * N + (seen + M) * N
    energy = 4 * (seen + M) * N
    curvature = 2 * M * h * h
    # C⁻¹ of one matrix: the factor, then its inverse
    factor = sum(2 * j * (h - j) + 2 + (h - j - 1) for j in range(h))
    factor += sum(2 + 2 * (i - j - 1) + 1 for j in range(h) for i in range(j + 1, h))
    trace = 4 * half
    vector = 6 * half + 10 * h
    first = 2 * h * M * N + 4 * h * N + 2 * N + 2 * half + factor + trace + N * vector
    last = 2 * h * h * N + half + factor + trace + 2 * M * h * N + 3 * M * h + M * vector
    shear = h * 2 * N + free * (2 * M + 2 * N) + free * (h - 1) * (4 * N + 4 * M + 6)
    rescale = free * (3 * N + 3 * M + 70) // 2  # every other sweep
    scale = 11 * N + 3 * M + 140  # five Newton steps of about 20
    observed = (forward if seen else 0) + seen * ((h - 1) * (14 * N + 4 * M + 11) + scale)
    return 2 * (forward + energy) + curvature + first + last + shear + rescale + observed


def agreement(truth: Truth, rng: np.random.Generator, sweeps: int = 20, chains: int = 16) -> float:
    """The largest difference of weights and energies between NumPy and the kernel fed with the same numbers."""
    N, h, M = truth.network.widths
    size, (normal, uniform) = max(N, h, M), random_numbers(truth.network)
    z, u = rng.standard_normal((sweeps, normal, chains)), rng.random((sweeps, uniform, chains))
    W = np.zeros((2, size, size, chains))
    W[0, :h, :N], W[1, :M, :h] = rng.standard_normal((h, N, chains)), rng.standard_normal((M, h, chains))
    T = np.zeros((2, size, N, chains))
    for k, target in enumerate(truth.targets):
        T[k, : len(target)] = target[..., None]
    W1, W2 = (np.moveaxis(part, -1, 0).copy() for part in (W[0, :h, :N], W[1, :M, :h]))
    raw, mean, draws = np.empty((sweeps, chains)), np.empty((sweeps, 2, chains)), np.empty((0, *W.shape))
    widths, observed, design = np.array(truth.network.widths), np.array(truth.network.observed), np.ones((N, chains))
    _kernels.sweeps(W, widths, observed, design, T, np.full(chains, 1e3), 1.0, True, z, u, raw, mean, draws)
    worst = 0.0
    for t in range(sweeps):
        energy, means = sweep(W1, W2, truth.targets, 1e3, z[t].T, u[t].T)
        worst = max(worst, np.abs(energy / raw[t] - 1).max(), np.abs(means.T / mean[t] - 1).max())
    return max(worst, np.abs(np.moveaxis(W1, 0, -1) - W[0, :h, :N]).max())


def rate(work: Callable[[int], Any], chains: int, seconds: float, clock: Callable[[], float] = process_time) -> float:
    """Sweeps of one chain per second of work(sweeps), repeated until `seconds` are filled."""
    work(2)
    sweeps = 4
    while True:
        start = clock()
        work(sweeps)
        spent = clock() - start
        if spent > seconds / 2:
            return sweeps * chains / spent
        sweeps = int(sweeps * min(8.0, 1.2 * seconds / max(spent, 1e-3))) + 1


def with_numba(truth: Truth, chains: int, seed: int) -> Callable[[int], Any]:
    rng = stream(seed, "Numba")
    return lambda sweeps: sample(population(truth), BETA, rng=rng, sweeps=sweeps, chains=chains, warmup=0)


def with_numpy(truth: Truth, chains: int, seed: int) -> Callable[[int], Any]:
    rng = stream(seed, "NumPy")
    N, h, M = truth.network.widths
    W1, W2 = rng.standard_normal((chains, h, N)), rng.standard_normal((chains, M, h))
    normal, uniform = random_numbers(truth.network)

    def work(sweeps: int) -> None:
        for _ in range(sweeps):
            z, u = rng.standard_normal((chains, normal)), rng.random((chains, uniform))
            sweep(W1, W2, truth.targets, BETA, z, u)

    return work


def with_torch(truth: Truth, chains: int, seed: int, device: str) -> Callable[[int], Any]:
    import torch

    from lemmata.accel.learning import Posterior, true_layers

    torch.set_num_threads(1)
    generator = torch.Generator(device).manual_seed(seed)
    posterior = Posterior.of_population([truth], [BETA], device=device)
    state = [posterior.start(chains, true_layers([truth], device=device), generator)]

    def work(sweeps: int) -> None:
        with torch.inference_mode():
            for _ in range(sweeps):
                state[0], energy = posterior.sweep(state[0], generator)
        energy.sum().item()  # waits for the device

    return work


def with_random_numbers_alone(truth: Truth, chains: int, seed: int) -> Callable[[int], Any]:
    rng = stream(seed, "numbers")
    normal, uniform = random_numbers(truth.network)
    block = max(1, BLOCK // ((normal + uniform) * chains))

    def work(sweeps: int) -> None:
        for done in range(0, sweeps, block):
            rng.standard_normal((min(block, sweeps - done), normal, chains))
            rng.random((min(block, sweeps - done), uniform, chains))

    return work


def matrix_product_peak(size: int = 1500) -> float:
    """GFLOP/s of a float64 matrix product on one core, the best of five."""
    a = np.random.default_rng(0).standard_normal((size, size))
    a @ a
    times = [answer.timed(lambda: a @ a)[1] for _ in range(5)]
    return 2e-9 * size**3 / min(times)


def row(name: str, truth: Truth, chains: int, asked: Namespace) -> dict[str, object]:
    """Medians over the seeds at one network and number of chains."""
    if agreement(truth, stream(asked.seed, "agreement", name)) > AGREED:
        raise SystemExit(f"NumPy and the kernel disagree at {name}")

    def middle(make: Maker, count: int, clock: Callable[[], float] = process_time) -> float:
        return median(rate(make(truth, count, asked.seed + k), count, asked.seconds, clock) for k in range(asked.seeds))

    compiled, plain = middle(with_numba, chains), middle(with_numpy, chains)
    drawing = middle(with_random_numbers_alone, min(chains, GROUP))
    batched = None
    if find_spec("torch") is not None:
        clock = process_time if asked.device == "cpu" else perf_counter
        batched = middle(partial(with_torch, device=asked.device), chains, clock)
    achieved = 1e-9 * flops(truth.network) * compiled
    values = (
        name,
        chains,
        flops(truth.network),
        compiled,
        plain,
        batched,
        compiled / plain,
        compiled / batched if batched else None,
        achieved,
        100 * achieved / matrix_product_peak(),
        100 * compiled / drawing,
    )
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--seconds", type=float, default=0.5, help="that each timing lasts (default 0.5)")
    parser.add_argument("--seeds", type=int, default=5, help="timings, median taken (default 5)")
    parser.add_argument("--device", default="cpu", help="of torch (default cpu); wall seconds on any other")
    asked = parser.parse_args()
    rows = [row(name, truth, chains, asked) for name, truth in CASES.items() for chains in CHAINS]
    notes = (
        f"Sweeps of one chain per CPU second, random numbers included; median of {asked.seeds}; compilation and the "
        "first sweeps not included.",
        "NumPy makes the kernel's draws from the same random numbers, checked for every network before it is timed; "
        f"torch (float64, device {asked.device}) draws the shears of a unit jointly, rescales units in every sweep and "
        "has no moves of observed units.",
        f"Peak: a float64 matrix product on one core, measured anew in each row; {matrix_product_peak():.1f} GFLOP/s "
        "at the end.",
        "Drawing numbers: the share of Numba's time in which NumPy's generator draws them.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
