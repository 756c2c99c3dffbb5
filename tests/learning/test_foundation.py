"""The parts below every subject: checks of arguments, numerical rank, random streams, estimates."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from lemmata.theory import _check
from lemmata.theory.estimate import Estimate
from lemmata.theory.numerical_rank import DoubtfulRankWarning, numerical_rank
from lemmata.theory.streams import stream

KEYS = st.lists(st.text(max_size=4) | st.integers(-5, 10**30), max_size=4)


@given(st.integers(-10, 10), st.integers(-10, 10), st.integers(-10, 10))
def test_an_integer_passes_exactly_within_its_limits(value, low, high):
    if low <= value <= high:
        assert _check.integer("x", np.int16(value), low, high) == value
    else:
        with pytest.raises(ValueError, match=rf"x must be (>= {low}|<= {high}), got {value}"):
            _check.integer("x", value, low, high)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0]])
def test_a_positive_number_is_one_finite_number_above_zero(value):
    with pytest.raises(ValueError, match="x must be"):
        _check.positive("x", value)
    assert _check.positive("x", np.float32(0.5)) == 0.5


def test_checked_arrays_are_float64_and_keep_their_values():
    out = _check.matrix("x", [[1, 2], [3, 4]], rows=2)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out, [[1.0, 2.0], [3.0, 4.0]])
    assert _check.above("x", [2, 3], 1.0).dtype == np.float64


@given(st.integers(1, 6), st.integers(1, 6), st.data(), st.integers(0, 2**32 - 1), st.floats(-200, 200))
def test_rank_is_that_of_the_construction_at_every_scale(rows, columns, data, seed, exponent):
    rank = data.draw(st.integers(0, min(rows, columns)))
    rng = np.random.default_rng(seed)
    left, right = (
        np.linalg.qr(rng.standard_normal((rows, rows)))[0],
        np.linalg.qr(rng.standard_normal((columns, columns)))[0],
    )
    matrix = (left[:, :rank] * rng.uniform(0.5, 2.0, rank)) @ right[:rank]
    assert numerical_rank("x", matrix * 10.0**exponent, tolerance=1e-9) == rank


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_default_rank_is_that_of_numpy(rows, columns, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, 2, (rows, columns)) @ rng.integers(-1, 2, (columns, columns)).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DoubtfulRankWarning)
        assert numerical_rank("x", matrix) == np.linalg.matrix_rank(matrix)


def test_an_empty_or_zero_matrix_has_rank_zero_without_a_warning():
    assert numerical_rank("x", np.zeros((0, 3))) == numerical_rank("x", np.zeros((3, 2))) == 0


@pytest.mark.parametrize(("value", "rank"), [(0.11e-3, 1), (0.9e-3, 1), (1.1e-3, 2), (9.0e-3, 2)])
def test_a_doubtful_rank_names_the_matrix_and_its_singular_value(value, rank):
    with pytest.warns(DoubtfulRankWarning, match=f"the rank of the map is doubtful: singular value {value:.3g} lies"):
        assert numerical_rank("the map", np.diag([1.0, value]), tolerance=1e-3) == rank


def test_scale_and_floor_move_the_threshold():
    matrix = np.diag([1e-3, 1e-8])
    assert numerical_rank("x", matrix, tolerance=1e-4) == 1
    assert numerical_rank("x", matrix, tolerance=1e-4, scale=1.0) == 1
    assert numerical_rank("x", matrix, tolerance=1e-1, scale=1.0) == 0
    assert numerical_rank("x", matrix, floor=1e-5) == 1
    assert numerical_rank("x", matrix, floor=0.1) == 0


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, 2.0, np.nan])
def test_a_tolerance_outside_zero_to_one_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"tolerance must lie in \[0, 1\), got"):
        numerical_rank("x", np.eye(2), tolerance)


@given(st.integers(0, 10**20), KEYS, st.integers(0, 10**20), KEYS)
def test_streams_are_equal_exactly_when_their_keys_are(seed, key, other_seed, other_key):
    here, there = stream(seed, *key).integers(2**63, size=4), stream(other_seed, *other_key).integers(2**63, size=4)
    assert (here == stream(seed, *key).integers(2**63, size=4)).all()
    assert ((here == there).all()) == ((seed, key) == (other_seed, other_key))


def test_words_and_numbers_of_a_key_do_not_run_together():
    keys = [("ab", "c"), ("a", "bc"), ("abc",), (1,), ("1",), (11,), (1, 1), ("1", 1), (), ("",), (-1,)]
    firsts = {stream(0, *key).integers(2**63) for key in keys}
    assert len(firsts) == len(keys)
    assert stream(np.int64(3), np.int32(7)).random() == stream(3, 7).random()


def test_a_stream_is_the_same_in_another_process():
    code = "from lemmata.theory.streams import stream; print(stream(5, 'claim', 3).bit_generator.random_raw())"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(seen) == stream(5, "claim", 3).bit_generator.random_raw()
    assert int(seen) == 3670011769603225230  # a change of the rule would silently change every recorded run


def test_first_draws_of_neighbouring_streams_are_uniform_and_unrelated():
    draws = np.array([stream(0, "claim", block).random(2) for block in range(4000)])
    # a right rule fails each of the three below with probability 1e-6
    assert kstest(draws[:, 0], "uniform").pvalue > 1e-6
    bound = norm.isf(0.5e-6) / np.sqrt(4000)
    assert abs(np.corrcoef(draws.T)[0, 1]) < bound
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < bound


@pytest.mark.parametrize(("arguments", "error"), [((-1,), ValueError), ((1.0,), ValueError), ((True,), ValueError)])
def test_a_seed_is_an_integer_from_zero_up(arguments, error):
    with pytest.raises(error, match="seed must be an integer >= 0, got"):
        stream(*arguments)


@pytest.mark.parametrize("part", [1.5, None, True, ("a",)])
def test_a_key_holds_words_and_integers_only(part):
    with pytest.raises(TypeError, match="key must hold words and integers, got"):
        stream(0, part)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-6, 1 - 1e-6))
def test_an_interval_covers_with_its_level(mean, error, level):
    low, high = Estimate(mean, error, 10, 10.0, "drawn").interval(level)
    assert low <= mean <= high
    seen = norm.cdf(high, mean, error) - norm.cdf(low, mean, error)
    # mean ± reach rounds at 1e-16 of the mean, seen against the error
    assert seen == pytest.approx(level, abs=1e-9 + 1e-15 * abs(mean) / error)


def test_z_counts_standard_errors_and_the_text_shows_both():
    seen = Estimate(2.5, 0.25, 100, 50.0, "batch means")
    assert seen.z(2.0) == 2.0
    assert str(seen) == "2.5000 ± 0.2500"


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, np.nan])
def test_a_level_lies_strictly_between_zero_and_one(level):
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1"):
        Estimate(0.0, 1.0, 1, 1.0, "drawn").interval(level)
