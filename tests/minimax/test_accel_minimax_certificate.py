"""The certificate of a network generator: its constants bound the network and the loss wherever it says so."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from lemmata.accel.minimax.critics import ridge_loss
from lemmata.accel.minimax.networks import generator_network
from lemmata.accel.minimax.region import Region, network_constants, network_region
from lemmata.accel.minimax.smoothness_certificate import smoothness_certificate
from lemmata.accel.minimax.spectral_norm import spectral_norm, spectral_normalise
from lemmata.theory.minimax import kernel_constants, outer_smoothness

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def refused(message, function, *arguments, kind=ValueError, **words):
    with pytest.raises(kind) as caught:
        function(*arguments, **words)
    assert str(caught.value) == message


def test_the_reference_network_has_its_constants_and_step():
    case = CASES["R9"]
    z, net = torch.tensor(case["latent_norms"]).double()[:, None], generator_network(1, [4], 3, random=seeded(0))
    S = case["second_spectral_norm"]
    net[2].weight.data *= S / spectral_norm(net[2].weight.detach())
    for words in ({"room": 0.0}, {"region": Region((np.inf, S * (1 + 1e-15)), (np.inf, np.inf))}):
        found = smoothness_certificate(net, z, "gaussian", 1.0, 1.0, **words)
        assert found.certified
        assert found.generator.squared_lipschitz == pytest.approx(case["squared_lipschitz"], rel=1e-12)
        assert found.generator.curvature == pytest.approx(case["curvature"], rel=1e-12)
        assert found.smoothness == pytest.approx(case["sharp"], rel=1e-12)
        assert found.step == 1 / found.smoothness
        c, g = found.critic, found.generator
        general = outer_smoothness(c.alpha, c.beta1, c.beta2, g.squared_lipschitz, g.curvature, sharp=False)
        assert general.smoothness == pytest.approx(case["general"], rel=1e-12)


def parameters_in(region, net, seed):
    """Weights drawn in Θ, near its edge: every bounded norm is at its bound, the free ones are anything."""
    vary = {}
    for place, layer in enumerate(part for part in net if isinstance(part, nn.Linear)):
        W, b = drawn(*layer.weight.shape, seed=seed + place), drawn(*layer.bias.shape, seed=seed + 50 + place)
        S, most = region.spectral_norms[place], region.bias_norms[place]
        vary[f"{2 * place}.weight"] = W if np.isinf(S) else W * S / spectral_norm(W)
        vary[f"{2 * place}.bias"] = b if np.isinf(most) else b * most / b.norm()
    return vary


@pytest.mark.parametrize("activation", ["tanh", "softplus", "sin", "sigmoid"])
@pytest.mark.parametrize("widths", [[3], [2, 3]])
def test_everywhere_in_the_region_the_network_and_its_loss_obey_the_constants(activation, widths):
    net, z, data = generator_network(2, widths, 2, activation, random=seeded(1)), drawn(4, 2), drawn(5, 2, seed=2)
    found = smoothness_certificate(net, z, "imq", 0.9, 0.5, room=0.5)
    shapes = {name: part.shape for name, part in net.named_parameters()}

    def outputs(flat):
        parts, place = {}, 0
        for name, shape in shapes.items():
            parts[name] = flat[place : place + shape.numel()].reshape(shape)
            place += shape.numel()
        return torch.func.functional_call(net, parts, z)

    for seed in range(4):
        vary = parameters_in(found.region, net, 100 * seed)
        flat = torch.cat([vary[name].flatten() for name in shapes])
        jacobian = torch.func.jacrev(outputs)(flat)
        square = torch.linalg.eigvalsh(torch.einsum("npi,npj->ij", jacobian, jacobian) / len(z))[-1]
        assert square <= found.generator.squared_lipschitz * (1 + 1e-12)
        second = torch.func.hessian(outputs)(flat)
        for v in drawn(10, len(flat), seed=seed):
            v = v / v.norm()
            assert (second @ v).norm(dim=(1, 2)).mean() <= found.generator.curvature * 2**0.5 * (1 + 1e-12)
            assert (second @ v @ v).norm(dim=1).mean() <= found.generator.curvature * (1 + 1e-12)
        bend = torch.func.hessian(lambda theta: ridge_loss(outputs(theta), data, "imq", 0.9, 0.5))(flat)
        assert torch.linalg.matrix_norm(bend, 2) <= found.smoothness * (1 + 1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_generator_has_its_exact_constant(bias):
    net, z = nn.Linear(3, 2, bias=bias).double(), drawn(6, 3)
    found = network_constants(net, z, network_region(net))
    names = [name for name, _ in net.named_parameters()]

    def outputs(*parts):
        return torch.func.functional_call(net, dict(zip(names, parts, strict=True)), z)

    parts = tuple(part.detach() for part in net.parameters())
    jacobians = torch.func.jacrev(outputs, argnums=tuple(range(len(parts))))(*parts)
    J = torch.cat([part.reshape(6, 2, -1) for part in jacobians], 2)
    top = torch.linalg.eigvalsh(torch.einsum("npi,npj->ij", J, J) / 6)[-1].item()
    assert found.squared_lipschitz == pytest.approx(top, rel=1e-12)
    assert found.curvature == 0.0


def test_the_region_asks_only_for_what_enters_the_constants():
    bounded = generator_network(2, [3, 3], 2, "tanh", random=seeded(1))
    region = network_region(bounded, 0.5)
    sizes = [spectral_norm(bounded[place].weight.detach()).item() for place in (0, 2, 4)]
    assert region.spectral_norms == (np.inf, *[pytest.approx(size + 0.5) for size in sizes[1:]])
    assert region.bias_norms == (np.inf,) * 3
    bounded[0].weight.data *= 1e6
    assert region.contains(bounded)
    bounded[2].weight.data *= (sizes[1] + 0.6) / sizes[1]
    assert not region.contains(bounded)
    assert region.ratio(bounded) == pytest.approx((sizes[1] + 0.6) / (sizes[1] + 0.5))
    bounded[4].weight.data[0, 0] = np.nan
    assert region.ratio(bounded) == np.inf
    free = generator_network(2, [3], 2, "softplus", random=seeded(1))
    region = network_region(free, 0.25)
    assert np.isfinite(region.spectral_norms).all()
    assert region.bias_norms == (pytest.approx(free[0].bias.detach().norm().item() + 0.25), np.inf)
    free[0].bias.data += 1.0
    assert not region.contains(free)
    assert network_region(nn.Linear(2, 2)) == Region((np.inf,), (np.inf,))


def test_a_network_outside_the_region_it_is_given_keeps_its_constants_uncertified():
    net, z = generator_network(1, [4], 2, random=seeded(0)), drawn(5, 1)
    size = spectral_norm(net[2].weight.detach()).item()
    small = smoothness_certificate(net, z, "gaussian", 1.0, 1.0, region=Region((np.inf, size / 2), (np.inf, np.inf)))
    large = smoothness_certificate(net, z, "gaussian", 1.0, 1.0, room=0.0)
    assert not small.certified
    assert large.certified
    assert 0 < small.smoothness < large.smoothness


def test_a_narrow_network_is_certified_like_a_wide_one():
    z = drawn(5, 2)
    wide, narrow = (
        generator_network(2, [4], 2, random=seeded(3), dtype=kind) for kind in (torch.float64, torch.float32)
    )
    a = smoothness_certificate(wide, z, "matern52", 1.0, 0.5)
    b = smoothness_certificate(narrow, z.float(), "matern52", 1.0, 0.5)
    assert b.smoothness == pytest.approx(a.smoothness, rel=1e-6)


def test_the_step_scales_with_the_ridge_and_more_room_makes_it_smaller():
    net, z = generator_network(2, [4], 2, random=seeded(3)), drawn(5, 2)
    one = smoothness_certificate(net, z, "imq", 1.0, 1.0)
    assert smoothness_certificate(net, z, "imq", 1.0, 0.25).step == pytest.approx(one.step / 4, rel=1e-14)
    steps = [smoothness_certificate(net, z, "imq", 1.0, 1.0, room=room).step for room in (0.0, 1.0, 3.0)]
    assert steps[0] > steps[1] > steps[2]
    assert one.smoothness == pytest.approx(
        outer_smoothness(
            *(kernel_constants("imq", 1.0, 1.0).alpha, one.critic.beta1, one.critic.beta2),
            one.generator.squared_lipschitz,
            one.generator.curvature,
        ).smoothness
    )


def test_bad_input_of_the_certificate_is_refused_in_one_sentence():
    net, z = generator_network(2, [3], 2, random=seeded(0)), drawn(4, 2)
    infinite = "must be finite, as no step size follows from an infinite constant, got inf"
    refused(f"curvature {infinite}", smoothness_certificate,
            generator_network(2, [3], 2, "relu", random=seeded(0)), z, "gaussian", 1.0, 1.0)  # fmt: skip
    refused(f"beta1 {infinite}", smoothness_certificate, net, z, "matern12", 1.0, 1.0)
    refused("ridge must be > 0, as this needs strong concavity, got 0", smoothness_certificate, net, z, "imq", 1.0, 0.0)
    refused("lengthscale must be a number > 0, got -1.0", smoothness_certificate, net, z, "imq", -1.0, 1.0)
    refused("room must be >= 0, got -1", smoothness_certificate, net, z, "imq", 1.0, 1.0, room=-1.0)
    refused("inputs must have 2 columns, got 3", smoothness_certificate, net, drawn(4, 3), "imq", 1.0, 1.0)
    refused("latent must hold points as (N, d) with N, d >= 1, got shape (0, 2)",
            smoothness_certificate, net, z[:0], "imq", 1.0, 1.0)  # fmt: skip
    refused("inputs must be finite, got nan", smoothness_certificate, net, z * np.nan, "imq", 1.0, 1.0)
    refused("network must have free weights, got a parametrised Linear layer", smoothness_certificate,
            spectral_normalise(generator_network(2, [3], 2, random=seeded(0))), z, "imq", 1.0, 1.0)  # fmt: skip
    refused("network must have 1 layers, got 2", Region((1.0,), (1.0,)).ratio, net)
    broken = generator_network(2, [3], 2, random=seeded(0))
    broken[0].weight.data[0, 0] = np.inf
    refused("network must have finite weights, got one that is not", network_region, broken)


def test_the_numbers_of_the_certificate_are_plain_floats():
    found = smoothness_certificate(nn.Linear(1, 1), torch.ones(2, 1), "imq", 1.0, 1.0)
    assert_allclose([found.step * found.smoothness], [1.0], rtol=1e-15)
    assert {type(value) for value in (found.step, found.smoothness, found.region.ratio(nn.Linear(1, 1)))} == {float}
