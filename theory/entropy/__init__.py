"""Entropy of Gaussian mixtures: an approximation, its exact gap for pairs, and certified brackets."""

from .approximate_entropy import approximate_entropy, label_entropy
from .conversion import mixture_from_scikit_learn, mixture_from_torch
from .derivative_bound import derivative_bound
from .entropy_bracket import EntropyBracket, entropy_bracket
from .equal_covariances import equal_covariance_gap
from .gap_bounds import GapBounds, gap_bounds
from .gap_estimate import GapEstimate
from .mixture import GaussianMixture
from .overlap import Overlap, overlap
from .pair_gap import log_one_sided_gaps, log_pair_gaps, one_sided_gaps, pair_gap, pair_gaps
from .random_means import random_means_gap_upper, random_means_tail_upper
from .separation import separation, separation_gap_upper

__all__ = [
    "EntropyBracket",
    "GapBounds",
    "GapEstimate",
    "GaussianMixture",
    "Overlap",
    "approximate_entropy",
    "derivative_bound",
    "entropy_bracket",
    "equal_covariance_gap",
    "gap_bounds",
    "label_entropy",
    "log_one_sided_gaps",
    "log_pair_gaps",
    "mixture_from_scikit_learn",
    "mixture_from_torch",
    "one_sided_gaps",
    "overlap",
    "pair_gap",
    "pair_gaps",
    "random_means_gap_upper",
    "random_means_tail_upper",
    "separation",
    "separation_gap_upper",
]
