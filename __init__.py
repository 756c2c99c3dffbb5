"""Theorems about neural networks, held beside simulations of the networks they speak of."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lemmata")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
