"""The command `lemmata`: reads words, calls one function, prints its result.  It holds no formula."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from .. import __version__
from .certify import certify_command
from .coefficient import families
from .entropy import entropy_command
from .minimax import games
from .report import report_command
from .sweep import sweep_command
from .validate import claims_command, export_command, replay_command, validate_command
from .words import JsonFile, WrongWords, check_file, complaints, write_json

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Theorems about neural networks beside simulations that test them.",
)
app.add_typer(families, name="coefficient")
app.command("entropy")(entropy_command)
app.command("certify")(certify_command)
app.add_typer(games, name="minimax")
app.command("validate")(validate_command)
app.command("claims")(claims_command)
app.command("replay")(replay_command)
app.command("export")(export_command)
app.command("report")(report_command)
app.command("sweep")(sweep_command)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context, show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if show_version:
        typer.echo(f"lemmata {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def doctor(json: JsonFile = None) -> None:
    """Say what machine and versions this installation sees.  Exit status 1 if something will not work."""
    from ..papers.engine.machine import inspect

    with complaints():
        check_file("json", json)
    facts = inspect()
    if json is None:
        for fact in facts:
            typer.echo(f"{'' if fact.sound else '!! '}{fact.name}: {fact.value}")
    else:
        write_json(json, {fact.name: {"value": fact.value, "sound": fact.sound} for fact in facts})
    raise typer.Exit(0 if all(fact.sound for fact in facts) else 1)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; a complaint is one line on the standard error and exit status 2."""
    try:
        status = app(arguments, prog_name="lemmata", standalone_mode=False)
    except WrongWords as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if not hasattr(error, "format_message"):  # not a complaint of the parser
            raise
        _fail(error.format_message())
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"lemmata: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
