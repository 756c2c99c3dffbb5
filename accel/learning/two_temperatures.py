"""The learning coefficient from two temperatures, with exact draws: what an estimator could say at a finite n."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ...theory import _check
from .model import ObservedChain
from .sampler import Posterior


def two_temperatures(
    model: torch.nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    true_parameters: Mapping[str, Tensor],
    *,
    ratios: tuple[float, float] = (1.0, 2.0),
    prior_scale: float = 1.0,
    sweeps: int = 200,
    warmup: int = 50,
    chains: int = 64,
    generator: torch.Generator | None = None,
) -> float:
    r"""Estimate λ from the posterior N(w; 0, s²) exp(−nβ L_n(w)) of a linear network at β_i = c_i / log n.

    .. math:: \hat\lambda = \frac{E_{\beta_1}[n L_n] - E_{\beta_2}[n L_n]}{1/\beta_1 - 1/\beta_2}

    No baseline is needed, so its bias of a share 1/log n falls away; what stays is near −(m−1)/log n.  The chains are
    those of `Posterior`, whose draws are almost independent, so this shows what is left of a learning coefficient in n
    data when the sampling is no longer in question.  The true weights are only where the chains start.

    Parameters
    ----------
    model : ObservedChain
        Other modules raise TypeError: the draws are exact for linear networks alone.
    loss, data, true_parameters
        As `grade_estimator` hands them over; the loss is taken to be `squared_error`.
    ratios : two floats
        c_1 and c_2, > 0 and different.

    Source: S. Watanabe, Journal of Machine Learning Research 14 (2013) 867, corollary 3; docs/learning, section 8.
    """
    if not isinstance(model, ObservedChain):
        raise TypeError(f"model must be an ObservedChain, got {type(model).__name__}")
    first, second = (_check.positive("ratios", c) for c in ratios)
    if first == second:
        raise ValueError(f"ratios must be different, got {ratios}")
    _check.integer("sweeps", sweeps, 1)
    betas = [c / math.log(data[0].shape[0]) for c in (first, second)]
    posterior = Posterior.of_data(model.network, *data, betas, prior_scale=prior_scale)
    layers = [true_parameters[f"layers.{k}.weight"].expand(2, -1, -1) for k in range(model.network.depth)]
    with torch.inference_mode():
        W = posterior.start(chains, layers, generator)
        total = torch.zeros_like(W[0][..., 0, 0])
        for step in range(warmup + sweeps):
            W, smooth = posterior.sweep(W, generator)
            if step >= warmup:
                total += smooth
    energies = (total.mean(1) / sweeps).tolist()  # β E, without the constant that both temperatures share
    difference: float = (energies[0] / betas[0] - energies[1] / betas[1]) / (1 / betas[0] - 1 / betas[1])
    return difference
