"""Effective sample size, R-hat and Monte Carlo error of chains, and their container, by ArviZ (0.23 or 1.x)."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...theory import _check
from .sampler import Chains


class Diagnostics(NamedTuple):
    """How well (chains, sweeps) draws know their mean.

    `effective` is the effective sample size of the mean, `r_hat` the rank-normalised split R-hat (1 where the chains
    agree; suspect above 1.01), `error` the Monte Carlo standard error of the mean.
    """

    effective: float
    r_hat: float
    error: float


def diagnose(draws: ArrayLike) -> Diagnostics:
    """ArviZ's diagnostics of draws (chains, sweeps), at least 2 chains of 4 sweeps."""
    values = _check.finite("draws", draws)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 4:
        raise ValueError(f"draws must be (chains >= 2, sweeps >= 4), got shape {values.shape}")
    arviz = _arviz()
    values = np.ascontiguousarray(values)
    found = arviz.ess(values, method="mean"), arviz.rhat(values), arviz.mcse(values, method="mean")
    return Diagnostics(*(np.asarray(number).item() for number in found))  # 0.23 wraps one of the three in an array


def to_arviz(chains: Chains, temperature: int = 0) -> Any:
    """The chains at one of their temperatures as ArviZ's container, for its plots and summaries.

    Its posterior group holds the weights kept, layer1, layer2, … (chains, kept, h_l, h_{l−1}); its sample_stats group
    the energy β E of every sweep, `lp` being its negative.
    """
    last = chains.beta.size - 1
    _check.integer("temperature", temperature, 0, last, f"the last of {last + 1} temperatures = {last}")
    groups = {
        "posterior": {f"layer{k}": w[temperature] for k, w in enumerate(chains.weights, start=1) if w.shape[2]},
        "sample_stats": {"energy": chains.energy[temperature], "lp": -chains.energy[temperature]},
    }
    arviz = _arviz()
    if int(arviz.__version__.split(".")[0]) >= 1:
        return arviz.from_dict(groups)
    return arviz.from_dict(**{name: values for name, values in groups.items() if values})


def _arviz() -> Any:
    """ArviZ, imported when it is needed, since that takes a second; 0.23 announces 1.0 as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz
    return arviz
