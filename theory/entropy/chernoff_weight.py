"""The least multiple of a geometric mean of two weighted Gaussians that lies above what their overlap leaves open."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from .pair_spectrum import PairSpectra

Array = NDArray[np.float64]

POSITIONS = np.linspace(0.05, 0.95, 37)  # s in steps of 1/40; the middle one is 1/2
SMALL = 1 << 14  # entries of ℓ up to which all positions are taken at once
MARGIN = 1e-12  # relative, above the error of the maximisation


@cache
def log_chernoff_constants() -> Array:
    r"""log c_s at `POSITIONS`, rounded up: :math:`c_s = \max_p h_2(p) / ((1-p)^{1-s} p^s)`, h₂ the binary entropy.

    So :math:`a \log(1 + b/a) + b \log(1 + a/b) \le c_s\, a^{1-s} b^s` for all a, b > 0; c_½ = 2 log 2.
    Source: docs/entropy, theorem 12.

    >>> float(np.exp(log_chernoff_constants()[18]).round(10))
    1.3862943611
    """
    return np.array([_log_constant(s) for s in POSITIONS]) + MARGIN


def _log_constant(s: float) -> float:
    def negative(y: float) -> float:
        p, r = expit(y), expit(-y)
        return float(-np.log(-p * np.log(p) - r * np.log(r)) + s * np.log(p) + (1 - s) * np.log(r))

    # in the log-odds y of p the function has one maximum, within 1/min(s, 1-s) of 0 or so
    found = minimize_scalar(negative, bounds=(-60.0, 60.0), method="bounded", options={"xatol": 1e-9})
    return -float(found.fun)


def position_indices(s: Array) -> NDArray[np.intp]:
    """Where in `POSITIONS` each entry of `s` is."""
    out: NDArray[np.intp] = np.rint((s - POSITIONS[0]) / (POSITIONS[1] - POSITIONS[0])).astype(np.intp)
    return out


def best_positions(spectra: PairSpectra, log_odds: Array) -> tuple[Array, Array]:
    r"""For P pairs the s of `POSITIONS` where :math:`c_s (\pi_j/\pi_k)^s C_{kj}(s)` is least, and its logarithm there.

    `log_odds` holds log(π_j/π_k), (P,).
    """
    if spectra.ratios.size <= SMALL:
        affinities = spectra.log_affinity(POSITIONS[:, None])
    else:
        affinities = np.stack([spectra.log_affinity(s) for s in POSITIONS])
    logs = log_chernoff_constants()[:, None] + POSITIONS[:, None] * log_odds + affinities
    best = logs.argmin(0)
    return POSITIONS[best], np.take_along_axis(logs, best[None], 0)[0]
