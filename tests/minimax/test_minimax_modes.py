"""The mode polynomials are those of the iteration matrices, and no step found by search beats the stated optimum."""

import tomllib
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from lemmata.theory.minimax.modes import ALGORITHMS, mode_polynomial, mode_rate, mode_roots, stable
from lemmata.theory.minimax.optimal_steps import monotone_steps, optimal_steps

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))


def iteration(algorithm, eta, gamma, t, ridge=0.0, tau=0.0):
    """The matrix of one step on (u, f), or on (u, f, old u, old f) for optimistic, column by column from the steps."""

    def down(u, f):
        return tau * u + f

    def up(u, f):
        return t * u - ridge * f

    def step(state):
        u, f, *old = state
        if algorithm == "simultaneous":
            return [u - eta * down(u, f), f + gamma * up(u, f)]
        if algorithm == "alternating":
            moved = u - eta * down(u, f)
            return [moved, f + gamma * up(moved, f)]
        if algorithm == "extragradient":
            a, b = u - eta * down(u, f), f + gamma * up(u, f)
            return [u - eta * down(a, b), f + gamma * up(a, b)]
        return [u - eta * (2 * down(u, f) - down(*old)), f + gamma * (2 * up(u, f) - up(*old)), u, f]

    size = 4 if algorithm == "optimistic" else 2
    return np.stack([step(list(e)) for e in np.eye(size)], axis=1)


STEPS = st.floats(0.01, 3.0)
WEIGHTS = st.one_of(st.just(0.0), st.floats(0.01, 3.0))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_mode_has_the_rate_of_the_reference(algorithm):
    row = CASES["R4"]
    found = mode_rate(algorithm, row["min_step"], row["max_step"], row["coupling"], ridge=row["ridge"])
    assert found.rate == pytest.approx(row[algorithm], rel=3e-15)
    assert found.neutral == 0


@given(st.sampled_from(ALGORITHMS), STEPS, STEPS, STEPS, WEIGHTS, WEIGHTS)
def test_the_polynomial_is_that_of_the_iteration_matrix(algorithm, eta, gamma, t, ridge, tau):
    built = np.poly(iteration(algorithm, eta, gamma, t, ridge, tau))
    stated = mode_polynomial(algorithm, eta, gamma, t, ridge, tau)
    # coefficients are products of up to four numbers of this size
    np.testing.assert_allclose(stated, built, atol=1e-12 * (1 + np.abs(built).max()))


@given(st.sampled_from(ALGORITHMS), STEPS, STEPS, st.floats(0.0, 3.0), WEIGHTS, WEIGHTS)
def test_the_roots_are_the_eigenvalues_of_the_iteration_matrix(algorithm, eta, gamma, t, ridge, tau):
    roots = mode_roots(algorithm, eta, gamma, t, ridge, tau)[0]
    matrix = iteration(algorithm, eta, gamma, t, ridge, tau)
    scale = 1 + np.abs(matrix).max()
    # eigenvalues of defective matrices are known to the square root of rounding only
    for z in roots:
        assert np.abs(np.linalg.eigvals(matrix) - z).min() < 2e-7 * scale**2
    # sums and products of roots are well conditioned everywhere
    assert abs(roots.sum() - np.trace(matrix)) < 1e-12 * scale**2
    assert abs(np.prod(roots) - np.linalg.det(matrix)) < 1e-11 * scale**4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_roots_and_eigenvalues_agree_as_well_as_their_multiplicity_allows(cases, algorithm):
    rng, count, worst = np.random.default_rng(5), cases(8, 72), 0.0
    for _ in range(count):
        eta, gamma, t, ridge, tau = (float(x) for x in rng.uniform(0.01, 2.5, size=5))
        ridge, tau = ridge * rng.integers(2), tau * rng.integers(2)
        roots = mode_roots(algorithm, eta, gamma, t, ridge, tau)[0]
        built = np.linalg.eigvals(iteration(algorithm, eta, gamma, t, ridge, tau))
        apart = np.abs(built[:, None] - roots).min(axis=0).max() / (1 + np.abs(built).max())
        assert apart < 2e-7  # at double roots the square root of rounding
        worst = max(worst, apart)
    cases.record("mode polynomials against built operators: error", count, worst)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stability_by_inequalities_is_stability_by_roots(cases, algorithm):
    rng, count = np.random.default_rng(6), cases(2000, 20_000)
    seen = set()
    for _ in range(count):
        eta, gamma, t, ridge, tau = (float(x) for x in rng.uniform(0.01, 2.5, size=5))
        ridge, tau = ridge * rng.integers(2), tau * rng.integers(2)
        rate = mode_rate(algorithm, eta, gamma, t, ridge, tau).rate
        if abs(rate - 1) > 1e-9:
            assert stable(algorithm, eta, gamma, t, ridge, tau) == (rate < 1)
            seen.add(rate < 1)
    assert seen == {True, False}
    cases.record("regions of stability: disagreements", count, 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_roots_of_a_slow_mode_keep_their_digits(algorithm):
    """1 − z of a mode with t = 1e-9 against 40 digits of the polynomial in 1 − z."""
    eta, gamma, t, ridge = 0.3, 0.7, 1e-9, 0.9
    with mpmath.workdps(40):
        p = mpmath.mpf(0)
        c, w = mpmath.mpf(gamma) * mpmath.mpf(ridge), mpmath.mpf(eta) * mpmath.mpf(gamma) * mpmath.mpf(t)
        a = ((p + c) - mpmath.sqrt((p - c) ** 2 - 4 * w)) / 2
        exact = {
            "simultaneous": a,
            "alternating": ((c + w) - mpmath.sqrt((c + w) ** 2 - 4 * w)) / 2,
            "extragradient": a - a**2,
            "optimistic": 1 - (1 - 2 * a + mpmath.sqrt(1 + 4 * a**2)) / 2,
        }[algorithm]
    slow = 1 - mode_rate(algorithm, eta, gamma, t, ridge=ridge).rate
    assert slow == pytest.approx(float(exact), abs=2e-16)


def test_bilinear_games_cycle_diverge_or_converge_as_stated():
    for w in (0.05, 0.3, 0.99, 1.5, 3.9):
        h = w**0.5
        assert mode_rate("simultaneous", h, h, 1.0).rate == pytest.approx((1 + w) ** 0.5, rel=1e-14)
        assert mode_rate("alternating", h, h, 1.0).rate == pytest.approx(1.0, abs=1e-14)
        assert stable("extragradient", h, h, 1.0) == (w < 1)
        assert stable("optimistic", h, h, 1.0) == (w < 1 / 3)
    assert mode_rate("alternating", 2.01, 2.01, 1.0).rate > 1.01
    for factor, verdict in ((0.999, True), (1.001, False)):
        assert stable("extragradient", factor, 1.0, 1.0) == verdict
        assert stable("optimistic", factor / 3, 1.0, 1.0) == verdict


@given(st.floats(0.1, 3.0), st.floats(0.1, 3.0), st.floats(0.1, 3.0), st.floats(0.1, 3.0))
def test_with_a_ridge_alone_the_two_conditions_of_each_algorithm_decide(eta, gamma, t, ridge):
    simultaneous = eta * t < ridge and gamma * (2 * ridge - eta * t) < 4
    alternating = gamma * ridge < 2 and eta * gamma * t < 2 * (2 - gamma * ridge)
    assume(abs(mode_rate("simultaneous", eta, gamma, t, ridge).rate - 1) > 1e-9)
    assume(abs(mode_rate("alternating", eta, gamma, t, ridge).rate - 1) > 1e-9)
    assert stable("simultaneous", eta, gamma, t, ridge) == simultaneous
    assert stable("alternating", eta, gamma, t, ridge) == alternating


def test_an_exact_critic_makes_alternation_gradient_descent():
    for t in (0.1, 0.7, 1.9):
        z = np.sort(mode_roots("alternating", 0.6, 1 / 0.8, t, ridge=0.8)[0].real)
        np.testing.assert_allclose(z, np.sort([0.0, 1 - 0.6 * t / 0.8]), atol=1e-15)


@pytest.mark.parametrize(("algorithm", "chi"), [("simultaneous", 1.0), ("alternating", 1 - 0.7 * 0.9)])
def test_a_slow_generator_has_the_stated_expansion(algorithm, chi):
    gamma, ridge, t = 0.7, 0.9, 1.3
    for eta in (1e-2, 1e-3):
        z = max(mode_roots(algorithm, eta, gamma, t, ridge=ridge)[0].real)
        expansion = 1 - eta * t / ridge * (1 + chi * eta * t / (gamma * ridge**2))
        # the next term of the simultaneous root is 2 η³t³/(γ²λ⁵) = 15.2 η³, the alternating one is smaller
        assert abs(z - expansion) < 1.1 * 2 * eta**3 * t**3 / (gamma**2 * ridge**5)


@settings(max_examples=150)
@given(STEPS, STEPS, WEIGHTS)
def test_alternation_is_heavy_ball(eta, gamma, ridge):
    """u_{k+1} = u_k − ηγT u_k + (1 − γλ)(u_k − u_{k−1}), started with u_1 = u_0 at f = 0."""
    assert heavy_ball_error(eta, gamma, ridge, np.random.default_rng(0)) < 1e-13


def test_alternation_is_heavy_ball_on_random_games(cases):
    rng, count = np.random.default_rng(1), cases(145, 1450)
    errors = [heavy_ball_error(*rng.uniform(0.01, 3.0, size=3), rng) for _ in range(count)]
    assert max(errors) < 1e-13
    cases.record("heavy-ball identity: error", count, max(errors))


def heavy_ball_error(eta, gamma, ridge, rng):
    """Of nine iterates, beside the largest of them."""
    b = rng.normal(size=(4, 3)) / 3
    t, u, f = b.T @ b, rng.normal(size=3), np.zeros(3)
    path = [u]
    for _ in range(8):
        u = u - eta * f
        f = f + gamma * (t @ u - ridge * f)
        path.append(u)
    np.testing.assert_array_equal(path[0], path[1])
    errors = [
        np.abs(new - (now - eta * gamma * t @ now + (1 - gamma * ridge) * (now - old))).max()
        for old, now, new in zip(path, path[1:], path[2:], strict=False)
    ]
    return max(errors) / max(1, np.abs(path).max())


def test_neutral_modes_are_counted_and_left_out():
    found = mode_rate("simultaneous", 0.4, 0.6, [0.0, 0.7, 0.0], ridge=0.5)
    assert found.neutral == 2
    assert found.rate == mode_rate("simultaneous", 0.4, 0.6, 0.7, ridge=0.5).rate
    np.testing.assert_allclose(found.moduli, [0.7, found.rate, 0.7])  # 1 − γλ is what is left of a neutral mode
    assert mode_rate("simultaneous", 0.4, 0.6, [0.0, 0.7], ridge=0.5, strong_convexity=0.1).neutral == 0
    alone = mode_rate("alternating", 0.4, 0.6, 0.0, ridge=0.5)
    assert np.isnan(alone.rate)
    assert alone.reason == "every mode is neutral: t = 0 without strong convexity"


def test_powers_of_the_iteration_grow_no_faster_than_stated():
    """‖M^k‖ <= ρ^k + k‖M‖ρ^{k−1}, at the double root of the optimum too."""
    best = optimal_steps("alternating", 0.1, 2.0, ridge=0.8)
    matrix = iteration("alternating", best.min_step, best.max_step, 0.1, ridge=0.8)
    power, norm = np.eye(2), np.linalg.norm(matrix, 2)
    for k in range(1, 60):
        power = power @ matrix
        assert np.linalg.norm(power, 2) <= (best.rate**k + k * norm * best.rate ** (k - 1)) * (1 + 1e-6)


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
def test_the_optimal_steps_are_those_of_the_reference(algorithm):
    row = CASES["R5"]
    found = optimal_steps(algorithm, row["smallest"], row["largest"], row["ridge"])
    for name, value in row[algorithm].items():
        assert getattr(found, name) == pytest.approx(value, rel=3e-15)


@given(st.sampled_from(["simultaneous", "alternating", "extragradient", "optimistic"]), st.floats(1.01, 1e4))
def test_the_rate_of_the_optimal_steps_is_that_of_the_modes(algorithm, kappa):
    ridge = 0.7 if algorithm in ("simultaneous", "alternating") else 0.0
    best = optimal_steps(algorithm, 0.3, 0.3 * kappa, ridge)
    t = np.concatenate([np.geomspace(0.3, 0.3 * kappa, 50), [0.3, 0.3 * kappa]])
    # a double root is known to the square root of rounding only
    assert mode_rate(algorithm, best.min_step, best.max_step, t, ridge).rate == pytest.approx(best.rate, abs=1e-7)


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating", "extragradient", "optimistic"])
@pytest.mark.parametrize("kappa", [1.5, 20.0])
def test_no_steps_found_by_search_are_better(cases, algorithm, kappa):
    ridge = 0.7 if algorithm in ("simultaneous", "alternating") else 0.0
    best, t = optimal_steps(algorithm, 0.3, 0.3 * kappa, ridge), np.array([0.3, 0.3 * kappa])
    rng, found = np.random.default_rng(1), []

    def rate(logs):
        return mode_rate(algorithm, float(np.exp(logs[0])), float(np.exp(logs[1])), t, ridge).rate

    restarts = cases(6, 25)
    for _ in range(restarts):
        start = np.log([best.min_step, best.max_step]) + rng.normal(size=2)
        found.append(minimize(rate, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12}).fun)
    assert min(found) >= best.rate - 1e-7
    assert min(found) == pytest.approx(best.rate, abs=2e-3)  # the search does come near
    cases.record("searches for better steps: gain", restarts, best.rate - min(found))


def test_one_coupling_is_solved_in_two_steps_or_as_well_as_the_algorithm_can():
    for algorithm in ("simultaneous", "alternating"):
        best = optimal_steps(algorithm, 0.4, 0.4, 0.9)
        assert best.rate == 0.0
        matrix = iteration(algorithm, best.min_step, best.max_step, 0.4, ridge=0.9)
        np.testing.assert_allclose(matrix @ matrix, 0.0, atol=1e-15)
    assert optimal_steps("extragradient", 0.4, 0.4).rate == pytest.approx(0.75**0.5)
    assert optimal_steps("optimistic", 0.4, 0.4).rate == pytest.approx(0.5**0.5)


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
def test_a_spectrum_that_reaches_zero_has_no_uniform_rate(algorithm):
    found = optimal_steps(algorithm, 0.0, 2.0, 0.8)
    assert (found.rate, found.no_uniform_rate) == (1.0, True)
    assert np.isnan([found.min_step, found.max_step]).all()
    near = [optimal_steps(algorithm, s, 2.0, 0.8).rate for s in (1e-2, 1e-6, 1e-12)]
    assert near == sorted(near)
    assert near[-1] == pytest.approx(1.0, abs=1e-5)


@given(st.floats(0.0, 100.0), st.floats(0.1, 5.0))
def test_equal_moduli_have_the_best_equal_step_for_the_top_of_the_spectrum(largest, m):
    best = monotone_steps(largest, m)

    def rate(h):
        return mode_rate("simultaneous", h, h, [largest / 7, largest], m, m).rate

    assert rate(best.min_step) == pytest.approx(best.rate, abs=1e-7)
    for factor in (0.7, 0.95, 1.05, 1.3):
        assert rate(best.min_step * factor) >= best.rate - 1e-7


def refused(message, function, *arguments, **words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        function(*arguments, **words)
    assert str(caught.value) == message


def test_bad_input_of_modes_and_steps_is_refused_in_one_sentence():
    names = "simultaneous, alternating, extragradient, optimistic"
    for function in (mode_rate, mode_roots, stable):
        refused(f"algorithm must be one of {names}, got 'adam'", function, "adam", 1.0, 1.0, 1.0)
        refused("min_step must be a number > 0, got 0.0", function, "simultaneous", 0.0, 1.0, 1.0)
        refused("max_step must be a number > 0, got -1.0", function, "simultaneous", 1.0, -1.0, 1.0)
        refused("coupling must be >= 0, got -1", function, "simultaneous", 1.0, 1.0, -1.0)
        refused("coupling must be finite, got nan", function, "simultaneous", 1.0, 1.0, [1.0, np.nan])
        refused("ridge must be >= 0, got -1", function, "simultaneous", 1.0, 1.0, 1.0, ridge=-1.0)
        refused("strong_convexity must be >= 0, got -1", function, "simultaneous", 1.0, 1.0, 1.0, strong_convexity=-1.0)
    refused("coupling must have at least 1 entries, got 0", mode_rate, "simultaneous", 1.0, 1.0, [])
    refused(
        "smallest must be <= largest = 1, so that the condition number is >= 1, got 2",
        optimal_steps, "simultaneous", 2.0, 1.0, 1.0,
    )  # fmt: skip
    refused(
        "ridge must be > 0, as this needs strong concavity, got 0", optimal_steps, "alternating", 1.0, 2.0, ridge=0.0
    )
    refused(
        "ridge must be 0 for extragradient, whose optimum is known for bilinear games only, got 1",
        optimal_steps, "extragradient", 1.0, 2.0, ridge=1.0,
    )  # fmt: skip
    refused("largest must be a number > 0, got 0.0", optimal_steps, "simultaneous", 0.0, 0.0, 1.0)
    refused("modulus must be > 0, as this needs strong concavity, got 0", monotone_steps, 1.0, 0.0)
