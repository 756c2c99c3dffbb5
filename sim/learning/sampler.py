"""Exact blocked Gibbs sampling of linear networks: every layer given the others, then the symmetries."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...theory import _check
from ...theory.learning.network import Layers, LinearNetwork
from . import _kernels
from .posterior import Posterior

Floats = NDArray[np.float64]

GROUP = 64  # chains that advance together; more only spill the cache
BLOCK = 1 << 16  # random numbers drawn at a time, half a megabyte; a part of what a seed means, as is GROUP
ANNEALING = 0.5  # the share of the warm-up during which the temperature falls from the prior's
LARGEST = 1e12  # β times the squared scales of design and prior: above it float64 cannot factor every precision
LOST = "the sampler lost its precision: beta, prior_scale or the truth must be smaller"


@dataclass(frozen=True)
class Chains:
    """What the chains saw, the temperatures first.

    Attributes
    ----------
    beta : (B,)
        Inverse temperatures.
    energy : (B, chains, sweeps)
        β E(w) before each sweep, without the posterior's constant.
    layer_energy : (B, L, chains, sweeps)
        E[β E | all layers but one] as each layer is drawn: the same mean as `energy`, less variance (Rao-Blackwell).
    weights : tuple of (B, chains, kept, h_l, h_{l−1})
        Every `thin`-th draw, in the coordinates of the data; kept may be 0.
    """

    beta: NDArray[np.float64]
    energy: NDArray[np.float64]
    layer_energy: NDArray[np.float64]
    weights: Layers


def sample(
    posterior: Posterior,
    beta: ArrayLike,
    *,
    rng: np.random.Generator,
    sweeps: int,
    chains: int = 32,
    warmup: int = 200,
    thin: int = 0,
) -> Chains:
    """Run chains of the posterior at one or several inverse temperatures.

    One sweep draws each layer exactly from its Gaussian conditional, then moves along the symmetries that leave the
    likelihood alone: shears and rescalings of unobserved units, drawn from their exact conditionals too
    (docs/learning, section 8).  All temperatures are driven by the same random numbers, so that their difference is
    known better than their values.

    Parameters
    ----------
    posterior : Posterior
    beta : float or (B,)
        > 0; n for a population posterior, 1 for the Bayes posterior of data.
    rng : Generator
    sweeps, chains, warmup : int
        Recorded sweeps per chain, independent chains, sweeps discarded before.
    thin : int
        Keep the weights of every `thin`-th recorded sweep; 0 keeps none.

    Raises ValueError for β·s²·max(1, max design²) > 1e12, where float64 may no longer hold the precision matrices.
    """
    betas = np.atleast_1d(_check.above("beta", beta, 0.0))
    if betas.ndim != 1 or not betas.size:
        raise ValueError(f"beta must be a number or one-dimensional and not empty, got shape {betas.shape}")
    _check.integer("sweeps", sweeps, 1)
    _check.integer("chains", chains, 1)
    _check.integer("warmup", warmup, 0)
    _check.integer("thin", thin, 0)
    stiffness = betas.max() * posterior.prior_scale**2 * max(1.0, float(posterior.design.max()) ** 2)
    if stiffness > LARGEST:
        raise ValueError(f"beta * prior_scale^2 * max design^2 must be <= {LARGEST:g}, got {stiffness:.3g}")
    sizes = [min(GROUP, chains - start) for start in range(0, chains, GROUP)]
    parts = [
        _run_group(posterior, betas, stream, sweeps, size, warmup, thin)
        for size, stream in zip(sizes, rng.spawn(len(sizes)), strict=True)
    ]
    weights = tuple(np.concatenate([part.weights[k] for part in parts], 1) for k in range(posterior.network.depth))
    return Chains(
        betas,
        np.concatenate([part.energy for part in parts], 1),
        np.concatenate([part.layer_energy for part in parts], 2),
        weights,
    )


def _run_group(
    posterior: Posterior,
    betas: NDArray[np.float64],
    rng: np.random.Generator,
    sweeps: int,
    chains: int,
    warmup: int,
    thin: int,
) -> Chains:
    """The chains of one group, which share their arrays: anneal from the prior, forget, record."""
    network = posterior.network
    widths, observed = np.array(network.widths), np.array(network.observed)
    normals, uniforms = random_numbers(network)
    T = np.zeros((network.depth, int(widths.max()), network.widths[0], chains))
    for k, target in enumerate(posterior.targets):
        T[k, : target.shape[0]] = target[..., None]
    design = np.repeat(posterior.design[:, None], chains, axis=1)
    shared = bool((posterior.design == posterior.design[0]).all())
    start = _prior_draw(posterior, rng, chains)
    W = [start, *(start.copy() for _ in betas[1:])]

    def advance(count: int, hot: Floats, keep: bool) -> list[tuple[Floats, Floats, Floats]]:
        z, u = rng.standard_normal((count, normals, chains)), rng.random((count, uniforms, chains))
        out: list[tuple[Floats, Floats, Floats]] = []
        for weights, beta in zip(W, hot, strict=True):
            raw, mean = np.empty((count, chains)), np.empty((count, network.depth, chains))
            draws = np.empty((count if keep else 0, *weights.shape))
            lanes = np.full(chains, beta)
            _kernels.sweeps(
                weights, widths, observed, design, T, lanes, posterior.prior_scale**-2, shared, z, u, raw, mean, draws
            )
            out.append((raw, mean, draws))
        return out

    rows = max(1, BLOCK // ((normals + uniforms) * chains))
    for count, hot, hotter in _annealing(posterior, betas, warmup, rows):
        seen = advance(count, hot, keep=False)
        if not all(np.isfinite(raw).all() for raw, _, _ in seen):
            raise FloatingPointError(LOST)  # here: resampling would hide the chain that was lost
        if (hotter < hot).any():
            comb = (rng.random() + np.arange(chains)) / chains
            for weights, (raw, _, _), now, before in zip(W, seen, hot, hotter, strict=True):
                chosen = _survivors(raw[-1] * (1.0 - before / now), comb)
                for part, (b, a) in zip(weights, pairwise(network.widths), strict=True):  # the rest is padding
                    part[:a, :b] = part[:a, :b, chosen]
    energy = np.empty((betas.size, chains, sweeps))
    layer = np.empty((betas.size, network.depth, chains, sweeps))
    kept: list[list[NDArray[np.float64]]] = [[] for _ in betas]
    for done in range(0, sweeps, rows):
        count = min(rows, sweeps - done)
        for b, (raw, mean, draws) in enumerate(advance(count, betas, keep=thin > 0)):
            energy[b, :, done : done + count] = raw.T
            layer[b, :, :, done : done + count] = np.moveaxis(mean, 0, -1)
            if thin:
                kept[b].append(draws[(-done) % thin :: thin].copy())
    if not np.isfinite(energy).all():
        raise FloatingPointError(LOST)
    return Chains(betas, energy, layer, _unpack(posterior, kept, chains))


def random_numbers(network: LinearNetwork) -> tuple[int, int]:
    """Normals and uniforms that one sweep of one chain takes: layers, shears and rescalings, a coin a hidden layer."""
    widths, observed = np.array(network.widths), np.array(network.observed)
    units, seen = widths[1:-1], observed[:-1]
    free = units - seen
    normals = network.parameters + int((free * (units - 1) + seen * units).sum())
    return normals, int((3 * free + seen).sum()) + network.depth - 1


def _annealing(posterior: Posterior, betas: Floats, warmup: int, rows: int) -> Iterator[tuple[int, Floats, Floats]]:
    """Sweeps of each block of the warm-up, its inverse temperatures and those of the block before."""
    stiffness = np.maximum(1.0, betas * max(1.0, float(posterior.design.max()) ** 2))
    before, done = betas / stiffness, 0
    while done < warmup:
        count = min(rows, warmup - done, max(1, warmup // 50))
        done += count
        now = betas * stiffness ** (min(1.0, done / (ANNEALING * warmup)) - 1.0)
        yield count, now, before
        before = now


def _survivors(cost: Floats, comb: Floats) -> NDArray[np.intp]:
    """Which chains go on after a fall of temperature: systematic resampling with weights exp(−cost).

    A chain that stays behind in a basin of higher energy is replaced, as in sequential Monte Carlo; this happens in the
    warm-up alone, so that it only chooses where the chains start.
    """
    weights = np.exp(cost.min() - cost)
    return np.minimum(np.searchsorted(np.cumsum(weights) / weights.sum(), comb), cost.size - 1)


def _prior_draw(posterior: Posterior, rng: np.random.Generator, chains: int) -> NDArray[np.float64]:
    """Weights of all chains from the prior, in the kernels' padded layout (layer, row, column, chain)."""
    widths = posterior.network.widths
    out = np.zeros((len(widths) - 1, max(widths), max(widths), chains))
    for k, (b, a) in enumerate(pairwise(widths)):
        out[k, :a, :b] = posterior.prior_scale * rng.standard_normal((a, b, chains))
    return out


def _unpack(posterior: Posterior, kept: list[list[NDArray[np.float64]]], chains: int) -> Layers:
    """The kept draws, a layer an array, with the first layer rotated back into the coordinates of the data."""
    widths = posterior.network.widths
    layers = []
    for k, (b, a) in enumerate(pairwise(widths)):
        draws = [np.concatenate([d[:, k, :a, :b] for d in per] or [np.empty((0, a, b, chains))]) for per in kept]
        out = np.ascontiguousarray(np.moveaxis(np.stack(draws), -1, 1))
        layers.append(out @ posterior.rotation.T if k == 0 and posterior.samples else out)
    return tuple(layers)
