"""What was wanted of each subject, and what the tables say: made from the rows, never typed in.

A target names the script whose rows answer it, takes one number from them, and is met where that number is at least,
or at most, what was wanted.  Where one is missed, the reason is what was measured about it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from answer import Answer

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """`measured(rows)` of the table of `script` is to be at least `wanted`, or at most where `most` is set."""

    what: str
    script: str
    wanted: float
    measured: Callable[[Sequence[Row]], float]
    most: bool = False
    missed: str = ""  # why, where it is


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


GATES = (
    "the product and our gates together, at the speed both reach alone, allow no more than the table's last column: "
    "torch's own product is as fast as ours"
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
        missed="NUTS mixes best at 1000 data and β = 1/log n, where the posterior is widest; with energies smoothed "
        "over the conditional laws every row exceeds it",
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
        Target(
            f"LSTM steps at n = {n} in {precision}, × torch, 64 runs side by side",
            "resilience_speed",
            wanted,
            column("× torch", min, layer="LSTM", precision=precision, units=n, runs=64),
            missed=GATES,
        )
        for precision, all_wanted in {"float64": (11, 7, 4.5, 1.9), "float32": (7, 1.8, 1.5, 0.95)}.items()
        for n, wanted in zip((4, 16, 64, 256), all_wanted, strict=True)
    ),
    Target("particle step, kernel critic, N = 1000, × torch, least over d", "minimax_speed", 3, particles("kernel")),
    Target(
        "particle step, 256 features, N = 1000, × torch, least over d",
        "minimax_speed",
        3,
        particles("features"),
        missed="at d = 50 two thirds of the step are two matrix products, which torch does as fast",
    ),
    Target(
        "sweep with simulation, two processes, × one",
        "sweep_scaling",
        1.8,
        column("times as fast", min, work="simulated", processes=2),
        missed="the last tasks end apart, and the writer shares the two cores",
    ),
)


def markdown(tables: Mapping[str, Answer]) -> str:
    """The targets whose tables are there, as a Markdown table; what was missed is explained beneath."""
    lines, notes = [], []
    for target in TARGETS:
        if target.script not in tables:
            continue
        found = target.measured(tables[target.script].rows)
        met = found <= target.wanted if target.most else found >= target.wanted
        sign = "≤" if target.most else "≥"
        lines.append(f"| {target.what} | {sign} {target.wanted:g} | {found:.3g} | {'yes' if met else 'no'} |")
        if not met:
            notes.append(f"- {target.what}: {target.missed}.")
    if not lines:
        return ""
    head = ["## Targets", "| wanted | | measured | met |\n| --- | --- | --- | --- |\n" + "\n".join(lines)]
    return "\n\n".join([*head, *(["Missed:\n\n" + "\n".join(notes)] if notes else [])])
