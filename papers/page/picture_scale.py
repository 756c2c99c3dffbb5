"""From numbers to places in a picture: linear or logarithmic, with round ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

SPREAD = 100.0  # largest over least number, from which on a logarithmic scale shows more
FLOOR = 1e-9  # shares of the largest number that a logarithmic scale puts on its edge
MARGIN = 0.06


@dataclass(frozen=True)
class Scale:
    """The numbers low to high on the places start to end; what lies beyond is put on the edge.

    Raises ValueError where low < high does not hold, or low > 0 on a logarithmic scale.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and not self.low > 0):
            raise ValueError(f"low must be < high, and > 0 on a logarithmic scale, got {self.low} and {self.high}")

    def __call__(self, value: float) -> float:
        low, high, x = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, x = math.log(low), math.log(high), math.log(x)
        return self.start + (self.end - self.start) * (x - low) / (high - low)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers on the scale, at most so many.

        >>> Scale(-0.012, 0.03, 0, 100).ticks()
        [-0.01, 0.0, 0.01, 0.02, 0.03]
        >>> Scale(0.02, 3000.0, 0, 100, log=True).ticks()
        [0.1, 1.0, 10.0, 100.0, 1000.0]
        """
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            decades = max(1, math.ceil((last - first + 1) / most))
            return [float(f"1e{power}") for power in range(first, last + 1, decades)]
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = power * next(factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= 0.999 * rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def fitted(values: Iterable[float], start: float, end: float, log: bool = False) -> Scale:
    """The scale that holds all finite values with a little room; on a logarithmic one those well above 0.

    >>> fitted([0.0, 1.0], 0, 100)
    Scale(low=-0.06, high=1.06, start=0, end=100, log=False)
    """
    known = [v for v in values if math.isfinite(v)] or [1.0]
    if log:
        known = [v for v in known if v > FLOOR * max(0.0, *known)] or [1.0]
    low, high = min(known), max(known)
    if log:
        room = max((high / low) ** MARGIN, 1.5)
        return Scale(low / room, high * room, start, end, log=True)
    room = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(low - room, high + room, start, end)


def spread_out(*series: Sequence[float]) -> bool:
    """Whether most numbers are above 0 and spread over so many decades that a logarithmic scale shows more."""
    wide = False
    for values in series:
        finite = np.array([v for v in values if math.isfinite(v)])
        above = finite[finite > FLOOR * finite.max(initial=0.0)]
        if len(above) < 0.8 * len(finite) or not len(above):
            return False
        low, high = np.quantile(above, [0.1, 0.9])
        wide = wide or bool(high / low > SPREAD)
    return wide
