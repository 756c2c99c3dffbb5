"""The LSTM and GRU nodes of an ONNX graph as a state_dict: torch's names, torch's order of the gates."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from .words import WrongWords

Array = NDArray[np.float64]

GATES = {"LSTM": "iofc", "GRU": "zrh"}  # of ONNX
ORDER = {"LSTM": "ifco", "GRU": "rzh"}  # of torch, c and h being its g and n
USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
PASSING = ("Squeeze", "Unsqueeze", "Transpose", "Reshape", "Identity", "Dropout", "Cast", "Flatten")


def onnx_weights(file: Path) -> dict[str, Array]:
    """Weights of every recurrent node as name.weight_ih_l0 and so on, and of Gemm and MatMul nodes as name.weight.

    Nodes that follow one another, with nothing but reshaping between them, are the layers l0, l1, … of the first.

    Raises WrongWords for a file that is no ONNX model, NotImplementedError for what the theory does not cover.
    """
    try:
        model = onnx.load(file)
    except Exception as error:  # of protobuf or of onnx: there is no common class
        raise WrongWords(
            f"{file}: must be a whole ONNX model with its weights, got {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None
    graph = _Graph(model.graph)
    recurrent = [node for node in model.graph.node if node.op_type in GATES]
    if not recurrent:
        found = sorted({node.op_type for node in model.graph.node})
        raise WrongWords(f"{file}: must hold an LSTM or a GRU node, got {', '.join(found) or 'no node'}")
    out: dict[str, Array] = {}
    places: dict[str, tuple[str, int]] = {}
    for number, node in enumerate(recurrent):
        before = graph.recurrent_source(node.input[0])
        name, layer = node.name or f"{node.op_type.lower()}{number}", 0
        if before is not None and before.output[0] in places:
            name, layer = places[before.output[0]][0], places[before.output[0]][1] + 1
        places[node.output[0]] = (name, layer)
        out |= {f"{name}.{part}_l{layer}": value for part, value in graph.recurrent_weights(node)}
    return out | dict(graph.linear())


class _Graph:
    """What is stored in a graph, and what computes what."""

    def __init__(self, graph: Any) -> None:
        self.nodes = list(graph.node)
        self.makers = {name: node for node in self.nodes for name in node.output if name}
        self.stored = {tensor.name: tensor for tensor in graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self.stored[node.output[0]] = attribute.t

    def array(self, name: str) -> Array | None:
        """A stored tensor, None where it is computed or given from outside."""
        while name not in self.stored and name in self.makers and self.makers[name].op_type == "Identity":
            name = self.makers[name].input[0]
        return np.asarray(numpy_helper.to_array(self.stored[name]), dtype=float) if name in self.stored else None

    def recurrent_source(self, name: str) -> Any:
        """The recurrent node whose outputs these are, but for their shape."""
        while name in self.makers:
            node = self.makers[name]
            if node.op_type in GATES:
                return node if name == node.output[0] else None
            if node.op_type not in PASSING:
                return None
            name = node.input[0]
        return None

    def recurrent_weights(self, node: Any) -> Iterator[tuple[str, Array]]:
        """The parts of one layer, after a look at what torch does not have."""
        kind, label = node.op_type, f"the {node.op_type} node {node.name or node.output[0]!r}"
        _check_attributes(node, label)
        given = [*node.input, *[""] * (8 - len(node.input))]
        for place, name in ((5, "initial_h"), (6, "initial_c"), (7, "peepholes")):
            value = self.array(given[place]) if given[place] and (kind == "LSTM" or place == 5) else None
            if value is not None and value.any():
                raise NotImplementedError(f"{name} of {label} must be zero, got other values")
        W, R = (self.array(given[place]) for place in (1, 2))
        if W is None or R is None or W.ndim != 3 or R.ndim != 3:
            raise ValueError(f"W and R of {label} must be stored in the file, (1, gates, columns), got none such")
        B = self.array(given[3]) if given[3] else np.zeros((1, 2 * W.shape[1]))
        if B is None or B.shape != (1, 2 * W.shape[1]):
            raise ValueError(f"B of {label} must be stored in the file, (1, {2 * W.shape[1]}), got none such")
        first, second = np.split(B[0], 2)
        parts = {"weight_ih": W[0], "weight_hh": R[0], "bias_ih": first, "bias_hh": second}
        if any(len(value) % len(GATES[kind]) for value in parts.values()):
            raise ValueError(f"W, R and B of {label} must hold {len(GATES[kind])} gates, got {W.shape[1]} rows")
        for part, value in parts.items():
            gates = dict(zip(GATES[kind], np.split(value, len(GATES[kind])), strict=True))
            yield part, np.concatenate([gates[gate] for gate in ORDER[kind]])

    def linear(self) -> Iterator[tuple[str, Array]]:
        """name.weight (p, n) and name.bias of the nodes that could read y from h."""
        users = {name: node for node in self.nodes for name in node.input}
        for number, node in enumerate(self.nodes):
            name = node.name or f"{node.op_type.lower()}{number}"
            weight = self.array(node.input[1]) if node.op_type in ("Gemm", "MatMul") else None
            if weight is None or weight.ndim != 2:
                continue
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            bias = None
            if node.op_type == "Gemm":
                if attributes.get("transA", 0):
                    continue
                weight = attributes.get("alpha", 1.0) * (weight if attributes.get("transB", 0) else weight.T)
                if len(node.input) > 2:
                    bias = self.array(node.input[2])
                    bias = None if bias is None else attributes.get("beta", 1.0) * bias
            else:
                weight, after = weight.T, users.get(node.output[0])
                if after is not None and after.op_type == "Add":
                    bias = self.array(next(other for other in after.input if other != node.output[0]))
            yield f"{name}.weight", weight
            if bias is not None and bias.size == len(weight):
                yield f"{name}.bias", bias.reshape(-1)


def _check_attributes(node: Any, label: str) -> None:
    """Raise NotImplementedError for what the theory does not cover."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    direction = attributes.get("direction", b"forward").decode()
    if direction != "forward":
        raise NotImplementedError(f"{label} must run forward, got {direction}: a layer that reads the future")
    if node.op_type == "GRU" and not attributes.get("linear_before_reset", 0):
        raise NotImplementedError(f"{label} must have linear_before_reset = 1, as torch, got 0")
    if attributes.get("clip") or attributes.get("input_forget"):
        raise NotImplementedError(f"{label} must have neither clip nor input_forget, got one of them")
    usual = USUAL[node.op_type]
    names = [name.decode() for name in attributes.get("activations", [])] or usual
    if names != usual:
        raise NotImplementedError(f"{label} must have the activations {', '.join(usual)}, got {', '.join(names)}")
