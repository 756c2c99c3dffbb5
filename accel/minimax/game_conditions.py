"""Which of D1, D2, D3 a critic network fails, and what repairs it."""

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from ...theory.minimax.conditions import Condition
from .game_constants import GameConstants

Array = NDArray[np.float64]

KINKED = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.SELU,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardshrink,
    nn.Softshrink,
    nn.Threshold,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
)
NORMALISERS = ("spectral", "orthogonal")  # in the name of a parametrisation or of a hook


def game_conditions(
    critic: nn.Module, constants: GameConstants, jac: Array, minimisers: int, clipped: bool = False
) -> tuple[Condition, Condition, Condition]:
    """D1, D2, D3 for a critic network in a game with J = `jac` and the constants of `game_constants`.

    D1 holds where every layer is normalised or clipped, D2 where no activation has a kink, D3, in the sense of a
    critic that answers smoothly near these weights, where J_ψψ has no positive eigenvalue and ran J_ψθ ⊂ ran J_ψψ.
    Source: docs/minimax, section 1 and theorem 4.
    """
    return _lipschitz(critic, constants, clipped), _smooth(critic, constants), _stable(constants, jac, minimisers)


def _lipschitz(critic: nn.Module, constants: GameConstants, clipped: bool) -> Condition:
    free = [] if clipped else unbounded_layers(critic)
    if free:
        reason = f"nothing bounds the weights of {', '.join(free[:4])}{', …' if len(free) > 4 else ''}"
        return _condition("D1", False, None, reason, "docs/minimax, table 1", "spectral_normalisation")
    reason = "its weights are clipped" if clipped else "each layer's norm is bounded"
    return _condition("D1", True, constants.alpha, reason, "docs/minimax, theorem 4")


def _smooth(critic: nn.Module, constants: GameConstants) -> Condition:
    kinks = sorted({type(m).__name__ for m in critic.modules() if isinstance(m, KINKED)})
    if kinks:
        reason = f"{' and '.join(kinks)} has kinks: take softplus or tanh"
        return _condition("D2", False, np.inf, reason, "docs/minimax, theorem 4", "smooth_activation")
    reason = "no module of the critic has kinks; the constant is that of the present norms"
    return _condition("D2", True, constants.beta1, reason, "docs/minimax, theorem 4")


def _stable(constants: GameConstants, jac: Array, minimisers: int) -> Condition:
    source, repairs = "docs/minimax, section 1", ("gradient_penalty", "inf_convolution")
    if constants.local_beta2 is None:
        top = float(np.linalg.eigvalsh(0.5 * (jac + jac.T)[minimisers:, minimisers:])[-1])
        reason = f"the critic is not at a maximum: its curvature has the eigenvalue {top:.3g} > 0"
        return _condition("D3", False, None, reason, source, *repairs)
    if np.isinf(constants.local_beta2):
        reason = "the generator pushes the critic where nothing curves its objective: the best critic jumps"
        return _condition("D3", False, np.inf, reason, source, *repairs)
    reason = "near these weights the best critic follows the generator; the constant is a lower bound"
    return _condition("D3", True, constants.local_beta2, reason, source)


def unbounded_layers(critic: nn.Module) -> list[str]:
    """Names of the trained weights, biases aside, that no spectral or orthogonal normalisation holds."""
    out = []
    for place, part in critic.named_modules():
        if "parametrizations" in place.split("."):
            continue
        prefix = f"{place}." if place else ""
        hooked = any(_normalises(hook) for hook in part._forward_pre_hooks.values())
        for name, w in part.named_parameters(recurse=False):
            bounded = hooked and name.endswith("_orig")
            if w.requires_grad and name != "bias" and not bounded:
                out.append(prefix + name)
        if parametrize.is_parametrized(part):
            for name, steps in part.parametrizations.items():
                trained = any(w.requires_grad for w in steps.parameters())
                if name != "bias" and trained and not any(_normalises(step) for step in steps):
                    out.append(prefix + name)
    return out


def _normalises(part: object) -> bool:
    return any(word in type(part).__name__.lower() for word in NORMALISERS)


def _condition(name: str, holds: bool, value: float | None, reason: str, source: str, *repairs: str) -> Condition:
    formula = {"D1": "S_L P", "D2": "S_L Q", "D3": "local β₂"}[name] if holds else ""
    return Condition(name, holds, formula, value, reason, source, tuple((word,) for word in repairs))
