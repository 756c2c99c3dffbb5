"""Descent at the certified step, what becomes of it outside, and the plain game of two networks."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from lemmata.accel.minimax.critics import ridge_loss, squared_mmd
from lemmata.accel.minimax.descent import descend
from lemmata.accel.minimax.losses import critic_loss, generator_loss
from lemmata.accel.minimax.networks import critic_network, generator_network
from lemmata.accel.minimax.penalties import r1
from lemmata.accel.minimax.region import Region
from lemmata.accel.minimax.smoothness_certificate import smoothness_certificate
from lemmata.accel.minimax.training import train
from lemmata.theory.minimax import descent_bound


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def refused(message, function, *arguments, kind=ValueError, **words):
    with pytest.raises(kind) as caught:
        function(*arguments, **words)
    assert str(caught.value) == message


def case(kernel="gaussian", widths=(4,), activation="tanh", seed=0, **words):
    net, z = generator_network(2, widths, 2, activation, random=seeded(seed)), drawn(10, 2, seed=1)
    return net, drawn(12, 2, seed=2) + 1.0, smoothness_certificate(net, z, kernel, 1.0, 0.5, **words)


# ---- descent


@pytest.mark.parametrize("pace", [1.0, 1.9])
@pytest.mark.parametrize(
    ("kernel", "widths", "activation"),
    [("gaussian", (4,), "tanh"), ("imq", (3, 3), "tanh"), ("matern32", (4,), "softplus"), ("matern52", (), "tanh")],
)
def test_inside_the_promised_region_the_loss_never_rises_and_the_bound_is_kept(kernel, widths, activation, pace):
    net, data, certificate = case(kernel, widths, activation)
    run = descend(net, data, certificate, steps=60, step=pace * certificate.step)
    assert run.certified
    assert run.first_exit is None
    assert (np.diff(run.objectives) <= 1e-15).all()
    fall = certificate.step * pace * (1 - pace / 2) * run.squared_gradients[:60].sum()  # h(1 − Lh/2) Σ‖∇J‖²
    assert run.objectives[0] - run.objectives[-1] >= fall * (1 - 1e-12) > 0
    assert run.bound == descent_bound(certificate.smoothness, run.objectives[0], 60, pace * certificate.step)
    for steps in (1, 10, 60):
        bound = descent_bound(certificate.smoothness, run.objectives[0], steps, pace * certificate.step)
        assert run.squared_gradients[:steps].mean() <= bound
    assert run.best == 60
    assert run.objectives[-1] == ridge_loss(net(certificate.latent), data, kernel, 1.0, 0.5)


def test_a_step_beyond_two_over_the_curvature_leaves_the_data():
    """One number times z = 1, one datum at 0: J'' = β₂ there, so 2/β₂ is the threshold, β₁/β₂ = 1.45 above 2/L."""
    z, data = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    ends = []
    for pace in (0.99, 1.01):
        net = nn.Linear(1, 1, bias=False).double()
        net.weight.data.fill_(1e-3)
        certificate = smoothness_certificate(net, z, "gaussian", 1.0, 1.0)
        assert certificate.smoothness == pytest.approx(certificate.critic.beta1, rel=1e-14)
        ends.append(descend(net, data, certificate, steps=200, step=pace * 2 / certificate.critic.beta2))
    inside, outside = ends
    assert inside.objectives[-1] < 0.1 * inside.objectives[0]
    assert outside.objectives[-1] > 2 * outside.objectives[0]
    assert not inside.certified  # 1.98/β₂ is beyond 2/L: it converges without being promised to
    assert not outside.certified
    assert outside.bound == np.inf


def test_a_run_that_leaves_its_region_is_kept_and_no_longer_certified():
    net, data, wide = case(room=5.0)
    net_again, _, narrow = case(room=1e-3)
    h = wide.step
    kept, left = (descend(a, data, b, steps=60, step=h) for a, b in ((net, wide), (net_again, narrow)))
    assert kept.certified
    assert not left.certified
    assert left.bound == np.inf
    assert 0 < left.first_exit <= 60
    assert (left.ratios[: left.first_exit] <= 1).all()
    assert left.ratios[left.first_exit] > 1
    assert_array_equal(kept.objectives, left.objectives)  # the region decides what is claimed, not what is done
    assert h * narrow.smoothness < 2


def test_a_step_that_blows_up_stops_with_its_record():
    net, z, data = generator_network(2, [], 2, random=seeded(0)), drawn(10, 2, seed=1), drawn(12, 2, seed=2)
    certificate = smoothness_certificate(net, z, "gaussian", 1.0, 1e-3)
    run = descend(net, data, certificate, steps=50, step=1e308)  # slopes of size 1/λ: the weights overflow
    assert run.diverged
    assert not run.certified
    assert len(run.objectives) < 51
    assert np.isfinite(run.objectives[run.best])
    net.load_state_dict(run.best_state)
    assert ridge_loss(net(z), data, "gaussian", 1.0, 1e-3).item() == run.objectives[run.best]


def test_the_best_state_is_that_of_the_least_loss():
    net, data, certificate = case()
    run = descend(net, data, certificate, steps=40, step=400 * certificate.step)
    assert (np.diff(run.objectives) > 0).any()
    assert run.best == run.objectives.argmin() < 40
    net.load_state_dict(run.best_state)
    assert ridge_loss(net(certificate.latent), data, "gaussian", 1.0, 0.5).item() == run.objectives.min()


def test_an_inf_convolved_loss_descends_at_the_same_step_with_its_errors_counted():
    net, data, certificate = case()
    run = descend(net, data, certificate, steps=40, strength=0.5, tolerance=1e-6)
    assert run.certified
    A = certificate.generator.squared_lipschitz**0.5
    assert (run.gradient_errors > 0).all()
    assert (run.gradient_errors <= A * (2 * 1e-6 / 0.5) ** 0.5).all()  # A √K1 √(2 gap/λ)
    assert (np.diff(run.objectives) <= 2e-6).all()
    assert run.squared_gradients[:40].mean() <= run.bound * (1 + 1e-12)
    bound = descent_bound(certificate.smoothness, run.objectives[0], 40, gradient_errors=run.gradient_errors[:40])
    assert run.bound == pytest.approx(bound)
    slow = descend(case()[0], data, certificate, steps=5, step=certificate.step / 2, strength=0.5, tolerance=1e-6)
    assert slow.certified
    fast = descend(case()[0], data, certificate, steps=5, step=1.5 * certificate.step, strength=0.5, tolerance=1e-6)
    assert not fast.certified  # with inexact slopes theorem 7 stops at 1/L


# ---- games


def losses(loss, rho):
    def lower(G, D, z, x):
        return generator_loss(loss, D(G(z)))

    def higher(G, D, z, x):
        return critic_loss(loss, D(G(z)), D(x)) + r1(D, x, rho)

    return lower, higher


@pytest.mark.parametrize(("algorithm", "inner"), [("simultaneous", 1), ("alternating", 1), ("alternating", 3)])
def test_a_game_is_played_as_torch_would_play_it(algorithm, inner):
    z, x, (lower, higher) = drawn(6, 2), drawn(5, 2, seed=1) + 1, losses("minimax", 0.3)

    def players():
        return generator_network(2, [3], 2, random=seeded(3)), critic_network(2, [4], random=seeded(4))

    (G, D), (P, Q) = players(), players()
    words = {"min_step": 0.1, "max_step": 0.2, "algorithm": algorithm, "critic_steps": inner, "lengthscale": 0.7}
    run = train(G, D, lower, higher, z, x, steps=7, every=3, **words)
    first, second = torch.optim.SGD(P.parameters(), lr=0.1), torch.optim.SGD(Q.parameters(), lr=0.2)
    seen = []
    for k in range(8):
        first.zero_grad()
        lower(P, Q, z, x).backward()
        own = sum((part.grad**2).sum() for part in P.parameters()).sqrt().item()
        value, distance = lower(P, Q, z, x).item(), squared_mmd(P(z), x, "gaussian", 0.7).sqrt().item()
        second.zero_grad()
        loss = higher(P, Q, z, x)
        loss.backward()
        other = sum((part.grad**2).sum() for part in Q.parameters()).sqrt().item()
        if k in (0, 3, 6, 7):
            seen.append((k, value, loss.item(), own, other, distance))
        for step in range(inner):
            if step == 0:
                first.zero_grad()
                grads = torch.autograd.grad(lower(P, Q, z, x), list(P.parameters()))
                for part, grad in zip(P.parameters(), grads, strict=True):
                    part.grad = grad
                first.step()
            if algorithm == "alternating":
                second.zero_grad()
                higher(P, Q, z, x).backward()
            second.step()
    sizes = run.generator_gradients, run.critic_gradients
    found = np.stack([run.steps, run.generator_losses, run.critic_losses, *sizes, run.mmd], axis=1)
    assert_allclose(found, seen, rtol=1e-11)


def test_the_generator_of_least_distance_is_kept():
    """Without damping the Dirac-like game runs in circles: the best round is not the last."""
    z, x, (lower, higher) = drawn(8, 1), drawn(8, 1, seed=1) + 1, losses("wasserstein", 0.0)
    G, D = nn.Linear(1, 1).double(), nn.Linear(1, 1).double()
    with torch.no_grad():
        for part, value in ((G.weight, 1.0), (G.bias, 0.0), (D.weight, 0.0)):
            part.fill_(value)
    G.weight.requires_grad_(True)
    run = train(G, D, lower, higher, z, x, min_step=0.3, max_step=0.3, steps=30, every=2)
    assert run.best == run.steps[run.mmd.argmin()]
    assert 0 < run.best < 30
    G.load_state_dict(run.best_state)
    assert squared_mmd(G(z), x, "gaussian", 1.0).sqrt().item() == pytest.approx(run.mmd.min(), rel=1e-12)


def test_a_game_that_blows_up_stops_with_its_record():
    z, x, (lower, higher) = drawn(6, 2), drawn(5, 2, seed=1), losses("wasserstein", 0.3)
    G, D = generator_network(2, [3], 2, random=seeded(3)), critic_network(2, [4], random=seeded(4))
    run = train(G, D, lower, higher, z, x, min_step=1e250, max_step=1e250, steps=30, every=7)
    assert run.diverged
    assert run.steps[-1] < 30
    assert all(torch.isfinite(part).all() for part in run.best_state.values())


def test_bad_input_of_training_is_refused_in_one_sentence():
    net, data, certificate = case()
    refused("steps must be >= 1, got 0", descend, net, data, certificate, steps=0)
    refused("step must be a number > 0, got -1.0", descend, net, data, certificate, steps=1, step=-1.0)
    refused("data must have points of dimension 2, got 1", descend, net, data[:, :1], certificate, steps=1)
    refused("data must hold points as (N, d) with N, d >= 1, got shape (0, 2)",
            descend, net, data[:0], certificate, steps=1)  # fmt: skip
    refused("data must be finite, got inf", descend, net, data * np.inf, certificate, steps=1)
    refused("strength must be a number > 0, got -1.0", descend, net, data, certificate, steps=1, strength=-1.0)
    refused("network must have 1 layers, got 2", descend, net, data,
            smoothness_certificate(nn.Linear(2, 2).double(), certificate.latent, "imq", 1.0, 1.0,
                                   region=Region((1.0,), (1.0,))), steps=1)  # fmt: skip
    D = critic_network(2, [3], random=seeded(0))
    words = {"min_step": 0.1, "max_step": 0.1, "steps": 1}
    game = (net, D, *losses("minimax", 0.1), certificate.latent, data)
    refused("min_step must be a number > 0, got 0.0", train, *game, **(words | {"min_step": 0.0}))
    refused("max_step must be a number > 0, got -1.0", train, *game, **(words | {"max_step": -1.0}))
    refused("max_step must be finite, got nan", train, *game, **(words | {"max_step": np.nan}))
    refused("steps must be >= 1, got 0", train, *game, **(words | {"steps": 0}))
    refused("every must be >= 1, got 0", train, *game, **words, every=0)
    refused("latent must be finite, got nan", train, *game[:4], game[4] * np.nan, data, **words)
    refused("critic_steps must be <= 1 if simultaneous, got 2",
            train, *game, **words, algorithm="simultaneous", critic_steps=2)  # fmt: skip
    refused("algorithm must be one of simultaneous, alternating, got 'adam'", train, *game, **words, algorithm="adam")
