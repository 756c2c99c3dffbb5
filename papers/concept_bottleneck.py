"""Concepts observed at the bottleneck, or learnt beside the output.

N. Hayashi and Y. Sawada, "Bayesian generalization error in linear neural networks with concept bottleneck structure
and multitask formulation", 2023, arXiv:2303.09154.
"""

from fractions import Fraction

from ..theory.learning.coefficient import LearningCoefficient
from ..theory.learning.concept_bottleneck import concept_bottleneck, multitask
from ..theory.learning.network import Truth, concept_bottleneck_truth, reduced_rank_truth
from ..theory.learning.reduced_rank import reduced_rank
from .population_energy import energy_claim


def _whatever_rank(outputs: int, concepts: int, inputs: int, concept_rank: int) -> LearningCoefficient:
    """The regular value, taken at a B* of any rank."""
    return LearningCoefficient(Fraction(concepts * (outputs + inputs), 2), 1, "half the number of weights")


def _standard(outputs: int, concepts: int, inputs: int, concept_rank: int) -> LearningCoefficient:
    """The same network without a bottleneck."""
    return reduced_rank(outputs, concepts, inputs, min(outputs, concept_rank))


def _multitask_truth(outputs: int, concepts: int, hidden: int, inputs: int, rank: int) -> Truth:
    return reduced_rank_truth(outputs + concepts, hidden, inputs, rank)


def _bottleneck(outputs: int, concepts: int, hidden: int, inputs: int, rank: int) -> LearningCoefficient:
    """All hidden units observed instead."""
    return concept_bottleneck(outputs, hidden, inputs, min(hidden, inputs))


def _output_alone(outputs: int, concepts: int, hidden: int, inputs: int, rank: int) -> LearningCoefficient:
    """The same network that is not shown the concepts."""
    return reduced_rank(outputs, hidden, inputs, min(outputs, rank))


def _bottleneck_case(outputs: int, concepts: int, inputs: int, concept_rank: int) -> dict[str, int]:
    return {"outputs": outputs, "concepts": concepts, "inputs": inputs, "concept_rank": concept_rank}


def _multitask_case(outputs: int, concepts: int, hidden: int, inputs: int, rank: int) -> dict[str, int]:
    return {"outputs": outputs, "concepts": concepts, "hidden": hidden, "inputs": inputs, "rank": rank}


CLAIMS = (
    energy_claim(
        paper="concept_bottleneck",
        name="bottleneck",
        place="the bottleneck theorem, with the rank of B* free as in docs/learning, theorem 4",
        sentence="The bottleneck (M, H, N; rank B*) has λ = (M rank B* + NH)/2 and m = 1.",
        coefficient=concept_bottleneck,
        truth=concept_bottleneck_truth,
        cases={
            "(3,2,5;2)": _bottleneck_case(3, 2, 5, 2),
            "(1,3,3;3)": _bottleneck_case(1, 3, 3, 3),
            "(3,2,5;1)": _bottleneck_case(3, 2, 5, 1),
            "(2,4,3;3)": _bottleneck_case(2, 4, 3, 3),
            "(2,2,3;0)": _bottleneck_case(2, 2, 3, 0),
        },
        wrong={"λ = H(M+N)/2 whatever the rank of B*": _whatever_rank, "λ is that without a bottleneck": _standard},
        formula=r"\lambda = \frac12 \left(M \operatorname{rank} B^* + N H\right), \quad m = 1",
    ),
    energy_claim(
        paper="concept_bottleneck",
        name="multitask",
        place="the multitask theorem",
        sentence="The multitask network (M, K, H, N; r) has the λ and m of reduced rank regression with M + K outputs.",
        coefficient=multitask,
        truth=_multitask_truth,
        cases={
            "(2,1,2,4;1)": _multitask_case(2, 1, 2, 4, 1),
            "(2,2,3,4;2)": _multitask_case(2, 2, 3, 4, 2),
            "(1,2,2,3;0)": _multitask_case(1, 2, 2, 3, 0),
        },
        wrong={"λ is that of the bottleneck": _bottleneck, "λ is that of the output alone": _output_alone},
        formula=(
            r"\lambda = \lambda_{\mathrm{RRR}}(M+K, H, N; r), \quad m = m_{\mathrm{RRR}}(M+K, H, N; r), \quad "
            r"r = \operatorname{rank} \begin{pmatrix} A^* \\ C^* \end{pmatrix} B^*"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main("concept_bottleneck", CLAIMS)
