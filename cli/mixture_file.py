"""A Gaussian mixture from a file: arrays named weights, means and covariances, in .npz or .json."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from .words import WrongWords

if TYPE_CHECKING:
    from ..theory.entropy import GaussianMixture
    from ..theory.entropy.mixture import Kind

NAMES = ("weights", "means", "covariances")


def read_mixture(file: Path, kind: str | None) -> "GaussianMixture":
    """The mixture that the file holds; `kind` tells tied from diagonal where the shape does not.

    Other arrays in the file are left alone.  Nothing is unpickled.  Raises WrongWords, naming the file, for all that
    could be wrong with it.
    """
    from ..theory.entropy import GaussianMixture

    readers = {".npz": _arrays_of_npz, ".json": _arrays_of_json}
    if file.suffix.lower() not in readers:
        raise WrongWords(f"FILE must end in .npz or .json, got {file}")
    try:
        arrays = readers[file.suffix.lower()](file)
    except OSError as error:
        raise WrongWords(f"FILE must name a file that can be read, got {file}: {error.strerror or error}") from error
    except MemoryError:
        raise WrongWords(f"{file}: the arrays must fit into memory") from None
    try:
        return GaussianMixture(*(arrays[name] for name in NAMES), kind=cast("Kind | None", kind))
    except (ValueError, TypeError) as error:
        message = str(error).replace(": kind must", ": --kind must")
        raise WrongWords(f"--{message}" if message.startswith("kind") else f"{file}: {message}") from error


def _arrays_of_npz(file: Path) -> Mapping[str, Any]:
    import numpy as np

    with file.open("rb") as opened:
        if not zipfile.is_zipfile(opened):
            raise WrongWords(f"{file}: must be an archive as numpy.savez writes it, got another format")
        opened.seek(0)
        try:
            with np.load(opened, allow_pickle=False) as archive:
                _check_names(file, archive.files)
                return {name: _array(file, archive, name) for name in NAMES}
        except (zipfile.BadZipFile, KeyError) as error:
            _broken(file, error)


def _array(file: Path, archive: Mapping[str, Any], name: str) -> Any:
    try:
        return archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise WrongWords(
                f"{file}: {name} must hold real numbers, got pickled objects, which are not read"
            ) from None
        _broken(file, error)
    except (EOFError, zlib.error, NotImplementedError, RuntimeError) as error:  # cut short, or packed another way
        _broken(file, error)


def _arrays_of_json(file: Path) -> Mapping[str, Any]:
    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice!r} comes twice")
        return dict(pairs)

    try:
        data = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise WrongWords(f"{file}: must be strict JSON: {error}") from error
    if not isinstance(data, dict):
        raise WrongWords(f"{file}: must hold an object with {', '.join(NAMES)}, got a {type(data).__name__}")
    _check_names(file, list(data))
    return data


def _check_names(file: Path, found: list[str]) -> None:
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise WrongWords(
            f"{file}: must hold arrays named {', '.join(NAMES)}, got {', '.join(found) or 'none'} "
            f"without {', '.join(missing)}"
        )


def _broken(file: Path, error: Exception) -> NoReturn:
    raise WrongWords(f"{file}: must be a whole archive as numpy.savez writes it, got {type(error).__name__}: {error}")
