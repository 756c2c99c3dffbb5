"""Level D: a Euclidean norm ‖L x‖ in which an LSTM step contracts, signs of the Jacobian kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_lyapunov

from .cell import LSTMCell
from .certificate_vector import SPARE
from .interval import UNIT, Interval, matmat_up, matvec_up, up
from .jacobian_level import signed_jacobian
from .norm_level import norm_up

Array = NDArray[np.float64]

STRETCHES = (1.02, 1.1, 1.3)  # of the spectral radius of the centre, for the Lyapunov equation


@dataclass(frozen=True, eq=False)
class Metric:
    """A norm ‖L x‖₂ and what is needed to prove a rate in it.

    Attributes
    ----------
    factor : (d, d)
        L.
    inverse : (d, d)
        A floating-point inverse Y of L.
    defect : float
        At least ‖I − L Y‖_F.
    """

    factor: Array
    inverse: Array
    defect: float

    def rate(self, J: Interval) -> float:
        """λ_D = (‖L J_c Y‖ + ‖|L| Δ |Y|‖) / (1 − defect) >= ‖L J L⁻¹‖ for every J in the interval, rounded up."""
        if not self.defect < 0.5:
            return np.inf
        L, Y = self.factor, self.inverse
        centre = 0.5 * (J.lower + J.upper)
        radius = np.maximum(up(J.upper - centre), up(centre - J.lower))
        rounding = 4 * (len(L) + 4) * UNIT * matmat_up(matmat_up(np.abs(L), np.abs(centre)), np.abs(Y))
        spread = matmat_up(matmat_up(np.abs(L), radius), np.abs(Y)) + rounding
        total = norm_up(L @ centre @ Y, "euclidean") + norm_up(spread, "euclidean")
        return float(total / (1 - self.defect) * (1 + 16 * UNIT))

    def size(self, deviation: Array) -> float:
        """‖|L| δ‖₂, rounded up."""
        values = matvec_up(np.abs(self.factor), deviation)
        top = float(values.max())
        return top * float(np.sqrt(((values / top) ** 2).sum())) * (1 + 2.0**-50 * len(values)) if top else 0.0

    def output_norm(self, output: Array) -> float:
        """max_j ‖e_j C L⁻¹‖₂ for an output matrix C of the whole state, rounded up."""
        top = np.abs(output).max(axis=1, initial=0.0)
        if not top.any():
            return 0.0
        scaled = output[top > 0] / top[top > 0, None]  # squares of small entries would underflow
        rows = scaled @ self.inverse
        rounding = 4 * (len(self.factor) + 4) * UNIT * matmat_up(np.abs(scaled), np.abs(self.inverse))
        norms = np.linalg.norm(rows, axis=1) + np.linalg.norm(rounding, axis=1)
        norms = norms / (1 - self.defect) * (1 + 2.0**-50 * len(self.factor)) * top[top > 0]
        return float(np.nextafter(norms, np.inf).max())


def metric(factor: Array) -> Metric | None:
    """The metric of L, with the defect of its inverse; None where L is singular to rounding."""
    try:
        inverse = np.linalg.inv(factor)
    except np.linalg.LinAlgError:
        return None
    return checked_metric(factor, np.asarray(inverse, dtype=float))


def checked_metric(factor: Array, inverse: Array) -> Metric | None:
    """The metric of L and a proposed inverse, the defect bounded by one multiplication."""
    if not (np.isfinite(factor).all() and np.isfinite(inverse).all()):
        return None
    d = len(factor)
    rounding = 4 * (d + 4) * UNIT * matmat_up(np.abs(factor), np.abs(inverse))
    defect = np.linalg.norm(np.eye(d) - factor @ inverse) + np.linalg.norm(rounding)
    return Metric(factor, inverse, float(defect * (1 + 2.0**-50 * d) + 4 * UNIT))


def metric_rate(cell: LSTMCell, X: Interval, U: Interval) -> tuple[float, Metric | None]:
    """The least λ_D over L = I, a diagonal L and three solutions of a Lyapunov equation.

    Source: docs/resilience, theorem 10.
    """
    J = signed_jacobian(cell, X, U)
    best: tuple[float, Metric | None] = (np.inf, None)
    for factor in _candidates(J):
        found = metric(factor)
        rate = np.inf if found is None else found.rate(J)
        if rate < best[0]:
            best = (rate * (1 + SPARE), found)
    return best


def _candidates(J: Interval) -> Iterator[Array]:
    centre, size = 0.5 * (J.lower + J.upper), J.magnitude
    d = len(centre)
    yield np.eye(d)
    values, vectors = np.linalg.eig(size)
    right = np.abs(vectors[:, np.argmax(np.abs(values))])
    values, vectors = np.linalg.eig(size.T)
    left = np.abs(vectors[:, np.argmax(np.abs(values))])
    if (right > 1e-12).all() and (left > 1e-12).all():
        yield np.diag(np.sqrt(left / right))
    radius = float(np.abs(np.linalg.eigvals(centre)).max())
    for stretch in STRETCHES:
        if radius:
            P = solve_discrete_lyapunov((centre / (stretch * radius)).T, np.eye(d))
            try:
                yield np.linalg.cholesky(0.5 * (P + P.T)).T
            except np.linalg.LinAlgError:
                continue
