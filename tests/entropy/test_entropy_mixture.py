"""A mixture is checked at the door, in one sentence, and keeps what it was given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lemmata.theory.entropy import GaussianMixture, approximate_entropy, label_entropy

EYE = np.eye(2)


def refused(words, weights, means, covs, error=ValueError, **kind):
    with pytest.raises(error, match=words):
        GaussianMixture(weights, means, covs, **kind)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([0.5, 0.4], r"weights must sum to 1 within 1e-12, got 0\.9"),
        ([1.0, 0.0], "weights must be > 0, got 0 for component 1"),
        ([1.5, -0.5], "weights must be > 0, got -0.5 for component 1"),
        ([0.5, np.nan], "weights must be finite, got nan"),
        ([[0.5, 0.5]], r"weights must have shape \(K,\) with K >= 1, got \(1, 2\)"),
        ([], "weights must have shape"),
    ],
)
def test_wrong_weights_are_named(weights, words):
    refused(words, weights, np.zeros((2, 2)), np.ones(2))


def test_weights_are_never_rescaled():
    third = 1 / 3
    weights = [third, third, third * (1 + 1e-13)]
    assert GaussianMixture(weights, np.zeros((3, 1)), np.ones(3)).weights.tolist() == weights
    refused("sum to 1", [third, third, third * (1 + 1e-11)], np.zeros((3, 1)), np.ones(3))


@pytest.mark.parametrize(
    ("means", "covs", "words"),
    [
        (np.zeros((3, 2)), np.ones(2), r"means must have shape \(2, 2\), got \(3, 2\)"),
        (np.zeros(2), np.ones(2), "means must be a matrix, got 1 dimensions"),
        (np.zeros((2, 0)), np.ones(2), "means must have at least one column"),
        ([[0.0, np.inf], [0, 0]], np.ones(2), "means must be finite, got inf"),
        (
            np.zeros((2, 3)),
            np.ones((3, 3, 3)),
            r"must have shape \(2, 3, 3\) \(full\) or \(3, 3\) \(tied\)",
        ),
        (np.zeros((2, 3)), np.ones((2, 4)), r"got \(2, 4\)"),
        (np.zeros((2, 2)), EYE, "could be tied or diagonal: kind must say which"),
        (np.zeros((2, 2)), [EYE, np.nan * EYE], "covariances must be finite, got nan"),
        (np.zeros((2, 2)), [EYE, [[1, 0.5], [0.4, 1]]], r"symmetric, got entries 0\.1 apart for component 1"),
        (np.zeros((2, 2)), [EYE, [[1, 1], [1, 1]]], "positive definite, got smallest eigenvalue .* for component 1"),
        (np.zeros((2, 2)), [[[1, 2], [2, 1]], EYE], "smallest eigenvalue -1 for component 0"),
        (np.zeros((2, 2)), [EYE, np.diag([1, 0.0])], "smallest eigenvalue 0 for component 1"),
        (np.zeros((2, 3)), np.diag([1, -2.0, 1]), "smallest eigenvalue -2 for the tied covariance"),
        (np.zeros((2, 3)), [[1, 1, 1], [1, -3, 1]], "smallest eigenvalue -3 for component 1"),
        (np.zeros((2, 3)), [1, 0.0], "smallest eigenvalue 0 for component 1"),
    ],
)
def test_wrong_means_and_covariances_are_named(means, covs, words):
    refused(words, [0.5, 0.5], means, covs)


def test_a_kind_must_exist_and_fit():
    refused("kind must be one of full, tied, diagonal, spherical, got 'round'", [1.0], [[0.0]], [1.0], kind="round")
    refused(r"covariances must have shape \(1, 1, 1\) \(full\)", [1.0], [[0.0]], [1.0], kind="full")
    refused("means must hold real numbers", [1.0], [["a"]], [1.0], error=TypeError)


@pytest.mark.parametrize("kind", ["tied", "diagonal"])
def test_a_square_array_is_read_as_the_kind_that_was_asked_for(kind):
    mixture = GaussianMixture([0.5, 0.5], np.zeros((2, 2)), np.array([[2.0, 1.0], [1.0, 3.0]]), kind=kind)
    expected = [[2, 1], [1, 3]] if kind == "tied" else np.diag([1, 3])
    assert_allclose(mixture.covariance(1), expected)


def test_a_mixture_does_not_change_with_its_arguments():
    means = np.zeros((1, 2))
    mixture = GaussianMixture([1.0], means, EYE[None])
    means[:] = 7
    assert (mixture.means == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        mixture.means[0, 0] = 1
    with pytest.raises(AttributeError):
        mixture.weights = np.ones(1)


@pytest.mark.parametrize("m", [1, 5, 1000])
def test_log_determinants_agree_between_kinds_within_their_rounding(m):
    rng = np.random.default_rng(m)
    scales = rng.gamma(2.0, size=m) + 0.1
    means = np.zeros((1, m))
    diagonal = GaussianMixture([1.0], means, scales[None], kind="diagonal")
    direction = rng.standard_normal(m) / np.sqrt(m)
    mirror = np.eye(m) - 2 * np.outer(direction, direction) / (direction @ direction)
    cov = mirror @ np.diag(scales) @ mirror
    full = GaussianMixture([1.0], means, 0.5 * (cov + cov.T)[None], kind="full")
    # forming the matrix costs as much as factoring it
    allowed = 2 * full.determinant_rounding[0] + diagonal.determinant_rounding[0]
    assert abs(full.log_determinants[0] - diagonal.log_determinants[0]) <= allowed
    assert allowed < 1e-8


def test_condition_numbers_do_not_see_units():
    cov = np.array([[1.0, 1e-9], [1e-9, 1e-16]])  # correlation 0.1, variances 16 decades apart
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], cov[None], kind="full")
    assert mixture.conditions[0] == pytest.approx(1.1 / 0.9)
    assert mixture.log_determinants[0] == pytest.approx(np.log(1e-16 * 0.99), rel=1e-14)


def test_one_component_has_its_own_entropy():
    mixture = GaussianMixture([1.0], [[5.0]], [4.0])
    assert approximate_entropy(mixture) == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 4), rel=1e-15)
    assert label_entropy(mixture) == 0.0
    assert repr(mixture) == "GaussianMixture(1 component, 1 dimension, spherical)"
