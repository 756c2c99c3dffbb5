"""A Dirac-GAN as played: how far it is from its equilibrium step by step, and its path in the plane of both players."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..theory.minimax import DiracGAN
    from .dirac_play import Played

SEEN, STATED, BOUND, OTHER = "#4c78a8", "#d1495b", "black", "0.62"
HIGHEST, LOWEST = 1e6, 1e-9  # times the first distance, as far as the left picture reaches
BEYOND = 1e200  # curves are cut there, out of sight
REACH = 4.0  # times the first distance, as far as the plane reaches where the game leaves
BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "ncols": 2, "frameon": False}
DOTTED = 400  # steps that are drawn as dots too


def draw_distances(played: "Played", theory: "DiracGAN", rate: float | None, ax: Any) -> None:
    """√(θ² + ψ²) on a logarithmic scale below the largest value of the linearised game; ρ^k; limits as lines."""
    distances = played.distances
    first = float(distances[0]) or 1.0
    k = np.arange(len(distances))
    low, high = LOWEST * first, HIGHEST * first
    if played.bounds is not None and rate is not None:
        shown = np.clip(played.bounds, low / 10, BEYOND)
        ax.plot(
            k, shown, color=BOUND, alpha=0.5, linewidth=2.4, label="linearised game, from the worst start as far away"
        )
        decay = np.exp(np.clip(k * math.log(rate) if rate else np.where(k, -700.0, 0.0), -700.0, 700.0))
        words = f"$\\rho^k$, $\\rho$ = {rate:.6g}"
        ax.plot(k, np.clip(first * decay, low / 10, BEYOND), color=OTHER, linestyle=(0, (5, 3)), label=words)
    if math.isfinite(theory.limit) and theory.limit > 0:
        words = "amplitude as γ/c → 0" if theory.behaviour == "limit_cycle" else "|θ| of the wrong point"
        ax.axhline(theory.limit, color=STATED, linestyle=(0, (5, 3)), label=f"{words}: {theory.limit:.4g}")
    ax.plot(k, np.clip(distances, low / 10, BEYOND), color=SEEN, linewidth=1.4, label="simulated")
    ax.set_yscale("log")
    tops = [float(distances.max()), theory.limit if math.isfinite(theory.limit) else 0.0, first]
    if played.bounds is not None:
        tops.append(float(np.minimum(played.bounds, 1e3 * distances.max()).max()))
    top = min(high, max(tops))
    bottom = max(low, min(float(distances[distances > 0].min(initial=first)), first))
    ax.set_xlim(0, max(len(distances) - 1, 1))
    ax.set_ylim(bottom / 1.5, 1.5 * top)
    ax.set_xlabel("steps k")
    ax.set_ylabel("distance from the equilibrium, √(θ² + ψ²)")
    ax.legend(**BELOW)


def draw_plane(played: "Played", theory: "DiracGAN", ax: Any) -> None:
    """The path (θ, ψ) from its start to its end, with what the theory says of the end."""
    distances = played.distances
    reach = max(REACH * float(distances[0]), 1.5 * theory.limit if math.isfinite(theory.limit) else 0.0)
    drifts = theory.behaviour == "drift"
    inside = np.ones(len(distances), dtype=bool) if drifts else np.logical_and.accumulate(distances <= reach)
    path = played.path[: max(int(inside.sum()), 2)]
    ax.plot(*path.T, color=SEEN, linewidth=0.8, alpha=0.75)
    if len(path) <= DOTTED:
        ax.plot(*path.T, color=SEEN, marker="o", markersize=2.5, linestyle="none")
    if theory.behaviour == "limit_cycle":
        turn = np.linspace(0, 2 * np.pi, 200)
        words = "amplitude as γ/c → 0"
        ax.plot(theory.limit * np.cos(turn), theory.limit * np.sin(turn), color=STATED, linestyle="--", label=words)
    if theory.behaviour == "wrong_point":
        x = [-theory.limit, theory.limit]
        ax.plot(x, [0, 0], color=STATED, marker="D", markersize=7, linestyle="none", label="wrong points of the theory")
    ax.plot(0, 0, color="black", marker="+", markersize=12, markeredgewidth=1.5, linestyle="none", label="equilibrium")
    ax.plot(*path[0], color="black", marker="s", markersize=6, linestyle="none", label="start")
    if len(path) == len(played.path) and not played.diverged:
        ax.plot(
            *path[-1], color="white", markeredgecolor="black", marker="o", markersize=7, linestyle="none", label="end"
        )
    low, high = np.minimum(path.min(0), 0.0), np.maximum(path.max(0), 0.0)
    middle, half = (low + high) / 2, 0.55 * np.maximum(high - low, 1e-12)
    if not drifts:
        half = np.full(2, half.max())
        ax.set_aspect("equal")
    half = np.maximum(half, 0.05 * half.max())
    ax.set_xlim(middle[0] - half[0], middle[0] + half[0])
    ax.set_ylim(middle[1] - half[1], middle[1] + half[1])
    ax.set_xlabel("generator θ (data at 0)")
    ax.set_ylabel("critic ψ")
    ax.legend(**BELOW)
