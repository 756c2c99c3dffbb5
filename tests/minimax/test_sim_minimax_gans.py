"""The Dirac-GAN and the linear-quadratic GAN as played, against eigenvalues, thresholds and ends of the theory."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lemmata.sim.minimax import bracket, compare, dense_norm, dirac_game, estimate_rate, growth, lq_game, rest
from lemmata.sim.minimax import simulate_gan as play
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.sim.minimax.modal import matrix_norm, update_matrix, without_neutral
from lemmata.theory.minimax.dirac_gan import dirac_gan
from lemmata.theory.minimax.lq_gan import lq_gan
from lemmata.theory.minimax.modes import ALGORITHMS, stable

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
ZERO = np.zeros(1)


def flow_eigenvalues(game, equilibrium):
    """Of the simultaneous step of length 1 less the identity."""
    return np.linalg.eigvals(update_matrix(game, "simultaneous", 1.0, 1.0, equilibrium) - np.eye(2))


@pytest.mark.parametrize("loss", ["logistic", "wgan", "non_saturating"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"regulariser": "r1", "weight": 0.3},
        {"regulariser": "r2", "weight": 2.5},
        {"regulariser": "weight_decay", "weight": 0.2, "generator_decay": 0.1},
        {"noise": 1.2},
        {"noise": 0.5, "regulariser": "r1", "weight": 0.4},
        {"regulariser": "clipping"},
    ],
)
def test_the_played_field_has_the_eigenvalues_of_the_theory(loss, arguments):
    game = dirac_game(loss, **arguments)
    expected = dirac_gan("wgan" if loss == "wgan" else "logistic", **arguments).eigenvalues
    seen = flow_eigenvalues(game, rest(game, "simultaneous", ZERO, ZERO))
    # differences at 1e-4 are off by 1e-9
    assert_allclose(
        sorted(seen, key=lambda z: (z.real, z.imag)), sorted(expected, key=lambda z: (z.real, z.imag)), atol=3e-8
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "arguments", [{"regulariser": "r1", "weight": 0.3}, {"regulariser": "r1", "weight": 1.5}, {"noise": 1.2}]
)
def test_equal_steps_turn_unstable_at_the_threshold(algorithm, arguments):
    threshold = dirac_gan("logistic", **arguments).threshold(algorithm)
    game = dirac_game("logistic", **arguments)
    seen = bracket(lambda h: growth(game, algorithm, h, h, ZERO, ZERO), threshold)
    assert seen.holds
    assert min(abs(seen.below.change), abs(seen.above.change)) >= 20


@pytest.mark.parametrize("algorithm", ["extragradient", "optimistic"])
def test_without_a_penalty_two_algorithms_have_the_threshold_of_the_theory(algorithm):
    threshold = dirac_gan("wgan").threshold(algorithm)
    game = dirac_game("wgan")
    assert bracket(lambda h: growth(game, algorithm, h, h, ZERO, ZERO), threshold).holds


def test_a_threshold_that_is_off_by_three_percent_is_refuted():
    threshold = dirac_gan("logistic", "r1", 0.3).threshold("simultaneous")
    game = dirac_game("logistic", "r1", 0.3)
    for factor in (0.97, 1.03):
        assert not bracket(lambda h: growth(game, "simultaneous", h, h, ZERO, ZERO), factor * threshold).holds


@pytest.mark.parametrize("name", ["penalty", "noise"])
def test_reference_thresholds_and_best_rates_are_met_in_play(name):
    case = CASES["R7"][name]
    game = dirac_game("logistic", "r1" if case["weight"] else "none", case["weight"], case["noise"])
    for algorithm in ("simultaneous", "alternating"):
        assert bracket(lambda h, a=algorithm: growth(game, a, h, h, ZERO, ZERO), case[algorithm]).holds
    h = case["best_step"]
    run = play(game, "simultaneous", h, h, 400, generator=1e-5, critic=2e-5)
    equilibrium = rest(game, "simultaneous", ZERO, ZERO)
    norm = dense_norm(game, "simultaneous", h, h, equilibrium)
    assert compare(estimate_rate(run.residuals(norm, equilibrium)).rate, case["best_rate"], "equal").holds


def test_the_flow_of_a_plain_dirac_gan_keeps_its_radius_and_steps_do_not():
    game = dirac_game("logistic")
    radii = {}
    for h in (1e-2, 1e-3):
        run = play(game, "simultaneous", h, h, round(10 / h), generator=1.0, critic=0.5)
        radius = run.generators[:, 0] ** 2 + run.critics[:, 0] ** 2
        radii[h] = radius[-1] / radius[0] - 1
    assert radii[1e-2] > radii[1e-3] > 0
    assert_allclose(radii[1e-2] / radii[1e-3], 10, rtol=0.05)  # of first order in h


@pytest.mark.parametrize("loss", ["logistic", "wgan", "non_saturating"])
def test_spectral_normalisation_alone_drifts_for_ever(loss):
    game = dirac_game(loss, "spectral_normalisation")
    run = play(game, "alternating", 0.1, 0.1, 20_000, generator=1.0, critic=0.3, every=1000)
    assert (run.critics == 0.3).all()
    speed = -np.diff(run.generators[:, 0]) / (0.1 * 1000)
    assert (speed > 0).all()
    if loss == "wgan":
        assert_allclose(speed, 1.0, rtol=1e-12)
    elif loss == "logistic":
        assert speed[-1] > 0.99
    else:  # θ' = −σ(θ): ever slower, yet without end, e^{−θ} growing like t
        assert_allclose(np.exp(-run.generators[-1, 0]) / (0.1 * 20_000), 1.0, rtol=0.01)


@pytest.mark.parametrize("start", [(0.3, 0.2), (-2.0, 1.0), (1.0, -3.0)])
def test_an_overdamped_wgan_gp_ends_at_the_wrong_point(start):
    theory = dirac_gan("wgan", "wgan_gp", 2.5, norm=0.8)
    run = play(
        dirac_game("wgan", "wgan_gp", 2.5, norm=0.8),
        "simultaneous",
        0.01,
        0.01,
        20_000,
        generator=start[0],
        critic=start[1],
    )
    assert_allclose(np.abs(run.generators[-1, 0]), theory.limit, rtol=0.02)  # up to the last step's chatter
    assert abs(run.critics[-1, 0]) < 0.05


def test_an_underdamped_wgan_gp_runs_in_a_circle_of_the_stated_size():
    theory = dirac_gan("wgan", "wgan_gp", 0.02, norm=1.0)
    run = play(dirac_game("wgan", "wgan_gp", 0.02), "alternating", 0.01, 0.01, 400_000, generator=0.5, critic=0.0)
    late = np.abs(run.generators[-3000:, 0]).max()
    assert_allclose(late, theory.limit, rtol=0.03)  # the limit is for γ/c → 0


def test_clipping_keeps_the_critic_inside():
    run = play(dirac_game("wgan", "clipping", clip=0.1), "alternating", 0.1, 0.5, 500, generator=1.0, critic=0.0)
    assert np.abs(run.critics).max() == 0.1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_compiled_loop_takes_the_steps_of_the_plain_one(algorithm):
    sigma = np.array([[2.0, 0.3], [0.3, 1.0]])
    for game, u, f in (
        (dirac_game("logistic", "r1", 0.3, noise=0.4, generator_decay=0.1), np.array([0.7]), np.array([-0.4])),
        (dirac_game("non_saturating", "wgan_gp", 0.5), np.array([0.7]), np.array([-0.4])),
        (lq_game(sigma, 0.2, 0.1), np.array([[1.0, 0.2], [-0.1, 0.8]]), np.array([[0.1, 0.3], [0.3, -0.2]])),
    ):
        run = play(game, algorithm, 0.1, 0.15, 7, generator=u, critic=f)
        state = State(u, f)
        for k in range(8):
            assert_allclose(run.generators[k], state.u, rtol=0, atol=1e-14)
            assert_allclose(run.critics[k], state.f, rtol=0, atol=1e-14)
            state = advance(game, algorithm, 0.1, 0.15, state)


def test_the_linear_quadratic_field_is_the_gradient_of_its_payoff():
    rng = np.random.default_rng(4)
    root = rng.standard_normal((3, 3))
    sigma = root @ root.T
    W, P = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    P = P + P.T
    game = lq_game(sigma, 0.3, 0.2)

    def payoff(W, P):
        return np.trace(P @ (W @ W.T - sigma)) - 0.15 * (P**2).sum() - 0.1 * 4 * np.trace(P @ sigma @ P)

    dW, dP = game.directions(W, P)
    h = 1e-5
    for i in range(3):
        for j in range(3):
            E = np.zeros((3, 3))
            E[i, j] = h
            assert_allclose((payoff(W + E, P) - payoff(W - E, P)) / (2 * h), -dW[i, j], atol=1e-8)
            S = E + E.T
            expected = np.sum(dP * S) / h
            assert_allclose((payoff(W, P + S) - payoff(W, P - S)) / (2 * h), expected, atol=1e-8)


def symmetric_spectrum(game, root):
    """Eigenvalues of the flow at rest on W and symmetric Ψ."""
    n = len(root)
    equilibrium = rest(game, "simultaneous", root, np.zeros((n, n)))
    full = update_matrix(game, "simultaneous", 1.0, 1.0, equilibrium) - np.eye(2 * n * n)
    basis = [np.eye(1, n * n, k).reshape(n, n) for k in range(n * n)]
    symmetric = [(basis[i * n + j] + basis[j * n + i]).ravel() for i in range(n) for j in range(i, n)]
    Q = np.linalg.qr(np.array(symmetric).T)[0]
    lift = np.block([[np.eye(n * n), np.zeros((n * n, Q.shape[1]))], [np.zeros((n * n, n * n)), Q]])
    return np.linalg.eigvals(lift.T @ full @ lift)


def test_the_linear_quadratic_gan_has_the_eigenvalues_of_the_reference():
    case = CASES["R8"]
    game = lq_game(case["covariance"], case["ridge"], case["penalty"])
    seen = symmetric_spectrum(game, np.diag(np.sqrt(np.diag(case["covariance"]))))
    pairs = [complex(r, i) for r, i in zip(case["real"], case["imaginary"], strict=True)]
    expected = np.array([*pairs, *np.conj(pairs), *[0.0] * case["zeros"]])
    assert_allclose(np.sort_complex(np.round(seen, 7)), np.sort_complex(np.round(expected, 7)), atol=2e-7)


@pytest.mark.parametrize(("ridge", "penalty"), [(0.5, 0.2), (0.0, 0.3), (1.5, 0.0)])
def test_the_linear_quadratic_gan_turns_unstable_at_the_threshold(ridge, penalty):
    sigma = np.array([[1.5, 0.4], [0.4, 0.9]])
    values, vectors = np.linalg.eigh(sigma)
    game, theory = lq_game(sigma, ridge, penalty), lq_gan(sigma, ridge, penalty)
    root = vectors * np.sqrt(values)
    modes = list(zip(theory.couplings, theory.dampings, strict=True))
    low, high = 1e-3, 10.0
    for _ in range(60):  # where the theory's modes, one by one, cease to be stable
        middle = (low + high) / 2
        inside = all(stable("simultaneous", middle, middle, t, d) for t, d in modes)
        low, high = (middle, high) if inside else (low, middle)
    seen = bracket(lambda h: growth(game, "simultaneous", h, h, root, np.zeros((2, 2)), max_steps=200_000), low)
    assert seen.holds
    if ridge == 0.0:
        assert_allclose(low, penalty, rtol=1e-9)  # pure R1: h < ρ
    if penalty == 0.0:
        assert_allclose(low, ridge / (4 * values.max()), rtol=1e-9)


def test_rotations_are_neutral_and_left_out():
    game = lq_game(np.diag([1.0, 2.0, 4.0]), 0.5, 0.0)
    seen = growth(game, "alternating", 0.05, 0.05, np.diag(np.sqrt([1.0, 2.0, 4.0])), np.zeros((3, 3)))
    assert seen.verdict == "stable"
    assert seen.neutral == 3


def test_the_projector_keeps_moving_directions_and_drops_neutral_ones():
    game = lq_game(np.diag([1.0, 2.0, 4.0]), 0.5, 0.0)
    equilibrium = rest(game, "simultaneous", np.diag(np.sqrt([1.0, 2.0, 4.0])), np.zeros((3, 3)))
    M = update_matrix(game, "simultaneous", 0.1, 0.1, equilibrium)
    project = without_neutral(M, matrix_norm(M))
    assert_allclose(project @ project, project, atol=1e-7)
    assert_allclose(project @ M, M @ project, atol=1e-7)
    assert_allclose((M - np.eye(18)) @ (np.eye(18) - project), 0.0, atol=1e-7)


def test_the_modal_norm_at_a_double_root_still_sees_everything():
    game = dirac_game("logistic", "r1", 1.0)  # critical damping
    norm = dense_norm(game, "simultaneous", 0.5, 0.5, rest(game, "simultaneous", ZERO, ZERO))
    assert norm.defective == 1
    assert min(norm(np.array([[np.cos(a), np.sin(a)]])) for a in np.linspace(0, np.pi, 20)) > 0.99


def test_a_game_that_explodes_is_cut_short():
    run = play(lq_game([[1.0]]), "simultaneous", 2.0, 2.0, 1000, generator=[[3.0]], critic=[[1.0]])
    assert run.diverged
    assert np.isfinite(run.generators).all()
    assert len(run.generators) < 100


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: dirac_game("hinge"), "loss must be one of logistic, wgan, non_saturating, got 'hinge'"),
        (lambda: dirac_game("wgan", "dropout"), "regulariser must be one of"),
        (lambda: dirac_game("wgan", "r1", -1.0), "weight must be >= 0, got -1"),
        (lambda: dirac_game("wgan", "none", 1.0), "weight must be 0 for 'none', which has none, got 1"),
        (lambda: dirac_game("wgan", "clipping", clip=0.0), "clip must be a number > 0, got 0.0"),
        (lambda: lq_game([[1.0, 0.5], [0.0, 1.0]]), "covariance must be symmetric"),
        (lambda: lq_game([[1.0, 2.0], [2.0, 1.0]]), "covariance must have no negative eigenvalue, got -1"),
        (
            lambda: play(lq_game([[1.0]]), "simultaneous", 1.0, 1.0, 1, generator=1.0, critic=[[0.0]]),
            "generator must have",
        ),
        (
            lambda: play(
                lq_game(np.eye(2)), "optimistic", 1.0, 1.0, 1, generator=np.eye(2), critic=[[0.0, 1.0], [0.0, 0.0]]
            ),
            "critic must be symmetric",
        ),
        (lambda: play(dirac_game(), "adam", 1.0, 1.0, 1, generator=1.0, critic=0.0), "algorithm must be one of"),
        (lambda: growth(dirac_game(), "simultaneous", 1.0, 1.0, [1.0], [0.0]), "must be an equilibrium"),
        (lambda: bracket(lambda h: h, 1.0, 1.0), "margin must be < 1, got 1"),
    ],
)
def test_bad_gans_are_refused_in_one_sentence(work, message):
    with pytest.raises(ValueError, match=message):
        work()
