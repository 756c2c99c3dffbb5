"""Each kernel of the sampler against a plain line that says the same thing slowly, by dense matrices.

A layer is drawn as mean + F·noise.  Lanes that share all weights and differ in one entry of the noise show the mean and
the columns of F, so that mean and covariance are compared exactly, without sampling.
"""

import math
from functools import reduce

import mpmath
import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose
from scipy import stats

from lemmata.sim.learning import _kernels
from lemmata.sim.learning.sampler import random_numbers
from lemmata.theory.learning.network import LinearNetwork

NETWORKS = [
    LinearNetwork((4, 3), (3,)),
    LinearNetwork((4, 3, 2), (0, 2)),
    LinearNetwork((2, 4, 3), (2, 3)),
    LinearNetwork((3, 2, 2), (2, 2)),
    LinearNetwork((3, 2, 4, 2), (0, 1, 2)),
    LinearNetwork((2, 4, 3, 1, 2), (0, 3, 0, 2)),
]
IDS = ["-".join(map(str, n.widths)) for n in NETWORKS]


class State:
    """Random weights of a network in the kernels' layout, all lanes alike, and every array that a sweep holds."""

    def __init__(self, network, lanes, seed, shared=False, beta=3.0, p=0.8):
        rng = np.random.default_rng(seed)
        self.network, self.beta, self.p = network, beta, p
        self.layers = [rng.standard_normal((a, b)) for b, a in zip(network.widths, network.widths[1:], strict=False)]
        self.design = np.full(network.widths[0], 1.3) if shared else rng.uniform(0.5, 2.0, network.widths[0])
        self.targets = [rng.standard_normal((seen, network.widths[0])) for seen in network.observed]
        self.widths, self.observed = np.array(network.widths), np.array(network.observed)
        L, h, N = network.depth, max(network.widths), network.widths[0]
        self.h, self.N, self.lanes = h, N, lanes
        self.W, self.T = np.zeros((L, h, h, lanes)), np.zeros((L, h, N, lanes))
        for k, (w, t) in enumerate(zip(self.layers, self.targets, strict=True)):
            self.W[k, : w.shape[0], : w.shape[1]] = w[..., None]
            self.T[k, : t.shape[0]] = t[..., None]
        self.wide_design = np.repeat(self.design[:, None], lanes, axis=1)
        self.betas = np.full(lanes, beta)
        # garbage, so that a kernel that forgets to clear what it uses is seen
        self.Z = rng.standard_normal((L + 1, h, N, lanes))
        self.Z[0, :N] = np.eye(N)[..., None] * self.wide_design
        self.R, self.D, self.P, self.work, self.scratch = (
            rng.standard_normal(shape)
            for shape in [(L, h, N, lanes), (L, h, N, lanes), (L, h, h, lanes), (6, h, h, lanes), (5 * h + 2, lanes)]
        )
        self.e = rng.standard_normal(lanes)

    def pass_through(self):
        _kernels.residuals(self.W, self.widths, self.observed, self.wide_design, self.T, self.Z, self.R, 0)
        _kernels.curvatures(self.W, self.widths, self.observed, self.P, self.work[0])

    def update(self, k, noise):
        W, a, b = self.W[k], self.widths[k + 1], self.widths[k]
        _kernels.backpropagate(self.W, self.widths, self.observed, self.R, self.D, k)
        _kernels.total_energy(self.R, self.observed, self.N, self.betas, self.e)
        common = (self.betas, self.p)
        rest = (noise, self.work, self.scratch, self.e)
        if k == self.network.depth - 1:
            _kernels.update_output_layer(W, a, b, self.Z[k], self.D[k], self.N, *common, *rest)
        elif k == 0:
            shared = bool((self.design == self.design[0]).all())
            _kernels.update_first_layer(W, a, b, self.wide_design, self.D[0], self.P[0], *common, shared, *rest)
        else:
            _kernels.update_inner_layer(W, a, b, self.Z[k], self.D[k], self.P[k], self.N, *common, *rest)
        return np.moveaxis(W[:a, :b], -1, 0)


def seen_by(network, layers, design):
    """What every observed unit computes, layer after layer: a list of (observed, N)."""
    signal, out = np.diag(design), []
    for w, seen in zip(layers, network.observed, strict=True):
        signal = w @ signal
        out.append(signal[signal.shape[0] - seen :])
    return out


def energy(network, layers, design, targets, beta):
    """½ β Σ ‖R‖²."""
    seen = seen_by(network, layers, design)
    return 0.5 * beta * sum(((s - t) ** 2).sum() for s, t in zip(seen, targets, strict=True))


def conditional(network, layers, design, targets, k, beta, p):
    """Mean, covariance of vec W_k given the other layers, and the mean of ½ β Σ ‖R‖², from the dense Jacobian of R."""

    def residual(w):
        trial = [*layers[:k], w.reshape(layers[k].shape), *layers[k + 1 :]]
        seen = seen_by(network, trial, design)
        return np.concatenate([(s - t).ravel() for s, t in zip(seen, targets, strict=True)])

    zero = residual(np.zeros(layers[k].size))
    J = np.stack([residual(unit) - zero for unit in np.eye(layers[k].size)], axis=1)
    precision = beta * J.T @ J + p * np.eye(J.shape[1])
    mean = -np.linalg.solve(precision, beta * J.T @ zero)
    covariance = np.linalg.inv(precision)
    at_mean = energy(network, [*layers[:k], mean.reshape(layers[k].shape), *layers[k + 1 :]], design, targets, beta)
    return mean, covariance, at_mean + 0.5 * np.trace(beta * J.T @ J @ covariance)


# ---- the passes


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_residuals_are_targets_less_what_the_network_computes(network):
    state = State(network, 3, 0)
    state.pass_through()
    for k, (seen, target) in enumerate(zip(seen_by(network, state.layers, state.design), state.targets, strict=True)):
        found = state.R[k, : network.observed[k]]
        assert_allclose(found, np.repeat((target - seen)[..., None], 3, axis=2), rtol=1e-12, atol=1e-12)
    _kernels.total_energy(state.R, state.observed, state.N, state.betas, state.e)
    assert_allclose(state.e, energy(network, state.layers, state.design, state.targets, state.beta), rtol=1e-12)


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_residuals_may_be_recomputed_from_the_layer_that_changed(network):
    state = State(network, 2, 1)
    state.pass_through()
    last = network.depth - 1
    state.W[last] += 0.5
    _kernels.residuals(state.W, state.widths, state.observed, state.wide_design, state.T, state.Z, state.R, last)
    state.layers[last] = state.layers[last] + 0.5
    seen = seen_by(network, state.layers, state.design)[last]
    assert_allclose(state.R[last, : len(seen), :, 1], state.targets[last] - seen, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_backpropagated_residuals_and_curvatures_are_the_recursions(network):
    state = State(network, 2, 2)
    state.pass_through()
    _kernels.backpropagate(state.W, state.widths, state.observed, state.R, state.D, 0)
    D = P = None
    for k in reversed(range(network.depth)):
        width, seen = network.widths[k + 1], network.observed[k]
        S = np.eye(width)[width - seen :]  # picks the observed units
        D_above = 0.0 if D is None else state.layers[k + 1].T @ D
        P_above = 0.0 if P is None else state.layers[k + 1].T @ P @ state.layers[k + 1]
        D, P = S.T @ state.R[k, :seen, :, 0] + D_above, S.T @ S + P_above
        assert_allclose(state.D[k, :width, :, 1], D, rtol=1e-12, atol=1e-12)
        assert_allclose(state.P[k, :width, :width, 1], P, rtol=1e-12, atol=1e-12)


# ---- a layer given the others


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_every_layer_is_drawn_from_its_gaussian_conditional(network, shared):
    for k in range(network.depth):
        size = network.widths[k + 1] * network.widths[k]
        state = State(network, size + 1, 10 + k, shared)
        state.pass_through()
        drawn = state.update(k, np.eye(size, size + 1, 1)).reshape(size + 1, size)  # lane 0 gets no noise
        mean, covariance, smooth = conditional(
            network, state.layers, state.design, state.targets, k, state.beta, state.p
        )
        factor = (drawn[1:] - drawn[0]).T
        assert_allclose(drawn[0], mean, rtol=1e-10, atol=1e-12)
        assert_allclose(factor @ factor.T, covariance, rtol=1e-10, atol=1e-12)
        # the smoothed energy does not see the noise: every lane holds the conditional mean of the energy
        assert_allclose(state.e, smooth, rtol=1e-11)


@pytest.mark.parametrize("widths", [(3, 2, 2), (3, 4, 3, 2), (2, 4, 3, 2)])
def test_layers_keep_their_conditionals_where_precisions_are_extreme(widths):
    # the reference in 40 digits; float64 may lose 1e-16 of the stiffest precision, β‖P‖‖Q‖ of order 1e10 here, in the
    # softest, p of order 1: about 1e-6
    network, beta = LinearNetwork(widths, (*[0] * (len(widths) - 2), widths[-1])), 1e8
    for k in range(network.depth):
        size = network.widths[k + 1] * network.widths[k]
        state = State(network, size + 1, 20 + k, beta=beta)
        state.pass_through()
        drawn = state.update(k, np.eye(size, size + 1, 1)).reshape(size + 1, size)
        factor = (drawn[1:] - drawn[0]).T
        with mpmath.workdps(40):
            exact = [np.vectorize(mpmath.mpf)(w) for w in (*state.layers, np.diag(state.design), state.targets[-1])]
            below, target = exact[network.depth], exact[-1]
            above = np.vectorize(mpmath.mpf)(np.eye(len(target)))
            for w in exact[:k]:
                below = w @ below
            for w in reversed(exact[k + 1 : network.depth]):
                above = above @ w
            # R = above W below − T, so that the Jacobian of the row-major vec R is above ⊗ belowᵀ
            jacobian = mpmath.matrix(np.kron(above, below.T).tolist())
            precision = beta * jacobian.T * jacobian + mpmath.mpf(state.p) * mpmath.eye(size)
            covariance = precision**-1
            mean = covariance * (beta * jacobian.T * mpmath.matrix(target.ravel().tolist()))
            mean, covariance = (np.array(x.tolist(), dtype=float) for x in (mean, covariance))
        assert_allclose(drawn[0], mean[:, 0], atol=1e-5)
        assert_allclose(factor @ factor.T, covariance, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_a_sweep_without_noise_goes_from_conditional_mean_to_conditional_mean(network):
    # so that energy and smoothed energies of the whole sweep can be followed by dense algebra
    state = State(network, 2, 3)
    numbers = random_numbers(network)
    normals, uniforms = np.zeros((1, numbers[0], 2)), np.random.default_rng(4).random((1, numbers[1], 2))
    before, smooth, draws = np.empty((1, 2)), np.empty((1, network.depth, 2)), np.empty((1, *state.W.shape))
    arguments = (state.widths, state.observed, state.wide_design, state.T, state.betas, state.p, False)
    _kernels.sweeps(state.W, *arguments, normals, uniforms, before, smooth, draws)
    layers = list(state.layers)
    assert_allclose(before[0], energy(network, layers, state.design, state.targets, state.beta), rtol=1e-12)
    for k in range(network.depth):
        mean, _, expected = conditional(network, layers, state.design, state.targets, k, state.beta, state.p)
        assert_allclose(smooth[0, k], expected, rtol=1e-10)
        layers[k] = mean.reshape(layers[k].shape)
    after = [state.W[k, : w.shape[0], : w.shape[1], 0] for k, w in enumerate(layers)]
    # the symmetry moves changed the weights of hidden layers, and not the map to the output
    assert_allclose(reduce(np.matmul, after[::-1]), reduce(np.matmul, layers[::-1]), rtol=1e-9, atol=1e-12)
    if not any(network.observed[:-1]):
        reached = energy(network, layers, state.design, state.targets, state.beta)
        assert_allclose(energy(network, after, state.design, state.targets, state.beta), reached, rtol=1e-9)
    assert_allclose(draws[0], state.W, rtol=0, atol=0)
    assert all(not np.allclose(after[k], layers[k]) for k in range(network.depth - 1) if network.widths[k + 1] > 1)


# ---- the symmetries


def test_shear_draws_each_step_from_its_gaussian_conditional():
    rng = np.random.default_rng(5)
    free, units, fan_in, fan_out, p = 2, 4, 3, 5, 0.7
    lower, upper = rng.standard_normal((units, fan_in)), rng.standard_normal((fan_out, units))
    noise = rng.standard_normal(free * (units - 1))
    wide = [np.repeat(x[..., None], 2, axis=2).copy() for x in (lower, upper)]
    scratch = rng.standard_normal((5 * fan_out + 2, 2))
    _kernels.shear(*wide, free, units, fan_in, fan_out, p, np.repeat(noise[:, None], 2, axis=1), scratch)
    A, B, product, used = upper.copy(), lower.copy(), upper @ lower, iter(noise)
    for i in range(free):
        for j in (j for j in range(units) if j != i):
            # log prior along the move: −½p(‖B_i + tB_j‖² + ‖A_j − tA_i‖²), a parabola read off three points
            values = [
                -0.5 * p * (((B[i] + t * B[j]) ** 2).sum() + ((A[:, j] - t * A[:, i]) ** 2).sum()) for t in (-1, 0, 1)
            ]
            precision, slope = 2 * values[1] - values[0] - values[2], 0.5 * (values[2] - values[0])
            t = slope / precision + next(used) / math.sqrt(precision)
            B[i] += t * B[j]
            A[:, j] -= t * A[:, i]
    assert_allclose(wide[0][..., 1], B, rtol=1e-11, atol=1e-12)
    assert_allclose(wide[1][..., 1], A, rtol=1e-11, atol=1e-12)
    assert_allclose(A @ B, product, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("q", "pull", "cost", "power"), [(50.0, 40.0, 0.5, 1), (400.0, 420.0, 300.0, -2), (9.0, 9.0, 2.0, 3)]
)
def test_the_scale_of_an_observed_unit_keeps_its_density(q, pull, cost, power):
    # σ from the exact density by its quantiles, then a move s: σ s has the density again (one seed in 10 000 fails)
    grid = np.concatenate([-np.geomspace(6, 1e-3, 200_000), np.geomspace(1e-3, 6, 200_000)])
    log_density = -0.5 * q * grid**2 + pull * grid - 0.5 * cost / grid**2 + power * np.log(abs(grid))
    mass = np.concatenate([[0.0], np.cumsum(np.diff(grid) * np.exp(log_density - log_density.max())[1:])])
    mass /= mass[-1]
    rng = np.random.default_rng(12)
    sigma = np.interp(rng.random(20_000), mass, grid)
    moved = [
        x * _kernels.observed_scale(q * x * x, pull * x, cost / (x * x), power, rng.standard_normal(), rng.random())
        for x in sigma
    ]
    assert stats.kstest(np.interp(moved, grid, mass), "uniform").pvalue > 1e-4
    assert np.mean(moved != sigma) > 0.5


def test_moves_of_observed_units_go_to_the_least_energy_along_each_shear():
    # without noise t is the minimiser of the energy and the prior along its line: no nearby t is better
    rng = np.random.default_rng(13)
    lower, upper, Z = rng.standard_normal((2, 3, 1)), rng.standard_normal((4, 2, 1)), rng.standard_normal((2, 5, 1))
    target, beta, p = rng.standard_normal((1, 5)), np.array([3.0]), 0.7
    before = [x.copy() for x in (lower, upper, Z)]
    R = target[..., None] - Z[1:]
    _kernels.move_observed(
        lower, upper, Z, R, 1, 2, 3, 4, 5, beta, p, np.zeros((2, 1)), np.ones((1, 1)) * (1 - 1e-16), np.empty((5, 1))
    )

    def cost(t):
        row, column = before[0][1] + t * before[0][0], before[1][:, 0] - t * before[1][:, 1]
        fit = ((target - (before[2][1] + t * before[2][0]).T) ** 2).sum()
        return 0.5 * p * ((row**2).sum() + (column**2).sum()) + 0.5 * beta[0] * fit

    assert_allclose(np.einsum("mic,inc->mn", upper, lower), np.einsum("mic,inc->mn", *before[1::-1]), rtol=1e-12)
    scale = np.linalg.norm(upper[:, 1]) / np.linalg.norm(before[1][:, 1])  # of the rescaling that followed
    t = ((lower[1] * scale - before[0][1]) / before[0][0])[0, 0]
    assert cost(t) < min(cost(t - 1e-3), cost(t + 1e-3))
    assert_allclose(R[0, :, 0], target[0] - Z[1, :, 0], rtol=1e-12)


def test_rescale_moves_free_units_alone_and_keeps_every_product_of_row_and_column():
    rng = np.random.default_rng(6)
    lower, upper, uniforms = rng.standard_normal((3, 4, 50)), rng.standard_normal((2, 3, 50)), rng.random((6, 50))
    before = lower.copy(), upper.copy()
    _kernels.rescale(lower, upper, 2, 4, 2, 0.7, uniforms, np.empty((2, 50)))
    assert_allclose(
        np.einsum("jic,ikc->ijkc", upper, lower), np.einsum("jic,ikc->ijkc", before[1], before[0]), rtol=1e-12
    )
    assert (lower[2] == before[0][2]).all()
    assert (upper[:, 2] == before[1][:, 2]).all()
    for i in range(2):
        row, column = (lower[i] ** 2).sum(0) ** 0.5, (upper[:, i] ** 2).sum(0) ** 0.5
        was = np.log((before[0][i] ** 2).sum(0) / (before[1][:, i] ** 2).sum(0)) / 2
        want = [
            _kernels.log_ratio_draw(0.7 * r * c, 1.0, *uniforms[3 * i : 3 * i + 3, lane], was[lane])
            for lane, (r, c) in enumerate(zip(row, column, strict=True))
        ]
        assert_allclose(np.log(row / column), want, rtol=1e-9, atol=1e-11)
        assert 0.6 < np.mean(~np.isclose(want, was)) < 1.0  # nine in ten of 50 move


# ---- the draw of a log ratio


@njit
def many_log_ratios(omega, nu, uniforms, out):
    for i in range(out.size):
        out[i] = _kernels.log_ratio_draw(omega, nu, uniforms[i, 0], uniforms[i, 1], uniforms[i, 2], np.nan)


def log_ratio_law(omega, nu):
    """Nodes y and the distribution function of the density ∝ exp(−ω cosh y + ν y), by the trapezoid rule."""

    def log_density(y):
        return nu * y - omega * np.cosh(y)

    mode, ends = math.asinh(nu / omega), []
    for side in (-1.0, 1.0):
        reach = 1e-3
        while log_density(mode) - log_density(mode + side * reach) < 45.0:
            reach *= 1.1
        ends.append(mode + side * reach)
    y = np.linspace(*ends, 40_001)
    density = np.exp(log_density(y) - log_density(mode))
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return y, mass / mass[-1]


OMEGAS = np.geomspace(1e-6, 1e4, 11)
NUS = np.linspace(-5.0, 5.0, 21)  # half-integers, as fan-in and fan-out make them


def test_log_ratios_have_their_density_and_more_than_eight_trials_in_ten_succeed():
    rng = np.random.default_rng(7)
    values, rates = [], []
    for omega in OMEGAS:
        for nu in NUS:
            out = np.empty(4000)
            many_log_ratios(omega, nu, rng.random((out.size, 3)), out)
            y, law = log_ratio_law(omega, nu)
            accepted = out[~np.isnan(out)]
            values.append(stats.kstest(accepted, lambda x, y=y, law=law: np.interp(x, y, law)).pvalue)
            rates.append(accepted.size / out.size)
    # 231 cases: the least p-value of a right draw is below 1e-7 for one seed in 40 000, and all together are uniform
    assert min(values) > 1e-7
    assert stats.kstest(values, "uniform").pvalue > 1e-4
    # acceptance lies between 0.82 and 0.97, less and more 4 standard errors
    assert min(rates) > 0.80
    assert max(rates) < 0.98


def test_a_wrong_exponent_of_the_log_ratio_is_seen():
    out = np.empty(4000)
    for omega, nu in [(0.03, 0.5), (2.0, -1.5)]:
        many_log_ratios(omega, nu, np.random.default_rng(8).random((out.size, 3)), out)
        for wrong in (-nu, 0.0, nu + 0.5):
            y, law = log_ratio_law(omega, wrong)
            assert stats.kstest(out[~np.isnan(out)], lambda x, y=y, law=law: np.interp(x, y, law)).pvalue < 1e-12


def test_rejection_of_a_log_ratio_does_not_depend_on_the_current_one():
    for omega, nu, *uniforms in np.random.default_rng(9).random((200, 5)):
        here, there = (_kernels.log_ratio_draw(omega, nu, *uniforms, current) for current in (-50.0, 50.0))
        assert here == there or (here, there) == (-50.0, 50.0)


# ---- small linear algebra


def lanes_last(matrices):
    return np.ascontiguousarray(np.moveaxis(np.asarray(matrices), 0, -1))


def lanes_first(array):
    return np.moveaxis(array, -1, 0)


def test_products_are_added_lane_by_lane():
    rng = np.random.default_rng(10)
    a, b, c = rng.standard_normal((5, 3, 4)), rng.standard_normal((5, 4, 2)), rng.standard_normal((5, 3, 2))
    cases = [
        (_kernels.add_matmul, a, b),
        (_kernels.add_transposed_matmul, a.transpose(0, 2, 1), b),
        (_kernels.add_matmul_transposed, a, b.transpose(0, 2, 1)),
    ]
    for kernel, x, y in cases:
        out = lanes_last(c).copy()
        kernel(lanes_last(x), lanes_last(y), out, 3, 4, 2)
        assert_allclose(lanes_first(out), c + a @ b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_inverse_factor_is_the_inverse_of_the_cholesky_factor(size):
    rng = np.random.default_rng(11)
    half = rng.standard_normal((4, size, size + 2))
    a = half @ half.transpose(0, 2, 1)
    out = lanes_last(a).copy()
    _kernels.inverse_factor(out, size)
    assert_allclose(np.tril(lanes_first(out)), np.linalg.inv(np.linalg.cholesky(a)), rtol=1e-9, atol=1e-10)


def rotations(monkeypatch, a):
    """Eigenvectors and diagonal that `jacobi` finds, and how many rotations it took."""
    size, out, count = a.shape[1], lanes_last(a).copy(), []
    v, rotate = np.full_like(out, np.nan), _kernels.rotate
    monkeypatch.setattr(_kernels, "rotate", lambda *args: (count.append(1), rotate(*args))[1])
    _kernels.jacobi.py_func(out, v, size, np.empty((3, a.shape[0])))
    return lanes_first(v), np.diagonal(lanes_first(out), axis1=1, axis2=2), len(count)


@pytest.mark.parametrize("spectrum", ["full", "wide", "rank 2", "repeated", "zero", "diagonal"])
def test_jacobi_diagonalises_within_seven_rounds(monkeypatch, spectrum):
    size, lanes = 4, 3
    rng = np.random.default_rng(12)
    basis = np.linalg.qr(rng.standard_normal((lanes, size, size)))[0]
    values = {
        "full": rng.uniform(1, 2, (lanes, size)),
        "wide": np.repeat(10.0 ** np.array([[1, -2, -5, -8]]), lanes, axis=0),
        "rank 2": np.repeat(np.array([[3.0, 1.0, 0.0, 0.0]]), lanes, axis=0),
        "repeated": np.repeat(np.array([[2.0, 2.0, 2.0, 1.0]]), lanes, axis=0),
        "zero": np.zeros((lanes, size)),
        "diagonal": rng.uniform(1, 2, (lanes, size)),
    }[spectrum]
    basis = np.repeat(np.eye(size)[None], lanes, axis=0) if spectrum == "diagonal" else basis
    a = (basis * values[:, None]) @ basis.transpose(0, 2, 1)
    a = (a + a.transpose(0, 2, 1)) / 2
    v, found, count = rotations(monkeypatch, a)
    assert count <= 7 * size * (size - 1) / 2  # cyclic Jacobi converges quadratically
    assert_allclose(v @ v.transpose(0, 2, 1), np.broadcast_to(np.eye(size), v.shape), atol=1e-13)
    assert_allclose((v * found[:, None]) @ v.transpose(0, 2, 1), a, atol=1e-14 * max(1.0, values.max()))
    assert_allclose(np.sort(found), np.sort(values), atol=4e-15 * max(1.0, values.max()))
