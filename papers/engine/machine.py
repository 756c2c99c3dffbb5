"""What machine and versions a run was made with."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

LIBRARIES = ("numpy", "scipy", "sympy", "numba", "torch", "arviz", "joblib", "typer", "rich", "matplotlib")
COLUMNS = ("theory", "sim", "accel", "papers")
ROOT = Path(__file__).resolve().parents[2]


class Fact(NamedTuple):
    """One thing seen; `sound` is False where it will not work."""

    name: str
    value: str
    sound: bool = True


def versions() -> dict[str, str]:
    """The versions of Lemmata, Python and the libraries a result may depend on, without importing them."""
    return {"lemmata": _version("lemmata"), "python": platform.python_version()} | {n: _version(n) for n in LIBRARIES}


def host() -> dict[str, str]:
    """The machine that a row was worked off on: its name, system, processor and cores."""
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(_cores()),
    }


def inspect() -> list[Fact]:
    """All that `lemmata doctor` prints; imports NumPy and torch to ask them."""
    facts = [
        Fact("machine", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        Fact("cores", f"{_cores()} usable of {os.cpu_count()}"),
        Fact("memory", _memory()),
        Fact("executable", sys.executable),
    ]
    facts += [Fact(name, value, value != "missing") for name, value in versions().items()]
    facts += [_blas(), _torch_devices(), _numba_cache(), _layout()]
    return facts


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"


def _blas() -> Fact:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return Fact("BLAS", f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip())


def _torch_devices() -> Fact:
    try:
        import torch
    except Exception as error:
        return Fact("torch devices", f"torch cannot be imported: {error}", sound=False)
    names = [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return Fact("torch devices", ", ".join(["cpu", *names]))


def _numba_cache() -> Fact:
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else ROOT / "sim"
    if os.access(folder, os.W_OK):
        return Fact("Numba cache", str(folder) if chosen else f"{folder}/*/__pycache__")
    return Fact("Numba cache", f"{folder} is not writable, Numba falls back to the user's cache folder")


def _layout() -> Fact:
    """Whether `lemmata.theory` and the others are the folders beside this one, not those of another copy."""
    for column in COLUMNS:
        spec = find_spec(f"lemmata.{column}")
        found = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if found != ROOT / column:
            return Fact("layout", f"lemmata.{column} is {found}, expected {ROOT / column}: reinstall", sound=False)
    return Fact("layout", f"sound, {ROOT}")
