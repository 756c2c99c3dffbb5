"""Simulated recovery of LSTMs and GRUs from anomalous inputs, sampled and searched for."""

from .anomalies import anomalous_inputs, nominal_inputs
from .confidence import exceedance, exceedance_upper, quantile
from .deviations import deviations
from .recovery_times import RecoveryTimes, recovery_times
from .trajectories import outputs, trajectories
from .worst_case import WorstCase, worst_case

__all__ = [
    "RecoveryTimes",
    "WorstCase",
    "anomalous_inputs",
    "deviations",
    "exceedance",
    "exceedance_upper",
    "nominal_inputs",
    "outputs",
    "quantile",
    "recovery_times",
    "trajectories",
    "worst_case",
]
