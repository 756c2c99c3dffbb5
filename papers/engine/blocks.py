"""The blocks of a claim at a case, each from a stream of its own, and what they say together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...theory.bounded_mean import ConfidenceSequence
from ...theory.estimate import Estimate
from ...theory.normal_mean import NormalMean
from ...theory.streams import stream
from .claim import Agreed, BoundedDraws, Case, Claim, FalseVariant, Sighting
from .profile import Profile
from .strict_json import as_json
from .verdict import PValues, p_values

Key = tuple[int | str, ...]

ASYMPTOTIC = "asymptotic: means of independent blocks, taken as normal"
FINITE = "finite-sample: independent draws in a known range"
NOISELESS = "without noise: every block agreed"
COUNTED = "finite-sample: independent random inputs, counted"

KEPT = 20  # violations of a search that are kept with their inputs
SAMPLED = 200  # inputs of a search whose value and bound are kept


@dataclass(frozen=True)
class Block:
    """One block: the mean of its draws, or how many of its random inputs violate the bound.

    Attributes
    ----------
    draws : int
    value : float
        The mean; for a search the largest value − bound.
    violations : int
        0 where there is no search.
    """

    draws: int
    value: float
    violations: int = 0


@dataclass(frozen=True)
class Counterexample:
    """A random input above the bound.

    Attributes
    ----------
    key : tuple
        `claim.simulate(case, stream(*key), effort)` draws it again.
    value, bound : float
    arguments : mapping
        The bound's arguments.
    """

    key: Key
    value: float
    bound: float
    arguments: Mapping[str, Any]


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
    counterexamples : tuple of Counterexample
        The first violations in the order of the draws.
    sample : tuple of (float, float)
        Value and bound of the first inputs: how tight the bound is.
    """

    trials: int
    violations: int
    worst: float
    key: Key
    arguments: Mapping[str, Any]
    counterexamples: tuple[Counterexample, ...] = ()
    sample: tuple[tuple[float, float], ...] = ()

    def __str__(self) -> str:
        return f"{self.violations} of {self.trials} inputs above, closest {self.worst:+.4g}"


class Seen(Protocol):
    """What the blocks so far say together of the mean."""

    @property
    def kind(self) -> str:
        """ASYMPTOTIC or FINITE."""
        ...

    @property
    def estimate(self) -> Estimate:
        """The mean with its standard error."""
        ...

    def add(self, block: Any) -> Block:
        """Take a block in."""
        ...

    def interval(self, p: float) -> tuple[float, float]:
        """Between which numbers the mean lies, but for a probability of 2p over all looks together."""
        ...

    def p_values(self, low: float, high: float, factor: float = 1.0) -> PValues:
        """Of "the mean lies outside [low, high]" and "inside"; with a factor, for so many times as many such draws."""
        ...


class Means:
    """The means of independent blocks of equal effort, taken as normal: their own errors are not used.

    So it does not matter how well the blocks know their errors, nor whether draws within a block are independent.
    """

    kind = ASYMPTOTIC

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._draws, self._effective, self._method = 0, 0.0, ""

    def add(self, block: Any) -> Block:
        if not isinstance(block, Estimate):
            raise TypeError(f"simulate must return an Estimate like its first block, got {type(block).__name__}")
        if not math.isfinite(block.mean):
            raise ValueError(f"every block must have a finite mean, got {block.mean}")
        mean = float(block.mean)
        self._count += 1
        step = mean - self._mean
        self._mean += step / self._count
        self._squares += step * (mean - self._mean)
        self._draws, self._effective = self._draws + int(block.draws), self._effective + float(block.effective)
        self._method = block.method
        return Block(int(block.draws), mean)

    @property
    def _normal(self) -> NormalMean:
        return NormalMean(self._count, self._mean, max(0.0, self._squares))

    @property
    def estimate(self) -> Estimate:
        n = self._count
        error = math.sqrt(max(0.0, self._squares) / (n - 1) / n) if n > 1 else math.inf
        return Estimate(self._mean, error, self._draws, self._effective, f"{n} blocks, each {self._method}")

    def interval(self, p: float) -> tuple[float, float]:
        return self._normal.interval(1 - 2 * p)

    def p_values(self, low: float, high: float, factor: float = 1.0) -> PValues:
        if self._squares == 0.0:  # blocks that all agree say nothing of rarer values
            return PValues(1.0, 1.0)
        return p_values(self._normal if factor == 1.0 else self._normal.repeated(factor), low, high)


class BoundedMean:
    """Independent draws of one law in a known range.

    Parameters
    ----------
    first : BoundedDraws
        A block, for the range; it is not taken in yet.
    threshold : float
        The p-value that the evidence is weighed for.
    expected : int
        At about how many blocks a row is decided.
    """

    kind = FINITE

    def __init__(self, first: BoundedDraws, threshold: float, expected: int) -> None:
        self._range, self._method, self._blocks = (first.lower, first.upper), first.method, 0
        # half of the failures on each side: log 2/(2p) = log 1/p is what one side needs
        self._sequence = ConfidenceSequence(*self._range, 1 - 2 * threshold, expected * first.count)

    def add(self, block: Any) -> Block:
        if not isinstance(block, BoundedDraws) or (block.lower, block.upper) != self._range:
            raise TypeError(f"simulate must return BoundedDraws in {list(self._range)} like its first, got {block!r}")
        self._sequence.update(block.count, block.mean, block.squares)
        self._blocks += 1
        return Block(block.count, block.mean)

    @property
    def estimate(self) -> Estimate:
        seen = self._sequence
        error, method = math.sqrt(seen.variance / seen.count), f"{self._blocks} blocks, each {self._method}"
        return Estimate(seen.mean, error, seen.count, float(seen.count), method)

    def interval(self, p: float) -> tuple[float, float]:
        return self._sequence.bounds(p)

    def p_values(self, low: float, high: float, factor: float = 1.0) -> PValues:
        return p_values(self._sequence, low, high, factor)


class Agreement:
    """A number without noise: it lies within a stated distance of the first block's, as every other block must."""

    kind = NOISELESS

    def __init__(self, first: Agreed) -> None:
        self._value, self._within, self._method = float(first.value), float(first.within), first.method
        self._blocks = 0

    def add(self, block: Any) -> Block:
        if not isinstance(block, Agreed):
            raise TypeError(f"simulate must return Agreed like its first block, got {type(block).__name__}")
        if not abs(block.value - self._value) <= self._within:
            raise ValueError(f"every block must agree with {self._value} within {self._within:g}, got {block.value}")
        self._blocks += 1
        return Block(1, float(block.value))

    @property
    def estimate(self) -> Estimate:
        n = self._blocks
        return Estimate(self._value, self._within, n, float(n), f"{n} blocks that agree, each {self._method}")

    def interval(self, p: float) -> tuple[float, float]:
        return self._value - self._within, self._value + self._within

    def p_values(self, low: float, high: float, factor: float = 1.0) -> PValues:
        below, above = self.interval(0.0)
        return PValues(0.0 if low <= below and above <= high else 1.0, 0.0 if above < low or high < below else 1.0)


class Blocks:
    """The blocks of a claim at a case, drawn when first asked for.

    Parameters
    ----------
    claim : Claim
    case : Case
    seed : int
    profile : Profile
    threshold : float
        The p-value at which the row may stop.
    """

    def __init__(self, claim: Claim, case: Case, seed: int, profile: Profile, threshold: float) -> None:
        self.claim, self.case, self.seed, self.profile, self.threshold = claim, case, seed, profile, threshold
        self.blocks: list[Block] = []
        self.seen: Seen | None = None
        self._sightings: list[tuple[Key, Sighting]] = []

    def draw(self, blocks: int) -> Seen:
        """Draw until there are `blocks` blocks, of an Estimate or BoundedDraws each; what they say together."""
        while len(self.blocks) < blocks:
            _, block = self._simulate(len(self.blocks))
            if isinstance(block, Sighting):
                raise TypeError(
                    f"simulate of {self.claim.name} must return an Estimate or BoundedDraws, got a Sighting"
                )
            if self.seen is None:
                self.seen = self._first(block)
            self.blocks.append(self.seen.add(block))
        assert self.seen is not None
        return self.seen

    def _first(self, block: Estimate | BoundedDraws | Agreed) -> Seen:
        if isinstance(block, Agreed):
            return Agreement(block)
        if isinstance(block, BoundedDraws):
            return BoundedMean(block, self.threshold, self.profile.first)
        return Means()

    def search(self, blocks: int, variant: FalseVariant | None = None) -> Search:
        """The inputs of the first `blocks` blocks, held against the bound or a false variant of it."""
        trials = blocks * self.profile.trials
        while len(self._sightings) < trials:
            key, sighting = self._simulate(*divmod(len(self._sightings), self.profile.trials))
            if not isinstance(sighting, Sighting):
                raise TypeError(f"simulate of {self.claim.name} must return a Sighting, got {type(sighting).__name__}")
            self._sightings.append((key, sighting))
        tolerance = self.claim.tolerance_at(self.case)
        bounds = [self.claim.theory_at(s.arguments, variant) for _, s in self._sightings[:trials]]
        margins = [s.value - bound for (_, s), bound in zip(self._sightings, bounds, strict=False)]
        above = [i for i in range(trials) if not margins[i] <= tolerance]  # a NaN counts as a violation
        where = max(range(trials), key=lambda i: (margins[i] != margins[i], margins[i]))
        key, worst = self._sightings[where]
        kept = tuple(
            Counterexample(
                self._sightings[i][0], self._sightings[i][1].value, bounds[i], self._sightings[i][1].arguments
            )
            for i in above[:KEPT]
        )
        if variant is None:
            as_json([worst.arguments, [x.arguments for x in kept]])  # raises here, where it is the row's failure
            self._tally(margins, set(above))
        sample = tuple((x.value, b) for (_, x), b in zip(self._sightings[:SAMPLED], bounds, strict=False))
        return Search(trials, len(above), margins[where], key, worst.arguments, kept, sample)

    def _tally(self, margins: Sequence[float], above: set[int]) -> None:
        n = self.profile.trials
        self.blocks = [
            Block(n, max(margins[at : at + n]), sum(i in above for i in range(at, at + n)))
            for at in range(0, len(margins), n)
        ]

    def _simulate(self, *where: int) -> tuple[Key, Estimate | BoundedDraws | Agreed | Sighting]:
        key: Key = (self.claim.paper, self.claim.name, self.case.name, *where)
        return (self.seed, *key), self.claim.simulate(self.case, stream(self.seed, *key), self.profile.effort)
