"""Plain stochastic gradient Langevin dynamics as an estimator of the local learning coefficient."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ...theory import _check


def sgld(
    model: torch.nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    true_parameters: Mapping[str, Tensor],
    *,
    step_size: float = 0.03,
    localisation: float = 1.0,
    steps: int = 2000,
    warmup: int = 500,
    chains: int = 8,
    batch_size: int = 256,
    generator: torch.Generator | None = None,
) -> float:
    r"""Estimate λ(w*) by λ̂ = nβ (E_β[L_n] − L_n(w*)), β = 1/log n, with chains started at w*.

    .. math:: w \leftarrow w - \frac{\varepsilon}{2}\big(n\beta \nabla L_B(w) + \gamma (w - w^*)\big)
        + \sqrt{\varepsilon}\, \xi, \qquad \varepsilon = \frac{\text{step}}{n\beta}

    on a fresh batch B each step, the same for all chains; the stationary law is near exp(−nβ L_n(w) − γ‖w − w*‖²/2) for
    a small step.  L_n − L_n(w*) is measured on the batch of the step, before the step.

    No calibrated instrument: the step and the noise of the batches warm the chains (λ̂ too high), chains that are too
    short or a γ that is too strong hold them near w* (too low), and L_n(w*) as the baseline makes λ̂ low by about a
    share 1/log n.  `grade_estimator` shows how much is left of each.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed; evaluated with its parameters replaced, for all chains at once (`torch.func.vmap`).
    loss : callable
        loss(prediction, target), the mean negative log likelihood of a batch.
    data : (inputs, targets)
        n rows each.
    true_parameters : mapping
        w*, by parameter name.
    step_size : float
        step > 0, ε in units of 1/(nβ): curvatures of L_n up to 4/step are stable.
    localisation : float
        γ >= 0.
    steps, warmup : int
        Steps measured, >= 1, and steps before.
    chains, batch_size : int
        Chains averaged, >= 1; data of a step, at most n of them.
    generator : torch.Generator, optional
        Of the device of the data.

    Source: E. Lau, Z. Furman, G. Wang, D. Murfet, S. Wei, "The local learning coefficient", arXiv 2308.12108.
    """
    x, y = data
    n, where = x.shape[0], x.device
    batch = min(_check.integer("batch_size", batch_size, 1), n)
    _check.integer("steps", steps, 1)
    n_beta = n / math.log(n)
    epsilon = _check.positive("step_size", step_size) / n_beta
    centre = {name: w.detach() for name, w in true_parameters.items()}
    position = {name: w.expand(chains, *w.shape).clone() for name, w in centre.items()}

    def batch_loss(parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return loss(torch.func.functional_call(model, parameters, (inputs,)), targets)

    measure = torch.func.vmap(torch.func.grad_and_value(batch_loss), in_dims=(0, None, None))
    total = torch.zeros(chains, dtype=x.dtype, device=where)
    for step in range(warmup + steps):
        rows = torch.randint(n, (batch,), device=where, generator=generator)
        gradient, level = measure(position, x[rows], y[rows])
        if step >= warmup:
            with torch.no_grad():
                total += level - batch_loss(centre, x[rows], y[rows])
        for name, w in position.items():
            noise = torch.randn(w.shape, dtype=w.dtype, device=where, generator=generator)
            drift = n_beta * gradient[name] + localisation * (w - centre[name])
            w += epsilon**0.5 * noise - 0.5 * epsilon * drift
    return n_beta * (total.mean() / steps).item()
