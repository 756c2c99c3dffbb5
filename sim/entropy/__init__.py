"""Certified Monte Carlo of the entropy of Gaussian mixtures."""

from .estimate_gap import estimate_gap
from .label_sampler import LabelSampler
from .log_density import draw_points, log_density
from .overlap_sampler import OverlapSampler
from .remainder_sampler import RemainderSampler

__all__ = [
    "LabelSampler",
    "OverlapSampler",
    "RemainderSampler",
    "draw_points",
    "estimate_gap",
    "log_density",
]
