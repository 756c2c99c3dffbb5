"""Steps that theorems 16 and 17 promise to be safe, for a game whose linearisation has their form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...theory.minimax.gan_linearisation import GANLinearisation, alternating_threshold

Array = NDArray[np.float64]

FORM = 1e-8  # share of ‖J‖ by which the blocks may miss the form


@dataclass(frozen=True)
class LocalThresholds:
    """What the two theorems say of plain gradient steps, without an eigenvalue.

    Attributes
    ----------
    min_step : float
        Simultaneous: η below it and γ below `max_step` are stable; 0 where D̂ is singular.
    max_step : float
        2/‖D̂‖.
    simultaneous_safe : bool
        Whether ηKKᵀ ≺ D̂ and γ(2D̂ − ηKKᵀ) ≺ 4I at the steps given: sufficient.
    alternating_max_step : float
        4/λ_max(2D̂ + ηKKᵀ) at the η given: γ below it is necessary, and sufficient where nothing is undamped.
    alternating_stable : bool
        Necessary and sufficient at the steps given.
    """

    min_step: float
    max_step: float
    simultaneous_safe: bool
    alternating_max_step: float
    alternating_stable: bool


def linearisation(jacobian: Array, minimisers: int, floor: float = 0.0) -> GANLinearisation | None:
    """J as [[0, −Kᵀ], [K, −D̂]] with D̂ ⪰ 0, None where it has not that form up to 1e-8‖J‖ or `floor`."""
    p = minimisers
    own, back, coupling, damping = jacobian[:p, :p], jacobian[:p, p:], jacobian[p:, :p], -jacobian[p:, p:]
    damping = 0.5 * (damping + damping.T)
    room = max(FORM * float(np.linalg.norm(jacobian, 2)), floor)
    if np.linalg.norm(own, 2) > room or np.linalg.norm(back + coupling.T, 2) > room:
        return None
    values, vectors = np.linalg.eigh(damping)
    if values[0] < -room:
        return None
    if values[0] < 0:  # rounding, or a point that is not quite the equilibrium
        damping = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return GANLinearisation(coupling, damping)


def local_thresholds(linearised: GANLinearisation, min_step: float, max_step: float) -> LocalThresholds:
    """Theorems 16 and 17 at the steps η, γ.  Source: docs/minimax, theorems 16 and 17."""
    size = float(np.linalg.norm(linearised.damping, 2))
    return LocalThresholds(
        linearised.min_step_threshold,
        2 / size if size > 0 else np.inf,
        linearised.simultaneous_safe(min_step, max_step),
        alternating_threshold(linearised.damping, linearised.coupling, min_step),
        linearised.alternating_stable(min_step, max_step),
    )
