"""Simulated learning coefficients under the names and arguments of their exact values in theory.learning."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import numpy as np

from ...theory.learning.network import (
    concept_bottleneck_truth,
    deep_linear_truth,
    observed_chain_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)
from .ladder import LadderFit, estimate_learning_coefficient


class Run(TypedDict, total=False):
    """What `ladder.estimate_learning_coefficient` takes beside the truth and the generator."""

    multiplicity: int | None
    ladder: Sequence[float]
    sweeps: int
    chains: int
    warmup: int
    prior_scale: float


def estimate_reduced_rank(
    outputs: int, hidden: int, inputs: int, rank: int, *, rng: np.random.Generator, **run: Unpack[Run]
) -> LadderFit:
    """Estimate `theory.learning.reduced_rank` at a truth with singular values 1 (hidden, inputs >= 1)."""
    return estimate_learning_coefficient(reduced_rank_truth(outputs, hidden, inputs, rank), rng=rng, **run)


def estimate_deep_linear(
    widths: Sequence[int], rank: int, *, rng: np.random.Generator, **run: Unpack[Run]
) -> LadderFit:
    """Estimate `theory.learning.deep_linear` at a truth with singular values 1."""
    return estimate_learning_coefficient(deep_linear_truth(widths, rank), rng=rng, **run)


def estimate_concept_bottleneck(
    outputs: int,
    concepts: int,
    inputs: int,
    concept_rank: int | None = None,
    *,
    rng: np.random.Generator,
    **run: Unpack[Run],
) -> LadderFit:
    """Estimate `theory.learning.concept_bottleneck` at a truth with singular values 1."""
    truth = concept_bottleneck_truth(outputs, concepts, inputs, concept_rank)
    return estimate_learning_coefficient(truth, rng=rng, **run)


def estimate_multitask(
    outputs: int,
    concepts: int,
    hidden: int,
    inputs: int,
    rank: int,
    *,
    rng: np.random.Generator,
    **run: Unpack[Run],
) -> LadderFit:
    """Estimate `theory.learning.multitask` at a truth with singular values 1 (hidden, inputs >= 1)."""
    return estimate_learning_coefficient(reduced_rank_truth(outputs + concepts, hidden, inputs, rank), rng=rng, **run)


def estimate_partial_concept_bottleneck(
    outputs: int,
    hidden: int,
    concepts: int,
    inputs: int,
    concept_rank: int,
    residual_rank: int,
    *,
    rng: np.random.Generator,
    **run: Unpack[Run],
) -> LadderFit:
    """Estimate `theory.learning.partial_concept_bottleneck` at a truth with singular values 1."""
    truth = partial_concept_bottleneck_truth(outputs, hidden, concepts, inputs, concept_rank, residual_rank)
    return estimate_learning_coefficient(truth, rng=rng, **run)


def estimate_observed_chain(
    widths: Sequence[int],
    observed: Sequence[int],
    ranks: Sequence[int],
    *,
    rng: np.random.Generator,
    **run: Unpack[Run],
) -> LadderFit:
    """Estimate `theory.learning.observed_chain` at a truth with singular values 1."""
    return estimate_learning_coefficient(observed_chain_truth(widths, observed, ranks), rng=rng, **run)
