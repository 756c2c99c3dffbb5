"""`lemmata sweep`: a table over a grid of shapes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .words import JsonFile, WrongWords, check_file, complaints, write_json

if TYPE_CHECKING:
    from ..papers.sweeps.sweep import Swept

Family = Annotated[str, typer.Argument(help="reduced-rank, deep, cbm, multitask, pcbm or chain.")]
Values = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME=VALUES...",
        help="Values of each number, named as in `lemmata coefficient FAMILY --help`: 1:6 (with both ends), 1:9:2 or "
        "1,3,5; for widths, observed and ranks such values for each place, as in widths=1:6/1:6/3.",
    ),
]


def sweep_command(
    family: Family,
    values: Values,
    output: Annotated[Path, typer.Option("--output", "-o", help="A file that ends in .sqlite, .csv or .parquet.")],
    samples: Annotated[str, typer.Option(help="Sample sizes n, separated by commas, such as 1e2,1e4.")] = "",
    simulate: Annotated[int, typer.Option(help="Simulate the mean energy at each n by so many sweeps.")] = 0,
    seed: Annotated[int, typer.Option(help="Another seed draws everything anew.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in --output.")] = False,
    json: JsonFile = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; the number of cores by default.")] = None,
    executor: Annotated[str, typer.Option(help="processes, serial or dask.")] = "processes",
    cluster: Annotated[
        str | None, typer.Option(help="A Dask scheduler, tcp://host:port, or local; implies --executor dask.")
    ] = None,
) -> None:
    """Write λ, m and the energies of every shape of a grid as a table, however large.

    Shapes that no network can have are skipped and counted.  Exit status: 0 done, 2 a bad argument, 130 interrupted.
    """
    grid = _named(values)
    with complaints():
        check_file("json", json)
    from ..papers.sweeps.shape_grid import Grid
    from ..papers.sweeps.sweep import sweep

    try:
        Grid.of(family, grid)
    except (ValueError, TypeError) as error:  # about words that are no options
        raise WrongWords(str(error)) from error
    with complaints(), _progress() as on_progress:
        swept = sweep(
            family,
            grid,
            output,
            samples=_numbers(samples),
            simulate=simulate,
            seed=seed,
            resume=resume,
            jobs=jobs,
            executor="dask" if cluster is not None and executor == "processes" else executor,
            cluster=cluster,
            on_progress=on_progress,
        )
    if json is not None:
        write_json(json, _as_data(swept))
    if json is None or str(json) != "-":
        _say(swept)
    raise typer.Exit(swept.exit_status)


def _say(swept: "Swept") -> None:
    count = swept.count
    typer.echo(f"{count.rows} rows to {swept.output}" if not swept.interrupted else f"{count.rows} rows are kept")
    if count.skipped:
        typer.echo(f"{count.skipped} shapes skipped that no network can have; the first: {count.reason}")
    if swept.interrupted:
        typer.echo(f"stopped after {count.points} of {swept.planned} points; --resume goes on with them")


def _as_data(swept: "Swept") -> dict[str, Any]:
    return {
        "output": str(swept.output),
        "planned": swept.planned,
        **swept.count._asdict(),
        "seconds": swept.seconds,
        "interrupted": swept.interrupted,
    }


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on the standard error where that is a terminal; the speed is that of this session alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("points", total=None)
        begun = False

        def on_progress(done: int, planned: int) -> None:
            nonlocal begun
            if begun:
                progress.update(task, completed=done)
            else:
                progress.reset(task, completed=done, total=planned)
            begun = True

        yield on_progress


def _named(words: list[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for word in words:
        name, equals, values = word.partition("=")
        name = name.replace("-", "_")
        if not (name and equals and values):
            raise WrongWords(f"NAME=VALUES must be such as outputs=1:6, got {word!r}")
        if name in out:
            raise WrongWords(f"NAME=VALUES must name each number once, got {name} twice")
        out[name] = values
    return out


def _numbers(words: str) -> list[float]:
    try:
        return [float(word) for word in words.split(",")] if words else []
    except ValueError:
        raise WrongWords(f"--samples must be numbers separated by commas, got {words!r}") from None
