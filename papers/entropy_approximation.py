"""The entropy of a Gaussian mixture as if its components never met.

T. Furuya, H. Kusumoto, K. Taniguchi, N. Kanno and K. Suetake, "Theoretical error analysis of entropy approximation for
Gaussian mixtures", 2022, arXiv:2202.13059.
Proofs of all that is tested here are in docs/entropy.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.entropy.approximate_entropy import label_entropy
from ..theory.entropy.derivative_bound import derivative_bound
from ..theory.entropy.equal_covariances import equal_covariance_gap
from ..theory.entropy.gap_bounds import gap_bounds
from ..theory.entropy.mixture import GaussianMixture
from ..theory.entropy.random_means import random_means_gap_upper, random_means_tail_upper
from ..theory.entropy.separation import separation_gap_upper, separation_sum
from ..theory.estimate import Estimate
from ..theory.streams import stream
from .engine.claim import BoundedDraws, Case, Claim, FalseVariant, Relation, Sighting
from .sampled_gap import (
    bounded,
    constant_gap,
    label_entropies,
    line_gap,
    mean_of,
    mixture_case,
    of_line,
    of_mixture,
    random_line,
    sampled_gap,
    sampled_slope,
)

Array = NDArray[np.float64]

PAPER = "entropy_approximation"
NEAR = 0.02  # how near is near enough, as a share of the gap
MEANS, PER_MEANS = 20, 50  # draws of the means in a block at effort 1, and rounds for each
TAIL_MEANS = 100


def _limit(mixture: GaussianMixture, groups: Sequence[Sequence[int]]) -> float:
    """H(π) less the entropy of the group, when components of a group coincide and groups are far apart."""
    masses = np.array([mixture.weights[list(group)].sum() for group in groups])
    return label_entropy(mixture) + float(masses @ np.log(masses))


def _random_gap(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The gap of a random mixture on the line; minus it where the case asks for the other side."""
    mixture = random_line(rng, int(rng.integers(2, 4)))
    sign = case.arguments["sign"]
    return Sighting(sign * line_gap(**mixture), {**mixture, "sign": sign})


def _random_gap_and_share(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    mixture = random_line(rng, int(rng.integers(2, 4)))
    share = float(rng.uniform(0.02, 0.98)) if rng.random() < 0.5 else None
    return Sighting(line_gap(**mixture), {**mixture, "share": share})


def _distances(mixture: GaussianMixture) -> Array:
    """‖Σ_k^{-1/2}(μ_k − μ_j)‖ at [k, j]."""
    roots = (np.linalg.cholesky(mixture.covariance(k)) for k in range(mixture.components))
    rows = [np.linalg.solve(root, (mixture.means - mean).T).T for root, mean in zip(roots, mixture.means, strict=True)]
    out: Array = np.linalg.norm(rows, axis=-1)
    return out


def _euclidean(mixture: GaussianMixture) -> Array:
    out: Array = np.linalg.norm(mixture.means[:, None] - mixture.means, axis=-1)
    return out


def _uncorrelated(mixture: GaussianMixture) -> GaussianMixture:
    """Only the diagonal of the common covariance."""
    return GaussianMixture(mixture.weights, mixture.means, np.diag(np.diagonal(mixture.covariances)), kind="tied")


def _with_random_means(arguments: Mapping[str, Any], rng: np.random.Generator) -> GaussianMixture:
    """μ_k ~ N(0, c² Σ_k), independently; diagonal covariances."""
    variances = np.asarray(arguments["covariances"])
    means = arguments["spread"] * np.sqrt(variances) * rng.standard_normal(variances.shape)
    return GaussianMixture(arguments["weights"], means, variances, kind="diagonal")


def _sampled_mean_gap(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Sighting:
    """A block of E Δ over the means."""
    mixtures = (_with_random_means(case.arguments, rng) for _ in range(round(MEANS * effort)))
    gaps = [label_entropies(mixture, rng, PER_MEANS).mean() for mixture in mixtures]
    return mean_of(np.array(gaps), f"random means, each with {PER_MEANS} label entropies")


def _sampled_tail(case: Case, rng: np.random.Generator, effort: float) -> BoundedDraws:
    """A block of P(Δ >= ε) for two components with one covariance, whose gap is that on the line through both means."""
    weights, m = case.arguments["weights"], len(case.arguments["means"][0])
    standard = rng.standard_normal((round(TAIL_MEANS * effort), 2, m))
    apart = case.arguments["spread"] * np.linalg.norm(standard[:, 0] - standard[:, 1], axis=1)
    gaps = np.array([line_gap(weights, [0.0, distance], [1.0, 1.0]) for distance in apart])
    hits = (gaps >= case.arguments["threshold"]).astype(float)
    return bounded(hits, 0.0, 1.0, "random means, each with its gap by quadrature")


def _slope(mixture: GaussianMixture, component: int, direction: Any) -> float:
    return float(derivative_bound(mixture)[component])


def _affinity(mixture: GaussianMixture) -> float:
    """BC of two components."""
    return gap_bounds(mixture).bhattacharyya / (2 * math.log(2) * math.sqrt(math.prod(mixture.weights)))


def _numbers(name: str, *shape: int) -> Array:
    return stream(0, PAPER, name).standard_normal(shape).round(3)


def _two_apart(
    distance: float, dimension: int, variance: float = 1.0, first: float = 0.5, **more: Any
) -> dict[str, Any]:
    """Two components with one spherical covariance, at a Euclidean distance."""
    means = np.outer([0.0, distance], np.eye(dimension)[0])
    return mixture_case([first, 1 - first], means, [variance, variance], **more)


def _random_means_case(weights: Sequence[float], variances: Any, spread: float, **more: Any) -> dict[str, Any]:
    covariances = np.asarray(variances, dtype=float)
    return mixture_case(weights, np.zeros(covariances.shape), covariances, spread=spread, **more)


def _cases(named: Mapping[str, Mapping[str, Any]]) -> tuple[Case, ...]:
    return tuple(Case(name, arguments) for name, arguments in named.items())


TWENTY = 0.6 ** np.abs(np.subtract.outer(np.arange(20), np.arange(20)))  # correlations fall with the distance of places
CLOSE, TEN, APART, WIDE = "close, s = 0.2", "10 dimensions, s = 0.5", "apart, s = 0.9", "wide, s = 0.5"
BEST, UNEQUAL = "apart, best s", "unequal covariances, best s"
LINE, FIVE, SCALES, THREE = "line", "5 dimensions", "unequal deviations", "three in space"

CLAIMS = (
    Claim(
        name="gap-limits",
        paper=PAPER,
        place="the limits of no and of infinite separation; docs/entropy, theorem 1",
        sentence="Δ tends to 0 as components move apart, to H(π) as they coincide, to H(π) − H(group) for groups.",
        relation=Relation.EQUALS,
        theory=of_mixture(_limit),
        simulate=constant_gap,
        cases=_cases(
            {
                "three coincide": mixture_case([0.2, 0.3, 0.5], np.ones((3, 5)), [2.0, 2.0, 2.0], groups=[[0, 1, 2]]),
                "three far apart": mixture_case(
                    [0.2, 0.3, 0.5], [[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]], [1.0, 2.0, 0.5], groups=[[0], [1], [2]]
                ),
                "two coincide, one far": mixture_case(
                    [0.2, 0.3, 0.5], [[0.0], [0.0], [40.0]], [1.0, 1.0, 4.0], groups=[[0, 1], [2]]
                ),
            }
        ),
        tolerance=1e-6,
        remainder="what is left of the gap at a distance of 20 standard deviations, and rounding",
        false_variants=(
            FalseVariant(
                "H(π) whatever the groups",
                of_mixture(lambda mixture, groups: label_entropy(mixture)),
                ("three far apart", "two coincide, one far"),
            ),
            FalseVariant(
                "log K − log of the number of groups, whatever the weights",
                of_mixture(lambda mixture, groups: math.log(mixture.components / len(groups))),
                ("three coincide", "two coincide, one far"),
            ),
        ),
        formula=(
            r"\Delta \to H(\pi) - H(\pi_G), \quad H(\pi) = -\sum_k \pi_k \log \pi_k, \quad (\pi_G)_g = \sum_{k \in g} "
            r"\pi_k"
        ),
    ),
    Claim(
        name="gap-range",
        paper=PAPER,
        place="the sign of the error; docs/entropy, theorem 1",
        sentence="Δ = H̃ − H, with H by quadrature of −q log q, lies between 0 and H(π).",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_line(lambda mixture, sign: label_entropy(mixture) if sign > 0 else 0.0),
        simulate=_random_gap,
        cases=_cases({"Δ ≤ H(π)": {"sign": 1}, "0 ≤ Δ": {"sign": -1}}),
        tolerance=1e-10,
        remainder="rounding and quadrature, 1e-12 where measured",
        false_variants=(
            FalseVariant(
                "1 − Σπ² for H(π)",
                of_line(lambda mixture, sign: 1.0 - float(mixture.weights @ mixture.weights)),
                ("Δ ≤ H(π)",),
            ),
            FalseVariant("Δ ≥ H(π)/1000", of_line(lambda mixture, sign: -label_entropy(mixture) / 1000), ("0 ≤ Δ",)),
        ),
        formula=r"0 \le \Delta = \tilde H - H \le H(\pi)",
    ),
    Claim(
        name="separation",
        paper=PAPER,
        place="the separation bound, for every s and for the best; docs/entropy, theorem 6",
        sentence="Δ ≤ 2(1−s)^{−m/4} Σ_{k≠j} √(π_kπ_j) exp(−s α_kj²/4), α the ratio of distance to 1 + ‖Σ_k^{−½}Σ_j^½‖.",
        relation=Relation.AT_MOST,
        theory=of_mixture(separation_gap_upper),
        simulate=sampled_gap,
        cases=_cases(
            {
                CLOSE: _two_apart(0.5, 2, share=0.2),
                TEN: _two_apart(1.0, 10, share=0.5),
                APART: _two_apart(7.0, 1, share=0.9),
                WIDE: _two_apart(12.0, 3, variance=9.0, share=0.5),
                BEST: _two_apart(6.0, 2, share=None),
                UNEQUAL: mixture_case(
                    [0.4, 0.3, 0.3],
                    [[0.0, 0.0], [7.0, 0.0], [0.0, -7.0]],
                    [[[1.0, 0.3], [0.3, 0.9]], [[1.2, 0.0], [0.0, 0.8]], [[0.9, 0.1], [0.1, 1.1]]],
                    share=None,
                ),
            }
        ),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant(
                "½ in front for 2",
                of_mixture(lambda mixture, share: separation_gap_upper(mixture, share) / 4),
                (CLOSE,),
            ),
            FalseVariant(
                "(1−s)^{m/4} in front",
                of_mixture(
                    lambda mixture, share: separation_gap_upper(mixture, share) * (1 - share) ** (mixture.dimension / 2)
                ),
                (TEN,),
            ),
            FalseVariant(
                "α without 1 + ‖Σ_k^{−½}Σ_j^½‖ below",
                of_mixture(lambda mixture, share: separation_sum(mixture, _distances(mixture), share)),
                (APART, BEST, UNEQUAL),
            ),
            FalseVariant(
                "Euclidean distances",
                of_mixture(lambda mixture, share: separation_sum(mixture, _euclidean(mixture) / 2, share)),
                (WIDE,),
            ),
        ),
        formula=(
            r"\Delta \le 2 (1-s)^{-m/4} \sum_{k \ne j} \sqrt{\pi_k \pi_j}\, e^{-s \alpha_{kj}^2 / 4}, \quad "
            r"\alpha_{kj} = \frac{\lVert \Sigma_k^{-1/2} (\mu_k - \mu_j) \rVert}{1 + \lVert \Sigma_k^{-1/2} "
            r"\Sigma_j^{1/2} \rVert} "
            r"\\ 0 < s < 1, \text{ or for each pair its best, } s_{kj} = \max(0, 1 - m / \alpha_{kj}^2)"
        ),
    ),
    Claim(
        name="separation-at-random",
        paper=PAPER,
        place="the separation bound; docs/entropy, theorem 6",
        sentence="In random mixtures on the line Δ, by quadrature, never exceeds the bound.",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_line(separation_gap_upper),
        simulate=_random_gap_and_share,
        cases=_cases({"2 or 3 components, random or best s": {}}),
        tolerance=1e-10,
        remainder="rounding and quadrature, 1e-12 where measured",
        false_variants=(
            FalseVariant(
                "α without 1 + ‖Σ_k^{−½}Σ_j^½‖ below",
                of_line(lambda g, share: separation_sum(g, _euclidean(g) / np.sqrt(g.covariances)[:, None], share)),
            ),
            FalseVariant("½ in front for 2", of_line(lambda mixture, share: separation_gap_upper(mixture, share) / 4)),
        ),
        formula=(
            r"\Delta \le 2 (1-s)^{-m/4} \sum_{k \ne j} \sqrt{\pi_k \pi_j}\, e^{-s \alpha_{kj}^2 / 4}, \quad "
            r"\alpha_{kj} = \frac{\lVert \Sigma_k^{-1/2} (\mu_k - \mu_j) \rVert}{1 + \lVert \Sigma_k^{-1/2} "
            r"\Sigma_j^{1/2} \rVert} "
            r"\\ 0 < s < 1, \text{ or for each pair its best, } s_{kj} = \max(0, 1 - m / \alpha_{kj}^2)"
        ),
    ),
    Claim(
        name="common-covariance",
        paper=PAPER,
        place="coinciding covariances; docs/entropy, theorem 11",
        sentence="With one covariance for all, Δ is an integral over the span of the means' differences.",
        relation=Relation.EQUALS,
        theory=of_mixture(equal_covariance_gap),
        simulate=sampled_gap,
        cases=_cases(
            {
                "3 in 20 dimensions": mixture_case(
                    [0.5, 0.3, 0.2],
                    np.outer([0.0, 1.0, 2.0], _numbers("line", 20)) / 3 + 0.2 * _numbers("off", 3, 20),
                    TWENTY,
                )
            }
        ),
        tolerance=lambda **case: NEAR * of_mixture(equal_covariance_gap)(**case),
        remainder="how near is near enough: 2% of the gap",
        false_variants=(
            FalseVariant("correlations forgotten", of_mixture(lambda g: equal_covariance_gap(_uncorrelated(g)))),
            FalseVariant("the sum of the pairs", of_mixture(lambda g: gap_bounds(g).pairwise)),
        ),
        formula=(
            r"\Delta(\pi, \mu, \Sigma) = \Delta(\pi, z, I), \quad "
            r"(z_k - z_1)^\top (z_j - z_1) = (\mu_k - \mu_1)^\top \Sigma^{-1} (\mu_j - \mu_1), \quad z_k \in "
            r"\mathbb{R}^q, \quad q < K"
        ),
    ),
    Claim(
        name="random-means",
        paper=PAPER,
        place="high dimension; docs/entropy, theorem 9",
        sentence="With μ_k ~ N(0, c²Σ_k), E Δ ≤ log 2 Σ_{k≠j} √(π_kπ_j) B⁰_kj (1 + c²/2)^{−m/2}.",
        relation=Relation.AT_MOST,
        theory=of_mixture(random_means_gap_upper),
        simulate=_sampled_mean_gap,
        cases=_cases(
            {
                "2 in 10 dimensions": _random_means_case([0.5, 0.5], np.ones((2, 10)), 0.5),
                "3 in 40 dimensions": _random_means_case(
                    [0.4, 0.3, 0.3], np.exp(0.1 * _numbers("random means", 3, 40)).round(3), 0.25
                ),
                "2 in 100 dimensions": _random_means_case([0.5, 0.5], np.full((2, 100), 4.0), 0.3),
            }
        ),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant(
                "c² for c²/2",
                of_mixture(lambda mixture, spread: random_means_gap_upper(mixture, math.sqrt(2) * spread)),
            ),
            FalseVariant(
                "½ for log 2",
                of_mixture(lambda mixture, spread: random_means_gap_upper(mixture, spread) / (2 * math.log(2))),
                ("2 in 10 dimensions",),
            ),
        ),
        formula=(
            r"\mathbb{E}\, \Delta \le \log 2 "
            r"\sum_{k \ne j} \sqrt{\pi_k \pi_j}\, B^0_{kj} \left(1 + \frac{c^2}{2}\right)^{-m/2}, \quad "
            r"\mu_k \sim N(0, c^2 \Sigma_k)"
        ),
    ),
    Claim(
        name="random-means-tail",
        paper=PAPER,
        place="high dimension; docs/entropy, theorem 9",
        sentence="With such means P(Δ ≥ ε) is at most the bound on E Δ, over ε.",
        relation=Relation.AT_MOST,
        theory=of_mixture(random_means_tail_upper),
        simulate=_sampled_tail,
        cases=_cases(
            {
                "3 dimensions": _random_means_case([0.5, 0.5], np.ones((2, 3)), 2.0, threshold=0.2),
                "8 dimensions": _random_means_case([0.5, 0.5], np.ones((2, 8)), 2.0, threshold=0.03),
                "20 dimensions": _random_means_case([0.5, 0.5], np.ones((2, 20)), 1.0, threshold=0.03),
            }
        ),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(
            FalseVariant(
                "(1 + c²/2)^{−m} for its root",
                of_mixture(
                    lambda mixture, spread, threshold: (
                        random_means_tail_upper(mixture, spread, threshold)
                        * (1 + spread**2 / 2) ** (-mixture.dimension / 2)
                    )
                ),
            ),
        ),
        formula=(
            r"P(\Delta \ge \varepsilon) \le \frac{\log 2}{\varepsilon} "
            r"\sum_{k \ne j} \sqrt{\pi_k \pi_j}\, B^0_{kj} \left(1 + \frac{c^2}{2}\right)^{-m/2}, \quad "
            r"\mu_k \sim N(0, c^2 \Sigma_k)"
        ),
    ),
    Claim(
        name="derivative",
        paper=PAPER,
        place="the error of derivatives; docs/entropy, theorem 10",
        sentence="‖∂Δ/∂μ_k‖ is at most ½ Σ_j √(π_kπ_j) BC_kj (‖c‖² + tr DVDᵀ)^½.",
        relation=Relation.AT_MOST,
        theory=of_mixture(_slope),
        simulate=sampled_slope,
        cases=_cases(
            {
                LINE: _two_apart(1.0, 1, component=0, direction=[1.0]),
                FIVE: _two_apart(1.5, 5, component=1, direction=[-1.0, 0.0, 0.0, 0.0, 0.0]),
                SCALES: mixture_case([0.55, 0.45], [[0.0], [2.0]], [1.0, 2.25], component=0, direction=[1.0]),
                THREE: mixture_case(
                    [1 / 3, 1 / 3, 1 / 3],
                    [[0.0, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, -0.5, 0.0]],
                    [1.0, 1.0, 1.0],
                    component=0,
                    direction=[1.0, 0.0, 0.0],
                ),
            }
        ),
        tolerance=1e-5,
        remainder="the square of the step of central differences, 1e-6",
        false_variants=(
            FalseVariant(
                "⅓ in front for ½", of_mixture(lambda g, **more: _slope(g, **more) * 2 / 3), (LINE, FIVE, SCALES)
            ),
            FalseVariant(
                "π_kπ_j for its root",
                of_mixture(lambda g, **more: _slope(g, **more) / g.components),
                (LINE, FIVE, THREE),
            ),
            FalseVariant("BC² for BC", of_mixture(lambda g, **more: _slope(g, **more) * _affinity(g)), (FIVE,)),
        ),
        formula=(
            r"\left\lVert \frac{\partial \Delta}{\partial \mu_k} \right\rVert \le \frac12 \sum_{j \ne k} \sqrt{\pi_k "
            r"\pi_j}\, "
            r"\mathrm{BC}_{kj} \left( \lVert c_{kj} \rVert^2 + \operatorname{tr} D_{kj} V_{kj} D_{kj}^\top "
            r"\right)^{1/2} \\ "
            r"V = \left( \frac{\Sigma_k^{-1} + \Sigma_j^{-1}}{2} \right)^{-1}, \quad D = \Sigma_j^{-1} - "
            r"\Sigma_k^{-1}, \quad "
            r"\bar x = \frac12 V (\Sigma_k^{-1} \mu_k + \Sigma_j^{-1} \mu_j), \quad "
            r"c = D \bar x - (\Sigma_j^{-1} \mu_j - \Sigma_k^{-1} \mu_k)"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
