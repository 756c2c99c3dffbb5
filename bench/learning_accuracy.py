"""How much CPU time does λ to 0.3 percent take, without noise and with m known?

    python bench/learning_accuracy.py [--seeds 5] [--seed 0] [--json FILE]

Every shape is estimated from several seeds by `estimate_learning_coefficient` on three rungs, with 64 chains.
"""

import answer

# isort: split
import numpy as np

from lemmata.sim.learning import estimate_reduced_rank
from lemmata.theory.learning import reduced_rank
from lemmata.theory.streams import stream

LADDER = (1e6, 1e9, 1e12)  # three rungs known from each other, wide enough to tell λ from b
CHAINS, WARMUP = 64, 50
# (M, H, N, r): sweeps, and the CPU seconds allowed
CASES = {(3, 3, 4, 1): (300, 0.25), (5, 4, 6, 2): (300, 0.35), (10, 8, 10, 3): (100, 1.2)}
ALLOWED = 0.3  # percent

COLUMNS = {
    "(M, H, N, r)": "",
    "λ": "",
    "m": "d",
    "sweeps": "d",
    "median |error| %": ".3f",
    "largest |error| %": ".3f",
    "stated error %": ".3f",
    "CPU s": ".3f",
    "allowed s": ".2f",
    "met": "",
}


def row(shape: tuple[int, ...], seeds: int, seed: int) -> dict[str, object]:
    exact = reduced_rank(*shape)
    sweeps, allowed = CASES[shape]
    run = {"multiplicity": exact.multiplicity, "ladder": LADDER, "sweeps": sweeps, "chains": CHAINS, "warmup": WARMUP}
    errors, stated, times = [], [], []
    for k in range(seeds):
        rng = stream(seed, "accuracy", *shape, k)
        seen, seconds = answer.timed(lambda rng=rng: estimate_reduced_rank(*shape, rng=rng, **run))
        errors.append(100 * abs(seen.value.mean / float(exact.value) - 1))
        stated.append(100 * seen.value.error / float(exact.value))
        times.append(seconds)
    found, spent = float(np.median(errors)), float(np.median(times))
    values = (str(shape), str(exact.value), exact.multiplicity, sweeps, found, max(errors), float(np.median(stated)))
    return dict(zip(COLUMNS, (*values, spent, allowed, found <= ALLOWED and spent <= allowed), strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--seeds", type=int, default=5, help="runs of every shape (default 5)")
    asked = parser.parse_args()
    _, warm = answer.timed(lambda: row((3, 3, 4, 1), 1, 1))
    rows = [row(shape, asked.seeds, asked.seed) for shape in CASES]
    notes = (
        f"{asked.seeds} seeds, medians over them; allowed: median error {ALLOWED} % within the CPU seconds beside it.",
        f"Ladder n = 1e6, 1e9, 1e12; {CHAINS} chains, {WARMUP} sweeps of warm-up a rung, included in the time.",
        f"Compilation or its reading from the cache, and a first run, not included: {warm:.2f} s.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
