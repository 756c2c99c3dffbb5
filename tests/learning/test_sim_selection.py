"""WBIC beside the singular BIC, against closed forms and the maximum likelihood."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lemmata import sim, theory
from lemmata.sim.learning import select_concepts, select_rank
from lemmata.sim.learning.tempered import tempered_linear, tempered_network
from lemmata.theory.learning.network import LinearNetwork

LIMIT = 4.5  # standard errors: a right simulation fails one comparison in 150 000


def regression(seed, n=400, noise=1.0):
    """Rank 1 data with clear signal: X (n, 4), Y (n, 3)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4))
    return X, X[:, :1] @ [[1.0, -2.0, 1.0]] + noise * rng.standard_normal((n, 3))


@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_the_closed_form_of_a_linear_map_is_what_its_chains_see(scale):
    signal = np.random.default_rng(0).standard_normal((2, 3)) * 4
    exact = tempered_linear(signal, 50, scale)
    rng = np.random.default_rng(1)
    seen = tempered_network(LinearNetwork((3, 2), (2,)), (signal,), 50, rng=rng, sweeps=1000, prior_scale=scale)
    assert abs(seen.mean - exact.mean) < LIMIT * seen.error + 1e-9 * exact.mean


def test_rank_zero_scores_its_likelihood_and_the_rest_of_the_table_is_the_exact_one():
    X, Y = regression(0)
    exact = theory.learning.select_rank(X, Y, noise=1.0)
    seen = select_rank(X, Y, noise=1.0, rng=np.random.default_rng(2), sweeps=200)
    assert seen.wbic[0] == pytest.approx(exact.log_likelihood[0], rel=1e-12)
    assert_array_equal(seen.singular_bic, exact.singular_bic)
    # the mean of the log-likelihood under any density stays below its maximum
    assert (seen.wbic <= exact.log_likelihood + 1e-9).all()


@pytest.mark.parametrize("noise", [1.0, None])
def test_wbic_finds_a_clear_rank(noise):
    X, Y = regression(3)
    assert select_rank(X, Y, noise=noise, rng=np.random.default_rng(4), sweeps=200).chosen_by_wbic == 1


def test_wbic_does_not_depend_on_the_units_of_the_data():
    X, Y = regression(5)
    one = select_rank(X, Y, rng=np.random.default_rng(6), sweeps=200)
    other = select_rank(X * [1.0, 10.0, 0.1, 3.0], Y * 7.0, rng=np.random.default_rng(7), sweeps=200)
    # new units of Y shift every log-likelihood by −n M log 7
    shift = 400 * 3 * np.log(7.0)
    error = np.hypot(one.wbic_error, other.wbic_error) + 1e-9
    assert (np.abs(one.wbic - other.wbic - shift) < LIMIT * error + 1e-9 * shift).all()


def test_the_order_of_the_concepts_does_not_matter():
    rng = np.random.default_rng(8)
    X = rng.standard_normal((300, 4))
    C = X[:, :2] + 0.5 * rng.standard_normal((300, 2)) @ [[1.0, 0.5], [0.0, 1.0]]
    Y = X[:, :1] @ [[0.2, -0.4, 0.2]] + rng.standard_normal((300, 3))
    one = select_concepts(X, Y, C, rng=np.random.default_rng(9), sweeps=300)
    other = select_concepts(X, Y, C[:, ::-1], rng=np.random.default_rng(10), sweeps=300)
    there = {(m.hidden, tuple(sorted(1 - k for k in m.concepts))): i for i, m in enumerate(other.candidates)}
    swap = [there[m.hidden, m.concepts] for m in one.candidates]
    error = np.hypot(one.wbic_error, other.wbic_error[swap]) + 1e-9
    assert (np.abs(one.wbic - other.wbic[swap]) < LIMIT * error + 1e-8).all()
    assert str(one.chosen_by_wbic) == "0 free + {0}"
    assert_allclose(one.log_likelihood, other.log_likelihood[swap], rtol=1e-9)


def test_bad_input_is_refused_by_name():
    X, Y = regression(11)
    with pytest.raises(ValueError, match="prior_scale must be"):
        select_rank(X, Y, rng=np.random.default_rng(0), prior_scale=0.0)
    with pytest.raises(ValueError, match="X must"):
        sim.learning.select_rank(X[:2], Y[:2], rng=np.random.default_rng(0))
