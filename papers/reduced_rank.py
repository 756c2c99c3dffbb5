"""Reduced rank regression, the linear network with one hidden layer.

M. Aoyagi and S. Watanabe, "Stochastic complexities of reduced rank regression in Bayesian estimation",
Neural Networks 18 (2005) 924-933.
"""

from fractions import Fraction

from ..theory.learning.coefficient import LearningCoefficient
from ..theory.learning.network import reduced_rank_truth
from ..theory.learning.reduced_rank import reduced_rank
from .population_energy import energy_claim


def _regular(outputs: int, hidden: int, inputs: int, rank: int) -> LearningCoefficient:
    """What counting parameters would give."""
    return LearningCoefficient(Fraction(hidden * (outputs + inputs), 2), 1, "half the number of weights")


def _dimension(outputs: int, hidden: int, inputs: int, rank: int) -> LearningCoefficient:
    """What counting the dimensions of the set of rank-r maps would give."""
    return LearningCoefficient(Fraction(rank * (outputs + inputs - rank), 2), 1, "half the dimension of rank-r maps")


def _case(outputs: int, hidden: int, inputs: int, rank: int) -> dict[str, int]:
    return {"outputs": outputs, "hidden": hidden, "inputs": inputs, "rank": rank}


CLAIMS = (
    energy_claim(
        paper="reduced_rank",
        name="coefficient",
        place="main theorem, cases 1-4",
        sentence="The network (M, H, N; r) has the λ and m of the four cases.",
        coefficient=reduced_rank,
        truth=reduced_rank_truth,
        cases={
            "1 even (3,2,4;1)": _case(3, 2, 4, 1),
            "1 even (5,4,6;3)": _case(5, 4, 6, 3),
            "1 odd (3,3,4;1)": _case(3, 3, 4, 1),
            "1 odd (2,2,3;0)": _case(2, 2, 3, 0),
            "2 (1,2,5;1)": _case(1, 2, 5, 1),
            "3 (6,2,2;1)": _case(6, 2, 2, 1),
            "4 (2,5,2;1)": _case(2, 5, 2, 1),
        },
        wrong={"λ is half the number of weights": _regular, "λ is half the dimension of rank-r maps": _dimension},
        formula=(
            r"\lambda = \begin{cases} \frac{2(H+r)(M+N) - (M-N)^2 - (H+r)^2 + \epsilon}{8} "
            r"& N+r \le M+H,\ M+r \le N+H,\ H+r \le M+N \\ \frac{HM - Hr + Nr}{2} & M+H < N+r \\ "
            r"\frac{HN - Hr + Mr}{2} & N+H < M+r \\ \frac{MN}{2} & M+N < H+r \end{cases} \\ "
            r"m = 1 + \epsilon, \quad \epsilon = (M+H+N+r) \bmod 2 \text{ in the first case,} \quad "
            r"m = 1 \text{ in the others}"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main("reduced_rank", CLAIMS)
