"""Penalties have the gradients that finite differences show, vanish at their targets, and drive networks there."""

import math

import pytest
import torch
from torch import nn

from lemmata.accel.resilience import (
    TorchGRU,
    TorchLSTM,
    TorchStack,
    contraction_rates,
    recovery_penalty,
    stability_penalty,
)
from lemmata.theory.resilience import Box, cells_from_torch, certify, recovery_time_bound

STEP = 1e-6  # of central differences: their error is about STEP² and rounding / STEP, both near 1e-10

KINDS = {
    "lstm": (("lstm", 3, 2),),
    "gru": (("gru", 3, 2),),
    "lstm stack": (("lstm", 3, 2), ("lstm", 2, 3)),
    "gru stack": (("gru", 3, 2), ("gru", 2, 3)),
    "mixed": (("gru", 2, 2), ("lstm", 2, 2), ("gru", 2, 2)),
}

PENALTIES = {
    "A": lambda network: stability_penalty(network, 1.0, "A", 0.3),
    "A2": lambda network: stability_penalty(network, 1.0, "A2", 0.3),
    "C": lambda network: stability_penalty(network, 1.0, "C", 0.3),
    "A on S_a": lambda network: stability_penalty(network, 1.0, "A", 0.3, anomaly_bound=2.0),
    "C on S_a": lambda network: stability_penalty(network, 1.0, "C", 0.3, anomaly_bound=2.0),
    "T": lambda network: recovery_penalty(network, 1.0, 0.05, 2, anomaly_bound=2.0),
    "T after a tube": lambda network: recovery_penalty(network, 1.0, 0.001, 4, anomaly_bound=2.0, tube_steps=3),
}


def drawn(kind, seed, scale=0.5):
    """The weights of a network as one list, and the network from such a list."""
    generator = torch.Generator().manual_seed(seed)
    weights = []
    for cell, units, inputs in KINDS[kind]:
        q = 4 * units if cell == "lstm" else 3 * units
        shapes = [(q, inputs), (q, units), (q,)] + ([(q,)] if cell == "gru" else [])
        weights += [scale * (2 * torch.rand(shape, dtype=torch.float64, generator=generator) - 1) for shape in shapes]

    def network(values):
        rest, layers = list(values), []
        for cell, _, _ in KINDS[kind]:
            count = 3 if cell == "lstm" else 4
            layers.append((TorchLSTM if cell == "lstm" else TorchGRU)(*rest[:count]))
            rest = rest[count:]
        return TorchStack(tuple(layers))

    return weights, network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("scale", [0.3, 1.0])  # rates on both sides of 1
def test_gradients_are_those_of_finite_differences(name, kind, scale):
    if name == "A2" and "lstm" not in kind:
        pytest.skip("not defined for a GRU")
    if name == "A2" and kind == "mixed":
        pytest.skip("not defined for a GRU")
    weights, network = drawn(kind, seed=11, scale=scale)
    weights = [weight.requires_grad_() for weight in weights]
    value = PENALTIES[name](network(weights))
    assert value.item() > 0
    slopes = torch.autograd.grad(value, weights)
    generator = torch.Generator().manual_seed(12)
    for _ in range(4):
        direction = [torch.randn(weight.shape, dtype=torch.float64, generator=generator) for weight in weights]
        ends = [
            PENALTIES[name](network([w.detach() + s * STEP * d for w, d in zip(weights, direction, strict=True)]))
            for s in (1, -1)
        ]
        seen = (ends[0] - ends[1]).item() / (2 * STEP)
        slope = sum((s * d).sum().item() for s, d in zip(slopes, direction, strict=True))
        assert slope == pytest.approx(seen, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_penalty_is_the_sum_of_what_each_layer_exceeds_the_target_by(kind):
    weights, network = drawn(kind, seed=3)
    rates = contraction_rates(network(weights), 1.0)
    assert len(rates) == len(KINDS[kind])
    for target in (0.2, rates.min().item(), rates.max().item() + 1e-9):
        expected = sum(max(0.0, rate - target) for rate in rates.tolist())
        assert stability_penalty(network(weights), 1.0, target=target).item() == pytest.approx(expected, abs=1e-12)
    assert expected == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["A", "C"])
def test_rates_grow_with_the_box_of_inputs_and_of_anomalies(kind, level):
    weights, network = drawn(kind, seed=4)
    stack = network(weights)
    nominal = [contraction_rates(stack, bound, level) for bound in (0.0, 0.5, 1.0)]
    wide = [contraction_rates(stack, 1.0, level, anomaly_bound=bound) for bound in (1.0, 2.0, 4.0)]
    for small, large in zip([*nominal, *wide], [*nominal[1:], *wide], strict=False):
        assert (small <= large + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_sharper_level_is_never_above_the_norms(kind):
    weights, network = drawn(kind, seed=5)
    stack = network(weights)
    assert (contraction_rates(stack, 1.0, "C") <= contraction_rates(stack, 1.0, "A") + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_at_zero_weights_are_finite(name, kind):
    if name == "A2" and "gru" in (cell for cell, _, _ in KINDS[kind]):
        pytest.skip("not defined for a GRU")
    weights, network = drawn(kind, seed=0, scale=0.0)
    weights = [weight.requires_grad_() for weight in weights]
    slopes = torch.autograd.grad(PENALTIES[name](network(weights)), weights, allow_unused=True)
    assert all(slope is None or slope.isfinite().all() for slope in slopes)


def test_a_forget_gate_that_never_forgets_is_penalised_without_a_nan():
    lstm = nn.LSTM(1, 2)
    with torch.no_grad():
        lstm.bias_ih_l0[2:4] = 40.0
    for penalty in (stability_penalty(lstm, 1.0), stability_penalty(lstm, 1.0, "A")):
        assert penalty.item() > 0
        assert all(slope.isfinite().all() for slope in torch.autograd.grad(penalty, list(lstm.parameters())))


@pytest.mark.parametrize(
    "module", [nn.LSTM(1, 4), nn.GRU(1, 4), nn.LSTM(1, 3, num_layers=2), nn.GRU(1, 3, num_layers=2)]
)
@pytest.mark.parametrize("level", ["A", "C"])
def test_one_line_in_a_training_loop_makes_a_network_certifiable(module, level):
    torch.manual_seed(6)
    for weight in module.parameters():
        nn.init.uniform_(weight, -1.0, 1.0)
    assert certify(cells_from_torch(module), 1.0, levels=(level,)).status == "undecided"
    optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
    u = torch.rand(20, 4, 1) * 2 - 1
    for _ in range(200):
        loss = (module(u)[0].mean(-1, keepdim=True) - u).square().mean()
        penalty = stability_penalty(module, 1.0, level, 0.9)
        if penalty == 0:
            break
        loss = loss + 10 * penalty
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert certify(cells_from_torch(module), 1.0, levels=(level,)).status == "certified"


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_the_recovery_penalty_brings_the_certified_bound_below_its_target(kind):
    torch.manual_seed(7)
    module = kind(1, 4)
    for weight in module.parameters():
        nn.init.uniform_(weight, -0.9, 0.9)
    before = recovery_time_bound(certify(cells_from_torch(module), 1.0, 2.0, levels=("C",)), 0.05).value
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(150):
        loss = recovery_penalty(module, 1.0, 0.05, 12, anomaly_bound=2.0)
        if loss == 0:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = recovery_time_bound(certify(cells_from_torch(module), 1.0, 2.0, levels=("C",)), 0.05).value
    assert before > 12
    assert after <= 12


def test_reading_only_some_units_shortens_the_recovery_time():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory, self.reading = nn.GRU(1, 3), nn.Linear(3, 1)

    torch.manual_seed(8)
    model = Model()
    values = []
    for factor in (1.0, 0.1):
        with torch.no_grad():
            model.reading.weight.fill_(factor)
        values.append(recovery_penalty(model, 1.0, 1e-3, 2, output="reading").item())
    assert values[1] < values[0]


LSTM = nn.LSTM(2, 2)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "input_bound must be >= 0, got -1", lambda: stability_penalty(LSTM, -1.0)),
        (ValueError, "input_bound must be finite", lambda: stability_penalty(LSTM, math.nan)),
        (ValueError, "input_bound must be a number or have shape", lambda: stability_penalty(LSTM, [1.0, 1.0, 1.0])),
        (ValueError, "input_bound must have 2 coordinates", lambda: stability_penalty(LSTM, Box([0.0], [1.0]))),
        (ValueError, "anomaly_bound must contain", lambda: stability_penalty(LSTM, 1.0, anomaly_bound=0.5)),
        (ValueError, "level must be one of A, A2, C", lambda: stability_penalty(LSTM, 1.0, "R")),
        (ValueError, "for a GRU, got 'A2'", lambda: stability_penalty(nn.GRU(1, 1), 1.0, "A2")),
        (ValueError, "target must be a number > 0", lambda: stability_penalty(LSTM, 1.0, target=0.0)),
        (ValueError, "refinements must be >= 1", lambda: stability_penalty(LSTM, 1.0, refinements=0)),
        (TypeError, "an LSTM or a GRU", lambda: stability_penalty(nn.Linear(1, 1), 1.0)),
        (ValueError, "epsilon must be a number > 0", lambda: recovery_penalty(LSTM, 1.0, 0.0, 5)),
        (ValueError, "steps must be >= 4", lambda: recovery_penalty(LSTM, 1.0, 0.1, 3, tube_steps=3)),
        (ValueError, "tube_steps must be >= 0", lambda: recovery_penalty(LSTM, 1.0, 0.1, 3, tube_steps=-1)),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_bound_for_each_input_may_be_an_array_or_a_tensor():
    values = [stability_penalty(LSTM, bound, target=0.1).item() for bound in ([0.5, 1.0], torch.tensor([0.5, 1.0]))]
    assert values[0] == values[1] == stability_penalty(LSTM, Box([-0.5, -1.0], [0.5, 1.0]), target=0.1).item()
