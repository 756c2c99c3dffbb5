"""The table of losses says what the witnesses show, and every repair it names does repair."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog

from lemmata.theory.minimax.conditions import REGULARISERS, conditions
from lemmata.theory.minimax.kernel_constants import kernel_constants, penalised_constants
from lemmata.theory.minimax.loss_table import LOSSES, gaussian_pair
from lemmata.theory.minimax.network_critic import critic_constants

TABLE = {  # D1, D2, D3 of the bare losses
    "minimax": (False, False, False),
    "non_saturating": (False, False, False),
    "kl": (False, False, False),
    "chi_squared": (False, False, False),
    "wasserstein": (True, False, False),
    "mmd": (True, True, False),
    "energy": (True, False, False),
    "ridge": (True, True, True),
}


def three(found):
    return found.lipschitz.holds, found.smooth.holds, found.stable.holds


def allowed(loss):
    """Every set of regularisers that goes with the loss."""
    for size in range(5):
        for words in itertools.combinations(REGULARISERS[1:], size):
            try:
                yield words, conditions(loss, words)
            except ValueError as error:
                assert "RKHS" in str(error)  # noqa: PT017


def test_the_bare_table_is_as_stated():
    assert {loss: three(conditions(loss)) for loss in LOSSES} == TABLE
    assert [loss for loss in LOSSES if conditions(loss).hold] == ["ridge"]


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_named_repair_repairs(loss):
    for _, found in allowed(loss):
        for place, condition in enumerate((found.lipschitz, found.smooth, found.stable)):
            assert condition.holds == (not condition.repairs) == bool(condition.constant)
            assert condition.reason
            assert condition.source.startswith("docs/minimax")
            for repair in condition.repairs:
                assert three(conditions(loss, repair))[place], (loss, repair)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_an_inf_convolved_loss_meets_all_three_whatever_it_was(loss):
    assert conditions(loss, "inf_convolution").hold
    assert conditions(loss, ["inf_convolution", "gradient_penalty"]).hold


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "kl", "chi_squared", "wasserstein"])
def test_spectral_normalisation_gives_D1_and_with_smooth_activations_D2_but_never_D3(loss):
    assert conditions(loss, "spectral_normalisation").lipschitz.holds
    assert not conditions(loss, "spectral_normalisation").smooth.holds
    both = conditions(loss, ["spectral_normalisation", "smooth_activation", "gradient_penalty"])
    assert three(both) == (True, True, False)
    assert "theorem 16" in both.stable.reason


def test_values_come_with_the_constants():
    ridge = kernel_constants("matern52", 0.8, 0.5)
    found = conditions("wasserstein", "inf_convolution", ridge)
    assert (found.lipschitz.value, found.smooth.value, found.stable.value) == (ridge.alpha, ridge.beta1, ridge.beta2)
    mmd = conditions("mmd", constants=ridge)
    assert mmd.lipschitz.value == pytest.approx(ridge.K1**0.5)
    assert mmd.smooth.value == pytest.approx(ridge.K2**0.5)
    assert conditions("wasserstein").lipschitz.value == 1.0
    assert conditions("energy").lipschitz.value == 2.0
    network = critic_constants([1.0, 2.0], "tanh")
    normalised = conditions("minimax", ["spectral_normalisation", "smooth_activation"], network)
    assert (normalised.lipschitz.value, normalised.smooth.value) == (network.alpha, network.beta1)
    penalised = penalised_constants("gaussian", 1.0, 1.0)
    assert conditions("ridge", "gradient_penalty", penalised).lipschitz.value == penalised.alpha


def test_an_infinite_constant_makes_its_condition_fail():
    found = conditions("ridge", constants=kernel_constants("matern12", 1.0, 1.0))
    assert three(found) == (True, False, False)
    assert "infinite" in found.smooth.reason
    relu = critic_constants([1.0, 1.0], "relu")
    network = conditions("minimax", ["spectral_normalisation", "smooth_activation"], relu)
    assert not network.smooth.holds


def log_ratio_critic(loss):
    """The optimal critic of a density pair, as a function of the densities."""
    return {
        "minimax": lambda p, q: 0.5 * np.log(p / (p + q)),
        "non_saturating": lambda p, q: -0.5 * np.log(q / (p + q)),
        "kl": lambda p, q: np.log(p / q),
    }[loss]


def normal(x, mean):
    return np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "kl"])
@pytest.mark.parametrize("shift", [0.5, -1.0, 3.0])
def test_two_normals_attain_the_constants_of_the_pair(loss, shift):
    x = np.linspace(-30, 30, 60_001)
    phi = log_ratio_critic(loss)(normal(x, shift), normal(x, 0.0))
    slope = np.gradient(phi, x, edge_order=2)
    pair = gaussian_pair(loss, shift)
    # the supremum of the slope is reached at infinity, to e^-15 at the ends; differences have error 1e-6
    assert np.abs(slope).max() == pytest.approx(pair.alpha, rel=2e-3)
    assert np.abs(slope).max() <= pair.alpha * (1 + 1e-6)
    assert np.abs(np.gradient(slope, x))[5:-5].max() == pytest.approx(pair.beta1, abs=1e-5)


@pytest.mark.parametrize("loss", ["minimax", "non_saturating", "kl", "chi_squared"])
def test_the_stated_critic_is_the_derivative_of_the_loss(cases, loss):
    """d/dt J(μ + tξ) at 0 is ∫Φ dξ, by central differences of the integral."""
    shifts, worst = [0.4, -1.0, 0.1, 0.9, 1.3, -0.6, -0.2, 0.7][: cases(1, 8)], 0.0
    functional = {
        "minimax": lambda p, q: 0.5 * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))),
        "non_saturating": lambda p, q: 0.5 * (p + q) * np.log((p + q) / (2 * q)),
        "kl": lambda p, q: p * np.log(p / q),
        "chi_squared": lambda p, q: p**2 / q - q,
    }[loss]
    critic = log_ratio_critic(loss) if loss != "chi_squared" else lambda p, q: 2 * p / q
    for m in shifts:
        p, q = (lambda x, m=m: normal(x, m)), (lambda x: normal(x, 0.0))
        xi = lambda x, m=m: normal(x, m) * np.sin(x - m)  # noqa: E731 - mean zero by symmetry
        exact = quad(lambda x, p=p, q=q, xi=xi: critic(p(x), q(x)) * xi(x), -10, 10, epsabs=1e-13)[0]
        t = 1e-4

        def end(s, p=p, q=q, xi=xi):
            return quad(lambda x: functional(p(x) + s * xi(x), q(x)), -10, 10, epsabs=1e-13)[0]

        numeric = (end(t) - end(-t)) / (2 * t)
        assert numeric == pytest.approx(exact, rel=1e-6)
        worst = max(worst, abs(numeric / exact - 1))
    cases.record("critics of density losses as derivatives: relative error", len(shifts), worst)


def test_for_the_minimax_loss_a_fine_ripple_moves_the_critic_but_not_the_measure():
    ratios = []
    for epsilon in (0.2, 0.1, 0.05):
        x = np.linspace(-3, 3, 60_001)
        ripple = 1 + epsilon * np.cos(x / epsilon)
        p, q = normal(x, 1.0), normal(x, 0.0)
        critic = log_ratio_critic("minimax")
        change = np.abs(np.gradient(critic(p * ripple, q) - critic(p, q), x)).max()
        wide = np.linspace(-9, 11, 200_001)
        moved = np.cumsum(normal(wide, 1.0) * epsilon * np.cos(wide / epsilon)) * (wide[1] - wide[0])
        ratios.append(change / (np.abs(moved).sum() * (wide[1] - wide[0])) * epsilon**2)
    assert ratios == pytest.approx([0.761] * 3, abs=0.0015)  # so the ratio itself grows as 1/ε²


def test_for_the_unsquared_mmd_the_sensitivity_grows_as_the_measures_meet():
    def slope(t, x):  # gaussian kernel, μ = δ_t, μ₀ = δ_0
        norm = np.sqrt(2 - 2 * np.exp(-(t**2) / 2))
        return (-(x - t) * np.exp(-((x - t) ** 2) / 2) + x * np.exp(-(x**2) / 2)) / norm

    for t in (0.1, 0.01, 0.001):
        assert abs(slope(t, 0.0) - slope(-t, 0.0)) / (2 * t) == pytest.approx(1 / t, rel=t)


def test_for_the_energy_distance_two_close_atoms_differ_by_two_in_slope():
    for t in (1.0, 1e-3):
        x = t / 2
        first = -2 * (float(x >= 0) - 0.5)
        second = -2 * (float(x >= t) - 0.5)
        half = np.array([np.sign(x), np.sign(x - t)])  # the slopes of |x| and |x − t|, the kernels negated
        assert first - second == pytest.approx(-half[0] + half[1])
        assert abs(first - second) / t == pytest.approx(2 / t)


def test_for_wasserstein_the_potential_between_two_atoms_has_a_kink():
    """Linear programming on a grid: every optimal 1-Lipschitz f has f(±1) − f(0) = 1."""
    x = np.linspace(-1.5, 1.5, 31)
    cost = np.zeros(31)
    cost[[5, 25]], cost[15] = -0.5, 1.0  # minus E_μ f plus E_μ₀ f
    steps = np.diff(np.eye(31), axis=0)
    rows, limits = np.concatenate([steps, -steps]), np.full(60, 0.1)
    best = linprog(cost, A_ub=rows, b_ub=limits, bounds=(-5, 5))
    assert -best.fun == pytest.approx(1.0)
    optimal = {"A_ub": np.vstack([rows, cost]), "b_ub": np.append(limits, best.fun + 1e-9), "bounds": (-5, 5)}
    for k in (6, 9, 14, 16, 20, 24):  # the slope of an optimal potential is forced to sign(x), so it jumps at 0
        for sense in (1.0, -1.0):
            aim = np.zeros(31)
            aim[k], aim[15] = sense, -sense
            value = sense * linprog(aim, **optimal).fun
            assert value == pytest.approx(abs(x[k]), abs=1e-6)


@pytest.mark.parametrize("payoff", [lambda t: t, lambda t: -np.log1p(np.exp(-t))])
def test_a_normalised_linear_critic_jumps_as_the_measures_meet(payoff):
    """So D3 fails under spectral normalisation: the best w in [−1, 1] is sign(t)."""
    w = np.linspace(-1, 1, 2001)
    for t in (0.5, 1e-3):
        best = [w[np.argmax(payoff(w * s) + payoff(0.0))] for s in (t, -t)]
        assert best == [1.0, -1.0]


def test_words_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match=r"^regulariser must not join 'spectral_normalisation', which acts on network"):
        conditions("mmd", "spectral_normalisation")
    with pytest.raises(ValueError, match=r"'smooth_activation', which acts on network critics, with 'inf_convolution'"):
        conditions("minimax", ["smooth_activation", "inf_convolution"])
    with pytest.raises(ValueError, match=r"^loss must be one of minimax, .*, ridge, got 'hinge'$"):
        conditions("hinge")
    with pytest.raises(ValueError, match=r"^regulariser must be one of none, .*, got 'dropout'$"):
        conditions("minimax", ["dropout"])
    with pytest.raises(TypeError, match=r"^constants must be KernelConstants for this critic, got CriticConstants$"):
        conditions("ridge", constants=critic_constants([1.0], "tanh"))
    with pytest.raises(
        ValueError, match=r"^loss must be one of minimax, non_saturating, kl, chi_squared, got 'ridge'$"
    ):
        gaussian_pair("ridge", 1.0)
