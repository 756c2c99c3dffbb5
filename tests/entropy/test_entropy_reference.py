"""Entropies, gaps and bounds meet values found by quadrature with 30 digits."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from lemmata.theory.entropy import (
    GaussianMixture,
    approximate_entropy,
    entropy_bracket,
    equal_covariance_gap,
    gap_bounds,
    pair_gap,
)

TABLE = tomllib.loads((Path(__file__).parents[1] / "reference" / "entropy.toml").read_text())
DIGITS = 1e-12  # relative: of the computation and of the fifteen digits given
TWELVE = 1.1e-11  # half a unit of the last digit, of eleven at worst


def on_the_line(row):
    return GaussianMixture(row["weights"], np.array(row["means"])[:, None], np.array(row["deviations"]) ** 2)


@pytest.mark.parametrize("row", TABLE["line"])
def test_the_approximation_is_the_entropy_plus_the_gap(row):
    assert approximate_entropy(on_the_line(row)) == pytest.approx(row["entropy"] + row["gap"], rel=DIGITS)


@pytest.mark.parametrize("row", TABLE["line"])
def test_the_bracket_contains_the_reference_entropy(row):
    bracket = entropy_bracket(on_the_line(row))
    last_digit = 1e-14
    assert bracket.lower - last_digit <= row["entropy"] <= bracket.upper + last_digit
    if len(row["weights"]) == 2:
        assert bracket.width < 1e-12
    else:
        assert 1e-3 < bracket.width < 0.5


@pytest.mark.parametrize("row", [row for row in TABLE["line"] if len(row["weights"]) == 2])
def test_the_gap_of_two_components_on_the_line_is_their_pair_gap(row):
    assert pair_gap(on_the_line(row), 0, 1) == pytest.approx(row["gap"], rel=DIGITS)


def test_the_gap_of_four_equal_components_is_met_by_quadrature():
    row = TABLE["line"][3]
    assert equal_covariance_gap(on_the_line(row)) == pytest.approx(row["gap"], abs=1e-10)


@pytest.mark.parametrize("row", TABLE["pair"])
@pytest.mark.parametrize("m", [1, 7, 1000])
@pytest.mark.parametrize("kind", ["spherical", "diagonal"])
def test_a_pair_with_one_covariance_has_its_gap_in_any_dimension(row, m, kind):
    means = np.zeros((2, m))
    means[1] = row["distance"] / np.sqrt(m)
    covs = np.ones(2) if kind == "spherical" else np.ones((2, m))
    mixture = GaussianMixture([row["weight"], 1 - row["weight"]], means, covs, kind=kind)
    assert pair_gap(mixture, 0, 1) == pytest.approx(row["gap"], rel=DIGITS)


def test_a_pair_of_unequal_scales_far_apart_keeps_its_digits():
    assert pair_gap(on_the_line(TABLE["far"]), 0, 1) == pytest.approx(TABLE["far"]["gap"], rel=DIGITS)


def test_every_bound_of_the_plane_meets_its_reference():
    row = TABLE["plane"]
    mixture = GaussianMixture(row["weights"], row["means"], row["covariances"])
    bounds = gap_bounds(mixture)
    for name, value in row["bounds"].items():
        assert getattr(bounds, name) == pytest.approx(value, rel=TWELVE), name
    assert approximate_entropy(mixture) == pytest.approx(row["approximation"], rel=TWELVE)
    assert bounds.lower < row["gap"] < bounds.upper
    bracket = entropy_bracket(mixture)
    assert bracket.lower < row["entropy"] < bracket.upper
    assert (bracket.lower_from, bracket.upper_from) == ("pairwise", "one_pair")
