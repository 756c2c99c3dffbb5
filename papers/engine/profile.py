"""How much work a run may do."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """How much work a run may do, and when it looks.

    Attributes
    ----------
    name : str
    first : int
        Blocks before the first look: enough for their mean to be nearly normal.
    step : int
        Blocks between looks.
    most : int
        Blocks at most.
    effort : float
        Passed to every simulation: the size of a block.
    trials : int
        Random inputs per block of a 'never exceeds' claim.
    level : float
        The family-wise error level of the run.

    Raises ValueError where they are not positive, or most < first.
    """

    name: str
    first: int
    step: int
    most: int
    effort: float
    trials: int
    level: float

    def __post_init__(self) -> None:
        if not (2 <= self.first <= self.most and self.step >= 1 and self.trials >= 1):
            raise ValueError(f"first, step, most and trials must be 2 <= first <= most, step, trials >= 1, got {self}")
        if not (self.effort > 0 and 0 < self.level < 1):
            raise ValueError(f"effort must be > 0 and level between 0 and 1, got {self.effort:g} and {self.level:g}")

    def looks(self, drawn: int = 0) -> Iterator[int]:
        """The numbers of blocks at which a row is looked at, from those drawn already.

        >>> list(Profile("small", first=8, step=4, most=18, effort=1.0, trials=1, level=0.01).looks(9))
        [9, 13, 17, 18]
        """
        blocks = max(drawn, self.first)
        while True:
            yield blocks
            if blocks >= self.most:
                return
            blocks = min(blocks + self.step, self.most)


PROFILES = {
    "quick": Profile("quick", first=24, step=8, most=360, effort=1.0, trials=300, level=1e-3),
    "full": Profile("full", first=32, step=16, most=480, effort=8.0, trials=1000, level=1e-4),
}
