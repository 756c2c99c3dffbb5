"""A pair of Gaussians in the coordinates in which both are uncorrelated: all that their overlap depends on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .mixture import GaussianMixture

Array = NDArray[np.float64]

WIDE = 1e6  # beyond this spread of ℓ singular values replace eigenvalues
ENTRIES = 1 << 21  # of an array of pairs times matrix entries
TOGETHER = 1 << 12  # entries of ℓ up to which the pairs of several k make one batch: their overheads count once


@dataclass(frozen=True, eq=False)
class PairSpectra:
    r"""P pairs (k, j): with L = chol Σ_k, :math:`L^{-1}\Sigma_j L^{-\top} = V \operatorname{diag}(\ell) V^\top`,
    :math:`\delta = V^\top L^{-1}(\mu_j - \mu_k)`.

    Attributes
    ----------
    first, second : (P,)
        k and j.
    ratios, squares : (P, n)
        ℓ_i and δ_i².  Where all ℓ_i of a pair agree, n = 1 and δ² is the sum.
    multiplicity : int
        How many dimensions each column of `ratios` stands for: m where n = 1, otherwise 1.
    condition : (P,)
        By how much rounding is amplified on the way to ℓ and δ (0 for diagonal and spherical covariances).
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    ratios: Array
    squares: Array
    multiplicity: int
    condition: Array

    def log_affinity(self, s: float | Array) -> Array:
        r"""log C(s) = log ∫ N_k^{1-s} N_j^s, (P,), for s in [0, 1]."""
        return log_affinity(self.ratios, self.squares, self.multiplicity, s)

    def log_bhattacharyya(self) -> Array:
        """log BC = log C(1/2), (P,)."""
        return self.log_affinity(0.5)

    def divergences(self) -> tuple[Array, Array]:
        """KL(N_k‖N_j) and KL(N_j‖N_k), each (P,), in nats."""
        forward = self.multiplicity * _excess(1 / self.ratios) + self.squares / self.ratios
        backward = self.multiplicity * _excess(self.ratios) + self.squares
        return 0.5 * forward.sum(-1), 0.5 * backward.sum(-1)

    def separations(self) -> tuple[Array, Array]:
        """α_kj and α_jk of docs/entropy, theorem 6, each (P,)."""
        forward = np.sqrt(self.squares.sum(-1)) / (1 + np.sqrt(self.ratios.max(-1)))
        backward = np.sqrt((self.squares / self.ratios).sum(-1)) / (1 + np.sqrt(1 / self.ratios.min(-1)))
        return forward, backward


def log_affinity(ratios: Array, squares: Array, multiplicity: int, s: float | Array) -> Array:
    r"""log C(s) = Σ [½(1-s) log ℓ - ½ log u - ½ s(1-s) δ²/u], u = (1-s)ℓ + s; docs/entropy, lemma 1."""
    s = np.asarray(s, dtype=float)[..., None]
    r = 1 - s
    u = r * ratios + s
    logs = r * np.log(ratios) - np.log(u)
    out: Array = 0.5 * (multiplicity * logs - s * r * squares / u).sum(-1)
    return out


def _excess(x: Array) -> Array:
    """x - 1 - log x >= 0, by its series where the difference cancels."""
    y = x - 1
    near = np.abs(y) < 1e-4
    t = np.where(near, y, 0.0)
    return np.where(near, t * t * (0.5 - t * (1 / 3 - t * (0.25 - t / 5))), y - np.log(x))


def pair_spectra(mixture: GaussianMixture) -> Iterator[PairSpectra]:
    """Every pair k < j once, in batches of about 2^12 to 2^21 entries, or of one pair."""
    small: list[PairSpectra] = []
    for k in range(mixture.components - 1):
        others = np.arange(k + 1, mixture.components)
        entries = mixture.dimension**2 if mixture.kind == "full" else mixture.dimension
        step = max(1, ENTRIES // entries)
        for start in range(0, len(others), step):
            small.append(spectra_of(mixture, k, others[start : start + step]))
            if sum(part.ratios.size for part in small) >= TOGETHER:
                yield _joined(small)
                small = []
    if small:
        yield _joined(small)


def _joined(parts: list[PairSpectra]) -> PairSpectra:
    """The pairs of all parts, which are of one mixture."""
    if len(parts) == 1:
        return parts[0]
    names = ("first", "second", "ratios", "squares")
    first, second, ratios, squares = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    condition = np.concatenate([part.condition for part in parts])
    return PairSpectra(first, second, ratios, squares, parts[0].multiplicity, condition)


def spectra_of(mixture: GaussianMixture, k: int, others: NDArray[np.intp]) -> PairSpectra:
    """The pairs (k, j) for j in `others`; raises ValueError where a squared distance overflows."""
    m, shift = mixture.dimension, mixture.means[others] - mixture.means[k]
    multiplicity = 1
    with np.errstate(over="ignore", invalid="ignore"):
        if mixture.kind == "full":
            ratios, squares = _full(mixture.factors, shift, k, others)
            condition = mixture.conditions[k] + mixture.conditions[others]
        elif mixture.kind == "tied":
            white = solve_triangular(mixture.factors[0], shift.T, lower=True)
            ratios, squares, multiplicity = np.ones((len(others), 1)), (white**2).sum(0)[:, None], m
            condition = mixture.conditions[others]
        else:
            scale = mixture.factors[k]
            ratios = (mixture.factors[others] / scale) ** 2
            squares = (shift / scale) ** 2
            if mixture.kind == "spherical":
                ratios, squares, multiplicity = ratios[:, None], squares.sum(1, keepdims=True), m
            condition = np.zeros(len(others))
        far = squares.sum(-1) + (squares / ratios).sum(-1) + ratios.sum(-1) + (1 / ratios).sum(-1)
    if not (far < 1e300).all():
        j = int(others[np.argmax(~(far < 1e300))])
        raise ValueError(
            f"means and covariances must give squared distances and variance ratios below 1e300, got {far.max():g} "
            f"between components {k} and {j}"
        )
    first = np.full(len(others), k)
    return PairSpectra(first, others, ratios, squares, multiplicity, condition)


def _full(factors: Array, shift: Array, k: int, others: NDArray[np.intp]) -> tuple[Array, Array]:
    P, m = shift.shape
    L = factors[k]
    maps = solve_triangular(L, factors[others].transpose(1, 0, 2).reshape(m, P * m), lower=True)
    maps = maps.reshape(m, P, m).transpose(1, 0, 2)
    white = solve_triangular(L, shift.T, lower=True).T
    ratios, axes = np.linalg.eigh(maps @ maps.transpose(0, 2, 1))
    wide = ratios[:, 0] * WIDE < ratios[:, -1]
    if wide.any():
        axes[wide], roots, _ = np.linalg.svd(maps[wide])
        ratios[wide] = roots**2
    return ratios, np.einsum("pij,pi->pj", axes, white) ** 2
