"""The entropy of a Gaussian mixture from its pairs of components.

A. Kolchinsky and B. D. Tracey, "Estimating mixture entropy with pairwise distances", Entropy 19 (2017) 361.
The pair gaps, the bracket that they make and the order of the bounds are this project's: docs/entropy, theorems 2 to 8.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.entropy.approximate_entropy import approximate_entropy, label_entropy
from ..theory.entropy.gap_bounds import gap_bounds
from ..theory.entropy.mixture import GaussianMixture
from ..theory.entropy.overlap import overlap
from ..theory.entropy.pair_gap import one_sided_gaps, pair_gap, pair_gaps
from ..theory.streams import stream
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from .sampled_gap import (
    line_bounds,
    line_gap,
    mixture_case,
    of_mixture,
    random_line,
    sampled_entropy,
    sampled_gap,
)

PAPER = "pairwise_distances"
NEAR = 0.02  # how near is near enough, as a share of the gap

LINKS = (
    ("zero", "kl_mixture"),
    ("kl_mixture", "gap"),
    ("one_pair", "gap"),
    ("gap", "pairwise"),
    ("gap", "chernoff_mixture"),
    ("pairwise", "bhattacharyya"),
    ("bhattacharyya", "separation_ratio"),
    ("chernoff_mixture", "mixing"),
)


def _pooled(mixture: GaussianMixture) -> GaussianMixture:
    """The same means with the mean covariance for all."""
    covariance = sum(weight * mixture.covariance(k) for k, weight in enumerate(mixture.weights))
    return GaussianMixture(mixture.weights, mixture.means, covariance, kind="tied")


def _one_gaussian(mixture: GaussianMixture) -> GaussianMixture:
    """The Gaussian with the mixture's mean and covariance."""
    centre = mixture.weights @ mixture.means
    between = (mixture.weights * (mixture.means - centre).T) @ (mixture.means - centre)
    return GaussianMixture([1.0], centre[None], _pooled(mixture).covariances + between, kind="tied")


def _bound(name: str) -> Callable[..., float]:
    return of_mixture(lambda mixture: getattr(gap_bounds(mixture), name))


def _kernel_sum(mixture: GaussianMixture, log_kernel: NDArray[np.float64]) -> float:
    """Σ_k π_k log(Σ_j π_j e^{a_kj} / π_k)."""
    pi = mixture.weights
    return float(pi @ np.log(np.exp(log_kernel) @ pi / pi))


def _link(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """A random mixture on the line and a random link of the chain: the smaller of its two numbers."""
    mixture = random_line(rng, 2 if rng.random() < 0.7 else 3)
    smaller, larger = LINKS[int(rng.integers(len(LINKS)))]
    return Sighting(_named(smaller, **mixture), {**mixture, "smaller": smaller, "larger": larger})


def _larger(smaller: str, larger: str, **mixture: Any) -> float:
    return _named(larger, **mixture)


def _named(name: str, **mixture: Any) -> float:
    """The gap by quadrature, or a bound on it."""
    return line_gap(**mixture) if name == "gap" else getattr(line_bounds(**mixture), name)


def _wrong_link(wrong: Mapping[str, float]) -> Callable[..., float]:
    """The larger number times a wrong factor, where it is one of those named."""

    def at(smaller: str, larger: str, **mixture: Any) -> float:
        return wrong.get(larger, 1.0) * _named(larger, **mixture)

    return at


def _numbers(name: str, *shape: int) -> NDArray[np.float64]:
    return stream(0, PAPER, name).standard_normal(shape).round(2)


def _cases(named: Mapping[str, Mapping[str, Any]]) -> tuple[Case, ...]:
    return tuple(Case(name, arguments) for name, arguments in named.items())


TWO_ON_A_LINE = mixture_case([0.3, 0.7], [[0.0], [3.0]], [1.0, 4.0])
NARROW_AND_WIDE = mixture_case(
    [0.8, 0.2], [[0.0, 0.0], [1.0, 1.0]], [[[0.5, 0.2], [0.2, 0.3]], [[4.0, -1.0], [-1.0, 2.0]]]
)
PLANE = mixture_case(
    [0.2, 0.3, 0.5],
    [[0.0, 0.0], [2.0, 1.0], [-1.0, 3.0]],
    [[[1.0, 0.5], [0.5, 1.0]], [[2.0, 0.0], [0.0, 0.5]], [[0.7, -0.3], [-0.3, 1.2]]],
)
CLUSTERS, CLOSE_PAIR = "two clusters of two", "two that nearly coincide"
MIXTURES = {
    "three in the plane": PLANE,
    "four on a line": mixture_case([0.25] * 4, [[0.0], [1.0], [2.0], [3.0]], [0.25] * 4),
    "five in 8 dimensions": mixture_case(
        [0.1, 0.15, 0.2, 0.25, 0.3],
        0.6 * _numbers("means", 5, 8),
        np.exp(0.2 * _numbers("variances", 5, 8)).round(3),
    ),
}
CLUSTERED = mixture_case([0.3, 0.2, 0.1, 0.4], [[0.0], [0.4], [9.0], [9.4]], [1.0] * 4)
NEARLY_ONE = mixture_case([0.5, 0.5], [[0.0, 0.0], [0.4, 0.0]], [1.0, 1.0])

CLAIMS = (
    Claim(
        name="two-components",
        paper=PAPER,
        place="docs/entropy, theorem 2, for any two covariances",
        sentence="With two components Δ is the pair integral g₁₂.",
        relation=Relation.EQUALS,
        theory=of_mixture(lambda mixture: pair_gap(mixture, 0, 1)),
        simulate=sampled_gap,
        cases=_cases(
            {
                "line": TWO_ON_A_LINE,
                "plane": NARROW_AND_WIDE,
                "30 dimensions": mixture_case(
                    [0.3, 0.7],
                    0.3 * _numbers("thirty means", 2, 30),
                    np.exp(0.25 * _numbers("thirty variances", 2, 30)).round(3),
                ),
                "one weight small": mixture_case([0.02, 0.98], [[0.0], [2.0]], [1.0, 0.25]),
            }
        ),
        tolerance=lambda **case: NEAR * of_mixture(lambda mixture: pair_gap(mixture, 0, 1))(**case),
        remainder="how near is near enough: 2% of the gap",
        false_variants=(
            FalseVariant(
                "the weights swapped",
                of_mixture(lambda g: pair_gap(GaussianMixture(g.weights[::-1], g.means, g.covariances), 0, 1)),
                ("line", "plane", "one weight small"),
            ),
            FalseVariant(
                "twice one side of the pair",
                of_mixture(lambda g: 2 * float(one_sided_gaps(g)[0, 1])),
                ("plane", "30 dimensions", "one weight small"),
            ),
            FalseVariant("the mean covariance for both", of_mixture(lambda g: pair_gap(_pooled(g), 0, 1))),
            FalseVariant("the Bhattacharyya bound as if equal", of_mixture(lambda g: gap_bounds(g).bhattacharyya)),
        ),
        formula=(
            r"\Delta = g_{12} = \sqrt{\pi_1 \pi_2} \int_0^\infty "
            r"\frac{\operatorname{Re} \left[ (\pi_2 / \pi_1)^{i\omega} C_{12}(\tfrac12 + i\omega) \right]}"
            r"{(\tfrac14 + \omega^2) \cosh \pi\omega}\, d\omega, \quad C_{kj}(z) = \int N_k^{1-z} N_j^z\, dx"
        ),
    ),
    Claim(
        name="entropy",
        paper=PAPER,
        place="the definition of the approximation; docs/entropy, theorems 1 and 2",
        sentence="With two components −E log q is H̃ − g₁₂.",
        relation=Relation.EQUALS,
        theory=of_mixture(lambda mixture: approximate_entropy(mixture) - pair_gap(mixture, 0, 1)),
        simulate=sampled_entropy,
        cases=_cases({"line": TWO_ON_A_LINE, "plane": NARROW_AND_WIDE}),
        tolerance=0.02,
        remainder="how near is near enough, in nats",
        false_variants=(
            FalseVariant("H̃ itself", of_mixture(approximate_entropy)),
            FalseVariant(
                "H̃ − H(π), the mean of the parts", of_mixture(lambda g: approximate_entropy(g) - label_entropy(g))
            ),
            FalseVariant(
                "the Gaussian of the same covariance", of_mixture(lambda g: approximate_entropy(_one_gaussian(g)))
            ),
        ),
        formula=r"-\mathbb{E} \log q(X) = \tilde H - g_{12}",
    ),
    Claim(
        name="chernoff-mixture",
        paper=PAPER,
        place="the lower bound on H with Chernoff α-divergences, α = ½; docs/entropy, theorem 5",
        sentence="Δ ≤ Σ_k π_k log(Σ_j π_j BC_kj / π_k), near to equality for clusters of coinciding components.",
        relation=Relation.AT_MOST,
        theory=_bound("chernoff_mixture"),
        simulate=sampled_gap,
        cases=_cases({**MIXTURES, CLUSTERS: CLUSTERED}),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant("e^{−KL} for BC", of_mixture(lambda g: _kernel_sum(g, -overlap(g).divergences))),
            FalseVariant(
                "BC² for BC", of_mixture(lambda g: _kernel_sum(g, 2 * overlap(g).log_bhattacharyya)), tuple(MIXTURES)
            ),
        ),
        formula=r"\Delta \le \sum_k \pi_k \log \sum_j \frac{\pi_j}{\pi_k}\, \mathrm{BC}_{kj}",
    ),
    Claim(
        name="kl-mixture",
        paper=PAPER,
        place="the upper bound on H with Kullback-Leibler divergences; docs/entropy, theorem 7",
        sentence="Δ ≥ Σ_k π_k log(Σ_j π_j e^{−KL(N_k‖N_j)} / π_k), near to equality for clusters.",
        relation=Relation.AT_LEAST,
        theory=_bound("kl_mixture"),
        simulate=sampled_gap,
        cases=_cases({**MIXTURES, CLUSTERS: CLUSTERED}),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant("BC for e^{−KL}", of_mixture(lambda g: _kernel_sum(g, overlap(g).log_bhattacharyya))),
        ),
        formula=r"\Delta \ge \sum_k \pi_k \log \sum_j \frac{\pi_j}{\pi_k}\, e^{-\mathrm{KL}(N_k \Vert N_j)}",
    ),
    Claim(
        name="bhattacharyya",
        paper=PAPER,
        place="docs/entropy, theorem 4",
        sentence="Δ ≤ log 2 Σ_{k≠j} √(π_kπ_j) BC_kj.",
        relation=Relation.AT_MOST,
        theory=_bound("bhattacharyya"),
        simulate=sampled_gap,
        cases=_cases({CLOSE_PAIR: NEARLY_ONE, **MIXTURES}),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant(
                "½ for log 2", of_mixture(lambda g: gap_bounds(g).bhattacharyya / (2 * np.log(2))), (CLOSE_PAIR,)
            ),
            FalseVariant("k < j for k ≠ j", of_mixture(lambda g: gap_bounds(g).bhattacharyya / 2)),
        ),
        formula=r"\Delta \le \log 2 \sum_{k \ne j} \sqrt{\pi_k \pi_j}\, \mathrm{BC}_{kj}",
    ),
    Claim(
        name="pairwise",
        paper=PAPER,
        place="docs/entropy, theorem 3",
        sentence="Δ is at most the sum of the pair gaps g_kj.",
        relation=Relation.AT_MOST,
        theory=_bound("pairwise"),
        simulate=sampled_gap,
        cases=_cases(MIXTURES),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant("the largest pair gap alone", of_mixture(lambda g: pair_gaps(g).max())),
            FalseVariant("Σ_k max_j g_kj / 2", of_mixture(lambda g: pair_gaps(g).max(axis=1).sum() / 2)),
        ),
        formula=r"\Delta \le \sum_{k < j} g_{kj}",
    ),
    Claim(
        name="one-pair",
        paper=PAPER,
        place="docs/entropy, theorem 7",
        sentence="Δ ≥ Σ_k max_j π_k E_k log(1 + t_kj).",
        relation=Relation.AT_LEAST,
        theory=_bound("one_pair"),
        simulate=sampled_gap,
        cases=_cases(MIXTURES),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant("the sum over j for its maximum", _bound("pairwise")),
            FalseVariant(
                "both sides of the best pair, for every k", of_mixture(lambda g: pair_gaps(g).max(axis=1).sum())
            ),
        ),
        formula=(
            r"\Delta \ge \sum_k \max_{j \ne k} \pi_k\, \mathbb{E}_k \log (1 + t_{kj}), \quad t_{kj} = \frac{\pi_j "
            r"N_j}{\pi_k N_k}"
        ),
    ),
    Claim(
        name="order",
        paper=PAPER,
        place="docs/entropy, sections 3 and 4",
        sentence="0 ≤ kl_mixture ≤ Δ, one_pair ≤ Δ ≤ pairwise ≤ bhattacharyya ≤ separation_ratio, "
        "Δ ≤ chernoff_mixture ≤ mixing.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_larger,
        simulate=_link,
        cases=_cases({"a random link on the line": {}}),
        tolerance=1e-10,
        remainder="rounding and quadrature, 1e-12 where measured",
        false_variants=(
            FalseVariant("Δ by a percent less", _wrong_link({"gap": 0.99})),
            FalseVariant("pairwise by a percent less", _wrong_link({"pairwise": 0.99})),
            FalseVariant("chernoff_mixture by a percent less", _wrong_link({"chernoff_mixture": 0.99})),
            FalseVariant("bhattacharyya with ½ for log 2", _wrong_link({"bhattacharyya": 0.5 / np.log(2)})),
            FalseVariant("separation_ratio with ½ in front for 2", _wrong_link({"separation_ratio": 0.25})),
            FalseVariant("mixing by a percent less", _wrong_link({"mixing": 0.99})),
        ),
        formula=(
            r"0 \le \text{kl mixture} \le \Delta, \quad \text{one pair} \le \Delta \le \text{pairwise} \le "
            r"\text{bhattacharyya} "
            r"\le \text{separation ratio} \\ \Delta \le \text{chernoff mixture} \le \text{mixing} = H(\pi)"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
