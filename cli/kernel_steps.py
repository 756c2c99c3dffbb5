"""`lemmata minimax steps`: the constants of a kernel critic, and the steps that they allow."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .words import JsonFile, check_file, complaints, write_json

if TYPE_CHECKING:  # imported when the command runs, so that --help is quick
    from ..theory.minimax import KernelConstants, OuterSmoothness

WORDS = {
    "alpha": "α, slope of the critic (D1)",
    "beta1": "β₁, its curvature (D2)",
    "beta2": "β₂, its sensitivity to the measure (D3)",
    "K1": "K1 = −ψ″(0)",
    "K2": "K2 = ψ⁗(0)",
    "oscillation": "Δ = ψ(0) − inf ψ",
}


def steps_command(
    kernel: Annotated[str, typer.Option(help="gaussian, imq, matern32, matern52 or matern12.")] = "gaussian",
    lengthscale: Annotated[float, typer.Option(help="ℓ, in the unit of the data.")] = 1.0,
    ridge: Annotated[float, typer.Option(help="λ, the weight of ½‖f‖² on the critic f.")] = 1.0,
    algorithm: Annotated[str | None, typer.Option(help="simultaneous or alternating; both by default.")] = None,
    smallest: Annotated[float, typer.Option(help="s, the least coupling t of the game near its equilibrium.")] = 0.0,
    largest: Annotated[
        float | None, typer.Option(help="S, the largest coupling; A² K1 by default, which none exceeds.")
    ] = None,
    squared_lipschitz: Annotated[
        float, typer.Option(help="A² of the generator; 1 for particles, whose steps are then one particle's.")
    ] = 1.0,
    curvature: Annotated[float, typer.Option(help="B of the generator; 0 for particles and linear maps.")] = 0.0,
    json: JsonFile = None,
) -> None:
    """A kernel critic with a ridge: the constants of its conditions, and which steps converge, the best ones how fast.

    Exit status: 0, or 1 where the kernel has a kink, so that no step follows.
    """
    with complaints():
        check_file("json", json)
        from ..theory._check import positive
        from ..theory.minimax import kernel_constants, outer_smoothness
        from ..theory.minimax.arguments import choice

        names = ("simultaneous", "alternating")
        chosen = names if algorithm is None else (choice("algorithm", algorithm, names),)
        constants = kernel_constants(kernel, lengthscale, ridge)
        smooth = None
        if math.isfinite(constants.beta1):
            smooth = outer_smoothness(constants.alpha, constants.beta1, constants.beta2, squared_lipschitz, curvature)
        top = positive("squared_lipschitz", squared_lipschitz) * constants.K1 if largest is None else largest
        rows = {}
        if math.isfinite(top) or largest is not None:
            rows = {name: _steps(name, smallest, top, ridge) for name in chosen}
    if json is not None:
        case = {"kernel": kernel, "lengthscale": lengthscale, "ridge": ridge, "smallest": smallest}
        write_json(json, {**case, **_as_data(top, constants, smooth, rows)})
    if json is None or str(json) != "-":
        _print(f"{kernel} kernel, ℓ = {lengthscale:g}, λ = {ridge:g}", constants, smooth)
        if rows:
            _print_steps(f"{smallest:g} ≤ t ≤ {top:g}", rows)
    raise typer.Exit(1 if smooth is None else 0)


def _steps(algorithm: str, smallest: float, largest: float, ridge: float) -> dict[str, float]:
    """The best pair of theorem 10, and where one of the steps turns unstable, η beside γ = 1/λ and γ beside the best η.

    By theorem 9: simultaneous ηS < λ and γ(2λ − ηs) < 4, alternating γ(2λ + ηS) < 4.
    """
    from ..theory.minimax import optimal_steps

    best = optimal_steps(algorithm, smallest, largest, ridge)
    together = algorithm == "simultaneous"
    pull = -best.min_step * smallest if together else best.min_step * largest
    return {
        "min_step_below": (1.0 if together else 2.0) * ridge / largest,
        "max_step_below": 4.0 / (2.0 * ridge + pull),
        "min_step": best.min_step,
        "max_step": best.max_step,
        "rate": best.rate,
        "steps_per_decade": _decade(best.rate),
    }


def _decade(rate: float) -> float:
    return math.inf if rate >= 1 else -math.log(10.0) / math.log(rate) if rate > 0 else 0.0


def _print(title: str, constants: "KernelConstants", smooth: "OuterSmoothness | None") -> None:
    typer.echo(title)
    for name, value in asdict(constants).items():
        typer.echo(f"{WORDS[name]:<40} {value:.12g}")
    typer.echo()
    if smooth is None:
        typer.echo("the critic has kinks, so D2 and D3 fail and no step size follows")
        return
    typer.echo(f"{'L = αB + A²β₁':<40} {smooth.smoothness:.12g}")
    typer.echo("the best critic at every step, from any start:")
    typer.echo(f"  J falls with generator steps below 2/L = {2 * smooth.step:.6g}; the bound is best at 1/L,")
    typer.echo(f"  η = {smooth.step:.6g}, where the mean of |∇J|² over T steps is at most 2L(J₀ − inf J)/T")
    typer.echo()


def _print_steps(couplings: str, rows: dict[str, dict[str, float]]) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"both players near the equilibrium, couplings {couplings}:")
    table = Table(box=None, pad_edge=False)
    heads = ("algorithm", "η below\nat γ = 1/λ", "γ below\nat best η", "best η", "best γ", "rate ρ", "steps\na decade")
    for name in heads:
        table.add_column(name, justify="left" if name == "algorithm" else "right")
    for name, row in rows.items():
        table.add_row(name, *("—" if math.isnan(value) else f"{value:.6g}" for value in row.values()))
    Console(highlight=False, soft_wrap=True).print(table)
    if any(row["rate"] == 1.0 for row in rows.values()):
        typer.echo("couplings down to 0 have no common rate: give --smallest")


def _as_data(
    largest: float,
    constants: "KernelConstants",
    smooth: "OuterSmoothness | None",
    rows: dict[str, dict[str, float]],
) -> dict[str, Any]:
    return {
        "largest": _plain(largest),
        "constants": {name: _plain(value) for name, value in asdict(constants).items()},
        "smoothness": None if smooth is None else smooth.smoothness,
        "descent_step": None if smooth is None else _plain(smooth.step),
        "steps": {name: {key: _plain(value) for key, value in row.items()} for name, row in rows.items()},
    }


def _plain(value: float) -> float | str | None:
    """JSON has neither inf nor nan."""
    return value if math.isfinite(value) else None if math.isnan(value) else "inf"
