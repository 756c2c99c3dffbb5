"""Linear networks whose learning coefficient is known exactly, at true weights where the local one is the same.

An estimator that starts at w* sees the local learning coefficient λ(w*), that of a small ball around w*.  It depends on
which of the weights with the true function were taken; the (global) λ of the theorems is the smallest of them all.  At
the truths of theory.learning.network, whose null weights vanish in every layer, the two agree, and so do the
multiplicities: every other true point can be brought arbitrarily near by symmetries that keep its λ (docs/grading,
lemma 1).  A truth that is zero on one side only would not do: at A = I, B = 0 the outputs see B alone and λ(w*) = HN/2.
"""

from dataclasses import dataclass

import numpy as np

from ...theory.learning.coefficient import LearningCoefficient
from ...theory.learning.concept_bottleneck import concept_bottleneck
from ...theory.learning.deep_linear import deep_linear
from ...theory.learning.network import (
    Truth,
    concept_bottleneck_truth,
    deep_linear_truth,
    observed_chain_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)
from ...theory.learning.observed_chain import observed_chain
from ...theory.learning.partial_concept_bottleneck import partial_concept_bottleneck
from ...theory.learning.reduced_rank import reduced_rank


@dataclass(frozen=True)
class Case:
    """A truth and the exact learning coefficient at it; whoever builds one answers for λ(w*) being that."""

    name: str
    truth: Truth
    exact: LearningCoefficient


def suite_named(name: str) -> tuple[Case, ...]:
    """The cases of the suite "standard" or "quick"; in the cases called regular K is a nondegenerate
    quadratic form in λ·2 coordinates and does not depend on the others.

    Raises ValueError for another name.
    """
    if name == "standard":
        return _standard()
    if name == "quick":
        return tuple(case for case in _standard() if case.truth.network.parameters <= 16)
    raise ValueError(f"suite must be 'standard', 'quick' or a sequence of cases, got {name!r}")


def rotated(truth: Truth, rng: np.random.Generator) -> Truth:
    """The truth seen in random orthonormal bases of the inputs and of the observed and unobserved units of each layer.

    An isometry of the weights that takes K to K, so nothing isotropic notices: not λ(w*), the prior or the noise of
    Langevin dynamics.  It keeps methods that work weight by weight from profiting from zeros along the axes.
    """
    layers, before = [], _orthogonal(truth.network.widths[0], rng)
    for weights, seen in zip(truth.layers, truth.network.observed, strict=True):
        free = weights.shape[0] - seen
        after = np.zeros((free + seen, free + seen))
        after[:free, :free], after[free:, free:] = _orthogonal(free, rng), _orthogonal(seen, rng)
        layers.append(after @ weights @ before.T)
        before = after
    return Truth(truth.network, tuple(layers))


def _orthogonal(size: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def _standard() -> tuple[Case, ...]:
    return (
        _reduced_rank("regular, reduced rank 3-2-4, rank 2", 3, 2, 4, 2),
        _reduced_rank("reduced rank 3-2-4, rank 1", 3, 2, 4, 1),
        _reduced_rank("reduced rank 3-2-4, rank 0", 3, 2, 4, 0),
        _reduced_rank("reduced rank 2-2-2, rank 1", 2, 2, 2, 1),
        Case("regular, deep 3-3-3-3, rank 3", deep_linear_truth([3, 3, 3, 3], 3), deep_linear([3, 3, 3, 3], 3)),
        Case("deep 3-3-3-3, rank 1", deep_linear_truth([3, 3, 3, 3], 1), deep_linear([3, 3, 3, 3], 1)),
        Case("deep 2-2-2-2-2, rank 0", deep_linear_truth([2] * 5, 0), deep_linear([2] * 5, 0)),
        Case("regular, concepts 2-2-4", concept_bottleneck_truth(2, 2, 4), concept_bottleneck(2, 2, 4)),
        _partial("partial concepts 2-(2+1)-3", 2, 2, 1, 3, 1, 1),
        _partial("partial concepts 3-(2+2)-5", 3, 2, 2, 5, 2, 1),
        Case(
            "observed chain 3-2-2-2-2",
            observed_chain_truth([3, 2, 2, 2, 2], [2, 4], [1, 1]),
            observed_chain([3, 2, 2, 2, 2], [2, 4], [1, 1]),
        ),
    )


def _reduced_rank(name: str, outputs: int, hidden: int, inputs: int, rank: int) -> Case:
    return Case(name, reduced_rank_truth(outputs, hidden, inputs, rank), reduced_rank(outputs, hidden, inputs, rank))


def _partial(
    name: str, outputs: int, hidden: int, concepts: int, inputs: int, concept_rank: int, residual_rank: int
) -> Case:
    shape = (outputs, hidden, concepts, inputs, concept_rank, residual_rank)
    return Case(name, partial_concept_bottleneck_truth(*shape), partial_concept_bottleneck(*shape))
