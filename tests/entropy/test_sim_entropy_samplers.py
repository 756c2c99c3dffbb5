"""Each sampler's values are bounded as stated and have the gap for a mean."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from lemmata.sim.entropy import LabelSampler, OverlapSampler, RemainderSampler
from lemmata.sim.entropy.components import DENSE
from lemmata.sim.entropy.overlap_at import overlap_at
from lemmata.theory.entropy import GaussianMixture, equal_covariance_gap, gap_bounds, overlap, pair_gap
from lemmata.theory.entropy.chernoff_weight import POSITIONS, log_chernoff_constants

TABLE = tomllib.loads((Path(__file__).parents[1] / "reference" / "entropy.toml").read_text())
SAMPLERS = (LabelSampler, OverlapSampler, RemainderSampler)
FAR = 4.5  # standard errors; seeds are fixed, and a fresh seed gives a false alarm in one of 1.5e5 comparisons


def on_the_line(row):
    return GaussianMixture(row["weights"], np.array(row["means"])[:, None], np.array(row["deviations"]) ** 2)


def unequal(dimension, kind, seed=0):
    """Four overlapping components with different covariances of the given kind."""
    rng = np.random.default_rng(seed)
    root = np.eye(dimension) + 0.3 * rng.standard_normal((4, dimension, dimension)) / np.sqrt(dimension)
    covs = root @ root.transpose(0, 2, 1)
    shapes = {"full": covs, "diagonal": np.diagonal(covs, axis1=1, axis2=2), "spherical": covs[:, 0, 0]}
    means = rng.standard_normal((4, dimension)) / np.sqrt(dimension)
    return GaussianMixture([0.1, 0.2, 0.3, 0.4], means, shapes[kind], kind=kind)


def gap_and_error(sampler, rounds, seed):
    values = sampler.draw(np.random.default_rng(seed), rounds)
    assert values.shape == (rounds,)
    assert (values >= sampler.lower).all()
    assert (values <= sampler.upper).all()
    units = values / sampler.upper  # the square of 1e-197 would vanish
    return sampler.offset + sampler.sign * values.mean(), sampler.upper * units.std(ddof=1) / np.sqrt(rounds)


@pytest.mark.parametrize("row", TABLE["line"])
@pytest.mark.parametrize("kind", SAMPLERS)
def test_the_mean_is_the_gap_found_by_quadrature(row, kind):
    mean, error = gap_and_error(kind(on_the_line(row)), 40_000, seed=1)
    assert abs(mean - row["gap"]) < FAR * error + 1e-12  # the remainder of two components is rounding
    assert error < 4e-3


@pytest.mark.parametrize("kind", SAMPLERS)
def test_the_mean_is_the_gap_of_a_plane_of_equal_covariances(kind):
    mixture = GaussianMixture(
        [0.2, 0.5, 0.3], [[0.0, 0.0], [1.5, 0.3], [-0.4, 2.0]], [[1.0, 0.3], [0.3, 0.8]], kind="tied"
    )
    mean, error = gap_and_error(kind(mixture), 40_000, seed=2)
    assert abs(mean - equal_covariance_gap(mixture)) < FAR * error


@pytest.mark.parametrize("dimension", [3, DENSE + 4])
@pytest.mark.parametrize("covariances", ["full", "diagonal", "spherical"])
def test_the_samplers_agree_with_one_another_and_with_the_bounds(dimension, covariances):
    mixture = unequal(dimension, covariances)
    seen = [gap_and_error(kind(mixture), 15_000, seed=3) for kind in SAMPLERS]
    bounds = gap_bounds(mixture)
    for mean, error in seen:
        assert bounds.lower - FAR * error < mean < bounds.upper + FAR * error
        assert abs(mean - seen[0][0]) < FAR * np.hypot(error, seen[0][1])


def test_a_sampler_that_is_off_by_two_percent_is_noticed():
    row = TABLE["line"][3]

    class Off(LabelSampler):
        def draw(self, generator, rounds):
            return 1.02 * super().draw(generator, rounds)

    mean, error = gap_and_error(Off(on_the_line(row)), 40_000, seed=1)
    assert abs(mean - row["gap"]) > FAR * error


def test_one_value_of_the_label_sampler_is_a_round_of_mirror_images():
    mixture = GaussianMixture([0.3, 0.7], [[0.0], [3.0]], [1.0, 4.0])
    value = LabelSampler(mixture).draw(np.random.default_rng(6), 1)[0]
    rng, direct = np.random.default_rng(6), 0.0
    for weight, mean, deviation in zip([0.3, 0.7], [0.0, 3.0], [1.0, 2.0], strict=True):
        z = rng.standard_normal()
        for x in (mean + deviation * z, mean - deviation * z):
            terms = np.array([0.3 * norm.pdf(x), 0.7 * norm.pdf(x, 3.0, 2.0)])
            r = terms / terms.sum()
            direct -= 0.5 * weight * (r * np.log(r)).sum()
    assert value == pytest.approx(direct, rel=1e-13)


@pytest.mark.parametrize("kind", ["full", "tied", "diagonal", "spherical"])
@pytest.mark.parametrize("dimension", [1, DENSE + 2])
def test_the_pairs_gaussians_alone_know_the_bhattacharyya_bound(kind, dimension):
    rng = np.random.default_rng(10)
    root = np.eye(dimension) + 0.2 * rng.standard_normal((3, dimension, dimension))
    covs = root @ root.transpose(0, 2, 1)
    shapes = {
        "full": covs,
        "tied": covs[0],
        "diagonal": np.diagonal(covs, axis1=1, axis2=2),
        "spherical": covs[:, 0, 0],
    }
    mixture = GaussianMixture([0.2, 0.3, 0.5], rng.standard_normal((3, dimension)), shapes[kind], kind=kind)
    # two routes: products of precisions here, the eigenvalues of a pair there
    assert OverlapSampler(mixture).upper == pytest.approx(gap_bounds(mixture).bhattacharyya, rel=3e-12)


@pytest.mark.parametrize("distance", [8.0, 20.0, 60.0])
def test_rare_overlap_is_seen_without_bias(distance):
    mixture = GaussianMixture([0.4, 0.6], [[0.0, 0.0], [distance, 0.0]], [1.0, 1.0])
    exact = pair_gap(mixture, 0, 1)
    mean, error = gap_and_error(OverlapSampler(mixture), 30_000, seed=4)
    assert abs(mean - exact) < FAR * error
    # the hundredfold more draws from the mixture that the label sampler would take see nothing at 20
    assert error < 0.04 * exact


def test_very_unequal_scales_take_another_geometric_mean_and_stay_without_bias():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [20.0]], [1.0, 0.01])
    sampler = OverlapSampler(mixture, overlap(mixture))
    assert not sampler.halves
    assert sampler.upper < 1e-25 * gap_bounds(mixture).bhattacharyya
    mean, error = gap_and_error(sampler, 20_000, seed=5)
    assert abs(mean - 2.653343055611e-73) < FAR * error
    assert error < 0.05 * mean


def test_the_remainder_of_two_components_is_nothing_but_rounding():
    mixture = GaussianMixture([0.3, 0.7], [[0.0], [2.0]], [1.0, 4.0])
    sampler = RemainderSampler(mixture)
    values = sampler.draw(np.random.default_rng(7), 2000)
    assert values.max() < 1e-14 * sampler.upper
    assert sampler.offset == pytest.approx(pair_gap(mixture, 0, 1), rel=1e-13)


@pytest.mark.parametrize("halves", [True, False])
def test_draws_from_the_pairs_density_follow_it(halves):
    weights = [0.2, 0.3, 0.5] if halves else [1e-6, 0.4, 0.6 - 1e-6]
    deviations = np.array([1.0, 0.8, 1.2] if halves else [0.2, 1.0, 0.1])
    means = np.array([[-1.0], [0.5], [3.0]])
    mixture = GaussianMixture(weights, means, deviations**2)
    sampler = OverlapSampler(mixture, overlap(mixture))
    assert sampler.halves == halves

    def density(x):
        at = overlap_at(sampler.components.logs(np.array([[x]])))
        return float((sampler._density(at) * np.exp(at.tops))[0]) / sampler.upper

    total = quad(density, -8, 10, points=[-1, 0.5, 2.9, 3.1], limit=400, epsabs=1e-11)[0]
    assert total == pytest.approx(1.0, abs=1e-9)  # B is the pairs' mass
    points = sampler.points(np.random.default_rng(8), 40_000)[0]
    for edge in (-1.0, 0.0, 1.0, 2.0, 2.9, 3.0):
        share = quad(density, -8, edge, points=[min(edge, 0.5)], limit=400, epsabs=1e-10)[0]
        assert abs((points < edge).mean() - share) < FAR * np.sqrt(share * (1 - share) / 40_000) + 1e-9


def test_the_constants_lie_just_above_what_they_bound():
    p = np.concatenate([np.geomspace(1e-30, 0.5, 4000), 1 - np.geomspace(1e-15, 0.5, 4000)])
    entropy = -p * np.log(p) - (1 - p) * np.log1p(-p)
    for s, constant in zip(POSITIONS, np.exp(log_chernoff_constants()), strict=True):
        ratio = (entropy / ((1 - p) ** (1 - s) * p**s)).max()
        # the grid of p misses the maximum by the square of its spacing of 2%
        assert ratio <= constant <= ratio * (1 + 1e-3)
    assert np.exp(log_chernoff_constants()[18]) == pytest.approx(2 * np.log(2), rel=2e-12)


def test_pairs_that_would_not_fit_into_memory_are_refused():
    mixture = GaussianMixture(np.full(300, 1 / 300), np.zeros((300, 60)), np.tile(np.eye(60), (300, 1, 1)))
    with pytest.raises(
        MemoryError, match=r"the pairs of GaussianMixture\(300 components, 60 dimensions, full\) would take"
    ):
        OverlapSampler(mixture)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_coinciding_components_have_the_entropy_of_the_labels(kind):
    mixture = GaussianMixture([0.25, 0.75], np.zeros((2, 3)), np.tile(np.diag([1.0, 2.0, 3.0]), (2, 1, 1)))
    sampler = kind(mixture)
    gap = sampler.offset + sampler.sign * sampler.draw(np.random.default_rng(9), 50).mean()
    assert gap == pytest.approx(-0.25 * np.log(0.25) - 0.75 * np.log(0.75), rel=1e-12)
