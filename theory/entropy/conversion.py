"""Mixtures of other libraries as a `GaussianMixture`, told by what they carry: neither library is imported."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .mixture import GaussianMixture, Kind

Array = NDArray[np.float64]

KINDS: dict[str, Kind] = {"full": "full", "tied": "tied", "diag": "diagonal", "spherical": "spherical"}


def mixture_from_scikit_learn(model: Any) -> GaussianMixture:
    """The density of a fitted scikit-learn `GaussianMixture` or `BayesianGaussianMixture`, of any covariance_type.

    Weights kept in less than float64 are divided by their sum, and matrices by it left asymmetric are averaged with
    their transposes.  Raises TypeError where `model` has no covariance_type and ValueError where it is not fitted.
    """
    name = type(model).__name__
    if not hasattr(model, "covariance_type"):
        raise TypeError(f"model must be a scikit-learn Gaussian mixture, got {name}")
    if not hasattr(model, "covariances_"):
        raise ValueError(f"model must be fitted, got a {name} without covariances_")
    if model.covariance_type not in KINDS:
        raise ValueError(f"covariance_type must be one of {', '.join(KINDS)}, got {model.covariance_type!r}")
    kind = KINDS[model.covariance_type]
    covs = np.asarray(model.covariances_, dtype=float)
    if kind in ("full", "tied"):
        covs = 0.5 * (covs + np.swapaxes(covs, -1, -2))
    return GaussianMixture(_weights(np.asarray(model.weights_)), model.means_, covs, kind=kind)


def mixture_from_torch(distribution: Any) -> GaussianMixture:
    """The density of a torch `MixtureSameFamily` of Gaussians without batch dimensions, in float64.

    Components may be MultivariateNormal, LowRankMultivariateNormal, Normal, or Normal made Independent.  Logits are
    normalised in float64.  Raises TypeError for other families and ValueError for a batch of mixtures.
    """
    if not hasattr(distribution, "mixture_distribution") or not hasattr(distribution, "component_distribution"):
        raise TypeError(f"distribution must be a torch MixtureSameFamily, got {type(distribution).__name__}")
    logits = _array(distribution.mixture_distribution.logits)
    if logits.ndim != 1:
        raise ValueError(f"distribution must be one mixture, got batch shape {logits.shape[:-1]}")
    weights = _weights(np.exp(logits - logits.max()), always=True)
    part = distribution.component_distribution
    families = {base.__name__ for base in type(part).__mro__}
    if families & {"MultivariateNormal", "LowRankMultivariateNormal"}:
        covs = _array(part.covariance_matrix)
        return GaussianMixture(weights, _array(part.loc), 0.5 * (covs + np.swapaxes(covs, -1, -2)), kind="full")
    inner, independent = part, "Independent" in families
    if independent:
        inner = part.base_dist
        families = {base.__name__ for base in type(inner).__mro__}
    if "Normal" not in families:
        raise TypeError(f"distribution must have Gaussian components, got {type(inner).__name__}")
    means, deviations = _array(inner.loc), _array(inner.scale)
    if independent:
        return GaussianMixture(weights, means, deviations**2, kind="diagonal")
    return GaussianMixture(weights, means[:, None], deviations**2, kind="spherical")


def _weights(weights: NDArray[Any], always: bool = False) -> Array:
    out = weights.astype(np.float64)
    return out / out.sum() if always or weights.dtype.itemsize < 8 else out


def _array(tensor: Any) -> Array:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
