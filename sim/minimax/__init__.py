"""Minimax games played step by step: functions on grids, particles, measures and small GANs."""

from .circulant import CirculantGame, kernel_torus_game, torus_game
from .estimate_rate import Comparison, Rate, compare, estimate_rate
from .features import FeatureGame, feature_game, fourier_features, random_features, simulate_features
from .gans import SmallGan, dirac_game, lq_game, simulate_gan
from .kernel_particles import KernelGame, descend, kernel_game, simulate_particles
from .kernel_sums import kernel_sums
from .mirror_descent import (
    inf_convolved_response,
    ridge_response,
    simulate_mirror_descent,
    support_embedding,
    torus_embedding,
)
from .modal import ModalNorm, dense_norm, rest
from .simulate_grid import simulate_grid
from .threshold import Bracket, Growth, bracket, growth

__all__ = [
    "Bracket",
    "CirculantGame",
    "Comparison",
    "FeatureGame",
    "Growth",
    "KernelGame",
    "ModalNorm",
    "Rate",
    "SmallGan",
    "bracket",
    "compare",
    "dense_norm",
    "descend",
    "dirac_game",
    "estimate_rate",
    "feature_game",
    "fourier_features",
    "growth",
    "inf_convolved_response",
    "kernel_game",
    "kernel_sums",
    "kernel_torus_game",
    "lq_game",
    "random_features",
    "rest",
    "ridge_response",
    "simulate_features",
    "simulate_gan",
    "simulate_grid",
    "simulate_mirror_descent",
    "simulate_particles",
    "support_embedding",
    "torus_embedding",
    "torus_game",
]
