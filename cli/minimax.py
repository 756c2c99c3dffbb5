"""`lemmata minimax`: with which steps does adversarial training converge?  The Dirac-GAN, played; `steps` beside it."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .kernel_steps import steps_command
from .words import JsonFile, WrongWords, check_file, check_picture, complaints, write_json

if TYPE_CHECKING:  # imported when a command runs, so that --help is quick
    from ..theory.minimax import DiracGAN, UpdateSpectrum
    from .dirac_play import Played

games = typer.Typer(no_args_is_help=False, help="Step sizes with which adversarial training converges.")
games.command("steps")(steps_command)

OPTIONS = {"weight": "gamma", "regulariser": "penalty", "min_step": "step", "generator": "start", "critic": "start"}
ENDS = {
    "cycle": "cycles around 0",
    "spiral": "spirals into 0",
    "node": "runs straight into 0",
    "drift": "θ drifts for ever",
    "wrong_point": "stops beside the data, at |θ| = {limit:.6g}",
    "limit_cycle": "ends in a cycle, of amplitude {limit:.6g} as γ/c → 0",
}


@games.callback(invoke_without_command=True)
def game(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        raise WrongWords("name a question after 'minimax': dirac or steps")


@games.command("dirac")
def dirac_command(
    penalty: Annotated[
        str, typer.Option(help="none, clipping, r1, r2, weight-decay, spectral-normalisation or wgan-gp.")
    ] = "none",
    gamma: Annotated[float, typer.Option(help="γ, the weight of the penalty.")] = 0.0,
    step: Annotated[float, typer.Option(help="h, of both players.")] = 0.5,
    algorithm: Annotated[
        str, typer.Option(help="simultaneous, alternating, extragradient or optimistic.")
    ] = "simultaneous",
    loss: Annotated[
        str | None, typer.Option(help="logistic, non-saturating or wgan; wgan for wgan-gp, else logistic by default.")
    ] = None,
    noise: Annotated[float, typer.Option(help="Standard deviation of noise on data and samples.")] = 0.0,
    generator_decay: Annotated[float, typer.Option(help="δ, weight decay of the generator.")] = 0.0,
    norm: Annotated[float, typer.Option(help="The critic's norm that wgan-gp aims at.")] = 1.0,
    start: Annotated[tuple[float, float], typer.Option(help="θ and ψ to play from.")] = (0.4, 0.3),
    steps: Annotated[int | None, typer.Option(help="How many to play; by default three decades of decay.")] = None,
    json: JsonFile = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the game as played into this file.")] = None,
) -> None:
    """The smallest GAN: data at 0, a generator at θ, a critic ψx.  Does it converge, below which step, how fast?

    Exit status: 0 if the step is stable, 1 if not.
    """
    with complaints(), _renamed():
        check_file("json", json)
        check_picture(plot)
        from ..sim.minimax import dirac_game
        from ..theory.minimax import dirac_gan
        from .dirac_play import play

        word = penalty.replace("-", "_")
        said = ("wgan" if word == "wgan_gp" else "logistic") if loss is None else loss.replace("-", "_")
        simulated = dirac_game(said, word, gamma, noise, generator_decay, norm)
        sat = "logistic" if said == "non_saturating" else said  # the same linearisation
        theory = dirac_gan(sat, word, gamma, noise, generator_decay, norm)
        found = None if theory.eigenvalues is None else theory.spectrum(algorithm, step, step)
        played = play(simulated, theory, algorithm, step, start, steps)
    case = {
        "loss": said, "penalty": word, "gamma": gamma, "noise": noise, "generator_decay": generator_decay,
        "norm": norm, "algorithm": algorithm, "step": step,
    }  # fmt: skip
    if plot is not None:
        _draw(case, theory, found, played, plot)
    if json is not None:
        write_json(json, {**case, **_as_data(theory, found, played)})
    if json is None or str(json) != "-":
        _print(case, theory, found, played)
    raise typer.Exit(0 if found is not None and found.verdict == "stable" else 1)


@contextmanager
def _renamed() -> Iterator[None]:
    """Let a complaint name the option rather than the argument of the theory."""
    try:
        yield
    except ValueError as error:
        first, _, rest = str(error).partition(" ")
        raise ValueError(f"{OPTIONS.get(first, first)} {rest}") from error


def _thresholds(theory: "DiracGAN") -> dict[str, float] | None:
    from ..theory.minimax.modes import ALGORITHMS

    return None if theory.eigenvalues is None else {name: theory.threshold(name) for name in ALGORITHMS}


def _verdict(theory: "DiracGAN", found: "UpdateSpectrum | None") -> str:
    return theory.behaviour if found is None else found.verdict


def _title(case: Mapping[str, Any]) -> str:
    words = [f"loss {case['loss']}", f"penalty {case['penalty']}"]
    letters = (("gamma", "γ"), ("noise", "noise"), ("generator_decay", "δ"))
    words += [f"{letter} = {case[name]:g}" for name, letter in letters if case[name]]
    return ", ".join([*words, str(case["algorithm"]), f"h = {case['step']:g}"]).replace("_", "-")


def _print(case: Mapping[str, Any], theory: "DiracGAN", found: "UpdateSpectrum | None", played: "Played") -> None:
    typer.echo(f"Dirac-GAN: {_title(case)}")
    typer.echo(f"flow: {ENDS[theory.behaviour].format(limit=theory.limit)}{_eigenvalues(theory.eigenvalues)}")
    if found is None or played.near is None:
        typer.echo("verdict: no linearisation at 0, so no step is stable")
    else:
        typer.echo(f"step: spectral radius ρ = {found.rate:.12g}{_eigenvalues(found.eigenvalues)}")
        pace = f", half the distance every {math.log(0.5) / math.log(found.rate):.4g} steps" if found.rate else ""
        typer.echo(f"verdict: {found.verdict}{pace if found.verdict == 'stable' else ''}")
        near = played.near
        typer.echo(f"played near 0: {near.verdict}, by the factor {near.rate:.12g} a step over {near.steps} steps")
        typer.echo()
        _print_thresholds(case, theory)
    distances = played.distances
    ends = " → ".join(f"({theta:.6g}, {psi:.6g})" for theta, psi in played.path[[0, -1]])
    far = "left all bounds" if played.diverged else f"distance {distances[0]:.6g} → {distances[-1]:.6g}"
    typer.echo(f"played from the start: {ends} in {len(distances) - 1} steps, {far}")


def _print_thresholds(case: Mapping[str, Any], theory: "DiracGAN") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    h = case["step"]
    for name in ("algorithm", "stable below h =", f"ρ at h = {h:g}", "verdict"):
        table.add_column(name, justify="left" if name in ("algorithm", "verdict") else "right")
    for name, edge in (_thresholds(theory) or {}).items():
        at = theory.spectrum(name, h, h)
        neutral = name == "alternating" and theory.behaviour == "cycle"  # it cycles below its threshold
        table.add_row(name, f"none ({edge:.6g})" if neutral else f"{edge:.6g}", f"{at.rate:.6f}", at.verdict)
    Console(highlight=False, soft_wrap=True).print(table)
    if math.isfinite(theory.best_step):
        typer.echo(f"fastest simultaneous step: h = {theory.best_step:.6g}, ρ = {theory.best_rate:.6g}")
    typer.echo()


def _eigenvalues(values: Any) -> str:
    if values is None:
        return ""
    return f"; eigenvalues {', '.join(_complex(complex(z)) for z in values)}"


def _complex(z: complex) -> str:
    real = f"{z.real + 0.0:.6g}".replace("-", "−")
    return f"{real} {'−' if z.imag < 0 else '+'} {abs(z.imag):.6g}i" if z.imag else real


def _draw(
    case: Mapping[str, Any], theory: "DiracGAN", found: "UpdateSpectrum | None", played: "Played", file: Path
) -> None:
    from matplotlib.figure import Figure

    from .dirac_picture import draw_distances, draw_plane

    figure = Figure(figsize=(11.5, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.4, 1.0])
    draw_distances(played, theory, None if found is None else found.rate, left)
    draw_plane(played, theory, right)
    verdict = _verdict(theory, found).replace("_", " ")
    edge = 0.0 if found is None else theory.threshold(case["algorithm"])
    words = f"{verdict} (threshold h = {edge:.4g})" if edge else f"{verdict}: no step is stable"
    figure.suptitle(f"Dirac-GAN: {_title(case)}\n{words}")
    figure.savefig(file, dpi=150)


def _as_data(theory: "DiracGAN", found: "UpdateSpectrum | None", played: "Played") -> dict[str, Any]:
    distances = played.distances
    return {
        "verdict": _verdict(theory, found),
        "flow": {
            "behaviour": theory.behaviour,
            "eigenvalues": _pairs(theory.eigenvalues),
            "limit": _plain(theory.limit),
        },
        "spectral_radius": None if found is None else found.rate,
        "eigenvalues": None if found is None else _pairs(found.eigenvalues),
        "thresholds": _thresholds(theory),
        "best_step": _plain(theory.best_step),
        "best_rate": _plain(theory.best_rate),
        "near": None
        if played.near is None
        else {"verdict": played.near.verdict, "rate": played.near.rate, "steps": played.near.steps},
        "run": {
            "steps": len(distances) - 1,
            "start": played.path[0].tolist(),
            "end": played.path[-1].tolist(),
            "distances": [float(distances[0]), float(distances[-1])],
            "diverged": played.diverged,
        },
    }


def _pairs(values: Any) -> list[list[float]] | None:
    return None if values is None else [[float(z.real), float(z.imag)] for z in values]


def _plain(value: float) -> float | str | None:
    """JSON has neither inf nor nan."""
    return value if math.isfinite(value) else None if math.isnan(value) else "inf"
