"""How long descent-ascent takes when only the maximisation is well behaved.

T. Lin, C. Jin and M. Jordan, "On gradient descent ascent for nonconvex-concave minimax problems", ICML 2020,
arXiv:1906.00331.
The order κ²ℓ/ε² of two steps of different size is theirs; the constants, the game that shows how far the steps may be
raised, and the single loop against a ridge critic are this project's: docs/minimax, theorems 20 and 21.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.minimax.kernel_constants import kernel_constants
from ..theory.minimax.kernel_profile import KernelProfile
from ..theory.minimax.ncsc_bound import ncsc_bound, quadratic_threshold
from ..theory.minimax.single_loop import SingleLoopStep, single_loop_step
from ..theory.minimax.smoothness import particle_smoothness
from .engine.claim import Agreed, Case, Claim, FalseVariant, Relation, Sighting
from .kept import Kept
from .random_games import cases, line_slopes, profile_of, random_critic, square_norm
from .searched_steps import FAR, halved, has_grown, threshold_of

Array = NDArray[np.float64]

PAPER = "nonconvex_concave"
LONGEST = 80  # steps of descent-ascent in a trial
ROUNDS = 4  # of a single loop in a trial, at most
PLAYED = 1000  # steps of a game whose growth is judged
LAGS = (1.0, 0.7, 0.3)  # δ


# ---- two time scales


def _descent_ascent(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The mean of |∇Φ(x_t)|² in a random game ax²/2 + bxy − μy²/2, all of whose Φ = (a + b²/μ)x²/2 have the minimum 0.

    ℓ is the norm of the game's Hessian [[a, b], [b, −μ]].
    """
    mu, b = float(np.exp(rng.uniform(np.log(0.02), np.log(1.0)))), float(rng.uniform(0.05, 1.0))
    a = float(rng.uniform(-b * b / mu, 1.0)) if rng.random() < 0.5 else max(-b * b / mu, -1.0) * float(rng.random())
    ell = _joint_smoothness(a, b, mu)
    curvature, kappa = a + b * b / mu, ell / mu
    eta_x, eta_y = 1 / (6 * kappa**2 * ell), 1 / ell
    x, steps = float(rng.standard_normal()), int(rng.integers(1, LONGEST + 1))
    y = b * x / mu + (0.0 if rng.random() < 0.5 else float(rng.standard_normal()))
    gap, off, total = curvature * x * x / 2, (y - b * x / mu) ** 2, 0.0
    for _ in range(steps):
        total += (curvature * x) ** 2
        x, y = x - eta_x * (a * x + b * y), y + eta_y * (b * x - mu * y)
    at = {"smoothness": ell, "strong_concavity": mu, "gap": gap, "squared_distance": off, "steps": steps}
    return Sighting(total / steps, at)


def _joint_smoothness(a: float, b: float, mu: float) -> float:
    """ℓ, the norm of [[a, b], [b, −μ]]."""
    return math.hypot((a + mu) / 2, b) + abs(a - mu) / 2


@Kept
def _kept_scales(**at: Any) -> float:
    return ncsc_bound(**at).bound


def _two_scales(**at: Any) -> float:
    return _kept_scales(**at)


def _linear_in_condition(smoothness: float, strong_concavity: float, **at: Any) -> float:
    """κ for κ²: 21.6κℓΔΦ + 7.2κℓ²δ_0."""
    total = 21.6 * smoothness * at["gap"] + 7.2 * smoothness**2 * at["squared_distance"]
    return float(smoothness / strong_concavity * total / at["steps"])


def _critic_at_rest(squared_distance: float, **at: Any) -> float:
    return ncsc_bound(squared_distance=0.0, **at).bound


def _searched_step(case: Case, rng: np.random.Generator, effort: float) -> Agreed:
    """The η_x at which −ℓx²/4 + bxy − μy²/2 with b² = ℓ(ℓ − μ)/2 and η_y = 1/ℓ begins to grow."""
    ell, mu = case.arguments["smoothness"], case.arguments["strong_concavity"]
    b = math.sqrt(ell * (ell - mu) / 2)
    seen = []
    for _ in range(max(1, round(effort))):
        start = rng.standard_normal(2)

        def grows(step: float, start: Array = start) -> bool:
            (x, y), reached = start.tolist(), []
            for _ in range(PLAYED):
                reached.append(math.hypot(x, y))
                if reached[-1] > FAR * reached[0]:
                    break
                x, y = x + step * (ell / 2 * x - b * y), y + (b * x - mu * y) / ell
            return has_grown(np.array(reached))

        seen.append(threshold_of(grows))
    return halved(seen)


# ---- a single loop


def _single_loop(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The mean of |∇J(θ_k)|² for particles and a critic f_k = (1 − δ)f_{k−1} + δΦ_{θ_k}, as points with weights.

    f_{−1} is the best response to another random cloud.
    """
    critic = random_critic(rng)
    scale, ridge, profile = critic["lengthscale"], critic["ridge"], profile_of(critic["kernel"], critic["lengthscale"])
    delta, rounds, n = LAGS[rng.integers(len(LAGS))], int(rng.integers(1, ROUNDS + 1)), int(rng.integers(1, 4))
    data = scale * rng.standard_normal(int(rng.integers(1, 3)))
    if rng.random() < 0.5:  # near the data, where the critic's error is most of what moves it
        x = data[np.arange(n) % len(data)] + 0.05 * scale * rng.standard_normal(n)
    else:
        x = 1.5 * scale * rng.standard_normal(n)
    points = x + scale * (0.1 if rng.random() < 0.5 else 1.0) * rng.standard_normal(n)
    each, pull = np.full(n, 1 / (n * ridge)), np.full(len(data), -1 / (len(data) * ridge))
    gap = max(ridge / 2 * square_norm(profile, (x, data), (each, pull)), 0.0)
    # f_0 − Φ_0 = (1 − δ)(f_{−1} − Φ_0)
    off = (1 - delta) ** 2 * max(square_norm(profile, (points, x), (each, -each)), 0.0)
    at = {**critic, "particles": n, "relaxation": delta}
    squares = _followed(profile, x, data, points, ridge, delta, _loop(**at).step, rounds)
    error = math.sqrt(_gradient_norm(**critic) / n * off)
    return Sighting(float(squares.mean()), {**at, "gap": gap, "error": error, "steps": rounds})


def _followed(
    profile: KernelProfile, x: Array, data: Array, points: Array, ridge: float, delta: float, step: float, rounds: int
) -> Array:
    """|∇J(θ_k)|² for k < rounds, with f_{−1} the best response to the cloud `points` of as many."""
    n = len(x)
    each, pull = np.full(n, 1 / (n * ridge)), np.full(len(data), -1 / (len(data) * ridge))
    weights, squares = each, np.empty(rounds)
    for k in range(rounds):
        points, weights = np.concatenate([points, x]), np.concatenate([(1 - delta) * weights, delta * each])
        right = line_slopes(profile, x, np.concatenate([x, data]), np.concatenate([each, pull])) / n
        squares[k] = right @ right
        x = x - step / n * line_slopes(profile, x, np.concatenate([points, data]), np.concatenate([weights, pull]))
    return squares


@Kept
def _gradient_norm(kernel: str, lengthscale: float, ridge: float) -> float:
    """K1."""
    return kernel_constants(kernel, lengthscale, ridge).K1


@Kept
def _loop(kernel: str, lengthscale: float, ridge: float, particles: int, relaxation: float) -> SingleLoopStep:
    constants = kernel_constants(kernel, lengthscale, ridge)
    smoothness = particle_smoothness(constants, particles).smoothness
    return single_loop_step(smoothness, constants.beta2, 1 / particles, relaxation)


@Kept
def _kept_bound(gap: float, error: float, steps: int, **at: Any) -> float:
    return _loop(**at).bound(gap, steps, error)


def _loop_bound(**at: Any) -> float:
    return _kept_bound(**at)


def _without_error(gap: float, error: float, steps: int, **at: Any) -> float:
    return 2 * gap / (_loop(**at).step * steps)


def _half_gap(gap: float, error: float, steps: int, **at: Any) -> float:
    found = _loop(**at)
    return gap / (found.step * steps) + error**2 / (found.relaxation * steps)


def _faster(**at: Any) -> float:
    return _kept_bound(**at) / float(at["steps"])


def _threshold_case(condition: float, smoothness: float) -> dict[str, float]:
    return {"smoothness": smoothness, "strong_concavity": smoothness / condition}


CLAIMS = (
    Claim(
        name="two-time-scales",
        paper=PAPER,
        place="descent-ascent on nonconvex-strongly-concave problems, of order κ²ℓ/ε²; docs/minimax, theorem 20",
        sentence="With η_y = 1/ℓ, η_x = 1/(6κ²ℓ) the mean of |∇Φ|² is at most (21.6κ²ℓΔΦ + 7.2κℓ²δ_0)/T.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_two_scales,
        simulate=_descent_ascent,
        cases=cases({"random quadratic games": {}}),
        tolerance=1e-12,
        remainder="rounding",
        false_variants=(
            FalseVariant("κ for κ²", _linear_in_condition),
            FalseVariant("a tenth", lambda **at: _two_scales(**at) / 10),
            FalseVariant("the critic's distance δ_0 left out", _critic_at_rest),
        ),
        formula=(
            r"\frac{1}{T} \sum_{t < T} |\nabla \Phi(x_t)|^2 \le \frac{21.6\, \kappa^2 \ell \Delta_\Phi + 7.2\, \kappa "
            r"\ell^2 \delta_0}{T}, "
            r"\quad \eta_y = \frac{1}{\ell}, \quad \eta_x = \frac{1}{6 \kappa^2 \ell}"
        ),
    ),
    Claim(
        name="largest-step",
        paper=PAPER,
        place="how far the step of the minimising player may be raised; docs/minimax, theorem 20",
        sentence="One game, with η_y = 1/ℓ, is stable iff η_x < 1/((κ − 1)ℓ): no step that serves all games is larger.",
        relation=Relation.EQUALS,
        theory=quadratic_threshold,
        simulate=_searched_step,
        cases=cases({"κ = 3": _threshold_case(3.0, 1.0), "κ = 10": _threshold_case(10.0, 0.5)}),
        tolerance=lambda **at: 0.005 * quadratic_threshold(**at),
        remainder="how near a search in runs of 1000 steps comes: 0.5%",
        false_variants=(
            FalseVariant("a twentieth more", lambda **at: 1.05 * quadratic_threshold(**at)),
            FalseVariant("1/ℓ for both players", lambda smoothness, strong_concavity: 1 / smoothness),
            FalseVariant("1/(κℓ)", lambda smoothness, strong_concavity: strong_concavity / smoothness**2),
        ),
        formula=(
            r"\max |z| < 1 \text{ if and only if } \eta_x < \frac{1}{(\kappa - 1) \ell}, \quad \eta_y = \frac{1}{\ell}"
        ),
    ),
    Claim(
        name="single-loop",
        paper=PAPER,
        place="a single loop in place of two; docs/minimax, theorem 21",
        sentence="With one critic step δ a round, in its own norm, mean |∇J|² is at most 2J_0/(hT) + ε_0²/(δT).",
        relation=Relation.NEVER_EXCEEDS,
        theory=_loop_bound,
        simulate=_single_loop,
        cases=cases({"1 to 3 particles": {}}),
        tolerance=1e-10,
        remainder="rounding of J, of the size of the kernel",
        false_variants=(
            FalseVariant("the critic's first error ε_0 left out", _without_error),
            FalseVariant("half of J_0", _half_gap),
            FalseVariant("1/T² for 1/T", _faster),
        ),
        formula=(
            r"\frac{1}{T} \sum_{k < T} |\nabla J(\theta_k)|^2 \le \frac{2 J_0}{hT} + \frac{\varepsilon_0^2}{\delta "
            r"T}, \quad "
            r"h = \frac{2}{L + \sqrt{L^2 + 4X^2}}, \quad X = \frac{(1 - \delta) \beta_2 A^2}{\delta}, \quad "
            r"\varepsilon_0^2 = A^2 K_1 \lVert f_0 - \Phi_{\theta_0} \rVert_H^2"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
