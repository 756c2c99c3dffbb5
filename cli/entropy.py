"""`lemmata entropy`: the entropy of a Gaussian mixture from a file, between bounds and by certified simulation."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .words import JsonFile, check_file, check_picture, complaints, write_json

if TYPE_CHECKING:  # imported when the command runs, so that --help is quick
    from ..theory.entropy import EntropyBracket, GapEstimate, GaussianMixture, Overlap

MixtureFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Arrays weights, means and covariances, as .npz or .json.")
]
Kind = Annotated[
    str | None, typer.Option(help="full, tied, diagonal or spherical; read off the shape where that decides.")
]


def entropy_command(
    file: MixtureFile,
    kind: Kind = None,
    tolerance: Annotated[float, typer.Option(help="Half the width of the interval to reach, in nats.")] = 1e-4,
    confidence: Annotated[float, typer.Option(help="Probability with which the interval holds.")] = 0.999,
    seed: Annotated[int, typer.Option(help="Another seed draws everything anew.")] = 0,
    threads: Annotated[int | None, typer.Option(help="The number of cores by default; changes no digit.")] = None,
    most_draws: Annotated[int, typer.Option(help="Where to stop in any case.")] = 10**8,
    json: JsonFile = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the mixture and its pairs into this file.")] = None,
) -> None:
    """The entropy of a Gaussian mixture, in nats: approximation, bounds by name, certified estimate.

    Exit status: 0, or 1 where the draws did not reach the tolerance.
    """
    from .mixture_file import read_mixture

    with complaints():
        check_file("json", json)
        check_picture(plot)
        mixture = read_mixture(file, kind)
        from joblib import cpu_count
        from rich.console import Console

        from ..sim.entropy import estimate_gap
        from ..theory.entropy import entropy_bracket, overlap

        with Console(stderr=True).status("bounding the gap of every pair") as status:

            def on_look(draws: int, interval: tuple[float, float]) -> None:
                status.update(f"{draws} draws, within {(interval[1] - interval[0]) / 2:.1e} nats")

            pairs = overlap(mixture)
            bracket = entropy_bracket(mixture, pairs)
            seen = estimate_gap(
                mixture,
                tolerance,
                confidence=confidence,
                seed=seed,
                threads=cpu_count() if threads is None else threads,
                most_draws=most_draws,
                pairs=pairs,
                on_look=on_look,
            )
    if plot is not None:
        _draw(mixture, pairs, bracket, seen, plot)
    if json is not None:
        write_json(json, _as_data(mixture, bracket, seen, file, seed))
    if json is None or str(json) != "-":
        _print(mixture, bracket, seen)
    raise typer.Exit(0 if seen.reached else 1)


def _print(mixture: "GaussianMixture", bracket: "EntropyBracket", seen: "GapEstimate") -> None:
    from rich.console import Console
    from rich.table import Table

    from ..theory.entropy.gap_bounds import LOWER, UPPER

    places = max(6, 2 + math.ceil(-math.log10(seen.tolerance)))
    low, high = (f"{end:.{places}f}" for end in seen.entropy_interval)
    certainty = "by the bounds alone"
    if seen.gap.draws:
        certainty = f"with probability {seen.confidence:g}  ({seen.sampler}, {seen.gap.draws} draws)"
    typer.echo(repr(mixture))
    typer.echo(f"H̃ = {bracket.approximation:.{places}f}")
    typer.echo(f"H ≥ {bracket.lower:.{places}f}  (H̃ − {bracket.lower_from})")
    typer.echo(f"H ≤ {bracket.upper:.{places}f}  (H̃ − {bracket.upper_from})")
    typer.echo(f"H = {seen.entropy.mean:.{places}f}, in [{low}, {high}] {certainty}")
    if not seen.reached:
        half = (seen.interval[1] - seen.interval[0]) / 2
        typer.echo(f"the tolerance {seen.tolerance:g} was not reached: half the interval's width is {half:.2g}")
    table = Table(box=None, pad_edge=False)
    table.add_column("bound")
    table.add_column("gap Δ = H̃ − H")
    table.add_column("")
    binding = (bracket.lower_from, bracket.upper_from)
    for sign, names in (("≤", UPPER), ("≥", LOWER)):
        for name in names:
            value = float(getattr(bracket.bounds, name))
            table.add_row(name, f"{sign} {value:.6g}", "binding" if name in binding else "")
    table.add_row("estimate", f"= {seen.gap.mean:.6g}", f"in [{seen.interval[0]:.6g}, {seen.interval[1]:.6g}]")
    typer.echo()
    Console(highlight=False).print(table)


def _draw(
    mixture: "GaussianMixture", overlap: "Overlap", bracket: "EntropyBracket", seen: "GapEstimate", file: Path
) -> None:
    import numpy as np
    from matplotlib.figure import Figure

    from .mixture_picture import draw_mixture, draw_pairs, pair_colours

    figure = Figure(figsize=(11.5, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
    pairs = np.logaddexp(overlap.log_sides, overlap.log_sides.T) / math.log(10)
    colours = pair_colours(pairs)
    draw_mixture(mixture, pairs, colours, left)
    draw_pairs(pairs, colours, right)
    gap = f"Δ = {seen.gap.mean:.4g} ± {(seen.interval[1] - seen.interval[0]) / 2:.1g}"
    figure.suptitle(f"H = H̃ − Δ = {seen.entropy.mean:.6g} nats;  H̃ = {bracket.approximation:.6g},  {gap}")
    figure.savefig(file, dpi=150)


def _as_data(
    mixture: "GaussianMixture", bracket: "EntropyBracket", seen: "GapEstimate", file: Path, seed: int
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "file": str(file),
        "components": mixture.components,
        "dimension": mixture.dimension,
        "kind": mixture.kind,
        "approximation": bracket.approximation,
        "bracket": {
            name: getattr(bracket, name)
            for name in ("lower", "upper", "lower_from", "upper_from", "lower_rounding", "upper_rounding")
        },
        "gap_bounds": asdict(bracket.bounds),
        "estimate": {
            "entropy": seen.entropy.mean,
            "entropy_interval": list(seen.entropy_interval),
            "gap": seen.gap.mean,
            "gap_interval": list(seen.interval),
            "gap_bernstein": list(seen.bernstein),
            "standard_error": seen.gap.error,
            "confidence": seen.confidence,
            "tolerance": seen.tolerance,
            "reached": seen.reached,
            "sampler": seen.sampler,
            "draws": seen.gap.draws,
            "seed": seed,
        },
    }
