"""Between which two numbers the entropy of a Gaussian mixture lies."""

from dataclasses import dataclass

import numpy as np

from .approximate_entropy import approximate_entropy, approximate_entropy_rounding
from .gap_bounds import GapBounds, gap_bounds
from .mixture import GaussianMixture
from .overlap import Overlap


@dataclass(frozen=True)
class EntropyBracket:
    """lower <= H <= upper, in nats.

    Attributes
    ----------
    lower, upper : float
        H̃ minus the least upper and minus the greatest lower bound on the gap, each moved outward by its rounding.
    approximation : float
        H̃ itself, not moved.
    lower_from, upper_from : str
        Which bound on the gap was binding at either end; names of `GapBounds`.
    lower_rounding, upper_rounding : float
        By how much either end was moved outward.
    bounds : GapBounds
        All the bounds.

    >>> print(entropy_bracket(GaussianMixture([0.5, 0.5], [[0.0], [9.0]], [1.0, 1.0])))
    2.1120755683 <= H <= 2.1120755683 nats (pairwise, one_pair), H̃ = 2.1120857138
    """

    lower: float
    upper: float
    approximation: float
    lower_from: str
    upper_from: str
    lower_rounding: float
    upper_rounding: float
    bounds: GapBounds

    @property
    def width(self) -> float:
        """upper - lower."""
        return self.upper - self.lower

    def __str__(self) -> str:
        names = f"{self.lower_from}, {self.upper_from}"
        return f"{self.lower:.10f} <= H <= {self.upper:.10f} nats ({names}), H̃ = {self.approximation:.10f}"


def entropy_bracket(mixture: GaussianMixture, pairs: Overlap | None = None) -> EntropyBracket:
    r"""The bracket :math:`[\tilde H - \min \overline\Delta,\; \tilde H - \max \underline\Delta]` that contains H.

    Both ends are rounded outward by a first-order bound on the floating-point error: that of H̃
    (`approximate_entropy_rounding`) and a relative error of the gap's bounds (`GapBounds.relative_rounding`), a few
    1e-13 for well-conditioned covariances, growing with m times their condition number.  With two components the
    bracket is as narrow as that error; with one it is H itself.

    Time and memory grow like K² m³ and K² for full covariances; `pairs` may hand in the mixture's `overlap` where it is
    known already.  Source: docs/entropy, theorem 8.

    >>> bracket = entropy_bracket(GaussianMixture([0.2, 0.3, 0.5], [[-2.0], [0.0], [5.0]], [1.0, 0.25, 4.0]))
    >>> round(bracket.lower, 6), round(bracket.upper, 6), bracket.lower_from, bracket.upper_from
    (2.410818, 2.447466, 'pairwise', 'one_pair')
    """
    bounds = gap_bounds(mixture, pairs)
    about = approximate_entropy(mixture)
    fixed, relative = approximate_entropy_rounding(mixture), bounds.relative_rounding
    below, above = fixed + relative * bounds.upper, fixed + relative * bounds.lower
    return EntropyBracket(
        lower=float(np.nextafter(about - bounds.upper - below, -np.inf)),
        upper=float(np.nextafter(about - bounds.lower + above, np.inf)),
        approximation=about,
        lower_from=bounds.least_upper,
        upper_from=bounds.greatest_lower,
        lower_rounding=below,
        upper_rounding=above,
        bounds=bounds,
    )
