"""Games on a torus, played on the grid, against the rates of the theory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lemmata.sim.minimax import bracket, compare, estimate_rate, growth, kernel_torus_game, simulate_grid, torus_game
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.sim.minimax.circulant import circulant_norm, modes
from lemmata.theory.minimax.mesh_rates import exact_critic_bound, mesh_rates, torus_penalty
from lemmata.theory.minimax.modes import ALGORITHMS, mode_rate, stable
from lemmata.theory.minimax.optimal_steps import optimal_steps

LAM, RHO = 1.0, 1e-3


def wave(n, j, phase=0.4):
    return np.cos(2 * np.pi * j * np.arange(n) / n + phase)


def couplings(game):
    """Eigenvalues of the coupling, by what it does to waves."""
    x = np.arange(game.points // 2 + 1)
    return np.array([(game.coupling(wave(game.points, j, 0.0)))[0] for j in x])


@pytest.mark.parametrize("n", [16, 17, 64, 512])
def test_sobolev_ascent_has_the_same_rate_on_every_grid(n):
    game = torus_game(n, "sobolev", LAM, RHO, strong_convexity=1.0)
    run = simulate_grid(game, "simultaneous", 0.5, 0.5, 60, seed=n)
    expected = mesh_rates(n, "sobolev", LAM, RHO, 0.5, 0.5, strong_convexity=1.0).rates[0]
    # here every mode is complex, so its norm shrinks at each step by its |z|, and the sum by no less than the largest
    assert (run.residuals[1:] <= expected * run.residuals[:-1] * (1 + 1e-12)).all()
    alone = simulate_grid(game, "simultaneous", 0.5, 0.5, 60, start=np.ones(n))
    assert compare(estimate_rate(alone.residuals).rate, expected, "equal").holds
    assert_allclose(expected, np.sqrt(0.5), rtol=1e-12)


@pytest.mark.parametrize("n", [16, 32, 64, 128])
def test_euclidean_ascent_has_the_rate_that_grows_with_the_grid(n):
    game = torus_game(n, "euclidean", LAM, RHO, strong_convexity=1.0)
    expected = mesh_rates(n, "euclidean", LAM, RHO, 0.5, 0.5, strong_convexity=1.0).rates[0]
    j = 0 if n == 16 else n // 2  # where the largest |z| is
    run = simulate_grid(game, "simultaneous", 0.5, 0.5, 40, start=wave(n, j))
    assert compare(estimate_rate(run.residuals).rate, expected, "equal").holds


def test_euclidean_ascent_flips_between_28_and_30_points():
    critical = mesh_rates(28, "euclidean", LAM, RHO, 0.5, 0.5, strong_convexity=1.0).critical_points
    assert 28 < critical < 30
    verdicts = {}
    for n in (28, 30):
        game = torus_game(n, "euclidean", LAM, RHO, strong_convexity=1.0)
        residuals = simulate_grid(game, "simultaneous", 0.5, 0.5, 2000, seed=1).residuals
        verdicts[n] = residuals[-1] / residuals[0]
    assert verdicts[28] < 1e-12
    assert verdicts[30] > 1e12


@pytest.mark.parametrize("n", [32, 64])
def test_the_largest_ascent_step_of_a_grid_is_where_the_theory_has_it(n):
    step = mesh_rates(n, "euclidean", LAM, RHO, 0.5, 0.5, strong_convexity=1.0).largest_max_step[0]
    game = torus_game(n, "euclidean", LAM, RHO, strong_convexity=1.0)
    rest = np.zeros(n)
    seen = bracket(lambda gamma: growth(game, "simultaneous", 0.5, gamma, rest, rest), step)
    assert seen.holds


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("mode", [0, 1, 3])
def test_each_algorithm_shrinks_a_mode_at_the_rate_of_its_polynomial(algorithm, mode):
    game = kernel_torus_game(24, "matern52", 0.1, ridge=0.3, strong_convexity=0.2)
    t = couplings(game)[mode]
    expected = mode_rate(algorithm, 0.6, 0.7, t, 0.3, 0.2)
    run = simulate_grid(game, algorithm, 0.6, 0.7, 100, start=wave(24, mode))
    assert run.defective == 0
    # beside the slower root of the mode the faster one dies out in the first half
    assert_allclose(estimate_rate(run.residuals).rate, expected.rate, rtol=1e-6)


def test_a_step_multiplies_the_modal_norm_of_a_complex_mode_exactly():
    game = kernel_torus_game(16, "gaussian", 0.05, ridge=0.05)
    run = simulate_grid(game, "simultaneous", 0.2, 0.9, 50, start=wave(16, 1))
    ratios = run.residuals[1:] / run.residuals[:-1]
    assert_allclose(ratios, ratios[0], rtol=1e-12)
    state, plain = State(wave(16, 1), np.zeros(16)), []
    for _ in range(50):
        plain.append(np.hypot(np.linalg.norm(state.u), np.linalg.norm(state.f)))
        state = advance(game, "simultaneous", 0.2, 0.9, state)
    assert np.ptp(np.diff(np.log(plain))) > 0.01  # while the plain norm ripples


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("seed", range(4))
def test_random_steps_are_stable_exactly_where_the_theory_says(algorithm, seed):
    rng = np.random.default_rng([seed, ALGORITHMS.index(algorithm)])
    ridge, tau = rng.uniform(0, 1, 2)
    game = kernel_torus_game(8, "gaussian", 0.1, max(ridge, 0.01), tau)
    t = couplings(game)
    checked = 0
    for _ in range(6):
        eta, gamma = np.exp(rng.uniform(-1, 2, 2))
        says = stable(algorithm, eta, gamma, t, max(ridge, 0.01), tau)
        rate = mode_rate(algorithm, eta, gamma, t, max(ridge, 0.01), tau).rate
        if abs(rate - 1) < 0.01:
            continue
        run = simulate_grid(game, algorithm, eta, gamma, 3000, seed=seed, every=3000)
        grew = bool(run.diverged or run.residuals[-1] > run.residuals[0])
        assert grew == (not says)
        checked += 1
    assert checked >= 3


def test_alternating_steps_are_heavy_ball():
    game = kernel_torus_game(32, "gaussian", 0.1, ridge=0.4)
    eta, gamma, lam = 0.9, 1.1, 0.4
    state, path = State(np.random.default_rng(5).standard_normal(32), np.zeros(32)), []
    for _ in range(12):
        path.append(state.u)
        state = advance(game, "alternating", eta, gamma, state)
    assert_array_equal(path[1], path[0])
    for old, now, new in zip(path[:-2], path[1:-1], path[2:], strict=True):
        ball = now - eta * gamma * game.coupling(now) + (1 - gamma * lam) * (now - old)
        assert_allclose(new, ball, rtol=0, atol=1e-13)


def test_optimal_alternating_steps_have_a_double_root_and_its_rate():
    game = kernel_torus_game(8, "gaussian", 0.15, ridge=0.8)
    t = couplings(game)
    best = optimal_steps("alternating", t.min(), t.max(), 0.8)
    run = simulate_grid(game, "alternating", best.min_step, best.max_step, 400, start=wave(8, 0))
    assert run.defective >= 1
    found = estimate_rate(run.residuals, double_root=True)
    # log(k + a) is log k but for a/k, a below 1 here
    assert_allclose(found.rate, best.rate, rtol=1e-3)
    assert abs(estimate_rate(run.residuals).rate / best.rate - 1) > 1e-3


def test_the_best_pair_beats_its_neighbours_in_play():
    game = kernel_torus_game(8, "gaussian", 0.1, ridge=0.5)
    t = couplings(game)
    best = optimal_steps("simultaneous", t.min(), t.max(), 0.5)

    def played(eta, gamma):
        run = simulate_grid(game, "simultaneous", eta, gamma, 2000, seed=3, every=20)
        return estimate_rate(run.residuals, every=20).rate

    found = played(best.min_step, best.max_step)
    assert_allclose(found, best.rate, rtol=1e-3)
    for eta, gamma in ((1.1, 1.0), (0.9, 1.0), (1.0, 0.9)):
        assert played(eta * best.min_step, gamma * best.max_step) > found


def test_one_exact_critic_step_is_gradient_descent():
    game = kernel_torus_game(20, "matern12", 0.2, ridge=0.5)
    u = np.random.default_rng(6).standard_normal(20)
    run = simulate_grid(game, "alternating", 0.3, 2.0, 5, start=u, best_critic=True)
    for _ in range(5):
        u = u - 0.3 * game.coupling(u) / 0.5
    assert_allclose(run.u, u, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [16, 256])
def test_the_exact_critic_meets_the_bound_that_knows_no_grid(n):
    game = torus_game(n, "sobolev", 1.0, 1e-2)
    u = np.random.default_rng(n).standard_normal(n)
    run = simulate_grid(game, "alternating", 1.0, 1.0, 300, start=u, best_critic=True)
    bounds = np.array([exact_critic_bound(np.mean(u**2), 1.0, k) for k in range(1, 301)])
    assert (run.objectives[1:] <= bounds * (1 + 1e-12)).all()
    assert (run.objectives[1:] > 1e-4 * bounds).any()


def test_bilinear_play_diverges_cycles_or_converges_as_the_algorithm_has_it():
    game = torus_game(8, "sobolev", 1.0, 0.0)  # T = 1, so with the penalty taken off the game is bilinear
    bilinear = type(game)(8, game.coupling, lambda f: 0.0 * f, game.best_response, 0.0)
    ends = {}
    for algorithm in ALGORITHMS:
        residuals = simulate_grid(bilinear, algorithm, 0.5, 0.5, 200, seed=2).residuals
        ends[algorithm] = residuals[-1] / residuals[0]
    assert ends["simultaneous"] > 1e9
    assert_allclose(ends["alternating"], 1.0, rtol=1e-10)
    assert ends["extragradient"] < 1e-9
    assert ends["optimistic"] < 1e-9


def test_the_torus_penalty_has_the_eigenvalues_of_the_theory():
    game = torus_game(12, "euclidean", 0.7, 0.02)
    found = [game.penalty(wave(12, j, 0.0))[0] for j in range(12)]
    assert_allclose(found, torus_penalty(12, 0.7, 0.02), rtol=1e-12)


@pytest.mark.parametrize("n", [8, 9])
def test_the_modal_norm_counts_every_mode_once(n):
    # T = 1 and the same block for every mode, so the norm of a state is that of its values, block by block
    game = torus_game(n, "sobolev", 1.0, 0.0, strong_convexity=0.3)
    norm = circulant_norm(game, "simultaneous", 0.4, 0.6)
    u, f = np.random.default_rng(n).standard_normal((2, n))
    rows = norm.rows[0]
    expected = np.sqrt(np.mean(np.abs(rows @ np.stack([u, f])) ** 2, axis=1).sum())
    assert_allclose(norm(modes(State(u, f))), expected, rtol=1e-12)


def test_a_million_points_are_played():
    n = 1_000_000
    game = torus_game(n, "sobolev", LAM, RHO, strong_convexity=1.0)
    state = State(wave(n, 1, 0.0), np.zeros(n))
    for _ in range(3):
        state = advance(game, "simultaneous", 0.5, 0.5, state)
    w = 0.25 / torus_penalty(n, LAM, RHO)[1]
    u, f = 1.0, 0.0
    for _ in range(3):
        u, f = u - 0.5 * (u + f), 0.5 * f + 2 * w * u
    assert_allclose(state.u, u * wave(n, 1, 0.0), rtol=0, atol=1e-12)


def test_a_diverging_game_is_stopped_and_says_so():
    game = torus_game(16, "euclidean", 1.0, 1.0, strong_convexity=1.0)
    run = simulate_grid(game, "simultaneous", 0.5, 0.5, 10_000)
    assert run.diverged
    assert np.isfinite(run.residuals).all()
    assert len(run.residuals) < 10_000


def test_the_seed_decides_every_digit():
    game = torus_game(16, "sobolev", 1.0, 1e-3)
    one, two, other = (simulate_grid(game, "optimistic", 0.1, 0.1, 5, seed=seed).u for seed in (1, 1, 2))
    assert_array_equal(one, two)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: torus_game(1, "sobolev", 1.0, 0.1), "points must be >= 2, got 1"),
        (lambda: torus_game(8, "flat", 1.0, 0.1), "geometry must be one of sobolev, euclidean, got 'flat'"),
        (lambda: torus_game(8, "sobolev", 0.0, 0.1), "ridge must be > 0"),
        (lambda: torus_game(8, "sobolev", 1.0, -0.1), "smoothing must be >= 0, got -0.1"),
        (
            lambda: kernel_torus_game(64, "imq", 0.5, 1.0),
            "kernel must be one of gaussian, matern32, matern52, matern12",
        ),
        (lambda: simulate_grid(torus_game(8, "sobolev", 1.0, 0.1), "both", 0.1, 0.1, 1), "algorithm must be one of"),
        (
            lambda: simulate_grid(torus_game(8, "sobolev", 1.0, 0.1), "optimistic", 0.0, 0.1, 1),
            "min_step must be a number > 0, got 0.0",
        ),
        (
            lambda: simulate_grid(torus_game(8, "sobolev", 1.0, 0.1), "optimistic", 0.1, 0.1, -1),
            "steps must be >= 0, got -1",
        ),
        (
            lambda: simulate_grid(torus_game(8, "sobolev", 1.0, 0.1), "optimistic", 0.1, 0.1, 1, start=[1.0]),
            r"start must have shape \(8,\), got \(1,\)",
        ),
    ],
)
def test_bad_grids_are_refused_in_one_sentence(work, message):
    with pytest.raises(ValueError, match=message):
        work()
