"""How far apart are two runs of one network, step by step, on any device and differentiably?"""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...theory import _check
from .network import TorchStack

MEMORY = 1 << 28  # bytes of a piece on a CPU
WIDE, LONG = 16_384, 64  # pairs that fill any device; steps of a piece that pay for its start
INDEX = 1 << 31  # numbers that cuDNN takes in one array


def deviations(
    network: TorchStack,
    nominal_inputs: Tensor,
    perturbed_inputs: Tensor,
    nominal_states: Tensor | None = None,
    perturbed_states: Tensor | None = None,
    *,
    memory: int | None = None,
) -> Tensor:
    """e(t) = ‖y(t) − ȳ(t)‖_∞ at t = 0, …, T of N pairs of runs, (N, T + 1).

    Both runs of a pair go through torch's recurrent kernels in one batch, some pairs and some steps at a time.  The
    difference is taken of two rounded runs, so that e below about 1e-15 (float32: 1e-6) times max(1, |c|) is noise; how
    the pairs and steps are cut changes no more than that.

    Parameters
    ----------
    network : TorchStack
    nominal_inputs, perturbed_inputs : (N, T, m)
        ū and u, N >= 1; they and the states are of the dtype and on the device of the network.
    nominal_states, perturbed_states : (N, d) or None
        Joint states x̄(0) and x(0), layer by layer, c before h; None stands for zeros.
    memory : int or None
        Bytes, roughly, of what one piece holds; by default 256 MB on a CPU and a quarter of what is free on a CUDA
        device.  The result comes on top, and the inputs, which may be expanded views.  Where gradients are recorded,
        pieces are run again on the way back; on CUDA float32 gradients come from products cut to TF32 unless
        torch.backends.cudnn says otherwise, and torch may warn there that weights are not one chunk, which is harmless.

    Raises ValueError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 1.

    >>> from ...theory.resilience.cell import GRUCell
    >>> cell = GRUCell([[0.0]] * 3, [[0.0]] * 3, [0.0] * 3, [0.0] * 3)
    >>> u, one = torch.zeros(1, 2, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    >>> deviations(TorchStack.from_cells(cell), u, u, None, one)
    tensor([[1.0000, 0.5000, 0.2500]], dtype=torch.float64)
    """
    N, states = _checked(network, nominal_inputs, perturbed_inputs, nominal_states, perturbed_states)
    T = nominal_inputs.shape[1]
    if memory is not None:
        _check.integer("memory", memory, 1)
    rows, steps = _piece(network, N, T, _spare(network.like.device) if memory is None else memory)
    inputs = nominal_inputs, perturbed_inputs
    if rows >= N and steps >= T:
        return _differences(network, torch.cat(states), torch.cat(inputs)).abs().amax(-1)
    keep = torch.is_grad_enabled() and any(x.requires_grad for x in (*states, *inputs, *_weights(network)))
    out = []
    for first in range(0, N, rows):
        pairs = slice(first, first + rows)
        state = torch.cat([x[pairs] for x in states])
        gaps = [_gap(network.outputs(state))[:, None]]
        for start in range(0, T, steps):
            parts = [u[pairs, start : start + steps] for u in inputs]
            if keep:
                gap, state = checkpoint(_advanced, network, state, *parts, use_reentrant=False)
            else:
                gap, state = _advanced(network, state, *parts)
            gaps.append(gap)
        out.append(torch.cat(gaps, 1))
    return torch.cat(out)


def output_differences(
    network: TorchStack,
    nominal_inputs: Tensor,
    perturbed_inputs: Tensor,
    nominal_states: Tensor | None = None,
    perturbed_states: Tensor | None = None,
) -> Tensor:
    """y(t) − ȳ(t), (N, T + 1, p), signs kept, all at once; arguments and errors as for `deviations`."""
    states = _checked(network, nominal_inputs, perturbed_inputs, nominal_states, perturbed_states)[1]
    return _differences(network, torch.cat(states), torch.cat([nominal_inputs, perturbed_inputs]))


def _differences(network: TorchStack, states: Tensor, inputs: Tensor) -> Tensor:
    """Of the second half of the runs to the first."""
    y = network.run(states, inputs)
    half = len(y) // 2
    return y[half:] - y[:half]


def _gap(y: Tensor) -> Tensor:
    """e of outputs whose first half is nominal, (2N, ..., p): (N, ...)."""
    half = len(y) // 2
    return (y[half:] - y[:half]).abs().amax(-1)


def _advanced(network: TorchStack, state: Tensor, nominal: Tensor, perturbed: Tensor) -> tuple[Tensor, Tensor]:
    """e of the next steps, (N, T), and the states of all runs after them."""
    y, after = network.advance(state, torch.cat([nominal, perturbed]))
    return _gap(y), after


def _piece(network: TorchStack, pairs: int, steps: int, memory: int) -> tuple[int, int]:
    """How many pairs and how many steps go at a time: wide first, then long, and neither shorter than pays."""
    widest = max(6 * layer.units for layer in network.layers)  # of a run and step: gates and what cuDNN keeps of them
    numbers = 2 * network.inputs + sum(7 * layer.units for layer in network.layers)  # gates, outputs and copies
    budget = min(memory // (2 * numbers * network.like.element_size()), INDEX // (2 * widest))
    rows = max(1, min(pairs, WIDE, budget // max(1, min(steps, LONG))))
    return rows, max(1, min(steps, budget // rows))


def _spare(device: torch.device) -> int:
    """Bytes that a piece may take by default."""
    if device.type != "cuda":
        return MEMORY
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free // 4


def _weights(network: TorchStack) -> list[Tensor]:
    """All tensors of a network."""
    found = [value for part in (network, *network.layers) for value in vars(part).values()]
    return [value for value in found if isinstance(value, Tensor)]


def _checked(
    network: TorchStack,
    nominal_inputs: Tensor,
    perturbed_inputs: Tensor,
    nominal: Tensor | None,
    perturbed: Tensor | None,
) -> tuple[int, list[Tensor]]:
    """N, and both states."""
    N = _runs(network, nominal_inputs, perturbed_inputs)
    zeros = network.like.new_zeros(N, network.dimension)
    states = [zeros if x is None else x for x in (nominal, perturbed)]
    for name, x in zip(("nominal_states", "perturbed_states"), states, strict=True):
        if x.shape != zeros.shape:
            raise ValueError(f"{name} must have shape {tuple(zeros.shape)}, got {tuple(x.shape)}")
        _in_place(name, x, network.like)
    return N, states


def _in_place(name: str, x: Tensor, like: Tensor) -> None:
    if (x.dtype, x.device) != (like.dtype, like.device):
        place = f"{like.dtype} on {like.device}"
        raise ValueError(f"{name} must be {place} as the network, got {x.dtype} on {x.device}")


def _runs(network: TorchStack, nominal: Tensor, perturbed: Tensor) -> int:
    for name, u in (("nominal_inputs", nominal), ("perturbed_inputs", perturbed)):
        if u.ndim != 3 or u.shape[2] != network.inputs:
            raise ValueError(f"{name} must have shape (N, T, {network.inputs}), got {tuple(u.shape)}")
        if not u.shape[0]:
            raise ValueError(f"{name} must hold at least one run, got shape {tuple(u.shape)}")
        _in_place(name, u, network.like)
    if nominal.shape != perturbed.shape:
        raise ValueError(
            f"perturbed_inputs must have shape {tuple(nominal.shape)} to go with nominal_inputs, "
            f"got {tuple(perturbed.shape)}"
        )
    return nominal.shape[0]
