"""When gradient descent on a minimax problem over functions and measures converges.

T. Furuya, S. Okuda, K. Suetake and Y. Sawada, "Convergences for minimax optimization problems over infinite-dimensional
spaces towards stability in adversarial training", 2023, arXiv:2312.00991.
The setting and its reading as spectral normalisation and gradient penalty are theirs; the bounds, rates and steps
tested are this project's: docs/minimax, theorems 6, 7, 9 to 13 and 18.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.estimate import Estimate
from ..theory.minimax.dirac_gan import dirac_gan
from ..theory.minimax.kernel_constants import kernel_constants
from ..theory.minimax.mesh_rates import exact_critic_bound
from ..theory.minimax.mirror_descent import MirrorDescentBound, mirror_descent_bound
from ..theory.minimax.smoothness import descent_bound, particle_smoothness
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from .kept import Kept
from .mode_games import (
    as_coarse,
    as_descent,
    best_rate,
    fastest_mode,
    least_rate,
    mesh_rate,
    modal_rate,
    next_algorithm,
    other_geometry,
    other_root,
    played_modes,
    real_roots,
    seen_mesh_rate,
    slowest_waves,
    tried_steps,
)
from .random_games import cases, line_slopes, of_numbers, profile_of, random_critic, square_norm

Array = NDArray[np.float64]

PAPER = "minimax_convergence"
STEPS = 4  # of descent in a trial, at most
MIRRORED = 6  # of mirror descent
FINE = 0.01  # the step of games that stand for their flow
NEAR = 1e-3  # how near a rate of many modes comes in a run


# ---- descent


def _descent(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The mean of |∇J|² over steps of 1/L for particles, half of the time near the data."""
    critic = random_critic(rng)
    scale, ridge, profile = critic["lengthscale"], critic["ridge"], profile_of(critic["kernel"], critic["lengthscale"])
    n, steps = int(rng.integers(1, 4)), int(rng.integers(1, STEPS + 1))
    data = scale * rng.standard_normal(int(rng.integers(1, 3)))
    if rng.random() < 0.5:
        x = data[np.arange(n) % len(data)] + 0.05 * scale * rng.standard_normal(n)
    else:
        x = 2 * scale * rng.standard_normal(n)
    weights = np.full(n, 1 / n), np.full(len(data), -1 / len(data))
    gap, both = square_norm(profile, (x, data), weights) / (2 * ridge), np.concatenate(weights)
    total, h = 0.0, 1 / _smoothness(particles=n, **critic)
    for _ in range(steps):
        gradient = line_slopes(profile, x, np.concatenate([x, data]), both) / (n * ridge)
        total += float(gradient @ gradient)
        x = x - h * gradient
    return Sighting(total / steps, {**critic, "particles": n, "gap": max(gap, 0.0), "steps": steps})


@Kept
def _smoothness(kernel: str, lengthscale: float, ridge: float, particles: int) -> float:
    return particle_smoothness(kernel_constants(kernel, lengthscale, ridge), particles).smoothness


@Kept
def _bound(gap: float, steps: int, **at: Any) -> float:
    return descent_bound(_smoothness(**at), gap, steps)


def _descended(**at: Any) -> float:
    return _bound(**at)


def _half_smooth(**at: Any) -> float:
    """L/2 for L: the bound is linear in it."""
    return _bound(**at) / 2


# ---- what spectral normalisation leaves, and a penalty repairs


def _seen_drift(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """How fast the generator of a Dirac-GAN moves away, from a time of 50 to one of 100."""
    from ..sim.minimax import dirac_game, simulate_gan  # here: the claims are listed without Numba

    game, seen, half = dirac_game(case.arguments["loss"], "spectral_normalisation"), [], round(50 / FINE)
    for _ in range(max(1, round(effort))):
        u, f = rng.uniform(-1.0, 1.0, 2)
        run = simulate_gan(game, "simultaneous", FINE, FINE, 2 * half, generator=u, critic=f, every=half)
        seen.append(abs(run.generators[2, 0] - run.generators[1, 0]) / 50)
    return of_numbers(np.array(seen), "flows by small steps")


def _seen_decay(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """−log of the distance from the equilibrium a unit of time, from starts at a distance near 1."""
    from ..sim.minimax import dirac_game, simulate_gan

    arguments, seen, time = case.arguments, [], 100.0
    game = dirac_game(arguments["loss"], "r1", arguments["weight"])
    for _ in range(max(1, round(effort))):
        start = rng.uniform(0.5, 1.5) * np.exp(2j * np.pi * rng.random())
        run = simulate_gan(game, "alternating", FINE, FINE, round(time / FINE), generator=start.real, critic=start.imag)
        reached = np.hypot(run.generators, run.critics).ravel()
        first, last = reached[: len(reached) // 8].max(), reached[-(len(reached) // 8) :].max()
        seen.append(-math.log(last / first) / (time * 7 / 8))
    return of_numbers(np.array(seen), "flows by small steps")


def _decay(loss: str, weight: float) -> float:
    found = dirac_gan(loss, "r1", weight).eigenvalues
    assert found is not None  # with R1 it has a linearisation
    return -max(e.real for e in found)


# ---- mirror descent


def _mirrored(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """J after T steps on 2 or 3 atoms, from starts that give the data little weight, or random ones."""
    critic = random_critic(rng)
    n, steps = int(rng.integers(2, 4)), int(rng.integers(1, MIRRORED + 1))
    atoms = critic["lengthscale"] * 2 * rng.standard_normal(n)
    apart = np.abs(atoms[:, None] - atoms)
    gram = profile_of(critic["kernel"], critic["lengthscale"]).shape.value(apart / critic["lengthscale"])
    target, start = rng.dirichlet(np.full(n, 0.3), 2) + 1e-12
    if rng.random() < 0.5:
        target, start = np.full(n, 1e-9), np.full(n, 1.0)
        target[0], start[0] = 1.0, 10 ** rng.uniform(-12.0, 0.0)
    target, start = target / target.sum(), start / start.sum()
    at: dict[str, Any] = {"steps": steps, "ridge": critic["ridge"], "oscillation": 1 - float(gram.min())}
    at |= {"divergence": max(float(target @ np.log(target / start)), 0.0)}
    h = _mirror(**at).step
    seen = _mirror_loss(gram, target, start, critic["ridge"], h, steps)
    return Sighting(seen, {**at, "back": max(float(start @ np.log(start / target)), 0.0)})


def _mirror_loss(gram: Array, target: Array, start: Array, ridge: float, step: float, steps: int) -> float:
    """J after steps of μ ← e^{−hΦ}μ/Z, by logarithms of weights."""
    logs, p = np.log(start), start
    for _ in range(steps):
        logs = logs - step * (gram @ (p - target)) / ridge
        p = np.exp(logs - logs.max())
        p /= p.sum()
    return float((p - target) @ gram @ (p - target)) / (2 * ridge)


@Kept
def _mirror(divergence: float, steps: int, ridge: float, oscillation: float) -> MirrorDescentBound:
    return mirror_descent_bound(divergence, steps, ridge, oscillation)


def _mirror_bound(back: float, **at: Any) -> float:
    return _mirror(**at).bound


def _mirror_back(back: float, steps: int, divergence: float, **at: Any) -> float:
    """With KL(μ⁽⁰⁾ ‖ μ₀)."""
    return back / (_mirror(divergence=divergence, steps=steps, **at).step * steps)


def _mesh_case(points: int, geometry: str, min_step: float = 0.5, max_step: float = 0.5) -> dict[str, Any]:
    return {
        "points": points,
        "geometry": geometry,
        "smoothing": 1e-3,
        "min_step": min_step,
        "max_step": max_step,
        "strong_convexity": 1.0,
    }


def _mode_case(algorithm: str, ridge: float, min_step: float, max_step: float, strong: float = 0.0) -> dict[str, Any]:
    return {
        "algorithm": algorithm,
        "smallest": 0.3,
        "largest": 1.5,
        "ridge": ridge,
        "min_step": min_step,
        "max_step": max_step,
        "strong_convexity": strong,
    }


MESHES = {
    f"{geometry}, n = {points}": _mesh_case(points, geometry)
    for geometry, sizes in (("sobolev", (16, 256)), ("euclidean", (16, 28, 30, 64)))
    for points in sizes
}
FINER = ("euclidean, n = 28", "euclidean, n = 30", "euclidean, n = 64")

CLAIMS = (
    Claim(
        name="descent",
        paper=PAPER,
        place="convergence of gradient descent under the conditions; docs/minimax, theorems 6 and 7",
        sentence="Steps of 1/L against the ridge critic keep the mean of |∇J|² below 2L(J_0 − inf J)/T.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_descended,
        simulate=_descent,
        cases=cases({"1 to 3 particles": {}}),
        tolerance=1e-10,
        remainder="rounding of J, of the size of the kernel",
        false_variants=(
            FalseVariant("L with β₁ halved", _half_smooth),
            FalseVariant("a tenth less", lambda **at: 0.9 * _descended(**at)),
            FalseVariant("1/T² for 1/T", lambda **at: _descended(**at) / at["steps"]),
        ),
        formula=(
            r"\frac{1}{T} \sum_{t < T} \lVert \nabla J(\theta_t) \rVert^2 \le \frac{2L (J_0 - \inf J)}{T}, \quad "
            r"\theta_{t+1} = \theta_t - \frac{1}{L} \nabla J(\theta_t)"
        ),
    ),
    Claim(
        name="normalisation-is-not-enough",
        paper=PAPER,
        place="spectral normalisation as one of the conditions; docs/minimax, theorem 18",
        sentence="With spectral normalisation alone the Dirac-GAN moves off for ever, at last at speed 1.",
        relation=Relation.EQUALS,
        theory=lambda loss: 1.0,
        simulate=_seen_drift,
        cases=cases({loss: {"loss": loss} for loss in ("wgan", "logistic")}),
        tolerance=0.02,
        remainder="1 − g'(D), which is below 1/D at D = −50",
        false_variants=(
            FalseVariant("it comes to rest", lambda loss: 0.0),
            FalseVariant("speed g'(0) = ½", lambda loss: 0.5),
        ),
        formula=r"D(x) = \frac{\psi x}{|\psi|}: \quad \lim_{t \to \infty} |\dot\theta(t)| = 1",
    ),
    Claim(
        name="penalty-repairs",
        paper=PAPER,
        place="the gradient penalty as one of the conditions; docs/minimax, theorem 18",
        sentence="With R1 of weight γ the same game comes to rest, its distance falling as e^{−γt/2} for γ < 2c.",
        relation=Relation.EQUALS,
        theory=_decay,
        simulate=_seen_decay,
        cases=cases(
            {
                "logistic, γ = 0.3": {"loss": "logistic", "weight": 0.3},
                "WGAN, γ = 0.4": {"loss": "wgan", "weight": 0.4},
            }
        ),
        tolerance=lambda **at: 0.1 * _decay(**at),
        remainder="the way from a distance near 1 to where the game is linear: 10%",
        false_variants=(
            FalseVariant("it goes on for ever", lambda **at: 0.0),
            FalseVariant("e^{−γt}", lambda loss, weight: weight),
        ),
        formula=(
            r"\lim_{t \to \infty} \frac{1}{t} \log \sqrt{\theta(t)^2 + \psi(t)^2} = -\frac{\gamma}{2}, \quad \gamma < "
            r"2c"
        ),
    ),
    Claim(
        name="mirror-descent",
        paper=PAPER,
        place="gradient descent over probability measures; docs/minimax, theorem 13",
        sentence="Entropic mirror descent with h = 2λ/Δ has J ≤ KL(μ₀ ‖ μ⁽⁰⁾)/(hT) after T steps.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_mirror_bound,
        simulate=_mirrored,
        cases=cases({"2 or 3 atoms": {}}),
        tolerance=1e-12,
        remainder="rounding",
        false_variants=(
            FalseVariant("a third", lambda **at: _mirror_bound(**at) / 3),
            FalseVariant("1/T² for 1/T", lambda **at: _mirror_bound(**at) / at["steps"]),
            FalseVariant("the divergence the other way", _mirror_back),
        ),
        formula=(
            r"J(\mu^{(T)}) \le \frac{\mathrm{KL}(\mu_0 \Vert \mu^{(0)})}{hT}, \quad "
            r"d\mu^{(t+1)} \propto e^{-h \Phi_t}\, d\mu^{(t)}, \quad h = \frac{2\lambda}{\Delta}"
        ),
    ),
    Claim(
        name="mesh-rates",
        paper=PAPER,
        place="gradient descent over functions; docs/minimax, theorem 11",
        sentence="Ascent in the critic's own norm has a rate free of the mesh, Euclidean ascent has not.",
        relation=Relation.EQUALS,
        theory=mesh_rate,
        simulate=seen_mesh_rate,
        cases=cases(MESHES),
        tolerance=1e-6,
        remainder="rounding, which a grid that diverges magnifies",
        false_variants=(
            FalseVariant("Euclidean ascent is free of the mesh: as for n = 16", as_coarse, FINER),
            FalseVariant("as for the other geometry", other_geometry, (*FINER, "sobolev, n = 256")),
            FalseVariant("the larger of 1 − p and 1 − c", real_roots),
        ),
        formula=(
            r"\sup_{0 < t \le S} \rho(M(t)) = \max \left\{ |1-p|, |1-c|, \sqrt{|(1-p)(1-c) + \eta\gamma S|} \right\}"
        ),
    ),
    Claim(
        name="exact-critic",
        paper=PAPER,
        place="gradient descent over functions; docs/minimax, theorem 12",
        sentence="With the exact critic J(u_T) is at most ‖u_0 − u*‖²(2T/(2T+1))^{2T}/(2η(2T+1)), which waves attain.",
        relation=Relation.EQUALS,
        theory=lambda points, min_step, steps: exact_critic_bound(1.0, min_step, steps),
        simulate=slowest_waves,
        cases=cases({f"T = {steps}": {"points": 256, "min_step": 40.0, "steps": steps} for steps in (1, 6)}),
        tolerance=lambda points, min_step, steps: 0.01 * exact_critic_bound(1.0, min_step, steps),
        remainder="the gaps of the spectrum: 1%",
        false_variants=(
            FalseVariant("1/(2η(2T+1)) alone", lambda points, min_step, steps: 1 / (2 * min_step * (2 * steps + 1))),
            FalseVariant("one step more", lambda points, min_step, steps: exact_critic_bound(1.0, min_step, steps + 1)),
        ),
        formula=r"\sup J(u_T) = \frac{\lVert u_0 - u^* \rVert^2}{2\eta(2T+1)} \left( \frac{2T}{2T+1} \right)^{2T}",
    ),
    Claim(
        name="mode-rates",
        paper=PAPER,
        place="gradient descent over functions; docs/minimax, theorem 9",
        sentence="A game of many modes shrinks by the largest root of their characteristic polynomials.",
        relation=Relation.EQUALS,
        theory=modal_rate,
        simulate=played_modes,
        cases=cases(
            {
                "simultaneous": _mode_case("simultaneous", 0.8, 0.3, 0.5, 0.2),
                "alternating": _mode_case("alternating", 0.5, 0.4, 1.6),
                "extragradient": _mode_case("extragradient", 0.0, 0.5, 0.5),
                "optimistic": _mode_case("optimistic", 0.0, 0.3, 0.3),
            }
        ),
        tolerance=NEAR,
        remainder="what faster modes leave of the residual in the run: 0.001",
        false_variants=(
            FalseVariant("the fastest mode", fastest_mode),
            FalseVariant("that of another algorithm", next_algorithm),
        ),
        formula=(
            r"\lim_{k \to \infty} \lVert u_k - u^* \rVert^{1/k} = \max_t \max \{ |z| : P_t(z) = 0 \} \\ "
            r"P_t(z) = z^2 - (2-p-c) z + (1-p)(1-c) + w \text{ simultaneous,} \quad "
            r"z^2 - (2-p-c-w) z + (1-p)(1-c) \text{ alternating} \\ "
            r"z - 1 + a - a^2 \text{ extragradient,} \quad z^2 - (1-2a) z - a \text{ optimistic, for both roots of } "
            r"a^2 - (p+c) a + pc + w"
        ),
    ),
    Claim(
        name="best-rates",
        paper=PAPER,
        place="gradient descent over functions; docs/minimax, theorem 10",
        sentence="The best steps give √((κ−1)/(κ+1)) simultaneous, (√κ−1)/(√κ+1) alternating.",
        relation=Relation.EQUALS,
        theory=best_rate,
        simulate=played_modes,
        cases=cases(
            {
                "simultaneous": {"algorithm": "simultaneous", "smallest": 0.1, "largest": 2.0, "ridge": 0.8},
                "alternating": {
                    "algorithm": "alternating",
                    "smallest": 0.1,
                    "largest": 2.0,
                    "ridge": 0.8,
                    "double_root": True,
                },
            }
        ),
        tolerance=2 * NEAR,
        remainder="what faster modes leave of the residual in the run, and a double root: 0.002",
        false_variants=(FalseVariant("√κ for κ, κ for √κ", other_root),),
        formula=(
            r"\rho^* = \sqrt{\frac{\kappa - 1}{\kappa + 1}} \text{ simultaneous,} \quad "
            r"\rho^* = \frac{\sqrt\kappa - 1}{\sqrt\kappa + 1} \text{ alternating}"
        ),
    ),
    Claim(
        name="no-better-steps",
        paper=PAPER,
        place="gradient descent over functions; docs/minimax, theorem 10",
        sentence="No pair of steps is faster: −max|z| never exceeds −ρ* over random pairs.",
        relation=Relation.NEVER_EXCEEDS,
        theory=lambda **at: -least_rate(**at),
        simulate=tried_steps,
        cases=cases({"simultaneous or alternating": {}}),
        tolerance=1e-7,
        remainder="rounding of double roots, 1e-8",
        false_variants=(
            FalseVariant("a hundredth slower", lambda **at: -1.01 * least_rate(**at)),
            FalseVariant("alternating steps no faster than descent with the exact critic", as_descent),
        ),
        formula=r"\max_{t \in [s, S]} |z(t; \eta, \gamma)| \ge \rho^* \text{ for all } \eta, \gamma",
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
