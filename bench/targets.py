"""What was wanted of each subject, and what the tables say: made from the rows, never typed in.

A target names the script whose rows answer it, takes one number from them, and is met where that number is at least,
or at most, what was wanted.  Where one is missed, the page says what else the rows know about it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from answer import Answer

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """`measured(rows)` of the table of `script` is to be at least `wanted`, or at most where `most` is set.

    `known(rows)` is what is said beside it where it is missed.
    """

    what: str
    script: str
    wanted: float
    measured: Callable[[Sequence[Row]], float]
    most: bool = False
    known: Callable[[Sequence[Row]], str] = lambda rows: ""


def column(name: str, pick: Callable[[Sequence[float]], float], **where: Any) -> Callable[[Sequence[Row]], float]:
    """`pick` of a column over the rows in which other columns have these values; underscores stand for blanks."""
    fixed = {key.replace("_", " "): value for key, value in where.items()}

    def measured(rows: Sequence[Row]) -> float:
        values = [row[name] for row in rows if all(row[key] == value for key, value in fixed.items())]
        return pick([value for value in values if value is not None])

    return measured


def particles(game: str) -> Callable[[Sequence[Row]], float]:
    """The least gain over torch at a thousand particles."""
    return lambda rows: min(row["× torch"] for row in rows if row["game"] == game and row["N or n"] == 1000)


def ratio(row: Row) -> float:
    return row["CPU s"] / row["allowed s"]


def lstms(rows: Sequence[Row], n: int, precision: str) -> list[Row]:
    """Layers of n units, many runs side by side, the slowest beside torch first."""
    found = [row for row in rows if (row["layer"], row["precision"], row["units"]) == ("LSTM", precision, n)]
    return sorted((row for row in found if row["asked"] is not None), key=lambda row: row["× torch"])


def lstm_target(n: int, precision: str, wanted: float) -> Target:
    def roof(rows: Sequence[Row]) -> str:
        row = lstms(rows, n, precision)[0]
        return (
            f"so it is with {row['runs']} runs side by side, where the products at the core's peak would take "
            f"{row['of the peak %']:.0f} % of the time, and products and gates alone, run from the cache, would allow "
            f"× {row['product and gates: × torch']:.1f}"
        )

    what = f"LSTM steps at n = {n} in {precision}, × torch, least over 64 and 256 runs side by side"
    return Target(what, "resilience_speed", wanted, lambda rows: lstms(rows, n, precision)[0]["× torch"], known=roof)


def nuts_rows(rows: Sequence[Row]) -> str:
    least = min(rows, key=lambda row: row["ratio"])
    others = sorted(row["ratio"] for row in rows)[1]
    return (
        f"so it is for {least['posterior']}, {least['mass']} mass; the next has {others:.0f}, and with our energies "
        f"smoothed over the conditional laws at least {min(row['ratio, smoothed'] for row in rows):.0f}"
    )


def least_particles(game: str) -> Callable[[Sequence[Row]], str]:
    def known(rows: Sequence[Row]) -> str:
        gains = {row["d"]: row["× torch"] for row in rows if row["game"] == game and row["N or n"] == 1000}
        return ", ".join(f"× {gain:.1f} at d = {d}" for d, gain in gains.items())

    return known


def idle(rows: Sequence[Row]) -> str:
    one, two = (next(r for r in rows if r["work"] == "simulated" and r["processes"] == k) for k in (1, 2))
    used = two["CPU s of the workers"] + two["CPU s of the writer"]
    return (
        f"of 2 × {two['wall s']:.2f} core seconds {used:.2f} were used, {two['CPU s of the writer']:.2f} of them by "
        f"the writer; the workers' own time rose from {one['CPU s of the workers']:.2f} to "
        f"{two['CPU s of the workers']:.2f} s; the rest is waiting, for the last tasks among others"
    )


TARGETS = (
    Target("λ to 0.3 %: largest median error, %", "learning_accuracy", 0.3, column("median |error| %", max), most=True),
    Target(
        "λ to 0.3 %: CPU seconds over those allowed", "learning_accuracy", 1, lambda rows: max(map(ratio, rows)), True
    ),
    Target(
        "m right after rounding, share of cases",
        "learning_multiplicity",
        1,
        lambda rows: sum(r["rounds to m"] for r in rows) / len(rows),
    ),
    Target(
        "effective draws of K per CPU second, × NUTS, least of the rows",
        "learning_nuts",
        1000,
        column("ratio", min),
        known=nuts_rows,
    ),
    Target(
        "100 000 exact coefficients, CPU seconds", "learning_table", 5, column("CPU s", max, shapes=100_000), most=True
    ),
    *(
        Target(
            f"entropy to 1e-3 nats at (K, d) = ({K}, {d}), × scikit-learn",
            "entropy_speed",
            wanted,
            column("best: × scikit-learn", min, K=K, d=d),
        )
        for (K, d), wanted in {(5, 2): 20, (20, 10): 110, (50, 50): 800, (10, 500): 10_000}.items()
    ),
    Target(
        "log density at (50, 50) and (10, 500), % of a matrix product",
        "entropy_speed",
        60,
        column("log_density, share of product %", min),
    ),
    Target(
        "bracket of K = 200, d = 50, full covariances, wall seconds",
        "entropy_bracket",
        10,
        column("wall seconds", max, components=200, covariances="full"),
        most=True,
    ),
    *(
        lstm_target(n, precision, wanted)
        for precision, all_wanted in {"float64": (11, 7, 4.5, 1.9), "float32": (7, 1.8, 1.5, 0.95)}.items()
        for n, wanted in zip((4, 16, 64, 256), all_wanted, strict=True)
    ),
    Target("particle step, kernel critic, N = 1000, × torch, least over d", "minimax_speed", 3, particles("kernel")),
    Target(
        "particle step, 256 features, N = 1000, × torch, least over d",
        "minimax_speed",
        3,
        particles("features"),
        known=least_particles("features"),
    ),
    Target(
        "sweep with simulation, two processes, × one",
        "sweep_scaling",
        1.8,
        column("times as fast", min, work="simulated", processes=2),
        known=idle,
    ),
)


def markdown(tables: Mapping[str, Answer]) -> str:
    """The targets as a Markdown table; what is known of those missed beneath.  Empty where no table of theirs is."""
    if not any(target.script in tables for target in TARGETS):
        return ""
    lines, notes = [], []
    for target in TARGETS:
        sign = "≤" if target.most else "≥"
        if target.script not in tables:
            lines.append(f"| {target.what} | {sign} {target.wanted:g} | not measured | - |")
            continue
        rows = tables[target.script].rows
        found = target.measured(rows)
        met = found <= target.wanted if target.most else found >= target.wanted
        lines.append(f"| {target.what} | {sign} {target.wanted:g} | {found:.3g} | {'yes' if met else 'no'} |")
        if not met:
            notes.append(f"- {target.what}: {target.known(rows) or 'nothing more is known'}.")
    head = ["## Targets", "| wanted | | measured | met |\n| --- | --- | --- | --- |\n" + "\n".join(lines)]
    return "\n\n".join([*head, *(["Missed:\n\n" + "\n".join(notes)] if notes else [])])
