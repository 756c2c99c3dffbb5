"""Whether a file can be written, asked before the work that is to fill it."""

from pathlib import Path


def check_writable(name: str, file: Path) -> None:
    """Raise ValueError where `file` could not be written."""
    existed = file.exists()
    try:
        with file.open("a"):
            pass
    except OSError as error:
        raise ValueError(f"{name} must name a file that can be written, got {file}: {error.strerror}") from None
    if not existed:
        file.unlink()
