"""What a series is: a calculation, the sizes at which it is timed, and the law that its time should follow."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]
Maker = Callable[[int, np.random.Generator], Work]  # the work of one size, prepared


@dataclass(frozen=True)
class Law:
    """How a cost should grow: in words, and as numbers up to a constant."""

    words: str
    cost: Callable[[int], float]


def power(symbol: str, exponent: int) -> Law:
    signs = {0: "1", 1: symbol, 2: f"{symbol}²", 3: f"{symbol}³"}
    return Law(signs.get(exponent, f"{symbol}^{exponent}"), lambda n: float(n) ** exponent)


def with_log(symbol: str) -> Law:
    return Law(f"{symbol} log {symbol}", lambda n: n * math.log(n))


@dataclass(frozen=True)
class Series:
    """One calculation against one size.

    Attributes
    ----------
    bare : (str, maker) or None
        An operation of NumPy's or SciPy's that the law should be left to, timed at the same sizes beside it.
    cause : str
        What was measured to keep the time from its law; said where it does.
    short : str
        Why the sizes span less than two decades.
    megabytes : callable or None
        Instead of a time: the memory of a process at a size.
    """

    subject: str
    calculation: str
    size: str
    sizes: Sequence[int]
    law: Law
    make: Maker
    bare: tuple[str, Maker] | None = None
    cause: str = ""
    short: str = ""
    megabytes: Callable[[int], float] | None = None

    @property
    def name(self) -> str:
        return f"{self.subject}: {self.calculation}, {self.size}"

    @property
    def flat(self) -> bool:
        """Whether the law is a constant."""
        return self.law.cost(self.sizes[0]) == self.law.cost(self.sizes[-1])


def steps(first: int, last: int, a_decade: int = 4) -> tuple[int, ...]:
    """Sizes from the first to the last in equal ratios, about `a_decade` to ten times."""
    count = round(a_decade * math.log10(last / first))
    return tuple(dict.fromkeys(round(first * (last / first) ** (k / count)) for k in range(count + 1)))
