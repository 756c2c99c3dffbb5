"""Grading finds the bias that is there, and none that is not."""

import functools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import stats

from lemmata.accel.learning import (
    Case,
    ObservedChain,
    draw_data,
    grade_estimator,
    sgld,
    squared_error,
    two_temperatures,
)
from lemmata.accel.learning.suite import rotated, suite_named
from lemmata.theory import learning
from lemmata.theory.learning.network import Truth, partial_concept_bottleneck_truth, reduced_rank_truth
from lemmata.theory.streams import stream

torch.set_num_threads(1)
STANDARD = suite_named("standard")
QUICK = suite_named("quick")
REGULAR = next(case for case in STANDARD if case.name.startswith("regular, concepts"))
SINGULAR = next(case for case in STANDARD if case.name == "reduced rank 2-2-2, rank 1")


def oracle(model, loss, data, true_parameters):
    """λ from the matrices it is handed, by the theorems at a truth: ranks computed, not looked up."""
    layers = [w.numpy() for w in true_parameters.values()]
    network = model.network
    if len(layers) == 2:
        concepts = network.observed[0]
        return float(learning.partial_concept_bottleneck_at(layers[1], layers[0], concepts, 1e-9).value)
    observed = [layer for layer, seen in enumerate(network.observed, start=1) if seen]
    return float(learning.observed_chain_at(layers, observed, 1e-9).value)


def hessian_rank(truth):
    """Rank of K's Hessian at the truth: of the differential of the weights' function."""
    parameters = [torch.from_numpy(w) for w in truth.layers]

    def function(*layers):
        product, seen = torch.eye(truth.network.widths[0], dtype=torch.float64), []
        for weights, count in zip(layers, truth.network.observed, strict=True):
            product = weights @ product
            seen.append(product[product.shape[0] - count :].reshape(-1))
        return torch.cat(seen)

    jacobian = torch.cat([j.flatten(1) for j in torch.autograd.functional.jacobian(function, tuple(parameters))], dim=1)
    return int(torch.linalg.matrix_rank(jacobian, rtol=1e-9))


def test_an_exact_oracle_has_no_bias_spread_or_failure():
    grade = grade_estimator(oracle, "standard", ns=[50], repeats=2)
    assert [c.bias for c in grade.cases] == [0.0] * len(STANDARD)
    assert [c.spread for c in grade.cases] == [0.0] * len(STANDARD)
    assert grade.failures == 0
    assert grade.relative_bias(50) == 0.0
    assert grade.estimator == "oracle"


def test_regular_cases_are_regular_and_the_others_are_not():
    # K is Morse-Bott at w* when half the rank of its Hessian is λ; in general half the rank is a lower bound
    for case in STANDARD:
        half = Fraction(hessian_rank(case.truth), 2)
        assert half <= case.exact.value
        assert (half == case.exact.value) == case.name.startswith("regular")
        assert case.exact.multiplicity == 1 or not case.name.startswith("regular")


def test_local_coefficient_is_smallest_where_all_null_weights_vanish():
    # at A = I, B = 0 the local λ is half the rank of the Hessian, HN/2, above the λ of the theorem
    case = learning.reduced_rank(2, 2, 2, 0)
    one_sided = Truth(reduced_rank_truth(2, 2, 2, 0).network, (np.zeros((2, 2)), np.eye(2)))
    assert Fraction(hessian_rank(one_sided), 2) == 2 > case.value


def test_bias_and_spread_are_those_of_the_estimates():
    def biased(model, loss, data, true_parameters):
        return oracle(model, loss, data, true_parameters) + 0.25

    grade = grade_estimator(biased, "quick", ns=[10, 20], repeats=2)
    assert [c.bias for c in grade.cases] == [0.25] * (2 * len(QUICK))

    def scattered(model, loss, data, true_parameters):
        return float(torch.randn(()))

    one = grade_estimator(scattered, [SINGULAR], ns=[10], repeats=400).cases[0]
    assert one.bias == pytest.approx(-2.0, abs=4.5 / 20)  # standard error 1/√400: fails 1 seed in 150 000
    assert one.spread == pytest.approx(1.0, abs=4.5 / math.sqrt(800))
    assert one.error == pytest.approx(one.spread / 20)


def test_broken_estimators_are_failures_and_the_rest_goes_on():
    calls = iter(range(100))

    def broken(model, loss, data, true_parameters):
        k = next(calls)
        if k % 5 == 0:
            raise RuntimeError("no convergence")
        return [math.nan, math.inf, None, 3.0][k % 5 - 1]

    grade = grade_estimator(broken, [SINGULAR], ns=[10], repeats=10)
    (case,) = grade.cases
    assert case.estimates == (3.0, 3.0)
    assert len(case.failures) == 8 == grade.failures
    assert case.failures[:3] == ("RuntimeError: no convergence", "returned nan", "returned inf")
    assert case.failures[3].startswith("TypeError")
    assert len(case.seconds) == 10
    assert "RuntimeError: no convergence" in str(grade)


def test_an_estimator_that_always_fails_has_no_bias_to_show():
    def hopeless(model, loss, data, true_parameters):
        raise ValueError("never")

    grade = grade_estimator(hopeless, [SINGULAR, REGULAR], ns=[10], repeats=2)
    assert all(math.isnan(c.bias) and math.isnan(c.spread) and c.estimates == () for c in grade.cases)
    assert math.isnan(grade.relative_bias(10))
    assert "4 failed calls" in str(grade)


def test_an_interrupt_is_no_failure_of_the_estimator():
    def interrupted(model, loss, data, true_parameters):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_estimator(interrupted, [SINGULAR], ns=[10], repeats=1)


def test_what_one_call_does_to_its_model_no_other_sees():
    def vandal(model, loss, data, true_parameters):
        start = model.layers[0].weight.detach().clone()
        same = torch.equal(start, true_parameters["layers.0.weight"])
        with torch.no_grad():
            for w in (*model.parameters(), *true_parameters.values(), *data):
                w.zero_()
        return float(same)

    grade = grade_estimator(vandal, [SINGULAR], ns=[10], repeats=3)
    assert grade.cases[0].estimates == (1.0, 1.0, 1.0)


def test_grading_is_decided_by_its_seed_and_leaves_torch_as_it_was():
    def draws(model, loss, data, true_parameters):
        return float(torch.randn(()) + data[0].sum() + next(iter(true_parameters.values())).sum())

    before = torch.get_rng_state()
    first, again, other = (grade_estimator(draws, "quick", ns=[10], repeats=2, seed=s) for s in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    assert first == again
    assert first != other
    assert len({e for c in first.cases for e in c.estimates}) == 2 * len(QUICK)


def test_a_case_is_graded_the_same_alone_and_in_company():
    def draws(model, loss, data, true_parameters):
        return float(torch.randn(()) + data[1].sum())

    alone = grade_estimator(draws, [SINGULAR], ns=[10], repeats=1)
    company = grade_estimator(draws, "standard", ns=[7, 10], repeats=2)
    assert alone.cases[0].estimates[0] in [c for grade in company.cases for c in grade.estimates]


def test_model_computes_the_targets_and_its_loss_is_the_likelihood():
    case = partial_concept_bottleneck_truth(3, 2, 2, 5, 2, 1)
    truth = rotated(case, np.random.default_rng(1))
    model = ObservedChain(truth)
    x, y = draw_data(truth, 4000, np.random.default_rng(2))
    torch.testing.assert_close(model(x), x @ torch.from_numpy(np.vstack(truth.targets)).mT, rtol=0, atol=1e-12)
    # 2 n L_n(w*) is the squared noise of 4000 × 5 units
    noise = 2 * 4000 * float(squared_error(model(x), y).detach())
    assert 1e-5 < stats.chi2(20_000).cdf(noise) < 1 - 1e-5
    assert ObservedChain(truth, dtype=torch.float32)(x.float()).dtype == torch.float32


def test_rotation_keeps_norms_ranks_and_what_is_observed():
    for case in STANDARD:
        seen = rotated(case.truth, np.random.default_rng(3))
        assert seen.network == case.truth.network
        for before, after in zip(case.truth.targets, seen.targets, strict=True):
            np.testing.assert_allclose(
                np.linalg.svd(before, compute_uv=False), np.linalg.svd(after, compute_uv=False), atol=1e-12
            )
        for before, after in zip(case.truth.layers, seen.layers, strict=True):
            assert np.linalg.norm(before) == pytest.approx(np.linalg.norm(after))
            assert np.allclose(before, after) == (not before.any())


def test_two_temperatures_are_right_where_the_model_is_regular():
    grade = grade_estimator(two_temperatures, [REGULAR], ns=[1000], repeats=3)
    # a regular model has no bias in 1/log n; the prior's pull, log n/n times a few, is 0.05 here
    assert abs(grade.cases[0].bias) < 0.1 + 4.5 * grade.cases[0].error


def test_two_temperatures_miss_what_multiplicity_takes_and_no_more():
    estimator = functools.partial(two_temperatures, sweeps=100, chains=32)
    grade = grade_estimator(estimator, [SINGULAR], ns=[1000, 100_000], repeats=2)
    for case in grade.cases:
        n = case.n / math.log(case.n)
        assert case.bias == pytest.approx(-1 / math.log(n), abs=0.05)  # λ(1e5) − λ(1e3) is 0.08


def test_sgld_on_a_regular_model_misses_the_share_of_its_baseline():
    n = 500
    estimator = functools.partial(sgld, steps=500, warmup=100, step_size=0.1, batch_size=n)
    grade = grade_estimator(estimator, [REGULAR], ns=[n], repeats=3)
    assert grade.estimator == "sgld"
    # λ(1 − 1/log n), warmed by up to a tenth by the step, scattered by the data and the length of the chains
    assert grade.cases[0].mean / (6 * (1 - 1 / math.log(n))) == pytest.approx(1.0, abs=0.15)


def test_sgld_is_decided_by_its_generator_and_leaves_the_model_alone():
    truth = SINGULAR.truth
    model, data = ObservedChain(truth), draw_data(truth, 100, stream(0, "test"))
    w = {name: p.detach().clone() for name, p in model.named_parameters()}
    values = [
        sgld(model, squared_error, data, w, steps=20, warmup=5, generator=torch.Generator().manual_seed(s))
        for s in (1, 1, 2)
    ]
    assert values[0] == values[1] != values[2]
    assert all(torch.equal(p, w[name]) for name, p in model.named_parameters())
    assert all(p.grad is None for p in model.parameters())


def test_estimators_refuse_what_they_cannot_use():
    truth = SINGULAR.truth
    data, w = draw_data(truth, 100, stream(0, "test")), {}
    with pytest.raises(TypeError, match="model must be an ObservedChain, got Linear"):
        two_temperatures(torch.nn.Linear(2, 2), squared_error, data, w)
    with pytest.raises(ValueError, match="ratios must be different"):
        two_temperatures(ObservedChain(truth), squared_error, data, w, ratios=(1.0, 1.0))
    with pytest.raises(ValueError, match="step_size must be a number > 0"):
        sgld(ObservedChain(truth), squared_error, data, w, step_size=0.0)
    for bad in ({"suite": "none"}, {"suite": []}, {"ns": [2]}, {"ns": []}, {"repeats": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            grade_estimator(oracle, **({"suite": [SINGULAR]} | bad))


def test_the_picture_shows_every_estimate_and_needs_no_plotting_library_to_be_graded():
    class Axes:
        def __init__(self):
            self.points, self.labels = [], []

        def errorbar(self, x, y, xerr, label, **_):
            self.points += list(zip(x, y, xerr, strict=True))

        def set_yticks(self, ticks, labels):
            self.labels = labels

        def __getattr__(self, name):
            return lambda *_, **__: None

    def half_fails(model, loss, data, true_parameters):
        if model.network == SINGULAR.truth.network:
            raise RuntimeError("no")
        return 2 * oracle(model, loss, data, true_parameters)

    grade, ax = grade_estimator(half_fails, [REGULAR, SINGULAR], ns=[10, 20], repeats=2), Axes()
    grade.draw(ax)
    assert [(x, spread) for x, _, spread in ax.points] == [(2.0, 0.0), (2.0, 0.0)]
    assert "4 failed" in ax.labels[1]
    assert "λ = 6, m = 1" in ax.labels[0]
    script = "import sys, lemmata.accel.learning; sys.exit('matplotlib' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_table_has_a_row_for_each_case_and_size():
    text = str(grade_estimator(oracle, "quick", ns=[10, 20], repeats=1, name="the oracle"))
    for case in QUICK:
        assert text.count(case.name) == 2
    assert "mean |bias|/λ of the oracle: 0.0% at n = 10, 0.0% at n = 20; 0 failed calls" in text


def test_a_case_of_ones_own_is_graded():
    mine = Case("mine", reduced_rank_truth(1, 1, 1, 1), learning.reduced_rank(1, 1, 1, 1))
    assert grade_estimator(oracle, [mine], ns=[10], repeats=1).cases[0].bias == 0.0
