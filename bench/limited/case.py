"""A kernel that limits.py times, and checks on how its operations were counted."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Work = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """A call of a kernel.

    Attributes
    ----------
    kernel, size, unit : str
        Its name, its sizes, and of what the table tells the cost.
    units : float
        How many of these a call does.
    work : dict
        How often a call uses each resource of peaks.py.
    moved : float
        Bytes that must be read and written at least: arguments once and results once.
    call : callable
    parts : dict
        Calls that do a part of the work alone, as often as the call does it.
    alike : tuple
        Loops of peaks.py, of which the sums and products of the call are made.
    part_flops : dict
        Sums and products of parts, where they are known.
    why : str
        What keeps the call from its bound, where that is less than half of the time: a sentence into which limits.py
        puts shares of the time, {name} of a part and {beside name} for all but it, and {rate name} for its speed.
    """

    kernel: str
    size: str
    unit: str
    units: float
    work: Work
    moved: float
    call: Callable[[], object]
    parts: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    alike: tuple[str, ...] = ()
    part_flops: Mapping[str, float] = field(default_factory=dict)
    why: str = ""


def same(name: str, formula: float, counted: float, tolerance: float = 0.0) -> None:
    """Stop where a formula does not give what was counted."""
    if abs(formula - counted) > tolerance * counted:
        raise SystemExit(f"{name}: the formula gives {formula:g} operations, the running code does {counted:g}")


def pieces(count: int, most: int) -> list[slice]:
    """0, 1, ..., count - 1 in blocks of so many, the last as long as what is left, as the kernels take them."""
    return [slice(first, min(first + most, count)) for first in range(0, count, most)]


def times(work: Work, factor: float) -> dict[str, float]:
    return {name: count * factor for name, count in work.items()}


def together(*works: Work) -> dict[str, float]:
    out: Counter[str] = Counter()
    for work in works:
        out.update(work)  # type: ignore[arg-type]
    return dict(out)
