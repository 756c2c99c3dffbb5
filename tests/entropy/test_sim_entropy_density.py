"""Densities, draws and label entropies of mixtures agree with slower or more precise computations."""

import tracemalloc

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from lemmata.sim.entropy import draw_points, log_density
from lemmata.sim.entropy.components import DENSE, Components
from lemmata.sim.entropy.overlap_at import overlap_at
from lemmata.sim.entropy.same_gap import same_gap
from lemmata.theory.entropy import GaussianMixture, gap_bounds

KINDS = ("full", "tied", "diagonal", "spherical")


def random_mixture(components, dimension, kind, seed=0, spread=1.0):
    """Means at N(0, spread²) and covariances from 3m + 2 degrees of freedom, of condition number about 10."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((components, dimension, 3 * dimension + 2))
    covs = root @ root.transpose(0, 2, 1) / root.shape[-1]
    shapes = {
        "full": covs,
        "tied": covs[0],
        "diagonal": np.diagonal(covs, axis1=1, axis2=2),
        "spherical": covs[:, 0, 0],
    }
    weights = rng.dirichlet(np.full(components, 3.0))
    return GaussianMixture(weights, spread * rng.standard_normal((components, dimension)), shapes[kind], kind=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [1, 3, DENSE - 1, DENSE, 70])
def test_the_log_density_is_that_of_scipy(kind, dimension):
    mixture = random_mixture(4, dimension, kind)
    points = 2 * np.random.default_rng(1).standard_normal((131, dimension))  # no multiple of a block
    laws = [multivariate_normal(mixture.means[k], mixture.covariance(k)) for k in range(4)]
    direct = logsumexp([np.log(w) + law.logpdf(points) for w, law in zip(mixture.weights, laws, strict=True)], axis=0)
    # SciPy's eigenvalues lose about m digits' worth of rounding of exponents up to m
    assert_allclose(log_density(mixture, points), direct, rtol=1e-12, atol=1e-12 * dimension)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_of_the_points_in_memory_does_not_matter(order):
    mixture = random_mixture(3, 40, "full")
    points = np.random.default_rng(2).standard_normal((300, 40))
    singly = [log_density(mixture, row[None])[0] for row in points[:20]]
    assert_allclose(log_density(mixture, np.array(points, order=order))[:20], singly, rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [2, DENSE + 3])
def test_mirror_images_have_the_densities_of_their_points(kind, dimension):
    components = Components(random_mixture(3, dimension, kind))
    normals = np.random.default_rng(3).standard_normal((dimension, 90))
    directions = components.directions(1, normals.copy())
    centre = components.mixture.means[1][:, None]
    ahead, behind = components.logs_around(components.offsets(1), directions)
    rounding = 1e-13 * dimension**2
    assert_allclose(ahead, components.logs(centre + directions), atol=rounding)
    assert_allclose(behind, components.logs(centre - directions), atol=rounding)
    cov = directions @ directions.T / 90  # what the directions are: L z
    factor = np.linalg.cholesky(components.mixture.covariance(1))
    assert_allclose(cov, factor @ normals @ normals.T @ factor.T / 90, atol=1e-11)


def test_the_label_entropy_keeps_its_digits_however_small_it_is():
    rows = [
        [0.0, -1.0, -2.0],
        [0.0, -50.0, -45.0],
        [-700.0, 0.0, -600.0],
        [3.0, 3.0, 3.0],
        [-1e5, -1e5 - 30, -1e5 - 31],
    ]
    at = overlap_at(np.array(rows).T.copy())
    with mpmath.workdps(400):
        for row, seen, density in zip(rows, at.label_entropy, at.log_density, strict=True):
            terms = [mpmath.exp(x) for x in row]
            total = sum(terms)
            exact = -sum(t / total * mpmath.log(t / total) for t in terms)
            assert float(abs(seen / exact - 1)) < 1e-14
            assert abs(density - float(mpmath.log(total))) <= 1e-15 * max(1, abs(density))


@pytest.mark.parametrize("kind", ["tied", "spherical"])
def test_what_is_dropped_says_nothing_of_the_label(kind):
    mixture = random_mixture(4, 9, kind, spread=0.7)
    if kind == "spherical":
        mixture = GaussianMixture(mixture.weights, mixture.means, np.full(4, 0.49))
    small = same_gap(mixture)
    assert small.dimension == 3
    before, after = gap_bounds(mixture), gap_bounds(small)
    for name in ("pairwise", "bhattacharyya", "chernoff_mixture", "one_pair", "kl_mixture"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-11)


def test_a_mixture_without_a_common_covariance_is_left_as_it_is():
    mixture = random_mixture(3, 5, "spherical")
    assert same_gap(mixture) is mixture


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_moments_of_their_component(kind):
    mixture = random_mixture(3, 4, kind)
    n = 60_000
    points, labels = draw_points(mixture, n, np.random.default_rng(4))
    for k in range(3):
        mine = points[labels == k]
        # 42 comparisons at five standard errors: false alarm below 3e-5
        assert abs(len(mine) / n - mixture.weights[k]) < 5 * np.sqrt(mixture.weights[k] / n)
        cov, N = mixture.covariance(k), len(mine)
        scale = np.sqrt(np.diag(cov))
        assert (abs(mine.mean(0) - mixture.means[k]) < 5 * scale / np.sqrt(N)).all()
        assert (abs(np.cov(mine.T) - cov) < 5 * np.sqrt(2 / N) * np.outer(scale, scale)).all()


def test_memory_does_not_grow_with_the_points_beside_the_result():
    mixture = random_mixture(10, 3, "full")
    points = np.random.default_rng(5).standard_normal((400_000, 3))
    log_density(mixture, points[:10])
    tracemalloc.start()
    log_density(mixture, points)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < points.nbytes / 3 + 4e6  # the result, and a few arrays of 256 kB


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((3, 2)), r"points must have shape \(3, 1\), got \(3, 2\)"),
        (np.zeros(3), "points must be a matrix, got 1 dimensions"),
        ([[np.nan]], "points must be finite, got nan"),
        ([["a"]], "points must hold real numbers"),
    ],
)
def test_points_that_are_none_are_refused(points, words):
    with pytest.raises((ValueError, TypeError), match=words):
        log_density(GaussianMixture([1.0], [[0.0]], [1.0]), points)


def test_a_number_of_draws_below_zero_is_refused():
    with pytest.raises(ValueError, match="draws must be >= 0, got -1"):
        draw_points(GaussianMixture([1.0], [[0.0]], [1.0]), -1, np.random.default_rng(0))
