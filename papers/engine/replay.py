"""Drawing once more what a run has seen: a counterexample, or the blocks of a row."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...theory.streams import stream
from .blocks import Counterexample
from .claim import Case, Claim, Sighting
from .evidence import Evidence
from .executors import with_one_thread
from .row import Row
from .strict_json import as_json


@dataclass(frozen=True)
class Replayed:
    """A violation drawn again.

    Attributes
    ----------
    row : Row
    stored : Counterexample
        As the file has it.
    again : Sighting
        As it came out now.
    bound : float
        What the claim says now.
    tolerance : float
    """

    row: Row
    stored: Counterexample
    again: Sighting
    bound: float
    tolerance: float

    @property
    def identical(self) -> bool:
        """Whether value, bound and arguments are the stored ones to the last bit."""
        now = (self.again.value, self.bound, self.again.arguments)
        return as_json(now) == as_json((self.stored.value, self.stored.bound, self.stored.arguments))

    @property
    def violates(self) -> bool:
        """Whether the value lies above the bound by more than the tolerance."""
        return not self.again.value - self.bound <= self.tolerance


def replay(evidence: Evidence, number: int, claims: Iterable[Claim]) -> Replayed:
    """Draw the counterexample of an id again, from its stream.

    Raises ValueError where the file has no such id, or `claims` not its claim or case.
    """
    row, stored = evidence.counterexample(number)
    claim, case = find(row, claims)
    rng = stream(int(stored.key[0]), *stored.key[1:])
    seen = with_one_thread(claim.simulate, case, rng, evidence.plan.profile.effort)
    if not isinstance(seen, Sighting):
        raise ValueError(f"claims must hold the search that found the violation, got {claim.relation} for {claim.name}")
    return Replayed(row, stored, seen, claim.theory_at(seen.arguments), claim.tolerance_at(case))


def find(row: Row, claims: Iterable[Claim]) -> tuple[Claim, Case]:
    """The claim and the case of a row."""
    for claim in claims:
        if (claim.paper, claim.name) == (row.paper, row.claim):
            for case in claim.cases:
                if case.name == row.case:
                    return claim, case
            raise ValueError(f"claims must hold the case {row.case!r} of {row.paper}/{row.claim}, got others alone")
    raise ValueError(
        f"claims must hold {row.paper}/{row.claim}, got none of that name: name the file that it came from"
    )
