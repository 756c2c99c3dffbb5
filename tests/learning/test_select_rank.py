"""Rank selection: the likelihoods against other routes, the invariances, and how often the right rank is found."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, norm
from sklearn.datasets import load_linnerud

from lemmata.theory.learning import reduced_rank, select_rank
from lemmata.theory.numerical_rank import DoubtfulRankWarning

Matrix = NDArray[np.float64]


def data(n: int, singular: list[float], outputs: int, inputs: int, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Standard normal inputs and unit noise around a random map with the given singular values."""
    left = np.linalg.qr(rng.normal(size=(outputs, outputs)))[0][:, : len(singular)]
    right = np.linalg.qr(rng.normal(size=(inputs, inputs)))[0][:, : len(singular)]
    X = rng.normal(size=(n, inputs))
    return X, X @ (right * singular) @ left.T + rng.normal(size=(n, outputs))


def gaussian(residual: Matrix, covariance: Matrix) -> float:
    return float(multivariate_normal(cov=covariance).logpdf(residual).sum())


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_no_optimiser_of_the_density_beats_the_closed_form_and_the_best_one_meets_it(known: bool, rank: int) -> None:
    rng = np.random.default_rng(11)
    X, Y = data(25, [0.7, 0.3], 2, 3, rng)
    covariance = np.array([[1.5, 0.6], [0.6, 0.8]])

    def minus_log_likelihood(w: Matrix) -> float:
        A, B, a = w[: 2 * rank].reshape(2, rank), w[2 * rank : 5 * rank].reshape(rank, 3), w[5 * rank : 5 * rank + 2]
        residual = Y - X @ (A @ B).T - a
        if known:
            return -gaussian(residual, covariance)
        # any covariance of two outputs: the second regressed on the first; a line search may run off
        size = np.exp(np.clip(w[-3:-1], -8, 8))
        second = norm.logpdf(residual[:, 1], residual[:, 0] * w[-1], size[1])
        return -float((norm.logpdf(residual[:, 0], 0.0, size[0]) + second).sum())

    found = min(minimize(minus_log_likelihood, rng.normal(size=5 * rank + 5), method="BFGS").fun for _ in range(4))
    exact = select_rank(X, Y, noise=covariance if known else None).log_likelihood[rank]
    assert -found <= exact + 1e-9 * abs(exact)
    assert -found == pytest.approx(exact, abs=1e-5)  # BFGS with differences stops about here


def test_the_largest_rank_has_the_likelihood_of_ordinary_least_squares() -> None:
    X, Y = data(60, [1.0, 0.5], 3, 4, np.random.default_rng(2))
    design = np.column_stack([np.ones(60), X])
    residual = Y - design @ np.linalg.lstsq(design, Y, rcond=None)[0]
    assert select_rank(X, Y).log_likelihood[-1] == pytest.approx(gaussian(residual, residual.T @ residual / 60))
    assert select_rank(X, Y, noise=0.7).log_likelihood[-1] == pytest.approx(gaussian(residual, 0.7 * np.eye(3)))


@pytest.mark.parametrize(("noise", "intercept"), [(None, True), (None, False), (1.0, True), (1.0, False)])
def test_each_rank_is_charged_half_its_number_of_free_parameters(noise: float | None, intercept: bool) -> None:
    X, Y = data(40, [1.0], 3, 5, np.random.default_rng(3))
    seen = select_rank(X, Y, noise=noise, intercept=intercept)
    for rank, value in zip(seen.candidates, seen.coefficient, strict=True):
        assert 2 * value == rank * (3 + 5 - rank) + 3 * intercept + (6 if noise is None else 0)
        assert value == reduced_rank(3, rank, 5, rank, biases=intercept, unknown_noise=noise is None).value
        assert seen.bic[rank] == pytest.approx(seen.log_likelihood[rank] - float(value) * np.log(40))


@given(seed=st.integers(0, 10**6), outputs=st.integers(1, 4), inputs=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_neither_the_units_nor_the_origin_of_the_data_matter(seed: int, outputs: int, inputs: int) -> None:
    rng = np.random.default_rng(seed)
    X, Y = data(30, [1.0], outputs, inputs, rng)
    mix_x = rng.normal(size=(inputs, inputs)) + 3 * np.eye(inputs)
    mix_y = rng.normal(size=(outputs, outputs)) + 3 * np.eye(outputs)
    here = select_rank(X, Y)
    there = select_rank(1e3 * X @ mix_x + rng.normal(size=inputs), 1e-2 * Y @ mix_y + rng.normal(size=outputs))
    assert_allclose(there.singular_bic_weight, here.singular_bic_weight, atol=1e-8)
    covariance = mix_y.T @ mix_y  # known noise transforms along
    known, moved = select_rank(X, Y, noise=1.0), select_rank(X @ mix_x, Y @ mix_y, noise=covariance)
    assert_allclose(moved.singular_bic_weight, known.singular_bic_weight, atol=1e-8)
    assert (np.diff(known.log_likelihood) >= 0).all()
    assert (known.singular_bic >= known.bic - 1e-9).all()
    assert known.singular_bic_weight.sum() == pytest.approx(1.0)


def test_with_unknown_noise_it_does_not_matter_which_side_is_called_the_input() -> None:
    exercise, body = load_linnerud(return_X_y=True)
    here, there = select_rank(exercise, body), select_rank(body, exercise)
    # canonical correlations are symmetric, and M(M+1)/4 + M/2 is common to all ranks
    assert_allclose(there.singular_bic_weight, here.singular_bic_weight, rtol=1e-9)
    assert here.chosen == 1


def test_a_lower_largest_rank_leaves_the_scores_of_the_others_alone() -> None:
    X, Y = data(50, [1.0, 0.4], 4, 4, np.random.default_rng(5))
    whole, part = select_rank(X, Y), select_rank(X, Y, max_rank=2)
    assert part.candidates == (0, 1, 2)
    assert_allclose(part.singular_bic, whole.singular_bic[:3], rtol=1e-14)
    assert select_rank(X, Y, max_rank=0).chosen == 0


def test_prior_weights_multiply_the_posterior_odds_of_plain_bic() -> None:
    X, Y = data(50, [0.4], 3, 3, np.random.default_rng(6))
    flat, tilted = select_rank(X, Y), select_rank(X, Y, prior=[1, 2, 4, 8])
    odds = tilted.bic_weight / flat.bic_weight
    assert_allclose(odds / odds[0], [1, 2, 4, 8])


def test_weak_directions_are_found_from_fewer_data_than_plain_bic_needs() -> None:
    # rates over 300 data sets (bench/learning_selection.py): singular BIC 0.59, plain BIC 0.04
    right = plain = 0
    for seed in range(60):
        rng = np.random.default_rng([2024, seed])
        X, Y = data(300, [1.5, 0.6, 0.25], 6, 7, rng)
        seen = select_rank(X, Y, noise=1.0, intercept=False)
        right += seen.chosen == 3
        plain += seen.chosen_by_bic == 3
    # at those rates another seed would fail with probability 2e-4
    assert right >= 19
    assert plain <= 9


def test_the_right_rank_is_found_from_many_data_with_correlated_noise() -> None:
    mix = np.linalg.cholesky(0.5 * np.eye(6) + 0.5)
    right = 0
    for seed in range(20):
        rng = np.random.default_rng([2025, seed])
        X, Y = data(4000, [1.5, 0.6, 0.25], 6, 7, rng)
        right += select_rank(X, Y + rng.normal(size=(4000, 6)) @ mix.T).chosen == 3
    assert right >= 19  # rate 0.997 over 400 data sets: another seed would fail with probability 1e-3


def test_strong_signals_lose_no_digits() -> None:
    # canonical correlations within 1e-14 of 1: log(1 − ρ²) itself would be noise
    rng = np.random.default_rng(9)
    X = rng.normal(size=(100, 2))
    noise = rng.normal(size=(100, 2))
    noise -= (
        np.column_stack([np.ones(100), X]) @ np.linalg.lstsq(np.column_stack([np.ones(100), X]), noise, rcond=None)[0]
    )
    likelihoods = []
    for scale in (1e-3, 1e-7):
        seen = select_rank(X, X + scale * noise)
        likelihoods.append(np.diff(seen.log_likelihood))
    # each direction is worth ½ n log(1 + σ²), σ ∝ 1 / scale
    assert_allclose(likelihoods[1] - likelihoods[0], 100 * np.log(1e4), rtol=1e-5)


good = data(20, [1.0], 2, 3, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": good[0][:-1]}, "Y must have as many rows as X = 19, got 20"),
        ({"X": good[0][:, 0]}, "X must be a matrix, got 1 dimensions"),
        ({"X": good[0][:, :0]}, "X must have at least one column"),
        ({"Y": good[1][:, :0]}, "Y must have at least one column"),
        ({"X": np.where(good[0] > 2, np.nan, np.inf)}, "X must be finite"),
        ({"Y": np.full((20, 2), np.nan)}, "Y must be finite, got nan"),
        ({"X": np.column_stack([good[0], np.ones(20)])}, "X must have no constant column.* column 3"),
        ({"X": np.column_stack([good[0], np.full(20, 1e9)])}, "X must have no constant column.* column 3"),
        ({"X": np.column_stack([good[0], np.zeros(20)]), "intercept": False}, "X must have no column of zeros.* 3"),
        ({"X": np.column_stack([good[0], good[0] @ [1, 2, 3]])}, "linearly independent columns, got rank 3 of 4"),
        ({"Y": np.column_stack([good[1], np.ones(20)])}, "column 2 is constant or an exact linear function of X"),
        ({"Y": np.column_stack([good[1], good[0][:, 0]])}, "column 2 is constant or an exact linear function of X"),
        ({"Y": np.column_stack([good[1], good[1].sum(1)])}, "must leave 3 independent residuals off X, got 2"),
        ({"X": good[0][:3], "Y": good[1][:3]}, "X must have at least 4 rows"),
        ({"X": good[0][:5], "Y": good[1][:5]}, "Y must have at least 6 rows .* or pass noise"),
        ({"max_rank": 3}, r"max_rank must be <= min\(outputs, inputs\) = 2, got 3"),
        ({"max_rank": -1}, "max_rank must be >= 0"),
        ({"noise": 0.0}, "noise must be a number > 0"),
        ({"noise": np.ones(2)}, r"noise must be a variance or have shape \(2, 2\), got \(2,\)"),
        ({"noise": np.array([[1.0, 2.0], [2.0, 1.0]])}, "noise must be positive definite, got smallest eigenvalue -1"),
        ({"noise": np.array([[1.0, 0.5], [0.0, 1.0]])}, "noise must be symmetric"),
        ({"prior": [1.0, 0.0, 1.0]}, "prior must be > 0, got 0"),
        ({"prior": [1.0, 1.0]}, r"prior must have one weight per rank 0..2, got shape \(2,\)"),
    ],
)
@pytest.mark.filterwarnings(f"ignore::{DoubtfulRankWarning.__module__}.DoubtfulRankWarning")
def test_bad_data_are_told_what_to_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_rank(**{"X": good[0], "Y": good[1], **changes})


def test_columns_that_all_but_depend_on_each_other_raise_a_doubt() -> None:
    X = np.column_stack([good[0], good[0].sum(1) + 3e-14 * good[1][:, 0]])
    with pytest.warns(DoubtfulRankWarning, match="the rank of X is doubtful"):
        select_rank(X, good[1])
