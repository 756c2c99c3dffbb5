"""The compiled sums against plain NumPy, their symmetries, their memory, and that threads change no digit."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lemmata.sim.minimax import feature_game, fourier_features, kernel_sums, random_features
from lemmata.sim.minimax._kernels import torus_penalty
from lemmata.sim.minimax.features import slope_gram
from lemmata.theory.minimax.kernel_profile import kernel_profile

KERNELS = ("gaussian", "imq", "matern32", "matern52")


def slow_sums(kernel, lengthscale, x, z, a):
    """f and ∇f by differences of points, a pair at a time."""
    profile = kernel_profile(kernel, lengthscale)
    away = x[:, None] - z
    r = np.sqrt((away**2).sum(-1))
    return profile.value(r) @ a, np.einsum("ij,ijk->ik", profile.slope_ratio(r) * a, away)


def clouds(n, m, d, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.5, rng.standard_normal(m) / m


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (257, 513, 2), (300, 1100, 7), (5, 40, 50)])
def test_kernel_sums_are_what_plain_numpy_says(kernel, n, m, d):
    x, z, a = clouds(n, m, d, 1)
    seen = kernel_sums(kernel, 0.7 * d**0.5, x, z, a)
    values, gradients = slow_sums(kernel, 0.7 * d**0.5, x, z, a)
    # squared distances are off by 4e-16 R², R² near 100, and the sums add at most |a| of that
    scale = np.abs(a).sum()
    assert_allclose(seen.values, values, rtol=0, atol=1e-13 * scale)
    assert_allclose(seen.gradients, gradients, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_point_does_not_pull_itself(kernel):
    x = np.random.default_rng(2).standard_normal((40, 3))
    seen = [kernel_sums(kernel, 1.0, x[[i]], x[[i]]) for i in range(40)]
    # matern32 is the roughest: an error e of s² makes one of √e in s, here below 3e-8, but the value goes like s²
    assert_allclose([s.values[0] for s in seen], 1.0, rtol=0, atol=1e-14)
    assert_allclose([s.gradients[0] for s in seen], 0.0, rtol=0, atol=1e-15)


def test_kernel_sums_do_not_depend_on_where_the_origin_is():
    x, z, a = clouds(200, 300, 3, 3)
    here, there = kernel_sums("gaussian", 1.0, x, z, a), kernel_sums("gaussian", 1.0, x + 1e4, z + 1e4, a)
    assert_allclose(there.values, here.values, rtol=0, atol=1e-11)  # the shift itself rounds points by 1e-12
    assert_allclose(there.gradients, here.gradients, rtol=0, atol=1e-11)


def test_far_points_feel_nothing():
    seen = kernel_sums("gaussian", 1.0, [[1e3]], [[0.0]])
    assert 0.0 <= seen.values[0] < 1e-300
    assert abs(seen.gradients[0, 0]) < 1e-290


@pytest.mark.parametrize("kernel", KERNELS)
def test_threads_change_no_digit_of_kernel_sums(kernel):
    x, z, a = clouds(1500, 1300, 5, 4)
    one, three = (kernel_sums(kernel, 1.0, x, z, a, threads=threads) for threads in (1, 3))
    assert_array_equal(one.values, three.values)
    assert_array_equal(one.gradients, three.gradients)


def test_a_block_of_targets_does_not_see_the_others():
    x, z, a = clouds(600, 700, 4, 5)
    whole, part = kernel_sums("imq", 1.0, x, z, a), kernel_sums("imq", 1.0, x[256:512], z, a)
    assert_array_equal(whole.gradients[256:512], part.gradients)


def peak_bytes(work):
    work()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_grows_with_the_points_and_not_with_their_pairs():
    peaks = {}
    for n in (2000, 8000):
        x, z, a = clouds(n, n, 5, 6)
        peaks[n] = peak_bytes(lambda x=x, z=z, a=a: kernel_sums("gaussian", 1.0, x, z, a))
    # per point: five arrays of about d + 2 numbers for targets and sources; per block 256 × 512 numbers
    assert peaks[8000] - peaks[2000] < 6000 * 8 * 8 * (5 + 3)
    assert peaks[8000] < 0.01 * 8 * 8000**2 + 8 * 256 * 512


def slow_features(features, x, c):
    angles = x @ features.frequencies.T + features.phases
    means = features.amplitude * np.cos(angles).mean(0)
    return means, -features.amplitude * (np.sin(angles) * c) @ features.frequencies


@pytest.mark.parametrize(("n", "count", "d"), [(1, 1, 1), (70, 33, 2), (3000, 256, 5)])
def test_feature_directions_are_what_plain_numpy_says(n, count, d):
    x, y, _ = clouds(n, 50, d, 7)
    features = random_features(count, d, 0.5, seed=1)
    game = feature_game(features, y, ridge=0.2, penalty=0.3)
    c = np.random.default_rng(8).standard_normal(count)
    means, slopes = slow_features(features, x, c)
    # angles up to 30 are rounded to 4e-15
    assert_allclose(game.data_means, slow_features(features, y, c)[0], rtol=0, atol=1e-14)
    down, up = game.directions(x, c)
    assert_allclose(down, -slopes, rtol=0, atol=1e-12)
    sines = np.sin(y @ features.frequencies.T + features.phases)
    gram = (features.frequencies @ features.frequencies.T) * (sines.T @ sines) * features.amplitude**2 / len(y)
    assert_allclose(game.gram, gram, rtol=0, atol=1e-12)
    assert_allclose(up, means - game.data_means - 0.2 * c - 0.3 * gram @ c, rtol=0, atol=1e-12)
    assert_array_equal(game.min_direction(x, c), down)
    assert_array_equal(game.max_direction(x, c), up)


def test_the_circle_is_right_in_every_quadrant_and_far_out():
    angles = np.concatenate([np.linspace(-20, 20, 4001), [1e4, -1e4, 0.0]])
    game = feature_game(fourier_features([[1.0]], [0.0], 1.0), [[np.pi / 2]])
    down = np.array([game.min_direction(np.array([[t]]), np.ones(1))[0, 0] for t in angles])
    means = np.array([game.max_direction(np.array([[t]]), np.zeros(1))[0] for t in angles])
    room = 1e-15 + 4e-16 * np.abs(angles)  # the rounding of the angle
    assert (np.abs(down - np.sin(angles)) < room).all()
    assert (np.abs(means - np.cos(angles)) < room).all()


def test_threads_change_no_digit_of_features():
    x, y, _ = clouds(5000, 100, 3, 9)
    features = random_features(200, 3, 1.0)
    c = np.random.default_rng(10).standard_normal(200)
    one, three = (feature_game(features, y, penalty=0.1, threads=threads).directions(x, c) for threads in (1, 3))
    assert_array_equal(one[0], three[0])
    assert_array_equal(one[1], three[1])


def test_gram_is_the_mean_of_gradient_products():
    y = np.random.default_rng(11).standard_normal((9, 2))
    features = random_features(4, 2, 1.0)
    slow = np.zeros((4, 4))
    for point in y:
        gradient = -features.amplitude * np.sin(features.frequencies @ point + features.phases)[:, None]
        gradient = gradient * features.frequencies
        slow += gradient @ gradient.T / 9
    assert_allclose(slope_gram(features, y), slow, rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_stencil_is_differences_of_differences(n):
    f = np.random.default_rng(12).standard_normal(n)
    out = np.empty(n)
    torus_penalty(f, 0.7, 0.2 * n**2, out)
    D = n * (np.roll(np.eye(n), 1, axis=1) - np.eye(n))
    assert_allclose(out, 0.7 * f + 0.2 * D.T @ D @ f, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("matern12", 1.0, [[0.0]], [[0.0]]),
            "kernel must be one of gaussian, imq, matern32, matern52, got 'matern12'",
        ),
        (("gaussian", 0.0, [[0.0]], [[0.0]]), "lengthscale must be a number > 0, got 0.0"),
        (("gaussian", 1.0, [[0.0]], [[0.0, 1.0]]), r"sources must have shape \(1, 1\), got \(1, 2\)"),
        (("gaussian", 1.0, np.empty((0, 1)), [[0.0]]), r"targets must not be empty, got shape \(0, 1\)"),
        (("gaussian", 1.0, [[np.nan]], [[0.0]]), "targets must be finite, got nan"),
        (("gaussian", 1.0, [[0.0]], [[0.0]], [1.0, 2.0]), r"weights must have shape \(1,\), got \(2,\)"),
    ],
)
def test_bad_points_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(ValueError, match=message):
        kernel_sums(*arguments)
