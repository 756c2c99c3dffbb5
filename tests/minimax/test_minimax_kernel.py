"""The constants of kernel critics are suprema: nothing exceeds them, and the stated atoms attain them."""

import tomllib
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.theory.minimax.kernel_constants import kernel_constants, penalised_constants
from lemmata.theory.minimax.kernel_profile import KERNELS, kernel_profile

CASES = tomllib.loads((Path(__file__).parents[1] / "reference" / "minimax.toml").read_text(encoding="utf-8"))
SMOOTH = ("gaussian", "imq", "matern32", "matern52")
FORMULAS = {
    "gaussian": lambda s: mpmath.exp(-(s**2) / 2),
    "imq": lambda s: 1 / mpmath.sqrt(1 + s**2),
    "matern32": lambda s: (1 + mpmath.sqrt(3) * s) * mpmath.exp(-mpmath.sqrt(3) * s),
    "matern52": lambda s: (1 + mpmath.sqrt(5) * s + 5 * s**2 / 3) * mpmath.exp(-mpmath.sqrt(5) * s),
    "matern12": lambda s: mpmath.exp(-s),
}


@pytest.mark.parametrize("case", ["R1", "R2"])
def test_the_constants_are_those_of_the_reference(case):
    row = CASES[case]
    found = kernel_constants(row["kernel"], row["lengthscale"], row["ridge"])
    for name in ("alpha", "beta1", "beta2", "K1", "K2"):
        assert getattr(found, name) == pytest.approx(row[name], rel=3e-15), name  # 15 digits are printed


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_profile_is_the_derivative_of_the_formula(cases, kernel):
    profile, worst = kernel_profile(kernel, 0.7), 0.0
    points = [0.05, 0.3, 0.7, 1.9, 4.0, *np.random.default_rng(0).uniform(0.01, 5.0, cases(0, 36)).tolist()]
    for r in points:
        with mpmath.workdps(30):
            value, slope, curvature = (
                float(mpmath.diff(lambda x: FORMULAS[kernel](x / mpmath.mpf("0.7")), mpmath.mpf(repr(r)), order))
                for order in (0, 1, 2)
            )
        assert profile.value(r) == pytest.approx(value, rel=1e-13)
        assert profile.slope(r) == pytest.approx(slope, rel=1e-13)
        assert profile.slope_ratio(r) == pytest.approx(slope / r, rel=1e-13)
        # the curvature changes sign: relative to its largest value
        assert profile.curvature(r) == pytest.approx(curvature, rel=1e-13, abs=1e-14 / 0.49)
        worst = max(worst, abs(profile.value(r) / value - 1), abs(profile.slope(r) / slope - 1))
    cases.record("closed forms of kernels: relative error", 4 * len(points), worst)


@pytest.mark.parametrize("kernel", SMOOTH)
def test_the_peaks_are_where_they_are_said_to_be_and_nowhere_exceeded(kernel):
    profile = kernel_profile(kernel, 1.0)
    shape = profile.shape
    r = np.linspace(0, 30, 300_001)
    assert abs(profile.slope(shape.slope_place)) == pytest.approx(shape.slope_peak, rel=1e-14)
    assert profile.curvature(shape.curvature_place) == pytest.approx(shape.curvature_peak, rel=1e-14)
    # a grid of step 1e-4 misses a smooth peak by a relative 1e-8 at most
    assert np.abs(profile.slope(r)).max() == pytest.approx(shape.slope_peak, rel=1e-8)
    curvatures = np.stack([profile.curvature(r), profile.slope_ratio(r)])
    assert curvatures.max() == pytest.approx(shape.curvature_peak, rel=1e-8)
    assert curvatures.min() == pytest.approx(-shape.gradient_square, rel=1e-14)
    assert profile.curvature(0.0) == profile.slope_ratio(0.0) == pytest.approx(-shape.gradient_square, rel=1e-14)


@pytest.mark.parametrize("kernel", ["gaussian", "imq", "matern52"])
def test_K2_is_the_fourth_derivative_at_the_origin(kernel):
    with mpmath.workdps(40):
        fourth = mpmath.taylor(FORMULAS[kernel], 0, 4)[4] * 24
    assert kernel_profile(kernel, 1.0).shape.hessian_square == pytest.approx(float(fourth), rel=1e-12)


def critic_gradient(profile, x, points, signs):
    """∇ of Σ signs k(x, point) at x, (d,)."""
    steps = x - points
    return (signs * profile.slope_ratio(np.linalg.norm(steps, axis=1))) @ steps


def critic_hessian(profile, x, points, signs):
    steps = x - points
    r = np.linalg.norm(steps, axis=1)
    across = profile.slope_ratio(r)
    along = np.divide(profile.curvature(r) - across, r**2, out=np.zeros_like(r), where=r > 0)
    return np.einsum("n,ni,nj->ij", signs * along, steps, steps) + (signs @ across) * np.eye(len(x))


@pytest.mark.parametrize("kernel", SMOOTH)
@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_no_random_pair_of_measures_exceeds_the_constants(cases, kernel, dimension):
    rng, count, tightest = np.random.default_rng(dimension), cases(250, 2400), 0.0
    length, ridge = 0.8, 0.3
    profile, bound = kernel_profile(kernel, length), kernel_constants(kernel, length, ridge)
    for _ in range(count):
        n = int(rng.integers(1, 4))
        x, y, z = rng.normal(size=(3, n, dimension)) * rng.choice([0.3, 1.0, 3.0])
        at = rng.normal(size=dimension)
        signs = np.full(n, 1 / n) / ridge
        both, pair = np.concatenate([signs, -signs]), np.concatenate([x, y])
        slope = np.linalg.norm(critic_gradient(profile, at, pair, both))
        assert slope <= bound.alpha * (1 + 1e-12)
        curvature = np.linalg.norm(critic_hessian(profile, at, pair, both), 2)
        assert curvature <= bound.beta1 * (1 + 1e-12)
        # the coupling by index is one of the couplings, so its cost is at least W1
        cost = np.linalg.norm(x - z, axis=1).mean()
        apart = critic_gradient(profile, at, np.concatenate([x, z]), both)
        assert np.linalg.norm(apart) <= bound.beta2 * cost * (1 + 1e-12)
        shares = (slope / bound.alpha, curvature / bound.beta1, np.linalg.norm(apart) / (bound.beta2 * cost))
        tightest = max(tightest, *shares)
    cases.record("constants of kernel critics, random attack: share of the bound", count, tightest)


@pytest.mark.parametrize("kernel", SMOOTH)
@pytest.mark.parametrize("dimension", [1, 3])
def test_the_stated_atoms_attain_the_constants(kernel, dimension):
    length, ridge = 1.3, 0.7
    profile, bound = kernel_profile(kernel, length), kernel_constants(kernel, length, ridge)
    shape = profile.shape
    x, e = np.zeros(dimension), np.eye(dimension)[0]
    signs = np.array([1.0, -1.0]) / ridge
    far = length * shape.slope_place * e
    assert np.linalg.norm(critic_gradient(profile, x, np.stack([far, -far]), signs)) == pytest.approx(bound.alpha)
    bend = np.stack([length * shape.curvature_place * e, x])
    assert critic_hessian(profile, x, bend, signs)[0, 0] == pytest.approx(bound.beta1, rel=1e-13)
    t = 1e-6
    close = critic_gradient(profile, x, np.stack([t * e, -t * e]), signs)
    # matern32 has a third derivative at 0, so the ratio misses by √3 · 2e-6 or so
    assert np.linalg.norm(close) / (2 * t) == pytest.approx(bound.beta2, rel=1e-5)


@given(st.sampled_from(SMOOTH), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_constants_scale_with_ridge_and_lengthscale(kernel, length, ridge):
    unit, found = kernel_constants(kernel, 1.0, 1.0), kernel_constants(kernel, length, ridge)
    assert found.alpha * ridge * length == pytest.approx(unit.alpha, rel=1e-12)
    for name in ("beta1", "beta2"):
        assert getattr(found, name) * ridge * length**2 == pytest.approx(getattr(unit, name), rel=1e-12)
    assert found.beta1 >= found.beta2
    assert found.K2 * length**4 == pytest.approx(unit.K2, rel=1e-12)


@pytest.mark.parametrize("block", range(3))
def test_a_penalised_critic_stays_within_its_bounds(cases, block):
    """A⁻¹(m_μ − m_μ₀), A = λ + ρG, solved on the span of derivatives of the kernel on the line."""
    count = cases(30, 300)
    shares = [penalised_share(np.random.default_rng(seed)) for seed in range(count * block, count * (block + 1))]
    assert max(shares) <= 1
    cases.record("bounds of penalised critics: share of the bound", count, max(shares))


def penalised_share(rng):
    """The largest of α, β₁ and β₂ seen over its bound."""
    ridge, rho = rng.uniform(0.1, 1.0), rng.exponential()
    data, moved, other = rng.normal(size=(3, 6)) * rng.choice([0.3, 1.0])
    profile, bound = kernel_profile("gaussian", 1.0), penalised_constants("gaussian", 1.0, ridge)
    grid = np.linspace(-4, 4, 161)

    def derivative(x, y):  # ∂_x k(x, y)
        return -(x[:, None] - y) * profile.value(np.abs(x[:, None] - y))

    def penalised_slope(points):
        """The gradient on the grid of f = (g − ρ Σ w_i ∂k_{x_i})/λ, where w_i = f'(x_i)/N solves a linear system."""
        cross = (1 - (data[:, None] - data) ** 2) * profile.value(np.abs(data[:, None] - data))  # ∂∂'k
        slope = (derivative(data, points) - derivative(data, data)).mean(1)
        w = np.linalg.solve(ridge * np.eye(6) + rho * cross / 6, slope)
        tall = (1 - (grid[:, None] - data) ** 2) * profile.value(np.abs(grid[:, None] - data))
        free = (derivative(grid, points).mean(1) - derivative(grid, data).mean(1)) / ridge
        return free - rho / ridge * tall @ w / 6

    first, second = penalised_slope(moved), penalised_slope(other)
    distance = np.abs(np.sort(moved) - np.sort(other)).mean()
    return max(
        np.abs(first).max() / bound.alpha,
        np.abs(np.diff(first) / np.diff(grid)).max() / bound.beta1,
        np.abs(first - second).max() / (bound.beta2 * distance),
    )


def test_a_small_domain_has_smaller_penalised_bounds():
    whole, small = penalised_constants("gaussian", 1.0, 1.0), penalised_constants("gaussian", 1.0, 1.0, diameter=0.5)
    assert whole.oscillation == 1.0
    assert small.oscillation == pytest.approx(1 - np.exp(-0.125), rel=1e-13)
    assert small.alpha == pytest.approx(whole.alpha * small.oscillation**0.5, rel=1e-13)
    assert small.beta2 == whole.beta2


def test_a_kernel_with_a_kink_has_no_curvature_bound():
    found = kernel_constants("matern12", 2.0, 0.5)
    assert (found.alpha, found.beta1, found.beta2) == (2.0, np.inf, np.inf)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gaussian", 1.0, 0.0), "ridge must be > 0, as this needs strong concavity, got 0"),
        (("gaussian", 1.0, -0.5), "ridge must be > 0, as this needs strong concavity, got -0.5"),
        (("gaussian", 0.0, 1.0), "lengthscale must be a number > 0, got 0.0"),
        (("gaussian", -1.0, 1.0), "lengthscale must be a number > 0, got -1.0"),
        (("gaussian", float("nan"), 1.0), "lengthscale must be finite, got nan"),
        (("gaussian", 1.0, float("inf")), "ridge must be finite, got inf"),
        (("cosine", 1.0, 1.0), "kernel must be one of gaussian, imq, matern32, matern52, matern12, got 'cosine'"),
    ],
)
def test_bad_kernels_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        kernel_constants(*arguments)
    assert str(caught.value) == message


def test_other_bad_arguments_of_kernels_are_refused():
    with pytest.raises(ValueError, match=r"^diameter must be a number > 0, got 0\.0$"):
        penalised_constants("gaussian", 1.0, 1.0, diameter=0.0)
    with pytest.raises(ValueError, match=r"^distance must be >= 0, got -1$"):
        kernel_profile("imq", 1.0).value([-1.0])
    with pytest.raises(TypeError, match=r"^kernel must be a word, got 3$"):
        kernel_profile(3, 1.0)
