"""Chains that stay in place: a sweep is recorded once as a CUDA graph and replayed, without a launch from Python."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...theory import _check
from .sampler import FINE, Posterior

WARMUP = 3  # sweeps that set up libraries and workspaces before the recording, as torch asks for; they leave no trace


class Chains:
    """The chains of a posterior from given weights on, swept again and again.

    Recorded or not, the same operations run in the same order on the same buffers, so that both draw the same numbers
    from a generator of the same state; nothing but the time differs.

    Parameters
    ----------
    posterior : Posterior
    layers : L tensors (cases, chains, h_l, h_{l−1})
        Where to start, as from `Posterior.start`; they are copied.
    generator : torch.Generator, optional
        Of the device of the chains; by default torch's own.  A recorded one must not be used while `run` is under way.
    capture : bool, optional
        Whether to record; by default on a CUDA device wherever a sweep never waits (`Posterior.waits`).

    Attributes
    ----------
    layers : L tensors (cases, chains, h_l, h_{l−1})
        The weights after the last sweep; clone what is to be kept.
    captured : bool

    Building takes the time of a few sweeps and, recorded, keeps the memory of one.  Raises ValueError for layers of
    another shape, dtype or device than the posterior's, and where `capture` is asked for but not possible.

    Source: docs/learning, section 8.

    >>> from ...theory.learning.network import reduced_rank_truth
    >>> from .sampler import true_layers
    >>> truth, generator = reduced_rank_truth(2, 1, 2, 0), torch.Generator().manual_seed(0)
    >>> posterior = Posterior.of_population([truth], [100.0])
    >>> chains = Chains(posterior, posterior.start(5, true_layers([truth]), generator), generator)
    >>> chains.run(10).shape, chains.captured
    (torch.Size([1, 5]), False)
    """

    def __init__(
        self,
        posterior: Posterior,
        layers: Sequence[Tensor],
        generator: torch.Generator | None = None,
        *,
        capture: bool | None = None,
    ) -> None:
        _fitting(posterior, layers)
        self.posterior, self.generator = posterior, generator
        self.layers = [layer.detach().clone() for layer in layers]
        self._total = torch.zeros(self.layers[0].shape[:2], dtype=FINE, device=self.layers[0].device)
        on_cuda = self._total.device.type == "cuda"
        if capture and not on_cuda:
            raise ValueError(f"capture must be False or None for chains on {self._total.device}, got True")
        if capture and posterior.waits:
            raise ValueError(
                "capture must be False or None for a posterior whose sweeps make the device wait, got True"
            )
        self.captured = on_cuda and not posterior.waits if capture is None else capture
        self._graph = self._recorded() if self.captured else None

    @torch.no_grad()
    def run(self, sweeps: int) -> Tensor:
        """Sweep on; the mean of each chain's smoothed energies (`Posterior.sweep`), (cases, chains), float64.

        The device need not wait.  Chains that broke down show as NaN.  Raises ValueError for fewer than one sweep.
        """
        count = _check.integer("sweeps", sweeps, 1)
        self._total.zero_()
        for _ in range(count):
            if self._graph is None:
                self._sweep()
            else:
                self._graph.replay()
        return self._total / count

    def _sweep(self) -> None:
        """The recorded part: buffers in, buffers out, and nothing that looks at a value."""
        fresh, smooth = self.posterior.sweep(self.layers, self.generator)
        for layer, weights in zip(self.layers, fresh, strict=True):
            layer.copy_(weights)
        self._total.add_(smooth)

    @torch.no_grad()
    def _recorded(self) -> torch.cuda.CUDAGraph:
        """The graph of one sweep; weights and generator are afterwards as they were before."""
        device = self._total.device
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device):
            own = torch.cuda.default_generators[torch.cuda.current_device()]
            generator = own if self.generator is None else self.generator
            state, weights = generator.get_state(), [layer.clone() for layer in self.layers]
            current = torch.cuda.current_stream()
            side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            side.wait_stream(current)
            try:
                with torch.cuda.stream(side):
                    for _ in range(WARMUP):
                        self._sweep()
                current.wait_stream(side)
                generator.set_state(state)
                if self.generator is not None:  # torch registers its own
                    graph.register_generator_state(self.generator)
                # left to itself torch records on a stream of the device that came first in the process
                with torch.cuda.graph(graph, stream=side):
                    self._sweep()
            finally:  # a recording that fails does not leave its stream by itself
                torch.cuda.set_stream(current)
            for layer, before in zip(self.layers, weights, strict=True):
                layer.copy_(before)
        return graph


def _fitting(posterior: Posterior, layers: Sequence[Tensor]) -> None:
    widths, like = posterior.network.widths, posterior.beta
    if len(layers) != posterior.network.depth:
        raise ValueError(f"layers must hold {posterior.network.depth} tensors, got {len(layers)}")
    chains = layers[0].shape[1] if layers[0].ndim == 4 else 0
    for k, (layer, rows, columns) in enumerate(zip(layers, widths[1:], widths, strict=False)):
        if tuple(layer.shape) != (posterior.cases, chains, rows, columns) or not chains:
            wanted = f"({posterior.cases}, chains, {rows}, {columns}) with chains >= 1"
            raise ValueError(f"layers[{k}] must have shape {wanted}, got {tuple(layer.shape)}")
        if (layer.dtype, layer.device) != (like.dtype, like.device):
            wanted, came = f"{like.dtype} on {like.device}", f"{layer.dtype} on {layer.device}"
            raise ValueError(f"layers[{k}] must be {wanted} as the posterior, got {came}")
