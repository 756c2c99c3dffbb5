"""The order of the levels A to R, and where it ends: the Euclidean norm sees signs cancel, moduli do not.

The claims belong to `incremental_stability`: docs/resilience, section 5.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.resilience.box import Box
from ..theory.resilience.cell import LSTMCell
from ..theory.resilience.certificate import Certificate
from ..theory.resilience.certify import certify
from ..theory.resilience.levels import reduced
from ..theory.resilience.recovery import deviation_bounds
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from .kept import Kept
from .one_block_networks import INPUT, PAIRS, PAPER, ROUNDING, ROW_PARTS, cases, one_block, pairs_of, run_pairs
from .random_networks import within

Array = NDArray[np.float64]

LINKS = (("seen", "R"), ("R", "C"), ("C", "B"), ("B", "A"), ("A2r", "A2"), ("seen", "A2r"))
ORDERED = 9  # networks


@Kept
def _ordered(number: int) -> Certificate:
    return certify(one_block("LSTM", number), INPUT, levels=("A",), split=ROW_PARTS)


@Kept
def _map(number: int, level: str) -> Any:
    return _ordered(number).comparison(level, 0)


def _link(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """A pair of states, one step, and a random link of the chain: the smaller of its two numbers."""
    number = int(rng.integers(ORDERED))
    cell = one_block("LSTM", number)
    pairs = pairs_of(rng, _ordered(number).anomaly.interval.box(), 2)
    inputs = np.repeat(within(rng, Box([-INPUT], [INPUT]), 1, 1), PAIRS, axis=1)
    k = int(rng.integers(PAIRS))
    after = np.abs(run_pairs(cell, pairs, inputs))[k, cell.units :]
    smaller, larger = LINKS[int(rng.integers(len(LINKS)))]
    deviation = tuple(np.abs(pairs[1] - pairs[0])[k].tolist())
    euclidean = larger.startswith("A2")
    seen = float(np.linalg.norm(after)) if euclidean else float(after.max())
    value = seen if smaller == "seen" else _level_at(smaller, number, deviation)
    return Sighting(value, {"smaller": smaller, "larger": larger, "number": number, "deviation": deviation})


def _level_at(level: str, number: int, deviation: tuple[float, ...]) -> float:
    """The bound of a level on the norm of Δh after one step."""
    start = reduced(level, _ordered(number).stack, np.array(deviation))
    out = _map(number, level).apply(start)
    return float(out[len(out) // 2 :].max())


def _larger(smaller: str, larger: str, number: int, deviation: tuple[float, ...]) -> float:
    return _level_at(larger, number, deviation)


def _wrong_link(wrong: Mapping[str, float]) -> Callable[..., float]:
    def at(smaller: str, larger: str, number: int, deviation: tuple[float, ...]) -> float:
        return wrong.get(larger, 1.0) * _level_at(larger, number, deviation)

    return at


# ---- signs that cancel

LATEST = 16  # steps
TURN = np.array([[1.25, 1.25], [1.25, -1.25]])  # R_g; all else is 0


@Kept
def cancelling() -> Certificate:
    """Of the network of docs/resilience, section 5, at levels A2 and R."""
    R = np.zeros((8, 2))
    R[4:6] = TURN
    return certify(LSTMCell(np.zeros((8, 1)), R, np.zeros(8)), INPUT, levels=("A2", "R"), split=ROW_PARTS)


def _cancelled(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The largest deviation of h among pairs in S_a after some steps."""
    known, steps = cancelling(), int(rng.integers(LATEST + 1))
    cell = known.stack.layers[0]
    pairs = pairs_of(rng, known.anomaly.interval.box(), 2)
    inputs = np.zeros((steps, PAIRS, 1))
    return Sighting(float(np.abs(run_pairs(cell, pairs, inputs))[:, 2:].max()), {"steps": steps})


def _euclidean_bound(steps: int) -> float:
    return float(_euclidean_bounds()[steps])


@Kept
def _euclidean_bounds() -> Array:
    return deviation_bounds(cancelling(), "A2", LATEST)


def _with_norm(norm: float) -> Callable[..., float]:
    """A of docs/resilience, theorem 4, for this network, which is ½ (1, ½)ᵀ (1, ‖R_g‖), with another norm."""

    def at(steps: int) -> float:
        start = 2 * np.linalg.norm(cancelling().anomaly.interval.magnitude.reshape(2, 2), axis=1)
        A = np.outer([1.0, 0.5], [0.5, norm / 2])
        return float((np.linalg.matrix_power(A, steps) @ start)[1])

    return at


ORDER_CLAIMS = (
    Claim(
        name="order",
        paper=PAPER,
        place="docs/resilience, section 5",
        sentence="‖Δh⁺‖ ≤ R ≤ C ≤ B ≤ A in the largest entry, ‖Δh⁺‖ ≤ A2r ≤ A2 in the Euclidean norm.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_larger,
        simulate=_link,
        cases=cases({"a random link": {}}),
        tolerance=ROUNDING,
        remainder="rounding",
        false_variants=(
            FalseVariant("R by a percent less", _wrong_link({"R": 0.99})),
            FalseVariant("C by a percent less", _wrong_link({"C": 0.99})),
            FalseVariant("B by a tenth less", _wrong_link({"B": 0.9})),
            FalseVariant("A by a percent less", _wrong_link({"A": 0.99})),
            FalseVariant("A2r by a percent less", _wrong_link({"A2r": 0.99})),
            FalseVariant("A2 by a tenth less", _wrong_link({"A2": 0.9})),
        ),
        formula=(
            r"\lVert \Delta h^+ \rVert_\infty \le R \le C \le B \le A, \quad \lVert \Delta h^+ \rVert_2 \le A_{2r} "
            r"\le A_2"
        ),
    ),
    Claim(
        name="cancellation",
        paper=PAPER,
        place="docs/resilience, section 5: the Euclidean norm and moduli cannot be compared",
        sentence="With R_g = 1.25 [[1, 1], [1, −1]] alone h settles by level A2, λ = ½ + ¼·1.25√2, though ρ(R) > 1.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_euclidean_bound,
        simulate=_cancelled,
        cases=cases({"two units": {}}),
        tolerance=ROUNDING,
        remainder="rounding",
        false_variants=(
            FalseVariant("1.25, the largest entry, for the norm 1.25√2", _with_norm(1.25)),
            FalseVariant("1.25√2 less a tenth", _with_norm(0.9 * 1.25 * math.sqrt(2))),
        ),
        formula=(
            r"R_g = \frac54 \begin{pmatrix} 1 & 1 \\ 1 & -1 \end{pmatrix}: \quad "
            r"\lVert \Delta h(t) \rVert_\infty \le (A_2^t \delta_0)_h, \quad \rho(A_2) = \frac12 + \frac14 \cdot "
            r"\frac54 \sqrt2 < 1 < \rho(R)"
        ),
    ),
)
