"""Blocked Gibbs sampling of linear networks, and the estimators that meet their learning coefficients."""

from .data import Data, draw_data
from .diagnostics import Diagnostics, diagnose, to_arviz
from .energy import estimate_energy
from .families import (
    estimate_concept_bottleneck,
    estimate_deep_linear,
    estimate_multitask,
    estimate_observed_chain,
    estimate_partial_concept_bottleneck,
    estimate_reduced_rank,
)
from .generalization import Generalization, estimate_generalization
from .ladder import LadderFit, estimate_learning_coefficient
from .posterior import Posterior, from_data, population
from .sampler import Chains, sample
from .select_concepts import select_concepts
from .select_rank import select_rank
from .two_temperatures import two_temperatures
from .wbic import WBIC, wbic

__all__ = [
    "WBIC",
    "Chains",
    "Data",
    "Diagnostics",
    "Generalization",
    "LadderFit",
    "Posterior",
    "diagnose",
    "draw_data",
    "estimate_concept_bottleneck",
    "estimate_deep_linear",
    "estimate_energy",
    "estimate_generalization",
    "estimate_learning_coefficient",
    "estimate_multitask",
    "estimate_observed_chain",
    "estimate_partial_concept_bottleneck",
    "estimate_reduced_rank",
    "from_data",
    "population",
    "sample",
    "select_concepts",
    "select_rank",
    "to_arviz",
    "two_temperatures",
    "wbic",
]
