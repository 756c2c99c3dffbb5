"""Chains that stay in place are the chains of `Posterior.sweep`, and nothing in a recorded sweep looks at a value.

What a recording needs is tested without a device: which operations a sweep is made of, and with a stand-in for
torch.cuda that runs what it records.  The last test is the real thing and needs a GPU.
"""

from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lemmata.accel.learning import Chains, Posterior, draw_data, true_layers
from lemmata.accel.learning.captured import WARMUP
from lemmata.theory.learning.network import (
    deep_linear_truth,
    observed_chain_truth,
    partial_concept_bottleneck_truth,
    reduced_rank_truth,
)

torch.set_num_threads(1)

TWO_LAYERS = [reduced_rank_truth(5, 4, 6, 2), partial_concept_bottleneck_truth(3, 2, 2, 5, 1, 1)]
DEEPER = [deep_linear_truth([3, 2, 4, 2], 1), observed_chain_truth([4, 3, 3, 2, 3], [2, 4], (2, 1))]


def seeded(seed, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def started(truth, dtype=torch.float64, device="cpu", chains=7):
    """A posterior at two n, and weights to start from."""
    posterior = Posterior.of_population([truth] * 2, [1e3, 1e7], dtype=dtype, device=device)
    layers = true_layers([truth] * 2, dtype=dtype, device=device)
    return posterior, posterior.start(chains, layers, seeded(1, device))


def of_data():
    """A posterior with a design."""
    import numpy as np

    truth = reduced_rank_truth(2, 2, 3, 1)
    posterior = Posterior.of_data(truth.network, *draw_data(truth, 40, np.random.default_rng(2)), [40.0, 400.0])
    return posterior, posterior.start(7, true_layers([truth] * 2), seeded(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("truth", [*TWO_LAYERS, *DEEPER], ids=lambda truth: str(truth.network.widths))
def test_chains_are_those_of_single_sweeps_to_the_last_bit(truth, dtype):
    posterior, start = started(truth, dtype)
    chains, generator = Chains(posterior, start, seeded(3)), seeded(3)
    W, total = start, torch.zeros(2, 7, dtype=torch.float64)
    for sweeps in (1, 4):  # what a second run goes on from is what the first one left
        seen, total = chains.run(sweeps), torch.zeros_like(total)
        for _ in range(sweeps):
            W, smooth = posterior.sweep(W, generator)
            total += smooth
        assert torch.equal(seen, total / sweeps)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(chains.layers, W, strict=True))
    assert not chains.captured


def test_the_start_is_left_as_it_was():
    posterior, start = started(TWO_LAYERS[0])
    kept = [layer.clone() for layer in start]
    chains = Chains(posterior, start, seeded(3))
    places = [layer.data_ptr() for layer in chains.layers]
    chains.run(2)
    assert all(torch.equal(layer, before) for layer, before in zip(start, kept, strict=True))
    assert places == [layer.data_ptr() for layer in chains.layers]


WAITING = {
    "aten::_local_scalar_dense",  # .item()
    "aten::is_nonzero",
    "aten::nonzero",
    "aten::masked_select",
    "aten::index",  # x[mask]; by whole numbers it would not wait, but no sweep needs it
    "aten::index_put_",
    "aten::lift_fresh",  # torch.tensor([...]): made on the host and sent
    "aten::scalar_tensor",  # a number where a tensor is wanted
    "aten::_linalg_eigh",  # looks at its own outcome
    "aten::_linalg_check_errors",
    "aten::_linalg_svd",
    "aten::linalg_cholesky",
}


class Operations(TorchDispatchMode):
    """The names of all operations that tensors go through."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.add(function.name().partition(".")[0])
        return function(*arguments, **(keywords or {}))


def operations(posterior, layers):
    with Operations() as seen, torch.no_grad():
        Chains(posterior, layers, seeded(3)).run(1)
    return seen.names


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("truth", TWO_LAYERS, ids=lambda truth: str(truth.network.widths))
def test_a_sweep_of_two_layers_sends_nothing_and_waits_for_nothing(truth, dtype):
    posterior, start = started(truth, dtype)
    assert not posterior.waits
    names = operations(posterior, start)
    assert "aten::linalg_cholesky_ex" in names
    assert not names & WAITING


@pytest.mark.parametrize(
    "case", [started(DEEPER[0]), started(DEEPER[1]), of_data()], ids=["deep", "observed", "design"]
)
def test_a_posterior_says_where_its_sweeps_wait(case):
    posterior, start = case
    assert posterior.waits
    assert operations(posterior, start) & WAITING == {"aten::_linalg_eigh"}


def test_the_list_of_waiting_operations_knows_the_usual_ones():
    with Operations() as seen:
        x = torch.tensor([1.0, 2.0])
        bool(x.sum() > 0), x[x > 1].sum().item(), torch.where(x > 1, 0.0, x)
        x[x > 1] = x[:1]
    usual = {"aten::lift_fresh", "aten::_local_scalar_dense", "aten::scalar_tensor", "aten::index", "aten::index_put_"}
    assert usual <= seen.names


def test_no_tensor_of_a_sweep_is_made_on_another_device():
    """On the meta device any operation with a tensor made elsewhere, or that looks at a value, fails."""
    truth = TWO_LAYERS[0]
    posterior = Posterior.of_population([truth], [1e3], device="meta")
    start = [torch.zeros(1, 7, *layer.shape, dtype=torch.float64, device="meta") for layer in truth.layers]
    assert Chains(posterior, start).run(2).device.type == "meta"


class Recorder:
    """A stand-in for torch.cuda on the CPU: a graph keeps the function that it recorded, and what came when."""

    def __init__(self, monkeypatch, chains, broken=False):
        self.events, self.chains, self.broken, self.warmed, recorder = [], chains, broken, None, self

        class Graph:
            def register_generator_state(self, generator):
                recorder.events.append(("registered", generator))

            def replay(self):
                chains._sweep()

        class Stream:
            def __init__(self, device=None):
                pass

            def wait_stream(self, other):
                recorder.events.append(("waited", None))

        @contextmanager
        def graph(recorded, *, stream):  # a real recording draws nothing and leaves every buffer alone
            assert stream is recorder.warmed
            state = chains.generator.get_state()
            recorder.events.append(("recording", None))
            if recorder.broken:
                raise RuntimeError("operation not permitted when stream is capturing")
            yield
            chains.generator.set_state(state)
            recorder.events.append(("recorded", None))

        @contextmanager
        def within(stream):
            recorder.warmed = stream
            yield

        self.current = Stream()
        stand_ins = {"CUDAGraph": Graph, "Stream": Stream, "graph": graph, "stream": within}
        stand_ins |= {"device": nullcontext, "current_stream": lambda: self.current, "current_device": lambda: 0}
        stand_ins["set_stream"] = lambda stream: self.events.append(("back", stream))
        stand_ins["default_generators"] = [None]
        for name, value in stand_ins.items():
            monkeypatch.setattr(torch.cuda, name, value)
        sweep = type(chains)._sweep
        monkeypatch.setattr(chains, "_sweep", lambda: (self.events.append(("swept", None)), sweep(chains)))


def test_a_recording_leaves_weights_and_generator_as_they_were(monkeypatch):
    posterior, start = started(TWO_LAYERS[0])
    plain, recorded = (Chains(posterior, start, seeded(3)) for _ in range(2))
    plain.run(2), recorded.run(2)  # buffers are not at the start any more
    before = [layer.clone() for layer in recorded.layers]
    recorder = Recorder(monkeypatch, recorded)
    recorded._graph = recorded._recorded()
    words = [word for word, _ in recorder.events]
    assert words == ["waited", *["swept"] * WARMUP, "waited", "registered", "recording", "swept", "recorded", "back"]
    assert ("registered", recorded.generator) in recorder.events
    assert all(torch.equal(layer, old) for layer, old in zip(recorded.layers, before, strict=True))
    assert torch.equal(recorded.run(3), plain.run(3))


def test_a_recording_that_fails_leaves_the_stream_that_was_current(monkeypatch):
    posterior, start = started(TWO_LAYERS[0])
    chains = Chains(posterior, start, seeded(3))
    recorder = Recorder(monkeypatch, chains, broken=True)
    with pytest.raises(RuntimeError, match="not permitted"):
        chains._recorded()
    assert recorder.events[-1] == ("back", recorder.current)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("capture must be False or None for chains on cpu, got True", lambda p, w: Chains(p, w, capture=True)),
        ("layers must hold 2 tensors, got 1", lambda p, w: Chains(p, w[:1])),
        (
            r"layers\[1\] must have shape \(2, chains, 5, 4\) with chains >= 1, got",
            lambda p, w: Chains(p, [w[0], w[0]]),
        ),
        (r"layers\[0\] must have shape .* got \(2, 0, 4, 6\)", lambda p, w: Chains(p, [x[:, :0] for x in w])),
        (
            "must be torch.float64 on cpu as the posterior, got torch.float32",
            lambda p, w: Chains(p, [x.float() for x in w]),
        ),
        ("sweeps must be >= 1, got 0", lambda p, w: Chains(p, w).run(0)),
    ],
)
def test_chains_refuse_what_does_not_fit_in_one_sentence(words, call):
    with pytest.raises(ValueError, match=words):
        call(*started(TWO_LAYERS[0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_recorded_chains_are_the_unrecorded_ones_to_the_last_bit(dtype):
    posterior, start = started(TWO_LAYERS[0], dtype, "cuda", chains=300)
    plain = Chains(posterior, start, seeded(3, "cuda"), capture=False)
    recorded = Chains(posterior, start, seeded(3, "cuda"), capture=True)
    assert recorded.captured
    assert not plain.captured
    for sweeps in (1, 20):
        assert torch.equal(recorded.run(sweeps), plain.run(sweeps))
    assert torch.equal(recorded.generator.get_state(), plain.generator.get_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_single_chain_can_be_recorded():
    posterior, start = started(TWO_LAYERS[0], device="cuda", chains=1)
    plain, recorded = (Chains(posterior, start, seeded(3, "cuda"), capture=capture) for capture in (False, True))
    assert torch.equal(recorded.run(5), plain.run(5))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_two_recordings_share_a_generator_as_two_plain_ones_do():
    posterior, start = started(TWO_LAYERS[0], device="cuda", chains=40)
    means = []
    for capture in (False, True):
        generator = seeded(3, "cuda")
        one, two = (Chains(posterior, start, generator, capture=capture) for _ in range(2))
        means.append([one.run(3), two.run(2), one.run(4)])
    assert all(torch.equal(plain, recorded) for plain, recorded in zip(*means, strict=True))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
def test_a_second_device_records_after_the_first():
    for device in ("cuda:0", "cuda:1"):
        posterior, start = started(TWO_LAYERS[0], device=device, chains=40)
        plain, recorded = (Chains(posterior, start, seeded(3, device), capture=capture) for capture in (False, True))
        assert torch.equal(recorded.run(3), plain.run(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_recorded_chains_find_the_energy_of_the_cpu():
    truth = TWO_LAYERS[0]
    means = []
    for device in ("cuda", "cpu"):
        posterior, start = started(truth, device=device, chains=256)
        chains = Chains(posterior, start, seeded(4, device))
        chains.run(30)
        means.append(chains.run(100).cpu())
    apart = (means[0].mean(1) - means[1].mean(1)).abs()
    error = ((means[0].var(1) + means[1].var(1)) / 256) ** 0.5
    assert (apart < 4.5 * error).all()  # a right program fails for one seed in 70 000
