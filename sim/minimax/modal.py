"""How far a game is from rest, measured so that a linear one shrinks by the same factor at every step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import schur

from ...theory import _check
from .algorithms import Game, State, advance

Array = NDArray[np.float64]

STILL = 1e-7  # |z - 1| below which a direction counts as neutral in a matrix from differences
FLAT = 1e-6  # determinant or least singular value of unit eigenvectors at which two count as one
DIFFERENCE = 1e-4  # of central differences, whose error is near 1e-9 for smooth games of size 1


@dataclass(frozen=True, eq=False)
class ModalNorm:
    r"""‖Lx‖ for an update x ← Mx, the rows of L being left eigenvectors, lM = zl, of all z that are not 1.

    A step multiplies each coordinate of Lx by its z, so complex eigenvalues cause no ripples.  M may be a stack of
    blocks that do not mix.  Where left eigenvectors nearly coincide, at a double root, an orthonormal basis of the same
    space takes their place, and the residual goes like k ρ^k.

    Attributes
    ----------
    rows : (B, s, s) or (1, r, s)
        L, with zero rows, or none, for the neutral directions, z = 1.
    weights : (B,)
        What each block's square counts.
    neutral, defective : int
        Neutral directions, and blocks with a double root.
    """

    rows: NDArray[np.complex128]
    weights: Array
    neutral: int
    defective: int

    def __call__(self, x: NDArray[np.complex128] | Array) -> float:
        """The norm of x, (B, s)."""
        y = np.einsum("bij,bj->bi", self.rows, x)
        return float(np.sqrt((self.weights * (np.abs(y) ** 2).sum(axis=1)).sum()))


def modal_norm(blocks: NDArray[np.complex128] | Array, weights: Array, still: float) -> ModalNorm:
    """The norm of the update with these small blocks, (B, s, s); |z − 1| <= still is neutral."""
    z, vectors = np.linalg.eig(blocks.swapaxes(1, 2).astype(complex))
    flat = np.abs(np.linalg.det(vectors)) < FLAT
    rows = vectors.swapaxes(1, 2)
    rows[flat] = np.eye(blocks.shape[1])
    neutral = (np.abs(z - 1) <= still) & ~flat[:, None]
    rows[neutral] = 0.0
    return ModalNorm(rows, weights, int(neutral.sum()), int(flat.sum()))


def matrix_norm(matrix: Array) -> ModalNorm:
    """The norm of the update with one matrix, (D, D), known from differences."""
    z, vectors = np.linalg.eig(matrix.T)
    moving = np.abs(z - 1) > STILL
    rows = vectors[:, moving].T.astype(complex)
    flat = len(rows) > 0 and float(np.linalg.svd(rows, compute_uv=False)[-1]) < FLAT
    if flat:
        rows = moving_space(matrix.T).T
    return ModalNorm(rows[None], np.ones(1), int((~moving).sum()), int(flat))


def moving_space(matrix: Array) -> NDArray[np.complex128]:
    """An orthonormal basis, (D, r), of the space of all right eigenvectors whose z is not 1."""
    decompose: Any = schur  # whose stubs want a real test for complex eigenvalues
    _, basis, count = decompose(matrix, output="complex", sort=_moves)
    return np.asarray(basis[:, :count])


def _moves(z: complex) -> bool:
    return abs(z - 1) > STILL


def without_neutral(matrix: Array, norm: ModalNorm) -> Array:
    """The projector (D, D) onto the moving directions along the neutral ones."""
    if not norm.neutral:
        return np.eye(len(matrix))
    basis, rows = moving_space(matrix), norm.rows[0]
    return np.asarray((basis @ np.linalg.solve(rows @ basis, rows)).real)


def flatten(state: State) -> Array:
    """A state of arrays as one vector: u, f, and the old directions where there are any."""
    parts = (state.u, state.f) if state.old is None else (state.u, state.f, *state.old)
    return np.concatenate([np.ravel(part) for part in parts])


def unflatten(x: Array, like: State) -> State:
    """The state whose vector is x."""
    shapes = [np.shape(like.u), np.shape(like.f)] * (1 if like.old is None else 2)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)]
    return State(parts[0], parts[1], None if like.old is None else (parts[2], parts[3]))


def rest(game: Game, algorithm: str, u: Array, f: Array) -> State:
    """The state of an equilibrium: the optimistic algorithm remembers directions there, all zero."""
    old = (np.zeros_like(u), np.zeros_like(f)) if algorithm == "optimistic" else None
    return State(np.asarray(u, dtype=float), np.asarray(f, dtype=float), old)


def update_matrix(
    game: Game, algorithm: str, min_step: float, max_step: float, equilibrium: State, difference: float = DIFFERENCE
) -> Array:
    """The derivative (D, D) of one step at an equilibrium, by central differences of the step itself.

    Exact up to rounding for linear games; else the error is of the order difference².
    """
    h = _check.positive("difference", difference)
    centre = flatten(equilibrium)

    def after(x: Array) -> Array:
        return flatten(advance(game, algorithm, min_step, max_step, unflatten(x, equilibrium)))

    columns = np.empty((len(centre), len(centre)))
    for k in range(len(centre)):
        shift = np.zeros_like(centre)
        shift[k] = h
        columns[:, k] = (after(centre + shift) - after(centre - shift)) / (2 * h)
    return columns


def dense_norm(game: Game, algorithm: str, min_step: float, max_step: float, equilibrium: State) -> ModalNorm:
    """The modal norm of a game near an equilibrium, for states of up to a few hundred numbers."""
    return matrix_norm(update_matrix(game, algorithm, min_step, max_step, equilibrium))


def displacement(equilibrium: State, norm: ModalNorm) -> Callable[[State], float]:
    """state ↦ norm of its distance from the equilibrium, for one block."""
    centre = flatten(equilibrium)
    return lambda state: norm((_with_memory(state, equilibrium) - centre)[None])


def _with_memory(state: State, like: State) -> Array:
    if like.old is not None and state.old is None:
        raise ValueError("state must carry old directions for the optimistic algorithm, got none")
    return flatten(state)
