"""What a recurrent network is in torch: the weights of its layers as tensors through which gradients flow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...theory.resilience.cell import Cell, GRUCell, Stack, as_stack
from .layer_run import layer_run

RECURRENT = (nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell)


@dataclass(frozen=True, eq=False)
class TorchLSTM:
    """`lemmata.theory.resilience.LSTMCell` as tensors: W (4n, m), R (4n, n), b (4n,), in blocks i, f, g, o."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor

    @property
    def units(self) -> int:
        """n."""
        return self.weight_hh.shape[1]

    @property
    def inputs(self) -> int:
        """m."""
        return self.weight_ih.shape[1]

    @property
    def dimension(self) -> int:
        """2n coordinates of the state, c first."""
        return 2 * self.units

    @property
    def hidden(self) -> slice:
        """Where h stands in the state."""
        return slice(self.units, 2 * self.units)

    def run(self, state: Tensor, inputs: Tensor) -> Tensor:
        """h(0), …, h(T), (N, T + 1, n), from the state (c, h), (N, 2n), and inputs (N, T, m)."""
        return torch.cat([state[:, None, self.hidden], self.advance(state, inputs)[0]], 1)

    def advance(self, state: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """h(1), …, h(T), (N, T, n), and the state at T, from where the next inputs go on."""
        weights = {
            "weight_ih_l0": self.weight_ih,
            "weight_hh_l0": self.weight_hh,
            "bias_ih_l0": self.bias,
            "bias_hh_l0": torch.zeros_like(self.bias),
        }
        c, h = state[:, : self.units], state[:, self.units :]
        if not inputs.shape[1]:
            return h[:, None][:, :0], state  # an empty (N, 0, n)
        out, (h, c) = layer_run(nn.LSTM, weights, inputs, (h[None].contiguous(), c[None].contiguous()))
        return out, torch.cat([c[0], h[0]], 1)


@dataclass(frozen=True, eq=False)
class TorchGRU:
    """`lemmata.theory.resilience.GRUCell` as tensors: W (3n, m), R (3n, n) and two biases (3n,), blocks r, z, n."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    @property
    def units(self) -> int:
        """n."""
        return self.weight_hh.shape[1]

    @property
    def inputs(self) -> int:
        """m."""
        return self.weight_ih.shape[1]

    @property
    def dimension(self) -> int:
        """n coordinates of the state."""
        return self.units

    @property
    def hidden(self) -> slice:
        """Where h stands in the state."""
        return slice(0, self.units)

    def run(self, state: Tensor, inputs: Tensor) -> Tensor:
        """h(0), …, h(T), (N, T + 1, n), from the state h, (N, n), and inputs (N, T, m)."""
        return torch.cat([state[:, None, self.hidden], self.advance(state, inputs)[0]], 1)

    def advance(self, state: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """h(1), …, h(T), (N, T, n), and the state at T, from where the next inputs go on."""
        weights = {
            "weight_ih_l0": self.weight_ih,
            "weight_hh_l0": self.weight_hh,
            "bias_ih_l0": self.bias_ih,
            "bias_hh_l0": self.bias_hh,
        }
        if not inputs.shape[1]:
            return state[:, None][:, :0], state  # an empty (N, 0, n)
        out, h = layer_run(nn.GRU, weights, inputs, state[None].contiguous())
        return out, h[0]


TorchLayer = TorchLSTM | TorchGRU


@dataclass(frozen=True, eq=False)
class TorchStack:
    """Layers where each receives the new h of the one before it, and y = C_y h of the last.

    Attributes
    ----------
    layers : tuple of TorchLSTM and TorchGRU
    output : (p, n) or None
        C_y; None stands for y = h.  An offset would not change a deviation.
    """

    layers: tuple[TorchLayer, ...]
    output: Tensor | None = None

    @classmethod
    def from_cells(
        cls,
        cell: Cell | Stack,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> "TorchStack":
        """The same network as constant tensors.

        >>> from ...theory.resilience.cell import LSTMCell
        >>> TorchStack.from_cells(LSTMCell(np.zeros((8, 3)), np.zeros((8, 2)), np.zeros(8)))
        TorchStack(LSTM of 2 units, 3 inputs)
        """
        stack = as_stack(cell)

        def tensor(value: np.ndarray) -> Tensor:
            return torch.tensor(value, dtype=dtype, device=device)

        layers: list[TorchLayer] = []
        for layer in stack.layers:
            W, R = tensor(layer.weight_ih), tensor(layer.weight_hh)
            if isinstance(layer, GRUCell):
                layers.append(TorchGRU(W, R, tensor(layer.bias_ih), tensor(layer.bias_hh)))
            else:
                layers.append(TorchLSTM(W, R, tensor(layer.bias)))
        return cls(tuple(layers), None if stack.output is None else tensor(stack.output))

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        prefix: str | None = None,
        output: str | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> "TorchStack":
        """The `torch.nn` LSTM, GRU, LSTMCell or GRUCell that a module is or contains; gradients reach its weights.

        Dropout between layers is left out: the network is the one that eval mode runs.

        Parameters
        ----------
        module : Module
        prefix : str or None
            Name of the recurrent layer inside the module; may be left out where there is only one.
        output : str or None
            Name of the linear layer that reads y from h; left out, y = h.
        dtype : dtype
            To which the weights are converted.

        Raises TypeError for what is or holds no such module, ValueError where there is more than one to choose from
        or a name is not there, NotImplementedError for bidirectional layers, projections and an output that is not
        linear.

        >>> TorchStack.from_module(torch.nn.GRU(3, 2, num_layers=2))
        TorchStack(GRU of 2 units, 3 inputs; GRU of 2 units, 2 inputs)
        """
        found = _chosen(module, prefix)
        layers = tuple(_layer(found, ending, dtype) for ending in _endings(found))
        return cls(layers, None if output is None else _linear(module, output).to(dtype))

    @property
    def units(self) -> int:
        """n of the last layer."""
        return self.layers[-1].units

    @property
    def inputs(self) -> int:
        """m of the first layer."""
        return self.layers[0].inputs

    @property
    def dimension(self) -> int:
        """Coordinates of the joint state, layer by layer."""
        return sum(layer.dimension for layer in self.layers)

    @property
    def like(self) -> Tensor:
        """A tensor of the dtype and on the device of the network."""
        return self.layers[0].weight_hh

    def run(self, state: Tensor, inputs: Tensor) -> Tensor:
        """y(0), …, y(T), (N, T + 1, p), without offset, from joint states (N, d) and inputs (N, T, m)."""
        return torch.cat([self.outputs(state)[:, None], self.advance(state, inputs)[0]], 1)

    def advance(self, state: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """y(1), …, y(T), (N, T, p), and the joint state at T, from where the next inputs go on."""
        sizes, h, after = [layer.dimension for layer in self.layers], inputs, []
        for layer, part in zip(self.layers, torch.split(state, sizes, 1), strict=True):
            h, last = layer.advance(part, h)
            after.append(last)
        return h if self.output is None else h @ self.output.T, torch.cat(after, 1)

    def outputs(self, state: Tensor) -> Tensor:
        """y of joint states (N, d): (N, p), without offset."""
        h = state[:, -self.layers[-1].dimension :][:, self.layers[-1].hidden]
        return h if self.output is None else h @ self.output.T

    def __repr__(self) -> str:
        words = (
            f"{type(layer).__name__.removeprefix('Torch')} of {layer.units} unit{'s' * (layer.units > 1)}, "
            f"{layer.inputs} input{'s' * (layer.inputs > 1)}"
            for layer in self.layers
        )
        return f"TorchStack({'; '.join(words)})"


def _chosen(module: nn.Module, prefix: str | None) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch module, got {type(module).__name__}")
    found = {name: part for name, part in module.named_modules() if isinstance(part, RECURRENT)}
    if not found:
        raise TypeError(f"module must be or contain an LSTM or a GRU, got {type(module).__name__}")
    names = ", ".join(repr(name) for name in found)
    if prefix is None:
        if len(found) > 1:
            raise ValueError(f"prefix must choose one of the recurrent layers {names}, got none")
        return next(iter(found.values()))
    if prefix.rstrip(".") not in found:
        raise ValueError(f"prefix must name a recurrent layer, one of {names}, got {prefix!r}")
    return found[prefix.rstrip(".")]


def _endings(module: nn.Module) -> Sequence[str]:
    """What follows "weight_ih" in the names of the layers' weights."""
    if isinstance(module, nn.LSTMCell | nn.GRUCell):
        return ("",)
    assert isinstance(module, nn.RNNBase)
    if module.bidirectional:
        raise NotImplementedError("bidirectional layers read the future: they have no recovery time")
    if module.proj_size:
        raise NotImplementedError(f"proj_size > 0 changes the recursion: it is not covered, got {module.proj_size}")
    return [f"_l{layer}" for layer in range(module.num_layers)]


def _layer(module: nn.Module, ending: str, dtype: torch.dtype) -> TorchLayer:
    W, R = (getattr(module, name + ending).to(dtype) for name in ("weight_ih", "weight_hh"))
    if getattr(module, "bias", True):
        first, second = (getattr(module, name + ending).to(dtype) for name in ("bias_ih", "bias_hh"))
    else:
        first = second = W.new_zeros(len(W))
    if isinstance(module, nn.GRU | nn.GRUCell):
        return TorchGRU(W, R, first, second)
    return TorchLSTM(W, R, first + second)


def _linear(module: nn.Module, name: str) -> Tensor:
    parts = dict(module.named_modules())
    linear = [key for key, part in parts.items() if isinstance(part, nn.Linear)]
    if name in parts and not isinstance(parts[name], nn.Linear):
        kind = type(parts[name]).__name__
        raise NotImplementedError(
            f"output must be a linear layer, as the bounds need y = C h + d, got {name!r}, a {kind}"
        )
    if name not in parts:
        listed = ", ".join(repr(key) for key in linear) or "none"
        raise ValueError(f"output must name a linear layer, one of {listed}, got {name!r}")
    weight: Tensor = parts[name].weight
    return weight
