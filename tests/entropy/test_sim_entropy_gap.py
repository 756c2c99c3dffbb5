"""The certified estimate contains the gap as often as it says, stops where it should, and depends on the seed alone."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from lemmata.sim.entropy import LabelSampler, estimate_gap
from lemmata.theory.entropy import GaussianMixture, entropy_bracket, equal_covariance_gap, gap_bounds, pair_gap

TABLE = tomllib.loads((Path(__file__).parents[1] / "reference" / "entropy.toml").read_text())
SAMPLERS = ("labels", "overlap", "remainder")


def on_the_line(row):
    return GaussianMixture(row["weights"], np.array(row["means"])[:, None], np.array(row["deviations"]) ** 2)


THREE = on_the_line(TABLE["line"][2])
GAP = TABLE["line"][2]["gap"]


@pytest.mark.parametrize("row", TABLE["line"])
@pytest.mark.parametrize("sampler", [None, *SAMPLERS])
def test_reference_entropies_lie_in_the_interval_and_within_the_tolerance(row, sampler):
    seen = estimate_gap(on_the_line(row), 2e-3, sampler=sampler)
    assert seen.reached
    low, high = seen.entropy_interval
    last_digit = 1e-12
    assert low - last_digit <= row["entropy"] <= high + last_digit  # at confidence 0.999, seed fixed
    assert high - low <= 4e-3
    assert abs(seen.entropy.mean - row["entropy"]) < 4e-3
    assert seen.bernstein[0] - last_digit <= row["gap"] <= seen.bernstein[1] + last_digit
    assert seen.approximation == pytest.approx(row["entropy"] + row["gap"], rel=1e-12)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_intervals_miss_no_more_often_than_they_say_although_the_run_stops_when_they_look_narrow(sampler):
    # 400 runs at confidence 0.8: more than 80 + 3.3σ misses have probability below 1e-3 if 0.2 is the true rate
    most = binom.isf(1e-3, 400, 0.2)
    seen = [estimate_gap(THREE, 0.004, confidence=0.8, sampler=sampler, seed=seed) for seed in range(400)]
    # bounds would hide the misses: take the estimate's own width instead
    for interval in ("interval", "bernstein"):
        ends = np.array([getattr(each, interval) for each in seen])
        assert ((ends[:, 0] > GAP) | (ends[:, 1] < GAP)).sum() <= most
    assert all(each.reached for each in seen)
    assert len({each.gap.mean for each in seen}) > 300


def test_intervals_of_a_third_of_the_width_would_be_caught():
    # what the same count says of an interval that claims too much; bounded values ask for more than normal ones
    misses = 0
    for seed in range(400):
        seen = estimate_gap(THREE, 0.004, confidence=0.8, sampler="labels", seed=seed)
        middle = 0.5 * (seen.interval[0] + seen.interval[1])
        misses += abs(GAP - middle) > (seen.interval[1] - seen.interval[0]) / 6
    assert misses > binom.isf(1e-3, 400, 0.2)


@pytest.mark.parametrize("sampler", ["labels", "overlap"])
def test_the_interval_is_not_absurdly_wide(sampler):
    seen = estimate_gap(THREE, 1e-3, sampler=sampler)
    half = 0.5 * (seen.interval[1] - seen.interval[0])
    # √(2 log(2/α)) = 3.9 standard errors at α = 1e-3 is the least such a sequence can do; a normal one has 3.3
    assert 3.5 * seen.gap.error < half < 5 * seen.gap.error


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_results_are_the_same_to_the_last_bit_whatever_the_number_of_threads(sampler):
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 25, 60)) / 8
    mixture = GaussianMixture([0.2, 0.3, 0.5], 0.2 * rng.standard_normal((3, 25)), root @ root.transpose(0, 2, 1))
    one, three = (estimate_gap(mixture, 3e-3, sampler=sampler, seed=4, threads=threads) for threads in (1, 3))
    assert one == three
    assert estimate_gap(mixture, 3e-3, sampler=sampler, seed=5) != one


def test_a_pilot_takes_the_sampler_that_needs_least():
    chosen = estimate_gap(THREE, 1e-4)
    assert chosen.sampler == "remainder"
    assert chosen.gap.draws < 0.2 * estimate_gap(THREE, 1e-4, sampler="labels").gap.draws
    # a coarse tolerance does not pay for the exact gaps of 20 000 pairs
    many = GaussianMixture(np.full(200, 1 / 200), np.arange(200.0)[:, None] % 7, np.full(200, 1.0) + np.arange(200) % 3)
    assert estimate_gap(many, 0.1).sampler in ("labels", "overlap")


def test_bounds_that_are_near_enough_need_no_draw():
    mixture = GaussianMixture([0.4, 0.6], [[0.0], [3.0]], [1.0, 2.0])
    seen = estimate_gap(mixture, 1e-9)
    assert seen.sampler == "none"
    assert seen.gap.draws == 0
    assert seen.reached
    assert seen.interval[0] <= pair_gap(mixture, 0, 1) <= seen.interval[1]
    assert seen.interval[1] - seen.interval[0] < 1e-12


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.05, 1.0), min_size=2, max_size=4),
    st.integers(0, 10_000),
    st.sampled_from(SAMPLERS),
)
def test_random_mixtures_on_the_line_have_the_gap_of_quadrature(shares, seed, sampler):
    rng = np.random.default_rng(seed)
    weights = np.array(shares) / sum(shares)
    means, deviations = rng.uniform(-3, 3, len(shares)), rng.uniform(0.3, 2.0, len(shares))
    mixture = GaussianMixture(weights, means[:, None], deviations**2)

    def integrand(x):
        terms = weights * np.exp(-0.5 * ((x - means) / deviations) ** 2) / deviations / math.sqrt(2 * math.pi)
        total = terms.sum()
        return -sum(t * math.log(t / total) for t in terms if t > 1e-300)

    exact = quad(integrand, -22, 22, points=sorted(means), limit=500, epsabs=1e-11)[0]
    seen = estimate_gap(
        mixture, 0.01, confidence=1 - 1e-6, sampler=sampler, seed=seed
    )  # one false alarm in 40 000 runs
    assert seen.interval[0] - 1e-9 <= exact <= seen.interval[1] + 1e-9


def test_very_small_gaps_are_found_to_a_relative_tolerance():
    means = np.array([[0.0, 0.0], [16.0, 0.0], [0.0, 16.0], [16.0, 16.0]])
    mixture = GaussianMixture([0.1, 0.2, 0.3, 0.4], means, np.ones(4))
    bounds = gap_bounds(mixture)
    seen = estimate_gap(mixture, 0.01 * bounds.lower, sampler="overlap")
    assert seen.reached
    assert bounds.upper < 1e-14
    assert bounds.lower <= seen.interval[0] < seen.interval[1] <= bounds.upper * (1 + 1e-11)
    far = GaussianMixture([0.5, 0.5], [[0.0], [60.0]], [1.0, 1.0])  # squares of 1e-197 must not vanish
    small = estimate_gap(far, 1e-199, sampler="overlap")
    assert small.gap.error > 0
    assert abs(small.gap.z(pair_gap(far, 0, 1))) < 4.5


def test_equal_covariances_cost_no_more_in_a_thousand_dimensions():
    rng = np.random.default_rng(1)
    means = np.zeros((3, 1000))
    means[:, :2] = [[0.0, 0.0], [2.0, 0.5], [0.3, 1.8]]
    turn = np.linalg.qr(rng.standard_normal((1000, 1000)))[0]
    scales = rng.uniform(0.5, 2.0, 1000)
    tied = GaussianMixture([0.2, 0.3, 0.5], means * scales @ turn.T, turn * scales**2 @ turn.T, kind="tied")
    flat = GaussianMixture([0.2, 0.3, 0.5], means[:, :2], np.ones(3))
    assert equal_covariance_gap(flat) == pytest.approx(estimate_gap(tied, 5e-4).gap.mean, abs=5e-4)


def test_one_component_has_its_own_entropy_and_no_gap():
    seen = estimate_gap(GaussianMixture([1.0], [[1.0, 2.0]], [4.0]))
    assert seen.interval == (0.0, 0.0)
    assert seen.entropy.mean == pytest.approx(math.log(2 * math.pi * math.e * 4), rel=1e-14)


@pytest.mark.parametrize("sampler", [None, *SAMPLERS])
def test_coinciding_components_have_the_entropy_of_the_labels(sampler):
    mixture = GaussianMixture([0.2, 0.3, 0.5], np.zeros((3, 2)), np.tile([1.0, 2.0], (3, 1)))
    exact = -sum(w * math.log(w) for w in (0.2, 0.3, 0.5))
    seen = estimate_gap(mixture, 0.01, sampler=sampler)
    assert seen.reached
    assert seen.interval[0] <= exact <= seen.interval[1]


@pytest.mark.parametrize("sampler", [None, *SAMPLERS])
def test_a_vanishing_weight_is_no_obstacle(sampler):
    mixture = GaussianMixture([1e-300, 0.5, 0.5], [[0.0], [0.0], [1.0]], [1.0, 2.0, 1.0])
    without = GaussianMixture([0.5, 0.5], [[0.0], [1.0]], [2.0, 1.0])
    seen = estimate_gap(mixture, 2e-3, sampler=sampler)
    assert seen.interval[0] - 1e-12 <= pair_gap(without, 0, 1) <= seen.interval[1] + 1e-12


def test_an_ill_conditioned_mixture_keeps_its_gap():
    # the same mixture seen through a map of condition number 1e6: that of the covariances is 1e12
    rng = np.random.default_rng(2)
    means, variances = rng.standard_normal((3, 4)), rng.uniform(0.5, 2.0, (3, 4))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    map_ = turn * [1.0, 1e-2, 1e-4, 1e-6]
    plain = GaussianMixture([0.3, 0.3, 0.4], means, variances)
    bent = GaussianMixture([0.3, 0.3, 0.4], means @ map_.T, np.einsum("ij,kj,lj->kil", map_, variances, map_))
    a, b = (estimate_gap(mixture, 2e-3, sampler="labels", seed=1) for mixture in (plain, bent))
    # the draws differ by the Cholesky factors; rounding of the densities is 1e-16 times 1e12
    assert abs(a.gap.mean - b.gap.mean) < 4.5 * math.hypot(a.gap.error, b.gap.error) + 1e-3
    # what rounding may have done is in the interval, and more draws would not make it less
    assert a.reached
    assert not b.reached
    assert b.gap.draws < 10 * a.gap.draws
    assert b.interval[0] < a.gap.mean < b.interval[1]


def test_draws_that_run_out_say_that_the_tolerance_was_not_reached():
    seen = estimate_gap(THREE, 1e-4, sampler="labels", most_draws=1000)
    assert not seen.reached
    assert seen.gap.draws == 1000
    assert seen.interval[0] < GAP < seen.interval[1]
    assert seen.interval[1] - seen.interval[0] < 0.2  # of a range of log 3


def test_the_interval_lies_within_the_bounds_where_they_were_needed():
    bracket = entropy_bracket(THREE)
    low, high = estimate_gap(THREE, 1e-4).entropy_interval
    assert bracket.lower <= low + 1e-12
    assert high - 1e-12 <= bracket.upper


def test_mixtures_whose_pairs_do_not_fit_into_memory_are_left_to_the_label_sampler():
    mixture = GaussianMixture(np.full(300, 1 / 300), np.zeros((300, 60)), np.tile(np.eye(60), (300, 1, 1)))
    seen = estimate_gap(mixture, 1.0)
    assert seen.sampler == LabelSampler.name
    assert seen.interval[0] <= math.log(300) <= seen.interval[1] * (1 + 1e-12)
    with pytest.raises(MemoryError, match="would take"):
        estimate_gap(mixture, 1.0, sampler="overlap")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tolerance": 0.0}, "tolerance must be a number > 0, got 0.0"),
        ({"tolerance": math.nan}, "tolerance must be finite, got nan"),
        ({"confidence": 1.0}, "confidence must lie strictly between 0 and 1, got 1.0"),
        ({"sampler": "naive"}, "sampler must be one of labels, overlap, remainder, or None, got 'naive'"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"threads": 0}, "threads must be >= 1, got 0"),
        ({"most_draws": 0}, "most_draws must be >= 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        estimate_gap(THREE, **arguments)
