"""How far apart are two runs of one network, step by step, on any device and differentiably?"""

import torch
from torch import Tensor

from .network import TorchStack


def deviations(
    network: TorchStack,
    nominal_inputs: Tensor,
    perturbed_inputs: Tensor,
    nominal_states: Tensor | None = None,
    perturbed_states: Tensor | None = None,
) -> Tensor:
    """e(t) = ‖y(t) − ȳ(t)‖_∞ at t = 0, …, T of N pairs of runs, (N, T + 1).

    Both runs of all pairs go through torch's recurrent kernels as one batch of 2N.  The difference is taken of two
    rounded runs, so that e below about 1e-15 (float32: 1e-6) times max(1, |c|) is noise.

    Parameters
    ----------
    network : TorchStack
    nominal_inputs, perturbed_inputs : (N, T, m)
        ū and u, of the dtype and on the device of the network.
    nominal_states, perturbed_states : (N, d) or None
        Joint states x̄(0) and x(0), layer by layer, c before h; None stands for zeros.

    Raises ValueError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 1.

    >>> from ...theory.resilience.cell import GRUCell
    >>> cell = GRUCell([[0.0]] * 3, [[0.0]] * 3, [0.0] * 3, [0.0] * 3)
    >>> u, one = torch.zeros(1, 2, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    >>> deviations(TorchStack.from_cells(cell), u, u, None, one)
    tensor([[1.0000, 0.5000, 0.2500]], dtype=torch.float64)
    """
    return output_differences(
        network, nominal_inputs, perturbed_inputs, nominal_states, perturbed_states
    ).abs().amax(-1)  # fmt: skip


def output_differences(
    network: TorchStack,
    nominal_inputs: Tensor,
    perturbed_inputs: Tensor,
    nominal_states: Tensor | None = None,
    perturbed_states: Tensor | None = None,
) -> Tensor:
    """y(t) − ȳ(t), (N, T + 1, p), signs kept; arguments and errors as for `deviations`."""
    N = _runs(network, nominal_inputs, perturbed_inputs)
    zeros = network.like.new_zeros(N, network.dimension)
    states = [zeros if x is None else x for x in (nominal_states, perturbed_states)]
    for name, x in zip(("nominal_states", "perturbed_states"), states, strict=True):
        if x.shape != zeros.shape:
            raise ValueError(f"{name} must have shape {tuple(zeros.shape)}, got {tuple(x.shape)}")
    y = network.run(torch.cat(states), torch.cat([nominal_inputs, perturbed_inputs]))
    return y[N:] - y[:N]


def _runs(network: TorchStack, nominal: Tensor, perturbed: Tensor) -> int:
    for name, u in (("nominal_inputs", nominal), ("perturbed_inputs", perturbed)):
        if u.ndim != 3 or u.shape[2] != network.inputs:
            raise ValueError(f"{name} must have shape (N, T, {network.inputs}), got {tuple(u.shape)}")
        if u.dtype != network.like.dtype or u.device != network.like.device:
            place = f"{network.like.dtype} on {network.like.device}"
            raise ValueError(f"{name} must be {place} as the network, got {u.dtype} on {u.device}")
    if nominal.shape != perturbed.shape:
        raise ValueError(
            f"perturbed_inputs must have shape {tuple(nominal.shape)} to go with nominal_inputs, "
            f"got {tuple(perturbed.shape)}"
        )
    return nominal.shape[0]
