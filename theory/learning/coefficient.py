"""What a learning coefficient says about learning: the laws that λ and m govern."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check


class LearningCurve(NamedTuple):
    """Asymptotic laws at sample sizes `n`, each an array of the shape of `n`."""

    n: NDArray[np.float64]
    generalization_error: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    mean_energy: NDArray[np.float64]

    def draw(self, ax: Any, label: str | None = None) -> None:
        """Draw the expected generalization error against n on the Matplotlib axes `ax`, both axes logarithmic."""
        ax.loglog(self.n, self.generalization_error, label=label)
        ax.set_xlabel("sample size n")
        ax.set_ylabel("expected generalization error, nats")


@dataclass(frozen=True)
class LearningCoefficient:
    """The learning coefficient λ (real log canonical threshold) of a model at a truth, and its multiplicity m.

    Attributes
    ----------
    value : Fraction
        λ, exact.
    multiplicity : int
        m, the order of the pole of the zeta function at -λ.
    theorem : str
        Which theorem and which of its cases gave them.

    The methods are the leading laws of singular learning theory; what each leaves out is said there.
    Source: S. Watanabe, Algebraic Geometry and Statistical Learning Theory, 2009; docs/learning, section 1.

    >>> regular = LearningCoefficient(Fraction(3, 2), 1, "three regular coordinates")
    >>> float(regular.generalization_error(100))
    0.015
    """

    value: Fraction
    multiplicity: int
    theorem: str

    def free_energy(self, n: ArrayLike, entropy: float = 0.0) -> NDArray[np.float64]:
        """n·entropy + λ log n − (m−1) log log n in nats: minus the log marginal likelihood, up to O(1).

        With entropy = 0 it is the noise-free free energy −log ∫ exp(−nK) φ.  Shape that of `n`; n > 1.
        """
        log_n = np.log(_check.above("n", n, 1.0))
        excess = float(self.value) * log_n - (self.multiplicity - 1) * np.log(log_n)
        return np.asarray(_check.finite("n", n) * _check.finite("entropy", entropy) + excess)

    def generalization_error(self, n: ArrayLike) -> NDArray[np.float64]:
        """λ/n in nats: the expected Kullback-Leibler divergence from truth to Bayes prediction, up to o(1/n)."""
        return np.asarray(float(self.value) / _check.above("n", n, 0.0))

    def mean_energy(self, n: ArrayLike) -> NDArray[np.float64]:
        """λ − (m−1)/log n: the posterior mean of n·K without noise, up to O(m−1)/log² n.  n > 1."""
        return np.asarray(float(self.value) - (self.multiplicity - 1) / np.log(_check.above("n", n, 1.0)))

    def learning_curve(self, ns: ArrayLike) -> LearningCurve:
        """The three laws at the sample sizes `ns`, each > 1."""
        n = _check.above("ns", ns, 1.0)
        return LearningCurve(n, self.generalization_error(n), self.free_energy(n), self.mean_energy(n))

    def __str__(self) -> str:
        return f"λ = {self.value}, m = {self.multiplicity} ({self.theorem})"
