"""Games whose answers are known: the reference network, Dirac- and linear-quadratic GANs, and small games by hand."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.functional import softplus

from lemmata.accel.minimax import diagnose, draw
from lemmata.theory.minimax.dirac_gan import dirac_gan
from lemmata.theory.minimax.lq_gan import lq_gan

ROW = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))["R11"]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
DIGITS = 1e-12
ZERO = torch.zeros(1, 1)
PAIR = torch.tensor([[-1.0], [1.0]])


class Weights(nn.Module):
    """A map x ↦ function(x, *weights) with scalar weights."""

    def __init__(self, function, *weights):
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList([torch.tensor(float(w)) for w in weights])

    def forward(self, x):
        return self.function(x, *self.weights)


def point(place=0.0):
    return Weights(lambda x, b: x + b, place)


def slope(value=0.0):
    return Weights(lambda x, w: w * x, value)


def affine():
    return Weights(lambda z, a, b: a * z + b, 1, 0)


def bump():
    return Weights(lambda x, v, u, e: v * torch.tanh(u * x + e), 0, 1, 0.5)


def slopes(critic, x):
    """∇D the way people write it."""
    points = x.requires_grad_()
    return torch.autograd.grad(critic(points).sum(), points, create_graph=True)[0]


def minimax_loss(generator, critic, z, x):
    return -softplus(-critic(generator(z))).mean()


def critic_loss(penalty=0.0):
    def loss(generator, critic, z, x):
        payoff = -softplus(-critic(generator(z))).mean() - softplus(critic(x)).mean()
        return 0.5 * penalty * (slopes(critic, x) ** 2).sum(1).mean() - payoff

    return loss


def reference(optimizer="sgd", step=ROW["step"], **options):
    losses = (minimax_loss, critic_loss(ROW["penalty"]))
    return diagnose(affine(), bump(), *losses, PAIR, PAIR, step, step, optimizer, **{"rounds": 0} | options)


def frozen_adam(module, step, beta):
    """An Adam whose P is `step` now and in the limit: v̂ = 0, ε = 1, and so long ago that β₁^t = 0."""
    out = torch.optim.Adam(module.parameters(), lr=step, betas=(beta, 0.999), eps=1.0)
    for w in module.parameters():
        zeros = torch.zeros_like(w)
        out.state[w] = {"step": torch.tensor(1e6), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
    return out


@pytest.mark.parametrize("device", DEVICES)
def test_the_reference_network_has_its_eigenvalues_and_constants(device):
    z = PAIR.to(device)
    networks = (affine().to(device), bump().to(device))
    found = diagnose(*networks, minimax_loss, critic_loss(ROW["penalty"]), z, z, 0.4, 0.4, rounds=0)
    real, imaginary = ROW["eigenvalue"]
    pair = [complex(real, -imaginary), complex(real, imaginary)]
    assert_allclose(found.flow_eigenvalues, pair, rtol=DIGITS)
    assert (found.verdict, found.neutral, found.minimisers) == ("stable", ROW["neutral"], 2)
    assert found.gap > 1e12
    assert found.constants.local_beta2 == pytest.approx(ROW["local_beta2"], rel=DIGITS)
    assert found.constants.squared_lipschitz == pytest.approx(1.0, rel=DIGITS)


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
def test_the_reference_network_has_its_rates_and_thresholds(algorithm):
    found = reference("sgd" if algorithm == "simultaneous" else "sgd_alternating")
    assert found.rate == pytest.approx(ROW[f"{algorithm}_rate"], rel=DIGITS)
    assert found.step_factor * ROW["step"] == pytest.approx(ROW[f"{algorithm}_threshold"], rel=DIGITS)
    assert_allclose(0.5, found.rate ** found.half_lives[0], rtol=DIGITS)
    assert found.least_weight("gradient_penalty") == 0 == found.least_weight("ridge")


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
def test_the_reference_network_has_its_rates_under_adam(algorithm):
    networks = (affine(), bump())
    state = tuple(frozen_adam(network, ROW["preconditioner"], ROW["momentum"]) for network in networks)
    word = "adam" if algorithm == "simultaneous" else "adam_alternating"
    losses, p = (minimax_loss, critic_loss(ROW["penalty"])), ROW["preconditioner"]
    found = diagnose(*networks, *losses, PAIR, PAIR, p, p, word, state=state, rounds=0)
    assert found.rate == pytest.approx(ROW[f"{algorithm}_adam"], rel=DIGITS)
    assert found.limit_rate == found.rate
    assert found.verdict == "stable"


def test_a_dirac_gan_without_penalty_names_what_is_missing():
    found = diagnose(point(), slope(), minimax_loss, critic_loss(), ZERO, ZERO, 0.5, 0.5)
    assert found.verdict == "unstable_step"
    assert found.step_factor == 0
    assert [c.name for c in found.failures] == ["D1", "D3"]
    # the search bisects on ρ < 1 + 1e-12, and ∂ρ/∂γ = −1/4
    for name in ("gradient_penalty", "ridge"):
        assert found.least_weight(name) == pytest.approx(ROW["least_ridge"], abs=5e-12)
    text = str(found)
    for words in ("unstable_step: ρ = 1.0307764064 > 1", "no factor", "D3 fails", "R1", "ridge", "0.125"):
        assert words in text
    assert found.constants.local_beta2 == np.inf


@pytest.mark.parametrize("weight", [0.3, 1.4])
@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
def test_a_dirac_gan_with_a_penalty_has_the_thresholds_of_theory_and_obeys_them(algorithm, weight):
    game = dirac_gan("logistic", "r1", weight=weight)
    edge, word = game.threshold(algorithm), {"simultaneous": "sgd", "alternating": "sgd_alternating"}[algorithm]
    for share, verdict in ((0.98, "stable"), (1.02, "unstable_step")):
        step = share * edge
        networks = (point(1e-9), slope(2e-9))  # so near that 100 rounds of growth stay linear
        found = diagnose(*networks, minimax_loss, critic_loss(weight), ZERO, ZERO, step, step, word)
        assert found.verdict == verdict
        assert found.step_factor * step == pytest.approx(edge, rel=1e-8)
        assert found.rate == pytest.approx(game.spectrum(algorithm, step, step).rate, rel=1e-9)
        seen = found.decay.measured
        assert (seen[-20:].max() < seen[:20].max()) == (verdict == "stable")
        assert found.decay.error < 1e-6


@pytest.mark.parametrize(
    ("word", "options"),
    [("sgd", {}), ("sgd_alternating", {}), ("sgd_alternating", {"critic_steps": 3}), ("sgd", {"momentum": 0.5})],
)
def test_training_settles_just_below_the_longest_step_and_leaves_just_above(word, options):
    """The run is torch's optimiser from 1e-6 beside the equilibrium; 60 rounds, lest growth meet the nonlinear part."""
    edge = reference(word, 1.0, **options).step_factor
    for share, verdict in ((0.98, "stable"), (1.02, "unstable_step")):
        found = reference(word, share * edge, **options, rounds=60)
        assert found.verdict == verdict
        assert found.step_factor == pytest.approx(1 / share, rel=1e-7)
        early, late = found.decay.measured[20:40].max(), found.decay.measured[40:60].max()
        assert (late < early) == (verdict == "stable")
        # other modes have gone after 20 rounds, but the windows need not begin at the same phase of an oscillation
        assert late / early == pytest.approx(found.rate**20, rel=0.15)


def test_the_theorems_on_safe_steps_agree_with_the_spectrum():
    found = reference()
    safe = found.thresholds
    assert safe.simultaneous_safe
    assert safe.alternating_stable
    # theorem 16 has nothing to lose here: one feature, so that its threshold is the smallest step that can fail
    assert reference(step=0.98 * min(safe.min_step, safe.max_step)).verdict == "stable"
    edge = reference("sgd_alternating").thresholds.alternating_max_step
    losses = (minimax_loss, critic_loss(ROW["penalty"]))
    for share, verdict in ((0.999, "stable"), (1.001, "unstable_step")):
        alone = diagnose(affine(), bump(), *losses, PAIR, PAIR, 0.4, share * edge, "sgd_alternating", rounds=0)
        assert (alone.verdict, alone.thresholds.alternating_stable) == (verdict, verdict == "stable")


class Quadratic(nn.Module):
    """xᵀΨx with Ψ in an orthonormal basis of symmetric 2 × 2 matrices."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x):
        a, b, c = self.weights
        return a * x[:, 0] ** 2 + b * x[:, 1] ** 2 + math.sqrt(2) * c * x[:, 0] * x[:, 1]


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
def test_a_linear_quadratic_gan_has_the_eigenvalues_of_theory(algorithm):
    ridge, penalty, theory = 0.5, 0.2, lq_gan(np.diag([1.0, 4.0]), ridge=0.5, penalty=0.2)
    z = math.sqrt(2) * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    generator = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        generator.weight.copy_(torch.diag(torch.tensor([1.0, 2.0])))

    def lower(G, D, z, x):
        return D(G(z)).mean()

    def upper(G, D, z, x):
        terms = ridge * (D.weights**2).sum() + penalty * (slopes(D, x) ** 2).sum(1).mean()
        return D(x).mean() - D(G(z)).mean() + 0.5 * terms

    x = generator(z).detach()
    word = "sgd" if algorithm == "simultaneous" else "sgd_alternating"
    found = diagnose(generator, Quadratic(), lower, upper, z, x, 0.1, 0.1, word, rounds=0)
    expected = np.sort_complex(theory.eigenvalues.ravel())
    assert_allclose(np.sort_complex(found.flow_eigenvalues), expected, rtol=1e-12)
    assert found.neutral == theory.rotations == 1
    assert found.step_factor * 0.1 == pytest.approx(theory.threshold(algorithm), rel=1e-11)
    assert found.rate == pytest.approx(theory.rate(algorithm, 0.1, 0.1), rel=1e-12)


def test_weights_off_an_equilibrium_get_no_claim():
    found = diagnose(point(1.0), slope(0.3), minimax_loss, critic_loss(0.3), ZERO, ZERO, 0.4, 0.4)
    assert found.verdict == "frozen"
    assert found.eigenvalues.size == 2
    assert found.repairs == ()
    assert found.max_field == pytest.approx(abs(1 / (1 + math.exp(0.3)) - 0.3 * 0.3))  # θg'(ψθ) − γψ


def test_a_critic_that_turned_flat_is_called_collapsed():
    critic = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        critic[0].bias.fill_(-9.0)
        critic[0].weight.fill_(0.1)
        critic[2].bias.zero_()
    found = diagnose(point(2.0), critic, minimax_loss, critic_loss(), PAIR, PAIR, 0.1, 0.1)
    assert found.verdict == "collapsed"
    assert found.constants.slope == 0
    # the same flat critic at the right generator is no collapse
    assert diagnose(point(0.0), critic, minimax_loss, critic_loss(), PAIR, PAIR, 0.1, 0.1).verdict == "stable"


def test_a_flat_critic_beside_an_equilibrium_that_it_is_about_to_answer_is_no_collapse():
    """‖v‖ = 7.5e-7 passes as an equilibrium, the samples differ by 1.5e-6 > 1e-6, and D = 0: but D is moving."""
    found = diagnose(point(1.5e-6), slope(0.0), minimax_loss, critic_loss(0.3), ZERO, ZERO, 0.4, 0.4)
    assert found.constants.slope == 0
    assert found.verdict == "stable"


def linear_game(a, b, c, d):
    """Losses for which v = [[a, b], [c, d]] w at w = (θ, ψ)."""

    def lower(G, D, z, x):
        theta, psi = G.weights[0], D.weights[0]
        return -(a * theta**2 / 2 + b * theta * psi)

    def upper(G, D, z, x):
        theta, psi = G.weights[0], D.weights[0]
        return -(c * theta * psi + d * psi**2 / 2)

    return lower, upper


@pytest.mark.parametrize(
    ("matrix", "word", "verdict"),
    [
        ((0, 1, 0, 0), "sgd", "drift"),  # θ' = ψ, ψ' = 0
        ((0, 0, 0, 0), "sgd", "neutral"),
        ((0, -1, 1, 0), "sgd_alternating", "marginal"),  # θ and ψ circle
        ((0, -1, 1, 0), "sgd", "unstable_step"),
        ((1, -1, 1, -0.5), "sgd", "unstable_flow"),  # trace 1/2
        ((-1, 0, 0, -21), "sgd", "unstable_step"),
        ((-1, 0, 0, -19), "sgd", "stable"),
        ((0, 0, 0, -1), "sgd", "stable"),  # one direction neutral
    ],
)
def test_small_games_get_the_verdict_that_their_matrix_tells(matrix, word, verdict):
    found = diagnose(point(), slope(), *linear_game(*matrix), ZERO, ZERO, 0.1, 0.1, word, rounds=20)
    assert found.verdict == verdict
    assert_allclose(found.jacobian.ravel(), matrix)
    assert verdict in found.summary()
    assert bool(found.advice) == (verdict not in ("stable", "neutral"))
    if verdict == "neutral":
        assert math.isnan(found.rate)
        assert "constant" in found.reason


def test_drift_is_judged_by_the_steps_in_use():
    """J = [[1, −1], [1, −1]] is nilpotent, diag(η, γ)J is not: unequal steps make it decay or leave."""
    losses = linear_game(1, -1, 1, -1)
    verdicts = [diagnose(point(), slope(), *losses, ZERO, ZERO, *steps).verdict for steps in ((1, 1), (1, 1.5))]
    assert verdicts == ["drift", "stable"]
    assert diagnose(point(), slope(), *losses, ZERO, ZERO, 1.5, 1).verdict == "unstable_flow"


def test_steps_of_very_different_size_are_told_from_a_drift():
    found = diagnose(point(), slope(), *linear_game(0, -1, 1, -1), ZERO, ZERO, 1e-9, 0.5)
    assert found.verdict == "marginal"  # ρ = 1 − 5e-10 is within 1e-9 of 1
    assert found.rate == pytest.approx(1 - 1e-9, abs=1e-12)
    assert found.slow.size == 1


def test_adam_is_stable_only_if_it_is_once_its_average_has_decayed():
    networks = (affine(), bump())
    state = tuple(torch.optim.Adam(n.parameters(), lr=0.01, betas=(0.5, 0.9)) for n in networks)
    for network, adam in zip(networks, state, strict=True):
        for w in network.parameters():
            w.grad = torch.ones_like(w)
        adam.step()
    losses = (minimax_loss, critic_loss(ROW["penalty"]))
    networks[0].load_state_dict(affine().state_dict())
    networks[1].load_state_dict(bump().state_dict())
    found = diagnose(*networks, *losses, PAIR, PAIR, 0.01, 0.01, "adam", state=state)
    assert found.rate < 1 < found.limit_rate
    assert found.verdict == "unstable_step"
    assert found.step_factor > 1 > found.limit_step_factor
    assert "eps" in found.advice[0]
    alone = diagnose(*networks, *losses, PAIR, PAIR, 0.01, 0.01, "adam", momentum=0.5)
    assert alone.rate == pytest.approx(found.limit_rate, rel=1e-12)
    assert alone.decay is None


def test_slow_modes_are_counted_apart_from_the_verdict():
    found = reference(step=1e-5)
    assert found.verdict == "stable"
    assert found.slow.size == 2
    assert math.isnan(found.settled_rate)
    assert reference(step=1e-5, horizon=10**7).slow.size == 0


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_shows_every_eigenvalue(tmp_path, suffix):
    from matplotlib.figure import Figure

    from lemmata.accel.minimax.picture import draw_eigenvalues

    found = reference(rounds=20)
    draw(found, tmp_path / f"game.{suffix}")
    assert (tmp_path / f"game.{suffix}").stat().st_size > 1000
    ax = Figure().add_subplot()
    draw_eigenvalues(found, ax)
    shown = np.concatenate([c.get_offsets().data for c in ax.collections])
    expected = [*np.stack([found.eigenvalues.real, found.eigenvalues.imag], 1), [1, 0]]
    assert_allclose(shown, expected)
    assert "3 neutral" in [text.get_text() for text in ax.get_legend().get_texts()]
