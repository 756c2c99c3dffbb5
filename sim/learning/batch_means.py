"""The mean of autocorrelated chains and its error, from the means of long batches."""

import numpy as np
from numpy.typing import NDArray

from ...theory.estimate import Estimate

BATCHES = 256  # about so many batch means in all: their spread knows the error to 4 or 5 percent
SHORTEST = 50  # sweeps in a batch: the chains here forget within two or three


def batch_means(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of equally long batches of (..., chains, sweeps), as (..., batches); a short remainder is left out."""
    *lead, chains, sweeps = draws.shape
    per_chain = max(1, min(-(-BATCHES // chains), sweeps // SHORTEST))
    length = sweeps // per_chain
    means: NDArray[np.float64] = draws[..., : per_chain * length].reshape(*lead, chains * per_chain, length).mean(-1)
    return means


def mean_with_error(draws: NDArray[np.float64], method: str) -> Estimate:
    """The mean of (chains, sweeps) draws with its batch-means error.

    Raises ValueError when there are fewer than 8 batches: run more chains or more sweeps.
    """
    means = batch_means(draws)
    if means.size < 8:
        raise ValueError(f"chains and sweeps must give at least 8 batches of {SHORTEST} for an error, got {means.size}")
    error = float(means.std(ddof=1)) / np.sqrt(means.size)
    spread = float(draws.var())
    effective = min(float(draws.size), spread / error**2) if error > 0 else float(draws.size)
    return Estimate(float(means.mean()), float(error), int(draws.size), effective, method)
