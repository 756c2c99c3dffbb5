"""The counts that bench/limits.py rests on are those of the loops."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from lemmata.sim.entropy import _kernels
from lemmata.theory.resilience import interval

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module")
def tally():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        yield importlib.import_module("limited.tally")


@pytest.mark.parametrize(("K", "m", "n"), [(1, 1, 1), (2, 4, 3)])
def test_a_triangle_costs_a_sum_and_a_product_an_entry(tally, K, m, n):
    rng = np.random.default_rng(0)
    P, mu, x, out = rng.random((K, m, m)), rng.random((K, m)), rng.random((m, n)), np.zeros((K, n))
    seen = tally.Numbers(np.zeros((K, n)))
    with tally.tally() as counted:
        tally.plain(_kernels).dense_squares(*map(tally.Numbers, (P, mu, x)), seen)
    _kernels.dense_squares(P, mu, x, out)
    assert dict(counted) == {"flops64": n * K * (m + m * (m + 1) + 2 * m)}
    np.testing.assert_allclose(seen.data, out, rtol=1e-14)  # a sum of four, fused or not


def test_powers_count_their_products_and_signs_count_nothing(tally):
    x = tally.Counted(2.0)
    with tally.tally() as counted:
        assert float(-(abs(x) ** 4)) == -16.0
    assert dict(counted) == {"flops64": 2}


def test_arrays_count_what_numpy_is_asked_for(tally):
    x = interval.Interval(tally.traced([1.0, 2.0, 3.0]), tally.traced([2.0, 3.0, 4.0]))
    with tally.tally() as counted, tally.subclasses_kept(interval):
        interval.sigmoid(x)
    assert counted["exp"] == 6  # both ends of three
    assert counted["divisions64"] == 6
    assert counted["calls"] > 8
    assert interval.np is np
