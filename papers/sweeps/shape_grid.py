"""Which shapes does a sweep visit: a family of networks and a grid of its numbers, far larger than memory."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from ...theory import _check, learning
from ...theory.learning import LearningCoefficient, network

Shape = dict[str, int | list[int]]
Values = Sequence[int]  # a range, or numbers one by one

INTEGER = r"-?\d{1,9}"
RANGE = re.compile(rf"({INTEGER}):({INTEGER})(?::(\d+))?")
LIST = re.compile(rf"{INTEGER}(,{INTEGER})*")
LARGEST = 10**9 - 1  # number of a shape
MOST = 2**63 - 1  # points that SQLite can number
FORM = "first:last, first:last:step or integers separated by commas"


class Family(NamedTuple):
    """A family of networks: its exact coefficient, a truth to simulate, and the names of its numbers."""

    coefficient: Callable[..., LearningCoefficient]
    truth: Callable[..., network.Truth]
    names: tuple[str, ...]
    optional: tuple[str, ...] = ()


def _multitask_truth(outputs: int, concepts: int, hidden: int, inputs: int, rank: int) -> network.Truth:
    return network.reduced_rank_truth(outputs + concepts, hidden, inputs, rank)


FAMILIES: dict[str, Family] = {
    "reduced-rank": Family(learning.reduced_rank, network.reduced_rank_truth, ("outputs", "hidden", "inputs", "rank")),
    "deep": Family(learning.deep_linear, network.deep_linear_truth, ("widths", "rank")),
    "cbm": Family(
        learning.concept_bottleneck,
        network.concept_bottleneck_truth,
        ("outputs", "concepts", "inputs", "concept_rank"),
        optional=("concept_rank",),
    ),
    "multitask": Family(learning.multitask, _multitask_truth, ("outputs", "concepts", "hidden", "inputs", "rank")),
    "pcbm": Family(
        learning.partial_concept_bottleneck,
        network.partial_concept_bottleneck_truth,
        ("outputs", "hidden", "concepts", "inputs", "concept_rank", "residual_rank"),
    ),
    "chain": Family(learning.observed_chain, network.observed_chain_truth, ("widths", "observed", "ranks")),
}
SEQUENCES = ("widths", "observed", "ranks")  # these take numbers for each place


@dataclass(frozen=True)
class Grid:
    """The product of the values of every number of a family, reached by index; the last number runs fastest.

    Attributes
    ----------
    family : str
        A key of `FAMILIES`.
    axes : tuple of (str, str)
        Each name with its values in words: first:last (inclusive), first:last:step, or integers separated by commas;
        for a number per place (widths, observed, ranks) such words for each place, separated by /.

    >>> grid = Grid.of("deep", {"widths": [range(1, 4), 2, (1, 3)], "rank": "0:1"})
    >>> grid.axes, len(grid)
    ((('widths', '1:3/2/1,3'), ('rank', '0:1')), 12)
    >>> grid.shape(11)
    {'widths': [3, 2, 3], 'rank': 1}
    """

    family: str
    axes: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, family: str, values: Mapping[str, Any]) -> "Grid":
        """The grid of a family from a mapping of names to values.

        Values are words as in `axes`, an integer, or a sequence of integers, such as a range; for widths, observed and
        ranks words, or a sequence with one of these for each place.

        Raises ValueError or TypeError in one sentence for an unknown family, a name that is missing or unknown, values
        that are none, twice the same, or more than 2^63 − 1 points.
        """
        if family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
        names, optional = FAMILIES[family].names, FAMILIES[family].optional
        unknown = [name for name in values if name not in names]
        missing = [name for name in names if name not in values and name not in optional]
        if unknown or missing:
            wrong = f"{unknown[0]!r}" if unknown else f"no {missing[0]}"
            raise ValueError(f"grid must give values of {', '.join(names)} for {family}, got {wrong}")
        axes = tuple((name, _in_words(name, values[name])) for name in names if name in values)
        grid = cls(family, axes)
        if grid.points > MOST:
            raise ValueError(f"grid must hold at most 2^63 - 1 points, got {grid.points:.3g}")
        return grid

    def __len__(self) -> int:
        return self.points

    @cached_property
    def points(self) -> int:
        """How many shapes the grid has, those that no network can have among them."""
        return math.prod(len(place) for _, places in self._places for place in places)

    def shape(self, index: int) -> Shape:
        """The shape of an index in 0 … points − 1, as keyword arguments of the family's functions."""
        out: Shape = {}
        for name, places in reversed(self._places):
            numbers = []
            for values in reversed(places):
                index, digit = divmod(index, len(values))
                numbers.append(values[digit])
            out[name] = numbers[::-1] if name in SEQUENCES else numbers[0]
        return {name: out[name] for name, _ in self.axes}

    @cached_property
    def _places(self) -> tuple[tuple[str, tuple[Values, ...]], ...]:
        return tuple((name, tuple(_values(name, words) for words in all_.split("/"))) for name, all_ in self.axes)


def _in_words(name: str, given: Any) -> str:
    """The values of a name in canonical words: the same numbers have the same words."""
    if name not in SEQUENCES:
        return _place(name, given)
    if isinstance(given, str):
        given = given.split("/")
    if not isinstance(given, Sequence) or not given:
        raise TypeError(f"{name} must have values for each place, a sequence or words separated by /, got {given!r}")
    return "/".join(_place(name, place) for place in given)


def _place(name: str, given: Any) -> str:
    """The values of one number in canonical words."""
    if isinstance(given, str):
        values = _values(name, given)
    elif isinstance(given, range):
        values = given
    elif isinstance(given, Sequence):
        values = _check.integers(name, given, -LARGEST, 1)
    else:
        values = (_check.integer(name, given, -LARGEST),)
    if not values or (isinstance(values, tuple) and len(set(values)) < len(values)):
        raise ValueError(f"{name} must have at least one value and none twice, got {given!r}")
    for end in (values[0], values[-1]):
        _check.integer(name, end, -LARGEST, LARGEST)
    run = range(0)
    if len(values) > 1 and values[1] > values[0]:
        run = range(values[0], values[-1] + 1, values[1] - values[0])
    same = isinstance(values, range) or all(map(operator.eq, run, values))  # a range may be too long to compare
    if same and len(run) == len(values) and (len(run) > 2 or run.step == 1):
        return f"{values[0]}:{values[-1]}" + (f":{run.step}" if run.step > 1 else "")
    return ",".join(map(str, values))


def _values(name: str, words: str) -> Values:
    """The numbers that words name; a range stays one, however long."""
    if LIST.fullmatch(words):
        return tuple(int(word) for word in words.split(","))
    found = RANGE.fullmatch(words)
    if found is None or found[3] == "0":
        raise ValueError(f"{name} must be {FORM}, got {words!r}")
    return range(int(found[1]), int(found[2]) + 1, int(found[3] or 1))
