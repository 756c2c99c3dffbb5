"""The samplers and integrals that limits.py times, in learning and entropy: operations and parts.

Formulas stand in one place each, beside the check that holds them against a count of the running code.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import learning_speed
import numpy as np
from entropy_speed import mixture
from numpy.typing import NDArray

from lemmata.sim import learning
from lemmata.sim.entropy import LabelSampler, OverlapSampler, log_density
from lemmata.sim.entropy import _kernels as squares
from lemmata.sim.entropy import components as whitening
from lemmata.sim.entropy.overlap_at import overlap_at
from lemmata.sim.learning import _kernels as gibbs
from lemmata.sim.learning.sampler import BLOCK, GROUP, random_numbers
from lemmata.theory.entropy.pair_spectrum import PairSpectra, pair_spectra
from lemmata.theory.learning.network import Truth
from lemmata.theory.streams import stream
from limited import tally
from limited.case import Case, same, times, together
from limited.tally import Counted, Numbers

pair_gap = import_module("lemmata.theory.entropy.pair_gap")  # the package exports a function of that name

Array = NDArray[Any]

CLOSE = 0.08  # of the closed form of a sweep, in which the moves of every other sweep and their functions are estimated
UNIFORMS = 9  # among the arguments of a sweep, the coin of the hidden layer last


def sweep_arguments(truth: Truth, sweeps: int, chains: int, beta: float, seed: int) -> list[Any]:
    """What `gibbs.sweeps` takes, its chains near the truth."""
    N, h, M = truth.network.widths
    size, (normal, uniform) = max(N, h, M), random_numbers(truth.network)
    rng = stream(seed, "limits", "sweeps")
    z, u = rng.standard_normal((sweeps, normal, chains)), rng.random((sweeps, uniform, chains))
    W, T = np.zeros((2, size, size, chains)), np.zeros((2, size, N, chains))
    W[0, :h, :N], W[1, :M, :h] = rng.standard_normal((h, N, chains)), rng.standard_normal((M, h, chains))
    for k, target in enumerate(truth.targets):
        T[k, : len(target)] = target[..., None]
    results = np.empty((sweeps, chains)), np.empty((sweeps, 2, chains)), np.empty((0, *W.shape))
    network = np.array(truth.network.widths), np.array(truth.network.observed)
    return [W, *network, np.ones((N, chains)), T, np.full(chains, beta), 1.0, True, z, u, *results]


def sweep_work(truth: Truth, seed: int) -> dict[str, float]:
    """Operations of one sweep of one chain, counted; they depend a little on the draws."""
    sweeps = max(4, 100_000 // learning_speed.flops(truth.network))
    floats = [
        Counted(x) if type(x) is float else Numbers(x) if isinstance(x, np.ndarray) and x.dtype == float else x
        for x in sweep_arguments(truth, sweeps, 1, 1e3, seed)
    ]
    with tally.tally() as counted:
        tally.plain(gibbs).sweeps(*floats)
    same("a sweep", learning_speed.flops(truth.network), sum(counted.values()) / sweeps, CLOSE)
    return times(counted, 1 / sweeps)


def sweep_cases(seed: int) -> Iterator[Case]:
    for name, truth in learning_speed.CASES.items():
        normal, uniform = random_numbers(truth.network)
        sweeps = max(1, BLOCK // ((normal + uniform) * GROUP))
        given = sweep_arguments(truth, sweeps, GROUP, learning_speed.BETA, seed)
        gibbs.sweeps(*given)
        count = sweeps * GROUP
        work = times(sweep_work(truth, seed), count)
        moved = 8.0 * count * (normal + uniform + 3)
        alone = partial(gibbs.sweeps, *given)
        tails = [part.copy() if isinstance(part, np.ndarray) else part for part in given]
        tails[UNIFORMS][:, -1] = 0.9
        parts: dict[str, Callable[[], object]] = {"never rescaling": partial(gibbs.sweeps, *tails)}
        yield Case("Gibbs sweep", name, "sweep of a chain", count, work, moved, alone, parts, ("lanes",))
        rng, blocks = stream(seed, "limits", "sample"), 10
        whole = partial(
            learning.sample,
            *(learning.population(truth), learning_speed.BETA),
            rng=rng,
            sweeps=blocks * sweeps,
            chains=GROUP,
            warmup=0,
        )
        drawn = together(
            times(work, blocks), {"normals": blocks * normal * count, "uniforms": blocks * uniform * count}
        )
        parts = {
            "numbers": partial(draw, rng, normal * count, uniform * count, blocks),
            "sweeps": partial(again, alone, blocks),
        }
        moved = 24.0 * count * blocks
        yield Case("the same, numbers drawn", name, "sweep of a chain", count * blocks, drawn, moved, whole, parts)


def again(work: Callable[[], object], count: int) -> None:
    for _ in range(count):
        work()


def draw(rng: np.random.Generator, normals: int, uniforms: int, count: int) -> None:
    for _ in range(count):
        rng.standard_normal(normals)
        rng.random(uniforms)


def density_flops(K: int, m: int) -> int:
    """Of ‖P_j (x - μ_j)‖² at one point for triangular P_j: differences, a triangle's product, squares."""
    return K * (m + m * (m + 1) + 2 * m)


def around_flops(K: int, m: int) -> int:
    """Of ‖a_j ± P_j w‖² for one direction: a triangle's product, then sums and squares of both signs."""
    return K * (m * (m + 1) + 6 * m)


def check_squares() -> None:
    """The formulas, at two sizes."""
    code = tally.plain(squares)
    for K, m in ((2, 3), (3, 5)):
        P, mu, x = np.ones((K, m, m)), np.ones((K, m)), np.ones((m, 2))
        with tally.tally() as counted:
            code.dense_squares(Numbers(P), Numbers(mu), Numbers(x), Numbers(np.zeros((K, 2))))
        same("dense_squares", 2 * density_flops(K, m), counted["flops64"])
        with tally.tally() as counted:
            code.dense_squares_around(Numbers(P), Numbers(mu), Numbers(x), Numbers(np.zeros((2, K, 2))))
        same("dense_squares_around", 2 * around_flops(K, m), counted["flops64"])


def overlap_work(K: int) -> dict[str, float]:
    """Of a point: the logs from squares (2 K), terms and their sum."""
    return {"flops64": 4.0 * K, "exp": K}


ENTROPY = {(5, 2): 100_000, (20, 10): 20_000, (50, 50): 8_192, (10, 500): 2_048}  # points


def entropy_cases(seed: int) -> Iterator[Case]:
    check_squares()
    for (K, m), n in ENTROPY.items():
        q = mixture(K, m, 5.0, seed)
        rng = stream(seed, "limits", "entropy", K, m)
        points = rng.standard_normal((n, m))
        size = f"K = {K}, m = {m}"
        parts = whitening.Components(q)
        flat = np.ascontiguousarray(points.T)
        logs = parts.logs(flat)
        work = together(times(overlap_work(K), n), {"flops64": n * density_flops(K, m), "log1p": n})
        chunk = min(n, parts.chunk)
        whole = n / chunk
        block = np.ones((m, chunk))

        def white(parts: Any = parts, block: Array = block) -> None:
            for inverse in parts.inverses:
                whitening._times(inverse, block)
            block[:] = 1.0

        def whites(white: Any = white, whole: float = whole) -> None:
            for _ in range(round(whole)):
                white()

        loops = () if parts.by_products else ("scaled lanes",)
        if parts.by_products:
            yield Case(
                *("triangular products", f"{size}, {chunk} columns", "point", chunk),
                *({"flops64": chunk * K * m * (m + 1)}, 16.0 * chunk * m, white),
            )

        some, logs = flat[:, :chunk].copy(), logs[:, :chunk].copy()

        def distances(parts: Any = parts, flat: Array = some, whole: float = whole) -> None:
            for _ in range(round(whole)):
                parts.logs(flat)

        def overlaps(logs: Array = logs, whole: float = whole) -> None:
            for _ in range(round(whole)):
                overlap_at(logs)

        def exponentials(logs: Array = logs, whole: float = whole) -> None:
            for _ in range(round(whole)):
                np.exp(logs)

        shares = {"distances": distances, "overlap_at": overlaps, "exp in it": exponentials}
        if parts.by_products:
            shares["triangular products"] = whites
        shares["preparing factors"] = partial(whitening.Components, q)
        moved = 8.0 * n * (m + 1)
        yield Case("log_density", size, "point", n, work, moved, partial(log_density, q, points), shares, loops)
        labels = LabelSampler(q)
        rounds = max(128, n // K)
        per_point = together(times(overlap_work(K), 2), {"flops64": 8.0 * K + 10, "log1p": 2})
        direction = together(per_point, {"flops64": m * (m + 1) + around_flops(K, m), "normals": m})
        yield Case(
            *("label sampler", size, "round", rounds, times(direction, K * rounds), 8.0 * rounds),
            partial(labels.draw, rng, rounds),
            {"normals": partial(rng.standard_normal, (m, K * rounds))},
            loops,
        )
        pairs = OverlapSampler(q)
        value = together(
            overlap_work(K),
            {"flops64": m * (m + 1) + density_flops(K, m) + 2 * K + 3 * K + 4, "divisions64": m + 1},
            {"normals": m, "uniforms": 1, "roots64": K, "log1p": 1},
        )
        yield Case(
            *("overlap sampler", size, "draw", n, times(value, n), 8.0 * n),
            partial(pairs.draw, rng, n),
            {"points": partial(pairs.points, rng, n), "distances": distances, "overlap_at": overlaps},
            loops,
        )
    yield from gap_cases(seed)


def gap_cases(seed: int) -> Iterator[Case]:
    for K, m in ((20, 10), (20, 50)):
        q = mixture(K, m, 5.0, seed)
        spectra = list(pair_spectra(q))
        with (
            tally.tally() as counted,
            tally.subclasses_kept(import_module("lemmata.theory.entropy.saddle_line"), pair_gap),
        ):
            for each in spectra:
                ratios, distances = tally.traced(each.ratios), tally.traced(each.squares)
                pair_gap.log_sides(
                    q, PairSpectra(each.first, each.second, ratios, distances, each.multiplicity, each.condition)
                )
        pairs = K * (K - 1) // 2

        def integrals(q: Any = q, spectra: Any = spectra) -> None:
            for each in spectra:
                pair_gap.log_sides(q, each)

        size = f"K = {K}, m = {m}"
        yield Case("pair integrals", size, "pair", pairs, dict(counted), 16.0 * pairs * m, integrals)
        # a triangular solution of m columns, a product, a solution of one column, a product with it
        linear = {"flops64": pairs * (3 * m**3 + 3 * m**2), f"eigh of {m}": pairs}
        yield Case(
            *("pair gaps", size, "pair", pairs, together(counted, linear), 16.0 * pairs * m),
            partial(pair_gap.log_pair_gaps, q),
            {"integrals": integrals},
        )
