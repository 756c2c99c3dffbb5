"""A mixture of fewer dimensions with the same gap."""

import numpy as np
from scipy.linalg import solve_triangular

from ...theory.entropy.mixture import GaussianMixture


def same_gap(mixture: GaussianMixture) -> GaussianMixture:
    """A mixture with the same Δ: one common covariance is whitened, and only the span of the means is kept.

    What is dropped are coordinates in which all components have one law and that are independent of the rest, so that
    they say nothing about the label.  Mixtures without a common covariance are returned as they are.
    Source: docs/entropy, theorem 11.
    """
    if mixture.kind == "tied":
        white = solve_triangular(mixture.factors[0], (mixture.means - mixture.means[0]).T, lower=True).T
    elif mixture.kind == "spherical" and (mixture.covariances == mixture.covariances[0]).all():
        white = (mixture.means - mixture.means[0]) / mixture.factors[0]
    else:
        return mixture
    if mixture.dimension >= mixture.components:
        # rows of `white` are R^T rows of an orthonormal basis: R's columns are the means in that basis
        white = np.linalg.qr(white[1:].T)[1].T
        white = np.concatenate([np.zeros((1, white.shape[1])), white])
    if mixture.components == 1:
        white = np.zeros((1, 1))
    return GaussianMixture(mixture.weights, white, np.ones(len(white)), kind="spherical")
