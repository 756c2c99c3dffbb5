import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import binom

from lemmata.theory.bounded_mean import ConfidenceSequence, empirical_bernstein

# name: (draw n values on [0, 1], mean, standard deviation)
LAWS = {
    "fair coin": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5, 0.5),
    "rare coin": (lambda rng, n: (rng.random(n) < 0.01).astype(float), 0.01, math.sqrt(0.0099)),
    "rarer coin": (lambda rng, n: 1.0 - (rng.random(n) < 0.001), 0.999, math.sqrt(0.000999)),
    "beta": (lambda rng, n: rng.beta(2.0, 5.0, n), 2 / 7, math.sqrt(10 / 49 / 8)),
    "skew beta": (lambda rng, n: rng.beta(0.1, 0.9, n), 0.1, math.sqrt(0.09 / 2)),
    "nearly constant": (lambda rng, n: 0.3 + 1e-4 * (2 * rng.integers(0, 2, n) - 1), 0.3, 1e-4),
}
FALSE_ALARM = 1e-7  # of each counted coverage test, were the coverage nominal; it is far better


def moments(values):
    return len(values), values.mean(), ((values - values.mean()) ** 2).sum()


def blocks(total, size):
    """A short first block, then blocks of one size."""
    sizes = [max(1, size // 4)]
    while sum(sizes) < total:
        sizes.append(min(size, total - sum(sizes)))
    return sizes


def run(sequence, law, rng, sizes):
    for size in sizes:
        sequence.update(*moments(law(rng, size)))
    return sequence.interval


def sequence_misses(kind, law, confidence, horizon, paths, total=2000):
    """How many of the paths carry an interval at a block's end that the mean is not in: intervals only shrink."""
    draw, mean, _ = LAWS[law]
    rng, missed = np.random.default_rng(7), 0
    for _ in range(paths):
        low, high = run(kind(0.0, 1.0, confidence, horizon), draw, rng, blocks(total, 100))
        missed += not low <= mean <= high
    return missed


def bernstein_misses(interval, law, n, paths):
    draw, mean, _ = LAWS[law]
    rng, missed = np.random.default_rng(11), 0
    for _ in range(paths):
        low, high = interval(*moments(draw(rng, n)), 0.0, 1.0, 0.9)
        missed += not low <= mean <= high
    return missed


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [1, 2, 30, 1000])
def test_the_bernstein_interval_misses_no_more_often_than_it_says(law, n):
    paths = 2000
    assert bernstein_misses(empirical_bernstein, law, n, paths) <= binom.isf(FALSE_ALARM, paths, 0.1)


@pytest.mark.parametrize("horizon", [2000, None, 200])
@pytest.mark.parametrize("law", LAWS)
def test_the_sequence_misses_at_any_time_no_more_often_than_it_says(law, horizon):
    paths = 600
    missed = sequence_misses(ConfidenceSequence, law, 0.8, horizon, paths)
    assert missed <= binom.isf(FALSE_ALARM, paths, 0.2)


def test_halves_of_the_intervals_are_caught():
    def half(*arguments):
        low, high = empirical_bernstein(*arguments)
        return (3 * low + high) / 4, (low + 3 * high) / 4

    class Half(ConfidenceSequence):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self._level /= 4  # half the radius, at the λ that goes with it

    paths = 2000
    assert bernstein_misses(half, "fair coin", 20_000, paths) > binom.isf(FALSE_ALARM, paths, 0.1)
    assert sequence_misses(Half, "fair coin", 0.8, 2000, 600) > binom.isf(FALSE_ALARM, 600, 0.2)


def wealth(kind, p, side, sizes, horizon=10):
    """E exp(±Σλ(x - p) - Σψ(λ)(x - μ̂)²) for a coin, summed over every path."""
    total = 0.0
    for path in itertools.product((0.0, 1.0), repeat=sum(sizes)):
        sequence, values = kind(0.0, 1.0, 0.5, horizon), np.array(path)
        for block in np.split(values, np.cumsum(sizes)[:-1]):
            sequence.update(*moments(block))
        heads = int(values.sum())
        drift = sequence._weighted - p * sequence._rates
        total += p**heads * (1 - p) ** (len(path) - heads) * math.exp(side * drift - sequence._spent)
    return total


@pytest.mark.parametrize("p", [0.0, 0.02, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("horizon", [None, 10, 200])
def test_the_process_behind_the_sequence_never_gains_in_the_mean(p, side, horizon):
    assert wealth(ConfidenceSequence, p, side, (2, 3, 1, 4), horizon) <= 1 + 1e-13  # rounding


def test_a_process_with_half_the_cost_gains():
    class Halved(ConfidenceSequence):
        def update(self, *block):
            before = self._spent
            super().update(*block)
            self._spent = (before + self._spent) / 2

    assert wealth(Halved, 0.5, 1, (2, 3, 1, 4), horizon=200) > 1.01


@pytest.mark.parametrize("law", LAWS)
def test_at_the_horizon_the_sequence_is_nearly_as_short_as_the_variance_allows(law):
    draw, _, deviation = LAWS[law]
    n, level = 50_000, math.log(2 / 0.001)
    interval = run(ConfidenceSequence(0.0, 1.0, 0.999, n), draw, np.random.default_rng(3), blocks(n, 1000))
    assert interval[1] - interval[0] <= 2 * (1.1 * deviation * math.sqrt(2 * level / n) + 1.2 * level / n)


@pytest.mark.parametrize("law", ["fair coin", "beta", "skew beta"])
def test_without_a_horizon_and_past_one_the_sequence_pays_a_logarithm_at_most(law):
    draw, _, deviation = LAWS[law]
    n, level = 50_000, math.log(2 / 0.001)
    for horizon in (None, 500):
        low, high = run(ConfidenceSequence(0.0, 1.0, 0.999, horizon), draw, np.random.default_rng(3), blocks(n, 1000))
        assert high - low <= 2 * 1.5 * deviation * math.sqrt(2 * level / n)


def test_the_bernstein_interval_is_nearly_as_short_as_the_variance_allows():
    n, level = 100_000, math.log(3 / 0.001)
    low, high = empirical_bernstein(n, 0.4, 0.04 * n, 0.0, 1.0, 0.999)
    assert high - low <= 2 * (1.001 * 0.2 * math.sqrt(2 * level / n) + 7 / 3 * 1.001 * level / n)


def reference(values, sizes, confidence, horizon):
    """The sequence value by value, as the formula in its docstring reads; λ from the equation that it solves."""
    level, best, position = math.log(2 / (1 - confidence)), (0.0, 1.0), 0
    rates, centres = [], []
    for size in sizes:
        past, ahead = values[:position], position + size
        planned = horizon if ahead <= horizon else ahead * (1 + math.log(ahead / horizon))
        variance = (0.25 + ((past - past.mean()) ** 2).sum() if position else 0.25) / (1 + position)
        wanted = level / planned / variance
        rate = brentq(lambda x, w=wanted: x / (1 - x) + math.log1p(-x) - w, 1e-9, 1 - 1e-9, xtol=1e-15)
        rates += [rate] * size
        centres += [(0.5 + past.sum()) / (1 + position)] * size
        position = ahead
        lam, centre = np.array(rates), np.array(centres)
        spent = ((-np.log1p(-lam) - lam) * (values[:position] - centre) ** 2).sum()
        middle, radius = (lam * values[:position]).sum() / lam.sum(), (level + spent) / lam.sum()
        best = max(best[0], middle - radius), min(best[1], middle + radius)
    return best


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("horizon", [3000, 300, 1])
def test_blocks_by_their_moments_agree_with_the_formula_value_by_value(law, horizon):
    sizes = [1, 7, 100, 3, 1000, 389]
    values = LAWS[law][0](np.random.default_rng(5), sum(sizes))
    sequence = ConfidenceSequence(0.0, 1.0, 0.99, horizon)
    for block in np.split(values, np.cumsum(sizes)[:-1]):
        sequence.update(*moments(block))
    # the root of the equation for λ is known to 1e-15, in a λ of 0.05 at least
    assert_allclose(sequence.interval, reference(values, sizes, 0.99, horizon), rtol=1e-11)


def test_intervals_are_rounded_outward_and_by_very_little():
    class Recorded(ConfidenceSequence):
        def _rate(self, n):
            self.used = super()._rate(n)
            return self.used

    mpmath.mp.dps = 40
    rng = np.random.default_rng(13)
    for lower, upper in ((0.0, 1.0), (-0.1, 0.7), (1e-9, 3e-9), (1000.1, 1000.7)):
        sequence = Recorded(lower, upper, 0.99, 10**6)
        a, width = mpmath.mpf(lower), mpmath.mpf(upper) - mpmath.mpf(lower)
        level = mpmath.log(2 / (1 - mpmath.mpf(0.99)))
        rates = weighted = spent = seen = total = mpmath.mpf(0)
        best = mpmath.mpf(lower), mpmath.mpf(upper)
        for _ in range(50):
            n, mean = int(rng.integers(1, 50_000)), lower + (upper - lower) * rng.uniform(0.2, 0.2001)
            squares = n * (upper - lower) ** 2 * rng.uniform(0.0, 1e-3)
            sequence.update(n, mean, squares)
            guess, lam = (mpmath.mpf("0.5") + total) / (1 + seen), mpmath.mpf(sequence.used)
            x = (mpmath.mpf(mean) - a) / width
            spent += (-mpmath.log(1 - lam) - lam) * (squares / width**2 + n * (x - guess) ** 2)
            rates, weighted, seen, total = rates + n * lam, weighted + n * lam * x, seen + n, total + n * x
            middle, radius = weighted / rates, (level + spent) / rates
            best = max(best[0], a + width * (middle - radius)), min(best[1], a + width * (middle + radius))
            low, high = sequence.interval
            assert low <= best[0] < best[1] <= high
            # 50 blocks are allowed 116 roundings of the sums, and a range far from 0 four at its ends
            assert high - low <= float(best[1] - best[0]) + 1e-13 * (upper - lower) + 1e-14 * abs(lower)


numbers = st.floats(-5.0, 5.0)
widths = st.floats(0.01, 100.0)
paths = st.lists(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20), min_size=1, max_size=8)
levels = st.floats(0.01, 0.9999)


@given(paths, levels, numbers, widths, st.sampled_from([None, 1, 50, 10**6]))
def test_the_sequence_moves_with_its_range(path, confidence, lower, width, horizon):
    plain = ConfidenceSequence(0.0, 1.0, confidence, horizon)
    moved = ConfidenceSequence(lower, lower + width, confidence, horizon)
    mirrored = ConfidenceSequence(-1.0, 0.0, confidence, horizon)
    for block in path:
        values = np.array(block)
        plain.update(*moments(values))
        moved.update(*moments(lower + width * values))
        mirrored.update(*moments(-values))
    slack = 1e-12 * (1 + abs(lower) + width)
    assert_allclose(moved.interval, lower + width * np.array(plain.interval), rtol=0, atol=slack)
    assert_allclose(mirrored.interval, -np.array(plain.interval)[::-1], rtol=0, atol=1e-12)


@given(paths, levels, st.sampled_from([None, 100]))
def test_the_sequence_shrinks_inside_its_range_and_keeps_the_moments(path, confidence, horizon):
    sequence, last, seen = ConfidenceSequence(0.0, 1.0, confidence, horizon), (0.0, 1.0), []
    assert sequence.interval == last
    for block in path:
        sequence.update(*moments(np.array(block)))
        seen += block
        low, high = sequence.interval
        assert last[0] <= low <= high <= last[1]
        last = low, high
        assert sequence.count == len(seen)
        assert sequence.mean == pytest.approx(np.mean(seen), rel=1e-12, abs=1e-15)
        if len(seen) > 1:
            assert sequence.variance == pytest.approx(np.var(seen, ddof=1), rel=1e-11, abs=1e-14)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), levels, levels)
def test_a_single_block_and_a_bernstein_interval_contain_the_mean_and_grow_with_confidence(values, a, b):
    values, (a, b) = np.array(values), sorted((a, b))
    mean = min(1.0, max(0.0, values.mean()))
    for interval in (bernstein_of, single_of):
        (low, high), (wide_low, wide_high) = interval(values, a), interval(values, b)
        assert low <= mean <= high
        assert wide_high - wide_low >= (high - low) * (1 - 1e-12)


def bernstein_of(values, confidence):
    return empirical_bernstein(*moments(values), 0.0, 1.0, confidence)


def single_of(values, confidence):
    sequence = ConfidenceSequence(0.0, 1.0, confidence, 1000)
    sequence.update(*moments(values))
    return sequence.interval


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30), levels, numbers, widths)
def test_the_bernstein_interval_is_its_formula_and_moves_with_its_range(values, confidence, lower, width):
    values = lower + width * np.array(values)
    n, upper, level = len(values), lower + width, math.log(3 / (1 - confidence))
    values = np.clip(values, lower, upper)
    radius = math.sqrt(2 * values.var(ddof=1) * level / n) + 7 * (upper - lower) * level / (3 * (n - 1))
    wanted = max(lower, values.mean() - radius), min(upper, values.mean() + radius)
    seen = empirical_bernstein(*moments(values), lower, upper, confidence)
    # a variance that is all rounding has a root of 1e-8 of the range
    assert_allclose(
        seen, wanted, rtol=0, atol=1e-12 * (1 + abs(lower) + width) + (1e-7 * width if np.ptp(values) < 1e-6 else 0)
    )


def test_a_range_of_one_point_gives_the_point():
    sequence = ConfidenceSequence(0.25, 0.25, 0.99, 100)
    sequence.update(10, 0.25, 0.0)
    assert sequence.interval == (0.25, 0.25)
    assert (sequence.mean, sequence.variance, sequence.count) == (0.25, 0.0, 10)
    assert empirical_bernstein(10, 0.25, 0.0, 0.25, 0.25, 0.99) == (0.25, 0.25)


def test_one_value_says_nothing_by_bernstein():
    assert empirical_bernstein(1, 0.4, 0.0, 0.0, 1.0, 0.9) == (0.0, 1.0)


def test_intervals_that_contradict_each_other_leave_the_last_one():
    sequence = ConfidenceSequence(0.0, 1.0, 0.9, 1000)
    sequence.update(1000, 0.0, 0.0)
    first = sequence.interval
    for _ in range(5):
        sequence.update(10_000, 1.0, 0.0)
    assert sequence.interval[0] <= sequence.interval[1] <= first[1]


def test_rounding_in_the_moments_is_forgiven():
    third = ConfidenceSequence(0.1, 0.3, 0.9)
    third.update(3, 0.1 - 1e-17, 0.0)
    third.update(2, np.mean([0.1, 0.3]), 2 * 0.01 * (1 + 1e-12))
    assert third.count == 5


BAD_RANGES = [
    ({"lower": 1.0, "upper": 0.0}, r"upper must be >= lower = 1, got 0"),
    ({"lower": float("nan")}, r"lower must be finite, got nan"),
    ({"upper": float("inf")}, r"upper must be finite, got inf"),
    ({"lower": -1.5e308, "upper": 1.5e308}, r"upper - lower must be finite"),
    ({"confidence": 0.0}, r"confidence must lie strictly between 0 and 1, got 0.0"),
    ({"confidence": 1.0}, r"confidence must lie strictly between 0 and 1, got 1.0"),
    ({"confidence": float("nan")}, r"confidence must be finite, got nan"),
]
BAD_MOMENTS = [
    ({"count": 0}, r"count must be >= 1, got 0"),
    ({"count": 2.5}, r"count must be an integer, got 2.5"),
    ({"mean": 1.1}, r"mean must lie in \[lower, upper\] = \[0, 1\], got 1.1"),
    ({"mean": -1e-6}, r"mean must lie in \[lower, upper\] = \[0, 1\], got -1e-06"),
    ({"mean": float("nan")}, r"mean must be finite, got nan"),
    ({"mean": [0.5]}, r"mean must be a number, got shape \(1,\)"),
    ({"squares": -1e-9}, r"squares must lie in .* = \[0, 2.5\], got -1e-09"),
    ({"squares": float("nan")}, r"squares must be finite, got nan"),
    ({"squares": 2.6}, r"squares must lie in \[0, count \(mean - lower\) \(upper - mean\)\] = \[0, 2.5\], got 2.6"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD_RANGES + BAD_MOMENTS)
def test_the_bernstein_interval_refuses_in_one_sentence(wrong, message):
    right = {"count": 10, "mean": 0.5, "squares": 1.0, "lower": 0.0, "upper": 1.0, "confidence": 0.9}
    with pytest.raises(ValueError, match=message):
        empirical_bernstein(**{**right, **wrong})


@pytest.mark.parametrize(("wrong", "message"), [*BAD_RANGES, ({"horizon": 0}, r"horizon must be >= 1, got 0")])
def test_a_sequence_refuses_its_arguments_in_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message):
        ConfidenceSequence(**{"lower": 0.0, "upper": 1.0, "confidence": 0.9, **wrong})


@pytest.mark.parametrize(("wrong", "message"), BAD_MOMENTS)
def test_a_sequence_refuses_a_block_in_one_sentence_and_stays_as_it_was(wrong, message):
    sequence = ConfidenceSequence(0.0, 1.0, 0.9)
    sequence.update(10, 0.4, 1.0)
    before = sequence.interval, sequence.count
    with pytest.raises(ValueError, match=message):
        sequence.update(**{"count": 10, "mean": 0.5, "squares": 1.0, **wrong})
    assert (sequence.interval, sequence.count) == before


def test_moments_wait_for_values():
    sequence = ConfidenceSequence(0.0, 1.0, 0.9)
    with pytest.raises(ValueError, match="mean must wait for a first value, got none"):
        _ = sequence.mean
    sequence.update(1, 0.5, 0.0)
    with pytest.raises(ValueError, match="variance must wait for two values, got 1"):
        _ = sequence.variance


@given(paths, levels, st.sampled_from([None, 100]))
def test_the_interval_of_the_values_so_far_ends_where_one_side_has_evidence_enough(path, confidence, horizon):
    sequence = ConfidenceSequence(0.0, 1.0, confidence, horizon)
    for block in path:
        sequence.update(*moments(np.array(block)))
    p = (1 - confidence) / 2
    low, high = sequence.bounds(p)
    assert low <= sequence.interval[0] + 1e-12  # `interval` cuts over all times
    assert sequence.interval[1] <= high + 1e-12
    # rounding is paid for on both routes: 1e-9 of evidence near log(1/p)
    if low > 0.0:
        assert sequence.log_above(low) == pytest.approx(math.log(1 / p), abs=1e-9)
    if high < 1.0:
        assert sequence.log_below(high) == pytest.approx(math.log(1 / p), abs=1e-9)
    assert sequence.log_above(low - 0.1) > sequence.log_above(low)


@pytest.mark.parametrize("law", LAWS)
def test_evidence_for_what_is_false_is_as_rare_as_it_says(law):
    # 400 paths at p = 0.2, on the boundary itself; 80 expected at most, 114 exceeded once in 10^5 if it were exact
    wrong = 0
    for seed in range(400):
        rng = np.random.default_rng([11, seed])
        draw, mean, _ = LAWS[law]
        sequence, above = ConfidenceSequence(0.0, 1.0, 0.6, 300), False
        for _ in range(20):
            sequence.update(*moments(draw(rng, 30)))
            above |= sequence.log_above(mean) >= math.log(5)
        wrong += above
    assert wrong <= 114


def test_nothing_and_a_range_of_one_point_are_evidence_of_nothing_and_of_everything():
    assert ConfidenceSequence(0.0, 1.0, 0.9).log_above(0.5) == 0.0
    assert ConfidenceSequence(0.0, 1.0, 0.9).bounds(0.1) == (0.0, 1.0)
    point = ConfidenceSequence(2.0, 2.0, 0.9)
    point.update(3, 2.0, 0.0)
    assert (point.log_above(1.0), point.log_above(2.0), point.log_below(3.0)) == (math.inf, -math.inf, math.inf)
