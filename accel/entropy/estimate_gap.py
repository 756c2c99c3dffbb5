"""The gap, and so the entropy, of a mixture by simulation on its device, with intervals for finitely many draws."""

import math
from collections.abc import Iterator
from typing import Literal, get_args

import torch

from ...theory import _check
from ...theory.entropy.gap_estimate import GapEstimate, Interval
from ...theory.entropy.gap_sequence import MOST, PILOT, Plan, block_sizes, gap_from_blocks, gap_from_bounds, plan_run
from ...theory.entropy.overlap import QUADRATURE
from .approximate_entropy import approximate_entropy
from .gap_bounds import gap_bounds
from .label_sampler import LabelSampler, working_memory
from .mixture import TorchMixture
from .overlap_sampler import OverlapSampler
from .remainder_sampler import RemainderSampler

Sampler = LabelSampler | OverlapSampler | RemainderSampler
Name = Literal["labels", "overlap", "remainder"]

LARGEST = 1 << 24  # values in a block


@torch.no_grad()
def estimate_gap(
    mixture: TorchMixture,
    tolerance: float = 1e-3,
    *,
    confidence: float = 0.999,
    sampler: Name | None = None,
    generator: torch.Generator | None = None,
    most_draws: int = MOST,
    memory: int | None = None,
) -> GapEstimate:
    r"""Δ = H̃ - H within `tolerance`, in nats, and with it H itself; `sim.entropy.estimate_gap` on the mixture's device.

    Averaged is the label entropy at draws from the mixture (`LabelSampler`), the same at draws from where pairs
    overlap (`OverlapSampler`), or what the exact pair gaps overstate (`RemainderSampler`).  A pilot run chooses the one
    that should get there at the least cost; its draws are not used again.  Where the exact bounds alone are near
    enough no draw is made (sampler "none").  Every interval is cut down to the bounds.

    Parameters
    ----------
    mixture : TorchMixture
        Gradients are neither used nor recorded.
    tolerance : float
        Half the width of the interval at which to stop, > 0.
    confidence : float
        Of the interval, in (0, 1).
    sampler : "labels", "overlap" or "remainder"
        Instead of a pilot's choice.
    generator : torch.Generator, optional
        Of the mixture's device; torch's own where left out.  The numbers depend on it and on `memory`.
    most_draws : int
        Where to stop in any case; `GapEstimate.reached` tells.
    memory : int, optional
        Bytes for the working arrays, by default 128 MB, on CUDA 2 GB, and as many again for the pairs' Gaussians;
        points are evaluated in chunks.

    The densities are evaluated in the mixture's dtype, all else in float64.  The intervals are valid for the finite
    number of draws, and widened by a first-order bound on the rounding of the densities: near 1e-15 κ m in float64 and
    1e-6 κ m in float32, κ the largest condition number of a covariance with unit diagonal.  In float32 on CUDA that
    takes exact products, torch's default: after torch.set_float32_matmul_precision("high") they are cut to TF32, off by
    1e-3, and the intervals need not hold.

    Raises ValueError for arguments out of range, and MemoryError if a sampler that was asked for needs more than
    `memory`.  Source: docs/entropy, theorem 13.

    >>> parts = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([[-2.0], [0.0], [5.0]]), torch.tensor([1.0, 0.5, 2.0])
    >>> seen = estimate_gap(TorchMixture(*parts), 1e-4, generator=torch.Generator().manual_seed(0))
    >>> seen.reached, abs(seen.entropy.mean - 2.42727050894850) < 1e-4
    (True, True)
    """
    width = _check.positive("tolerance", tolerance)
    if not 0 < _check.positive("confidence", confidence) < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence!r}")
    if sampler is not None and sampler not in get_args(Name):
        raise ValueError(f"sampler must be one of {', '.join(get_args(Name))}, or None, got {sampler!r}")
    limit = _check.integer("most_draws", most_draws, 1)
    budget = working_memory(mixture, None if memory is None else _check.integer("memory", memory, 1))

    mixture = mixture.detach()
    about = approximate_entropy(mixture.to(torch.float64)).item()
    if mixture.components == 1:
        return gap_from_bounds((0.0, 0.0), about, width, confidence)
    chosen, bounds = _choose(mixture, width, confidence, sampler, generator, budget, limit)
    if chosen is None:
        return gap_from_bounds(bounds, about, width, confidence)
    drawn, plan = chosen
    blocks = _blocks(drawn, block_sizes(plan.horizon, limit, LARGEST), generator)
    return gap_from_blocks(plan, blocks, bounds, about, width, confidence)


def _choose(
    mixture: TorchMixture,
    tolerance: float,
    confidence: float,
    name: Name | None,
    generator: torch.Generator | None,
    memory: int,
    limit: int,
) -> tuple[tuple[Sampler, Plan] | None, Interval]:
    """What to draw, or None where the bounds are near enough, and the bounds on Δ as far as they are known."""
    relative, known = _relative_rounding(mixture), (0.0, math.log(mixture.components))
    small = _same_gap(mixture)

    def planned(sampler: Sampler) -> tuple[Sampler, Plan]:
        """From a pilot."""
        variance = float((sampler.draw(PILOT, generator) / (sampler.upper or 1.0)).var())
        rounding = relative * (1 + known[1] if sampler.name == "labels" else 2 * sampler.upper)
        numbers = (sampler.offset, sampler.sign, sampler.upper, sampler.cost, variance)
        return sampler, plan_run(sampler.name, *numbers, rounding, tolerance, confidence, limit)

    found = []
    if name in (None, "labels"):
        found.append(planned(LabelSampler(small, memory=memory)))
        if name is not None or found[0][1].cost < _pairs_cost(mixture):
            return found[0], known
    bounds = gap_bounds(mixture.to(torch.float64))
    low, high = bounds.lower.item() * (1 - relative), bounds.upper.item() * (1 + relative)
    known = max(0.0, low), min(known[1], high)
    if name is None and known[1] - known[0] <= 2 * tolerance:
        return None, known
    try:
        if name in (None, "overlap"):
            found.append(planned(OverlapSampler(small, memory=memory)))
        if name in (None, "remainder"):
            found.append(planned(RemainderSampler(small, memory=memory, pairwise=bounds.pairwise.item())))
    except MemoryError:
        if name is not None:
            raise
    return min(found, key=lambda each: each[1].cost), known


def _blocks(
    sampler: Sampler, sizes: Iterator[int], generator: torch.Generator | None
) -> Iterator[tuple[int, float, float]]:
    """(n, mean, Σ(x - mean)²) of each block's values x over their upper bound."""
    for size in sizes:
        values = sampler.draw(size, generator) / (sampler.upper or 1.0)
        mean = min(1.0, max(0.0, values.mean().item()))
        yield size, mean, (values - mean).square().sum().item()


def _relative_rounding(mixture: TorchMixture) -> float:
    """First-order, of a value of a sampler: what log densities near a component's bulk lose, and the quadrature."""
    condition = 1.0
    if mixture.kind in ("full", "tied"):
        unit = mixture.factors / mixture.factors.norm(dim=-1, keepdim=True)  # the factor of a unit diagonal
        values = torch.linalg.svdvals(unit.double())
        condition = float((values[..., 0] / values[..., -1]).max()) ** 2
    u = 0.5 * torch.finfo(mixture.dtype).eps
    return QUADRATURE + 4 * u * (1 + condition) * (mixture.dimension + 40)


def _same_gap(mixture: TorchMixture) -> TorchMixture:
    """Where the covariance is tied, a mixture of K - 1 dimensions with the same gap (docs/entropy, theorem 11)."""
    if mixture.kind != "tied":
        return mixture
    wide = mixture.to(torch.float64)
    white = torch.linalg.solve_triangular(wide.factors, (wide.means - wide.means[0]).T, upper=False)
    if mixture.dimension >= mixture.components:
        white = torch.linalg.qr(white)[1]  # the means in an orthonormal basis of their span
    means = white.T.to(mixture.dtype).contiguous()
    return TorchMixture(mixture.weights, means, torch.ones_like(mixture.weights), kind="spherical")


def _pairs_cost(mixture: TorchMixture) -> float:
    """Roughly what the exact bounds of all pairs cost, in the units of `LabelSampler.cost`."""
    K, m = mixture.components, mixture.dimension
    cost = K * (K - 1) / 2 * (1e5 + 2e3 * m + (4.0 * m**3 if mixture.kind == "full" else 0.0))
    return cost if cost > 1e9 else 0.0  # below a second or so exactness is worth more
