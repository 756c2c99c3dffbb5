"""A picture of a diagnosis: where the eigenvalues of a round stand, and how the field decays."""

from pathlib import Path
from typing import Any

import numpy as np

from .diagnosis import Diagnosis

INSIDE, OUTSIDE, STILL, GUIDE = "tab:blue", "tab:red", "0.25", "0.6"


def draw(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the eigenvalues and, where there was a run, its decay to `path`, in the format that its suffix names."""
    from matplotlib.figure import Figure

    panels = 1 if diagnosis.decay is None else 2
    figure = Figure(figsize=(5.2 * panels, 5.0), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    draw_eigenvalues(diagnosis, axes[0])
    if diagnosis.decay is not None:
        draw_decay(diagnosis, axes[1])
    figure.savefig(path, dpi=150)


def draw_eigenvalues(diagnosis: Diagnosis, ax: Any) -> None:
    """The unit circle, the eigenvalues of M inside and outside it, and the neutral directions at 1."""
    turn = np.linspace(0, 2 * np.pi, 400)
    ax.plot(np.cos(turn), np.sin(turn), color=GUIDE, linewidth=1, label="|z| = 1")
    z = diagnosis.eigenvalues
    inside = np.abs(z) < 1
    for chosen, colour, mark, word in ((inside, INSIDE, "o", "inside"), (~inside, OUTSIDE, "X", "on or outside")):
        if chosen.any():
            points = z[chosen]
            label = f"{int(chosen.sum())} {word}"
            ax.scatter(points.real, points.imag, s=28, color=colour, marker=mark, label=label, zorder=3)
    if diagnosis.neutral:
        label = f"{diagnosis.neutral} neutral"
        ax.scatter([1], [0], s=110, facecolors="none", edgecolors=STILL, linewidths=1.5, label=label, zorder=4)
    ax.set_aspect("equal")
    ax.set_xlabel("Re z")
    ax.set_ylabel("Im z")
    ax.set_title(f"{diagnosis.verdict}, ρ = {diagnosis.rate:.6g}")
    ax.legend(loc="upper left", fontsize="small")


def draw_decay(diagnosis: Diagnosis, ax: Any) -> None:
    """‖v_k‖ of the short run, measured and predicted."""
    if diagnosis.decay is None:
        raise ValueError("diagnosis must have a decay, got one made with rounds=0 or without a state of Adam")
    rounds = np.arange(len(diagnosis.decay.measured))
    ax.semilogy(rounds, diagnosis.decay.measured, color=INSIDE, linewidth=3, alpha=0.5, label="measured")
    ax.semilogy(rounds, diagnosis.decay.predicted, color="black", linewidth=1, linestyle="--", label="predicted")
    ax.set_xlabel("round")
    ax.set_ylabel("‖v‖")
    ax.set_title("decay of the field")
    ax.legend(fontsize="small")
