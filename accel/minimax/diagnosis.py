"""What `diagnose` finds out about a game of networks, and how it says so."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...theory.minimax.conditions import Condition
from .decay import Decay
from .game_constants import GameConstants
from .local_thresholds import LocalThresholds
from .repair import Repair

Array = NDArray[np.float64]

WORDS = {
    "gradient_penalty": "add R1, (ρ/2) E|∇D|² on the data, to the critic's loss",
    "ridge": "add a ridge (λ/2)‖ψ_L‖² on the last layer to the critic's loss",
    "inf_convolution": "a ridge on the critic as a function",
    "spectral_normalisation": "normalise every layer of the critic spectrally",
    "smooth_activation": "replace kinked activations by softplus or tanh",
}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The local picture of a game: n = P + F weights (θ, ψ), field v, J = Dv, one round of the optimiser M.

    Attributes
    ----------
    verdict : str
        stable, unstable_step, unstable_flow, marginal, drift, neutral (no direction moves), frozen (the weights are
        not an equilibrium: no claim) or collapsed.
    reason : str
    rate : float
        ρ = max|z| off the neutral directions; nan where all are neutral, as `reason` says.
    eigenvalues : (r,)
        z of M off the neutral directions, largest modulus first.
    flow_eigenvalues : (n - neutral,)
        Of WᵀJW, largest real part first.
    half_lives : (r,)
        ln 2/−ln|z| in rounds; inf where |z| >= 1.
    horizon : int
        Rounds; modes with 1 − |z| < 1/horizon are slow.
    neutral : int
        dim ker J: directions along which the equilibrium continues.
    gap : float
        Smallest singular value kept over the largest dropped; near 1 the count is doubtful.
    min_field, max_field : float
        ‖v_θ‖, ‖v_ψ‖.
    jacobian : (n, n)
        J, θ first.
    minimisers : int
        P.
    step_factor : float
        s_max: all steps may be multiplied by less than this; 0 where no small step is stable.
    limit_rate, limit_step_factor : float or None
        Adam with P = step/ε: ρ and s_max as v̂ → 0; `stable` needs ρ < 1 here too.
    thresholds : LocalThresholds or None
        Of theorems 16 and 17, where J has their form and steps are plain SGD.
    constants : GameConstants
    conditions : tuple of three Condition
        D1, D2, D3.
    repairs : tuple of Repair
        Penalties with the least weight that makes the present steps stable; empty for drift, frozen and collapsed.
    decay : Decay or None
        ‖v_k‖ predicted and measured on a short run; None for Adam without state, or where nothing moves.
    """

    verdict: str
    reason: str
    rate: float
    eigenvalues: NDArray[np.complex128]
    flow_eigenvalues: NDArray[np.complex128]
    half_lives: Array
    horizon: int
    neutral: int
    gap: float
    min_field: float
    max_field: float
    jacobian: Array
    minimisers: int
    step_factor: float
    limit_rate: float | None
    limit_step_factor: float | None
    thresholds: LocalThresholds | None
    constants: GameConstants
    conditions: tuple[Condition, ...]
    repairs: tuple[Repair, ...]
    decay: Decay | None

    @property
    def slow(self) -> NDArray[np.complex128]:
        """The eigenvalues with |1 − |z|| < 1/horizon: too slow to settle in that many rounds, and they dominate ρ."""
        modes: NDArray[np.complex128] = self.eigenvalues[np.abs(1 - np.abs(self.eigenvalues)) < 1 / self.horizon]
        return modes

    @property
    def settled_rate(self) -> float:
        """max|z| over the modes that are not slow; nan where there is none."""
        moduli = np.abs(self.eigenvalues)
        rest = moduli[np.abs(1 - moduli) >= 1 / self.horizon]
        return float(rest.max()) if rest.size else np.nan

    @property
    def failures(self) -> tuple[Condition, ...]:
        """Those of D1, D2, D3 that fail."""
        return tuple(c for c in self.conditions if not c.holds)

    def least_weight(self, name: str) -> float | None:
        """The least weight of `gradient_penalty` or `ridge`, None where it was not sought."""
        return next((repair.weight for repair in self.repairs if repair.name == name), None)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to change, a phrase each, so that training settles here; empty where it does."""
        return tuple(_advice(self))

    def summary(self) -> str:
        """A short report: verdict and why, the numbers, conditions, and what to change."""
        return "\n".join([*_findings(self), *_advised(self)])

    def __str__(self) -> str:
        return self.summary()


def _advice(found: Diagnosis) -> list[str]:
    out = {
        "frozen": ["train on until the field is small, or diagnose averaged weights"],
        "collapsed": ["restart the critic, or train it alone until its slope is not 0"],
        "drift": ["fix the drifting direction with a penalty in the loss of the player that owns it"],
    }.get(found.verdict, [])
    if found.verdict == "unstable_step" and found.limit_rate is not None and found.limit_rate > 1 > found.rate:
        out.append("raise Adam's eps, or change to SGD or a decaying learning rate near the end")
    elif found.verdict == "unstable_step" and found.step_factor > 0:
        out.append(f"multiply both steps by less than {found.step_factor:.4g}")
    if found.verdict in ("unstable_step", "unstable_flow", "marginal"):
        for repair in found.repairs:
            if np.isfinite(repair.weight) and repair.weight > 0:
                out.append(f"{WORDS[repair.name]} with weight above {repair.weight:.4g}")
        if not out:
            out.append("change the losses: no smaller step and no penalty on the critic makes these weights attract")
    return out


def _findings(found: Diagnosis) -> list[str]:
    lines = [f"{found.verdict}: {found.reason}"]
    apart = f", singular values apart by a factor {found.gap:.3g}" if found.neutral else ""
    lines.append(
        f"field: ‖v_θ‖ = {found.min_field:.3g}, ‖v_ψ‖ = {found.max_field:.3g}; {found.neutral} neutral directions of "
        f"{len(found.jacobian)}{apart}"
    )
    if found.eigenvalues.size:
        lives = found.half_lives[np.isfinite(found.half_lives)]
        longest = f", longest half-life {lives.max():.4g} rounds" if lives.size else ""
        lines.append(
            f"update: ρ = {found.rate:.9g}; {found.slow.size} modes slower than {found.horizon} rounds, the others "
            f"{found.settled_rate:.6g}{longest}"
        )
        lines.append(
            f"steps: all may be multiplied by less than {found.step_factor:.6g}"
            if found.step_factor > 0
            else "steps: no factor, however small, makes them stable"
        )
    if found.limit_rate is not None:
        lines.append(f"as v̂ → 0: ρ = {found.limit_rate:.6g}, factor {found.limit_step_factor:.3g}")
    if found.thresholds is not None:
        t = found.thresholds
        if t.min_step > 0:
            lines.append(f"theorem 16: simultaneous steps η < {t.min_step:.4g}, γ < {t.max_step:.4g} are stable")
        lines.append(f"theorem 17: alternating steps need damping, and γ < {t.alternating_max_step:.4g} at this η")
    lines += [_constants_line(found.constants), *(_condition_line(c) for c in found.conditions)]
    if found.decay is not None:
        lines.append(
            f"a run of {len(found.decay.measured) - 1} rounds: ‖v‖ {found.decay.measured[0]:.3g} → "
            f"{found.decay.measured[-1]:.3g}, predicted {found.decay.predicted[-1]:.3g}"
        )
    return lines


def _advised(found: Diagnosis) -> list[str]:
    return [f"{'or' if i else 'change'}: {phrase}" for i, phrase in enumerate(found.advice)]


def _constants_line(c: GameConstants) -> str:
    parts = [f"A² = {c.squared_lipschitz:.4g}"]
    named = (("B", c.curvature_bound), ("α", c.alpha), ("β₁", c.beta1), ("local β₂", c.local_beta2))
    parts += [f"{name} = {value:.4g}" for name, value in named if value is not None]
    parts += [f"seen |∇D| {c.slope:.4g}, ‖∇²D‖ {c.curvature:.4g}"]
    if c.smoothness_estimate is not None:
        parts.append(f"L about {c.smoothness_estimate:.4g} (estimate, not certified)")
    return "constants: " + ", ".join(parts)


def _condition_line(c: Condition) -> str:
    if c.holds:
        return f"{c.name} holds: {c.reason}"
    return f"{c.name} fails: {c.reason}; repair: {' or '.join(WORDS[word] for (word,) in c.repairs)}"
