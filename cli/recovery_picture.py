"""How far outputs are from those without the anomaly, step by step: sampled, at worst, and by the bounds."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..theory.resilience import Certificate, RecoveryTime
    from .longest_recovery import Found, Sampled

Array = NDArray[np.float64]

SHOWN = 60  # sampled runs drawn one by one
DECADES = 2.5  # below ε
LONGEST = 120  # steps at most
SEEN, WORST, BOUND, OTHER = "#4c78a8", "#d1495b", "black", "0.62"


def draw_deviations(
    certificate: "Certificate", recovery: "RecoveryTime", found: "Found | None", sampled: "Sampled | None", ax: Any
) -> None:
    """e(t) on a logarithmic scale with the bounds of all levels above, the least of them in black."""
    from ..theory.resilience import deviation_bounds

    floor = recovery.epsilon / 10**DECADES
    steps = _steps(recovery, found, floor)
    t = np.arange(steps + 1)
    if sampled is not None:
        e = np.maximum(sampled.deviations[:, : steps + 1], floor / 10)
        low, middle, high = np.quantile(e, [0.0, 0.5, 1.0], axis=0)
        ax.fill_between(t[: len(low)], low, high, color=SEEN, alpha=0.16, linewidth=0)
        ax.plot(t[: len(low)], e[:SHOWN].T, color=SEEN, alpha=0.22, linewidth=0.6)
        ax.plot(t[: len(low)], middle, color=SEEN, linewidth=1.6, label=f"median of {len(e)} sampled anomalies")
    if certificate.tube is not None:
        held = [name for name, level in recovery.levels.items() if not level.reachable]  # for every state shown
        curves = {name: np.maximum(deviation_bounds(certificate, name, steps), floor / 10) for name in held}
        for name, bounds in curves.items():
            if name == recovery.level:
                words = f"bound by level {name}, the least"
                ax.step(t, bounds, where="post", color=BOUND, linewidth=1.8, label=words, zorder=4)
            else:
                ax.step(t, bounds, where="post", color=OTHER, linewidth=0.8, zorder=1)
        _name_curves({name: bounds for name, bounds in curves.items() if name != recovery.level}, floor, ax)
    if found is not None:
        e = np.maximum(found.deviations[: steps + 1], floor / 10)
        ax.plot(
            t[: len(e)], e, color=WORST, linewidth=1.6, marker="o", markersize=3, label="worst pair found", zorder=5
        )
    ax.axhline(recovery.epsilon, color="0.3", linewidth=0.9, linestyle=(0, (5, 3)))
    ax.annotate(f"ε = {recovery.epsilon:g}", (0, recovery.epsilon), (3, 3), textcoords="offset points", color="0.3")
    marks = [(recovery.value, BOUND)] + ([] if found is None else [(found.recovery_time, WORST)])
    for time, colour in marks:
        if time <= steps:
            ax.plot([time, time], [floor, recovery.epsilon], color=colour, linewidth=1.2, linestyle=":")
            ax.annotate(f"{time:g}", (time, floor), (2, 3), textcoords="offset points", color=colour)
    ax.set_yscale("log")
    ax.set_xlim(0, steps)
    ax.set_ylim(floor, 15 * ax.get_ylim()[1])  # room for the legend
    ax.set_xlabel("steps after the anomaly")
    ax.set_ylabel("deviation of the output, largest entry")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper right", frameon=False)


def _name_curves(curves: dict[str, Array], floor: float, ax: Any) -> None:
    """The names of the levels where their curves leave the picture, those that end together on one line."""
    ends: list[tuple[int, float, list[str]]] = []
    for name, bounds in sorted(curves.items(), key=lambda pair: float(pair[1][-1])):
        last = int(np.flatnonzero(bounds > floor)[-1]) if (bounds > floor).any() else 0
        if ends and ends[-1][0] == last and bounds[last] < 1.5 * ends[-1][1]:
            ends[-1][2].append(name)
        else:
            ends.append((last, float(bounds[last]), [name]))
    for last, height, names in ends:
        ax.annotate(
            ", ".join(names), (last, height), (-3, 3), textcoords="offset points", color="0.45", size=7, ha="right"
        )


def draw_levels(recovery: "RecoveryTime", worst: float | None, sampled: int | None, ax: Any) -> None:
    """Steps by level as bars, those without a bound open to the right; found and sampled times as lines."""
    names = list(recovery.levels)
    values = [recovery.levels[name].value for name in names]
    finite = [value for value in (*values, worst, sampled) if value is not None and math.isfinite(value)]
    reach = 1.25 * max([1.0, *finite])
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        bounded = math.isfinite(value)
        least = name == recovery.level
        ax.barh(
            place,
            value if bounded else reach,
            color=BOUND if least else OTHER if bounded else "white",
            edgecolor="0.75",
            hatch=None if bounded else "////",
            linewidth=0,
        )
        ax.annotate(
            f"{value:g}" if bounded else "no bound",
            (value if bounded else 0, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
        )
    for time, colour, words in ((worst, WORST, "worst found"), (sampled, SEEN, "longest sampled")):
        if time is not None and math.isfinite(time):
            ax.axvline(time, color=colour, linewidth=1.6, label=f"{words}: {time:g}")
    if worst == math.inf:
        ax.plot([], [], color=WORST, linewidth=1.6, label="worst found: never over")
    ax.set_yticks(
        range(len(names)), [f"{name}\nreachable" if recovery.levels[name].reachable else name for name in names]
    )
    ax.invert_yaxis()
    ax.set_xlim(0, reach)
    ax.set_xlabel(f"steps until the deviation stays below ε = {recovery.epsilon:g}")
    ax.set_title("recovery time by level", size="medium")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower right")


def _steps(recovery: "RecoveryTime", found: "Found | None", floor: float) -> int:
    """A little beyond the least bound, or until what was found has died out."""
    if math.isfinite(recovery.value):
        return int(min(LONGEST, max(8, math.ceil(1.35 * recovery.value))))
    if found is None:
        return LONGEST
    seen = np.flatnonzero(found.deviations > floor)
    return int(min(LONGEST, len(found.deviations) - 1, max(8, 3 + (seen[-1] if seen.size else 0))))
