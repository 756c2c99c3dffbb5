"""Domain adaptation against a network critic of the features: no step size is promised, by any of its forms."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ...theory.minimax.arguments import choice, nonnegative
from .adaptation import class_labels, joined
from .kernels import finite_cloud
from .losses import LOSSES, divergence
from .training import GameRun, train


class _Reversal(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: float) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.weight = inputs[1]

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * slopes[0], None


def reverse_gradient(x: Tensor, weight: float) -> Tensor:
    """x itself, with −ω times the gradient on the way back.

    In `task + critic_loss(loss, critic(reverse_gradient(source, w)), critic(reverse_gradient(target, w)))` the critic
    descends its loss and the features ascend ω times it: one simultaneous step of both.  Raises ValueError for ω < 0.
    """
    out: Tensor = _Reversal.apply(x, nonnegative("weight", weight))  # type: ignore[no-untyped-call]
    return out


def adapt_adversarially(
    features: nn.Module,
    classifier: nn.Module,
    critic: nn.Module,
    source: Tensor,
    labels: Tensor,
    target: Tensor,
    *,
    loss: str = "minimax",
    weight: float,
    min_step: float,
    max_step: float,
    steps: int,
    algorithm: str = "alternating",
    critic_steps: int = 1,
    every: int = 1,
) -> GameRun:
    """R_s + ω𝒟 with 𝒟 what a network critic of the features proves: DANN for minimax, W₁ for wasserstein.

    For wasserstein the critic is to be 1-Lipschitz (`spectral_normalise`).  No step size is promised: the critic fails
    D3, whichever the loss.  In the result, losses are those of both players, the MMD is between the features, with a
    gaussian kernel of lengthscale 1, and the state is that of `joined`.

    Parameters
    ----------
    features, classifier, critic : Module
        Changed in place.  The critic has one output for each point, high on the source.
    source, labels, target : (N, m), (N,), (M, m)
    loss : str
        minimax, non_saturating, kl, chi_squared or wasserstein, as in `divergence`.
    weight : float
        ω >= 0.
    min_step, max_step, steps, algorithm, critic_steps, every
        As in `train`; the minimising player is features and classifier.

    Raises ValueError outside these ranges.  Source: docs/minimax, section 7.
    """
    choice("loss", loss, LOSSES)
    omega, answers = nonnegative("weight", weight), class_labels(labels, finite_cloud("source", source))

    def proved(judge: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return divergence(loss, judge(features(x)), judge(features(y)))

    def lower(player: nn.Module, judge: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(player(x), answers) + omega * proved(judge, x, y)

    def higher(player: nn.Module, judge: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return -proved(judge, x, y)

    return train(
        joined(features, classifier),
        critic,
        lower,
        higher,
        source,
        finite_cloud("target", target, source),
        min_step=min_step,
        max_step=max_step,
        steps=steps,
        algorithm=algorithm,
        critic_steps=critic_steps,
        every=every,
        clouds=lambda player, x, y: (features(x), features(y)),
    )
