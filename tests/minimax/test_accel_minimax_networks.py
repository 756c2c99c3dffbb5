"""Networks for both players: seeds, devices and types, exact and probable spectral norms, and what their layers are."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from lemmata.accel.minimax.networks import Sine, activation_word, critic_network, generator_network, network_layers
from lemmata.accel.minimax.spectral_norm import spectral_norm, spectral_norm_bounds, spectral_normalise
from lemmata.theory.minimax import critic_constants
from lemmata.theory.minimax.network_critic import ACTIVATIONS


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def refused(message, function, *arguments, kind=ValueError, **words):
    with pytest.raises(kind) as caught:
        function(*arguments, **words)
    assert str(caught.value) == message


def test_one_seed_gives_one_network_in_either_precision():
    wide, again = (generator_network(3, [5, 4], 2, random=seeded(7)) for _ in range(2))
    narrow = generator_network(3, [5, 4], 2, random=seeded(7), dtype=torch.float32)
    other = generator_network(3, [5, 4], 2, random=seeded(8))
    for a, b, c, d in zip(*(net.parameters() for net in (wide, again, narrow, other)), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a.float(), c)
        assert not torch.equal(a, d) or not a.any()  # the last bias is 0
    state = torch.get_rng_state()
    generator_network(3, [5], 2, random=seeded(7))
    assert torch.equal(state, torch.get_rng_state())  # no hidden seed is used up


def test_a_network_can_be_made_where_there_is_no_data():
    assert generator_network(3, [5], 2, random=seeded(0), device="meta")[0].weight.is_meta


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_each_activation_of_the_theory_has_a_module_with_its_suprema(activation):
    network = critic_network(2, [3], activation, random=seeded(1))
    assert network_layers("critic", network).activation == activation
    assert network(drawn(4, 2)).shape == (4, 1)
    sigma, x = network[1], torch.linspace(-9, 9, 60_001, dtype=torch.float64, requires_grad=True)
    value = sigma(x)
    (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    known = ACTIVATIONS[activation]
    assert sigma(torch.zeros(1, dtype=torch.float64)).item() == pytest.approx(known.at_zero)
    # the grid of 3e-4 misses a peak by less than its square; softplus reaches slope 1 in the limit only, e^{-9} short
    assert slope.max().item() == pytest.approx(known.slope, abs=2e-4)
    assert value.abs().max().item() <= known.bound
    if activation != "relu":
        (bend,) = torch.autograd.grad(slope.sum(), x)
        assert bend.abs().max().item() == pytest.approx(known.curvature, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_normalised_critic_is_no_steeper_and_no_more_curved_than_its_layers_allow(seed):
    critic = spectral_normalise(critic_network(2, [6, 5], "tanh", random=seeded(seed)), 1.5)
    bound = critic_constants([1.5] * 3, "tanh")
    for x in 2 * drawn(30, 2, seed=seed):
        slope = torch.func.grad(lambda point: critic(point)[0])(x)
        bend = torch.func.hessian(lambda point: critic(point)[0])(x)
        assert slope.norm() <= bound.alpha * (1 + 1e-12)
        assert torch.linalg.matrix_norm(bend, 2) <= bound.beta1 * (1 + 1e-12)


def test_a_layer_keeps_its_norm_while_it_is_trained():
    critic, x = spectral_normalise(critic_network(2, [4], "softplus", random=seeded(2)), 0.7), drawn(9, 2)
    for part in critic.parameters():
        part.data.add_(drawn(*part.shape, seed=3))
    rises = critic(x).sum()
    rises.backward()
    for layer in (critic[0], critic[2]):
        assert np.linalg.norm(layer.weight.detach().numpy(), 2) == pytest.approx(0.7, rel=1e-14)
        raw = layer.parametrizations.weight.original
        assert raw.grad.abs().max() > 1e-3
        assert abs((raw.grad * raw).sum()) < 1e-14  # S W/σ(W) does not change along W


def test_the_spectral_norm_is_that_of_numpy_and_has_the_slope_of_its_singular_vectors():
    weight = drawn(5, 4, 7)
    assert_allclose(spectral_norm(weight), [np.linalg.norm(part.numpy(), 2) for part in weight], rtol=1e-14)
    assert torch.autograd.gradcheck(spectral_norm, weight[0].clone().requires_grad_())


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 2), (40, 60), (200, 5)])
def test_power_iteration_bounds_the_norm_from_both_sides(shape):
    for seed in range(20):
        weight = drawn(*shape, seed=seed) * 3
        exact, found = spectral_norm(weight).item(), spectral_norm_bounds(weight, 60, random=seeded(seed))
        # each upper bound fails for one start in 1e9
        assert found.lower <= exact * (1 + 1e-13)
        assert exact <= found.upper * (1 + 1e-13)
        longest = found.failure or 1e-9
        room = (longest * (np.pi / (2 * shape[1])) ** 0.5) ** (-1 / 120)
        assert found.upper <= exact * room * (1 + 1e-12)


def test_the_chance_of_the_upper_bound_is_what_it_is_said_to_be():
    """With failure ½ and one step the law of ⟨v_0, e⟩ alone decides: for diag(1, 0, 0) |⟨v_0, e⟩| < t has P = t."""
    weight, missed, n = torch.diag(torch.tensor([1.0, 1e-9, 1e-9], dtype=torch.float64)), 0, 2000
    random, t = seeded(5), 0.9 * (np.pi / 6) ** 0.5
    for _ in range(n):
        found = spectral_norm_bounds(weight, 1, 0.9, random=random)
        missed += found.upper < 1 - 1e-12
    assert found.failure in (0.0, 0.9)
    expected = t  # uniform on [-1, 1] for n = 3
    assert abs(missed / n - expected) < 4.5 * (expected * (1 - expected) / n) ** 0.5  # one seed in 150 000
    assert expected < 0.9


def test_layers_that_are_not_those_of_the_theorem_are_refused():
    words = "tanh, sigmoid, softplus, sin, relu"
    refused(
        "generator must be a Sequential of Linear layers with an activation between, got GRU",
        network_layers, "generator", nn.GRU(1, 1), kind=TypeError,
    )  # fmt: skip
    refused(
        "generator must be a Sequential of Linear layers with an activation between, got one of 2 parts",
        network_layers, "generator", nn.Sequential(nn.Linear(1, 1), nn.Tanh()), kind=TypeError,
    )  # fmt: skip
    refused(
        "generator must have a Linear layer at every other place, got Conv1d",
        network_layers, "generator", nn.Sequential(nn.Conv1d(1, 1, 1)), kind=TypeError,
    )  # fmt: skip
    refused(f"critic must have an activation among {words}, got GELU(approximate='none')",
            activation_word, "critic", nn.GELU(), kind=TypeError)  # fmt: skip
    refused(f"critic must have an activation among {words}, got Softplus(beta=2.0, threshold=20.0)",
            activation_word, "critic", nn.Softplus(beta=2.0), kind=TypeError)  # fmt: skip
    mixed = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1), Sine(), nn.Linear(1, 1))
    refused("generator must have one activation throughout, got sin, tanh",
            network_layers, "generator", mixed, kind=TypeError)  # fmt: skip
    layer = nn.Linear(1, 1)
    refused("generator must use each layer once, got one twice",
            network_layers, "generator", nn.Sequential(layer, nn.Tanh(), layer))  # fmt: skip
    refused("generator must have free weights, got a parametrised Linear layer",
            network_layers, "generator", spectral_normalise(nn.Linear(1, 1)))  # fmt: skip


def test_bad_input_of_the_networks_is_refused_in_one_sentence():
    refused("latent must be >= 1, got 0", generator_network, 0, [3], 1, random=seeded(0))
    refused("widths[1] must be >= 1, got 0", generator_network, 1, [3, 0], 1, random=seeded(0))
    refused("outputs must be an integer, got 1.5", generator_network, 1, [3], 1.5, random=seeded(0))
    refused("activation must be one of tanh, sigmoid, softplus, sin, relu, got 'gelu'",
            critic_network, 1, [3], "gelu", random=seeded(0))  # fmt: skip
    refused("random must be a torch.Generator, got int", generator_network, 1, [3], 1, random=3, kind=TypeError)
    refused("bound must be a number > 0, got 0.0", spectral_normalise, nn.Linear(1, 1), 0.0)
    refused("module must contain a Linear layer, got Tanh", spectral_normalise, nn.Tanh())
    refused("module must have free weights, got a layer that is parametrised already",
            spectral_normalise, spectral_normalise(nn.Linear(2, 2)))  # fmt: skip
    zero = nn.Linear(2, 2)
    nn.init.zeros_(zero.weight)
    refused("module must have no weight of 0, which cannot be normalised, got one", spectral_normalise, zero)
    refused("weight must be a matrix of at least one entry, got shape (3,)", spectral_norm, torch.ones(3))
    refused("weight must be a torch tensor, got list", spectral_norm, [[1.0]], kind=TypeError)
    refused("weight must be a matrix, got 3 dimensions", spectral_norm_bounds, torch.ones(2, 2, 2), random=seeded(0))
    refused("iterations must be >= 1, got 0", spectral_norm_bounds, torch.ones(2, 2), 0, random=seeded(0))
    refused("failure must be < 1, got 1", spectral_norm_bounds, torch.ones(2, 2), 5, 1.0, random=seeded(0))
