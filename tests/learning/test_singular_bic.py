"""The singular BIC against brute force in many digits, exact evidence, and the identities it must obey."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import matplotlib
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from lemmata.theory.learning import LearningCoefficient, select_rank, singular_bic
from lemmata.theory.learning.singular_bic import log_positive_root

matplotlib.use("Agg")

Order = list[dict[int, LearningCoefficient]]

CHAIN = [[], [0], [0, 1], [0, 1, 2]]
DIAMOND = [[], [0], [0], [0, 1, 2]]
TWO_ROOTS = [[], [], [0, 1], [1], [0, 1, 2, 3]]
ANTICHAIN = [[], [], []]


def coefficient(value: float, multiplicity: int = 1) -> LearningCoefficient:
    return LearningCoefficient(Fraction(value), multiplicity, "made up")


def family(below: list[list[int]], rng: np.random.Generator, spread: float) -> tuple[np.ndarray, Order]:
    """Likelihoods that grow along the order, and coefficients λ_ij <= λ_ii."""
    own = [Fraction(int(rng.integers(1, 4)) + 4 * len(row), 2) for row in below]
    ell = np.zeros(len(below))
    rows: Order = []
    for i, row in enumerate(below):
        ell[i] = max([ell[j] for j in row], default=-spread * rng.random()) + spread * rng.random() ** 3
        rows.append({i: coefficient(own[i])})
        for j in row:
            shared = own[j] + (own[i] - own[j]) * Fraction(int(rng.integers(0, 5)), 4)
            rows[i][j] = LearningCoefficient(shared, int(rng.integers(1, 4)), "made up")
    return ell, rows


def terms(ell: np.ndarray, rows: Order, n: int) -> list[dict[int, float]]:
    """log L_ij."""
    return [
        {j: ell[i] - float(c.value) * np.log(n) + (c.multiplicity - 1) * np.log(np.log(n)) for j, c in row.items()}
        for i, row in enumerate(rows)
    ]


@pytest.mark.parametrize("below", [CHAIN, DIAMOND, TWO_ROOTS, ANTICHAIN], ids=["chain", "diamond", "roots", "anti"])
@pytest.mark.parametrize("spread", [0.1, 8.0, 60.0])
def test_scores_solve_the_whole_system_of_equations_in_many_digits(below: list[list[int]], spread: float) -> None:
    rng = np.random.default_rng(len(below))
    ell, rows = family(below, rng, spread)
    log_prior = rng.normal(size=len(below))
    scores = singular_bic(ell, rows, n=150, log_prior=log_prior)
    log_L, P = terms(ell, rows, 150), [mpmath.exp(p) for p in log_prior]
    with mpmath.workdps(60):

        def residual(*x: Any) -> list[Any]:  # all equations at once, in x_i = log L_i
            return [
                sum(P[j] * mpmath.exp(x[j]) * (1 - mpmath.exp(log_L[i][j] - x[i])) for j in row)
                / sum(P[j] * mpmath.exp(x[j]) for j in row)
                for i, row in enumerate(rows)
            ]

        start = [mpmath.mpf(max(row.values())) for row in log_L]  # no root lies above
        root = mpmath.findroot(residual, start, tol=1e-40, maxsteps=500)
        exact = [float(x) for x in root]
    assert_allclose(scores.singular_bic, exact, rtol=1e-12, atol=1e-11)


@given(a=st.floats(-1e4, 1e4), w=st.floats(-1e4, 1e4), c=st.floats(-2e4, 2e4), near=st.sampled_from([0.0, 1e-9, 1e-3]))
def test_the_root_in_logs_is_the_root_in_many_digits_whatever_the_size(
    a: float, w: float, c: float, near: float
) -> None:
    for log_w in (w, a + near):
        with mpmath.workdps(50):
            b = mpmath.exp(a) * mpmath.expm1(mpmath.mpf(log_w) - a)  # as a difference 50 digits may see nothing
            root = mpmath.sqrt(b * b + 4 * mpmath.exp(c))
            x = 2 * mpmath.exp(c) / (b + root) if b > 0 else (root - b) / 2
            exact = float(mpmath.log(x))
        # a few roundings of numbers up to 3e4
        assert log_positive_root(a, log_w, c) == pytest.approx(exact, rel=1e-13, abs=3e-11)


@given(seed=st.integers(0, 10**6), spread=st.sampled_from([1e-3, 1.0, 30.0, 1e3, 1e5]), n=st.integers(2, 10**9))
def test_each_score_balances_its_equation_even_where_exponentials_overflow(seed: int, spread: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    below = [CHAIN, DIAMOND, TWO_ROOTS][seed % 3]
    ell, rows = family(below, rng, spread)
    scores = singular_bic(ell, rows, n)
    log_L = terms(ell, rows, n)
    for i, row in enumerate(log_L):
        weight = np.array([scores.singular_bic[j] for j in row])
        left = logsumexp(weight) + scores.singular_bic[i]
        right = logsumexp(weight + np.array(list(row.values())))
        assert left == pytest.approx(right, rel=1e-13, abs=1e-12 * max(100.0, spread))


@given(seed=st.integers(0, 10**6), spread=st.sampled_from([0.1, 3.0, 300.0]))
def test_a_score_lies_between_its_smallest_and_its_largest_term(seed: int, spread: float) -> None:
    ell, rows = family(DIAMOND, np.random.default_rng(seed), spread)
    scores = singular_bic(ell, rows, 90)
    for score, row in zip(scores.singular_bic, terms(ell, rows, 90), strict=True):
        assert min(row.values()) - 1e-9 <= score <= max(row.values()) + 1e-9
    assert (scores.singular_bic >= scores.bic - 1e-9).all()  # λ_ij <= λ_ii here


@given(seed=st.integers(0, 10**6), shift=st.floats(-1e4, 1e4))
def test_a_constant_added_to_every_likelihood_moves_every_score_by_itself(seed: int, shift: float) -> None:
    ell, rows = family(TWO_ROOTS, np.random.default_rng(seed), 5.0)
    here, there = singular_bic(ell, rows, 70), singular_bic(ell + shift, rows, 70)
    assert_allclose(there.singular_bic - here.singular_bic, shift, atol=1e-10)
    assert_allclose(there.singular_bic_weight, here.singular_bic_weight, atol=1e-9)


def test_regular_families_get_the_plain_bic() -> None:
    own = [coefficient(d) for d in (1, 2, 2.5, 4)]
    rows = [dict.fromkeys([*row, i], own[i]) for i, row in enumerate(DIAMOND)]
    scores = singular_bic([-20.0, -19.0, -14.0, -13.0], rows, 400)
    assert_allclose(scores.singular_bic, scores.bic, rtol=1e-14)


def test_the_order_in_which_models_are_listed_changes_nothing() -> None:
    ell, rows = family(TWO_ROOTS, np.random.default_rng(3), 4.0)
    log_prior = np.random.default_rng(4).normal(size=5)
    new = [3, 0, 4, 2, 1]  # model i goes to place new[i]
    moved_rows: Order = [{} for _ in new]
    moved_ell, moved_prior = np.empty(5), np.empty(5)
    for i, row in enumerate(rows):
        moved_rows[new[i]] = {new[j]: c for j, c in row.items()}
        moved_ell[new[i]], moved_prior[new[i]] = ell[i], log_prior[i]
    here, there = singular_bic(ell, rows, 60, log_prior), singular_bic(moved_ell, moved_rows, 60, moved_prior)
    assert_allclose(there.singular_bic[new], here.singular_bic, rtol=1e-13)


def test_where_the_data_speak_for_the_largest_model_its_score_becomes_the_plain_bic() -> None:
    _, rows = family(CHAIN, np.random.default_rng(1), 1.0)
    gaps = []
    for gain in (40.0, 60.0, 90.0):
        scores = singular_bic([-200.0, -200.0, -200.0, -200.0 + gain], rows, 100)
        gaps.append(float(scores.singular_bic[3] - scores.bic[3]))
    assert gaps[0] > gaps[1] > abs(gaps[2])
    assert abs(gaps[2]) < 1e-6  # the smaller models have lost by e^90 less what their dimension saves them


def exact_log_evidence(z: np.ndarray, n: int) -> float:
    """log ∫ p(Y|a, b) over p(Y|0), y = a bᵀx + noise, a, b ~ N(0, I), XᵀX = nI, (XᵀY)ᵀ = √n z: a by hand, b by grid."""
    t = np.linspace(-12.0, 5.0, 6001)  # log |b|; the prior is below 1e-9 outside
    angle = np.linspace(0.0, np.pi, 400, endpoint=False)  # b and −b are the same map: half the circle, twice
    along = ((z @ np.stack([np.cos(angle), np.sin(angle)])) ** 2).sum(0)
    size = np.exp(2 * t)[:, None]
    log_f = 2 * t[:, None] - size / 2 - 0.5 * len(z) * np.log1p(n * size) + 0.5 * n * size * along / (1 + n * size)
    return float(logsumexp(log_f) + np.log((t[1] - t[0]) * (angle[1] - angle[0]) / np.pi))


def test_at_a_singular_truth_the_singular_bic_follows_the_exact_evidence_and_the_plain_one_does_not() -> None:
    # two inputs, two outputs, one hidden unit, truth zero: λ = 1, m = 2 against half the dimension 3/2
    z = np.random.default_rng(8).normal(size=(2, 2))
    drift, plain = [], []
    for n in (10**2, 10**4, 10**6):
        X = np.tile([[1.0, 1.0], [1.0, -1.0]], (n // 2, 1))
        scores = select_rank(X, X @ z.T / np.sqrt(n), noise=1.0, intercept=False)
        exact = exact_log_evidence(z, n)
        drift.append(scores.singular_bic[1] - scores.singular_bic[0] - exact)
        plain.append(scores.bic[1] - scores.bic[0] - exact)
    # λ log n − (m − 1) log log n is right up to a constant; ½ log n − log log n is what plain BIC overcharges
    assert abs(drift[2] - drift[0]) < 0.5
    assert abs(drift[2] - drift[1]) < abs(drift[1] - drift[0]) + 0.05
    assert plain[2] - plain[0] < -3.0


def test_prior_weights_tilt_the_choice() -> None:
    ell, rows = [-10.0, -9.5], [{0: coefficient(1)}, {0: coefficient(1), 1: coefficient(2)}]
    assert singular_bic(ell, rows, 50).chosen == 0
    tilted = singular_bic(ell, rows, 50, log_prior=[0.0, 20.0])
    assert tilted.chosen == 1
    assert tilted.chosen_by_bic == 1
    assert_allclose(np.exp(tilted.log_prior).sum(), 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_likelihoods": []}, "one number per model"),
        ({"log_likelihoods": [[1.0, 2.0]]}, "one number per model"),
        ({"log_likelihoods": [1.0, np.nan]}, "log_likelihoods must be finite"),
        ({"log_likelihoods": [1.0, 0.0]}, r"log_likelihoods\[1\] must be at least that of its submodel 0"),
        ({"n": 1}, "n must be >= 2"),
        ({"n": 2.5}, "n must be an integer"),
        ({"coefficients": [{0: coefficient(1)}]}, "one entry per model = 2, got 1"),
        ({"coefficients": [{0: coefficient(1)}, {0: coefficient(1)}]}, "under the key 1"),
        ({"coefficients": [{0: coefficient(1)}, {1: coefficient(1), 2: coefficient(1)}]}, "model numbers 0..1"),
        (
            {"coefficients": [{0: coefficient(1), 1: coefficient(1)}, {0: coefficient(1), 1: coefficient(1)}]},
            "partial order",
        ),
        ({"log_prior": [0.0]}, "one entry per model = 2"),
        ({"candidates": ["only"]}, "one entry per model = 2, got 1"),
    ],
)
def test_bad_input_is_told_what_to_change(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "log_likelihoods": [-3.0, -2.0],
        "coefficients": [{0: coefficient(1)}, {0: coefficient(1), 1: coefficient(2)}],
        "n": 10,
    }
    with pytest.raises(ValueError, match=message):
        singular_bic(**{**good, **changes})


def test_an_order_that_skips_a_submodel_of_a_submodel_is_refused() -> None:
    one = coefficient(1)
    rows: list[Mapping[int, LearningCoefficient]] = [{0: one}, {0: one, 1: one}, {1: one, 2: one}]
    with pytest.raises(
        ValueError, match=r"coefficients\[2\] must hold every submodel of its submodels, got none for 0"
    ):
        singular_bic([-3.0, -2.0, -1.0], rows, 10)


def test_the_table_names_every_candidate_marks_one_and_grows_a_column_when_a_simulation_adds_one() -> None:
    ell, rows = family(CHAIN, np.random.default_rng(5), 3.0)
    scores = singular_bic(ell, rows, 80, candidates=["a", "bb", "ccc", "d"])
    lines = str(scores).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["a", "bb", "ccc", "d"]
    assert [line.split()[0] for line in lines if "<- chosen" in line] == [scores.chosen]
    assert scores.wbic_weight is None
    assert scores.chosen_by_wbic is None
    assert "WBIC" not in lines[0]
    more = replace(scores, wbic=scores.bic + 0.25, wbic_error=np.full(4, 0.125))
    assert "WBIC" in str(more)
    assert "± 0.12" in str(more)
    assert more.wbic_weight is not None
    assert_allclose(more.wbic_weight, scores.bic_weight, rtol=1e-12)
    assert more.chosen_by_wbic == scores.chosen_by_bic


def test_of_many_candidates_the_table_shows_the_heaviest_and_counts_the_rest() -> None:
    ell = np.linspace(0.0, 6.0, 40)[np.random.default_rng(0).permutation(40)]
    scores = singular_bic(ell, [{i: coefficient(1)} for i in range(40)], 20)
    text = str(scores)
    assert text.splitlines()[1].split()[0] == str(int(ell.argmax()))
    assert text.endswith("and 16 more candidates of smaller weight")


def test_pictures_show_the_weights_and_the_scores_on_the_axes_given() -> None:
    from matplotlib.figure import Figure

    ell, rows = family(CHAIN, np.random.default_rng(6), 3.0)
    scores = singular_bic(ell, rows, 80)
    left, right = Figure().subplots(1, 2)
    scores.draw(left)
    drawn = [bar.get_width() for bar in left.patches]
    assert_allclose(drawn, [*scores.bic_weight, *scores.singular_bic_weight])
    scores.draw_scores(right)
    points = right.lines[1].get_xdata()
    assert_allclose(points, scores.singular_bic - scores.singular_bic.max(), atol=1e-12)
