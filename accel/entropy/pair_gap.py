"""How much of a draw's label stays unknown because two components overlap, for every pair, differentiable."""

import torch
from torch import Tensor

from .mixture import TorchMixture
from .overlap import overlap


def pair_gaps(mixture: TorchMixture) -> Tensor:
    r"""g_kj in nats for every pair, (K, K), symmetric, 0 on the diagonal; `theory.entropy.pair_gaps`.

    .. math:: g_{kj} = \pi_k E_k \log(1 + t_{kj}) + \pi_j E_j \log(1 + t_{jk}), \qquad
        t_{kj} = \frac{\pi_j N_j}{\pi_k N_k}

    Relative error at most 1e-12 in float64 for well-conditioned covariances (see there); in float32 about
    1e-6 (m + |log g_kj|).  Differentiable once in weights, means and factors, equal covariances included; second
    derivatives raise RuntimeError.  Nodes are added to the quadrature until it settles, which makes the device wait.
    Source: docs/entropy, theorem 2.

    >>> mixture = TorchMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [2.0]]), torch.ones(2))
    >>> print(f"{pair_gaps(mixture)[0, 1].item():.4f}")
    0.3563
    """
    return log_pair_gaps(mixture).exp()


def log_pair_gaps(mixture: TorchMixture) -> Tensor:
    """log g_kj, (K, K), -inf on the diagonal: finite where g_kj itself underflows."""
    sides = overlap(mixture).log_sides
    apart = ~torch.eye(mixture.components, dtype=torch.bool, device=mixture.device)
    # logaddexp(-inf, -inf) would have NaN for a derivative
    both = torch.logaddexp(sides.masked_fill(~apart, 0.0), sides.T.masked_fill(~apart, 0.0))
    return both.masked_fill(~apart, -torch.inf)


def one_sided_gaps(mixture: TorchMixture) -> Tensor:
    """π_k E_k log(1 + t_kj) at [k, j], (K, K), 0 on the diagonal; with its transpose it adds to `pair_gaps`."""
    return log_one_sided_gaps(mixture).exp()


def log_one_sided_gaps(mixture: TorchMixture) -> Tensor:
    """log π_k E_k log(1 + t_kj) at [k, j], (K, K), -inf on the diagonal."""
    return overlap(mixture).log_sides
