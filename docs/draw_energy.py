"""Draw docs/energy.png: what λ and m look like in the mean energy of a network.

python docs/draw_energy.py [FILE]

Left: one network, its concepts hidden, half shown, all shown; points are ⟨nK⟩ of the noise-free posterior, curves
λ − (m−1)/log n.  Right: a deep network whose limit λ is reached slowly, as m = 5 says; the curves are
λ − (m−1)/(log n + b), each with the b that suits it best from n = 10⁴ on.  Bars are four standard errors.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

from lemmata.sim.learning import estimate_energy
from lemmata.theory.learning import concept_bottleneck_at, deep_linear, partial_concept_bottleneck_at, reduced_rank_at
from lemmata.theory.learning.network import LinearNetwork, Truth, deep_linear_truth, partial_concept_bottleneck_truth
from lemmata.theory.streams import stream

B, A = partial_concept_bottleneck_truth(
    outputs=3, hidden=2, concepts=2, inputs=5, concept_rank=2, residual_rank=1
).layers
WAYS = (
    ("all 4 hidden units observed", 4, concept_bottleneck_at(A, B)),
    ("2 of 4 observed", 2, partial_concept_bottleneck_at(A, B, concepts=2)),
    ("none observed", 0, reduced_rank_at(A, B)),
)
DEEP = [2, 2, 2, 2, 2]
COLOURS = ("#d1495b", "#2e6f95", "#3d8361")


def draw_coefficients(ax: Any) -> None:
    """λ as the height that the energy tends to."""
    ns, fine = np.logspace(1, 10, 10), np.logspace(1, 10, 200)
    for (label, observed, exact), colour in zip(WAYS, COLOURS, strict=True):
        truth = Truth(LinearNetwork((5, 4, 3), (observed, 3)), (B, A))
        seen = [estimate_energy(truth, n, rng=stream(0, "energy", label, k)) for k, n in enumerate(ns)]
        ax.semilogx(fine, exact.mean_energy(fine), color=colour)
        ax.errorbar(ns, [s.mean for s in seen], [4 * s.error for s in seen], fmt="o", color=colour, markersize=4)
        height = float(exact.value)
        ax.text(1e10, height - 0.35, f"{label}: λ = {exact.value}, m = {exact.multiplicity}", ha="right", va="top")
    ax.set(xlabel="sample size n", ylabel="mean energy ⟨nK⟩", ylim=(0, 16))
    ax.set_title("The same network, shown more of its concepts", loc="left", fontsize="medium")


def draw_multiplicities(ax: Any) -> None:
    """m as the pace at which the limit is reached."""
    exact, ns, fine = deep_linear(DEEP, rank=0), np.logspace(2, 12, 11), np.logspace(2, 12, 200)
    value, truth = float(exact.value), deep_linear_truth(DEEP, rank=0)
    seen = [estimate_energy(truth, n, rng=stream(0, "pace", k), sweeps=8000) for k, n in enumerate(ns)]
    energy, error = np.array([s.mean for s in seen]), np.array([s.error for s in seen])
    far = ns >= 1e4
    for m, style in ((3, ":"), (5, "-"), (7, "--")):

        def misfit(b: float, m: int = m) -> float:
            return float((((energy - value + (m - 1) / (np.log(ns) + b)) / error)[far] ** 2).sum())

        b = minimize_scalar(misfit, bounds=(-3.0, 30.0), method="bounded").x
        law = value - (m - 1) / (np.log(fine) + b)
        ax.semilogx(fine, law, style, color="#2e6f95" if m == exact.multiplicity else "#8a8f98", label=f"m = {m}")
    ax.errorbar(ns, energy, 4 * error, fmt="o", color="#d1495b", markersize=4, label="simulation")
    ax.axhline(value, color="black", linewidth=0.8)
    ax.text(1e2, value + 0.015, f"λ = {exact.value}", va="bottom")
    ax.set(xlabel="sample size n", ylim=(0.7, 1.6))
    ax.set_title(
        f"A {'-'.join(map(str, DEEP))} network: multiplicity {exact.multiplicity}", loc="left", fontsize="medium"
    )
    ax.legend(loc="lower right")


def main() -> None:
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_coefficients(left)
    draw_multiplicities(right)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("energy.png")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
