"""Batched chains of linear-network posteriors, and learning-coefficient estimators graded against exact values."""

from .captured import Chains
from .energy import estimate_energies, estimate_energy
from .grade import CaseGrade, Grade, grade_estimator
from .model import ObservedChain, draw_data, squared_error
from .sampler import Posterior, true_layers
from .sgld import sgld
from .suite import Case
from .two_temperatures import two_temperatures

__all__ = [
    "Case",
    "CaseGrade",
    "Chains",
    "Grade",
    "ObservedChain",
    "Posterior",
    "draw_data",
    "estimate_energies",
    "estimate_energy",
    "grade_estimator",
    "sgld",
    "squared_error",
    "true_layers",
    "two_temperatures",
]
