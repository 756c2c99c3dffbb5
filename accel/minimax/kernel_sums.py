"""Sums of kernels over a cloud of points, with gradients, on any device: what every kernel critic is made of."""

import subprocess
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from ...theory import _check
from ...theory.minimax.arguments import choice
from .kernels import cloud

KINDS = ("gaussian", "imq", "matern32", "matern52")
WIDEST = 64  # dimensions that the fused kernel keeps on chip
TABLES = 3  # blocks of pairs held at once
# bytes of those blocks: on a CPU what stays in its cache, elsewhere what amortises the launches
MEMORY = {"cpu": 1 << 21, "cuda": 1 << 28}

R3, R5 = 3**0.5, 5**0.5


@dataclass(frozen=True, eq=False)
class KernelSums:
    """f(x) = Σ_j a_j k(x, z_j) at the targets.

    Attributes
    ----------
    values : (n,)
    gradients : (n, d)
    """

    values: Tensor
    gradients: Tensor


@torch.no_grad()
def kernel_sums(
    kernel: str,
    lengthscale: float,
    targets: Tensor,
    sources: Tensor,
    weights: Tensor | None = None,
    *,
    memory: int | None = None,
    fused: bool | None = None,
) -> KernelSums:
    r"""f = Σ_j a_j k(·, z_j) and ∇f = Σ_j a_j (ψ'(r)/r) (· − z_j) at n targets, in the tensors' dtype and place.

    With u the rounding of the dtype, squared distances come from products and are off by about 4 u R², R the distance
    of the farthest point from the centre of the sources in units of ℓ (fused with d <= 4: from differences of the
    centred points, off by about 4 u R s).  Keep R below a thousand in float64 and ten in float32; the sums add about
    u √m Σ|a_j| at most.  matern32 is the roughest: close to a source its ψ'/s is off by the root of the error of s².
    Products must not be cut to TF32; by torch's default they are not.  Values are not looked at, and no gradients are
    recorded.

    Parameters
    ----------
    kernel : str
        gaussian, imq, matern32 or matern52.
    lengthscale : float
        ℓ > 0.
    targets : (n, d)
    sources : (m, d)
    weights : (m,), optional
        a, by default 1/m each.
    memory : int, optional
        Bytes of the blocks of pairs, by default 2 MB on a CPU and 256 MB elsewhere; the rest is O((n + m)d).
    fused : bool, optional
        Whether one Triton kernel keeps the blocks on chip: d <= 64, CUDA.  By default wherever that is possible; where
        Triton needs a C compiler (before 3.9) and finds none, blocks are taken with a warning.

    Raises ValueError for sizes, dtypes or devices that do not agree, an empty cloud, another kernel, memory < 1, or
    `fused` where that is not possible; TypeError for what is no tensor.

    The twin of sim.minimax.kernel_sums.  Source: docs/minimax, section 2.

    >>> x, z = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    >>> seen = kernel_sums("gaussian", 1.0, x, z)
    >>> seen.values, seen.gradients
    (tensor([0.6065], dtype=torch.float64), tensor([[-0.6065]], dtype=torch.float64))
    """
    choice("kernel", kernel, KINDS)
    length = _check.positive("lengthscale", lengthscale)
    a = _weights(cloud("targets", targets), cloud("sources", sources, targets), weights)
    if memory is not None:
        _check.integer("memory", memory, 1)
    centre = sources.mean(0)
    x, z = (targets - centre) / length, (sources - centre) / length
    found = _fused_sums(kernel, x, z, a, fused) if _chosen(fused, targets) else None
    if found is None:
        budget = MEMORY.get(targets.device.type, MEMORY["cuda"]) if memory is None else memory
        found = _block_sums(kernel, x, z, a, budget)
    return KernelSums(found[0], found[1] / length)


def _fused_sums(kernel: str, x: Tensor, z: Tensor, a: Tensor, fused: bool | None) -> tuple[Tensor, Tensor] | None:
    """The same of the fused kernel, or None if it was not asked for and Triton cannot build the C that launches it."""
    from ._fused_kernel_sums import fused_sums  # Triton is imported where it is used

    try:
        return fused_sums(kernel, x, z, a)
    except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
        if fused or (isinstance(error, RuntimeError) and "compiler" not in str(error)):
            raise
        words = f"kernel sums go in blocks, as Triton could not build the fused kernel: {error}"
        warnings.warn(words, RuntimeWarning, stacklevel=4)  # beyond this, kernel_sums and its no_grad
        return None


def _block_sums(kernel: str, x: Tensor, z: Tensor, a: Tensor, memory: int) -> tuple[Tensor, Tensor]:
    """Σ a ψ and Σ a (ψ'/s)(x − z) of points in units of ℓ, block by block."""
    (n, d), m = x.shape, len(z)
    entries = max(1, memory // (TABLES * x.element_size()))
    columns = min(m, max(1, round(entries**0.5)))
    rows = min(n, max(1, entries // columns))
    one = torch.ones_like(x[:, :1])
    left = torch.cat([x, (x * x).sum(1, keepdim=True), one], 1)  # s² = (x, |x|², 1)·(−2z, 1, |z|²)
    right = torch.cat([-2 * z, torch.ones_like(z[:, :1]), (z * z).sum(1, keepdim=True)], 1).T.contiguous()
    back = torch.cat([a[:, None] * z, a[:, None]], 1)
    values, gradients = x.new_zeros(n), torch.empty_like(x)
    for first in range(0, n, rows):
        here = slice(first, first + rows)
        total = x.new_zeros(len(x[here]), d + 1)
        for start in range(0, m, columns):
            there = slice(start, start + columns)
            value, slope = _profile(kernel, (left[here] @ right[:, there]).clamp_min_(0.0))
            total.addmm_(slope, back[there])
            if value is not None:
                values[here].addmv_(value, a[there])
        gradients[here] = x[here] * total[:, d:] - total[:, :d]
        if kernel == "gaussian":  # ψ'/s = −ψ
            values[here] = -total[:, d]
    return values, gradients


def _profile(kernel: str, q: Tensor) -> tuple[Tensor | None, Tensor]:
    """ψ, None where it is −ψ'/s, and ψ'/s of q = s² >= 0, whose memory may be used."""
    if kernel == "gaussian":
        return None, q.mul_(-0.5).exp_().neg_()
    if kernel == "imq":
        value = q.add_(1.0).rsqrt_()
        return value, (value * value).mul_(value).neg_()
    if kernel == "matern32":
        t = q.sqrt_().mul_(R3)
        decay = torch.exp(-t)
        return t.add_(1.0).mul_(decay), decay.mul_(-3.0)
    t = q.sqrt_().mul_(R5)
    decay = torch.exp(-t).mul_(-5.0 / 3.0)
    slope = (t + 1.0).mul_(decay)
    return t.square_().div_(3.0).mul_(decay).add_(slope).mul_(-0.6), slope


def _weights(targets: Tensor, sources: Tensor, weights: Tensor | None) -> Tensor:
    """a, after dtypes, devices and its shape were looked at."""
    if targets.dtype not in (torch.float64, torch.float32):
        raise ValueError(f"targets must be float64 or float32, got {targets.dtype}")
    m = len(sources)
    if weights is None:
        weights = torch.full((m,), 1.0 / m, dtype=targets.dtype, device=targets.device)
    for name, value in (("sources", sources), ("weights", weights)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}")
        if (value.dtype, value.device) != (targets.dtype, targets.device):
            place = f"{targets.dtype} on {targets.device}"
            raise ValueError(f"{name} must be {place} as the targets, got {value.dtype} on {value.device}")
    if weights.shape != (m,):
        raise ValueError(f"weights must have shape ({m},), got {tuple(weights.shape)}")
    return weights


def _chosen(fused: bool | None, targets: Tensor) -> bool:
    """Whether to take the fused kernel."""
    wide, device = targets.shape[1] > WIDEST, targets.device
    if fused is False or (fused is None and (wide or device.type != "cuda")):
        return False
    from ._fused_kernel_sums import available

    if available(device) and not wide:
        return True
    if fused is None:
        return False
    reason = f"d = {targets.shape[1]}" if wide else f"tensors on {device}"
    raise ValueError(f"fused must be False or None unless d <= {WIDEST}, on CUDA, with Triton installed, got {reason}")
