"""The steps of minimax games that limits.py times: operations and parts.

Formulas stand in one place each, beside a count of the running code.
"""

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lemmata.sim import minimax
from lemmata.sim.minimax import _kernels as games
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.sim.minimax.kernel_sums import COLUMNS, ROWS
from lemmata.sim.minimax.modal import modal_norm
from lemmata.theory import _check
from lemmata.theory.minimax import arguments
from lemmata.theory.streams import stream
from limited import tally
from limited.case import Case, times, together
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
        wide = d + 1 + -(d + 1) % 4
        per_pair = together(one, {"flops64": 2 * (d + 2) + 2 * wide})
        pairs = n * len(y)
        left, right, back = np.ones((ROWS, d + 2)), np.ones((d + 2, COLUMNS)), np.ones((COLUMNS, wide))
        table, blocks = np.full((ROWS, COLUMNS), 0.5), round(pairs / (ROWS * COLUMNS))

        def forth(left: Array = left, right: Array = right, table: Array = table, blocks: int = blocks) -> None:
            for _ in range(blocks):
                np.matmul(left, right, out=table)

        def decays(table: Array = table, blocks: int = blocks) -> None:
            for _ in range(blocks):
                table[:] = 0.5
                games.slopes(games.GAUSSIAN, table.reshape(-1))

        def sums(table: Array = table, back: Array = back, blocks: int = blocks) -> None:
            for _ in range(blocks):
                table @ back

        yield Case(
            *("kernel_sums, gaussian", f"d = {d}, {n} × {2 * n}", "pair", pairs, times(per_pair, pairs)),
            *(8.0 * d * 4 * n, partial(minimax.kernel_sums, "gaussian", d**0.5, x, y)),
            {"distances": forth, "exponentials": decays, "sums": sums},
        )


def feature_cases(seed: int, F: int = 256, n: int = 5000) -> Iterator[Case]:
    one = elementwise_work("features", Numbers([[0.3]]), Numbers([0.1]), Numbers([0.0]))
    for d in (2, 10, 50):
        rng = stream(seed, "limits", "features", d)
        x, y = rng.standard_normal((n, d)), rng.standard_normal((1000, d))
        game = minimax.feature_game(minimax.random_features(F, d, d**0.5, seed), y, ridge=0.1, penalty=0.1)
        c = rng.standard_normal(F) / F**0.5
        work = times(together(one, {"flops64": 4 * d}), n * F)
        rows = (1 << 18) // F
        angles, phases, means = np.ones((rows, F)), np.ones(F), np.zeros(F)
        omega, out = np.ones((d, F)), np.empty((rows, d))

        def circles(angles: Array = angles, phases: Array = phases, means: Array = means, rows: int = rows) -> None:
            for _ in range(round(n / rows)):
                games.features(angles, phases, means)

        def matrices(
            angles: Array = angles, omega: Array = omega, x: Array = x[:rows], out: Array = out, rows: int = rows
        ) -> None:
            for _ in range(round(n / rows)):
                np.matmul(x, omega)
                np.matmul(angles, omega.T, out=out)

        yield Case(
            *("feature game step", f"d = {d}, F = {F}", "particle", n, work, 16.0 * n * d),
            partial(advance, game, "simultaneous", 0.1, 0.1, State(x, c)),
            {"sines and cosines": circles, "products": matrices},
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
            else:
                work = together(work, {"flops64": 4 * n})
                shares = {"stencil": partial(game.penalty, u), "u + f once": partial(np.add, u, f)}
                work["calls"] = 11
            yield Case(
                *(f"grid step, {geometry}", f"n = {n}", "point", n, work, 32.0 * n),
                partial(advance, game, "simultaneous", 0.5, 1e-9, State(u, f)),
                shares,
            )
    count = 20_000
    coupling = np.linspace(0.0, 1.0, count)
    for algorithm in ("simultaneous", "optimistic"):
        with tally.tally() as counted, tally.subclasses_kept(modes, arguments, _check):
            modes.mode_roots(algorithm, 0.5, 0.5, tally.traced(coupling), 1.0)
        yield Case(
            *("modal rates, formula", algorithm, "mode", count, dict(counted), 8.0 * count * 3),
            partial(modes.mode_roots, algorithm, 0.5, 0.5, coupling, 1.0),
        )
    blocks = stream(seed, "limits", "modes").standard_normal((2000, 2, 2)).astype(complex)
    yield Case(
        *("modal norm, blocks", "2 × 2", "mode", 2000, {"eig of 2": 2000.0}, 2000.0 * 16 * 8),
        partial(modal_norm, blocks, np.ones(2000), 1e-11),
        {"eig": partial(np.linalg.eig, blocks), "det": partial(np.linalg.det, blocks)},
    )
