"""What a recurrent network is here: LSTM and GRU layers, stacks of them, and where torch keeps their weights."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from .. import _check

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, init=False)
class LSTMCell:
    r"""One LSTM layer: c⁺ = f∘c + i∘g, h⁺ = o∘tanh(c⁺) with i, f, o = σ(z), g = tanh(z), z = W u + R h + b.

    Parameters
    ----------
    weight_ih : (4n, m)
        W, in blocks i, f, g, o of n rows each as in torch.
    weight_hh : (4n, n)
        R, in the same blocks.
    bias : (4n,)
        b, the sum of torch's two bias vectors.

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 1.

    >>> cell = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    >>> cell, cell.step([[1.0], [0.0]], [0.0])[0]
    (LSTMCell(1 unit, 1 input), array([0.5]))
    """

    weight_ih: Array
    weight_hh: Array
    bias: Array

    def __init__(self, weight_ih: ArrayLike, weight_hh: ArrayLike, bias: ArrayLike) -> None:
        ih, hh = _weights(weight_ih, weight_hh, 4)
        _keep(self, weight_ih=ih, weight_hh=hh, bias=_vector("bias", bias, len(hh)))

    @property
    def units(self) -> int:
        """n."""
        return int(self.weight_hh.shape[1])

    @property
    def inputs(self) -> int:
        """m."""
        return int(self.weight_ih.shape[1])

    @property
    def dimension(self) -> int:
        """2n coordinates of the state, c first."""
        return 2 * self.units

    def step(self, state: ArrayLike, input: ArrayLike) -> Array:
        """The state (c⁺, h⁺), (..., 2, n), after the state (c, h), (..., 2, n), and the input u, (..., m)."""
        x, u = np.asarray(state, dtype=float), np.asarray(input, dtype=float)
        z = u @ self.weight_ih.T + x[..., 1, :] @ self.weight_hh.T + self.bias
        zi, zf, zg, zo = np.split(z, 4, axis=-1)
        c = expit(zf) * x[..., 0, :] + expit(zi) * np.tanh(zg)
        return np.stack([c, expit(zo) * np.tanh(c)], axis=-2)

    def __repr__(self) -> str:
        return f"LSTMCell({_counts(self)})"


@dataclass(frozen=True, eq=False, init=False)
class GRUCell:
    r"""One GRU layer, reset after the product: h⁺ = (1−z)∘ν + z∘h with ν = tanh(W_n u + b_in + r∘(R_n h + b_hn)).

    r = σ(W_r u + R_r h + b_ir + b_hr), z = σ(W_z u + R_z h + b_iz + b_hz).

    Parameters
    ----------
    weight_ih : (3n, m)
        W, in blocks r, z, n as in torch.
    weight_hh : (3n, n)
        R, in the same blocks.
    bias_ih, bias_hh : (3n,)
        The two bias vectors; they cannot be summed, as b_hn stands inside the reset.

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 8.

    >>> cell = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> cell, cell.step([1.0], [0.0])
    (GRUCell(1 unit, 1 input), array([0.5]))
    """

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array

    def __init__(self, weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: ArrayLike, bias_hh: ArrayLike) -> None:
        ih, hh = _weights(weight_ih, weight_hh, 3)
        biases = {"bias_ih": _vector("bias_ih", bias_ih, len(hh)), "bias_hh": _vector("bias_hh", bias_hh, len(hh))}
        _keep(self, weight_ih=ih, weight_hh=hh, **biases)

    @property
    def units(self) -> int:
        """n."""
        return int(self.weight_hh.shape[1])

    @property
    def inputs(self) -> int:
        """m."""
        return int(self.weight_ih.shape[1])

    @property
    def dimension(self) -> int:
        """n coordinates of the state."""
        return self.units

    def step(self, state: ArrayLike, input: ArrayLike) -> Array:
        """The state h⁺, (..., n), after the state h, (..., n), and the input u, (..., m)."""
        h, u = np.asarray(state, dtype=float), np.asarray(input, dtype=float)
        ur, uz, un = np.split(u @ self.weight_ih.T + self.bias_ih, 3, axis=-1)
        hr, hz, hn = np.split(h @ self.weight_hh.T + self.bias_hh, 3, axis=-1)
        z = expit(uz + hz)
        return np.asarray((1 - z) * np.tanh(un + expit(ur + hr) * hn) + z * h)

    def __repr__(self) -> str:
        return f"GRUCell({_counts(self)})"


Cell = LSTMCell | GRUCell


@dataclass(frozen=True, eq=False, init=False)
class Stack:
    """Layers where each receives the new h of the one before it, and y = C_y h + d of the last.

    Parameters
    ----------
    layers : LSTMCells or GRUCells
        At least one; each has as many inputs as the one before has units.
    output : (p, n) or None
        C_y; None stands for y = h.
    offset : (p,) or None
        d; it does not change a deviation.

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.

    Source: docs/resilience, section 7.
    """

    layers: tuple[Cell, ...]
    output: Array | None
    offset: Array | None

    def __init__(
        self, layers: "tuple[Cell, ...] | list[Cell]", output: ArrayLike | None = None, offset: ArrayLike | None = None
    ) -> None:
        kept = tuple(layers)
        if not kept:
            raise ValueError("layers must hold at least one cell, got none")
        for number, layer in enumerate(kept):
            if not isinstance(layer, LSTMCell | GRUCell):
                raise TypeError(f"layers[{number}] must be an LSTMCell or a GRUCell, got {type(layer).__name__}")
            if number and layer.inputs != kept[number - 1].units:
                raise ValueError(
                    f"layers[{number}] must have {kept[number - 1].units} inputs, the units of the layer before it, "
                    f"got {layer.inputs}"
                )
        object.__setattr__(self, "layers", kept)
        C = None if output is None else _check.matrix("output", output, columns=kept[-1].units)
        if offset is not None and C is None:
            raise ValueError("offset must come with an output matrix, got none")
        d = None if offset is None or C is None else _vector("offset", offset, len(C))
        _keep(self, output=C, offset=d)

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

    def step(self, state: "tuple[ArrayLike, ...]", input: ArrayLike) -> tuple[Array, ...]:
        """The states of the layers after one step; each as its cell has it."""
        passed, after = np.asarray(input, dtype=float), []
        for layer, old in zip(self.layers, state, strict=True):
            after.append(layer.step(old, passed))
            passed = after[-1][..., 1, :] if isinstance(layer, LSTMCell) else after[-1]
        return tuple(after)

    def __repr__(self) -> str:
        return f"Stack({', '.join(repr(layer) for layer in self.layers)})"


def as_stack(cell: Cell | Stack) -> Stack:
    """A cell as a stack of one layer; a stack as it is."""
    return cell if isinstance(cell, Stack) else Stack((cell,))


def weights_sha256(cell: Cell | Stack) -> str:
    """SHA-256 of kinds, shapes and float64 weights (little endian, row by row), the output layer included; hexadecimal.

    >>> weights_sha256(LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4)))[:8]
    '731b1397'
    """
    stack, digest = as_stack(cell), hashlib.sha256()
    for layer in stack.layers:
        names = ("weight_ih", "weight_hh", "bias") if isinstance(layer, LSTMCell) else _GRU_NAMES
        for name in names:
            _feed(digest, f"{type(layer).__name__}.{name}", getattr(layer, name))
    for name in ("output", "offset"):
        if getattr(stack, name) is not None:
            _feed(digest, name, getattr(stack, name))
    return digest.hexdigest()


_GRU_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _feed(digest: Any, name: str, value: Array) -> None:
    digest.update(f"{name}{value.shape}".encode())
    digest.update((value + 0.0).astype("<f8").tobytes())  # -0 and 0 are one weight


def _weights(weight_ih: ArrayLike, weight_hh: ArrayLike, blocks: int) -> tuple[Array, Array]:
    hh = _check.matrix("weight_hh", weight_hh)
    n = hh.shape[1]
    if n == 0 or hh.shape[0] != blocks * n:
        raise ValueError(f"weight_hh must have shape ({blocks}n, n) with n >= 1, got {hh.shape}")
    ih = _check.matrix("weight_ih", weight_ih, rows=blocks * n)
    if ih.shape[1] == 0:
        raise ValueError(f"weight_ih must have at least one column, got shape {ih.shape}")
    return ih, hh


def _vector(name: str, value: ArrayLike, length: int) -> Array:
    out = _check.finite(name, value)
    if out.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},), got {out.shape}")
    return out


def _keep(owner: object, **values: Array | None) -> None:
    """Read-only copies as attributes of a frozen owner."""
    for name, value in values.items():
        kept = None if value is None else value.copy()
        if kept is not None:
            kept.flags.writeable = False
        object.__setattr__(owner, name, kept)


def _counts(cell: Cell) -> str:
    return f"{cell.units} unit{'s' * (cell.units > 1)}, {cell.inputs} input{'s' * (cell.inputs > 1)}"
