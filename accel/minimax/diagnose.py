"""Does this GAN converge here, with this optimiser and these steps, and if not, what would make it?"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...theory import _check
from ...theory.minimax.update_map import MARGIN, neutral_directions
from .decay import decay
from .diagnosis import Diagnosis
from .game import Game, Loss, game
from .game_conditions import game_conditions
from .game_constants import game_constants, samples
from .local_thresholds import linearisation, local_thresholds
from .optimiser_map import AdamPair, optimiser_maps
from .repair import Repair, repairs
from .verdict import FIELD, SLOPE, verdict

Array = NDArray[np.float64]

LIKE = 1e-12  # ρ − 1 up to which a repair counts as stable: its least weight is known to about as much
REPAIRABLE = ("stable", "marginal", "unstable_step", "unstable_flow")


def diagnose(
    generator: nn.Module,
    critic: nn.Module,
    generator_loss: Loss,
    critic_loss: Loss,
    latent: Tensor,
    data: Tensor,
    min_step: float,
    max_step: float,
    optimizer: str = "sgd",
    critic_steps: int = 1,
    momentum: float = 0.0,
    state: AdamPair | None = None,
    horizon: int = 10_000,
    *,
    rounds: int = 100,
    clipped: bool = False,
) -> Diagnosis:
    r"""The local stability of a generator and a critic under the optimiser that trains them, its causes and repairs.

    At an equilibrium of the field v = (−∇_θ generator_loss, −∇_ψ critic_loss) one round of the optimiser is linear,
    M on w = (θ, ψ) or on (w, m) with memory.  M fixes ker J, J = Dv; with W spanning the complement,

    .. math:: \sigma(W^\top M W), \qquad v_k \approx J W (W^\top M W)^k (J W)^+ v_0 .

    J is exact, by automatic differentiation in float64 on copies in eval mode: the networks given, their statistics
    and gradients stay as they are.  Random numbers in the losses are held fixed.  Time grows with the cube of the
    number of weights, memory with the square; at most 2000 are taken.

    Parameters
    ----------
    generator, critic : Module
        z ↦ samples, and samples ↦ one number each.
    generator_loss, critic_loss : callable
        (generator, critic, latent, data) to a scalar that its own player minimises, penalties in critic_loss.  Both
        have to depend on both players without detach().
    latent, data : Tensor
        Fixed batches.
    min_step, max_step : float
        η, γ > 0, the learning rates of generator and critic.
    optimizer : str
        sgd, sgd_alternating, adam or adam_alternating; alternating moves the generator first, of which the spectrum
        does not depend.
    critic_steps : int
        A round, alternating only.
    momentum : float
        β of SGD; β₁ of Adam where no state is given.
    state : pair of torch.optim.Adam, optional
        The generator's and the critic's, whose v̂ is frozen.  Without it Adam is judged at v̂ = 0 only.
    horizon : int
        Rounds for which one would train.
    rounds : int
        Of the short run that is compared with the prediction; 0 leaves it out.
    clipped : bool
        Whether the critic's weights are clipped in training, inactive at these weights; D1 then holds.

    Raises TypeError or ValueError in one sentence that names the argument.  Source: docs/minimax, section 5.

    >>> class Point(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.place = nn.Parameter(torch.zeros(()))
    ...     def forward(self, x):
    ...         return self.place + x
    >>> class Slope(Point):
    ...     def forward(self, x):
    ...         return self.place * x
    >>> def generator_loss(G, D, z, x):
    ...     return nn.functional.softplus(-D(G(z))).mean()
    >>> def critic_loss(G, D, z, x):
    ...     return nn.functional.softplus(-D(x)).mean() + nn.functional.softplus(D(G(z))).mean()
    >>> zero = torch.zeros(1, 1)
    >>> found = diagnose(Point(), Slope(), generator_loss, critic_loss, zero, zero, 0.5, 0.5)
    >>> found.verdict, round(found.rate, 12), round(found.least_weight("gradient_penalty"), 9)
    ('unstable_step', 1.030776406404, 0.125)
    """
    steps = _check.integer("horizon", horizon, 1)
    length = _check.integer("rounds", rounds, 0)
    found = game(generator, critic, generator_loss, critic_loss, latent, data)
    maps = optimiser_maps(generator, critic, min_step, max_step, optimizer, critic_steps, momentum, state)
    jac, p = found.jacobian(), found.minimisers
    v = found.field().detach().cpu().numpy()
    field, size = float(np.linalg.norm(v)), float(torch.linalg.vector_norm(found.weights))
    # off an equilibrium ‖v‖ says nothing about the accuracy of J
    floor = field if field <= FIELD * (1 + size) else 0.0
    spectra = [each.spectrum(jac, floor) for each in maps]
    constants = game_constants(found, jac, floor)
    gap = mmd(found) if constants.slope < SLOPE else 0.0
    judged = verdict(maps, spectra, jac, floor, field, size, constants.slope, gap)
    still = neutral_directions(jac, floor)
    w, z = still.complement, spectra[0].eigenvalues
    flow = np.linalg.eigvals(w.T @ jac @ w).astype(complex)
    linear = linearisation(jac, p, floor)
    moving = bool(z.size)
    factors = [each.step_factor(jac, floor, linear) if moving else np.inf for each in maps]
    plain = maps[0].plain and not maps[0].averaged

    found_repairs: tuple[Repair, ...] = ()
    if judged.word in REPAIRABLE:
        # slow modes lie within rounding of 1: they hide no repair of a growth, and are what a marginal game asks about
        edge = 1 - MARGIN if judged.word == "marginal" else 1 + LIKE
        found_repairs = repairs(found, jac, maps, edge, floor)
    measured = None
    if length and moving and (state is not None or optimizer.startswith("sgd")):
        measured = decay(found, jac, maps[0], length, floor)
    return Diagnosis(
        verdict=judged.word,
        reason=judged.reason,
        rate=spectra[0].rate,
        eigenvalues=z,
        flow_eigenvalues=flow[np.lexsort((flow.imag, -flow.real))],
        half_lives=half_lives(np.abs(z)),
        horizon=steps,
        neutral=still.count,
        gap=still.gap,
        min_field=float(np.linalg.norm(v[:p])),
        max_field=float(np.linalg.norm(v[p:])),
        jacobian=jac,
        minimisers=p,
        step_factor=factors[0],
        limit_rate=spectra[-1].rate if maps[0].averaged else None,
        limit_step_factor=factors[-1] if maps[0].averaged else None,
        thresholds=local_thresholds(linear, min_step, max_step) if plain and linear is not None else None,
        constants=constants,
        conditions=game_conditions(found.critic, constants, jac, p, clipped),
        repairs=found_repairs,
        decay=measured,
    )


def half_lives(moduli: Array) -> Array:
    """ln 2/−ln|z|, inf for |z| >= 1 and 0 for z = 0."""
    out = np.full(moduli.shape, np.inf)
    with np.errstate(divide="ignore"):
        np.divide(np.log(2), -np.log(moduli), out=out, where=moduli < 1)
    return out


@torch.no_grad()
def mmd(found: Game) -> float:
    """MMD of generated samples and data, Gaussian kernel, lengthscale the median distance or 1 if that is less."""
    fake = found.generator(found.latent)
    points = samples(found, fake).reshape(len(found.data) + len(fake), -1)
    distances = torch.cdist(points, points)
    kernel = torch.exp(-0.5 * (distances / distances.median().clamp(min=1.0)) ** 2)
    signs = torch.full_like(points[:, 0], 1 / len(found.data))
    signs[len(found.data) :] = -1 / len(fake)
    return float((signs @ kernel @ signs).clamp(min=0).sqrt())
