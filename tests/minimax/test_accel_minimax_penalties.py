"""Losses of network critics against the functionals they bound, and penalties against differences and small GANs."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from lemmata.accel.minimax.losses import LOSSES, critic_loss, divergence, generator_loss, payoff
from lemmata.accel.minimax.networks import critic_network
from lemmata.accel.minimax.penalties import r1, r2, slopes, wgan_gp
from lemmata.accel.minimax.spectral_norm import spectral_normalise
from lemmata.accel.minimax.training import train
from lemmata.sim.minimax import dirac_game, simulate_gan
from lemmata.theory.minimax import gaussian_pair


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def refused(message, function, *arguments, kind=ValueError, **words):
    with pytest.raises(kind) as caught:
        function(*arguments, **words)
    assert str(caught.value) == message


# ---- losses

ATOMS = torch.tensor([[4, 1, 2, 1], [2, 2, 1, 3]], dtype=torch.float64) / 8  # two laws on four atoms


def best(loss, mu, base):
    """The best critic on the atoms."""
    if loss == "chi_squared":
        return 2 * (mu / base - 1)
    return torch.log(mu / base)


def functional(loss, mu, base):
    """J(μ) of table 1, straight from its definition."""

    def kl(a, b):  # fmt: skip
        return (a * torch.log(a / b)).sum()

    middle = (mu + base) / 2
    return {
        "minimax": (kl(mu, middle) + kl(base, middle)) / 2,
        "non_saturating": kl(middle, base),
        "kl": kl(mu, base),
        "chi_squared": ((mu - base) ** 2 / base).sum(),
    }[loss]


def spread(values):
    """Values on the atoms as samples of either law, atom by atom in eighths."""
    return tuple(values.repeat_interleave((8 * law).round().long()) for law in ATOMS)


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "kl", "chi_squared"])
def test_the_best_critic_proves_the_divergence_and_no_other_proves_more(loss):
    exact = functional(loss, *ATOMS)
    D = best(loss, *ATOMS)
    assert divergence(loss, *spread(D)).item() == pytest.approx(exact.item(), rel=1e-14)
    for seed in range(20):
        assert divergence(loss, *spread(D + 0.3 * drawn(4, seed=seed))) < exact


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "kl", "chi_squared"])
def test_the_generator_descends_the_functional_at_the_best_critic(loss):
    """Moving mass between atoms changes J as E_μΦ: Φ is the generator's value at an atom, halved for the logistic."""
    mu = ATOMS[0].clone().requires_grad_()
    (slope,) = torch.autograd.grad(functional(loss, mu, ATOMS[1]), mu)
    D = best(loss, *ATOMS)
    phi = torch.stack([generator_loss(loss, value[None]) for value in D])
    factor = 0.5 if loss in ("minimax", "non_saturating") else 1.0
    assert_allclose((slope - slope.mean()), factor * (phi - phi.mean()), atol=1e-15)


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "kl"])
def test_the_best_critic_of_a_pair_of_gaussians_has_the_slopes_of_the_table(loss):
    m = 1.7
    x = torch.linspace(-12, 12, 4001, dtype=torch.float64, requires_grad=True)
    D = m * x - m**2 / 2  # log of N(m, 1) over N(0, 1)
    total = generator_loss(loss, D) * len(x) / (1 if loss == "kl" else 2)
    (slope,) = torch.autograd.grad(total, x, create_graph=True)
    known = gaussian_pair(loss, m)
    assert slope.abs().max().item() == pytest.approx(known.alpha, rel=1e-6)
    if loss != "kl":
        (bend,) = torch.autograd.grad(slope.sum(), x)
        assert bend.abs().max().item() == pytest.approx(known.beta1, rel=1e-5)  # 0.006 between points


def test_the_critic_lowers_what_the_payoff_raises():
    a, b = drawn(5), drawn(3, seed=1)
    for loss in LOSSES:
        assert critic_loss(loss, a, b) == -payoff(loss, a, b)
        assert torch.autograd.gradcheck(lambda x, y, name=loss: payoff(name, x, y), (a.clone().requires_grad_(), b))
    assert LOSSES == ("minimax", "non_saturating", "kl", "chi_squared", "wasserstein")


# ---- penalties


def penalty(name, critic, real, fake):
    if name == "r1":
        return r1(critic, real, 0.7)
    if name == "r2":
        return r2(critic, fake, 0.7, through_generator=False)
    return wgan_gp(critic, real, fake, 0.7, 0.4, random=seeded(3))


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp"])
def test_a_penalty_is_what_differences_of_the_critic_say(name):
    critic, real, fake, h = critic_network(3, [5], "tanh", random=seeded(1)), drawn(6, 3), drawn(6, 3, seed=2) + 1, 1e-5
    points = {"r1": real, "r2": fake}.get(name)
    if name == "wgan_gp":
        mix = torch.rand(6, 1, generator=seeded(3), dtype=torch.float64)
        points = mix * real + (1 - mix) * fake
    with torch.no_grad():
        ends = [(critic(points + h * e) - critic(points - h * e))[:, 0] / (2 * h) for e in torch.eye(3).double()]
    square = sum(end**2 for end in ends)
    wanted = 0.35 * ((square**0.5 - 0.4) ** 2 if name == "wgan_gp" else square).mean()
    assert penalty(name, critic, real, fake).item() == pytest.approx(wanted.item(), rel=1e-8)  # h² and 1e-16/h


@pytest.mark.parametrize("name", ["r1", "r2", "wgan_gp"])
def test_the_slope_of_a_penalty_in_the_critic_passes_gradcheck(name):
    critic = critic_network(2, [3], "tanh", random=seeded(1))
    names = [key for key, _ in critic.named_parameters()]
    real, fake = drawn(4, 2), drawn(4, 2, seed=2) + 1

    def value(*parts):
        weights = dict(zip(names, parts, strict=True))
        return penalty(name, lambda x: torch.func.functional_call(critic, weights, x), real, fake)

    parts = tuple(part.detach().clone().requires_grad_() for part in critic.parameters())
    assert torch.autograd.gradcheck(value, parts)


class Features:
    """⟨c, φ(x)⟩ with six cosines: the best critic of a ridge λ on c and R2 is a linear equation."""

    ridge, rho = 0.3, 0.8

    def __init__(self):
        self.w, self.b, self.data = drawn(6, 2, seed=4), drawn(6, seed=5), drawn(5, 2, seed=6)

    def phi(self, x):
        return torch.cos(x @ self.w.T + self.b)

    def coefficients(self, x):
        lean = -torch.sin(x @ self.w.T + self.b)[:, :, None] * self.w  # (N, 6, 2)
        G = torch.einsum("nfi,ngi->fg", lean, lean) / len(x)
        A = self.ridge * torch.eye(6, dtype=x.dtype) + self.rho * G
        pull = self.phi(x).mean(0) - self.phi(self.data).mean(0)
        return torch.linalg.solve(A, pull), pull

    def loss(self, x):
        """J(μ) = max over c of the payoff minus both penalties."""
        c, pull = self.coefficients(x)
        return pull @ c / 2


def test_differences_of_a_loss_with_R2_are_the_slope_of_V_and_not_of_the_critic():
    game, x = Features(), drawn(4, 2, seed=7)
    c = game.coefficients(x)[0]

    def critic(points):
        return game.phi(points) @ c

    found = {}
    for through in (True, False):
        moved = x.clone().requires_grad_()
        loss = critic(moved).mean() - r2(critic, moved, game.rho, through_generator=through)
        (found[through],) = torch.autograd.grad(loss, moved)
    h, seen = 1e-5, torch.zeros_like(x)
    for place in np.ndindex(*x.shape):
        e = torch.zeros_like(x)
        e[place] = h
        seen[place] = (game.loss(x + e) - game.loss(x - e)) / (2 * h)
    assert_allclose(found[True], seen, atol=1e-9)  # h² and 1e-16/h
    assert (found[False] - seen).abs().max() > 0.05
    assert_allclose(found[False], slopes(critic, x).detach() / len(x), atol=1e-15)  # ∇Φ of each particle


def test_R2_reaches_a_generator_only_where_it_is_asked_to():
    generator, critic = nn.Linear(2, 2).double(), critic_network(2, [4], "tanh", random=seeded(1))
    z = drawn(5, 2)
    for through in (True, False):
        value = r2(critic, generator(z), 1.0, through_generator=through)
        grads = torch.autograd.grad(value, list(generator.parameters()), allow_unused=True)
        assert (grads[0] is not None and bool(grads[0].abs().max() > 1e-4)) == through


# ---- the Dirac-GAN in torch


class Point(nn.Module):
    """The generator δ_θ."""

    def __init__(self, theta):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([[theta]], dtype=torch.float64))

    def forward(self, z):
        return self.theta.expand(len(z), 1)


class Line(nn.Module):
    """The critic ψx."""

    def __init__(self, psi):
        super().__init__()
        self.psi = nn.Parameter(torch.tensor([psi], dtype=torch.float64))

    def forward(self, x):
        return x * self.psi


ORIGIN = torch.zeros(1, 1, dtype=torch.float64)


def dirac(loss, penalise):
    def lower(G, D, z, x):
        return generator_loss(loss, D(G(z)))

    def higher(G, D, z, x):
        return critic_loss(loss, D(G(z)), D(x)) + penalise(D, x, G(z))

    return Point(1.0), Line(0.5), lower, higher


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
@pytest.mark.parametrize("loss", ["minimax", "wasserstein", "non_saturating"])
@pytest.mark.parametrize("kind", ["r1", "r2", "wgan_gp"])
def test_the_game_with_each_penalty_is_that_of_the_simulation(kind, loss, algorithm):
    penalties = {
        "r1": lambda D, x, y: r1(D, x, 0.3),
        "r2": lambda D, x, y: r2(D, y, 0.3, through_generator=False),
        "wgan_gp": lambda D, x, y: wgan_gp(D, x, y, 0.3, 0.8, random=seeded(0)),
    }
    words = {"min_step": 0.2, "max_step": 0.3, "steps": 40, "algorithm": algorithm}
    G, D, lower, higher = dirac(loss, penalties[kind])
    train(G, D, lower, higher, ORIGIN, ORIGIN, **words, every=40)
    name = {"minimax": "logistic", "wasserstein": "wgan"}.get(loss, loss)
    game = dirac_game(name, kind, weight=0.3, norm=0.8)
    run = simulate_gan(game, algorithm, 0.2, 0.3, 40, generator=1.0, critic=0.5)
    assert G.theta.item() == pytest.approx(run.generators[-1, 0], rel=1e-12)
    assert D.psi.item() == pytest.approx(run.critics[-1, 0], rel=1e-12)


def test_WGAN_GP_ends_at_the_wrong_point():
    """γ = 3 >= 2c = 2, g₀ = ½: |θ| → γg₀/c = 1.5, the critic flat there."""
    G, D, lower, higher = dirac("wasserstein", lambda D, x, y: wgan_gp(D, x, y, 3.0, 0.5, random=seeded(0)))
    run = train(G, D, lower, higher, ORIGIN, ORIGIN, min_step=0.05, max_step=0.05, steps=600, every=100)
    assert abs(G.theta.item()) == pytest.approx(1.5, abs=0.05)  # ψ changes sign each step: it hops by γg₀h about 0
    assert abs(D.psi.item()) < 0.1
    assert run.mmd[-1] > 1.0  # the data are at 0


def test_a_spectrally_normalised_critic_drives_the_generator_away_for_ever():
    G, _, lower, higher = dirac("wasserstein", lambda D, x, y: 0.0)
    D = nn.Linear(1, 1, bias=False).double()
    D.weight.data.fill_(0.5)
    spectral_normalise(D)
    train(G, D, lower, higher, ORIGIN, ORIGIN, min_step=0.1, max_step=0.1, steps=300, every=100)
    assert G.theta.item() == pytest.approx(1.0 - 300 * 0.1, rel=1e-12)
    assert D.parametrizations.weight.original.item() == pytest.approx(0.5, rel=1e-12)


def test_a_flat_critic_pays_the_whole_target_and_has_no_slope():
    flat = nn.Linear(2, 1).double()
    nn.init.zeros_(flat.weight)
    value = wgan_gp(flat, drawn(3, 2), drawn(3, 2, seed=1), 2.0, 0.5, random=seeded(0))
    assert value.item() == pytest.approx(0.25)
    value.backward()
    assert torch.equal(flat.weight.grad, torch.zeros(1, 2, dtype=torch.float64))
    assert r1(lambda x: torch.ones(len(x)), drawn(3, 2), 1.0) == 0  # a constant that knows nothing of x


def test_bad_input_of_losses_and_penalties_is_refused_in_one_sentence():
    x, critic = drawn(3, 2), critic_network(2, [3], random=seeded(0))
    names = "minimax, non_saturating, kl, chi_squared, wasserstein"
    for function in (payoff, critic_loss, divergence):
        refused(f"loss must be one of {names}, got 'ridge'", function, "ridge", x, x)
    refused(f"loss must be one of {names}, got 'mmd'", generator_loss, "mmd", x)
    refused("fake must not be empty, got shape (0,)", generator_loss, "kl", torch.ones(0))
    refused("real must be a torch tensor, got float", payoff, "kl", x, 1.0, kind=TypeError)
    refused("weight must be >= 0, got -1", r1, critic, x, -1.0)
    refused("weight must be >= 0, got -1", r2, critic, x, -1.0, through_generator=True)
    refused("weight must be finite, got inf", r1, critic, x, np.inf)
    refused("target must be >= 0, got -1", wgan_gp, critic, x, x, 1.0, -1.0, random=seeded(0))
    refused("fake must have 3 points, one for each of real, got 2", wgan_gp, critic, x, x[:2], 1.0, random=seeded(0))
    refused("points must hold points as (N, d) with N, d >= 1, got shape (0, 2)", r1, critic, x[:0], 1.0)
    refused("fake must have points of dimension 2, got 1", wgan_gp, critic, x, x[:, :1], 1.0, random=seeded(0))
    refused("critic must give one value for each of 3 points, got (3, 2)", r1, lambda y: 2 * y, x, 1.0)
