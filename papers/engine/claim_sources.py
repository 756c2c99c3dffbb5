"""Claims from elsewhere: a reader's own file, or an installed package that offers some."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from .claim import Claim

GROUP = "lemmata.claims"  # entry points whose value is a sequence of claims


def claims_from(sources: Sequence[str]) -> tuple[Claim, ...]:
    """The claims of files (`my_claims.py`, read for its `CLAIMS`) and of plugins by the names of their entry points.

    A file is executed, as Python executes a script.  Its functions reach worker processes by value.

    Raises ValueError in one sentence where a source is neither, fails to load, or holds no claims.
    """
    return tuple(claim for source in sources for claim in _claims(source))


def plugins() -> dict[str, EntryPoint]:
    """The installed packages' entry points of the group `lemmata.claims`, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _claims(source: str) -> tuple[Claim, ...]:
    file = Path(source)
    if file.suffix == ".py" or file.exists():
        return _checked(source, getattr(_module(file), "CLAIMS", None))
    known = plugins()
    if source not in known:
        names = ", ".join(sorted(known)) or "none is installed"
        raise ValueError(f"claims must be a file that ends in .py or a plugin ({names}), got {source!r}")
    try:
        return _checked(source, known[source].load())
    except (ImportError, AttributeError) as error:
        raise ValueError(f"claims must load, got the plugin {source!r}: {error}") from error


def _module(file: Path) -> ModuleType:
    """The module of a file, whose functions are pickled by value: a worker cannot import it by name."""
    if not file.is_file():
        raise ValueError(f"claims must be a file that is there, got {str(file)!r}")
    name = f"claims_{sha256(str(file.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"claims must be a Python file, got {str(file)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"claims must load, got {str(file)!r}: {type(error).__name__}: {error}") from error
    _by_value(module)
    return module


def _by_value(module: ModuleType) -> None:
    """Tell every copy of cloudpickle that may hand a task to a worker: joblib's own, and Dask's where it is there."""
    for name in ("joblib.externals.cloudpickle", "cloudpickle"):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name).register_pickle_by_value(module)


def _checked(source: str, found: Any) -> tuple[Claim, ...]:
    if isinstance(found, str | bytes) or not isinstance(found, Sequence) or not found:
        raise ValueError(f"claims must be a sequence of Claim named CLAIMS, got {found!r} in {source!r}")
    for entry in found:
        if not isinstance(entry, Claim):
            raise ValueError(f"claims must hold Claim alone, got {type(entry).__name__} in {source!r}")
    return tuple(found)
