"""What network critics and generators minimise, and the divergence that a critic proves."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from ...theory.minimax.arguments import choice
from ...theory.minimax.loss_table import LOSSES as ROWS

LOSSES = tuple(name for name, row in ROWS.items() if not row.kernel)  # a network takes the part of the critic


def payoff(loss: str, fake: Tensor, real: Tensor) -> Tensor:
    r"""What the critic raises, from its values D on generated points and on data; it is high on the former.

    ==========================  =============================================  =====================================
    minimax, non_saturating     E_μ g(D) + E_μ₀ g(−D), g(t) = −log(1+e^{−t})   at the best D = log(μ/μ₀)
    kl                          E_μ D − E_μ₀ (e^D − 1)                         log(μ/μ₀)
    chi_squared                 E_μ D − E_μ₀ (D + D²/4)                        2(μ/μ₀ − 1)
    wasserstein                 E_μ D − E_μ₀ D                                 a potential; D must be 1-Lipschitz
    ==========================  =============================================  =====================================

    Values of any shape; their means are taken.  The losses with a kernel critic are in `critics`.
    Raises ValueError for another loss or an empty tensor.  Source: docs/minimax, table 1 and section 5.

    >>> round(payoff("minimax", torch.zeros(3), torch.zeros(2)).item(), 4)  # 2 log ½
    -1.3863
    """
    choice("loss", loss, LOSSES)
    mu, data = _values("fake", fake), _values("real", real)
    if loss in ("minimax", "non_saturating"):
        return logsigmoid(mu).mean() + logsigmoid(-data).mean()
    if loss == "kl":
        return mu.mean() - torch.expm1(data).mean()
    if loss == "chi_squared":
        return mu.mean() - (data + data**2 / 4).mean()
    return mu.mean() - data.mean()


def critic_loss(loss: str, fake: Tensor, real: Tensor) -> Tensor:
    """What the critic lowers, −`payoff`; penalties are added to it."""
    return -payoff(loss, fake, real)


def generator_loss(loss: str, fake: Tensor) -> Tensor:
    r"""What the generator lowers: the payoff's part in μ, or −E_μ g(−D) for non_saturating.

    Its gradient is that of the functional J at the best critic, times 2 for minimax and non_saturating, whose Φ is
    ½g(D) and −½g(−D).  At any other critic it is the gradient of no divergence.

    Raises ValueError for another loss or an empty tensor.  Source: docs/minimax, table 1 and section 5.

    >>> generator_loss("wasserstein", torch.tensor([1.0, 2.0]))
    tensor(1.5000)
    """
    choice("loss", loss, LOSSES)
    mu = _values("fake", fake)
    if loss == "minimax":
        return logsigmoid(mu).mean()
    if loss == "non_saturating":
        return softplus(mu).mean()
    return mu.mean()


def divergence(loss: str, fake: Tensor, real: Tensor) -> Tensor:
    r"""A lower bound of J(μ) of table 1 that any critic D proves, equal to it at the best one.

    .. math:: \mathrm{JS} \ge \tfrac12 \text{payoff} + \log 2, \qquad
        \mathrm{KL}(\tfrac{\mu + \mu_0}{2} \| \mu_0) \ge E_{(\mu + \mu_0)/2} h - E_{\mu_0} (e^h - 1), \quad
        h = \log \tfrac{1 + e^D}{2}

    in nats, for the laws whose means are taken: for samples these are the empirical ones, whose divergence is not that
    of the measures behind them.  kl, chi_squared and wasserstein are the payoff itself.

    Raises as `payoff`.  Source: docs/minimax, table 1.
    """
    if choice("loss", loss, LOSSES) == "minimax":
        return payoff(loss, fake, real) / 2 + math.log(2)
    if loss == "non_saturating":
        mixed, data = (softplus(_values(*pair)) - math.log(2) for pair in (("fake", fake), ("real", real)))
        return (mixed.mean() + data.mean()) / 2 - torch.expm1(data).mean()
    return payoff(loss, fake, real)


def _values(name: str, values: Tensor) -> Tensor:
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(values).__name__}")
    if not values.numel():
        raise ValueError(f"{name} must not be empty, got shape {tuple(values.shape)}")
    return values
