"""`lemmata certify`: is a trained LSTM or GRU stable, and how long can it take to recover from an anomalous input?"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .words import JsonFile, WrongWords, check_file, check_picture, complaints, write_json

if TYPE_CHECKING:  # imported when the command runs, so that --help is quick
    from ..theory.resilience import Box, Certificate, RecoveryTime, Stack
    from .longest_recovery import Found, Sampled

ANOMALY = 3.0

ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A state_dict saved by torch, a .safetensors or an .onnx file.")
]
BoxFile = Annotated[
    Path | None,
    typer.Option("--input-box", help="Instead: a file with the arrays lower and upper of the inputs, .json or .npz."),
]


def certify_command(
    file: ModelFile,
    input_bound: Annotated[float | None, typer.Option(help="Every input stays within ± this; 1 by default.")] = None,
    input_box: BoxFile = None,
    anomaly_bound: Annotated[
        float | None, typer.Option(help="Anomalous inputs stay within ± this; 3 by default, or more if inputs do.")
    ] = None,
    epsilon: Annotated[float, typer.Option(help="Outputs this near to each other count as equal.")] = 0.05,
    layer: Annotated[str | None, typer.Option(help="Name of the recurrent layer, where the file has several.")] = None,
    output: Annotated[
        str | None, typer.Option(help="Name of the linear layer that reads y from h; y = h by default.")
    ] = None,
    split: Annotated[int, typer.Option(help="Parts of each scalar at level R.")] = 3,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds for level R; level C stands in for the rest.")
    ] = None,
    search: Annotated[
        float | None, typer.Option(help="Seconds to look for the worst case; a short search by default, 0 for none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed samples and searches anew.")] = 0,
    json: JsonFile = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw deviations over time into this file.")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Save the certificate for others to check.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Check this certificate instead, by multiplications alone.")
    ] = None,
) -> None:
    """Certify a trained LSTM or GRU, and bound the steps it needs to recover from an anomalous input.

    Exit status: 0 certified, 1 refuted or undecided.
    """
    from .model_file import read_model

    with complaints():
        for name, written in (("json", json), ("certificate", certificate)):
            check_file(name, written)
        check_picture(plot)
        _check_numbers(epsilon, search, seed)
        if input_bound is not None and input_box is not None:
            raise WrongWords("--input-box must be given instead of --input-bound, got both")
        if check is not None and (input_bound, input_box, anomaly_bound) != (None, None, None):
            raise WrongWords("--check must come without bounds of inputs, which the certificate has, got both")
        stack = read_model(file, layer, output)
        from rich.console import Console

        from ..theory.resilience import certify, recovery_time_bound

        with Console(stderr=True).status("reading") as status:
            if check is None:
                usual, anomalous = _boxes(stack, input_bound, input_box, anomaly_bound)
                proved = certify(
                    stack,
                    usual,
                    anomalous,
                    split=split,
                    time_budget=time_budget,
                    progress=lambda name, share: status.update(f"{name} ({share:.0%})"),
                )
            else:
                status.update(f"checking {check}")
                proved = _checked(check, stack)
            status.update("bounding the recovery time")
            recovery = recovery_time_bound(proved, epsilon)
            found, sampled = _seen(proved, recovery, search, seed, status)
    if certificate is not None:
        proved.save(certificate)
    if plot is not None:
        _draw(proved, recovery, found, sampled, plot)
    if json is not None:
        write_json(json, _as_data(proved, recovery, found, sampled, file, seed))
    if json is None or str(json) != "-":
        _print(proved, recovery, found, sampled, check)
    raise typer.Exit(0 if proved.status == "certified" else 1)


def _check_numbers(epsilon: float, search: float | None, seed: int) -> None:
    if not 0.0 < epsilon < math.inf:
        raise ValueError(f"epsilon must be a finite number > 0, got {epsilon!r}")
    if search is not None and not 0.0 <= search < math.inf:
        raise ValueError(f"search must be a finite number of seconds >= 0, got {search!r}")
    if seed < 0:
        raise ValueError(f"seed must be an integer >= 0, got {seed}")


def _boxes(
    stack: "Stack", input_bound: float | None, input_box: Path | None, anomaly_bound: float | None
) -> tuple["Box", "Box"]:
    """U and U_a; without a bound on anomalies the box of ±3, stretched to hold U."""
    import numpy as np

    from ..theory.resilience import Box
    from ..theory.resilience.box import symmetric_box
    from .box_file import read_box

    m = stack.inputs
    if input_box is None:
        usual = symmetric_box("input_bound", 1.0 if input_bound is None else input_bound, m)
    else:
        usual = symmetric_box("input_box", read_box(input_box, "--input-box"), m)
    if anomaly_bound is not None:
        return usual, symmetric_box("anomaly_bound", anomaly_bound, m)
    return usual, Box(np.minimum(usual.lower, -ANOMALY), np.maximum(usual.upper, ANOMALY))


def _checked(file: Path, stack: "Stack") -> "Certificate":
    from ..theory.resilience import Certificate

    try:
        return Certificate.load(file, stack)
    except OSError as error:
        raise WrongWords(f"--check must name a file that can be read, got {file}: {error.strerror or error}") from error
    except ValueError as error:
        raise WrongWords(f"{file}: {str(error).removeprefix('path ')}") from error


def _seen(
    proved: "Certificate", recovery: "RecoveryTime", seconds: float | None, seed: int, status: Any
) -> tuple["Found | None", "Sampled | None"]:
    """What simulations show, where the states have a box to start in."""
    if seconds == 0 or not proved.anomaly.finite:
        return None, None
    from .longest_recovery import sample, search

    status.update("sampling anomalies")
    sampled = sample(proved, recovery.epsilon, recovery.value, seed)
    status.update("searching for the worst case")
    return search(proved, recovery.epsilon, recovery.value, seconds, seed), sampled


def _never(proved: "Certificate", recovery: "RecoveryTime") -> bool:
    """Whether the witness shows deviations of the output above ε however late."""
    return proved.witness is not None and proved.witness.output_gap > recovery.epsilon


def _worst(proved: "Certificate", recovery: "RecoveryTime", found: "Found | None") -> float | None:
    if _never(proved, recovery):
        return math.inf
    return None if found is None else found.recovery_time


def _ratio(recovery: "RecoveryTime", worst: float | None) -> float | None:
    if worst is None or not worst or math.isinf(recovery.value):
        return None
    return recovery.value / worst


def _print(
    proved: "Certificate",
    recovery: "RecoveryTime",
    found: "Found | None",
    sampled: "Sampled | None",
    check: Path | None,
) -> None:
    from rich.console import Console
    from rich.table import Table

    stack = proved.stack
    typer.echo(f"{stack.layers[0] if len(stack.layers) == 1 else stack!r}, y = {_output_words(stack)}")
    typer.echo(f"inputs {_box_words(proved.input_box)}, anomalies {_box_words(proved.anomaly_box)}")
    if check is not None:
        typer.echo(f"{check} holds: checked by interval steps and multiplications alone")
    typer.echo(f"status: {proved.status}{_reason(proved)}")
    table = Table(box=None, pad_edge=False)
    for name in ("level", "ρ", "λ for recovery", f"steps to ε = {recovery.epsilon:g}", "steps a decade", ""):
        table.add_column(name, justify="left" if name in ("level", "") else "right")
    for name, level in recovery.levels.items():
        rates = proved.levels[name]
        mark = "least" if name == recovery.level else ""
        table.add_row(
            name,
            _number(rates.rate.spectral_radius, ".6f"),
            _number(rates.recovery.rate, ".6f"),
            _number(level.value, ".0f"),
            _number(level.steps_per_decade, ".1f"),
            "; ".join(filter(None, [mark, level.note])),
        )
    typer.echo()
    Console(highlight=False, soft_wrap=True).print(table)
    typer.echo()
    worst = _worst(proved, recovery, found)
    typer.echo(f"recovery time ≤ {_number(recovery.value, '.0f')} steps, whatever the inputs within these bounds")
    if recovery.reachable_value < recovery.value:
        typer.echo(f"recovery time ≤ {recovery.reachable_value:g} steps for all that starts where the network does")
    if worst == math.inf:
        pair = proved.witness is not None and proved.witness.frame is None
        typer.echo(
            "recovery time = inf: the two trajectories of the witness never meet"
            if pair
            else "recovery time = inf: states arbitrarily near the orbit of the witness are driven away from it"
        )
    elif found is not None:
        ratio = _ratio(recovery, worst)
        times = "" if ratio is None else f"  (bound / found = {ratio:.3g})"
        typer.echo(f"recovery time ≥ {worst:g} steps, the worst of {found.tried} pairs searched{times}")
    if sampled is not None:
        typer.echo(_sampled_words(sampled))


def _reason(proved: "Certificate") -> str:
    if proved.status == "certified":
        if proved.reachable_only:
            return ", any two trajectories under one input come together that start where the network does"
        return ", any two trajectories under one input come together"
    if proved.witness is not None:
        period = len(proved.witness.inputs)
        held = "a constant input" if period == 1 else f"an input of period {period}"
        if proved.witness.frame is not None:
            return f", under {held} an orbit drives states however near {proved.witness.gap:.6g} away"
        return f", under {held} two trajectories stay {proved.witness.gap:.6g} apart"
    return ", neither a proof nor a counterexample was found"


def _sampled_words(sampled: "Sampled") -> str:
    from ..sim.resilience import exceedance_upper
    from .longest_recovery import LENGTH

    times = sampled.times
    said = f"sampled: at most {times.largest} steps in {len(times.times)} anomalies of {LENGTH} steps from rest"
    if not times.final.all():
        return said
    return f"{said}; longer ones are rarer than {exceedance_upper(times, times.largest):.1%} with confidence 95%"


def _output_words(stack: "Stack") -> str:
    return "h" if stack.output is None else f"C h + d with {len(stack.output)} × {stack.units} weights"


def _box_words(box: "Box") -> str:
    if (box.lower == -box.upper).all() and (box.upper == box.upper[0]).all():
        return f"|u| ≤ {box.upper[0]:g}"
    if box.dimension <= 4:
        return " × ".join(f"[{low:g}, {high:g}]" for low, high in zip(box.lower, box.upper, strict=True))
    return f"in a box of {box.dimension} dimensions"


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "inf"


def _draw(
    proved: "Certificate", recovery: "RecoveryTime", found: "Found | None", sampled: "Sampled | None", file: Path
) -> None:
    from matplotlib.figure import Figure

    from .recovery_picture import draw_deviations, draw_levels

    figure = Figure(figsize=(11.5, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1.0])
    draw_deviations(proved, recovery, found, sampled, left)
    draw_levels(recovery, _worst(proved, recovery, found), None if sampled is None else sampled.times.largest, right)
    bound = "no bound on the recovery time"
    if recovery.level:
        bound = f"back within ε = {recovery.epsilon:g} at most {recovery.value:g} steps after an anomaly"
    figure.suptitle(f"{proved.status}: {bound}")
    figure.savefig(file, dpi=150)


def _as_data(
    proved: "Certificate",
    recovery: "RecoveryTime",
    found: "Found | None",
    sampled: "Sampled | None",
    file: Path,
    seed: int,
) -> dict[str, Any]:
    worst = _worst(proved, recovery, found)
    return {
        "file": str(file),
        "weights_sha256": proved.weights_sha256,
        "layers": [
            {"kind": type(layer).__name__.removesuffix("Cell"), "units": layer.units, "inputs": layer.inputs}
            for layer in proved.stack.layers
        ],
        "outputs": proved.stack.units if proved.stack.output is None else len(proved.stack.output),
        "input_box": _ends(proved.input_box),
        "anomaly_box": _ends(proved.anomaly_box),
        "epsilon": recovery.epsilon,
        "status": proved.status,
        "rate": _plain(proved.rate),
        "recovery_time": _plain(recovery.value),
        "recovery_level": recovery.level,
        "reachable_only": proved.reachable_only,
        "reachable_recovery_time": _plain(recovery.reachable_value),
        "levels": {
            name: {
                "spectral_radius": _plain(proved.levels[name].rate.spectral_radius),
                "rate": _plain(proved.levels[name].rate.rate),
                "rate_for_recovery": _plain(proved.levels[name].recovery.rate),
                "recovery_time": _plain(level.value),
                "logarithmic": _plain(level.logarithmic),
                "steps_per_decade": _plain(level.steps_per_decade),
                "note": level.note,
            }
            for name, level in recovery.levels.items()
        },
        "worst_found": _plain(worst),
        "worst_found_at_horizon": None if found is None else found.censored,
        "pairs_searched": None if found is None else found.tried,
        "ratio": _ratio(recovery, worst),
        "sampled": None if sampled is None else {"runs": len(sampled.times.times), "longest": sampled.times.largest},
        "witness": None
        if proved.witness is None
        else {"inputs": proved.witness.inputs.tolist(), "gap": proved.witness.gap},
        "seed": seed,
    }


def _ends(box: "Box") -> dict[str, list[float]]:
    return {"lower": box.lower.tolist(), "upper": box.upper.tolist()}


def _plain(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else "inf"
