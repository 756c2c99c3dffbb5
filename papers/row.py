"""One row of a run: a claim at a case, drawn block by block until it is decided or the budget is spent."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..theory.estimate import Estimate
from ..theory.streams import stream
from .claim import Case, Claim, FalseVariant, Relation, Sighting
from .verdict import Decision, PValues, combined, decide, p_values, p_values_of_search


@dataclass(frozen=True)
class Profile:
    """How much work a run may do.

    Attributes
    ----------
    name : str
    rounds : tuple of int
        How many new blocks each look may draw, growing.
    effort : float
        Passed to every simulation: the size of a block.
    trials : int
        Random inputs per block of a 'never exceeds' claim.
    level : float
        The family-wise error level of the run.
    """

    name: str
    rounds: tuple[int, ...]
    effort: float
    trials: int
    level: float


@dataclass(frozen=True)
class Search:
    """What a search for violations found.

    Attributes
    ----------
    trials, violations : int
    worst : float
        The largest value − bound; a violation where it exceeds the tolerance.
    key : tuple
        Where the worst input came from: `claim.simulate(case, stream(*key), effort)` draws it again.
    arguments : mapping
        The bound's arguments there.
    """

    trials: int
    violations: int
    worst: float
    key: tuple[int | str, ...]
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.violations} of {self.trials} inputs above, closest {self.worst:+.4g}"


@dataclass(frozen=True)
class VariantResult:
    """How a false variant fared on the row's draws; `p` is the corrected p-value of its refutation."""

    words: str
    theory: float | None
    p: float
    blocks: int
    refuted: bool


@dataclass(frozen=True)
class Row:
    """What was seen of one claim at one case; the verdict is given when all rows of the run are known."""

    paper: str
    claim: str
    place: str
    relation: Relation
    case: str
    arguments: Mapping[str, Any]
    theory: float | None
    tolerance: float
    seen: Estimate | Search | None
    p: PValues
    blocks: int
    variants: tuple[VariantResult, ...]
    seconds: float
    failure: str = ""


class Evidence:
    """The blocks of a claim at a case, each from its own stream, drawn when first asked for and kept."""

    def __init__(self, claim: Claim, case: Case, seed: int, profile: Profile) -> None:
        self.claim, self.case, self.seed, self.profile = claim, case, seed, profile
        self._estimates: list[Estimate] = []
        self._sightings: list[tuple[tuple[int | str, ...], Sighting]] = []

    def _draw(self, *where: int) -> tuple[tuple[int | str, ...], Estimate | Sighting]:
        words: tuple[int | str, ...] = (self.claim.paper, self.claim.name, self.case.name, *where)
        return (self.seed, *words), self.claim.simulate(self.case, stream(self.seed, *words), self.profile.effort)

    def estimate(self, blocks: int) -> Estimate:
        """The first `blocks` blocks together."""
        while len(self._estimates) < blocks:
            _, block = self._draw(len(self._estimates))
            if not isinstance(block, Estimate):
                raise TypeError(f"simulate of {self.claim.name} must return an Estimate, got {type(block).__name__}")
            self._estimates.append(block)
        return combined(self._estimates[:blocks])

    def search(self, blocks: int, variant: FalseVariant | None = None) -> Search:
        """The inputs of the first `blocks` blocks, held against the bound or a false variant of it."""
        trials = blocks * self.profile.trials
        while len(self._sightings) < trials:
            key, sighting = self._draw(*divmod(len(self._sightings), self.profile.trials))
            if not isinstance(sighting, Sighting):
                raise TypeError(f"simulate of {self.claim.name} must return a Sighting, got {type(sighting).__name__}")
            self._sightings.append((key, sighting))
        tolerance = self.claim.tolerance_at(self.case)
        margins = [s.value - self.claim.theory_at(s.arguments, variant) for _, s in self._sightings[:trials]]
        violations = sum(not margin <= tolerance for margin in margins)  # a NaN counts as a violation
        where = max(range(trials), key=lambda i: (margins[i] != margins[i], margins[i]))
        key, worst = self._sightings[where]
        return Search(trials, violations, margins[where], key, worst.arguments)

    def look(self, variant: FalseVariant | None = None) -> Callable[[int], PValues]:
        """The p-values of the claim, or of a false variant of it, as a function of the number of blocks."""
        if self.claim.relation is Relation.NEVER_EXCEEDS:

            def at_search(blocks: int) -> PValues:
                found = self.search(blocks, variant)
                return p_values_of_search(found.trials, found.violations)

            return at_search
        theory = self.claim.theory_at(self.case.arguments, variant)
        tolerance = self.claim.tolerance_at(self.case)

        def at_mean(blocks: int) -> PValues:
            return p_values(self.claim.relation, self.estimate(blocks), blocks - 1, theory, tolerance)

        return at_mean


def examine(claim: Claim, case: Case, seed: int, profile: Profile, threshold: float) -> Row:
    """Draw until the claim is decided at the case, then until each of its false variants is, within the profile.

    A row stops when a corrected p-value reaches `threshold`.  A simulation that raises leaves the row undecided, with
    the reason in `failure`.
    """
    started = time.perf_counter()
    searching = claim.relation is Relation.NEVER_EXCEEDS
    evidence = Evidence(claim, case, seed, profile)
    theory: float | None = None
    tolerance = 0.0
    seen: Estimate | Search | None = None
    decision, variants, failure = Decision(PValues(1.0, 1.0), 0), [], ""
    try:
        theory = None if searching else claim.theory_at(case.arguments)
        tolerance = claim.tolerance_at(case)
        decision = decide(evidence.look(), profile.rounds, threshold)
        seen = evidence.search(decision.blocks) if searching else evidence.estimate(decision.blocks)
        for variant in claim.false_variants:
            if variant.applies(case):
                wrong = None if searching else claim.theory_at(case.arguments, variant)
                p, blocks = decide(evidence.look(variant), profile.rounds, threshold)
                refuted = p.refuted <= threshold < p.supported
                variants.append(VariantResult(variant.words, wrong, p.refuted, blocks, refuted))
    except Exception as error:  # one broken simulation must not take the other rows of a run with it
        failure = f"{type(error).__name__}: {error}"
        decision = Decision(PValues(1.0, 1.0), decision.blocks)
    return Row(
        paper=claim.paper,
        claim=claim.name,
        place=claim.place,
        relation=claim.relation,
        case=case.name,
        arguments=case.arguments,
        theory=theory,
        tolerance=tolerance,
        seen=seen,
        p=decision.p,
        blocks=decision.blocks,
        variants=tuple(variants),
        seconds=time.perf_counter() - started,
        failure=failure,
    )
