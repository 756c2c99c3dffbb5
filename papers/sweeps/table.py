"""The rows of a sweep as a table for other programs, streamed: CSV and Parquet."""

import csv
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from ..engine.output_file import check_writable
from .file import BATCH, SweepFile
from .rows import Cell

FORMATS = (".sqlite", ".csv", ".parquet")


def check_table(output: Path) -> None:
    """Raise ValueError for an ending that is none of `FORMATS` or a table that could not be written."""
    if output.suffix not in FORMATS:
        raise ValueError(f"output must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {str(output)!r}")
    if output.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ValueError(
            f"output must be CSV or SQLite unless pyarrow is installed (lemmata[export]), got {str(output)!r}"
        )
    if output.suffix != ".sqlite":
        check_writable("output", output)


def write_table(file: SweepFile, output: Path) -> None:
    """Write a line a row; the table takes its name when it is whole.

    Raises ValueError where it cannot be written.
    """
    part = output.with_name(f"{output.name}.part")
    try:
        (_write_csv if output.suffix == ".csv" else _write_parquet)(file, part)
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ValueError(
            f"output must lie where files can be written, got {str(output)!r}: {error.strerror or error}"
        ) from None


def _write_csv(file: SweepFile, part: Path) -> None:
    with part.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(file.plan.columns)
        writer.writerows(file.rows())


def _write_parquet(file: SweepFile, part: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    types = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in file.plan.columns.items()])
    with pyarrow.parquet.ParquetWriter(part, schema) as writer:
        for batch in _batches(file.rows()):
            cells = zip(*batch, strict=True)
            columns = [pyarrow.array(column, kind) for column, kind in zip(cells, schema.types, strict=True)]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))


def _batches(rows: Iterator[tuple[Cell, ...]]) -> Iterator[list[tuple[Cell, ...]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
