"""How long does a mixture's entropy to 1e-3 nats take, and how near are bounds in closed form, beside MixEntroPY?

    python bench/entropy_peers.py [--repeats 5] [--seconds 0.2] [--case 5 2] [--seed 0] [--json FILE]

The mixtures are those of `entropy_speed.py`: full covariances, four sizes, components that overlap and that do not.
MixEntroPY (mixentropy on PyPI, in NumPy and in torch) averages -log q, bounds H by distances of pairs (Kolchinsky and
Tracey) and has three more estimators without draws of their own: the expected likelihood kernel (ELK), the densities at
the means (KDE), and the determinant of a sample's covariance.  All take turns on one core, in float64.
"""

import answer

# isort: split
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from time import process_time

if find_spec("mixentropy") is None:
    print("MixEntroPY is not installed: pip install 'lemmata[bench]'")
    sys.exit()

import numpy as np
import torch
from entropy_speed import ASKED, ERROR, FEWEST, MEMORY, SAMPLERS, SPREADS, agree, mixture
from numpy.typing import NDArray

torch.set_default_dtype(torch.float64)  # before mixentropy.pth, which makes a tensor of π when it loads

import mixentropy.np.elk_estimator as np_elk  # noqa: E402
import mixentropy.np.kde_estimator as np_kde  # noqa: E402
import mixentropy.np.logdet_estimator as np_logdet  # noqa: E402
import mixentropy.np.monte_carlo_estimator as np_monte_carlo  # noqa: E402
import mixentropy.np.pairwise_dist_estimator as np_pairs  # noqa: E402
import mixentropy.pth.monte_carlo_estimator as pth_monte_carlo  # noqa: E402
import mixentropy.pth.pairwise_dist_estimator as pth_pairs  # noqa: E402

from lemmata.sim.entropy import draw_points, estimate_gap  # noqa: E402
from lemmata.theory.entropy import (  # noqa: E402
    GaussianMixture,
    approximate_entropy,
    entropy_bracket,
    separation_gap_upper,
)
from lemmata.theory.streams import stream  # noqa: E402

Array = NDArray[np.float64]

PILOT = 500  # rounds of each of our samplers, which tell the cheapest
LONG = 2.0  # CPU seconds: what takes longer is timed once, our bracket, our sampler and their pairs aside
BATCHES = (20, 100, 500, 2500, 10_000)  # of theirs; of the largest three in MEMORY the fastest is taken
VARIANCE = 2000  # of their draws, which tell the variance of -log q
SAMPLE = 10_000  # points for the determinant
WEIGHTS = (0.4, 0.6)  # of Chernoff's distance, tried beside ½
CLOSE = 1e-9  # of two ways to the same bound, relative

COLUMNS = {
    "K": "d",
    "d": "d",
    "components": "",
    "Δ": ".3g",
    "±": ".0e",
    "sampler": "",
    "to 1e-3: ours s": ".3g",
    "certified s": ".3g",
    "MixEntroPY s": ".3g",
    "by": "",
    "× ours": ".0f",
    "× certified": ".0f",
    "bracket nats": ".3g",
    "Kolchinsky-Tracey nats": ".3g",
    "best α nats": ".3g",
    "separation nats": ".3g",
    "× bracket": ".2f",
    "bracket s": ".3g",
    "Kolchinsky-Tracey s": ".3g",
    "made by": "",
    "ELK - H": ".3g",
    "KDE - H": ".3g",
    "KDE + d/2 - H": ".3g",
    "log det - H": ".3g",
    "with β = 2πe": ".3g",
    "ELK s": ".2g",
    "KDE s": ".2g",
    "log det s": ".2g",
}


def or_none(work: Callable[[], float]) -> Callable[[], float | None]:
    """None where theirs cannot: (2π)^d is too large for a float from d = 387 on."""

    def tried() -> float | None:
        try:
            return float(work())
        except OverflowError:
            return None

    return tried


class Peer:
    """MixEntroPY on one mixture."""

    def __init__(self, q: GaussianMixture, rng: np.random.Generator) -> None:
        self.points, _ = draw_points(q, SAMPLE, rng)
        self.arrays = q.weights, q.means, q.covariances
        # a batch of one loses its axis in the torch twin of the Chernoff distance: two alike, at half the time
        self.one = [torch.tensor(each)[None] for each in self.arrays]
        self.two = [torch.cat([each, each]) for each in self.one]
        self.size = q.components, q.dimension

    def averages(self) -> dict[str, Callable[[int], float]]:
        """Means of -log q over so many draws."""

        def with_torch(n: int) -> float:
            with torch.inference_mode():
                return pth_monte_carlo.estimate(*self.one, n).item()

        return {"NumPy": lambda n: np_monte_carlo.estimate(*self.arrays, n), "torch": with_torch}

    def values(self, n: int) -> Array:
        """-log q at each of n draws: what `estimate` averages."""
        return self.at(np_monte_carlo.sample_mix_gauss(*self.arrays, n))

    def at(self, points: Array) -> Array:
        return -np_monte_carlo.log_pdf_mv_gauss(*self.arrays, points)

    def chernoff(self, weight: float = 0.5) -> float:
        return float(np_pairs.estimate(*self.arrays, dist="chernoff", alpha=weight))

    def pairs(self) -> tuple[float, float]:
        """The bounds of Kolchinsky and Tracey with the default weight ½."""
        return self.chernoff(), float(np_pairs.estimate(*self.arrays, dist="kl"))

    def pairs_in_torch(self) -> tuple[float, float]:
        with torch.inference_mode():
            return tuple(pth_pairs.estimate(*self.two, dist=name)[0].item() for name in ("chernoff", "kl"))

    def single(self) -> dict[str, Callable[[], float | None]]:
        return {
            "ELK": or_none(lambda: np_elk.estimate(*self.arrays)),
            "KDE": or_none(lambda: np_kde.estimate(*self.arrays)),
            "log det": lambda: np_logdet.logdet_entropy(self.points),
        }


def cheapest(q: GaussianMixture, rng: np.random.Generator) -> tuple[str, int]:
    """The sampler of ours that gets to ERROR at the least cost, as a pilot says, and its rounds."""
    found = {}
    for name, kind in SAMPLERS.items():
        sampler, building = answer.timed(lambda kind=kind: kind(q))
        values, drawing = answer.timed(lambda sampler=sampler: sampler.draw(rng, PILOT))
        rounds = max(FEWEST, int(np.ceil(values.var(ddof=1) / ERROR**2)))
        found[name] = building + drawing * rounds / PILOT, rounds
    name = min(found, key=lambda name: found[name][0])
    return name, found[name][1]


def ours(name: str, q: GaussianMixture, rounds: int, rng: np.random.Generator) -> tuple[float, float, Array]:
    """CPU seconds to build a sampler, and to draw, and Δ as drawn."""
    sampler, building = answer.timed(lambda: SAMPLERS[name](q))
    values, drawing = answer.timed(lambda: sampler.offset + sampler.sign * sampler.draw(rng, rounds))
    return building, drawing, values


def sizes(name: str, K: int, m: int) -> list[int]:
    """The batches to try: theirs holds (n, K, m) arrays, four at a time, in torch the factors once a draw as well."""
    row = 8 * 4 * K * m if name == "NumPy" else 8 * K * m * (m + 4)
    return [each for each in BATCHES if each * row <= MEMORY][-3:]


def fastest(average: Callable[[int], float], name: str, K: int, m: int) -> int:
    """The batch that is fastest a draw."""
    average(16)
    spent = {size: answer.timed(lambda size=size: average(size))[1] / size for size in sizes(name, K, m)}
    return min(spent, key=spent.__getitem__)


def stretch(average: Callable[[int], float], size: int, seconds: float, seen: list[float]) -> float:
    """CPU seconds a draw over batches that fill `seconds`; their means are added to `seen`."""
    start, draws = process_time(), 0
    while (spent := process_time() - start) < seconds:
        seen.append(average(size))
        draws += size
    return spent / draws


def same(name: str, seen: float, exact: float) -> None:
    if not abs(seen - exact) <= CLOSE * abs(exact):
        raise SystemExit(f"{name} gives {seen!r}, not {exact!r}")


def monte_carlo(q: GaussianMixture, peer: Peer, asked: Namespace) -> dict[str, object]:
    """Time to ERROR: both sides' draws take turns, and theirs are counted, not all made."""
    K, m = peer.size
    rng = stream(asked.seed, "entropy peers", K, m)
    name, rounds = cheapest(q, rng)
    possible = or_none(lambda: peer.at(q.means).sum())() is not None
    averages = peer.averages() if possible else {}
    batch = {each: fastest(average, each, K, m) for each, average in averages.items()}
    building, drawing, values, certified = [], [], [], []
    spent: dict[str, list[float]] = {each: [] for each in averages}
    means: dict[str, list[float]] = {each: [] for each in averages}
    for repeat in range(asked.repeats):
        for into, each in zip((building, drawing, values), ours(name, q, rounds, rng), strict=True):
            into.append(each)
        if not certified or max(certified) < LONG:
            bound, taken = answer.timed(lambda seed=repeat: estimate_gap(q, ERROR, seed=seed))
            certified.append(taken)
        for each, average in averages.items():
            spent[each].append(stretch(average, batch[each], asked.seconds, means[each]))
    drawn = np.concatenate(values)
    gap, error = float(drawn.mean()), float(drawn.std(ddof=1) / np.sqrt(len(drawn)))
    agree("estimate_gap", bound.gap.mean, ERROR / 3.3, gap, error)  # ± ERROR with probability 0.999
    needed = max(FEWEST, drawn.var(ddof=1) / ERROR**2)
    seconds = median(building) + median(drawing) * needed / rounds
    variance = peer.values(VARIANCE).var(ddof=1) if possible else np.nan
    about = approximate_entropy(q)
    for each, seen in means.items():
        agree(each, float(np.mean(seen)), np.sqrt(variance / (batch[each] * len(seen))), about - gap, error)
    theirs = {each: median(times) * variance / ERROR**2 for each, times in spent.items()}
    best = min(theirs, key=theirs.__getitem__, default=None)
    row = {"Δ": gap, "±": error, "sampler": name, "to 1e-3: ours s": seconds, "certified s": median(certified)}
    if best is None:
        return row
    rival = {"MixEntroPY s": theirs[best], "by": best, "× ours": theirs[best] / seconds}
    return row | rival | {"× certified": theirs[best] / median(certified)}


def closed_forms(q: GaussianMixture, peer: Peer, truth: float, error: float, repeats: int) -> dict[str, object]:
    """Widths, errors and times of what is not random, and of the determinant."""
    bracket, (lower, upper) = entropy_bracket(q), peer.pairs()
    same("Chernoff's lower bound", lower, bracket.approximation - bracket.bounds.chernoff_mixture)
    same("Kullback and Leibler's upper bound", upper, bracket.approximation - bracket.bounds.kl_mixture)
    for seen, exact in zip(peer.pairs_in_torch(), (lower, upper), strict=True):
        same("torch", seen, exact)
    tuned = upper - max(lower, *(peer.chernoff(weight) for weight in WEIGHTS))
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: entropy_bracket(q),
        "NumPy": peer.pairs,
        "torch": peer.pairs_in_torch,
        **peer.single(),
    }
    firsts = {name: answer.timed(work) for name, work in works.items()}
    found = {name: firsts[name][0] for name in peer.single()}
    once = {name: spent / (2 if name == "torch" else 1) for name, (_, spent) in firsts.items()}
    best = min(("NumPy", "torch"), key=once.__getitem__)
    again = [name for name, value in found.items() if value is not None and once[name] < LONG]
    turning = {name: works[name] for name in ("ours", best, *again)}
    seconds = once | answer.turns(turning, repeats)
    if best == "torch":
        seconds[best] /= 2
    if not bracket.lower - 5 * error <= truth <= bracket.upper + 5 * error:
        raise SystemExit(f"H = {truth:.6f} ± {error:.6f} lies outside our bracket {bracket}")
    row: dict[str, object] = {
        "bracket nats": bracket.width,
        "Kolchinsky-Tracey nats": upper - lower,
        "best α nats": tuned,
        "separation nats": separation_gap_upper(q),
        "× bracket": (upper - lower) / bracket.width,
        "bracket s": seconds["ours"],
        "Kolchinsky-Tracey s": seconds[best],
        "made by": best,
    }
    for name, value in found.items():
        if value is not None:
            row |= {f"{name} - H": value - truth, f"{name} s": seconds[name]}
    if found["KDE"] is not None:
        row["KDE + d/2 - H"] = found["KDE"] + peer.size[1] / 2 - truth
    row["with β = 2πe"] = np_logdet.logdet_entropy(peer.points, 2 * np.pi * np.e) - truth
    return row


def row(K: int, m: int, flavour: int, asked: Namespace) -> dict[str, object]:
    q = mixture(K, m, SPREADS[K, m][flavour], asked.seed)
    peer = Peer(q, stream(asked.seed, "entropy peers", "points", K, m))
    drawn = monte_carlo(q, peer, asked)
    gap, error = float(drawn["Δ"]), float(drawn["±"])
    rest = closed_forms(q, peer, approximate_entropy(q) - gap, error, asked.repeats)
    return {"K": K, "d": m, "components": ("overlapping", "separated")[flavour], **drawn, **rest}


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--repeats", type=int, default=5, help="timings of each, median taken (default 5)")
    parser.add_argument("--seconds", type=float, default=0.2, help="that theirs is timed at a stretch (default 0.2)")
    parser.add_argument("--case", type=int, nargs=2, metavar=("K", "D"), help="only this one")
    asked = parser.parse_args()
    if asked.case and tuple(asked.case) not in ASKED:
        parser.error(f"--case must be one of {', '.join(map(str, ASKED))}, got {tuple(asked.case)}")
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    np.random.seed(asked.seed)  # noqa: NPY002 - theirs draws from the global stream
    cases = [tuple(asked.case)] if asked.case else list(ASKED)
    estimate_gap(mixture(3, 2, 1.0, 0), 1e-2)  # compiles
    rows = [row(K, m, flavour, asked) for K, m in cases for flavour in (0, 1)]
    notes = (
        f"CPU seconds to a standard error of {ERROR:g} nats, median of {asked.repeats}. Ours: building the sampler "
        f"that a pilot of {PILOT} rounds finds cheapest, not counting the pilot, and as many draws as its variance "
        f"asks for. Certified: estimate_gap to ± {ERROR:g} with probability 0.999, which chooses by itself.",
        "MixEntroPY's Monte Carlo: seconds a draw, at the batch that is fastest of the largest three within 512 "
        f"MB, times the draws that the variance of -log q at {VARIANCE} of its draws asks for; the faster of its "
        "NumPy and its torch. All means agree within 5 standard errors, or the script stops.",
        "Widths: of our bracket; upper (Kullback and Leibler) less lower bound (Chernoff with α = ½) of "
        f"Kolchinsky and Tracey, as MixEntroPY makes them, and with the best α of ½ and {WEIGHTS}; of the bound "
        "from separation ratios, best s, whose lower end is 0. × bracket: Kolchinsky-Tracey's over ours. Both of "
        f"MixEntroPY's bounds agree with ours by the same formulas to {CLOSE:g}, or the script stops. Seconds of "
        "Kolchinsky-Tracey: both bounds, the faster of NumPy and torch; for α = ½ alone.",
        "ELK is a lower bound, KDE + d/2 an upper one where the covariances are equal, log det the determinant of "
        f"the covariance of {SAMPLE} points, drawn by lemmata and not timed, with β = 1, its default, which is no "
        "differential entropy, and with β = 2πe, where it is near that of a Gaussian of the same covariance. H: "
        "from our draws, within 5 times ±.",
        "From d = 387 on MixEntroPY's Monte Carlo, ELK and KDE raise OverflowError, as (2π)^d leaves the range of "
        "a float: -. Its torch twin of the Chernoff distance loses the axis of a batch of one; it was given two "
        "mixtures, at half the time. torch works in float64, set before it is loaded; otherwise its 2π has 7 "
        "digits.",
        f"Timed once where it takes more than {LONG:g} s: certified, ELK, KDE, log det.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
