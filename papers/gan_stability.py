"""Which GANs converge near their equilibrium, and at which steps.

L. Mescheder, A. Geiger and S. Nowozin, "Which training methods for GANs do actually converge?", ICML 2018,
arXiv:1801.04406.
The Dirac-GAN and what each regulariser does to it are theirs; the closed forms of the steps, the threshold of R1 for
particles and the condition for alternating steps are this project's: docs/minimax, theorems 14 and 16 to 19.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.estimate import Estimate
from ..theory.minimax.dirac_gan import DiracGAN, dirac_gan
from ..theory.minimax.gan_linearisation import alternating_threshold
from ..theory.minimax.lq_gan import LinearQuadraticGAN, lq_gan
from ..theory.streams import stream
from .engine.claim import Agreed, Case, Claim, FalseVariant, Relation
from .random_games import agreed, cases, of_numbers
from .searched_steps import searched_dirac, searched_linear, searched_lq, searched_particles, split

Array = NDArray[np.float64]

PAPER = "gan_stability"
EXACT = 0.005  # how near a searched threshold comes
FLOWN = 1e-4  # what is left of the way after so long, and of the turn at which a cycle is seen
FINE = 0.01  # the step of games that stand for their flow
TIME = 50.0  # for which a flow is followed
OTHER = {"simultaneous": "alternating", "alternating": "simultaneous"}

Named = Mapping[str, Any]


# ---- the Dirac-GAN


def _dirac(loss: str, **regulariser: Any) -> DiracGAN:
    return dirac_gan("logistic" if loss == "non_saturating" else loss, **regulariser)


def _threshold(algorithm: str, **game: Any) -> float:
    return _dirac(**game).threshold(algorithm)


def _rate(algorithm: str, step: float, **game: Any) -> float:
    return _dirac(**game).spectrum(algorithm, step, step).rate


def _seen_rate(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """The slope of the logarithm of the residual in the modal norm, from random places within 1e-4 of rest."""
    from ..sim.minimax import dense_norm, dirac_game, estimate_rate, rest, simulate_gan

    (algorithm, step), game = split(case.arguments, "algorithm", "step")
    played = dirac_game(**game)
    centre = rest(played, algorithm, np.zeros(1), np.zeros(1))
    norm = dense_norm(played, algorithm, step, step, centre)
    seen = []
    for _ in range(max(1, round(effort))):
        start = 1e-4 * rng.standard_normal(2)
        run = simulate_gan(played, algorithm, step, step, 60, generator=start[:1], critic=start[1:])
        seen.append(estimate_rate(run.residuals(norm, centre)).rate)
    return of_numbers(np.array(seen), "slopes of log residuals")


def _flow(case: Case, rng: np.random.Generator, time: float) -> tuple[Array, Array]:
    """θ and ψ by small alternating steps from a random place at distance 0.2 to 0.9, ψ ≠ 0."""
    from ..sim.minimax import dirac_game, simulate_gan

    angle, radius = rng.uniform(0.1, np.pi - 0.1), rng.uniform(0.2, 0.9)
    start = radius * np.array([np.cos(angle), np.sin(angle)])
    run = simulate_gan(
        dirac_game(**case.arguments),
        "alternating",
        FINE,
        FINE,
        round(time / FINE),
        generator=start[:1],
        critic=start[1:],
    )
    return run.generators.ravel(), run.critics.ravel()


def _kept_distance(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """The distance from the equilibrium after a time of 50, over that at the start."""
    seen = []
    for _ in range(max(1, round(effort))):
        u, f = _flow(case, rng, TIME)
        seen.append(np.hypot(u[-1], f[-1]) / np.hypot(u[0], f[0]))
    return of_numbers(np.array(seen), "flows by small steps")


def _end(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """How far θ reaches at last: in the last seven units of time, more than a turn."""
    seen = []
    for _ in range(max(1, round(effort))):
        u, _ = _flow(case, rng, 10 * TIME)
        seen.append(np.abs(u[-round(7 / FINE) :]).max())
    return agreed(np.array(seen), FLOWN, "flows by small steps")


# ---- larger games


def _lq(covariance: Any, ridge: float, penalty: float) -> LinearQuadraticGAN:
    return lq_gan(covariance, ridge, penalty)


def _lq_threshold(algorithm: str, **game: Any) -> float:
    return _lq(**game).threshold(algorithm)


def _first_mode(algorithm: str, covariance: Any, **weights: Any) -> float:
    """As if the data had their smallest variance in all directions."""
    least = np.linalg.eigvalsh(np.asarray(covariance))[0]
    return lq_gan([[least]], **weights).threshold(algorithm)


def _linear_case(number: int, features: int, parameters: int, min_step: float) -> dict[str, Any]:
    """D̂ and K that do not commute, rounded."""
    rng = stream(0, PAPER, "linear", number)
    root = rng.standard_normal((features, features))
    return {
        "damping": (root @ root.T / features + 0.2 * np.eye(features)).round(3).tolist(),
        "coupling": rng.standard_normal((features, parameters)).round(3).tolist(),
        "min_step": min_step,
    }


def _as_commuting(damping: Any, coupling: Any, min_step: float) -> float:
    top = np.linalg.norm(damping, 2), np.linalg.norm(coupling, 2) ** 2
    return float(4 / (2 * top[0] + min_step * top[1]))


def _damping_alone(damping: Any, coupling: Any, min_step: float) -> float:
    return float(2 / np.linalg.norm(damping, 2))


def _game(loss: str, regulariser: str = "none", weight: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"loss": loss, "regulariser": regulariser, "weight": weight, **more}


def _other_algorithm(algorithm: str, **game: Any) -> float:
    return _threshold(OTHER[algorithm], **game)


PENALISED = {
    "logistic, R1, simultaneous": _game("logistic", "r1", 0.3, algorithm="simultaneous"),
    "logistic, R1, alternating": _game("logistic", "r1", 0.3, algorithm="alternating"),
    "non-saturating, R2, simultaneous": _game("non_saturating", "r2", 0.5, algorithm="simultaneous"),
    "WGAN, R1 past critical, simultaneous": _game("wgan", "r1", 3.0, algorithm="simultaneous"),
    "WGAN, decay of both, alternating": _game(
        "wgan", "weight_decay", 0.5, generator_decay=0.2, algorithm="alternating"
    ),
    "logistic, instance noise, simultaneous": _game("logistic", noise=1.2, algorithm="simultaneous"),
}
BARE = {
    "logistic, no penalty, extragradient": _game("logistic", algorithm="extragradient"),
    "WGAN, no penalty, optimistic": _game("wgan", algorithm="optimistic"),
}
NODE, CYCLE = "γ = 3", "γ = 0.05"
PLAIN = {"logistic": _game("logistic"), "WGAN": _game("wgan"), "clipping": _game("logistic", "clipping")}
RATES = {
    "logistic, no penalty, simultaneous": _game("logistic", algorithm="simultaneous", step=0.5),
    "logistic, R1, best step": _game("logistic", "r1", 0.3, algorithm="simultaneous", step=0.6),
    "WGAN, R1, alternating": _game("wgan", "r1", 0.5, algorithm="alternating", step=0.8),
    "non-saturating, instance noise": _game("non_saturating", noise=1.2, algorithm="simultaneous", step=1.0),
    "WGAN, R1, extragradient": _game("wgan", "r1", 0.2, algorithm="extragradient", step=0.4),
}
DAMPED = tuple(RATES)[1:]

CLAIMS = (
    Claim(
        name="dirac-thresholds",
        paper=PAPER,
        place="the Dirac-GAN with gradient penalties and instance noise; docs/minimax, theorem 18",
        sentence="Equal steps converge below γ/c² or 4/(γ + √(γ² − 4c²)); if alternating, below 4/(γ + √(γ² + 4c²)).",
        relation=Relation.EQUALS,
        theory=_threshold,
        simulate=searched_dirac,
        cases=cases({**PENALISED, **BARE}),
        tolerance=lambda **at: EXACT * _threshold(**at),
        remainder="how near a search in runs of 1000 steps comes: 0.5%",
        false_variants=(
            FalseVariant("a twentieth more", lambda **at: 1.05 * _threshold(**at)),
            FalseVariant("the threshold of the other order", _other_algorithm, tuple(PENALISED)),
        ),
        formula=(
            r"h < \begin{cases} \frac{\gamma}{c^2} & \gamma \le 2c \\ \frac{4}{\gamma + \sqrt{\gamma^2 - 4c^2}} & "
            r"\gamma > 2c "
            r"\end{cases} \text{ simultaneous,} \quad h < \frac{4}{\gamma + \sqrt{\gamma^2 + 4c^2}} \text{ "
            r"alternating}"
        ),
    ),
    Claim(
        name="dirac-rates",
        paper=PAPER,
        place="the eigenvalues at the equilibrium; docs/minimax, theorem 18",
        sentence="With a damped critic the distance shrinks by |1 + he| a step, e an eigenvalue; without it grows.",
        relation=Relation.EQUALS,
        theory=_rate,
        simulate=_seen_rate,
        cases=cases(RATES),
        tolerance=1e-4,
        remainder="what is not linear at a distance of 1e-4",
        false_variants=(
            FalseVariant("a cycle", lambda **at: 1.0),
            FalseVariant(
                "half the penalty", lambda weight, **at: _rate(weight=weight / 2, **at), DAMPED[:2] + DAMPED[3:]
            ),
            FalseVariant("half the noise", lambda noise, **at: _rate(noise=noise / 2, **at), DAMPED[2:3]),
        ),
        formula=(
            r"z = 1 + he \text{ simultaneous,} \quad z = 1 + he + (he)^2 \text{ extragradient,} \quad "
            r"e = -\frac{\gamma}{2} \pm \sqrt{\frac{\gamma^2}{4} - c^2} \\ "
            r"z^2 - (2 - h\gamma - h^2 c^2) z + 1 - h\gamma = 0 \text{ alternating}"
        ),
    ),
    Claim(
        name="unregularised-cycles",
        paper=PAPER,
        place="GANs without a penalty, WGAN and clipping do not converge; docs/minimax, theorem 18",
        sentence="Without a penalty the flow keeps its distance θ² + ψ² from the equilibrium.",
        relation=Relation.EQUALS,
        theory=lambda **game: 1.0,
        simulate=_kept_distance,
        cases=cases(PLAIN),
        tolerance=0.02,
        remainder="steps of 0.01 instead of a flow",
        false_variants=(
            FalseVariant("it comes to rest at 0", lambda **game: 0.0),
            FalseVariant("it shrinks as with R1 of weight 0.01", lambda **game: float(np.exp(-0.005 * TIME))),
        ),
        formula=r"\theta(t)^2 + \psi(t)^2 = \theta(0)^2 + \psi(0)^2",
    ),
    Claim(
        name="wgan-gp-misses",
        paper=PAPER,
        place="WGAN-GP does not converge to the equilibrium; docs/minimax, theorem 18",
        sentence="WGAN-GP ends at |θ| = γg₀/c for γ ≥ 2c, and circles with an amplitude near 4g₀/π for small γ.",
        relation=Relation.EQUALS,
        theory=lambda **game: _dirac(**game).limit,
        simulate=_end,
        cases=cases({NODE: _game("wgan", "wgan_gp", 3.0, norm=0.5), CYCLE: _game("wgan", "wgan_gp", 0.05, norm=1.0)}),
        tolerance=0.03,
        remainder="terms of the order γ/c in the cycle's amplitude, and steps of 0.01 instead of a flow",
        false_variants=(
            FalseVariant("it converges to the data", lambda **game: 0.0),
            FalseVariant("θ reaches the norm aimed at", lambda norm, **game: norm),
        ),
        formula=(
            r"\lim_{t \to \infty} |\theta(t)| = \frac{\gamma g_0}{c}, \quad \gamma \ge 2c \\ "
            r"\limsup_{t \to \infty} |\theta(t)| \to \frac{4 g_0}{\pi}, \quad \frac{\gamma}{c} \to 0"
        ),
    ),
    Claim(
        name="linear-quadratic-thresholds",
        paper=PAPER,
        place="local convergence with R1, beyond the Dirac-GAN; docs/minimax, theorem 19",
        sentence="A linear generator against a quadratic critic is stable below the least threshold of its modes.",
        relation=Relation.EQUALS,
        theory=_lq_threshold,
        simulate=searched_lq,
        cases=cases(
            {
                "ridge and R1, simultaneous": {
                    "covariance": [[1.0, 0.0], [0.0, 4.0]],
                    "ridge": 0.5,
                    "penalty": 0.2,
                    "algorithm": "simultaneous",
                },
                "ridge, simultaneous": {
                    "covariance": [[0.5, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]],
                    "ridge": 1.0,
                    "penalty": 0.0,
                    "algorithm": "simultaneous",
                },
                "R1, alternating": {
                    "covariance": [[1.0, 0.0], [0.0, 3.0]],
                    "ridge": 0.0,
                    "penalty": 0.2,
                    "algorithm": "alternating",
                },
            }
        ),
        tolerance=lambda **at: EXACT * _lq_threshold(**at),
        remainder="how near a search in runs of 1000 steps comes: 0.5%",
        false_variants=(
            FalseVariant("a twentieth more", lambda **at: 1.05 * _lq_threshold(**at)),
            FalseVariant("the smallest variance alone", _first_mode),
            FalseVariant(
                "the threshold of the other order",
                lambda algorithm, **game: _lq_threshold(OTHER[algorithm], **game),
            ),
        ),
        formula=(
            r"h < \min_{i \le j} h(d_{ij}, t_{ij}), \quad t_{ij} = 2(s_i + s_j), \quad d_{ij} = \lambda + \rho t_{ij} "
            r"\\ "
            r"h(d, t) \text{ that of the Dirac-GAN with } \gamma = d, \ c^2 = t"
        ),
    ),
    Claim(
        name="r1-for-particles",
        paper=PAPER,
        place="local convergence with R1, beyond the Dirac-GAN; docs/minimax, theorem 14",
        sentence="Particles against a critic with R1 of weight ρ are stable iff η < ρ, whatever features and data.",
        relation=Relation.EQUALS,
        theory=lambda penalty, dimension: float(penalty),
        simulate=searched_particles,
        cases=cases(
            {
                "ρ = 0.5 on the line": {"penalty": 0.5, "dimension": 1},
                "ρ = 2 in the plane": {"penalty": 2.0, "dimension": 2},
            }
        ),
        tolerance=lambda penalty, dimension: 2 * EXACT * penalty,
        remainder="the last interval of the search, 0.6%, and what is not linear at a distance of 1e-6",
        false_variants=(
            FalseVariant("stable up to 1.05ρ", lambda penalty, dimension: 1.05 * penalty),
            FalseVariant("ρ²", lambda penalty, dimension: penalty**2),
            FalseVariant(
                "ρ over the dimension", lambda penalty, dimension: penalty / dimension, ("ρ = 2 in the plane",)
            ),
        ),
        formula=r"\max |z| < 1 \text{ if and only if } \eta < \rho",
    ),
    Claim(
        name="alternating-condition",
        paper=PAPER,
        place="local convergence with R1, for alternating steps; docs/minimax, theorem 17",
        sentence="Alternating steps are stable iff γ λ_max(2D̂ + ηKKᵀ) < 4, also where D̂ and KKᵀ do not commute.",
        relation=Relation.EQUALS,
        theory=alternating_threshold,
        simulate=searched_linear,
        cases=cases(
            {
                "2 features, 2 parameters": _linear_case(0, 2, 2, 0.5),
                "4 features, 3 parameters": _linear_case(1, 4, 3, 2.0),
            }
        ),
        tolerance=lambda **at: EXACT * alternating_threshold(**at),
        remainder="how near a search in runs of 1000 steps comes: 0.5%",
        false_variants=(
            FalseVariant("a twentieth more", lambda **at: 1.05 * alternating_threshold(**at)),
            FalseVariant("4 over the sum of the largest eigenvalues", _as_commuting),
            FalseVariant("γ‖D̂‖ < 2, as for simultaneous steps", _damping_alone),
        ),
        formula=r"\max |z| < 1 \text{ if and only if } \gamma\, \lambda_{\max}(2 \hat D + \eta K K^\top) < 4",
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
