"""Where the states are t steps after the anomaly: boxes that shrink with t."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cell import Stack
from .interval import Interval, up
from .layer import step_stack

Array = NDArray[np.float64]

STILL = 1e-12
STEPS = 400


@dataclass(frozen=True, eq=False)
class Tube:
    """X_t around the perturbed states and X̄_t ⊆ X_t around the nominal ones, t = 0, …, K; X_K holds for all later t.

    Source: docs/resilience, section 2.
    """

    perturbed: tuple[Interval, ...]
    nominal: tuple[Interval, ...]

    @property
    def steps(self) -> int:
        """K."""
        return len(self.perturbed) - 1

    def box(self, t: int) -> Interval:
        """X_t."""
        return self.perturbed[min(t, self.steps)]

    def widths(self, t: int) -> Array:
        """w_t >= |x(t) − x̄(t)|, rounded up."""
        k = min(t, self.steps)
        return deviation_widths(self.perturbed[k], self.nominal[k])


def deviation_widths(perturbed: Interval, nominal: Interval) -> Array:
    """max(X⁺ − X̄⁻, X̄⁺ − X⁻), rounded up."""
    return np.maximum(up(perturbed.upper - nominal.lower), up(nominal.upper - perturbed.lower))


def tube(stack: Stack, U: Interval, perturbed: Interval, nominal: Interval, steps: int = STEPS) -> Tube:
    """The tube from S_a and S_n under inputs in U, until no width moves by more than 1e-12 or for 400 steps."""
    X, Y = [perturbed], [nominal & perturbed]
    for _ in range(steps):
        X.append(step_stack(stack, X[-1], U) & X[-1])
        Y.append(step_stack(stack, Y[-1], U) & Y[-1] & X[-1])
        if all((np.abs(a.width - b.width) <= STILL).all() for a, b in ((X[-1], X[-2]), (Y[-1], Y[-2]))):
            break
    return Tube(tuple(X), tuple(Y))
