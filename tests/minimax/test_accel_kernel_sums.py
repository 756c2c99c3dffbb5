"""The torch sums, in blocks and fused, against the compiled ones; the fused kernel runs in Triton's interpreter.

Triton reads TRITON_INTERPRET when it is first imported, so that the interpreted kernel gets a process of its own, and
so does the compiler for a GPU that is not there.
"""

import importlib
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from lemmata.accel.minimax import kernel_sums, particle_step
from lemmata.sim.minimax import kernel_game
from lemmata.sim.minimax import kernel_sums as compiled_sums

KERNELS = ("gaussian", "imq", "matern32", "matern52")
# R² is below 60 here: its rounding, 4 u R², and the sums' are below 4e-14 and 2e-5 of Σ|a|, but for a root near s = 0
ROOM = {torch.float64: 4e-14, torch.float32: 2e-5}
TRITON = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not TRITON, reason="Triton is not installed")
needs_cuda = pytest.mark.skipif(not (TRITON and torch.cuda.is_available()), reason="no CUDA device with Triton")


def clouds(n, m, d, seed, dtype=torch.float64):
    """Points as NumPy has them after rounding to the dtype, and as tensors."""
    rng = np.random.default_rng(seed)
    plain = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.5, rng.standard_normal(m) / m
    tensors = [torch.tensor(part).to(dtype) for part in plain]
    return [part.double().numpy() for part in tensors], tensors


def compare(kernel, dtype, n, m, d, *, transposed=False, device="cpu", **options):
    """The sums at n targets of m sources agree with the compiled ones on the same rounded points."""
    plain, tensors = clouds(n, m, d, 1, dtype)
    x, z, a = (part.to(device) for part in tensors)
    if transposed:  # the same points, coordinate by coordinate in memory
        x, z = x.T.contiguous().T, z.T.contiguous().T
    seen = kernel_sums(kernel, 0.7 * d**0.5, x, z, a, **options)
    exact = compiled_sums(kernel, 0.7 * d**0.5, *plain)
    scale = np.abs(plain[2]).sum()
    assert seen.values.dtype == seen.gradients.dtype == dtype
    assert_allclose(seen.values.cpu(), exact.values, rtol=0, atol=ROOM[dtype] * scale)
    assert_allclose(seen.gradients.cpu(), exact.gradients, rtol=0, atol=ROOM[dtype] * scale)


SIZES = [(1, 1, 1), (257, 513, 2), (130, 301, 7), (5, 40, 50), (33, 70, 100)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", SIZES)
def test_torch_sums_are_the_compiled_ones_at_odd_sizes(kernel, dtype, size):
    compare(kernel, dtype, *size)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("memory", [1, 24 * 37, 100_000])
def test_blocks_change_nothing_beyond_rounding(kernel, memory):
    _, points = clouds(61, 83, 5, 2)
    whole, parts = (kernel_sums(kernel, 1.5, *points, memory=bytes) for bytes in (1 << 30, memory))
    # the same products summed in another order: 83 summands, none above the largest |a| R/ℓ
    assert_allclose(parts.values, whole.values, rtol=0, atol=1e-15)
    assert_allclose(parts.gradients, whole.gradients, rtol=0, atol=1e-15)


def test_equal_weights_are_the_default():
    _, (x, z, _) = clouds(20, 30, 3, 3)
    assert torch.equal(
        kernel_sums("imq", 1.0, x, z).values, kernel_sums("imq", 1.0, x, z, x.new_full((30,), 1 / 30)).values
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_sums_do_not_depend_on_where_the_origin_is(kernel):
    _, (x, z, a) = clouds(50, 60, 3, 4)
    here, there = kernel_sums(kernel, 1.0, x, z, a), kernel_sums(kernel, 1.0, x + 1e4, z + 1e4, a)
    assert_allclose(there.values, here.values, rtol=0, atol=1e-11)  # the shift itself rounds points by 1e-12
    assert_allclose(there.gradients, here.gradients, rtol=0, atol=1e-11)


def test_gradients_are_those_of_the_values():
    _, (x, z, a) = clouds(4, 30, 3, 5)
    for kernel in KERNELS:
        seen = kernel_sums(kernel, 1.0, x, z, a)
        for axis in range(3):
            step = 1e-5 * torch.eye(3, dtype=torch.float64)[axis]
            up, down = (kernel_sums(kernel, 1.0, x + sign * step, z, a).values for sign in (1, -1))
            # central differences: the step's square over 6 times the third derivative, and 1e-16 over the step
            assert_allclose((up - down) / 2e-5, seen.gradients[:, axis], rtol=0, atol=1e-10)


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """The largest tensor that any operation returned."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        out = function(*arguments, **(keywords or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


def test_no_array_of_all_pairs_is_ever_made():
    _, (x, z, a) = clouds(600, 800, 2, 6)
    with Largest() as seen:
        kernel_sums("matern52", 1.0, x, z, a, memory=3 * 8 * 2500)
    assert seen.numbers <= 800 * 4  # the widest of the others: the sources with two more columns


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_particle_step_is_that_of_the_compiled_game(dtype):
    (x, y, _), (X, Y, _) = clouds(70, 90, 4, 7, dtype)
    game = kernel_game("matern52", 1.3, 0.7, y)
    exact = x + 0.2 * game.min_direction(x, game.best_response(x))
    seen = particle_step("matern52", 1.3, X, Y, 0.2, ridge=0.7)
    assert seen.dtype == dtype
    assert_allclose(seen, exact, rtol=0, atol=ROOM[dtype])


def test_a_particle_step_records_no_gradients():
    _, (x, y, _) = clouds(5, 6, 2, 7)
    assert not particle_step("imq", 1.0, x.requires_grad_(), y, 0.2).requires_grad


BROKEN = [RuntimeError("Failed to find C compiler."), FileNotFoundError("cc"), subprocess.CalledProcessError(1, "gcc")]


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_blocks_are_taken_where_triton_finds_no_compiler(error, monkeypatch):
    def unbuilt(*arguments):
        raise error

    _, points = clouds(7, 9, 3, 8)
    exact = kernel_sums("imq", 1.0, *points)
    monkeypatch.setattr(importlib.import_module("lemmata.accel.minimax.kernel_sums"), "_chosen", lambda *_: True)
    monkeypatch.setattr(importlib.import_module("lemmata.accel.minimax._fused_kernel_sums"), "fused_sums", unbuilt)
    with pytest.warns(RuntimeWarning, match="kernel sums go in blocks") as seen:
        values = kernel_sums("imq", 1.0, *points).values
    assert torch.equal(values, exact.values)
    assert seen[0].filename == __file__
    with pytest.raises(type(error)):
        kernel_sums("imq", 1.0, *points, fused=True)


def test_other_errors_of_the_fused_kernel_are_not_swallowed(monkeypatch):
    def lost(*arguments):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    _, points = clouds(7, 9, 3, 8)
    monkeypatch.setattr(importlib.import_module("lemmata.accel.minimax.kernel_sums"), "_chosen", lambda *_: True)
    monkeypatch.setattr(importlib.import_module("lemmata.accel.minimax._fused_kernel_sums"), "fused_sums", lost)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        kernel_sums("imq", 1.0, *points)


ONE, TWO = torch.zeros(1, 1), torch.zeros(1, 2)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (
            ValueError,
            "kernel must be one of gaussian, imq, matern32, matern52, got 'matern12'",
            ("matern12", 1, ONE, ONE),
        ),
        (ValueError, "lengthscale must be a number > 0, got 0.0", ("imq", 0.0, ONE, ONE)),
        (ValueError, "sources must have points of dimension 1, got 2", ("imq", 1, ONE, TWO)),
        (ValueError, "targets must hold points", ("imq", 1, ONE[:0], ONE)),
        (ValueError, "targets must be float64 or float32, got torch.float16", ("imq", 1, ONE.half(), ONE.half())),
        (
            ValueError,
            "sources must be torch.float32 on cpu as the targets, got torch.float64",
            ("imq", 1, ONE, ONE.double()),
        ),
        (ValueError, "weights must be torch.float32 on cpu", ("imq", 1, ONE, ONE, ONE[0].double())),
        (ValueError, r"weights must have shape \(1,\), got \(2,\)", ("imq", 1, ONE, ONE, TWO[0])),
        (TypeError, "weights must be a torch tensor, got list", ("imq", 1, ONE, ONE, [1.0])),
        (TypeError, "targets must be a torch tensor, got list", ("imq", 1, [[0.0]], ONE)),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(error, words, call):
    with pytest.raises(error, match=words):
        kernel_sums(*call)


def test_options_that_cannot_be_met_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="memory must be >= 1, got 0"):
        kernel_sums("imq", 1.0, ONE, ONE, memory=0)
    with pytest.raises(ValueError, match="on CUDA, with Triton installed, got tensors on cpu"):
        kernel_sums("imq", 1.0, ONE, ONE, fused=True)
    with pytest.raises(ValueError, match=r"unless d <= 64, .* got d = 65"):
        kernel_sums("imq", 1.0, torch.zeros(1, 65), torch.zeros(1, 65), fused=True)
    with pytest.raises(ValueError, match="step must be a number > 0, got -1"):
        particle_step("imq", 1.0, ONE, ONE, -1.0)
    with pytest.raises(ValueError, match=r"data must be torch\.float32 on cpu as the particles, got torch\.float64"):
        particle_step("imq", 1.0, ONE, ONE.double(), 1.0)


def test_the_block_sums_run_on_a_device_without_values():
    """On the meta device any operation with a tensor made elsewhere fails."""
    parts = [torch.zeros(*shape, device="meta") for shape in ((40, 3), (50, 3), (50,))]
    assert kernel_sums("matern32", 1.0, *parts, memory=1000).gradients.shape == (40, 3)


# all shapes of a block, both dtypes, one and several programs along either axis, every kernel: (kernel, n, m, d)
FUSED = [
    ("gaussian", 1, 1, 1),
    ("matern52", 130, 203, 2),
    ("imq", 70, 75, 3),
    ("matern32", 33, 65, 4),
    ("matern52", 130, 203, 5),
    ("imq", 65, 70, 16),
    ("matern32", 66, 131, 31),
    ("gaussian", 70, 150, 50),
    ("matern32", 5, 70, 64),
]


def in_a_process(program, **settings):
    """What a fresh interpreter does with a few lines of this module."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | settings
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)


@needs_triton
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_fused_kernel_says_the_same_in_the_interpreter(dtype):
    program = f"""
import importlib.util, torch
spec = importlib.util.spec_from_file_location("cases", {__file__!r})
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
from lemmata.accel.minimax import _fused_kernel_sums as fused
calls = []
original = fused.fused_sums
fused.fused_sums = lambda *parts: calls.append(parts) or original(*parts)
fused.PROGRAMS, fused.STRETCH = 4, 2  # so that several programs share the sources, and sums have two levels
for kernel, n, m, d in cases.FUSED:
    cases.compare(kernel, torch.{dtype}, n, m, d, fused=True)
for d in (3, 16):  # whole blocks, which need no padding
    cases.compare("imq", torch.{dtype}, 64, 64, d, fused=True, transposed=True)
assert len(calls) == len(cases.FUSED) + 2
"""
    done = in_a_process(program, TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stderr


@needs_triton
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_block_compiles_for_an_h100_and_stays_in_its_registers(dtype, tmp_path):
    """With Triton's own compiler and assembler, as neither needs a device."""
    program = f"""
import re, subprocess, torch, triton
from pathlib import Path
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from lemmata.accel.minimax import _fused_kernel_sums as fused
tools = Path(triton.__file__).parent / "backends/nvidia/bin"
for widest, tile in fused.TILES[torch.{dtype}].items():
    function = fused._differences if widest <= fused.DIRECT else fused._products
    constants = dict(D=fused.padded(widest), ROWS=tile.rows, COLUMNS=tile.columns, STRETCH=fused.STRETCH)
    constants["KIND"] = fused.KINDS["matern52"]
    place = dict((name, (k,)) for k, name in enumerate(function.arg_names))
    pointers = ("x", "z", "a", "values", "gradients")
    signature = dict((name, "constexpr" if name in constants else "i32") for name in place)
    signature.update((name, "*fp" + "{dtype}"[5:]) for name in pointers)
    source = ASTSource(
        function,
        signature,
        dict((place[name], value) for name, value in constants.items()),
        dict((place[name], [["tt.divisibility", 16]]) for name in (*pointers, "n", "m")),
    )
    options = dict(num_warps=tile.warps, enable_fp_fusion=True)
    built = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    file = Path({str(tmp_path)!r}) / "block.cubin"
    file.write_bytes(built.asm["cubin"])
    words = subprocess.run([tools / "cuobjdump", "--dump-resource-usage", file], capture_output=True, text=True).stdout
    stack, registers = (int(re.search(name + r":(\\d+)", words)[1]) for name in ("STACK", "REG"))
    assert registers * 32 * tile.warps <= 65536 and built.metadata.shared <= 227 * 1024, words
    assert stack <= 512, words  # bytes; a block that outgrows the registers takes thousands
    print(widest, registers)
"""
    done = in_a_process(program, TRITON_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 4


@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("fused", [False, True])
def test_sums_on_a_gpu_are_the_compiled_ones(fused, dtype):
    for size in ((1, 1, 1), (2000, 5000, 2), (1000, 3001, 3), (999, 2000, 10), (700, 900, 64)):
        for kernel in KERNELS:
            compare(kernel, dtype, *size, device="cuda", fused=fused)


@needs_cuda
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("d", [2, 16, 64])
def test_clouds_stored_by_coordinate_make_no_difference_on_a_gpu(d, fused):
    for n in (64, 640, 999):
        compare("imq", torch.float64, n, n, d, device="cuda", fused=fused, transposed=True)
