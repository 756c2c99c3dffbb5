"""How much do the levels certify over random networks, how tight are their bounds, and does a search break any?

    python bench/resilience_campaign.py [--networks 2000] [--jobs 1] [--seed 0] [--rounds 60] [--kept F] [--json FILE]

Every bound is held against pairs of runs drawn in corners and improved by a search: the deviations δ_t and the recovery
time T̂ of every level, and the boxes S_n, S_a, X_t.  A row depends on the seed and its number alone.  With --kept, a row
is written as soon as it is finished, and a run that was killed goes on from there.
"""

import answer

# isort: split
import json
import math
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from lemmata.sim.resilience import nominal_inputs, trajectories, worst_case
from lemmata.theory.resilience import (
    Certificate,
    GRUCell,
    LSTMCell,
    Stack,
    certify,
    deviation_bounds,
    first_deviation,
    recovery_time_bound,
)
from lemmata.theory.resilience.cell import Cell
from lemmata.theory.streams import stream

LEVELS = ("A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R", "D")
UNITS = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 6, 8, 8, 12, 16, 16, 24, 32)  # drawn from, with repetition
GROUPS = {"n = 1": (1, 1), "2": (2, 2), "3-4": (3, 4), "6-8": (6, 8), "12-16": (12, 16), "24-32": (24, 32)}
SCALES = 0.05, 3.0
INPUTS, BEYOND = (0.5, 1.0, 2.0), (0.0, 1.0, 3.0)  # u_max, and u_anom - u_max
SHARES = 0.1, 0.01  # ε over the largest deviation of the outputs at the start
SMALL = 8  # units up to which level R cuts in three
TINY = 4  # units up to which level D is tried
PAIRS, STEPS = 32, 40  # of the runs whose states are compared with the boxes
LONGEST, AFTER = 120, 8  # steps that a search may follow, and follows past the least bound
ROUNDING = 1e-9  # relative; a simulated run is good to 1e-13 or so

COLUMNS = {
    "level": "",
    "certified % LSTM": ".1f",
    **dict.fromkeys(GROUPS, ".0f"),
    "GRU %": ".0f",
    "stacks %": ".0f",
    "T̂ finite %": ".0f",
    "T̂/found median": ".2f",
    "90 %": ".1f",
    "attained %": ".0f",
    "where A finite": ".2f",
    "ε = 1 %: T̂ finite %": ".0f",
    "T̂/found median, 1 %": ".2f",
    "90 %, 1 %": ".1f",
    "attained %, 1 %": ".0f",
    "where A finite, 1 %": ".2f",
}


@dataclass(frozen=True)
class Case:
    """One random network with its inputs.

    Attributes
    ----------
    kind : str
        LSTM, GRU or stack.
    cell : LSTMCell, GRUCell or Stack
    units : int
        n, of the widest layer.
    u_max, u_anom : float
        Of the inputs in normal operation and during an anomaly.
    """

    kind: str
    cell: Cell | Stack
    units: int
    u_max: float
    u_anom: float


def draw_case(seed: int, number: int) -> Case:
    """Network `number`: 80 % LSTMs, 12 % GRUs, 8 % stacks of two or three layers of up to four units."""
    rng = stream(seed, "resilience campaign", number)
    u_max = float(rng.choice(INPUTS))
    u_anom = u_max + float(rng.choice(BEYOND))
    m, kind = int(rng.integers(1, 4)), rng.random()
    if kind < 0.92:
        n, word = int(rng.choice(UNITS)), "LSTM" if kind < 0.8 else "GRU"
        return Case(word, draw_layer(rng, word, n, m), n, u_max, u_anom)
    layers: list[Cell] = []
    for _ in range(int(rng.integers(2, 4))):
        units = int(rng.integers(1, 5))
        layers.append(draw_layer(rng, str(rng.choice(["LSTM", "LSTM", "GRU"])), units, m))
        m = units
    output = rng.standard_normal((2, m)) if rng.random() < 0.5 else None
    return Case("stack", Stack(layers, output), max(layer.units for layer in layers), u_max, u_anom)


def draw_layer(rng: np.random.Generator, kind: str, n: int, m: int) -> Cell:
    """Uniform weights of width s/√n, s log-uniform; a third has gates that keep longer, a third normal biases."""
    width = float(np.exp(rng.uniform(*np.log(SCALES)))) / n**0.5
    gates = 4 if kind == "LSTM" else 3
    W, R = (width * rng.uniform(-1, 1, (gates * n, columns)) for columns in (m, n))
    b, manner = width * rng.uniform(-1, 1, (2, gates * n)), int(rng.integers(3))
    if manner == 1:
        b[0, n : 2 * n] += rng.uniform(0, 2)  # the forget gate of an LSTM, the update gate of a GRU
    if manner == 2:
        b = width * n**0.5 * rng.standard_normal((2, gates * n)) / 2**0.5
    return LSTMCell(W, R, b.sum(0)) if kind == "LSTM" else GRUCell(W, R, *b)


Bounds = Callable[[Certificate, str, int], np.ndarray]


def row(seed: int, rounds: int, number: int, bounds: Bounds = deviation_bounds) -> dict[str, Any]:
    """What the levels prove of one network, what a search found, and every bound that it broke."""
    began, case = process_time(), draw_case(seed, number)
    small = case.units <= SMALL
    levels = LEVELS if case.units <= TINY else LEVELS[:-1]
    known = certify(case.cell, case.u_max, case.u_anom, levels=levels, split=3 if small else 2)
    out = {
        **{"number": number, "kind": case.kind, "units": case.units, "status": known.status, "checks": 0},
        "certified": {name: result.certified for name, result in known.levels.items()},
        "witness": None if known.witness is None else ("orbit" if known.witness.frame is not None else "pair"),
        **{"recovery": [], "violations": []},
    }
    top = reach(known)
    if known.anomaly.finite and top > 0:
        boxes_hold(case, known, seed, out)
        for share in SHARES:
            out["recovery"].append(held(case, known, share * top, rounds, seed, out, bounds))
    return {**out, "seconds": round(process_time() - began, 3)}


def reach(known: Certificate) -> float:
    """The largest deviation of an output between a state of S_n and one of S_a, about."""
    if not known.anomaly.finite:
        return math.inf
    h = first_deviation(known, None)[-known.stack.units :]
    return float((h if known.stack.output is None else np.abs(known.stack.output) @ h).max())


def boxes_hold(case: Case, known: Certificate, seed: int, out: dict[str, Any]) -> None:
    """Runs from corners of S_n and S_a under inputs of all kinds stay in S_n, S_a and X_t."""
    rng = stream(seed, "resilience campaign", out["number"], "boxes")
    tube = known.tube
    assert tube is not None
    for name, start, inputs, around in (
        ("S_n", known.nominal, known.input_box, None),
        ("S_a", known.anomaly, known.anomaly_box, None),
        ("X_t", known.anomaly, known.input_box, tube.perturbed),
        ("nominal X_t", known.nominal, known.input_box, tube.nominal),
    ):
        box = start.interval
        share = rng.random((PAIRS, len(box.lower)))
        share[::2] = share[::2].round()
        states = np.clip((1 - share) * box.lower + share * box.upper, box.lower, box.upper)
        drive = nominal_inputs(inputs, PAIRS, STEPS, int(rng.integers(2**31)))
        path = joint(trajectories(case.cell, shaped(case.cell, states), drive))
        for t in range(STEPS + 1):
            inside = box if around is None else around[min(t, len(around) - 1)]
            spare = ROUNDING * 1e-3 * (1 + np.abs(path[:, t]))
            out["checks"] += path[:, t].size
            broken = (path[:, t] < inside.lower - spare) | (path[:, t] > inside.upper + spare)
            if broken.any():
                run = int(broken.any(1).argmax())
                finding = {"states": states[run].tolist(), "inputs": drive[run].tolist(), "time": t}
                out["violations"].append({"seed": seed, "number": out["number"], "bound": name, **finding})
                break


def shaped(cell: Cell | Stack, joint_states: np.ndarray) -> Any:
    """Joint states (N, d) as the simulation takes them."""
    parts, start = [], 0
    for layer in cell.layers if isinstance(cell, Stack) else (cell,):
        part = joint_states[:, start : start + layer.dimension]
        parts.append(part if isinstance(layer, GRUCell) else part.reshape(len(part), 2, -1))
        start += layer.dimension
    return tuple(parts) if isinstance(cell, Stack) else parts[0]


def joint(path: Any) -> np.ndarray:
    """Trajectories as joint states, (N, T + 1, d)."""
    parts = path if isinstance(path, tuple) else (path,)
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=2)


def held(
    case: Case, known: Certificate, epsilon: float, rounds: int, seed: int, out: dict[str, Any], bounds: Bounds
) -> dict[str, Any]:
    """T̂ by level and the worst found, every δ_t compared with the largest deviation of all pairs tried."""
    proved = {name: level.value for name, level in recovery_time_bound(known, epsilon).levels.items()}
    least = min(proved.values())
    horizon = int(min(least, LONGEST) + AFTER) if math.isfinite(least) else STEPS
    nominal, perturbed = (found.interval.box() for found in (known.nominal, known.anomaly))
    found = worst_case(
        case.cell,
        known.input_box,
        epsilon * (1 + ROUNDING),
        nominal_states=nominal,
        perturbed_states=perturbed,
        horizon=horizon,
        searches=1,
        rounds=max(4, rounds * 64 // (64 + case.units**2)),
        seed=int(stream(seed, "resilience campaign", out["number"], "search").integers(2**31)),
    )
    for name, steps in proved.items():
        delta = bounds(known, name, horizon)
        broken = np.flatnonzero(found.envelope > delta * (1 + ROUNDING) + ROUNDING * epsilon)
        out["checks"] += horizon + 2
        if len(broken) or found.recovery_time > steps:
            out["violations"].append(
                {
                    **{"seed": seed, "number": out["number"], "bound": f"level {name}", "epsilon": epsilon},
                    **{"time": int(broken[0]) if len(broken) else None, "found": found.recovery_time, "proved": steps},
                    "nominal_states": plain(found.nominal_states),
                    "perturbed_states": plain(found.perturbed_states),
                    "inputs": found.nominal_inputs.tolist(),
                }
            )
    kept = {name: steps if math.isfinite(steps) else None for name, steps in proved.items()}
    return {"proved": kept, "found": found.recovery_time, "censored": found.censored}


def plain(states: Any) -> Any:
    """Arrays, or a tuple of them, as lists."""
    return [part.tolist() for part in states] if isinstance(states, tuple) else states.tolist()


def campaign(asked: Namespace) -> list[dict[str, Any]]:
    """The rows of all networks in order; those in the file of kept rows are not made again."""
    work = partial(row, asked.seed, asked.rounds)
    done = kept_rows(asked.kept, asked.seed, asked.rounds)
    missing = [number for number in range(asked.networks) if number not in done]
    if asked.jobs == 1:
        finish(map(work, missing), done, asked)
    else:
        with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
            finish(pool.map(work, missing, chunksize=4), done, asked)
    return [done[number] for number in range(asked.networks)]


def finish(rows: Iterable[dict[str, Any]], done: dict[int, dict[str, Any]], asked: Namespace) -> None:
    """Take up the rows, tell of broken bounds, and write each row to the file of kept rows at once."""
    for made in rows:
        done[made["number"]] = made
        for broken in made["violations"]:
            print("VIOLATION", json.dumps(broken), flush=True)
        if asked.kept is not None:
            with asked.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": asked.seed, "rounds": asked.rounds, **made}) + "\n")


def kept_rows(file: Path | None, seed: int, rounds: int) -> dict[int, dict[str, Any]]:
    """The rows of this seed and these rounds; the last line may be torn, the next row then begins on a fresh one."""
    if file is None or not file.exists():
        return {}
    text = file.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        file.write_text(text, encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    same = [each for each in rows if (each.pop("seed"), each.pop("rounds")) == (seed, rounds)]
    return {each["number"]: each for each in same}


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line of the table for each level."""
    return [line(rows, name) for name in LEVELS]


def line(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """One level: whom it certifies, and how far its T̂ lies above the worst found."""

    def share(kind: str, span: tuple[int, int] = (1, 99)) -> float | None:
        seen = [
            each["certified"][name]
            for each in rows
            if each["kind"] == kind and span[0] <= each["units"] <= span[1] and name in each["certified"]
        ]
        return 100 * float(np.mean(seen)) if seen else None

    out: dict[str, Any] = {"level": name, "certified % LSTM": share("LSTM")}
    out |= {group: share("LSTM", span) for group, span in GROUPS.items()}
    out |= {"GRU %": share("GRU"), "stacks %": share("stack")}
    for k, suffix in enumerate(("", ", 1 %")):
        cases = [each["recovery"][k] for each in rows if each["recovery"] and name in each["certified"]]
        finite = [each for each in cases if each["proved"][name] is not None]
        compared = [each for each in finite if each["found"] > 0 and not each["censored"]]
        ratio = np.array([each["proved"][name] / each["found"] for each in compared])
        alike = np.array([each["proved"]["A"] is not None for each in compared], bool)
        head = ("T̂ finite %", "ε = 1 %: T̂ finite %")[k]
        out[head] = 100 * len(finite) / len(cases) if cases else None
        if len(ratio):
            out[f"T̂/found median{suffix}"] = float(np.median(ratio))
            out[f"90 %{suffix}"] = float(np.quantile(ratio, 0.9))
            out[f"attained %{suffix}"] = 100 * float((ratio == 1).mean())
        if alike.any():
            out[f"where A finite{suffix}"] = float(np.median(ratio[alike]))
    return out


def notes(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """How much was compared, and what else the rows say."""
    count = {kind: sum(each["kind"] == kind for each in rows) for kind in ("LSTM", "GRU", "stack")}
    status = {
        word: 100 * np.mean([each["status"] == word for each in rows]) for word in ("certified", "refuted", "undecided")
    }
    pairs = sum(each["witness"] == "pair" for each in rows)
    orbits = sum(each["witness"] == "orbit" for each in rows)
    violations, checks = sum(len(each["violations"]) for each in rows), sum(each["checks"] for each in rows)
    minutes = sum(each["seconds"] for each in rows) / 60
    return (
        f"{len(rows)} networks ({count['LSTM']} LSTMs, {count['GRU']} GRUs, {count['stack']} stacks), {checks:,} "
        f"comparisons of bounds with runs, {violations} violations; {minutes:.1f} CPU minutes.",
        f"Weights uniform of width s/√n, s log-uniform in [{SCALES[0]:g}, {SCALES[1]:g}]; u_max of {INPUTS}, "
        f"u_anom - u_max of {BEYOND}; LSTM columns: certified share in % by units, alone; level R in three parts up to "
        f"{SMALL} units and two beyond, level D up to {TINY} units.",
        "T̂/found: bound over the longest recovery that a search from S_n × S_a found, ε = 10 % and 1 % of the largest "
        "deviation at the start, over all kinds of networks; found is a lower bound on the truth, so the ratio is an "
        "upper bound on what the bound wastes. Where A finite: the median over the networks with a finite T̂ by A.",
        f"Status: {status['certified']:.1f} % certified, {status['refuted']:.1f} % refuted ({pairs} by two orbits, "
        f"{orbits} by one that repels), {status['undecided']:.1f} % undecided.",
    )


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--networks", type=int, default=2000, help="random networks (default 2000)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1); changes no row")
    parser.add_argument("--rounds", type=int, default=60, help="of a search on a small network (default 60)")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="JSON lines of finished networks, to go on from")
    asked = parser.parse_args()
    rows = campaign(asked)
    chosen = {"networks": 2000, "rounds": 60, "seed": 0}  # --jobs and --kept change no figure
    words = [f" --{name} {getattr(asked, name)}" for name, usual in chosen.items() if getattr(asked, name) != usual]
    command = "python bench/resilience_campaign.py" + "".join(words)
    answer.publish(answer.Answer(question, COLUMNS, summary(rows), notes(rows), command), asked.json)
    if any(each["violations"] for each in rows):
        raise SystemExit("a bound was broken: see the lines above")


if __name__ == "__main__":
    main()
