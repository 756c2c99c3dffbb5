"""Concept selection: the order of the candidates, their likelihoods by other routes, and what is found."""

import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from lemmata.theory.learning import (
    ConceptModel,
    Selection,
    partial_concept_bottleneck,
    select_concepts,
    select_rank,
)
from lemmata.theory.learning.concept_fit import _Problem, fit_concepts
from lemmata.theory.learning.noise_units import Response, orthonormal_inputs, response

Matrix = NDArray[np.float64]
module = sys.modules["lemmata.theory.learning.select_concepts"]
KNOWN: dict[str, Any] = {"output_noise": 1.0, "concept_noise": 1.0}


def data(
    n: int, outputs: int, inputs: int, concepts: int, used: int, hidden: int, rng: np.random.Generator
) -> tuple[Matrix, Matrix, Matrix]:
    """X, Y, C where the first `used` concepts and `hidden` free units carry what Y sees; unit noises."""
    X = rng.normal(size=(n, inputs))
    D = rng.normal(size=(concepts, inputs)) / np.sqrt(inputs)
    free = rng.normal(size=(outputs, hidden)) @ rng.normal(size=(hidden, inputs)) / np.sqrt(inputs)
    T = free + rng.normal(size=(outputs, used)) @ D[:used]
    return X, X @ T.T + rng.normal(size=(n, outputs)), X @ D.T + rng.normal(size=(n, concepts))


def responses(X: Matrix, Y: Matrix, C: Matrix, known: bool) -> tuple[Response, Response]:
    Q = orthonormal_inputs(X, True)
    noise = 1.0 if known else None
    return response("Y", Y, Q, noise, "noise", True), response("C", C, Q, noise, "noise", True)


def by_model(seen: Selection[ConceptModel], values: Matrix) -> dict[tuple[int, tuple[int, ...]], float]:
    return {(m.hidden, m.concepts): float(v) for m, v in zip(seen.candidates, values, strict=True)}


# --- the candidates and their order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("M", "N", "K"), [(2, 3, 2), (3, 4, 3), (2, 4, 4), (1, 3, 3), (4, 3, 2)])
def test_ranks_of_actual_matrices_say_which_candidate_holds_which(M: int, N: int, K: int) -> None:
    candidates = module._candidates(M, N, K, None, tuple(str(k) for k in range(K)))
    rest, below = module._order(M, N, candidates)
    rng = np.random.default_rng(1)
    for j, truth in enumerate(candidates):
        D = rng.normal(size=(K, N))
        h = truth.hidden
        free = rng.normal(size=(M, h)) @ rng.normal(size=(h, N))
        T = free + rng.normal(size=(M, len(truth.concepts))) @ D[list(truth.concepts)]
        for i, model in enumerate(candidates):
            span = np.linalg.qr(D[list(model.concepts)].T)[0]
            seen = np.linalg.matrix_rank(T - T @ span @ span.T, tol=1e-8 * (1 + np.abs(T).max()))
            assert seen == rest[i, j]
            assert below[i, j] == (seen <= model.hidden)  # T is what `model` can do, with this D
    assert below.diagonal().all()
    assert not (below & below.T & ~np.eye(len(below), dtype=bool)).any()  # no model twice
    assert not np.triu(below, 1).any()  # submodels first


def test_the_number_of_candidates_is_the_number_of_different_models() -> None:
    assert len(module._candidates(4, 7, 3, None, "abc")) == 33
    # six hidden units in all: any linear map once, and the sets of concepts that leave fewer than M free units
    forced = module._candidates(4, 7, 3, 6, "abc")
    assert [(m.hidden, m.concepts) for m in forced] == [(3, (0, 1, 2)), (4, ())]
    assert {m.hidden + len(m.concepts) for m in module._candidates(4, 7, 3, 3, "abc")} == {3}


def test_with_the_number_of_units_forced_supervising_fewer_of_them_is_the_larger_model() -> None:
    candidates = module._candidates(4, 7, 3, 3, "abc")
    _, below = module._order(4, 7, candidates)
    for i, model in enumerate(candidates):
        for j, other in enumerate(candidates):
            assert below[i, j] == ({*model.concepts} <= {*other.concepts})


def test_each_candidate_is_charged_what_the_theory_of_partial_bottlenecks_says() -> None:
    X, Y, C = data(60, 3, 5, 2, 1, 1, np.random.default_rng(2))
    seen = select_concepts(X, Y, C)
    for model, value in zip(seen.candidates, seen.coefficient, strict=True):
        S = len(model.concepts)
        exact = partial_concept_bottleneck(3, model.hidden, S, 5, S, model.hidden).value
        # the concepts that are not used are regressions of their own: N (K − S)/2; biases (M + K)/2; two covariances
        assert value == exact + Fraction(5 * (2 - S), 2) + Fraction(5, 2) + Fraction(12, 4) + Fraction(6, 4)
        if model.hidden < 3 or S == 0:  # half the dimension of the set of maps, plus the same
            maps = 3 * S + model.hidden * (3 + 5 - S - model.hidden) + 5 * 2
            assert 2 * value == maps + 5 + 6 + 3


# --- the likelihoods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_no_optimiser_of_the_density_beats_the_fit_and_the_best_one_meets_it(known: bool) -> None:
    rng = np.random.default_rng(4)
    M, N, K = 2, 3, 2
    X, Y, C = data(30, M, N, K, 1, 1, rng)
    X, Y, C = X - X.mean(0), Y - Y.mean(0), C - C.mean(0)
    seen = by_model(s := select_concepts(X, Y, C, **(KNOWN if known else {})), s.log_likelihood)

    def gaussian(residual: Matrix, w: Matrix) -> float:
        size = np.zeros(2) if known else np.clip(w[:2], -8, 8)  # the logs of the deviations; a line search may run off
        first = residual[:, 0] * np.exp(-size[0])
        second = (residual[:, 1] - (0.0 if known else w[2]) * residual[:, 0]) * np.exp(-size[1])
        return float(norm.logpdf([first, second]).sum() - len(residual) * size.sum())

    for (h, used), exact in seen.items():
        S = len(used)
        sizes = np.cumsum([M * h, h * N, M * S, K * N, 3, 3])

        def minus_log_likelihood(w: Matrix, h: int = h, used: Any = used, S: int = S, sizes: Any = sizes) -> float:
            A1, B1, A2, D, y, c = np.split(w, sizes[:-1])
            maps = D.reshape(K, N)
            T = A1.reshape(M, h) @ B1.reshape(h, N) + A2.reshape(M, S) @ maps[list(used)]
            return -gaussian(Y - X @ T.T, y) - gaussian(C - X @ maps.T, c)

        starts = [0.5 * rng.normal(size=sizes[-1]) for _ in range(3)]
        found = max(-minimize(minus_log_likelihood, w, method="BFGS").fun for w in starts)
        assert found <= exact + 1e-6
        assert found == pytest.approx(exact, abs=1e-3)  # BFGS with differences stops about here


@given(seed=st.integers(0, 10**6), n=st.sampled_from([15, 40, 300]), known=st.booleans())
@settings(max_examples=12, deadline=None)
def test_likelihoods_grow_along_the_order_and_no_random_start_beats_them(seed: int, n: int, known: bool) -> None:
    rng = np.random.default_rng(seed)
    M, N, K = int(rng.integers(1, 4)), int(rng.integers(2, 5)), 2
    X, Y, C = data(n, M, N, K, K, M, rng)  # nothing but the largest model is right
    seen = select_concepts(X, Y, C, **(KNOWN if known else {}))
    _, below = module._order(M, N, seen.candidates)
    gain = seen.log_likelihood[:, None] - seen.log_likelihood
    assert (gain[below] >= -1e-7 * (1 + np.abs(seen.log_likelihood).max())).all()
    outputs, concepts = responses(X, Y, C, known)
    model = seen.candidates[int(rng.integers(len(seen.candidates)))]
    size = np.linalg.norm(concepts.signal) / N
    starts = [concepts.signal + size * rng.choice([0.3, 1, 3]) * rng.normal(size=(K, N)) for _ in range(6)]
    again = fit_concepts(outputs, concepts, model.concepts, model.hidden, starts).log_likelihood
    assert again <= seen.log_likelihood[seen.candidates.index(model)] + 1e-5


@pytest.mark.parametrize(
    ("seed", "better"), [(5, "total least squares"), (10, "total least squares"), (229, "own fit")]
)
def test_of_two_starts_that_end_apart_the_better_is_kept(seed: int, better: str) -> None:
    X, Y, C = data(20, 4, 6, 2, 2, 2, np.random.default_rng(seed))
    outputs, concepts = responses(X, Y, C, known=False)
    problem = _Problem(outputs, concepts, outputs.whitened, concepts.whitened, 0)
    ends = {
        "own fit": problem.descend(problem.C)[0],
        "total least squares": problem.descend(problem.total_least_squares())[0],
    }
    assert min(ends.values()) < max(ends.values()) - 3  # two local maxima, 3 nats apart at least
    lost = outputs.constant + concepts.constant - fit_concepts(outputs, concepts, (0, 1), 0).log_likelihood
    assert lost == pytest.approx(ends[better], rel=1e-9)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_without_bottleneck_units_it_is_a_rank_selection_beside_a_regression(known: bool) -> None:
    X, Y, C = data(50, 3, 4, 2, 1, 1, np.random.default_rng(5))
    seen = by_model(s := select_concepts(X, Y, C, **(KNOWN if known else {})), s.log_likelihood)
    ranks = select_rank(X, Y, noise=1.0 if known else None).log_likelihood
    regression = select_rank(X, C, noise=1.0 if known else None).log_likelihood[-1]
    for h in range(4):
        assert seen[h, ()] == pytest.approx(ranks[h] + regression)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_a_pure_bottleneck_with_known_noise_is_total_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, Y, C = data(40, 3, 5, 3, 3, 2, rng)
    outputs, concepts = responses(X, Y, C, known=True)
    used = (0, 2)
    stacked = np.vstack([outputs.signal, concepts.signal[list(used)]])
    lost = 0.5 * (np.linalg.svd(stacked, compute_uv=False)[2:] ** 2).sum()  # Eckart-Young
    fit = fit_concepts(outputs, concepts, used, 0)
    assert outputs.constant + concepts.constant - fit.log_likelihood == pytest.approx(lost, rel=1e-8)


@given(seed=st.integers(0, 10**6), outputs_known=st.booleans(), concepts_known=st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_sweep_of_the_alternation_raises_the_loss(seed: int, outputs_known: bool, concepts_known: bool) -> None:
    rng = np.random.default_rng(seed)
    X, Y, C = data(25, 3, 4, 2, 2, 2, rng)
    outputs, concepts = responses(X, Y, C, outputs_known)[0], responses(X, Y, C, concepts_known)[1]
    problem = _Problem(outputs, concepts, outputs.whitened, concepts.whitened, int(rng.integers(0, 2)))
    E = rng.normal(size=(2, 4)) * np.exp(3 * rng.normal())
    loss = [problem.loss(problem.inner(E)[1], E)]
    for _ in range(30):
        E = problem.alternate(E)
        loss.append(problem.loss(problem.inner(E)[1], E))
    assert (np.diff(loss) <= 1e-11 * (1 + loss[0])).all()


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_gradient_of_the_loss_is_its_slope(known: bool) -> None:
    rng = np.random.default_rng(6)
    outputs, concepts = responses(*data(25, 3, 4, 2, 2, 2, rng), known)
    problem = _Problem(outputs, concepts, outputs.whitened, concepts.whitened, 1)
    E, step = rng.normal(size=8), rng.normal(size=8)
    slope = problem.value_and_gradient(E)[1] @ step
    up, down = (problem.value_and_gradient(E + sign * 1e-5 * step)[0] for sign in (1, -1))
    assert (up - down) / 2e-5 == pytest.approx(slope, rel=1e-6)  # central differences


@pytest.mark.parametrize("covariance", [None, np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.0], [0.2, 0.0, 2.0]])])
def test_the_map_that_a_fit_reports_has_the_likelihood_that_it_reports(covariance: Matrix | None) -> None:
    X, Y, C = data(40, 3, 5, 3, 3, 1, np.random.default_rng(7))
    C[:, 2] += 0.8 * C[:, 0]  # noises go together, so that the concepts that are not used must follow
    Q = orthonormal_inputs(X, True)
    outputs = response("Y", Y, Q, 1.0, "noise", True)
    concepts = response("C", C, Q, covariance, "noise", True)
    fit = fit_concepts(outputs, concepts, (0, 1), 0)
    deviation = np.linalg.solve(concepts.root, concepts.signal - fit.concept_map)  # all K concepts
    span = np.linalg.qr(fit.concept_map[:2].T)[0]
    missed = outputs.signal - outputs.signal @ span @ span.T  # unit noise: A₂ is least squares
    loss = sum(
        response_.loss(np.linalg.svd(rest, compute_uv=False))
        for response_, rest in ((outputs, missed), (concepts, deviation))
    )
    assert outputs.constant + concepts.constant - loss == pytest.approx(fit.log_likelihood, rel=1e-10)


# --- what the choice does not depend on -----------------------------------------------------------------------------


def test_neither_units_nor_origins_nor_the_order_of_the_concepts_matter() -> None:
    rng = np.random.default_rng(8)
    X, Y, C = data(80, 3, 4, 2, 1, 1, rng)
    here = select_concepts(X, Y, C)
    there = select_concepts(
        X @ (rng.normal(size=(4, 4)) + 3 * np.eye(4)) + 5.0,
        Y @ (rng.normal(size=(3, 3)) + 3 * np.eye(3)) - 2.0,
        C[:, ::-1] * [1e3, 1e-2] + 7.0,
    )
    weight = by_model(there, there.singular_bic_weight)
    for (h, used), expected in by_model(here, here.singular_bic_weight).items():
        assert weight[h, tuple(sorted(1 - k for k in used))] == pytest.approx(expected, abs=1e-6)


def test_a_known_covariance_is_a_change_of_units() -> None:
    rng = np.random.default_rng(9)
    X, Y, C = data(80, 2, 4, 2, 1, 1, rng)
    mix = np.array([[2.0, 0.3], [-0.5, 1.0]])
    here = select_concepts(X, Y, C, **KNOWN)
    there = select_concepts(X, Y @ mix.T, 3.0 * C, output_noise=mix @ mix.T, concept_noise=9.0)
    assert_allclose(there.singular_bic_weight, here.singular_bic_weight, atol=1e-6)


# --- what is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_concepts_and_free_units_that_made_the_data_are_found(known: bool) -> None:
    right = 0
    for seed in range(6):
        X, Y, C = data(2000, 3, 5, 2, 1, 1, np.random.default_rng([2026, seed]))
        seen = select_concepts(X, Y, C, **(KNOWN if known else {}))
        right += seen.chosen == ConceptModel(1, (0,), ("0",))
    # rate 0.95 over 150 data sets: another seed would fail with probability 2e-3
    assert right >= 4


def test_random_starts_are_drawn_from_the_generator_and_never_lower_a_likelihood() -> None:
    X, Y, C = data(40, 2, 3, 2, 1, 1, np.random.default_rng(10))
    fixed = select_concepts(X, Y, C)
    rng = np.random.default_rng(1)
    more = select_concepts(X, Y, C, random_starts=2, rng=rng)
    assert rng.random() != np.random.default_rng(1).random()
    assert (more.log_likelihood >= fixed.log_likelihood - 1e-7).all()


def test_a_prior_on_models_tilts_the_weights_and_names_are_printed() -> None:
    X, Y, C = data(60, 2, 3, 2, 1, 0, np.random.default_rng(11))
    flat = select_concepts(X, Y, C, names=["warm", "loud"])
    tilted = select_concepts(X, Y, C, names=["warm", "loud"], prior=lambda model: 2.0 ** len(model.concepts))
    odds = np.log2(tilted.bic_weight / flat.bic_weight)
    assert_allclose(odds - odds[0], [len(m.concepts) for m in flat.candidates])
    assert "0 free + {warm, loud}" in str(flat)
    assert "1 free + {loud}" in str(flat)


good = data(20, 2, 3, 2, 1, 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"C": good[2][:-1]}, "C must have as many rows as X = 20, got 19"),
        ({"C": good[2][:, 0]}, "C must be a matrix, got 1 dimensions"),
        ({"C": good[2][:, :0]}, "C must have at least one column"),
        ({"C": np.full((20, 2), np.nan)}, "C must be finite, got nan"),
        ({"C": np.random.default_rng(1).normal(size=(20, 4))}, "C must have at most as many columns as X = 3, got 4"),
        ({"C": good[0][:, :2]}, "C must be noisy, but column 0 is constant or an exact linear function of X"),
        ({"C": np.ones((20, 1)), **KNOWN}, "C must have 1 linearly independent fits on X, got 0"),
        ({"C": good[2][:, [0, 0]], **KNOWN}, "C must have 2 linearly independent fits on X, got 1"),
        ({"X": good[0][:5], "Y": good[1][:5], "C": good[2][:5]}, "Y must have at least 6 rows .* or pass output_noise"),
        ({"concept_noise": -1.0}, "concept_noise must be a number > 0"),
        ({"hidden": -1}, "hidden must be >= 0"),
        ({"prior": lambda model: -1.0}, "prior must be > 0"),
        ({"names": ["one"]}, "names must have one entry per column of C = 2, got 1"),
        ({"random_starts": 2}, "rng must be given for random_starts = 2"),
        ({"random_starts": -1}, "random_starts must be >= 0"),
    ],
)
def test_bad_data_are_told_what_to_change(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_concepts(**{"X": good[0], "Y": good[1], "C": good[2], **changes})


def test_too_many_candidates_are_refused_before_any_is_fitted() -> None:
    rng = np.random.default_rng(0)
    X, Y, C = (rng.normal(size=(60, size)) for size in (12, 4, 11))
    with pytest.raises(ValueError, match="at most 1024 candidates"):
        select_concepts(X, Y, C)
