"""One row of a run: a claim at a case, drawn block by block until it is decided or the budget is spent."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...theory.estimate import Estimate
from .blocks import COUNTED, Block, Blocks, Search
from .claim import Case, Claim, FalseVariant, Relation
from .profile import Profile
from .verdict import PValues, decide, edges, more_needed, p_values_of_search

UNDECIDED = PValues(1.0, 1.0)


@dataclass(frozen=True)
class VariantResult:
    """How a false variant fared on the row's draws; `p` is the p-value of its refutation."""

    words: str
    theory: float | None
    p: float
    blocks: int
    refuted: bool


@dataclass(frozen=True)
class Row:
    """What was seen of one claim at one case; the verdict is given when all rows of the run are known.

    Attributes
    ----------
    theory : float or None
        The stated number; None for 'never exceeds', where every input has its own.
    seen : Estimate, Search or None
        None where the simulation failed.
    sequence : str
        What the p-values rest on: a finite-sample sequence or an asymptotic one.
    interval : (float, float) or None
        Where the mean lies, over all looks together but for twice the probability at which a row may stop.
    p : PValues
    blocks : tuple of Block
        Those that `seen` and `p` rest on.
    more : float or None
        How many times the draws would probably decide an undecided row; None if decided, or if nobody can tell.
    variants : tuple of VariantResult
    seconds : float
    failure : str
        Why the simulation failed.
    """

    paper: str
    claim: str
    place: str
    relation: Relation
    case: str
    arguments: Mapping[str, Any]
    theory: float | None
    tolerance: float
    seen: Estimate | Search | None
    sequence: str
    interval: tuple[float, float] | None
    p: PValues
    blocks: tuple[Block, ...]
    more: float | None
    variants: tuple[VariantResult, ...]
    seconds: float
    failure: str = ""

    @property
    def skewness(self) -> float:
        """Of the blocks' values: 0 where they are symmetric, hardly differ, or are fewer than three."""
        values = [block.value for block in self.blocks]
        n = len(values)
        if n < 3:
            return 0.0
        mean = math.fsum(values) / n
        second, third = (math.fsum((v - mean) ** power for v in values) / n for power in (2, 3))
        return third / second**1.5 if second > (1e-12 * abs(mean)) ** 2 + 1e-200 else 0.0


def examine(claim: Claim, case: Case, seed: int, profile: Profile, threshold: float) -> Row:
    """Draw until the claim is decided at the case, then until each of its false variants is, within the profile.

    A row stops when a p-value reaches `threshold`.  A simulation that raises leaves the row undecided, with the reason
    in `failure`.
    """
    started = time.perf_counter()
    searching = claim.relation is Relation.NEVER_EXCEEDS
    drawn = Blocks(claim, case, seed, profile, threshold)
    found: dict[str, Any] = {"theory": None, "seen": None, "sequence": "", "interval": None, "blocks": (), "more": None}
    tolerance, p, variants, failure = 0.0, UNDECIDED, [], ""
    try:
        found["theory"] = None if searching else claim.theory_at(case.arguments)
        tolerance = claim.tolerance_at(case)
        p, blocks = decide(_look(drawn), profile.looks(), threshold)
        found |= _found(drawn, blocks, p, threshold)
        for variant in claim.false_variants:
            if variant.applies(case):
                variants.append(_tried(drawn, variant, blocks, threshold))
                blocks = variants[-1].blocks
    except (Exception, SystemExit) as error:  # one broken simulation must not take the other rows of a run with it
        failure, p = f"{type(error).__name__}: {error}", UNDECIDED
    return Row(
        paper=claim.paper,
        claim=claim.name,
        place=claim.place,
        relation=claim.relation,
        case=case.name,
        arguments=case.arguments,
        tolerance=tolerance,
        p=p,
        variants=tuple(variants),
        seconds=time.perf_counter() - started,
        failure=failure,
        **found,
    )


def _look(drawn: Blocks, variant: FalseVariant | None = None) -> Callable[[int], PValues]:
    """The p-values of the claim, or of a false variant of it, as a function of the number of blocks."""
    claim, case = drawn.claim, drawn.case
    if claim.relation is Relation.NEVER_EXCEEDS:

        def at_search(blocks: int) -> PValues:
            found = drawn.search(blocks, variant)
            return p_values_of_search(found.trials, found.violations)

        return at_search
    low, high = edges(claim.relation, claim.theory_at(case.arguments, variant), claim.tolerance_at(case))

    def at_mean(blocks: int) -> PValues:
        return drawn.draw(blocks).p_values(low, high)

    return at_mean


def _found(drawn: Blocks, blocks: int, p: PValues, threshold: float) -> dict[str, Any]:
    """What the row's own draws say, apart from the p-values."""
    claim, case, undecided = drawn.claim, drawn.case, min(p) > threshold
    if claim.relation is Relation.NEVER_EXCEEDS:
        search = drawn.search(blocks)
        look = lambda factor: p_values_of_search(round(factor * search.trials), 0)  # noqa: E731
        more = more_needed(look, threshold) if undecided else None
        return {"seen": search, "sequence": COUNTED, "blocks": tuple(drawn.blocks), "more": more}
    seen = drawn.draw(blocks)
    low, high = edges(claim.relation, claim.theory_at(case.arguments), claim.tolerance_at(case))
    return {
        "seen": seen.estimate,
        "sequence": seen.kind,
        "interval": seen.interval(threshold),
        "blocks": tuple(drawn.blocks),
        "more": more_needed(lambda factor: seen.p_values(low, high, factor), threshold) if undecided else None,
    }


def _tried(drawn: Blocks, variant: FalseVariant, blocks: int, threshold: float) -> VariantResult:
    """A false variant on the draws there are, and on more while the budget lasts."""
    searching = drawn.claim.relation is Relation.NEVER_EXCEEDS
    wrong = None if searching else drawn.claim.theory_at(drawn.case.arguments, variant)
    p, blocks = decide(_look(drawn, variant), drawn.profile.looks(blocks), threshold)
    return VariantResult(variant.words, wrong, p.refuted, blocks, p.refuted <= threshold)
