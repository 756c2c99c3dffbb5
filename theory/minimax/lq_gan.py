"""A GAN with a linear generator and a quadratic critic: all its eigenvalues from those of the data's covariance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import nonnegative, symmetric
from .modes import mode_rate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearQuadraticGAN:
    """The modes of the linearisation at WWᵀ = Σ₀, Ψ = 0; K = n(n + 1)/2 pairs i <= j of eigenvalues of Σ₀.

    Attributes
    ----------
    couplings : (K,)
        t_ij = 2(s_i + s_j), ascending.
    dampings : (K,)
        d_ij = λ + ρ t_ij.
    eigenvalues : (K, 2)
        −d/2 ± √(d²/4 − t), of the flow.
    rotations : int
        n(n − 1)/2 zeros: W ↦ WO changes nothing.
    """

    couplings: Array
    dampings: Array
    eigenvalues: NDArray[np.complex128]
    rotations: int

    def threshold(self, algorithm: str) -> float:
        r"""The h below which equal steps are stable off the rotations; simultaneous or alternating.

        .. math:: \min_{ij} \begin{cases} d/t & d^2 \le 4t \\ 4/(d + \sqrt{d^2 - 4t}) & \text{else} \end{cases}
            \quad\text{simultaneous}, \qquad \min_{ij} \frac{4}{d + \sqrt{d^2 + 4t}} \quad\text{alternating}

        0 for simultaneous steps without damping.  Source: docs/minimax, theorem 19.
        """
        t, d = self.couplings, self.dampings
        if algorithm == "alternating":
            return float((4 / (d + np.sqrt(d**2 + 4 * t))).min())
        if algorithm == "simultaneous":
            square = d**2 - 4 * t
            real = 4 / (d + np.sqrt(np.maximum(square, 0.0)) + (d == 0))
            return float(np.where(square <= 0, d / t, real).min())
        raise ValueError(f"algorithm must be one of simultaneous, alternating, got {algorithm!r}")

    def rate(self, algorithm: str, min_step: float, max_step: float) -> float:
        """max |z| off the rotations; algorithm and errors as in `mode_rate`."""
        pairs = zip(self.couplings, self.dampings, strict=True)
        return max(mode_rate(algorithm, min_step, max_step, float(t), ridge=float(d)).rate for t, d in pairs)


def lq_gan(covariance: ArrayLike, ridge: float = 0.0, penalty: float = 0.0) -> LinearQuadraticGAN:
    r"""The GAN x = Wz, z ~ N(0, I), critic xᵀΨx, WGAN payoff tr Ψ(WWᵀ − Σ₀), penalties (λ/2)‖Ψ‖_F² and R1.

    .. math:: t_{ij} = 2(s_i + s_j), \qquad d_{ij} = \lambda + \rho t_{ij}, \qquad
        \text{eigenvalues } -\tfrac12 d \pm \sqrt{\tfrac14 d^2 - t}

    Parameters
    ----------
    covariance : (n, n)
        Σ₀, symmetric positive definite, eigenvalues s_i.
    ridge, penalty : float
        λ, ρ >= 0.

    Raises ValueError for a covariance that is not symmetric positive definite or a negative weight.
    Source: docs/minimax, theorem 19.

    >>> game = lq_gan([[1.0, 0.0], [0.0, 4.0]], ridge=0.5, penalty=0.2)
    >>> game.couplings, game.rotations, round(game.threshold("simultaneous"), 12)
    (array([ 4., 10., 16.]), 1, 0.23125)
    """
    sigma = symmetric("covariance", covariance)
    s = np.linalg.eigvalsh(sigma)
    if s[0] <= 1e-14 * max(s[-1], 0.0):
        raise ValueError(f"covariance must be positive definite, got the eigenvalue {s[0]:.3g}")
    lam, rho = nonnegative("ridge", ridge), nonnegative("penalty", penalty)
    n = len(s)
    first, second = np.triu_indices(n)
    t = np.sort(2 * (s[first] + s[second]))
    d = lam + rho * t
    root = np.sqrt((d**2 / 4 - t).astype(complex))
    low = -d / 2 - root  # the larger modulus; the other from the product t, without cancellation
    high = np.where(d**2 / 4 > t, t / low, -d / 2 + root)
    return LinearQuadraticGAN(t, d, np.stack([high, low], axis=1), n * (n - 1) // 2)
