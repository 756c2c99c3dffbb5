"""Boxes, matrices, rates and recovery bounds agree with the published digits of eight networks."""

import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lemmata.theory.resilience import (
    GRUCell,
    LSTMCell,
    Stack,
    certify,
    deviation_bounds,
    first_deviation,
    loop_gain,
    recovery_time_bound,
)
from lemmata.theory.resilience.delta_iss import state_gain
from lemmata.theory.resilience.interval import interval
from lemmata.theory.resilience.norm_level import norm_bounds

CASES = {
    case["name"]: case
    for case in tomllib.loads((Path(__file__).parents[1] / "reference" / "resilience.toml").read_text("utf-8"))["case"]
}
DIGITS = 2e-11  # the values have 12 digits; outward rounding adds some 1e-14
LEVELS = ("A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R")


def formula(units, inputs, a, r, beta, s, forget):
    q = np.arange(4 * units)
    W = np.round(a * np.sin(2 * q[:, None] + 3 * np.arange(inputs) + s), 2)
    R = np.round(r * np.cos(q[:, None] + 2 * np.arange(units) + s), 2)
    b = np.round(beta * np.sin(3 * q + s) + forget * ((units <= q) & (q < 2 * units)), 2)
    return LSTMCell(W, R, b)


def network(case):
    if case["kind"] == "gru":
        return GRUCell(case["weight_ih"], case["weight_hh"], case["bias_ih"], case["bias_hh"])
    if case["kind"] == "stack":
        return Stack([formula(**one) for one in case["formulas"]], case["output"])
    if "formula" in case:
        return formula(**case["formula"])
    return LSTMCell(case["weight_ih"], case["weight_hh"], case["bias"])


@cache
def certificate(name, split=2):
    case = CASES[name]
    return certify(network(case), case["input_bound"], case["anomaly_bound"], levels=LEVELS, split=split)


def cases_with(key):
    return [name for name, case in CASES.items() if key in case]


def given(*words, start="", end=""):
    return [(name, word) for name, case in CASES.items() for word in words if f"{start}{word}{end}" in case]


def test_all_cases_are_there():
    assert list(CASES) == [f"R{k}" for k in range(1, 9)]


@pytest.mark.parametrize(("name", "which"), given("nominal", "anomaly", end="_lower"))
def test_invariant_boxes_have_the_printed_ends_and_lie_outside_them(name, which):
    case = CASES[name]
    found = getattr(certificate(name), which).interval
    assert_allclose(found.lower, case[f"{which}_lower"], rtol=DIGITS, atol=DIGITS)
    assert_allclose(found.upper, case[f"{which}_upper"], rtol=DIGITS, atol=DIGITS)


@pytest.mark.parametrize("name", cases_with("limit_lower"))
def test_the_tube_ends_in_the_printed_box(name):
    limit, case = certificate(name).tube.perturbed[-1], CASES[name]
    assert_allclose(limit.lower, case["limit_lower"], rtol=DIGITS, atol=DIGITS)
    assert_allclose(limit.upper, case["limit_upper"], rtol=DIGITS, atol=DIGITS)


@pytest.mark.parametrize("name", cases_with("coupling"))
def test_the_scalars_of_level_A_have_the_printed_digits(name):
    case, cert = CASES[name], certificate(name)
    found = norm_bounds(cert.stack.layers[0], cert.nominal.interval, interval(cert.input_box))
    scalars = [found.input_gate, found.forget_gate, found.output_gate, found.candidate, found.cell]
    assert_allclose(scalars, case["scalars"], rtol=DIGITS)
    assert_allclose(found.coupling, case["coupling"], rtol=DIGITS)
    assert_allclose(found.schur, case["schur"], rtol=DIGITS, atol=DIGITS)


@pytest.mark.parametrize(("name", "level"), given("A", "B", "C", start="matrix_"))
def test_comparison_matrices_have_the_printed_digits(name, level):
    found = certificate(name).comparison(level).matrix
    assert_allclose(found, CASES[name][f"matrix_{level}"], rtol=DIGITS, atol=DIGITS)


@pytest.mark.parametrize("name", cases_with("gain_C"))
def test_input_gains_have_the_printed_digits(name):
    assert_allclose(certificate(name).comparison("C").gain, CASES[name]["gain_C"], rtol=DIGITS, atol=DIGITS)


def test_rows_of_the_larger_matrix_have_the_printed_digits():
    found = certificate("R5").comparison("C").matrix
    for row, values in CASES["R5"]["matrix_C_rows"].items():
        assert_allclose(found[int(row)], values, rtol=DIGITS, atol=DIGITS)


@pytest.mark.parametrize("name", CASES)
def test_spectral_radii_have_the_printed_digits_and_the_rates_lie_just_above(name):
    case, cert = CASES[name], certificate(name)
    names = {"rate_tube": "tube_C", "rate_rows2": "tube_R"}
    seen = 0
    for key, value in case.items():
        level = names.get(key, key.removeprefix("rate_").removeprefix("recovery_rate_"))
        if "rate_" not in key or level not in cert.levels:
            continue
        result = cert.levels[level]
        rate = result.recovery if key.startswith("recovery") else result.rate
        digits = 1e-9 if key == "recovery_rate_C" else DIGITS  # printed with 9 decimals
        assert_allclose(rate.spectral_radius, value, rtol=digits)
        assert value * (1 - digits) <= rate.rate <= value * (1 + 2e-6) + 1e-11
        seen += 1
    assert seen or name == "R8"


@pytest.mark.parametrize("name", cases_with("splits"))
def test_finer_parts_lower_level_R_to_the_printed_rates(name):
    for split, value in CASES[name]["splits"].items():
        cert = certify(network(CASES[name]), CASES[name]["input_bound"], levels=["R"], split=int(split))
        assert_allclose(cert.levels["R"].rate.spectral_radius, value, rtol=2e-9)  # printed with 9 decimals


@pytest.mark.parametrize("name", cases_with("loop_gain"))
def test_loop_gains_have_the_printed_digits(name):
    assert_allclose(loop_gain(certificate(name)).spectral_radius, CASES[name]["loop_gain"], rtol=DIGITS)


def test_the_steady_gain_has_the_printed_digits():
    assert_allclose(state_gain(certificate("R2"), "C")[:, 0], CASES["R2"]["state_gain"], rtol=5e-9)


@pytest.mark.parametrize("name", cases_with("first"))
def test_the_first_deviation_is_the_printed_width(name):
    assert_allclose(first_deviation(certificate(name), None), CASES[name]["first"], rtol=DIGITS, atol=DIGITS)


@pytest.mark.parametrize("name", cases_with("tube_deviations"))
def test_the_deviation_along_the_tube_has_the_printed_digits(name):
    found = deviation_bounds(certificate(name), "tube_C", 10)
    for t, value in CASES[name]["tube_deviations"].items():
        assert_allclose(found[int(t)], value, rtol=DIGITS)


@pytest.mark.parametrize("name", CASES)
def test_recovery_bounds_are_the_printed_steps(name):
    cert = certificate(name)
    for column, epsilon in enumerate((0.1, 0.01)):
        found = recovery_time_bound(cert, epsilon)
        seen = 0
        for key, values in CASES[name].items():
            form, _, level = key.partition("_")
            if form in ("steps", "logarithmic"):
                level_bound = found.levels[level]
                assert (level_bound.iterate if form == "steps" else level_bound.logarithmic) == values[column], key
                seen += 1
        assert seen


def test_recovery_bounds_of_limited_anomalies_are_the_printed_steps():
    cert = certificate("R2")
    for anomaly in CASES["R2"]["anomalies"]:
        pair = (anomaly["size"], anomaly["length"])
        if "first" in anomaly:
            assert_allclose(first_deviation(cert, pair), anomaly["first"], atol=6e-9)  # printed with 8 decimals
        for epsilon, steps in zip((0.1, 0.01), anomaly["steps"], strict=True):
            assert recovery_time_bound(cert, epsilon, anomaly=pair).levels["tube_C"].iterate == steps


def test_level_A2_alone_bounds_the_recovery_where_moduli_cannot():
    for epsilon, steps in ((0.1, 34), (0.01, 73)):
        found = recovery_time_bound(certificate("R3"), epsilon)
        assert found.value == steps
        assert found.level == "A2"


def test_the_bistable_network_is_refuted_by_its_two_fixed_points():
    cert = certificate("R6")
    assert cert.status == "refuted"
    for box in (cert.witness.first, cert.witness.second):
        assert_allclose(np.abs(box.lower[1]), CASES["R6"]["fixed_points"], rtol=1e-8)
    assert 1.9 < cert.witness.gap < 2


def test_the_stack_has_the_printed_layers_and_joint_row():
    cert, case = certificate("R8"), CASES["R8"]
    joint = cert.comparison("C").rows(np.ones(8))
    for place, rate in ((slice(0, 4), case["layer_rates"][0]), (slice(4, 8), case["layer_rates"][1])):
        assert_allclose(np.abs(np.linalg.eigvals(joint.matrix[place, place])).max(), rate, rtol=DIGITS)
    assert_allclose(cert.comparison("C").layers[1].gain, case["second_gain"], rtol=DIGITS)
    assert_allclose(joint.matrix[4], case["joint_row"], rtol=DIGITS, atol=DIGITS)
    assert_allclose(cert.levels["C"].rate.spectral_radius, max(case["layer_rates"]), rtol=DIGITS)
