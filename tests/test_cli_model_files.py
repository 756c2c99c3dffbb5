"""`lemmata certify`: which files it reads, which of their layers, and what it refuses and never runs."""

import io
import math
import pickle
import sys
import warnings

import numpy as np
import pytest
import torch
from model_files import BISTABLE, BLOCKS, QUICK, Reader, tensors
from strict_json import strict


def refused(lemmata, *words):
    status, out, err = lemmata("certify", *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err


# ---- kinds of files


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU])
def test_safetensors_is_read_as_torch_is(lemmata, saved, tmp_path, kind):
    safetensors = pytest.importorskip("safetensors.torch")
    weights = Reader(layers=2, kind=kind).state_dict()
    safetensors.save_file(weights, tmp_path / "model.safetensors")
    words = ("--output", "head", "--json", "-", *QUICK)
    one = strict(lemmata("certify", saved(weights), *words)[1])
    two = strict(lemmata("certify", tmp_path / "model.safetensors", *words)[1])
    assert {**one, "file": ""} == {**two, "file": ""}
    cut = (tmp_path / "model.safetensors").read_bytes()[:100]
    (tmp_path / "cut.safetensors").write_bytes(cut)
    assert "cut.safetensors: must be a whole safetensors file" in refused(lemmata, tmp_path / "cut.safetensors")


def onnx_model(net, **changed):
    """The network as a chain of ONNX nodes, made by hand from the operators' definitions."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, type(net.memory).__name__
    order = [0, 3, 1, 2] if kind == "LSTM" else [1, 0, 2]  # i, o, f, c out of i, f, g, o; z, r, h out of r, z, n
    nodes, stored, passed = [], [], "x"

    def store(name, value):
        stored.append(onnx.numpy_helper.from_array(value.detach().numpy(), name))
        return name

    def turned(value):
        return torch.cat([value.chunk(len(order))[k] for k in order])

    for layer in range(net.memory.num_layers):
        W, R, first, second = (
            turned(getattr(net.memory, f"{part}_l{layer}")) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        inputs = [
            passed,
            store(f"W{layer}", W[None]),
            store(f"R{layer}", R[None]),
            store(f"B{layer}", torch.cat([first, second])[None]),
        ]
        more = {"hidden_size": R.shape[1], **({"linear_before_reset": 1} if kind == "GRU" else {}), **changed}
        nodes.append(helper.make_node(kind, inputs, [f"Y{layer}"], name=f"memory{layer}", **more))
        stored.append(helper.make_tensor(f"axis{layer}", onnx.TensorProto.INT64, [1], [1]))
        nodes.append(helper.make_node("Squeeze", [f"Y{layer}", f"axis{layer}"], [f"y{layer}"]))
        passed = f"y{layer}"
    transposed = store("C", net.head.weight.T)
    nodes.append(helper.make_node("MatMul", [passed, transposed], ["z"], name="head"))
    nodes.append(helper.make_node("Add", ["z", store("d", net.head.bias)], ["out"]))
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, None, 2])
    out = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [None, None, 1])
    graph = helper.make_graph(nodes, "net", [x], [out], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU])
@pytest.mark.parametrize("layers", [1, 2])
def test_onnx_is_read_as_torch_is(lemmata, saved, tmp_path, kind, layers):
    onnx, reference = pytest.importorskip("onnx"), pytest.importorskip("onnx.reference")
    net = Reader(layers, kind)
    model = onnx_model(net)
    x = torch.linspace(-2, 2, 24).reshape(12, 1, 2)
    (seen,) = reference.ReferenceEvaluator(model).run(None, {"x": x.numpy()})  # what ONNX means by its gates
    assert np.allclose(seen, net.head(net.memory(x)[0]).detach(), atol=1e-6)  # float32
    onnx.save(model, tmp_path / "model.onnx")
    words = ("--output", "head", "--json", "-", *QUICK)
    one = strict(lemmata("certify", saved(net.state_dict()), *words)[1])
    two = strict(lemmata("certify", tmp_path / "model.onnx", *words)[1])
    assert {**one, "file": ""} == {**two, "file": ""}


def test_a_network_exported_by_torch_is_read(lemmata, saved, tmp_path):
    pytest.importorskip("onnx")
    net = Reader().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without torch.export is old
        torch.onnx.export(net.memory, torch.zeros(5, 1, 2), tmp_path / "memory.onnx", dynamo=False)
    one = strict(lemmata("certify", saved(net.memory.state_dict()), "--json", "-", *QUICK)[1])
    two = strict(lemmata("certify", tmp_path / "memory.onnx", "--json", "-", *QUICK)[1])
    assert {**one, "file": ""} == {**two, "file": ""}


@pytest.mark.parametrize(
    ("kind", "changed", "said"),
    [
        (torch.nn.LSTM, {"direction": "reverse"}, "the LSTM node 'memory0' must run forward, got reverse"),
        (torch.nn.LSTM, {"clip": 3.0}, "must have neither clip nor input_forget"),
        (
            torch.nn.LSTM,
            {"activations": ["Sigmoid", "Relu", "Tanh"]},
            "activations Sigmoid, Tanh, Tanh, got Sigmoid, R",
        ),
        (torch.nn.GRU, {"linear_before_reset": 0}, "must have linear_before_reset = 1, as torch, got 0"),
    ],
)
def test_what_onnx_has_beyond_torch_is_refused(lemmata, tmp_path, kind, changed, said):
    onnx = pytest.importorskip("onnx")
    onnx.save(onnx_model(Reader(kind=kind), **changed), tmp_path / "model.onnx")
    assert said in refused(lemmata, tmp_path / "model.onnx")


def test_what_is_no_onnx_or_holds_no_recurrent_node_is_refused(lemmata, tmp_path):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    assert "bad.onnx: must be a whole ONNX model" in refused(lemmata, tmp_path / "bad.onnx")
    model = onnx_model(Reader())
    for node in list(model.graph.node)[:-1]:
        model.graph.node.remove(node)
    onnx.save(model, tmp_path / "plain.onnx")
    assert "plain.onnx: must hold an LSTM or a GRU node, got Add" in refused(lemmata, tmp_path / "plain.onnx")


@pytest.mark.parametrize("package", ["safetensors", "onnx"])
def test_a_missing_package_is_named(lemmata, tmp_path, monkeypatch, package):
    (tmp_path / f"model.{package}").write_bytes(b"")
    monkeypatch.setitem(sys.modules, package, None)
    assert f"needs the package {package}: pip install 'lemmata[models]'" in refused(
        lemmata, tmp_path / f"model.{package}"
    )


# ---- which layer


def test_a_checkpoint_with_its_state_dict_inside_is_read(lemmata, saved):
    inner = Reader().state_dict()
    whole = {"epoch": 7, "state_dict": inner, "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}}
    one = strict(lemmata("certify", saved(whole), "--json", "-", "--output", "state_dict.head", *QUICK)[1])
    two = strict(lemmata("certify", saved(inner, "inner.pt"), "--json", "-", "--output", "head", *QUICK)[1])
    assert {**one, "file": ""} == {**two, "file": ""}


def test_one_of_several_layers_is_chosen_by_name(lemmata, saved):
    file = saved({**tensors(BLOCKS, "encoder."), **tensors(BISTABLE, "decoder.")})
    err = refused(lemmata, file)
    assert "--layer must choose one of the recurrent layers 'encoder', 'decoder', got none" in err
    assert "--layer must name a recurrent layer, one of 'encoder', 'decoder', got 'head'" in refused(
        lemmata, file, "--layer", "head"
    )
    assert lemmata("certify", file, "--layer", "encoder", *QUICK)[0] == 0
    assert "refuted" in lemmata("certify", file, "--layer", "decoder", "--input-bound", 0.1, *QUICK)[1]


# ---- what is refused


class Trap:
    """What a file must not do: leave something behind when it is read."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return (open, (self.place, "w"))


def test_a_malicious_pickle_is_refused_and_nothing_is_executed(lemmata, tmp_path):
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(sprung))).close()
    assert sprung.exists()  # the trap works
    sprung.unlink()
    trapped = {**tensors(BLOCKS), "bias_hh_l0": Trap(sprung)}
    torch.save(trapped, tmp_path / "zip.pt")
    torch.save(trapped, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(trapped))
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    (tmp_path / "trap.onnx").write_bytes(pickle.dumps(Trap(sprung)))
    (tmp_path / "trap.safetensors").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("zip.pt", "old.pt", "plain.pkl", "bare.pt"):
        err = refused(lemmata, tmp_path / name)
        assert "refused" in err or "must be a state_dict" in err
        assert not sprung.exists(), name
    assert "got a pickle of other things, such as" in refused(lemmata, tmp_path / "zip.pt")
    for name in ("trap.onnx", "trap.safetensors"):
        refused(lemmata, tmp_path / name)
        assert not sprung.exists(), name


def test_a_whole_module_is_refused_with_what_to_save_instead(lemmata, saved):
    err = refused(lemmata, saved(torch.nn.LSTM(2, 3)))
    assert "torch.save(model.state_dict(), file)" in err
    assert "such as torch.nn.modules.rnn.LSTM" in err


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_program_is_not_run(lemmata, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "program.pt"))
    assert "got a TorchScript program, which is not run" in refused(lemmata, tmp_path / "program.pt")


def test_what_is_no_model_is_refused(lemmata, tmp_path):
    assert "MODEL must name a file that can be read" in refused(lemmata, tmp_path / "none.pt")
    (tmp_path / "folder.pt").mkdir()
    assert "MODEL must name a file that can be read" in refused(lemmata, tmp_path / "folder.pt")
    whole = io.BytesIO()
    torch.save(tensors(BLOCKS), whole)
    archive = io.BytesIO()
    np.savez(archive, weight_hh_l0=np.ones((4, 1)))
    other = tmp_path / "other.pt"
    for content in (b"", b"weights", whole.getvalue()[:900], archive.getvalue(), b"\x80\x02K\x01."):
        other.write_bytes(content)
        assert "other.pt: must be a state_dict" in refused(lemmata, other) or content == b"\x80\x02K\x01."


def reversed_lstm():
    return torch.nn.LSTM(2, 3, bidirectional=True).state_dict()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (lambda: {}, "model.pt: must hold a state_dict, names with tensors, got a dict"),
        (lambda: torch.ones(3), "must hold a state_dict, names with tensors, got a Tensor"),
        (
            lambda: torch.nn.Linear(2, 2).state_dict(),
            "must hold weight_ih_l0 and weight_hh_l0 of an LSTM or a GRU, got",
        ),
        (lambda: torch.nn.RNN(2, 3).state_dict(), "weight_hh_l0 must be (4n, n) for an LSTM or (3n, n) for a GRU"),
        (reversed_lstm, "bidirectional layers read the future"),
        (lambda: torch.nn.LSTM(2, 3, proj_size=1).state_dict(), "proj_size > 0 changes the recursion"),
        (lambda: {**tensors(BLOCKS), "bias_ih_l0": torch.full((4,), math.nan)}, "bias_ih_l0 must be finite, got nan"),
        (lambda: {**tensors(BLOCKS), "weight_ih_l0": torch.full((4, 1), math.inf)}, "weight_ih_l0 must be finite"),
        (lambda: {**tensors(BLOCKS), "bias_ih_l0": torch.ones(3)}, "bias_ih_l0 must have shape (4,), got (3,)"),
        (lambda: {"weight_hh_l0": torch.ones(4, 1)}, "must hold weight_ih_l0 beside weight_hh_l0, got none"),
    ],
)
def test_a_state_dict_that_will_not_do_gets_a_reason(lemmata, saved, weights, said):
    assert said in refused(lemmata, saved(weights()))
