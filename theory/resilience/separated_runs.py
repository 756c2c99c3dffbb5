"""Periodic inputs under which runs from different states stay apart, as far as a simulation can tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product as combinations

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell, Stack
from .interval import Interval
from .layer import places

Array = NDArray[np.float64]

LONGEST = 6  # steps of a period
TURNS = 60  # a multiple of every period up to it
SPELLS = 12  # of TURNS steps, after which what is apart counts as apart for good
STARTS = 8  # states from which each input is tried
MOST, LEAST = 64, 12  # inputs tried with a small and with a large network
SIZE = 2048  # inputs times coordinates of the state, about, in between
CORNERS = 4  # up to 2⁴ corners of U are tried one by one
INSIDE = 1e-3  # of the width of U: there orbits do not touch the edge of S_n
APART = 1e-5  # closer runs have met


@dataclass(frozen=True, eq=False)
class Separated:
    """Runs under one periodic input that have not met.

    Attributes
    ----------
    inputs : (p, m)
        One period, within U.
    states : (N, d)
        Where the runs are at the start of a period, those from S_n first.
    means : (N, d)
        Their means over the last periods.
    """

    inputs: Array
    states: Array
    means: Array


def separated_runs(
    stack: Stack, U: Interval, nominal: Interval, anomaly: Interval, rng: np.random.Generator
) -> Iterator[Separated]:
    """Inputs of period 1 to 6 whose runs from S_n and S_a are still apart after 720 steps, the farthest first."""
    patterns = _patterns(U, min(MOST, max(LEAST, SIZE // stack.dimension)), rng)
    P, d = len(patterns), stack.dimension
    shares = rng.random((P, STARTS, d))
    shares[:, ::4] = shares[:, ::4].round()
    boxes = [nominal if k < STARTS // 2 else anomaly for k in range(STARTS)]
    lower, upper = (np.stack([getattr(box, end) for box in boxes]) for end in ("lower", "upper"))
    x, alive = lower + shares * (upper - lower), np.arange(P)
    means = x
    for _ in range(SPELLS):
        total = np.zeros_like(x)
        for t in range(TURNS):
            total += x
            u = np.stack([patterns[k][t % len(patterns[k])] for k in alive])
            x = step_points(stack, x.reshape(-1, d), np.repeat(u, STARTS, axis=0)).reshape(x.shape)
        apart = np.ptp(x, axis=1).max(axis=1) > APART
        alive, x, means = alive[apart], x[apart], total[apart] / TURNS
        if not len(alive):
            return
    for place in np.argsort(-np.ptp(x, axis=1).max(axis=1), kind="stable"):
        yield Separated(patterns[alive[place]], x[place], means[place])


def step_points(stack: Stack, states: Array, u: Array) -> Array:
    """Joint states (N, d) one step later, in floating point; u is (m,) or (N, m)."""
    parts = []
    for layer, place in zip(stack.layers, places(stack), strict=True):
        part = states[:, place]
        parts.append(part.reshape(len(part), 2, -1) if isinstance(layer, LSTMCell) else part)
    return np.concatenate([out.reshape(len(states), -1) for out in stack.step(tuple(parts), u)], axis=1)


def _patterns(U: Interval, count: int, rng: np.random.Generator) -> list[Array]:
    """The centre, corners, pairs of opposite corners, then random periods of corners and of any inputs."""
    m, width = len(U.lower), INSIDE * (U.upper - U.lower)
    U = Interval(U.lower + width, U.upper - width)
    signs = list(combinations((False, True), repeat=m)) if m <= CORNERS else [(False,) * m, (True,) * m]
    corners = [np.where(np.array(sign), U.upper, U.lower) for sign in signs]
    out = [np.clip(0.5 * U.lower + 0.5 * U.upper, U.lower, U.upper)[None]]
    out += [corner[None] for corner in corners]
    out += [np.stack(pair) for pair in zip(corners, reversed(corners), strict=True)]
    out = out[:count]
    for number in range(count - len(out)):
        share = rng.random((1 + number % LONGEST, m))
        if number % 3:
            share = share.round()
        out.append(np.clip(U.lower + share * (U.upper - U.lower), U.lower, U.upper))
    return out
