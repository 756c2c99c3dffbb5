"""The mean energy of the population posterior, ⟨nK⟩_n = λ − (m−1)/log n + …, seen by many chains at once."""

from collections.abc import Sequence

import torch

from ...theory import _check
from ...theory.estimate import Estimate
from ...theory.learning.network import Truth
from .sampler import Posterior, true_layers

MEMORY = 2**25  # numbers that one block of chains may hold at once, about 256 MB of float64
REACH = {torch.float32: 1e10, torch.float64: 1e12}  # n s² up to which the sampler was seen to hold

BROKEN = "the chains broke down: take a smaller n, float64, or true weights nearer to order 1"


def estimate_energy(
    truth: Truth,
    n: float,
    *,
    sweeps: int = 400,
    chains: int = 256,
    warmup: int = 50,
    prior_scale: float = 1.0,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
) -> Estimate:
    r"""Estimate ⟨nK⟩_n, the mean of nK under the noise-free posterior ∝ exp(−nK(w)) N(w; 0, s²).

    .. math:: \langle nK \rangle_n = \lambda - \frac{m-1}{\log n} + O\Big(\frac{m-1}{\log^2 n}\Big)

    plus a power of 1/n.  The average is over the smoothed energies of `Posterior.sweep`; the error is that of the mean
    of `chains` independent chains, whatever the correlation within each.

    Parameters
    ----------
    truth : Truth
        The network, its observed units and the true weights.
    n : float
        The sample size in front of K, n > 0 and n s² <= 1e12 (float32: 1e10).
    sweeps, chains, warmup : int
        Sweeps kept of each chain, >= 1; chains, >= 2; sweeps thrown away first.  Chains start near the truth, with the
        null directions opened (`Posterior.start`).
    prior_scale : float
        s > 0, the prior's standard deviation.
    generator : torch.Generator, optional
        Of the device of the chains; by default torch's own.
    device : optional
        By default that of the generator, else torch's default.
    dtype : float64 or float32
        float32 keeps weights and signals in float32 and still factorises in float64.  At six truths of (3, 4, 3),
        rank 1, λ = 9/2, whose targets are no float32 numbers, it agreed with float64 within the error of the
        comparison, 0.0008 at two standard errors, for n from 1e4 to 1e10; it was 0.003 low at 1e11 and broke down
        past that.

    Returns
    -------
    Estimate
        `effective` is the number of independent smoothed energies of the same error.

    Raises ValueError for an n out of reach, another dtype or counts below their minimum, and ArithmeticError when the
    chains break down, which true weights far from order 1 can bring about within that reach.

    Source: docs/learning, section 8.  The twin of sim.learning; the same posterior.
    """
    return estimate_energies(
        [truth],
        [n],
        sweeps=sweeps,
        chains=chains,
        warmup=warmup,
        prior_scale=prior_scale,
        generator=generator,
        device=device,
        dtype=dtype,
    )[0]


def estimate_energies(
    truths: Sequence[Truth],
    ns: Sequence[float],
    *,
    sweeps: int = 400,
    chains: int = 256,
    warmup: int = 50,
    prior_scale: float = 1.0,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
) -> tuple[Estimate, ...]:
    """`estimate_energy` for several truths of one network, each with its own n, all in one batch.

    A ladder in n is the same truth several times.  The chains are taken in blocks that fit the memory.
    """
    _check.integer("sweeps", sweeps, 1)
    _check.integer("chains", chains, 2)
    _check.integer("warmup", warmup, 0)
    if dtype not in REACH:
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    if device is None:
        device = generator.device if generator is not None else torch.get_default_device()
    posterior = Posterior.of_population(truths, ns, prior_scale=prior_scale, device=device, dtype=dtype)
    if max(ns) * prior_scale**2 > REACH[dtype]:
        raise ValueError(f"n·prior_scale² must be <= {REACH[dtype]:g} in {dtype}, got {max(ns) * prior_scale**2:g}")
    layers = true_layers(truths, device=device, dtype=dtype)
    try:
        return _run(posterior, layers, sweeps, chains, warmup, generator)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        raise ArithmeticError(BROKEN) from None


def _run(
    posterior: Posterior,
    layers: list[torch.Tensor],
    sweeps: int,
    chains: int,
    warmup: int,
    generator: torch.Generator | None,
) -> tuple[Estimate, ...]:
    block = max(1, MEMORY // _numbers_a_chain(posterior))
    means, squares = [], []  # of each chain over its sweeps
    with torch.inference_mode():
        for first in range(0, chains, block):
            W = posterior.start(min(block, chains - first), layers, generator)
            for _ in range(warmup):
                W, _ = posterior.sweep(W, generator)
            total = torch.zeros(W[0].shape[:2], dtype=torch.float64, device=W[0].device)
            square = torch.zeros_like(total)
            for _ in range(sweeps):
                W, smooth = posterior.sweep(W, generator)
                total += smooth
                square += smooth.double() ** 2
            means.append(total / sweeps)
            squares.append(square / sweeps)
    if not torch.cat(means, 1).isfinite().all():
        raise ArithmeticError(BROKEN)
    mean, error = torch.cat(means, 1).mean(1), torch.cat(means, 1).std(1) / chains**0.5
    effective = (torch.cat(squares, 1).mean(1) - mean**2) / error**2
    draws, method = sweeps * chains, f"blocked Gibbs and symmetry moves, torch, {chains} chains"
    numbers = zip(mean.tolist(), error.tolist(), effective.clamp_max(draws).tolist(), strict=True)
    return tuple(Estimate(m, e, draws, worth, method) for m, e, worth in numbers)


def _numbers_a_chain(posterior: Posterior) -> int:
    """How many numbers one chain of every case holds at the height of a sweep: mostly factors of a layer's blocks."""
    widths = posterior.network.widths
    layers = zip(widths[1:], widths, strict=False)
    return posterior.cases * sum(4 * b * a * a + 4 * b * b + 6 * a * widths[0] for a, b in layers)
