"""When is a claim supported, and when refuted: p-values for both decisions, and the control of errors over a run.

Every row (a claim at a case) has two null hypotheses: "it does not hold within the tolerance", whose rejection supports
it, and "it holds within the tolerance", whose rejection refutes it.  A row is looked at a stated number of times while
its draws grow; its p-values are Bonferroni-corrected for that.  Holm's procedure over both hypotheses of every row then
keeps the probability of even one wrong verdict in the whole run under the stated level, whatever the dependence.
"""

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from scipy.special import stdtr

from ..theory.estimate import Estimate
from .claim import Relation

RARITY = 2e-3  # 'never exceeds' is supported when inputs that violate it are shown to be rarer than this


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
    """The corrected p-values of a row and how many blocks they rest on."""

    p: PValues
    blocks: int


def combined(blocks: Sequence[Estimate]) -> Estimate:
    """The mean of independent blocks of equal effort, its error from their spread (degrees of freedom: blocks − 1).

    The blocks' own errors are not used, so that it does not matter how well they were estimated.

    >>> blocks = [Estimate(m, 0.1, draws=10, effective=10.0, method="") for m in (1.0, 2.0, 3.0)]
    >>> seen = combined(blocks)
    >>> seen.mean, round(seen.error, 6), seen.draws
    (2.0, 0.57735, 30)
    """
    if len(blocks) < 2:
        raise ValueError(f"blocks must be at least 2 to show a spread, got {len(blocks)}")
    for block in blocks:
        if not math.isfinite(block.mean):
            raise ValueError(f"every block must have a finite mean, got {block.mean}")
    count = len(blocks)
    mean = math.fsum(b.mean for b in blocks) / count
    spread = math.fsum((b.mean - mean) ** 2 for b in blocks) / (count - 1)
    return Estimate(
        mean=mean,
        error=math.sqrt(spread / count),
        draws=sum(b.draws for b in blocks),
        effective=math.fsum(b.effective for b in blocks),
        method=f"{count} blocks, each {blocks[0].method}",
    )


def p_values(relation: Relation, seen: Estimate, degrees: int, theory: float, tolerance: float) -> PValues:
    """The p-values of the two decisions, from a mean with Student's t at `degrees` degrees of freedom.

    equals: supporting takes both one-sided tests (TOST), so that the whole interval lies within the tolerance;
    refuting doubles the tail beyond the nearer edge.

    >>> seen = Estimate(1.0, 0.01, draws=100, effective=100.0, method="")
    >>> p = p_values(Relation.EQUALS, seen, 30, theory=1.0, tolerance=0.1)
    >>> p.supported < 1e-9, p.refuted
    (True, 1.0)
    """

    def tail(gap: float) -> float:
        """How probable a mean at least `gap` beyond a boundary is when the truth lies on the boundary."""
        if seen.error == 0.0:
            return 0.0 if gap > 0.0 else 1.0
        return float(stdtr(degrees, -gap / seen.error))

    off = seen.mean - theory
    if relation is Relation.EQUALS:
        return PValues(max(tail(tolerance - off), tail(tolerance + off)), min(1.0, 2.0 * tail(abs(off) - tolerance)))
    if relation is Relation.AT_MOST:
        return PValues(tail(tolerance - off), tail(off - tolerance))
    if relation is Relation.AT_LEAST:
        return PValues(tail(tolerance + off), tail(-off - tolerance))
    raise ValueError(f"relation must be one that compares a mean, got {relation}")


def p_values_of_search(trials: int, violations: int) -> PValues:
    """For 'never exceeds': one violation is certain refutation; none in many trials makes violations rare.

    Supporting rejects "a random input violates the bound with probability >= RARITY", at (1 − RARITY)^trials.
    """
    if violations:
        return PValues(1.0, 0.0)
    return PValues((1.0 - RARITY) ** trials, 1.0)


def decide(look: Callable[[int], PValues], rounds: Sequence[int], threshold: float) -> Decision:
    """Look after each round until one of the p-values, times the number of looks, reaches the threshold.

    `look(blocks)` gives the p-values on the first `blocks` blocks; `rounds` says how many new blocks each round adds.
    The smallest p-value of at most len(rounds) looks, times len(rounds), is a p-value itself (Bonferroni).
    """
    best, blocks = PValues(1.0, 1.0), 0
    for new in rounds:
        blocks += new
        now = look(blocks)
        best = PValues(*(min(old, len(rounds) * p) for old, p in zip(best, now, strict=True)))
        if min(best) <= threshold:
            break
    return Decision(best, blocks)


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
        if supported == refuted:  # neither, or looks that contradict each other
            out.append(Verdict.INCONCLUSIVE)
        else:
            out.append(Verdict.SUPPORTED if supported else Verdict.REFUTED)
    return out
