"""Resilience of recurrent networks in torch: batched pairs, worst cases by gradients, and training for stability."""

from .deviations import deviations, output_differences
from .invariant_set import invariant_set
from .network import TorchGRU, TorchLSTM, TorchStack
from .penalties import contraction_rates, stability_penalty
from .recovery_penalty import recovery_penalty, recovery_steps
from .worst_case import WorstCase, worst_case

__all__ = [
    "TorchGRU",
    "TorchLSTM",
    "TorchStack",
    "WorstCase",
    "contraction_rates",
    "deviations",
    "invariant_set",
    "output_differences",
    "recovery_penalty",
    "recovery_steps",
    "stability_penalty",
    "worst_case",
]
