"""How much of a draw's label stays unknown because two components overlap, for every pair."""

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .mixture import GaussianMixture
from .pair_spectrum import PairSpectra, pair_spectra, spectra_of
from .saddle_line import saddle_line, sided_integrals

Array = NDArray[np.float64]


def pair_gap(mixture: GaussianMixture, first: int, second: int) -> float:
    r"""g_kj, in nats: what components k and j alone contribute to the gap Δ.

    .. math:: g_{kj} = \pi_k E_k \log(1 + t_{kj}) + \pi_j E_j \log(1 + t_{jk}), \qquad
        t_{kj} = \frac{\pi_j N_j}{\pi_k N_k}

    computed, on any line Re z = s in (0, 1), from

    .. math:: g_{kj} = \pi_k \int_0^\infty \operatorname{Re}
        \frac{(\pi_j/\pi_k)^z\, C_{kj}(z)}{z (1-z) \sin \pi z} \, d\omega, \qquad z = s + i\omega,
        \qquad C_{kj}(z) = \int N_k^{1-z} N_j^z

    With two components this is Δ itself.  Relative error at most 1e-12 for Mahalanobis distances up to 60, m up to 1000
    and well-conditioned covariances; a condition number κ (unit diagonal) adds about m · κ · 1e-16.

    Parameters
    ----------
    mixture : GaussianMixture
    first, second : int
        k ≠ j, counted from 0.

    Raises ValueError where k = j or no such component exists.
    Source: docs/entropy, theorem 2.  See also `pair_gaps`, `log_pair_gaps`.

    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])
    >>> round(pair_gap(mixture, 0, 1), 12)
    0.356316360213
    """
    k = _check.integer("first", first, 0, mixture.components - 1)
    j = _check.integer("second", second, 0, mixture.components - 1)
    if k == j:
        raise ValueError(f"first and second must be two components, got {k} twice")
    low, high = min(k, j), max(k, j)
    sides = log_sides(mixture, spectra_of(mixture, low, np.array([high])))
    return float(np.exp(np.logaddexp(*sides)[0]))


def pair_gaps(mixture: GaussianMixture) -> Array:
    """g_kj for every pair: (K, K), symmetric, 0 on the diagonal; exp of `log_pair_gaps`.

    >>> mixture = GaussianMixture([0.2, 0.3, 0.5], [[-2.0], [0.0], [5.0]], [1.0, 0.25, 4.0])
    >>> pair_gaps(mixture).round(6)[0]
    array([0.      , 0.102542, 0.019803])
    """
    return np.exp(log_pair_gaps(mixture))


def log_pair_gaps(mixture: GaussianMixture) -> Array:
    """log g_kj, (K, K), -inf on the diagonal: finite where g_kj itself underflows."""
    sides = log_one_sided_gaps(mixture)
    return np.logaddexp(sides, sides.T)


def one_sided_gaps(mixture: GaussianMixture) -> Array:
    r"""π_k E_k log(1 + t_kj) at [k, j], (K, K), 0 on the diagonal; with its transpose it adds to `pair_gaps`.

    .. math:: \pi_k E_k \log(1 + t_{kj}) = \pi_k \int_0^\infty \operatorname{Re}
        \frac{(\pi_j/\pi_k)^z\, C_{kj}(z)}{z \sin \pi z} \, d\omega

    Accuracy as for `pair_gap`.  Source: docs/entropy, theorem 2.

    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [2.0]], [1.0, 1.0])
    >>> one_sided_gaps(mixture).round(6)
    array([[0.      , 0.178158],
           [0.178158, 0.      ]])
    """
    return np.exp(log_one_sided_gaps(mixture))


def log_one_sided_gaps(mixture: GaussianMixture) -> Array:
    """log π_k E_k log(1 + t_kj) at [k, j], (K, K), -inf on the diagonal."""
    out = np.full((mixture.components, mixture.components), -np.inf)
    for spectra in pair_spectra(mixture):
        k, j = spectra.first, spectra.second
        out[k, j], out[j, k] = log_sides(mixture, spectra)
    return out


def log_sides(mixture: GaussianMixture, spectra: PairSpectra) -> tuple[Array, Array]:
    """log π_k E_k log(1 + t_kj) and log π_j E_j log(1 + t_jk) for pairs whose spectra are known, each (P,)."""
    weights = np.log(mixture.weights)
    first, second = sided_integrals(saddle_line(spectra, weights[spectra.second] - weights[spectra.first]))
    return weights[spectra.first] + first, weights[spectra.first] + second
