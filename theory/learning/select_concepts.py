"""Which recorded concepts, and how many free units beside them, carry what the inputs tell about the outputs."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from ..numerical_rank import numerical_rank
from .coefficient import LearningCoefficient
from .concept_fit import ConceptFit, fit_concepts
from .noise_units import Response, orthonormal_inputs, response
from .observation import regular_terms
from .partial_concept_bottleneck import partial_core
from .selection import Selection
from .singular_bic import singular_bic

LARGEST = 1024  # candidates; each is fitted from several starts


class ConceptModel(NamedTuple):
    """`hidden` free units beside the concepts in the columns `concepts` of C, with their names."""

    hidden: int
    concepts: tuple[int, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        free = f"{self.hidden} free"
        return f"{free} + {{{', '.join(self.names)}}}" if self.names else free


def select_concepts(
    X: ArrayLike,
    Y: ArrayLike,
    C: ArrayLike,
    hidden: int | None = None,
    output_noise: ArrayLike | None = None,
    concept_noise: ArrayLike | None = None,
    intercept: bool = True,
    prior: Callable[[ConceptModel], float] | None = None,
    names: Sequence[str] | None = None,
    random_starts: int = 0,
    rng: np.random.Generator | None = None,
) -> Selection[ConceptModel]:
    r"""Score every choice (h, S) of free units and of concepts as the bottleneck between inputs and outputs.

    All K concepts are modelled in every candidate, c = D x + noise, so that scores compare; candidate (h, S) has
    y = (A₁B₁ + A₂D_S) x + noise with h free units.  At a generic truth (h', S') its residual rank is
    r' = min(M, N − |S|, h' + |S'∖S|); that truth is a submodel where r' <= h, and there

    .. math:: \lambda = \tfrac12 (M |S| + N K) + \lambda_{RRR}(M, h, N - |S|; r'), \qquad
        m = m_{RRR}(M, h, N - |S|; r')

    Candidates that hold every linear map are one and the same model; it appears once, as min(M, N) free units.

    Parameters
    ----------
    X, Y, C : (n, N), (n, M), (n, K)
        One row a datum; X of full column rank; 1 <= K <= N.
    hidden : int, optional
        Only networks with that many hidden units in all, h = hidden − |S|; by default every h that makes a
        difference.
    output_noise, concept_noise : optional
        The known noise covariances of y and of c, a matrix or a number for the same variance everywhere; None where
        unknown, which needs n >= M + N and n >= K + N (+ 1 with an intercept).  The noises of y and of c are taken
        as independent of each other.
    intercept : bool
        Biases in every candidate; X, Y and C are centred.
    prior : callable, optional
        The weight > 0 of a `ConceptModel`; equal by default.
    names : (K,), optional
        What to call the concepts; their column numbers by default.
    random_starts : int
        Starts of each fit beside the fixed ones, drawn from `rng`, which must then be given.

    Returns
    -------
    Selection of ConceptModel
        Submodels before the models that hold them.  A candidate's likelihood is never below a submodel's, whose fit
        is one of its starts; the likelihoods are maxima found by descent, not proved global.

    Raises ValueError for data that are not finite, do not match or cannot tell the candidates apart, and for more
    than 1024 candidates; RuntimeError where a fit does not settle.
    Source: derived in docs/selection, section 3; the score is that of M. Drton and M. Plummer (2017).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 4))
    >>> c = x[:, :2] + 0.5 * rng.normal(size=(400, 2))
    >>> y = x[:, :1] @ [[1.0, -2.0, 1.0]] + rng.normal(size=(400, 3))
    >>> print(select_concepts(x, y, c, names=["first", "second"]).chosen)
    0 free + {first}
    """
    if _check.integer("random_starts", random_starts, 0) and rng is None:
        raise ValueError(f"rng must be given for random_starts = {random_starts}, got None")
    Q = orthonormal_inputs(X, intercept)
    outputs = response("Y", Y, Q, output_noise, "output_noise", intercept)
    concepts = response("C", C, Q, concept_noise, "concept_noise", intercept)
    M, N = outputs.signal.shape
    K = concepts.signal.shape[0]
    if K > N:
        raise ValueError(f"C must have at most as many columns as X = {N}, got {K}")
    if (rank := numerical_rank("the fit of C on X", concepts.whitened)) < K:
        raise ValueError(f"C must have {K} linearly independent fits on X, got {rank}; leave columns out")
    labels = _labels(names, K)
    candidates = _candidates(M, N, K, hidden, labels)
    extra = (
        regular_terms([M, K], intercept, False)
        + regular_terms([M], False, output_noise is None)
        + regular_terms([K], False, concept_noise is None)
    )
    rest, below = _order(M, N, candidates)
    coefficients = [
        {int(j): _coefficient(M, N, K, model, int(rest[i, j]), extra) for j in np.flatnonzero(below[i])}
        for i, model in enumerate(candidates)
    ]
    weights = _check.above("prior", [1.0 if prior is None else prior(model) for model in candidates], 0.0)
    fits: list[ConceptFit] = []
    for model, nearest in zip(candidates, _nearest(below), strict=True):
        starts = [fits[j].concept_map for j in np.flatnonzero(nearest)]
        starts += [] if rng is None else [_random_map(concepts, rng) for _ in range(random_starts)]
        fits.append(fit_concepts(outputs, concepts, model.concepts, model.hidden, starts))
        if not fits[-1].converged:
            raise RuntimeError(f"the fit of candidate {model} did not settle; try fewer concepts or a known noise")
    return singular_bic([fit.log_likelihood for fit in fits], coefficients, outputs.n, np.log(weights), candidates)


def _candidates(M: int, N: int, K: int, hidden: int | None, labels: Sequence[str]) -> list[ConceptModel]:
    """Every model once, in the order of its dimension, so that submodels come first."""
    if hidden is not None:
        _check.integer("hidden", hidden, 0)
    models = []
    for size in range(K + 1):
        top = min(M, N - size)  # from here on the model is any linear map
        free = list(range(top + (size == 0)))
        if hidden is not None:
            free = [h for h in free if h == (min(hidden, top) if size == 0 else hidden - size)]
        for h in free:
            models += [ConceptModel(h, S, tuple(labels[k] for k in S)) for S in combinations(range(K), size)]
        if len(models) > LARGEST:
            raise ValueError(f"C must leave at most {LARGEST} candidates, got more: leave concepts out or fix hidden")
    return sorted(models, key=lambda m: M * len(m.concepts) + m.hidden * (M + N - len(m.concepts) - m.hidden))


def _order(M: int, N: int, candidates: Sequence[ConceptModel]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """r'_ij, the residual rank of candidate j's generic truth in candidate i, and whether j ≼ i."""
    h = np.array([model.hidden for model in candidates])
    size = np.array([len(model.concepts) for model in candidates])
    unused = np.array([[len({*other.concepts} - {*model.concepts}) for other in candidates] for model in candidates])
    rest = np.minimum(np.minimum(M, N - size)[:, None], h + unused)
    return rest, rest <= h[:, None]


def _nearest(below: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[i, j] where j ≺ i with nothing between."""
    strict = (below & ~np.eye(len(below), dtype=bool)).astype(np.float32)
    return np.asarray((strict > 0) & ~(strict @ strict > 0))


def _coefficient(M: int, N: int, K: int, model: ConceptModel, rest: int, extra: Fraction) -> LearningCoefficient:
    S = len(model.concepts)
    core = partial_core(M, model.hidden, S, N, S, rest)
    return LearningCoefficient(core.value + Fraction(N * (K - S), 2) + extra, core.multiplicity, core.theorem)


def _random_map(concepts: Response, rng: np.random.Generator) -> NDArray[np.float64]:
    """The concepts' least-squares fit plus a normal matrix as large as itself, row by row."""
    size = np.linalg.norm(concepts.signal, axis=1, keepdims=True) / concepts.signal.shape[1] ** 0.5
    return np.asarray(concepts.signal + size * rng.standard_normal(concepts.signal.shape))


def _labels(names: Sequence[str] | None, K: int) -> tuple[str, ...]:
    labels = tuple(str(k) for k in range(K)) if names is None else tuple(str(name) for name in names)
    if len(labels) != K:
        raise ValueError(f"names must have one entry per column of C = {K}, got {len(labels)}")
    return labels
