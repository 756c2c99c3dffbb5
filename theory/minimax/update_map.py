"""What an optimiser does near an equilibrium of a two-player game: the spectrum of its step, still directions aside."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import block_diag

from .. import _check
from .arguments import choice, nonnegative
from .modes import ALGORITHMS

Array = NDArray[np.float64]

RELATIVE_RANK = 1e-10  # singular values of J below this share of the largest count as zero
MARGIN = 1e-9  # |ρ − 1| below it is marginal


@dataclass(frozen=True, eq=False)
class NeutralDirections:
    """ker J and its complement.

    Attributes
    ----------
    count : int
        dim ker J.
    complement : (n, n - count)
        W, orthonormal columns: right singular vectors of J that are not in the kernel.
    gap : float
        Smallest kept singular value over the largest dropped one; inf where none is dropped or the dropped are 0.
    """

    count: int
    complement: Array
    gap: float


def neutral_directions(jacobian: ArrayLike, floor: float = 0.0) -> NeutralDirections:
    r"""The directions in which a field v(w) ≈ J w vanishes: every update map built from v fixes them.

    Parameters
    ----------
    jacobian : (n, n)
        J, the derivative of the field that both players follow.
    floor : float
        Singular values up to max(1e-10 σ_max, floor) count as 0; ‖v‖ where J was taken off the equilibrium.

    Raises ValueError for a matrix that is not square or not finite.  Source: docs/minimax, theorem 15.

    >>> neutral_directions([[0.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]).count
    1
    """
    j = square(jacobian)
    _, singular, right = np.linalg.svd(j)
    threshold = max(RELATIVE_RANK * singular[0], nonnegative("floor", floor))
    kept = int((singular > threshold).sum())
    dropped = singular[kept] if kept < len(singular) else 0.0
    gap = float(singular[kept - 1] / dropped) if kept and dropped > 0 else np.inf
    return NeutralDirections(len(j) - kept, right[:kept].T, gap)


def update_map(
    jacobian: ArrayLike,
    minimisers: int,
    algorithm: str,
    min_step: float | ArrayLike,
    max_step: float | ArrayLike,
    momentum: float = 0.0,
    averaged: bool = False,
    critic_steps: int = 1,
) -> Array:
    r"""M, the derivative of one round of the optimiser at an equilibrium of the field v, J = Dv.

    With P = diag(steps) and J_θ, J_ψ = J with the other player's rows set to 0:

    ================  ======================================
    simultaneous      I + PJ
    alternating       (I + PJ_ψ)^k (I + PJ_θ)
    extragradient     I + PJ + (PJ)²
    optimistic        [[I + 2PJ, −PJ], [I, 0]] on (w, old w)
    ================  ======================================

    With momentum the state is (w, m), a moving player's m ← βm + v, then w ← w + Pm; `averaged` makes it
    m ← βm + (1−β)v, as Adam does with a frozen preconditioner P.

    Parameters
    ----------
    jacobian : (n, n)
    minimisers : int
        The first `minimisers` coordinates are θ, moved by min_step, the others ψ, moved by max_step.
    algorithm : str
        simultaneous, alternating (θ first), extragradient or optimistic.
    min_step, max_step : number or (minimisers,), (n - minimisers,)
        > 0.
    momentum : float
        β in [0, 1); simultaneous and alternating only.
    averaged : bool
    critic_steps : int
        k >= 1, alternating only.

    Returns
    -------
    map : (n, n), or (2n, 2n) for optimistic and wherever momentum > 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 15.

    >>> update_map([[0.0, -1.0], [1.0, -1.0]], 1, "alternating", 0.5, 0.5)
    array([[ 1.  , -0.5 ],
           [ 0.5 ,  0.25]])
    """
    j = square(jacobian)
    n = len(j)
    players = _check.integer("minimisers", minimisers, 0, n, f"the size of jacobian = {n}")
    choice("algorithm", algorithm, ALGORITHMS)
    beta, rounds = nonnegative("momentum", momentum), _check.integer("critic_steps", critic_steps, 1)
    if beta >= 1:
        raise ValueError(f"momentum must be < 1, got {beta:g}")
    if beta and algorithm not in ("simultaneous", "alternating"):
        raise ValueError(f"momentum must be 0 for {algorithm}, got {beta:g}")
    if rounds > 1 and algorithm != "alternating":
        raise ValueError(f"critic_steps must be 1 for {algorithm}, got {rounds}")
    steps = np.concatenate([_steps("min_step", min_step, players), _steps("max_step", max_step, n - players)])
    pj, one, zero = steps[:, None] * j, np.eye(n), np.zeros((n, n))
    if algorithm == "extragradient":
        return one + pj + pj @ pj
    if algorithm == "optimistic":
        return np.block([[one + 2 * pj, -pj], [one, zero]])
    first = np.arange(n) < players
    movers = [np.ones(n, dtype=bool)] if algorithm == "simultaneous" else [first, *([~first] * rounds)]
    gain = 1 - beta if averaged else 1.0
    out = np.eye(2 * n if beta else n)
    for moving in movers:
        out = _move(j, steps, moving, beta, gain) @ out
    return out


def _move(j: Array, steps: Array, moving: NDArray[np.bool_], beta: float, gain: float) -> Array:
    """One step of the moving coordinates, on w or on (w, m)."""
    n = len(j)
    pull = gain * moving[:, None] * j
    if not beta:
        return np.eye(n) + steps[:, None] * pull
    memory = np.diag(np.where(moving, beta, 1.0))
    p = np.diag(steps * moving)
    return np.block([[np.eye(n) + p @ pull, p @ memory], [pull, memory]])


@dataclass(frozen=True, eq=False)
class UpdateSpectrum:
    """The eigenvalues of an update map off the neutral directions.

    Attributes
    ----------
    rate : float
        ρ = max |z|; nan where every direction is neutral.
    eigenvalues : (r,)
        z, largest modulus first.
    neutral : int
        How many directions of w the update fixes.
    verdict : str
        stable, unstable, marginal (|ρ − 1| <= 1e-9) or neutral.
    reason : str
        Why `rate` is nan, else empty.
    """

    rate: float
    eigenvalues: NDArray[np.complex128]
    neutral: int
    verdict: str
    reason: str = ""


def update_spectrum(
    jacobian: ArrayLike,
    minimisers: int,
    algorithm: str,
    min_step: float | ArrayLike,
    max_step: float | ArrayLike,
    momentum: float = 0.0,
    averaged: bool = False,
    critic_steps: int = 1,
    floor: float = 0.0,
) -> UpdateSpectrum:
    r"""The spectrum of WᵀMW, W spanning the complement of ker J: that of M with the neutral directions taken out.

    Exact at an equilibrium, as every `update_map` acts as the identity on ker J.  W acts on w, for optimistic on both
    halves of the state.  Arguments and errors as in `update_map`, `floor` as in `neutral_directions`.
    Source: docs/minimax, theorem 15.

    >>> found = update_spectrum([[0.0, -1.0], [1.0, -1.0]], 1, "simultaneous", 0.5, 0.5)
    >>> found.verdict, round(found.rate, 12)
    ('stable', 0.866025403784)
    """
    still = neutral_directions(jacobian, floor)
    matrix = update_map(jacobian, minimisers, algorithm, min_step, max_step, momentum, averaged, critic_steps)
    w = still.complement
    if w.shape[1] == 0:
        empty = np.zeros(0, dtype=complex)
        return UpdateSpectrum(
            np.nan, empty, still.count, "neutral", "every direction is neutral: the field is constant"
        )
    if len(matrix) > len(w):
        w = block_diag(w, w if algorithm == "optimistic" else np.eye(len(w)))
    values = np.linalg.eigvals(w.T @ matrix @ w).astype(complex)
    values = values[np.argsort(-np.abs(values), kind="stable")]
    rate = float(np.abs(values[0]))
    verdict = "marginal" if abs(rate - 1) <= MARGIN else "stable" if rate < 1 else "unstable"
    return UpdateSpectrum(rate, values, still.count, verdict)


def square(jacobian: ArrayLike) -> Array:
    out = _check.matrix("jacobian", jacobian)
    if out.shape[0] != out.shape[1] or out.shape[0] == 0:
        raise ValueError(f"jacobian must be a square matrix, got shape {out.shape}")
    return out


def _steps(name: str, value: float | ArrayLike, count: int) -> Array:
    out = _check.finite(name, value)
    if out.ndim and out.shape != (count,):
        raise ValueError(f"{name} must be a number or have shape ({count},), got {out.shape}")
    if not (out > 0).all():
        raise ValueError(f"{name} must be > 0, got {out.min():g}")
    return np.broadcast_to(out, count)
