"""How long does a table of 100 000 exact learning coefficients take?

    python bench/learning_table.py [--shapes 100000] [--seeds 5] [--json FILE]

Partial concept bottleneck networks with all sides up to 10, at truths of every possible ranks, in an order shuffled by
the seed; values are exact fractions.  A fresh process asks for every shape the first time, then again.
"""

import answer

# isort: split
import json
import os
import subprocess
import sys
from itertools import product

import numpy as np

from lemmata.theory.learning import partial_concept_bottleneck, symbolic

SIDES = range(11)
ALLOWED = 5.0  # seconds for 100 000 shapes
COLUMNS = {"route": "", "shapes": "d", "CPU s": ".2f", "largest s": ".2f", "µs a shape": ".1f"}


def shapes(count: int, seed: int) -> list[tuple[int, ...]]:
    """`count` of all shapes and ranks with M, N >= 1 and sides up to 10."""
    every = [
        (M, H1, H2, N, r2, rest)
        for M, H1, H2, N in product(SIDES[1:], SIDES, SIDES, SIDES[1:])
        for r2 in range(min(H2, N) + 1)
        for rest in range(min(M, H1, N - r2) + 1)
    ]
    order = np.random.default_rng(seed).permutation(len(every))
    return [every[k] for k in order[:count]]


def seconds_of_a_process(count: int, seed: int) -> dict[str, float]:
    """CPU seconds of a fresh process: import, first table, second table, and 500 shapes by the SymPy form."""
    words = [sys.executable, __file__, "--child", "--shapes", str(count), "--seed", str(seed)]
    seen = subprocess.run(words, check=True, capture_output=True, text=True, env=dict(os.environ))
    times: dict[str, float] = json.loads(seen.stdout)
    return times


def child(count: int, seed: int) -> None:
    table = shapes(count, seed)
    first, cold = answer.timed(lambda: [partial_concept_bottleneck(*shape) for shape in table])
    again, warm = answer.timed(lambda: [partial_concept_bottleneck(*shape) for shape in table])
    form = symbolic.partial_concept_bottleneck()
    few = range(0, count, max(1, count // 500))
    numbers = [dict(zip(form.symbols, table[k], strict=True)) for k in few]
    formula, slow = answer.timed(lambda: [form.at(**values) for values in numbers])
    if first != again or any(f.value != first[k].value for f, k in zip(formula, few, strict=True)):
        raise SystemExit("the routes disagree")
    print(json.dumps({"cold": cold, "warm": warm, "formula": slow, "formula shapes": len(few)}))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--shapes", type=int, default=100_000, help="of them (default 100000)")
    parser.add_argument("--seeds", type=int, default=5, help="processes, an order of the shapes each (default 5)")
    parser.add_argument("--child", action="store_true", help="time one process and print its seconds")
    asked = parser.parse_args()
    if asked.child:
        child(asked.shapes, asked.seed)
        return
    runs = [seconds_of_a_process(asked.shapes, asked.seed + k) for k in range(asked.seeds)]
    routes = (
        ("cold", "exact, each shape for the first time", asked.shapes),
        ("warm", "exact, asked again in turn, more than the cache holds", asked.shapes),
        ("formula", "SymPy form at numbers", int(runs[0]["formula shapes"])),
    )
    rows = []
    for key, name, count in routes:
        times = [run[key] for run in runs]
        median = float(np.median(times))
        rows.append(dict(zip(COLUMNS, (name, count, median, max(times), 1e6 * median / count), strict=True)))
    notes = (
        f"Median of {asked.seeds} processes; allowed for 100 000 exact shapes: {ALLOWED} s.",
        "Importing the package is not included. The SymPy form is checked against the exact values as it is timed.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
