"""Domain adaptation: the reference constants, descent at the certified step, reversal, and adversarial rivals."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from lemmata.accel.minimax.adaptation import adapt, adaptation_certificate, joined, task_smoothness
from lemmata.accel.minimax.adversarial_adaptation import adapt_adversarially, reverse_gradient
from lemmata.accel.minimax.critics import ridge_loss
from lemmata.accel.minimax.descent import walk
from lemmata.accel.minimax.losses import critic_loss, divergence
from lemmata.accel.minimax.networks import critic_network, generator_network
from lemmata.accel.minimax.region import Region
from lemmata.accel.minimax.spectral_norm import spectral_norm, spectral_normalise
from lemmata.theory.minimax import GeneratorConstants, descent_bound, kernel_constants, uda_smoothness

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def refused(message, function, *arguments, kind=ValueError, **words):
    with pytest.raises(kind) as caught:
        function(*arguments, **words)
    assert str(caught.value) == message


def networks(widths=(), classes=3, activation="tanh", seed=0):
    features = generator_network(2, widths, 2, activation, random=seeded(seed))
    head = generator_network(2, [2], classes, activation, random=seeded(seed + 1))
    return features, nn.Sequential(head[1], head[2])


def domains(n=12, m=9):
    labels = torch.arange(n) % 3
    return drawn(n, 2, seed=5) + labels[:, None], labels, drawn(m, 2, seed=6) + 0.7


def test_the_reference_domains_have_their_constants():
    case = CASES["R10"]
    features = nn.Linear(2, 1, bias=False).double()
    head = nn.Sequential(nn.Tanh(), nn.Linear(1, 2).double())
    source, target = (torch.tensor(case[name], dtype=torch.float64) for name in ("source", "target"))
    found = adaptation_certificate(
        features, head, source, target, case["kernel"], case["lengthscale"], case["ridge"], 3.0
    )
    assert found.source_features.squared_lipschitz == pytest.approx(case["source_squared_lipschitz"], rel=1e-12)
    assert found.target_features.squared_lipschitz == pytest.approx(case["target_squared_lipschitz"], rel=1e-12)
    assert found.smoothness.divergence == pytest.approx(case["divergence_smoothness"], rel=1e-12)
    L = task_smoothness(found.logits) + 3 * case["divergence_smoothness"]
    assert found.smoothness.smoothness == pytest.approx(L, rel=1e-12)
    assert found.step == pytest.approx(1 / L, rel=1e-12)


def hessian(value, network):
    shapes = {name: part.shape for name, part in network.named_parameters()}

    def at(flat):
        parts = flat.split([shape.numel() for shape in shapes.values()])
        return value({name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)})

    return torch.func.hessian(at)(torch.cat([part.detach().flatten() for part in network.parameters()]))


@pytest.mark.parametrize("widths", [(), (3,)])
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_everywhere_in_the_region_the_objective_is_as_smooth_as_certified(widths, activation):
    features, head = networks(widths, activation=activation)
    source, labels, target = domains()
    whole, depth = joined(features, head), len(features)
    found = adaptation_certificate(features, head, source, target, "imq", 0.9, 0.5, 2.0, room=0.3)

    def objective(parts):
        own = {name: part for name, part in parts.items() if int(name.split(".")[0]) < depth}
        clouds = [torch.func.functional_call(features, own, x) for x in (source, target)]
        task = cross_entropy(torch.func.functional_call(whole, parts, source), labels)
        return task + 2.0 * ridge_loss(*clouds, "imq", 0.9, 0.5)

    def task(parts):
        return cross_entropy(torch.func.functional_call(whole, parts, source), labels)

    for seed in range(3):
        linear = [part for part in whole if isinstance(part, nn.Linear)]
        for place, layer in enumerate(linear):  # to the edge of Θ
            for part, most, size in (
                (layer.weight, found.region.spectral_norms[place], spectral_norm),
                (layer.bias, found.region.bias_norms[place], torch.linalg.norm),
            ):
                fresh = drawn(*part.shape, seed=10 * seed + place)
                part.data.copy_(fresh if np.isinf(most) else fresh * most * (1 - 1e-12) / size(fresh))
        assert found.region.contains(whole)
        for value, bound in ((objective, found.smoothness.smoothness), (task, task_smoothness(found.logits))):
            assert torch.linalg.matrix_norm(hessian(value, whole), 2) <= bound * (1 + 1e-12)


def test_the_task_alone_attains_half_of_A_squared():
    """Two classes, logits Wx with W = 0: the Hessian ½(diag(p) − ppᵀ) has norm ½ for p = (½, ½)."""
    net, x = nn.Linear(1, 2, bias=False).double(), torch.tensor([[2.0]], dtype=torch.float64)
    nn.init.zeros_(net.weight)
    labels = torch.tensor([0])
    bend = hessian(lambda parts: cross_entropy(torch.func.functional_call(net, parts, x), labels), net)
    assert torch.linalg.matrix_norm(bend, 2).item() == pytest.approx(task_smoothness(GeneratorConstants(4.0, 0.0)))


@pytest.mark.parametrize("weight", [0.0, 4.0])
def test_adaptation_at_its_step_never_raises_the_objective(weight):
    features, head = networks()
    source, labels, target = domains()
    found = adaptation_certificate(features, head, source, target, "gaussian", 1.0, 0.5, weight)
    run = adapt(features, head, labels, found, steps=80)
    assert found.certified
    assert run.descent.certified
    J = run.descent.objectives
    assert_allclose(J, run.task_losses + weight * run.divergences, rtol=1e-14)
    assert (np.diff(J) <= 1e-14).all()
    assert J[0] - J[-1] >= found.step / 2 * run.descent.squared_gradients[:80].sum() * (1 - 1e-12) > 0
    assert run.descent.squared_gradients[:80].mean() <= descent_bound(found.smoothness.smoothness, J[0], 80)
    assert run.descent.bound == descent_bound(found.smoothness.smoothness, J[0], 80, found.step)
    assert run.descent.best == 80


def test_outside_the_step_or_the_region_adaptation_is_kept_but_not_certified():
    source, labels, target = domains()
    for pace, room in ((2.1, 1.0), (1.0, 1e-4)):
        features, head = networks()
        found = adaptation_certificate(features, head, source, target, "gaussian", 1.0, 0.5, 1.0, room=room)
        run = adapt(features, head, labels, found, steps=20, step=pace * found.step)
        assert not run.descent.certified
        assert run.descent.bound == np.inf
        assert len(run.task_losses) == 21
        assert (run.descent.first_exit is None) == (room == 1.0)
    tight = Region((np.inf, 1e-3), (np.inf, np.inf))
    assert not adaptation_certificate(*networks(), source, target, "imq", 1.0, 0.5, 1.0, region=tight).certified


def test_without_weight_the_target_plays_no_part():
    source, labels, target = domains()
    ends = []
    for other in (target, target + 100):
        features, head = networks()
        found = adaptation_certificate(features, head, source, other, "gaussian", 1.0, 0.5, 0.0)
        ends.append(adapt(features, head, labels, found, steps=10).task_losses)
    assert_allclose(*ends, rtol=0)


def test_the_features_give_up_what_separates_the_domains():
    """80 points a domain: y = ±1, x₁ = y + noise in both, x₂ = 1.5y in the source, 3 in the target.

    Scalar features φ·x, logistic loss, L_task = ¼λ_max(E xxᵀ).
    """
    n, rng = 80, np.random.default_rng(0)
    y = np.repeat([1.0, -1.0], n // 2)
    x1 = y + 0.6 * rng.standard_normal((2, n))
    source = torch.tensor(np.stack([x1[0], 1.5 * y + 0.5 * rng.standard_normal(n)], 1))
    target = torch.tensor(np.stack([x1[1], 3 + 0.5 * rng.standard_normal(n)], 1))
    squares = [float(torch.linalg.eigvalsh(x.T @ x / n)[-1]) for x in (source, target)]
    c, labels, accuracy = kernel_constants("gaussian", 1.0, 1.0), torch.tensor(y), {}
    for omega in (0.0, 20.0):
        phi = nn.Linear(2, 1, bias=False).double()
        nn.init.constant_(phi.weight, 0.3)
        words = {"task_smoothness": squares[0] / 4, "weight": omega}
        found = uda_smoothness(c.alpha, c.beta1, c.beta2, *squares, **words)

        def objective(phi=phi, omega=omega):
            task = softplus(-labels * phi(source)[:, 0]).mean()
            return task + omega * ridge_loss(phi(source), phi(target), "gaussian", 1.0, 1.0), 0.0

        run = walk(phi, objective, lambda part: 0.0, found.step, found.smoothness, 800)
        assert (np.diff(run.objectives) <= 1e-14).all()
        assert run.squared_gradients[:-1].mean() <= run.bound
        accuracy[omega] = float((torch.sign(phi(target)[:, 0]) == labels).double().mean()), *phi.weight[0].tolist()
    assert accuracy[0.0][0] < 0.6
    assert accuracy[0.0][2] > accuracy[0.0][1]
    assert accuracy[20.0][0] >= 0.9
    assert abs(accuracy[20.0][2]) < 0.2 * accuracy[20.0][1]


# ---- adversaries


def test_reversal_is_one_simultaneous_step_of_both_players():
    features, head = networks()
    critic, (source, labels, target) = critic_network(2, [3], random=seeded(2)), domains()
    total = cross_entropy(head(features(source)), labels) + critic_loss(
        "minimax", critic(reverse_gradient(features(source), 0.7)), critic(reverse_gradient(features(target), 0.7))
    )
    both = [*joined(features, head).parameters(), *critic.parameters()]
    found = torch.autograd.grad(total, both)
    lower = cross_entropy(head(features(source)), labels) - 0.7 * critic_loss(
        "minimax", critic(features(source)), critic(features(target))
    )
    higher = critic_loss("minimax", critic(features(source)), critic(features(target)))
    wanted = [
        *torch.autograd.grad(lower, list(joined(features, head).parameters())),
        *torch.autograd.grad(higher, list(critic.parameters())),
    ]
    for a, b in zip(found, wanted, strict=True):
        assert_allclose(a, b, atol=1e-15)
    x = drawn(3, 2)
    assert torch.equal(reverse_gradient(x, 0.7), x)


@pytest.mark.parametrize("loss", ["minimax", "kl", "wasserstein"])
def test_a_round_of_the_adversarial_game_is_a_step_of_each_player(loss):
    features, head = networks()
    critic, (source, labels, target) = critic_network(2, [3], random=seeded(2)), domains()
    whole, words = joined(features, head), {"loss": loss, "weight": 0.7, "algorithm": "simultaneous"}
    proved = divergence(loss, critic(features(source)), critic(features(target)))
    task = cross_entropy(whole(source), labels)
    first = torch.autograd.grad(task + 0.7 * proved, list(whole.parameters()), retain_graph=True)
    second = torch.autograd.grad(-proved, list(critic.parameters()))
    wanted = [part.detach() - 0.1 * grad for part, grad in zip(whole.parameters(), first, strict=True)]
    wanted += [part.detach() - 0.2 * grad for part, grad in zip(critic.parameters(), second, strict=True)]
    args = features, head, critic, source, labels, target
    run = adapt_adversarially(*args, min_step=0.1, max_step=0.2, steps=1, **words)
    assert run.generator_losses[0] == pytest.approx((task + 0.7 * proved).item(), rel=1e-14)
    assert run.critic_losses[0] == pytest.approx(-proved.item(), rel=1e-14)
    for part, end in zip([*whole.parameters(), *critic.parameters()], wanted, strict=True):
        assert_allclose(part.detach(), end, atol=1e-15)


def test_a_normalised_critic_proves_no_more_than_the_wasserstein_distance():
    for seed in range(10):
        critic = spectral_normalise(critic_network(1, [5], "tanh", random=seeded(seed)))
        x, y = drawn(8, 1, seed=seed), drawn(8, 1, seed=seed + 20) * 2
        distance = (x[:, 0].sort().values - y[:, 0].sort().values).abs().mean()
        assert divergence("wasserstein", critic(x), critic(y)) <= distance * (1 + 1e-12)


def test_bad_input_of_adaptation_is_refused_in_one_sentence():
    features, head = networks()
    source, labels, target = domains()
    kernel = ("gaussian", 1.0, 0.5)
    found = adaptation_certificate(features, head, source, target, *kernel, 1.0)
    refused("weight must be >= 0, got -1", adaptation_certificate, features, head, source, target, *kernel, -1.0)
    refused("ridge must be > 0, as this needs strong concavity, got 0",
            adaptation_certificate, features, head, source, target, "imq", 1.0, 0.0, 1.0)  # fmt: skip
    refused("beta1 must be finite, as no step size follows from an infinite constant, got inf",
            adaptation_certificate, features, head, source, target, "matern12", 1.0, 0.5, 1.0)  # fmt: skip
    refused("target must have points of dimension 2, got 1",
            adaptation_certificate, features, head, source, target[:, :1], *kernel, 1.0)  # fmt: skip
    refused("target must hold points as (N, d) with N, d >= 1, got shape (0, 2)",
            adaptation_certificate, features, head, source, target[:0], *kernel, 1.0)  # fmt: skip
    refused("network must be a Sequential of Linear layers with an activation between, got one of 2 parts",
            adaptation_certificate, features, nn.Linear(2, 3), source, target, *kernel, 1.0,
            kind=TypeError)  # fmt: skip
    refused("source must be finite, got nan",
            adaptation_certificate, features, head, source * np.nan, target, *kernel, 1.0)  # fmt: skip
    relu = networks(activation="relu")
    refused("task_smoothness must be finite, as no step size follows from an infinite constant, got inf",
            adaptation_certificate, *relu, source, target, *kernel, 1.0)  # fmt: skip
    refused("steps must be >= 1, got 0", adapt, features, head, labels, found, steps=0)
    refused("step must be a number > 0, got 0.0", adapt, features, head, labels, found, steps=1, step=0.0)
    refused("labels must have shape (12,) to go with source, got (11,)",
            adapt, features, head, labels[1:], found, steps=1)  # fmt: skip
    refused("labels must be a torch tensor of integers, got torch.float64",
            adapt, features, head, labels.double(), found, steps=1, kind=TypeError)  # fmt: skip
    refused("weight must be >= 0, got -1", reverse_gradient, source, -1.0)
    critic = critic_network(2, [3], random=seeded(0))
    words = {"min_step": 0.1, "max_step": 0.1, "steps": 1}
    refused("loss must be one of minimax, non_saturating, kl, chi_squared, wasserstein, got 'dann'",
            adapt_adversarially, features, head, critic, source, labels, target, loss="dann", weight=1.0,
            **words)  # fmt: skip
    refused("weight must be >= 0, got -1",
            adapt_adversarially, features, head, critic, source, labels, target, weight=-1.0, **words)  # fmt: skip
