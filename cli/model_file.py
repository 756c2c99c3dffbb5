"""A recurrent network from a file: a state_dict saved by torch, safetensors, or ONNX.  Nothing is ever executed."""

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .words import WrongWords

if TYPE_CHECKING:
    from ..theory.resilience import Stack

Weights = Mapping[str, Any]


def read_model(file: Path, layer: str | None, output: str | None) -> "Stack":
    """The recurrent layer that the file holds, `layer` where there are several, read out by the linear layer `output`.

    Raises WrongWords, naming the file, for all that could be wrong with it.
    """
    from ..theory.resilience import Stack, cells_from_torch

    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise WrongWords(f"MODEL must name a file that can be read, got {file}: {error.strerror or error}") from error
    readers: dict[str, Callable[[Path], Weights]] = {".safetensors": _safetensors, ".onnx": _onnx}
    try:
        weights = readers.get(file.suffix.lower(), _torch)(file)
        cells = cells_from_torch(weights, layer, output)
    except MemoryError:
        raise WrongWords(f"{file}: the weights must fit into memory") from None
    except (ValueError, TypeError, NotImplementedError) as error:
        raise WrongWords(_of_options(file, str(error))) from error
    return cells if isinstance(cells, Stack) else Stack((cells,))


def _of_options(file: Path, message: str) -> str:
    """What the theory says of its arguments, in the words of the command line."""
    if message.startswith("prefix must choose"):
        return f"{message.replace('prefix', '--layer', 1)} ({file})"
    for name, option in (("prefix", "--layer"), ("output", "--output")):
        if message.startswith(f"{name} must"):
            return message.replace(name, option, 1)
    return f"{file}: {message.removeprefix('source ')}"


def _torch(file: Path) -> Weights:
    """Tensors under dotted names, nested mappings included; only what torch's own reader of weights lets through."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused below
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f", such as {found[1].rstrip('.')}" if found else ""
        raise WrongWords(
            f"{file}: must be a state_dict, as torch.save(model.state_dict(), file) writes it, got a pickle of other "
            f"things{what}, which is refused unopened"
        ) from None
    except (RuntimeError, EOFError, KeyError, AttributeError, IndexError, ValueError, TypeError, OSError) as error:
        if "TorchScript" in str(error):
            raise WrongWords(f"{file}: must be a state_dict, got a TorchScript program, which is not run") from None
        raise WrongWords(f"{file}: must be a state_dict as torch.save writes it, .safetensors or .onnx") from None
    tensors = dict(_flat(loaded, ""))
    if not tensors:
        raise WrongWords(f"{file}: must hold a state_dict, names with tensors, got a {type(loaded).__name__}")
    return tensors


def _flat(value: Any, name: str, depth: int = 4) -> list[tuple[str, Any]]:
    """A checkpoint often keeps its state_dict under a name."""
    import torch

    if isinstance(value, torch.Tensor):
        return [(name, value)] if name and not value.is_complex() and not value.is_quantized else []
    if not isinstance(value, Mapping) or not depth:
        return []
    start = f"{name}." if name else ""
    return [pair for key, part in value.items() for pair in _flat(part, f"{start}{key}", depth - 1)]


def _safetensors(file: Path) -> Weights:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        _missing("safetensors")
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WrongWords(f"{file}: must be a whole safetensors file, got {_short(error)}") from None


def _onnx(file: Path) -> Weights:
    try:
        import onnx  # noqa: F401
    except ImportError:
        _missing("onnx")
    from .onnx_weights import onnx_weights

    return onnx_weights(file)


def _missing(package: str) -> NoReturn:
    raise WrongWords(f"MODEL as .{package} needs the package {package}: pip install 'lemmata[models]'") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
