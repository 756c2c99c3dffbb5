"""Resilience of recurrent networks: invariant boxes, stability certificates and bounds on the recovery time."""

from .box import Box
from .cell import GRUCell, LSTMCell, Stack, weights_sha256
from .certificate import Certificate, LevelResult
from .certify import certify
from .conversion import cells_from_torch, recurrent_layers
from .delta_iss import StabilityFunctions, stability_functions, steady_gain
from .invariant_set import InvariantSet, invariant_set
from .known_input import known_input_recovery
from .loop_gain import LoopGain, loop_gain
from .recovery import LevelRecovery, RecoveryTime, deviation_bounds, first_deviation, recovery_time_bound
from .refutation import Witness

__all__ = [
    "Box",
    "Certificate",
    "GRUCell",
    "InvariantSet",
    "LSTMCell",
    "LevelRecovery",
    "LevelResult",
    "LoopGain",
    "RecoveryTime",
    "StabilityFunctions",
    "Stack",
    "Witness",
    "cells_from_torch",
    "certify",
    "deviation_bounds",
    "first_deviation",
    "invariant_set",
    "known_input_recovery",
    "loop_gain",
    "recovery_time_bound",
    "recurrent_layers",
    "stability_functions",
    "steady_gain",
    "weights_sha256",
]
