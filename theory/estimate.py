"""A simulated number together with how far it may be off."""

from dataclasses import dataclass

from scipy.special import ndtri


@dataclass(frozen=True)
class Estimate:
    """The mean of draws and its standard error.

    Attributes
    ----------
    mean, error : float
        The estimate and the standard error of its sampling noise.
    draws : int
        How many draws went in.
    effective : float
        How many independent draws they were worth (equal to `draws` when they were independent).
    method : str
        How the number was obtained, in a few words.

    >>> seen = Estimate(2.1, 0.1, draws=400, effective=400.0, method="plain Monte Carlo")
    >>> round(seen.z(2.0), 6)
    1.0
    >>> tuple(round(end, 3) for end in seen.interval(0.95))
    (1.904, 2.296)
    """

    mean: float
    error: float
    draws: int
    effective: float
    method: str

    def z(self, exact: float) -> float:
        """How many standard errors the mean lies above `exact`."""
        return (self.mean - exact) / self.error

    def interval(self, level: float) -> tuple[float, float]:
        """The two-sided normal confidence interval that covers with probability `level`."""
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must lie strictly between 0 and 1, got {level!r}")
        reach = float(-ndtri((1.0 - level) / 2)) * self.error
        return self.mean - reach, self.mean + reach

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.error:.4f}"
