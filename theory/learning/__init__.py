"""Learning coefficients of linear networks with observed concepts, exact."""

from .at_truth import (
    concept_bottleneck_at,
    deep_linear_at,
    multitask_at,
    observed_chain_at,
    partial_concept_bottleneck_at,
    reduced_rank_at,
)
from .coefficient import LearningCoefficient, LearningCurve
from .concept_bottleneck import concept_bottleneck, multitask
from .deep_linear import deep_linear
from .observation import softmax_outputs
from .observed_chain import observed_chain
from .partial_concept_bottleneck import (
    PartialConceptBottleneckBounds,
    partial_concept_bottleneck,
    partial_concept_bottleneck_bounds,
)
from .reduced_rank import reduced_rank
from .select_concepts import ConceptModel, select_concepts
from .select_rank import select_rank
from .selection import Selection
from .singular_bic import singular_bic

__all__ = [
    "ConceptModel",
    "LearningCoefficient",
    "LearningCurve",
    "PartialConceptBottleneckBounds",
    "Selection",
    "concept_bottleneck",
    "concept_bottleneck_at",
    "deep_linear",
    "deep_linear_at",
    "multitask",
    "multitask_at",
    "observed_chain",
    "observed_chain_at",
    "partial_concept_bottleneck",
    "partial_concept_bottleneck_at",
    "partial_concept_bottleneck_bounds",
    "reduced_rank",
    "reduced_rank_at",
    "select_concepts",
    "select_rank",
    "singular_bic",
    "softmax_outputs",
]
