"""When is a claim supported, and when refuted: anytime-valid p-values, and the control of errors over a run.

Every row (a claim at a case) has two null hypotheses: "it does not hold within the tolerance", whose rejection supports
it, and "it holds within the tolerance", whose rejection refutes it.  Their p-values hold at all times at once, so that
a row may be looked at after every block and stopped when it is decided.  Holm's procedure over both hypotheses of every
row then keeps the probability of even one wrong verdict in the whole run under the stated level, whatever the
dependence.  docs/validation has the statements and their proofs.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from .claim import Relation

RARITY = 2e-3  # 'never exceeds' is supported when inputs that violate it are shown to be rarer than this
FARTHEST = 1 << 20  # times the budget: beyond that nobody asks how much more it would take


class Verdict(StrEnum):
    """What a run says of a row."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


class PValues(NamedTuple):
    """Of the two null hypotheses of a row: small `supported` speaks for the claim, small `refuted` against it."""

    supported: float
    refuted: float


class Decision(NamedTuple):
    """The p-values of a row, the least so far of each, and how many blocks they rest on."""

    p: PValues
    blocks: int


class Sides(Protocol):
    """What draws say of their mean: the logarithms of e-values that hold at all times at once."""

    def log_above(self, boundary: float) -> float:
        """That the mean lies above the boundary."""
        ...

    def log_below(self, boundary: float) -> float:
        """That the mean lies below the boundary."""
        ...


def edges(relation: Relation, theory: float, tolerance: float) -> tuple[float, float]:
    """Between which numbers the mean lies if the claim holds within its tolerance.

    >>> edges(Relation.AT_MOST, 2.0, 0.5)
    (-inf, 2.5)
    """
    if relation is Relation.NEVER_EXCEEDS:
        raise ValueError(f"relation must be one that compares a mean, got {relation}")
    low = -math.inf if relation is Relation.AT_MOST else theory - tolerance
    high = math.inf if relation is Relation.AT_LEAST else theory + tolerance
    return low, high


def p_values(seen: Sides, low: float, high: float, factor: float = 1.0) -> PValues:
    """The p-values of "the mean lies outside [low, high]" (small: supported) and "inside" (small: refuted).

    Supporting takes evidence on both sides, each at the full level, as the mean cannot lie beyond both edges; refuting
    takes it on one of the two, and is doubled where both are finite.  `factor` multiplies the logarithms, to guess what
    more draws would say where the logarithm is a sum over draws.
    """
    within, beyond, sides = math.inf, -math.inf, 0
    if low > -math.inf:
        within, beyond, sides = min(within, seen.log_above(low)), max(beyond, seen.log_below(low)), sides + 1
    if high < math.inf:
        within, beyond, sides = min(within, seen.log_below(high)), max(beyond, seen.log_above(high)), sides + 1
    return PValues(_probability(factor * within), min(1.0, sides * _probability(factor * beyond)))


def _probability(log_evidence: float) -> float:
    return min(1.0, math.exp(-log_evidence)) if log_evidence > 0 else 1.0


def p_values_of_search(trials: int, violations: int) -> PValues:
    """For 'never exceeds': one violation is certain refutation; none in many trials makes violations rare.

    Supporting rejects "a random input violates the bound with probability >= RARITY", at (1 − RARITY)^trials, which
    holds at all times at once, since none among more trials means none among fewer.
    """
    if violations:
        return PValues(1.0, 0.0)
    return PValues((1.0 - RARITY) ** trials, 1.0)


def decide(look: Callable[[int], PValues], looks: Iterable[int], threshold: float) -> Decision:
    """Look after each of the numbers of blocks until one of the p-values reaches the threshold."""
    best, blocks = PValues(1.0, 1.0), 0
    for blocks in looks:
        best = PValues(*map(min, best, look(blocks)))
        if min(best) <= threshold:
            break
    return Decision(best, blocks)


def more_needed(look: Callable[[float], PValues], threshold: float) -> float | None:
    """How many times the draws so far would decide, if more of them looked the same; None beyond a million.

    `look(factor)` gives the p-values of `factor` times as many draws.  A guess: the mean will move.
    """
    low, high = 1.0, 2.0
    while min(look(high)) > threshold:
        low, high = high, 2 * high
        if high > FARTHEST:
            return None
    while high - low > 0.05 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if min(look(middle)) <= threshold else (middle, high)
    return high


def holm(p: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses Holm's step-down procedure rejects with family-wise error at most `level`.

    >>> holm([0.01, 0.04, 0.03, 0.005], 0.05)
    [True, False, False, True]
    """
    rejected = [False] * len(p)
    for step, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] > level / (len(p) - step):
            break
        rejected[index] = True
    return rejected


def row_threshold(level: float, rows: int) -> float:
    """The p-value at which a row may stop whatever the others do: Holm's first step over the 2·rows hypotheses."""
    return level / (2 * rows)


def verdicts(p: Sequence[PValues], level: float, rows: int) -> list[Verdict]:
    """The verdicts of rows with the p-values `p`, in a run that planned `rows` of them (the others count as p = 1)."""
    flat = [value for pair in p for value in pair] + [1.0] * (2 * (rows - len(p)))
    rejected = holm(flat, level)
    out = []
    for i in range(len(p)):
        supported, refuted = rejected[2 * i], rejected[2 * i + 1]
        if refuted and p[i].refuted == 0.0:  # a counterexample is certain, however rare such inputs seemed before it
            out.append(Verdict.REFUTED)
        elif supported == refuted:  # neither, or looks that contradict each other
            out.append(Verdict.INCONCLUSIVE)
        else:
            out.append(Verdict.SUPPORTED if supported else Verdict.REFUTED)
    return out
