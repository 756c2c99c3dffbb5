"""How often do singular BIC and plain BIC find the model that made the data?

    python bench/learning_selection.py [--datasets 300] [--concept-datasets 100] [--seed 0] [--json FILE]

Ranks: 7 standard normal inputs, 6 outputs, a true map with singular values 1.5, 0.6, 0.25 (rank 3) in random
directions, unit noise taken as known, or noise with variance 1 and correlation 1/2 taken as unknown; no intercept.
Concepts: 7 inputs, 4 outputs, 3 recorded concepts; the outputs use the first two concepts and one free unit; all
weights normal with variance 1/7 into the bottleneck and 1/4 out of it; unit noises taken as known, or as unknown; all
33 models compete; no intercept.
"""

import answer

# isort: split
from collections.abc import Callable

import numpy as np

from lemmata.theory.learning import Selection, select_concepts, select_rank
from lemmata.theory.streams import stream

COLUMNS = {
    "task": "",
    "n": "d",
    "data sets": "d",
    "models": "d",
    "singular BIC": ".2f",
    "BIC": ".2f",
    "CPU s each": ".3f",
}
Trial = Callable[[int, np.random.Generator], tuple[Selection, bool, bool]]


def ranks(known: bool) -> Trial:
    def trial(n: int, rng: np.random.Generator) -> tuple[Selection, bool, bool]:
        left, right = (np.linalg.qr(rng.normal(size=(size, size)))[0][:, :3] for size in (6, 7))
        X = rng.normal(size=(n, 7))
        noise = rng.normal(size=(n, 6))
        if not known:
            noise = noise @ np.linalg.cholesky(0.5 * np.eye(6) + 0.5).T
        seen = select_rank(
            X, X @ (right * [1.5, 0.6, 0.25]) @ left.T + noise, noise=1.0 if known else None, intercept=False
        )
        return seen, seen.chosen == 3, seen.chosen_by_bic == 3

    return trial


def concepts(known: bool) -> Trial:
    def trial(n: int, rng: np.random.Generator) -> tuple[Selection, bool, bool]:
        X = rng.normal(size=(n, 7))
        D, B = rng.normal(size=(3, 7)) / 7**0.5, rng.normal(size=(1, 7)) / 7**0.5
        T = (rng.normal(size=(4, 1)) @ B + rng.normal(size=(4, 2)) @ D[:2]) / 2
        Y, C = X @ T.T + rng.normal(size=(n, 4)), X @ D.T + rng.normal(size=(n, 3))
        noise = 1.0 if known else None
        seen = select_concepts(X, Y, C, output_noise=noise, concept_noise=noise, intercept=False)
        return seen, seen.chosen[:2] == (1, (0, 1)), seen.chosen_by_bic[:2] == (1, (0, 1))

    return trial


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--datasets", type=int, default=300, help="for each row about ranks (default 300)")
    parser.add_argument("--concept-datasets", type=int, default=100, help="for each row about concepts (default 100)")
    asked = parser.parse_args()
    tasks = (
        ("rank 3, noise known", ranks(True), (100, 300, 1000, 10_000), asked.datasets),
        ("rank 3, noise unknown", ranks(False), (100, 300, 1000, 10_000), asked.datasets),
        ("concepts, noise known", concepts(True), (200, 1000, 10_000), asked.concept_datasets),
        ("concepts, noise unknown", concepts(False), (200, 1000, 10_000), asked.concept_datasets),
    )
    rows = []
    for name, trial, sizes, count in tasks:
        for n in sizes:
            rngs = [stream(asked.seed, name, n, k) for k in range(count)]
            seen, spent = answer.timed(lambda n=n, trial=trial, rngs=rngs: [trial(n, rng) for rng in rngs])
            shares = (sum(row[k] for row in seen) / count for k in (1, 2))
            values = (name, n, count, len(seen[0][0].candidates), *shares, spent / count)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    notes = (
        "Share of data sets for which the right model is chosen; its standard error is at most 0.5 over the root of "
        "their number.",
        "Ranks: 7 inputs, 6 outputs, singular values 1.5, 0.6, 0.25. Concepts: 33 models compete over 3 recorded "
        "concepts, of which the outputs use two, and one free unit.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
