"""λ and m read off the population partition function, computed by quadrature: no closed form and no simulation.

Z(n) = ∫ exp(−nK) φ dw behaves like n^{−λ} times a polynomial in log n of degree exactly m − 1, up to a power of 1/n.
The networks here are small enough that all but one to three dimensions of Z(n) integrate by hand (unit Gaussian prior).
"""

from itertools import permutations, product

import mpmath
import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss, legvander
from scipy.special import i0e, roots_genlaguerre, roots_hermitenorm

from lemmata.theory.learning import (
    LearningCoefficient,
    concept_bottleneck,
    observed_chain,
    partial_concept_bottleneck,
    reduced_rank,
)

LOG_N = np.arange(30.0, 61.0, 6.0)  # n from 1e13 to 1e26: what a power of 1/n leaves is below 1e-6
SMALL = 1e-4  # quadrature keeps relative errors below 1e-6, differences of a polynomial in log n magnify them a little

NODES, WEIGHTS = leggauss(12)


def panels(low, high):
    """Gauss-Legendre nodes and weights on panels of length about 1: (panels, 12) each."""
    edges = np.linspace(low, high, int(np.ceil(high - low)) + 1)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (NODES + 1), half * WEIGHTS


def law_holds(log_z, coefficient):
    """Whether n^λ Z(n) is a polynomial in log n of degree exactly m − 1, from log Z at `LOG_N`."""
    scaled = np.array(log_z) + float(coefficient.value) * LOG_N
    polynomial = np.exp(scaled - scaled.max())
    slope = np.diff(polynomial, n=coefficient.multiplicity - 1)
    vanishing = np.diff(slope)
    lives = abs(slope).min() > 0.01 * polynomial.max()
    return bool(lives and abs(vanishing).max() < SMALL * abs(slope).max())


def assert_law(log_z, exact):
    """The law holds with the exact λ and m and with no neighbour of them."""
    assert law_holds(log_z, exact)
    for d_value, d_m in ((0.5, 0), (-0.5, 0), (0.25, 0), (0, 1), (0, -1)):
        if exact.multiplicity + d_m >= 1:
            wrong = LearningCoefficient(exact.value + d_value, exact.multiplicity + d_m, "wrong")
            assert not law_holds(log_z, wrong)


def running(f, weights):
    """∫ f from the left end to each node, f (panels, 12): spectral inside a panel."""
    inside = np.linalg.solve(legvander(NODES, 11).T, _integrated_legendre())  # f at nodes -> integral to each node
    half = weights.sum(axis=1, keepdims=True) / 2
    whole = (f * weights).sum(axis=1)
    before = np.concatenate([[0.0], np.cumsum(whole)[:-1]])
    return before[:, None] + half * f @ inside


def _integrated_legendre():
    """∫_{-1}^{x} P_k at the nodes x, as rows k."""
    out = np.zeros((12, 12))
    legendre = legvander(NODES, 12)
    out[0] = NODES + 1
    for k in range(1, 12):
        out[k] = (legendre[:, k + 1] - legendre[:, k - 1]) / (2 * k + 1)
    return out


def test_running_integrals_are_exact_for_a_polynomial():
    u, weights = panels(-3.0, 4.0)
    np.testing.assert_allclose(running(u**9, weights), (u**10 - 3.0**10) / 10, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(("outputs", "inputs"), list(product(range(1, 7), repeat=2)))
def test_one_hidden_unit_at_truth_zero(outputs, inputs):
    # A integrated out: Z = E (1 + n χ²_N)^{−M/2} = (2n)^{−N/2} U(N/2, (N−M)/2 + 1, 1/(2n)), U Tricomi's function
    with mpmath.workdps(40):
        log_z = [
            float(mpmath.log(mpmath.hyperu(a, a - b + 1, z) * z**a))
            for a, b in [(mpmath.mpf(inputs) / 2, mpmath.mpf(outputs) / 2)]
            for z in (mpmath.exp(-mpmath.mpf(x)) / 2 for x in LOG_N)
        ]
    assert_law(log_z, reduced_rank(outputs, 1, inputs, 0))


@pytest.mark.parametrize("side", [1, 2, 3])
def test_mean_energy_of_one_hidden_unit_has_the_stated_offset(side):
    # docs/learning, section 1: M = N, H = 1: <nK> = λ − 1/(log n + b), b = log 2 − ψ(M/2) − 2γ
    b = mpmath.log(2) - mpmath.digamma(mpmath.mpf(side) / 2) - 2 * mpmath.euler
    assert float(b) == pytest.approx({1: 1.50, 2: 0.116, 3: -0.498}[side], abs=5e-3)

    def log_z(log_n):
        z = mpmath.exp(-log_n) / 2
        return mpmath.log(mpmath.hyperu(mpmath.mpf(side) / 2, 1, z) * z ** (mpmath.mpf(side) / 2))

    with mpmath.workdps(50):
        energy = -mpmath.diff(log_z, 40)
    exact = reduced_rank(side, 1, side, 0)
    assert float(energy) == pytest.approx(side / 2 - 1 / (40 + float(b)), rel=1e-12)
    assert abs(float(energy) - exact.mean_energy(np.exp(40.0))) < 2 * abs(float(b)) / 40**2


@pytest.mark.parametrize(
    "shape", [(M, H, N) for M, H, N in product(range(1, 6), repeat=3) if min(H, N) in (2, 3) and max(H, N) <= 5]
)
def test_two_layers_at_truth_zero(shape):
    # A integrated out; the squared singular values x_1 < … < x_q of B have the density
    # Π x^{(p−q−1)/2} e^{−x/2} Π (x_j − x_i), and the last product is a sum over permutations of products, each a chain
    # of running integrals in u = log x
    M, H, N = shape
    q, p = min(H, N), max(H, N)
    log_z = []
    for log_n in LOG_N:
        u, weights = panels(-log_n - 50.0, 6.0)
        x = np.exp(u)
        single = x ** ((p - q + 1) / 2) * np.exp(-x / 2) * (1 + np.exp(log_n) * x) ** (-M / 2)
        total = 0.0
        for powers in permutations(range(q)):
            sign = round(np.linalg.det(np.eye(q)[list(powers)]))
            chain = np.ones_like(u)
            for power in powers:
                chain = running(single * x**power * chain, weights)
            total += sign * chain[-1, -1]
        log_z.append(np.log(total))
    assert_law(log_z, reduced_rank(M, H, N, 0))


@pytest.mark.parametrize(
    ("outputs", "hidden", "rank"), [s for s in product((1, 2, 3, 4), (2, 3), (1, 2)) if s[2] <= min(s[:2])]
)
def test_two_layers_with_two_inputs_at_a_true_map_of_positive_rank(outputs, hidden, rank):
    # A integrated out: exp(−½ tr T (I/n + BᵀB)⁻¹ Tᵀ) det(I + n BᵀB)^{−M/2}; for T of rank 1 the angle between its row
    # space and the singular vectors of B integrates to a Bessel function; T has singular values 1
    log_z = []
    u, weights = panels(-7.0, 5.0)  # exp(−1/(2x)) kills the larger eigenvalue below e^{−7}
    large = np.exp(u)[:, :, None, None]
    for log_n in LOG_N:
        n = np.exp(log_n)
        drop, drop_weights = panels(0.0, log_n + 50.0)
        small = large * np.exp(-drop)
        density = (large * small) ** ((hidden - 1) / 2) * np.exp(-(large + small) / 2) * (large - small)
        a, b = 0.5 / (1 / n + large), 0.5 / (1 / n + small)
        fit = np.exp(-a) * i0e((b - a) / 2) if rank == 1 else np.exp(-a - b)
        f = density * fit * ((1 + n * large) * (1 + n * small)) ** (-outputs / 2)
        log_z.append(np.log(np.einsum("abcd,ab,cd->", f, weights, drop_weights)))
    assert_law(log_z, reduced_rank(outputs, hidden, 2, rank))


def log_chi_square(dof, low):
    """Nodes x and weights of the χ²_dof density (up to a constant) that resolve it down to e^low."""
    u, weights = panels(low, 6.0)
    x = np.exp(u).ravel()
    return x, weights.ravel() * x ** (dof / 2) * np.exp(-x / 2)


@pytest.mark.parametrize(("outputs", "inputs"), list(product((1, 2, 3), (2, 3, 4))))
def test_one_free_unit_beside_a_concept_that_is_zero(outputs, inputs):
    # B₂* = 0, T = 0: B₂ = z/√(1+n) with z standard, and det(I + nBBᵀ) = (1 + n|b|²)(1 + ν z_⊥²) + ν z_∥², ν = n/(1+n)
    z2, z2_weights = roots_genlaguerre(24, (inputs - 3) / 2)
    along, along_weights = roots_hermitenorm(48)
    log_z = []
    for log_n in LOG_N:
        n = np.exp(log_n)
        x, x_weights = log_chi_square(inputs, -log_n - 50.0)
        nu = n / (1 + n)
        det = (1 + n * x)[:, None, None] * (1 + nu * 2 * z2)[:, None] + nu * along**2
        mean = np.einsum("abc,a,b,c->", det ** (-outputs / 2), x_weights, z2_weights, along_weights)
        log_z.append(np.log(mean) - inputs / 2 * np.log1p(n))
    assert_law(log_z, partial_concept_bottleneck(outputs, 1, 1, inputs, 0, 0))


@pytest.mark.parametrize(("outputs", "inputs"), list(product((1, 2, 3), (2, 3, 4))))
def test_one_free_unit_beside_a_concept_that_is_seen(outputs, inputs):
    # B₂* = e₁, T = 0: B₂ = νe₁ + z/√(1+n), and det(I + nBBᵀ) = (1 + n|B₂|²)(1 + n b_⊥²) + n b_∥²
    z, z_weights = roots_hermitenorm(8)
    rest, rest_weights = roots_genlaguerre(8, (inputs - 3) / 2)
    along, along_weights = roots_hermitenorm(48)
    log_z = []
    for log_n in LOG_N:
        n = np.exp(log_n)
        x, x_weights = log_chi_square(inputs - 1, -log_n - 50.0)
        length = ((n / (1 + n) + z / np.sqrt(1 + n))[:, None] ** 2 + 2 * rest / (1 + n))[:, :, None, None]
        # divided by n, which is taken off again below, so that nothing overflows
        det = (1 / n + length) * (1 + n * x)[:, None] + along**2
        mean = np.einsum("abcd,a,b,c,d->", det ** (-outputs / 2), z_weights, rest_weights, x_weights, along_weights)
        log_z.append(np.log(mean) - (inputs + outputs) / 2 * log_n)
    assert_law(log_z, partial_concept_bottleneck(outputs, 1, 1, inputs, 1, 0))


@pytest.mark.parametrize(("outputs", "inputs", "rank"), list(product((1, 2, 4), (1, 2, 3), (0, 1))))
def test_one_observed_unit(outputs, inputs, rank):
    # all of the hidden layer observed, B* = rank·e₁, T = 0: Z = (1+n)^{−N/2} E (1 + n|B|²)^{−M/2}, |B|² near rank or 0
    z, z_weights = roots_hermitenorm(24)
    rest, rest_weights = roots_genlaguerre(24, (inputs - 3) / 2) if inputs > 1 else (np.zeros(1), np.ones(1))
    log_z = []
    for log_n in LOG_N:
        n = np.exp(log_n)
        length = (rank * n / (1 + n) + z / np.sqrt(1 + n))[:, None] ** 2 + 2 * rest / (1 + n)
        mean = np.einsum("ab,a,b->", (1 + n * length) ** (-outputs / 2), z_weights, rest_weights)
        log_z.append(np.log(mean) - inputs / 2 * np.log1p(n))
    assert_law(log_z, concept_bottleneck(outputs, 1, inputs, rank))


@pytest.mark.parametrize(("first", "second", "outputs"), list(product((1, 2, 3), repeat=3)))
def test_a_chain_observed_after_its_first_layer(first, second, outputs):
    # one input, W_1* = e₁, true output 0: |W_2 W_1|² = |W_1|² χ²_{h2}, and W_3 integrates out
    z, z_weights = roots_hermitenorm(8)
    rest, rest_weights = roots_genlaguerre(8, (first - 3) / 2) if first > 1 else (np.zeros(1), np.ones(1))
    log_z = []
    for log_n in LOG_N:
        n = np.exp(log_n)
        x, x_weights = log_chi_square(second, -log_n - 50.0)
        length = (n / (1 + n) + z / np.sqrt(1 + n))[:, None] ** 2 + 2 * rest / (1 + n)
        f = (1 + n * length[:, :, None] * x) ** (-outputs / 2)
        mean = np.einsum("abc,a,b,c->", f, z_weights, rest_weights, x_weights)
        log_z.append(np.log(mean) - first / 2 * np.log1p(n))
    assert_law(log_z, observed_chain([1, first, second, outputs], [1, 3], [1, 0]))


@pytest.mark.parametrize(("outputs", "inputs"), list(product((1, 2, 3), repeat=2)))
def test_biases_of_a_network_with_one_hidden_unit(outputs, inputs):
    # x of mean 0: K = ½(|AB|² + |Ab + a|²); given A all of B, b and a integrate out
    log_z = []
    for log_n in LOG_N:
        n = np.exp(log_n)
        x, x_weights = log_chi_square(outputs, -log_n - 50.0)
        f = (1 + n * x) ** (-inputs / 2) * (1 + n / (1 + n) * x) ** -0.5
        log_z.append(np.log(f @ x_weights) - outputs / 2 * np.log1p(n))
    assert_law(log_z, reduced_rank(outputs, 1, inputs, 0, biases=True))


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_unknown_variance_of_a_single_output(inputs):
    # K = ½[(1 + |ab|²)/v − 1 + log v], prior of log v standard normal; v = exp(y/√n)
    y, y_weights = panels(-12.0, 12.0)
    y, y_weights = y.ravel(), y_weights.ravel()
    log_z = []
    for log_n in LOG_N:
        n = np.exp(log_n)
        s = y / np.sqrt(n)
        # e^{−s} − 1 + s without cancellation: its series, whose next term is below 1e-12 here
        noise = np.exp(-n / 2 * (s**2 / 2 - s**3 / 6)) * np.exp(-(s**2) / 2)
        x, x_weights = log_chi_square(inputs, -log_n - 50.0)
        f = (1 + n * np.exp(-s)[:, None] * x) ** -0.5
        log_z.append(np.log((noise * y_weights) @ f @ x_weights) - log_n / 2)
    assert_law(log_z, reduced_rank(1, 1, inputs, 0, unknown_noise=True))
