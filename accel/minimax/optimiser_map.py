"""What the optimiser really used does to the weights near an equilibrium: its steps, memory and order of moves."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import nn

from ...theory import _check
from ...theory.minimax.arguments import choice
from ...theory.minimax.arguments import nonnegative as nonnegative_number
from ...theory.minimax.gan_linearisation import GANLinearisation
from ...theory.minimax.step_threshold import ROUNDING, step_threshold
from ...theory.minimax.update_map import MARGIN, UpdateSpectrum, neutral_directions, update_map, update_spectrum
from .game import trainable

Array = NDArray[np.float64]
AdamPair = tuple[torch.optim.Adam, torch.optim.Adam]

OPTIMIZERS = ("sgd", "sgd_alternating", "adam", "adam_alternating")
EPSILON = 1e-8  # Adam's, where no state says otherwise


@dataclass(frozen=True, eq=False)
class AdamState:
    """What Adam knows of one tensor of weights: β₁, β₂, ε, t, and the averages of v and v² with a minus sign on v."""

    first: float
    second: float
    epsilon: float
    count: float
    mean: torch.Tensor
    square: torch.Tensor

    def steps(self, rate: float) -> Array:
        """rate/((1 − β₁^t)(√v̂ + ε)) of each weight."""
        v = self.square.double().cpu().numpy().reshape(-1) / (1 - self.second**self.count)
        out: Array = rate / ((1 - self.first**self.count) * (np.sqrt(v) + self.epsilon))
        return out


AdamStates = tuple[tuple[AdamState, ...], tuple[AdamState, ...]]


@dataclass(frozen=True, eq=False)
class OptimiserMap:
    """One round of an optimiser as `update_map` takes it.

    Attributes
    ----------
    rates : tuple of two floats
        η, γ as the optimiser is given them.
    algorithm : str
        simultaneous or alternating, the generator first.
    min_steps, max_steps : (P,), (F,)
        The diagonal of P: the step of each weight, for Adam step/((1 − β₁^t)(√v̂ + ε)).
    momentum : float
        β, for Adam β₁.
    averaged : bool
        Adam's memory m ← βm + (1 − β)v in place of m ← βm + v.
    critic_steps : int
    adam : pair of tuples of AdamState, or None
        For each trained tensor of either player; None for SGD and for Adam at v̂ = 0.
    """

    rates: tuple[float, float]
    algorithm: str
    min_steps: Array
    max_steps: Array
    momentum: float
    averaged: bool
    critic_steps: int
    adam: AdamStates | None = None

    @property
    def steps(self) -> Array:
        """Of all weights, (n,)."""
        return np.concatenate([self.min_steps, self.max_steps])

    @property
    def plain(self) -> bool:
        """Whether each player moves once a round, without memory and all of its weights with one step."""
        uniform = all(np.ptp(steps) == 0 for steps in (self.min_steps, self.max_steps))
        return uniform and not self.momentum and self.critic_steps == 1

    def map(self, jacobian: Array) -> Array:
        """M on w, or on (w, m) with momentum."""
        return update_map(
            jacobian,
            len(self.min_steps),
            self.algorithm,
            self.min_steps,
            self.max_steps,
            self.momentum,
            self.averaged,
            self.critic_steps,
        )

    def spectrum(self, jacobian: Array, floor: float) -> UpdateSpectrum:
        """The eigenvalues of M off the neutral directions, as `update_spectrum`."""
        return update_spectrum(
            jacobian,
            len(self.min_steps),
            self.algorithm,
            self.min_steps,
            self.max_steps,
            self.momentum,
            self.averaged,
            self.critic_steps,
            floor,
        )

    def flow(self, jacobian: Array, floor: float) -> NDArray[np.complex128]:
        """a ∈ σ(−WᵀPJW), the decay rates per round of the flow in the metric of the steps."""
        w = neutral_directions(jacobian, floor).complement
        return -np.linalg.eigvals(w.T @ (self.steps[:, None] * jacobian) @ w).astype(complex)

    def step_factor(self, jacobian: Array, floor: float, linearised: GANLinearisation | None = None) -> float:
        """s_max: all steps may be multiplied by less than this; as `step_threshold`, 1e-8 where it bisects.

        Where theorem 17 applies, from its exact condition: relative error near 1e-14.  For simultaneous steps without
        memory modes whose damping is lost in rounding do not count where they grow by less than 1e-9 a round.
        """
        if self.algorithm == "simultaneous" and not self.momentum:
            return _simultaneous_factor(self.flow(jacobian, floor))
        if self.algorithm == "alternating" and self.plain and linearised is not None and not linearised.undamped:
            return _alternating_factor(linearised, self.min_steps[0], self.max_steps[0])
        w = neutral_directions(jacobian, floor).complement
        small, j = self, jacobian
        if 2 * w.shape[1] < len(jacobian):
            small, j, floor = self.compact(w.shape[1]), self.compressed(jacobian, w), 0.0
        return step_threshold(
            j,
            len(small.min_steps),
            small.algorithm,
            small.min_steps,
            small.max_steps,
            small.momentum,
            small.averaged,
            small.critic_steps,
            floor,
        )

    def compact(self, rank: int) -> "OptimiserMap":
        """The same round with unit steps for the game that `compressed` describes."""
        return replace(self, min_steps=np.ones(rank), max_steps=np.ones(rank), adam=None)

    def compressed(self, jacobian: Array, complement: Array) -> Array:
        r"""[[A, A], [B, B]], A = WᵀP_θJ_θW, B = WᵀP_ψJ_ψW: the game of two copies of Wᵀw, (2r, 2r), linear in J.

        Where J = JWWᵀ, Wᵀw = a + b, a moved by the generator's steps and b by the critic's: unit steps of this game
        have, off the neutral directions, the eigenvalues of the given steps of J, except some that are powers of β.
        """
        w, p = complement, len(self.min_steps)
        moved = self.steps[:, None] * (jacobian @ w)
        first, second = w[:p].T @ moved[:p], w[p:].T @ moved[p:]
        return np.block([[first, first], [second, second]])


def _simultaneous_factor(a: NDArray[np.complex128]) -> float:
    """min 2 Re a/|a|² as in theorem 15; 0 where a mode without damping grows at that factor."""
    lost = np.abs(a.real) <= ROUNDING * np.abs(a).max()
    if (a.real[~lost] < 0).any() or lost.all():
        return 0.0
    found = float((2 * a.real[~lost] / np.abs(a[~lost]) ** 2).min())
    return 0.0 if (np.abs(1 - found * a[lost]) > 1 + MARGIN).any() else found


def _alternating_factor(linearised: GANLinearisation, min_step: float, max_step: float) -> float:
    r"""The s with λ_max(2sγD̂ + s²ηγKKᵀ) = 4; the left side rises from 0."""
    damping = max_step * linearised.damping
    coupling = min_step * max_step * linearised.coupling @ linearised.coupling.T

    def excess(s: float) -> float:
        return float(np.linalg.eigvalsh(2 * s * damping + s**2 * coupling)[-1]) - 4

    size = max(float(np.linalg.norm(damping, 2)), float(np.linalg.norm(coupling, 2)) ** 0.5)
    if size == 0:
        return np.inf
    # at s = 1/size the value is at most 3, at 4/size at least 8
    return float(brentq(excess, 1 / size, 4 / size, xtol=1e-300, rtol=1e-14))


def optimiser_maps(
    generator: nn.Module,
    critic: nn.Module,
    min_step: float,
    max_step: float,
    optimizer: str = "sgd",
    critic_steps: int = 1,
    momentum: float = 0.0,
    state: AdamPair | None = None,
) -> tuple[OptimiserMap, ...]:
    """The maps of an optimiser: one for SGD; for Adam that of its present v̂, if given, and that of v̂ = 0.

    At an exact full-batch equilibrium v̂ → 0 and Adam's step grows to step/ε: it has to be stable there too.

    Parameters
    ----------
    generator, critic : Module
        The networks whose weights `state` knows.
    min_step, max_step : float
        η, γ > 0: learning rates, also Adam's, in place of those in `state`.
    optimizer : str
        sgd, sgd_alternating, adam or adam_alternating.
    critic_steps : int
        k >= 1 critic steps a round, alternating only.
    momentum : float
        β in [0, 1); for Adam β₁ where no state is given.
    state : pair of torch.optim.Adam, optional
        The generator's and the critic's optimiser, for their β₁, ε, t and v̂.

    Raises TypeError or ValueError for arguments outside these ranges, and for weight decay, AMSGrad or maximise in the
    state, which the losses do not show.
    """
    choice("optimizer", optimizer, OPTIMIZERS)
    eta, gamma = _check.positive("min_step", min_step), _check.positive("max_step", max_step)
    alternating = optimizer.endswith("alternating")
    rounds = _check.integer("critic_steps", critic_steps, 1)
    if rounds > 1 and not alternating:
        raise ValueError(f"critic_steps must be 1 for simultaneous steps, got {rounds}")
    beta = nonnegative_number("momentum", momentum)
    if beta >= 1:
        raise ValueError(f"momentum must be < 1, got {beta:g}")
    first, second = (sum(w.numel() for w in trainable(module)) for module in (generator, critic))
    algorithm = "alternating" if alternating else "simultaneous"

    def build(
        min_steps: Array, max_steps: Array, memory: float, averaged: bool, known: AdamStates | None = None
    ) -> OptimiserMap:
        return OptimiserMap((eta, gamma), algorithm, min_steps, max_steps, memory, averaged, rounds, known)

    if optimizer.startswith("sgd"):
        if state is not None:
            raise ValueError(f"state must be None for {optimizer!r}, got {type(state).__name__}")
        return (build(np.full(first, eta), np.full(second, gamma), beta, False),)
    if state is None:
        return (build(np.full(first, eta / EPSILON), np.full(second, gamma / EPSILON), beta, True),)
    owners = _adam_pair(state)
    known = (_adam_states("generator", generator, owners[0]), _adam_states("critic", critic, owners[1]))
    betas = {each.first for each in (*known[0], *known[1])}
    if len(betas) > 1:
        raise ValueError(f"state must have one β₁ for all weights, got {', '.join(f'{b:g}' for b in sorted(betas))}")
    memory = betas.pop()
    if beta and beta != memory:
        raise ValueError(f"momentum must be that of state, {memory:g}, or be left out, got {beta:g}")
    present = build(_steps(known[0], eta), _steps(known[1], gamma), memory, True, known)
    return present, build(_largest_steps(known[0], eta), _largest_steps(known[1], gamma), memory, True)


def _steps(states: tuple[AdamState, ...], rate: float) -> Array:
    return np.concatenate([s.steps(rate) for s in states])


def _largest_steps(states: tuple[AdamState, ...], rate: float) -> Array:
    return np.concatenate([np.full(s.square.numel(), rate / s.epsilon) for s in states])


def _adam_pair(state: object) -> AdamPair:
    if isinstance(state, tuple | list) and len(state) == 2 and all(isinstance(o, torch.optim.Adam) for o in state):
        return state[0], state[1]
    raise TypeError(f"state must be a pair of torch.optim.Adam, generator's and critic's, got {type(state).__name__}")


def _adam_states(name: str, module: nn.Module, optimiser: torch.optim.Adam) -> tuple[AdamState, ...]:
    options = {id(w): group for group in optimiser.param_groups for w in group["params"]}
    out = []
    for w in trainable(module):
        group = options.get(id(w))
        if group is None:
            raise ValueError(f"state must hold the {name}'s weights, got an optimiser without one of them")
        for option in ("weight_decay", "amsgrad", "maximize"):
            if group[option]:
                raise ValueError(f"state must have {option} off: put it into the {name}'s loss, got {group[option]}")
        known = optimiser.state.get(w, {})
        if "exp_avg_sq" not in known:
            raise ValueError(f"state must have taken a step for every weight of the {name}, got none")
        if not group["eps"] > 0:
            raise ValueError(f"state must have eps > 0, as Adam's step ends at step/eps, got {group['eps']}")
        out.append(
            AdamState(
                float(group["betas"][0]),
                float(group["betas"][1]),
                float(group["eps"]),
                float(known["step"]),
                known["exp_avg"].detach().clone(),
                known["exp_avg_sq"].detach().clone(),
            )
        )
    return tuple(out)
