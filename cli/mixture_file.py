"""A Gaussian mixture from a file: arrays named weights, means and covariances, in .npz or .json."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from .array_file import read_arrays
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

    arrays = read_arrays(file, NAMES)
    try:
        return GaussianMixture(*(arrays[name] for name in NAMES), kind=cast("Kind | None", kind))
    except (ValueError, TypeError) as error:
        message = str(error).replace(": kind must", ": --kind must")
        raise WrongWords(f"--{message}" if message.startswith("kind") else f"{file}: {message}") from error
