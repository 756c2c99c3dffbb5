"""The posterior of data: its energy, its exact Gaussian case, the estimators read off it, and chains that must not stay
behind in a wrong basin."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp

from lemmata.sim.learning import (
    Data,
    draw_data,
    estimate_generalization,
    from_data,
    generalization,
    sample,
    sampler,
    two_temperatures,
    wbic,
)
from lemmata.sim.learning.data import log_density
from lemmata.sim.learning.least_energy import least_energy
from lemmata.sim.learning.posterior import log_likelihood_constant
from lemmata.theory import learning
from lemmata.theory.learning.network import (
    LinearNetwork,
    Truth,
    concept_bottleneck_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)

NETWORK = LinearNetwork((4, 3, 3, 2), (1, 0, 2))


def random_layers(network, rng, scale=1.0):
    return tuple(scale * rng.standard_normal((a, b)) for b, a in pairwise(network.widths))


def squares(network, layers, X, observations):
    """½ Σ ‖what the network computes at every datum − what was observed‖², the slow way."""
    signal, total = X, 0.0
    for w, seen, y in zip(layers, network.observed, observations, strict=True):
        signal = signal @ w.T
        if y is not None:
            total += 0.5 * ((signal[:, signal.shape[1] - seen :] - y) ** 2).sum()
    return total


def design_matrix(kind, rng):
    X = rng.standard_normal({"many": (20, 4), "fewer than inputs": (3, 4), "one": (1, 4)}.get(kind, (20, 4)))
    if kind == "rank deficient":
        X[:, 3] = X[:, 0] - 2 * X[:, 1]
    if kind == "an input is always zero":
        X[:, 2] = 0.0
    if kind == "no signal":
        X[:] = 0.0
    return X


KINDS = ["many", "fewer than inputs", "one", "rank deficient", "an input is always zero", "no signal"]


@pytest.mark.parametrize("kind", KINDS)
def test_energy_of_sufficient_statistics_is_the_sum_of_squares(kind):
    rng = np.random.default_rng(1)
    X = design_matrix(kind, rng)
    observations = [rng.standard_normal((len(X), 1)), None, rng.standard_normal((len(X), 2))]
    posterior = from_data(NETWORK, X, observations)
    assert_allclose(posterior.rotation @ posterior.rotation.T, np.eye(4), atol=1e-14)
    for _ in range(5):
        layers = random_layers(NETWORK, rng)
        signal, energy = np.diag(posterior.design), posterior.constant
        for w, seen, target in zip(
            (layers[0] @ posterior.rotation, *layers[1:]), NETWORK.observed, posterior.targets, strict=True
        ):
            signal = w @ signal
            energy += 0.5 * ((signal[len(signal) - seen :] - target) ** 2).sum()
        assert_allclose(energy, squares(NETWORK, layers, X, observations), rtol=1e-12)


def test_the_sampled_weights_have_the_energies_that_were_recorded():
    # in the coordinates of the data: weights kept after a sweep have the energy recorded before the next
    rng = np.random.default_rng(2)
    X = rng.standard_normal((3, 4))
    observations = [rng.standard_normal((3, 1)), None, rng.standard_normal((3, 2))]
    posterior = from_data(NETWORK, X, observations)
    seen = sample(posterior, [0.5, 2.0], rng=rng, sweeps=6, chains=3, warmup=20, thin=1)
    for b, beta in enumerate(seen.beta):
        for chain in range(3):
            for t in range(5):
                layers = [w[b, chain, t] for w in seen.weights]
                direct = beta * (squares(NETWORK, layers, X, observations) - posterior.constant)
                assert_allclose(seen.energy[b, chain, t + 1], direct, rtol=1e-9, atol=1e-9)


def test_thinning_keeps_every_so_many_sweeps_over_the_blocks_of_random_numbers(monkeypatch):
    posterior = from_data(NETWORK, np.eye(4), [np.ones((4, 1)), None, np.ones((4, 2))])
    monkeypatch.setattr(sampler, "BLOCK", 7 * 40 * 3)  # some sweeps a block, not a multiple of 3
    every, third = (
        sample(posterior, 1.0, rng=np.random.default_rng(3), sweeps=50, chains=3, warmup=2, thin=k) for k in (1, 3)
    )
    for all_draws, some in zip(every.weights, third.weights, strict=True):
        assert all_draws.shape[2] == 50
        np.testing.assert_array_equal(all_draws[:, :, ::3], some)


# ---- one layer: everything is Gaussian


def one_layer(n=7, s=0.7, seed=4):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 3)), 1.5 * rng.standard_normal((n, 2))
    return X, Y, from_data(LinearNetwork((3, 2), (2,)), X, [Y], s)


@pytest.mark.parametrize("n", [7, 2])
def test_one_layer_has_the_posterior_of_linear_regression(n):
    X, Y, posterior = one_layer(n)
    beta, draws = 1.6, 40_000
    seen = sample(posterior, beta, rng=np.random.default_rng(5), sweeps=draws // 8, chains=8, warmup=1, thin=1)
    W = seen.weights[0][0].reshape(draws, 2, 3)  # one layer: the draws are independent
    precision = beta * X.T @ X + np.eye(3) / 0.7**2
    covariance, mean = np.linalg.inv(precision), np.linalg.solve(precision, beta * X.T @ Y).T
    root = np.linalg.cholesky(covariance)
    white = np.linalg.solve(root, (W - mean).transpose(0, 2, 1)).transpose(0, 2, 1).reshape(draws, 6)
    # white must be 40 000 standard normal vectors: 6 + 21 comparisons, 1 seed in 5000
    assert (abs(white.mean(0)) * draws**0.5 < 4.5).all()
    second = white.T @ white / draws - np.eye(6)
    assert (abs(second) * (draws / (1 + np.eye(6))) ** 0.5 < 4.5).all()


def mean_energy(X, Y, s, beta):
    """E_β[½‖Y − XWᵀ‖²] of linear regression, exactly."""
    precision = beta * X.T @ X + np.eye(X.shape[1]) / s**2
    fit = X @ np.linalg.solve(precision, beta * X.T @ Y)
    return 0.5 * ((Y - fit) ** 2).sum() + 0.5 * Y.shape[1] * np.trace(np.linalg.solve(precision, X.T @ X))


def test_criteria_of_one_layer_are_those_of_linear_regression():
    X, Y, posterior = one_layer(n=30)
    least = 0.5 * ((Y - X @ np.linalg.lstsq(X, Y)[0]) ** 2).sum()
    assert_allclose(least_energy(posterior, np.random.default_rng(6)), least, atol=1e-6)
    beta = 1 / math.log(30)
    found = wbic(posterior, rng=np.random.default_rng(7))
    tempered = mean_energy(X, Y, 0.7, beta)
    assert log_likelihood_constant(posterior) == pytest.approx(30 * math.log(2 * math.pi))
    assert abs(found.free_energy.z(tempered + 30 * math.log(2 * math.pi))) < 4.5  # each: 1 seed in 150 000
    assert abs(found.learning_coefficient.z((tempered - least) / math.log(30))) < 4.5
    c = np.array([0.5, 2.0])
    high, low = (mean_energy(X, Y, 0.7, b) for b in c * beta)
    two = two_temperatures(posterior, rng=np.random.default_rng(8), factors=(0.5, 2.0))
    assert abs(two.z((high - low) / (1 / (c[0] * beta) - 1 / (c[1] * beta)))) < 4.5
    assert found.learning_coefficient.error < 0.02
    assert two.error < 0.02


def test_prediction_of_one_layer_is_the_gaussian_predictive_density():
    X, Y, posterior = one_layer(n=9)
    rng = np.random.default_rng(9)
    seen = sample(posterior, 1.0, rng=rng, sweeps=2500, chains=8, warmup=1, thin=1)
    weights = (seen.weights[0][0].reshape(-1, 2, 3),)
    test = Data(rng.standard_normal((6, 3)), (rng.standard_normal((6, 2)),))
    precision = X.T @ X + np.eye(3) / 0.7**2
    mean = test.inputs @ np.linalg.solve(precision, X.T @ Y)
    spread = 1 + (test.inputs * np.linalg.solve(precision, test.inputs.T).T).sum(1)
    exact = stats.norm(mean, spread[:, None] ** 0.5).logpdf(test.observations[0]).sum(1)
    network = posterior.network
    found, variance = generalization._prediction(network, weights, test)
    table = log_density(network, weights, test)
    # the delta method's error of a log mean over independent draws; 12 comparisons
    relative = np.exp(table - logsumexp(table, axis=0) + math.log(len(table)))
    assert (abs(found - exact) < 4.5 * relative.std(0) / len(table) ** 0.5).all()
    assert_allclose(variance, table.var(0, ddof=1), rtol=1e-12)
    # the log density itself, one draw by hand
    direct = stats.norm(test.inputs @ weights[0][17].T, 1.0).logpdf(test.observations[0]).sum(1)
    assert_allclose(table[17], direct, rtol=1e-12)


@pytest.mark.parametrize("apart", [0.01, 1.0, 4.0])
def test_divergence_terms_average_to_the_divergence_of_two_gaussians(apart):
    # under N(0, 1) and N(d, 1), log p̂ - log p* = d x - d²/2 and the divergence is d²/2
    noise = np.random.default_rng(21).standard_normal((2, 100_000))
    ratios = apart * np.stack([noise[0], noise[1] + apart]) - apart**2 / 2
    terms = generalization._divergence_terms(ratios)
    error = np.sqrt((terms.var(1) / 100_000).sum()) / 2
    assert abs(terms.mean() - apart**2 / 2) < 4.5 * error  # fails for one seed in 150 000
    assert terms.min() >= 0
    # the mean of -r has the error d/√n, as large where the two are near as where they are far
    assert error < min(1.0, 0.7 * apart) * apart / 100_000**0.5


def test_divergence_terms_neither_overflow_nor_lose_small_ratios():
    r = np.array([-1e4, -1e-5, 0.0, 1e-5, 1e4])
    # ½ r² (1 - r/6 + O(r²)); e^r - 1 - r, 5e-11 here, is a difference of numbers with the rounding 1e-21
    small = 5e-11 * (1 - r[[1, 3]] / 6)
    assert_allclose(generalization._divergence_terms(r), [2 * (1e4 - 1), small[0], 0.0, small[1], 2.0], rtol=1e-9)


def test_predicted_data_have_the_mean_and_spread_of_the_prediction():
    rng = np.random.default_rng(22)
    draws = [random_layers(NETWORK, rng) for _ in range(3)]
    weights = tuple(np.stack(layer) for layer in zip(*draws, strict=True))
    data = generalization._draw_predicted(NETWORK, weights, 60_000, rng)
    assert [y.shape[1] for y in data.observations] == [1, 0, 2]
    both = np.hstack(data.observations)
    targets = [np.vstack(Truth(NETWORK, layers).targets) for layers in draws]
    # y = T x + noise with one of three T: the moments of y, and of y with x
    cross, second = both.T @ data.inputs / 60_000, both.T @ both / 60_000
    wanted = np.mean([T @ T.T for T in targets], 0) + np.eye(3)
    scale = np.sqrt(both.var(0))
    slack = 4.5 * 3 / 60_000**0.5  # of products whose deviation is at most 3 times those of the factors; 21 comparisons
    assert (abs(cross - np.mean(targets, 0)) < slack * scale[:, None]).all()
    assert (abs(second - wanted) < slack * scale[:, None] * scale).all()


def test_log_density_sums_over_all_observed_layers():
    rng = np.random.default_rng(10)
    layers = random_layers(NETWORK, rng)
    X = rng.standard_normal((5, 4))
    observations = (rng.standard_normal((5, 1)), np.zeros((5, 0)), rng.standard_normal((5, 2)))
    found = log_density(NETWORK, tuple(w[None] for w in layers), Data(X, observations))
    assert found.shape == (1, 5)
    total = -squares(NETWORK, layers, X, observations) - 5 * 3 * 0.5 * math.log(2 * math.pi)
    assert_allclose(found.sum(), total, rtol=1e-12)


def test_data_have_the_law_of_the_true_network():
    truth = Truth(NETWORK, random_layers(NETWORK, np.random.default_rng(11)))
    data = draw_data(truth, 50_000, np.random.default_rng(12))
    assert [y.shape[1] for y in data.observations] == [1, 0, 2]
    noise = np.hstack([y - data.inputs @ T.T for y, T in zip(data.observations, truth.targets, strict=True)])
    both = np.hstack([data.inputs, noise])
    second = both.T @ both / len(both) - np.eye(7)
    assert (abs(second) * (len(both) / (1 + np.eye(7))) ** 0.5 < 4.5).all()  # 28 comparisons: 1 seed in 5000
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 1e-4


# ---- singular cases, over data sets

SINGULAR = [
    # with n = 3000: |mean over data sets − λ| is sampling plus O(1/log n) of the singular case
    (reduced_rank_truth(2, 2, 3, 1), learning.reduced_rank(2, 2, 3, 1)),
    (concept_bottleneck_truth(2, 2, 2), learning.concept_bottleneck(2, 2, 2)),
    (partial_concept_bottleneck_truth(2, 1, 1, 3, 1, 1), learning.partial_concept_bottleneck(2, 1, 1, 3, 1, 1)),
]


@pytest.mark.parametrize(("truth", "exact"), SINGULAR, ids=["reduced rank", "bottleneck", "partial bottleneck"])
def test_wbic_and_two_temperatures_find_the_coefficient_over_data_sets(truth, exact):
    found = []
    for seed in range(12):
        rng = np.random.default_rng([13, seed])
        data = draw_data(truth, 3000, rng)
        posterior = from_data(truth.network, data.inputs, data.observations)
        run = {"rng": rng, "sweeps": 300, "chains": 16, "warmup": 200}
        found.append((wbic(posterior, **run).learning_coefficient.mean, two_temperatures(posterior, **run).mean))
    mean, error = np.mean(found, 0), np.std(found, 0, ddof=1) / 12**0.5
    # λ is 2.5 or 4; seen over 30 data sets: both estimators within 0.04 of it in every case
    assert (abs(mean - float(exact.value)) < 4.5 * error + 0.06).all()
    assert (error < 0.06).all()
    for wrong in (-0.5, 0.5):  # the nearest values that λ may have
        assert (abs(mean - float(exact.value) - wrong) > 4.5 * error + 0.06).all()


@pytest.mark.parametrize(("truth", "exact"), SINGULAR, ids=["reduced rank", "bottleneck", "partial bottleneck"])
def test_bayes_errors_follow_the_learning_curve(truth, exact):
    value = float(exact.value)
    seen = estimate_generalization(truth, 200, rng=np.random.default_rng(14), datasets=40, fresh=1000, draws=240)
    # o(1) at n = 200 is below a tenth of λ here; each comparison misses for one seed in 150 000
    for found in (seen.generalization_error, seen.waic):
        assert abs(found.mean - value) < 4.5 * found.error + 0.1 * value
    # E[T_n] = (λ − 2ν)/n and WAIC = T + 2ν/n, datum by datum
    gap = seen.waic.mean - seen.training_error.mean - 2 * seen.fluctuation.mean
    assert abs(gap) < 1e-9
    # what G_n and WAIC miss is opposite, so that their sum knows λ better than either
    both = seen.generalization_error.mean + seen.waic.mean
    assert abs(both - 2 * value) < 0.2 * value
    assert seen.training_error.mean < -seen.training_error.error


def test_error_of_two_temperatures_is_the_spread_over_runs():
    truth = reduced_rank_truth(2, 2, 3, 1)
    data = draw_data(truth, 400, np.random.default_rng(15))
    posterior = from_data(truth.network, data.inputs, data.observations)
    runs = [
        two_temperatures(posterior, rng=np.random.default_rng([16, i]), sweeps=400, chains=16, warmup=50)
        for i in range(120)
    ]
    means, errors = np.array([r.mean for r in runs]), np.array([r.error for r in runs])
    ratio = means.var(ddof=1) / (errors**2).mean()
    # χ²_119/119 lies in [0.5, 1.7] but for one seed in 20 000; smoothing weights found from the same draws add 0.05
    assert 0.5 < ratio < 1.7


# ---- chains that must not stay behind


def energies_above_truth(seed):
    """Energy of eight chains of a strong concept bottleneck (3, 3, 5) less that of the truth: ±25 where all is well."""
    network, rng = LinearNetwork((5, 3, 3), (3, 3)), np.random.default_rng(seed)
    truth = Truth(network, random_layers(network, rng, 2.0))
    data = draw_data(truth, 1000, rng)
    posterior = from_data(network, data.inputs, data.observations)
    seen = sample(posterior, 1.0, rng=rng, sweeps=50, chains=8, warmup=300)
    at_truth = squares(network, truth.layers, data.inputs, data.observations)
    # E − E(w*) = χ²_d/2 of the draw less χ²_d/2 of the data, d = 24: mean 0 and a spread of 3.5 for the mean of a chain
    return seen.energy[0].mean(1) + posterior.constant - at_truth


def test_every_chain_reaches_the_energy_of_the_truth():
    gaps = np.array([energies_above_truth(seed) for seed in range(30)])
    assert (abs(gaps) < 25).all()  # 7 standard deviations


def test_chains_stay_behind_hundreds_of_nats_above_without_resampling(monkeypatch):
    monkeypatch.setattr(sampler, "_survivors", lambda cost, comb: np.arange(cost.size))
    gaps = np.array([energies_above_truth(seed) for seed in (6, 8, 17)])
    assert (gaps.max(1) > 300).any()


def test_survivors_are_drawn_in_proportion_to_their_weights():
    rng = np.random.default_rng(17)
    cost = rng.uniform(0, 3, 8)
    weights = np.exp(-cost) / np.exp(-cost).sum()
    counts = np.zeros(8)
    for _ in range(4000):
        kept = sampler._survivors(cost, (rng.random() + np.arange(8)) / 8)
        count = np.bincount(kept, minlength=8)
        # systematic resampling: as many as expected, up to one
        assert (abs(count - 8 * weights) < 1).all()
        counts += count
    # a count is spread by at most 1/2 a time: 8 comparisons, 1 seed in 15 000
    assert (abs(counts / 4000 - 8 * weights) < 4.5 * 0.5 / 4000**0.5).all()
