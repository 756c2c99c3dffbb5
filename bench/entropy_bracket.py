"""How long does a certified bracket of a mixture's entropy take, and how much memory?

    python bench/entropy_bracket.py [--repeats 3] [--seed 0] [--json FILE]

Each case runs in a process of its own, so that its peak memory is its own.
Full covariances cost an eigendecomposition a pair, the other kinds do not.
"""

import answer

# isort: split
import resource
from multiprocessing import get_context
from statistics import median
from time import perf_counter

import numpy as np

from lemmata.theory.entropy import GaussianMixture, entropy_bracket

SIZES = ((5, 2), (20, 10), (50, 50), (200, 50), (10, 500))
CASES = (*((K, m, "full") for K, m in SIZES), (200, 50, "diagonal"))
DISTANCE = 6.0  # of the means, near enough that the pairs count

COLUMNS = {
    "components": "d",
    "dimensions": "d",
    "covariances": "",
    "wall seconds": ".3f",
    "CPU seconds": ".3f",
    "peak MB": ".0f",
    "width / upper bound on the gap": ".3f",
}


def mixture(K: int, m: int, kind: str, seed: int) -> GaussianMixture:
    """Random means about DISTANCE apart and Wishart covariances near the identity, or their diagonals."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((K, m, 8 * m))
    covs = root @ root.transpose(0, 2, 1) / (8 * m)
    means = DISTANCE * rng.standard_normal((K, m)) / np.sqrt(2 * m)
    if kind == "diagonal":
        covs = np.diagonal(covs, axis1=1, axis2=2)
    return GaussianMixture(np.full(K, 1 / K), means, covs, kind=kind)


def peak() -> float:
    """The largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(K: int, m: int, kind: str, seed: int, repeats: int) -> dict[str, object]:
    """Medians over the repeats."""
    q, wall, cpu = mixture(K, m, kind, seed), [], []
    for _ in range(repeats):
        start = perf_counter()
        bracket, spent = answer.timed(lambda: entropy_bracket(q))
        wall.append(perf_counter() - start)
        cpu.append(spent)
    share = bracket.width / bracket.bounds.upper
    return dict(zip(COLUMNS, (K, m, kind, median(wall), median(cpu), peak(), share), strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--repeats", type=int, default=3, help="of each case, median taken (default 3)")
    asked = parser.parse_args()
    rows = []
    for case in CASES:
        with get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (*case, asked.seed, asked.repeats)))
    notes = (
        "Every bound of gap_bounds is included, checking the mixture is not.",
        "Peak: resident memory of the whole process, imports and making the mixture included.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
