"""A run of many rows, whose results do not depend on who works them off, nor on how often it was stopped."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from ...theory.estimate import Estimate
from .blocks import Search
from .claim import Case, Claim
from .evidence import Evidence, Plan
from .executors import executor as executor_of
from .profile import PROFILES, Profile
from .row import Row, examine
from .verdict import Verdict, row_threshold, verdicts

log = logging.getLogger(__name__)

Task = tuple[int, Claim, Case, int, Profile, float]


@dataclass(frozen=True)
class Campaign:
    """The rows that a run finished, in the order of the claims, and their verdicts.

    Attributes
    ----------
    rows : tuple of Row
    verdicts : tuple of Verdict
        One per row; the probability of even one wrong one is at most `profile.level`.
    planned : int
        How many rows the run set out to do.
    profile : Profile
    seed : int
    seconds : float
        Wall time.
    interrupted : bool
        Whether it was stopped from outside.
    """

    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    planned: int
    profile: Profile
    seed: int
    seconds: float
    interrupted: bool

    def count(self, verdict: Verdict) -> int:
        """How many rows got the verdict."""
        return self.verdicts.count(verdict)

    @property
    def powerful(self) -> bool:
        """Whether every false variant was refuted by the draws that were to support its claim."""
        return all(variant.refuted for row in self.rows for variant in row.variants)

    @property
    def power_status(self) -> int:
        """As `exit_status`, and 1 where a false variant is not refuted."""
        return self.exit_status or (0 if self.powerful else 1)

    def records(self) -> list[dict[str, Any]]:
        """A flat dict a row, of numbers and words alone, that pandas.DataFrame and polars.DataFrame take."""
        return [_record(row, verdict) for row, verdict in zip(self.rows, self.verdicts, strict=True)]

    @property
    def exit_status(self) -> int:
        """0 all supported, 1 any refuted, 2 any inconclusive, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.count(Verdict.REFUTED):
            return 1
        return 0 if self.count(Verdict.SUPPORTED) == self.planned else 2


def _record(row: Row, verdict: Verdict) -> dict[str, Any]:
    seen = row.seen
    low, high = row.interval or (None, None)
    mean, error, draws = (seen.mean, seen.error, seen.draws) if isinstance(seen, Estimate) else (None, None, None)
    search = seen if isinstance(seen, Search) else None
    return {
        "paper": row.paper,
        "claim": row.claim,
        "case": row.case,
        "relation": str(row.relation),
        "theory": row.theory,
        "tolerance": row.tolerance,
        "mean": mean,
        "error": error,
        "draws": draws,
        "low": low,
        "high": high,
        "trials": search and search.trials,
        "violations": search and search.violations,
        "worst": search and search.worst,
        "sequence": row.sequence,
        "p_supported": row.p.supported,
        "p_refuted": row.p.refuted,
        "verdict": str(verdict),
        "blocks": len(row.blocks),
        "variants": len(row.variants),
        "variants_refuted": sum(v.refuted for v in row.variants),
        "seconds": row.seconds,
        "failure": row.failure,
    }


def run(
    claims: Sequence[Claim],
    profile: Profile | str = "quick",
    seed: int = 0,
    jobs: int | None = None,
    on_row: Callable[[Row], Any] = lambda row: None,
    *,
    evidence: str | PathLike[str] | None = None,
    resume: bool = False,
    executor: str = "processes",
    cluster: str | None = None,
    titles: Mapping[str, str] | None = None,
) -> Campaign:
    """Examine every claim at each of its cases.

    Parameters
    ----------
    claims : sequence of Claim
        With distinct (paper, name).
    profile : Profile or str
        quick, full, or one of your own.
    seed : int
        >= 0.
    jobs : int, optional
        Processes of one thread each; the number of cores by default.
    on_row : callable
        Called in this process with each row as it is finished or, when resuming, read; in no fixed order.
    evidence : path, optional
        The SQLite file that every row is written to as soon as it is finished.
    resume : bool
        Whether to go on with the run in `evidence`: its rows are kept, the others worked off.
    executor, cluster
        See `executors.executor`.
    titles : mapping, optional
        What the report calls the papers.

    Returns
    -------
    campaign : Campaign
        `campaign.records()` is a list of flat dicts that pandas.DataFrame and polars.DataFrame take.

    Every block is drawn from a stream of its own, keyed by (seed, paper, claim, case, block), so the rows are the same
    to the last bit whoever works them off; only `seconds` differs.  KeyboardInterrupt ends the run with the rows
    finished.  Raises ValueError for an empty or ambiguous list of claims, a bad argument, or an evidence file that is
    damaged, foreign, of another run, in use, or cannot be written.
    """
    profile = profile_of(profile)
    work = plan(claims, seed)
    chosen = executor_of(executor, jobs, cluster)
    if resume and evidence is None:
        raise ValueError("evidence must name the file of the run to resume, got None")
    threshold = row_threshold(profile.level, len(work))
    started = time.perf_counter()
    finished: dict[int, Row] = {}
    interrupted = False
    opened: AbstractContextManager[Evidence | None] = nullcontext()
    if evidence is not None:
        wanted = replace(Plan.of(work, seed, profile), titles=titles or {})
        opened = Evidence.writing(evidence, wanted, resume)
    with opened as file:
        if file is not None:
            finished = file.rows()
            for row in finished.values():
                on_row(row)
        tasks = _tasks(work, finished, seed, profile, threshold)
        with closing(chosen.results(_examine, tasks)) as results:
            try:
                for index, row in results:
                    if row.failure:
                        log.warning("%s/%s at %s failed: %s", row.paper, row.claim, row.case, row.failure)
                    else:
                        log.info(
                            "%s/%s at %s: %d blocks, %.1f s",
                            row.paper,
                            row.claim,
                            row.case,
                            len(row.blocks),
                            row.seconds,
                        )
                    if file is not None:
                        file.add(index, row)
                    finished[index] = row
                    on_row(row)
            except KeyboardInterrupt:
                interrupted = True
        rows = tuple(finished[i] for i in sorted(finished))
        given = verdicts([row.p for row in rows], profile.level, len(work))
        if file is not None and not interrupted:
            file.close_campaign(given)
    seconds = time.perf_counter() - started
    return Campaign(rows, tuple(given), len(work), profile, seed, seconds, interrupted)


def profile_of(profile: Profile | str) -> Profile:
    """The profile of a name."""
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    return PROFILES[profile]


def plan(claims: Sequence[Claim], seed: int) -> list[tuple[Claim, Case]]:
    """The rows that `run` would do with these arguments; raises what it would raise."""
    names = [(claim.paper, claim.name) for claim in claims]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"claims must be at least one, and distinct, got {['/'.join(n) for n in names]}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be an integer >= 0 and below 2^63, got {seed!r}")
    return [(claim, case) for claim in claims for case in claim.cases]


def _tasks(
    work: Sequence[tuple[Claim, Case]], finished: dict[int, Row], seed: int, profile: Profile, threshold: float
) -> Iterator[Task]:
    before = frozenset(finished)
    for index, (claim, case) in enumerate(work):
        if index not in before:
            yield index, claim, case, seed, profile, threshold


def _examine(index: int, claim: Claim, case: Case, seed: int, profile: Profile, threshold: float) -> tuple[int, Row]:
    return index, examine(claim, case, seed, profile, threshold)
