"""How a statement about the gap Δ = H̃ − H of a Gaussian mixture is put to the test: by draws, or by plain quadrature.

Neither draws nor quadrature know the pair integral or any bound.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..theory.entropy.gap_bounds import GapBounds, gap_bounds
from ..theory.entropy.mixture import GaussianMixture
from ..theory.estimate import Estimate
from .engine.claim import Agreed, BoundedDraws, Case, Sighting

Array = NDArray[np.float64]

ROUNDS = 4000  # of one block at effort 1; a round holds draws from each component
NODES = 8  # of the quadrature, for each of the smallest deviations
REACH = 9.0  # deviations; beyond them 1e-18 of the mass is left
STEP = 1e-3  # of central differences, against deviations near 1

ROUNDED = 1e-9  # how far entropies that are the same may be apart

KEPT = 1 << 15  # mixtures, as each is held against a claim and all its false variants

Line = tuple[float, ...]
Quantity = Callable[..., Any]


def mixture_case(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, **more: Any) -> dict[str, Any]:
    """The arguments of a case: a mixture as plain lists, and what else the statement needs."""
    return {
        "weights": np.asarray(weights, dtype=float).tolist(),
        "means": np.asarray(means, dtype=float).tolist(),
        "covariances": np.asarray(covariances, dtype=float).tolist(),
        **more,
    }


def of_mixture(quantity: Quantity) -> Callable[..., float]:
    """A function of a mixture, and perhaps of more, as a function of a case's arguments."""

    def at(weights: Any, means: Any, covariances: Any, **more: Any) -> float:
        return float(quantity(GaussianMixture(weights, means, covariances), **more))

    return at


def sampled_gap(case: Case, rng: np.random.Generator, effort: float) -> BoundedDraws:
    """A block of the label entropy h(x) under q, whose mean is Δ and which lies between 0 and log K."""
    values = label_entropies(_mixture(case.arguments), rng, round(ROUNDS * effort))
    return bounded(values, 0.0, math.log(len(case.arguments["weights"])), "label entropies under q")


def constant_gap(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """As `sampled_gap`, where h(x) does not vary but for rounding, and for what is left at 20 deviations."""
    values = label_entropies(_mixture(case.arguments), rng, round(ROUNDS * effort))
    return Agreed(float(values.mean()), ROUNDED, "label entropies under q")


def label_entropies(mixture: GaussianMixture, rng: np.random.Generator, rounds: int) -> Array:
    """Independent rounds of mean Δ, (rounds,): the label entropy at draws from each component, weighted by π."""
    from ..sim.entropy import LabelSampler  # here: the claims are listed without Numba

    sampler = LabelSampler(mixture)
    return sampler.offset + sampler.sign * sampler.draw(rng, rounds)


def sampled_entropy(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Sighting:
    """A block of −Σ π_k log q(x_k), whose mean is H."""
    from ..sim.entropy import log_density

    mixture, n = _mixture(case.arguments), round(ROUNDS * effort)
    surprise = np.zeros(n)
    for k, weight in enumerate(mixture.weights):
        surprise -= weight * log_density(mixture, _points(mixture, k, rng.standard_normal((n, mixture.dimension))))
    return mean_of(surprise, "−log q")


def sampled_slope(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Sighting:
    """A block of −∂H/∂μ_k along the case's direction: central differences of −log q, by the same draws on both sides.

    The slope along one direction is at most the norm of the gradient; the direction may be left in any length.
    """
    from ..sim.entropy import log_density

    mixture, n = _mixture(case.arguments), round(ROUNDS * effort)
    direction = np.asarray(case.arguments["direction"], dtype=float)
    shift = np.zeros_like(mixture.means)
    shift[case.arguments["component"]] = STEP * direction / np.linalg.norm(direction)
    sides = [GaussianMixture(mixture.weights, mixture.means + way * shift, mixture.covariances) for way in (1, -1)]
    slope = np.zeros(n)
    for k, weight in enumerate(mixture.weights):
        noise = rng.standard_normal((n, mixture.dimension))
        ahead, behind = (log_density(side, _points(side, k, noise)) for side in sides)
        slope += weight * (ahead - behind) / (2 * STEP)
    return mean_of(slope, "differences of −log q")


def mean_of(values: Array, method: str) -> Estimate:
    """The mean of independent values with its standard error."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / n**0.5), n, float(n), method)


def bounded(values: Array, lower: float, upper: float, method: str) -> BoundedDraws:
    """Independent values in a known range, by their moments."""
    mean = float(values.mean())
    return BoundedDraws(len(values), mean, float(((values - mean) ** 2).sum()), lower, upper, method)


def line_gap(weights: Sequence[float], means: Sequence[float], deviations: Sequence[float]) -> float:
    """Δ of a mixture on the line by the trapezoid rule, as H(π) + Σ π_k H[N_k] + ∫ q log q; absolute error near 1e-12.

    >>> round(line_gap([0.3, 0.7], [0.0, 3.0], [1.0, 2.0]), 11)  # docs/entropy, section 9
    0.32538725231
    """
    pi, mu, sd = (np.asarray(part, dtype=float)[:, None] for part in (weights, means, deviations))
    step = sd.min() / NODES
    x = np.arange((mu - REACH * sd).min(), (mu + REACH * sd).max() + step, step)
    joint = np.log(pi / sd) - 0.5 * ((x - mu) / sd) ** 2  # without log √2π, which both sides lack
    top = joint.max(0)
    logs = top + np.log(np.exp(joint - top).sum(0))
    entropy = -float(np.exp(logs) @ logs) * step / np.sqrt(2 * np.pi)
    return float((pi * (0.5 + np.log(sd / pi))).sum() - entropy)


def random_line(rng: np.random.Generator, components: int) -> dict[str, list[float]]:
    """Weights, means and deviations of a random mixture on the line, from coinciding components to separated ones."""
    weights = rng.dirichlet(np.full(components, 3.0)) + 1e-3
    means = np.exp(rng.uniform(np.log(0.02), np.log(6.0))) * rng.standard_normal(components)
    spread = rng.choice([0.0, 0.02, 1.0])  # of the logarithms of the deviations
    return {
        "weights": (weights / weights.sum()).tolist(),
        "means": means.tolist(),
        "deviations": np.exp(spread * rng.uniform(-1.0, 1.0, components)).tolist(),
    }


def of_line(quantity: Quantity) -> Callable[..., float]:
    """A function of a mixture, and perhaps of more, as a function of what `random_line` gives."""

    def at(weights: Any, means: Any, deviations: Any, **more: Any) -> float:
        return float(quantity(_line_mixture(tuple(weights), tuple(means), tuple(deviations)), **more))

    return at


def line_bounds(weights: Sequence[float], means: Sequence[float], deviations: Sequence[float]) -> GapBounds:
    """The theory's bounds on the gap of what `random_line` gives."""
    return _line_bounds(tuple(weights), tuple(means), tuple(deviations))


@lru_cache(maxsize=KEPT)
def _line_bounds(weights: Line, means: Line, deviations: Line) -> GapBounds:
    return gap_bounds(_line_mixture(weights, means, deviations))


@lru_cache(maxsize=KEPT)
def _line_mixture(weights: Line, means: Line, deviations: Line) -> GaussianMixture:
    return GaussianMixture(weights, np.array(means)[:, None], np.array(deviations) ** 2)


def _mixture(arguments: Mapping[str, Any]) -> GaussianMixture:
    return GaussianMixture(arguments["weights"], arguments["means"], arguments["covariances"])


def _points(mixture: GaussianMixture, component: int, noise: Array) -> Array:
    out: Array = mixture.means[component] + noise @ np.linalg.cholesky(mixture.covariance(component)).T
    return out
