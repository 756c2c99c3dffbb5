"""How level S is written into a certificate file and proved again from it."""

from typing import Any

import numpy as np

from .affine_step import Bounds
from .cell import LSTMCell
from .interval import Interval
from .structured_proof import StructuredProof, replayed


def structured_document(proof: StructuredProof | None) -> dict[str, Any] | None:
    """Starting bounds, stages, norm, multipliers and rates as JSON; the bounds of the later stages are not in it."""
    if proof is None:
        return None
    start = proof.stages[0]
    bounds = {
        "lower": start.rows.lower.tolist(),
        "upper": start.rows.upper.tolist(),
        "weights": start.weights.tolist(),
    }
    return {
        "start": None if proof.whole else bounds,
        "stages": len(proof.stages) - 1,
        "norm": proof.norm.tolist(),
        "multipliers": proof.multipliers.tolist(),
        "rates": [rate if np.isfinite(rate) else "inf" for rate in proof.rates.tolist()],
    }


def read_structured(
    entry: dict[str, Any] | None, cell: LSTMCell, boxes: tuple[Interval, Interval, Interval, Interval]
) -> StructuredProof | None:
    """The proof again for boxes X, U, U_a and B0; nothing is searched for.

    Raises ValueError where a bound, the norm, a multiplier or a rate does not hold.
    """
    if entry is None:
        return None
    given, n = entry["start"], cell.units
    start = None
    if given is not None:
        lower, upper, weights = (np.array(given[key], dtype=float) for key in ("lower", "upper", "weights"))
        if lower.shape != (12 * n,) or upper.shape != lower.shape or weights.shape != (3, n):
            raise ValueError(f"certificate must hold {12 * n} rows at level S, got {lower.shape} and {upper.shape}")
        start = Bounds(Interval(lower, upper), weights)
    norm, multipliers = (np.array(entry[key], dtype=float) for key in ("norm", "multipliers"))
    rates = np.array([float(rate) for rate in entry["rates"]])
    return replayed(cell, start, int(entry["stages"]), boxes, norm, multipliers, rates)
