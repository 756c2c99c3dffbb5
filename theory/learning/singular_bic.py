"""Which of several nested models made the data, where the models are singular: the singular BIC."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from .. import _check
from .coefficient import LearningCoefficient
from .selection import Selection

Model = TypeVar("Model")

SLACK = 1e-6  # a submodel's likelihood may exceed its model's by this, relatively: what an optimiser leaves undone


def singular_bic(
    log_likelihoods: ArrayLike,
    coefficients: Sequence[Mapping[int, LearningCoefficient]],
    n: int,
    log_prior: ArrayLike | None = None,
    candidates: Sequence[Model] | None = None,
) -> Selection[Model]:
    r"""The singular BIC log L_i of every model i of a partial order ≼, plain BIC beside it.

    .. math:: \sum_{j \preceq i} (L_i - L_{ij}) L_j P_j = 0, \quad L_i > 0, \qquad
        \log L_{ij} = \ell_i - \lambda_{ij} \log n + (m_{ij} - 1) \log\log n

    L_i is thus the mean of the L_ij with the posterior weights L_j P_j of the submodels j.  The quadratic equations
    are solved in logs, submodels first, without overflow, underflow or cancellation: a score errs by a few rounding
    errors of the largest |log L_ij|.

    Parameters
    ----------
    log_likelihoods : (I,)
        ℓ_i, the maximum of each model on the same data, in nats.
    coefficients : (I,) mappings
        coefficients[i][j] is λ_ij and m_ij of model i at a generic truth of its submodel j: one entry for each
        j ≼ i, i itself included.  The keys are the partial order.
    n : int
        >= 2, how many data.
    log_prior : (I,), optional
        log P_i up to a common constant; equal by default.
    candidates : (I,), optional
        What to call the models; 0, 1, … by default.

    Returns
    -------
    Selection

    Raises ValueError where the keys are no partial order, sizes disagree, or a model's maximised likelihood is below
    that of one of its submodels.
    Source: M. Drton and M. Plummer, J. R. Statist. Soc. B 79 (2017) 323-380; docs/selection, section 1.

    Two regular models, of one and two parameters: with λ_ij = λ_ii the singular BIC is the plain one.

    >>> from fractions import Fraction
    >>> one, two = (LearningCoefficient(Fraction(d, 2), 1, "regular") for d in (1, 2))
    >>> scores = singular_bic([-100.0, -90.0], [{0: one}, {0: two, 1: two}], n=50)
    >>> bool(abs(scores.singular_bic - scores.bic).max() < 1e-12), scores.chosen
    (True, 1)
    """
    ell = _check.finite("log_likelihoods", log_likelihoods)
    if ell.ndim != 1 or ell.size == 0:
        raise ValueError(f"log_likelihoods must be one number per model, got shape {ell.shape}")
    n = _check.integer("n", n, 2)
    _check_order(coefficients, ell)
    prior = np.zeros(ell.size) if log_prior is None else _check.finite("log_prior", log_prior)
    if prior.shape != ell.shape:
        raise ValueError(f"log_prior must have one entry per model = {ell.size}, got shape {prior.shape}")
    names = cast(Sequence[Model], range(ell.size)) if candidates is None else candidates
    if len(names) != ell.size:
        raise ValueError(f"candidates must have one entry per model = {ell.size}, got {len(names)}")
    own = tuple(coefficients[i][i].value for i in range(ell.size))
    return Selection(
        candidates=tuple(names),
        n=n,
        log_likelihood=ell,
        coefficient=own,
        bic=ell - np.array([float(value) for value in own]) * math.log(n),
        singular_bic=_scores(ell, coefficients, n, prior),
        log_prior=prior - logsumexp(prior),
    )


def _scores(
    ell: NDArray[np.float64], coefficients: Sequence[Mapping[int, LearningCoefficient]], n: int, P: NDArray[np.float64]
) -> NDArray[np.float64]:
    """log L_i for models whose order has been checked; P holds log P_i."""
    log_n, log_log_n = math.log(n), math.log(math.log(n))
    score = np.empty(ell.size)
    # a model has more submodels than any of its submodels has
    for i in sorted(range(ell.size), key=lambda i: len(coefficients[i])):
        L = {j: ell[i] - float(c.value) * log_n + (c.multiplicity - 1) * log_log_n for j, c in coefficients[i].items()}
        below = [j for j in L if j != i]
        if not below:
            score[i] = L[i]
            continue
        w = score[below] + P[below] - P[i]
        mixed = w + np.array([L[j] for j in below])
        score[i] = log_positive_root(L[i], float(logsumexp(w)), float(logsumexp(mixed)))
    return score


def log_positive_root(log_a: float, log_w: float, log_c: float) -> float:
    """log x for the positive root of x² + (w − a) x − c = 0, from the logs of a, w, c > 0, whatever their size."""
    gap = log_w - log_a
    log_b = max(log_w, log_a) + math.log(-math.expm1(-abs(gap))) if gap else -math.inf  # b = |w − a|
    scale = max(log_b, log_c / 2)
    # |b| + √(b² + 4c), divided by e^scale: between 1 and 1 + √5
    sum_ = math.exp(log_b - scale) + math.sqrt(math.exp(2 * (log_b - scale)) + 4 * math.exp(log_c - 2 * scale))
    # where w > a the usual form is a difference: 2c / (b + √…) is the same root
    return log_c + math.log(2) - scale - math.log(sum_) if gap > 0 else scale + math.log(sum_ / 2)


def _check_order(coefficients: Sequence[Mapping[int, LearningCoefficient]], ell: NDArray[np.float64]) -> None:
    """Whether the keys are a partial order under which the likelihoods grow."""
    count = ell.size
    if len(coefficients) != count:
        raise ValueError(f"coefficients must have one entry per model = {count}, got {len(coefficients)}")
    below = np.zeros((count, count), dtype=bool)
    for i, row in enumerate(coefficients):
        if strange := [j for j in row if not (isinstance(j, int) and 0 <= j < count)]:
            raise ValueError(f"coefficients[{i}] must have model numbers 0..{count - 1} as keys, got {strange[0]!r}")
        if i not in row:
            raise ValueError(f"coefficients[{i}] must hold the model's own under the key {i}, got keys {list(row)}")
        below[i, list(row)] = True
    for i, j in np.argwhere(below & below.T & ~np.eye(count, dtype=bool)):
        raise ValueError(f"coefficients must be a partial order, got {i} below {j} and {j} below {i}")
    # float32 counts exactly up to 2^24 models and multiplies fast
    steps = below.astype(np.float32)
    for i, j in np.argwhere((steps @ steps > 0) & ~below):
        raise ValueError(f"coefficients[{i}] must hold every submodel of its submodels, got none for {j}")
    for i, j in np.argwhere(below & (ell - ell[:, None] > SLACK * (1 + abs(ell[:, None])))):
        raise ValueError(f"log_likelihoods[{i}] must be at least that of its submodel {j} = {ell[j]}, got {ell[i]}")
