"""Recurrent networks in which one block of weights stands out, and pairs of trajectories under the same inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.resilience.box import Box
from ..theory.resilience.cell import GRUCell, LSTMCell
from ..theory.resilience.interval import Interval, interval
from ..theory.streams import stream
from .engine.claim import Case
from .kept import Kept
from .random_networks import states_of, within

Array = NDArray[np.float64]

PAPER = "incremental_stability"  # whose claims they serve, and the key of their random streams
INPUT = 0.5  # |u|
NETWORKS = 40  # of each kind
PAIRS = 16  # of trajectories in a trial
UNITS = (1, 2, 3)
LOUD, QUIET = 1.5, 0.1  # widths of the block that stands out, so that every term of a bound is once the largest
ROW_PARTS = 2  # at level R
ROUNDING = 1e-11

LSTM_BLOCKS, GRU_BLOCKS = ("i", "f", "g", "o"), ("r", "z", "n")


@Kept
def one_block(kind: str, number: int) -> LSTMCell | GRUCell:
    """A network whose recurrent weights and biases are small but for those of one block, its input drive included."""
    rng = stream(0, PAPER, kind, number)
    names = LSTM_BLOCKS if kind == "LSTM" else GRU_BLOCKS
    n = UNITS[number % len(UNITS)]
    width = np.full(len(names), QUIET)
    width[rng.integers(len(names))] = LOUD
    ih, hh = (rng.uniform(-1.0, 1.0, (len(names), n, columns)) * width[:, None, None] for columns in (1, n))
    ih[names.index("g" if kind == "LSTM" else "n")] *= rng.choice([1.0, 20.0])  # else c and ν stay small
    biases = rng.uniform(-QUIET, QUIET, (2, len(names), n))
    if kind == "LSTM":
        return LSTMCell(ih.reshape(-1, 1), hh.reshape(-1, n), biases.sum(0).ravel())
    biases[1, 2] *= 10.0  # the bias inside the reset
    return GRUCell(ih.reshape(-1, 1), hh.reshape(-1, n), *biases.reshape(2, -1))


def usual_inputs() -> Interval:
    """|u| <= ½."""
    return interval(Box([-INPUT], [INPUT]))


def pairs_of(rng: np.random.Generator, box: Box, blocks: int) -> tuple[Array, Array]:
    """Two states for each of the pairs, (PAIRS, d): anywhere, near to each other, or alike in a block."""
    first, second = within(rng, box, PAIRS), within(rng, box, PAIRS)
    near = rng.random((PAIRS, 1)) < 0.4
    second = np.where(near, first + 0.02 * (second - first), second)
    alike = np.repeat(rng.random((PAIRS, blocks)) < 0.3, box.dimension // blocks, axis=1)
    return first, np.where(alike, first, second)


def run_pairs(cell: LSTMCell | GRUCell, pairs: tuple[Array, Array], inputs: Array) -> Array:
    """Δx after the inputs (T, PAIRS, 1), (PAIRS, d)."""
    x = states_of(cell, np.concatenate(pairs))
    for u in inputs:
        x = cell.step(x, np.concatenate([u, u]))
    first, second = np.split(np.asarray(x).reshape(2 * len(pairs[0]), -1), 2)
    out: Array = second - first
    return out


def cases(named: Mapping[str, Mapping[str, Any]]) -> tuple[Case, ...]:
    """Cases by name."""
    return tuple(Case(name, arguments) for name, arguments in named.items())
