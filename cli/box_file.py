"""A box of inputs from a file: arrays named lower and upper, in .json or .npz."""

from pathlib import Path
from typing import TYPE_CHECKING

from .array_file import read_arrays
from .words import WrongWords

if TYPE_CHECKING:
    from ..theory.resilience import Box

NAMES = ("lower", "upper")


def read_box(file: Path, option: str) -> "Box":
    """The box between the two corners that the file holds.

    Other arrays in the file are left alone.  Raises WrongWords, naming file or option, for all that could be wrong.
    """
    from ..theory.resilience import Box

    arrays = read_arrays(file, NAMES, option)
    try:
        return Box(*(arrays[name] for name in NAMES))
    except (ValueError, TypeError) as error:
        raise WrongWords(f"{file}: {error}") from error
