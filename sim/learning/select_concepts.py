"""WBIC beside the singular BIC: which concepts, and how many free units, by simulation."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from ...theory import _check
from ...theory.learning.network import LinearNetwork
from ...theory.learning.noise_units import Response, orthonormal_inputs, response
from ...theory.learning.select_concepts import ConceptModel
from ...theory.learning.select_concepts import select_concepts as exact_select_concepts
from ...theory.learning.selection import Selection
from .tempered import TemperedEnergy, tempered_linear, tempered_network, unit_noise_signal


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
    *,
    rng: np.random.Generator,
    sweeps: int = 1000,
    prior_scale: float = 1.0,
) -> Selection[ConceptModel]:
    """`theory.learning.select_concepts` with minus WBIC in its `wbic`, simulated for every candidate.

    Inputs are rotated and scaled to unit second moment, outputs and concepts to unit noise, the used concepts first;
    there every weight has the prior N(0, s²).  Unknown noise is taken at what least squares leaves, intercepts at
    their estimates: neither tells the candidates apart.

    Parameters
    ----------
    X, Y, C, hidden, output_noise, concept_noise, intercept, prior, names
        As in `theory.learning.select_concepts`.
    rng : Generator
    sweeps : int
        Of 32 chains, for every candidate.  A candidate that fits hundreds of nats worse than others may need large
        weights above a concept, whose chains forget slowly: its error is then too small, its rank not in doubt.
    prior_scale : float
        s, in units of noise per unit of input.
    """
    scale = _check.positive("prior_scale", prior_scale)
    table = exact_select_concepts(X, Y, C, hidden, output_noise, concept_noise, intercept, prior, names)
    Q = orthonormal_inputs(X, intercept)
    outputs = response("Y", Y, Q, output_noise, "output_noise", intercept)
    concepts = response("C", C, Q, concept_noise, "concept_noise", intercept)
    signal, n = unit_noise_signal(outputs), outputs.n
    found = []
    for model, stream in zip(table.candidates, rng.spawn(len(table.candidates)), strict=True):
        seen = _used_first(concepts, model.concepts)
        used = len(model.concepts)
        rest = tempered_linear(seen[used:], n, scale)
        if model.hidden + used == 0:
            own = TemperedEnergy(0.5 * float((signal**2).sum()), 0.0)
        else:
            (M, N), H = signal.shape, model.hidden + used
            network = LinearNetwork((N, H, M), (used, M))
            own = tempered_network(network, (seen[:used], signal), n, rng=stream, sweeps=sweeps, prior_scale=scale)
        found.append((own.mean + rest.mean, own.error))
    means, errors = np.array(found).T
    return replace(table, wbic=outputs.constant + concepts.constant - means, wbic_error=errors)


def _used_first(concepts: Response, used: Sequence[int]) -> NDArray[np.float64]:
    """The concepts' signal in units of their noise, factored with the used ones first.

    The factor is triangular, so that the first rows are a linear map of the used concepts alone, which the output
    weights take up.
    """
    order = [*used, *(k for k in range(concepts.signal.shape[0]) if k not in used)]
    covariance = (concepts.root @ concepts.root.T)[np.ix_(order, order)]
    whitened = solve_triangular(np.linalg.cholesky(covariance), concepts.signal[order], lower=True)
    return np.asarray(whitened * (1.0 if concepts.known else np.sqrt(concepts.n)))
