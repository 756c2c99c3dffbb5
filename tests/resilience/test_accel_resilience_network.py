"""Networks in torch are the networks of the theory, and gradients reach the modules that they were read from."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from lemmata.accel.resilience import TorchStack, contraction_rates, deviations, invariant_set, stability_penalty
from lemmata.accel.resilience.interval import between
from lemmata.accel.resilience.jacobian_level import jacobian_maps
from lemmata.theory.resilience import GRUCell, LSTMCell, Stack, cells_from_torch

ROUNDING = 1e-13  # twenty steps of sums of a dozen terms of size 1


def drawn(kind, units, inputs, seed):
    rng = np.random.default_rng(seed)
    q = 4 * units if kind == "lstm" else 3 * units
    parts = [rng.normal(size=shape) * 0.6 for shape in ((q, inputs), (q, units), (q,), (q,))]
    return LSTMCell(*parts[:3]) if kind == "lstm" else GRUCell(*parts)


def numpy_run(stack, joint, inputs):
    """y(0), …, y(T) of one run by the steps of the cells."""
    states, start = [], 0
    for layer in stack.layers:
        part = joint[start : start + layer.dimension]
        states.append(part.reshape(2, -1) if isinstance(layer, LSTMCell) else part)
        start += layer.dimension
    out = []
    for u in [None, *inputs]:
        if u is not None:
            states = stack.step(tuple(states), u)
        last = states[-1]
        h = last[1] if isinstance(stack.layers[-1], LSTMCell) else last
        out.append(h if stack.output is None else stack.output @ h)
    return np.array(out)


@pytest.mark.parametrize("kinds", [("lstm",), ("gru",), ("lstm", "gru", "lstm"), ("gru", "lstm")])
@pytest.mark.parametrize("read", [False, True])
def test_a_run_is_that_of_the_cells_step_by_step(kinds, read):
    rng = np.random.default_rng(1)
    layers = [drawn(kind, 3, 2 if k == 0 else 3, k) for k, kind in enumerate(kinds)]
    stack = Stack(layers, rng.normal(size=(2, 3)) if read else None)
    x, u = rng.uniform(-1, 1, (4, stack.dimension)), rng.uniform(-1, 1, (4, 20, 2))
    seen = TorchStack.from_cells(stack).run(torch.tensor(x), torch.tensor(u))
    assert_allclose(seen, [numpy_run(stack, *pair) for pair in zip(x, u, strict=True)], atol=ROUNDING)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_a_module_read_in_runs_as_the_module_itself(kind, layers):
    torch.manual_seed(2)
    module = kind(2, 4, num_layers=layers, dtype=torch.float64)
    u = torch.randn(15, 3, 2, dtype=torch.float64)
    network = TorchStack.from_module(module)
    x = torch.zeros(3, network.dimension, dtype=torch.float64)
    assert_allclose(
        network.run(x, u.transpose(0, 1))[:, 1:].detach(), module(u)[0].transpose(0, 1).detach(), atol=1e-14
    )


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bias", [True, False])
def test_the_theory_reads_the_same_weights_from_the_same_module(kind, bias):
    torch.manual_seed(3)
    module = kind(2, 3, bias=bias)
    ours, theirs = TorchStack.from_module(module), TorchStack.from_cells(cells_from_torch(module))
    for name in ("weight_ih", "weight_hh", "bias", "bias_ih", "bias_hh"):
        if hasattr(theirs.layers[0], name):
            mine = getattr(ours.layers[0], name).detach()
            assert_allclose(mine, getattr(theirs.layers[0], name), rtol=1e-15)  # one sum of two biases


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(2, 3)
        self.memory = nn.GRU(3, 4, num_layers=2, dropout=0.5)
        self.reading = nn.Linear(4, 1)
        self.squash = nn.Tanh()


def test_gradients_reach_every_recurrent_weight_of_a_module_in_training_mode():
    model = Model()
    stability_penalty(model, 1.0, target=1e-3, prefix="memory").backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.memory.parameters())
    assert all(weight.grad is None for weight in [*model.encoder.parameters(), *model.reading.parameters()])


def test_the_reading_layer_is_found_by_its_name():
    model = Model()
    network = TorchStack.from_module(model, prefix="memory", output="reading")
    assert torch.equal(network.output, model.reading.weight.double())


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "module must be a torch module, got dict", lambda: TorchStack.from_module({})),
        (TypeError, "an LSTM or a GRU, got Linear", lambda: TorchStack.from_module(nn.Linear(1, 1))),
        (ValueError, "one of the recurrent layers 'encoder', 'memory'", lambda: TorchStack.from_module(Model())),
        (ValueError, "got 'brain'", lambda: TorchStack.from_module(Model(), prefix="brain")),
        (NotImplementedError, "bidirectional", lambda: TorchStack.from_module(nn.GRU(1, 1, bidirectional=True))),
        (NotImplementedError, "proj_size", lambda: TorchStack.from_module(nn.LSTM(1, 2, proj_size=1))),
        (
            ValueError,
            "one of 'reading', got 'head'",
            lambda: TorchStack.from_module(Model(), prefix="memory", output="head"),
        ),
        (
            NotImplementedError,
            "'squash', a Tanh",
            lambda: TorchStack.from_module(Model(), prefix="memory", output="squash"),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(error, words, call):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_deviations_are_the_differences_of_two_runs(kind):
    rng, cell = np.random.default_rng(4), drawn(kind, 3, 2, 5)
    stack = Stack([cell])
    x, u = rng.uniform(-1, 1, (2, 5, cell.dimension)), rng.uniform(-1, 1, (2, 5, 9, 2))
    seen = deviations(TorchStack.from_cells(cell), *map(torch.tensor, (u[0], u[1], x[0], x[1])))
    runs = np.array([[numpy_run(stack, x[k, i], u[k, i]) for i in range(5)] for k in (0, 1)])
    assert_allclose(seen, np.abs(runs[1] - runs[0]).max(-1), atol=ROUNDING)


def test_deviations_differentiate_in_states_and_inputs():
    network = TorchStack.from_cells(Stack([drawn("lstm", 2, 1, 6), drawn("gru", 2, 2, 7)]))
    generator = torch.Generator().manual_seed(8)
    draw = [torch.rand(2, *shape, dtype=torch.float64, generator=generator) for shape in ((3, 1), (3, 1), (6,), (6,))]
    assert torch.autograd.gradcheck(lambda *parts: deviations(network, *parts), [x.requires_grad_() for x in draw])


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("nominal_inputs must have shape", {0: torch.zeros(3, 1, dtype=torch.float64)}),
        ("perturbed_inputs must have shape", {1: torch.zeros(2, 4, 1, dtype=torch.float64)}),
        ("float64 on cpu as the network, got torch.float32", {1: torch.zeros(2, 3, 1)}),
        ("perturbed_states must have shape", {3: torch.zeros(2, 3, dtype=torch.float64)}),
    ],
)
def test_deviations_refuse_shapes_that_do_not_agree(words, change):
    u, x = torch.zeros(2, 3, 1, dtype=torch.float64), torch.zeros(2, 4, dtype=torch.float64)
    parts = [change.get(k, value) for k, value in enumerate((u, u, x, x))]
    with pytest.raises(ValueError, match=words):
        deviations(TorchStack.from_cells(drawn("lstm", 2, 1, 9)), *parts)


def test_nothing_is_made_on_another_device_than_that_of_the_network():
    """On the meta device any operation with a tensor made elsewhere fails."""
    stack = Stack([drawn("lstm", 2, 1, 0), drawn("gru", 2, 2, 1)])
    network = TorchStack.from_cells(stack, device="meta")
    U = between(*torch.zeros(2, 1, dtype=torch.float64, device="meta"))
    boxes = invariant_set(network, U)
    maps = jacobian_maps(network, boxes, U)
    assert {part.tables.device.type for part in maps} == {"meta"}
    assert contraction_rates(TorchStack(network.layers[:1]), 1.0, "C").device.type == "meta"
    assert contraction_rates(network, 1.0, "A").device.type == "meta"
