"""What one core can do at most, each measured by a loop that does nothing else: imported by limits.py.

A resource is named by a word, some with a size behind it ("fft of 30000"); `probe` gives the loop that measures it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import answer
import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray
from scipy import fft

from lemmata.sim.resilience import _kernels
from lemmata.sim.resilience.packed import MANY
from lemmata.theory.streams import stream

Array = NDArray[Any]

IN_CACHE, OUT_OF_CACHE = 256, 1200  # rows of square matrices: three of 0.5 MB, of 11.5 MB
FEW = 2048  # numbers of an array in the first cache
SECOND, MEMORY = 1 << 15, 1 << 23  # float64 of an array, of which three lie in the second cache and in none
COLUMNS = 64  # of W and R in the product of one unit of a layer, which then stays in the first cache
LANES, WIDTH = 64, 512  # runs of a block of that product; bits of a vector
TOTALS = 8  # vectors that go on side by side, as many as hide how long one operation takes
BATCH = 64  # small matrices that LAPACK is given at once

# NumPy functions and where their arguments lie in the kernels
FUNCTIONS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "exp": (np.exp, -30.0, 0.0),
    "log": (np.log, 1e-3, 1.0),
    "log1p": (np.log1p, 0.0, 1.0),
    "tanh": (np.tanh, -3.0, 3.0),
    "arctan": (np.arctan, -5.0, 5.0),
    "sinh": (np.sinh, 0.0, 4.0),
    "cosh": (np.cosh, 0.0, 4.0),
    "complex exp": (np.exp, 0.0, 20.0),
}


@dataclass(frozen=True)
class Probe:
    """A call that uses a resource `count` times."""

    work: Callable[[], object]
    count: float


@lru_cache(maxsize=64)
def probe(resource: str) -> Probe:
    """The loop that measures a resource; the fastest of several where there are several.

    flops64, flops32
        Sums and products: of a matrix product by BLAS, in the cache or out of it; of the product of a layer's unit as
        the LSTM kernels do it, in the cache; of vectors that never leave the registers.
    divisions64, divisions32, roots64
        Of vectors in the first cache.
    lanes, scaled lanes
        Sums and products of x ← x + yz and x ← x + sz on vectors in the first cache, sums read and written each time.
    L2 bytes, memory bytes
        Of a copy or of a ← b + sc, whichever moves more.
    normals, uniforms
        Of the package's generator.
    exp, log, log1p, tanh, arctan, sinh, cosh, complex exp
        Of NumPy on vectors in the first cache.
    scalar functions
        One logarithm after the other, as compiled loops without vector functions take exp, log and their kin.
    calls
        NumPy functions of four numbers: what a call costs beside its work.
    fft of n
        One real transform or its inverse.
    eigh of n, eig of n
        Decompositions of (n, n), real symmetric and general complex.

    Raises ValueError for another word.
    """
    name, _, size = resource.partition(" of ")
    makers: dict[str, Callable[[], dict[str, Probe]]] = {
        "flops64": partial(_flops, np.float64),
        "flops32": partial(_flops, np.float32),
        "divisions64": partial(_loop, _divide, np.float64),
        "divisions32": partial(_loop, _divide, np.float32),
        "roots64": partial(_loop, _root, np.float64),
        "lanes": lambda: {"": _sums(_lanes, np.ones(FEW // 2), np.ones(FEW // 2))},
        "scaled lanes": lambda: {"": _sums(_scaled, np.ones(FEW // 2), 0.5)},
        "scalar functions": partial(_loop, _logarithm, np.float64),
        "L2 bytes": partial(_moves, SECOND, 40),
        "memory bytes": partial(_moves, MEMORY, 1),
        "normals": partial(_numbers, "standard_normal"),
        "uniforms": partial(_numbers, "random"),
        "calls": _calls,
        "fft": lambda: _transforms(int(size)),
        "eigh": lambda: _decompositions("eigh", int(size)),
        "eig": lambda: _decompositions("eig", int(size)),
    }
    makers.update({function: partial(_function, function) for function in FUNCTIONS})
    if name not in makers:
        raise ValueError(f"resource must be one of {', '.join(makers)}, got {resource!r}")
    return max(makers[name]().values(), key=rate)


def rate(one: Probe, repeats: int = 5) -> float:
    """How often a CPU second the resource can be used, at best."""
    one.work()
    return one.count / min(answer.timed(one.work)[1] for _ in range(repeats))


def parts(resource: str) -> dict[str, float]:
    """The rates of the ways in which sums and products or bytes are measured."""
    makers = {
        "flops64": lambda: _flops(np.float64),
        "flops32": lambda: _flops(np.float32),
        "L2 bytes": lambda: _moves(SECOND, 40),
        "memory bytes": lambda: _moves(MEMORY, 1),
    }
    return {name: rate(one) for name, one in makers[resource]().items()}


# ---- the loops


@njit(error_model="numpy")
def _divide(values: Array, out: Array, times: int) -> None:
    one = values[0]
    for _ in range(times):
        for t in range(values.size):
            out[t] = one / values[t]


@njit(error_model="numpy")
def _root(values: Array, out: Array, times: int) -> None:
    for _ in range(times):
        for t in range(values.size):
            out[t] = math.sqrt(values[t])


@njit(error_model="numpy")
def _logarithm(values: Array, out: Array, times: int) -> None:
    for _ in range(times):
        for t in range(values.size):
            out[t] = math.log(values[t])


@njit(fastmath={"contract"})
def _lanes(a: Array, b: Array, c: Array, times: int) -> None:
    for _ in range(times):
        for t in range(a.size):
            a[t] += b[t] * c[t]


@njit(fastmath={"contract"})
def _scaled(a: Array, b: Array, factor: float, times: int) -> None:
    for _ in range(times):
        for t in range(a.size):
            a[t] += factor * b[t]


@njit(fastmath={"contract"})
def _triad(a: Array, b: Array, c: Array, factor: float, times: int) -> None:
    for _ in range(times):
        for t in range(a.size):
            a[t] = b[t] + factor * c[t]


@njit
def _unit(block: Any, V: Array, state: Array, z: Array, rows: int, times: int) -> None:
    for _ in range(times):
        _kernels.lstm_product(block, V, 0, state, 0, 0, 0, rows, z, 0)


@intrinsic  # type: ignore[untyped-decorator]
def _fused(typing: Any, values: Any, times: Any) -> Any:
    """x ← xy + z for `TOTALS` vectors x, which with y and z lie one behind the other in `values`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        dtype = signature.args[0].dtype
        lanes = WIDTH // dtype.bitwidth
        vector = ir.VectorType(context.get_value_type(dtype), lanes)
        kind, name = ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{lanes}f{dtype.bitwidth}"
        fma = cgutils.get_or_insert_function(builder.module, kind, name)
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        start, align = builder.bitcast(array.data, vector.as_pointer()), dtype.bitwidth // 8
        places = [builder.gep(start, [ir.Constant(ir.IntType(64), k)]) for k in range(TOTALS + 2)]
        *first, y, z = (builder.load(place, align=align) for place in places)
        totals = [cgutils.alloca_once_value(builder, value) for value in first]
        with cgutils.for_range(builder, arguments[1]):
            for total in totals:
                builder.store(builder.call(fma, [builder.load(total), y, z]), total)
        for total, place in zip(totals, places, strict=False):
            builder.store(builder.load(total), place, align=align)
        return context.get_dummy_value()

    return types.void(values, times), generate


@njit
def _registers(values: Array, times: int) -> None:
    _fused(values, times)  # type: ignore[call-arg]


def _flops(dtype: Any) -> dict[str, Probe]:
    out = _own_flops(np.dtype(dtype))
    for name, size in (("in cache", IN_CACHE), ("out of cache", OUT_OF_CACHE)):
        a = stream(0, "peak", size).standard_normal((size, size)).astype(dtype)
        out[f"product {name}"] = Probe(partial(np.matmul, a, a, out=np.empty_like(a)), 2.0 * size**3)
    return out


def _own_flops(dtype: np.dtype[Any], times: int = 2000) -> dict[str, Probe]:
    rows, room, lanes = COLUMNS, _kernels.ROOM, WIDTH // 8 // dtype.itemsize
    V, state, z = np.zeros(4 * (1 + rows), dtype), np.zeros(LANES * rows, dtype), np.zeros(4 * room, dtype)
    values = np.full((TOTALS + 2) * lanes, 0.5, dtype)
    return {
        "product of a unit": Probe(partial(_unit, MANY, V, state, z, rows, times), 2.0 * 4 * LANES * rows * times),
        "in registers": Probe(partial(_registers, values, 20 * times), 2.0 * TOTALS * lanes * 20 * times),
    }


def _sums(function: Callable[..., None], *given: Any) -> Probe:
    return Probe(partial(function, np.zeros(FEW // 2), *given, 100), 100.0 * FEW)


def _loop(function: Callable[..., None], dtype: Any) -> dict[str, Probe]:
    values = np.linspace(1.0, 2.0, FEW).astype(dtype)
    return {"": Probe(partial(function, values, np.empty_like(values), 100), 100.0 * FEW)}


def _moves(size: int, times: int) -> dict[str, Probe]:
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)

    def copy() -> None:
        for _ in range(times):
            np.copyto(a, b)

    return {
        "copy": Probe(copy, 16.0 * size * times),
        "triad": Probe(partial(_triad, a, b, c, 0.5, times), 24.0 * size * times),
    }


def _numbers(method: str) -> dict[str, Probe]:
    out = np.empty(1 << 14)
    return {"": Probe(partial(getattr(stream(0, "peak"), method), out=out), float(out.size))}


def _function(name: str) -> dict[str, Probe]:
    function, low, high = FUNCTIONS[name]
    x = stream(0, "peak").uniform(low, high, FEW)
    if name == "complex exp":
        x = 1j * x
    out = np.empty_like(x)

    def work() -> None:
        for _ in range(20):
            function(x, out=out)

    return {"": Probe(work, 20.0 * FEW)}


def _calls() -> dict[str, Probe]:
    x = np.ones(4)

    def work() -> None:
        for _ in range(2000):
            x + x

    return {"": Probe(work, 2000.0)}


def _transforms(size: int) -> dict[str, Probe]:
    x = stream(0, "peak").standard_normal(size)
    times = max(1, 1_000_000 // size // 2)

    def work() -> None:
        for _ in range(times):
            fft.irfft(fft.rfft(x), size)

    return {"": Probe(work, 2.0 * times)}


def _decompositions(name: str, size: int) -> dict[str, Probe]:
    a = stream(0, "peak").standard_normal((BATCH, size, size))
    a = a @ a.transpose(0, 2, 1) if name == "eigh" else a.astype(complex)
    return {"": Probe(partial(getattr(np.linalg, name), a), float(BATCH))}
