"""How many operations a kernel does, counted by running its own lines with numbers that count: imported by limits.py.

A compiled kernel's file is loaded again without its compiler (`plain`) and given `Numbers`; code of NumPy gets
`Traced` arrays.  Both add to one tally.  Sums and products count one, as do the steps of a power; a change of sign, a
comparison or a copy counts none.
"""

import importlib.util
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch

import numba
import numpy as np

TALLY: Counter[str] = Counter()
SCALAR = ("exp", "expm1", "log", "log1p", "cosh", "sinh", "tanh", "sin", "cos")
FREE = ("abs", "copysign", "fabs", "floor", "rint")


@contextmanager
def tally() -> Iterator[Counter[str]]:
    """What is counted from here on; complete once the block ends."""
    TALLY.clear()
    out: Counter[str] = Counter()
    yield out
    out.update(TALLY)


# ---- compiled loops


class Counted:
    """A float64 that counts what is done with it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = float(value)

    def __float__(self) -> float:
        return self.value

    def __int__(self) -> int:
        return int(self.value)

    def __neg__(self) -> "Counted":
        return Counted(-self.value)

    def __abs__(self) -> "Counted":
        return Counted(abs(self.value))

    def __pow__(self, power: int) -> "Counted":
        TALLY["flops64"] += power.bit_length() - 2 + power.bit_count()
        return Counted(self.value**power)


def _binary(name: str, kind: str) -> Callable[[Counted, Any], Counted]:
    def method(self: Counted, other: Any) -> Counted:
        TALLY[kind] += 1
        with np.errstate(all="ignore"):
            return Counted(getattr(np.float64(self.value), name)(float(other)))

    return method


def _compared(name: str) -> Callable[[Counted, Any], bool]:
    return lambda self, other: bool(getattr(self.value, name)(float(other)))


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul"):
    setattr(Counted, f"__{_name}__", _binary(f"__{_name}__", "flops64"))
for _name in ("truediv", "rtruediv"):
    setattr(Counted, f"__{_name}__", _binary(f"__{_name}__", "divisions64"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Counted, f"__{_name}__", _compared(f"__{_name}__"))


class Numbers:
    """An array of which every number read counts."""

    def __init__(self, data: Any) -> None:
        self.data = np.asarray(data, dtype=float)

    def __getitem__(self, place: Any) -> Any:
        found = self.data[place]
        return Numbers(found) if isinstance(found, np.ndarray) else Counted(found)

    def __setitem__(self, place: Any, value: Any) -> None:
        self.data[place] = value.data if isinstance(value, Numbers) else float(value)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def size(self) -> int:
        return self.data.size


class _Functions:
    """The functions of `math`, counting."""

    e, pi = math.e, math.pi

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(math, name)

        def call(*values: Any) -> Any:
            if not any(isinstance(value, Counted) for value in values):
                return function(*values)
            if name == "sqrt":
                TALLY["roots64"] += 1
            elif name in SCALAR:
                TALLY["scalar functions"] += 1
            elif name not in FREE:
                raise NotImplementedError(f"tally knows no {name}")
            return Counted(function(*map(float, values)))

        return call


def plain(module: ModuleType) -> Any:
    """The functions of a file of kernels as Python, which take `Numbers` for arrays; intrinsics stay as they are."""

    def bare(*given: Any, **_: Any) -> Any:
        return given[0] if given and callable(given[0]) else lambda function: function

    spec = importlib.util.spec_from_file_location(f"{module.__name__}_plain", str(module.__file__))
    if spec is None or spec.loader is None:
        raise ValueError(f"module must be loaded from a file, got {module!r}")
    out: Any = importlib.util.module_from_spec(spec)
    extending = numba.extending
    with (
        patch.object(numba, "njit", bare),
        patch.object(extending, "overload", lambda *_: lambda function: function),
        patch.object(extending, "intrinsic", bare),
    ):
        spec.loader.exec_module(out)
    out.math = _Functions()
    out.np = SimpleNamespace(
        zeros=lambda shape: Numbers(np.zeros(shape)),
        empty=lambda shape, *_: Numbers(np.zeros(shape)),
        rint=lambda x: Counted(round(x.value)),
        int64=int,
    )
    return out


# ---- NumPy


class Traced(np.ndarray):
    """An array of which every call of NumPy counts, and what it does by kind."""

    NAMED: ClassVar[dict[str, str]] = {"divide": "divisions64", "sqrt": "roots64"}
    KNOWN = ("exp", "log", "log1p", "tanh", "arctan", "sinh", "cosh")
    SUMS = ("add", "subtract", "multiply", "square")
    NOTHING = (
        *("negative", "absolute", "maximum", "minimum", "nextafter", "isfinite", "logical_and", "logical_or"),
        *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "bitwise_or", "bitwise_and"),
        *("invert", "conjugate", "sign", "logaddexp"),
    )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        bare = [_bare(x) for x in inputs]
        result = getattr(ufunc, method)(*bare, **{key: _bare(value) for key, value in named.items()})
        size = np.size(bare[0]) if method == "reduce" else np.size(result)
        _count(ufunc.__name__, size, bare, np.iscomplexobj(result))
        return _traced(result)

    def __array_function__(self, function: Any, types: Any, inputs: Any, named: Any) -> Any:
        TALLY["calls"] += 1
        if function is np.einsum:
            TALLY["flops64"] += 2 * max(np.size(x) for x in inputs[1:])
        return _traced(function(*_bare(inputs), **{key: _bare(value) for key, value in named.items()}))


def traced(values: Any) -> Any:
    """An array that counts, and so does whatever is computed of it."""
    return np.array(values).view(Traced)


def _bare(value: Any) -> Any:
    if isinstance(value, Traced):
        return value.view(np.ndarray)
    return type(value)(_bare(part) for part in value) if isinstance(value, (tuple, list)) else value


def _traced(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_traced(part) for part in value)
    return value.view(Traced) if isinstance(value, np.ndarray) else value


def _count(name: str, size: int, inputs: list[Any], is_complex: bool) -> None:
    TALLY["calls"] += 1
    if name == "matmul":
        TALLY["flops64"] += 2 * size * np.shape(inputs[0])[-1]
    elif name in Traced.SUMS:
        TALLY["flops64"] += size * (1 if not is_complex else 6 if name == "multiply" else 2)
    elif name in Traced.NAMED:
        TALLY[Traced.NAMED[name]] += size * (3 if is_complex else 1)
    elif name in Traced.KNOWN:
        TALLY["complex exp" if is_complex and name == "exp" else name] += size
    elif name not in Traced.NOTHING:
        TALLY["scalar functions"] += size


@contextmanager
def subclasses_kept(*modules: ModuleType) -> Iterator[None]:
    """Within, `np.asarray` and `np.array` of these modules keep `Traced` arrays what they are."""
    kept = {key: getattr(np, key) for key in dir(np) if not key.startswith("__")}
    namespace = SimpleNamespace(**{**kept, "asarray": np.asanyarray, "array": _array, "broadcast_to": _broadcast})
    modules = tuple(module for module in modules if "np" in module.__dict__)
    originals = [module.__dict__["np"] for module in modules]
    for module in modules:
        module.__dict__["np"] = namespace
    try:
        yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            module.__dict__["np"] = original


def _array(values: Any, *given: Any, **named: Any) -> Any:
    TALLY["calls"] += 1
    hit = isinstance(values, Traced) or (
        isinstance(values, (tuple, list)) and any(isinstance(part, Traced) for part in values)
    )
    out = np.array(_bare(values), *given, **named)
    return _traced(out) if hit else out


def _broadcast(value: Any, shape: Any) -> Any:
    return np.broadcast_to(value, shape, subok=True)
