"""How near does each kernel come to what binds it?

    python bench/limits.py [--kernels sweep step] [--repeats 5] [--seconds 0.02] [--seed 0] [--json FILE]

Every kernel's operations are counted and divided by the rate at which this core does them at most (peaks.py), measured
in the same turns.  Most are counted in the running code (limited/tally.py), others follow by formula: the files in
limited/ say which.
"""

import answer

# isort: split
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping

from limited.case import Case
from limited.games import feature_cases, grid_cases, particle_cases
from limited.recurrent import pair_cases, step_cases, tube_cases
from limited.sampling import entropy_cases, sweep_cases
from peaks import FUNCTIONS, parts, probe, rate

CASES: dict[str, Callable[[int], Iterator[Case]]] = {
    "sweep": sweep_cases,
    "entropy": entropy_cases,
    "step": step_cases,
    "pairs": pair_cases,
    "tube": tube_cases,
    "particles": particle_cases,
    "features": feature_cases,
    "grid": grid_cases,
}

COLUMNS = {
    "kernel": "",
    "size": "",
    "a unit": "",
    "flops": ".4g",
    "bytes": ".4g",
    "ns": ".4g",
    "GFLOP/s": ".3g",
    "peak GFLOP/s": ".3g",
    "GB/s": ".3g",
    "peak GB/s": ".3g",
    "binds": "",
    "of the bound %": ".0f",
    "next": "",
    "of all in turn %": ".0f",
    "alone, % of the time": "",
    "why": "",
}
HALF = 0.5  # of the time; a kernel whose bound takes less has its reason told
SHOWN = ("flops64", "flops32", "L2 bytes", "memory bytes")
SINGLE = (
    *("divisions64", "divisions32", "roots64", "lanes", "scaled lanes", "scalar functions", "normals", "uniforms"),
    *("calls", *FUNCTIONS),
)
CALLS = 0.05  # of the time, from which on NumPy's calls are told
CACHE = 1 << 24  # bytes that may stay in a cache; at the rate of the second one, which is more than the third's


def rows(asked: Namespace) -> list[dict[str, object]]:
    return [row(case, asked) for name in asked.kernels for case in CASES[name](asked.seed)]


def row(case: Case, asked: Namespace) -> dict[str, object]:
    """Medians over the repeats, in which the kernel, its parts and the ceilings of what it uses take turns."""
    memory = "L2 bytes" if case.moved < CACHE else "memory bytes"
    work = {name: count for name, count in (*case.work.items(), (memory, case.moved)) if count}
    works = {"kernel": (case.call, 1.0)}
    works.update({f"part {name}": (call, 1.0) for name, call in case.parts.items()})
    works.update({name: (probe(name).work, probe(name).count) for name in work})
    works.update({name: (probe(name).work, probe(name).count) for name in case.alike})
    once = seconds_of(works, asked)
    spent = once.pop("kernel")
    floors = {name: count * once[name] for name, count in work.items()}
    order = sorted(floors, key=floors.__getitem__, reverse=True)
    flops = next((name for name in ("flops64", "flops32") if name in work), None)
    shares = {name: once[f"part {name}"] for name in case.parts}
    if flops:
        shares.update({f"all flops as {name}": work[flops] * once[name] for name in case.alike})
    alone = [f"{name} {100 * share / spent:.0f}" for name, share in shares.items()]
    fast = {name: flops / once[f"part {name}"] for name, flops in case.part_flops.items()}
    known = shares | {f"floor {name}": floor for name, floor in floors.items()} | {"all floors": sum(floors.values())}
    why = reason(case.why, {name: share / spent for name, share in known.items()}, fast)
    if floors.get("calls", 0.0) > CALLS * spent:
        alone.append(
            f"{work['calls']:.0f} calls of {1e6 * spent / work['calls']:.2f} µs, {1e6 * once['calls']:.2f} bare"
        )
    second = f"{order[1]} {100 * floors[order[1]] / spent:.0f} %" if len(order) > 1 else None
    cells = (
        *(case.kernel, case.size, case.unit),
        *(work[flops] / case.units if flops else None, case.moved / case.units, 1e9 * spent / case.units),
        *(1e-9 * work[flops] / spent if flops else None, 1e-9 / once[flops] if flops else None),
        *(1e-9 * case.moved / spent, 1e-9 / once[memory] if case.moved else None),
        *(order[0], 100 * floors[order[0]] / spent, second, 100 * sum(floors.values()) / spent, ", ".join(alone)),
        why if floors[order[0]] < HALF * spent else "",
    )
    return dict(zip(COLUMNS, cells, strict=True))


def reason(sentence: str, shares: Mapping[str, float], fast: Mapping[str, float]) -> str:
    """The sentence with shares of the time and speeds in place of the names in braces."""
    words = {name: f"{100 * share:.0f} %" for name, share in shares.items()}
    words.update({f"beside {name}": f"{100 * max(0.0, 1 - share):.0f} %" for name, share in shares.items()})
    words.update({f"rate {name}": f"{1e-9 * speed:.3g} GFLOP/s" for name, speed in fast.items()})
    return sentence.format_map(words)


def seconds_of(works: Mapping[str, tuple[Callable[[], object], float]], asked: Namespace) -> dict[str, float]:
    """CPU seconds of one use of each work: medians of stretches of about `--seconds`."""
    repeats = {}
    for name, (work, _) in works.items():
        work()
        repeats[name] = max(1, round(asked.seconds / max(answer.timed(work)[1], 1e-7)))

    def stretch(name: str) -> Callable[[], None]:
        work, count = works[name][0], repeats[name]

        def run() -> None:
            for _ in range(count):
                work()

        return run

    spent = answer.turns({name: stretch(name) for name in works}, asked.repeats)
    return {name: spent[name] / (repeats[name] * works[name][1]) for name in works}


def told(resource: str) -> str:
    return ", ".join(f"{way} {1e-9 * found:.1f}" for way, found in parts(resource).items())


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--kernels", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--repeats", type=int, default=5, help="timings of each, median taken (default 5)")
    parser.add_argument("--seconds", type=float, default=0.02, help="that each is timed at a stretch (default 0.02)")
    asked = parser.parse_args()
    table = rows(asked)
    notes = (
        f"Medians of {asked.repeats} CPU times; a kernel, its parts and the ceilings of what it uses take turns. "
        "Flops: sums and products, one each, as the loops do them; bytes: arguments and results once.",
        "Binds: the resource whose floor, count over ceiling, is the longest. Of the bound: that floor over the time. "
        "In turn: the sum of all floors over the time, what would be reached if nothing overlapped.",
        f"GB/s: against the second cache up to {CACHE >> 20} MB, else against memory. Scalar functions: exp, log and "
        "their kin in compiled loops, one after the other. Calls: NumPy calls, at what one of four numbers costs.",
        "Alone: calls that do a part of the work and nothing else, as often as the kernel does, from warm caches. All "
        "flops as lanes: as x ← x + yz, every x read and written again, which is what loops over chains do since no "
        "chain shares a number with another; scaled lanes: as x ← x + sz. Never rescaling: sweeps whose coins say so, "
        "without the one move that takes exp and log. Calls of so many µs: the whole time over their number.",
        "Why: where the time goes of a kernel whose bound takes less than half of it, in the same shares; the speed of "
        "a part is that of its sums and products.",
        *(f"Ceiling, {name} in 10⁹/s: {told(name)}." for name in SHOWN),
        "Ceilings in 10⁶/s: " + ", ".join(f"{name} {1e-6 * rate(probe(name)):.4g}" for name in SINGLE) + ".",
    )
    answer.publish(answer.Answer(question, COLUMNS, table, notes), asked.json)


if __name__ == "__main__":
    main()
