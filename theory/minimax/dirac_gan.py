"""The smallest GAN, a point that chases a point: what each regulariser does to it, with thresholds in closed form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .arguments import choice, nonnegative
from .modes import ALGORITHMS
from .step_threshold import step_threshold
from .update_map import UpdateSpectrum, update_spectrum

Array = NDArray[np.float64]

SLOPES = {"logistic": (0.5, -0.25), "wgan": (1.0, 0.0)}  # g'(0), g''(0)
QUADRATIC = ("r1", "r2", "weight_decay")
REGULARISERS = ("none", "clipping", *QUADRATIC, "spectral_normalisation", "wgan_gp")


@dataclass(frozen=True)
class DiracGAN:
    """Data at 0, generator at θ, critic ψx, near θ = ψ = 0.

    Attributes
    ----------
    slope : float
        c = g'(0).
    damping : float
        Of ψ: the penalty's weight plus 2|g''(0)|s² from instance noise.
    generator_decay : float
        δ, of θ.
    eigenvalues : tuple of two complex numbers, or None
        Of the flow θ̇ = −cψ − δθ, ψ̇ = cθ − damping ψ; None where no linearisation exists.
    behaviour : str
        cycle, spiral, node, drift (θ moves for ever), wrong_point (θ stops off the data) or limit_cycle.
    limit : float
        wrong_point: |θ| there; limit_cycle: the amplitude as weight/c → 0; drift: inf; cycle: nan; else 0.
    best_step, best_rate : float
        The equal step of the fastest simultaneous descent and its rate; nan, nan where none converges.
    """

    slope: float
    damping: float
    generator_decay: float
    eigenvalues: tuple[complex, complex] | None
    behaviour: str
    limit: float
    best_step: float
    best_rate: float

    @property
    def jacobian(self) -> Array:
        """[[−δ, −c], [c, −damping]]; ValueError where no linearisation exists."""
        if self.eigenvalues is None:
            raise ValueError(f"the game must have a linearisation at 0, got one that ends in a {self.behaviour}")
        return np.array([[-self.generator_decay, -self.slope], [self.slope, -self.damping]])

    def spectrum(self, algorithm: str, min_step: float, max_step: float) -> UpdateSpectrum:
        """The eigenvalues of one step and its rate; algorithm and errors as in `update_map`."""
        return update_spectrum(self.jacobian, 1, algorithm, min_step, max_step)

    def threshold(self, algorithm: str) -> float:
        r"""The h below which equal steps are stable; 0 where none is.

        ==============  =====================================================================================
        simultaneous    min over eigenvalues e of 2|Re e|/|e|²; with δ = 0: γ/c² (γ <= 2c), 4/(γ + √(γ² − 4c²))
        alternating     4/(γ + δ + √((γ − δ)² + 4c²)); without damping the game cycles below it
        extragradient   1/c without damping, else by bisection
        optimistic      1/(√3 c) without damping, else by bisection
        ==============  =====================================================================================

        Closed forms to 1e-15, bisection to 1e-8.  Source: docs/minimax, theorem 18.
        """
        choice("algorithm", algorithm, ALGORITHMS)
        jacobian, c = self.jacobian, self.slope
        gamma, delta = self.damping, self.generator_decay
        if algorithm == "alternating":
            return 4 / (gamma + delta + float(np.hypot(gamma - delta, 2 * c)))
        if algorithm == "simultaneous":
            if gamma + delta == 0:
                return 0.0
            if abs(gamma - delta) <= 2 * c:
                return (gamma + delta) / (gamma * delta + c**2)
            return 4 / (gamma + delta + float(np.sqrt((gamma - delta) ** 2 - 4 * c**2)))
        if gamma + delta == 0:
            return 1 / c if algorithm == "extragradient" else 1 / (3**0.5 * c)
        return step_threshold(jacobian, 1, algorithm)


def dirac_gan(
    loss: str = "logistic",
    regulariser: str = "none",
    weight: float = 0.0,
    noise: float = 0.0,
    generator_decay: float = 0.0,
    norm: float = 1.0,
) -> DiracGAN:
    r"""The Dirac-GAN min over θ, max over ψ of g(ψθ) + g(0) less a penalty, near its equilibrium.

    =======================  ============================================================================
    none, clipping           ±ic: cycles, as θ² + ψ² is conserved
    r1, r2, weight_decay     −(γ + δ)/2 ± √((γ − δ)²/4 − c²): stable; critical damping at |γ − δ| = 2c
    instance noise s         as r1 with 2|g''(0)|s², which is s²/2 for logistic and 0 for wgan
    spectral_normalisation   no linearisation: ψ is frozen, θ drifts for ever
    wgan_gp                  none at 0: weight >= 2c ends at |θ| = weight·norm/c, less ends in a limit cycle
    =======================  ============================================================================

    The non-saturating generator has the same linearisation.

    Parameters
    ----------
    loss : str
        logistic (c = ½) or wgan (c = 1).
    regulariser : str
    weight : float
        γ >= 0 of the penalty (γ/2)ψ², or (γ/2)(|ψ| − norm)² for wgan_gp.
    noise : float
        s >= 0, the standard deviation of noise added to data and samples; adds to any of none, r1, r2, weight_decay.
    generator_decay : float
        δ >= 0 of (δ/2)θ²; with the same regularisers.
    norm : float
        The critic norm that wgan_gp aims at, > 0.

    Raises ValueError for a negative argument, a weight without a penalty, or wgan_gp with another loss.
    Source: docs/minimax, theorem 18; first studied by L. Mescheder et al., ICML 2018.

    >>> game = dirac_gan("logistic", "r1", weight=0.3)
    >>> game.behaviour, round(game.threshold("simultaneous"), 12), round(game.threshold("alternating"), 12)
    ('spiral', 1.2, 2.976122603564)
    """
    c, second = SLOPES[choice("loss", loss, SLOPES)]
    choice("regulariser", regulariser, REGULARISERS)
    gamma, sd = nonnegative("weight", weight), nonnegative("noise", noise)
    delta, target = nonnegative("generator_decay", generator_decay), _check.positive("norm", norm)
    if regulariser not in (*QUADRATIC, "wgan_gp") and gamma:
        raise ValueError(f"weight must be 0 for {regulariser!r}, which has none, got {gamma:g}")
    if regulariser in ("spectral_normalisation", "wgan_gp"):
        for name, value in (("noise", sd), ("generator_decay", delta)):
            if value:
                raise ValueError(f"{name} must be 0 for {regulariser!r}, got {value:g}")
        if regulariser == "wgan_gp" and loss != "wgan":
            raise ValueError(f"loss must be 'wgan' for the regulariser 'wgan_gp', got {loss!r}")
        return _not_linear(c, regulariser, gamma, target)
    return _linear(c, gamma + 2 * abs(second) * sd**2, delta)


def _not_linear(c: float, regulariser: str, gamma: float, norm: float) -> DiracGAN:
    if regulariser == "wgan_gp" and gamma == 0:
        return _linear(c, 0.0, 0.0)
    if regulariser == "spectral_normalisation":
        behaviour, limit = "drift", np.inf
    elif gamma >= 2 * c:
        behaviour, limit = "wrong_point", gamma * norm / c
    else:
        behaviour, limit = "limit_cycle", 4 * norm / np.pi
    return DiracGAN(c, gamma, 0.0, None, behaviour, limit, np.nan, np.nan)


def _linear(c: float, gamma: float, delta: float) -> DiracGAN:
    total, square = gamma + delta, (gamma - delta) ** 2 - 4 * c**2
    product = gamma * delta + c**2
    if square < 0:
        half = complex(-total / 2, np.sqrt(-square) / 2)
        pair = (half, half.conjugate())
    else:
        large = -(total + float(np.sqrt(square))) / 2
        pair = (complex(product / large), complex(large))
    if total == 0:
        return DiracGAN(c, gamma, delta, pair, "cycle", np.nan, np.nan, np.nan)
    if square < 0:
        step, rate = total / (2 * product), float(np.sqrt(-square / (4 * product)))
    else:
        step, rate = 2 / total, float(np.sqrt(square)) / total
    return DiracGAN(c, gamma, delta, pair, "spiral" if square < 0 else "node", 0.0, step, rate)
