"""Networks that are shown some of their concepts.

N. Hayashi and Y. Sawada, "Upper bound of Bayesian generalization error in partial concept bottleneck model (CBM):
partial CBM outperforms naive CBM", 2024, arXiv:2403.09206.
The exact value is this project's: docs/learning, theorem 5.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.learning.at_truth import partial_concept_bottleneck_at
from ..theory.learning.coefficient import LearningCoefficient
from ..theory.learning.network import partial_concept_bottleneck_truth
from ..theory.learning.partial_concept_bottleneck import partial_concept_bottleneck, partial_concept_bottleneck_bounds
from ..theory.learning.reduced_rank import reduced_rank
from ..theory.numerical_rank import numerical_rank
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from .population_energy import NEAR, energy_claim, sampled_energy

CLEAR = 1e-10  # relative to the largest singular value, between rounding and the smallest that integers leave


def _splitting(**case: Any) -> LearningCoefficient:
    """The upper bound as if it were the value."""
    free = reduced_rank(case["outputs"], case["hidden"], case["inputs"], case["residual_rank"])
    bound = partial_concept_bottleneck_bounds(**case).splitting
    return LearningCoefficient(bound, free.multiplicity, "splitting bound")


def _all_observed(**case: Any) -> LearningCoefficient:
    """Every hidden unit observed."""
    return LearningCoefficient(partial_concept_bottleneck_bounds(**case).concept_bottleneck, 1, "concept bottleneck")


def _bound(**case: Any) -> float:
    return float(partial_concept_bottleneck_bounds(**case).splitting)


def _bound_without_outputs(**case: Any) -> float:
    """½H₂N in front instead of ½H₂(M+N)."""
    return _bound(**case) - float(case["concepts"] * case["outputs"]) / 2


def _bound_less_a_half(**case: Any) -> float:
    return _bound(**case) - 0.5


def _random_truth(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The exact λ at a random truth of random sides and ranks, and what the bound needs to know of that truth.

    The entries are integers, whose ranks are clear-cut: singular values are 0 or far above CLEAR times the largest.
    The bound's ranks are taken another way than the value's: rank(A*B*Q) = rank([A*B*; B₂*]) − rank(B₂*).
    """
    M, N = (int(side) for side in rng.integers(1, case.arguments["sides"], size=2, endpoint=True))
    H1, H2 = (int(side) for side in rng.integers(0, case.arguments["sides"], size=2, endpoint=True))
    H2 = H2 if H1 else max(H2, 1)
    A1, B1 = _random_matrix(rng, M, H1), _random_matrix(rng, H1, N)
    A2, B2 = _random_matrix(rng, M, H2), _random_matrix(rng, H2, N)
    exact = partial_concept_bottleneck_at(np.hstack([A1, A2]), np.vstack([B1, B2]), H2, CLEAR)
    concept_rank = numerical_rank("B2", B2, CLEAR)
    return Sighting(
        float(exact.value),
        {
            "outputs": M,
            "hidden": H1,
            "concepts": H2,
            "inputs": N,
            "concept_rank": concept_rank,
            "residual_rank": numerical_rank("all maps", np.vstack([A1 @ B1 + A2 @ B2, B2]), CLEAR) - concept_rank,
            "free_rank": numerical_rank("A1 B1", A1 @ B1, CLEAR),
        },
    )


def _random_matrix(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float64]:
    """Integers, through an inner side drawn uniformly, so that every rank comes up."""
    inner = int(rng.integers(0, min(rows, columns), endpoint=True))
    return (rng.integers(-2, 3, (rows, inner)) @ rng.integers(-2, 3, (inner, columns))).astype(np.float64)


WORDS = ("outputs", "hidden", "concepts", "inputs", "concept_rank", "residual_rank")
CASES = {
    "({},{},{},{};{},{})".format(*numbers): dict(zip(WORDS, numbers, strict=True))
    for numbers in (
        (3, 2, 2, 5, 2, 1),
        (3, 2, 2, 5, 1, 1),
        (3, 3, 1, 4, 1, 0),
        (2, 3, 2, 6, 2, 2),
        (4, 2, 3, 5, 3, 0),
        (3, 2, 2, 4, 2, 0),
        (1, 3, 2, 5, 2, 1),
        (4, 3, 3, 6, 1, 2),
        (2, 2, 1, 3, 1, 1),
    )
}
EXACT: dict[str, Any] = {
    "paper": "partial_concept_bottleneck",
    "place": "docs/learning, theorem 5",
    "coefficient": partial_concept_bottleneck,
    "truth": partial_concept_bottleneck_truth,
    "wrong": {"λ equals the splitting bound": _splitting, "λ is that of all hidden units observed": _all_observed},
    "formula": (
        r"\lambda = \frac12 (M r_2 + N H_2) + \lambda_{\mathrm{RRR}}(M, H_1, N - r_2; r'), \quad "
        r"m = m_{\mathrm{RRR}}(M, H_1, N - r_2; r') \\ r_2 = \operatorname{rank} B_2^*, \quad "
        r"r' = \operatorname{rank} \begin{pmatrix} A^* B^* \\ B_2^* \end{pmatrix} - r_2"
    ),
}

CLAIMS = (
    energy_claim(
        name="coefficient",
        sentence="(M, H₁, H₂, N; r₂, r') has λ = (M r₂ + N H₂)/2 + λ_RRR(M, H₁, N − r₂; r'), and m likewise.",
        cases=CASES,
        **EXACT,
    ),
    energy_claim(
        name="coefficient-twin",
        sentence="The same, seen by the torch chains.",
        cases={name: CASES[name] for name in ("(3,3,1,4;1,0)", "(2,2,1,3;1,1)")},
        twin=True,
        **EXACT,
    ),
    Claim(
        name="upper-bound",
        paper="partial_concept_bottleneck",
        place="the upper bound",
        sentence="λ, and with it the mean energy, is at most H₂(M+N)/2 + λ_RRR(M, H₁, N; rank A₁*B₁*).",
        relation=Relation.AT_MOST,
        theory=_bound,
        simulate=sampled_energy(partial_concept_bottleneck_truth),
        cases=tuple(Case(name, CASES[name]) for name in ("(3,2,2,5;2,1)", "(2,2,1,3;1,1)")),
        tolerance=NEAR,
        remainder="how near is near enough where the bound is attained; the (m−1)/log n left out has the safe sign",
        false_variants=(FalseVariant("H₂N/2 in front: the outputs forgotten", _bound_without_outputs),),
        formula=(
            r"\lambda - \frac{m-1}{\log n} \le \lambda \le "
            r"\frac12 H_2 (M+N) + \lambda_{\mathrm{RRR}}(M, H_1, N; \operatorname{rank} A_1^* B_1^*)"
        ),
    ),
    Claim(
        name="upper-bound-at-random",
        paper="partial_concept_bottleneck",
        place="the upper bound, against docs/learning, theorem 5",
        sentence="At random truths, full of every rank, the exact λ never exceeds the upper bound.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_bound,
        simulate=_random_truth,
        cases=(Case("sides up to 6", {"sides": 6}),),
        tolerance=0.0,
        remainder="nothing: both sides are multiples of a half",
        false_variants=(
            FalseVariant("the bound less a half", _bound_less_a_half),
            FalseVariant("H₂N/2 in front: the outputs forgotten", _bound_without_outputs),
        ),
        formula=r"\lambda \le \frac12 H_2 (M+N) + \lambda_{\mathrm{RRR}}(M, H_1, N; \operatorname{rank} A_1^* B_1^*)",
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main("partial_concept_bottleneck", CLAIMS)
