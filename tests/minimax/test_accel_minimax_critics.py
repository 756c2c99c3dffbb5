"""Kernel critics in torch: values of theory and simulation, derivatives at coinciding points, sharp smoothness."""

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from torch import nn

from lemmata.accel.minimax.critics import energy_loss, mmd_loss, ridge_critic, ridge_loss, squared_mmd
from lemmata.accel.minimax.descent import walk
from lemmata.accel.minimax.inf_convolution import inf_convolution
from lemmata.accel.minimax.kernels import kernel_matrix
from lemmata.sim.minimax import descend as simulated_descent
from lemmata.sim.minimax import kernel_game
from lemmata.theory.minimax import kernel_constants, kernel_profile, particle_smoothness

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
SMOOTH = ("gaussian", "imq", "matern32", "matern52")


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def refused(message, function, *arguments, kind=ValueError, **words):
    with pytest.raises(kind) as caught:
        function(*arguments, **words)
    assert str(caught.value) == message


# ---- kernels


@pytest.mark.parametrize("kernel", [*SMOOTH, "matern12"])
def test_a_kernel_and_its_derivatives_are_those_of_the_profile(kernel):
    profile, x, y = kernel_profile(kernel, 0.7), drawn(6, 3), drawn(4, 3, seed=1)
    x[2] = y[1]  # a coincidence
    r = torch.linalg.norm(x[:, None] - y, dim=-1).numpy()
    assert_allclose(kernel_matrix(x, y, kernel, 0.7), profile.value(r), rtol=1e-14)
    slope = torch.func.jacrev(lambda p: kernel_matrix(p[None], y, kernel, 0.7)[0])
    bend = torch.func.jacrev(slope)
    for i, j in itertools.product(range(6), range(4)):
        apart = r[i, j] > 0
        length = abs(profile.slope(r[i, j])) if apart else 0.0
        assert slope(x[i])[j].norm().item() == pytest.approx(length, rel=1e-13, abs=1e-300)
        if apart or kernel != "matern12":  # which has no second derivative there
            across, along = profile.slope_ratio(r[i, j]), profile.curvature(r[i, j])
            seen = torch.linalg.eigvalsh(bend(x[i])[j])
            assert_allclose(seen, np.sort([across, across, along]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kernel", SMOOTH)
def test_the_squared_distance_of_embeddings_differentiates_twice_coincidences_included(kernel):
    x, y = drawn(3, 2).requires_grad_(), drawn(2, 2, seed=1)
    assert torch.autograd.gradgradcheck(lambda points: squared_mmd(points, y, kernel, 0.9), x)
    together = torch.zeros(3, 1, dtype=torch.float64)
    bend = torch.func.hessian(lambda p: squared_mmd(p, column([0.4]), kernel, 0.9))(together).reshape(3, 3)
    profile = kernel_profile(kernel, 0.9)
    own, pull = profile.curvature(0.0), profile.curvature(0.4)
    wanted = np.eye(3) * (2 * 2 * own / 9 - 2 * pull / 3) - (1 - np.eye(3)) * 2 * own / 9
    assert_allclose(bend, wanted, rtol=1e-13, atol=1e-15)


def test_narrow_numbers_stay_narrow():
    x = drawn(3, 2).float().requires_grad_()
    value = ridge_loss(x, drawn(4, 2, seed=1).float(), "matern52", 1.0, 0.5)
    value.backward()
    assert value.dtype == x.grad.dtype == torch.float32
    assert value.item() == pytest.approx(
        ridge_loss(x.double(), drawn(4, 2, seed=1), "matern52", 1.0, 0.5).item(), rel=1e-5
    )


# ---- the ridge loss


@pytest.mark.parametrize("kernel", SMOOTH)
def test_the_best_critic_is_that_of_the_simulation(kernel):
    x, y, at = drawn(7, 2), drawn(5, 2, seed=1) + 0.5, drawn(9, 2, seed=2)
    game = kernel_game(kernel, 0.8, 0.3, y.numpy())
    sums = game.evaluate(game.best_response(x.numpy()), at.numpy())
    critic = ridge_critic(x, y, kernel, 0.8, 0.3)
    # fourteen kernels of size 1/λ and 1/(λℓ²) cancel
    assert_allclose(critic(at), sums.values, atol=1e-14)
    assert_allclose(critic.gradient(at), sums.gradients, atol=1e-13)
    free = at.clone().requires_grad_()
    (slope,) = torch.autograd.grad(critic(free).sum(), free)
    assert_allclose(slope, critic.gradient(at), atol=1e-13)
    J = ridge_loss(x, y, kernel, 0.8, 0.3)
    assert critic.squared_norm.item() * 0.3 / 2 == pytest.approx(J.item(), rel=1e-12)
    payoff = critic(x).mean() - critic(y).mean()
    assert (payoff - 0.15 * critic.squared_norm).item() == pytest.approx(J.item(), rel=1e-12)


def test_the_reference_step_of_two_particles_is_made_and_later_ones_are_those_of_the_simulation():
    case = CASES["R3"]
    cloud = nn.ParameterList([nn.Parameter(column(case["particles"]))])
    data, kernel = column(case["data"]), (case["kernel"], case["lengthscale"], case["ridge"])
    L = particle_smoothness(kernel_constants(*kernel), 2).smoothness
    assert case["smoothness"] == pytest.approx(L, rel=1e-14)
    (slope,) = torch.autograd.grad(ridge_loss(cloud[0], data, *kernel), [cloud[0]])
    assert_allclose(slope[:, 0], case["gradient"], rtol=1e-12)

    def go(steps):
        return walk(cloud, lambda: (ridge_loss(cloud[0], data, *kernel), 0.0), lambda part: 0.0, 1 / L, L, steps)

    run = go(1)
    assert_allclose(cloud[0].detach()[:, 0], case["next_particles"], rtol=1e-12)
    assert_allclose(run.objectives, [case["loss"], case["next_loss"]], rtol=1e-12)
    go(100)
    game = kernel_game(*kernel, data.numpy())
    seen = simulated_descent(game, 1 / L, 101, start=np.array(case["particles"])[:, None])
    assert_allclose(cloud[0].detach(), seen.particles, rtol=1e-12)


def test_the_critic_held_fixed_gives_the_generator_the_slope_of_the_loss():
    net, z, y = nn.Linear(2, 2).double(), drawn(5, 2), drawn(4, 2, seed=1)
    fake = net(z)
    whole = torch.autograd.grad(ridge_loss(fake, y, "imq", 1.0, 0.5), list(net.parameters()), retain_graph=True)
    critic = ridge_critic(fake, y, "imq", 1.0, 0.5).detach()
    fixed = torch.autograd.grad(critic(fake).mean(), list(net.parameters()))
    for a, b in zip(whole, fixed, strict=True):
        assert_allclose(a, b, atol=1e-15)


@pytest.mark.parametrize("kernel", SMOOTH)
def test_the_hessian_of_particles_is_bounded_and_the_bound_is_attained(kernel):
    length, ridge = 0.9, 0.4
    constants = kernel_constants(kernel, length, ridge)

    def hessian(x, y):
        found = torch.func.hessian(lambda points: ridge_loss(points, y, kernel, length, ridge))(x)
        return torch.linalg.matrix_norm(found.reshape(x.numel(), x.numel()), 2).item()

    for seed, (n, d) in enumerate([(1, 1), (1, 2), (2, 1), (3, 2), (5, 3)]):
        bound = particle_smoothness(constants, n).smoothness
        for scale in (0.2, 1.0, 3.0):
            assert hessian(scale * drawn(n, d, seed=seed), drawn(3, d, seed=9)) <= bound * (1 + 1e-12)
    far = length * kernel_profile(kernel, length).shape.curvature_place
    for n, d in ((2, 1), (3, 2)):
        x, y = torch.zeros(n, d, dtype=torch.float64), torch.zeros(1, d, dtype=torch.float64)
        x[:, 0] = -far
        assert hessian(x, y) == pytest.approx(particle_smoothness(constants, n).smoothness, rel=1e-12)
    x = torch.zeros(1, 1, dtype=torch.float64)
    assert hessian(x, x.clone()) == pytest.approx(constants.beta2, rel=1e-12)


@pytest.mark.parametrize("kernel", SMOOTH)
def test_no_critic_exceeds_its_constants_and_the_witnesses_attain_them(kernel):
    constants, profile = kernel_constants(kernel, 0.8, 0.3), kernel_profile(kernel, 0.8)
    for seed in range(20):
        x, y, at = drawn(3, 2, seed=seed), drawn(2, 2, seed=seed + 50) * 2, drawn(6, 2, seed=seed + 100)
        critic = ridge_critic(x, y, kernel, 0.8, 0.3)
        assert critic.gradient(at).norm(dim=1).max() <= constants.alpha * (1 + 1e-12)
    near = 0.8 * profile.shape.slope_place
    critic = ridge_critic(column([near]), column([-near]), kernel, 0.8, 0.3)
    assert abs(critic.gradient(column([0.0])).item()) == pytest.approx(constants.alpha, rel=1e-13)


def test_weights_are_the_same_as_points_that_are_repeated():
    x, y = drawn(3, 2), drawn(2, 2, seed=1)
    w, v = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64), torch.tensor([2 / 3, 1 / 3], dtype=torch.float64)
    many = ridge_loss(x[[0, 0, 1, 2]], y[[0, 0, 1]], "imq", 1.0, 0.4)
    assert ridge_loss(x, y, "imq", 1.0, 0.4, weights=w, data_weights=v).item() == pytest.approx(many.item(), rel=1e-13)
    at = drawn(4, 2, seed=3)
    first = ridge_critic(x[[0, 0, 1, 2]], y[[0, 0, 1]], "imq", 1.0, 0.4)(at)
    assert_allclose(ridge_critic(x, y, "imq", 1.0, 0.4, weights=w, data_weights=v)(at), first, atol=1e-15)


def test_shifting_or_permuting_the_points_changes_nothing():
    x, y = drawn(4, 2), drawn(3, 2, seed=1)
    J = ridge_loss(x, y, "matern52", 0.6, 0.4).item()
    moved, mixed = (
        ridge_loss(x + 0.3, y + 0.3, "matern52", 0.6, 0.4),
        ridge_loss(x[[2, 0, 3, 1]], y, "matern52", 0.6, 0.4),
    )
    assert [moved.item(), mixed.item()] == pytest.approx([J, J], rel=1e-13)


# ---- losses without D3


def test_the_critic_of_the_MMD_turns_over_at_the_data():
    """δ_t and δ_{−t} against δ_0: slopes 2√K1 apart at W₁ = 2t, so the ratio is 1/t for the gaussian kernel."""
    for t in (0.1, 0.01):
        slopes = []
        for place in (t, -t):
            x = column([place]).requires_grad_()
            slopes.append(torch.autograd.grad(mmd_loss(x, column([0.0]), "gaussian", 1.0), x)[0].item())
        assert abs(slopes[0] - slopes[1]) / (2 * t) == pytest.approx(1 / t, rel=t)
    x = column([0.0]).requires_grad_()
    loss = mmd_loss(x, column([0.0]), "gaussian", 1.0)
    loss.backward()
    assert loss.item() == x.grad.item() == 0.0


def test_the_energy_distance_has_the_difference_of_distribution_functions_for_a_slope():
    x, y = column([0.3, -1.0, 2.0, 0.5]), column([0.0, 1.0, 4.0])
    free = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(energy_loss(free, y), free)
    F = ((x < x.T).double().sum(0) + 0.5) / 4  # an atom counts half at its place
    F0 = (y < x.T).double().sum(0) / 3
    assert_allclose(4 * slope[:, 0], -2 * (F - F0), atol=1e-15)
    grid = np.linspace(-3, 6, 900_001)
    gap = np.searchsorted(np.sort(x[:, 0]), grid) / 4 - np.searchsorted(np.sort(y[:, 0]), grid) / 3
    assert energy_loss(x, y).item() == pytest.approx((gap**2).sum() * 1e-5, rel=1e-4)  # ∫(F − F₀)², grid of 1e-5


# ---- inf-convolution


def test_with_the_indicator_of_the_data_it_is_the_ridge_loss():
    x, y = drawn(5, 2).requires_grad_(), drawn(4, 2, seed=1) + 1
    ridge = ridge_loss(x, y, "imq", 0.8, 0.5)
    (slope,) = torch.autograd.grad(ridge, x)
    found = inf_convolution(x, y, "imq", 0.8, 0.5, np.inf)
    assert found.value.item() == pytest.approx(ridge.item(), rel=1e-12)
    assert_allclose(torch.autograd.grad(found.value, x)[0], slope, atol=1e-15)
    assert (found.gap, found.gradient_error, found.iterations, found.converged) == (0.0, 0.0, 0, True)
    # and the indicator is the limit of c KL, from below, at the rate 1/c
    below = [ridge.item() - inf_convolution(x, y, "imq", 0.8, 0.5, c, tolerance=1e-13).value.item() for c in (1e2, 1e3)]
    assert 0 < below[1] < below[0]
    assert below[0] / below[1] == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(("ridge", "c"), [(0.5, 1.0), (0.05, 0.3), (0.5, 0.02)])
def test_the_value_is_the_least_and_the_gap_bounds_what_is_missing(ridge, c):
    x, y = drawn(3, 2), drawn(4, 2, seed=1) + 0.5
    base = torch.tensor([0.1, 0.4, 0.3, 0.2], dtype=torch.float64)
    found = inf_convolution(x, y, "gaussian", 1.0, ridge, c, data_weights=base, tolerance=1e-13)
    assert found.converged

    def objective(logits):
        nu = np.exp(logits - logits.max())
        nu /= nu.sum()
        square = squared_mmd(x, y, "gaussian", 1.0, data_weights=torch.from_numpy(nu)).item()
        return c * (nu * np.log(nu / base.numpy())).sum() + square / (2 * ridge)

    other = minimize(objective, base.log().numpy(), tol=1e-12, options={"gtol": 1e-9})
    assert found.value.item() == pytest.approx(other.fun, abs=1e-9)  # BFGS on differences of 1e-8
    exact = found.critic
    for steps in (0, 1, 5):
        rough = inf_convolution(x, y, "gaussian", 1.0, ridge, c, data_weights=base, iterations=steps)
        assert -1e-13 <= rough.value.item() - found.value.item() <= rough.gap + 1e-13
        away = (rough.critic.gradient(3 * drawn(50, 2)) - exact.gradient(3 * drawn(50, 2))).norm(dim=1).max().item()
        assert away <= rough.gradient_error + 1e-6  # the exact one is √(2e-13/λ) off itself


def test_its_slope_is_that_of_differences_and_its_critic_is_firmly_nonexpansive():
    x, y, ridge, h = drawn(3, 2).requires_grad_(), drawn(4, 2, seed=1) + 0.5, 0.2, 1e-4

    def solved(points):
        return inf_convolution(points, y, "gaussian", 1.0, ridge, 0.5, tolerance=1e-15)

    (slope,) = torch.autograd.grad(solved(x).value, x)
    for place in np.ndindex(3, 2):
        e = torch.zeros(3, 2, dtype=torch.float64)
        e[place] = h
        ends = [solved((x + s * e).detach()).value.item() for s in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(slope[place].item(), abs=1e-7)  # h² and 1e-13/h
    base = solved(x.detach())
    for seed in range(5):
        other = drawn(3, 2, seed=seed + 10)
        moved = solved(other)
        at = torch.cat([base.critic.points, moved.critic.points])
        a = torch.cat([base.critic.coefficients, -moved.critic.coefficients])
        norm = (a @ kernel_matrix(at, at, "gaussian", 1.0) @ a).clamp(min=0).sqrt().item()
        distance = squared_mmd(x.detach(), other, "gaussian", 1.0).sqrt().item()
        assert norm <= distance / ridge * (1 + 1e-6)
        assert moved.value.item() <= ridge_loss(other, y, "gaussian", 1.0, ridge).item()


def test_a_budget_that_runs_out_says_so():
    found = inf_convolution(drawn(3, 2) + 3, drawn(4, 2), "gaussian", 1.0, 0.01, 0.01, iterations=3)
    assert (found.converged, found.iterations) == (False, 3)
    assert found.gap > 1e-10
    assert found.gradient_error == pytest.approx((2 * found.gap / 0.01) ** 0.5)  # K1 = 1


def test_bad_input_of_kernel_critics_is_refused_in_one_sentence():
    x, y = drawn(3, 2), drawn(2, 2)
    words = "gaussian, imq, matern32, matern52, matern12"
    concave = "must be > 0, as this needs strong concavity"
    for function in (ridge_critic, ridge_loss, inf_convolution):
        refused(f"ridge {concave}, got 0", function, x, y, "imq", 1.0, 0.0)
        refused(f"ridge {concave}, got -1", function, x, y, "imq", 1.0, -1.0)
        refused("ridge must be finite, got nan", function, x, y, "imq", 1.0, np.nan)
        refused("lengthscale must be a number > 0, got 0.0", function, x, y, "imq", 0.0, 1.0)
        refused(f"kernel must be one of {words}, got 'rbf'", function, x, y, "rbf", 1.0, 1.0)
        refused("data must have points of dimension 2, got 1", function, x, y[:, :1], "imq", 1.0, 1.0)
    refused("x must be finite, got nan", inf_convolution, x * np.nan, y, "imq", 1.0, 1.0)
    empty = "must hold points as (N, d) with N, d >= 1, got shape (0, 2)"
    refused(f"x {empty}", kernel_matrix, x[:0], y, "imq", 1.0)
    refused(f"data {empty}", ridge_critic, x, y[:0], "imq", 1.0, 1.0)
    refused("x must be a torch tensor, got ndarray", kernel_matrix, x.numpy(), y, "imq", 1.0, kind=TypeError)
    refused(
        "x must hold floating point numbers, got torch.int64", kernel_matrix, x.long(), y, "imq", 1.0, kind=TypeError
    )
    thirds = torch.tensor([0.3, 0.3, 0.3], dtype=torch.float64)
    refused("weights must sum to 1, got 0.9", ridge_critic, x, y, "imq", 1.0, 1.0, weights=thirds)
    refused("weights must have 3 entries, one for each point, got shape (2,)",
            squared_mmd, x, y, "imq", 1.0, weights=thirds[:2])  # fmt: skip
    refused("data_weights must be >= 0, got -1",
            ridge_loss, x, y, "imq", 1.0, 1.0, data_weights=torch.tensor([2.0, -1.0]).double())  # fmt: skip
    refused("data_weights must be > 0, got 0",
            inf_convolution, x, y, "imq", 1.0, 1.0, data_weights=torch.tensor([1.0, 0.0]).double())  # fmt: skip
    refused("strength must be a number > 0, got 0.0", inf_convolution, x, y, "imq", 1.0, 1.0, 0.0)
    refused("tolerance must be a number > 0, got 0.0", inf_convolution, x, y, "imq", 1.0, 1.0, tolerance=0.0)
    refused("iterations must be >= 0, got -1", inf_convolution, x, y, "imq", 1.0, 1.0, iterations=-1)
    refused("data must have points of dimension 2, got 1", energy_loss, x, y[:, :1])
