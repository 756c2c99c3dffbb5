"""Inputs and their anomalies stay in their boxes and do what their names say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lemmata.sim.resilience import anomalous_inputs, nominal_inputs
from lemmata.sim.resilience.anomalies import ANOMALIES, NOMINAL
from lemmata.theory.resilience import Box

U, UA = Box([-1.0, 0.5], [1.0, 0.5]), Box([-3.0, 0.25], [2.0, 4.0])


@given(st.integers(0, 10**6), st.integers(0, 40), st.sampled_from([None, *NOMINAL]))
def test_nominal_inputs_stay_in_their_box(seed, steps, kind):
    seen = nominal_inputs(U, 7, steps, seed, kinds=kind and [kind])
    assert seen.shape == (7, steps, 2)
    assert U.contains(seen)


@given(st.integers(0, 10**6), st.integers(0, 10), st.integers(0, 10), st.sampled_from([None, *ANOMALIES]))
def test_anomalies_stay_in_their_box_and_their_time(seed, start, length, kind):
    nominal = nominal_inputs(U, 7, 20, seed)
    seen = anomalous_inputs(nominal, UA, start, length, seed, kinds=kind and [kind])
    inside = (np.arange(20) >= start) & (np.arange(20) < start + length)
    assert_array_equal(seen[:, ~inside], nominal[:, ~inside])
    assert UA.contains(seen[:, inside])
    if kind == "spike" and length:
        assert ((seen != nominal).any(2).sum(1) <= 1).all()
    if kind in ("stuck", "dropout"):
        assert (seen[:, inside] == seen[:, inside][:, :1]).all()
    if kind == "dropout":
        assert (seen[:, inside] == [0.0, 0.25]).all()
    if kind == "ramp" and length > 2:
        assert np.abs(np.diff(seen[:, inside], n=2, axis=1)).max() < 1e-14  # a straight line, up to rounding
    if kind == "burst":
        assert np.isin(seen[:, inside, 0], [-3.0, 2.0]).all()


def test_ramps_end_in_a_corner():
    nominal = nominal_inputs(U, 50, 20)
    seen = anomalous_inputs(nominal, UA, 5, 10, kinds=["ramp"])[:, 14]
    assert np.isin(seen[:, 0], [-3.0, 2.0]).all()
    assert np.isin(seen[:, 1], [0.25, 4.0]).all()


def test_a_run_does_not_depend_on_how_many_are_drawn():
    few, many = nominal_inputs(U, 3, 30, 9), nominal_inputs(U, 100, 30, 9)
    assert_array_equal(few, many[:3])
    assert_array_equal(anomalous_inputs(few, UA, 2, 8, 9), anomalous_inputs(many, UA, 2, 8, 9)[:3])


def test_six_in_ten_nominal_runs_are_corners():
    seen = nominal_inputs(Box([-1.0], [1.0]), 2000, 5, 1)
    share = np.isin(seen[..., 0], [-1.0, 1.0]).all(1).mean()
    assert abs(share - 0.6) < 4.5 * np.sqrt(0.24 / 2000)  # one seed in 150 000; the seed is fixed


def test_a_multisine_fills_its_box():
    seen = nominal_inputs(UA, 20, 50, kinds=["multisine"])
    np.testing.assert_allclose(seen.min(1), np.tile(UA.lower, (20, 1)), atol=1e-15)
    np.testing.assert_allclose(seen.max(1), np.tile(UA.upper, (20, 1)), atol=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nominal_inputs(U, 0, 3), "runs must be >= 1, got 0"),
        (lambda: nominal_inputs(U, 1, 3, kinds=["noise"]), "kinds must be among corners, held, .*, got 'noise'"),
        (lambda: nominal_inputs(U, 1, 3, kinds=[]), "kinds must be among .*, got 'none'"),
        (lambda: anomalous_inputs(np.zeros((2, 5, 1)), U, 0, 1), r"nominal must have shape \(N, T, 2\)"),
        (lambda: anomalous_inputs(np.zeros((2, 5, 2)), U, 3, 4), "length must be <= 2, the steps left, got 4"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
