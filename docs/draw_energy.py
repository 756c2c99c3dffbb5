"""Draw docs/energy.png: one network, its concepts hidden, half shown or all shown.

python docs/draw_energy.py [FILE]

Points are ⟨nK⟩ of the noise-free posterior with four standard errors, curves are λ − (m−1)/log n.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lemmata.sim.learning.energy import estimate_energy
from lemmata.theory.learning import concept_bottleneck_at, partial_concept_bottleneck_at, reduced_rank_at
from lemmata.theory.learning.network import LinearNetwork, Truth, partial_concept_bottleneck_truth
from lemmata.theory.streams import stream

B, A = partial_concept_bottleneck_truth(
    outputs=3, hidden=2, concepts=2, inputs=5, concept_rank=2, residual_rank=1
).layers
WAYS = (
    ("all 4 hidden units observed", 4, concept_bottleneck_at(A, B)),
    ("2 of 4 observed", 2, partial_concept_bottleneck_at(A, B, concepts=2)),
    ("none observed", 0, reduced_rank_at(A, B)),
)
NS = np.logspace(1, 10, 10)


def main() -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    fine = np.logspace(1, 10, 200)
    for number, (label, observed, exact) in enumerate(WAYS):
        truth = Truth(LinearNetwork((5, 4, 3), (observed, 3)), (B, A))
        seen = [estimate_energy(truth, n, rng=stream(0, "energy", label, k)) for k, n in enumerate(NS)]
        name = f"{label}: λ = {exact.value}, m = {exact.multiplicity}"
        ax.semilogx(fine, exact.mean_energy(fine), color=f"C{number}", label=name)
        ax.errorbar(NS, [s.mean for s in seen], [4 * s.error for s in seen], fmt="o", color=f"C{number}", markersize=4)
    ax.set_xlabel("sample size n")
    ax.set_ylabel("mean energy ⟨nK⟩")
    ax.set_ylim(bottom=0)
    ax.legend(loc="lower right")
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("energy.png")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
