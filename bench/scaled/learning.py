"""Sampler, estimators and exact coefficients of linear networks against widths, layers, chains and data."""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from learning_speed import flops
from numpy.typing import NDArray

from lemmata.accel.learning import Posterior as TorchPosterior
from lemmata.accel.learning import true_layers
from lemmata.sim.learning import draw_data, from_data, population, sample, two_temperatures
from lemmata.theory.learning import deep_linear, observed_chain, partial_concept_bottleneck
from lemmata.theory.learning.deep_linear import deep_linear_core
from lemmata.theory.learning.network import Truth, deep_linear_truth, reduced_rank_truth
from lemmata.theory.learning.partial_concept_bottleneck import partial_core

from .series import Law, Maker, Series, Work, power, steps

Array = NDArray[np.float64]


def sweeps(truth: Callable[[int], Truth], count: int | None = 8, chains: int | None = 16, beta: float = 1e4) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        posterior = population(truth(size), 0.5)
        return lambda: sample(posterior, beta, rng=rng, sweeps=count or size, chains=chains or size, warmup=0)

    return make


def counted(truth: Callable[[int], Truth]) -> Law:
    return Law("operations", lambda size: float(flops(truth(size).network)))


def square(h: int) -> Truth:
    return reduced_rank_truth(h, h, h, 1)


def wide(N: int) -> Truth:
    return reduced_rank_truth(8, 8, N, 1)


def tall(M: int) -> Truth:
    return reduced_rank_truth(M, 8, 8, 1)


def layered(L: int) -> Truth:
    return deep_linear_truth([4] * (L + 1), 1)


SMALL = reduced_rank_truth(4, 3, 4, 1)


def on_data(calculation: str) -> Maker:
    """The sampler, or λ̂ from two temperatures, on n data; or making the posterior out of them."""

    def make(n: int, rng: np.random.Generator) -> Work:
        data = draw_data(SMALL, n, rng)
        posterior = from_data(SMALL.network, data.inputs, data.observations)
        works: dict[str, Work] = {
            "from_data": lambda: from_data(SMALL.network, data.inputs, data.observations),
            "sample": lambda: sample(posterior, 1.0, rng=rng, sweeps=400, chains=16, warmup=0),
            "two_temperatures": lambda: two_temperatures(posterior, rng=rng, sweeps=200, chains=16, warmup=50),
        }
        return works[calculation]

    return make


def longer(sweeps: int, rng: np.random.Generator) -> Work:
    data = draw_data(SMALL, 1000, rng)
    posterior = from_data(SMALL.network, data.inputs, data.observations)
    return lambda: two_temperatures(posterior, rng=rng, sweeps=sweeps, chains=16, warmup=0)


def torch_sweep(chains: int, rng: np.random.Generator) -> Work:
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    posterior = TorchPosterior.of_population([SMALL], [1e4])
    state = posterior.start(chains, true_layers([SMALL]), generator)
    return lambda: posterior.sweep(state, generator)


def exact_deep(L: int, rng: np.random.Generator) -> Work:
    widths = rng.integers(1, 100, L + 1).tolist()

    def work() -> object:
        deep_linear_core.cache_clear()
        return deep_linear(widths, 1)

    return work


def exact_wide(width: int, rng: np.random.Generator) -> Work:
    def work() -> object:
        deep_linear_core.cache_clear()
        return deep_linear([width, 2 * width, width, 3 * width, width], width // 2)

    return work


def exact_chain(L: int, rng: np.random.Generator) -> Work:
    widths = rng.integers(2, 10**8, L + 1).tolist()  # so that no segment comes twice

    def work() -> object:
        deep_linear_core.cache_clear()
        return observed_chain(widths, list(range(1, L + 1)), [1] * L)

    return work


def exact_table(count: int, rng: np.random.Generator) -> Work:
    sides = range(1, 25)
    shapes = [(M, H1, H2, N) for M, H1, H2, N in product(sides, sides, sides, sides)]
    shapes = [shapes[k] for k in rng.permutation(len(shapes))[:count]]

    def work() -> object:
        partial_core.cache_clear()
        return [partial_concept_bottleneck(*shape, 1, 0) for shape in shapes]

    return work


LEARNING = [
    Series("learning", "Gibbs sweeps", "h = N = M", steps(2, 200), counted(square), sweeps(square, 1)),
    Series(
        *("learning", "Gibbs sweeps", "N", steps(4, 400), counted(wide), sweeps(wide)),
        cause="pages: about 500 a sweep at N = 400; with memory kept 1.0 from 225 to 400",
    ),
    Series(
        *("learning", "Gibbs sweeps", "M", steps(4, 400), counted(tall), sweeps(tall)),
        cause="pages: the weights lie in squares of the widest layer, 41 MB at 400, cleared at every start",
    ),
    Series(
        *("learning", "Gibbs sweeps", "layers L", steps(2, 200), power("L", 2), sweeps(layered, 4, beta=1.0)),
        cause="L updates of a layer beside L² products: the steps rise from 1.1 to 1.7",
    ),
    Series("learning", "Gibbs sweeps", "chains", steps(64, 6400), power("C", 1), sweeps(lambda _: SMALL, 4, None)),
    Series("learning", "Gibbs sweeps", "sweeps", steps(50, 5000), power("T", 1), sweeps(lambda _: SMALL, None)),
    Series("learning", "sample", "data n", steps(100, 100_000, 3), power("n", 0), on_data("sample")),
    Series(
        *("learning", "two_temperatures", "data n", steps(100, 100_000, 3), power("n", 0)),
        on_data("two_temperatures"),
    ),
    Series("learning", "two_temperatures", "sweeps", steps(100, 10_000), power("T", 1), longer),
    Series("learning", "from_data", "data n", steps(1000, 100_000), power("n", 1), on_data("from_data")),
    Series("learning", "torch: a sweep", "chains", steps(200, 20_000), power("C", 1), torch_sweep),
    Series("learning", "deep_linear, exact", "layers L", steps(10, 10_000), power("L", 1), exact_deep),
    Series("learning", "deep_linear, exact", "widths", steps(10, 10_000), power("h", 0), exact_wide),
    Series("learning", "observed_chain, exact", "layers L", steps(10, 1000), power("L", 1), exact_chain),
    Series("learning", "table of exact λ", "shapes", steps(100, 10_000), power("S", 1), exact_table),
]
