"""How far the steps of a game may be raised together before it turns unstable."""

import numpy as np
from numpy.typing import ArrayLike

from .update_map import MARGIN, neutral_directions, square, update_map, update_spectrum

BISECTIONS = 60
ROUNDING = 1e-13  # a real part below this share of the largest modulus is 0


def step_threshold(
    jacobian: ArrayLike,
    minimisers: int,
    algorithm: str,
    min_step: float | ArrayLike = 1.0,
    max_step: float | ArrayLike = 1.0,
    momentum: float = 0.0,
    averaged: bool = False,
    critic_steps: int = 1,
    floor: float = 0.0,
) -> float:
    r"""s_max: with steps s·η, s·γ the update is not unstable for s up to this factor, and is just above it.

    For simultaneous steps without momentum in closed form,

    .. math:: s_{\max} = \min_a \frac{2 \operatorname{Re} a}{|a|^2}, \qquad a \in \sigma(-W^\top P J W);

    otherwise the first s where ρ passes 1 + 1e-9, from 1e-3/‖PJ‖ by factors of 1.1, then bisection; relative error near
    1e-8.

    Returns 0 where no small step is stable (some Re a <= 0 for simultaneous) and inf where none is unstable.
    Arguments and errors as in `update_spectrum`.  Source: docs/minimax, theorem 15.

    >>> round(step_threshold([[0.0, -0.5], [0.5, -0.3]], 1, "simultaneous"), 12)
    1.2
    """
    j = square(jacobian)
    n = len(j)
    w = neutral_directions(j, floor).complement
    first = np.broadcast_to(np.asarray(min_step, dtype=float), minimisers)
    second = np.broadcast_to(np.asarray(max_step, dtype=float), n - minimisers)
    update_map(j, minimisers, algorithm, min_step, max_step, momentum, averaged, critic_steps)  # checks the arguments
    if w.shape[1] == 0:
        return np.inf
    pj = np.concatenate([first, second])[:, None] * j
    a = -np.linalg.eigvals(w.T @ pj @ w)
    if algorithm == "simultaneous" and not momentum:
        undamped = a.real.min() <= ROUNDING * np.abs(a).max()
        return 0.0 if undamped else float((2 * a.real / np.abs(a) ** 2).min())

    def crosses(s: float) -> bool:
        found = update_spectrum(
            j, minimisers, algorithm, s * first, s * second, momentum, averaged, critic_steps, floor
        )
        return found.rate > 1 + MARGIN

    high = 1e-3 / float(np.linalg.norm(pj, 2))
    if crosses(high):
        return 0.0
    while not crosses(high):
        high *= 1.1
        if high > 1e12:
            return np.inf
    low = high / 1.1
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if crosses(middle) else (middle, high)
    return low
