"""How many hidden units a linear map between measured quantities needs: the rank, chosen by singular BIC."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .. import _check
from .coefficient import LearningCoefficient
from .noise_units import orthonormal_inputs, response
from .reduced_rank import reduced_rank
from .selection import Selection
from .singular_bic import singular_bic


def select_rank(
    X: ArrayLike,
    Y: ArrayLike,
    max_rank: int | None = None,
    noise: ArrayLike | None = None,
    intercept: bool = True,
    prior: ArrayLike | None = None,
) -> Selection[int]:
    r"""Score the ranks 0..max_rank of reduced rank regression y = A B x (+ a) + Gaussian noise.

    The maximised log-likelihood of rank i, with σ_1 >= σ_2 >= … the singular values of the least-squares fit in units
    of the noise, is

    .. math:: \ell_i = \ell_{\text{full}} - \sum_{k > i} \tfrac12 \sigma_k^2 \ (\text{noise known}), \qquad
        \ell_i = \ell_{\text{full}} - \tfrac n2 \sum_{k > i} \log(1 + \sigma_k^2) \ (\text{unknown})

    and λ_ij = `reduced_rank` with i hidden units at rank j <= i.

    Parameters
    ----------
    X, Y : (n, N), (n, M)
        One row a datum; X of full column rank.
    max_rank : int, optional
        At most min(M, N), the default.
    noise : optional
        The known noise covariance, (M, M) or a number for the same variance everywhere; None where it is unknown,
        which needs n >= M + N (+ 1 with an intercept).  It is M(M+1)/2 parameters more in every candidate.
    intercept : bool
        An output bias in every candidate; X and Y are centred.
    prior : (max_rank + 1,), optional
        Weights > 0 of the ranks, equal by default.

    Returns
    -------
    Selection of int
        In units of X and, where the noise is unknown, of Y the choice does not depend.

    Raises ValueError for data that are not finite, do not match, or cannot tell the candidates apart (constant or
    dependent columns of X, too few rows, an output without noise).
    Source: M. Drton and M. Plummer, J. R. Statist. Soc. B 79 (2017) 323-380, section 5.1; docs/selection, section 2.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 4))
    >>> y = x[:, :1] * [[1.0, 2.0, -1.0]] + np.random.default_rng(1).normal(size=(200, 3))
    >>> select_rank(x, y).chosen
    1
    """
    Q = orthonormal_inputs(X, intercept)
    fit = response("Y", Y, Q, noise, "noise", intercept)
    M, N = fit.signal.shape
    top = min(M, N)
    most = top if max_rank is None else _check.integer("max_rank", max_rank, 0, top, f"min(outputs, inputs) = {top}")
    sigma = np.linalg.svd(fit.whitened, compute_uv=False)
    likelihoods = [fit.constant - fit.loss(sigma[i:]) for i in range(most + 1)]
    coefficients: list[Mapping[int, LearningCoefficient]] = [
        {j: reduced_rank(M, i, N, j, biases=intercept, unknown_noise=noise is None) for j in range(i + 1)}
        for i in range(most + 1)
    ]
    weights = np.ones(most + 1) if prior is None else _check.above("prior", prior, 0.0)
    if weights.shape != (most + 1,):
        raise ValueError(f"prior must have one weight per rank 0..{most}, got shape {weights.shape}")
    return singular_bic(likelihoods, coefficients, fit.n, np.log(weights), range(most + 1))
