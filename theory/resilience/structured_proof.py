"""What level S proves of a network: sets that hold one after the other, a norm, and how much each step shrinks it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .affine_step import Bounds
from .cell import LSTMCell
from .interval import UNIT, Interval
from .reachable_set import STAGE, STAGES, box_bounds, closes, reachable_bounds, stages
from .structured_level import System, holds, inequality, least_eigenvalue, secant_slopes, structured_systems
from .structured_search import search

Array = NDArray[np.float64]

LARGEST = 64  # units; beyond it the search takes minutes
SPARE = 1e-7  # relative, added to a rate so that another machine's rounding still finds it
WORST = 4.0  # of a rate before the last stage
HALVINGS = 14
LEAST_ENTRY = 2.0**-200  # of P and T, and its inverse the largest: no rounding below 2**-500 after scaling


@dataclass(frozen=True, eq=False)
class StructuredProof:
    """‖Δx(t+1)‖_P <= λ_j ‖Δx(t)‖_P for two trajectories under one input in U from time j · STAGE on.

    Attributes
    ----------
    whole : bool
        Whether it starts from every state of the invariant box; otherwise from those reachable from B0.
    stages : tuple of Bounds
        Y_0, …, Y_J: both trajectories have their rows in Y_j from time j · STAGE on.
    norm : (2n, 2n)
        P > 0.
    multipliers : (6n,)
        T > 0.
    rates : (J + 1,)
        λ_0, …, λ_J, infinite where none is proved; the last, λ_J < 1, holds for ever.

    Source: docs/resilience, theorems 18, 19 and 21.
    """

    whole: bool
    stages: tuple[Bounds, ...]
    norm: Array
    multipliers: Array
    rates: Array

    @property
    def steps(self) -> int:
        """The time from which λ_J holds."""
        return STAGE * (len(self.stages) - 1)

    def stage(self, t: int) -> int:
        """j at time t."""
        return min(t // STAGE, len(self.stages) - 1)

    def size(self, deviation: Array) -> float:
        """(δᵀ|P|δ)^½ >= ‖x‖_P for every |x| <= δ, rounded up."""
        top = float(deviation.max(initial=0.0))
        if top == 0:
            return 0.0
        part = deviation / top
        square = float(part @ (np.abs(self.norm) @ part))
        return top * float(np.sqrt(square)) * (1 + 8 * (len(part) + 4) * UNIT)

    def output_norm(self, rows: Array) -> float:
        """max_j sup |row_j x| over ‖x‖_P <= 1, rounded up.

        For any y, row x = yᵀP x + (row − yᵀP) x, |yᵀP x| <= (yᵀP y)^½ and |x_i| <= s_i κ^−½ where S P S >= κ I.
        """
        P = self.norm
        top = np.abs(rows).max(axis=1, initial=0.0)
        if not top.any():
            return 0.0
        rows, top = rows[top > 0], top[top > 0]
        rows = rows / top[:, None]  # squares of small entries would underflow
        rounding = np.abs(P) * (4 * UNIT)
        least, scale = least_eigenvalue(P, rounding, np.diagonal(P))
        if not least > 0:
            return np.inf
        Y = np.linalg.solve(P, rows.T)
        share = 8 * (len(P) + 4) * UNIT
        product, majorant = P @ Y, np.abs(P) @ np.abs(Y)
        rest = np.abs(rows.T - product) + share * (majorant + np.abs(rows.T))
        square = (Y * product).sum(axis=0) + share * (np.abs(Y) * majorant).sum(axis=0)
        out = np.sqrt(np.maximum(square, 0.0)) + (rest * scale[:, None]).sum(axis=0) / np.sqrt(least)
        return float(np.nextafter(out * (1 + share) * top, np.inf).max())

    def checks(self, cell: LSTMCell) -> bool:
        """Whether P > 0, T > 0 and every finite rate hold on the slopes of its stage; by multiplications alone."""
        P, T = self.norm, self.multipliers
        d, n = cell.dimension, cell.units
        if P.shape != (d, d) or T.shape != (6 * n,) or self.rates.shape != (len(self.stages),):
            return False
        if not (np.isfinite(P).all() and (P == P.T).all() and np.isfinite(T).all() and (T > 0).all()):
            return False
        scales = np.concatenate([np.diagonal(P), T])
        if not (scales.min() > LEAST_ENTRY and max(np.abs(P).max(), T.max()) < 1 / LEAST_ENTRY):
            return False  # products might underflow
        if not ((np.diagonal(P) > 0).all() and least_eigenvalue(P, np.zeros((d, d)), np.diagonal(P))[0] > 0):
            return False
        pairs = zip(self.stages, self.rates.tolist(), strict=True)
        return all(
            rate > 0 and (np.isinf(rate) or holds(structured_systems(cell, secant_slopes(bounds)), P, T, rate))
            for bounds, rate in pairs
        )


def prove_from_box(cell: LSTMCell, X: Interval, U: Interval) -> StructuredProof | None:
    """Level S for every pair of states in the invariant box X under inputs in U."""
    return _proved(cell, True, box_bounds(cell, X, U), U)


def prove_reachable(cell: LSTMCell, U: Interval, Ua: Interval, initial: Interval) -> StructuredProof | None:
    """Level S for pairs of states reachable from B0 under inputs in U_a, then under one input in U."""
    start = reachable_bounds(cell, Ua, initial)
    return None if start is None else _proved(cell, False, start, U)


def replayed(
    cell: LSTMCell,
    start: Bounds | None,
    count: int,
    boxes: tuple[Interval, Interval, Interval, Interval],
    norm: Array,
    multipliers: Array,
    rates: Array,
) -> StructuredProof:
    """The proof with its stages computed again, the start proved anew; boxes are X, U, U_a and B0.

    Raises ValueError where the start does not close or a rate does not hold.
    """
    X, U, Ua, initial = boxes
    if start is None:
        bounds = box_bounds(cell, X, U)
    else:
        bounds = start
        if not ((bounds.weights > 0).all() and closes(cell, bounds, Ua, initial)):
            raise ValueError("certificate must hold bounds at level S that the states never leave, got others")
    if not 0 <= count <= STAGES or len(rates) != count + 1:
        raise ValueError(
            f"certificate must hold a rate for each stage at level S, at most {STAGES}, got {count} stages"
        )
    proof = StructuredProof(start is None, stages(cell, bounds, U, count), norm, multipliers, rates)
    if not proof.checks(cell):
        raise ValueError("certificate must hold a norm and multipliers at level S that prove its rates, got others")
    return proof


def _proved(cell: LSTMCell, whole: bool, start: Bounds, U: Interval) -> StructuredProof | None:
    sets = stages(cell, start, U)
    last = structured_systems(cell, secant_slopes(sets[-1]))
    found = search(last[0])
    if found is None:
        return None
    rate, P, T = found
    rate = min(rate * (1 + SPARE), 1.0)
    if not rate < 1 or not holds(last, P, T, rate):
        return None
    before = [_rate_of(structured_systems(cell, secant_slopes(bounds)), P, T) for bounds in sets[:-1]]
    proof = StructuredProof(whole, sets, P, T, np.array([*before, rate]))
    return proof if proof.checks(cell) else None


def _rate_of(systems: tuple[System, System], P: Array, T: Array) -> float:
    """A rate that this norm and these multipliers prove, near the least; infinite above the worst of interest."""
    N = inequality(systems[0], P, T, 0.0)
    d = len(P)

    def positive(rate: float) -> bool:
        M = N.copy()
        M[:d, :d] += rate**2 * P
        try:
            np.linalg.cholesky(M)
        except np.linalg.LinAlgError:
            return False
        return True

    low, high = 0.0, WORST
    if not positive(high):
        return np.inf
    for _ in range(HALVINGS):
        rate = 0.5 * (low + high)
        low, high = (low, rate) if positive(rate) else (rate, high)
    rate = high * (1 + SPARE)
    return rate if holds(systems, P, T, rate) else np.inf
