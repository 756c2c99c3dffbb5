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


@pytest.mark.parametrize("m", [1, 4])
def test_placing_a_point_costs_a_sum_and_a_product_an_entry_below_the_diagonal(tally, m):
    rng = np.random.default_rng(0)
    root, centre, points = np.tril(rng.random((1, m, m)) + 1), rng.random((1, m)), rng.random((3, m))
    seen = tally.Numbers(points.copy())
    with tally.tally() as counted:
        tally.plain(_kernels).place(tally.Numbers(root), tally.Numbers(centre), [0] * 3, range(3), seen)
    assert counted["flops64"] == 3 * (m * (m - 1) + m)
    assert counted["divisions64"] == 3 * m
    np.testing.assert_allclose(seen.data, np.linalg.solve(root[0].T, points.T).T + centre, rtol=1e-13)


def test_powers_count_their_products_and_signs_count_nothing(tally):
    x = tally.Counted(2.0)
    with tally.tally() as counted:
        assert float(-(abs(x) ** 4)) == -16.0
    assert dict(counted) == {"flops64": 2}


@pytest.mark.parametrize(("dtype", "rounds"), [(np.float64, 5), (np.float32, 3)])
def test_the_loop_in_registers_does_the_sums_it_is_credited_with(tally, dtype, rounds):
    peaks = importlib.import_module("peaks")  # found in the folder that the fixture adds
    lanes = 64 // np.dtype(dtype).itemsize
    x = np.arange((peaks.TOTALS + 2) * lanes, dtype=dtype) / 64
    *totals, y, z = x.copy().reshape(-1, lanes)
    peaks._registers(x, rounds)
    for _ in range(rounds):
        totals = [each * y + z for each in totals]
    np.testing.assert_allclose(x.reshape(-1, lanes)[:-2], totals, rtol=4 * rounds * np.finfo(dtype).eps)


def test_arrays_count_what_numpy_is_asked_for(tally):
    x = interval.Interval(tally.traced([1.0, 2.0, 3.0]), tally.traced([2.0, 3.0, 4.0]))
    with tally.tally() as counted, tally.subclasses_kept(interval):
        interval.sigmoid(x)
    assert counted["exp"] == 6  # both ends of three
    assert counted["divisions64"] == 6
    assert counted["calls"] > 8
    assert interval.np is np
