"""Critics of random clouds, and generators that are moved a little: what could be steeper than a bound allows.

Half of the draws are of the kinds that come near the bounds: single atoms on a line, particles all in one place,
generators that meet the data.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine.claim import Case, Sighting
from .random_games import random_critic, signed, slopes

Array = NDArray[np.float64]

APART = 1e-3  # of the lengthscale: between the points of a difference quotient
FARTHEST = 3.0  # lengthscales


def _random_slope(rng: np.random.Generator) -> Sighting:
    """|∇Φ_μ| at a random point, for random clouds."""
    critic, scale = _critic(rng)
    x, (near, far) = _places(rng, scale)
    at = slopes(critic["kernel"], scale, x[None], *signed(near, far))[0] / critic["ridge"]
    return Sighting(_norm(at), {**critic, "condition": "D1"})


def _random_bend(rng: np.random.Generator) -> Sighting:
    """|∇Φ_μ(x) − ∇Φ_μ(y)|/|x − y|."""
    critic, scale = _critic(rng)
    x, (near, far) = _places(rng, scale)
    if rng.random() < 0.5:
        far = x[None]
    y = x + scale * _either(rng, APART, 0.3) * direction(rng, len(x))
    here, there = slopes(critic["kernel"], scale, np.stack([x, y]), *signed(near, far)) / critic["ridge"]
    return Sighting(_norm(here - there) / _norm(x - y), {**critic, "condition": "D2"})


def _random_change(rng: np.random.Generator) -> Sighting:
    """|∇Φ_μ(x) − ∇Φ_ν(x)|/W₁(μ, ν), with W₁ exact: sorted points on the line, else a point each."""
    critic, scale = _critic(rng)
    dimension = int(rng.integers(1, 4))
    n = int(rng.integers(1, 4)) if dimension == 1 else 1
    x = scale * rng.standard_normal(dimension)
    near = x + scale * _either(rng, 0.02, 1.0) * rng.standard_normal((n, dimension))
    far = near + scale * _either(rng, APART, 1.0) * rng.standard_normal((n, dimension))
    if dimension == 1:
        near, far = np.sort(near, axis=0), np.sort(far, axis=0)
    change = slopes(critic["kernel"], scale, x[None], *signed(near, far))[0] / critic["ridge"]
    distance = np.linalg.norm(near - far, axis=1).mean()
    return Sighting(_norm(change) / float(distance), {**critic, "condition": "D3"})


def _critic(rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    critic = random_critic(rng)
    return critic, critic["lengthscale"]


def _either(rng: np.random.Generator, first: float, second: float) -> float:
    return first if rng.random() < 0.5 else second


def direction(rng: np.random.Generator, dimension: int) -> Array:
    out: Array = rng.standard_normal(dimension)
    return out / _norm(out)


def _norm(x: Array) -> float:
    return math.sqrt(np.vdot(x, x))


def _places(rng: np.random.Generator, scale: float) -> tuple[Array, tuple[Array, Array]]:
    """A point, and two clouds around it: single atoms on a line through it in half of the draws."""
    dimension = int(rng.integers(1, 4))
    x = scale * rng.standard_normal(dimension)
    if rng.random() < 0.5:
        along = direction(rng, dimension)
        r = scale * rng.uniform(0.0, FARTHEST, 2)
        return x, (x[None] + r[0] * along, x[None] - r[1] * along)
    sizes = rng.integers(1, 4, 2)
    return x, tuple(x + 1.5 * scale * rng.standard_normal((n, dimension)) for n in sizes)  # type: ignore[return-value]


DRAWN = (_random_slope, _random_bend, _random_change)


def drawn_constant(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """One of the three."""
    return DRAWN[rng.integers(len(DRAWN))](rng)


def _gradient(kernel: str, length: float, ridge: float, at: Array, cloud: Array, data: Array) -> Array:
    """∇Φ_μ at points, μ the mean of the cloud."""
    return slopes(kernel, length, at, *signed(cloud, data)) / ridge


def moved_particles(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """|∇J(θ) − ∇J(θ′)|/|θ − θ′| of N particles; half of the draws have all of them together, off one datum."""
    critic, scale = _critic(rng)
    n, dimension = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    if rng.random() < 0.5:
        along = direction(rng, dimension)
        data = scale * rng.standard_normal((1, dimension))
        here = np.tile(data - scale * rng.uniform(0.0, FARTHEST) * along, (n, 1))
        pushes = np.outer(rng.standard_normal(n), along)
        pushes -= pushes.mean(axis=0) * (n > 1)
    else:
        data = scale * rng.standard_normal((int(rng.integers(1, 4)), dimension))
        here = scale * _either(rng, 0.1, 1.5) * rng.standard_normal((n, dimension))
        pushes = rng.standard_normal((n, dimension))
    there = here + scale * _either(rng, APART, 0.5) * pushes / _norm(pushes)
    change = (
        _gradient(critic["kernel"], scale, critic["ridge"], here, here, data)
        - _gradient(critic["kernel"], scale, critic["ridge"], there, there, data)
    ) / n
    return Sighting(_norm(change) / _norm(here - there), {**critic, "particles": n})


def moved_generator(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """|∇J(θ) − ∇J(θ′)|/|θ − θ′| of a generator with one parameter, that turns or leaps."""
    return _turning(rng) if rng.random() < 0.5 else _leaping(rng)


def _turning(rng: np.random.Generator) -> Sighting:
    """f_θ(z) = z + R(cos ωθ, sin ωθ): A² = A₁² = R²ω², B = Rω².  It meets the data in half of the draws."""
    critic, scale = _critic(rng)
    kernel, ridge = critic["kernel"], critic["ridge"]
    radius, speed = float(scale * np.exp(rng.uniform(np.log(0.05), np.log(10.0)))), _either(rng, 1.0, 3.0)
    z = scale * rng.standard_normal((int(rng.integers(1, 3)), 2))
    theta = float(rng.uniform(0.0, 2 * np.pi))

    def cloud(t: float) -> tuple[Array, Array]:
        turn = radius * np.array([np.cos(speed * t), np.sin(speed * t)])
        return z + turn, speed * np.array([-turn[1], turn[0]])

    data = cloud(theta)[0] + scale * _either(rng, 0.0, 1.0) * rng.standard_normal(z.shape)

    def slope(t: float) -> float:
        at, tangent = cloud(t)
        return float((_gradient(kernel, scale, ridge, at, at, data) @ tangent).mean())

    step, squared = APART / speed, (radius * speed) ** 2
    seen = abs(slope(theta + step) - slope(theta)) / step
    return Sighting(seen, {**critic, "squared": squared, "mean": squared, "curvature": radius * speed**2})


def _leaping(rng: np.random.Generator) -> Sighting:
    """f_θ = θ/ε with probability ε and 0 otherwise: A² = 1/ε, but E|f_θ − f_θ′| ≤ A₁|θ − θ′| with A₁ = 1; B = 0."""
    critic, scale = _critic(rng)
    kernel, ridge, chance = critic["kernel"], critic["ridge"], float(np.exp(rng.uniform(np.log(0.01), np.log(0.5))))
    data = scale * rng.uniform(-FARTHEST, FARTHEST)
    start = scale * _either(rng, 0.0, 1.0) * rng.standard_normal()
    step = APART * scale

    def slope(leap: float) -> float:
        points, weights = np.array([[0.0], [leap], [data]]), np.array([1 - chance, chance, -1.0])
        return float(slopes(kernel, scale, np.array([[leap]]), points, weights)[0, 0] / ridge)

    seen = abs(slope(start + step) - slope(start)) / (chance * step)
    return Sighting(seen, {**critic, "squared": 1 / chance, "mean": 1.0, "curvature": 0.0})
