"""Deep linear networks whose layers are observed in places: this project's own theorem.

docs/learning, theorem 6, which rests on Aoyagi 2024 for each stretch between observed layers.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..theory.learning.coefficient import LearningCoefficient
from ..theory.learning.deep_linear import deep_linear
from ..theory.learning.network import observed_chain_truth
from ..theory.learning.observed_chain import observed_chain
from .population_energy import energy_claim


def _full_width(widths: Sequence[int], observed: Sequence[int], ranks: Sequence[int]) -> LearningCoefficient:
    """Each stretch on its own, as if all of the observed layer before it were reached by the input."""
    value, multiplicity, start = Fraction(0), 1, 0
    for end, rank in zip(observed, ranks, strict=True):
        part = deep_linear(widths[start : end + 1], rank)
        value, multiplicity, start = value + part.value, multiplicity + part.multiplicity - 1, end
    return LearningCoefficient(value, multiplicity, "widths in place of ranks")


def _unobserved(widths: Sequence[int], observed: Sequence[int], ranks: Sequence[int]) -> LearningCoefficient:
    """The same network with only its output observed."""
    return deep_linear(widths, ranks[-1])


def _case(widths: Sequence[int], observed: Sequence[int], ranks: Sequence[int]) -> dict[str, Any]:
    return {"widths": tuple(widths), "observed": tuple(observed), "ranks": tuple(ranks)}


CLAIMS = (
    energy_claim(
        paper="observed_chain",
        name="coefficient",
        place="docs/learning, theorem 6",
        sentence="A chain (widths; observed layer, ranks) adds up the λ of its stretches, each entered at its rank.",
        coefficient=observed_chain,
        truth=observed_chain_truth,
        cases={
            "(4,3,3,2,3; 2, 2,1)": _case([4, 3, 3, 2, 3], [2, 4], [2, 1]),
            "(3,2,2,2,2; 2, 1,1)": _case([3, 2, 2, 2, 2], [2, 4], [1, 1]),
            "(3,3,2,2; 2, 2,1)": _case([3, 3, 2, 2], [2, 3], [2, 1]),
            "(3,3,2,2,2; 1, 1,0)": _case([3, 3, 2, 2, 2], [1, 4], [1, 0]),
        },
        wrong={
            "a stretch is entered at full width, not at its rank": _full_width,
            "observing the layer changes nothing": _unobserved,
        },
        formula=(
            r"\lambda = \sum_{s=1}^{k} \lambda_{\mathrm{DLN}}(\rho_{s-1}, h_{l_{s-1}+1}, \dots, h_{l_s}; \rho_s), "
            r"\quad "
            r"m = 1 + \sum_{s=1}^{k} (m_s - 1), \quad \rho_0 = h_0"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main("observed_chain", CLAIMS)
