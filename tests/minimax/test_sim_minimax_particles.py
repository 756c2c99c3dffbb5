"""Particles against kernel and feature critics: descent, single loop, thresholds, and the games in plain NumPy."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lemmata.sim.minimax import (
    bracket,
    compare,
    dense_norm,
    descend,
    estimate_rate,
    feature_game,
    fourier_features,
    growth,
    kernel_game,
    random_features,
    rest,
    simulate_features,
    simulate_particles,
)
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.theory.minimax.gan_linearisation import r1_threshold
from lemmata.theory.minimax.kernel_constants import kernel_constants
from lemmata.theory.minimax.kernel_profile import kernel_profile
from lemmata.theory.minimax.modes import ALGORITHMS, mode_rate
from lemmata.theory.minimax.single_loop import single_loop_step
from lemmata.theory.minimax.smoothness import descent_bound, particle_smoothness

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
KERNELS = ("gaussian", "imq", "matern32", "matern52")


def clouds(n, m, d, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.5


def plain_loss(kernel, lengthscale, ridge, x, y):
    """MMD²/(2λ) from all pairs."""

    def mean(a, b):
        r = np.sqrt(((a[:, None] - b) ** 2).sum(-1))
        return kernel_profile(kernel, lengthscale).value(r).mean()

    return (mean(x, x) - 2 * mean(x, y) + mean(y, y)) / (2 * ridge)


# ---- kernels


def test_the_reference_step_of_two_particles_is_made():
    case = CASES["R3"]
    game = kernel_game(case["kernel"], case["lengthscale"], case["ridge"], np.array(case["data"])[:, None])
    run = descend(game, 1 / case["smoothness"], 1, start=np.array(case["particles"])[:, None])
    assert_allclose(run.particles[:, 0], case["next_particles"], rtol=1e-12)
    assert_allclose(run.objectives, [case["loss"], case["next_loss"]], rtol=1e-12)
    assert_allclose(run.squared_gradients[0], np.sum(np.square(case["gradient"])), rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_descent_uses_the_loss_and_its_gradient(kernel):
    x, y = clouds(5, 7, 2, 1)
    run = descend(kernel_game(kernel, 0.8, 0.4, y), 0.3, 1, start=x)
    slope = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        e = np.zeros_like(x)
        e[i] = 1e-5
        ends = [plain_loss(kernel, 0.8, 0.4, x + s * e, y) for s in (1, -1)]
        slope[i] = (ends[0] - ends[1]) / 2e-5
    assert_allclose(run.objectives[0], plain_loss(kernel, 0.8, 0.4, x, y), rtol=1e-12)
    assert_allclose(run.particles, x - 0.3 * slope, rtol=0, atol=3e-10)
    assert_allclose(run.squared_gradients[0], np.sum(slope**2), rtol=1e-7)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 3), (30, 2), (40, 10)])
def test_the_loss_never_rises_at_the_step_of_the_theory_and_its_gradient_keeps_the_bound(kernel, n, d):
    x, y = clouds(n, 25, d, n + d)
    ridge = 0.5
    smooth = particle_smoothness(kernel_constants(kernel, 1.0, ridge), n)
    run = descend(kernel_game(kernel, 1.0, ridge, y), smooth.step, 60, start=x)
    assert (np.diff(run.objectives) <= 1e-14 / ridge).all()
    for steps in (1, 10, 60):
        bound = descent_bound(smooth.smoothness, run.objectives[0], steps)
        assert compare(run.squared_gradients[:steps].min(), bound, "upper_bound").holds


def test_a_step_well_beyond_the_bound_can_raise_the_loss():
    # all particles at the distance of the largest curvature from one data point, the sharp case of docs/minimax
    y = np.zeros((1, 1))
    x = np.sqrt(3.0) + 1e-3 * np.array([[1.0], [-1.0]])
    step = particle_smoothness(kernel_constants("gaussian", 1.0, 1.0), 2).step
    losses = descend(kernel_game("gaussian", 1.0, 1.0, y), 6 * step, 30, start=x).objectives
    assert (np.diff(losses) > 0).any()


def history_play(algorithm, kernel, ridge, eta, gamma, steps, x, y):
    """A game in plain NumPy: the critic is its values and gradients as functions of all past clouds."""
    profile = kernel_profile(kernel, 1.0)

    def slope(f, at):
        out = np.zeros_like(at)
        for cloud, a in f:
            away = at[:, None] - cloud
            r = np.sqrt((away**2).sum(-1))
            out += a * (profile.slope_ratio(r)[:, :, None] * away).mean(1)
        return out

    def pull(f, at):
        return [(at, 1.0), (y, -1.0), *[(cloud, -ridge * a) for cloud, a in f]]

    def plus(f, s, g):
        return [*f, *[(cloud, s * a) for cloud, a in g]]

    f, old = [], None
    for _ in range(steps):
        if algorithm == "alternating":
            x = x - eta * slope(f, x)
            f = plus(f, gamma, pull(f, x))
            continue
        dx, df = -slope(f, x), pull(f, x)
        if algorithm == "extragradient":
            trial_x, trial_f = x + eta * dx, plus(f, gamma, df)
            dx, df = -slope(trial_f, trial_x), pull(trial_f, trial_x)
        if algorithm == "optimistic":
            before = old or (dx, df)
            old = (dx, df)
            x = x + eta * (2 * dx - before[0])
            f = plus(plus(f, 2 * gamma, df), -gamma, before[1])
        else:
            x, f = x + eta * dx, plus(f, gamma, df)
    return x


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kernel", ["gaussian", "matern32"])
def test_kernel_games_go_as_in_plain_numpy(algorithm, kernel):
    x, y = clouds(6, 9, 2, 3)
    run = simulate_particles(kernel_game(kernel, 1.0, 0.3, y), algorithm, 0.2, 0.5, 5, start=x)
    assert_allclose(run.particles, history_play(algorithm, kernel, 0.3, 0.2, 0.5, 5, x, y), rtol=0, atol=1e-12)


def test_residuals_are_the_discrepancy():
    x, y = clouds(6, 9, 2, 4)
    run = simulate_particles(kernel_game("imq", 1.0, 0.3, y), "alternating", 0.2, 0.5, 3, start=x)
    assert_allclose(run.residuals[0], np.sqrt(2 * plain_loss("imq", 1.0, 1.0, x, y)), rtol=1e-12)
    assert_allclose(run.residuals[-1], np.sqrt(2 * plain_loss("imq", 1.0, 1.0, run.particles, y)), rtol=1e-12)


def test_the_full_critic_step_is_gradient_descent_exactly():
    x, y = clouds(8, 5, 2, 5)
    game = kernel_game("gaussian", 1.0, 0.5, y)
    run = simulate_particles(game, "alternating", 0.1, 2.0, 20, start=x, best_critic=True)
    assert_allclose(run.particles, descend(game, 0.8, 20, start=x).particles, rtol=0, atol=1e-13)
    assert len(run.critic.clouds) == 2


def test_a_critic_forgets_what_rounding_forgets():
    x, y = clouds(4, 4, 1, 6)
    run = simulate_particles(kernel_game("gaussian", 1.0, 0.5, y), "alternating", 0.1, 1.0, 200, start=x)
    # the coefficients 1, 1/2, 1/4, … above 2^-60 of the data's, which is -2, and the data's own
    assert len(run.critic.clouds) == 59 + 1


@pytest.mark.parametrize("relaxation", [0.2, 0.6, 1.0])
def test_the_single_loop_keeps_its_bound(relaxation):
    n, ridge, steps = 10, 0.5, 80
    x, y = clouds(n, 12, 2, 7)
    constants = kernel_constants("gaussian", 1.0, ridge)
    smooth = particle_smoothness(constants, n).smoothness
    h = single_loop_step(smooth, constants.beta2, 1 / n, relaxation).step
    game = kernel_game("gaussian", 1.0, ridge, y)
    state, squares, losses = State(x, game.best_response(x)), [], []
    for _ in range(steps):
        both = descend(game, 1.0, 0, start=state.u)
        squares.append(both.squared_gradients[0])
        losses.append(both.objectives[0])
        # the generator's step is h/N a particle, the critic's δ/λ; the critic starts at its best, so ε₀ = 0
        state = advance(game, "alternating", h / n, relaxation / ridge, state)
    assert compare(float(np.mean(squares)), 2 * losses[0] / (h * steps), "upper_bound").holds


def test_particles_may_be_permuted_and_all_points_moved_together():
    x, y = clouds(20, 15, 3, 8)
    order = np.random.default_rng(0).permutation(20)
    shift = np.array([3.0, -1.0, 2.0])
    run = simulate_particles(kernel_game("gaussian", 1.0, 0.4, y), "optimistic", 0.3, 0.6, 8, start=x)
    other = simulate_particles(
        kernel_game("gaussian", 1.0, 0.4, y + shift), "optimistic", 0.3, 0.6, 8, start=x[order] + shift
    )
    assert_allclose(other.particles, run.particles[order] + shift, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "matern52"])
def test_threads_change_no_digit_of_a_game(kernel):
    x, y = clouds(700, 600, 2, 9)
    one, two = (
        simulate_particles(kernel_game(kernel, 1.0, 0.5, y, threads=threads), "extragradient", 0.2, 0.5, 3, start=x)
        for threads in (1, 2)
    )
    assert_array_equal(one.particles, two.particles)
    assert_array_equal(one.residuals, two.residuals)


# ---- features


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_feature_games_go_as_in_plain_numpy(algorithm):
    x, y = clouds(12, 15, 2, 10)
    features = random_features(7, 2, 1.0)
    game = feature_game(features, y, ridge=0.1, penalty=0.2)
    run = simulate_features(game, algorithm, 0.3, 0.4, 6, start=x)
    W, b, a = features.frequencies, features.phases, features.amplitude

    def phi(z):
        return a * np.cos(z @ W.T + b)

    def directions(x, c):
        down = a * (np.sin(x @ W.T + b) * c) @ W
        return down, phi(x).mean(0) - phi(y).mean(0) - 0.1 * c - 0.2 * game.gram @ c

    c, old = np.zeros(7), None
    for _ in range(6):
        dx, dc = directions(x, c)
        if algorithm == "alternating":
            x = x + 0.3 * dx
            c = c + 0.4 * directions(x, c)[1]
            continue
        if algorithm == "extragradient":
            dx, dc = directions(x + 0.3 * dx, c + 0.4 * dc)
        step_x, step_c = dx, dc
        if algorithm == "optimistic":
            before = old or (dx, dc)
            step_x, step_c, old = 2 * dx - before[0], 2 * dc - before[1], (dx, dc)
        x, c = x + 0.3 * step_x, c + 0.4 * step_c
    assert_allclose(run.particles, x, rtol=0, atol=1e-12)
    assert_allclose(run.critic, c, rtol=0, atol=1e-12)
    assert_allclose(run.residuals[-1], np.linalg.norm(phi(x).mean(0) - phi(y).mean(0)), rtol=1e-9)
    assert_allclose(run.critic_norms[-1], np.linalg.norm(c), rtol=1e-12)


def waves(d):
    """Three features whose couplings are within a factor of about three, so that no mode is much slower."""
    angles = np.array([0.0, 1.1, 2.3])
    omega = np.zeros((3, d))
    omega[:, 0] = np.cos(angles) if d > 1 else [0.7, 1.1, 1.6]
    if d > 1:
        omega[:, 1] = np.sin(angles)
    return fourier_features(omega, [0.3, 1.2, 2.0])


@pytest.mark.parametrize(("n", "d"), [(6, 2), (30, 2), (12, 5), (150, 1)])
@pytest.mark.parametrize("penalty", [0.2, 1.0])
def test_pure_r1_turns_unstable_at_a_step_that_knows_neither_data_nor_dimension(n, d, penalty):
    y = 2.0 * np.random.default_rng(n + d).standard_normal((n, d))
    game = feature_game(waves(d), y, penalty=penalty)
    top = np.linalg.eigvalsh(game.gram)[-1]
    gamma = 1 / (penalty * top)  # below 4/(t(2ρ − η))
    seen = bracket(lambda eta: growth(game, "simultaneous", eta, gamma, y, np.zeros(3)), r1_threshold(penalty))
    assert seen.holds
    assert seen.above.neutral == n * d - 3
    assert min(abs(seen.below.change), abs(seen.above.change)) >= 20


def test_r1_at_five_percent_too_large_a_step_is_refuted_and_alternating_does_not_mind():
    y = 2.0 * np.random.default_rng(1).standard_normal((6, 2))
    game = feature_game(waves(2), y, penalty=0.3)
    gamma = 1 / (0.3 * np.linalg.eigvalsh(game.gram)[-1])
    assert growth(game, "simultaneous", 1.05 * 0.3, gamma, y, np.zeros(3)).verdict == "unstable"
    assert growth(game, "alternating", 1.05 * 0.3, gamma, y, np.zeros(3)).verdict == "stable"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_particles_near_the_data_shrink_at_the_rate_of_their_modes(algorithm):
    y = 2.0 * np.random.default_rng(2).standard_normal((8, 2))
    ridge, penalty, eta, gamma = 0.3, 0.4, 0.2, 0.8
    game = feature_game(waves(2), y, ridge=ridge, penalty=penalty)
    t = np.linalg.eigvalsh(game.gram)
    expected = max(mode_rate(algorithm, eta, gamma, value, ridge + penalty * value).rate for value in t)
    equilibrium = rest(game, algorithm, y, np.zeros(3))
    norm = dense_norm(game, algorithm, eta, gamma, equilibrium)
    seen = growth(game, algorithm, eta, gamma, y, np.zeros(3), decided=60.0)
    assert norm.neutral == 13
    # three moduli close together: the mean over so long a time is within their spread of the largest one
    assert_allclose(seen.rate, expected, rtol=0.01)
    assert seen.rate <= expected * (1 + 1e-4)


def test_a_single_mode_of_particles_shrinks_at_exactly_its_rate():
    y = np.array([[0.4]])
    features = fourier_features([[1.3]], [0.5], 1.0)
    game = feature_game(features, y, ridge=0.2)
    t = game.gram[0, 0]
    expected = mode_rate("simultaneous", 0.1, 0.5, t, 0.2).rate
    equilibrium = rest(game, "simultaneous", y, np.zeros(1))
    norm = dense_norm(game, "simultaneous", 0.1, 0.5, equilibrium)
    state, residuals = State(y + 1e-7, np.zeros(1)), []
    for _ in range(80):
        residuals.append(norm(np.array([[state.u[0, 0] - 0.4, state.f[0]]])))
        state = advance(game, "simultaneous", 0.1, 0.5, state)
    found = estimate_rate(residuals, (0, 80))
    # the state is 1e-7 and its rounding 1e-16; second-order terms are of relative size 1e-7
    assert_allclose(found.rate, expected, rtol=1e-7)


def test_random_features_estimate_the_gaussian_kernel():
    features = random_features(200_000, 2, 0.7, seed=3)
    x = np.array([[0.1, 0.2], [0.5, -0.4]])
    phi = features.amplitude * np.cos(x @ features.frequencies.T + features.phases)
    r = np.linalg.norm(x[0] - x[1])
    # a term of the sum has variance below 1.5, so 4.5 standard errors are 0.0123: one failure in 150 000
    assert abs(phi[0] @ phi[1] - kernel_profile("gaussian", 0.7).value(r)) < 0.0123


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: kernel_game("matern12", 1.0, 1.0, [[0.0]]), "kernel must be one of"),
        (lambda: kernel_game("gaussian", 1.0, -1.0, [[0.0]]), "ridge must be >= 0, got -1"),
        (lambda: descend(kernel_game("gaussian", 1.0, 0.0, [[0.0]]), 1.0, 1, start=[[1.0]]), "ridge must be > 0"),
        (
            lambda: descend(kernel_game("gaussian", 1.0, 1.0, [[0.0]]), 0.0, 1, start=[[1.0]]),
            "step must be a number > 0",
        ),
        (
            lambda: simulate_particles(
                kernel_game("gaussian", 1.0, 1.0, [[0.0]]), "simultaneous", 1.0, 1.0, 1, start=[[1.0, 2.0]]
            ),
            r"start must have shape \(1, 1\), got \(1, 2\)",
        ),
        (lambda: kernel_game("gaussian", 1.0, 1.0, [[0.0]], threads=0), "threads must be >= 1, got 0"),
        (lambda: fourier_features([[1.0]], [0.0, 1.0]), r"phases must have shape \(1,\), got \(2,\)"),
        (lambda: feature_game(waves(2), [[1.0]]), r"data must have shape \(1, 2\), got \(1, 1\)"),
        (lambda: feature_game(waves(1), [[1.0]], penalty=-0.1), "penalty must be >= 0, got -0.1"),
        (
            lambda: simulate_features(
                feature_game(waves(1), [[1.0]]), "simultaneous", 1.0, 1.0, 1, start=[[1.0]], critic=[0.0]
            ),
            r"critic must have shape \(3,\), got \(1,\)",
        ),
    ],
)
def test_bad_games_are_refused_in_one_sentence(work, message):
    with pytest.raises(ValueError, match=message):
        work()
