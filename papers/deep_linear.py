"""Deep linear networks.

M. Aoyagi, "Consideration on the learning efficiency of multiple-layered neural networks with linear units",
Neural Networks 172 (2024) 106132.
"""

from collections.abc import Sequence
from typing import Any

from ..theory.learning.coefficient import LearningCoefficient
from ..theory.learning.deep_linear import deep_linear
from ..theory.learning.network import deep_linear_truth
from ..theory.learning.reduced_rank import reduced_rank
from .population_energy import energy_claim


def _shallow(widths: Sequence[int], rank: int) -> LearningCoefficient:
    """What one hidden layer as wide as the narrowest would give."""
    return reduced_rank(widths[-1], min(widths[1:-1]), widths[0], rank)


def _case(widths: Sequence[int], rank: int) -> dict[str, Any]:
    return {"widths": tuple(widths), "rank": rank}


CLAIMS = (
    energy_claim(
        paper="deep_linear",
        name="coefficient",
        place="main theorem",
        sentence="The network (widths; r), input first, has the λ and m that the binding layers give.",
        coefficient=deep_linear,
        truth=deep_linear_truth,
        cases={
            "(3,2,2,3;0)": _case([3, 2, 2, 3], 0),
            "(3,3,3,3;1)": _case([3, 3, 3, 3], 1),
            "(4,2,3,3;1)": _case([4, 2, 3, 3], 1),
            "(2,2,2,2,2;0)": _case([2, 2, 2, 2, 2], 0),
            "(3,2,4,2;1)": _case([3, 2, 4, 2], 1),
        },
        wrong={"depth changes nothing: one hidden layer of the smallest width": _shallow},
        formula=(
            r"\lambda = \frac{r(H_1 + H_{L+1}) - r^2}{2} + \frac{a(\ell - a)}{4\ell} - \frac{\ell(\ell-1)}{4} "
            r"\left(\frac{\Sigma_\ell}{\ell}\right)^2 + \frac12 \sum_{0 \le i < j \le \ell} g_i g_j, "
            r"\quad m = a(\ell - a) + 1 \\ "
            r"g_0 \le \dots \le g_L \text{ the sorted } H_s - r, \quad \Sigma_\ell = g_0 + \dots + g_\ell, \quad "
            r"a = \Sigma_\ell - \left(\left\lceil \frac{\Sigma_\ell}{\ell} \right\rceil - 1\right) \ell \\ "
            r"\Sigma_\ell \ge \ell g_\ell \text{ and, if } \ell < L, \quad g_\ell < g_{\ell+1}, \quad \Sigma_\ell < "
            r"\ell g_{\ell+1}"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main("deep_linear", CLAIMS)
