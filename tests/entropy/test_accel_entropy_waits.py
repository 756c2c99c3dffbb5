"""Draws never make a device wait, and the path that they take on a GPU draws the same points."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.utils._python_dispatch import TorchDispatchMode

from lemmata.accel.entropy import LabelSampler, OverlapSampler, RemainderSampler, TorchMixture
from lemmata.accel.entropy.label_sampler import MEMORY, points_at_a_time, working_memory
from lemmata.accel.entropy.pair_spectrum import ratios_and_axes
from lemmata.theory.entropy import GaussianMixture

SAMPLERS = [LabelSampler, OverlapSampler, RemainderSampler]
WAITING = {"aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero", "aten::lift_fresh", "aten::masked_select"}


def mixture(kind, dtype=torch.float64, components=6, dimension=4):
    rng = np.random.default_rng(1)
    means = rng.standard_normal((components, dimension))
    roots = rng.standard_normal((components, dimension, dimension)) * 0.4 + np.eye(dimension)
    covs = {"full": roots @ np.swapaxes(roots, 1, 2), "tied": roots[0] @ roots[0].T}
    covs |= {"diagonal": rng.uniform(0.5, 2.0, (components, dimension)), "spherical": rng.uniform(0.5, 2.0, components)}
    weights = np.arange(1, components + 1) / (components * (components + 1) / 2)
    return TorchMixture.from_mixture(GaussianMixture(weights, means, covs[kind], kind=kind), dtype=dtype)


class Operations(TorchDispatchMode):
    """The names of all operations that tensors go through."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.add(function.name().partition(".")[0])
        return function(*arguments, **(keywords or {}))


def refuse(*arguments, **keywords):
    raise AssertionError("a value went to the host")


def draw_without_waiting(drawn, monkeypatch):
    """The operations of a draw, in which no tensor may go to the host."""
    for name in ("tolist", "item", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    with Operations() as seen:
        drawn.draw(50, torch.Generator().manual_seed(2))
    return seen.names


@pytest.mark.parametrize("kind", ["full", "tied", "diagonal", "spherical"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_draw_on_a_gpu_sends_nothing_and_waits_for_nothing(sampler, kind, monkeypatch):
    monkeypatch.setattr(OverlapSampler, "_pair_by_pair", OverlapSampler._gathered)  # as on a GPU
    names = draw_without_waiting(sampler(mixture(kind)), monkeypatch)
    assert names
    assert not names & WAITING


def test_going_from_pair_to_pair_would_wait(monkeypatch):
    with pytest.raises(AssertionError, match="a value went to the host"):
        draw_without_waiting(OverlapSampler(mixture("full")), monkeypatch)


@pytest.mark.parametrize(("dtype", "room"), [(torch.float64, 1e-14), (torch.float32, 1e-5)])
def test_gathered_factors_and_those_of_pair_after_pair_draw_the_same_points(dtype, room):
    drawn = OverlapSampler(mixture("full", dtype))
    generator = torch.Generator().manual_seed(3)
    chosen = torch.randint(len(drawn.cumulative), (400,), generator=generator)
    normals = torch.randn(400, 4, dtype=dtype, generator=generator)
    seen = drawn._gathered(chosen, normals)  # the other one overwrites the normals
    assert_allclose(drawn._pair_by_pair(chosen, normals), seen, rtol=0, atol=room)  # four products of size 1


def test_memory_counts_the_gathered_factors_and_follows_the_device():
    full = mixture("full", dimension=20)
    plain, gathered = (points_at_a_time(full, 10**6, 15, gathered=which) for which in (False, True))
    assert gathered < plain
    assert gathered * 8 * 20 * 20 < 10**6
    assert points_at_a_time(mixture("diagonal"), 10**6, 15) == points_at_a_time(
        mixture("diagonal"), 10**6, 15, gathered=True
    )
    there = SimpleNamespace(device=torch.device("cuda"))
    assert working_memory(there, None) > working_memory(full, None) == MEMORY
    assert working_memory(there, 12) == working_memory(full, 12) == 12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("m", [20, 40])
def test_the_spectra_of_a_gpu_are_those_of_its_matrices(m):
    maps = torch.randn(30, m, m, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).cuda()
    ratios, axes = ratios_and_axes(maps)
    assert ratios.is_cuda
    eye = torch.eye(m, dtype=torch.float64).expand(30, m, m)
    assert_allclose((axes.mT @ axes).cpu(), eye, rtol=0, atol=1e-12)
    room = 1e-11 * m  # of eigenvalues up to 4 m
    assert_allclose((axes * ratios[:, None] @ axes.mT).cpu(), (maps @ maps.mT).cpu(), rtol=0, atol=room)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_draw_at_all_is_refused_in_a_sentence(sampler):
    with pytest.raises(ValueError, match="rounds must be >= 1, got 0"):
        sampler(mixture("full")).draw(0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_default_memory_on_a_cpu_is_what_it_says(sampler):
    seen = [sampler(mixture("full"), **given).chunk for given in ({}, {"memory": MEMORY})]
    assert seen[0] == seen[1]
