"""How many runs of a network are given, laid out for the kernels, and shared out over threads block by block."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.resilience.cell import Cell, GRUCell, Stack, as_stack

Array = NDArray[np.float64]


def input_runs(name: str, cell: Cell | Stack, inputs: ArrayLike) -> Array:
    """Inputs as (N, T, m), or (1, T, m) where one sequence (T, m) serves all runs."""
    out = _check.finite(name, inputs)
    if out.ndim not in (2, 3) or out.shape[-1] != cell.inputs:
        raise ValueError(f"{name} must have shape (T, {cell.inputs}) or (N, T, {cell.inputs}), got {out.shape}")
    return np.ascontiguousarray(out if out.ndim == 3 else out[None])


def state_runs(name: str, cell: Cell | Stack, states: Any) -> Array:
    """States as joint states (N, d), or (1, d) where one serves all runs; None stands for zeros.

    A layer's states are (..., 2, n) for an LSTM, c first, and (..., n) for a GRU, with N or nothing before; a stack has
    a tuple of them, layer by layer.
    """
    stack = as_stack(cell)
    if states is None:
        return np.zeros((1, stack.dimension))
    if not isinstance(cell, Stack):
        states = (states,)
    elif not isinstance(states, (tuple, list)) or len(states) != len(stack.layers):
        raise ValueError(f"{name} must be a tuple of {len(stack.layers)} arrays, one a layer, got {_words(states)}")
    parts = []
    for k, (layer, value) in enumerate(zip(stack.layers, states, strict=True)):
        part = f"{name}[{k}]" if isinstance(cell, Stack) else name
        shape = (layer.units,) if isinstance(layer, GRUCell) else (2, layer.units)
        out = _check.finite(part, value)
        if out.ndim not in (len(shape), len(shape) + 1) or out.shape[-len(shape) :] != shape:
            raise ValueError(f"{part} must have shape {shape} or (N, {', '.join(map(str, shape))}), got {out.shape}")
        parts.append(out.reshape(-1, layer.dimension))
    runs = together(**{f"{name}[{k}]": part for k, part in enumerate(parts)})
    return np.concatenate([np.broadcast_to(part, (runs, part.shape[1])) for part in parts], axis=1)


def layer_states(cell: Cell | Stack, joint: NDArray[Any]) -> Any:
    """Joint states (..., d) as the cell has them: (..., 2, n), (..., n), or a tuple of these."""
    parts, start = [], 0
    for layer in as_stack(cell).layers:
        part = joint[..., start : start + layer.dimension]
        start += layer.dimension
        if not isinstance(layer, GRUCell):
            part = part.reshape(*part.shape[:-1], 2, layer.units)  # splits an axis: a view
        parts.append(part)
    return tuple(parts) if isinstance(cell, Stack) else parts[0]


def together(**arrays: NDArray[Any]) -> int:
    """The N of all arrays whose first axis is 1 or N; ValueError with the counts where there are two."""
    counts = {name: len(array) for name, array in arrays.items() if len(array) != 1}
    if len(set(counts.values())) > 1:
        raise ValueError(f"the numbers of runs must agree, got {', '.join(f'{k}: {v}' for k, v in counts.items())}")
    return next(iter(counts.values()), 1)


def each(work: Callable[..., Any], items: Sequence[Any], threads: int) -> list[Any]:
    """work(item) of every item in order; what each returns does not depend on the number of threads."""
    workers = _check.integer("threads", threads, 1)
    if workers == 1 or len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(workers, len(items))) as pool:
        try:
            return list(pool.map(work, items))
        finally:
            pool.shutdown(cancel_futures=True)


def _words(value: Any) -> str:
    return f"{len(value)}" if isinstance(value, (tuple, list)) else type(value).__name__
