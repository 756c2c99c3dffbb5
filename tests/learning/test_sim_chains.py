"""Chains are what their seed says, their errors are honest, and wrong arguments get one sentence."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from lemmata.sim.learning import (
    Chains,
    diagnose,
    draw_data,
    estimate_energy,
    estimate_generalization,
    estimate_learning_coefficient,
    from_data,
    population,
    sample,
    sampler,
    smoothing,
    two_temperatures,
    wbic,
)
from lemmata.sim.learning.batch_means import batch_means, mean_with_error
from lemmata.sim.learning.smoothing import smoothed_energy
from lemmata.theory.learning.network import (
    LinearNetwork,
    Truth,
    concept_bottleneck_truth,
    deep_linear_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)

RANK_ONE = reduced_rank_truth(2, 2, 3, 1)
POSTERIOR = population(RANK_ONE)


def rng(seed=0):
    return np.random.default_rng(seed)


def same(first, second):
    assert_array_equal(first.energy, second.energy)
    assert_array_equal(first.layer_energy, second.layer_energy)
    for a, b in zip(first.weights, second.weights, strict=True):
        assert_array_equal(a, b)


# ---- determinism


@pytest.mark.parametrize(
    "truth", [RANK_ONE, deep_linear_truth([3, 3, 2, 2], 1), partial_concept_bottleneck_truth(2, 2, 1, 3, 1, 1)]
)
def test_the_same_seed_gives_the_same_bits(truth):
    run = {"sweeps": 40, "chains": 70, "warmup": 60, "thin": 7}
    first, again = (sample(population(truth), [1e3, 1e6], rng=rng(1), **run) for _ in range(2))
    same(first, again)
    other = sample(population(truth), [1e3, 1e6], rng=rng(2), **run)
    assert (other.energy != first.energy).all()


def test_a_generator_that_was_used_gives_other_chains():
    generator = rng(1)
    first, second = (sample(POSTERIOR, 1e3, rng=generator, sweeps=5, chains=4) for _ in range(2))
    assert (first.energy != second.energy).all()


def test_chains_of_a_full_group_do_not_know_how_many_groups_there_are():
    few, many = (sample(POSTERIOR, 1e3, rng=rng(3), sweeps=10, chains=c, thin=5) for c in (64, 150))
    assert many.energy.shape == (1, 150, 10)
    assert_array_equal(many.energy[:, :64], few.energy)
    assert_array_equal(many.weights[1][:, :64], few.weights[1])
    assert (many.energy[:, 64:128] != few.energy).all()


def test_the_size_of_a_block_of_random_numbers_is_part_of_the_seed_and_not_of_the_law(monkeypatch):
    # documented beside BLOCK: another size takes the numbers of the stream in another order
    exact = 2.5  # λ, m = 1
    seen = []
    for block in (1 << 12, 1 << 16):
        monkeypatch.setattr(sampler, "BLOCK", block)
        seen.append(estimate_energy(RANK_ONE, 1e8, rng=rng(4), sweeps=1000, chains=16))
    assert seen[0].mean != seen[1].mean
    for estimate in seen:
        assert abs(estimate.mean - exact) < 4.5 * estimate.error + 1e-4  # 1 seed in 70 000


def test_a_rung_has_the_same_bits_alone_and_on_a_ladder():
    betas = [1e4, 1e6, 1e8]
    ladder = sample(POSTERIOR, betas, rng=rng(5), sweeps=30, chains=8, thin=3)
    for b, beta in enumerate(betas):
        alone = sample(POSTERIOR, beta, rng=rng(5), sweeps=30, chains=8, thin=3)
        assert_array_equal(ladder.energy[b], alone.energy[0])
        assert_array_equal(ladder.weights[0][b], alone.weights[0][0])


def test_rungs_share_their_random_numbers_so_that_differences_are_known_better():
    seen = sample(POSTERIOR, [1e6, 1e7], rng=rng(6), sweeps=3000, chains=16)
    means = batch_means(smoothed_energy(seen))
    difference = np.diff(means, axis=0).var()
    assert difference < 0.2 * means.var(axis=1).sum()


# ---- errors


def autoregressive(coefficient, chains, sweeps, generator):
    """AR(1) with unit variance and mean 0, from its stationary law."""
    noise = generator.standard_normal((chains, sweeps)) * (1 - coefficient**2) ** 0.5
    out = np.empty((chains, sweeps))
    out[:, 0] = generator.standard_normal(chains)
    for t in range(1, sweeps):
        out[:, t] = coefficient * out[:, t - 1] + noise[:, t]
    return out


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.8, -0.5])
def test_batch_means_error_is_the_spread_of_the_mean(coefficient):
    chains, sweeps, runs = 16, 1600, 200
    series = autoregressive(coefficient, chains * runs, sweeps, rng(7)).reshape(runs, chains, sweeps)
    found = [mean_with_error(x, "test") for x in series]
    exact = ((1 + coefficient) / (1 - coefficient) / (chains * sweeps)) ** 0.5  # of the mean of a long series
    z = np.array([f.mean for f in found]) / exact
    assert 0.6 < z.var() < 1.5  # χ²_200 / 200 within 5 standard errors
    errors = np.array([f.error for f in found])
    # 256 batches of 100: each error is known to 4.5 percent, and batches of 100 cut the correlation short by
    # 2ρ/(100 (1 − ρ²)): 4.4 percent of the variance at ρ = 0.8, 2.2 of the error
    short = 1 - coefficient / (100 * (1 - coefficient**2))
    assert_allclose(errors.mean(), exact * short, rtol=0.015)
    assert_allclose(errors.std(), 0.045 * exact, rtol=0.3)
    effective = np.array([f.effective for f in found])
    worth = chains * sweeps * (1 - coefficient) / (1 + coefficient)
    if coefficient >= 0:
        assert_allclose(effective.mean(), min(worth, found[0].draws), rtol=0.06)
    else:  # never more than there are draws
        assert (effective == chains * sweeps).all()


def test_batch_means_are_means_of_consecutive_sweeps():
    draws = np.arange(2 * 3 * 230, dtype=float).reshape(2, 3, 230)
    means = batch_means(draws)
    assert means.shape == (2, 3 * 4)  # at least 50 sweeps a batch, at most about 256 batches
    assert_allclose(means[1, 4 * 2], draws[1, 2, :57].mean())
    assert batch_means(np.zeros((100, 10_000))).shape == (300,)
    assert batch_means(np.zeros((5, 7))).shape == (5,)


def test_a_mean_needs_eight_batches():
    with pytest.raises(ValueError, match="chains and sweeps must give at least 8 batches of 50 for an error, got 7"):
        mean_with_error(np.zeros((1, 399)), "test")
    constant = mean_with_error(np.ones((8, 50)), "test")
    assert (constant.mean, constant.error, constant.effective) == (1.0, 0.0, 400.0)


def test_diagnostics_agree_with_batch_means_and_see_a_chain_apart():
    seen = sample(POSTERIOR, 1e4, rng=rng(8), sweeps=2000, chains=16)
    for draws in (seen.energy[0], seen.layer_energy[0, 0], autoregressive(0.7, 16, 2000, rng(9))):
        found, ours = diagnose(draws), mean_with_error(draws, "test")
        assert found.r_hat < 1.01
        assert_allclose(found.error, ours.error, rtol=0.25)  # ours is known to 4.5 percent, theirs not much better
        assert_allclose(found.effective, (draws.std() / found.error) ** 2, rtol=0.01)
    apart = seen.energy[0].copy()
    apart[3] += 4 * apart.std()
    assert diagnose(apart).r_hat > 1.05


def test_error_of_an_energy_is_the_spread_over_seeds():
    truth = deep_linear_truth([3, 2, 3, 2], 1)
    found = [estimate_energy(truth, 1e6, rng=rng([10, i]), sweeps=400, chains=16, warmup=100) for i in range(120)]
    means, errors = np.array([f.mean for f in found]), np.array([f.error for f in found])
    # χ²_119 / 119 lies in [0.5, 1.7] but for one seed in 20 000; the smoothing weights add 0.05
    assert 0.5 < means.var(ddof=1) / (errors**2).mean() < 1.75


def test_smoothing_asks_for_more_batches_than_it_has_weights():
    seen = sample(POSTERIOR, 1e4, rng=rng(11), sweeps=60, chains=23)
    with pytest.raises(ValueError, match="chains and sweeps must give at least 24 batches of 50 sweeps, got 23"):
        smoothed_energy(seen)


# ---- chains that have not settled


def test_drift_is_the_rank_sum_statistic():
    draws = rng(15).standard_normal((16, 3000)) + np.linspace(0.1, 0.0, 3000)
    p_values = []
    for width in (1000, 50):
        first, last = batch_means(draws[:, :width]), batch_means(draws[:, -width:])
        p_values.append(stats.mannwhitneyu(first, last, method="asymptotic", use_continuity=False).pvalue)
    assert_allclose(2 * stats.norm.sf(smoothing._drift(draws)), min(p_values), rtol=1e-9)
    assert smoothing._drift(rng(16).standard_normal((4, 2))) == 0.0  # too short to say


def test_settled_chains_do_not_drift():
    found = [
        smoothing._drift(sample(population(truth), n, rng=rng([17, i]), sweeps=300, chains=16, warmup=100).energy[0])
        for i in range(10)
        for truth in (RANK_ONE, deep_linear_truth([2] * 5, 0), partial_concept_bottleneck_truth(3, 2, 2, 4, 2, 0))
        for n in (1e2, 1e10)
    ]
    # the larger of two normal deviates, 60 times: the largest is above 4.8 for one seed in 5000
    assert max(found) < 4.8
    assert 0.5 < np.median(found) < 1.7  # 1.05 for two independent deviates


def test_chains_that_have_not_settled_warn():
    # weights that the prior N(0, 1) all but excludes: 200 sweeps do not find them
    plain = concept_bottleneck_truth(2, 2, 3)
    strong = Truth(plain.network, (plain.layers[0], 30 * plain.layers[1]))
    with pytest.warns(RuntimeWarning, match=r"the chains at beta = 1e\+10 have not settled: raise warmup"):
        early = estimate_energy(strong, 1e10, rng=rng(18), warmup=200, sweeps=1000)
    assert early.mean > 100


def test_large_weights_above_an_observed_layer_are_no_trap():
    # without moves of observed units a sweep would take the chain 1/65 of its way, and the energy be 234 ± 38
    plain = concept_bottleneck_truth(2, 2, 3)
    strong = Truth(plain.network, (plain.layers[0], 8 * plain.layers[1]))
    seen = estimate_energy(strong, 1e10, rng=rng(18), sweeps=1000)
    assert abs(seen.z(5.0)) < 4.5


# ---- bad input


def data(n=5, network=RANK_ONE.network):
    seen = draw_data(
        Truth(network, tuple(np.eye(a, b) for b, a in zip(network.widths, network.widths[1:], strict=False))), n, rng()
    )
    return from_data(network, seen.inputs, [None, seen.observations[1]])


NETWORK = RANK_ONE.network  # 3 inputs, 2 hidden units, 2 outputs


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample(POSTERIOR, 0.0, rng=rng(), sweeps=5), "beta must be > 0, got 0"),
        (lambda: sample(POSTERIOR, [1.0, -2.0], rng=rng(), sweeps=5), "beta must be > 0, got -2"),
        (lambda: sample(POSTERIOR, np.nan, rng=rng(), sweeps=5), "beta must be finite, got nan"),
        (
            lambda: sample(POSTERIOR, [[1.0]], rng=rng(), sweeps=5),
            r"beta must be .* one-dimensional .* got shape \(1, 1\)",
        ),
        (lambda: sample(POSTERIOR, [], rng=rng(), sweeps=5), r"beta must be .* not empty, got shape \(0,\)"),
        (lambda: sample(POSTERIOR, 2e12, rng=rng(), sweeps=5), r"must be <= 1e\+12, got 2e\+12"),
        (lambda: sample(POSTERIOR, 1.0, rng=rng(), sweeps=0), "sweeps must be >= 1, got 0"),
        (lambda: sample(POSTERIOR, 1.0, rng=rng(), sweeps=5, chains=0), "chains must be >= 1, got 0"),
        (lambda: sample(POSTERIOR, 1.0, rng=rng(), sweeps=5, warmup=-1), "warmup must be >= 0, got -1"),
        (lambda: sample(POSTERIOR, 1.0, rng=rng(), sweeps=5, thin=2.5), "thin must be an integer, got 2.5"),
        (lambda: population(RANK_ONE, 0.0), "prior_scale must be a number > 0, got 0.0"),
        (
            lambda: from_data(NETWORK, np.ones((4, 2)), [None, np.ones((4, 2))]),
            r"inputs must have shape \(4, 3\), got \(4, 2\)",
        ),
        (lambda: from_data(NETWORK, np.ones((0, 3)), [None, np.ones((0, 2))]), "inputs must hold at least one row"),
        (
            lambda: from_data(NETWORK, np.full((4, 3), np.nan), [None, np.ones((4, 2))]),
            "inputs must be finite, got nan",
        ),
        (
            lambda: from_data(NETWORK, np.ones((4, 3)), [np.ones((4, 2))]),
            "observations must have one entry per layer = 2, got 1",
        ),
        (lambda: from_data(NETWORK, np.ones((4, 3)), [None, None]), r"observations\[1\] must have 2 columns, got none"),
        (
            lambda: from_data(NETWORK, np.ones((4, 3)), [None, np.ones((3, 2))]),
            r"observations\[1\] must have shape \(4, 2\)",
        ),
        (
            lambda: from_data(NETWORK, np.ones((4, 3)), [np.ones((4, 1)), np.ones((4, 2))]),
            r"observations\[0\] must have shape \(4, 0\)",
        ),
        (lambda: estimate_energy(RANK_ONE, 0.0, rng=rng()), "n must be a number > 0, got 0.0"),
        (lambda: estimate_energy(RANK_ONE, 1e13, rng=rng()), r"must be <= 1e\+12, got 1e\+13"),
        (
            lambda: estimate_energy(RANK_ONE, 1e3, rng=rng(), sweeps=10, chains=1),
            "at least 24 batches of 50 sweeps, got 1",
        ),
        (
            lambda: estimate_learning_coefficient(RANK_ONE, rng=rng(), ladder=(1e4, 1e5, 1e6)),
            "ladder must hold at least 4 increasing sample sizes",
        ),
        (
            lambda: estimate_learning_coefficient(RANK_ONE, rng=rng(), ladder=(1e4, 1e6, 1e5, 1e7)),
            "ladder must hold at least 4 increasing",
        ),
        (
            lambda: estimate_learning_coefficient(RANK_ONE, rng=rng(), ladder=(0.5, 1e4, 1e5, 1e6)),
            "ladder must be > 1, got 0.5",
        ),
        (
            lambda: estimate_learning_coefficient(RANK_ONE, rng=rng(), multiplicity=0),
            "multiplicity must be >= 1, got 0",
        ),
        (
            lambda: estimate_learning_coefficient(RANK_ONE, rng=rng(), multiplicity=1.5),
            "multiplicity must be an integer, got 1.5",
        ),
        (
            lambda: estimate_learning_coefficient(RANK_ONE, rng=rng(), sweeps=60, chains=25),
            "at least 28 batches for the ladder, got 25",
        ),
        (lambda: wbic(POSTERIOR, rng=rng()), "posterior must hold at least 3 data, got 0"),
        (lambda: two_temperatures(data(2), rng=rng()), "posterior must hold at least 3 data, got 2"),
        (lambda: two_temperatures(data(), rng=rng(), factors=(1.0, 1.0)), "factors must be two different numbers > 0"),
        (lambda: two_temperatures(data(), rng=rng(), factors=(1.0, 0.0)), "factors must be > 0, got 0"),
        (lambda: two_temperatures(data(), rng=rng(), sweeps=10, chains=4), "at least 24 batches of 50 sweeps, got 4"),
        (lambda: estimate_generalization(RANK_ONE, 0, rng=rng()), "n must be >= 1, got 0"),
        (lambda: estimate_generalization(RANK_ONE, 10, rng=rng(), datasets=7), "datasets must be >= 8, got 7"),
        (lambda: estimate_generalization(RANK_ONE, 10, rng=rng(), draws=20), "draws must be a multiple of 8, got 20"),
        (lambda: draw_data(RANK_ONE, 0, rng()), "n must be >= 1, got 0"),
        (lambda: diagnose(np.zeros(5)), r"draws must be \(chains >= 2, sweeps >= 4\), got shape \(5,\)"),
        (lambda: diagnose(np.full((3, 5), np.inf)), "draws must be finite, got inf"),
    ],
)
def test_bad_arguments_get_one_sentence(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("warmup", [0, 50])
def test_chains_that_lose_their_precision_say_so(warmup):
    huge = Truth(LinearNetwork((3, 3, 3), (0, 3)), (1e9 * np.diag([1.0, 0, 0]), np.eye(3)))
    with pytest.raises(FloatingPointError, match="the sampler lost its precision"):
        sample(population(huge), 1e12, rng=rng(1), sweeps=20, chains=16, warmup=warmup)


def test_a_ladder_may_start_at_very_small_samples():
    fit = estimate_learning_coefficient(
        RANK_ONE, rng=rng(13), multiplicity=2, ladder=(2.0, 1e2, 1e4, 1e6), sweeps=200, chains=16
    )
    assert np.isfinite([fit.value.mean, fit.offset]).all()


def test_shapes_are_the_stated_ones():
    truth = deep_linear_truth([3, 2, 4, 1], 1)
    seen = sample(population(truth), [10.0, 100.0], rng=rng(14), sweeps=20, chains=5, warmup=3, thin=6)
    assert isinstance(seen, Chains)
    assert seen.energy.shape == (2, 5, 20)
    assert seen.layer_energy.shape == (2, 3, 5, 20)
    assert [w.shape for w in seen.weights] == [(2, 5, 4, 2, 3), (2, 5, 4, 4, 2), (2, 5, 4, 1, 4)]
    none = sample(population(truth), 10.0, rng=rng(14), sweeps=2, chains=5, warmup=0)
    assert [w.shape for w in none.weights] == [(1, 5, 0, 2, 3), (1, 5, 0, 4, 2), (1, 5, 0, 1, 4)]
