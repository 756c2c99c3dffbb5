"""A linear network, which of its units are observed, and a truth of stated ranks: what a simulation needs to know."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .concept_bottleneck import concept_bottleneck
from .deep_linear import deep_linear
from .observed_chain import observed_chain
from .partial_concept_bottleneck import partial_concept_bottleneck
from .reduced_rank import reduced_rank

Layers = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class LinearNetwork:
    """A chain W_L … W_1 of linear layers without biases, and how many units of each layer are observed.

    Attributes
    ----------
    widths : (L+1,) ints
        h_0 (input) … h_L (output).
    observed : (L,) ints
        How many units of layers 1..L are observed, always the last ones of the layer; all of layer L.

    Every observed unit carries unit Gaussian noise, so that for targets T_l the energy is
    K(w) = ½ Σ_l ‖(W_l … W_1)[observed rows] − T_l‖².
    """

    widths: tuple[int, ...]
    observed: tuple[int, ...]

    def __post_init__(self) -> None:
        widths = _check.integers("widths", self.widths, 1, 2)
        observed = _check.integers("observed", self.observed, 0, 1)
        if len(observed) != len(widths) - 1:
            raise ValueError(f"observed must have one entry per layer = {len(widths) - 1}, got {len(observed)}")
        for layer, (seen, width) in enumerate(zip(observed, widths[1:], strict=True), start=1):
            _check.integer(f"observed[{layer - 1}]", seen, 0, width, f"the width of layer {layer} = {width}")
        if observed[-1] != widths[-1]:
            raise ValueError(f"observed must count all {widths[-1]} units of the output layer, got {observed[-1]}")
        object.__setattr__(self, "widths", widths)
        object.__setattr__(self, "observed", observed)

    @property
    def depth(self) -> int:
        """L, the number of layers."""
        return len(self.observed)

    @property
    def parameters(self) -> int:
        """d, the number of weights."""
        return sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    def targets(self, layers: Sequence[ArrayLike]) -> Layers:
        """What the observed units compute at the weights `layers`: for each layer (observed, inputs)."""
        product = np.eye(self.widths[0])
        out = []
        for weights, seen in zip(self.checked(layers), self.observed, strict=True):
            product = weights @ product
            out.append(product[product.shape[0] - seen :])
        return tuple(out)

    def checked(self, layers: Sequence[ArrayLike]) -> Layers:
        """`layers` as finite float64 matrices of this network's shapes, (h_l, h_{l−1})."""
        if len(layers) != self.depth:
            raise ValueError(f"layers must hold {self.depth} matrices, got {len(layers)}")
        return tuple(_check.matrix(f"layers[{i}]", w, self.widths[i + 1], self.widths[i]) for i, w in enumerate(layers))


@dataclass(frozen=True, eq=False)
class Truth:
    """A network together with true weights: the point at which a learning coefficient is taken."""

    network: LinearNetwork
    layers: Layers

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", self.network.checked(self.layers))

    @property
    def targets(self) -> Layers:
        """What the observed units compute at the truth."""
        return self.network.targets(self.layers)


def reduced_rank_truth(outputs: int, hidden: int, inputs: int, rank: int) -> Truth:
    """A truth of `reduced_rank` with all nonzero singular values 1; raises as `reduced_rank` does."""
    reduced_rank(outputs, hidden, inputs, rank)
    return deep_linear_truth((inputs, hidden, outputs), rank)


def deep_linear_truth(widths: Sequence[int], rank: int) -> Truth:
    """A truth of `deep_linear` with all nonzero singular values 1; raises as `deep_linear` does."""
    deep_linear(widths, rank)
    return observed_chain_truth(widths, [len(widths) - 1], [rank])


def concept_bottleneck_truth(outputs: int, concepts: int, inputs: int, concept_rank: int | None = None) -> Truth:
    """A truth of `concept_bottleneck` with rank(B*) = concept_rank; raises as `concept_bottleneck` does."""
    concept_bottleneck(outputs, concepts, inputs, concept_rank)
    rank = min(concepts, inputs) if concept_rank is None else concept_rank
    return partial_concept_bottleneck_truth(outputs, 0, concepts, inputs, rank, 0)


def partial_concept_bottleneck_truth(
    outputs: int, hidden: int, concepts: int, inputs: int, concept_rank: int, residual_rank: int
) -> Truth:
    """A truth of `partial_concept_bottleneck`; the output uses the concepts as far as it has room.

    Raises as `partial_concept_bottleneck` does, and ValueError for a network without hidden units.
    """
    partial_concept_bottleneck(outputs, hidden, concepts, inputs, concept_rank, residual_rank)
    free = _partial_identity(hidden, inputs, residual_rank, first_column=concept_rank)
    seen = _partial_identity(concepts, inputs, concept_rank)
    A = np.hstack([_partial_identity(outputs, hidden, residual_rank), np.eye(outputs, concepts)])
    network = LinearNetwork((inputs, hidden + concepts, outputs), (concepts, outputs))
    return Truth(network, (np.vstack([free, seen]), A))


def observed_chain_truth(widths: Sequence[int], observed: Sequence[int], ranks: Sequence[int]) -> Truth:
    """A truth of `observed_chain` with all nonzero singular values 1; raises as `observed_chain` does."""
    observed_chain(widths, observed, ranks)
    seen = tuple(w if layer in observed else 0 for layer, w in enumerate(widths[1:], start=1))
    network = LinearNetwork(tuple(widths), seen)
    layers = []
    for layer in range(1, len(widths)):
        # the rank that this layer must pass on is that of the next observed layer
        rank = next(r for o, r in zip(observed, ranks, strict=True) if o >= layer)
        layers.append(_partial_identity(widths[layer], widths[layer - 1], rank))
    return Truth(network, tuple(layers))


def _partial_identity(rows: int, columns: int, rank: int, first_column: int = 0) -> NDArray[np.float64]:
    """`rank` ones on a diagonal that starts at (0, first_column), zero elsewhere."""
    out = np.zeros((rows, columns))
    index = np.arange(rank)
    out[index, index + first_column] = 1.0
    return out
