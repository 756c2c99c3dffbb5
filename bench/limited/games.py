"""The steps of minimax games that limits.py times: operations and parts.

Counted in the running code: the exponentials, the sines and cosines, and modal rates.  By formula alone: products, the
passes and the stencil of a grid step, transforms and decompositions.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lemmata.sim import minimax
from lemmata.sim.minimax import _kernels as games
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.sim.minimax.features import QUARTER, TABLE
from lemmata.sim.minimax.kernel_sums import COLUMNS, ROWS, _blocks
from lemmata.sim.minimax.modal import modal_norm
from lemmata.theory import _check
from lemmata.theory.minimax import arguments
from lemmata.theory.streams import stream
from limited import tally
from limited.case import Case, pieces, times, together
from limited.tally import Counted, Numbers

modes = import_module("lemmata.theory.minimax.modes")

Array = NDArray[Any]


def elementwise_work(name: str, *arguments: Any) -> dict[str, float]:
    """What a kernel of one number does."""
    code = tally.plain(games)
    code.power_of_two = lambda k: Counted(1.0)
    with tally.tally() as counted:
        getattr(code, name)(*arguments)
    return dict(counted)


def particle_cases(seed: int) -> Iterator[Case]:
    one = elementwise_work("slopes", games.GAUSSIAN, Numbers([0.5]))
    for d in (2, 10, 50):
        n = 1000
        rng = stream(seed, "limits", "particles", d)
        x, y = rng.standard_normal((n, d)), rng.standard_normal((2 * n, d))
        wide, pairs = d + 1 + -(d + 1) % 4, n * len(y)
        blocks, back, memory = _blocks(d**0.5, x, y), np.ones((len(y), wide)), np.full(ROWS * COLUMNS, 0.5)
        tables = [(rows, here) for rows in pieces(n, ROWS) for here in pieces(len(y), COLUMNS)]

        def forth(blocks: Any = blocks, n: int = n) -> None:
            for rows in pieces(n, ROWS):
                for _ in blocks.tables(rows.start):
                    pass

        def decays(memory: Array = memory, tables: Any = tables) -> None:
            for rows, here in tables:
                games.slopes(games.GAUSSIAN, memory[: width(rows) * width(here)])

        def sums(memory: Array = memory, tables: Any = tables, back: Array = back) -> None:
            for rows, here in tables:
                memory[: width(rows) * width(here)].reshape(width(rows), -1) @ back[here]

        flops = {"distances": 2.0 * (d + 2), "exponentials": one["flops64"], "sums": 2.0 * wide}
        per_pair = together(one, {"flops64": flops["distances"] + flops["sums"]})
        yield Case(
            *("kernel_sums, gaussian", f"d = {d}, {n} × {2 * n}", "pair", pairs, times(per_pair, pairs)),
            *(8.0 * d * 4 * n, partial(minimax.kernel_sums, "gaussian", d**0.5, x, y)),
            {"distances": forth, "exponentials": decays, "sums": sums},
            part_flops=times(flops, pairs),
            why=f"products with one side of {d + 2} and {wide} run at {{rate distances}} ({{distances}} of the time) "
            "and {rate sums} ({sums}), exponentials at {rate exponentials} ({exponentials})",
        )


def width(block: slice) -> int:
    return int(block.stop - block.start)


def feature_cases(seed: int, F: int = 256, n: int = 5000) -> Iterator[Case]:
    one = elementwise_work("features", Numbers([[0.3]]), Numbers([0.1]), Numbers([0.0]))
    for d in (2, 10, 50):
        rng = stream(seed, "limits", "features", d)
        x, y = rng.standard_normal((n, d)), rng.standard_normal((1000, d))
        game = minimax.feature_game(minimax.random_features(F, d, d**0.5, seed), y, ridge=0.1, penalty=0.1)
        c = rng.standard_normal(F) / F**0.5
        work = times(together(one, {"flops64": 4 * d}), n * F)
        rows, phases, means = TABLE // F, np.ones(F), np.zeros(F)
        angles, slopes = np.ones((rows, F)), np.empty_like(x)
        omega = game.features.frequencies
        turned, pulls = np.ascontiguousarray(omega.T) * QUARTER, c[:, None] * omega

        def circles(angles: Array = angles, phases: Array = phases, means: Array = means) -> None:
            for part in pieces(n, len(angles)):
                games.features(angles[: width(part)], phases, means)

        def matrices(
            x: Array = x, turned: Array = turned, pulls: Array = pulls, slopes: Array = slopes, rows: int = rows
        ) -> None:
            for part in pieces(n, rows):
                np.matmul(x[part] @ turned, pulls, out=slopes[part])

        yield Case(
            *("feature game step", f"d = {d}, F = {F}", "particle", n, work, 16.0 * n * d),
            partial(advance, game, "simultaneous", 0.1, 0.1, State(x, c)),
            {"sines and cosines": circles, "products": matrices},
            part_flops={"sines and cosines": n * F * one["flops64"], "products": 4.0 * n * F * d},
            why=f"products with one side of {d} run at {{rate products}} ({{products}} of the time), sines and cosines "
            "at {rate sines and cosines} ({sines and cosines})",
        )


def grid_cases(seed: int) -> Iterator[Case]:
    for n in (1000, 30_000, 1_000_000):
        u = stream(seed, "limits", "grid", n).standard_normal(n)
        f = 0.1 * u[::-1].copy()
        for geometry in ("sobolev", "euclidean"):
            game = minimax.torus_game(n, geometry, 1.0, 1e-3, strong_convexity=1.0)
            # τu + f, u + ηv, Tu - f (or u - Cf), f + γv; then the symbol's products or the stencil
            work: dict[str, float] = {"flops64": n * (2 + 2 + 1 + 2)}
            if geometry == "sobolev":
                work = together(work, {"flops64": n, f"fft of {n}": 2})
                shares = {"transforms": partial(game.best_response, u)}
                why = "the transform and its inverse, with the product between them, take {transforms}"
            else:
                work = together(work, {"flops64": 4 * n})
                shares = {"stencil": partial(game.penalty, u), "passes": partial(passes, u, f)}
                why = "eight passes of NumPy, each into a new array, take {passes}, the stencil {stencil}"
                work["calls"] = 11
            yield Case(
                *(f"grid step, {geometry}", f"n = {n}", "point", n, work, 32.0 * n),
                partial(advance, game, "simultaneous", 0.5, 1e-9, State(u, f)),
                shares,
                why=why,
            )
    yield from modal_cases(seed)


def passes(u: Array, f: Array) -> tuple[Array, Array]:
    """What a grid step in the plain gradient does beside the stencil."""
    du, df = -(1.0 * u + f), u - f
    return u + 0.5 * du, f + 1e-9 * df


def modal_cases(seed: int, count: int = 20_000) -> Iterator[Case]:
    coupling = np.linspace(0.0, 1.0, count)
    for algorithm in ("simultaneous", "optimistic"):
        with tally.tally() as counted, tally.subclasses_kept(modes, arguments, _check):
            modes.mode_roots(algorithm, 0.5, 0.5, tally.traced(coupling), 1.0)
        yield Case(
            *("modal rates, formula", algorithm, "mode", count, dict(counted), 8.0 * count * 3),
            partial(modes.mode_roots, algorithm, 0.5, 0.5, coupling, 1.0),
            modal_parts(algorithm, coupling),
            why="complex roots take {complex roots}, complex quotients {complex quotients}, choices by sign with both "
            "sides computed {choices}, joining the roots {joins}",
        )
    blocks = stream(seed, "limits", "modes").standard_normal((2000, 2, 2)).astype(complex)
    yield Case(
        *("modal norm, blocks", "2 × 2", "mode", 2000, {"eig of 2": 2000.0}, 2000.0 * 16 * 8),
        partial(modal_norm, blocks, np.ones(2000), 1e-11),
        {"eig": partial(np.linalg.eig, blocks), "det": partial(np.linalg.det, blocks)},
    )


def modal_parts(algorithm: str, coupling: Array) -> dict[str, Callable[[], object]]:
    """The lines of `modes.mode_roots` by kind, with the arrays that they get there."""
    product, half = 0.25 * coupling, np.full_like(coupling, 0.25)
    discriminant = 0.0625 - product
    inner = np.sqrt(discriminant.astype(complex))
    large = half + inner
    both = np.stack([large, half - inner], axis=1)
    squares = 1 + 4 * both**2
    outer = np.sqrt(squares)
    more = algorithm == "optimistic"  # and the roots z of both a

    def roots() -> None:
        np.sqrt(discriminant.astype(complex))
        if more:
            np.sqrt(squares)

    def quotients() -> None:
        np.divide(product, large, out=np.zeros_like(large), where=large != 0)
        if more:
            np.divide(both / 2, outer, out=np.zeros_like(both), where=outer != 0)

    def choices() -> None:
        np.where(half >= 0, half + inner, half - inner)
        np.where(discriminant >= 0, large, half - np.where(half >= 0, inner, -inner))
        if more:
            np.where(((1 - 2 * both) * outer.conj()).real >= 0, outer, -outer)

    def joins() -> None:
        np.stack([large, large], axis=1)
        if more:
            np.concatenate([both, both], axis=1)

    return {"complex roots": roots, "complex quotients": quotients, "choices": choices, "joins": joins}
