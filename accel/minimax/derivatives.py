"""First derivatives of what autograd has recorded, as vectors and dense matrices."""

from collections.abc import Sequence

import torch
from torch import Tensor


def gradient(value: Tensor, inputs: Sequence[Tensor], graph: bool = False) -> Tensor:
    """d value/d inputs as one vector, zeros where nothing depends; `graph` keeps it differentiable."""
    if not value.requires_grad:
        return torch.cat([torch.zeros_like(w).reshape(-1) for w in inputs])
    parts = torch.autograd.grad(value, inputs, create_graph=graph, retain_graph=True, allow_unused=True)
    return torch.cat(
        [(torch.zeros_like(w) if g is None else g).reshape(-1) for w, g in zip(inputs, parts, strict=True)]
    )


def jacobian(outputs: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """The matrix d outputs/d inputs, (m, n), by rows or by columns, whichever are fewer."""
    flat = outputs.reshape(-1)
    n = sum(w.numel() for w in inputs)
    if not len(flat):
        return flat.new_zeros(0, n)
    if len(flat) <= n:
        return torch.stack([gradient(value, inputs) for value in flat.unbind()])
    weights = torch.zeros_like(flat, requires_grad=True)
    adjoint = gradient(flat @ weights, inputs, graph=True)  # Jᵀ weights, linear in the weights
    return torch.stack([gradient(value, [weights]) for value in adjoint.unbind()], dim=1)
