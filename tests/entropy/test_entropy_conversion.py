"""Mixtures of scikit-learn and torch keep their density on the way here."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as Fitted
from torch import distributions as td

from lemmata.theory.entropy import mixture_from_scikit_learn, mixture_from_torch

KINDS = {"full": "full", "tied": "tied", "diag": "diagonal", "spherical": "spherical"}


def log_density(mixture, x):
    parts = [
        np.log(w) + multivariate_normal(mixture.means[k], mixture.covariance(k)).logpdf(x).reshape(len(x))
        for k, w in enumerate(mixture.weights)
    ]
    return logsumexp(parts, axis=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [1, 3])
def test_a_fitted_model_keeps_its_density(kind, m):
    data = np.random.default_rng(0).standard_normal((200, m)) * np.arange(1, m + 1)
    model = Fitted(3, covariance_type=kind, random_state=0).fit(data)
    mixture = mixture_from_scikit_learn(model)
    assert mixture.kind == KINDS[kind]
    assert_allclose(log_density(mixture, data[:20]), model.score_samples(data[:20]), rtol=1e-10)


def test_a_model_fitted_in_float32_is_taken():
    data = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32)
    model = Fitted(4, random_state=0).fit(data)
    mixture = mixture_from_scikit_learn(model)
    assert abs(mixture.weights.sum() - 1) < 1e-15
    assert_allclose(log_density(mixture, data[:20].astype(float)), model.score_samples(data[:20]), rtol=1e-4)


def test_what_is_no_fitted_model_is_refused():
    with pytest.raises(ValueError, match="model must be fitted, got a GaussianMixture without covariances_"):
        mixture_from_scikit_learn(Fitted(2))
    with pytest.raises(TypeError, match="model must be a scikit-learn Gaussian mixture, got dict"):
        mixture_from_scikit_learn({})


def components():
    torch.manual_seed(0)
    loc = torch.randn(3, 2, dtype=torch.float64)
    root = torch.randn(3, 2, 5, dtype=torch.float64)
    full = td.MultivariateNormal(loc, root @ root.mT + torch.eye(2))
    low = td.LowRankMultivariateNormal(loc, root[..., :1], torch.full((3, 2), 0.3, dtype=torch.float64))
    scale = torch.tensor([[1.0, 2.0], [0.5, 1.0], [3.0, 0.1]], dtype=torch.float64, requires_grad=True)
    return {"full": full, "low rank": low, "diagonal": td.Independent(td.Normal(loc, scale), 1)}


@pytest.mark.parametrize("name", ["full", "low rank", "diagonal"])
def test_a_torch_mixture_keeps_its_density(name):
    labels = td.Categorical(logits=torch.tensor([0.3, -1.0, 2.0]))  # float32 weights
    q = td.MixtureSameFamily(labels, components()[name])
    x = q.sample((20,))
    found = log_density(mixture_from_torch(q), x.numpy())
    assert_allclose(found, q.log_prob(x).detach().numpy(), rtol=1e-6)  # the weights are kept in float32


def test_a_torch_mixture_on_the_line_keeps_its_density():
    loc, scale = torch.tensor([0.0, 3.0], dtype=torch.float64), torch.tensor([1.0, 2.0], dtype=torch.float64)
    labels = td.Categorical(torch.tensor([0.25, 0.75], dtype=torch.float64))
    q = td.MixtureSameFamily(labels, td.Normal(loc, scale))
    x = torch.linspace(-3, 8, 7, dtype=torch.float64)
    assert_allclose(log_density(mixture_from_torch(q), x.numpy()[:, None]), q.log_prob(x).numpy(), rtol=1e-13)


def test_other_families_and_batches_are_refused():
    labels = td.Categorical(torch.tensor([0.5, 0.5]))
    with pytest.raises(TypeError, match="Gaussian components, got Laplace"):
        mixture_from_torch(td.MixtureSameFamily(labels, td.Laplace(torch.zeros(2), torch.ones(2))))
    with pytest.raises(TypeError, match="must be a torch MixtureSameFamily, got Normal"):
        mixture_from_torch(td.Normal(0.0, 1.0))
    batch = td.MixtureSameFamily(td.Categorical(torch.ones(4, 2)), td.Normal(torch.zeros(4, 2), torch.ones(4, 2)))
    with pytest.raises(ValueError, match=r"must be one mixture, got batch shape \(4,\)"):
        mixture_from_torch(batch)
