"""The best linear network that passes its input through given concepts and a few free units."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve, solve_triangular
from scipy.optimize import minimize

from .noise_units import EPSILON, Response

SWEEPS = 10  # alternations from each start before the quasi-Newton finish
ROUNDS = 8  # quasi-Newton runs at most, each of at most 500 steps
SETTLED = 1e-9  # a run that gains less than this share of 1 + loss is the last

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class ConceptFit:
    """A maximum of the likelihood of y = (A₁B₁ + A₂D_S) x + noise, c = D x + noise.

    Attributes
    ----------
    log_likelihood : float
        In nats.
    concept_map : (K, N)
        D of all concepts, in the orthonormal coordinates of the inputs.
    converged : bool
    """

    log_likelihood: float
    concept_map: Matrix
    converged: bool


def fit_concepts(
    outputs: Response, concepts: Response, used: tuple[int, ...], hidden: int, starts: Iterable[Matrix] = ()
) -> ConceptFit:
    r"""The maximum found from the concepts' own least-squares fit, from a total least squares fit, and from `starts`.

    In units of the noise, with E the part of D that is used, what is minimised is

    .. math:: f(E) = \min_{A_2,\ \operatorname{rank} W \le h} \psi_y(Z - W - A_2 E) + \psi_c(C_S - E)

    where ψ is half the squared norm (noise known) or ½ n log det(I + RR^T) (unknown).  The minimum inside is closed:
    A₂ = Z E⁺, W = the rank-h truncation of Z off the rows of E.  A few alternations, of which each only lowers f, are
    finished by L-BFGS on f, whose gradient is that of ψ at the inner minimum; without it the alternation may take
    thousands of sweeps.  f is not convex, so the best of the starts is kept.

    Parameters
    ----------
    outputs, concepts : Response
        y and all K recorded concepts regressed on the same inputs.
    used : (S,) ints
        The concepts that serve as bottleneck units, increasing.
    hidden : int
        h, the free units.
    starts : (K, N) matrices, optional
        Further D to start from.  The result is never worse than any of them.

    Source: derived in docs/selection, section 3.
    """
    Z = outputs.whitened
    ceiling = outputs.constant + concepts.constant
    if not used:
        sigma = np.linalg.svd(Z, compute_uv=False)
        return ConceptFit(ceiling - outputs.loss(sigma[hidden:]), concepts.signal, True)
    chosen = list(used)
    root = np.linalg.qr(concepts.root[chosen].T)[1].T  # R_S R_S^T = G_SS
    C = _whiten(root, concepts.signal[chosen])
    problem = _Problem(outputs, concepts, Z, C, hidden)
    candidates = [C, problem.total_least_squares(), *(_whiten(root, D[chosen]) for D in starts)]
    loss, E, settled = min((problem.descend(start) for start in candidates), key=lambda found: found[0])
    # the concepts that are not used follow the change of those that are, as far as their noises go together
    follow = concepts.root @ np.linalg.pinv(concepts.root[chosen])
    return ConceptFit(ceiling - loss, concepts.signal + follow @ root @ (E - C), settled)


def _whiten(root: Matrix, matrix: Matrix) -> Matrix:
    return np.asarray(solve_triangular(root, matrix, lower=True))


@dataclass(frozen=True)
class _Problem:
    """f of `fit_concepts` in the letters of its formula: Z (M, N), C = C_S (S, N), h free units."""

    outputs: Response
    concepts: Response
    Z: Matrix
    C: Matrix
    h: int

    def inner(self, E: Matrix) -> tuple[Matrix, Matrix]:
        """A₂ and the residual Z − W − A₂E at the inner minimum."""
        U, s, Vt = np.linalg.svd(E, full_matrices=False)
        keep = s > max(E.shape) * EPSILON * s[0]
        U, s, Vt = U[:, keep], s[keep], Vt[keep]
        along = self.Z @ Vt.T
        P, t, Qt = np.linalg.svd(self.Z - along @ Vt, full_matrices=False)
        return (along / s) @ U.T, (P[:, self.h :] * t[self.h :]) @ Qt[self.h :]

    def loss(self, residual: Matrix, E: Matrix) -> float:
        """ψ_y + ψ_c."""
        singular = [np.linalg.svd(R, compute_uv=False) for R in (residual, self.C - E)]
        return self.outputs.loss(singular[0]) + self.concepts.loss(singular[1])

    def alternate(self, E: Matrix) -> Matrix:
        """One sweep: the best E given A₂ and W, and given the noise where that is unknown (a majorised step)."""
        A, residual = self.inner(E)
        WA = _weight(self.outputs, residual) @ A
        Wc = _weight(self.concepts, self.C - E)
        return np.asarray(solve(WA.T @ A + Wc, WA.T @ (residual + A @ E) + Wc @ self.C, assume_a="pos"))

    def value_and_gradient(self, flat: Matrix) -> tuple[float, Matrix]:
        E = flat.reshape(self.C.shape)
        A, residual = self.inner(E)
        slope = A.T @ (_weight(self.outputs, residual) @ residual) + _weight(self.concepts, self.C - E) @ (self.C - E)
        return self.loss(residual, E), -slope.ravel()

    def descend(self, start: Matrix) -> tuple[float, Matrix, bool]:
        """The loss, E, and whether it has settled, from one start; never above the start's loss."""
        best = (self.value_and_gradient(start.ravel())[0], start)
        E = start
        for _ in range(SWEEPS):
            E = self.alternate(E)
        settled = False
        for _ in range(ROUNDS):
            found = minimize(
                self.value_and_gradient,
                E.ravel(),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": 500, "ftol": 1e-14, "gtol": 1e-6},
            )
            E = found.x.reshape(E.shape)
            gain, best = best[0] - found.fun, (float(found.fun), E) if found.fun < best[0] else best
            settled = gain < SETTLED * (1 + best[0])
            if settled:
                break
        return *best, settled

    def total_least_squares(self) -> Matrix:
        """E from the best approximation of [Z; C] of rank S: the exact minimum for h = 0 and known noise."""
        _, _, Vt = np.linalg.svd(np.vstack([self.Z, self.C]), full_matrices=False)
        top = Vt[: self.C.shape[0]]
        return np.asarray(self.C @ top.T @ top)


def _weight(response: Response, residual: Matrix) -> Matrix:
    """The derivative of ψ in RR^T, doubled: I where the noise is known, n (I + RR^T)^{-1} where not."""
    unit = np.eye(residual.shape[0])
    return unit if response.known else np.asarray(response.n * np.linalg.inv(unit + residual @ residual.T))
