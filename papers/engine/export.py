"""The rows of a run as a table for other programs: CSV and Parquet."""

import csv
from pathlib import Path

from .evidence import Evidence
from .output_file import check_writable

FORMATS = (".csv", ".parquet")


def export(evidence: Evidence, output: Path) -> int:
    """Write a line a row, with the columns of `Evidence.records`; the number of rows.

    The format is that of the ending, .csv or .parquet; Parquet takes pyarrow, of the extra `export`.

    Raises ValueError for another ending, a file that cannot be written, or Parquet without pyarrow.
    """
    if output.suffix not in FORMATS:
        raise ValueError(f"output must end in {' or '.join(FORMATS)}, got {str(output)!r}")
    if evidence.path.resolve() == output.resolve():
        raise ValueError(f"output must be another file than the evidence, got {str(output)!r} for both")
    records = evidence.records()
    check_writable("output", output)
    if output.suffix == ".csv":
        with output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(records[0]) if records else [])
            writer.writeheader()
            writer.writerows(records)
        return len(records)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            f"output must be CSV unless pyarrow is installed (lemmata[export]), got {str(output)!r}"
        ) from None
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), output)
    return len(records)
