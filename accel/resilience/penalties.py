"""Terms that keep a network certifiable while it is trained: add one to the loss."""

from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...theory import _check
from ...theory.resilience.box import Box, symmetric_box
from .comparison import contraction_rate
from .interval import Interval, interval
from .invariant_set import REFINEMENTS, input_boxes, invariant_set
from .jacobian_level import jacobian_maps
from .network import TorchStack
from .norm_level import Norm, norm_rates

Level = Literal["A", "A2", "C"]
Bound = float | ArrayLike | Tensor | Box

LEVELS = ("A", "A2", "C")


def stability_penalty(
    module: nn.Module | TorchStack,
    input_bound: Bound,
    level: Level = "C",
    target: float = 0.95,
    *,
    anomaly_bound: Bound | None = None,
    prefix: str | None = None,
    refinements: int = REFINEMENTS,
) -> Tensor:
    r"""Σ over the layers of max(0, ρ − target), ρ the contraction rate of a level; zero where every ρ <= target.

    `loss = loss + stability_penalty(model, 1.0)` in any training loop.  It is computed in float64 on the device of the
    weights; gradients reach these.  A penalty of zero proves nothing: certify the trained network.

    Parameters
    ----------
    module : Module or TorchStack
        An `nn.LSTM`, `nn.GRU` or cell of any number of layers, or a module that contains one.
    input_bound : float, (m,) or Box
        U: |u| <= bound, or the box itself.
    level : "A", "A2" or "C"
        Norms in closed form (largest entry, Euclidean), or the Jacobian over the invariant box.  A is the cheapest, C
        the sharpest.
    target : float
        1 − η > 0; below 1 by some margin, 0.99 or less.
    anomaly_bound : float, (m,), Box or None
        U_a ⊇ U: then ρ holds on the states that inputs in U_a reach, from which recovery starts.  None: on those of U.
    prefix : str or None
        Name of the recurrent layer inside the module; may be left out where there is only one.
    refinements : int
        Of the invariant box, >= 1.

    Raises ValueError, TypeError or NotImplementedError in one sentence that names the argument.

    Source: docs/resilience, section 10.

    >>> lstm = nn.LSTM(2, 8, num_layers=2)
    >>> loss = stability_penalty(lstm, 1.0, target=0.5)
    >>> loss.backward()
    >>> bool(loss > 0), lstm.weight_hh_l1.grad.shape
    (True, torch.Size([32, 8]))
    """
    goal = _check.positive("target", target)
    rates = contraction_rates(
        module, input_bound, level, anomaly_bound=anomaly_bound, prefix=prefix, refinements=refinements
    )
    return torch.relu(rates - goal).sum()


def contraction_rates(
    module: nn.Module | TorchStack,
    input_bound: Bound,
    level: Level = "C",
    *,
    anomaly_bound: Bound | None = None,
    prefix: str | None = None,
    refinements: int = REFINEMENTS,
) -> Tensor:
    """ρ of every layer, (L,), differentiable; a stack contracts where all are below 1.

    Arguments and errors are those of `stability_penalty`.  Not rounded outward.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
    stack = as_network(module, prefix)
    if level == "C":
        U, boxes, _ = reachable(stack, input_bound, anomaly_bound, refinements)
        return torch.stack([contraction_rate(layer) for layer in jacobian_maps(stack, boxes, U)])
    norm: Norm = "max" if level == "A" else "euclidean"
    if anomaly_bound is not None:
        U, boxes, _ = reachable(stack, input_bound, anomaly_bound, refinements)
        return norm_rates(stack, input_boxes(stack, U, boxes), boxes, norm)
    before = TorchStack(stack.layers[:-1])  # the last box is not needed
    U = interval(_box("input_bound", input_bound, stack.inputs), stack.like)
    boxes = invariant_set(before, U, _check.integer("refinements", refinements, 1))
    return norm_rates(stack, (U, *(X[layer.hidden] for layer, X in zip(before.layers, boxes, strict=True))), None, norm)


def as_network(module: nn.Module | TorchStack, prefix: str | None, output: str | None = None) -> TorchStack:
    """A `TorchStack` as it is, the recurrent layer of a module in float64 otherwise."""
    if isinstance(module, TorchStack):
        return module
    return TorchStack.from_module(module, prefix=prefix, output=output)


def reachable(
    stack: TorchStack, input_bound: Bound, anomaly_bound: Bound | None, refinements: int
) -> tuple[Interval, tuple[Interval, ...], tuple[Interval, ...]]:
    """U, and the boxes S_a and S_n ⊆ S_a of every layer; checks the bounds."""
    steps = _check.integer("refinements", refinements, 1)
    inputs = _box("input_bound", input_bound, stack.inputs)
    U = interval(inputs, stack.like)
    if anomaly_bound is None:
        nominal = invariant_set(stack, U, steps)
        return U, nominal, nominal
    anomalous = _box("anomaly_bound", anomaly_bound, stack.inputs)
    if not anomalous.includes(inputs):
        raise ValueError("anomaly_bound must contain input_bound, got a box that does not")
    wide = invariant_set(stack, interval(anomalous, stack.like), steps)
    narrow = tuple(X & Y for X, Y in zip(invariant_set(stack, U, steps), wide, strict=True))
    return U, wide, narrow


def _box(name: str, bound: Bound, dimension: int) -> Box:
    value = bound.detach().cpu().numpy() if isinstance(bound, Tensor) else bound
    return symmetric_box(name, value, dimension)
