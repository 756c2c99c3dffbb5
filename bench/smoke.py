"""Has anything become slower since the figures were committed?

    python bench/smoke.py [--repeats 7] [--record] [--only WORD] [--against FILE] [--seed 0] [--json FILE]

A ratio a kernel: a rival's CPU seconds, or those of a fixed piece of NumPy, over ours in the same turns; never a time.
Each is held against the one committed for this class of machine, and a fall by more than 30 percent is reported.  This
is for information: the exit status is 0 whatever is found.  Takes less than a minute.
"""

import answer

# isort: split
import itertools
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import process_time

import entropy_speed
import learning_speed
import minimax_speed
import numpy as np
import resilience_share
import torch

from lemmata.sim.entropy import LabelSampler, log_density
from lemmata.sim.minimax import KernelGame, feature_game, kernel_game, random_features, torus_game
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.sim.minimax.threads import one_thread_products
from lemmata.sim.resilience import outputs
from lemmata.theory.entropy import gap_bounds
from lemmata.theory.learning import partial_concept_bottleneck
from lemmata.theory.learning.network import reduced_rank_truth
from lemmata.theory.learning.partial_concept_bottleneck import partial_core
from lemmata.theory.resilience import Stack, cells_from_torch
from lemmata.theory.resilience.box import symmetric_box
from lemmata.theory.resilience.interval import interval
from lemmata.theory.resilience.tube import tube
from lemmata.theory.streams import stream

FALL = 0.3  # of a ratio, that is reported
SHORT = 0.02  # seconds that a call of a rival or ours should last at least
STEP = 0.1
RESULTS = Path(__file__).parent / "results"

Work = Callable[[], object]
Pair = tuple[str, Work, Work]  # what is compared, ours, the rival's

COLUMNS = {"ratio": "", "now": ".3g", "committed": ".3g", "change %": "+.0f", "slower": ""}


def long_enough(work: Work) -> tuple[Work, int]:
    """The work, repeated until a call lasts, and how often."""
    work()
    spent = max(answer.timed(work)[1], 1e-6)
    times = max(1, int(np.ceil(SHORT / spent)))
    return (work, 1) if times == 1 else ((lambda: [work() for _ in range(times)]), times)


def product(size: int = 400) -> Work:
    """A float64 matrix product."""
    a = np.random.default_rng(0).standard_normal((size, size))
    return lambda: a @ a


def learning(seed: int) -> Iterator[Pair]:
    for shape in ((5, 4, 6, 2), (10, 8, 10, 3)):
        truth = reduced_rank_truth(*shape)
        name = f"Gibbs sweeps of reduced rank {shape}, 64 chains, against NumPy"
        ours, rival = (make(truth, 64, seed) for make in (learning_speed.with_numba, learning_speed.with_numpy))
        yield name, partial(ours, 20), partial(rival, 20)
    sizes = (range(1, 9), range(1, 9), (2,), (5, 9), (0, 1), (0, 1))
    shapes = [shape for shape in itertools.product(*sizes) if shape[4] <= 2 and shape[5] <= min(shape[0], shape[1])]
    name = f"{len(shapes)} exact coefficients, against a matrix product"
    yield name, partial(coefficients, shapes), product()


def coefficients(shapes: Sequence[tuple[int, ...]]) -> list[object]:
    """All of them for the first time."""
    partial_core.cache_clear()
    return [partial_concept_bottleneck(*shape) for shape in shapes]


def entropy(seed: int) -> Iterator[Pair]:
    for K, d in ((5, 2), (20, 10), (50, 50)):
        q = entropy_speed.mixture(K, d, entropy_speed.SPREADS[K, d][0], seed)
        points, sampler = stream(seed, "points").standard_normal((2000, d)), LabelSampler(q)
        ours, rival = partial(sampler.draw, stream(seed, "draws"), 100), entropy_speed.with_scikit_learn(q, seed)
        name = f"draws of the label sampler at {K, d}, against scikit-learn's -log q"
        yield name, ours, partial(rival, 200 * K)
        yield f"log density at {K, d}, against a matrix product", partial(log_density, q, points), product()
        yield f"all bounds at {K, d}, against a matrix product", partial(gap_bounds, q), product()


def resilience(seed: int) -> Iterator[Pair]:
    torch.manual_seed(seed)
    for n, precision in ((4, "float64"), (16, "float64"), (64, "float64"), (16, "float32")):
        kind = getattr(torch, precision)
        module = torch.nn.LSTM(2, n, batch_first=True).to(kind)
        inputs = torch.empty(64, 50, 2, dtype=kind).uniform_(-1, 1)
        ours = partial(outputs, cells_from_torch(module), None, inputs.numpy(), precision)
        name = f"steps of 64 LSTMs with {n} units in {precision}, against torch"
        yield name, ours, torch.no_grad()(partial(module, inputs))
    stack = Stack((resilience_share.fresh(16, seed),))
    U, X = interval(symmetric_box("inputs", 0.25, 2)), interval(symmetric_box("states", 1.0, 32))
    yield "the tube of an LSTM with 16 units, against a matrix product", partial(tube, stack, U, X, X), product()


def minimax(seed: int) -> Iterator[Pair]:
    for d in (2, 50):
        name = f"a step of 1000 particles against a kernel critic, d = {d}, against torch"
        x, y = minimax_speed.clouds(1000, d, seed)
        rival = partial(minimax_speed.whole_gradient, "product", x, y, d**0.5)
        yield name, partial(kernel_step, kernel_game("gaussian", d**0.5, 1.0, y), x), rival
    x, y = minimax_speed.clouds(1000, 10, seed)
    game = feature_game(random_features(256, 10, 10**0.5, seed), y, ridge=0.1, penalty=0.1)
    state = State(x, stream(seed, "critic").standard_normal(256) / 16)
    name = "a step of 1000 particles against 256 features, d = 10, against a matrix product"
    yield name, partial(advance, game, "simultaneous", STEP, STEP, state), product()
    torus = torus_game(30_000, "sobolev", 1.0, 1e-3, strong_convexity=1.0)
    start = State(stream(seed, "grid").standard_normal(30_000), np.zeros(30_000))
    name = "a step of a game on a torus of 30 000 points, against NumPy's FFT"
    yield name, partial(advance, torus, "simultaneous", 0.5, 0.5, start), partial(np.fft.rfft, start.u)


def kernel_step(game: KernelGame, x: np.ndarray) -> np.ndarray:
    return x + STEP * game.min_direction(x, game.best_response(x))


def start_up(_: int) -> Iterator[Pair]:
    def new(words: str) -> float:
        """CPU seconds of a new interpreter."""
        code = f"{words}; from time import process_time; print(process_time())"
        return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)

    yield "import lemmata, against import numpy", lambda: new("import lemmata"), lambda: new("import numpy")


SUBJECTS = (learning, entropy, resilience, minimax, start_up)


def ratio(pair: Pair, repeats: int) -> float:
    """The rival's seconds over ours, medians of turns."""
    name, ours, rival = pair
    if name.startswith("import"):  # these tell their own time
        seen = [(rival(), ours()) for _ in range(repeats)]
        theirs, mine = (float(np.median(column)) for column in zip(*seen, strict=True))
        return theirs / mine
    (ours, many), (rival, others) = long_enough(ours), long_enough(rival)
    seconds = answer.turns({"ours": ours, "rival": rival}, repeats)
    return seconds["rival"] / others / (seconds["ours"] / many)


def committed(file: Path) -> dict[str, float]:
    """The ratios recorded in a file of results; none where there is none."""
    tables = json.loads(file.read_text()) if file.exists() else {}
    return {row["ratio"]: row["now"] for row in tables.get("smoke", {"rows": ()})["rows"]}


def judged(name: str, now: float, before: float | None) -> dict[str, object]:
    """A row: the ratio beside the one committed."""
    change = None if before is None else now / before - 1
    return {
        "ratio": name,
        "now": now,
        "committed": before,
        "change %": None if change is None else 100 * change,
        "slower": None if change is None else change < -FALL,
    }


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--repeats", type=int, default=7, help="timings of each, median taken (default 7)")
    parser.add_argument("--record", action="store_true", help="compare with nothing: these are to be the new ratios")
    parser.add_argument("--only", default="", metavar="WORD", help="those with this word in their names")
    parser.add_argument(
        "--against",
        type=Path,
        default=RESULTS / f"{answer.machine_class()}.json",
        metavar="FILE",
        help="the results to compare with (default those of this class of machine)",
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    before, rows, start = ({} if asked.record else committed(asked.against)), [], process_time()
    with one_thread_products():
        for subject in SUBJECTS:
            pairs = (pair for pair in subject(asked.seed) if asked.only in pair[0])
            rows += [judged(pair[0], ratio(pair, asked.repeats), before.get(pair[0])) for pair in pairs]
    slower = [row["ratio"] for row in rows if row["slower"]]
    lost = [name for name in before if asked.only in name and name not in {row["ratio"] for row in rows}]
    notes = [
        f"The rival's CPU seconds over ours, medians of {asked.repeats} turns; {process_time() - start:.0f} CPU "
        f"seconds in all, compilation included. Slower: fallen by more than {100 * FALL:.0f} % of what was committed.",
    ]
    if not asked.record and not before:
        notes.append(f"No ratios in {asked.against.name}, so nothing is compared.")
    elif not asked.record:
        notes.append(f"SLOWER THAN COMMITTED: {'; '.join(slower)}" if slower else "Nothing has become slower.")
    if lost:
        notes.append(f"Committed, but measured no more: {'; '.join(lost)}")
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
