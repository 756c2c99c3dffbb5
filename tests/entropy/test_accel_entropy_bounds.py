"""The twins of theory's bounds: the same values, and gradients that are those of the values."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lemmata import theory
from lemmata.accel.entropy import (
    TorchMixture,
    approximate_entropy,
    gap_bounds,
    label_entropy,
    log_one_sided_gaps,
    log_pair_gaps,
    one_sided_gaps,
    pair_gaps,
    pair_spectrum,
    saddle_line,
)
from lemmata.theory.entropy import GaussianMixture, derivative_bound

TABLE = tomllib.loads((Path(__file__).parents[1] / "reference" / "entropy.toml").read_text())
NAMES = ("pairwise", "bhattacharyya", "chernoff_mixture", "mixing", "separation_ratio", "one_pair", "kl_mixture")
KINDS = ["full", "tied", "diagonal", "spherical"]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
float64 = torch.float64


def random_mixture(kind, rng, K, m, spread=2.0):
    covs = {
        "full": lambda: [np.cov(rng.standard_normal((m, 3 * m + 2))).reshape(m, m) for _ in range(K)],
        "tied": lambda: np.cov(rng.standard_normal((m, 3 * m + 2))).reshape(m, m),
        "diagonal": lambda: rng.gamma(2, size=(K, m)),
        "spherical": lambda: rng.gamma(2, size=K),
    }[kind]()
    weights = rng.dirichlet(np.ones(K))
    return GaussianMixture(weights / weights.sum(), spread * rng.standard_normal((K, m)), covs, kind=kind)


def off_diagonal(table):
    return np.asarray(table.detach().cpu() if isinstance(table, torch.Tensor) else table)[
        ~np.eye(len(table), dtype=bool)
    ]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("K", "m", "spread"), [(1, 2, 1), (2, 1, 1), (5, 3, 2), (4, 20, 0.3), (3, 4, 30)])
def test_values_are_those_of_theory(kind, K, m, spread, device):
    mixture = random_mixture(kind, np.random.default_rng(K * m), K, m, spread)
    twin = TorchMixture.from_mixture(mixture, device=device)
    theirs, ours = theory.entropy.gap_bounds(mixture), gap_bounds(twin)
    # log det and exponents are rounded absolutely: what is below e^-300 has lost two digits more
    for name in NAMES:
        assert getattr(ours, name).item() == pytest.approx(getattr(theirs, name), rel=1e-12, abs=1e-300), name
    assert ours.upper.item() == pytest.approx(theirs.upper, rel=1e-12, abs=1e-300)
    assert ours.lower.item() == pytest.approx(theirs.lower, rel=1e-12, abs=1e-300)
    assert approximate_entropy(twin).item() == pytest.approx(theory.entropy.approximate_entropy(mixture), rel=1e-12)
    assert label_entropy(twin).item() == pytest.approx(theory.entropy.label_entropy(mixture), rel=1e-12)
    logs = off_diagonal(theory.entropy.log_one_sided_gaps(mixture))
    assert_allclose(off_diagonal(log_one_sided_gaps(twin)), logs, rtol=1e-12, atol=1e-12)
    assert_allclose(off_diagonal(pair_gaps(twin)), off_diagonal(theory.entropy.pair_gaps(mixture)), rtol=1e-11)
    assert (pair_gaps(twin).diagonal() == 0).all()
    assert (log_pair_gaps(twin).diagonal() == -torch.inf).all()


@pytest.mark.parametrize("row", TABLE["pair"])
def test_a_pair_with_one_covariance_has_the_gap_of_the_reference(row):
    means = torch.tensor([[0.0] * 5, [row["distance"] / 5**0.5] * 5], dtype=float64)
    weights = torch.tensor([row["weight"], 1 - row["weight"]], dtype=float64)
    for factors in (torch.ones(2, dtype=float64), torch.eye(5, dtype=float64)):
        assert pair_gaps(TorchMixture(weights, means, factors))[0, 1].item() == pytest.approx(row["gap"], rel=1e-12)


def test_scales_that_differ_leave_digits_to_a_gap_of_1e_73():
    row = TABLE["far"]
    weights, means, factors = (torch.tensor(row[name], dtype=float64) for name in ("weights", "means", "deviations"))
    # thirteen digits are given
    assert pair_gaps(TorchMixture(weights, means[:, None], factors))[0, 1].item() == pytest.approx(
        row["gap"], rel=2e-12
    )


@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.integers(1, 5), st.integers(1, 8), st.floats(0, 5))
@settings(max_examples=25)
def test_random_mixtures_have_theorys_pair_gaps(seed, kind, K, m, spread):
    mixture = random_mixture(kind, np.random.default_rng(seed), K, m, spread)
    theirs, ours = theory.entropy.overlap(mixture), log_one_sided_gaps(TorchMixture.from_mixture(mixture))
    allowed = off_diagonal(theirs.rounding)  # which either side may have lost
    assert (np.abs(off_diagonal(ours) - off_diagonal(theirs.log_sides)) <= 2 * allowed).all()


@pytest.mark.parametrize("scales", [(1.0, 1e5), (1e-3, 1e3)])
def test_wide_ratios_keep_their_digits(scales):
    a = np.diag([1.0, 1.0]) + 0.5
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    b = turn @ np.diag(np.square(scales)) @ turn.T
    mixture = GaussianMixture([0.4, 0.6], [[0.0, 0.0], [1.0, 2.0]], [a, 0.5 * (b + b.T)])
    theirs = theory.entropy.overlap(mixture)
    ours = log_one_sided_gaps(TorchMixture.from_mixture(mixture))
    assert (np.abs(off_diagonal(ours) - off_diagonal(theirs.log_sides)) <= 2 * off_diagonal(theirs.rounding)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("K", "m", "spread"), [(2, 1, 1), (5, 3, 2), (4, 20, 0.5), (3, 100, 0.3)])
def test_float32_errs_by_no_more_than_stated(kind, K, m, spread):
    mixture = TorchMixture.from_mixture(random_mixture(kind, np.random.default_rng(K * m), K, m, spread))
    narrow = mixture.to(torch.float32)
    wide = narrow.to(float64)  # the same numbers
    exact, seen = off_diagonal(log_pair_gaps(wide)), off_diagonal(log_pair_gaps(narrow))
    assert (np.abs(seen - exact) <= 1e-6 * (m + np.abs(exact))).all()
    exact, seen = gap_bounds(wide), gap_bounds(narrow)
    for name in NAMES:
        value = getattr(exact, name).item()
        assert abs(getattr(seen, name).item() / value - 1) <= 1e-6 * (m + abs(np.log(value))), name
        assert getattr(seen, name).dtype == torch.float32


def test_a_weight_near_one_does_not_hide_the_others():
    mixture = TorchMixture(
        torch.tensor([1.0, 1e-30], dtype=float64), torch.zeros(2, 1, dtype=float64), torch.ones(2).double()
    )
    assert label_entropy(mixture).item() == pytest.approx(1e-30 * (1 - np.log(1e-30)), rel=1e-14)


def test_distances_that_overflow_are_refused_by_pair():
    means = torch.tensor([[0.0], [1.0], [1e25]])
    with pytest.raises(ValueError, match=r"variance ratios below 3e.30, got .* between components 0 and 2"):
        pair_gaps(TorchMixture(torch.tensor([0.5, 0.25, 0.25]), means, torch.ones(3)))


# -- gradients ---------------------------------------------------------------------------------------------------------


def cases():
    """Logits, means and raw factors; the diagonal of a factor is the exponential of the raw one's."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(*shape, dtype=float64, generator=generator)

    K, m = 3, 3
    raw = 0.4 * normal(K, m, m)
    same = raw[:1].repeat(K, 1, 1)
    wide = torch.diag_embed(torch.tensor([[0.0, -2, 2], [2, 0, -2], [-2, -2, 2]], dtype=float64)) + 0.1 * raw.tril(-1)
    return {
        "full, different": ("full", normal(K), 2 * normal(K, m), raw),
        "full, equal": ("full", normal(K), 2 * normal(K, m), same),
        "full, all unit": ("full", normal(K), 2 * normal(K, m), torch.zeros(K, m, m, dtype=float64)),
        "full, equal but for 1e-12": ("full", normal(K), 2 * normal(K, m), same + 1e-12 * normal(K, m, m)),
        "full, equal but for 1e-7": ("full", normal(K), 2 * normal(K, m), same + 1e-7 * normal(K, m, m)),
        "full, two equal axes": (
            "full",
            normal(K),
            2 * normal(K, m),
            raw * torch.tensor([1.0, 0, 0]).outer(torch.tensor([1.0, 0, 0])),
        ),
        "full, equal means": ("full", normal(K), torch.zeros(K, m, dtype=float64), raw),
        "full, identical": ("full", normal(K), torch.zeros(K, m, dtype=float64), same),
        "full, scales from 1/7 to 7": ("full", normal(K), 0.1 * normal(K, m), wide),
        "full, weights to 1e-17": ("full", torch.tensor([0.0, -20, -40], dtype=float64), 2 * normal(K, m), raw),
        "full, far": ("full", normal(K), 12 * normal(K, m), raw),
        "full, one dimension": ("full", normal(2), normal(2, 1), normal(2, 1, 1)),
        "full, one component": ("full", normal(1), normal(1, 2), normal(1, 2, 2)),
        "tied": ("tied", normal(K), 2 * normal(K, m), raw[0]),
        "diagonal": ("diagonal", normal(K), 2 * normal(K, m), normal(K, m)),
        "diagonal, equal": ("diagonal", normal(K), 2 * normal(K, m), torch.zeros(K, m, dtype=float64)),
        "spherical": ("spherical", normal(K), 2 * normal(K, m), normal(K)),
    }


CASES = cases()


def built(kind, logits, means, raw):
    if kind in ("full", "tied"):
        raw = raw.tril(-1) + torch.diag_embed(raw.diagonal(dim1=-2, dim2=-1).exp())
    else:
        raw = raw.exp()
    return TorchMixture(logits.softmax(0), means, raw, kind=kind)


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_gaps_and_bounds_are_those_of_differences(case):
    kind, *parts = CASES[case]
    smooth = [name for name in NAMES if name != "separation_ratio"]  # a spectral norm, and so not smooth

    def values(*parts):
        mixture = built(kind, *parts)
        bounds = gap_bounds(mixture)
        apart = ~torch.eye(mixture.components, dtype=torch.bool)
        gaps = (one_sided_gaps(mixture)[apart], log_one_sided_gaps(mixture)[apart], log_pair_gaps(mixture)[apart])
        return approximate_entropy(mixture), *gaps, *(getattr(bounds, name) for name in smooth)

    # differences of step 1e-6 are good to 1e-6 of the value at best
    parts = [part.clone().requires_grad_() for part in parts]
    assert torch.autograd.gradcheck(values, parts, eps=1e-6, atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("case", ["full, different", "full, far", "tied", "diagonal", "spherical"])
def test_gradients_of_the_separation_ratio_are_those_of_differences_where_it_is_smooth(case):
    kind, *parts = CASES[case]
    parts = [part.clone().requires_grad_() for part in parts]
    assert torch.autograd.gradcheck(lambda *p: gap_bounds(built(kind, *p)).separation_ratio, parts, atol=2e-6)


@pytest.mark.parametrize("case", ["full, identical", "full, equal means", "full, all unit", "full, one component"])
def test_no_gradient_is_ever_nan(case):
    kind, *parts = CASES[case]
    parts = [part.clone().requires_grad_() for part in parts]
    with torch.autograd.set_detect_anomaly(True):  # raises for a NaN on the way too
        bounds = gap_bounds(built(kind, *parts))
        total = sum(getattr(bounds, name) for name in NAMES) + bounds.upper + bounds.lower
        for gradient in torch.autograd.grad(total, parts, allow_unused=True):
            assert gradient is None or torch.isfinite(gradient).all()


def gradient_of_pairwise(kind, parts):
    parts = [part.clone().requires_grad_() for part in parts]
    return torch.autograd.grad(gap_bounds(built(kind, *parts)).pairwise, parts)


def test_the_line_of_integration_does_not_matter(monkeypatch):
    kind, *parts = CASES["full, different"]
    here = gradient_of_pairwise(kind, parts)
    monkeypatch.setattr(saddle_line, "saddle_point", lambda ratios, *rest: torch.full_like(ratios[:, 0], 0.7))
    for one, other in zip(here, gradient_of_pairwise(kind, parts), strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-11)  # off the saddle a few digits cancel


def test_pairs_taken_in_many_chunks_have_the_same_gradients(monkeypatch):
    kind, *parts = CASES["full, different"]
    whole = gradient_of_pairwise(kind, parts)
    monkeypatch.setattr(pair_spectrum, "ENTRIES", 1)
    mixture = built(kind, *parts)
    assert len(list(pair_spectrum.pair_chunks(mixture))) == 3
    for one, other in zip(whole, gradient_of_pairwise(kind, parts), strict=True):
        assert_allclose(one, other, rtol=1e-13, atol=1e-15)


def test_nodes_taken_in_many_blocks_have_the_same_gradients(monkeypatch):
    kind, *parts = CASES["full, different"]
    whole = gradient_of_pairwise(kind, parts)
    monkeypatch.setattr(saddle_line, "BLOCK", 20)
    for one, other in zip(whole, gradient_of_pairwise(kind, parts), strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_full_factors_that_are_diagonal_have_the_gradients_of_diagonal_ones():
    logs = torch.tensor([[0.0, -8, 8], [-9, 9, 0], [3, 3, 3]], dtype=float64)  # ratios to 1e15: by singular values
    means = torch.tensor([[0.0, 0, 0], [0.1, 1e-4, 3], [0.2, -0.1, -1]], dtype=float64)
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=float64)
    found = []
    for kind in ("full", "diagonal"):
        inputs = [means.clone().requires_grad_(), logs.clone().requires_grad_()]
        factors = inputs[1].exp() if kind == "diagonal" else torch.diag_embed(inputs[1].exp())
        total = gap_bounds(TorchMixture(weights, inputs[0], factors, kind=kind)).pairwise
        found.append(torch.autograd.grad(total, inputs))
    for full, diagonal in zip(*found, strict=True):
        assert_allclose(full, diagonal, rtol=1e-11, atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
@settings(max_examples=20)
def test_the_slope_of_two_components_gap_stays_under_the_derivative_bound(seed, kind):
    rng = np.random.default_rng(seed)
    mixture = random_mixture(kind, rng, 2, int(rng.integers(1, 6)))
    twin = TorchMixture.from_mixture(mixture)
    means = twin.means.clone().requires_grad_()
    gap = gap_bounds(TorchMixture(twin.weights, means, twin.factors, kind=kind)).pairwise
    (slope,) = torch.autograd.grad(gap, means)
    assert (slope.norm(dim=1).numpy() <= derivative_bound(mixture) * (1 + 1e-9)).all()
    # moving both means together changes nothing
    assert slope.sum(0).norm() <= 1e-11 * (1 + slope.norm())


def test_second_derivatives_are_refused_and_not_wrong():
    kind, *parts = CASES["full, different"]
    for name in ("pairwise", "bhattacharyya", "kl_mixture"):
        means = parts[1].clone().requires_grad_()
        value = getattr(gap_bounds(built(kind, parts[0], means, parts[2])), name)
        (slope,) = torch.autograd.grad(value, means, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            slope.sum().backward()
