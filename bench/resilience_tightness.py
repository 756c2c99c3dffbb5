"""How many LSTMs does each condition certify, how tight is its recovery time, on initialised and on trained networks?

    python bench/resilience_tightness.py [--units 4 8 16] [--bounds 0.25 0.5 1] [--drawn 8] [--seeds 2] [--steps 200]
        [--rounds 300] [--seed 0] [--json FILE]

The rival is the condition of the literature, norms of whole blocks of weights: as published, and at its best.  On the
other side stand the levels that look inside the blocks: A2r, B, C, R, the tubes and S.  A search for the worst states
and inputs stands below both.  The networks are as torch draws them, or trained here on three simulated plants without a
penalty, with a norm as the penalty, or with the project's own.  The script stops where a search breaks a bound.
"""

import answer

# isort: split
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from statistics import median
from typing import Any

import torch
from peers.norm_condition import published, tuned
from tightness_networks import ANOMALY, EPSILON, INPUT, STEPS, TARGET, WEIGHTS, Network, drawn, trained

from lemmata.sim.resilience import WorstCase, worst_case
from lemmata.theory.resilience import (
    Certificate,
    RecoveryTime,
    certify,
    deviation_bounds,
    first_deviation,
    recovery_time_bound,
)

NORMS = ("A", "A2")
LEVELS = ("A2r", "B", "C", "tube_C", "R", "tube_R", "S")
SHARE = 0.01  # ε of a drawn network over the largest deviation of h at the start
LONGEST, AFTER = 120, 8  # steps that a search follows at most, and past the least bound
BEFORE = 20  # steps of an anomaly in a search from rest
ROUNDING = 1e-9  # relative; a simulated run is good to 1e-13 or so
CLOSE = 1e-9  # relative difference of two spectral radii

COLUMNS = {
    **{"networks": "", "n": "d", "|u| <=": "g", "nets": "d", "published": "d", "norms": "d", "levels": "d"},
    **{"+ reachable": "d", "only S": "d", "refuted": "d", "undecided": "d", "still apart": "d", "error": ".2f"},
    **{"T̂ published": "g", "T̂ norms": "g", "published/levels": ".2f", "norms/levels": ".2f", "norms/found": ".2f"},
    **{"levels/found there": ".2f", "norms shorter": "d", "T̂ levels": "g", "T̂ S": "g", "found": "g"},
    **{"levels/found": ".2f", "ms norms": ".1f", "s levels": ".2f"},
}


@dataclass(frozen=True)
class Outcome:
    """Of one network: who certifies it, the steps that each side proves, what the search found, and CPU seconds.

    `levels` and `found` are of all states in S_n and S_a, or of those reachable from rest where `reachable`.
    """

    network: Network
    by_published: bool
    by_norms: bool
    by_levels: bool
    by_reachable: bool
    by_others: bool
    status: str
    published: float
    norms: float
    levels: float
    structured: float
    reachable: bool
    found: int
    apart: bool
    seconds: tuple[float, float]


def judge(network: Network, rounds: int, seed: int) -> Outcome:
    """Both sides, one after the other, and the search; stops where they contradict each other."""
    stack, bound, anomaly = network.stack, network.bound, network.anomaly
    known, certifying = answer.timed(lambda: certify(stack, bound, anomaly, levels=(*NORMS, *LEVELS)))
    widths = first_deviation(known, None)
    epsilon = SHARE * float(widths[stack.units :].max()) if network.epsilon is None else network.epsilon
    recovery, bounding = answer.timed(lambda: recovery_time_bound(known, epsilon))
    old, publishing = answer.timed(lambda: published(stack, bound, anomaly, epsilon))
    best, tuning = answer.timed(lambda: tuned(stack, bound, anomaly, epsilon, widths))
    same_condition(known, recovery, *old)

    norms = min(best[1], *(recovery.levels[name].value for name in NORMS))
    levels, reachable, found = compared(known, recovery, {"published": old[1], "norms": norms}, rounds, seed)
    certified = {name for name, result in known.levels.items() if result.certified}
    return Outcome(
        network=network,
        by_published=old[0] < 1,
        by_norms=min(old[0], best[0]) < 1 or not certified.isdisjoint(NORMS),
        by_levels=any(not known.levels[name].reachable for name in certified.intersection(LEVELS)),
        by_reachable=not certified.isdisjoint(LEVELS),
        by_others=not certified.isdisjoint(LEVELS[:-1]),
        status=known.status,
        published=old[1],
        norms=norms,
        levels=levels,
        structured=recovery.levels["S"].value,
        reachable=reachable,
        found=found.recovery_time,
        apart=found.censored,
        seconds=(publishing + tuning, certifying + bounding),
    )


def same_condition(known: Certificate, recovery: RecoveryTime, rate: float, steps: float) -> None:
    """Stop unless the published condition is that of level A2, which starts from smaller sets."""
    theirs, by_level = known.levels["A2"].rate.spectral_radius, recovery.levels["A2"].value
    if not abs(theirs - rate) <= CLOSE * rate:
        raise SystemExit(f"the published condition has ρ = {rate!r}, level A2 {theirs!r}")
    if not by_level <= steps:
        raise SystemExit(f"level A2 proves {by_level} steps, more than {steps} of the same matrix from wider sets")


def compared(
    known: Certificate, recovery: RecoveryTime, norms: Mapping[str, float], rounds: int, seed: int
) -> tuple[float, bool, WorstCase]:
    """The least steps of `LEVELS`, whether they hold for reachable states only, and what a search of these found."""
    every = {name: level.value for name, level in recovery.levels.items() if not level.reachable}
    found = search(known, recovery.epsilon, min([*norms.values(), *every.values()]), rounds, seed)
    holds_against(known, found, {**norms, **every})
    whole = min((every[name] for name in LEVELS if name in every), default=math.inf)
    if math.isfinite(whole) or not recovery.levels["S"].reachable or math.isinf(recovery.levels["S"].value):
        return whole, False, found
    steps = recovery.levels["S"].value
    found = search(known, recovery.epsilon, steps, rounds, seed, from_rest=True)
    holds_against(known, found, {"S": steps})
    return steps, True, found


def search(
    known: Certificate, epsilon: float, least: float, rounds: int, seed: int, *, from_rest: bool = False
) -> WorstCase:
    """The worst pair found from S_n × S_a, or of runs from rest whose inputs differ for a while."""
    free: dict[str, Any] = {"nominal_states": known.nominal.box, "perturbed_states": known.anomaly.box}
    if from_rest:
        free = {"anomaly_box": known.anomaly_box, "anomaly_length": BEFORE}
    free |= {"horizon": int(min(least, LONGEST)) + AFTER, "searches": 1, "rounds": rounds, "seed": seed}
    return worst_case(known.stack, known.input_box, epsilon * (1 + ROUNDING), **free)


def holds_against(known: Certificate, found: WorstCase, proved: Mapping[str, float]) -> None:
    """Stop where the search stayed above ε for longer than a bound, or went above a bound on the deviation."""
    for name, steps in proved.items():
        if found.recovery_time > steps:
            raise SystemExit(f"{name} proves {steps} steps, {found.recovery_time} were found: {known.weights_sha256}")
        if name in known.levels:
            delta = deviation_bounds(known, name, found.horizon)
            if (found.envelope > delta * (1 + ROUNDING) + ROUNDING * found.epsilon).any():
                raise SystemExit(f"a run found goes above the deviation by level {name}: {known.weights_sha256}")


def rows(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """A line for each kind, size and bound, then for all drawn and for all trained."""

    def place(each: Outcome) -> tuple[str, int, float]:
        return each.network.words, each.network.units, each.network.bound

    for (words, _, _), group in groupby(outcomes, place):
        yield row(words, list(group))
    for name in ("drawn", "trained"):
        found = [each for each in outcomes if each.network.words.startswith(name)]
        if found:
            yield row(f"{name}, all", found)


def row(words: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A line for some networks; a ratio is the median over those where both sides are finite."""
    networks = [each.network for each in outcomes]
    errors = [network.error for network in networks if network.error is not None]
    finite = [each for each in outcomes if math.isfinite(each.levels) and each.found > 0]
    both = [each for each in finite if math.isfinite(each.norms) and not each.reachable]
    old = [each for each in both if math.isfinite(each.published)]

    def count(holds: Callable[[Outcome], bool]) -> int:
        return sum(map(holds, outcomes))

    cells = (
        *(words, only({each.units for each in networks}), only({each.bound for each in networks}), len(outcomes)),
        *(count(lambda each: each.by_published), count(lambda each: each.by_norms)),
        *(count(lambda each: each.by_levels), count(lambda each: each.by_reachable)),
        count(lambda each: each.by_reachable and not each.by_others),
        *(count(lambda each: each.status == "refuted"), count(lambda each: each.status == "undecided")),
        count(lambda each: each.apart and each.status != "certified"),
        median(errors) if errors else None,
        *(middle(old, lambda each: each.published), middle(both, lambda each: each.norms)),
        middle(old, lambda each: each.published / each.levels),
        middle(both, lambda each: each.norms / each.levels),
        middle(both, lambda each: each.norms / each.found),
        middle(both, lambda each: each.levels / each.found),
        count(lambda each: each.norms < each.levels),
        middle(finite, lambda each: each.levels),
        middle([each for each in finite if math.isfinite(each.structured)], lambda each: each.structured),
        *(middle(finite, lambda each: each.found), middle(finite, lambda each: each.levels / each.found)),
        *(1000 * median(each.seconds[0] for each in outcomes), median(each.seconds[1] for each in outcomes)),
    )
    return dict(zip(COLUMNS, cells, strict=True))


def only(values: Collection[Any]) -> Any:
    """The value that all share, None where they differ."""
    return next(iter(values)) if len(values) == 1 else None


def middle(outcomes: Sequence[Outcome], value: Callable[[Outcome], float]) -> float | None:
    return median(map(value, outcomes)) if outcomes else None


def notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """What the columns say."""
    reachable = sum(each.reachable for each in outcomes)
    longer = sum(each.norms < each.levels for each in outcomes)
    return (
        "Published: ρ(A) < 1 for A of Euclidean norms, |h| <= 1, and its powers from every state within its own "
        "bounds. Norms: that, or the same in the largest-entry norm, or either with |h| bounded in rounds, from the "
        f"boxes S_n and S_a. Levels: {', '.join(LEVELS)}, without the rival's two, for every state; + reachable: also "
        "where S speaks of the states reachable from rest alone; only S: where no other level certifies.",
        f"Still apart: not certified, and the search is above ε after {LONGEST + AFTER} steps. Norms shorter: T̂ of "
        f"norms below T̂ of the levels ({longer} in all).",
        "T̂ and ratios: medians over the networks where both sides are finite; T̂ levels, T̂ S, found and levels/found: "
        f"where the levels are, {reachable} of these from reachable states and held against a search from rest. Found "
        "is a lower bound on the truth, so that a ratio to it is an upper bound on what a bound wastes.",
        f"Drawn: |u| <= bound, also in anomalies, ε = {SHARE:.0%} of the largest deviation of h at the start. Trained: "
        f"|u| <= {INPUT:g}, {ANOMALY:g} in anomalies, y of three plants, ε = {EPSILON:g} and the error on unseen runs "
        f"in standard deviations of y; penalties A, A2 and C at rate {TARGET:g}, T at {STEPS} steps, the weight the "
        f"first of {', '.join(f'{weight:g}' for weight in WEIGHTS)} that makes its own condition hold.",
        "Seconds are CPU medians: of the matrices of norms and their powers, not rounded outward; of all levels, their "
        "T̂ and the search for a refutation where none certifies.",
    )


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--units", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--bounds", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="of the inputs, when drawn")
    parser.add_argument("--drawn", type=int, default=8, help="networks for each size and bound (default 8)")
    parser.add_argument("--seeds", type=int, default=2, help="trained for each size, plant and penalty (default 2)")
    parser.add_argument("--steps", type=int, default=200, help="of training (default 200)")
    parser.add_argument("--rounds", type=int, default=300, help="of a search (default 300)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    outcomes = [judge(network, asked.rounds, asked.seed) for network in chain(drawn(asked), trained(asked))]
    answer.publish(answer.Answer(question, COLUMNS, list(rows(outcomes)), notes(outcomes)), asked.json)


if __name__ == "__main__":
    main()
