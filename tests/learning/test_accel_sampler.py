"""The batched sampler leaves the posterior as it is, and finds the mean energies that theory demands.

The statistical tests have fixed seeds; beside each stands how often a right program would fail it.
"""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from lemmata.accel.learning import Posterior, energy, estimate_energies, estimate_energy, symmetry, true_layers
from lemmata.theory import learning
from lemmata.theory.learning.network import (
    LinearNetwork,
    Truth,
    deep_linear_truth,
    observed_chain_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)

torch.set_num_threads(1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def one_unit_energy(outputs, inputs, n):
    """⟨nK⟩ of y = a bᵀx at a zero truth, s = 1: with q = ‖b‖² ~ χ²_N the outputs integrate to (1 + nq)^{−M/2}."""

    def integrand(log_q, power):
        q = math.exp(log_q)
        weight = (1 + n * q) ** (-outputs / 2) * math.exp(inputs / 2 * log_q - q / 2)
        return weight * (outputs / 2 * n * q / (1 + n * q)) ** power

    ends = (-math.log(n) * max(2.0, 4.0 / inputs) - 60.0, 8.0)
    above, below = (
        integrate.quad(integrand, *ends, args=(power,), limit=500, points=[-math.log(n), 0.0])[0] for power in (1, 0)
    )
    return above / below


def test_the_quadrature_anchor_knows_its_own_limit():
    # at M = N: λ = M/2, m = 2, and b of docs/learning, section 8
    for size, b in ((1, 1.50), (2, 0.116), (3, -0.498)):
        seen = one_unit_energy(size, size, 1e9)
        assert seen == pytest.approx(size / 2 - 1 / (math.log(1e9) + b), abs=3e-5)


@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (2, 2), (3, 3), (1, 3), (3, 1)])
def test_mean_energy_of_one_hidden_unit_is_the_integral(outputs, inputs):
    ns = [1e2, 1e4, 1e7, 1e10]
    truths = [reduced_rank_truth(outputs, 1, inputs, 0)] * len(ns)
    seen = estimate_energies(truths, ns, sweeps=150, chains=256, warmup=30, generator=generator(1))
    for n, estimate in zip(ns, seen, strict=True):
        assert abs(estimate.z(one_unit_energy(outputs, inputs, n))) < 4.5  # 20 comparisons: fails 1 seed in 7000


REFERENCE = [
    (partial_concept_bottleneck_truth(*shape), learning.partial_concept_bottleneck(*shape))
    for shape in [(3, 2, 2, 5, 1, 1), (2, 3, 2, 6, 2, 2), (1, 3, 2, 5, 2, 1), (2, 2, 1, 3, 1, 1), (4, 3, 3, 6, 1, 2)]
]
REFERENCE += [
    (deep_linear_truth(widths, rank), learning.deep_linear(widths, rank))
    for widths, rank in [([3, 2, 2, 3], 0), ([3, 3, 3, 3], 1), ([4, 2, 3, 3], 1), ([3, 2, 4, 2], 1), ([2] * 5, 0)]
]
REFERENCE += [
    (observed_chain_truth(*shape), learning.observed_chain(*shape))
    for shape in [([4, 3, 3, 2, 3], [2, 4], (2, 1)), ([3, 3, 2, 2, 2], [1, 4], (1, 0))]
]


@pytest.mark.parametrize(("truth", "exact"), REFERENCE, ids=[str(t.network.widths) for t, _ in REFERENCE])
def test_mean_energies_follow_the_learning_coefficient(truth, exact):
    ns = [1e4, 1e7, 1e10]
    seen = estimate_energies([truth] * 3, ns, sweeps=60, chains=128, warmup=30, generator=generator(2))
    for n, estimate in zip(ns, seen, strict=True):
        # beyond the law: b(m−1)/log² n with |b| <= 3 in every case tried, and a power of 1/n, 0.05 at n = 1e4
        beyond = 3 * (exact.multiplicity - 1) / math.log(n) ** 2 + 0.05 * (1e4 / n) ** 0.5
        assert abs(estimate.mean - exact.mean_energy(n)) < 4.5 * estimate.error + beyond
        if exact.multiplicity == 1:  # a quarter more would be seen
            assert abs(estimate.mean - exact.mean_energy(n) - 0.25) > 4.5 * estimate.error + beyond


NETWORKS = {
    "two free layers": LinearNetwork((3, 2, 2), (0, 2)),
    "a partly observed layer": LinearNetwork((2, 3, 2), (1, 2)),
    "inner layers, some observed": LinearNetwork((3, 2, 3, 2), (0, 1, 2)),
    "fan-in beyond fan-out": LinearNetwork((5, 2, 1), (0, 1)),
}


def prior_after_rounds(network, design, rounds=12, cases=3000, beta=4.0, s=0.7, seed=3):
    """Weights and targets drawn jointly, then `rounds` of a sweep given the targets and of targets given the weights.

    Returns p-values of what must hold of the joint law: ‖W_l‖²/s² ~ χ², entries ~ N(0, s²), 2βE ~ χ² after a sweep.
    """
    g = generator(seed)
    shapes = [(a, b) for a, b in zip(network.widths[1:], network.widths, strict=False)]
    W = [s * torch.randn(cases, 1, *shape, dtype=torch.float64, generator=g) for shape in shapes]
    inputs = torch.linspace(0.5, 2.0, network.widths[0], dtype=torch.float64).expand(cases, -1) if design else None
    betas = torch.full((cases,), beta, dtype=torch.float64)
    for _ in range(rounds):
        signal, targets = torch.diag_embed(torch.ones(cases, network.widths[0]).double() if not design else inputs), []
        for weights, seen in zip(W, network.observed, strict=True):
            signal = weights[:, 0] @ signal
            clean = signal[:, signal.shape[1] - seen :]
            targets.append(clean + torch.randn(clean.shape, dtype=torch.float64, generator=g) / beta**0.5)
        posterior = Posterior(network, tuple(targets), betas, inputs, s)
        W, smooth = posterior.sweep(W, g)
    noises = sum(network.observed) * network.widths[0]
    values = [stats.kstest(2 * posterior.energy(W)[:, 0].numpy(), stats.chi2(noises).cdf).pvalue]
    values.append(2 * stats.norm.sf(abs((smooth.mean() - noises / 2) / smooth.std() * cases**0.5).item()))
    for weights in W:
        scaled = (weights / s)[:, 0].flatten(1).numpy()
        values.append(stats.kstest((scaled**2).sum(1), stats.chi2(scaled.shape[1]).cdf).pvalue)
        values += [stats.kstest(entry, stats.norm.cdf).pvalue for entry in scaled.T]
    return values


@pytest.mark.parametrize("design", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_sweep_leaves_the_joint_law_of_weights_and_targets_alone(name, design):
    values = prior_after_rounds(NETWORKS[name], design)
    assert min(values) > 1e-4 / len(values)  # fails 1 seed in 10 000 for each of the 8 cases


@pytest.mark.parametrize("mistake", ["exponent", "shear"])
def test_the_joint_law_shows_a_wrong_symmetry_move(monkeypatch, mistake):
    if mistake == "exponent":
        right = symmetry.log_ratio_draw
        monkeypatch.setattr(symmetry, "log_ratio_draw", lambda omega, nu, *rest: right(omega, nu + 0.5, *rest))
    else:  # the shear of a prior twice as wide

        def wrong(lower, upper, unobserved, prior_scale, g=None):
            symmetry.shear(lower, upper, unobserved, 2 * prior_scale, g)

        monkeypatch.setattr("lemmata.accel.learning.sampler.shear", wrong)
    assert min(prior_after_rounds(NETWORKS["two free layers"], False)) < 1e-8


def test_symmetry_moves_change_weights_and_no_observed_unit():
    g = generator(4)
    lower, upper = (torch.randn(50, 2, *s, dtype=torch.float64, generator=g) for s in ((4, 3), (2, 4)))
    product, seen = upper @ lower, lower[..., 2:, :].clone()
    for move in (symmetry.shear, symmetry.rescale):
        before = lower.clone()
        move(lower, upper, 2, 1.0, g)
        torch.testing.assert_close(upper @ lower, product, rtol=0, atol=1e-11)  # rounding at weights of order 10
        assert torch.equal(lower[..., 2:, :], seen)
        assert (lower[..., :2, :] != before[..., :2, :]).double().mean() > 0.5


@pytest.mark.parametrize("nu", [-3.0, -0.5, 0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("omega", [1e-5, 0.03, 1.0, 40.0])
def test_log_ratio_draw_has_its_density_and_rarely_stays(omega, nu):
    def log_density(y):
        return -omega * np.cosh(y) + nu * y

    centre = math.asinh(nu / omega)
    y = centre + np.linspace(-40, 40, 400_001) * min(1.0, (omega**2 + nu**2) ** -0.25 if omega > 1 else 1.0)
    density = np.exp(np.maximum(log_density(y) - log_density(np.float64(centre)), -700.0))
    cdf = integrate.cumulative_trapezoid(density, y, initial=0.0)
    start = torch.full((20_000,), math.nan, dtype=torch.float64)
    drawn = symmetry.log_ratio_draw(torch.full_like(start, omega), nu, start, generator(5))
    moved = drawn[~drawn.isnan()].numpy()
    assert moved.size > 0.5 * start.numel()
    assert stats.kstest(moved, lambda x: np.interp(x, y, cdf / cdf[-1])).pvalue > 1e-6  # 24 cases: 1 seed in 40 000


def test_data_posterior_has_the_energy_of_the_data_up_to_a_constant():
    rng = np.random.default_rng(6)
    network = LinearNetwork((3, 4, 2), (2, 2))
    X, Y = (torch.from_numpy(rng.standard_normal(shape)) for shape in ((30, 3), (30, 4)))
    posterior = Posterior.of_data(network, X, Y, [0.5, 2.0])
    V = torch.linalg.svd(X, full_matrices=False).Vh.mT
    gaps = []
    for _ in range(4):
        B, A = torch.from_numpy(rng.standard_normal((4, 3))), torch.from_numpy(rng.standard_normal((2, 4)))
        seen = torch.cat([(X @ B.mT)[:, 2:], X @ B.mT @ A.mT], 1)
        direct = 0.5 * torch.stack([0.5 * (seen - Y).square().sum(), 2.0 * (seen - Y).square().sum()])
        gaps.append(direct - posterior.energy([(B @ V).expand(2, 1, -1, -1), A.expand(2, 1, -1, -1)])[:, 0])
    for gap in gaps[1:]:
        torch.testing.assert_close(gap, gaps[0], rtol=1e-11, atol=1e-10)


def test_a_batch_of_cases_is_its_single_cases_in_law():
    rank_one, rank_none = deep_linear_truth([3, 3, 2, 2], 1), deep_linear_truth([3, 3, 2, 2], 0)
    truths, ns = [rank_one, rank_none, rank_one, rank_none], [50.0, 1e3, 1e6, 1e9]
    batch = estimate_energies(truths, ns, sweeps=50, chains=100, warmup=20, generator=generator(7))
    for truth, n, together in zip(truths, ns, batch, strict=True):
        alone = estimate_energy(truth, n, sweeps=50, chains=100, warmup=20, generator=generator(8))
        assert abs(together.mean - alone.mean) < 4.5 * math.hypot(together.error, alone.error)


def test_float32_keeps_its_dtype_and_agrees_with_float64_on_a_rotated_truth():
    rng = np.random.default_rng(9)
    G, H, F = (np.linalg.qr(rng.standard_normal((k, k)))[0] for k in (3, 4, 3))
    plain = reduced_rank_truth(3, 4, 3, 1)
    truth = Truth(plain.network, (H @ plain.layers[0] @ F, G @ plain.layers[1] @ H.T))
    W, smooth = Posterior.of_population([truth], [1e6], dtype=torch.float32).sweep(
        [w[:, None] + 0.01 for w in true_layers([truth], dtype=torch.float32)], generator(10)
    )
    assert {w.dtype for w in W} == {torch.float32}
    assert smooth.dtype == torch.float32
    for n in (1e5, 1e10):
        single = estimate_energy(truth, n, sweeps=80, chains=128, dtype=torch.float32, generator=generator(11))
        double = estimate_energy(truth, n, sweeps=80, chains=128, generator=generator(12))
        assert abs(single.mean - double.mean) < 4.5 * math.hypot(single.error, double.error)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sweep_runs_where_numbers_cannot_be_read(name):
    # tensors on the meta device have shapes alone: any .item(), .cpu() or branch on a value would raise
    network = NETWORKS[name]
    targets = tuple(torch.empty(5, seen, network.widths[0], device="meta") for seen in network.observed)
    posterior = Posterior(network, targets, torch.empty(5, device="meta"))
    layers = [torch.empty(5, a, b, device="meta") for a, b in zip(network.widths[1:], network.widths, strict=False)]
    W, smooth = posterior.sweep(posterior.start(7, layers))
    assert [tuple(w.shape) for w in W] == [(5, 7, *w.shape[1:]) for w in layers]
    assert smooth.shape == (5, 7)
    assert {w.device.type for w in W} == {"meta"}


def test_chains_beyond_the_memory_are_taken_in_blocks(monkeypatch):
    truth, sizes, start = reduced_rank_truth(3, 2, 4, 1), [], Posterior.start
    monkeypatch.setattr(
        Posterior, "start", lambda self, chains, *rest: sizes.append(chains) or start(self, chains, *rest)
    )
    monkeypatch.setattr(energy, "MEMORY", 10_000)
    seen = estimate_energy(truth, 1e6, sweeps=60, chains=256, generator=generator(13))
    assert sum(sizes) == 256
    assert len(sizes) > 1
    assert abs(seen.z(float(learning.reduced_rank(3, 2, 4, 1).value))) < 4.5


def test_the_same_seed_gives_the_same_estimate():
    truth = reduced_rank_truth(2, 2, 3, 1)
    first, again, other = (estimate_energy(truth, 1e4, sweeps=5, chains=8, generator=generator(s)) for s in (1, 1, 2))
    assert first == again
    assert first.mean != other.mean


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": -1.0}, "ns must be a number > 0, got -1.0"),
        ({"n": 1e13}, "n·prior_scale² must be <= 1e\\+12"),
        ({"n": 1e11, "dtype": torch.float32}, "n·prior_scale² must be <= 1e\\+10"),
        ({"dtype": torch.float16}, "dtype must be torch.float32 or torch.float64, got torch.float16"),
        ({"chains": 1}, "chains must be >= 2, got 1"),
        ({"sweeps": 0}, "sweeps must be >= 1, got 0"),
        ({"prior_scale": 0.0}, "prior_scale must be a number > 0"),
    ],
)
def test_bad_arguments_get_one_sentence(change, words):
    with pytest.raises(ValueError, match=words):
        estimate_energy(**({"truth": reduced_rank_truth(1, 1, 1, 0), "n": 10.0} | change))


def test_cases_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="same network"):
        estimate_energies([reduced_rank_truth(1, 1, 1, 0), reduced_rank_truth(1, 2, 1, 0)], [10.0, 10.0])
    with pytest.raises(ValueError, match="as many"):
        estimate_energies([reduced_rank_truth(1, 1, 1, 0)], [10.0, 10.0])
    network = LinearNetwork((2, 2, 1), (0, 1))
    with pytest.raises(ValueError, match="inputs must have shape"):
        Posterior.of_data(network, torch.zeros(1, 2), torch.zeros(1, 1), [1.0])
    with pytest.raises(ValueError, match="targets\\[1\\] must have shape"):
        Posterior(network, (torch.zeros(1, 0, 2), torch.zeros(1, 1, 3)), torch.ones(1))


def test_chains_that_break_down_say_so():
    huge = Truth(LinearNetwork((3, 3, 3), (0, 3)), (1e9 * np.diag([1.0, 0, 0]), np.eye(3)))
    with pytest.raises(ArithmeticError, match="the chains broke down"):
        estimate_energy(huge, 1e12, sweeps=5, chains=8, warmup=0, generator=generator(14))
