"""Grids, function space and measures: what stays as the mesh shrinks, seen in the built operators."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import root

from lemmata.theory.minimax.kernel_profile import kernel_profile
from lemmata.theory.minimax.mesh_rates import exact_critic_bound, mesh_rates, torus_penalty
from lemmata.theory.minimax.mirror_descent import mirror_descent_bound

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
GAME = {"ridge": 1.0, "smoothing": 1e-3}
STEPS = {"min_step": 0.5, "max_step": 0.5}


def penalty_matrix(n, ridge, smoothing):
    difference = n * (np.roll(np.eye(n), 1, axis=1) - np.eye(n))
    return ridge * np.eye(n) + smoothing * difference.T @ difference


def iteration(n, geometry, ridge, smoothing, eta, gamma, tau):
    """One simultaneous step on (u, f) as a matrix of size 2n, from the operators themselves."""
    c, one = penalty_matrix(n, ridge, smoothing), np.eye(n)
    up_u, up_f = (np.linalg.inv(c), one) if geometry == "sobolev" else (one, c)
    return np.block([[(1 - eta * tau) * one, -eta * one], [gamma * up_u, one - gamma * up_f]])


def test_the_torus_of_the_reference():
    row = CASES["R6"]
    words = {name: row[name] for name in ("ridge", "smoothing", "strong_convexity", "min_step", "max_step")}
    for geometry in ("sobolev", "euclidean"):
        assert mesh_rates(64, geometry, **words).rates[0] == pytest.approx(row[geometry], rel=1e-14)
    flat = mesh_rates(64, "euclidean", **words)
    assert flat.largest_max_step[0] == pytest.approx(row["largest_max_step"], rel=1e-14)
    assert flat.critical_points == pytest.approx(row["critical_points"], rel=1e-14)
    assert mesh_rates(64, "sobolev", **words).limit == pytest.approx(0.5**0.5, rel=1e-15)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 13])
def test_the_penalty_has_the_eigenvalues_of_the_difference_operator(n):
    built = np.linalg.eigvalsh(penalty_matrix(n, 0.7, 0.02))
    np.testing.assert_allclose(np.sort(torus_penalty(n, 0.7, 0.02)), built, rtol=1e-12)


@pytest.mark.parametrize("geometry", ["sobolev", "euclidean"])
@pytest.mark.parametrize(("n", "tau", "eta", "gamma"), [(4, 1.0, 0.5, 0.5), (7, 0.0, 0.3, 0.2), (10, 2.5, 0.7, 0.05)])
def test_the_rates_are_spectral_radii_of_the_built_iteration(geometry, n, tau, eta, gamma):
    found = mesh_rates(n, geometry, 0.8, 2e-3, eta, gamma, tau)
    built = np.abs(np.linalg.eigvals(iteration(n, geometry, 0.8, 2e-3, eta, gamma, tau))).max()
    assert found.rates[0] == pytest.approx(built, rel=1e-7)  # eigenvalues of nearly defective matrices


def test_the_sobolev_rate_is_the_same_on_every_grid_and_the_euclidean_one_is_not():
    sizes = [16, 32, 64, 128, 256, 512]
    kept = mesh_rates(sizes, "sobolev", **GAME, **STEPS, strong_convexity=1.0)
    np.testing.assert_allclose(kept.rates, 0.5**0.5, rtol=1e-14)
    lost = mesh_rates(sizes[:4], "euclidean", **GAME, **STEPS, strong_convexity=1.0)
    np.testing.assert_allclose(lost.rates, [0.7071, 1.4176, 7.661, 32.26], rtol=1e-4)
    assert (lost.limit, kept.critical_points) == (np.inf, np.inf)


def test_a_simulation_flips_at_the_critical_number_of_points():
    """Between n = 28 and n = 30: n_c = 28.87."""
    found = mesh_rates([28, 30], "euclidean", **GAME, **STEPS, strong_convexity=1.0)
    assert 28 < found.critical_points < 30
    sizes = []
    for n in (28, 30):
        matrix = iteration(n, "euclidean", 1.0, 1e-3, 0.5, 0.5, 1.0)
        state = np.random.default_rng(0).normal(size=2 * n)
        for _ in range(2000):
            state = matrix @ state
        sizes.append(np.linalg.norm(state))
    assert sizes[0] < 1e-6
    assert sizes[1] > 1e6
    assert found.rates[0] < 1 < found.rates[1]


def test_the_best_euclidean_steps_slow_down_as_the_square_of_the_grid():
    sizes = np.array([128, 256, 512])
    largest = mesh_rates(sizes, "euclidean", **GAME, **STEPS, strong_convexity=1.0).largest_max_step
    scaled = []
    for n, gamma in zip(sizes, largest, strict=True):
        rate = mesh_rates(n, "euclidean", **GAME, min_step=0.5, max_step=0.9 * gamma, strong_convexity=1.0).rates[0]
        scaled.append((1 - rate) * n**2)
        for factor, stable in ((0.999, True), (1.001, False)):
            edge = mesh_rates(
                n, "euclidean", **GAME, min_step=0.5, max_step=float(factor * gamma), strong_convexity=1.0
            )
            assert (edge.rates[0] < 1) == stable
    # 1 − ρ_n ~ γ_n (λ + 1/τ) and 0.9 γ_n ~ 0.9 · 2/(4ρn²) = 450/n²
    assert scaled[-1] == pytest.approx(900, rel=0.01)
    assert abs(scaled[-1] - 900) < abs(scaled[0] - 900)


def test_without_strong_convexity_the_sobolev_rate_tends_to_one_as_well():
    sizes = np.array([128, 256, 512])
    rates = mesh_rates(sizes, "sobolev", **GAME, **STEPS).rates
    scaled = (1 - rates) * sizes**2
    assert scaled[-1] == pytest.approx(125, rel=0.01)  # ηt_min n² = 0.5/(4 · 10⁻³)
    assert abs(scaled[-1] - 125) < abs(scaled[0] - 125)


@settings(max_examples=50)
@given(st.floats(0.05, 1.9), st.floats(0.05, 1.9), st.floats(0.01, 3.0))
def test_the_limit_is_the_supremum_over_couplings(p, c, top):
    assert limit_error(p, c, top) < 1e-6


def test_the_limit_is_the_supremum_over_couplings_of_random_games(cases):
    rng, count = np.random.default_rng(7), cases(200, 2000)
    errors = [limit_error(*rng.uniform([0.05, 0.05, 0.01], [1.9, 1.9, 3.0])) for _ in range(count)]
    assert max(errors) < 1e-6
    cases.record("supremum over all meshes: relative error", count, max(errors))


def limit_error(p, c, top):
    """p = η with τ = 1, c = γ, w = ηγt with t up to 1/λ."""
    found = mesh_rates(1, "sobolev", p * c / top, 0.0, p, c, 1.0).limit
    w = top * np.concatenate([np.geomspace(1e-9, 1, 100), np.linspace(0, 1, 100)])
    half, square = 1 - (p + c) / 2, (p - c) ** 2 / 4 - w
    roots = [np.abs(half + sign * np.sqrt(square.astype(complex))) for sign in (1, -1)]
    return abs(found / np.max(roots) - 1)


@pytest.mark.parametrize("n", [4, 8, 64])
@pytest.mark.parametrize("kernel", ["gaussian", "imq", "matern32", "matern12"])
def test_the_exact_critic_keeps_its_sublinear_bound_on_every_grid(cases, n, kernel):
    rng, runs, tightest = np.random.default_rng(n), cases(1, 10), 0.0
    ridge = 0.7
    x = np.arange(n) / n
    apart = np.abs(x[:, None] - x)
    operator = kernel_profile(kernel, 0.1).value(np.minimum(apart, 1 - apart)) / n  # T on L² of the torus
    values, vectors = np.linalg.eigh(operator)
    operator = vectors * np.maximum(values, 0.0) @ vectors.T  # wrapped around, imq is not quite positive
    eta = ridge / values[-1]
    for _ in range(runs):
        u = rng.normal(size=n) * n**0.5
        start = u @ u / n
        for steps in range(1, 120):
            u = u - eta * operator @ u / ridge
            objective = u @ operator @ u / (2 * ridge * n)
            bound = exact_critic_bound(start, eta, steps)
            assert objective <= bound * (1 + 1e-12)
            assert bound <= start / (2 * eta * (2 * steps + 1))
            tightest = max(tightest, objective / bound)
    cases.record("sublinear bound of the exact critic: share of the bound", runs, tightest)


def test_the_sublinear_bound_is_attained_by_the_mode_at_the_right_place():
    """One mode with ηt/λ = 1/(2T + 1)."""
    for steps in (1, 5, 40):
        x = 1 / (2 * steps + 1)
        objective = 0.5 * x * (1 - x) ** (2 * steps)
        assert objective == pytest.approx(exact_critic_bound(1.0, 1.0, steps), rel=1e-13)


@pytest.mark.parametrize("ridge", [0.05, 1.0])
def test_mirror_descent_keeps_its_promise_against_every_comparison(cases, ridge):
    runs = cases(1, 5)
    shares = [mirror_descent_share(ridge, np.random.default_rng(4 + k)) for k in range(runs)]
    assert 0.02 < max(shares) <= 1 + 1e-12
    cases.record("mirror descent, ridge: share of the bound", 21 * runs, max(shares))


def mirror_descent_share(ridge, rng):
    """The largest J(μ_T) − J(μ*) over its bound, against the data and twenty others at T = 1, …, 59."""
    x = rng.normal(size=(12, 2))
    gram = kernel_profile("gaussian", 0.6).value(np.linalg.norm(x[:, None] - x, axis=2))
    data, start = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(12))
    others = rng.dirichlet(np.ones(12), size=20)
    delta = 1 - gram.min()
    found = mirror_descent_bound(1.0, 1, ridge, oscillation=float(delta))

    def loss(w):
        return (w - data) @ gram @ (w - data) / (2 * ridge)

    w, largest = start, 0.0
    for steps in range(1, 60):
        w = w * np.exp(-found.step * gram @ (w - data) / ridge)
        w = w / w.sum()
        for target in (data, *others):
            kl = float(np.sum(target * np.log(target / start)))
            bound = mirror_descent_bound(kl, steps, ridge, oscillation=float(delta)).bound
            largest = max(largest, (loss(w) - loss(target)) / bound)
    return largest


@pytest.mark.parametrize("ridge", [0.05, 1.0])
def test_mirror_descent_on_an_inf_convolved_loss_keeps_its_promise(cases, ridge):
    """inf over ν of KL(ν‖q) + MMD²(μ, ν)/(2λ) on twelve points, its inner problem solved by Newton's method."""
    runs = cases(8, 72)
    shares = [convolved_descent_share(ridge, np.random.default_rng(8 + k)) for k in range(runs)]
    assert max(shares) <= 1 + 1e-9
    cases.record("mirror descent, inf-convolved KL: share of the bound", 5 * runs, max(shares))


def convolved_descent_share(ridge, rng):
    """The largest J(μ_T) − J(μ*) over its bound, against q and four others at T = 1, …, 15; J never rises."""
    x = rng.normal(size=(12, 2))
    gram = kernel_profile("gaussian", 0.6).value(np.linalg.norm(x[:, None] - x, axis=2))
    q, w = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(12))
    delta = float(1 - gram.min())
    found = mirror_descent_bound(1.0, 1, ridge, oscillation=delta)

    def inner(w, y):
        def residual(y):
            v = q * np.exp(y - y.max())
            return y - gram @ (w - v / v.sum()) / ridge

        y = root(residual, y, tol=1e-13).x
        assert np.abs(residual(y)).max() < 1e-9
        v = q * np.exp(y - y.max())
        v = v / v.sum()
        return y, float(np.sum(v * np.log(v / q)) + (w - v) @ gram @ (w - v) / (2 * ridge))

    targets = [q, *rng.dirichlet(np.ones(12), size=4)]
    aims = [inner(target, np.zeros(12))[1] for target in targets]
    divergences = [float(np.sum(target * np.log(target / w))) for target in targets]
    y, losses, largest = np.zeros(12), [], 0.0
    for steps in range(16):
        y, loss = inner(w, y)
        losses.append(loss)
        if steps:
            for aim, kl in zip(aims, divergences, strict=True):
                largest = max(largest, (loss - aim) / mirror_descent_bound(kl, steps, ridge, oscillation=delta).bound)
        w = w * np.exp(-found.step * y)
        w = w / w.sum()
    assert (np.diff(losses) <= 1e-9).all()
    assert aims[0] == pytest.approx(0.0, abs=1e-12)
    return largest


def refused(message, function, *arguments, **words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        function(*arguments, **words)
    assert str(caught.value) == message


def test_bad_input_of_grids_and_measures_is_refused_in_one_sentence():
    strong = "ridge must be > 0, as this needs strong concavity, got 0"
    refused("geometry must be one of sobolev, euclidean, got 'flat'", mesh_rates, 8, "flat", 1.0, 1.0, 1.0, 1.0)
    refused(strong, mesh_rates, 8, "sobolev", 0.0, 1.0, 1.0, 1.0)
    refused("smoothing must be >= 0, got -1", mesh_rates, 8, "sobolev", 1.0, -1.0, 1.0, 1.0)
    refused("points must be >= 1, got 0", mesh_rates, [8, 0], "sobolev", 1.0, 1.0, 1.0, 1.0)
    refused("points must be an integer, got np.float64(2.5)", mesh_rates, [2.5], "sobolev", 1.0, 1.0, 1.0, 1.0)
    refused("points must have at least 1 entries, got 0", mesh_rates, [], "sobolev", 1.0, 1.0, 1.0, 1.0)
    refused(
        "min_step must be < 2/strong_convexity = 2, got 2",
        mesh_rates, 8, "sobolev", 1.0, 1.0, 2.0, 1.0, strong_convexity=1.0,
    )  # fmt: skip
    refused("min_step must be a number > 0, got 0.0", mesh_rates, 8, "sobolev", 1.0, 1.0, 0.0, 1.0)
    refused("steps must be >= 1, got 0", exact_critic_bound, 1.0, 1.0, 0)
    refused("squared_distance must be >= 0, got -1", exact_critic_bound, -1.0, 1.0, 1)
    refused(strong, mirror_descent_bound, 1.0, 1, 0.0)
    refused("divergence must be finite, got inf", mirror_descent_bound, np.inf, 1, 1.0)
    refused("steps must be >= 1, got 0", mirror_descent_bound, 1.0, 0, 1.0)
    refused(
        "oscillation must be <= 1, as |k| <= 1 and the kernels are positive, got 2",
        mirror_descent_bound,
        1.0,
        1,
        1.0,
        2.0,
    )
