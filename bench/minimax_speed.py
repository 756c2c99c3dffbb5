"""How long does one step of a minimax game take, beside the same in plain torch?

    python bench/minimax_speed.py [--repeats 7] [--case kernel 1000 50] [--seed 0] [--json FILE]

Particles against a kernel critic (the exact one: a gradient step on MMD²/2) or a critic of 256 random features
(simultaneous), and functions on an n-point torus.  Torch differentiates the objective; all take turns on one core, in
float64.
"""

import answer

# isort: split
import tracemalloc
from argparse import Namespace
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from lemmata.sim.minimax import (
    feature_game,
    kernel_game,
    kernel_sums,
    random_features,
    torus_game,
)
from lemmata.sim.minimax.algorithms import State, advance
from lemmata.sim.minimax.threads import one_thread_products
from lemmata.theory.streams import stream

Array = NDArray[np.float64]

DIMENSIONS = (2, 10, 50)
SIZES = (1000, 10_000, 100_000)
GRIDS = (1000, 30_000, 1_000_000)
FEATURES = 256
WANTED, AT = 3, 1000  # times faster than torch at N
OURS = {1000: 1000, 10_000: 10_000, 100_000: 8192}  # particles timed; the others cost the same
THEIRS = {1000: 1000, 10_000: 2000, 100_000: 500}
PAIRS = 4_000_000  # entries of a matrix that torch is given at once
CLOSE = 1e-11  # relative difference of two gradients
STEP = 0.1

COLUMNS = {
    "game": "",
    "N or n": "d",
    "d": "d",
    "lemmata s": ".3g",
    "torch s": ".3g",
    "torch form": "",
    "× torch": ".1f",
    "asked": "d",
    "met": "",
    "working memory MB": ".1f",
    "all pairs MB": ".0f",
}


def clouds(n: int, d: int, seed: int) -> tuple[Array, Array]:
    """Particles and data, both standard normal, the data shifted."""
    rng = stream(seed, "minimax speed", n, d)
    return rng.standard_normal((n, d)), rng.standard_normal((n, d)) + 0.3


def by_product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * x @ y.T


def by_distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x, y) ** 2


FORMS = {"product": by_product, "cdist": by_distance}


def kernel_gradient(form: str, x: Array, y: Array, rows: int, length: float) -> Array:
    """N ∇_i of MMD²/2 at the first rows, differentiated in pieces that fit: each sees all other points fixed."""
    X, Y = torch.from_numpy(x), torch.from_numpy(y)
    out = torch.empty_like(X[:rows])
    chunk = max(1, PAIRS // len(x))
    for first in range(0, rows, chunk):
        here = X[first : min(first + chunk, rows)].clone().requires_grad_()
        near = torch.exp(FORMS[form](here, X) / (-2 * length**2)).mean(1).sum()
        far = torch.exp(FORMS[form](here, Y) / (-2 * length**2)).mean(1).sum()
        (out[first : first + len(here)],) = torch.autograd.grad(near - far, here)
    return out.numpy()


def whole_gradient(form: str, x: Array, y: Array, length: float) -> Array:
    """The same by differentiating the objective in all particles at once, as one would write it."""
    X, Y = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)
    near, far = (torch.exp(FORMS[form](X, other) / (-2 * length**2)).mean() for other in (X, Y))
    (out,) = torch.autograd.grad(near / 2 - far, X)
    return len(x) * out.numpy()


def agree(name: str, seen: Array, exact: Array) -> None:
    apart = np.abs(seen - exact).max() / np.abs(exact).max()
    if not apart < CLOSE:
        raise SystemExit(f"{name} is off by {apart:.2g}")


def megabytes(work: Callable[[], object]) -> float:
    """What NumPy holds at most during the work, beside what it held before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def row(game: str, n: int, d: int, seconds: dict[str, float], work: Callable[[], object]) -> dict:
    """A row from the seconds a step of "lemmata" and of torch's forms, the fastest of which counts."""
    forms = {name: spent for name, spent in seconds.items() if name != "lemmata"}
    best = min(forms, key=forms.__getitem__, default=None)
    gain = None if best is None else forms[best] / seconds["lemmata"]
    asked = WANTED if best is not None and n == AT else None
    cells = (
        *(game, n, d, seconds["lemmata"], None if best is None else forms[best], best, gain, asked),
        *(None if asked is None else gain >= asked, megabytes(work), 8e-6 * n**2 if game == "kernel" else None),
    )
    return dict(zip(COLUMNS, cells, strict=True))


def kernel_row(n: int, d: int, asked: Namespace) -> dict:
    x, y = clouds(n, d, asked.seed)
    length, ours, theirs = d**0.5, OURS[n], THEIRS[n]
    game = kernel_game("gaussian", length, 1.0, y)
    weights = np.full(n, 1.0 / n)

    def step() -> Array:
        critic = game.best_response(x)
        return x[:ours] + STEP * game.min_direction(x[:ours], critic)

    works: dict[str, Callable[[], object]] = {"lemmata": step}
    for form in FORMS:
        if n == AT:
            works[form] = lambda form=form: x - STEP * whole_gradient(form, x, y, length)
        else:
            works[form] = lambda form=form: x[:theirs] - STEP * kernel_gradient(form, x, y, theirs, length)
        agree(f"torch by {form}", kernel_gradient(form, x, y, 100, length), (x[:100] - step()[:100]) / STEP)
    both = kernel_sums("gaussian", length, x[:100], np.concatenate([x, y]), np.concatenate([weights, -weights]))
    agree("kernel_sums", both.gradients, (x[:100] - step()[:100]) / STEP)
    with one_thread_products():
        seconds = answer.turns(works, asked.repeats if n == AT else min(asked.repeats, 3))
    scaled = {name: spent * n / (ours if name == "lemmata" else theirs) for name, spent in seconds.items()}
    return row("kernel", n, d, scaled, step)


def feature_row(n: int, d: int, asked: Namespace) -> dict:
    x, y = clouds(n, d, asked.seed)
    features = random_features(FEATURES, d, d**0.5, asked.seed)
    game = feature_game(features, y, ridge=0.1, penalty=0.1)
    c = stream(asked.seed, "critic").standard_normal(FEATURES) / FEATURES**0.5
    W, b = torch.from_numpy(features.frequencies), torch.from_numpy(features.phases)
    G, means = torch.from_numpy(game.gram), torch.from_numpy(game.data_means)
    X, C = torch.from_numpy(x), torch.from_numpy(c)
    chunk = max(1, PAIRS // FEATURES)

    def ours() -> State:
        return advance(game, "simultaneous", STEP, STEP, State(x, c))

    def theirs() -> tuple[torch.Tensor, torch.Tensor]:
        """Both players' gradients of E_μ f − E_μ0 f − penalties, in pieces that fit, from one graph a piece."""
        critic = C.clone().requires_grad_()
        fixed = -(means @ critic) - 0.05 * critic @ critic - 0.05 * critic @ G @ critic
        (pull,) = torch.autograd.grad(fixed, critic)
        out = torch.empty_like(X)
        for first in range(0, n, chunk):
            here = X[first : first + chunk].clone().requires_grad_()
            values = features.amplitude * torch.cos(here @ W.T + b) @ critic
            push, more = torch.autograd.grad(values.sum(), (here, critic))
            out[first : first + chunk] = here.detach() - STEP * push
            pull = pull + more / n
        return out, C + STEP * pull

    state, (other, critic) = ours(), theirs()
    agree("the particles' step", other.numpy() - x, state.u - x)
    agree("the critic's step", critic.numpy() - c, state.f - c)
    with one_thread_products():
        seconds = answer.turns({"lemmata": ours, "autograd": theirs}, asked.repeats)
    return row("features", n, d, seconds, ours)


def grid_row(n: int, geometry: str, asked: Namespace) -> dict:
    game = torus_game(n, geometry, 1.0, 1e-3, strong_convexity=1.0)
    state = State(stream(asked.seed, "grid", n).standard_normal(n), np.zeros(n))

    def step() -> State:
        return advance(game, "simultaneous", 0.5, 1e-9 if geometry == "euclidean" else 0.5, state)

    seconds = answer.turns({"lemmata": step}, asked.repeats)
    return row(f"torus, {geometry}", n, 1, seconds, step)


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--repeats", type=int, default=7, help="timings of each, median taken (default 7)")
    parser.add_argument("--case", nargs=3, metavar=("GAME", "N", "D"), help="only this one, of kernel or features")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    makers = {"kernel": kernel_row, "features": feature_row}
    if asked.case:
        rows = [makers[asked.case[0]](int(asked.case[1]), int(asked.case[2]), asked)]
    else:
        rows = [make(n, d, asked) for make in makers.values() for n in SIZES for d in DIMENSIONS]
        rows += [grid_row(n, geometry, asked) for geometry in ("sobolev", "euclidean") for n in GRIDS]
    notes = (
        f"CPU seconds a step, median of {asked.repeats} (3 for kernels beyond N = {AT}), all taking turns. As many "
        f"data as particles; gaussian kernel, ℓ = √d, exact critic; {FEATURES} features of it with ridge and R1.",
        f"Kernels beyond N = {AT}: so many particles are timed against all points, and the seconds scaled up, as both "
        f"programs go block by block: {OURS[10_000]} and {OURS[100_000]} of lemmata's, {THEIRS[10_000]} and "
        f"{THEIRS[100_000]} of torch's.",
        "Torch: autograd of the objective, squared distances by cdist or by a matrix product, the faster of the two; "
        f"beyond N = {AT} in pieces of {PAIRS} pairs, as all do not fit. Steps agree within {CLOSE:g} of the largest "
        "entry, or the script stops.",
        "Working memory: the largest sum of NumPy's arrays during a step, its result included; all pairs: one matrix "
        "of them, of which autograd keeps several.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
