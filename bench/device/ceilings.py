"""The device's ceilings, measured by work that does nothing else: operations, bytes, exponentials, normals."""

from collections.abc import Callable

import torch

from device.case import Case, Maker, Setting
from device.clock import NotHere, Run, Way

SIDE, NUMBERS = 8192, 1 << 30  # of the matrices; bytes of an array, twenty times the second cache
LITTLE_SIDE, LITTLE = 128, 1 << 16
CALLS = 16
TIMES = 256  # exponentials of a number, one after the other
# what one core does at most, by peaks.py; it knows float64 alone for the last two
HOST = {
    "product": ("flops64", "flops32"),
    "copy": ("memory bytes", "memory bytes"),
    "exp": ("exp", None),
    "normals": ("normals", None),
}


def array_bytes(setting: Setting, share: float) -> int:
    """Of an array beyond the caches, of which four are held."""
    asked = LITTLE if setting.small else NUMBERS
    return setting.fitting("ceilings", asked, 4, share) // 8 * 8


def host(setting: Setting, name: str, dtype: torch.dtype, whole: float) -> dict[str, Way]:
    """One core at its best at the same, or nothing where it is not known."""
    resource = HOST[name][dtype == torch.float32]
    if resource is None or setting.small:
        return {}
    from peaks import probe

    one = probe(resource)

    def run(amount: int) -> None:
        for _ in range(amount):
            one.work()

    return {"host": Way(lambda: run, whole / one.count, host=True)}


def product(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    n = LITTLE_SIDE if setting.small else SIDE
    side = int(setting.fitting("matrix product", n * n, 6 * dtype.itemsize, share) ** 0.5)

    def prepare() -> Run:
        make = setting.device.generator(setting.seed)
        sets = torch.randn(2, 3, side, side, dtype=dtype, device=setting.device.place, generator=make)

        def run(amount: int) -> None:
            for i in range(amount):
                a, b, c = sets[i % 2]
                torch.mm(a, b, out=c)

        return run

    def off() -> float:
        """Of a small product, from that of NumPy in float64."""
        a = torch.randn(64, 64, dtype=dtype, generator=torch.Generator().manual_seed(setting.seed))
        there, exact = a.to(setting.device.place), a.double().numpy()
        exact = exact @ exact
        return float(abs((there @ there).double().cpu().numpy() - exact).max() / abs(exact).max())

    flops = 2.0 * side**3 * CALLS
    ways = {"torch.mm": Way(prepare, CALLS, off=off), **host(setting, "product", dtype, flops)}
    close = 1e-14 if dtype == torch.float64 else 1e-5  # with tf32 it would be 3e-4
    size = f"{CALLS} of side {side}"
    return Case("ceiling", "matrix product", size, dtype, flops, "TFLOP/s", 1e12, ways, close=close)


def streaming(work: str, unit: str, name: str, each: float) -> Maker:
    """A work that reads or writes arrays beyond the caches; `each` is what it does with a number, bytes if 0."""

    def make(setting: Setting, dtype: torch.dtype, share: float) -> Case:
        size = array_bytes(setting, share) // dtype.itemsize
        count = float(size * CALLS) * (each or 2 * dtype.itemsize)

        def prepare() -> Run:
            arrays = torch.zeros(4, size, dtype=dtype, device=setting.device.place)
            step = STEPS[name](setting)

            def run(amount: int) -> None:
                for i in range(amount):
                    step(arrays[2 * (i % 2)], arrays[2 * (i % 2) + 1])

            return run

        ways = {"torch": Way(prepare, CALLS), **host(setting, name, dtype, count)}
        return Case("ceiling", work, f"{CALLS} of {size} numbers", dtype, count, unit, 1e9, ways)

    return make


Step = Callable[[torch.Tensor, torch.Tensor], object]


def _normals(setting: Setting) -> Step:
    generator = setting.device.generator(setting.seed)
    return lambda source, out: out.normal_(generator=generator)


STEPS: dict[str, Callable[[Setting], Step]] = {
    "copy": lambda setting: lambda source, out: out.copy_(source),
    "exp": lambda setting: lambda source, out: torch.exp(source, out=out),
    "normals": _normals,
}


def exp_on_chip(setting: Setting, dtype: torch.dtype, share: float) -> Case:
    size = array_bytes(setting, share) // (8 if setting.small else 128) // 1024 * 1024
    each = float(size) * TIMES

    def arrays() -> torch.Tensor:
        return torch.full((2, size), 0.5, dtype=dtype, device=setting.device.place)

    def prepare() -> Run:
        if not setting.device.triton():
            raise NotHere("Triton needs a GPU")
        from device.exp import exponentials

        x, out = arrays()

        def run(amount: int) -> None:
            for _ in range(amount):
                exponentials(x, out, TIMES)

        return run

    def off() -> float:
        from device.exp import FIXED, exponentials

        x, out = arrays()
        if exponentials(x, out, TIMES) != each:
            raise RuntimeError("another number of exponentials than counted")
        return float((out.double() / FIXED - 1).abs().max())

    close = 1e-14 if dtype == torch.float64 else 1e-6
    count = each * CALLS
    ways = {"Triton": Way(prepare, CALLS, off=off), **host(setting, "exp", dtype, count)}
    return Case(
        "ceiling", "exp on the chip", f"{CALLS} of {size} × {TIMES}", dtype, count, "G/s", 1e9, ways, close=close
    )


CEILINGS: tuple[tuple[str, Maker], ...] = (
    ("product", product),
    ("copy", streaming("copy", "GB/s", "copy", 0)),
    ("exp", streaming("exp from memory", "G/s", "exp", 1)),
    ("normals", streaming("Philox normals", "G/s", "normals", 1)),
    ("exp", exp_on_chip),
)
