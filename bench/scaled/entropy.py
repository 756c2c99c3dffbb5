"""Bounds, samplers and densities of Gaussian mixtures against components K, dimensions m and draws n."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lemmata.sim.entropy import LabelSampler, OverlapSampler, RemainderSampler, log_density
from lemmata.theory.entropy import GaussianMixture, derivative_bound, entropy_bracket, pair_gaps

from .series import Maker, Series, Work, power, steps

Array = NDArray[np.float64]


def mixture(K: int, m: int, rng: np.random.Generator, kind: str = "full") -> GaussianMixture:
    """Components about two deviations apart, of condition numbers near 4."""
    means = rng.standard_normal((K, m)) * (2 / m**0.5)
    if kind == "spherical":
        return GaussianMixture(np.full(K, 1 / K), means, 0.5 + rng.random(K))
    noise = rng.standard_normal((K, m, m)) / (4 * m**0.5)
    return GaussianMixture(np.full(K, 1 / K), means, np.eye(m) + 0.5 * (noise + noise.transpose(0, 2, 1)))


def eigenvalues(m: int, rng: np.random.Generator) -> Work:
    A = rng.standard_normal((m, m))
    A = A @ A.T
    return lambda: np.linalg.eigh(A)


def triangular(n: int) -> Maker:
    """A triangular matrix times n points."""

    def make(m: int, rng: np.random.Generator) -> Work:
        L, X = np.tril(rng.standard_normal((m, m))), np.asfortranarray(rng.standard_normal((n, m)))
        return lambda: linalg.blas.dtrmm(1.0, L.T, X, side=1, lower=0)

    return make


def of_mixture(calculation: Callable[[GaussianMixture], object], K: int | None, m: int | None, kind: str) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        q = mixture(K or size, m or size, rng, kind)
        return lambda: calculation(q)

    return make


def construction(m: int, rng: np.random.Generator) -> Work:
    q = mixture(2, m, rng)
    return lambda: GaussianMixture(q.weights, q.means, q.covariances)


def draws(kind: type, K: int | None, m: int | None, n: int | None) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        sampler, rounds = kind(mixture(K or size, m or size, rng)), n or size
        return lambda: sampler.draw(rng, rounds)

    return make


def density(K: int | None, m: int | None, n: int | None) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        q = mixture(K or size, m or size, rng)
        points = rng.standard_normal((n or size, q.dimension))
        return lambda: log_density(q, points)

    return make


RISING = "eigenvalues, Cholesky factors and triangular solves, whose rates still rise at 1000"
PRODUCTS = "nine tenths at 800 are triangular products, which grow by 1.8 from 253 on"
DRAWS = {  # against K and against m
    "labels": ("each block of draws makes calls of NumPy for each component beside its K² densities", ""),
    "overlap": (
        "draws go in blocks, one at 30 components and ten at 300, each with a fixed cost",
        PRODUCTS,
    ),
    "remainder": ("each block of draws makes calls of NumPy for each component beside its K² densities", PRODUCTS),
}
SAMPLERS = {"labels": (LabelSampler, 2, 2), "overlap": (OverlapSampler, 1, 2), "remainder": (RemainderSampler, 2, 2)}
ENTROPY = [
    Series("entropy", "pair_gaps", "K", steps(4, 400), power("K", 2), of_mixture(pair_gaps, None, 2, "spherical")),
    Series(
        "entropy", "entropy_bracket", "K", steps(3, 300), power("K", 2), of_mixture(entropy_bracket, None, 2, "full")
    ),
    Series(
        *(
            "entropy",
            "entropy_bracket",
            "m",
            steps(10, 1000, 5),
            power("m", 3),
            of_mixture(entropy_bracket, 2, None, "full"),
        ),
        bare=("eigh", eigenvalues),
        cause=RISING,
    ),
    Series(
        *("entropy", "derivative_bound", "m", steps(10, 1000, 5), power("m", 3)),
        of_mixture(derivative_bound, 2, None, "full"),
        bare=("eigh", eigenvalues),
        cause=RISING,
    ),
    Series(
        *("entropy", "GaussianMixture", "m", steps(10, 1000, 5), power("m", 3), construction),
        bare=("eigh", eigenvalues),
        cause=RISING,
    ),
    Series(
        "entropy",
        "OverlapSampler, made",
        "K",
        steps(5, 500),
        power("K", 2),
        of_mixture(OverlapSampler, None, 4, "full"),
        cause="some fifty calls of Python a component beside K² pairs",
    ),
]
for name, (kind, at_K, at_m) in SAMPLERS.items():
    ENTROPY += [
        Series("entropy", f"draws of {name}", "n", steps(300, 30_000), power("n", 1), draws(kind, 5, 5, None)),
        Series(
            "entropy",
            f"draws of {name}",
            "K",
            steps(3, 300) if at_K == 1 else steps(2, 200),
            power("K", at_K),
            draws(kind, None, 3, 1000),
            cause=DRAWS[name][0],
        ),
        Series(
            *("entropy", f"draws of {name}", "m", steps(8, 800), power("m", at_m), draws(kind, 3, None, 512)),
            bare=("dtrmm", triangular(512)),
            cause=DRAWS[name][1],
        ),
    ]
ENTROPY += [
    Series("entropy", "log_density", "n", steps(1000, 100_000), power("n", 1), density(5, 5, None)),
    Series("entropy", "log_density", "K", steps(2, 200), power("K", 1), density(None, 5, 4000)),
    Series(
        *("entropy", "log_density", "m", steps(4, 400), power("m", 2), density(5, None, 1024)),
        bare=("dtrmm", triangular(1024)),
    ),
]
