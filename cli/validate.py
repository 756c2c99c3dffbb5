"""`lemmata validate` and what goes with a run: the list of claims, a violation drawn again, the rows as a table."""

from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .words import JsonFile, check_file, complaints, write_json

if TYPE_CHECKING:
    from ..papers.engine.claim import Claim

Paper = Annotated[list[str] | None, typer.Option("--paper", help="Only this paper; may be given several times.")]
Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE]...", help="Your own claims: files with a list CLAIMS, or installed plugins."),
]
Run = Annotated[Path, typer.Argument(metavar="RUN.sqlite", help="The evidence of a run.")]


def validate_command(
    source: Sources = None,
    paper: Paper = None,
    profile: Annotated[str, typer.Option(help="quick or full.")] = "quick",
    seed: Annotated[int, typer.Option(help="Another seed draws everything anew.")] = 0,
    power: Annotated[bool, typer.Option("--power", help="Demand that every false variant is refuted.")] = False,
    evidence: Annotated[Path | None, typer.Option(help="Write every row to this SQLite file at once.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --evidence.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the run as JSON to this file too.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; the number of cores by default.")] = None,
    executor: Annotated[str, typer.Option(help="processes, serial or dask.")] = "processes",
    cluster: Annotated[
        str | None, typer.Option(help="A Dask scheduler, tcp://host:port, or local; implies --executor dask.")
    ] = None,
) -> None:
    """Test claims by simulation: those of all papers, or your own.

    Exit status: 0 all supported, 1 any refuted, 2 any inconclusive or a bad argument, 130 interrupted.  With --power
    also 1 where a false variant is not refuted.
    """
    from ..papers.engine import script
    from ..papers.registry import TITLES

    chosen = "dask" if cluster is not None and executor == "processes" else executor
    with complaints():
        campaign = script.validate(
            _claims(source, paper),
            profile,
            seed,
            jobs,
            json,
            power=power,
            evidence=evidence,
            resume=resume,
            executor=chosen,
            cluster=cluster,
            titles=TITLES,
        )
    raise typer.Exit(campaign.power_status if power else campaign.exit_status)


def claims_command(source: Sources = None, paper: Paper = None, json: JsonFile = None) -> None:
    """List the claims that `validate` tests."""
    from rich.console import Console
    from rich.text import Text

    from ..papers.registry import TITLES

    with complaints():
        check_file("json", json)
        chosen = _claims(source, paper)
    if json is not None:
        write_json(json, {"claims": [_said(claim) for claim in chosen]})
        return
    console, previous = Console(highlight=False, soft_wrap=True), ""
    for claim in chosen:
        if claim.paper != previous:
            title = TITLES.get(claim.paper, "your own claims")
            console.print(Text(f"{claim.paper}: {title}", style="bold"))
        previous = claim.paper
        console.print(Text(f"  {claim.name} ({claim.place}; {claim.relation})\n    {claim.sentence}"))
        console.print(Text(f"    cases: {'  '.join(case.name for case in claim.cases)}"))
        console.print(Text(f"    tolerance: {claim.remainder}"))
        console.print(Text(f"    must refute: {'; '.join(variant.words for variant in claim.false_variants)}"))


def replay_command(
    run: Run,
    number: Annotated[
        int | None, typer.Argument(metavar="[ID]", help="Of a counterexample; all are listed without.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option("--claims", help="The file or plugin that it came from.")] = None,
    json: JsonFile = None,
) -> None:
    """Draw a counterexample of a run again, bit for bit, and show its numbers.

    Exit status: 0 drawn again as it was, 1 otherwise.
    """
    from ..papers.engine.evidence import Evidence
    from ..papers.engine.replay import replay
    from ..papers.engine.strict_json import as_json

    with complaints(), Evidence.reading(run) as evidence:
        check_file("json", json)
        if number is None:
            rows = evidence.rows()
            known = {identifier: rows[index] for identifier, index in evidence.counterexamples()}
            if json is not None:
                named = [
                    {"id": identifier, "paper": row.paper, "claim": row.claim, "case": row.case}
                    for identifier, row in known.items()
                ]
                write_json(json, {"counterexamples": named})
                return
            for identifier, row in known.items():
                typer.echo(f"{identifier}: {row.paper}/{row.claim} at {row.case}")
            if not known:
                typer.echo("no counterexample in this run")
            return
        found = replay(evidence, number, _claims(source, None))
    again, stored = found.again, found.stored
    if json is not None:
        said: dict[str, Any] = {"paper": found.row.paper, "claim": found.row.claim, "case": found.row.case}
        said |= {"stream": list(stored.key), "arguments": loads(as_json(again.arguments))}
        said |= {"value": loads(as_json(again.value)), "bound": found.bound, "tolerance": found.tolerance}
        write_json(json, said | {"violated": found.violates, "identical": found.identical})
        raise typer.Exit(0 if found.identical else 1)
    typer.echo(f"{found.row.paper}/{found.row.claim} at {found.row.case}, stream {as_json(stored.key)}")
    typer.echo(f"arguments: {as_json(again.arguments)}")
    typer.echo(f"value {again.value!r}, bound {found.bound!r}, above by {again.value - found.bound!r}")
    typer.echo(f"tolerance {found.tolerance!r}: {'violated' if found.violates else 'not violated'}")
    typer.echo(
        "identical to the run's" if found.identical else f"the run had value {stored.value!r}, bound {stored.bound!r}"
    )
    raise typer.Exit(0 if found.identical else 1)


def _said(claim: "Claim") -> dict[str, Any]:
    """What a claim says, as JSON has it."""
    return {
        "paper": claim.paper,
        "name": claim.name,
        "place": claim.place,
        "sentence": claim.sentence,
        "formula": claim.formula,
        "relation": str(claim.relation),
        "cases": [case.name for case in claim.cases],
        "tolerance": claim.remainder,
        "false_variants": [variant.words for variant in claim.false_variants],
    }


def export_command(
    run: Run,
    output: Annotated[Path, typer.Option("--output", "-o", help="A file that ends in .csv or .parquet.")],
) -> None:
    """Write the rows of a run as a table."""
    from ..papers.engine.evidence import Evidence
    from ..papers.engine.export import export

    with complaints(), Evidence.reading(run) as evidence:
        rows = export(evidence, output)
    typer.echo(f"{rows} rows to {output}")


def _claims(source: list[str] | None, paper: list[str] | None) -> "tuple[Claim, ...]":
    """The reader's claims where a source is named, the papers' otherwise."""
    from ..papers.engine.claim_sources import claims_from
    from ..papers.registry import claims_of

    if source and paper:
        raise ValueError(f"paper must be left out where claims are named, got {', '.join(paper)}")
    return claims_from(source) if source else claims_of(paper or ())
