"""Pairs of runs that climb towards large deviations by projected sign-gradient ascent."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...theory.resilience.box import Box
from .deviations import output_differences
from .interval import Interval, interval
from .network import TorchStack

CORNERS = 0.6  # share of candidates that start in a corner of everything
FIRST, LAST = 0.6, 0.03  # length of the first and the last step at a horizon, in half widths
RESEED = 3  # horizons after which the worst quarter starts afresh


@dataclass(frozen=True)
class Space:
    """Checked boxes: of states, of inputs, of inputs during the anomaly; and a."""

    nominal_states: Box
    perturbed_states: Box
    nominal: Box
    anomalous: Box
    size: float | None


class Search:
    """Candidates in five parts, the boxes of these, and moves on them.

    x̄(0), x(0), (N, d); ū, u of the anomaly, (N, D, m); the common inputs, (N, T, m).  In the magnitude version x(0) is
    not used, and u stands for u − ū.
    """

    def __init__(
        self, network: TorchStack, space: Space, before: int, after: int, count: int, rng: np.random.Generator
    ) -> None:
        self.network, self.space, self.before, self.after, self.rng = network, space, before, after, rng
        like, m = network.like, network.inputs
        self.shared = space.size is not None
        second = space.anomalous
        if space.size is not None:
            second = Box(np.full(m, -space.size), np.full(m, space.size))
        boxes = (space.nominal_states, space.perturbed_states, space.nominal, second, space.nominal)
        self.boxes = [interval(box, like) for box in boxes]
        self.shapes = [(network.dimension,)] * 2 + [(before, m)] * 2 + [(after, m)]
        self.ua = interval(space.anomalous, like)
        self.parts = self._fresh(count)
        outputs = network.units if network.output is None else len(network.output)
        self.unit = (torch.arange(count, device=like.device) % outputs)[:, None, None]
        self.last = like.new_zeros(count)

    def _fresh(self, count: int) -> list[Tensor]:
        """New candidates, six in ten in a corner of everything."""
        like, out = self.network.like, []
        corner = self.rng.random(count) < CORNERS
        for box, shape in zip(self.boxes, self.shapes, strict=True):
            share = self.rng.random((count, *shape))
            flat = corner.reshape(-1, *[1] * len(shape))
            share = np.where(flat, share < 0.5, share)
            x = torch.tensor(share, dtype=like.dtype, device=like.device)
            out.append(_clip((1 - x) * box.lower + x * box.upper, box))
        return out

    def pair(self, parts: list[Tensor], t: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x̄(0), x(0) and the inputs ū, u of both runs up to t steps after the anomaly."""
        first, second, ours, theirs, common = parts
        if self.shared:
            second, theirs = first, _clip(ours + theirs, self.ua)
        after = common[:, :t]
        return first, second, torch.cat([ours, after], 1), torch.cat([theirs, after], 1)

    def differences(self, parts: list[Tensor], t: int) -> Tensor:
        """y − ȳ from the end of the anomaly on, (N, t + 1, p)."""
        first, second, ours, theirs = self.pair(parts, t)
        return output_differences(self.network, ours, theirs, first, second)[:, self.before :]

    def ascend(self, t: int, rounds: int, record: "Record") -> None:
        """Steps of sign-gradient ascent on |y_j(t) − ȳ_j(t)|, clipped to the boxes; the best point stays."""
        now, best = self.parts, self.parts
        top = torch.full_like(self.last, -1.0)
        for k in range(rounds + 1):
            now = [part.detach().requires_grad_() for part in now]
            y = self.differences(now, t)
            goal = y[:, t].abs().gather(1, self.unit[:, 0])[:, 0]
            better = goal.detach() > top
            top = torch.where(better, goal.detach(), top)
            best = [_where(better, new, old) for new, old in zip(now, best, strict=True)]
            record.see(now, y.detach().abs().amax(-1), t)
            if k < rounds:
                step = FIRST * (LAST / FIRST) ** (k / max(1, rounds - 1))
                now = self._moved(now, goal, step)
        self.parts, self.last = [part.detach() for part in best], top

    def _moved(self, now: list[Tensor], goal: Tensor, step: float) -> list[Tensor]:
        slopes = torch.autograd.grad(goal.sum(), now, allow_unused=True)
        out = []
        for part, slope, box in zip(now, slopes, self.boxes, strict=True):
            if slope is None:
                out.append(part)
            else:
                out.append(_clip(part.detach() + step * (box.upper - box.lower) / 2 * slope.sign(), box))
        return out

    def reseed(self) -> None:
        """Fresh candidates in place of the worst quarter."""
        quarter = len(self.last) // 4
        if quarter:
            worst = self.last.argsort()[:quarter]
            for part, new in zip(self.parts, self._fresh(quarter), strict=True):
                part[worst] = new


class Record:
    """The largest e(t) seen, and of every restart the candidate with the longest recovery."""

    def __init__(self, search: Search, epsilon: float) -> None:
        like = search.last
        self.epsilon = epsilon
        self.envelope = like.new_zeros(search.after + 1)
        self.score = torch.full_like(like, -1.0)
        self.parts = [part.clone() for part in search.parts]

    def see(self, parts: list[Tensor], e: Tensor, t: int) -> None:
        """Take notice of candidates and their e(0), …, e(t), (N, t + 1)."""
        self.envelope[: t + 1] = torch.maximum(self.envelope[: t + 1], e.amax(0))
        place = torch.arange(1, t + 2, device=e.device)
        times = torch.where(e > self.epsilon, place, torch.zeros_like(place)).amax(1)
        rest = torch.where(place > times[:, None], e, torch.zeros_like(e)).amax(1)
        score = times + rest / (2 * self.epsilon)  # in its fraction how near the largest later e comes to ε
        better = score > self.score
        self.score = torch.where(better, score, self.score)
        self.parts = [_where(better, new.detach(), old) for new, old in zip(parts, self.parts, strict=True)]


def _clip(x: Tensor, box: Interval) -> Tensor:
    return torch.minimum(torch.maximum(x, box.lower), box.upper)


def _where(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(mask.reshape(-1, *[1] * (new.ndim - 1)), new.detach(), old.detach())
