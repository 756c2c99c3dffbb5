"""λ and m together, from the mean energies over a ladder of sample sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ...theory import _check
from ...theory.estimate import Estimate
from ...theory.learning.network import Truth
from .batch_means import batch_means
from .posterior import population
from .sampler import sample
from .smoothing import smoothed_energy

ROUNDING = (
    3e-5  # relative error allowed to an energy at n = 1e12, where float64 keeps four digits of the softest direction
)
OFFSET = 5.0  # how far b is from 0, give or take; between −4 and 4 in every shape tried
LADDER = (1e4, 1e5, 1e6, 1e7, 1e8, 1e10, 1e12)


@dataclass(frozen=True)
class LadderFit:
    """The fit ⟨nK⟩ = λ − (m−1)/(log n + b) to the energies of a ladder.

    Attributes
    ----------
    value, multiplicity : Estimate
        λ and m; the error of m is 0 where m was given.
    offset : float
        b, how far log n is from its asymptotic form; 0 where m = 1 leaves it unknown.
    n, energies, errors : (B,)
        The ladder, its mean energies and their standard errors.
    misfit : float
        The smallest weighted sum of squares; about `freedom` where the law holds over the whole ladder.
    freedom : int
        B less the number of fitted parameters.
    """

    value: Estimate
    multiplicity: Estimate
    offset: float
    n: NDArray[np.float64]
    energies: NDArray[np.float64]
    errors: NDArray[np.float64]
    misfit: float
    freedom: int

    def draw(self, ax: Any) -> None:
        """Draw the energies with error bars, and the fitted law, against n on the Matplotlib axes `ax`."""
        fine = np.geomspace(self.n[0], self.n[-1], 200)
        law = self.value.mean - (self.multiplicity.mean - 1) / (np.log(fine) + self.offset)
        ax.errorbar(self.n, self.energies, 2 * self.errors, fmt="o", capsize=3, label="simulation, 2 errors")
        ax.semilogx(fine, law, label=f"fit: λ = {self.value}, m = {self.multiplicity.mean:.2f}")
        ax.set_xlabel("n")
        ax.set_ylabel("mean of n·K")


def estimate_learning_coefficient(
    truth: Truth,
    *,
    rng: np.random.Generator,
    multiplicity: int | None = None,
    ladder: Sequence[float] = LADDER,
    sweeps: int = 4000,
    chains: int = 32,
    warmup: int = 200,
    prior_scale: float = 1.0,
) -> LadderFit:
    """Estimate λ and m of a network at a truth, without noise, from ⟨nK⟩ at every n of the ladder.

    All rungs are driven by the same random numbers, and the fit weighs them by the covariance of their batch means,
    so that what the rungs share does not blur m.  Errors are those of generalised least squares, b free.

    Parameters
    ----------
    truth : Truth
    rng : Generator
    multiplicity : int, optional
        m where it is known; then λ and b alone are fitted.
    ladder : (B,) floats
        Increasing sample sizes in (1, 1e12], at least 4 (3 where m is known).
    sweeps, chains, warmup, prior_scale
        As in `energy.estimate_energy`, for every rung.

    Raises ValueError where the ladder is too short or not increasing.
    """
    rungs = _check.above("ladder", ladder, 1.0)
    least = 4 if multiplicity is None else 3
    if multiplicity is not None:
        _check.integer("multiplicity", multiplicity, 1)
    if rungs.ndim != 1 or rungs.size < least or not (np.diff(rungs) > 0).all():
        raise ValueError(f"ladder must hold at least {least} increasing sample sizes, got {list(ladder)}")
    seen = sample(population(truth, prior_scale), rungs, rng=rng, sweeps=sweeps, chains=chains, warmup=warmup)
    means = batch_means(smoothed_energy(seen))
    if means.shape[1] < 4 * rungs.size:
        raise ValueError(
            f"chains and sweeps must give at least {4 * rungs.size} batches for the ladder, got {means.shape[1]}"
        )
    covariance = np.cov(means) / means.shape[1]
    draws = int(seen.energy[0].size)
    return fit_ladder(rungs, means.mean(1), covariance, multiplicity, draws)


def fit_ladder(
    n: NDArray[np.float64],
    energies: NDArray[np.float64],
    covariance: NDArray[np.float64],
    multiplicity: int | None,
    draws: int,
) -> LadderFit:
    """Fit the law to mean energies (B,) with the covariance (B, B) of their sampling errors.

    What the law leaves out enters the covariance as two errors of unknown sign (docs/learning, section 8): λ/(2√n) for
    the powers of 1/n, and 2(m−2)/(log n + b)³ for the spread of the m−1 roots that b stands for.  Where m is free and
    hardly above 1, so that b would be fitted to noise, b stays at 0.  Else b counts as an observation 0 ± 5, without
    which noise can drive m and b to infinity together.
    """
    start = np.array([energies[-1], 0.0 if multiplicity is None else multiplicity - 1.0, 0.0])
    free = [0, 1] if multiplicity is None else [0] if multiplicity == 1 else [0, 2]
    best, spread, misfit = _least_squares(n, energies, covariance, start, free)
    if multiplicity is None and best[1] > 3 * np.sqrt(spread[1, 1]):
        free = [0, 1, 2]
        best, spread, misfit = _least_squares(n, energies, covariance, best, free)
    errors = np.zeros(3)
    errors[free] = np.sqrt(np.diag(spread))
    method = "noise-free ladder, generalised least squares"
    return LadderFit(
        Estimate(float(best[0]), float(errors[0]), draws, float(draws), method),
        Estimate(float(best[1]) + 1.0, float(errors[1]), draws, float(draws), method if 1 in free else "given"),
        float(best[2]),
        n,
        energies,
        np.sqrt(np.diag(covariance)),
        misfit,
        n.size - len(free),
    )


def _least_squares(
    n: NDArray[np.float64],
    energies: NDArray[np.float64],
    covariance: NDArray[np.float64],
    start: NDArray[np.float64],
    free: list[int],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """(λ, m−1, b), the covariance of the free ones among them, and the misfit; weights are found from a first fit."""
    log_n = np.log(n)
    floor = np.array([-np.inf, -np.inf, 1.0 - log_n[0]])[free]  # log n + b stays above 1
    best = start.copy()
    for _ in range(2):
        value, excess, offset = best
        powers, roots = 0.5 * value / np.sqrt(n), 2 * max(excess - 1.0, 0.0) / (log_n + offset) ** 3
        total = (
            covariance + np.outer(powers, powers) + np.outer(roots, roots) + (ROUNDING * value) ** 2 * np.eye(n.size)
        )
        whiten = np.linalg.inv(np.linalg.cholesky(total))

        def residual(x: NDArray[np.float64], whiten: NDArray[np.float64] = whiten) -> NDArray[np.float64]:
            parameters = start.copy()
            parameters[free] = x
            value, excess, offset = parameters
            misses = whiten @ (energies - value + excess / (log_n + offset))
            return np.append(misses, offset / OFFSET)

        fit = least_squares(residual, np.maximum(best[free], floor + 0.1), bounds=(floor, np.inf), x_scale="jac")
        best[free] = fit.x
    jacobian = np.asarray(fit.jac)
    return best, np.linalg.pinv(jacobian.T @ jacobian), float(2 * fit.cost)
