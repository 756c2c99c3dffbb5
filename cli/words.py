"""What every command shares: complaints about its words, and files to write to."""

import json as jsonlib
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the result as JSON to this file; - prints it.")]


class WrongWords(Exception):
    """A command line that cannot be obeyed: one sentence that says what to change."""


@contextmanager
def complaints() -> Iterator[None]:
    """Turn what the theory says of its arguments into a complaint about the options of the same names."""
    try:
        yield
    except (ValueError, TypeError) as error:
        message = re.sub(r"^[a-z_]+", lambda word: "--" + word[0].replace("_", "-"), str(error))
        raise WrongWords(message) from error


def write_json(file: Path, data: Mapping[str, Any]) -> None:
    """Write strict JSON to the file, or print it where the file is `-`."""
    text = jsonlib.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    if str(file) == "-":
        sys.stdout.write(text)
    else:
        file.write_text(text, encoding="utf-8")


def check_picture(file: Path | None) -> None:
    """Complain before a run about a picture that could not be drawn after it."""
    if file is not None:
        check_file("plot", file)
        from matplotlib.figure import Figure

        if file.suffix[1:].lower() not in Figure().canvas.get_supported_filetypes():
            raise WrongWords(f"--plot must end in .png, .pdf or .svg, got {file}")


def check_file(name: str, file: Path | None) -> None:
    """Complain before a run about a file that could not be written after it."""
    if file is not None and str(file) != "-":
        from ..papers.engine.output_file import check_writable

        check_writable(name, file)
