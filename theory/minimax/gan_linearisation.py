"""Whether a GAN converges near its equilibrium: eigenvalues, thresholds, and conditions that need no eigenvalue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .arguments import constant, nonnegative, number, symmetric
from .step_threshold import step_threshold
from .update_map import UpdateSpectrum, neutral_directions, update_spectrum

Array = NDArray[np.float64]

RELATIVE_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class GANLinearisation:
    """The field of a GAN at its equilibrium, v(δθ, ψ) ≈ J (δθ, ψ), J = [[0, −Kᵀ], [K, −D̂]].

    Attributes
    ----------
    coupling : (F, P)
        K = g'(0) C.
    damping : (F, F)
        D̂ = λI + ρG + 2|g''(0)| E φφᵀ.
    """

    coupling: Array
    damping: Array

    @property
    def jacobian(self) -> Array:
        """J, (P + F, P + F), parameters first."""
        k = self.coupling
        return np.block([[np.zeros((k.shape[1], k.shape[1])), -k.T], [k, -self.damping]])

    @property
    def neutral(self) -> int:
        """dim ker J: parameters that leave all features' means, and critic directions that nothing couples or damps."""
        return neutral_directions(self.jacobian).count

    @property
    def eigenvalues(self) -> NDArray[np.complex128]:
        """Those of the flow off the neutral directions, (P + F − neutral,), largest real part first."""
        w = neutral_directions(self.jacobian).complement
        values = np.linalg.eigvals(w.T @ self.jacobian @ w).astype(complex)
        return values[np.lexsort((values.imag, -values.real))]

    def spectrum(self, algorithm: str, min_step: float, max_step: float) -> UpdateSpectrum:
        """The eigenvalues of the update and its rate; algorithm and errors as in `update_map`."""
        return update_spectrum(self.jacobian, self.coupling.shape[1], algorithm, min_step, max_step)

    def equal_step_threshold(self, algorithm: str) -> float:
        """The h below which equal steps are stable, from small h on; as `step_threshold`."""
        return step_threshold(self.jacobian, self.coupling.shape[1], algorithm)

    def simultaneous_safe(self, min_step: float, max_step: float) -> bool:
        r"""Sufficient for simultaneous steps: η KKᵀ ≺ D̂ and γ(2D̂ − η KKᵀ) ≺ 4I where K or D̂ acts.

        The second is necessary too.  Source: docs/minimax, theorem 16.
        """
        gram, damping = self._active()
        eta, gamma = _check.positive("min_step", min_step), _check.positive("max_step", max_step)
        if not len(gram):
            return True
        first = np.linalg.eigvalsh(damping - eta * gram)[0]
        second = np.linalg.eigvalsh(gamma * (2 * damping - eta * gram))[-1]
        return bool(first > 0 and second < 4)

    @property
    def undamped(self) -> int:
        r"""Critic directions that K moves and nothing ever damps: the largest KKᵀ-invariant part of ker D̂ in ran K.

        Each gives a pair ±i√t of the flow.  0 where D̂ ≻ 0, but also where K turns an undamped direction into a damped
        one.  Source: docs/minimax, theorem 17.
        """
        gram, damping = self._active()
        if not len(gram):
            return 0
        values, vectors = np.linalg.eigh(damping)
        space = vectors[:, values <= RELATIVE_RANK * np.abs(self.damping).max()]
        while space.shape[1]:
            leaving = gram @ space - space @ (space.T @ gram @ space)
            _, singular, right = np.linalg.svd(leaving)
            still = np.append(singular, np.zeros(right.shape[0] - len(singular))) <= RELATIVE_RANK * np.abs(gram).max()
            if still.all():
                break
            space = space @ right[still].T
        return int(space.shape[1])

    def alternating_stable(self, min_step: float, max_step: float) -> bool:
        r"""Necessary and sufficient for alternating steps: nothing `undamped` and γ λ_max(2D̂ + η KKᵀ) < 4.

        Source: docs/minimax, theorem 17.
        """
        gamma = _check.positive("max_step", max_step)
        edge = alternating_threshold(self.damping, self.coupling, min_step)
        return self.undamped == 0 and gamma < edge

    @property
    def min_step_threshold(self) -> float:
        r"""sup η with η KKᵀ ≺ D̂: below it, and with γ‖D̂‖ < 2, simultaneous steps are stable; 0 where D̂ is singular.

        .. math:: \frac{1}{\lambda_{\max}(K^\top \hat D^{-1} K)}

        Source: docs/minimax, theorem 16.
        """
        gram, damping = self._active()
        if not len(gram) or not gram.any():
            return np.inf
        if np.linalg.eigvalsh(damping)[0] <= RELATIVE_RANK * np.abs(damping).max():
            return 0.0
        lower = np.linalg.cholesky(damping)
        inner = np.linalg.solve(lower, np.linalg.solve(lower, gram).T)
        return float(1 / np.linalg.eigvalsh(0.5 * (inner + inner.T))[-1])

    def _active(self) -> tuple[Array, Array]:
        """KKᵀ and D̂ on the complement of ker D̂ ∩ ker Kᵀ."""
        both = [m / np.abs(m).max() if m.any() else m for m in (self.coupling, self.damping)]
        left, singular, _ = np.linalg.svd(np.concatenate(both, axis=1))
        basis = left[:, singular > RELATIVE_RANK]
        half: Array = basis.T @ self.coupling
        damping: Array = basis.T @ self.damping @ basis
        return half @ half.T, 0.5 * (damping + damping.T)


def gan_linearisation(
    coupling: ArrayLike,
    gradient_gram: ArrayLike,
    second_moment: ArrayLike,
    ridge: float = 0.0,
    penalty: float = 0.0,
    slope: float = 1.0,
    curvature: float = 0.0,
) -> GANLinearisation:
    r"""The linearised field of E g(D(f_θ)) + E_μ₀ g(−D), D = ⟨ψ, φ⟩, at μ_θ = μ₀, ψ = 0.

    .. math:: J = \begin{pmatrix} 0 & -g'(0) C^\top \\ g'(0) C & -\hat D \end{pmatrix}, \qquad
        \hat D = \lambda I + \rho G + 2 |g''(0)| E \varphi\varphi^\top

    The non-saturating generator has the same J.

    Parameters
    ----------
    coupling : (F, P)
        C = E_z ∇φ(f_θ(z)) Df_θ(z), features by parameters.
    gradient_gram : (F, F)
        G = E_μ₀ Σ_i ∂_iφ ∂_iφᵀ.
    second_moment : (F, F)
        E_μ₀ φφᵀ.
    ridge, penalty : float
        λ >= 0 on ½‖ψ‖², ρ >= 0 on ½E|∇D|² (R1).
    slope, curvature : float
        g'(0) > 0 and g''(0) <= 0: 1 and 0 for WGAN, ½ and −¼ for the logistic loss.

    Raises ValueError for sizes that do not agree, a matrix that is not symmetric or has a negative eigenvalue, a
    negative weight, or g''(0) > 0.  Source: docs/minimax, theorem 16.

    >>> dirac = gan_linearisation([[1.0]], [[1.0]], [[0.0]], penalty=0.3, slope=0.5, curvature=-0.25)
    >>> dirac.eigenvalues.round(12)
    array([-0.15-0.4769696j, -0.15+0.4769696j])
    """
    c = _check.matrix("coupling", coupling)
    if c.size == 0:
        raise ValueError(f"coupling must not be empty, got shape {c.shape}")
    gram = symmetric("gradient_gram", gradient_gram, len(c))
    moment = symmetric("second_moment", second_moment, len(c))
    lam, rho = nonnegative("ridge", ridge), nonnegative("penalty", penalty)
    first, second = _check.positive("slope", slope), number("curvature", curvature)
    if second > 0:
        raise ValueError(f"curvature must be <= 0, as g is concave, got {second:g}")
    damping = lam * np.eye(len(c)) + rho * gram + 2 * abs(second) * moment
    return GANLinearisation(first * c, damping)


def r1_threshold(penalty: float, squared_lipschitz: float = 1.0, slope: float = 1.0) -> float:
    r"""The generator step below which R1 of weight ρ stabilises simultaneous steps, whatever features and data.

    .. math:: \eta < \frac{\rho}{g'(0)^2 A^2}, \qquad\text{with } \gamma \|\hat D\| < 2

    For N particles of step η each A² = 1 in these units, and η < ρ is necessary as well.

    Parameters
    ----------
    penalty : float
        ρ > 0.
    squared_lipschitz : float
        A² > 0, as from `generator_constants`.
    slope : float
        g'(0) > 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorems 14 and 16.

    >>> r1_threshold(0.3, slope=0.5)
    1.2
    """
    rho, first = _check.positive("penalty", penalty), _check.positive("slope", slope)
    a2 = constant("squared_lipschitz", squared_lipschitz)
    if a2 == 0:
        raise ValueError("squared_lipschitz must be > 0, got 0")
    return rho / (first**2 * a2)


def alternating_threshold(damping: ArrayLike, coupling: ArrayLike, min_step: float) -> float:
    r"""The critic step below which alternating steps are stable, for a given generator step.

    .. math:: \gamma < \frac{4}{\lambda_{\max}(2 \hat D + \eta K K^\top)}

    Necessary, and sufficient where `GANLinearisation.undamped` is 0; no bound ties η to ρ or λ.

    Parameters
    ----------
    damping : (F, F)
        D̂.
    coupling : (F, P)
        K = g'(0) C.
    min_step : float
        η > 0.

    Raises ValueError for sizes that do not agree.  Source: docs/minimax, theorem 17.

    >>> alternating_threshold([[1.0]], [[1.0]], 2.0)
    1.0
    """
    k = _check.matrix("coupling", coupling)
    d = symmetric("damping", damping, len(k))
    eta = _check.positive("min_step", min_step)
    top = float(np.linalg.eigvalsh(2 * d + eta * k @ k.T)[-1])
    return 4 / top if top > 0 else np.inf
