"""The samplers and integrals that limits.py times, in learning and entropy: operations and parts.

Counted in the running code: sweeps and pair integrals.  By formulas that are checked against such a count: squared
distances by loops, label entropies, the overlap sampler's values and placing.  By formula alone: the same distances by
triangular products, random numbers, the linear algebra of pair gaps.
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
from lemmata.sim.entropy.components import DENSE
from lemmata.sim.entropy.overlap_at import overlap_at
from lemmata.sim.learning import _kernels as gibbs
from lemmata.sim.learning.sampler import BLOCK, GROUP, random_numbers
from lemmata.theory.entropy.mixture import GaussianMixture
from lemmata.theory.entropy.pair_spectrum import PairSpectra, pair_spectra
from lemmata.theory.learning.network import Truth
from lemmata.theory.streams import stream
from limited import tally
from limited.case import Case, pieces, same, times, together
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
        yield Case(
            *("Gibbs sweep", name, "sweep of a chain", count, work, moved, alone, parts, ("lanes",)),
            why="the move with exp and log takes {beside never rescaling}; as many sums and products as "
            "x ← x + yz on vectors in the first cache, none kept in a register, take {all flops as lanes}",
        )
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
        yield Case(
            *("the same, numbers drawn", name, "sweep of a chain", count * blocks, drawn, moved, whole, parts),
            why="numbers take {numbers}, the sweeps of the row above {sweeps}",
        )


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


def label_work(K: int) -> dict[str, float]:
    """Of h at a point: Σ a log a, then (S log S - it) / S."""
    return together(overlap_work(K), {"flops64": 2 * K + 4, "log1p": 1, "divisions64": 1})


def value_work(K: int) -> dict[str, float]:
    """Of q h / ρ at a point: h but for its last quotient, roots, their running sums, products and sum, the quotient."""
    return together(overlap_work(K), {"flops64": 5 * K, "log1p": 1, "divisions64": 1, "roots64": K})


def place_work(m: int) -> dict[str, float]:
    """Of R⁻ᵀ z + x̄: a triangle without its diagonal, quotients, a sum."""
    return {"flops64": m * (m - 1) + m, "divisions64": m}


def check_samplers(pairs: OverlapSampler, n: int = 3) -> None:
    """The formulas, but for the logs from squares, at n points."""
    K, m = pairs.components.mixture.components, pairs.components.mixture.dimension
    logs = -np.arange(float(K * n)).reshape(K, n)

    def check(name: str, work: dict[str, float], call: Callable[[], object], free: float = 0.0) -> None:
        with tally.tally() as counted:
            call()
        for resource, count in work.items():
            same(f"{name}, {resource}", n * (count - free * (resource == "flops64")), counted[resource])

    check("label_entropy", label_work(K), lambda: overlap_at(tally.traced(logs)).label_entropy, 2 * K)
    check("a value", value_work(K), lambda: pairs._value(overlap_at(tally.traced(logs))), 2 * K)
    given = (Numbers(np.ones((1, m, m))), Numbers(np.ones((1, m))), [0] * n, range(n), Numbers(np.ones((n, m))))
    check("place", place_work(m), lambda: tally.plain(squares).place(*given))


ENTROPY = {(5, 2): 100_000, (20, 10): 20_000, (50, 50): 8_192, (10, 500): 2_048}  # points


def entropy_cases(seed: int) -> Iterator[Case]:
    check_squares()
    for (K, m), n in ENTROPY.items():
        q = mixture(K, m, 5.0, seed)
        if m < DENSE:
            check_samplers(OverlapSampler(q))
        yield from mixture_cases(q, n, seed)
    yield from gap_cases(seed)


def mixture_cases(q: GaussianMixture, n: int, seed: int) -> Iterator[Case]:
    """`log_density` and both samplers."""
    K, m = q.components, q.dimension
    rng = stream(seed, "limits", "entropy", K, m)
    points, size, parts = rng.standard_normal((n, m)), f"K = {K}, m = {m}", whitening.Components(q)
    loops = () if parts.by_products else ("scaled lanes",)
    chunk = min(n, parts.chunk)
    if parts.by_products:
        yield Case(
            *("triangular products", f"{size}, {chunk} columns", "point", chunk),
            *({"flops64": chunk * K * m * (m + 1)}, 16.0 * chunk * m, partial(triangles, parts, chunk, chunk)),
        )
    work = together(times(overlap_work(K), n), {"flops64": n * (density_flops(K, m) + 1), "log1p": n})
    shares = density_parts(parts, points)
    known = {"triangular products": float(n * K * m * (m + 1))} if parts.by_products else {}
    inside = ", of which triangular products {triangular products} at {rate triangular products}"
    if not parts.by_products:
        inside = ", while as many sums in the first cache, none kept in a register, take {all flops as scaled lanes}"
    yield Case(
        *("log_density", size, "point", n, work, 8.0 * n * (m + 1), partial(log_density, q, points)),
        shares | {"preparing factors": partial(whitening.Components, q)},
        loops,
        known,
        f"distances take {{distances}}{inside}; overlap_at {{overlap_at}}, of which exp {{exp in it}} and the search "
        "for the largest term {largest in it}; preparing factors {preparing factors}",
    )
    labels = LabelSampler(q)
    rounds = max(128, n // K)
    per_point = times(together(label_work(K), {"flops64": 2}), 2)
    direction = together(per_point, {"flops64": m * (m + 1) + around_flops(K, m), "normals": m})
    yield Case(
        *("label sampler", size, "round", rounds, times(direction, K * rounds), 8.0 * rounds),
        partial(labels.draw, rng, rounds),
        label_parts(labels, rng, rounds),
        loops,
        {"distances": float(K * rounds * around_flops(K, m)), **times(known, K * rounds / n)},
        f"distances of both signs take {{distances}} at {{rate distances}}{inside}; "
        "label entropies {label entropies}, normals {normals}, their directions {directions}",
    )
    pairs = OverlapSampler(q)
    value = together(
        *(value_work(K), place_work(m), {"flops64": density_flops(K, m) + 1, "normals": m, "uniforms": 1}),
    )
    yield Case(
        *("overlap sampler", size, "draw", n, times(value, n), 8.0 * n),
        partial(pairs.draw, rng, n),
        overlap_parts(pairs, shares, rng, n),
        loops,
        {"distances": float(n * density_flops(K, m)), **known},
        f"points take {{points}}, of which normals {{normals}}; distances {{distances}} at {{rate distances}}{inside}; "
        "overlap_at {overlap_at}, values {values}",
    )


def widths(count: int, most: int) -> list[int]:
    return [part.stop - part.start for part in pieces(count, most)]


def triangles(parts: whitening.Components, n: int, chunk: int) -> None:
    """Every component's P_j x for n points, of which zeros stay zeros."""
    for block in (np.zeros((parts.mixture.dimension, width)) for width in widths(n, chunk)):
        for inverse in parts.inverses:
            whitening._times(inverse, block)


def density_parts(parts: whitening.Components, points: Array) -> dict[str, Callable[[], object]]:
    """What `log_density` calls, block by block."""
    n, chunk = len(points), parts.chunk
    flat = {width: np.ascontiguousarray(points[:width].T) for width in widths(n, chunk)}
    logs = {width: parts.logs(block) for width, block in flat.items()}

    def each(work: Callable[[Array], object], blocks: dict[int, Array]) -> Callable[[], object]:
        return lambda: [work(blocks[width]) for width in widths(n, chunk)] and None

    def largest(logs: Array) -> None:
        lanes = np.arange(logs.shape[1])
        where = logs.argmax(0)
        logs[where, lanes]
        logs[where, lanes] = 0.0

    out = {"distances": each(parts.logs, flat), "overlap_at": each(overlap_at, logs)}
    out |= {"exp in it": each(np.exp, logs), "largest in it": each(largest, logs)}
    return out | ({"triangular products": partial(triangles, parts, n, chunk)} if parts.by_products else {})


def label_parts(labels: LabelSampler, rng: np.random.Generator, rounds: int) -> dict[str, Callable[[], object]]:
    """What `LabelSampler.draw` calls."""
    parts, K, m = labels.components, labels.components.mixture.components, labels.components.mixture.dimension
    blocks = {width: np.zeros((m, width)) for width in widths(rounds, parts.chunk)}
    offsets = parts.offsets(0)
    logs = {width: parts.logs_around(offsets, rng.standard_normal((m, width))) for width in blocks}

    def each(work: Callable[[int, int], object]) -> Callable[[], None]:
        def run() -> None:
            for k in range(K):
                for width in widths(rounds, parts.chunk):
                    work(k, width)

        return run

    def entropies(_: int, width: int) -> None:
        for side in logs[width]:
            overlap_at(side).label_entropy  # noqa: B018

    def products() -> None:
        for _ in range(K):
            triangles(parts, rounds, parts.chunk)

    own = {"triangular products": products} if parts.by_products else {}
    return own | {
        "normals": each(lambda _, width: rng.standard_normal((m, width))),
        "directions": each(lambda k, width: parts.directions(k, blocks[width])),
        "distances": each(lambda _, width: parts.logs_around(offsets, blocks[width])),
        "label entropies": each(entropies),
    }


def overlap_parts(
    pairs: OverlapSampler, density: dict[str, Callable[[], object]], rng: np.random.Generator, n: int
) -> dict[str, Callable[[], object]]:
    """What `OverlapSampler.draw` calls."""
    chunk = pairs.components.chunk
    seen = {width: overlap_at(pairs.components.logs(pairs.points(rng, width))) for width in widths(n, chunk)}

    def points() -> None:
        for width in widths(n, chunk):
            pairs.points(rng, width)

    def values() -> None:
        for width in widths(n, chunk):
            pairs._value(seen[width])

    normals = partial(rng.standard_normal, (n, pairs.components.mixture.dimension))
    known = {name: density[name] for name in density if name in ("distances", "overlap_at", "triangular products")}
    return {"points": points, "normals": normals, **known, "values": values}


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

        single = [one_pair(each) for each in spectra]
        size = f"K = {K}, m = {m}"
        yield Case(
            *("pair integrals", size, "pair", pairs, dict(counted), 16.0 * pairs * m, integrals),
            {"one pair a batch": partial(integrals, q, single)},
            why="the floors of all its functions add up to {all floors}; the same for one pair of each batch, "
            f"{len(single)} instead of {pairs}, takes {{one pair a batch}}",
        )
        # a triangular solution of m columns, a product, a solution of one column, a product with it
        linear = {"flops64": pairs * (3 * m**3 + 3 * m**2), f"eigh of {m}": pairs}
        yield Case(
            *("pair gaps", size, "pair", pairs, together(counted, linear), 16.0 * pairs * m),
            partial(pair_gap.log_pair_gaps, q),
            {"integrals": integrals, "spectra": partial(exhaust, q)},
            why="the spectra with their decompositions take {spectra}, the integrals {integrals}",
        )


def one_pair(of: PairSpectra) -> PairSpectra:
    first, second, ratios, squares, condition = (
        getattr(of, name)[:1] for name in ("first", "second", "ratios", "squares", "condition")
    )
    return PairSpectra(first, second, ratios, squares, of.multiplicity, condition)


def exhaust(q: GaussianMixture) -> None:
    for _ in pair_spectra(q):
        pass
