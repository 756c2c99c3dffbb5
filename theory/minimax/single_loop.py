"""Which generator step goes with a critic that only follows: one relaxed step per round, no inner loop."""

from dataclasses import dataclass

import numpy as np

from .. import _check
from .arguments import constant, nonnegative


@dataclass(frozen=True)
class SingleLoopStep:
    """The generator step that goes with a critic that takes one relaxed step per round.

    Attributes
    ----------
    step : float
        h = 2/(L + √(L² + 4X²)); inf where L = X = 0.
    lag : float
        X = (1 − δ)β₂A²/δ, what the critic's delay costs.
    relaxation : float
        δ.
    """

    step: float
    lag: float
    relaxation: float

    def bound(self, gap: float, steps: int, initial_error: float = 0.0) -> float:
        r"""2(J_0 − J_inf)/(hT) + ε_0²/(δT), on the mean of ‖∇J(θ_k)‖² over k < T.

        `initial_error` is ε_0 = A √K1 ‖f_0 − Φ_θ₀‖, after the critic's first update.
        """
        room, error = nonnegative("gap", gap), nonnegative("initial_error", initial_error)
        count = _check.integer("steps", steps, 1)
        return 2 * room / (self.step * count) + error**2 / (self.relaxation * count)


def single_loop_step(smoothness: float, beta2: float, squared_lipschitz: float, relaxation: float) -> SingleLoopStep:
    r"""h for f_k = (1 − δ)f_{k−1} + δΦ_θₖ, θ_{k+1} = θ_k − h E[Dfᵀ∇f_k], critics in an RKHS with a ridge.

    .. math:: h = \frac{2}{L + \sqrt{L^2 + 4 X^2}}, \qquad X = \frac{(1 - \delta) \beta_2 A^2}{\delta}

    The critic's step is γ = δ/λ in the norm of its space, where its problem has condition number 1: nothing here grows
    faster than 1/λ.  Any smaller h keeps the promise.  δ = 1 is gradient descent with the exact critic.

    Parameters
    ----------
    smoothness : float
        L of `outer_smoothness`, sharp form.
    beta2 : float
        β₂ = K1/λ.
    squared_lipschitz : float
        A².
    relaxation : float
        δ in (0, 1].

    Raises ValueError for δ outside (0, 1] or an infinite constant.  Source: docs/minimax, theorem 21.

    >>> single_loop_step(2.0, 1.0, 1.0, relaxation=1.0)
    SingleLoopStep(step=0.5, lag=0.0, relaxation=1.0)
    """
    slope, second = constant("smoothness", smoothness), constant("beta2", beta2)
    a2, delta = constant("squared_lipschitz", squared_lipschitz), _check.positive("relaxation", relaxation)
    if delta > 1:
        raise ValueError(f"relaxation must be <= 1, got {delta:g}")
    lag = (1 - delta) * second * a2 / delta
    total = slope + float(np.hypot(slope, 2 * lag))
    return SingleLoopStep(2 / total if total > 0 else np.inf, lag, delta)
