"""`lemmata report`: a run as one page that needs no network."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .words import WrongWords, check_file, complaints

RunFile = Annotated[Path, typer.Argument(metavar="RUN", help="The evidence that `lemmata validate` wrote, .sqlite.")]


def report_command(
    run: RunFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write the page, over what is there; - prints it.")
    ] = Path("report.html"),
) -> None:
    """Write a run, finished or not, as one page: statements, theory beside simulation, where each number is from."""
    from ..papers.engine.evidence import Evidence
    from ..papers.page.html_report import html_report

    if output.exists() and run.exists() and output.samefile(run):
        raise WrongWords(f"--output must name another file than the run's, got {output}")
    with complaints():
        check_file("output", output)
    try:
        with Evidence.reading(run) as evidence:
            page, rows = html_report(evidence, run.name), len(evidence.rows())
    except ValueError as error:
        raise WrongWords(str(error).replace("evidence", "RUN", 1)) from error
    if str(output) == "-":
        sys.stdout.write(page)
        return
    output.write_text(page, encoding="utf-8")
    typer.echo(f"{rows} rows to {output}")
