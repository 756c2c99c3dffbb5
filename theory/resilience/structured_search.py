"""How the norm and the multipliers of level S are found; what is found is proved elsewhere."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .structured_level import System, inequality

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

FREQUENCIES = 9
POWERS = (10.0, 40.0, 160.0)  # of the mean over the frequencies, towards its largest
TURNS = 12  # power steps for the singular vectors, from those of the evaluation before
STARTING = 30  # power steps before the first value
LINES = 40  # steps of the descent at each power
DOUBLINGS = 40
HALVINGS = 10
LEAST_NORM = 1e-200  # where gates are saturated there may be no response at all
HOPELESS = 1.5  # of γ at the Perron vectors; the descent lowers it by a tenth


def search(system: System) -> tuple[float, Array, Array] | None:
    """λ < 1, P and T with N > 0 to rounding; None where none are found."""
    if not float(np.abs(np.linalg.eigvals(system.A)).max(initial=0.0)) < 1:
        return None
    T = multipliers(system)
    found = None if T is None else least_rate(system, T)
    return None if T is None or found is None else (found[0], found[1], T)


def multipliers(system: System) -> Array | None:
    """T of the least γ = max_|z|=1 ‖T^½ G(z) T^−½‖ found; below 1 a norm that contracts exists.  None far above 1.

    log γ is convex in log T.
    """
    G = _responses(system)
    d = _perron(np.abs(G).max(axis=0))
    objective = _Objective(G)
    objective.turn(np.exp(d)[:, None] * G * np.exp(-d), STARTING)
    if not objective.tops.max() < HOPELESS:
        return None
    for power in POWERS:
        d = minimize(objective, d, args=(power,), jac=True, method="L-BFGS-B", options={"maxiter": LINES}).x
    return np.asarray(np.exp(2 * d))


class _Objective:
    """log of the largest singular values, averaged with a power, and its gradient; singular vectors are kept."""

    def __init__(self, G: Complex) -> None:
        self.G = G
        rng = np.random.default_rng(0)
        self.v = rng.standard_normal((len(G), G.shape[2], 1)) + 0j
        self.u = self.v
        self.tops = np.zeros(len(G))

    def turn(self, M: Complex, times: int) -> None:
        back = np.conj(M.transpose(0, 2, 1))
        for _ in range(times):
            self.u = M @ self.v
            v = back @ (self.u / np.maximum(np.linalg.norm(self.u, axis=1, keepdims=True), LEAST_NORM))
            self.tops = np.maximum(np.linalg.norm(v, axis=1)[:, 0], LEAST_NORM)
            self.v = v / self.tops[:, None, None]
        self.u = self.u / np.maximum(np.linalg.norm(self.u, axis=1, keepdims=True), LEAST_NORM)

    def __call__(self, d: Array, power: float) -> tuple[float, Array]:
        M = np.exp(d)[:, None] * self.G * np.exp(-d)
        self.turn(M, TURNS)
        top = self.tops.max()
        weights = (self.tops / top) ** power
        total = weights.sum()
        value = float(np.log(top) + np.log(total) / power)
        squares = np.abs(self.u[..., 0]) ** 2 - np.abs(self.v[..., 0]) ** 2
        return value, np.asarray(weights / total @ squares)


def _responses(system: System) -> Complex:
    """G(z) = C (z I − A)⁻¹ B + E at points of the upper half of |z| = 1."""
    z = np.exp(1j * np.linspace(0, np.pi, FREQUENCIES))
    one = np.eye(len(system.A))
    return np.array([system.C @ np.linalg.solve(point * one - system.A, system.B) + system.E for point in z])


def _perron(N: Array) -> Array:
    """½ log of left over right Perron vector, so that the scaled matrix has equal ones."""
    N = N + 1e-12 * N.max() + 1e-300
    x, y = np.ones(len(N)), np.ones(len(N))
    for _ in range(200):
        x, y = N @ x, N.T @ y
        x, y = x / x.max(), y / y.max()
    return np.asarray(0.5 * np.log(np.maximum(y, 1e-12) / np.maximum(x, 1e-12)))


def norm_matrix(system: System, T: Array, rate: float) -> Array | None:
    """P > 0 with N > 0 at this rate and these multipliers, by doubling of a Riccati equation; None if none is found.

    P = λ⁻²(AᵀPA + CᵀTC + (AᵀPB + CᵀTE)(T − EᵀTE − BᵀPB)⁻¹(…)ᵀ) with a small part of I added on the right.
    """
    root = np.sqrt(T)
    A, B = system.A / rate, system.B / (root * rate)
    C, E = root[:, None] * system.C, root[:, None] * system.E / root
    d = len(A)
    try:
        inner = np.linalg.inv((1 - 1e-7) * np.eye(len(T)) - E.T @ E)
        H = C.T @ C + C.T @ E @ inner @ E.T @ C
        H = H + 1e-6 * np.trace(C.T @ C) / d * np.eye(d)
        A, G = A + B @ inner @ E.T @ C, B @ inner @ B.T
        for _ in range(DOUBLINGS):
            W = np.linalg.solve(np.eye(d) - G @ H, np.hstack([A, G]))
            WA, WG = W[:, :d], W[:, d:]
            change = A.T @ H @ WA
            H, G, A = H + change, G + A @ WG @ A.T, A @ WA
            if not np.abs(H).max() < 1e100:
                return None
            if np.abs(change).max() <= 1e-13 * np.abs(H).max():
                break
    except np.linalg.LinAlgError:
        return None
    P = 0.5 * (H + H.T) / rate**2
    return P if _positive(P) and _positive(inequality(system, P, T, rate)) else None


def _positive(N: Array) -> bool:
    try:
        np.linalg.cholesky(N)
    except np.linalg.LinAlgError:
        return False
    return True


def least_rate(system: System, T: Array, top: float = 1 - 1e-9) -> tuple[float, Array] | None:
    """The least λ found for which these multipliers have a norm, and its P; None where even the largest has none."""
    best = norm_matrix(system, T, top)
    if best is None:
        return None
    low, high = float(np.abs(np.linalg.eigvals(system.A)).max()), top
    for _ in range(HALVINGS):
        rate = 0.5 * (low + high)
        P = norm_matrix(system, T, rate)
        if P is None:
            low = rate
        else:
            high, best = rate, P
    return high, best
