"""Cells compute what torch computes, and what is no LSTM or GRU is refused by name."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from lemmata.theory.resilience import GRUCell, LSTMCell, Stack, cells_from_torch, recurrent_layers, weights_sha256


def run(cell, inputs, start):
    state = tuple(start) if isinstance(cell, Stack) else start
    out = []
    for u in inputs:
        state = cell.step(state, u)
        last = state[-1] if isinstance(cell, Stack) else state
        out.append(last[..., 1, :] if isinstance(last, np.ndarray) and last.ndim == 2 else last)
    return np.array(out)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU])
def test_cells_follow_torch(kind, layers, bias):
    torch.manual_seed(layers)
    module = kind(3, 5, layers, bias=bias).double()
    u = torch.randn(20, 3, dtype=torch.float64)
    with torch.no_grad():
        wanted = module(u)[0].numpy()
    cell = cells_from_torch(module)
    shape = (2, 5) if kind is torch.nn.LSTM else (5,)
    start = np.zeros(shape) if layers == 1 else [np.zeros(shape)] * layers
    assert_allclose(run(cell, u.numpy(), start), wanted, rtol=0, atol=1e-14)  # rounding of 20 steps below 1


@pytest.mark.parametrize("kind", [torch.nn.LSTMCell, torch.nn.GRUCell])
def test_single_cells_of_torch_are_read_too(kind):
    module = kind(2, 4).double()
    u, h = torch.randn(1, 2, dtype=torch.float64), torch.rand(1, 4, dtype=torch.float64)
    with torch.no_grad():
        if kind is torch.nn.LSTMCell:
            new, _ = module(u, (h, h))
            found = cells_from_torch(module).step(torch.stack([h[0], h[0]]).numpy(), u[0].numpy())[1]
        else:
            new = module(u, h)
            found = cells_from_torch(module).step(h[0].numpy(), u[0].numpy())
    assert_allclose(found, new[0].numpy(), atol=1e-15)


class Network(torch.nn.Module):
    def __init__(self, second=False, linear=True):
        super().__init__()
        self.memory = torch.nn.LSTM(2, 3)
        if second:
            self.other = torch.nn.GRU(2, 3)
        self.head = torch.nn.Linear(3, 2) if linear else torch.nn.Conv1d(3, 2, 1)


def test_a_layer_is_found_inside_a_module_with_its_output():
    network = Network()
    stack = cells_from_torch(network, output="head")
    assert isinstance(stack, Stack)
    assert_allclose(stack.output, network.head.weight.detach().numpy())
    assert_allclose(stack.offset, network.head.bias.detach().numpy())
    assert isinstance(cells_from_torch(network.state_dict()), LSTMCell)
    assert recurrent_layers(Network(second=True).state_dict()) == ("memory", "other")
    assert isinstance(cells_from_torch(Network(second=True), prefix="other"), GRUCell)


@pytest.mark.parametrize(
    ("source", "arguments", "error", "words"),
    [
        (Network(second=True), {}, ValueError, "prefix must choose one of the recurrent layers 'memory', 'other'"),
        (
            Network(),
            {"prefix": "brain"},
            ValueError,
            "prefix must name a recurrent layer, one of 'memory', got 'brain'",
        ),
        (Network(), {"output": "tail"}, ValueError, "output must name a linear layer, one of 'head', got 'tail'"),
        (Network(linear=False), {"output": "head"}, NotImplementedError, "output must be a linear layer.*a Conv1d"),
        (torch.nn.Linear(2, 3), {}, TypeError, "must be or contain an LSTM or a GRU, got Linear"),
        (torch.nn.RNN(2, 3), {}, TypeError, "weight_hh_l0 must be"),
        ({"weight": np.zeros(3)}, {}, ValueError, "got the keys 'weight'"),
        (3.0, {}, TypeError, "source must be a torch module or a state_dict, got float"),
        (torch.nn.LSTM(2, 3, bidirectional=True), {}, NotImplementedError, "bidirectional"),
        (torch.nn.LSTM(2, 3, proj_size=2), {}, NotImplementedError, "proj_size"),
        (torch.nn.LSTM(2, 3, 2, dropout=0.5), {}, NotImplementedError, "dropout = 0.5.*eval"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(source, arguments, error, words):
    with pytest.raises(error, match=words):
        cells_from_torch(source, **arguments)


def test_dropout_is_fine_outside_training():
    assert len(cells_from_torch(torch.nn.LSTM(2, 3, 2, dropout=0.5).eval()).layers) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.full((8, 1), np.nan), np.zeros((8, 2)), np.zeros(8)), "weight_ih must be finite"),
        ((np.zeros((8, 1)), np.zeros((7, 2)), np.zeros(8)), r"weight_hh must have shape \(4n, n\)"),
        ((np.zeros((7, 1)), np.zeros((8, 2)), np.zeros(8)), "weight_ih must have shape"),
        ((np.zeros((8, 0)), np.zeros((8, 2)), np.zeros(8)), "weight_ih must have at least one column"),
        ((np.zeros((8, 1)), np.zeros((8, 2)), np.zeros((8, 1))), r"bias must have shape \(8,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        LSTMCell(*arguments)


def test_stacks_must_fit_together():
    one, two = (LSTMCell(np.zeros((8, m)), np.zeros((8, 2)), np.zeros(8)) for m in (1, 3))
    with pytest.raises(ValueError, match=r"layers\[1\] must have 2 inputs"):
        Stack([one, two])
    with pytest.raises(ValueError, match="layers must hold at least one cell"):
        Stack([])
    with pytest.raises(TypeError, match=r"layers\[0\] must be an LSTMCell or a GRUCell, got int"):
        Stack([3])
    with pytest.raises(ValueError, match=r"output must have shape \(1, 2\)"):
        Stack([one], [[1.0, 2.0, 3.0]])


def test_weights_of_any_real_type_are_taken_and_kept():
    integers = LSTMCell(np.ones((4, 1), dtype=int), np.zeros((4, 1), dtype=np.float32), [0, 0, 0, 0])
    assert integers.weight_ih.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        integers.bias[0] = 1.0


def test_the_hash_tells_weights_apart_but_not_the_split_of_the_bias():
    rng = np.random.default_rng(0)
    W, R, b = rng.standard_normal((8, 1)), rng.standard_normal((8, 2)), rng.standard_normal(8)
    state = {"weight_ih_l0": W, "weight_hh_l0": R, "bias_ih_l0": b, "bias_hh_l0": np.zeros(8)}
    other = state | {"bias_ih_l0": np.zeros(8), "bias_hh_l0": b}
    assert weights_sha256(cells_from_torch(state)) == weights_sha256(cells_from_torch(other))
    changed = state | {"bias_ih_l0": np.nextafter(b, 9.0)}
    assert weights_sha256(cells_from_torch(state)) != weights_sha256(cells_from_torch(changed))
