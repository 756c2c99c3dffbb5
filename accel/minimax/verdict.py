"""Whether training settles near these weights, said in a word and a reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...theory.minimax.update_map import MARGIN, UpdateSpectrum, neutral_directions
from .optimiser_map import OptimiserMap

Array = NDArray[np.float64]

FIELD = 1e-6  # ‖v‖ above this share of 1 + ‖w‖: the weights are not an equilibrium
JORDAN = 1e-8  # share of ‖J‖ times the least step below which an eigenvalue off the neutral directions is 0
WELL_APART = 1e-3  # and share of the smallest singular value kept
AGAINST = 1e-12  # share of the largest |a| below which a real part is 0
SLOPE, APART = 1e-8, 1e-6  # a critic flatter than the first on samples further apart than the second has collapsed,
DEAF = 1e-3  # unless it is about to follow: ‖v‖ a share of the MMD, as near a realisable equilibrium with D = 0


@dataclass(frozen=True)
class Verdict:
    """frozen, collapsed, neutral, drift, stable, marginal, unstable_flow or unstable_step, and why."""

    word: str
    reason: str


def verdict(
    maps: Sequence[OptimiserMap],
    spectra: Sequence[UpdateSpectrum],
    jac: Array,
    floor: float,
    field: float,
    size: float,
    slope: float,
    mmd: float,
) -> Verdict:
    """The verdict on J = `jac` at weights of norm `size` with ‖v‖ = `field`, max|∇D| = `slope` and an MMD of samples.

    `maps` and `spectra` are those of the optimiser, the present one first; all must be stable.
    Source: docs/minimax, theorem 15.
    """
    if field > FIELD * (1 + size):
        return Verdict(
            "frozen",
            f"‖v‖ = {field:.3g} exceeds 1e-6 (1 + ‖w‖) = {FIELD * (1 + size):.3g}: the weights still move, so the "
            "eigenvalues describe this moment and prove nothing about convergence",
        )
    if slope < SLOPE and mmd > APART and field < DEAF * mmd:
        return Verdict(
            "collapsed",
            f"the critic is flat (max|∇D| = {slope:.3g}) while the samples differ from the data (MMD {mmd:.3g}): the "
            "generator gets no signal",
        )
    first = spectra[0]
    if first.verdict == "neutral":
        return Verdict("neutral", first.reason)
    if _drifts(maps[0], jac, floor):
        return Verdict(
            "drift",
            "the field has a Jordan block at 0: a neutral direction is pushed at a constant speed and never comes back",
        )
    for place, spectrum in enumerate(spectra):
        if spectrum.verdict == "stable":
            continue
        where = "" if place == 0 else " once v̂ → 0, where Adam's step grows to step/ε"
        a = maps[place].flow(jac, floor)
        if a.real.min() < -AGAINST * np.abs(a).max():
            return Verdict(
                "unstable_flow",
                f"the flow itself leaves along an eigenvalue with real part {-a.real.min():.3g} per round: no smaller "
                "step helps",
            )
        if spectrum.verdict == "marginal":
            return Verdict("marginal", f"ρ = 1 up to {MARGIN:g}{where}: {_still(spectrum)}")
        return Verdict("unstable_step", f"ρ = {spectrum.rate:.12g} > 1{where}: at these steps the weights leave")
    return Verdict("stable", f"ρ = {first.rate:.12g} < 1 off {first.neutral} neutral directions")


def _drifts(optimiser: OptimiserMap, jac: Array, floor: float) -> bool:
    """Whether PJ has a Jordan block at 0: an eigenvalue 0 off ker J, where no singular value of J is.

    In wide networks singular values fall to rounding without a gap: small eigenvalues that come from small singular
    values are slow modes and no drift.
    """
    singular = np.linalg.svd(jac, compute_uv=False)
    kept = singular[len(singular) - neutral_directions(jac, floor).count - 1]
    least = min(JORDAN * singular[0], WELL_APART * kept) * optimiser.steps.min()
    return bool(np.abs(optimiser.flow(jac, floor)).min() <= least)


def _still(spectrum: UpdateSpectrum) -> str:
    moduli = np.abs(spectrum.eigenvalues)
    moving = moduli[np.abs(moduli - 1) > MARGIN]
    count = len(moduli) - len(moving)
    rest = f", the largest |z| of the others is {moving.max():.9g}" if moving.size else ""
    return f"{count} of {len(moduli)} modes neither decay nor grow to first order{rest}"
