"""The command line: one module a group of commands."""

from .main import main

__all__ = ["main"]
