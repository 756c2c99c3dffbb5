"""Between which two numbers the gap of a Gaussian mixture lies, differentiable."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...theory.entropy.gap_bounds import LOWER, UPPER
from .approximate_entropy import label_entropy
from .mixture import TorchMixture
from .overlap import overlap


@dataclass(frozen=True, eq=False)
class GapBounds:
    """Bounds on Δ = H̃ - H by name, in nats, each (); the names of `theory.entropy.GapBounds`.

    Attributes
    ----------
    pairwise, bhattacharyya, chernoff_mixture, mixing, separation_ratio : Tensor
        Upper bounds; pairwise <= bhattacharyya <= separation_ratio and chernoff_mixture <= mixing.
    one_pair, kl_mixture, zero : Tensor
        Lower bounds.
    """

    pairwise: Tensor
    bhattacharyya: Tensor
    chernoff_mixture: Tensor
    mixing: Tensor
    separation_ratio: Tensor
    one_pair: Tensor
    kl_mixture: Tensor
    zero: Tensor

    @property
    def least_upper(self) -> str:
        """The name of the smallest upper bound."""
        return min(UPPER, key=lambda name: float(getattr(self, name)))

    @property
    def greatest_lower(self) -> str:
        """The name of the largest lower bound."""
        return max(LOWER, key=lambda name: float(getattr(self, name)))

    @property
    def upper(self) -> Tensor:
        """The smallest upper bound, with its own gradient."""
        return torch.stack([getattr(self, name) for name in UPPER]).min()

    @property
    def lower(self) -> Tensor:
        """The largest lower bound, with its own gradient."""
        return torch.stack([getattr(self, name) for name in LOWER]).max()


def gap_bounds(mixture: TorchMixture) -> GapBounds:
    r"""Every bound on the gap Δ, by name; `theory.entropy.gap_bounds`, where they are defined.

    H̃ - `upper` is a lower bound on the entropy, exact for K = 2, that a variational objective may use.  Differentiable
    once in weights, means and factors (one_pair, separation_ratio, `upper` and `lower` piecewise); second derivatives
    of what depends on full covariances or the pair integral raise RuntimeError.  In float64 the
    values agree with theory's to 1e-12 of themselves for well-conditioned covariances; no rounding is added here: for
    bounds that certify, take `theory.entropy.entropy_bracket`.  In float32 expect 1e-6 (m + |log of the bound|) of
    each.  Source: docs/entropy, theorems 3 to 7.

    >>> mixture = TorchMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [2.0]]), torch.ones(2))
    >>> bounds = gap_bounds(mixture)
    >>> bounds.least_upper, f"{bounds.upper.item():.4f}", f"{bounds.lower.item():.4f}"
    ('pairwise', '0.3563', '0.3563')
    """
    pairs = overlap(mixture)
    K, m = mixture.components, mixture.dimension
    same = torch.eye(K, dtype=torch.bool, device=mixture.device)
    root, sides = mixture.weights.sqrt(), pairs.log_sides.exp()
    products = (root[:, None] * root * pairs.log_bhattacharyya.exp()).masked_fill(same, 0.0)
    return GapBounds(
        pairwise=sides.sum(),
        bhattacharyya=math.log(2) * products.sum(),
        chernoff_mixture=_mixture_sum(mixture, pairs.log_bhattacharyya),
        mixing=label_entropy(mixture),
        separation_ratio=_separation_sum(root, pairs.squared_separations, m),
        one_pair=sides.max(1).values.sum(),
        kl_mixture=_mixture_sum(mixture, -pairs.divergences),
        zero=mixture.weights.new_zeros(()),
    )


def _mixture_sum(mixture: TorchMixture, log_kernel: Tensor) -> Tensor:
    """Σ_k π_k log(Σ_j π_j e^{a_kj} / π_k) with a_kk = 0, as log1p: a sum near 1 would round it away."""
    if mixture.components == 1:
        return mixture.weights.new_zeros(())
    logs = mixture.weights.log()
    same = torch.eye(mixture.components, dtype=torch.bool, device=mixture.device)
    others = (logs - logs[:, None] + log_kernel).masked_fill(same, -torch.inf).logsumexp(1)
    return mixture.weights @ torch.logaddexp(others, torch.zeros_like(others))


def _separation_sum(root: Tensor, square: Tensor, m: int) -> Tensor:
    """2 Σ_{k≠j} √(π_kπ_j) r^{-m/4} e^{-(1-r)α²/4} with the best r = m/α² for each pair, or 1 where α² <= m."""
    r = m / square.clamp(min=m)
    terms = root[:, None] * root * (-0.25 * (m * r.log() + (1 - r) * square)).exp()
    return 2 * terms.masked_fill(torch.eye(len(root), dtype=torch.bool, device=root.device), 0.0).sum()
