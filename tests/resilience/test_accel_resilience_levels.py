"""Boxes, rates and recovery times in torch are those of the theory, which alone rounds outward."""

import math
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lemmata.accel.resilience import TorchStack, contraction_rates, invariant_set, recovery_penalty, recovery_steps
from lemmata.accel.resilience.comparison import apply, spectral_radius, worst_rows
from lemmata.accel.resilience.interval import interval, join
from lemmata.accel.resilience.jacobian_level import jacobian_maps
from lemmata.accel.resilience.recovery_penalty import SHARES
from lemmata.theory.resilience import (
    Box,
    GRUCell,
    LSTMCell,
    Stack,
    certify,
    recovery_time_bound,
)
from lemmata.theory.resilience import (
    invariant_set as exact_set,
)

CASES = {
    case["name"]: case
    for case in tomllib.loads((Path(__file__).parents[1] / "reference" / "resilience.toml").read_text("utf-8"))["case"]
}
NEAR = 1e-9  # outward rounding moves boxes and entries by some 1e-14, rates by the 1e-6 that are divided out below
WHOLE = 2000  # refinements, as many as the theory takes at most


def formula(units, inputs, a, r, beta, s, forget):
    q = np.arange(4 * units)
    W = np.round(a * np.sin(2 * q[:, None] + 3 * np.arange(inputs) + s), 2)
    R = np.round(r * np.cos(q[:, None] + 2 * np.arange(units) + s), 2)
    return LSTMCell(W, R, np.round(beta * np.sin(3 * q + s) + forget * ((units <= q) & (q < 2 * units)), 2))


@cache
def certificate(name):
    case = CASES[name]
    if case["kind"] == "gru":
        cell = GRUCell(case["weight_ih"], case["weight_hh"], case["bias_ih"], case["bias_hh"])
    elif case["kind"] == "stack":
        cell = Stack([formula(**one) for one in case["formulas"]], case["output"])
    elif "formula" in case:
        cell = formula(**case["formula"])
    else:
        cell = LSTMCell(case["weight_ih"], case["weight_hh"], case["bias"])
    return certify(cell, case["input_bound"], case["anomaly_bound"], levels=("A", "A2", "C", "tube_C"))


def bounds(name):
    """Network and bounds of a case, for the functions of accel."""
    found, case = certificate(name), CASES[name]
    return TorchStack.from_cells(found.stack), case["input_bound"], case["anomaly_bound"]


def random_cell(kind, units, inputs, scale, seed):
    rng = np.random.default_rng(seed)
    q = 4 * units if kind == "lstm" else 3 * units
    parts = [rng.uniform(-scale, scale, shape) for shape in ((q, inputs), (q, units), (q,), (q,))]
    return LSTMCell(*parts[:3]) if kind == "lstm" else GRUCell(*parts)


networks = st.builds(
    random_cell,
    st.sampled_from(["lstm", "gru"]),
    st.integers(1, 5),
    st.integers(1, 3),
    st.floats(0.05, 1.0),
    st.integers(0, 2**31),
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("which", ["nominal", "anomaly"])
def test_boxes_agree_with_those_of_the_theory(name, which):
    found = certificate(name)
    network, *_ = bounds(name)
    box = found.input_box if which == "nominal" else found.anomaly_box
    seen = join(invariant_set(network, interval(box, network.like), WHOLE))
    assert_allclose(seen.lower, getattr(found, which).interval.lower, atol=NEAR)
    assert_allclose(seen.upper, getattr(found, which).interval.upper, atol=NEAR)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("level", ["A", "A2", "C"])
def test_rates_agree_with_those_of_the_theory(name, level):
    found = certificate(name)
    if level not in found.levels:
        pytest.skip("not defined for a GRU")
    network, nominal, anomalous = bounds(name)
    for rate, wide in ((found.levels[level].rate, None), (found.levels[level].recovery, anomalous)):
        seen = contraction_rates(network, nominal, level, anomaly_bound=wide, refinements=WHOLE).max().item()
        assert seen == pytest.approx(rate.spectral_radius, rel=NEAR)
        assert seen <= rate.rate


@pytest.mark.parametrize("name", CASES)
def test_matrices_of_level_c_agree_with_those_of_the_theory_row_by_row(name):
    found = certificate(name)
    network, *_ = bounds(name)
    X, start = found.anomaly.interval, 0
    boxes = []
    for layer in network.layers:
        place = slice(start, start + layer.dimension)
        start += layer.dimension
        boxes.append(interval(Box(X.lower[place], X.upper[place]), network.like))
    maps = jacobian_maps(network, tuple(boxes), interval(found.input_box, network.like))
    exact = found.comparison("C", 0)
    rng = np.random.default_rng(0)
    for deviation in rng.uniform(0, 1, (5, len(X.lower))):
        assert_allclose(apply(maps, torch.tensor(deviation)), exact.apply(deviation), rtol=NEAR, atol=1e-15)
        matrix = exact.rows(deviation).matrix
        assert_allclose(worst_rows(maps, torch.tensor(deviation)), matrix, rtol=NEAR, atol=1e-15)


@given(networks, st.floats(0.0, 2.0))
@settings(max_examples=40)
def test_rates_of_random_networks_agree_with_those_of_the_theory(cell, bound):
    found = certify(cell, bound, levels=("C",))
    if any(start is not None for start in found.nominal.starts):
        return  # the theory found a smaller box from below, which training does not look for
    seen = contraction_rates(TorchStack.from_cells(cell), bound, "C", refinements=WHOLE).item()
    assert seen == pytest.approx(found.levels["C"].rate.spectral_radius, rel=2e-6)  # the mean of near multiple roots
    assert seen <= found.levels["C"].rate.rate * (1 + NEAR)


@given(networks, st.floats(0.0, 2.0), st.integers(1, 12))
@settings(max_examples=40)
def test_every_number_of_refinements_gives_a_box_around_the_settled_one(cell, bound, refinements):
    network = TorchStack.from_cells(cell)
    U = interval(Box([-bound] * cell.inputs, [bound] * cell.inputs), network.like)
    fewer, more = (join(invariant_set(network, U, k)) for k in (refinements, refinements + 1))
    settled = exact_set(cell, bound).interval
    for outer, inner in ((fewer, more), (more, settled)):
        assert (np.asarray(outer.lower) <= np.asarray(inner.lower) + 1e-12).all()
        assert (np.asarray(inner.upper) <= np.asarray(outer.upper) + 1e-12).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("epsilon", [0.1, 0.01])
def test_recovery_steps_are_the_logarithmic_bound_before_it_is_rounded_up(name, epsilon):
    found = certificate(name)
    network, nominal, anomalous = bounds(name)
    seen = recovery_steps(network, nominal, epsilon, anomaly_bound=anomalous, refinements=WHOLE).item()
    exact = recovery_time_bound(found, epsilon).levels["C"].logarithmic
    assert math.isinf(seen) == math.isinf(exact)
    if math.isfinite(exact):
        # the theory tries s nearer to ρ still, 1e-6 instead of 1e-3 of the way to 1: it may need a step less
        assert exact <= math.ceil(seen - 1e-9) <= exact + 1


@pytest.mark.parametrize("name", ["R2", "R4", "R5", "R7", "R8"])
def test_the_tube_helps_and_stays_above_the_iterate_of_the_theory(name):
    found = certificate(name)
    network, nominal, anomalous = bounds(name)
    steps = [
        recovery_steps(network, nominal, 0.01, anomaly_bound=anomalous, refinements=WHOLE, tube_steps=k).item()
        for k in (0, 20)
    ]
    assert recovery_time_bound(found, 0.01).levels["tube_C"].iterate <= math.ceil(steps[1])
    assert steps[1] <= steps[0] + 1e-9 or steps[1] <= 21  # a bound below K is given as K


@given(networks, st.sampled_from([0.3, 0.03]), st.integers(0, 3))
@settings(max_examples=40)
def test_the_penalty_vanishes_exactly_where_the_bound_meets_its_target(cell, epsilon, tube):
    network = TorchStack.from_cells(cell)
    steps = recovery_steps(network, 1.0, epsilon, anomaly_bound=2.0, tube_steps=tube).item()
    below = [math.floor(steps), math.ceil(steps)] if math.isfinite(steps) else [100]
    for target in {max(t, tube + 1) for t in (*below, 5, 500)}:
        penalty = recovery_penalty(network, 1.0, epsilon, target, anomaly_bound=2.0, tube_steps=tube).item()
        assert (penalty == 0) == (steps <= target) or abs(steps - target) < 1e-9


@given(networks, st.sampled_from([0.3, 0.03]))
@settings(max_examples=30)
def test_a_vanishing_penalty_means_a_bound_of_the_theory_within_the_target(cell, epsilon):
    network = TorchStack.from_cells(cell)
    steps = recovery_steps(network, 1.0, epsilon, anomaly_bound=2.0).item()
    if math.isinf(steps):
        return
    bound = recovery_time_bound(certify(cell, 1.0, 2.0, levels=("C",)), epsilon)
    assert bound.levels["C"].logarithmic <= math.ceil(steps + 1e-6)


def test_shares_ascend_from_above_zero_to_below_one():
    assert SHARES[0] > 0
    assert SHARES[-1] < 1
    assert list(SHARES) == sorted(SHARES)


@pytest.mark.parametrize(
    ("matrix", "radius"),
    [
        ([[0.5]], 0.5),
        ([[0.0, 1.0], [1.0, 0.0]], 1.0),  # two eigenvalues of modulus 1
        ([[0.5, 3.0], [0.0, 0.25]], 0.5),  # reducible
        ([[0.25, 3.0], [0.0, 0.5]], 0.5),
        ([[0.0, 0.0], [0.0, 0.0]], 0.0),
    ],
)
def test_spectral_radius_of_matrices_with_known_eigenvalues(matrix, radius):
    assert spectral_radius(torch.tensor(matrix, dtype=torch.float64)).item() == pytest.approx(radius, abs=1e-11)
