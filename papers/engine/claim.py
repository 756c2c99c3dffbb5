"""What is a claim: a sentence of a paper, its theory, a simulation that could contradict it, and where to look."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from ...theory.estimate import Estimate
from .strict_json import as_json


class Relation(StrEnum):
    """How the simulated quantity stands to the theory, up to the claim's tolerance."""

    EQUALS = "equals"
    AT_MOST = "at most"
    AT_LEAST = "at least"
    NEVER_EXCEEDS = "never exceeds"


@dataclass(frozen=True)
class Case:
    """One set of keyword arguments at which a claim is tested, with a name that is unique in the claim."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Sighting:
    """One random input of a 'never exceeds' claim: the value seen there, and the arguments of the bound there."""

    value: float
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # NumPy's numbers too


@dataclass(frozen=True)
class BoundedDraws:
    """A block of independent draws of one law in a known range, by their moments: no law of large numbers is needed.

    How many draws a block has must not depend on the draws.  A simulation without noise returns `Agreed`.

    Attributes
    ----------
    count : int
    mean, squares : float
        Of the draws: their mean and Σ(x − mean)².
    lower, upper : float
        Between which every draw lies; the same for every block of a case.
    method : str
        How they were drawn, in a few words.
    """

    count: int
    mean: float
    squares: float
    lower: float
    upper: float
    method: str

    def __post_init__(self) -> None:
        for name in ("mean", "squares", "lower", "upper"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "count", int(self.count))


@dataclass(frozen=True)
class Agreed:
    """A number that a simulation finds without noise: it does not depend on the draws, but for `within`.

    A later block that lies farther from the first than that is a failure of the row, not a draw.

    Attributes
    ----------
    value, within : float
    method : str
        How it was found, in a few words.
    """

    value: float
    within: float
    method: str


@dataclass(frozen=True)
class FalseVariant:
    """A slightly wrong theory that the same draws must refute: what shows that the claim's check can fail.

    Attributes
    ----------
    words : str
        What is wrong in it.
    theory : callable
        As `Claim.theory`.
    cases : tuple of str, optional
        The names of the cases where it differs from the truth; all of them by default.
    """

    words: str
    theory: Callable[..., float]
    cases: tuple[str, ...] | None = None

    def applies(self, case: Case) -> bool:
        """Whether the variant is wrong at this case."""
        return self.cases is None or case.name in self.cases


Simulation = Callable[[Case, np.random.Generator, float], Estimate | BoundedDraws | Agreed | Sighting]


@dataclass(frozen=True)
class Claim:
    """A statement with all that is needed to test it.

    Attributes
    ----------
    name : str
        A slug, unique in the paper.
    paper : str
        The module of `papers/` that holds it.
    place : str
        Where the paper says it.
    sentence : str
        What it says.
    relation : Relation
    theory : callable
        The stated number: a float, from the case's arguments (for 'never exceeds', from a sighting's).
    simulate : callable
        `simulate(case, rng, effort)` draws one independent block from `rng` and returns its `Estimate`, of which the
        mean counts, `BoundedDraws` where every draw is independent and its range is known, or `Agreed` where there is
        no noise; for 'never exceeds' it draws one random input and returns a `Sighting`.  Work should grow in
        proportion to effort.
    cases : tuple of Case
    tolerance : float or callable
        How far apart still counts as equal: a number, or a function of the case's arguments.
    remainder : str
        What the tolerance stands for: what the statement is known to leave out, and how near is near enough.
    false_variants : tuple of FalseVariant
        At least one.
    formula : str
        The statement in LaTeX, for the report.

    Raises ValueError where names clash, a list is empty, or a variant names an unknown case.
    """

    name: str
    paper: str
    place: str
    sentence: str
    relation: Relation
    theory: Callable[..., float]
    simulate: Simulation
    cases: tuple[Case, ...]
    tolerance: float | Callable[..., float]
    remainder: str
    false_variants: tuple[FalseVariant, ...]
    formula: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"name must be a slug such as 'mean-energy', got {self.name!r}")
        names = [case.name for case in self.cases]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"cases of {self.name} must have distinct names, and be at least one, got {names}")
        if not self.false_variants:
            raise ValueError(f"false_variants of {self.name} must hold at least one: a check that cannot fail is none")
        for case in self.cases:
            try:
                as_json(case.arguments)
            except TypeError as error:
                raise ValueError(f"arguments of {self.name} at {case.name!r} must be what JSON has: {error}") from None
        for variant in self.false_variants:
            unknown = set(variant.cases or ()) - set(names)
            if unknown or variant.cases == ():
                raise ValueError(f"the variant {variant.words!r} must name cases of {self.name}, got {variant.cases}")

    def theory_at(self, arguments: Mapping[str, Any], variant: FalseVariant | None = None) -> float:
        """The stated number, or what a false variant makes of it."""
        value = float((variant or self).theory(**arguments))
        if not math.isfinite(value):
            raise ValueError(f"the theory of {self.name} must be finite, got {value} at {dict(arguments)}")
        return value

    def tolerance_at(self, case: Case) -> float:
        """The tolerance at the case."""
        value = float(self.tolerance(**case.arguments) if callable(self.tolerance) else self.tolerance)
        if not (value >= 0.0 and math.isfinite(value)):
            raise ValueError(f"the tolerance of {self.name} must be >= 0 and finite, got {value}")
        return value
