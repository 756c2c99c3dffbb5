"""Smoothness constants bound Hessians of particles and networks, are attained where said, and steps 1/L descend."""

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize, root

from lemmata.theory.minimax.generator_constants import (
    generator_constants,
    hidden_norm_bounds,
    linear_generator_constants,
)
from lemmata.theory.minimax.kernel_constants import kernel_constants, penalised_constants
from lemmata.theory.minimax.kernel_profile import kernel_profile
from lemmata.theory.minimax.smoothness import (
    descent_bound,
    least_gradient_bound,
    outer_smoothness,
    particle_smoothness,
    region_certificate,
)

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
SMOOTH = ("gaussian", "imq", "matern32", "matern52")


class Particles:
    """MMD²/(2λ) of particles against data on the line, by sums over all pairs."""

    def __init__(self, kernel, length, ridge, data):
        self.profile, self.ridge, self.data = kernel_profile(kernel, length), ridge, np.asarray(data, float)

    def k(self, x, y):
        return self.profile.value(np.abs(np.subtract.outer(x, y)))

    def slope(self, x, y):  # ∂_x k
        step = np.subtract.outer(x, y)
        return step * self.profile.slope_ratio(np.abs(step))

    def bend(self, x, y):  # ∂_x² k
        return self.profile.curvature(np.abs(np.subtract.outer(x, y)))

    def loss(self, x):
        y = self.data
        return (self.k(x, x).mean() - 2 * self.k(x, y).mean() + self.k(y, y).mean()) / (2 * self.ridge)

    def gradient(self, x):
        return (self.slope(x, x).mean(1) - self.slope(x, self.data).mean(1)) / (self.ridge * len(x))

    def hessian(self, x):
        n = len(x)
        own = self.bend(x, x)
        np.fill_diagonal(own, 0.0)
        return (np.diag(own.mean(1) - self.bend(x, self.data).mean(1)) - own / n) / (self.ridge * n)


def test_one_step_of_two_particles_is_that_of_the_reference():
    row = CASES["R3"]
    game = Particles(row["kernel"], row["lengthscale"], row["ridge"], row["data"])
    x = np.array(row["particles"])
    constants = kernel_constants(row["kernel"], row["lengthscale"], row["ridge"])
    found = particle_smoothness(constants, 2)
    assert found.smoothness == pytest.approx(row["smoothness"], rel=2e-14)
    after = x - found.step * game.gradient(x)
    assert game.loss(x) == pytest.approx(row["loss"], rel=1e-12)  # three means near 1 cancel
    np.testing.assert_allclose(game.gradient(x), row["gradient"], rtol=1e-13)
    np.testing.assert_allclose(after, row["next_particles"], rtol=1e-13)
    assert game.loss(after) == pytest.approx(row["next_loss"], rel=1e-12)


@pytest.mark.parametrize("kernel", SMOOTH)
@pytest.mark.parametrize("particles", [1, 2, 3, 7])
def test_no_configuration_of_particles_has_a_larger_hessian(cases, kernel, particles):
    rng, count, tightest = np.random.default_rng(particles), cases(60, 68), 0.0
    bound = particle_smoothness(kernel_constants(kernel, 0.9, 0.4), particles).smoothness
    for _ in range(count):
        game = Particles(kernel, 0.9, 0.4, rng.normal(size=int(rng.integers(1, 5))))
        x = rng.normal(size=particles) * rng.choice([0.2, 1.0, 3.0])
        share = np.linalg.norm(game.hessian(x), 2) / bound
        assert share <= 1 + 1e-12
        tightest = max(tightest, share)
    cases.record("Hessians of particles: share of the bound", count, tightest)


def test_the_hessian_of_the_particles_is_the_difference_of_gradients():
    game, x, h = Particles("imq", 0.9, 0.4, [0.3, -1.0]), np.array([0.1, 0.7, -0.4]), 1e-5
    columns = [(game.gradient(x + h * e) - game.gradient(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(np.stack(columns), game.hessian(x), atol=1e-9)


@pytest.mark.parametrize("kernel", SMOOTH)
def test_particles_together_at_the_right_distance_attain_the_smoothness(kernel):
    length, ridge = 0.9, 0.4
    constants = kernel_constants(kernel, length, ridge)
    far = length * kernel_profile(kernel, length).shape.curvature_place
    for n in (2, 3, 6):
        together = Particles(kernel, length, ridge, [0.0]).hessian(np.full(n, -far))
        v = np.zeros(n)
        v[:2] = 0.5**0.5, -(0.5**0.5)
        assert -v @ together @ v == pytest.approx(particle_smoothness(constants, n).smoothness, rel=1e-13)
    alone = Particles(kernel, length, ridge, [0.0]).hessian(np.zeros(1))
    assert alone[0, 0] == pytest.approx(particle_smoothness(constants, 1).smoothness, rel=1e-13)


def test_with_one_particle_more_elsewhere_less_is_attained():
    """Three particles, one moved away: 0.371 instead of β₁/3 = 0.482 for the gaussian kernel."""
    spread = Particles("gaussian", 1.0, 1.0, [0.0]).hessian(np.array([-(3**0.5), -(3**0.5), 50.0]))
    assert np.linalg.norm(spread, 2) == pytest.approx((2 * np.exp(-1.5) + 2 / 3) / 3, rel=1e-12)
    assert np.linalg.norm(spread, 2) == pytest.approx(0.371, abs=5e-4)


def test_a_generator_that_is_lipschitz_in_the_mean_only_breaks_the_bound():
    """f_θ = θ/ε with probability ε, else 0: E|f_θ − f_θ'| = |θ − θ'| and B = 0, yet J'' is far below −(β₁ + β₂)."""
    epsilon, y = 0.01, 3**0.5
    profile = kernel_profile("gaussian", 1.0)

    def loss(theta):
        r = abs(theta) / epsilon
        own = epsilon**2 + (1 - epsilon) ** 2 + 2 * epsilon * (1 - epsilon) * profile.value(r)
        cross = epsilon * profile.value(abs(theta / epsilon - y)) + (1 - epsilon) * profile.value(y)
        return float((own - 2 * cross + 1) / 2)

    h = 1e-5
    second = (loss(h) - 2 * loss(0.0) + loss(-h)) / h**2
    constants = kernel_constants("gaussian", 1.0, 1.0)
    assert second == pytest.approx(-((1 - epsilon) + 2 * np.exp(-1.5)) / epsilon, rel=1e-5)
    assert second == pytest.approx(-143.626032, rel=1e-5)
    mean_form = outer_smoothness(constants.alpha, constants.beta1, constants.beta2, 1.0, sharp=False)
    assert abs(second) > 50 * mean_form.smoothness
    # with A² = λ_max(E f'²) = 1/ε the theorem holds
    assert abs(second) <= outer_smoothness(constants.alpha, constants.beta1, constants.beta2, 1 / epsilon).smoothness


@pytest.mark.parametrize("kernel", SMOOTH)
def test_descent_at_one_over_L_never_rises_and_keeps_its_promise(cases, kernel):
    rng, runs, tightest = np.random.default_rng(3), cases(1, 9), 0.0
    constants = kernel_constants(kernel, 0.7, 0.5)
    for n in (1, 2, 4, 9) * runs:
        game, x = Particles(kernel, 0.7, 0.5, rng.normal(size=5)), rng.normal(size=n) * 2
        found = particle_smoothness(constants, n)
        losses, squares = [game.loss(x)], []
        for _ in range(200):
            g = game.gradient(x)
            squares.append(g @ g)
            x = x - found.step * g
            losses.append(game.loss(x))
        assert (np.diff(losses) <= 1e-15).all()
        for steps in (1, 10, 100, 200):
            share = np.mean(squares[:steps]) / descent_bound(found.smoothness, losses[0], steps)
            assert share <= 1
            tightest = max(tightest, share)
        # and the loss after one step is at most J − h(1 − Lh/2)|∇J|² for the other steps too
        assert losses[1] <= losses[0] - squares[0] / (2 * found.smoothness) + 1e-15
    cases.record("gradient descent at 1/L: share of the bound", 4 * runs, tightest)


@pytest.mark.parametrize("seed", range(9))
def test_descent_with_wrong_gradients_pays_their_mean_square(cases, seed):
    rng, runs, tightest = np.random.default_rng(seed), cases(8, 80), 0.0
    for _ in range(runs):
        game, x = Particles("gaussian", 1.0, 0.5, rng.normal(size=6)), rng.normal(size=4) * 2
        found = particle_smoothness(kernel_constants("gaussian", 1.0, 0.5), 4)
        start, squares, errors = game.loss(x), [], []
        for _ in range(100):
            g = game.gradient(x)
            e = rng.normal(size=4) * rng.choice([0.1, 0.5, 1.0]) * np.linalg.norm(g)
            squares.append(g @ g)
            errors.append(np.linalg.norm(e))
            x = x - found.step * (g + e)
        bound = descent_bound(found.smoothness, start, 100, gradient_errors=errors)
        assert np.mean(squares) <= bound
        tightest = max(tightest, np.mean(squares) / bound)
        assert bound - descent_bound(found.smoothness, start, 100) == pytest.approx(np.mean(np.square(errors)))
    cases.record("gradient descent with errors: share of the bound", runs, tightest)


def test_other_steps_have_their_own_bound_and_one_over_L_has_the_least():
    bounds = [descent_bound(2.0, 1.0, 5, step=h) for h in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert bounds[2] == descent_bound(2.0, 1.0, 5) == pytest.approx(0.8)
    assert min(bounds) == bounds[2]


def test_the_bound_on_the_least_gradient_is_kept_by_saws_and_attained_by_the_deepest():
    rng, L = np.random.default_rng(0), 2.0
    for T in (1, 2, 3, 7, 20):
        shares = []
        for depth in (0.5, *rng.uniform(0.0, 0.5, 20)):  # by which J' dips between two iterates, at most what L allows
            seen = np.ones(T)  # J' at x_t = -t/L; between two of them it is max(1 - depth, 1 - L |x - x_t|)
            width = depth / L  # of each flank; what the dip takes off the step's 1/L
            falls = 1 / L - 2 * (depth * width / 2) - depth * (1 / L - 2 * width)
            gap = (T - 1) * falls + 1 / (2 * L)
            shares.append(min(seen) ** 2 / least_gradient_bound(L, gap, T))
        assert shares[0] == pytest.approx(1.0, rel=1e-14)
        assert max(shares) <= 1 + 1e-14
    assert least_gradient_bound(L, 1.0, 1) == descent_bound(L, 1.0, 1)


@pytest.mark.parametrize("seed", range(3))
def test_descent_on_random_smooth_functions_keeps_the_bound_on_the_least_gradient(seed):
    rng, tightest = np.random.default_rng(seed), 0.0
    for _ in range(30):
        amplitudes, waves = rng.normal(size=6), rng.normal(size=(6, 2)) * rng.choice([0.3, 1.0, 3.0])
        phases = rng.uniform(0, 7, 6)
        L = float((np.abs(amplitudes) * (waves**2).sum(1)).sum())  # of J = Σ a cos(w·x + p)
        x, squares, lowest = rng.normal(size=2), [], -np.abs(amplitudes).sum()
        gap = float(amplitudes @ np.cos(waves @ x + phases)) - lowest  # at least J_0 - inf J
        for steps in range(1, 61):
            g = -(amplitudes * np.sin(waves @ x + phases)) @ waves
            squares.append(g @ g)
            x = x - g / L
            share = min(squares) / least_gradient_bound(L, gap, steps)
            assert share <= 1
            tightest = max(tightest, share)
    assert tightest > 0.1  # it is not kept for want of anything near it


@pytest.mark.parametrize("seed", range(3))
def test_an_inf_convolved_loss_keeps_the_ridge_constants(cases, seed):
    """inf over ν of KL(ν‖q) + MMD²(μ, ν)/(2λ) on a grid, its inner problem solved by Newton's method."""
    rng = np.random.default_rng(seed)
    ridge, length = 0.3, 0.7
    grid, q = np.linspace(-2, 2, 9), rng.dirichlet(np.ones(9))
    profile, constants = kernel_profile("gaussian", length), kernel_constants("gaussian", length, ridge)
    gram = profile.value(np.abs(grid[:, None] - grid))

    def critic_slope(particles, at):
        pull = profile.value(np.abs(grid[:, None] - particles)).mean(1)

        def residual(y):  # ν ∝ q e^Φ on the grid, Φ = (m_μ − m_ν)/λ
            w = q * np.exp(y - y.max())
            return y - (pull - gram @ (w / w.sum())) / ridge

        solved = root(residual, np.zeros(9), tol=1e-13)
        assert np.abs(residual(solved.x)).max() < 1e-10
        w = q * np.exp(solved.x)
        w = w / w.sum()

        def derivative(x, y):
            step = np.subtract.outer(x, y)
            return step * profile.slope_ratio(np.abs(step))

        return (derivative(at, particles).mean(1) - derivative(at, grid) @ w) / ridge

    bound = outer_smoothness(constants.alpha, constants.beta1, constants.beta2, 1 / 3).smoothness
    at, count, tightest = np.linspace(-3, 3, 61), cases(72, 720), 0.0
    for _ in range(count):
        x, y = rng.normal(size=(2, 3)) * 1.5
        first, second = critic_slope(x, at), critic_slope(y, at)
        assert np.abs(first).max() <= constants.alpha
        assert np.abs(np.diff(first)).max() <= constants.beta1 * (at[1] - at[0]) * (1 + 1e-9)
        distance = np.abs(np.sort(x) - np.sort(y)).mean()  # W1 on the line
        assert np.abs(first - second).max() <= constants.beta2 * distance * (1 + 1e-9)
        near = x + 1e-2 * rng.normal(size=3)
        gap = (critic_slope(near, near) - critic_slope(x, x)) / 3  # ∇J of three particles
        share = np.linalg.norm(gap) / (bound * np.linalg.norm(near - x))
        assert share <= 1 + 1e-6
        tightest = max(tightest, share)
    cases.record("smoothness of inf-convolved KL: share of the bound", count, tightest)


DENSITIES = {  # φ of J(ν) = Σ q φ(ν/q), and φ'
    "kl": (lambda u: u * np.log(u), lambda u: 1 + np.log(u)),
    "minimax": (
        lambda u: 0.5 * (u * np.log(2 * u / (1 + u)) + np.log(2 / (1 + u))),
        lambda u: 0.5 * np.log(2 * u / (1 + u)),
    ),
    "chi_squared": (lambda u: u**2 - 1, lambda u: 2 * u),
}


@pytest.mark.parametrize("loss", sorted(DENSITIES))
def test_the_critic_of_any_inf_convolved_density_loss_keeps_the_ridge_constants(cases, loss):
    """The inner problem on seven points by sequential quadratic programming, ν >= 1e-12."""
    rng, count, tightest = np.random.default_rng(5), cases(10, 96), 0.0
    ridge, length, grid = 0.3, 0.7, np.linspace(-2, 2, 7)
    profile, constants = kernel_profile("gaussian", length), kernel_constants("gaussian", length, ridge)
    gram = profile.value(np.abs(grid[:, None] - grid))
    value, derivative = DENSITIES[loss]

    def critic_slope(particles, q, at):
        pull = profile.value(np.abs(grid[:, None] - particles)).mean(1)

        def objective(w):
            return q @ value(w / q) + (w @ gram @ w / 2 - w @ pull) / ridge

        def gradient(w):
            return derivative(w / q) + (gram @ w - pull) / ridge

        whole = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(7)}
        w = minimize(
            objective, q, jac=gradient, bounds=[(1e-12, 1)] * 7, constraints=whole, method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 300},
        ).x  # fmt: skip
        inner = gradient(w)
        level = inner[w > 1e-6]
        assert np.ptp(level) < 1e-4 * (1 + np.abs(level).max())  # equal where ν is not 0
        assert (inner[w <= 1e-6] > level.min() - 1e-4 * (1 + np.abs(level).max())).all()
        step, other = np.subtract.outer(at, particles), np.subtract.outer(at, grid)
        own = (step * profile.slope_ratio(np.abs(step))).mean(1)
        return (own - (other * profile.slope_ratio(np.abs(other))) @ w) / ridge

    at = np.linspace(-3, 3, 61)
    for _ in range(count):
        q, (x, y) = rng.dirichlet(np.full(7, 2.0)), rng.normal(size=(2, 3)) * 1.5
        first, second = critic_slope(x, q, at), critic_slope(y, q, at)
        distance = np.abs(np.sort(x) - np.sort(y)).mean()  # W1 on the line
        shares = (
            np.abs(first).max() / constants.alpha,
            np.abs(np.diff(first)).max() / (constants.beta1 * (at[1] - at[0])),
            np.abs(first - second).max() / (constants.beta2 * distance),
        )
        assert max(shares) <= 1
        tightest = max(tightest, *shares)
    cases.record("critics of inf-convolved losses: share of the bound", count, tightest)


def test_the_network_generator_of_the_reference_has_its_constants():
    row = CASES["R9"]
    hidden = hidden_norm_bounds("tanh", [row["width"]])
    found = generator_constants(row["latent_norms"], [7.0, row["second_spectral_norm"]], hidden, "tanh")
    assert found.squared_lipschitz == pytest.approx(row["squared_lipschitz"], rel=1e-14)
    assert found.curvature == pytest.approx(row["curvature"], rel=1e-14)
    c = kernel_constants("gaussian", 1.0, 1.0)
    for sharp, name in ((True, "sharp"), (False, "general")):
        value = outer_smoothness(c.alpha, c.beta1, c.beta2, found.squared_lipschitz, found.curvature, sharp=sharp)
        assert value.smoothness == pytest.approx(row[name], rel=1e-13)


VALUES = {
    "tanh": np.tanh,
    "sigmoid": lambda h: 1 / (1 + np.exp(-h)),
    "softplus": lambda h: np.log1p(np.exp(h)),
    "sin": np.sin,
}


def network(theta, z, widths, activation):
    """Outputs (n, m) of the network whose weights and biases are the parts of theta, and the norms it meets."""
    a, place, hidden, norms, biases = z, 0, [], [], []
    for layer, (n, m) in enumerate(itertools.pairwise(widths)):
        w = theta[place : place + n * m].reshape(m, n)
        b = theta[place + n * m : place + n * m + m]
        place += n * m + m
        norms.append(np.linalg.norm(w, 2))
        biases.append(np.linalg.norm(b))
        a = a @ w.T + b
        if layer < len(widths) - 2:
            a = VALUES[activation](a)
            hidden.append(np.linalg.norm(a, axis=1))
    return a, norms, biases[:-1], hidden


@pytest.mark.parametrize("activation", sorted(VALUES))
@pytest.mark.parametrize("widths", [(2, 3), (1, 4, 2), (2, 3, 3, 1)])
def test_no_random_network_generator_exceeds_its_constants(cases, activation, widths):
    rng, count, tightest = np.random.default_rng(len(widths)), cases(4, 12), [0.0, 0.0]
    size = sum(n * m + m for n, m in itertools.pairwise(widths))
    for _ in range(count):
        z = rng.normal(size=(5, widths[0]))
        theta = rng.normal(size=size) * 0.8
        out, norms, biases, hidden = network(theta, z, widths, activation)
        limits = hidden_norm_bounds(activation, widths[1:-1], np.linalg.norm(z, axis=1), norms[:-1], biases)
        limits = np.broadcast_to(limits, (5, len(widths) - 2))
        for layer, lengths in enumerate(hidden):
            assert (lengths <= limits[:, layer] * (1 + 1e-12)).all()
        bound = generator_constants(np.linalg.norm(z, axis=1), norms, limits, activation)
        h = 1e-4  # second differences of a smooth function of size 1: errors near 1e-8/h² · 1e-8 and h²
        ends = [network(theta + s * h * e, z, widths, activation)[0] for e in np.eye(size) for s in (1, -1)]
        jacobian = np.stack([(a - b) / (2 * h) for a, b in zip(ends[::2], ends[1::2], strict=True)])
        square = np.linalg.eigvalsh(np.einsum("pnm,qnm->pq", jacobian, jacobian) / 5)[-1]
        assert square <= bound.squared_lipschitz * (1 + 1e-6)
        tightest[0] = max(tightest[0], square / bound.squared_lipschitz)
        for _ in range(20):
            v = rng.normal(size=size)
            v /= np.linalg.norm(v)
            plus, minus = (network(theta + s * h * v, z, widths, activation)[0] for s in (1, -1))
            second = np.linalg.norm(plus - 2 * out + minus, axis=1).mean() / h**2
            assert second <= bound.curvature * (1 + 1e-6) + 1e-6
            if bound.curvature:
                tightest[1] = max(tightest[1], second / bound.curvature)
    cases.record("A² of network generators: share of the bound", count, tightest[0])
    cases.record("B of network generators: share of the bound", count, tightest[1])


def test_relu_has_no_curvature_constant_and_a_linear_generator_needs_none():
    hidden = hidden_norm_bounds("relu", [3], [1.0, 2.0], [1.5], [0.5])
    np.testing.assert_allclose(hidden, [[2.0], [3.5]])
    assert generator_constants([1.0, 2.0], [1.5, 1.0], hidden, "relu").curvature == np.inf
    assert generator_constants([1.0], [0.0, 0.0, 0.0], [1.0, 1.0], "relu").curvature == np.inf  # never 0 · ∞
    assert linear_generator_constants([[1.0], [2.0]], [0.25, 0.75]).squared_lipschitz == pytest.approx(3.25)


def test_a_run_that_leaves_its_region_is_kept_but_not_certified():
    inside = region_certificate([1.0, 2.0], [[1.0, 2.0], [0.3, 0.1]])
    assert (inside.certified, inside.first_exit, inside.largest_ratio) == (True, None, 1.0)
    left = region_certificate([1.0, 2.0], [[0.5, 1.0], [0.5, 2.5], [0.5, 1.0]])
    assert (left.certified, left.first_exit, left.largest_ratio) == (False, 1, 1.25)


def refused(message, function, *arguments, **words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        function(*arguments, **words)
    assert str(caught.value) == message


def test_bad_input_of_the_outer_problem_is_refused_in_one_sentence():
    infinite = "must be finite, as no step size follows from an infinite constant, got inf"
    kink = kernel_constants("matern12", 1.0, 1.0)
    refused(f"beta1 {infinite}", outer_smoothness, kink.alpha, kink.beta1, kink.beta2, 1.0)
    refused(f"beta2 {infinite}", outer_smoothness, 1.0, 1.0, kink.beta2, 1.0, sharp=False)
    refused(f"curvature {infinite}", outer_smoothness, 1.0, 1.0, 1.0, 1.0, curvature=np.inf)
    refused(f"beta1 {infinite}", particle_smoothness, kink, 3)
    refused(f"beta2 {infinite}", particle_smoothness, kink, 1)
    refused("alpha must be >= 0, got -1", outer_smoothness, -1.0, 1.0, 1.0, 1.0)
    refused("particles must be >= 1, got 0", particle_smoothness, kink, 0)
    refused("steps must be >= 1, got 0", descent_bound, 1.0, 1.0, 0)
    refused("gap must be >= 0, got -1", descent_bound, 1.0, -1.0, 3)
    refused("smoothness must be > 0, got 0", descent_bound, 0.0, 1.0, 3)
    refused("smoothness must be > 0, got 0", least_gradient_bound, 0.0, 1.0, 3)
    refused("steps must be >= 1, got 0", least_gradient_bound, 1.0, 1.0, 0)
    refused("gap must be >= 0, got -1", least_gradient_bound, 1.0, -1.0, 3)
    refused(f"smoothness {infinite}", descent_bound, np.inf, 1.0, 3)
    refused("step must be < 2/smoothness = 1, got 1", descent_bound, 2.0, 1.0, 3, step=1.0)
    refused("step must be a number > 0, got 0.0", descent_bound, 2.0, 1.0, 3, step=0.0)
    refused(
        "gradient_errors must have 3 entries, one for each step, got 2",
        descent_bound, 2.0, 1.0, 3, gradient_errors=[0.1, 0.2],
    )  # fmt: skip
    refused("latent_norms must have at least 1 entries, got 0", generator_constants, [], [1.0], [], "tanh")
    refused(
        "hidden_norms must have shape (1,) or (2, 1), got (2,)",
        generator_constants, [1.0, 2.0], [1.0, 1.0], [1.0, 1.0], "tanh",
    )  # fmt: skip
    refused("samples must not be empty, got shape (0, 2)", linear_generator_constants, np.empty((0, 2)))
    refused("sample_weights must sum to 1, got 0.9", linear_generator_constants, [[1.0], [2.0]], [0.5, 0.4])
    refused(
        "sample_weights must have 2 entries, one for each point, got 3",
        linear_generator_constants, [[1.0], [2.0]], [0.5, 0.25, 0.25],
    )  # fmt: skip
    refused("samples must be finite, got inf", linear_generator_constants, [[1.0], [np.inf]])
    refused("latent_norms must be given for relu, which is unbounded, got None", hidden_norm_bounds, "relu", [3])
    refused("visited_norms must have shape (1, 2), got (1, 3)", region_certificate, [1.0, 1.0], [[1.0, 1.0, 1.0]])
    linear_generator_constants([[1.0], [2.0]], [0.5, 0.5 + 5e-10])  # within 1e-9 of the sum 1


@pytest.mark.parametrize("seed", range(5))
def test_a_penalised_loss_keeps_the_general_smoothness(cases, seed):
    """Three particles against A⁻¹(m_μ − m_μ₀), A = λ + ρG: ∇J moves by at most L per unit, near and far."""
    rng, count = np.random.default_rng(seed), cases(3, 30)
    shares = [penalised_share(rng) for _ in range(count)]
    assert max(shares) <= 1 + 1e-9
    cases.record("smoothness with ridge and R1: share of the bound", count, max(shares))


def penalised_share(rng):
    """The largest of forty differences of ∇J over its bound."""
    ridge, rho = rng.uniform(0.1, 1.0), rng.exponential()
    data = rng.normal(size=5)
    k, y = kernel_profile("gaussian", 1.0), data

    def first(a, b):  # ∂_a k
        step = np.subtract.outer(a, b)
        return -step * k.value(np.abs(step))

    def mixed(a, b):  # ∂_a ∂_b k
        step = np.subtract.outer(a, b)
        return (1 - step**2) * k.value(np.abs(step))

    def gradient(x):
        slope = first(y, x).mean(1) - first(y, y).mean(1)  # of m_μ − m_μ₀ at the data
        w = np.linalg.solve(ridge * np.eye(5) + rho * mixed(y, y) / 5, slope)
        free = first(x, x).mean(1) - first(x, y).mean(1)
        return (free - rho / 5 * mixed(x, y) @ w) / (3 * ridge)

    c = penalised_constants("gaussian", 1.0, float(ridge))
    bound, largest = outer_smoothness(c.alpha, c.beta1, c.beta2, 1 / 3, sharp=False).smoothness, 0.0
    for _ in range(40):
        x = rng.normal(size=3) * 1.5
        other = x + rng.normal(size=3) * rng.choice([1e-3, 0.1, 1.0])
        largest = max(largest, np.linalg.norm(gradient(x) - gradient(other)) / (bound * np.linalg.norm(x - other)))
    return largest


@pytest.mark.parametrize("widths", [(1, 4, 1), (1, 3, 3, 1)])
def test_a_network_generator_descends_at_its_certified_step(cases, widths):
    runs = cases(1, 5)
    shares = [certified_share(widths, np.random.default_rng(len(widths) + 10 * k)) for k in range(runs)]
    assert max(shares) <= 1
    cases.record("certified descent of network generators: share of the bound", runs, max(shares))


def certified_share(widths, rng):
    """The largest mean ‖∇J‖² over its bound after 1, 10 and 150 steps; J never rises.

    Where the iterates leave the region nothing is claimed: a larger region has a smaller step, and holds them.
    """
    size = sum(n * m + m for n, m in itertools.pairwise(widths))
    z, data, ridge = rng.normal(size=(6, 1)), rng.normal(size=7) + 1.0, 0.5
    theta = rng.normal(size=size) * 0.5
    hidden, c = hidden_norm_bounds("tanh", widths[1:-1]), kernel_constants("gaussian", 1.0, ridge)
    game = Particles("gaussian", 1.0, ridge, data)

    def loss_and_gradient(theta):
        out = network(theta, z, widths, "tanh")[0][:, 0]
        pull = game.gradient(out)
        h = 1e-6
        ends = [network(theta + s * h * e, z, widths, "tanh")[0][:, 0] for e in np.eye(size) for s in (1, -1)]
        jacobian = np.stack([(a - b) / (2 * h) for a, b in zip(ends[::2], ends[1::2], strict=True)])
        return game.loss(out), jacobian @ pull

    for factor in (1.5, 3.0, 6.0):
        limits = [factor * s for s in network(theta, z, widths, "tanh")[1]]
        own = generator_constants(np.abs(z[:, 0]), limits, hidden, "tanh")
        found = outer_smoothness(c.alpha, c.beta1, c.beta2, own.squared_lipschitz, own.curvature)
        at, losses, squares, norms = theta, [], [], []
        for _ in range(150):
            loss, g = loss_and_gradient(at)
            losses.append(loss)
            squares.append(g @ g)
            norms.append(network(at, z, widths, "tanh")[1])
            at = at - found.step * g
        certificate = region_certificate(limits, norms)
        if certificate.certified:
            break
    assert certificate.certified
    assert (np.diff(losses) <= 1e-14).all()
    assert losses[-1] < losses[0]
    return max(np.mean(squares[:t]) / descent_bound(found.smoothness, losses[0], t) for t in (1, 10, 150))
