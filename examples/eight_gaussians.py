"""Fit eight Gaussians on a circle against the best kernel critic, with steps inside and outside the promised region.

    python examples/eight_gaussians.py [--plot FILE]    # half a minute, one core

The generator is a tanh network of 16 hidden units, its input z ~ N(0, I) in the plane, a batch of 128 that stays.  The
critic is the best one in the RKHS of a gaussian kernel with a ridge, so that the generator descends
J = MMD²/(2λ) (theorems 1 and 6 of docs/minimax).  From the kernel and the norms of the layers follows an L such that

    every step h < 2/L makes J fall at every iterate, and mean ‖∇J‖² <= J_0 / (h (1 - Lh/2) T)   (theorem 7)

as long as the second layer's norm stays within its bound.  The runs differ in h alone.  The bound is safe, not sharp:
somewhat outside the region all may be well, and with much longer steps nothing is.

    h L         the step in units of 1/L
    promised    yes, or why not
    J           at the end; `rises` counts the iterates at which it rose
    slope       mean ‖∇J‖² over its bound, which must not exceed 1; only where promised
    near        share of the batch within 0.4 of a centre, and how many of the eight centres have a point so near
"""

import argparse
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lemmata.accel.minimax.descent import DescentRun, descend
from lemmata.accel.minimax.networks import generator_network
from lemmata.accel.minimax.smoothness_certificate import smoothness_certificate

RADIUS, SPREAD, NEAR = 2.0, 0.1, 0.4
KERNEL, LENGTHSCALE, RIDGE = "gaussian", 1.0, 1.0  # the ridge scales J and 1/L alike: the runs do not depend on it
HIDDEN, ROOM = 16, 1.0
PACES = (1.0, 30.0, 200.0, 3000.0)
COLOURS = ("#0072B2", "#009E73", "#E69F00", "#D55E00")  # told apart by colour-blind eyes too
STYLES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Fit:
    """One run, and what the generator makes of its batch and of fresh z in the end."""

    pace: float
    run: DescentRun
    batch: Tensor
    fresh: Tensor


def centres() -> Tensor:
    """(8, 2)."""
    angles = torch.arange(8, dtype=torch.float64) * math.pi / 4
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


def sample(points: int, random: torch.Generator) -> Tensor:
    """Data (points, 2), as evenly over the eight as can be."""
    noise = torch.randn(points, 2, generator=random, dtype=torch.float64)
    return centres()[torch.arange(points) % 8] + SPREAD * noise


def fit(pace: float, points: int, steps: int) -> tuple[Fit, Tensor]:
    """The run at h = pace/L, and the data; the same start, z and data for every pace."""
    random = torch.Generator().manual_seed(0)
    generator = generator_network(2, [HIDDEN], 2, random=random)
    data = sample(points, random)
    z, more = (torch.randn(count, 2, generator=random, dtype=torch.float64) for count in (points, 600))
    certificate = smoothness_certificate(generator, z, KERNEL, LENGTHSCALE, RIDGE, room=ROOM)
    run = descend(generator, data, certificate, steps=steps, step=pace * certificate.step)
    with torch.no_grad():
        return Fit(pace, run, generator(z), generator(more)), data


def promised(run: DescentRun) -> str:
    if run.diverged:
        return "no, diverged"
    if run.step * run.smoothness >= 2:
        return "no, h >= 2/L"
    return "yes" if run.certified else f"until iterate {run.first_exit}"


def row(found: Fit) -> str:
    run, J = found.run, found.run.objectives
    distance, nearest = torch.cdist(found.batch, centres()).min(1)
    good = distance < NEAR
    slope = f"{run.squared_gradients[:-1].mean() / run.bound:.2f}" if run.certified else "-"
    return (
        f"{found.pace:<8g} {promised(run):<15} {J[0]:.4f} -> {J[-1]:<9.6f} {(np.diff(J) > 1e-15).sum():<7d} {slope:<7} "
        f"{good.double().mean().item():.2f}, {len(nearest[good].unique())} of 8"
    )


def draw(fits: list[Fit], data: Tensor, figure: Any) -> None:
    """Points above, losses and slopes below."""
    figure.get_layout_engine().set(h_pad=0.12)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.1, 1.0))
    for axis, found in zip(upper.subplots(1, len(fits), sharex=True, sharey=True), fits, strict=True):
        looks = {"fresh z": (found.fresh, "0.75", 5), "data": (data, "black", 5), "batch": (found.batch, "#D55E00", 9)}
        for label, (cloud, colour, size) in looks.items():
            axis.scatter(*cloud.T.numpy(), s=size, color=colour, label=label, linewidths=0)
        word = "promised" if found.run.certified else "not promised"
        axis.set_title(f"h = {found.pace:g}/L, {word}", fontsize=10)
        axis.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), aspect="equal")
        outside = (found.batch.abs() > 3.4).any(1).sum().item()
        if outside:
            axis.text(0.5, 0.02, f"{outside} of {len(data)} beyond the frame", ha="center", transform=axis.transAxes)
    handles, labels = upper.axes[0].get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, markerscale=2, handletextpad=0.1)
    left, right = lower.subplots(1, 2)
    for found, colour, style in zip(fits, COLOURS, STYLES, strict=False):
        T = np.arange(1, len(found.run.objectives) + 1)
        label = f"h = {found.pace:g}/L" + (", promised" if found.run.certified else "")
        left.loglog(T, found.run.objectives, color=colour, linestyle=style, label=label, linewidth=1.2)
        means = np.cumsum(found.run.squared_gradients) / T
        right.loglog(T, means, color=colour, linestyle=style, linewidth=1.2)
        if found.run.certified:
            slack = found.run.step * (1 - found.run.smoothness * found.run.step / 2)
            bound = found.run.objectives[0] / (slack * T)
            right.loglog(T, bound, color="black", linewidth=1.0, label="theorem 7, for h = 1/L")
    left.set(xlabel="iterate, the start being 1", ylabel="J = MMD²/(2λ)", title="loss")
    right.set(xlabel="iterates T", ylabel="mean of ‖∇J‖² over T", title="slopes")
    left.legend(fontsize=8)
    right.legend(fontsize=8)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="save a picture there")
    parser.add_argument("--steps", type=int, default=1500, help="of each run (default: 1500)")
    parser.add_argument("--points", type=int, default=128, help="of the batch and of the data (default: 128)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the batch is small: more threads only wait for each other

    begin, fits = time.process_time(), []
    print("h L      promised        J                     rises   slope   near")
    for pace in PACES:
        found, data = fit(pace, options.points, options.steps)
        fits.append(found)
        print(row(found), flush=True)
    print(f"\nL = {fits[0].run.smoothness:.1f}; {time.process_time() - begin:.0f} s of one core")
    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 7.4), layout="constrained")
        draw(fits, data, figure)
        figure.savefig(options.plot, dpi=150)
        print(f"picture saved to {options.plot}")


if __name__ == "__main__":
    main()
