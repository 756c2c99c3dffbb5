"""Running the claims of a paper: progress, table, exit status; the command line and the papers' scripts end up here."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .campaign import Campaign, plan, profile_of, run
from .claim import Claim
from .output_file import check_writable
from .profile import PROFILES
from .report import as_json, closing, power_table, table
from .row import Row

PLAIN_WIDTH = 150  # columns where the output is not a terminal


def validate(
    claims: Sequence[Claim],
    profile: str = "quick",
    seed: int = 0,
    jobs: int | None = None,
    json: Path | None = None,
    *,
    power: bool = False,
    evidence: Path | None = None,
    resume: bool = False,
    executor: str = "processes",
    cluster: str | None = None,
    titles: Mapping[str, str] | None = None,
) -> Campaign:
    """Run the claims, show progress on the standard error and the table on the standard output.

    Parameters
    ----------
    claims : sequence of Claim
    json : Path, optional
        Where to write the run as JSON too.
    power : bool
        Show how the false variants fared instead of the claims.
    profile, seed, jobs, evidence, resume, executor, cluster, titles
        As in `campaign.run`.

    Raises ValueError, before anything is run, for a bad argument or a file that cannot be written.
    """
    chosen = profile_of(profile)
    printed = json is not None and str(json) == "-"
    if json is not None and not printed:
        if evidence is not None and json.resolve() == evidence.resolve():
            raise ValueError(f"json must be another file than the evidence, got {str(json)!r} for both")
        check_writable("json", json)
    rows = len(plan(claims, seed))
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("starting", total=rows)

        def on_row(row: Row) -> None:
            progress.update(task, advance=1, description=f"{row.paper}/{row.claim} {row.case}")

        campaign = run(
            claims,
            chosen,
            seed,
            jobs,
            on_row,
            evidence=evidence,
            resume=resume,
            executor=executor,
            cluster=cluster,
            titles=titles,
        )
    if printed:
        sys.stdout.write(as_json(campaign))
        return campaign
    out = Console()
    if not out.is_terminal:
        out = Console(width=PLAIN_WIDTH)
    out.print(power_table(campaign) if power else table(campaign))
    out.print()
    out.print(closing(campaign), highlight=False, markup=False)
    if evidence is not None and campaign.interrupted:
        out.print(f"{len(campaign.rows)} rows are kept; --resume goes on with them.", highlight=False, markup=False)
    if json is not None:
        json.write_text(as_json(campaign), encoding="utf-8")
    return campaign


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(2)


def main(paper: str, claims: Sequence[Claim], arguments: Sequence[str] | None = None) -> NoReturn:
    """`python -m lemmata.papers.<paper>`: the options and exit status of `lemmata validate`, for its claims."""
    parser = _OneLineParser(prog=f"python -m lemmata.papers.{paper}", description=f"Test the claims of {paper}.")
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=None, help="processes; the number of cores by default")
    parser.add_argument("--json", type=Path, default=None, help="write the run as JSON to this file too")
    given = parser.parse_args(arguments)
    try:
        campaign = validate(claims, given.profile, given.seed, given.jobs, given.json)
    except ValueError as error:
        parser.error(str(error))
    sys.exit(campaign.exit_status)
