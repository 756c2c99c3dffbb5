"""Exponentials and nothing else, in Triton: the ceiling of kernels that keep their pairs on the chip."""

import torch
import triton
import triton.language as tl

BLOCK = 1024
FIXED = 0.5671432904097838  # exp(−x) = x


@triton.jit
def _again(x, out, TIMES: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at)
    for _ in range(TIMES):
        value = tl.exp(-value)
    tl.store(out + at, value)


def exponentials(x: torch.Tensor, out: torch.Tensor, times: int) -> int:
    """x ← exp(−x), so many times for each of the numbers, whose count divides by `BLOCK`; how many were taken.

    They go to a fixed point, so that what was computed can be checked.
    """
    _again[(x.numel() // BLOCK,)](x, out, TIMES=times, BLOCK=BLOCK, enable_fp_fusion=True)
    return x.numel() * times
