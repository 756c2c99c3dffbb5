"""What a Gaussian mixture is here: weights, means and covariances that agree, checked once at the door."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from .. import _check

Kind = Literal["full", "tied", "diagonal", "spherical"]
Array = NDArray[np.float64]

WEIGHT_SUM = 1e-12  # how far the weights may sum from 1
ASYMMETRY = 1e-10  # of sqrt(Σ_ii Σ_jj)
UNIT = 2.0**-53  # rounding of one operation


@dataclass(frozen=True, eq=False, init=False)
class GaussianMixture:
    r"""q = Σ_k π_k N(μ_k, Σ_k) on ℝ^m with K components.

    Parameters
    ----------
    weights : (K,)
        π_k > 0, summing to 1 within 1e-12; they are never rescaled.
    means : (K, m)
        μ_k.
    covariances : (K, m, m), (m, m), (K, m) or (K,)
        Σ_k: full; one for all components (tied); the variances of each coordinate (diagonal); one variance for each
        component (spherical).  A matrix must be symmetric within 1e-10 of √(Σ_ii Σ_jj); its symmetric part is taken.
    kind : "full", "tied", "diagonal" or "spherical"
        Read off the shape when left out; asked for where K = m > 1, as a (K, K) array could be tied or diagonal.

    Attributes
    ----------
    factors : (K, m, m), (1, m, m), (K, m) or (K,)
        Lower Cholesky factors, or standard deviations.
    log_determinants : (K,)
        log det Σ_k.
    conditions : (K,)
        Condition number of Σ_k scaled to a unit diagonal; 1 for diagonal and spherical covariances.
    determinant_rounding : (K,)
        First-order bound on the absolute rounding error of `log_determinants`.

    Raises ValueError or TypeError in one sentence that names the argument, what it must be and what came.  A covariance
    whose unit-diagonal form has an eigenvalue below m · 2.2e-16 counts as singular and is refused by component and
    smallest eigenvalue.

    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])
    >>> mixture
    GaussianMixture(2 components, 1 dimension, spherical)
    """

    weights: Array
    means: Array
    covariances: Array
    kind: Kind
    factors: Array = field(repr=False)
    log_determinants: Array = field(repr=False)
    conditions: Array = field(repr=False)
    determinant_rounding: Array = field(repr=False)

    def __init__(
        self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, *, kind: Kind | None = None
    ) -> None:
        checked_weights = _weights(weights)
        K = len(checked_weights)
        checked_means = _check.matrix("means", means, rows=K)
        m = checked_means.shape[1]
        if m == 0:
            raise ValueError(f"means must have at least one column, got shape ({K}, 0)")
        covs = _check.finite("covariances", covariances)
        found = _kind(covs, K, m, kind)
        if found in ("full", "tied"):
            covs, parts = _factored(covs if found == "full" else covs[None], shared=found == "tied")
            covs = covs if found == "full" else covs[0]
        else:
            parts = _diagonal(covs, m)
        spread = [np.broadcast_to(part, K).copy() for part in parts[1:]]
        values = {"weights": checked_weights, "means": checked_means, "covariances": covs, "factors": parts[0]}
        values |= zip(("log_determinants", "conditions", "determinant_rounding"), spread, strict=True)
        for name, value in values.items():
            kept = value.copy()
            kept.flags.writeable = False
            object.__setattr__(self, name, kept)
        object.__setattr__(self, "kind", found)

    @property
    def components(self) -> int:
        """K."""
        return len(self.weights)

    @property
    def dimension(self) -> int:
        """m."""
        return int(self.means.shape[1])

    def covariance(self, component: int) -> Array:
        """Σ_k as a dense (m, m) matrix."""
        k = _check.integer("component", component, 0, self.components - 1)
        if self.kind == "tied":
            return self.covariances.copy()
        if self.kind == "full":
            return np.array(self.covariances[k])
        return np.diag(np.broadcast_to(self.covariances[k], self.dimension))

    def __repr__(self) -> str:
        K, m = self.means.shape
        counts = f"{K} component{'s' * (K > 1)}, {m} dimension{'s' * (m > 1)}"
        return f"GaussianMixture({counts}, {self.kind})"


def _weights(weights: ArrayLike) -> Array:
    out = _check.finite("weights", weights)
    if out.ndim != 1 or not len(out):
        raise ValueError(f"weights must have shape (K,) with K >= 1, got {out.shape}")
    if not (out > 0).all():
        k = int(np.argmin(out))
        raise ValueError(f"weights must be > 0, got {out[k]:g} for component {k}")
    if abs(out.sum() - 1) > WEIGHT_SUM:
        raise ValueError(f"weights must sum to 1 within {WEIGHT_SUM:g}, got {float(out.sum())!r}")
    return out


def _kind(covs: Array, K: int, m: int, kind: Kind | None) -> Kind:
    """The kind that the shape shows, or the one asked for if the shape allows it."""
    shapes: dict[Kind, tuple[int, ...]] = {"full": (K, m, m), "tied": (m, m), "diagonal": (K, m), "spherical": (K,)}
    if kind is not None and kind not in shapes:
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    fitting: list[Kind] = [name for name, shape in shapes.items() if covs.shape == shape and kind in (None, name)]
    if not fitting:
        wanted = shapes if kind is None else {kind: shapes[kind]}
        words = " or ".join(f"{shape} ({name})" for name, shape in wanted.items())
        raise ValueError(f"covariances must have shape {words} to go with means {(K, m)}, got {covs.shape}")
    if len(fitting) > 1 and m > 1:
        raise ValueError(f"covariances of shape {covs.shape} could be tied or diagonal: kind must say which, got None")
    return fitting[0]


def _diagonal(variances: Array, m: int) -> tuple[Array, ...]:
    """Standard deviations, log determinants, conditions and their rounding for (K, m) or (K,) variances."""
    if not (variances > 0).all():
        where = np.unravel_index(int(np.argmin(variances)), variances.shape)
        raise ValueError(
            f"covariances must be positive definite, got smallest eigenvalue {variances[where]:g} for component "
            f"{where[0]}"
        )
    logs = np.log(variances) * (1 if variances.ndim == 2 else m)
    logs, size = (logs.sum(-1), np.abs(logs).sum(-1)) if variances.ndim == 2 else (logs, np.abs(logs))
    return np.sqrt(variances), logs, np.ones(len(variances)), 4 * (1 + np.log2(m + 1)) * UNIT * size


def _factored(covs: Array, shared: bool) -> tuple[Array, tuple[Array, ...]]:
    """The symmetric parts, and Cholesky factors, log determinants, conditions and their rounding."""
    _, m, _ = covs.shape
    covs = covs.copy()
    factors, logs, conditions, rounding = np.empty_like(covs), [], [], []
    for k, cov in enumerate(covs):
        label = "the tied covariance" if shared else f"component {k}"
        diagonal = np.diagonal(cov)
        scale = np.sqrt(np.maximum(diagonal, 0))
        gap = np.abs(cov - cov.T)
        if not (gap <= ASYMMETRY * np.outer(scale, scale)).all() and (gap > 0).any():
            raise ValueError(f"covariances must be symmetric, got entries {gap.max():g} apart for {label}")
        cov[:] = 0.5 * (cov + cov.T)
        least = greatest = 0.0
        if (diagonal > 0).all():
            unit = cov / scale[:, None] / scale
            values = np.linalg.eigvalsh(unit)
            least, greatest = values[0], values[-1]
        if least <= m * 2 * UNIT:
            smallest = np.linalg.eigvalsh(cov)[0]
            raise ValueError(
                f"covariances must be positive definite, got smallest eigenvalue {smallest:g} for {label} "
                f"({max(least, 0.0):.2g} when scaled to a unit diagonal, where {m * 2 * UNIT:.2g} is lost in rounding)"
            )
        L = np.linalg.cholesky(unit)
        inverse = solve_triangular(L, np.eye(m), lower=True)
        factors[k] = scale[:, None] * L
        terms = 2 * np.log(np.diagonal(factors[k]))
        logs.append(terms.sum())
        conditions.append(greatest / least)
        # the computed factor is exact for Σ + E with |E| <= (m + 1) u |L||Lᵀ|, and log det moves by tr Σ⁻¹E
        moved = np.einsum("ij,ij->", np.abs(inverse.T @ inverse), np.abs(L) @ np.abs(L).T)
        rounding.append(UNIT * ((m + 3) * moved + 4 * np.abs(terms).sum()))
    return covs, (factors, np.array(logs), np.array(conditions), np.array(rounding))
