"""Interval arithmetic on tensors, differentiable and in plain floating point: for training, not for certificates."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...theory.resilience.box import Box


@dataclass(frozen=True, eq=False)
class Interval:
    """`lemmata.theory.resilience.interval.Interval` without outward rounding.

    Attributes
    ----------
    ends : (2, ...)
        The lower and the upper ends in one tensor, as most operations treat both alike.
    """

    ends: Tensor

    @property
    def lower(self) -> Tensor:
        """(...)."""
        return self.ends[0]

    @property
    def upper(self) -> Tensor:
        """(...)."""
        return self.ends[1]

    @property
    def magnitude(self) -> Tensor:
        """max(|lower|, |upper|), (...)."""
        return self.ends.abs().amax(0)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.ends + other.ends)

    def __neg__(self) -> "Interval":
        return Interval(-self.ends.flip(0))

    def __sub__(self, other: "Interval") -> "Interval":
        return Interval(self.ends - other.ends.flip(0))

    def __and__(self, other: "Interval") -> "Interval":
        return between(torch.maximum(self.lower, other.lower), torch.minimum(self.upper, other.upper))

    def __or__(self, other: "Interval") -> "Interval":
        return between(torch.minimum(self.lower, other.lower), torch.maximum(self.upper, other.upper))

    def __getitem__(self, key: slice) -> "Interval":
        return Interval(self.ends[:, key])


def between(lower: Tensor, upper: Tensor) -> Interval:
    """[lower, upper]."""
    return Interval(torch.stack([lower, upper]))


def interval(box: Box, like: Tensor) -> Interval:
    """A box as tensors of the dtype and device of `like`."""
    return between(*(torch.tensor(end, dtype=like.dtype, device=like.device) for end in (box.lower, box.upper)))


def point(values: Tensor) -> Interval:
    """[x, x]."""
    return between(values, values)


def join(parts: Sequence[Interval]) -> Interval:
    """Intervals one after the other."""
    return Interval(torch.cat([x.ends for x in parts], 1))


def affine(matrix: Tensor, x: Interval, offset: Tensor) -> Interval:
    """P·X + b = P m + b ± |P| r, with m the middle and r half the width of X."""
    middle, reach = matrix @ (x.ends.sum(0) / 2) + offset, matrix.abs() @ (x.ends.diff(dim=0)[0] / 2)
    return between(middle - reach, middle + reach)


def row_combination(coefficients: Sequence[Interval], matrices: Sequence[Tensor]) -> Interval:
    """Σ_q x_q[:, None] · P_q for intervals x_q, (n,), and matrices P_q, (n, k)."""
    x, P = torch.stack([x.ends for x in coefficients], 1)[..., None], torch.stack(tuple(matrices))
    middle, reach = (x.sum(0) / 2 * P).sum(0), (x.diff(dim=0)[0] / 2 * P.abs()).sum(0)
    return between(middle - reach, middle + reach)


def scaled(scale: Interval, x: Interval) -> Interval:
    """s · X for s >= 0, the only products needed; every end of X takes the end of s that leads further out."""
    return Interval(x.ends * torch.where(x.ends >= 0, scale.ends, scale.ends.flip(0)))


def scale_rows(scale: Interval, x: Interval) -> Interval:
    """s[:, None] · X for s >= 0."""
    return scaled(Interval(scale.ends[..., None]), x)


def sigmoid(z: Interval) -> Interval:
    """σ at both ends."""
    return Interval(torch.sigmoid(z.ends))


def tanh(z: Interval) -> Interval:
    """tanh at both ends."""
    return Interval(torch.tanh(z.ends))


def sigmoid_slope(z: Interval) -> Interval:
    """The range of σ'(z) = σ(z) σ(−z), even and falling with |z|."""
    x = _far_and_near(z)
    return Interval(torch.sigmoid(x) * torch.sigmoid(-x))


def tanh_slope(z: Interval) -> Interval:
    """The range of τ(z) = 1 − tanh² z = 4 σ(2z) σ(−2z)."""
    x = 2 * _far_and_near(z)
    return Interval(4 * torch.sigmoid(x) * torch.sigmoid(-x))


def _far_and_near(z: Interval) -> Tensor:
    """The largest and the smallest modulus in the interval, (2, ...)."""
    low, high = z.ends.abs()
    straddles = (z.lower <= 0) & (z.upper >= 0)
    return torch.stack([torch.maximum(low, high), torch.minimum(low, high).masked_fill(straddles, 0.0)])
