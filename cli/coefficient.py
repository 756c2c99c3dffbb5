"""`lemmata coefficient`: the exact learning coefficient of a network whose shape is given in words."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from .words import JsonFile, WrongWords, check_file, check_picture, complaints, write_json

if TYPE_CHECKING:  # the commands import what they need, so that --help is quick
    from ..theory.learning import LearningCoefficient, LearningCurve
    from ..theory.learning.general_bounds import GeneralBounds

families = typer.Typer(
    no_args_is_help=False, help="The exact learning coefficient λ and multiplicity m of a linear network."
)

Outputs = Annotated[int, typer.Option(help="M, output units.")]
Hidden = Annotated[int, typer.Option(help="H, hidden units.")]
Rank = Annotated[int, typer.Option(help="r, the rank of the true map.")]
Inputs = Annotated[int, typer.Option(help="N, input units.")]
Widths = Annotated[str, typer.Option(help="From input to output, such as 4,3,3,2.")]
Biases = Annotated[bool, typer.Option("--biases", help="All layers carry biases.")]
UnknownNoise = Annotated[bool, typer.Option("--unknown-noise", help="The noise covariances are parameters too.")]
SampleSizes = Annotated[str, typer.Option("--n", help="Sample sizes of the learning curve, separated by commas.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw the learning curve into this file.")]
NS = "100,1000,10000,100000,1000000"


class Extras(NamedTuple):
    """What every family may have besides its weights."""

    biases: bool
    unknown_noise: bool


@families.callback(invoke_without_command=True)
def family(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise WrongWords("name a family after 'coefficient': reduced-rank, deep, cbm, multitask, pcbm or chain")


@families.command("reduced-rank")
def reduced_rank_command(
    outputs: Outputs,
    hidden: Hidden,
    inputs: Inputs,
    rank: Rank,
    biases: Biases = False,
    unknown_noise: UnknownNoise = False,
    n: SampleSizes = NS,
    plot: Plot = None,
    json: JsonFile = None,
) -> None:
    """Reduced rank regression, y = A B x + noise."""
    case = {"outputs": outputs, "hidden": hidden, "inputs": inputs, "rank": rank}

    def general() -> "GeneralBounds":
        from ..theory.learning.general_bounds import general_bounds

        return general_bounds([inputs, hidden, outputs], outputs, rank)

    _show("reduced_rank", case, Extras(biases, unknown_noise), general, n, plot, json)


@families.command("deep")
def deep_command(
    widths: Widths,
    rank: Rank,
    biases: Biases = False,
    unknown_noise: UnknownNoise = False,
    n: SampleSizes = NS,
    plot: Plot = None,
    json: JsonFile = None,
) -> None:
    """Deep linear network, y = W_L ... W_1 x + noise."""
    sides = _integers("widths", widths)

    def general() -> "GeneralBounds":
        from ..theory.learning.general_bounds import general_bounds

        return general_bounds(sides, sides[-1], rank)

    _show("deep_linear", {"widths": sides, "rank": rank}, Extras(biases, unknown_noise), general, n, plot, json)


@families.command("cbm")
def cbm_command(
    outputs: Outputs,
    concepts: Annotated[int, typer.Option(help="H, hidden units, each an observed concept.")],
    inputs: Inputs,
    concept_rank: Annotated[int | None, typer.Option(help="rank(B*); full by default.")] = None,
    biases: Biases = False,
    unknown_noise: UnknownNoise = False,
    n: SampleSizes = NS,
    plot: Plot = None,
    json: JsonFile = None,
) -> None:
    """Concept bottleneck, c = B x + noise and y = A B x + noise."""
    rank = min(concepts, inputs) if concept_rank is None else concept_rank
    case = {"outputs": outputs, "concepts": concepts, "inputs": inputs, "concept_rank": rank}

    def general() -> "GeneralBounds":
        from ..theory.learning.general_bounds import general_bounds

        return general_bounds([inputs, concepts, outputs], outputs + concepts, rank)

    _show("concept_bottleneck", case, Extras(biases, unknown_noise), general, n, plot, json)


@families.command("multitask")
def multitask_command(
    outputs: Outputs,
    concepts: Annotated[int, typer.Option(help="K, concepts learnt beside the output.")],
    hidden: Hidden,
    inputs: Inputs,
    rank: Rank,
    biases: Biases = False,
    unknown_noise: UnknownNoise = False,
    n: SampleSizes = NS,
    plot: Plot = None,
    json: JsonFile = None,
) -> None:
    """Multitask network, [y; c] = [A; C] B x + noise."""
    case = {"outputs": outputs, "concepts": concepts, "hidden": hidden, "inputs": inputs, "rank": rank}

    def general() -> "GeneralBounds":
        from ..theory.learning.general_bounds import general_bounds

        return general_bounds([inputs, hidden, outputs + concepts], outputs + concepts, rank)

    _show("multitask", case, Extras(biases, unknown_noise), general, n, plot, json)


@families.command("pcbm")
def pcbm_command(
    outputs: Outputs,
    hidden: Annotated[int, typer.Option(help="H1, hidden units that are not observed.")],
    concepts: Annotated[int, typer.Option(help="H2, hidden units that are observed concepts.")],
    inputs: Inputs,
    concept_rank: Annotated[int, typer.Option(help="r2, the rank of the true map from input to concepts.")],
    residual_rank: Annotated[int, typer.Option(help="r', the rank of what the concepts leave unexplained.")],
    free_rank: Annotated[
        int | None, typer.Option(help="rank(A1* B1*), for the upper bounds; r' by default.", show_default=False)
    ] = None,
    biases: Biases = False,
    unknown_noise: UnknownNoise = False,
    n: SampleSizes = NS,
    plot: Plot = None,
    json: JsonFile = None,
) -> None:
    """Partial concept bottleneck, c = B2 x + noise and y = (A1 B1 + A2 B2) x + noise."""
    case: dict[str, Any] = {
        "outputs": outputs,
        "hidden": hidden,
        "concepts": concepts,
        "inputs": inputs,
        "concept_rank": concept_rank,
        "residual_rank": residual_rank,
    }
    extras = Extras(biases, unknown_noise)

    def general() -> "GeneralBounds":
        from ..theory.learning.general_bounds import general_bounds

        return general_bounds([inputs, hidden + concepts, outputs], outputs + concepts, concept_rank + residual_rank)

    def upper() -> dict[str, Fraction]:
        from ..theory.learning import partial_concept_bottleneck_bounds

        return partial_concept_bottleneck_bounds(**case, free_rank=free_rank, **extras._asdict())._asdict()

    _show("partial_concept_bottleneck", case, extras, general, n, plot, json, upper)


@families.command("chain")
def chain_command(
    widths: Widths,
    observed: Annotated[str, typer.Option(help="Numbers of the observed layers, the last the output's, such as 2,4.")],
    ranks: Annotated[str, typer.Option(help="The rank of the true map to each observed layer, such as 2,1.")],
    biases: Biases = False,
    unknown_noise: UnknownNoise = False,
    n: SampleSizes = NS,
    plot: Plot = None,
    json: JsonFile = None,
) -> None:
    """Deep linear network some of whose layers are observed."""
    case = {
        "widths": _integers("widths", widths),
        "observed": _integers("observed", observed),
        "ranks": _integers("ranks", ranks),
    }

    def general() -> "GeneralBounds":
        from ..theory.learning.general_bounds import observed_chain_bounds

        return observed_chain_bounds(**case)

    _show("observed_chain", case, Extras(biases, unknown_noise), general, n, plot, json)


def _show(
    name: str,
    case: Mapping[str, Any],
    extras: Extras,
    general: Callable[[], "GeneralBounds"],
    n: str,
    plot: Path | None,
    json: Path | None,
    upper: Callable[[], Mapping[str, Fraction]] = dict,
) -> None:
    """Ask the theory function `name` and print, draw or write what it answers."""
    with complaints():
        check_file("json", json)
        check_picture(plot)
        from ..theory import learning

        exact: LearningCoefficient = getattr(learning, name)(**case, **extras._asdict())
        plain: LearningCoefficient = getattr(learning, name)(**case)
        between = general().plus(exact.value - plain.value)
        bounds = {"general_lower": between.lower, **upper(), "general_upper": between.upper}
        curve = exact.learning_curve(_sizes(n))
    if plot is not None:
        _draw(exact, curve, plot)
    if json is not None:
        write_json(json, _as_data(case, extras, exact, bounds, curve))
    if json is None or str(json) != "-":
        _print(exact, bounds, curve)


def _print(exact: "LearningCoefficient", bounds: Mapping[str, Fraction], curve: "LearningCurve") -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"λ = {exact.value}" + (f" = {float(exact.value)}" if exact.value.denominator > 1 else ""))
    typer.echo(f"m = {exact.multiplicity}")
    typer.echo(f"by  {exact.theorem}")
    for name, bound in bounds.items():
        typer.echo(f"{'λ ≥' if name.endswith('lower') else 'λ ≤'} {bound}  ({name.replace('_', ' ')})")
    table = Table(box=None, pad_edge=False)
    for title in ("n", "generalization error", "free energy", "mean energy"):
        table.add_column(title, justify="right")
    for line in zip(*curve, strict=True):
        table.add_row(f"{line[0]:g}", f"{line[1]:.4g}", f"{line[2]:.2f}", f"{line[3]:.4f}")
    typer.echo()
    Console(highlight=False).print(table)


def _draw(exact: "LearningCoefficient", curve: "LearningCurve", file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    curve.draw(ax, label=str(exact).partition(" (")[0])
    ax.legend()
    figure.savefig(file, dpi=150)


def _as_data(
    case: Mapping[str, Any],
    extras: Extras,
    exact: "LearningCoefficient",
    bounds: Mapping[str, Fraction],
    curve: "LearningCurve",
) -> dict[str, Any]:
    return {
        "arguments": {**case, **extras._asdict()},
        "value": _number(exact.value),
        "multiplicity": exact.multiplicity,
        "theorem": exact.theorem,
        "bounds": {name: _number(bound) for name, bound in bounds.items()},
        "learning_curve": {name: values.tolist() for name, values in curve._asdict().items()},
    }


def _number(value: Fraction) -> dict[str, Any]:
    return {"exact": str(value), "float": float(value)}


def _integers(name: str, words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise WrongWords(f"--{name} must be integers separated by commas, got {words!r}") from None


def _sizes(words: str) -> list[float]:
    try:
        sizes = [float(word) for word in words.split(",")]
    except ValueError:
        raise WrongWords(f"--n must be numbers separated by commas, got {words!r}") from None
    if not all(1.0 < size < math.inf for size in sizes):
        raise WrongWords(f"--n must be finite numbers > 1, got {words!r}")
    return sizes
