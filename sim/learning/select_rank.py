"""WBIC beside the singular BIC: how many hidden units a linear map needs, by simulation."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ...theory import _check
from ...theory.learning.network import LinearNetwork
from ...theory.learning.noise_units import orthonormal_inputs, response
from ...theory.learning.select_rank import select_rank as exact_select_rank
from ...theory.learning.selection import Selection
from .tempered import TemperedEnergy, tempered_network, unit_noise_signal


def select_rank(
    X: ArrayLike,
    Y: ArrayLike,
    max_rank: int | None = None,
    noise: ArrayLike | None = None,
    intercept: bool = True,
    prior: ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    sweeps: int = 1000,
    prior_scale: float = 1.0,
) -> Selection[int]:
    """`theory.learning.select_rank` with minus WBIC in its `wbic`, simulated at every rank.

    Inputs are rotated and scaled to unit second moment and outputs to unit noise; there every weight of A and B has
    the prior N(0, s²).  Unknown noise is taken at what least squares leaves, an intercept at its estimate: neither
    tells the candidates apart.

    Parameters
    ----------
    X, Y, max_rank, noise, intercept, prior
        As in `theory.learning.select_rank`.
    rng : Generator
    sweeps : int
        Of 32 chains, for every rank.
    prior_scale : float
        s, in units of noise per unit of input.
    """
    scale = _check.positive("prior_scale", prior_scale)
    table = exact_select_rank(X, Y, max_rank, noise, intercept, prior)
    fit = response("Y", Y, orthonormal_inputs(X, intercept), noise, "noise", intercept)
    signal = unit_noise_signal(fit)
    M, N = signal.shape
    found = [TemperedEnergy(0.5 * float((signal**2).sum()), 0.0)]  # rank 0 has no weights
    for rank, stream in zip(table.candidates[1:], rng.spawn(len(table.candidates) - 1), strict=True):
        network = LinearNetwork((N, rank, M), (0, M))
        signals = (np.zeros((0, N)), signal)
        found.append(tempered_network(network, signals, fit.n, rng=stream, sweeps=sweeps, prior_scale=scale))
    means, errors = np.array(found).T
    return replace(table, wbic=fit.constant - means, wbic_error=errors)
