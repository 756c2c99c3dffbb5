"""Simulated trajectories are those of the cells, of torch, and of nobody beside them."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from lemmata.sim.resilience import _kernels, outputs, trajectories
from lemmata.sim.resilience.packed import FOUR, MANY, ONE, SIGMOID, TANGENT, pack
from lemmata.theory.resilience import GRUCell, LSTMCell, Stack, cells_from_torch

AGREEMENT = {"float64": 1e-14, "float32": 2e-7}  # of a step with torch's, on the way of a network


def lstm(rng, n, m, scale=1.0):
    draw = rng.standard_normal
    return LSTMCell(draw((4 * n, m)), scale * draw((4 * n, n)) / math.sqrt(n), draw(4 * n))


def gru(rng, n, m, scale=1.0):
    draw = rng.standard_normal
    return GRUCell(draw((3 * n, m)), scale * draw((3 * n, n)) / math.sqrt(n), draw(3 * n), draw(3 * n))


def random_state(rng, cell, runs):
    if isinstance(cell, Stack):
        return tuple(random_state(rng, layer, runs) for layer in cell.layers)
    if isinstance(cell, GRUCell):
        return rng.uniform(-1, 1, (runs, cell.units))
    return np.stack([3 * rng.standard_normal((runs, cell.units)), rng.uniform(-1, 1, (runs, cell.units))], axis=1)


def as_parts(states):
    return states if isinstance(states, tuple) else (states,)


@settings(max_examples=60)
@given(st.data())
def test_every_step_is_the_step_of_the_cell(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    widths = data.draw(st.lists(st.integers(1, 9), min_size=2, max_size=4), label="inputs, then units of each layer")
    layers = [data.draw(st.sampled_from([lstm, gru]))(rng, n, m) for m, n in itertools.pairwise(widths)]
    cell = layers[0] if len(layers) == 1 and data.draw(st.booleans()) else Stack(layers)
    runs, steps = data.draw(st.sampled_from([1, 2, 63, 64, 65, 130])), data.draw(st.integers(0, 20))
    x, u = random_state(rng, cell, runs), rng.uniform(-3, 3, (runs, steps, cell.inputs))
    seen = as_parts(trajectories(cell, x, u))
    for part, start in zip(seen, as_parts(x), strict=True):
        assert_array_equal(part[:, 0], start)
    for t in range(steps):
        before = tuple(part[:, t] for part in seen)
        after = cell.step(before if isinstance(cell, Stack) else before[0], u[:, t])
        for part, right in zip(seen, as_parts(after), strict=True):
            # z is a sum of up to 18 terms of size near 3, good to about 1e-15
            assert_allclose(part[:, t + 1], right, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    ("n", "m", "layers", "steps"), [(4, 2, 1, 1000), (16, 1, 3, 300), (64, 3, 1, 60), (256, 5, 1, 20)]
)
def test_outputs_are_those_of_torch_over_long_times(kind, precision, n, m, layers, steps):
    torch.manual_seed(n)
    module = getattr(torch.nn, kind)(m, n, num_layers=layers, batch_first=True).to(getattr(torch, precision))
    u = torch.empty(70, steps, m, dtype=getattr(torch, precision)).uniform_(-1, 1)
    with torch.no_grad():
        right = module(u)[0].numpy()
    seen = outputs(cells_from_torch(module), None, u.numpy(), precision)
    assert seen.dtype == right.dtype
    # torch's initial weights contract by about 0.65 a step: errors of a step add up to three of them
    assert np.abs(seen - right).max() <= 3 * AGREEMENT[precision]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 4, 16, 64, 256])
def test_every_step_on_the_way_is_that_of_torch(kind, precision, n):
    torch.manual_seed(n)
    dtype, steps = getattr(torch, precision), 60 if n < 64 else 8
    module = getattr(torch.nn, kind)(2, n, batch_first=True).to(dtype)
    u = torch.empty(50, steps, 2, dtype=dtype).uniform_(-1, 1)
    states = trajectories(cells_from_torch(module), None, u.numpy(), precision)
    before = torch.from_numpy(np.ascontiguousarray(states[:, :-1].reshape(1, 50 * steps, -1, n)))
    first = (before[:, :, 1].contiguous(), before[:, :, 0].contiguous()) if kind == "LSTM" else before[:, :, 0]
    with torch.no_grad():
        _, after = module(u.reshape(50 * steps, 1, 2), first)
    right = np.stack([after[1][0], after[0][0]], axis=1) if kind == "LSTM" else after[0].numpy()
    seen = states[:, 1:].reshape(right.shape)
    assert np.abs(seen - right).max() <= AGREEMENT[precision]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_one_step_from_anywhere_is_as_near_to_the_truth_as_torch(precision):
    rng, dtype = np.random.default_rng(3), getattr(torch, precision)
    for n in (1, 4, 16, 64):
        module = torch.nn.LSTM(2, n, batch_first=True).to(dtype)
        cell = cells_from_torch(module)
        x = random_state(rng, cell, 1000).astype(precision)
        u = rng.uniform(-3, 3, (1000, 1, 2)).astype(precision)
        with torch.no_grad():
            h, c = (torch.from_numpy(x[None, :, k].copy()) for k in (1, 0))
            _, (h, c) = module(torch.from_numpy(u), (h, c))
        seen, theirs = trajectories(cell, x, u, precision)[:, 1], np.stack([c[0].numpy(), h[0].numpy()], axis=1)
        exact = cell.step(x.astype(float), u[:, 0].astype(float))
        size = np.maximum(1, np.abs(exact))
        if precision == "float64":
            assert (np.abs(seen - theirs) <= 1e-14 * size).all()
        # z is a sum of up to 66 terms and c is near 10: torch's own rounding is up to 5e-7 here
        worst, allowed = (np.abs(seen - exact) / size).max(), (np.abs(theirs - exact) / size).max()
        assert worst <= 2 * allowed


def test_the_output_layer_is_read_as_by_torch():
    torch.manual_seed(0)
    net = torch.nn.ModuleDict({"core": torch.nn.GRU(3, 7, 2, batch_first=True), "head": torch.nn.Linear(7, 2)}).double()
    u = torch.empty(5, 40, 3, dtype=torch.float64).uniform_(-1, 1)
    with torch.no_grad():
        right = net["head"](net["core"](u)[0]).numpy()
    seen = outputs(cells_from_torch(net, prefix="core", output="head"), None, u.numpy())
    assert np.abs(seen - right).max() <= 1e-14


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_run_is_the_same_bit_for_bit_whatever_runs_beside_it(precision):
    rng = np.random.default_rng(5)
    cell = Stack((lstm(rng, 6, 2), gru(rng, 5, 6)), rng.standard_normal((3, 5)))
    x, u = random_state(rng, cell, 200), rng.uniform(-2, 2, (200, 30, 2))
    whole, read = trajectories(cell, x, u, precision), outputs(cell, x, u, precision)
    for part, again in zip(whole, trajectories(cell, x, u, precision, threads=3), strict=True):
        assert_array_equal(part, again)
    assert_array_equal(read, outputs(cell, x, u, precision, threads=2))
    for some in ([199], [3, 77, 150], list(range(199, 99, -1))):
        chosen = tuple(part[some] for part in x)
        assert_array_equal(read[some], outputs(cell, chosen, u[some], precision))
        for part, again in zip(whole, trajectories(cell, chosen, u[some], precision), strict=True):
            assert_array_equal(part[some], again)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("make", [lstm, gru])
def test_few_runs_take_blocks_of_their_own_and_come_out_the_same_bit_for_bit(make, precision):
    rng = np.random.default_rng(9)
    cell = make(rng, 21, 3)  # no multiple of the units in a vector
    x, u = random_state(rng, cell, 64), rng.uniform(-2, 2, (64, 12, 3))
    packed = pack(cell, precision)
    assert [type(packed.blocks(runs)[0][0]) for runs in (64, 9, 1)] == [type(block) for block in (MANY, FOUR, ONE)]
    whole = outputs(cell, x, u, precision)
    for runs in (1, 2, 4, 9):
        assert_array_equal(whole[:runs], outputs(cell, x[:runs], u[:runs], precision))


def test_shared_states_and_inputs_are_those_of_every_run():
    rng = np.random.default_rng(6)
    cell = lstm(rng, 3, 2)
    x, u = random_state(rng, cell, 5), rng.uniform(-1, 1, (5, 9, 2))
    assert_array_equal(trajectories(cell, x, u[0]), trajectories(cell, x, np.repeat(u[:1], 5, axis=0)))
    assert_array_equal(trajectories(cell, x[0], u), trajectories(cell, np.repeat(x[:1], 5, axis=0), u))
    assert trajectories(cell, x[0], u[0]).shape == (1, 10, 2, 3)


@pytest.mark.parametrize(
    ("odd", "even", "error"), [(_kernels.ODD64, _kernels.EVEN64, 2e-17), (_kernels.ODD32, _kernels.EVEN32, 2e-9)]
)
def test_the_quotient_of_polynomials_is_the_hyperbolic_tangent(odd, even, error):
    with mpmath.workdps(40):
        numerator, denominator = [1, *map(float, odd[::-1])], [float(c) for c in even[::-1]]
        for y in mpmath.linspace(0.001, 0.5, 200):
            seen = y * mpmath.polyval(numerator, y * y) / mpmath.polyval(denominator, y * y)
            assert abs(seen / mpmath.tanh(y * mpmath.log(2) / 2) - 1) < error


def test_sigmoid_and_tanh_are_right_to_the_last_digits_of_float64():
    points = np.concatenate([np.linspace(-45, 45, 4001), np.linspace(-0.6, 0.6, 2001)])
    for x in points:
        p, q, d = _kernels.sigmoid(SIGMOID * x)
        # the scaling of x by 1/log 2 costs σ'(x) |x| 2e-16 <= 5e-17 and more rounding the rest
        assert abs(p / d - expit(x)) <= 4e-16
        assert abs(q / d - expit(-x)) <= 4e-16
        p, d = _kernels.tangent(TANGENT * x)
        assert abs(p / d - np.tanh(x)) <= 4e-16


def test_tanh_keeps_its_relative_accuracy_near_zero():
    for exponent in range(-300, 1, 7):
        x = 0.7 * 10.0**exponent
        p, d = _kernels.tangent(TANGENT * x)
        exact = float(mpmath.tanh(mpmath.mpf(x)))
        assert abs(p / d - exact) <= 2e-15 * exact  # ten roundings
    assert _kernels.tangent(0.0)[0] == 0.0


def test_sigmoid_and_tanh_are_right_to_the_last_digits_of_float32():
    for x in np.linspace(-45, 45, 4001).astype(np.float32):
        p, q, d = _kernels.sigmoid(np.float32(SIGMOID) * x)
        assert {type(value) for value in (p, q, d)} <= {float, np.float32}
        assert abs(np.float32(p) / np.float32(d) - expit(float(x))) <= 2e-7
        p, d = _kernels.tangent(np.float32(TANGENT) * x)
        assert abs(np.float32(p) / np.float32(d) - np.tanh(float(x))) <= 2e-7


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("make", [lstm, gru])
def test_saturated_gates_stay_finite_and_right(make, precision):
    rng = np.random.default_rng(8)
    big, cell = 1e4, make(rng, 3, 2)
    names = ("weight_ih", "weight_hh", "bias") if make is lstm else ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    cell = type(cell)(*(big * getattr(cell, name) for name in names))
    x, u = random_state(rng, cell, 64), rng.uniform(-3, 3, (64, 1, 2))
    seen = trajectories(cell, x, u, precision)[:, 1]
    # pre-activations near 1e4 carry rounding errors near 1e4 u; gates are flat there but for rare ones near 0
    with np.errstate(all="ignore"):
        right = cell.step(x.astype(precision), u[:, 0].astype(precision))
    assert np.isfinite(seen).all()
    assert np.median(np.abs(seen - right)) <= 1e-6
    assert np.quantile(np.abs(seen - right), 0.95) <= 1e-3


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_an_integrator_reaches_large_cells_without_overflow(precision):
    # f = σ(40) rounds to 1, i g near 1: c grows by about one a step, and h stays below 1
    cell = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), [40.0, 40.0, 40.0, 40.0])
    seen = trajectories(cell, [[1e6], [0.0]], np.zeros((50, 1)), precision)[0]
    # a step may round c four times, 50 * 4 * 6e-8 in float32
    assert_allclose(seen[:, 0, 0], 1e6 + np.arange(51), rtol=1.2e-5 if precision == "float32" else 1e-13)
    assert_allclose(seen[1:, 1, 0], 1.0, atol=1e-6)


def test_no_weights_halve_the_cell_exactly():
    cell = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    seen = trajectories(cell, [[1.0], [0.0]], np.zeros((30, 1)))[0]
    assert_array_equal(seen[:, 0, 0], 0.5 ** np.arange(31))
    assert not trajectories(cell, None, np.ones((30, 1))).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.zeros((4, 3))}, r"inputs must have shape \(T, 2\) or \(N, T, 2\), got \(4, 3\)"),
        ({"inputs": np.full((4, 2), np.nan)}, "inputs must be finite, got nan"),
        ({"initial_states": np.zeros((3, 2))}, r"initial_states must have shape \(2, 3\) or \(N, 2, 3\), got \(3, 2\)"),
        ({"initial_states": np.zeros((4, 2, 3)), "inputs": np.zeros((5, 9, 2))}, "numbers of runs must agree"),
        ({"precision": "float16"}, "precision must be 'float64' or 'float32', got 'float16'"),
        ({"threads": 0}, "threads must be >= 1, got 0"),
    ],
)
def test_bad_arguments_are_named(change, message):
    cell = lstm(np.random.default_rng(0), 3, 2)
    with pytest.raises(ValueError, match=message):
        trajectories(**{"cell": cell, "initial_states": None, "inputs": np.zeros((4, 2)), **change})


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="cell must be an LSTMCell, a GRUCell or a Stack, got Linear"):
        trajectories(torch.nn.Linear(2, 2), None, np.zeros((4, 2)))
    stack = Stack((gru(np.random.default_rng(0), 2, 1),))
    with pytest.raises(ValueError, match="initial_states must be a tuple of 1 arrays, one a layer, got ndarray"):
        trajectories(stack, np.zeros(2), np.zeros((4, 1)))
