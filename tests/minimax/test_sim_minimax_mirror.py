"""Mirror descent on measures against its bound, for the ridge loss and for an inf-convolved one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lemmata.sim.minimax import (
    inf_convolved_response,
    ridge_response,
    simulate_mirror_descent,
    support_embedding,
    torus_embedding,
)
from lemmata.sim.minimax import mirror_descent as module
from lemmata.theory.minimax.kernel_profile import kernel_profile
from lemmata.theory.minimax.mirror_descent import mirror_descent_bound


def measures(n, d, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return x, rng.dirichlet(np.full(n, 0.5)), rng.dirichlet(np.full(n, 2.0))


def divergence(p, q):
    return float(np.sum(p * np.log(np.where(p > 0, p / q, 1.0))))


@pytest.mark.parametrize("kernel", ["gaussian", "imq", "matern32", "matern52"])
@pytest.mark.parametrize(("n", "d", "ridge"), [(5, 1, 0.1), (60, 2, 1.0), (200, 10, 5.0)])
def test_the_ridge_loss_keeps_the_bound_whatever_the_dimension(kernel, n, d, ridge):
    x, target, start = measures(n, d, n)
    response = ridge_response(support_embedding(kernel, 1.0, x), target, ridge)
    bounds = [mirror_descent_bound(divergence(target, start), k, ridge) for k in range(1, 101)]
    run = simulate_mirror_descent(response, start, bounds[0].step, 100)
    assert (run.objectives[1:] <= np.array([b.bound for b in bounds]) * (1 + 1e-12)).all()
    assert (np.diff(run.objectives) <= 1e-15 / ridge).all()
    assert_allclose(run.weights.sum(), 1.0, rtol=1e-12)


@pytest.mark.parametrize(("n", "ridge"), [(8, 0.5), (40, 2.0)])
def test_the_inf_convolved_loss_keeps_the_bound_too(n, ridge):
    x, target, start = measures(n, 2, n + 1)
    response = inf_convolved_response(support_embedding("gaussian", 1.0, x), target, ridge)
    bounds = [mirror_descent_bound(divergence(target, start), k, ridge) for k in range(1, 41)]
    run = simulate_mirror_descent(response, start, bounds[0].step, 40)
    assert (run.objectives[1:] <= np.array([b.bound for b in bounds]) * (1 + 1e-12)).all()
    assert (run.objectives >= -1e-12).all()


def test_the_inner_problem_is_solved_and_its_critic_is_a_derivative():
    x, target, p = measures(6, 2, 3)
    embedding, ridge = support_embedding("imq", 1.0, x), 0.3
    response = inf_convolved_response(embedding, target, ridge)
    f, value = response(p)
    log_nu = np.log(target) + f
    nu = np.exp(log_nu) / np.exp(log_nu).sum()
    assert_allclose(embedding(p - nu) / ridge, f, rtol=0, atol=1e-11)
    rng = np.random.default_rng(4)
    for _ in range(50):  # no other ν does better
        other = rng.dirichlet(100 * nu)
        assert divergence(other, target) + 0.5 * (p - other) @ embedding(p - other) / ridge >= value - 1e-12
    move = rng.standard_normal(6) * p
    move -= p * move.sum()
    h = 1e-5
    slope = (response(p + h * move).objective - response(p - h * move).objective) / (2 * h)
    assert_allclose(slope, f @ move, rtol=1e-6)


def test_a_step_far_beyond_the_bound_does_not_keep_it():
    x, target, start = measures(40, 1, 5)
    response = ridge_response(support_embedding("gaussian", 0.2, x), target, 1.0)
    run = simulate_mirror_descent(response, start, 200.0, 50)
    assert (np.diff(run.objectives) > 0).any()


def test_blocks_and_a_kept_matrix_say_the_same(monkeypatch):
    x, target, start = measures(50, 3, 6)
    kept = support_embedding("matern52", 1.0, x)(target - start)
    monkeypatch.setattr(module, "TABLE", 1)
    assert_allclose(support_embedding("matern52", 1.0, x)(target - start), kept, rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [7, 8])
def test_the_torus_is_a_sum_over_wrapped_distances(n):
    xi = np.random.default_rng(n).standard_normal(n)
    i = np.arange(n)
    away = (i[:, None] - i) / n
    gram = sum(kernel_profile("gaussian", 0.15).value(np.abs(away + k)) for k in range(-4, 5))
    assert_allclose(torus_embedding(n, "gaussian", 0.15)(xi), gram / gram[0, 0] @ xi, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [64, 4096])
def test_on_a_ring_the_bound_holds_on_every_grid(n):
    angle = 2 * np.pi * np.arange(n) / n
    target = np.exp(2 * np.cos(angle))
    target /= target.sum()
    start = np.full(n, 1 / n)
    first = mirror_descent_bound(divergence(target, start), 1, 1.0)
    run = simulate_mirror_descent(
        ridge_response(torus_embedding(n, "gaussian", 0.1), target, 1.0), start, first.step, 200
    )
    assert (run.objectives[1:] <= first.bound / np.arange(1, 201) * (1 + 1e-12)).all()
    assert_allclose(first.bound, 0.5 * (2 * 0.69777465796400 - np.log(2.27958530233607)), rtol=1e-12)  # free of n


def test_what_starts_at_zero_stays_there():
    x, target, _ = measures(4, 1, 8)
    run = simulate_mirror_descent(
        ridge_response(support_embedding("gaussian", 1.0, x), target, 1.0), [0.5, 0.5, 0, 0], 2.0, 9
    )
    assert (run.weights[2:] == 0).all()
    assert_allclose(run.weights.sum(), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda e: ridge_response(e, [0.5, 0.4], 1.0), "target must sum to 1, got 0.9"),
        (lambda e: ridge_response(e, [1.5, -0.5], 1.0), "target must be >= 0, got -0.5"),
        (lambda e: ridge_response(e, [0.5, 0.5], 0.0), "ridge must be > 0"),
        (lambda e: inf_convolved_response(e, [1.0, 0.0], 1.0), "target must be positive everywhere"),
        (
            lambda e: simulate_mirror_descent(ridge_response(e, [0.5, 0.5], 1.0), [0.5, 0.5], -1.0, 1),
            "step must be a number > 0",
        ),
        (
            lambda e: simulate_mirror_descent(ridge_response(e, [0.5, 0.5], 1.0), [], 1.0, 1),
            "start must have at least 1",
        ),
        (lambda e: torus_embedding(1, "gaussian", 1.0), "points must be >= 2, got 1"),
    ],
)
def test_bad_measures_are_refused_in_one_sentence(work, message):
    with pytest.raises(ValueError, match=message):
        work(support_embedding("gaussian", 1.0, [[0.0], [1.0]]))
