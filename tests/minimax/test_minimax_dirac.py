"""Dirac and linear-quadratic GANs: their closed forms are those of the built updates and of nonlinear runs."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from lemmata.theory.minimax.dirac_gan import dirac_gan
from lemmata.theory.minimax.lq_gan import lq_gan
from lemmata.theory.minimax.update_map import update_map, update_spectrum

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", ["penalty", "noise"])
def test_the_dirac_gan_of_the_reference(case):
    row = CASES["R7"][case]
    game = dirac_gan("logistic", "r1", weight=row["weight"], noise=row["noise"])
    real, imaginary = row["eigenvalue"]
    assert game.eigenvalues[0].real == pytest.approx(real, rel=1e-14)
    assert game.eigenvalues[0].imag == pytest.approx(imaginary, rel=1e-14)
    assert game.threshold("simultaneous") == pytest.approx(row["simultaneous"], rel=1e-14)
    assert game.threshold("alternating") == pytest.approx(row["alternating"], rel=1e-14)
    assert game.best_step == pytest.approx(row["best_step"], rel=1e-14)
    assert game.best_rate == pytest.approx(row["best_rate"], rel=1e-14)


DAMPED = {
    "loss": st.sampled_from(["logistic", "wgan"]),
    "weight": st.floats(0.01, 5.0),
    "noise": st.floats(0.0, 2.0),
    "generator_decay": st.one_of(st.just(0.0), st.floats(0.01, 5.0)),
}


@given(**DAMPED)
def test_the_eigenvalues_are_those_of_the_jacobian(**words):
    game = dirac_gan(regulariser="r1", **words)
    assume(abs(abs(game.damping - game.generator_decay) - 2 * game.slope) > 1e-6)
    built = np.sort_complex(np.linalg.eigvals(game.jacobian))
    np.testing.assert_allclose(np.sort_complex(np.array(game.eigenvalues)), built, rtol=1e-6)
    assert all(value.real < 0 for value in game.eigenvalues)
    assert game.behaviour == ("spiral" if built[0].imag else "node")


@settings(max_examples=60)
@given(algorithm=st.sampled_from(["simultaneous", "alternating", "extragradient", "optimistic"]), **DAMPED)
def test_equal_steps_are_stable_just_below_the_threshold_and_not_just_above(algorithm, **words):
    game = dirac_gan(regulariser="weight_decay", **words)
    h = game.threshold(algorithm)
    for factor, verdict in ((0.9999, "stable"), (1.0001, "unstable")):
        assert game.spectrum(algorithm, factor * h, factor * h).verdict == verdict


@pytest.mark.parametrize("loss", ["logistic", "wgan"])
def test_thresholds_in_closed_form_are_those_of_bisection(cases, loss):
    """On ρ = 1 by the eigenvalues of the built maps."""
    rng, count, worst = np.random.default_rng(3), cases(3, 20), 0.0
    for _ in range(count):
        weight, decay = rng.uniform(0.05, 4.0), rng.uniform(0.0, 1.0) * rng.integers(2)
        game = dirac_gan(loss, "r1", float(weight), generator_decay=float(decay))
        for algorithm in ("simultaneous", "alternating"):
            low, high = 0.0, 100.0
            for _ in range(80):
                middle = (low + high) / 2
                inside = np.abs(np.linalg.eigvals(update_map(game.jacobian, 1, algorithm, middle, middle))).max() < 1
                low, high = (middle, high) if inside else (low, middle)
            worst = max(worst, abs(low / game.threshold(algorithm) - 1))
    assert worst < 1e-12
    cases.record("thresholds of Dirac-GANs: relative error", 2 * count, worst)


@given(**DAMPED)
def test_no_other_equal_step_is_faster_than_the_best(**words):
    game = dirac_gan(regulariser="r2", **words)
    best = game.spectrum("simultaneous", game.best_step, game.best_step).rate
    assert best == pytest.approx(game.best_rate, abs=1e-7)
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 1.5):
        assert game.spectrum("simultaneous", factor * game.best_step, factor * game.best_step).rate >= best - 1e-7


@pytest.mark.parametrize(("loss", "c"), [("logistic", 0.5), ("wgan", 1.0)])
@pytest.mark.parametrize("regulariser", ["none", "clipping"])
def test_without_a_penalty_the_game_cycles(loss, c, regulariser):
    game = dirac_gan(loss, regulariser)
    assert (game.behaviour, game.eigenvalues) == ("cycle", (1j * c, -1j * c))
    assert np.isnan([game.limit, game.best_step, game.best_rate]).all()
    assert game.threshold("simultaneous") == 0.0
    assert game.threshold("alternating") == pytest.approx(2 / c)
    assert game.threshold("extragradient") == pytest.approx(1 / c)
    assert game.threshold("optimistic") == pytest.approx(1 / (3**0.5 * c))
    for h in (0.1, 1.0):
        assert game.spectrum("simultaneous", h, h).rate == pytest.approx((1 + (h * c) ** 2) ** 0.5, rel=1e-13)
    for algorithm in ("extragradient", "optimistic"):
        h = game.threshold(algorithm)
        assert (
            game.spectrum(algorithm, 0.999 * h, 0.999 * h).rate
            < 1
            < game.spectrum(algorithm, 1.001 * h, 1.001 * h).rate
        )


def slope_of(loss):
    return (lambda t: 1 / (1 + np.exp(t))) if loss == "logistic" else (lambda t: 1.0)


@pytest.mark.parametrize("loss", ["logistic", "wgan"])
def test_the_nonlinear_flow_without_a_penalty_keeps_its_radius(loss):
    g1 = slope_of(loss)

    def field(_, y):
        return [-y[1] * g1(y[0] * y[1]), y[0] * g1(y[0] * y[1])]

    flow = solve_ivp(field, (0, 40), [1.0, 0.5], rtol=1e-10, atol=1e-12)
    assert np.abs((flow.y**2).sum(0) - 1.25).max() < 1e-7


@pytest.mark.parametrize("loss", ["logistic", "wgan"])
def test_the_nonlinear_descent_turns_at_the_threshold(loss):
    g1 = slope_of(loss)
    game = dirac_gan(loss, "r1", weight=0.4)
    for algorithm in ("simultaneous", "alternating"):
        for factor, shrinks in ((0.98, True), (1.02, False)):
            h = factor * game.threshold(algorithm)
            x, f = 1e-4, 0.0
            for _ in range(600):
                moved = x - h * f * g1(x * f)
                at = x if algorithm == "simultaneous" else moved
                f, x = f + h * (at * g1(at * f) - 0.4 * f), moved
            assert (np.hypot(x, f) < 1e-4) == shrinks


def test_under_spectral_normalisation_the_generator_drifts_for_ever():
    """D = ψx/|ψ|: ψ is frozen and θ̇ = −g'(±θ)·(±1), at speed ½ at first and 1 in the end."""
    game = dirac_gan("logistic", "spectral_normalisation")
    assert (game.behaviour, game.limit, game.eigenvalues) == ("drift", np.inf, None)
    g1 = slope_of("logistic")
    flow = solve_ivp(lambda _, y: [-g1(y[0])], (0, 60), [0.0], rtol=1e-10, dense_output=True)
    assert -flow.sol(1e-4)[0] / 1e-4 == pytest.approx(0.5, rel=1e-3)
    assert flow.sol(50)[0] - flow.sol(60)[0] == pytest.approx(10.0, rel=1e-9)
    with pytest.raises(ValueError, match=r"^the game must have a linearisation at 0, got one that ends in a drift$"):
        game.threshold("simultaneous")


def test_a_heavy_gradient_norm_penalty_stops_at_the_wrong_point():
    game = dirac_gan("wgan", "wgan_gp", weight=3.0, norm=1.5)
    assert (game.behaviour, game.limit) == ("wrong_point", 4.5)
    x, f = 0.3, 0.8
    for _ in range(20_000):
        x, f = x - 1e-3 * f, f + 1e-3 * (x - 3.0 * (abs(f) - 1.5) * np.sign(f))
    assert abs(x) == pytest.approx(4.5, rel=1e-3)
    assert abs(f) < 1e-2


def test_a_light_gradient_norm_penalty_ends_in_a_cycle_of_the_stated_amplitude():
    weight, norm = 0.02, 1.5
    game = dirac_gan("wgan", "wgan_gp", weight=weight, norm=norm)
    assert (game.behaviour, game.limit) == ("limit_cycle", pytest.approx(6 / np.pi))

    def field(_, y):
        return [-y[1], y[0] - weight * (abs(y[1]) - norm) * np.sign(y[1])]

    for start in (1.0, 3.0):  # from inside and outside; the amplitude settles as e^{−weight t/2}
        flow = solve_ivp(field, (0, 500), [start, 0.0], max_step=0.1)
        late = np.hypot(*flow.y)[flow.t > 450]
        assert late.max() == pytest.approx(game.limit, rel=2 * weight)  # averaging has error O(weight/c)


def flat(n):
    """An orthonormal basis of symmetric matrices, as (K, n, n)."""
    out = []
    for i in range(n):
        for j in range(i, n):
            e = np.zeros((n, n))
            e[i, j] = e[j, i] = 1.0 if i == j else 0.5**0.5
            out.append(e)
    return np.stack(out)


def lq_jacobian(sigma, ridge, penalty, seed=0):
    """Derivative of the field of tr Ψ(WWᵀ − Σ₀) less penalties at W = Σ₀^½ O, Ψ = 0, by central differences."""
    n = len(sigma)
    values, vectors = np.linalg.eigh(sigma)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    root, basis = vectors * np.sqrt(values) @ vectors.T @ turn, flat(n)

    def field(state):
        w, f = state[: n * n].reshape(n, n), np.einsum("k,kij->ij", state[n * n :], basis)
        down = -2 * f @ w
        up = w @ w.T - sigma - ridge * f - 2 * penalty * (sigma @ f + f @ sigma)
        return np.concatenate([down.ravel(), np.einsum("ij,kij->k", up, basis)])

    start = np.concatenate([root.ravel(), np.zeros(len(basis))])
    h = 1e-5  # the field is quadratic: central differences are exact up to rounding
    steps = np.eye(len(start)) * h
    return np.stack([(field(start + e) - field(start - e)) / (2 * h) for e in steps], axis=1)


def test_the_linear_quadratic_gan_of_the_reference():
    row = CASES["R8"]
    game = lq_gan(row["covariance"], row["ridge"], row["penalty"])
    np.testing.assert_allclose(game.couplings, row["couplings"], rtol=1e-15)
    np.testing.assert_allclose(game.dampings, row["dampings"], rtol=1e-15)
    np.testing.assert_allclose(game.eigenvalues[:, 0].real, row["real"], rtol=1e-14)
    np.testing.assert_allclose(np.abs(game.eigenvalues[:, 0].imag), row["imaginary"], rtol=1e-14)
    assert game.rotations == row["zeros"]
    assert game.threshold("simultaneous") == pytest.approx(row["simultaneous"], rel=1e-14)


@pytest.mark.parametrize(
    ("n", "ridge", "penalty"),
    [(n, ridge, penalty) for n in (1, 2, 3) for ridge, penalty in ((0.0, 0.5), (0.5, 0.2), (4.0, 0.3), (0.0, 2.0))],
)
def test_the_modes_are_the_eigenvalues_of_the_built_field(cases, n, ridge, penalty):
    count = cases(1, 8)
    errors = [lq_error(n, ridge, penalty, np.random.default_rng(n + 10 * k)) for k in range(count)]
    assert max(errors) < 1e-7  # zeros of multiplicity > 1 lose half the digits
    cases.record("eigenvalues of linear-quadratic GANs: error", count, max(errors))


def lq_error(n, ridge, penalty, rng):
    """Of the eigenvalues, relative to 1 + |z|; rates and thresholds are compared besides."""
    x = rng.normal(size=(n, n))
    sigma = x @ x.T + 0.1 * np.eye(n)
    game, built = lq_gan(sigma, ridge, penalty), lq_jacobian(sigma, ridge, penalty)
    left, errors = list(np.concatenate([game.eigenvalues.ravel(), np.zeros(game.rotations)])), []
    for z in np.linalg.eigvals(built):
        nearest = int(np.argmin(np.abs(np.array(left) - z)))
        errors.append(abs(left.pop(nearest) - z) / (1 + abs(z)))
    assert left == []
    assert update_spectrum(built, n * n, "simultaneous", 1e-3, 1e-3, floor=1e-8).neutral == game.rotations
    for algorithm in ("simultaneous", "alternating"):
        h = game.threshold(algorithm)
        for factor, verdict in ((0.999, "stable"), (1.001, "unstable")):
            step = factor * h
            found = update_spectrum(built, n * n, algorithm, step, step, floor=1e-8)
            assert found.verdict == verdict
            assert found.rate == pytest.approx(game.rate(algorithm, step, step), rel=1e-6)
    return max(errors)


def test_pure_r1_has_the_threshold_of_its_weight_whatever_the_data():
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(3, 3))
        sigma = x @ x.T / 10
        rho = 0.3 / np.linalg.eigvalsh(sigma)[-1] ** 0.5  # modes stay complex while ρ² t < 4
        assert lq_gan(sigma, penalty=rho).threshold("simultaneous") == pytest.approx(rho, rel=1e-12)
        top = np.linalg.eigvalsh(sigma)[-1]
        assert lq_gan(sigma, ridge=1e-3).threshold("simultaneous") == pytest.approx(1e-3 / (4 * top), rel=1e-12)


def test_one_dimension_has_its_critical_weight_at_one_over_the_deviation():
    s = 2.5
    for rho in (0.2, 2.0):
        pair = lq_gan([[s]], penalty=rho).eigenvalues[0]
        root = 2 * np.sqrt(complex(rho**2 * s**2 - s))
        np.testing.assert_allclose(pair, [-2 * rho * s + root, -2 * rho * s - root], rtol=1e-12)
    assert lq_gan([[s]], penalty=0.999 / s**0.5).eigenvalues[0, 0].imag != 0
    assert lq_gan([[s]], penalty=1.001 / s**0.5).eigenvalues[0, 0].imag == 0
    assert lq_gan([[s]]).threshold("simultaneous") == 0.0


def refused(message, function, *arguments, **words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        function(*arguments, **words)
    assert str(caught.value) == message


def test_bad_input_of_the_small_games_is_refused_in_one_sentence():
    refused("loss must be one of logistic, wgan, got 'hinge'", dirac_gan, "hinge")
    refused("weight must be >= 0, got -1", dirac_gan, "wgan", "r1", weight=-1.0)
    refused("noise must be finite, got nan", dirac_gan, "wgan", "r1", noise=np.nan)
    refused("weight must be 0 for 'none', which has none, got 1", dirac_gan, "wgan", "none", weight=1.0)
    refused("loss must be 'wgan' for the regulariser 'wgan_gp', got 'logistic'", dirac_gan, "logistic", "wgan_gp")
    refused("noise must be 0 for 'wgan_gp', got 1", dirac_gan, "wgan", "wgan_gp", noise=1.0)
    refused(
        "algorithm must be one of simultaneous, alternating, extragradient, optimistic, got 'adam'",
        dirac_gan().threshold, "adam",
    )  # fmt: skip
    refused("covariance must be symmetric, got entries that differ by 0.5", lq_gan, [[1.0, 0.5], [0.0, 1.0]])
    refused("covariance must have no negative eigenvalue, got -1", lq_gan, [[1.0, 0.0], [0.0, -1.0]])
    refused("covariance must be positive definite, got the eigenvalue 0", lq_gan, [[1.0, 0.0], [0.0, 0.0]])
    refused("covariance must be a square matrix, got shape (1, 2)", lq_gan, [[1.0, 2.0]])
    refused("covariance must be finite, got inf", lq_gan, [[np.inf]])
    refused("penalty must be >= 0, got -1", lq_gan, [[1.0]], penalty=-1.0)
    refused("algorithm must be one of simultaneous, alternating, got 'adam'", lq_gan([[1.0]]).threshold, "adam")
