"""Deviations in batches of pairs and pieces of time: the same numbers and gradients, in bounded memory."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.utils._python_dispatch import TorchDispatchMode

from lemmata.accel.resilience import TorchStack, deviations
from lemmata.accel.resilience.deviations import _piece
from lemmata.accel.resilience.layer_run import exact_products
from lemmata.sim.resilience import deviations as compiled_deviations
from lemmata.theory.resilience import GRUCell, LSTMCell, Stack

N, T = 11, 37
ROUNDING = 1e-13  # forty steps of sums of a dozen terms of size 1, in another order


def drawn(kind, units, inputs, seed):
    rng = np.random.default_rng(seed)
    q = 4 * units if kind == "lstm" else 3 * units
    parts = [rng.normal(size=shape) * 0.6 for shape in ((q, inputs), (q, units), (q,), (q,))]
    return LSTMCell(*parts[:3]) if kind == "lstm" else GRUCell(*parts)


STACKS = {
    "lstm": Stack([drawn("lstm", 4, 2, 0)]),
    "gru": Stack([drawn("gru", 4, 2, 1)]),
    "three layers, read": Stack(
        [drawn("lstm", 3, 2, 2), drawn("gru", 4, 3, 3), drawn("lstm", 2, 4, 4)],
        np.random.default_rng(5).normal(size=(3, 2)),
    ),
}


def pairs(stack, dtype=torch.float64, n=N, t=T, device="cpu"):
    """A network, and inputs and states of n pairs of runs over t steps."""
    network = TorchStack.from_cells(stack, dtype=dtype, device=device)
    rng = np.random.default_rng(6)
    shapes = [(n, t, network.inputs)] * 2 + [(n, network.dimension)] * 2
    return network, [torch.tensor(rng.uniform(-1, 1, shape), dtype=dtype, device=device) for shape in shapes]


@pytest.mark.parametrize("memory", [1, 20_000, 60_000, 200_000])
@pytest.mark.parametrize("name", STACKS)
def test_pieces_change_nothing_beyond_rounding(name, memory):
    network, parts = pairs(STACKS[name])
    whole = deviations(network, *parts, memory=1 << 40)
    assert whole.shape == (N, T + 1)
    assert_allclose(deviations(network, *parts, memory=memory), whole, rtol=0, atol=ROUNDING)


def test_the_memories_of_these_tests_cut_pairs_and_time():
    network = TorchStack.from_cells(STACKS["lstm"])
    seen = {_piece(network, N, T, memory) for memory in (1, 20_000, 60_000, 200_000, 1 << 40)}
    assert (1, 1) in seen  # single steps of single pairs
    assert (N, T) in seen  # all at once
    assert any(1 < rows < N for rows, _ in seen)
    assert 1 < _piece(network, 1, 10_000, 1_000_000)[1] < 10_000
    assert _piece(network, 10**6, 10**6, 1 << 60)[0] <= 1 << 14


def by_layer(stack, joint):
    """Joint states as the compiled runs take them: (N, 2, n) for an LSTM, (N, n) for a GRU."""
    ends = np.cumsum([layer.dimension for layer in stack.layers])[:-1]
    parts = zip(stack.layers, np.split(joint, ends, 1), strict=True)
    return tuple(part.reshape(len(part), 2, -1) if isinstance(layer, LSTMCell) else part for layer, part in parts)


@pytest.mark.parametrize("name", STACKS)
def test_pieces_have_the_deviations_of_the_compiled_runs(name):
    network, parts = pairs(STACKS[name])
    inputs, states = parts[:2], [by_layer(STACKS[name], part.numpy()) for part in parts[2:]]
    exact = compiled_deviations(STACKS[name], *(u.numpy() for u in inputs), *states)
    assert_allclose(deviations(network, *parts, memory=20_000), exact, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", STACKS)
def test_a_run_goes_on_from_its_state_as_if_it_had_never_stopped(name):
    network, (u, _, x, _) = pairs(STACKS[name])
    first, state = network.advance(x, u[:, :20])
    none, same = network.advance(state, u[:, 20:20])
    second, _ = network.advance(state, u[:, 20:])
    assert none.shape == (N, 0, first.shape[2])
    assert torch.equal(same, state)
    assert_allclose(torch.cat([first, second], 1), network.run(x, u)[:, 1:], rtol=0, atol=ROUNDING)
    assert_allclose(network.outputs(state), first[:, -1], rtol=0, atol=ROUNDING)


def gradients(network, parts, memory):
    """Of a weighted sum of deviations in inputs, states and weights."""
    leaves = [part.clone().requires_grad_() for part in (*parts, network.layers[0].weight_hh)]
    layer = network.layers[0]
    if hasattr(layer, "bias"):
        layer = type(layer)(layer.weight_ih, leaves[4], layer.bias)
    else:
        layer = type(layer)(layer.weight_ih, leaves[4], layer.bias_ih, layer.bias_hh)
    e = deviations(TorchStack((layer, *network.layers[1:]), network.output), *leaves[:4], memory=memory)
    slopes = torch.linspace(-1.0, 1.0, e.numel(), dtype=e.dtype, device=e.device).reshape(e.shape)
    return torch.autograd.grad((slopes * e).sum(), leaves)


@pytest.mark.parametrize("name", STACKS)
def test_pieces_have_the_gradients_of_the_whole(name):
    network, parts = pairs(STACKS[name])
    for whole, cut in zip(*(gradients(network, parts, memory) for memory in (1 << 40, 20_000)), strict=True):
        # sums of N T = 400 terms of size up to 1, each off by ROUNDING
        assert_allclose(cut, whole, rtol=0, atol=400 * ROUNDING)


def test_pieces_without_gradients_record_none(monkeypatch):
    def recorded(*arguments, **keywords):
        raise AssertionError("a piece was recorded")

    monkeypatch.setattr(importlib.import_module("lemmata.accel.resilience.deviations"), "checkpoint", recorded)
    network, parts = pairs(STACKS["lstm"])
    with pytest.raises(AssertionError, match="a piece was recorded"):
        deviations(network, parts[0].clone().requires_grad_(), *parts[1:], memory=20_000)
    assert not deviations(network, *parts, memory=20_000).requires_grad
    with torch.no_grad():
        assert not deviations(network, parts[0].requires_grad_(), *parts[1:], memory=20_000).requires_grad


class Largest(TorchDispatchMode):
    """The largest tensor that any operation returned, in numbers."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        out = function(*arguments, **(keywords or {}))
        views = {"aten::expand", "aten::slice", "aten::view", "aten::transpose"}
        if function.name().partition(".")[0] not in views:
            found = [x for x in (out if isinstance(out, tuple | list) else [out]) if isinstance(x, torch.Tensor)]
            self.numbers = max(self.numbers, *(x.numel() for x in found), 0)
        return out


def test_memory_bounds_every_array_but_the_result():
    n, t, memory = 300, 200, 1 << 20
    network = TorchStack.from_cells(STACKS["lstm"])
    u = torch.zeros(1, t, 2, dtype=torch.float64).expand(n, t, 2)  # never made whole: 120 000 numbers
    x = torch.rand(n, network.dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    with Largest() as whole:
        deviations(network, u, u, None, x, memory=1 << 40)
    with Largest() as seen:
        e = deviations(network, u, u, None, x, memory=memory)
    assert whole.numbers > memory // 8
    assert seen.numbers <= max(memory // 8, e.numel())


def test_memory_below_one_is_refused_in_a_sentence():
    network, parts = pairs(STACKS["lstm"])
    with pytest.raises(ValueError, match="memory must be >= 1, got 0"):
        deviations(network, *parts, memory=0)


@pytest.mark.parametrize("memory", [None, 1])
def test_no_pair_at_all_is_refused_in_a_sentence(memory):
    network, parts = pairs(STACKS["lstm"])
    with pytest.raises(ValueError, match=r"nominal_inputs must hold at least one run, got shape \(0, 37, 2\)"):
        deviations(network, *(part[:0] for part in parts), memory=memory)


@pytest.mark.parametrize(("place", "name"), [(1, "perturbed_inputs"), (2, "nominal_states"), (3, "perturbed_states")])
def test_another_dtype_or_device_than_the_network_s_is_refused_in_a_sentence(place, name):
    network, parts = pairs(STACKS["lstm"])
    for moved, came in ((parts[place].float(), "torch.float32 on cpu"), (parts[place].to("meta"), "on meta")):
        with pytest.raises(ValueError, match=f"{name} must be torch.float64 on cpu as the network, got .*{came}"):
            deviations(network, *parts[:place], moved, *parts[place + 1 :])


def test_nothing_is_made_on_another_device_than_that_of_the_network():
    """On the meta device any operation with a tensor made elsewhere, or that looks at a value, fails."""
    network, parts = pairs(STACKS["three layers, read"], device="meta")
    assert deviations(network, *parts, memory=20_000).shape == (N, T + 1)


def test_products_are_exact_inside_and_as_they_were_outside():
    rnn = torch.backends.cudnn.rnn
    before = rnn.fp32_precision
    inside = []

    def broken():
        with exact_products():
            inside.append(rnn.fp32_precision)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert inside == ["ieee"]
    assert rnn.fp32_precision == before


def test_a_precision_that_is_exact_is_left_to_follow_the_process():
    """What is set for all of torch goes on being followed; in a process of its own, as it cannot be unset."""
    program = """
import torch
from lemmata.accel.resilience.layer_run import exact_products
torch.backends.fp32_precision = "ieee"
with exact_products():
    assert torch.backends.cudnn.rnn.fp32_precision == "ieee"
torch.backends.fp32_precision = "tf32"
assert torch.backends.cudnn.rnn.fp32_precision == "tf32"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_gpu_has_the_deviations_of_the_cpu(dtype):
    room = {torch.float64: 10 * ROUNDING, torch.float32: 1e-5}[dtype]  # TF32 would be off by 1e-3
    for stack in STACKS.values():
        network, parts = pairs(stack, dtype, 500, 100)
        there, moved = pairs(stack, dtype, 500, 100, "cuda")
        exact = deviations(network, *parts)
        for memory in (None, 1 << 22):
            assert_allclose(deviations(there, *moved, memory=memory).cpu(), exact, rtol=0, atol=room)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", STACKS)
def test_a_gpu_has_the_gradients_of_the_cpu(name):
    exact = gradients(*pairs(STACKS[name]), 1 << 40)
    for memory in (1 << 40, 20_000):
        for seen, right in zip(gradients(*pairs(STACKS[name], device="cuda"), memory), exact, strict=True):
            assert_allclose(seen.cpu(), right, rtol=0, atol=400 * ROUNDING)
