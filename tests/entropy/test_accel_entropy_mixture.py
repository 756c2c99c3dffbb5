"""A mixture of tensors is checked at the door, keeps what it was given, and is the same mixture as theory's."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from lemmata.accel.entropy import TorchMixture, draw_points, log_density, monte_carlo_entropy
from lemmata.theory.entropy import GaussianMixture

KINDS = ["full", "tied", "diagonal", "spherical"]
HALVES = torch.tensor([0.5, 0.5], dtype=torch.float64)
ZEROS, ONES = torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
EYES = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)


def random_mixture(kind, seed, K=4, m=3):
    rng = np.random.default_rng(seed)
    covs = {
        "full": lambda: [np.cov(rng.standard_normal((m, 3 * m))) for _ in range(K)],
        "tied": lambda: np.cov(rng.standard_normal((m, 3 * m))),
        "diagonal": lambda: rng.gamma(2, size=(K, m)),
        "spherical": lambda: rng.gamma(2, size=K),
    }[kind]()
    return GaussianMixture(rng.dirichlet(np.ones(K)), 2 * rng.standard_normal((K, m)), covs, kind=kind)


def changed(tensor, index, value):
    out = tensor.clone()
    out[index] = value
    return out


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((changed(HALVES, 1, 0.4), ZEROS, ONES), r"weights must sum to 1 within 1e-12, got 0\.9"),
        ((changed(HALVES, 1, -0.5), ZEROS, ONES), "weights must be > 0, got -0.5 for component 1"),
        ((changed(HALVES, 0, torch.nan), ZEROS, ONES), "weights must be finite, got nan"),
        ((HALVES[None], ZEROS, ONES), r"weights must have shape \(K,\) with K >= 1, got \(1, 2\)"),
        ((HALVES[:0], ZEROS, ONES), "weights must have shape"),
        ((HALVES, ZEROS[:1], ONES), r"means must have shape \(2, m\) with m >= 1, got \(1, 3\)"),
        ((HALVES, ZEROS[:, :0], ONES), r"means must have shape \(2, m\) with m >= 1, got \(2, 0\)"),
        ((HALVES, changed(ZEROS, 0, torch.inf), ONES), "means must be finite, got inf"),
        ((HALVES, ZEROS, torch.ones(3).double()), r"\(2, 3, 3\) \(full\) or \(3, 3\) \(tied\) .* got \(3,\)"),
        ((HALVES, ZEROS[:, :2], EYES[0, :2, :2]), "could be tied or diagonal: kind must say which"),
        ((HALVES, ZEROS, changed(ONES, 1, 0.0)), "factors must have positive entries, got 0 for component 1"),
        (
            (HALVES, ZEROS, changed(EYES, (1, 2, 2), -3)),
            "factors must have a positive diagonal, got -3 for component 1",
        ),
        ((HALVES, ZEROS, -EYES[0]), "factors must have a positive diagonal, got -1 for the tied factor"),
        ((HALVES, ZEROS, changed(EYES, (0, 0, 2), 0.5)), "lower triangular, got 0.5 above the diagonal"),
        ((HALVES, ZEROS.float(), ONES), "means must have the dtype of weights, torch.float64, got torch.float32"),
        ((HALVES, ZEROS, ONES.to("meta")), "factors must be on the device of weights, cpu, got meta"),
    ],
)
def test_what_does_not_fit_is_named_in_a_sentence(parts, words):
    with pytest.raises(ValueError, match=words):
        TorchMixture(*parts)


def test_only_real_floating_tensors_are_taken():
    with pytest.raises(TypeError, match=r"means must be a torch tensor, got ndarray"):
        TorchMixture(HALVES, ZEROS.numpy(), ONES)
    with pytest.raises(TypeError, match=r"weights must be float64 or float32, got torch.int64"):
        TorchMixture(torch.tensor([1]), ZEROS[:1], ONES[:1])
    with pytest.raises(ValueError, match="kind must be one of full, tied, diagonal, spherical, got 'round'"):
        TorchMixture(HALVES, ZEROS, ONES, kind="round")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_survives_the_way_there_and_back(kind):
    mixture = random_mixture(kind, seed=1)
    back = TorchMixture.from_mixture(mixture).to_mixture()
    assert (back.weights == mixture.weights).all()
    assert (back.means == mixture.means).all()
    assert back.kind == kind
    assert_allclose(back.covariances, mixture.covariances, rtol=1e-13, atol=1e-14)  # Cholesky and back


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_the_same_mixture_to_seven_digits_and_widens_to_one_that_is_taken(kind):
    mixture = TorchMixture.from_mixture(random_mixture(kind, seed=2))
    narrow = mixture.to(torch.float32)
    assert narrow.dtype == torch.float32
    wide = narrow.to(torch.float64)
    assert abs(wide.weights.sum().item() - 1) < 1e-15
    assert_allclose(wide.factors, mixture.factors, rtol=6e-8)
    assert narrow.to_mixture().components == 4


def test_gradients_reach_the_tensors_that_were_given():
    means = ZEROS.clone().requires_grad_()
    mixture = TorchMixture(HALVES, means, ONES)
    assert mixture.means is means
    assert not mixture.detach().means.requires_grad
    assert repr(mixture) == "TorchMixture(2 components, 3 dimensions, spherical, torch.float64, cpu)"
    with pytest.raises(AttributeError):
        mixture.means = means


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_is_that_of_torchs_own_mixture(kind):
    mixture = random_mixture(kind, seed=3)
    covs = torch.tensor(np.stack([mixture.covariance(k) for k in range(4)]))
    parts = torch.distributions.MultivariateNormal(torch.tensor(mixture.means), covs)
    theirs = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.tensor(mixture.weights)), parts
    )
    points = 4 * torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = log_density(TorchMixture.from_mixture(mixture), points)
    assert_allclose(ours, theirs.log_prob(points), rtol=1e-11)  # condition numbers near 1e2, exponents near 1e2


def test_the_density_of_a_mixture_far_from_the_origin_keeps_its_digits():
    near = TorchMixture.from_mixture(random_mixture("full", seed=4))
    far = TorchMixture(near.weights, near.means + 2.0**20, near.factors)
    points = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # what is rounded are the shifted numbers themselves, to 2^-32
    assert_allclose(log_density(far, points + 2.0**20), log_density(near, points), atol=1e-6)


def test_points_must_go_with_the_mixture():
    mixture = TorchMixture(HALVES, ZEROS, ONES)
    with pytest.raises(ValueError, match=r"points must have shape \(n, 3\), got \(5, 2\)"):
        log_density(mixture, torch.zeros(5, 2).double())
    with pytest.raises(ValueError, match=r"points must be torch.float64 on cpu like the mixture, got torch.float32"):
        log_density(mixture, torch.zeros(5, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_means_and_covariances_of_their_components(kind):
    mixture = random_mixture(kind, seed=5)
    n = 40000
    points = draw_points(TorchMixture.from_mixture(mixture), n, generator=torch.Generator().manual_seed(1)).numpy()
    for k in range(4):
        cov = mixture.covariance(k)
        scale = np.sqrt(np.diag(cov))
        # 4 * (3 + 6) numbers of four mixtures, each beyond 5 standard errors once in 1.7 million
        assert (np.abs(points[k].mean(0) - mixture.means[k]) < 5 * scale / np.sqrt(n)).all()
        error = np.sqrt((np.outer(scale**2, scale**2) + cov**2) / n)
        assert (np.abs(np.cov(points[k].T) - cov) < 5 * error).all()


def test_the_sampled_entropy_of_one_component_meets_its_closed_form():
    mixture = TorchMixture(torch.ones(1).double(), ZEROS[:1], 2 * ONES[:1])
    points = draw_points(mixture, 20000, generator=torch.Generator().manual_seed(2))
    exact = 1.5 * np.log(2 * np.pi * np.e * 4)
    error = np.sqrt(1.5 / 20000)  # -log q is half a chi-squared variable with 3 degrees of freedom
    assert abs(monte_carlo_entropy(mixture, points).item() - exact) < 4.5 * error  # one seed in 150 000
