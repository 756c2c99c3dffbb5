"""The n × n form of the stability test: the gain once around the loop through h, the cells eliminated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cell import LSTMCell
from .certificate import Certificate
from .certificate_vector import spectral_radius
from .comparison import MatrixMap
from .interval import down, matmat_up, times_up, up

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LoopGain:
    """G = K + E (I − F)⁻¹ A of a nonnegative matrix [[F, A], [E, K]] with F = diag f, rounded up.

    Attributes
    ----------
    matrix : (n, n)
        G.
    forget : float
        max f.
    spectral_radius : float
        ρ(G), in floating point.
    """

    matrix: Array
    forget: float
    spectral_radius: float

    @property
    def stable(self) -> bool:
        """max f < 1 and ρ(G) < 1, which holds exactly where ρ < 1 for the whole matrix; to rounding."""
        return self.forget < 1 and self.spectral_radius < 1


def loop_gain(certificate: Certificate, level: str = "C") -> LoopGain:
    """The loop gain of a single LSTM at level A, A2, A2r, B or C on S_n.

    Raises ValueError for other networks and levels, or where the certificate does not hold the level.

    Source: docs/resilience, theorem 5.

    >>> from .certify import certify
    >>> cell = LSTMCell([[0.5], [0.25], [1], [0.5]], [[0.25], [-0.2], [-0.3], [0.2]], [0, -0.5, 0.25, 0])
    >>> round(loop_gain(certify(cell, 1.0, 2.0, levels=["C"])).spectral_radius, 10)
    0.3860503957
    """
    if len(certificate.stack.layers) != 1 or not isinstance(certificate.stack.layers[0], LSTMCell):
        raise ValueError(f"certificate must be of a single LSTM layer, got {certificate.stack!r}")
    if level not in certificate.levels or level not in ("A", "A2", "A2r", "B", "C"):
        raise ValueError(f"level must be A, A2, A2r, B or C and one of the certificate, got {level!r}")
    fixed = certificate.comparison(level)
    return loop_gain_of(fixed.rows(np.ones(fixed.dimension)))


def loop_gain_of(fixed: MatrixMap) -> LoopGain:
    """The loop gain of a matrix whose upper left half is diagonal; infinite where max f >= 1."""
    n = fixed.dimension // 2
    M = fixed.matrix
    f, A, E, K = np.diagonal(M)[:n], M[:n, n:], M[n:, :n], M[n:, n:]
    if not (f < 1).all():
        return LoopGain(np.full((n, n), np.inf), float(f.max()), np.inf)
    rest = down(1 - f)
    inner = matmat_up(E, up(times_up(1 / rest * (1 + 2.0**-51), np.ones(n))[:, None] * A))
    G = np.nextafter(K + inner, np.inf) * (inner > 0) + K * (inner == 0)
    return LoopGain(G, float(f.max()), spectral_radius(G))
