"""Networks as people build them: torch's own optimisers do what is predicted, and nothing given is touched."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.functional import softplus

from lemmata.accel.minimax import diagnose
from lemmata.accel.minimax.optimiser_map import OptimiserMap
from lemmata.theory.minimax.generator_constants import linear_generator_constants
from lemmata.theory.minimax.network_critic import critic_constants
from lemmata.theory.minimax.update_map import neutral_directions, update_map

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def networks(seed, activation=nn.Tanh, width=3):
    """A generator and a critic at an equilibrium: the data are the generator's own samples, and D = 0."""
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 2)).double()
    critic = nn.Sequential(nn.Linear(2, width), activation(), nn.Linear(width, 1)).double()
    nn.init.zeros_(critic[2].weight)
    nn.init.zeros_(critic[2].bias)
    z = torch.randn(8, 2, dtype=torch.float64)
    return generator, critic, z, generator(z).detach()


def generator_loss(G, D, z, x):
    return softplus(-D(G(z))).mean()


def critic_loss(G, D, z, x, penalty=0.5):
    points = x.requires_grad_()
    real = D(points)
    slope = torch.autograd.grad(real.sum(), points, create_graph=True)[0]
    return softplus(D(G(z))).mean() + softplus(-real).mean() + 0.5 * penalty * (slope**2).sum(1).mean()


def unpenalised(G, D, z, x):
    return critic_loss(G, D, z, x, penalty=0.0)


def examined(parts, eta=0.4, gamma=0.4, *args, losses=(generator_loss, critic_loss), **options):
    generator, critic, z, x = parts
    return diagnose(generator, critic, *losses, z, x, eta, gamma, *args, **{"rounds": 0} | options)


@pytest.mark.parametrize(
    ("seed", "word", "options", "rounds"),
    [
        (0, "sgd", {}, 400),
        (1, "sgd_alternating", {}, 150),
        (2, "sgd_alternating", {"critic_steps": 3}, 150),
        (3, "sgd", {"momentum": 0.3}, 150),
    ],
)
def test_the_predicted_decay_is_the_measured_one(seed, word, options, rounds):
    found = examined(networks(seed), 0.2, 0.2, word, **options, rounds=rounds)
    assert found.verdict == "stable"
    assert found.decay.displacement > 0  # the field vanishes, so that the run starts beside the weights
    assert found.decay.measured[-1] < 0.5 * found.decay.measured[0]
    assert found.decay.error < 3e-5


def test_the_prediction_needs_no_equilibrium_but_a_nearby_one():
    """Off by δ, the linearisation is wrong by O(δ): a tenth of the distance leaves a tenth of the error, within 2."""
    errors = []
    for distance in (1e-5, 1e-6):
        parts = networks(1, width=4)
        weights = [*parts[0].parameters(), *parts[1].parameters()]
        torch.manual_seed(0)
        moves = [torch.randn_like(w) for w in weights]
        size = math.sqrt(sum(float((m**2).sum()) for m in moves))
        with torch.no_grad():
            for w, m in zip(weights, moves, strict=True):
                w += distance * m / size
        found = examined(parts, rounds=200)
        assert found.verdict == "stable"
        assert found.decay.displacement == 0
        errors.append(found.decay.error)
    assert errors[0] < 3e-5
    assert 5 < errors[0] / errors[1] < 20


def real_round(parts, word, eta, gamma, options, averages=None):
    """One round of torch's optimisers as a map of (w, m): what a user's training loop does, and nothing of ours."""
    generator, critic, z, x = parts
    theta, psi = list(generator.parameters()), list(critic.parameters())
    beta = options.get("momentum", 0.0)

    def load(weights, values):
        for w, value in zip(weights, torch.split(values, [w.numel() for w in weights]), strict=True):
            w.copy_(value.view_as(w))

    def optimiser(weights, rate, memory, square):
        if averages is None:
            out = torch.optim.SGD(weights, lr=rate, momentum=beta)
            names = {"momentum_buffer": memory}
        else:
            first, second, epsilon, count = averages[:4]
            out = torch.optim.Adam(weights, lr=rate, betas=(first, second), eps=epsilon)
            names = {"exp_avg": memory, "exp_avg_sq": square}
        for i, w in enumerate(weights):
            sizes = [u.numel() for u in weights]
            known = {name: torch.split(value, sizes)[i].view_as(w).clone() for name, value in names.items()}
            out.state[w] = known if averages is None else {"step": torch.tensor(float(count)), **known}
        return out

    def advance(state):
        n = sum(w.numel() for w in (*theta, *psi))
        split = [sum(w.numel() for w in theta), sum(w.numel() for w in psi)]
        w0, m0 = torch.as_tensor(state[:n]), -torch.as_tensor(state[n:])  # torch averages −v
        with torch.no_grad():
            load([*theta, *psi], w0)
        squares = torch.split(averages[4], split) if averages is not None else (None, None)
        memory = torch.split(m0, split) if len(m0) else torch.split(torch.zeros(n, dtype=torch.float64), split)
        pair = [
            optimiser(weights, rate, memory[i], squares[i])
            for i, (weights, rate) in enumerate(((theta, eta), (psi, gamma)))
        ]

        def gradients(weights, loss):
            grads = torch.autograd.grad(loss(generator, critic, z.clone(), x.clone()), weights)
            for w, g in zip(weights, grads, strict=True):
                w.grad = g

        gradients(theta, generator_loss)
        if "alternating" in word:
            pair[0].step()
            for _ in range(options.get("critic_steps", 1)):
                gradients(psi, critic_loss)
                pair[1].step()
        else:
            gradients(psi, critic_loss)
            pair[0].step()
            pair[1].step()
        out = [w.detach().reshape(-1) for w in (*theta, *psi)]
        if len(m0):
            name = "momentum_buffer" if averages is None else "exp_avg"
            out += [-pair[i].state[w][name].reshape(-1) for i, ws in enumerate((theta, psi)) for w in ws]
        return torch.cat(out).numpy()

    start = torch.cat([w.detach().reshape(-1).clone() for w in (*theta, *psi)]).numpy()
    return advance, np.concatenate([start, np.zeros(len(start))]) if beta or averages is not None else start


def differences(function, at, h=1e-5):
    """The Jacobian by central differences: truncation near h² = 1e-10, rounding near 1e-16/h = 1e-11."""
    columns = [(function(at + h * e) - function(at - h * e)) / (2 * h) for e in np.eye(len(at))]
    return np.stack(columns, 1)


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("sgd", {}),
        ("sgd", {"momentum": 0.6}),
        ("sgd_alternating", {"critic_steps": 3}),
        ("sgd_alternating", {"critic_steps": 3, "momentum": 0.6}),
    ],
)
def test_the_update_map_is_the_derivative_of_a_real_round_of_sgd(word, options):
    parts = networks(4, width=2)
    found = examined(parts, 0.3, 0.2, word, **options)
    seen = differences(*real_round(parts, word, 0.3, 0.2, options))
    algorithm = "alternating" if "alternating" in word else "simultaneous"
    told = update_map(found.jacobian, found.minimisers, algorithm, 0.3, 0.2, **options)
    assert_allclose(seen, told, atol=1e-8)
    whole = np.linalg.eigvals(seen)
    assert_allclose(np.abs(whole).max(), max(1.0, found.rate), atol=1e-6)
    assert all(np.abs(whole - z).min() < 1e-6 for z in found.eigenvalues)
    assert len(whole) == found.eigenvalues.size + found.neutral


@pytest.mark.parametrize("word", ["adam", "adam_alternating"])
def test_the_update_map_is_the_derivative_of_a_real_step_of_adam(word):
    """The step taken from (t, s) uses the averages (t + 1, β₂s) at a point without gradient: those are the state."""
    parts = networks(5, width=2)
    beta, second, epsilon, count, rate = 0.5, 0.9, 1e-3, 3, 0.05
    n = sum(w.numel() for module in parts[:2] for w in module.parameters())
    square = torch.as_tensor(np.random.default_rng(0).uniform(0.5, 2.0, n))
    state, used = [], 0
    for module in parts[:2]:
        adam = torch.optim.Adam(module.parameters(), lr=rate, betas=(beta, second), eps=epsilon)
        for w in module.parameters():
            part = square[used : used + w.numel()].view_as(w)
            used += w.numel()
            adam.state[w] = {
                "step": torch.tensor(count + 1.0),
                "exp_avg": torch.zeros_like(w),
                "exp_avg_sq": second * part,
            }
        state.append(adam)
    found = examined(parts, rate, rate, word, state=tuple(state))
    averages = (beta, second, epsilon, count, square)
    seen = differences(*real_round(parts, word, rate, rate, {}, averages))
    whole = np.linalg.eigvals(seen)
    assert all(np.abs(whole - z).min() < 1e-6 for z in found.eigenvalues)
    assert len(whole) == found.eigenvalues.size + found.neutral
    assert found.limit_rate > found.rate


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
@pytest.mark.parametrize("momentum", [0.0, 0.4])
def test_the_compressed_game_has_the_spectrum_of_the_whole(algorithm, momentum):
    """A J of rank 3 on 5 + 6 weights with a step for each: eigenvalues by two routes, powers of β aside."""
    rng = np.random.default_rng(3)
    frame, turn = rng.normal(size=(11, 3)), rng.normal(size=(3, 3))
    jac = frame @ (turn - turn.T - 0.3 * np.eye(3)) @ frame.T  # a damped rotation, stable for small steps
    steps, rounds = rng.uniform(0.01, 0.1, 11), 1 if algorithm == "simultaneous" else 2
    whole = OptimiserMap((1.0, 1.0), algorithm, steps[:5], steps[5:], momentum, momentum > 0, rounds)
    w = neutral_directions(jac).complement
    direct = whole.spectrum(jac, 0.0)
    small = whole.compact(w.shape[1]).spectrum(whole.compressed(jac, w), 0.0)
    assert small.rate == pytest.approx(direct.rate, rel=1e-12)

    def rest(values):
        # a power of β is an eigenvalue of high multiplicity, known to the root of rounding only
        return [z for z in values if min(abs(z - momentum), abs(z - momentum**2)) > 1e-4 or not momentum]

    assert len(rest(direct.eigenvalues)) == len(rest(small.eigenvalues)) > 2
    assert all(np.abs(small.eigenvalues - z).min() < 1e-10 for z in rest(direct.eigenvalues))
    factor = whole.step_factor(jac, 0.0)  # of the compressed game, as 2 · 3 < 11
    assert factor > 0
    for share in (0.999, 1.001):
        scaled = replace(whole, min_steps=share * factor * steps[:5], max_steps=share * factor * steps[5:])
        assert (scaled.spectrum(jac, 0.0).rate > 1) == (share > 1)


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_under_adam_decays_as_its_frozen_average_says(device):
    parts = tuple(part.to(device) for part in networks(6, width=2))
    state = []
    for module in parts[:2]:
        adam = torch.optim.Adam(module.parameters(), lr=0.02, betas=(0.5, 1 - 1e-9), eps=1e-4)
        for w in module.parameters():
            known = {"step": torch.tensor(1000.0), "exp_avg": torch.zeros_like(w)}
            adam.state[w] = known | {"exp_avg_sq": torch.full_like(w, 0.01 * 1000e-9)}  # v̂ = 0.01 for a long time
        state.append(adam)
    found = examined(parts, 0.02, 0.02, "adam", state=tuple(state), rounds=100)
    assert found.rate < 1
    # v̂ changes by 1/t = 1e-3 a step through its bias correction alone, so that P drifts by a few per cent
    assert found.decay.measured[-1] < 0.8 * found.decay.measured[0]
    assert found.decay.error < 0.1


def test_nothing_given_is_touched():
    generator, critic, z, x = networks(7)
    critic = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Dropout(0.5), nn.Linear(3, 1)).double()
    torch.nn.utils.parametrizations.spectral_norm(critic[0])
    critic.train()
    generator_loss(generator, critic, z, x).backward()  # so that there are gradients and statistics
    z.requires_grad_()
    before = [copy.deepcopy(module.state_dict()) for module in (generator, critic)]
    gradients = [w.grad.clone() for module in (generator, critic) for w in module.parameters()]
    numbers = torch.get_rng_state()

    def noisy(G, D, z, x):
        return critic_loss(G, D, z, x + 0.1 * torch.randn_like(x))

    examined((generator, critic, z, x), losses=(generator_loss, noisy), rounds=3)
    for module, kept in zip((generator, critic), before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())
        assert module.training
    after = [w.grad for module in (generator, critic) for w in module.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(after, gradients, strict=True))
    assert torch.equal(torch.get_rng_state(), numbers)
    assert z.grad is None


def test_float32_networks_are_examined_in_float64():
    generator, critic, z, _ = networks(8)
    single = [copy.deepcopy(module).float() for module in (generator, critic)]
    wide = [copy.deepcopy(module).double() for module in single]
    data = wide[0](z.float().double()).detach()
    given = diagnose(*single, generator_loss, critic_loss, z.float(), data, 0.4, 0.4, rounds=0)
    same = diagnose(*wide, generator_loss, critic_loss, z.float().double(), data, 0.4, 0.4, rounds=0)
    assert np.array_equal(given.jacobian, same.jacobian)
    assert given.verdict == "stable"


@pytest.mark.parametrize("normalise", ["old", "new"])
def test_a_normalised_critic_meets_the_first_condition_and_keeps_its_vectors(normalise):
    generator, critic, z, x = networks(9)
    for layer in (critic[0], critic[2]):
        nn.init.normal_(layer.weight)
        if normalise == "new":
            torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=50)
        else:
            torch.nn.utils.spectral_norm(layer, n_power_iterations=50)
    critic(x)  # the old way leaves a weight with a history behind, which torch refuses to copy
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    found = examined((generator, critic, z, x))
    assert found.conditions[0].holds
    assert found.conditions[0].value == pytest.approx(1.0, abs=1e-6)  # α = S₁S₂, up to power iteration
    assert found.constants.beta1 == pytest.approx(critic_constants([1.0, 1.0], "tanh").beta1, abs=1e-6)
    assert found.constants.slope <= found.conditions[0].value * (1 + 1e-12)
    assert found.constants.curvature <= found.constants.beta1 * (1 + 1e-12)
    assert len(before) > 4  # the vectors of power iteration among them
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())


def test_the_constants_of_networks_are_those_of_theory():
    generator, critic, z, x = networks(10)
    nn.init.normal_(critic[2].weight)
    found = examined((generator, critic, z, x)).constants
    norms = [float(torch.linalg.matrix_norm(critic[i].weight.detach(), 2)) for i in (0, 2)]
    told = critic_constants(norms, "tanh")
    assert (found.alpha, found.beta1) == pytest.approx((told.alpha, told.beta1), rel=1e-12)
    assert found.slope <= found.alpha
    assert found.curvature <= found.beta1
    assert found.squared_lipschitz <= found.squared_lipschitz_bound
    linear = nn.Linear(2, 2, bias=False).double()
    alone = examined((linear, networks(10)[1], z, linear(z).detach())).constants
    assert alone.squared_lipschitz == pytest.approx(linear_generator_constants(z.numpy()).squared_lipschitz, rel=1e-12)
    assert alone.squared_lipschitz_bound is None
    assert alone.smoothness_estimate is None
    wrapped = examined((nn.Sequential(linear), networks(10)[1], z, linear(z).detach())).constants
    assert wrapped.curvature_bound == 0
    assert wrapped.smoothness_estimate == pytest.approx(
        wrapped.squared_lipschitz * (wrapped.beta1 + wrapped.local_beta2), rel=1e-12
    )


def test_a_kinked_critic_fails_the_second_condition_with_an_infinite_constant():
    found = examined(networks(11, nn.ReLU), losses=(generator_loss, unpenalised))
    second = found.conditions[1]
    assert not second.holds
    assert second.value == np.inf == found.constants.beta1
    assert second.repairs == (("smooth_activation",),)
    assert "ReLU" in second.reason
    assert examined(networks(11, nn.Softplus)).conditions[1].holds


@pytest.mark.parametrize("seed", [0, 1])
def test_singular_values_that_fall_without_a_gap_are_slow_modes_and_no_drift(seed):
    """Ten units on a line are nearly dependent: singular values fall by decades down to rounding."""
    torch.manual_seed(seed)
    generator, critic = (nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1)).double() for _ in range(2))
    nn.init.zeros_(critic[2].weight)
    nn.init.zeros_(critic[2].bias)
    z = torch.linspace(-2, 2, 16, dtype=torch.float64)[:, None]
    found = examined((generator, critic, z, generator(z).detach()), 0.1, 0.1)
    assert found.gap < 1e4
    assert found.verdict == "marginal"
    assert found.slow.size > 4
    assert found.settled_rate < 1
    assert found.step_factor > 1
    assert found.conditions[2].holds


@pytest.mark.parametrize("name", ["gradient_penalty", "ridge"])
def test_the_least_weight_of_a_repair_is_where_training_turns(name):
    """The repaired loss itself is diagnosed, so that the penalty's Hessian is checked against autograd's."""
    found = examined(networks(12, width=2), 1.5, 1.5, losses=(generator_loss, unpenalised))
    assert found.verdict == "unstable_step"
    least = found.least_weight(name)
    assert 0 < least < np.inf

    def repaired(weight):
        def loss(G, D, z, x):
            if name == "gradient_penalty":
                return critic_loss(G, D, z, x, penalty=weight)
            last = (D[2].weight ** 2).sum() + (D[2].bias ** 2).sum()
            return unpenalised(G, D, z, x) + 0.5 * weight * last

        return examined(networks(12, width=2), 1.5, 1.5, losses=(generator_loss, loss))

    assert repaired(0.99 * least).verdict == "unstable_step"
    above = repaired(1.01 * least)
    assert above.rate <= 1 + 1e-9
    assert above.least_weight(name) == 0


def test_clipped_weights_meet_the_first_condition():
    assert not examined(networks(13)).conditions[0].holds
    assert examined(networks(13), clipped=True).conditions[0].holds


def test_frozen_weights_are_no_part_of_the_game():
    generator, critic, z, x = networks(14)
    generator[0].requires_grad_(False)
    critic[2].bias.requires_grad_(False)
    found = examined((generator, critic, z, x))
    assert found.minimisers == 3 * 2 + 2
    assert len(found.jacobian) == found.minimisers + 2 * 3 + 3 + 3
