"""Which losses make the generator's objective smooth, and how smooth.

C. Chu, K. Minami and K. Fukumizu, "Smoothness and stability in GANs", ICLR 2020, arXiv:2002.04185.
Conditions D1 to D3 and the form L = αB + A²(β₁ + β₂) are theirs; the exact constants of a ridge critic and the form
without β₂ are this project's: docs/minimax, theorems 1, 5 and 6.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.estimate import Estimate
from ..theory.minimax.kernel_constants import KernelConstants, kernel_constants, penalised_constants
from ..theory.minimax.kernel_profile import SHAPES, kernel_profile
from ..theory.minimax.loss_table import gaussian_pair
from ..theory.minimax.smoothness import outer_smoothness, particle_smoothness
from .engine.claim import Agreed, Case, Claim, FalseVariant, Relation
from .kept import Kept
from .random_critics import APART, FARTHEST, direction, drawn_constant, moved_generator, moved_particles
from .random_games import KERNELS, cases, of_numbers, signed

Array = NDArray[np.float64]

PAPER = "smoothness_of_gans"
NEAR = 0.01  # how near a searched maximum comes to its constant
CANDIDATES = 2000  # places of atoms in a block at effort 1
SIGHTS = 4000  # points of a critic in a block at effort 1

FIELDS = {"D1": "alpha", "D2": "beta1", "D3": "beta2"}


# ---- constants of critics


@Kept
def _known(kernel: str, lengthscale: float, ridge: float) -> KernelConstants:
    return kernel_constants(kernel, lengthscale, ridge)


def _constant(condition: str, kernel: str, lengthscale: float, ridge: float) -> float:
    return float(getattr(_known(kernel, lengthscale, ridge), FIELDS[condition]))


def _from_the_norm(condition: str, kernel: str, lengthscale: float, ridge: float) -> float:
    """√(2Δ K1)/λ, √(2Δ K2)/λ, as if only the norm of the critic in its space were known."""
    return float(getattr(penalised_constants(kernel, lengthscale, ridge), FIELDS[condition]))


def _searched_constant(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """The largest slope, curvature or change of slope that critics of pairs of atoms show, among random places."""
    from ..sim.minimax import kernel_sums  # here: the claims are listed without Numba

    condition, kernel, length, ridge = (case.arguments[k] for k in ("condition", "kernel", "lengthscale", "ridge"))
    n = round(CANDIDATES * effort)
    places = length * np.concatenate(
        [rng.uniform(-FARTHEST, FARTHEST, n // 2), np.exp(rng.uniform(np.log(APART), 0.0, n - n // 2))]
    )
    atom = np.zeros((1, 1))
    here = kernel_sums(kernel, length, places[:, None], atom).gradients[:, 0]
    if condition == "D1":
        seen = here.max() - here.min()
    else:
        step = APART * length
        there = kernel_sums(kernel, length, places[:, None] + step, atom).gradients[:, 0]
        bend = (there - here) / step
        seen = bend.max() - bend.min() if condition == "D2" else np.abs(bend).max()
    return Estimate(float(seen) / ridge, 0.0, n, float(n), "the most of pairs of atoms")


def _less(condition: str) -> Callable[..., float]:
    """One of the three constants a twentieth too small."""
    return lambda **at: _constant(**at) * (0.95 if at["condition"] == condition else 1.0)


def _one_measure(condition: str, **at: Any) -> float:
    return _constant("D3" if condition == "D2" else condition, **at)


def _peak_alone(condition: str, **at: Any) -> float:
    """M/λ, with ψ'' only where it is largest, for β₂."""
    if condition != "D3":
        return _constant(condition, **at)
    return float(SHAPES[at["kernel"]].curvature_peak / at["lengthscale"] ** 2 / at["ridge"])


# ---- the generator's objective


def _least(kernel: str, lengthscale: float, ridge: float, particles: int) -> float:
    return particle_smoothness(_known(kernel, lengthscale, ridge), particles).smoothness


@Kept
def _kept_outer(squared: float, curvature: float, **at: Any) -> float:
    known = _known(**at)
    return outer_smoothness(known.alpha, known.beta1, known.beta2, squared, curvature).smoothness


def _outer(squared: float, mean: float, curvature: float, **at: Any) -> float:
    return _kept_outer(squared=squared, curvature=curvature, **at)


def _unbent(squared: float, mean: float, curvature: float, **at: Any) -> float:
    """A²β₁."""
    return _known(**at).beta1 * squared


def _half_bend(squared: float, mean: float, curvature: float, **at: Any) -> float:
    known = _known(**at)
    return known.alpha * curvature + known.beta1 / 2 * squared


def _by_means(squared: float, mean: float, curvature: float, **at: Any) -> float:
    """αB + A₁²(β₁ + β₂)."""
    known = _known(**at)
    return known.alpha * curvature + mean * (known.beta1 + known.beta2)


# ---- losses for which a condition fails


def _pair(loss: str, constant: str, shift: float) -> float:
    return float(getattr(gaussian_pair(loss, shift), constant))


ROUNDED = 1e-9  # of difference quotients of a straight line

CRITICS: dict[str, Callable[[Array], Array]] = {  # of the logarithm t of μ/μ0
    "minimax": lambda t: -0.5 * np.logaddexp(0.0, -t),
    "non_saturating": lambda t: 0.5 * np.logaddexp(0.0, t),
}


def _seen_pair(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Agreed:
    """The largest first or second difference quotient of the critic of N(m, 1) against N(0, 1) at random points."""
    m, critic, n, step = case.arguments["shift"], CRITICS[case.arguments["loss"]], round(SIGHTS * effort), 1e-3
    x = m / 2 + rng.uniform(-20.0, 20.0, n)
    before, here, after = (critic(m * (x + way * step) - m**2 / 2) for way in (-1, 0, 1))
    first, second = (after - before) / (2 * step), (after - 2 * here + before) / step**2
    if case.arguments["constant"] == "alpha":  # attained far out, by nearly every point
        return Agreed(float(np.abs(first).max()), ROUNDED, "the most of random points")
    seen = second
    return Estimate(float(np.abs(seen).max()), 0.0, n, float(n), "the most of random points")


def _kink(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """The largest second difference quotient of a critic of W₁, found by linear programming, on a grid of [−1, 1].

    Half of μ stands at either end, μ0 is a random measure between.
    """
    from scipy.optimize import linprog

    spacing = case.arguments["spacing"]
    n = round(2 / spacing) + 1
    seen = []
    for _ in range(max(1, round(effort))):
        signs = -np.concatenate([[0.0], rng.dirichlet(np.ones(n - 2)), [0.0]])
        signs[[0, -1]] += 0.5
        rise = np.diff(np.eye(n), axis=0)
        found = linprog(
            -signs,
            np.concatenate([rise, -rise]),
            np.full(2 * (n - 1), spacing),
            bounds=[(0.0, 0.0)] + [(None, None)] * (n - 1),
        )
        seen.append(np.abs(np.diff(np.asarray(found.x), 2)).max() / spacing**2)
    return of_numbers(np.array(seen), "critics by linear programming")


def _jump(kernel: str, lengthscale: float, distance: float) -> float:
    """|ψ'(t)|/(t √(2(1 − ψ(t)))), which is √K1/t as t → 0."""
    profile = kernel_profile(kernel, lengthscale)
    return float(-profile.slope(distance) / np.sqrt(2 * (1 - profile.value(distance))) / distance)


def _seen_jump(case: Case, rng: np.random.Generator, effort: float) -> Estimate:
    """|∇Φ_μ(x) − ∇Φ_ν(x)|/W₁ of the MMD that is not squared, for δ_{x+t}, δ_{x−t} against δ_x at random places x."""
    from ..sim.minimax import kernel_sums

    kernel, length, t = (case.arguments[k] for k in ("kernel", "lengthscale", "distance"))
    seen = []
    for x in rng.standard_normal((max(1, round(effort)), 1, 2)):
        along = t * direction(rng, 2)
        sides = []
        for atom in (x + along, x - along):
            points, weights = signed(atom, x)
            critic = kernel_sums(kernel, length, points, points, weights)
            sides.append(critic.gradients[1] / np.sqrt(weights @ critic.values))
        seen.append(np.linalg.norm(sides[0] - sides[1]) / (2 * t))
    return of_numbers(np.array(seen), "pairs of atoms")


CONDITIONS = {
    f"{condition}, {kernel}": {"condition": condition, "kernel": kernel, "lengthscale": length, "ridge": ridge}
    for condition in FIELDS
    for kernel, length, ridge in zip(KERNELS, (1.0, 0.5, 2.0, 0.7), (1.0, 0.4, 2.0, 0.3), strict=True)
}
ROUGH = "D2, matern32"  # where K2 is infinite

CLAIMS = (
    Claim(
        name="critic-constants",
        paper=PAPER,
        place="conditions D1 to D3; docs/minimax, theorem 1",
        sentence="A ridge critic meets D1, D2, D3 with α = 2max|ψ'|/λ, β₁ = (M + K1)/λ, β₂ = K1/λ for all measures.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_constant,
        simulate=drawn_constant,
        cases=cases({"4 kernels, 1 to 3 dimensions": {}}),
        tolerance=1e-8,
        remainder="rounding of difference quotients over a thousandth of a lengthscale",
        false_variants=(
            FalseVariant("α a twentieth less", _less("D1")),
            FalseVariant("β₁ a twentieth less", _less("D2")),
            FalseVariant("β₂ a twentieth less", _less("D3")),
            FalseVariant("K1/λ for β₁, as of one measure", _one_measure),
            FalseVariant("M/λ for β₂", _peak_alone),
        ),
        formula=(
            r"|\Phi_\mu(x) - \Phi_\mu(y)| \le \alpha |x - y|, \quad "
            r"\lVert \nabla \Phi_\mu(x) - \nabla \Phi_\mu(y) \rVert \le \beta_1 |x - y|, \quad "
            r"\lVert \nabla \Phi_\mu(x) - \nabla \Phi_\nu(x) \rVert \le \beta_2 W_1(\mu, \nu) \\ "
            r"\alpha = \frac{2 \max_r |\psi'(r)|}{\lambda}, \quad \beta_1 = \frac{M + K_1}{\lambda}, \quad "
            r"\beta_2 = \frac{K_1}{\lambda}"
        ),
    ),
    Claim(
        name="constants-attained",
        paper=PAPER,
        place="conditions D1 to D3; docs/minimax, theorem 1",
        sentence="None of the three constants can be lowered: pairs of atoms attain them.",
        relation=Relation.EQUALS,
        theory=_constant,
        simulate=_searched_constant,
        cases=cases(CONDITIONS),
        tolerance=lambda **at: NEAR * _constant(**at),
        remainder="how near a search comes: 1%",
        false_variants=(
            FalseVariant("a twentieth more", lambda **at: 1.05 * _constant(**at)),
            FalseVariant(
                "what the critic's norm alone gives",
                _from_the_norm,
                tuple(name for name in CONDITIONS if name != ROUGH and not name.startswith("D3")),
            ),
        ),
        formula=(
            r"\sup \frac{|\Phi_\mu(x) - \Phi_\mu(y)|}{|x - y|} = \frac{2 \max_r |\psi'(r)|}{\lambda}, \quad "
            r"\sup \frac{\lVert \nabla \Phi_\mu(x) - \nabla \Phi_\mu(y) \rVert}{|x - y|} = \frac{M + K_1}{\lambda}, "
            r"\quad "
            r"\sup \frac{\lVert \nabla \Phi_\mu(x) - \nabla \Phi_\nu(x) \rVert}{W_1(\mu, \nu)} = \frac{K_1}{\lambda}"
        ),
    ),
    Claim(
        name="particle-smoothness",
        paper=PAPER,
        place="the smoothness of the generator's objective; docs/minimax, theorem 6",
        sentence="MMD²/(2λ) of N particles is β₁/N-smooth, for one particle β₂-smooth.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_least,
        simulate=moved_particles,
        cases=cases({"1 to 4 particles": {}}),
        tolerance=1e-8,
        remainder="rounding of difference quotients over a thousandth of a lengthscale",
        false_variants=(
            FalseVariant("β₁ halved", lambda **at: _least(**at) / 2),
            FalseVariant("a twentieth less", lambda **at: 0.95 * _least(**at)),
            FalseVariant("β₂/N whatever N", lambda particles, **at: _constant("D3", **at) / particles),
        ),
        formula=(
            r"\lVert \nabla J(\theta) - \nabla J(\theta') \rVert \le L \lVert \theta - \theta' \rVert, \quad "
            r"L = \begin{cases} \beta_1 / N & N \ge 2 \\ \beta_2 & N = 1 \end{cases}"
        ),
    ),
    Claim(
        name="generator-smoothness",
        paper=PAPER,
        place="the smoothness of the generator's objective, L = αB + A²(β₁ + β₂); docs/minimax, theorems 5 and 6",
        sentence="MMD²/(2λ) is L-smooth in the generator's parameter, L = αB + A²β₁, without β₂; A² is a mean square.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_outer,
        simulate=moved_generator,
        cases=cases({"turning or leaping": {}}),
        tolerance=1e-5,
        remainder="rounding of difference quotients, whose parts are up to 1e4 in size and 3e-4 apart",
        false_variants=(
            FalseVariant("αB left out", _unbent),
            FalseVariant("β₁ halved", _half_bend),
            FalseVariant("the square of the mean Lipschitz constant for A², with β₁ + β₂", _by_means),
        ),
        formula=(
            r"\lVert \nabla J(\theta) - \nabla J(\theta') \rVert \le (\alpha B + A^2 \beta_1) \lVert \theta - \theta' "
            r"\rVert, \quad "
            r"A^2 = \sup_\theta \lambda_{\max}(\mathbb{E}_z\, Df_\theta^\top Df_\theta)"
        ),
    ),
    Claim(
        name="unbounded-slopes",
        paper=PAPER,
        place="losses that fail D1 and D2; docs/minimax, table 1",
        sentence="The optimal critic of JS for N(m, 1) against N(0, 1) has sup|Φ'| = |m|/2, sup|Φ''| = m²/8.",
        relation=Relation.EQUALS,
        theory=_pair,
        simulate=_seen_pair,
        cases=cases(
            {
                f"{loss}, {constant}, m = {shift:g}": {"loss": loss, "constant": constant, "shift": shift}
                for loss, constant, shift in (
                    ("minimax", "alpha", 2.0),
                    ("minimax", "alpha", 8.0),
                    ("minimax", "beta1", 4.0),
                    ("non_saturating", "beta1", 8.0),
                )
            }
        ),
        tolerance=lambda **at: NEAR * _pair(**at),
        remainder="how near a search comes: 1%",
        false_variants=(
            FalseVariant("twice as much", lambda **at: 2 * _pair(**at)),
            FalseVariant("as for m = 1 whatever m", lambda shift, **at: _pair(shift=1.0, **at)),
        ),
        formula=(
            r"\Phi = \frac12 \log(1 - D): \quad \sup_x |\Phi'(x)| = \frac{|m|}{2}, \quad \sup_x |\Phi''(x)| = "
            r"\frac{m^2}{8}"
        ),
    ),
    Claim(
        name="wasserstein-kinks",
        paper=PAPER,
        place="losses that fail D2; docs/minimax, table 1",
        sentence="A Kantorovich potential bends by 2 at a point: its second difference quotient is 2/h, whatever h.",
        relation=Relation.EQUALS,
        theory=lambda spacing: 2 / spacing,
        simulate=_kink,
        cases=cases({f"h = {spacing:g}": {"spacing": spacing} for spacing in (0.2, 0.04)}),
        tolerance=1e-4,
        remainder="that of the linear program",
        false_variants=(
            FalseVariant(
                "W₁ meets D2, with the β₁ of the Gaussian MMD", lambda spacing: _constant("D2", "gaussian", 1.0, 1.0)
            ),
            FalseVariant("1/h", lambda spacing: 1 / spacing),
        ),
        formula=r"\frac{\Phi(h) - 2\Phi(0) + \Phi(-h)}{h^2} = \frac{2}{h}",
    ),
    Claim(
        name="root-of-mmd-jumps",
        paper=PAPER,
        place="losses that fail D3; docs/minimax, table 1",
        sentence="For the MMD not squared the ratio of D3 is √K1/t for two points t off the data, without a bound.",
        relation=Relation.EQUALS,
        theory=_jump,
        simulate=_seen_jump,
        cases=cases(
            {
                f"{kernel}, t = {distance:g}": {"kernel": kernel, "lengthscale": 1.0, "distance": distance}
                for kernel, distance in (("gaussian", 0.1), ("imq", 0.01), ("matern52", 0.01))
            }
        ),
        tolerance=lambda **at: 1e-6 * _jump(**at),
        remainder="rounding of 1 − ψ(t)",
        false_variants=(
            FalseVariant(
                "D3 with β₂ = K1", lambda kernel, lengthscale, distance: _constant("D3", kernel, lengthscale, 1.0)
            ),
        ),
        formula=(
            r"\frac{\lVert \nabla \Phi_\mu(x) - \nabla \Phi_\nu(x) \rVert}{W_1(\mu, \nu)} = "
            r"\frac{|\psi'(t)|}{t \sqrt{2 (1 - \psi(t))}} = \frac{\sqrt{K_1}}{t} + o\left(\frac{1}{t}\right), \quad "
            r"\mu, \nu = \delta_{x \pm te}, \quad \mu_0 = \delta_x"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
