"""Kernel sums, features, grids and particles against their numbers and dimensions."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from lemmata.sim.minimax import (
    feature_game,
    kernel_game,
    kernel_sums,
    random_features,
    ridge_response,
    simulate_mirror_descent,
    simulate_particles,
    torus_embedding,
    torus_game,
)
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.theory.minimax import update_spectrum

from .series import Maker, Series, Work, power, steps, with_log

Array = NDArray[np.float64]


def clouds(n: int, d: int, rng: np.random.Generator) -> tuple[Array, Array]:
    return rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.3


def kernel(n: int | None, d: int | None) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        x, y = clouds(n or size, d or size, rng)
        return lambda: kernel_sums("gaussian", x.shape[1] ** 0.5, x, y)

    return make


def two_products(n: int) -> Maker:
    """What kernel sums leave to a matrix product: distances and back."""

    def make(d: int, rng: np.random.Generator) -> Work:
        x, y = clouds(n, d, rng)
        return lambda: (x @ y.T) @ x

    return make


def features(n: int | None, F: int | None) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        x, y = clouds(n or size, 2, rng)
        game = feature_game(random_features(F or size, 2, 1.0), y[:100], ridge=0.1)
        c = rng.standard_normal(F or size)
        return lambda: game.directions(x, c)

    return make


def torus(geometry: str) -> Maker:
    def make(n: int, rng: np.random.Generator) -> Work:
        game = torus_game(n, geometry, 1.0, 1e-3, strong_convexity=1.0)
        state = State(rng.standard_normal(n), np.zeros(n))
        return lambda: advance(game, "simultaneous", 0.5, 1e-9, state)

    return make


def transforms(n: int, rng: np.random.Generator) -> Work:
    x = rng.standard_normal(n)
    return lambda: fft.irfft(fft.rfft(x), n)


def sums(n: int, rng: np.random.Generator) -> Work:
    x, y = rng.standard_normal((2, n))
    return lambda: (x + 0.5 * (x + y), y + 0.5 * (x - y))


def mirror(n: int, rng: np.random.Generator) -> Work:
    p = np.full(n, 1.0 / n)
    q = rng.random(n)
    respond = ridge_response(torus_embedding(n, "gaussian", 0.1), q / q.sum(), 1.0)
    return lambda: simulate_mirror_descent(respond, p, 0.5, 2)


def particles(N: int | None, T: int | None, ridge: float) -> Maker:
    def make(size: int, rng: np.random.Generator) -> Work:
        x, y = clouds(N or size, 2, rng)
        count, game = T or size, kernel_game("gaussian", 1.0, ridge, y)
        return lambda: simulate_particles(game, "alternating", 0.01, 0.5, count, start=x, every=count)

    return make


def spectrum(n: int, rng: np.random.Generator) -> Work:
    A = rng.standard_normal((n, n)) / n**0.5
    return lambda: update_spectrum(A, n // 2, "simultaneous", 0.1, 0.1)


def nonsymmetric(n: int, rng: np.random.Generator) -> Work:
    A = rng.standard_normal((n, n)) / n**0.5
    return lambda: np.linalg.eigvals(A)


POWERS_OF_TWO = tuple(2**k for k in range(13, 21))  # other sizes have factors of their own
MINIMAX = [
    Series("minimax", "kernel_sums", "N", steps(100, 10_000), power("N", 2), kernel(None, 2)),
    Series(
        *("minimax", "kernel_sums", "d", steps(10, 1000), power("d", 1), kernel(1000, None)),
        bare=("two products", two_products(1000)),
    ),
    Series("minimax", "features, a pass", "N", steps(1000, 100_000), power("N", 1), features(None, 64)),
    Series("minimax", "features, a pass", "F", steps(10, 1000), power("F", 1), features(4000, None)),
    Series(
        *("minimax", "torus by FFT, a step", "n", POWERS_OF_TWO, with_log("n"), torus("sobolev")),
        bare=("rfft, irfft", transforms),
    ),
    Series(
        *("minimax", "torus by stencil, a step", "n", steps(10_000, 1_000_000), power("n", 1), torus("euclidean")),
        bare=("array sums", sums),
        cause="cache, 2.5 ns a point up to 300 000 and 4.4 beyond with memory kept, and pages, 8 to 15 ns",
    ),
    Series(
        *("minimax", "mirror descent by FFT", "n", POWERS_OF_TWO, with_log("n"), mirror),
        bare=("rfft, irfft", transforms),
    ),
    Series("minimax", "particles", "N", steps(40, 4000), power("N", 2), particles(None, 2, 1.0)),
    Series(  # the critic forgets by a factor of ten a step, so that from 18 steps on it holds no more clouds
        *("minimax", "particles, ridge 1.8", "steps", steps(20, 2000), power("T", 1), particles(20, None, 1.8)),
    ),
    Series(
        *("minimax", "particles, no ridge", "steps", steps(8, 800), power("T", 2), particles(8, None, 0.0)),
        cause="a step's 0.1 ms beside what its T clouds take: 1.97 from 400 to 1000 steps",
    ),
    Series(
        *("minimax", "update_spectrum", "n", steps(4, 400), power("n", 3), spectrum),
        bare=("eigvals", nonsymmetric),
    ),
]
