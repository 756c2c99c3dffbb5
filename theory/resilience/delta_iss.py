"""How far two trajectories under different inputs drift apart: the functions β and γ and the steady gain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .certificate import Certificate
from .comparison import Comparison
from .interval import matvec_up
from .recovery import output_matrix

Array = NDArray[np.float64]

POLICY_STEPS = 5
LEVELS = ("R", "C")


@dataclass(frozen=True)
class StabilityFunctions:
    """‖Δx(t)‖_∞ <= β(‖Δx(0)‖_∞, t) + γ(sup ‖Δu‖_∞) for states in S_n and inputs in U; rounded up.

    Attributes
    ----------
    overshoot : float
        max v / min v.
    rate : float
        λ < 1.
    gain : float
        γ(1).
    """

    overshoot: float
    rate: float
    gain: float

    def beta(self, deviation: float, t: int) -> float:
        """β(r, t) = (max v / min v) λ^t r, rounded up."""
        r, steps = _nonnegative("deviation", deviation), _check.integer("t", t, 0)
        power = self.rate**steps * (1 + 1e-13) if steps else 1.0
        return float(self.overshoot * power * r * (1 + 2.0**-50))

    def gamma(self, difference: float) -> float:
        """γ(r) = max v · max_r (N 1)_r / v_r / (1 − λ) · r, rounded up."""
        return float(self.gain * _nonnegative("difference", difference) * (1 + 2.0**-50))


def stability_functions(certificate: Certificate) -> StabilityFunctions:
    """β and γ from level R or C on S_n, whichever has the smaller λ.

    Raises ValueError where neither is certified there.

    Source: docs/resilience, proposition 13.
    """
    level = _best(certificate)
    rate = certificate.levels[level].rate
    assert rate.vector is not None
    v, fixed = rate.vector, certificate.comparison(level)
    drive = fixed.apply(np.zeros(len(v)), np.ones(certificate.stack.inputs))
    gain = float(v.max() * (drive / v).max() / np.nextafter(1 - rate.rate, 0)) * (1 + 2.0**-49)
    return StabilityFunctions(float(v.max() / v.min() * (1 + 2.0**-51)), rate.rate, gain)


def steady_gain(certificate: Certificate, output: ArrayLike | None = None) -> Array:
    """G, (p, m), with |y(t) − y′(t)| <= G sup |u − u′| + a part that dies out; |C_y| [(I − M)⁻¹ N]_h at level C.

    Level R or C on S_n, whichever has the smaller λ; rounded up.  Raises ValueError where neither is certified.

    Source: docs/resilience, proposition 13.
    """
    weights = np.zeros((certificate.stack.units, certificate.stack.dimension))
    weights[:, -certificate.stack.units :] = np.eye(certificate.stack.units)
    C = output_matrix(certificate, output)
    states = state_gain(certificate)
    return matvec_up(weights if C is None else np.abs(C) @ weights, states) * (1 + 2.0**-50 * certificate.stack.units)


def state_gain(certificate: Certificate, level: str | None = None) -> Array:
    """The same for the joint state, (d, m): Y with T(Y_l, e_l) <= Y_l for each input l, by one multiplication each."""
    chosen = _best(certificate) if level is None else level
    rate = certificate.levels[chosen].rate
    if not rate.certified or rate.vector is None:
        raise ValueError(f"level must be certified on S_n, got {chosen!r} with rate {rate.rate:g}")
    fixed = certificate.comparison(chosen)
    columns = [_fixed_point(fixed, e, rate.rate, rate.vector) for e in np.eye(certificate.stack.inputs)]
    return np.stack(columns, axis=1)


def _fixed_point(fixed: Comparison, drive: Array, rate: float, v: Array) -> Array:
    """y with T(y, ν) <= y: the solution for the worst rows, lifted by its residual over 1 − λ along v."""
    y = np.zeros(fixed.dimension)
    for _ in range(POLICY_STEPS):
        rows = fixed.rows(y, drive)
        d = len(y)
        y = np.maximum(np.linalg.solve(np.eye(d) - rows.matrix, matvec_up(rows.gain, drive)), 0.0)
    excess = np.maximum(fixed.apply(y, drive) - y, 0.0)
    lift = float((excess / v).max()) / float(np.nextafter(1 - rate, 0)) * (1 + 2.0**-50)
    return np.asarray(np.nextafter(y + lift * v * (1 + 2.0**-50), np.inf)) if lift else y


def _best(certificate: Certificate) -> str:
    found = [name for name in LEVELS if name in certificate.levels and certificate.levels[name].rate.certified]
    found = [name for name in found if not certificate.levels[name].note]
    if not found:
        raise ValueError(f"certificate must be certified at level C or R on S_n, got status {certificate.status!r}")
    return min(found, key=lambda name: certificate.levels[name].rate.rate)


def _nonnegative(name: str, value: float) -> float:
    out = _check.finite(name, value)
    if out.ndim or not out >= 0:
        raise ValueError(f"{name} must be a number >= 0, got {value!r}")
    return float(out)
