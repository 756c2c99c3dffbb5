"""How a learning coefficient is put to the test: the mean energy ⟨nK⟩ of the noise-free posterior at a very large n."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..theory.estimate import Estimate
from ..theory.learning.coefficient import LearningCoefficient
from ..theory.learning.network import Truth
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting, Simulation

N = 1e10  # sample size of the noise-free posterior
SWEEPS, CHAINS, WARMUP = 500, 16, 100  # of one block at effort 1
TWIN_SWEEPS, TWIN_CHAINS, TWIN_WARMUP = 20, 1024, 24  # the shape that suits torch

# ⟨nK⟩_n = λ − (m−1)/log n + b(m−1)/log² n + …; measured with 10^6 draws, the last is at most 0.008 here
NEAR, NEAR_PER_ORDER = 0.012, 0.003
REMAINDER = (
    "the next term of the expansion, b(m−1)/log² n, at most 0.008 in the cases here; 0.012 + 0.003(m−1) leaves room "
    "for it and stays well below 1/log n = 0.043, by which a multiplicity off by one would show"
)

TESTED = r"\langle n K \rangle_n = \lambda - \frac{m-1}{\log n} + O\left(\frac{m-1}{\log^2 n}\right), \quad n = 10^{10}"

Coefficient = Callable[..., LearningCoefficient]


def energy_claim(
    *,
    paper: str,
    name: str,
    place: str,
    sentence: str,
    coefficient: Coefficient,
    truth: Callable[..., Truth],
    cases: Mapping[str, Mapping[str, Any]],
    wrong: Mapping[str, Coefficient],
    twin: bool = False,
    formula: str = "",
) -> Claim:
    """The claim that λ and m are `coefficient`, tested through ⟨nK⟩_n = λ − (m−1)/log n at n = 10^10.

    Parameters
    ----------
    coefficient, truth : callable
        The stated coefficient and a truth that it speaks of, both from a case's arguments.
    cases : mapping
        Name to arguments.
    wrong : mapping
        Words to a wrong coefficient.  It joins as a false variant wherever it differs from `coefficient`, and so do
        λ + 1/4 and a multiplicity off by one.
    twin : bool
        Simulate with the torch chains instead of the compiled ones.
    formula : str
        λ and m in LaTeX; what is tested of them is added.
    """
    built = tuple(Case(label, arguments) for label, arguments in cases.items())
    usual: Mapping[str, Coefficient] = {
        "λ + 1/4": lambda **case: _shifted(coefficient(**case)),
        "m off by one": lambda **case: _miscounted(coefficient(**case)),
    }
    variants = [_variant(words, other, coefficient, built) for words, other in {**usual, **wrong}.items()]
    return Claim(
        name=name,
        paper=paper,
        place=place,
        sentence=sentence,
        relation=Relation.EQUALS,
        theory=expected_energy(coefficient),
        simulate=twin_energy(truth) if twin else sampled_energy(truth),
        cases=built,
        tolerance=lambda **case: NEAR + NEAR_PER_ORDER * (coefficient(**case).multiplicity - 1),
        remainder=REMAINDER,
        false_variants=tuple(v for v in variants if v is not None),
        formula=rf"{formula} \\ {TESTED}" if formula else "",
    )


def expected_energy(coefficient: Coefficient) -> Callable[..., float]:
    """λ − (m−1)/log N as a function of a case's arguments."""
    return lambda **case: float(coefficient(**case).mean_energy(N))


def sampled_energy(truth: Callable[..., Truth]) -> Simulation:
    """Blocks of ⟨nK⟩ at N from the compiled Gibbs chains."""

    def simulate(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Sighting:
        from ..sim.learning.energy import estimate_energy  # here: the claims are listed without Numba

        return estimate_energy(
            truth(**case.arguments), N, rng=rng, sweeps=round(SWEEPS * effort), chains=CHAINS, warmup=WARMUP
        )

    return simulate


def twin_energy(truth: Callable[..., Truth]) -> Simulation:
    """Blocks of ⟨nK⟩ at N from the torch chains, on the CPU in float64."""

    def simulate(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Sighting:
        import torch  # here: the claims are listed without torch

        from ..accel.learning.energy import estimate_energy

        return estimate_energy(
            truth(**case.arguments),
            N,
            sweeps=round(TWIN_SWEEPS * effort),
            chains=TWIN_CHAINS,
            warmup=TWIN_WARMUP,
            generator=torch.Generator().manual_seed(int(rng.integers(2**63))),
            device=torch.device("cpu"),
            dtype=torch.float64,
        )

    return simulate


def _variant(words: str, wrong: Coefficient, right: Coefficient, cases: Sequence[Case]) -> FalseVariant | None:
    """`wrong` as a false variant at the cases where it says something else than `right`; None if there are none."""

    def numbers(which: Coefficient, case: Case) -> tuple[Fraction, int]:
        out = which(**case.arguments)
        return out.value, out.multiplicity

    where = tuple(case.name for case in cases if numbers(wrong, case) != numbers(right, case))
    return FalseVariant(words, expected_energy(wrong), where) if where else None


def _shifted(right: LearningCoefficient) -> LearningCoefficient:
    return replace(right, value=right.value + Fraction(1, 4))


def _miscounted(right: LearningCoefficient) -> LearningCoefficient:
    return replace(right, multiplicity=right.multiplicity - 1 if right.multiplicity > 1 else 2)
