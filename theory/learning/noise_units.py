"""Linear regression reduced to what model selection needs: the fitted targets in units of their noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from .. import _check
from ..numerical_rank import numerical_rank

EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Response:
    r"""Targets Y (n, M) regressed on X, with Gaussian noise of known or unknown covariance.

    A linear model that predicts F in place of the least-squares fit has the maximised log-likelihood
    `constant` − `loss`(σ), σ the singular values of R^{-1} (Z − F):

    .. math:: \ell = \text{constant} - \tfrac12 \sum_k \sigma_k^2 \quad (\text{known}), \qquad
        \ell = \text{constant} - \tfrac n2 \sum_k \log(1 + \sigma_k^2) \quad (\text{unknown})

    Attributes
    ----------
    signal : (M, N)
        Z = (Q_X^T Y)^T, the least-squares fit in the orthonormal coordinates of the inputs.
    root : (M, M)
        Lower triangular R with R R^T = G: the known covariance, or what least squares leaves,
        (Y − Q_X Z^T)^T (Y − Q_X Z^T).
    known : bool
    n : int
    constant : float
        The log-likelihood of the model that fits best of all linear ones.
    """

    signal: NDArray[np.float64]
    root: NDArray[np.float64]
    known: bool
    n: int
    constant: float

    def loss(self, sigma: NDArray[np.floating[Any]]) -> float:
        """What the log-likelihood loses to residual singular values `sigma`, in nats."""
        return float(0.5 * (sigma**2).sum() if self.known else 0.5 * self.n * np.log1p(sigma**2).sum())

    @property
    def whitened(self) -> NDArray[np.float64]:
        """(M, N) R^{-1} Z: the signal in units of the noise."""
        return np.asarray(solve_triangular(self.root, self.signal, lower=True))


def orthonormal_inputs(X: ArrayLike, intercept: bool) -> NDArray[np.float64]:
    """Q_X (n, N), orthonormal columns that span those of X, centred where asked.

    Raises ValueError for a constant column beside an intercept, a column of zeros, or columns that depend linearly.
    """
    x = _check.matrix("X", X)
    n, N = x.shape
    if N < 1:
        raise ValueError("X must have at least one column, got none")
    least = N + intercept
    if n < least:
        raise ValueError(
            f"X must have at least {least} rows for its {N} columns{' and an intercept' * intercept}, got {n}"
        )
    centred = centre(x, intercept)
    size = np.linalg.norm(centred, axis=0)
    flat = np.flatnonzero(size <= n * EPSILON * np.linalg.norm(x, axis=0))
    if flat.size:
        kind = "constant column beside an intercept" if intercept else "column of zeros"
        raise ValueError(f"X must have no {kind}, got one in column {flat[0]}")
    scaled = centred / size  # the rank does not depend on the columns' units
    rank = numerical_rank("X", scaled)
    if rank < N:
        raise ValueError(f"X must have linearly independent columns, got rank {rank} of {N}")
    return np.asarray(np.linalg.qr(scaled)[0])


def response(
    name: str,
    value: ArrayLike,
    Q: NDArray[np.float64],
    covariance: ArrayLike | None,
    covariance_name: str,
    intercept: bool,
) -> Response:
    """The targets `value` (n, M), regressed on the orthonormal inputs Q, given their noise covariance or None.

    The covariance may be a number, the variance of every target; then, and for a matrix, it is taken as known.
    Raises ValueError where the sizes disagree, and with unknown covariance where n is too small for it or where some
    combination of the targets is an exact linear function of the inputs, whose likelihood is unbounded.
    """
    n, N = Q.shape
    raw = _check.matrix(name, value)
    if raw.shape[0] != n:
        raise ValueError(f"{name} must have as many rows as X = {n}, got {raw.shape[0]}")
    M = raw.shape[1]
    if M < 1:
        raise ValueError(f"{name} must have at least one column, got none")
    y = centre(raw, intercept)
    Z = y.T @ Q
    rest = y - Q @ Z.T
    log_2pi = float(np.log(2 * np.pi))
    if covariance is not None:
        G = noise_covariance(covariance_name, covariance, M)
        R = np.linalg.cholesky(G)
        left = solve_triangular(R, rest.T, lower=True)
        log_det = 2 * float(np.log(np.diag(R)).sum())
        return Response(
            Z,
            np.asarray(R, dtype=np.float64),
            True,
            n,
            -0.5 * float((left**2).sum()) - 0.5 * n * (M * log_2pi + log_det),
        )
    least = M + N + intercept
    if n < least:
        raise ValueError(
            f"{name} must have at least {least} rows to estimate a noise covariance of {M} columns"
            f" given {N} inputs{' and an intercept' * intercept}, got {n}; or pass {covariance_name}"
        )
    size = np.linalg.norm(rest, axis=0)
    exact = np.flatnonzero(size <= n * EPSILON * np.linalg.norm(raw, axis=0))
    if exact.size:
        raise ValueError(
            f"{name} must be noisy, but column {exact[0]} is constant or an exact linear function of X; "
            f"leave it out or pass {covariance_name}"
        )
    rank = numerical_rank(f"the residual of {name}", rest / size)
    if rank < M:
        raise ValueError(
            f"{name} must leave {M} independent residuals off X, got {rank}: some combination of its columns is an "
            f"exact linear function of X; leave columns out or pass {covariance_name}"
        )
    R = np.asarray(np.linalg.qr(rest)[1].T, dtype=np.float64)
    log_det = 2 * float(np.log(np.abs(np.diag(R))).sum()) - M * float(np.log(n))
    return Response(Z, R.astype(np.float64), False, n, -0.5 * n * (M * log_2pi + M + log_det))


def noise_covariance(name: str, value: ArrayLike, size: int) -> NDArray[np.float64]:
    """A variance > 0 or a symmetric positive definite (size, size) matrix, as a matrix."""
    G = _check.finite(name, value)
    if G.ndim == 0:
        return _check.positive(name, float(G)) * np.eye(size)
    if G.shape != (size, size):
        raise ValueError(f"{name} must be a variance or have shape {(size, size)}, got {G.shape}")
    if not np.allclose(G, G.T, rtol=1e-10, atol=0.0):
        raise ValueError(f"{name} must be symmetric, got a matrix that differs from its transpose")
    smallest = float(np.linalg.eigvalsh(G)[0])
    if not smallest > 0:
        raise ValueError(f"{name} must be positive definite, got smallest eigenvalue {smallest:.3g}")
    return (G + G.T) / 2


def centre(matrix: NDArray[np.float64], intercept: bool) -> NDArray[np.float64]:
    """The matrix less its column means, where there is an intercept to take them up."""
    return matrix - matrix.mean(axis=0) if intercept else matrix
