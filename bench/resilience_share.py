"""Which share of LSTMs as torch draws them is certified, by the levels on boxes and by level S?

    python bench/resilience_share.py [--units 4 8 16 32 64] [--bounds 0.25 0.5 1] [--nets 20 20 10 5 3] [--seed 0]
        [--json FILE]

Weights uniform within ± 1/√n, two inputs, |u| <= bound.  Nothing is searched that would refute.
"""

import answer

# isort: split
from argparse import Namespace
from collections.abc import Iterator
from statistics import median

import numpy as np

from lemmata.theory.resilience import LSTMCell, Stack
from lemmata.theory.resilience.box import symmetric_box
from lemmata.theory.resilience.certificate_vector import contraction_rate
from lemmata.theory.resilience.interval import Interval, interval
from lemmata.theory.resilience.invariant_set import settled
from lemmata.theory.resilience.levels import stack_map
from lemmata.theory.resilience.structured_proof import StructuredProof, prove_from_box, prove_reachable
from lemmata.theory.resilience.tube import tube

INPUTS = 2
ON_BOXES = ("A", "A2", "A2r", "B", "C", "R")
PARTS = 2  # of each scalar at level R

COLUMNS = {
    "units": "d",
    "|u| <=": "g",
    "nets": "d",
    "on boxes": "d",
    "S from the box": "d",
    "S": "d",
    "rate of S": ".3f",
    "width of h": ".2f",
    "of the box": ".2f",
    "s on boxes": ".2f",
    "s for S": ".2f",
}


def fresh(units: int, seed: int) -> LSTMCell:
    """As `torch.nn.LSTM` draws it, from another stream."""
    rng, width = np.random.default_rng((seed, units)), units**-0.5
    b = rng.uniform(-width, width, (2, 4 * units)).sum(axis=0)
    return LSTMCell(rng.uniform(-width, width, (4 * units, INPUTS)), rng.uniform(-width, width, (4 * units, units)), b)


def box_levels(stack: Stack, X: Interval, U: Interval, rest: Interval) -> bool:
    """Whether a level on S_n or on the limit of the tube certifies."""
    limit = tube(stack, U, X, X).perturbed[-1]
    boxes = [(level, X) for level in ON_BOXES] + [(level, limit) for level in ("C", "R")]
    return any(contraction_rate(stack_map(level, stack, box, [U], rest, PARTS)).certified for level, box in boxes)


def structured(cell: LSTMCell, X: Interval, U: Interval, rest: Interval) -> tuple[bool, StructuredProof | None]:
    """Level S as `certify` asks for it, and whether it holds from every state of the box."""
    whole = prove_from_box(cell, X, U)
    return (True, whole) if whole is not None else (False, prove_reachable(cell, U, U, rest))


def rows(asked: Namespace) -> Iterator[dict[str, object]]:
    for units, nets in zip(asked.units, asked.nets, strict=True):
        for bound in asked.bounds:
            old, whole, rates, widths, boxes, times = 0, 0, [], [], [], [[], []]
            U, rest = (
                interval(symmetric_box("bound", bound, INPUTS)),
                Interval(np.zeros(2 * units), np.zeros(2 * units)),
            )
            for number in range(nets):
                cell = fresh(units, asked.seed + number)
                stack = Stack((cell,))
                X = settled(stack, U, rest).interval
                found, spent = answer.timed(lambda: box_levels(stack, X, U, rest))  # noqa: B023
                old += found
                times[0].append(spent)
                (from_box, proof), spent = answer.timed(lambda: structured(cell, X, U, rest))  # noqa: B023
                times[1].append(spent)
                whole += from_box
                boxes.append(X.width[units:].mean())
                if proof is not None:
                    rates.append(proof.rates[-1])
                    widths.append(proof.stages[-1].states.width[units:].mean())
            cells = (units, bound, nets, old, whole, len(rates))
            cells += (median(rates), median(widths)) if rates else (None, None)
            cells += (median(boxes), median(times[0]), median(times[1]))
            yield dict(zip(COLUMNS, cells, strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--units", type=int, nargs="+", default=[4, 8, 16, 32, 64])
    parser.add_argument("--bounds", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="of the inputs")
    parser.add_argument("--nets", type=int, nargs="+", default=[20, 20, 10, 5, 3], help="of each size")
    asked = parser.parse_args()
    if len(asked.units) != len(asked.nets):
        parser.error(f"--nets must name one number for each of --units, got {len(asked.nets)}")
    notes = (
        f"On boxes: the least of levels {', '.join(ON_BOXES)} on S_n, and of C and R on the limit of the tube, R in "
        f"{PARTS} parts. S: from every state of S_n, or else from the states reachable from rest.",
        "Rate, and width of h in the last set, averaged over the units: medians over the nets that S certifies; of the "
        "box: over all. Seconds: medians of the CPU time a net, certified or not.",
    )
    answer.publish(answer.Answer(question, COLUMNS, list(rows(asked)), notes), asked.json)


if __name__ == "__main__":
    main()
