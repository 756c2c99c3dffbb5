"""Entropy of Gaussian mixtures in torch: bounds through which gradients flow, and certified Monte Carlo."""

from .approximate_entropy import approximate_entropy, label_entropy
from .estimate_gap import estimate_gap
from .gap_bounds import GapBounds, gap_bounds
from .label_sampler import LabelSampler
from .log_density import draw_points, log_density, monte_carlo_entropy
from .mixture import TorchMixture
from .overlap import Overlap, overlap
from .overlap_sampler import OverlapSampler
from .pair_gap import log_one_sided_gaps, log_pair_gaps, one_sided_gaps, pair_gaps
from .remainder_sampler import RemainderSampler

__all__ = [
    "GapBounds",
    "LabelSampler",
    "Overlap",
    "OverlapSampler",
    "RemainderSampler",
    "TorchMixture",
    "approximate_entropy",
    "draw_points",
    "estimate_gap",
    "gap_bounds",
    "label_entropy",
    "log_density",
    "log_one_sided_gaps",
    "log_pair_gaps",
    "monte_carlo_entropy",
    "one_sided_gaps",
    "overlap",
    "pair_gaps",
]
