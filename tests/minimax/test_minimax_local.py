"""Local stability of GANs: thresholds from matrices are those of built updates, of networks and of particle runs."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.minimax.gan_linearisation import alternating_threshold, gan_linearisation, r1_threshold
from lemmata.theory.minimax.kernel_profile import kernel_profile
from lemmata.theory.minimax.modes import ALGORITHMS, mode_rate
from lemmata.theory.minimax.step_threshold import step_threshold
from lemmata.theory.minimax.update_map import neutral_directions, update_map, update_spectrum

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
ROW = CASES["R11"]


def network_field():
    """J of generator az + b, critic v tanh(ux + e), by differentiating the losses themselves; θ = (a, b)."""
    a, b, v, u, e, x = sp.symbols("a b v u e x")
    critic = v * sp.tanh(u * x + e)
    points = (-1, 1)

    def g(t):
        return -sp.log(1 + sp.exp(-t))

    fakes = sum(g(critic.subs(x, a * z + b)) for z in points) / 2
    reals = sum(g(-critic.subs(x, z)) for z in points) / 2
    penalty = sum(sp.diff(critic, x).subs(x, z) ** 2 for z in points) / 2
    payoff = fakes + reals - sp.Rational(1, 2) * sp.Rational(1, 2) * penalty
    field = [-sp.diff(fakes, w) for w in (a, b)] + [sp.diff(payoff, w) for w in (v, u, e)]
    place = {a: 1, b: 0, v: 0, u: 1, e: sp.Rational(1, 2)}
    jacobian = sp.Matrix(field).jacobian([a, b, v, u, e]).subs(place)
    return np.array(sp.N(jacobian, 20), dtype=float)


JACOBIAN = network_field()


def features():
    """The same game as one feature tanh(x + ½) of a critic linear in v, with u and e as two features that are 0."""
    x = np.array([-1.0, 1.0])
    value, slope = np.tanh(x + 0.5), 1 - np.tanh(x + 0.5) ** 2
    coupling, gram, moment = np.zeros((3, 2)), np.zeros((3, 3)), np.zeros((3, 3))
    coupling[0] = (slope * x).mean(), slope.mean()
    gram[0, 0], moment[0, 0] = (slope**2).mean(), (value**2).mean()
    return gan_linearisation(coupling, gram, moment, penalty=ROW["penalty"], slope=0.5, curvature=-0.25)


def test_the_linearised_network_is_the_derivative_of_the_losses():
    np.testing.assert_allclose(features().jacobian, JACOBIAN, atol=1e-15)


def test_the_network_of_the_reference_has_its_eigenvalues_and_rates():
    found = features()
    assert found.neutral == ROW["neutral"]
    real, imaginary = ROW["eigenvalue"]
    np.testing.assert_allclose(found.eigenvalues, [complex(real, -imaginary), complex(real, imaginary)], rtol=1e-14)
    for algorithm in ("simultaneous", "alternating"):
        spectrum = found.spectrum(algorithm, ROW["step"], ROW["step"])
        assert spectrum.rate == pytest.approx(ROW[f"{algorithm}_rate"], rel=1e-14)
        assert (spectrum.verdict, spectrum.neutral) == ("stable", 3)
    assert found.equal_step_threshold("simultaneous") == pytest.approx(ROW["simultaneous_threshold"], rel=1e-13)
    # found by bisection on ρ = 1 + 1e-9, which a growth of 1e-9 per step moves by about as much
    assert found.equal_step_threshold("alternating") == pytest.approx(ROW["alternating_threshold"], rel=1e-8)


def test_the_network_of_the_reference_under_adam_has_its_rates():
    beta, p = ROW["momentum"], ROW["preconditioner"]
    for algorithm in ("simultaneous", "alternating"):
        found = update_spectrum(JACOBIAN, 2, algorithm, p, p, momentum=beta, averaged=True)
        assert found.rate == pytest.approx(ROW[f"{algorithm}_adam"], rel=1e-13)


def test_the_local_sensitivity_of_the_network_is_that_of_the_reference():
    """max_x |∇D's response| per unit of W₁ to a move of θ: φ'(x) D̂⁻¹ g' C v over √(vᵀNv), N = mean Df Dfᵀ = 1."""
    found = features()
    slope = 1 - np.tanh(np.array([-1.0, 1.0]) + 0.5) ** 2
    response = np.linalg.norm(found.coupling[0]) / found.damping[0, 0]
    assert slope.max() * response == pytest.approx(ROW["local_beta2"], rel=1e-13)


def test_the_blocks_are_the_derivative_of_the_field_of_a_feature_critic(cases):
    """Fourier features of an affine generator in the plane, logistic or WGAN, saturating or not, both penalties."""
    count = cases(18, 180)
    errors = [block_error(seed) for seed in range(count)]
    assert max(errors) < 1e-9  # of the differences
    cases.record("blocks of a GAN with features: error", count, max(errors))


def block_error(seed):
    rng = np.random.default_rng(seed)
    z, waves, phases = rng.normal(size=(5, 2)), rng.normal(size=(3, 2)), rng.uniform(0, 6.28, size=3)
    ridge, rho, saturating = 0.3, 0.7, bool(seed % 3)
    g1 = (lambda t: 1 / (1 + np.exp(t))) if seed % 2 else (lambda t: np.ones_like(t))

    def phi(x):
        return np.cos(x @ waves.T + phases)

    def slope(x):  # (n, F, 2)
        return -np.sin(x @ waves.T + phases)[:, :, None] * waves

    gram = np.einsum("nfi,ngi->fg", slope(z), slope(z)) / 5

    def field(state):
        a, b, psi = state[:4].reshape(2, 2), state[4:6], state[6:]
        x = z @ a.T + b
        fake, real = phi(x) @ psi, phi(z) @ psi
        push = g1(fake) if saturating else g1(-fake)
        pull = push[:, None] * np.einsum("nfi,f->ni", slope(x), psi) / 5
        up = (g1(fake) @ phi(x) - g1(-real) @ phi(z)) / 5 - ridge * psi - rho * gram @ psi
        return np.concatenate([-(pull.T @ z).ravel(), -pull.sum(0), up])

    start, h = np.concatenate([np.eye(2).ravel(), np.zeros(5)]), 1e-6
    built = np.stack([(field(start + h * e) - field(start - h * e)) / (2 * h) for e in np.eye(9)], axis=1)
    outputs = np.zeros((5, 2, 6))  # Df
    outputs[:, 0, :2] = outputs[:, 1, 2:4] = z
    outputs[:, 0, 4] = outputs[:, 1, 5] = 1.0
    coupling = np.einsum("nfi,nip->fp", slope(z), outputs) / 5
    values = (0.5, -0.25) if seed % 2 else (1.0, 0.0)
    game = gan_linearisation(coupling, gram, phi(z).T @ phi(z) / 5, ridge, rho, *values)
    return np.abs(built - game.jacobian).max()


def test_the_least_ridge_that_holds_an_unpenalised_dirac_gan_is_that_of_the_reference():
    """At steps ½ the rate passes 1 where the ridge does 1/8."""
    step = 0.5
    for factor, verdict in ((1.001, "stable"), (0.999, "unstable"), (0.0, "unstable")):
        dirac = gan_linearisation([[1.0]], [[1.0]], [[0.0]], ridge=factor * ROW["least_ridge"], slope=0.5)
        assert dirac.spectrum("simultaneous", step, step).verdict == verdict


def random_game(seed, neutral=True):
    rng = np.random.default_rng(seed)
    features, params = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    points = rng.normal(size=(3, features, 2))
    gram = np.einsum("nfi,ngi->fg", points, points) / 3
    outputs = rng.normal(size=(3, 2, params)) * rng.choice([0.3, 1.0, 2.0])
    coupling = np.einsum("nfi,nip->fp", points, outputs) / 3
    lipschitz = np.linalg.eigvalsh(np.einsum("nip,niq->pq", outputs, outputs) / 3)[-1]
    values = rng.normal(size=(4, features))
    return coupling, gram, values.T @ values / 4, lipschitz, rng


@pytest.mark.parametrize("seed", range(40))
def test_the_gram_of_the_coupling_is_below_its_bound(seed):
    coupling, gram, _, lipschitz, _ = random_game(seed)
    assert np.linalg.eigvalsh(lipschitz * gram - coupling @ coupling.T)[0] >= -1e-12 * lipschitz * np.abs(gram).max()


def test_games_that_meet_the_simultaneous_condition_are_stable(cases):
    count = cases(60, 360)
    shares = [simultaneous_share(seed) for seed in range(count)]
    assert max(shares) < 1 + 1e-8  # high is known to 2⁻³⁰
    cases.record("simultaneous condition: guaranteed step over the actual one", count, max(shares))
    cases.record("simultaneous condition: median of that", count, float(np.median(shares)))


def simultaneous_share(seed):
    """The η that the first condition guarantees over the η at which the game turns unstable, γ just below 2/‖D̂‖."""
    coupling, gram, moment, lipschitz, rng = random_game(seed)
    slope, curvature = (0.5, -0.25) if seed % 2 else (1.0, 0.0)
    rho = float(rng.uniform(0.1, 2.0))
    game = gan_linearisation(coupling, gram, moment, penalty=rho, slope=slope, curvature=curvature)
    gamma = 1.999 / np.linalg.norm(game.damping, 2)
    eta = 0.999 * r1_threshold(rho, lipschitz, slope)
    assert eta <= game.min_step_threshold * (1 + 1e-9)
    assert game.simultaneous_safe(eta, gamma)
    assert game.spectrum("simultaneous", eta, gamma).rate < 1
    low, high = eta, eta
    while game.spectrum("simultaneous", high, gamma).rate < 1:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        inside = game.spectrum("simultaneous", middle, gamma).rate < 1
        low, high = (middle, high) if inside else (low, middle)
    # the second condition is necessary: above it an eigenvalue passes −1
    small = 0.5 * game.min_step_threshold
    edge = 4 / np.linalg.eigvalsh(2 * game.damping - small * game.coupling @ game.coupling.T)[-1]
    assert game.simultaneous_safe(small, 0.999 * edge)
    assert not game.simultaneous_safe(small, 1.001 * edge)
    assert game.spectrum("simultaneous", small, 1.001 * edge).verdict == "unstable"
    return game.min_step_threshold / high


@pytest.mark.parametrize("block", range(8))
def test_alternating_games_are_stable_just_below_the_threshold_and_unstable_just_above(cases, block):
    count = cases(50, 500)
    for seed in range(count * block, count * (block + 1)):
        coupling, gram, moment, _, rng = random_game(seed)
        game = gan_linearisation(coupling, gram, moment, ridge=float(rng.uniform(0, 1)), penalty=0.3, slope=0.5)
        eta = float(np.exp(rng.normal() * 2))
        edge = alternating_threshold(game.damping, game.coupling, eta)
        assert game.alternating_stable(eta, 0.999 * edge)
        assert game.spectrum("alternating", eta, 0.999 * edge).verdict == "stable"
        assert not game.alternating_stable(eta, 1.001 * edge)
        assert game.spectrum("alternating", eta, 1.001 * edge).verdict == "unstable"
    cases.record("alternating threshold, 0.1 % to either side: wrong verdicts", count, 0)


def test_steps_safe_for_one_order_need_not_be_for_the_other():
    game = gan_linearisation([[1.0]], [[1.0]], [[0.0]], penalty=1.0)
    assert game.simultaneous_safe(0.9, 1.9)
    assert not game.alternating_stable(0.9, 1.9)
    assert game.alternating_stable(9.0, 0.3)
    assert not game.simultaneous_safe(9.0, 0.3)


def test_the_critic_bound_must_count_the_curvature_of_the_loss():
    """Logistic, ρ = G = 1, E φ² = 100, γ = 1.9: γρ‖G‖ < 2 and yet the rate is 95.9."""
    game = gan_linearisation([[1.0]], [[1.0]], [[100.0]], penalty=1.0, slope=0.5, curvature=-0.25)
    assert game.spectrum("simultaneous", 0.5, 1.9).rate == pytest.approx(95.9, abs=0.05)
    assert not game.simultaneous_safe(0.5, 1.9)


def test_an_undamped_direction_is_never_called_stable():
    """Two features, only one penalised: the other cycles."""
    game = gan_linearisation(np.eye(2), np.diag([1.0, 0.0]), np.zeros((2, 2)), penalty=1.0)
    assert game.min_step_threshold == 0.0
    assert not game.alternating_stable(0.1, 0.1)
    assert not game.simultaneous_safe(0.1, 0.1)
    assert game.undamped == 1
    assert game.spectrum("alternating", 0.1, 0.1).verdict == "marginal"
    assert game.equal_step_threshold("simultaneous") == 0.0


@pytest.mark.parametrize("seed", range(30))
def test_a_singular_damping_suffices_for_alternation_when_the_coupling_spreads_it(seed):
    """D̂ of rank one on three features: damped through K unless an eigenvector of KKᵀ lies in its kernel."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    coupling = turn * rng.uniform(0.5, 1.5, size=3)
    blind = seed % 3  # how many eigenvectors of KKᵀ the damped direction does not see
    v = turn @ np.concatenate([np.zeros(blind), rng.uniform(0.3, 1.0, size=3 - blind)])
    game = gan_linearisation(coupling, np.outer(v, v), np.zeros((3, 3)), penalty=1.0)
    assert game.undamped == blind
    assert game.min_step_threshold == 0.0  # the simultaneous condition has nothing to say
    eta = float(rng.uniform(0.1, 2.0))
    edge = alternating_threshold(game.damping, game.coupling, eta)
    assert game.alternating_stable(eta, 0.9 * edge) == (blind == 0)
    assert game.spectrum("alternating", eta, 0.9 * edge).verdict == ("marginal" if blind else "stable")
    assert not game.alternating_stable(eta, 1.01 * edge)
    assert game.spectrum("alternating", eta, 1.01 * edge).verdict == "unstable"
    assert (np.abs(game.eigenvalues.real) < 1e-12).sum() == 2 * blind


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("points", [5, 20, 80])
def test_the_r1_threshold_holds_for_particles_of_any_number_and_dimension(cases, points, dimension):
    """Particles at the data, random Fourier features, pure R1: the run itself turns at η = ρ."""
    count = cases(2, 16)
    for seed in range(count):
        check_the_r1_threshold(points, dimension, np.random.default_rng(points + dimension + 1000 * seed))
    cases.record("R1 threshold of particles, 3 % to either side: wrong verdicts", count, 0)


def check_the_r1_threshold(points, dimension, rng):
    rho, count = 0.7, 4
    data = rng.normal(size=(points, dimension))
    spread = np.array([[0.5], [1.0], [2.0], [4.0]])  # so that no two features are nearly one, and no mode is too slow
    waves = rng.normal(size=(count, dimension))
    waves, phases = spread * waves / np.linalg.norm(waves, axis=1, keepdims=True), rng.uniform(0, 6.28, size=count)

    def value(x):
        return np.cos(x @ waves.T + phases)

    def slope(x):  # (N, count, d)
        return -np.sin(x @ waves.T + phases)[:, :, None] * waves

    gram = np.einsum("nfi,ngi->fg", slope(data), slope(data)) / points
    tops, directions = np.linalg.eigh(gram)
    gamma = 0.5 / (tops[-1] * rho)
    for factor, grows in ((0.97, False), (1.03, True)):
        eta, x, c = factor * rho, data.copy(), 1e-9 * rng.normal(size=count)
        sizes = []
        for _ in range(1500):
            move, push = slope(x), value(x).mean(0) - value(data).mean(0) - rho * gram @ c
            x, c = x - eta * np.einsum("nfi,f->ni", move, c), c + gamma * push
            # slow modes and feature directions that nothing moves stay: look at the fastest mode, |z|² = 1 − ½(1 − η/ρ)
            sizes.append(abs(directions[:, -1] @ c))
        ratio = max(sizes[-100:]) / max(sizes[:100])
        assert ratio > 1e3 if grows else ratio < 1e-3  # e^{±0.0075 · 1400} = 3.6e4 to either side
    # and the same from the linearisation with parameters = particles, N times their step
    wide = slope(data).transpose(1, 0, 2).reshape(count, -1) / points
    game = gan_linearisation(wide, gram, np.zeros((count, count)), penalty=rho)
    assert game.neutral == points * dimension + count - 2 * np.linalg.matrix_rank(wide)
    # below 1, though a mode with t near 0 may come nearer to it than the 1e-9 at which a verdict says marginal
    assert game.spectrum("simultaneous", 0.999 * rho * points, gamma).rate < 1
    assert game.spectrum("simultaneous", 1.001 * rho * points, gamma).verdict == "unstable"
    assert game.min_step_threshold == pytest.approx(r1_threshold(rho, 1 / points), rel=1e-9)


def test_ridge_thresholds_of_particles_do_not_depend_on_their_number():
    """η < λ/K1 suffices: the top eigenvalue of the mean of ∇∇'k is at most K1."""
    k1 = kernel_profile("matern52", 0.8).shape.gradient_square / 0.64
    rng = np.random.default_rng(0)
    for n in (2, 10, 40):
        x = rng.normal(size=n)
        cross = -kernel_profile("matern52", 0.8).curvature(np.abs(x[:, None] - x)) / n
        assert np.linalg.eigvalsh(cross)[-1] <= k1 * (1 + 1e-12)


def test_the_effective_potential_of_a_penalty_under_the_moving_measure(cases):
    """J(μ) = max_f E_μ f − E_0 f − (λ/2)‖f‖² − (ρ/2) E_μ|f'|²: its gradient is that of Φ − (ρ/2)|Φ'|², not of Φ."""
    count = cases(4, 40)
    errors, naive = zip(*(potential_errors(np.random.default_rng(seed)) for seed in range(count)), strict=True)
    assert max(errors) < 1e-8  # central differences at 1e-6
    assert max(naive) > 1e-3  # the gradient of Φ alone is another one
    cases.record("gradient of R2: error", count, max(errors))
    cases.record("gradient of R2, the penalty left out: error", count, max(naive))


def potential_errors(rng):
    """How far the gradient of J is from that of Φ − (ρ/2)|Φ'|², and from that of Φ."""
    data, x = rng.normal(size=(2, 3))
    lam, rho = 0.3, 0.8

    def parts(y):  # features sin, cos, sin 2x
        return np.stack([np.sin(y), np.cos(y), np.sin(2 * y)]), np.stack([np.cos(y), -np.sin(y), 2 * np.cos(2 * y)])

    def solve(y):
        (value, slope), (other, _) = parts(y), parts(data)
        pull = value.mean(1) - other.mean(1)
        a = lam * np.eye(3) + rho * slope @ slope.T / len(y)
        return np.linalg.solve(a, pull), 0.5 * pull @ np.linalg.solve(a, pull)

    coefficients, _ = solve(x)
    h = 1e-6
    numeric = [(solve(x + h * e)[1] - solve(x - h * e)[1]) / (2 * h) for e in np.eye(3)]
    _, slope = parts(x)
    bend = np.stack([-np.sin(x), -np.cos(x), -4 * np.sin(2 * x)])
    d1, d2 = coefficients @ slope, coefficients @ bend
    return np.abs(numeric - (d1 - rho * d1 * d2) / 3).max(), np.abs(d1 / 3 - numeric).max()


@given(st.integers(0, 10_000), st.sampled_from(ALGORITHMS))
def test_one_mode_of_the_update_map_is_the_mode(seed, algorithm):
    rng = np.random.default_rng(seed)
    eta, gamma, t, ridge, tau = rng.uniform(0.05, 1.5, size=5)
    jacobian = [[-tau, -1.0], [t, -ridge]]
    found = update_spectrum(jacobian, 1, algorithm, eta, gamma)
    assert found.rate == pytest.approx(mode_rate(algorithm, eta, gamma, t, ridge, tau).rate, rel=1e-6)


def test_the_update_map_is_the_derivative_of_the_optimiser():
    """Columns of M from the steps themselves, momentum and several critic steps included."""
    rng = np.random.default_rng(2)
    j = rng.normal(size=(4, 4))
    first = np.array([True, True, True, False])
    eta, gamma, beta = np.array([0.1, 0.2, 0.3]), 0.4, 0.6
    p = np.append(eta, gamma)

    def run(state, averaged, movers):
        w, m = state[:4].copy(), state[4:].copy()
        for moving in movers:
            v = j @ w
            m[moving] = (beta * m + (1 - beta if averaged else 1) * v)[moving]
            w[moving] += (p * m)[moving]
        return np.concatenate([w, m])

    for averaged in (False, True):
        for algorithm, movers, rounds in (
            ("simultaneous", [first | True], 1),
            ("alternating", [first, ~first, ~first, ~first], 3),
        ):
            built = np.stack([run(e, averaged, movers) for e in np.eye(8)], axis=1)
            stated = update_map(j, 3, algorithm, eta, gamma, beta, averaged, critic_steps=rounds)
            np.testing.assert_allclose(stated, built, atol=1e-14)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_dropping_neutral_directions_drops_ones_and_nothing_else(algorithm, momentum):
    if momentum and algorithm in ("extragradient", "optimistic"):
        return
    rng = np.random.default_rng(9)
    j = np.zeros((5, 5))
    j[:4, :4] = rng.normal(size=(4, 4)) / 3
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    j = turn @ j @ turn.T
    assert neutral_directions(j).count == 1
    found = update_spectrum(j, 2, algorithm, 0.3, 0.7, momentum=momentum)
    whole = np.linalg.eigvals(update_map(j, 2, algorithm, 0.3, 0.7, momentum))
    extra = [1.0, 0.0] if algorithm == "optimistic" else [1.0]
    left = list(np.concatenate([found.eigenvalues, extra]))
    for z in whole:
        nearest = int(np.argmin(np.abs(np.array(left) - z)))
        assert abs(left.pop(nearest) - z) < 1e-7
    assert left == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_step_threshold_is_where_the_rate_passes_one(algorithm):
    edge = step_threshold(JACOBIAN, 2, algorithm, 0.7, 1.3)
    assert update_spectrum(JACOBIAN, 2, algorithm, 0.7 * edge * 0.9999, 1.3 * edge * 0.9999).rate < 1
    assert update_spectrum(JACOBIAN, 2, algorithm, 0.7 * edge * 1.0001, 1.3 * edge * 1.0001).rate > 1


def test_a_field_without_damping_or_without_motion_is_said_to_be_so():
    still = update_spectrum(np.zeros((2, 2)), 1, "simultaneous", 0.1, 0.1)
    assert np.isnan(still.rate)
    assert (still.verdict, still.neutral) == ("neutral", 2)
    assert still.reason == "every direction is neutral: the field is constant"
    assert step_threshold(np.zeros((2, 2)), 1, "alternating") == np.inf
    turning = [[0.0, -1.0], [1.0, 0.0]]
    assert step_threshold(turning, 1, "simultaneous") == 0.0
    assert step_threshold(turning, 1, "alternating") == pytest.approx(2.0, rel=1e-4)  # a square root at the edge
    assert step_threshold(turning, 1, "extragradient") == pytest.approx(1.0, rel=1e-8)
    assert step_threshold([[1.0, -1.0], [1.0, 0.5]], 1, "alternating") == 0.0


def refused(message, function, *arguments, **words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        function(*arguments, **words)
    assert str(caught.value) == message


def test_bad_input_of_local_analysis_is_refused_in_one_sentence():
    one = [[1.0]]
    refused("penalty must be >= 0, got -1", gan_linearisation, one, one, one, penalty=-1.0)
    refused("ridge must be >= 0, got -1", gan_linearisation, one, one, one, ridge=-1.0)
    refused("coupling must be finite, got nan", gan_linearisation, [[np.nan]], one, one)
    refused("gradient_gram must have shape (1, 1), got (2, 2)", gan_linearisation, one, np.eye(2), one)
    refused("second_moment must have no negative eigenvalue, got -1", gan_linearisation, one, one, [[-1.0]])
    refused("slope must be a number > 0, got 0.0", gan_linearisation, one, one, one, slope=0.0)
    refused("curvature must be <= 0, as g is concave, got 1", gan_linearisation, one, one, one, curvature=1.0)
    refused(
        "gradient_gram must be symmetric, got entries that differ by 1",
        gan_linearisation, np.eye(2), [[1.0, 1.0], [0.0, 1.0]], np.eye(2),
    )  # fmt: skip
    refused("penalty must be a number > 0, got 0.0", r1_threshold, 0.0)
    refused(
        "squared_lipschitz must be finite, as no step size follows from an infinite constant, got inf",
        r1_threshold, 1.0, np.inf,
    )  # fmt: skip
    refused("min_step must be a number > 0, got 0.0", alternating_threshold, one, one, 0.0)
    refused("jacobian must be a square matrix, got shape (1, 2)", neutral_directions, [[1.0, 2.0]])
    refused("min_step must be > 0, got -1", update_map, one, 1, "simultaneous", -1.0, 1.0)
    refused(
        "min_step must be a number or have shape (1,), got (2,)", update_map, one, 1, "simultaneous", [1.0, 1.0], 1.0
    )
    refused("minimisers must be <= the size of jacobian = 1, got 2", update_map, one, 2, "simultaneous", 1.0, 1.0)
    refused("momentum must be < 1, got 1", update_map, one, 1, "simultaneous", 1.0, 1.0, momentum=1.0)
    refused("momentum must be 0 for optimistic, got 0.5", update_map, one, 1, "optimistic", 1.0, 1.0, momentum=0.5)
    refused(
        "critic_steps must be 1 for simultaneous, got 2", update_map, one, 1, "simultaneous", 1.0, 1.0, critic_steps=2
    )
