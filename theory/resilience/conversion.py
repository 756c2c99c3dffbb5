"""Which LSTM or GRU a torch module or state_dict holds; torch itself is never imported."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .cell import Cell, GRUCell, LSTMCell, Stack

RECURRENT = ("LSTM", "GRU", "LSTMCell", "GRUCell")


def cells_from_torch(source: Any, prefix: str | None = None, output: str | None = None) -> Cell | Stack:
    """The layers of a `torch.nn` LSTM, GRU, LSTMCell or GRUCell, of a module that contains one, or of a state_dict.

    Parameters
    ----------
    source : module or mapping
        A module (anything with `state_dict` and `named_modules`) or a mapping from names to tensors or arrays.
        float32 weights convert exactly; `batch_first` has no effect.
    prefix : str or None
        Name of the recurrent layer inside the source, as "encoder" for "encoder.weight_ih_l0"; may be left out where
        there is only one.
    output : str or None
        Name of the linear layer that reads y from h; left out, y = h.

    Returns
    -------
    cells : LSTMCell, GRUCell or Stack
        A cell for one layer without output, a stack otherwise.

    Raises TypeError for what holds no LSTM or GRU at all, ValueError where there is none or more than one to choose
    from, NotImplementedError with the reason for bidirectional layers, projections, dropout between layers in training
    mode and an output that is not linear.

    >>> weights = {"weight_ih_l0": np.zeros((4, 2)), "weight_hh_l0": np.zeros((4, 1))}
    >>> cells_from_torch(weights)
    LSTMCell(1 unit, 2 inputs)
    """
    modules: dict[str, Any] = {}
    if isinstance(source, Mapping):
        state = source
    elif callable(getattr(source, "state_dict", None)) and callable(getattr(source, "named_modules", None)):
        modules, state = dict(source.named_modules()), source.state_dict()
    else:
        raise TypeError(f"source must be a torch module or a state_dict, got {type(source).__name__}")
    name = _chosen(state, modules, prefix, source)
    if name in modules:
        _refuse_dropout(name, modules[name])
    layers = _layers(state, f"{name}." if name else "")
    if output is None:
        return layers[0] if len(layers) == 1 else Stack(layers)
    if output in modules and type(modules[output]).__name__ != "Linear":
        kind = type(modules[output]).__name__
        raise NotImplementedError(
            f"output must be a linear layer, as the bounds need y = C h + d, got {output!r}, a {kind}"
        )
    weight = f"{output}.weight"
    if weight not in state:
        linear = sorted(key[: -len(".weight")] for key, value in state.items() if _is_linear(key, value))
        raise ValueError(f"output must name a linear layer, one of {_listed(linear)}, got {output!r}")
    offset = state.get(f"{output}.bias")
    return Stack(layers, _array(weight, state[weight]), None if offset is None else _array(output, offset))


def recurrent_layers(state: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the recurrent layers in a state_dict, "" for one at its top.

    >>> recurrent_layers({"memory.weight_ih_l0": 0, "memory.weight_hh_l0": 0, "head.weight": 0})
    ('memory',)
    """
    found: dict[str, None] = {}
    for key in state:
        parent, _, leaf = str(key).rpartition(".")
        if leaf in ("weight_hh_l0", "weight_hh"):
            found[parent] = None
    return tuple(found)


def _chosen(state: Mapping[str, Any], modules: dict[str, Any], prefix: str | None, source: Any) -> str:
    found = recurrent_layers(state)
    if not found:
        if not isinstance(source, Mapping):
            raise TypeError(f"source must be or contain an LSTM or a GRU, got {type(source).__name__}")
        names = _listed([str(key) for key in state][:8])
        raise ValueError(f"source must hold weight_ih_l0 and weight_hh_l0 of an LSTM or a GRU, got the keys {names}")
    if prefix is not None:
        if prefix.rstrip(".") not in found:
            raise ValueError(f"prefix must name a recurrent layer, one of {_listed(list(found))}, got {prefix!r}")
        return prefix.rstrip(".")
    if len(found) > 1:
        raise ValueError(f"prefix must choose one of the recurrent layers {_listed(list(found))}, got none")
    return found[0]


def _refuse_dropout(name: str, module: Any) -> None:
    share = float(getattr(module, "dropout", 0.0) or 0.0)
    if share > 0 and int(getattr(module, "num_layers", 1)) > 1 and bool(getattr(module, "training", False)):
        raise NotImplementedError(
            f"dropout = {share:g} between the layers of {name or type(module).__name__} is random in training mode: "
            f"call eval() first"
        )


def _layers(state: Mapping[str, Any], start: str) -> tuple[Cell, ...]:
    if f"{start}weight_hh" in state:
        return (_cell(state, start, ""),)
    for mark, reason in (
        ("weight_ih_l0_reverse", "bidirectional layers read the future: they have no recovery time"),
        ("weight_hr_l0", "proj_size > 0 changes the recursion: it is not covered"),
    ):
        if f"{start}{mark}" in state:
            raise NotImplementedError(f"{reason}, got {start}{mark}")
    count = 0
    while f"{start}weight_hh_l{count}" in state:
        count += 1
    return tuple(_cell(state, start, f"_l{layer}") for layer in range(count))


def _cell(state: Mapping[str, Any], start: str, end: str) -> Cell:
    names = {part: f"{start}{part}{end}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    if names["weight_ih"] not in state:
        raise ValueError(f"source must hold {names['weight_ih']} beside {names['weight_hh']}, got none")
    hh = _array(names["weight_hh"], state[names["weight_hh"]])
    ih = _array(names["weight_ih"], state[names["weight_ih"]])
    if hh.ndim != 2 or not hh.shape[1] or hh.shape[0] not in (3 * hh.shape[1], 4 * hh.shape[1]):
        raise TypeError(f"{names['weight_hh']} must be (4n, n) for an LSTM or (3n, n) for a GRU, got {hh.shape}")
    zero = np.zeros(len(hh))
    first, second = (
        _array(names[part], state[names[part]]) if names[part] in state else zero for part in ("bias_ih", "bias_hh")
    )
    for part, value in (("bias_ih", first), ("bias_hh", second)):
        if value.shape != zero.shape:
            raise ValueError(f"{names[part]} must have shape {zero.shape}, got {value.shape}")
    if len(hh) == 3 * hh.shape[1]:
        return GRUCell(ih, hh, first, second)
    return LSTMCell(ih, hh, first + second)


def _array(name: str, value: Any) -> NDArray[np.float64]:
    for method in ("detach", "cpu", "double", "numpy"):  # a tensor; an array has none of them
        if callable(getattr(value, method, None)):
            value = getattr(value, method)()
    return _check.finite(name, value)


def _is_linear(key: str, value: Any) -> bool:
    return key.endswith(".weight") and len(getattr(value, "shape", ())) == 2


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names) if names else "none"
