"""Simulated mean energies meet exact integrals at finite n, and the learning coefficients of architectures at random.

Sampling errors are batch-means errors; beside each threshold stands how often a right program would miss it.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemmata.sim.learning import (
    diagnose,
    estimate_concept_bottleneck,
    estimate_deep_linear,
    estimate_energy,
    estimate_learning_coefficient,
    estimate_multitask,
    estimate_observed_chain,
    estimate_partial_concept_bottleneck,
    estimate_reduced_rank,
    from_data,
    population,
    sample,
)
from lemmata.sim.learning.batch_means import mean_with_error
from lemmata.sim.learning.ladder import LADDER, fit_ladder
from lemmata.sim.learning.smoothing import smoothed_energy
from lemmata.theory import learning
from lemmata.theory.learning.network import (
    LinearNetwork,
    Truth,
    concept_bottleneck_truth,
    deep_linear_truth,
    observed_chain_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)

# ---- exact integrals


def one_unit_energy(outputs, inputs, n):
    """⟨nK⟩ of y = a bᵀx at a zero truth, s = 1: with q = ‖b‖² ~ χ²_N the outputs integrate to (1 + nq)^{−M/2}."""
    log_q = np.arange(-math.log(n) * max(2.0, 4.0 / inputs) - 80.0, 8.0, 0.01)  # exponentially accurate
    q = np.exp(log_q)
    log_weight = inputs / 2 * log_q - q / 2 - outputs / 2 * np.log1p(n * q)
    weight = np.exp(log_weight - log_weight.max())
    return (weight * outputs / 2 * n * q / (1 + n * q)).sum() / weight.sum()


def test_the_integral_of_one_hidden_unit_tends_to_its_law():
    for size, b in ((1, 1.50), (2, 0.116), (3, -0.498)):  # docs/learning, section 8
        assert one_unit_energy(size, size, 1e10) == pytest.approx(size / 2 - 1 / (math.log(1e10) + b), abs=3e-5)


@pytest.mark.parametrize("n", [1e2, 1e5, 1e10])
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (2, 2), (3, 3), (1, 3), (4, 2)])
def test_one_hidden_unit_has_the_energy_of_the_integral(outputs, inputs, n):
    truth = reduced_rank_truth(outputs, 1, inputs, 0)
    seen = estimate_energy(truth, n, rng=np.random.default_rng(1), sweeps=2000, chains=32)
    # 15 comparisons: fails 1 seed in 10 000; at n = 1e10 and m = 1 the error is below the rounding, 1e-6
    assert abs(seen.mean - one_unit_energy(outputs, inputs, n)) < 4.5 * seen.error + 1e-6
    assert seen.error < 0.006  # a wrong exponent of the rescaling is off by far more


def integrated_energy(n, target, features, cost, dims, s=1.0):
    """⟨nE⟩ by integrating the last layer by hand and the `dims` weights below it by the trapezoid rule.

    E = ½‖A F(w) − T‖² + cost(w) with F (points, H, N): Z(n) = E_w[det(I + n s²FFᵀ)^{−M/2}
    exp(−½ tr T(I/n + s²FᵀF)⁻¹Tᵀ − n cost)] (docs/learning, section 8), and ⟨nE⟩ = −d log Z / d log n.
    """
    axis = np.arange(-8.0, 8.0001, 0.04) * s  # a step much below both s and 1/√n: exponentially accurate
    w = np.stack([g.ravel() for g in np.meshgrid(*[axis] * dims, indexing="ij")], axis=1)
    F = features(w)
    M, H, N = target.shape[0], F.shape[1], F.shape[2]
    outer, inner = F @ F.transpose(0, 2, 1), F.transpose(0, 2, 1) @ F

    def log_z(log_n):
        n = math.exp(log_n)
        log_det = np.linalg.slogdet(np.eye(H) + n * s**2 * outer)[1]
        solved = np.linalg.solve(np.eye(N) / n + s**2 * inner, np.broadcast_to(target.T, (len(w), N, M)))
        exponent = -0.5 * M * log_det - 0.5 * np.einsum("mn,pnm->p", target, solved) - n * cost(w)
        exponent -= 0.5 * (w**2).sum(1) / s**2
        return exponent.max() + math.log(np.exp(exponent - exponent.max()).sum())

    h = 1e-3
    return (log_z(math.log(n) - h) - log_z(math.log(n) + h)) / (2 * h)


def nothing(w):
    return 0.0


# name: true layers, observed units, features F of the weights w below the last layer, cost of w, how many they are
INTEGRALS = {
    "reduced rank, one unit": (
        (np.array([[0.7, -0.4]]), np.array([[1.0], [0.3]])),
        (0, 2),
        lambda w: w[:, None, :],
        nothing,
        2,
    ),
    "reduced rank, two units": (
        (np.array([[0.9], [0.4]]), np.array([[1.0, -0.5], [0.2, 0.7], [0.0, 0.3]])),
        (0, 3),
        lambda w: w[:, :, None],
        nothing,
        2,
    ),
    "partial concept bottleneck": (
        (np.array([[0.9], [0.6]]), np.array([[0.8, -0.5]])),
        (1, 1),
        lambda w: w[:, :, None],
        lambda w: 0.5 * (w[:, 1] - 0.6) ** 2,
        2,
    ),
    "concept bottleneck": (
        (np.array([[0.9, -0.3]]), np.array([[0.8], [0.1]])),
        (1, 2),
        lambda w: w[:, None, :],
        lambda w: 0.5 * ((w - np.array([0.9, -0.3])) ** 2).sum(1),
        2,
    ),
    "deep": (
        (np.array([[0.9]]), np.array([[0.8]]), np.array([[1.1], [0.4]])),
        (0, 0, 2),
        lambda w: (w[:, 0] * w[:, 1])[:, None, None],
        nothing,
        2,
    ),
    "observed chain": (
        (np.array([[0.9]]), np.array([[-0.8]]), np.array([[1.1], [0.4]])),
        (0, 1, 2),
        lambda w: (w[:, 0] * w[:, 1])[:, None, None],
        lambda w: 0.5 * (w[:, 0] * w[:, 1] + 0.72) ** 2,
        2,
    ),
}


@pytest.mark.parametrize("name", INTEGRALS)
@pytest.mark.parametrize(("n", "s"), [(3.0, 1.0), (30.0, 1.4)])
def test_small_networks_have_the_energy_of_the_integral(name, n, s):
    layers, observed, features, cost, dims = INTEGRALS[name]
    truth = Truth(LinearNetwork((layers[0].shape[1], *(w.shape[0] for w in layers)), observed), layers)
    exact = integrated_energy(n, truth.targets[-1], features, cost, dims, s)
    seen = estimate_energy(truth, n, rng=np.random.default_rng(2), sweeps=4000, chains=32, prior_scale=s)
    assert abs(seen.z(exact)) < 4.5  # 12 comparisons: fails 1 seed in 12 000
    assert seen.error < 0.012


def test_data_posterior_has_the_energy_of_the_integral():
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((4, 2)), 0.8 * rng.standard_normal((4, 2))
    posterior = from_data(LinearNetwork((2, 1, 2), (0, 2)), X, [None, Y], 1.2)
    for beta in (0.5, 2.0):
        # E = ½‖Y − X bᵀaᵀ‖²: the same integral with the features of all four data
        exact = integrated_energy(beta, Y.T, lambda w: (w @ X.T)[:, None, :], nothing, 2, 1.2)
        seen = sample(posterior, beta, rng=rng, sweeps=4000, chains=32)
        found = mean_with_error(smoothed_energy(seen)[0] + beta * posterior.constant, "test")
        assert abs(found.z(exact)) < 4.5  # 1 seed in 70 000
        assert found.error < 0.006


# ---- smoothing


@pytest.mark.parametrize(
    "truth", [reduced_rank_truth(2, 2, 3, 1), deep_linear_truth([3, 2, 3, 2], 1), concept_bottleneck_truth(2, 2, 3)]
)
def test_all_smoothed_energies_have_the_mean_of_the_energy_and_less_variance(truth):
    seen = sample(population(truth), 100.0, rng=np.random.default_rng(4), sweeps=2000, chains=32)
    plain = seen.energy[0]
    for layer in seen.layer_energy[0]:
        assert abs(mean_with_error(layer - plain, "difference").z(0.0)) < 4.5
        assert layer.var() < plain.var()
    best = smoothed_energy(seen)[0]
    assert abs(mean_with_error(best - plain, "difference").z(0.0)) < 4.5
    rival = min(mean_with_error(x, "one").error for x in (plain, *seen.layer_energy[0]))
    assert mean_with_error(best, "best").error < 1.001 * rival  # the ridge costs less than that
    assert diagnose(best).r_hat < 1.01


# ---- architectures at random

N = 1e10
SIDE = st.integers(1, 4)


@st.composite
def reduced_ranks(draw):
    M, H, inputs = draw(st.tuples(SIDE, SIDE, SIDE))
    shape = (M, H, inputs, draw(st.integers(0, min(M, H, inputs))))
    return reduced_rank_truth(*shape), learning.reduced_rank(*shape)


@st.composite
def deep_networks(draw):
    widths = draw(st.lists(SIDE, min_size=4, max_size=6))
    shape = (widths, draw(st.integers(0, min(widths))))
    return deep_linear_truth(*shape), learning.deep_linear(*shape)


@st.composite
def bottlenecks(draw):
    M, H, inputs = draw(st.tuples(SIDE, SIDE, SIDE))
    shape = (M, H, inputs, draw(st.none() | st.integers(0, min(H, inputs))))
    return concept_bottleneck_truth(*shape), learning.concept_bottleneck(*shape)


@st.composite
def partial_bottlenecks(draw):
    M, H1, H2, inputs = draw(st.tuples(SIDE, SIDE, SIDE, SIDE))
    seen = draw(st.integers(0, min(H2, inputs)))
    shape = (M, H1, H2, inputs, seen, draw(st.integers(0, min(M, H1, inputs - seen))))
    return partial_concept_bottleneck_truth(*shape), learning.partial_concept_bottleneck(*shape)


@st.composite
def chains(draw):
    widths = draw(st.lists(SIDE, min_size=3, max_size=5))
    depth = len(widths) - 1
    observed = sorted({*draw(st.sets(st.integers(1, depth))), depth})
    ranks, reach = [], widths[0]
    for start, end in pairwise([0, *observed]):
        reach = draw(st.integers(0, min(reach, *widths[start + 1 : end + 1])))
        ranks.append(reach)
    return observed_chain_truth(widths, observed, ranks), learning.observed_chain(widths, observed, ranks)


FAMILIES = reduced_ranks() | deep_networks() | bottlenecks() | partial_bottlenecks() | chains()


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(FAMILIES)
def test_the_exact_coefficient_of_any_architecture_meets_the_sampler(case):
    truth, exact = case
    seen = estimate_energy(truth, N, rng=np.random.default_rng(5), sweeps=800, chains=16, warmup=100)
    # beyond λ − (m−1)/log n: (m−1)b/log² n with |b| <= 4 in every shape tried, and what float64 loses at n = 1e10
    allowed = 4.5 * seen.error + 4 * (exact.multiplicity - 1) / math.log(N) ** 2 + 3e-5
    law = float(exact.mean_energy(N))
    assert abs(seen.mean - law) < allowed  # 60 comparisons: a right program fails for one seed in 2400
    for wrong in (law + 0.25, law - 0.25):  # 2λ is an integer: the nearest wrong value is twice as far
        assert abs(seen.mean - wrong) > allowed


# ---- the ladder

REFERENCE = [
    (partial_concept_bottleneck_truth(*shape), learning.partial_concept_bottleneck(*shape))
    for shape in [
        (3, 2, 2, 5, 2, 1),
        (3, 2, 2, 5, 1, 1),
        (3, 3, 1, 4, 1, 0),
        (2, 3, 2, 6, 2, 2),
        (4, 2, 3, 5, 3, 0),
        (3, 2, 2, 4, 2, 0),
        (1, 3, 2, 5, 2, 1),
        (4, 3, 3, 6, 1, 2),
        (2, 2, 1, 3, 1, 1),
    ]
]
REFERENCE += [
    (deep_linear_truth(*shape), learning.deep_linear(*shape))
    for shape in [([3, 2, 2, 3], 0), ([3, 3, 3, 3], 1), ([4, 2, 3, 3], 1), ([2] * 5, 0), ([3, 2, 4, 2], 1)]
]
REFERENCE += [
    (observed_chain_truth(*shape), learning.observed_chain(*shape))
    for shape in [
        ([4, 3, 3, 2, 3], [2, 4], [2, 1]),
        ([3, 2, 2, 2, 2], [2, 4], [1, 1]),
        ([3, 3, 2, 2], [2, 3], [2, 1]),
        ([3, 3, 2, 2, 2], [1, 4], [1, 0]),
    ]
]


@pytest.mark.parametrize(("truth", "exact"), REFERENCE, ids=[str(e) for _, e in REFERENCE])
def test_ladder_finds_coefficient_and_multiplicity_of_every_reference_case(truth, exact):
    fit = estimate_learning_coefficient(truth, rng=np.random.default_rng(6), sweeps=1000, chains=32)
    assert abs(fit.value.z(float(exact.value))) < 4.5  # 18 cases of two comparisons: fails 1 seed in 4000
    assert abs(fit.multiplicity.z(exact.multiplicity)) < 4.5
    assert fit.multiplicity.error > 0.1 or round(fit.multiplicity.mean) == exact.multiplicity
    assert fit.value.error < 0.05


FAMILY_CALLS = [
    (estimate_reduced_rank, learning.reduced_rank, (3, 2, 3, 1)),
    (estimate_deep_linear, learning.deep_linear, ([2, 3, 2, 2], 1)),
    (estimate_concept_bottleneck, learning.concept_bottleneck, (2, 2, 3, 1)),
    (estimate_multitask, learning.multitask, (1, 2, 2, 3, 1)),
    (estimate_partial_concept_bottleneck, learning.partial_concept_bottleneck, (2, 2, 1, 3, 1, 1)),
    (estimate_observed_chain, learning.observed_chain, ([3, 3, 2, 2], [2, 3], [2, 1])),
]


@pytest.mark.parametrize(("simulated", "exact", "shape"), FAMILY_CALLS, ids=[f.__name__ for f, _, _ in FAMILY_CALLS])
def test_every_family_is_simulated_under_the_arguments_of_its_exact_value(simulated, exact, shape):
    known = exact(*shape)
    fit = simulated(
        *shape, rng=np.random.default_rng(7), multiplicity=known.multiplicity, sweeps=500, ladder=(1e6, 1e8, 1e10)
    )
    assert abs(fit.value.z(float(known.value))) < 4.5
    assert fit.value.error < 0.04
    assert (fit.multiplicity.mean, fit.multiplicity.error) == (known.multiplicity, 0.0)


@pytest.mark.parametrize(("value", "m", "b"), [(2.0, 3, 0.7), (7.5, 2, -1.2), (1.5, 5, 2.0), (4.0, 2, 0.0)])
def test_fit_returns_a_law_that_holds_exactly(value, m, b):
    n = np.array(LADDER)
    law = value - (m - 1) / (np.log(n) + b)
    fit = fit_ladder(n, law, 1e-16 * np.eye(n.size), None, 1)
    known = fit_ladder(n, law, 1e-16 * np.eye(n.size), m, 1)
    for found in (fit, known):
        # b is drawn towards 0 ± 5, by little where the energies know it
        assert found.value.mean == pytest.approx(value, abs=1e-4)
        assert found.multiplicity.mean == pytest.approx(m, abs=0.01)
        assert found.offset == pytest.approx(b, abs=0.05)
        assert found.misfit < (b / 5) ** 2 + 1e-6
    assert (fit.freedom, known.freedom) == (n.size - 3, n.size - 2)


def test_noise_cannot_drive_multiplicity_and_offset_to_infinity():
    # energies that fall in a straight line of log n fit (m−1)/(log n + b) ever better as m and b grow together
    n = np.array(LADDER)
    line = 9.0 - 0.002 * (np.log(n[-1]) - np.log(n))
    fit = fit_ladder(n, line, 1e-6 * np.eye(n.size), None, 1)
    assert fit.multiplicity.mean < 10
    assert abs(fit.offset) < 15
    assert fit.multiplicity.error > 0.3


def test_fit_errors_tell_how_far_the_fit_is_off():
    # energies with normal errors of known covariance around an exact law: z has variance 1
    rng, n, sigma = np.random.default_rng(8), np.array(LADDER), 2e-3
    covariance = sigma**2 * (0.5 * np.eye(n.size) + 0.5)
    root, law = np.linalg.cholesky(covariance), 3.0 - 2 / (np.log(n) + 0.5)
    fits = [fit_ladder(n, law + root @ rng.standard_normal(n.size), covariance, None, 1) for _ in range(100)]
    for z in (np.array([f.value.z(3.0) for f in fits]), np.array([f.multiplicity.z(3.0) for f in fits])):
        # the fit allows for what the law leaves out, so that errors may be too long, not too short
        assert (z**2).mean() < 1.7  # 5 standard errors of χ²_100 / 100
        assert (z**2).mean() > 0.05
        assert (abs(z) < 4.5).all()
