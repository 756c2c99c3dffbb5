"""Named arrays from a file, in .npz or .json; nothing is unpickled."""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .words import WrongWords


def read_arrays(file: Path, names: Sequence[str], word: str = "FILE") -> Mapping[str, Any]:
    """The arrays of these names; others in the file are left alone.

    Raises WrongWords, naming the file, or `word` where there is no such file, for all that could be wrong with it.
    """
    readers = {".npz": _arrays_of_npz, ".json": _arrays_of_json}
    if file.suffix.lower() not in readers:
        raise WrongWords(f"{word} must end in .npz or .json, got {file}")
    try:
        return readers[file.suffix.lower()](file, names)
    except OSError as error:
        raise WrongWords(f"{word} must name a file that can be read, got {file}: {error.strerror or error}") from error
    except MemoryError:
        raise WrongWords(f"{file}: the arrays must fit into memory") from None


def _arrays_of_npz(file: Path, names: Sequence[str]) -> Mapping[str, Any]:
    import numpy as np

    with file.open("rb") as opened:
        if not zipfile.is_zipfile(opened):
            raise WrongWords(f"{file}: must be an archive as numpy.savez writes it, got another format")
        opened.seek(0)
        try:
            with np.load(opened, allow_pickle=False) as archive:
                _check_names(file, archive.files, names)
                return {name: _array(file, archive, name) for name in names}
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


def _arrays_of_json(file: Path, names: Sequence[str]) -> Mapping[str, Any]:
    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"{twice!r} comes twice")
        return dict(pairs)

    try:
        data = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise WrongWords(f"{file}: must be strict JSON: {error}") from error
    if not isinstance(data, dict):
        raise WrongWords(f"{file}: must hold an object with {', '.join(names)}, got a {type(data).__name__}")
    _check_names(file, list(data), names)
    return data


def _check_names(file: Path, found: list[str], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise WrongWords(
            f"{file}: must hold arrays named {', '.join(names)}, got {', '.join(found) or 'none'} "
            f"without {', '.join(missing)}"
        )


def _broken(file: Path, error: Exception) -> NoReturn:
    raise WrongWords(f"{file}: must be a whole archive as numpy.savez writes it, got {type(error).__name__}: {error}")
