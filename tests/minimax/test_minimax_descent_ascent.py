"""Promises of descent-ascent, of the single loop and of domain adaptation, against runs and built Hessians."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lemmata.theory.minimax.generator_constants import linear_generator_constants
from lemmata.theory.minimax.kernel_constants import kernel_constants
from lemmata.theory.minimax.kernel_profile import kernel_profile
from lemmata.theory.minimax.ncsc_bound import ncsc_bound, quadratic_threshold
from lemmata.theory.minimax.single_loop import single_loop_step
from lemmata.theory.minimax.smoothness import particle_smoothness
from lemmata.theory.minimax.uda_smoothness import transfer_bound, uda_smoothness

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
ROW = CASES["R10"]


def test_the_step_count_of_the_reference():
    found = ncsc_bound(ROW["smoothness"], ROW["strong_concavity"], ROW["gap"], ROW["squared_distance"])
    assert found.condition == ROW["condition"]
    assert found.min_step == pytest.approx(ROW["min_step"], rel=1e-14)
    assert found.max_step == ROW["max_step"]
    assert found.steps(ROW["tolerance"]) == ROW["steps"]


@pytest.mark.parametrize("seed", range(6))
def test_descent_ascent_keeps_its_promise_on_nonconvex_games(seed):
    """f = a Σ cos(x_i) + xᵀMy − (μ/2)|y|², whose Φ = a Σ cos x_i + |Mᵀx|²/(2μ) is known, constrained or not."""
    rng = np.random.default_rng(seed)
    mu, a = 0.5, float(rng.uniform(0.2, 1.0))
    m = rng.normal(size=(3, 2)) * 0.4
    hessian_bound = np.linalg.norm(np.block([[a * np.eye(3), m], [m.T, mu * np.eye(2)]]), 2)
    x, y = rng.normal(size=3) * 2, rng.normal(size=2)
    radius = 1.5 if seed % 2 else np.inf

    def best(x):  # the maximiser over the ball of this radius
        y = m.T @ x / mu
        return y * min(1.0, radius / max(np.linalg.norm(y), 1e-300))

    def phi(x):
        y = best(x)
        return a * np.cos(x).sum() + x @ m @ y - mu / 2 * y @ y

    y = y * min(1.0, radius / np.linalg.norm(y))
    start = y - best(x)
    # Φ >= −3a as y = 0 is allowed
    found = ncsc_bound(float(hessian_bound), mu, phi(x) + 3 * a, float(start @ start), steps=1)
    squares = []
    for _ in range(3000):
        gradient = -a * np.sin(x) + m @ best(x)
        squares.append(gradient @ gradient)
        down, up = -a * np.sin(x) + m @ y, m.T @ x - mu * y
        x, y = x - found.min_step * down, y + found.max_step * up
        y = y * min(1.0, radius / max(np.linalg.norm(y), 1e-300))
    for steps in (1, 10, 100, 1000, 3000):
        assert np.mean(squares[:steps]) <= found.constant / steps


def test_descent_ascent_keeps_its_promise_on_many_quadratic_games(cases):
    """Games ½xᵀAx + xᵀMy − ½yᵀDy with A indefinite but Φ = ½xᵀ(A + MD⁻¹Mᵀ)x >= 0, D >= μ."""
    rng = np.random.default_rng(12)
    games, n = cases(2400, 24_000), 2
    damping = np.exp(rng.normal(size=(games, n)))
    m = rng.normal(size=(games, n, n))
    spare = rng.normal(size=(games, n, n)) * rng.choice([0.0, 0.3, 1.0], size=(games, 1, 1))
    a = spare @ spare.transpose(0, 2, 1) - m / damping[:, None] @ m.transpose(0, 2, 1)
    corner = np.stack([np.diag(d) for d in damping])
    hessian = np.block([[a, m], [m.transpose(0, 2, 1), -corner]])
    ell, mu = np.abs(np.linalg.eigvalsh(hessian)).max(axis=1), damping.min(axis=1)
    x, y = rng.normal(size=(2, games, n))
    best = np.einsum("gij,gi->gj", m, x) / damping
    phi = 0.5 * np.einsum("gi,gij,gj->g", x, a, x) + 0.5 * (damping * best**2).sum(1)
    distance = ((y - best) ** 2).sum(1)
    found = [ncsc_bound(*(float(v) for v in row)) for row in zip(ell, mu, np.maximum(phi, 0), distance, strict=True)]
    eta, gamma = np.array([f.min_step for f in found]), np.array([f.max_step for f in found])
    constants, total, tightest = np.array([f.constant for f in found]), np.zeros(games), 0.0
    for _ in range(300):
        best = np.einsum("gij,gi->gj", m, x) / damping
        gradient = np.einsum("gij,gj->gi", a, x) + np.einsum("gij,gj->gi", m, best)
        total += (gradient**2).sum(1)
        assert (total <= constants * (1 + 1e-12) + 1e-12).all()
        tightest = max(tightest, float((total / np.maximum(constants, 1e-12)).max()))
        down = np.einsum("gij,gj->gi", a, x) + np.einsum("gij,gj->gi", m, y)
        up = np.einsum("gij,gi->gj", m, x) - damping * y
        x, y = x - eta[:, None] * down, y + gamma[:, None] * up
    assert tightest > 0.01
    cases.record("descent-ascent, nonconvex-strongly-concave: share of the bound", games, tightest)


@pytest.mark.parametrize("kappa", [2.5, 4.0, 20.0])
def test_the_quadratic_has_its_exact_threshold_and_smoothness(kappa):
    ell = 3.0
    mu = ell / kappa
    b = np.sqrt(ell * (ell - mu) / 2)
    assert np.linalg.norm([[-ell / 2, b], [b, -mu]], 2) == pytest.approx(ell, rel=1e-14)
    edge = quadratic_threshold(ell, mu)
    assert edge == pytest.approx(1 / ((kappa - 1) * ell), rel=1e-14)
    for factor, stable in ((0.999, True), (1.001, False)):
        step = np.array([[1 + factor * edge * ell / 2, -factor * edge * b], [b / ell, 1 - mu / ell]])
        assert (np.abs(np.linalg.eigvals(step)).max() < 1) == stable
    assert ncsc_bound(ell, mu, 1.0, 0.0).min_step < edge


class Loop:
    """Single loops of particles (..., N) against data, the critic kept as weights on every point it has seen."""

    def __init__(self, data, ridge, delta, step, x):
        self.profile = kernel_profile("gaussian", 1.0)
        self.data, self.ridge, self.delta, self.step, self.x = data, ridge, delta, step, x
        self.points, self.weights = np.zeros((*x.shape[:-1], 0)), np.zeros(0)

    def target(self, x):
        """Points and weights of Φ_x."""
        n, m = x.shape[-1], self.data.shape[-1]
        signs = np.concatenate([np.full(n, 1 / n), np.full(m, -1 / m)]) / self.ridge
        return np.concatenate([x, self.data], axis=-1), signs

    def slope(self, at, points, weights):
        step = at[..., :, None] - points[..., None, :]
        return (step * self.profile.slope_ratio(np.abs(step))) @ weights

    def gradient(self, x):
        return self.slope(x, *self.target(x)) / x.shape[-1]

    def square(self, points, weights):
        """‖Σ w k(·, p)‖² in the space of the kernel."""
        return weights @ (self.profile.value(np.abs(points[..., :, None] - points[..., None, :])) @ weights)[..., None]

    def loss(self, x):
        return self.ridge / 2 * self.square(*self.target(x))[..., 0]

    def error(self):
        """‖f − Φ_x‖."""
        points, weights = self.target(self.x)
        points, weights = np.concatenate([self.points, points], axis=-1), np.concatenate([self.weights, -weights])
        return np.sqrt(np.maximum(self.square(points, weights)[..., 0], 0.0))

    def critic(self):
        points, weights = self.target(self.x)
        self.points = np.concatenate([self.points, points], axis=-1)
        self.weights = np.concatenate([(1 - self.delta) * self.weights, self.delta * weights])

    def generator(self):
        self.x = self.x - self.step * self.slope(self.x, self.points, self.weights) / self.x.shape[-1]


@pytest.mark.parametrize("delta", [0.2, 0.5, 0.9, 1.0])
def test_the_single_loop_keeps_its_promise(cases, delta):
    games, others = cases(60, 375), cases(450, 4500)
    tightest = single_loop_ratio(delta, np.random.default_rng(1), 1.0, 24, games)
    assert single_loop_ratio(delta, np.random.default_rng(7), 1.0, 120, 1) <= 1
    assert 0.02 < tightest <= 1
    # a smaller step keeps its own promise too
    smaller = single_loop_ratio(delta, np.random.default_rng(2), 0.5, 12, others)
    assert smaller <= 1
    cases.record("single loop at its step: share of the bound", games, tightest)
    cases.record("single loop at half its step: share of the bound", others, smaller)


def single_loop_ratio(delta, rng, share, rounds, games):
    """The largest mean ‖∇J‖² over its bound, along runs of three particles at this share of the step."""
    ridge, x = 0.3, rng.normal(size=(games, 3)) * rng.choice([0.3, 1.0, 2.0], size=(games, 1))
    constants = kernel_constants("gaussian", 1.0, ridge)
    found = single_loop_step(particle_smoothness(constants, 3).smoothness, constants.beta2, 1 / 3, delta)
    found = replace(found, step=share * found.step)
    loop = Loop(rng.normal(size=(games, 4)), ridge, delta, found.step, x)
    start, squares, largest = loop.loss(x), [], 0.0
    for k in range(rounds):
        loop.critic()
        if k == 0:
            error = np.sqrt(constants.K1 / 3) * loop.error()
        squares.append((loop.gradient(loop.x) ** 2).sum(-1))
        bounds = [found.bound(float(j), k + 1, float(e)) for j, e in zip(start, error, strict=True)]
        largest = max(largest, float((np.mean(squares, axis=0) / bounds).max()))
        loop.generator()
    return largest


def test_a_full_critic_step_is_gradient_descent():
    rng = np.random.default_rng(8)
    x, data = rng.normal(size=3), rng.normal(size=4)
    constants = kernel_constants("gaussian", 1.0, 0.3)
    smoothness = particle_smoothness(constants, 3)
    found = single_loop_step(smoothness.smoothness, constants.beta2, 1 / 3, 1.0)
    assert found.step == pytest.approx(smoothness.step, rel=1e-15)
    loop, plain = Loop(data, 0.3, 1.0, found.step, x), x
    for _ in range(20):
        loop.critic()
        loop.generator()
        plain = plain - found.step * loop.gradient(plain)
    np.testing.assert_allclose(loop.x, plain, rtol=1e-13)


def test_the_single_loop_step_solves_its_equation_and_falls_with_the_delay():
    steps = []
    for delta in (0.05, 0.3, 0.7, 1.0):
        found = single_loop_step(1.7, 0.9, 0.6, delta)
        assert 1.7 * found.step + (found.lag * found.step) ** 2 == pytest.approx(1.0, rel=1e-14)
        assert found.step >= 1 / (1.7 + found.lag)
        steps.append(found.step)
    assert steps == sorted(steps)
    # linear in λ: with L, β₂ ∝ 1/λ the step is ∝ λ
    assert single_loop_step(17.0, 9.0, 0.6, 0.3).step == pytest.approx(steps[1] / 10, rel=1e-14)


def test_the_domain_adaptation_of_the_reference():
    source, target = np.array(ROW["source"]), np.array(ROW["target"])
    first, second = (linear_generator_constants(x).squared_lipschitz for x in (source, target))
    assert first == pytest.approx(ROW["source_squared_lipschitz"], rel=1e-14)
    assert second == pytest.approx(ROW["target_squared_lipschitz"], rel=1e-14)
    c = kernel_constants(ROW["kernel"], ROW["lengthscale"], ROW["ridge"])
    found = uda_smoothness(c.alpha, c.beta1, c.beta2, first, second)
    assert found.divergence == pytest.approx(ROW["divergence_smoothness"], rel=1e-14)
    assert found.smoothness == found.divergence == pytest.approx(1 / found.step)


@pytest.mark.parametrize("kernel", ["gaussian", "imq", "matern32", "matern52"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_no_pair_of_domains_has_a_larger_hessian(cases, kernel, outputs):
    """The divergence of linear features, its Hessian by differences of the exact gradient."""
    rng = np.random.default_rng(outputs)
    ridge, profile, c = 0.4, kernel_profile(kernel, 0.9), kernel_constants(kernel, 0.9, 0.4)

    def gradient(phi, source, target):
        points = np.concatenate([source, target])
        signs = np.concatenate([np.full(len(source), 1 / len(source)), np.full(len(target), -1 / len(target))])
        features = points @ phi
        steps = features[:, None] - features
        pull = steps * profile.slope_ratio(np.linalg.norm(steps, axis=2))[:, :, None]
        return np.einsum("n,m,nmo,nf->fo", signs, signs, pull, points) / ridge

    count = cases(12, 23)
    games = [(*rng.normal(size=(2, int(rng.integers(1, 4)), 2)), rng.normal(size=(2, outputs))) for _ in range(count)]
    e = np.array([[1.0, 0.0]])
    tightest = 0.0
    for source, target, phi in [*games, (e, -e, np.zeros((2, outputs)))]:
        first, second = (linear_generator_constants(x).squared_lipschitz for x in (source, target))
        bound = uda_smoothness(c.alpha, c.beta1, c.beta2, first, second).divergence
        h = 1e-5
        columns = [
            (gradient(phi + h * v, source, target) - gradient(phi - h * v, source, target)).ravel() / (2 * h)
            for v in np.eye(phi.size).reshape(-1, *phi.shape)
        ]
        size = np.linalg.norm(np.stack(columns), 2)
        assert size <= bound * (1 + 1e-6)
        tightest = max(tightest, size / bound)
    # one point against its mirror image, features 0: 4β₂ of the bound 2β₁ + 2β₂
    assert tightest == pytest.approx(2 * c.beta2 / (c.beta1 + c.beta2), rel=1e-4)
    cases.record("Hessians of domain adaptation: share of the bound", count + 1, tightest)


def test_the_general_form_is_larger_and_the_weights_add_up():
    sharp, general = (uda_smoothness(1.0, 2.0, 1.0, 4.0, 9.0, 0.5, 0.7, sharp=s) for s in (True, False))
    assert (sharp.divergence, general.divergence) == pytest.approx((39.2, 52.2))
    whole = uda_smoothness(1.0, 2.0, 1.0, 4.0, 9.0, task_smoothness=3.0, weight=0.5)
    assert whole.smoothness == pytest.approx(3.0 + 0.5 * 38.0)
    assert uda_smoothness(1.0, 1.0, 1.0, 0.0, 0.0).step == np.inf


def test_the_target_risk_is_within_the_transfer_bound(cases):
    rng, count = np.random.default_rng(11), cases(40, 400)
    profile, ridge = kernel_profile("matern52", 0.8), 0.3

    def gram(x, y):
        return profile.value(np.abs(np.subtract.outer(x, y)))

    tightest = 0.0
    for _ in range(count):
        source, target, knots = rng.normal(size=(3, 5)) + np.array([[0.0], [1.0], [0.5]])
        w = rng.normal(size=5)
        divergence = (gram(source, source).mean() + gram(target, target).mean() - 2 * gram(source, target).mean()) / 0.6
        apart = abs(gram(source, knots).mean(0) @ w - gram(target, knots).mean(0) @ w)
        bound = transfer_bound(float(np.sqrt(w @ gram(knots, knots) @ w)), float(divergence), ridge)
        assert apart <= bound * (1 + 1e-12)
        tightest = max(tightest, apart / bound)
    assert tightest > 0.5
    cases.record("transfer of risk: share of the bound", count, tightest)


def refused(message, function, *arguments, **words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        function(*arguments, **words)
    assert str(caught.value) == message


def test_bad_input_of_descent_ascent_and_adaptation_is_refused_in_one_sentence():
    strong = "must be > 0, as this needs strong concavity, got 0"
    infinite = "must be finite, as no step size follows from an infinite constant, got inf"
    refused("strong_concavity must be <= smoothness = 1, got 2", ncsc_bound, 1.0, 2.0, 1.0, 1.0)
    refused(f"strong_concavity {strong}", ncsc_bound, 1.0, 0.0, 1.0, 1.0)
    refused("steps must be >= 1, got 0", ncsc_bound, 1.0, 1.0, 1.0, 1.0, steps=0)
    refused("gap must be >= 0, got -1", ncsc_bound, 1.0, 1.0, -1.0, 1.0)
    refused("squared_distance must be finite, got nan", ncsc_bound, 1.0, 1.0, 1.0, np.nan)
    refused("tolerance must be a number > 0, got 0.0", ncsc_bound(1.0, 1.0, 1.0, 1.0).steps, 0.0)
    refused("strong_concavity must be < smoothness/2 = 0.5, got 0.5", quadratic_threshold, 1.0, 0.5)
    refused("relaxation must be a number > 0, got 0.0", single_loop_step, 1.0, 1.0, 1.0, 0.0)
    refused("relaxation must be <= 1, got 1.5", single_loop_step, 1.0, 1.0, 1.0, 1.5)
    refused(f"beta2 {infinite}", single_loop_step, 1.0, np.inf, 1.0, 0.5)
    refused("steps must be >= 1, got 0", single_loop_step(1.0, 1.0, 1.0, 0.5).bound, 1.0, 0)
    refused(f"beta1 {infinite}", uda_smoothness, 1.0, np.inf, 1.0, 1.0, 1.0)
    refused("weight must be >= 0, got -1", uda_smoothness, 1.0, 1.0, 1.0, 1.0, 1.0, weight=-1.0)
    refused(f"ridge {strong}", transfer_bound, 1.0, 1.0, 0.0)
    refused("divergence must be >= 0, got -1", transfer_bound, 1.0, -1.0, 1.0)
