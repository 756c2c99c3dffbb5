"""How much CPU time does the multiplicity m take, fitted together with λ?

    python bench/learning_multiplicity.py [--jobs 1] [--share 1.0] [--seed 0] [--json FILE]

Every reference case of tests/reference, and the three shapes of learning_accuracy.py, with neither λ nor m known.  m is
read off small changes of the mean energy along log n, so that cases need budgets that differ a hundredfold.
"""

import answer

# isort: split
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from lemmata.sim import learning as sim
from lemmata.theory import learning as theory
from lemmata.theory.streams import stream

CHAINS, WARMUP = 32, 200
LEAST = 4_000  # sweeps of a chain where nothing else is said below
SWEEPS = {  # chosen beforehand from runs with another seed, for an error of m near 0.15
    "reduced_rank 3 3 4 1": 16_000,
    "reduced_rank 5 4 6 2": 80_000,
    "reduced_rank 10 8 10 3": 160_000,
    "partial_concept_bottleneck 3 2 2 5 2 1": 190_000,
    "partial_concept_bottleneck 3 3 1 4 1 0": 20_000,
    "partial_concept_bottleneck 3 2 2 4 2 0": 100_000,
    "partial_concept_bottleneck 4 3 3 6 1 2": 8_000,
    "partial_concept_bottleneck 2 2 1 3 1 1": 10_000,
    "deep_linear [3, 3, 3, 3] 1": 20_000,
    "deep_linear [4, 2, 3, 3] 1": 20_000,
    "deep_linear [2, 2, 2, 2, 2] 0": 8_000,
    "observed_chain [4, 3, 3, 2, 3] [2, 4] [2, 1]": 8_000,
    "observed_chain [3, 3, 2, 2, 2] [1, 4] [1, 0]": 70_000,
}
LADDER = (1e4, 1e5, 1e6, 1e7, 1e8, 1e10, 1e12)
# the powers of 1/n that the law leaves out grow with λ: at λ = 40 they are seen at n = 1e4
LADDERS = {"reduced_rank 10 8 10 3": LADDER[1:]}
WANTED = 0.2

COLUMNS = {
    "case": "",
    "λ": "",
    "estimate of λ": "",
    "m": "d",
    "estimate of m": "",
    "rounds to m": "",
    f"error < {WANTED}": "",
    "misfit": "",
    "sweeps": "d",
    "CPU s": ".1f",
}


def cases() -> list[tuple[str, Mapping[str, Any]]]:
    """The reference cases, each family and shape once, and the shapes of learning_accuracy.py."""
    file = Path(__file__).parents[1] / "tests" / "reference" / "learning_coefficients.toml"
    found = [(family, row["shape"]) for family, rows in tomllib.loads(file.read_text()).items() for row in rows]
    words = ("outputs", "hidden", "inputs", "rank")
    more = [("reduced_rank", dict(zip(words, s, strict=True))) for s in ((3, 3, 4, 1), (5, 4, 6, 2), (10, 8, 10, 3))]
    return found + [case for case in more if case not in found]


def row(family: str, shape: Mapping[str, Any], share: float, seed: int) -> dict[str, object]:
    exact = getattr(theory, family)(**shape)
    name = " ".join([family, *map(str, shape.values())])
    sweeps = round(share * SWEEPS.get(name, LEAST))
    run = {"ladder": LADDERS.get(name, LADDER), "sweeps": sweeps, "chains": CHAINS, "warmup": WARMUP}
    estimate = getattr(sim, f"estimate_{family}")
    estimate(**shape, rng=stream(seed, "compile"), **(run | {"sweeps": 400}))
    fit, seconds = answer.timed(lambda: estimate(**shape, rng=stream(seed, "multiplicity", name), **run))
    m = fit.multiplicity
    values = (
        name.replace("_", " "),
        str(exact.value),
        str(fit.value),
        exact.multiplicity,
        f"{m.mean:.3f} ± {m.error:.3f}",
        round(m.mean) == exact.multiplicity,
        m.error < WANTED,
        f"{fit.misfit:.1f} / {fit.freedom}",
        sweeps,
        seconds,
    )
    return dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--jobs", type=int, default=1, help="processes, a case each at a time (default 1)")
    parser.add_argument("--share", type=float, default=1.0, help="of every budget of sweeps (default 1)")
    asked = parser.parse_args()
    todo = sorted(cases(), key=lambda case: -SWEEPS.get(" ".join([case[0], *map(str, case[1].values())]), LEAST))
    rows = Parallel(n_jobs=asked.jobs)(delayed(row)(*case, asked.share, asked.seed) for case in todo)
    right = sum(bool(found["rounds to m"]) for found in rows)
    notes = (
        f"m right after rounding in {right} of {len(rows)} cases; CPU seconds in all: "
        f"{sum(float(str(found['CPU s'])) for found in rows):.0f}.",
        f"One run of {CHAINS} chains on each rung of the ladder, {WARMUP} sweeps of warm-up included in the time.",
        "Ladder n = 1e4, 1e5, 1e6, 1e7, 1e8, 1e10, 1e12; for (10, 8, 10, 3) without its first rung.",
        "Misfit: the sum of squares of the fit beside its degrees of freedom. Compilation not included.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
