"""How fast a network recovers when the input after the anomaly is known."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .box import Box
from .certificate import Certificate
from .comparison import Comparison
from .course import Course, course_of
from .interval import Interval, interval
from .layer import inputs_of, split, step_stack
from .levels import output_weights, stack_map
from .recovery import first_deviation, iterate_bound, output_matrix
from .tube import deviation_widths

Array = NDArray[np.float64]


def known_input_recovery(
    certificate: Certificate,
    inputs: "Sequence[Box] | ArrayLike",
    epsilon: float,
    output: ArrayLike | None = None,
    anomaly: tuple[float, int] | None = None,
    level: Literal["tube_C", "tube_R"] = "tube_C",
) -> float:
    r"""A bound T̂(ε) in steps when u(t) ∈ U_t ⊆ U is known for t < T_e; any input in U afterwards.

    Never more than the bound of the same level with unknown inputs.

    Parameters
    ----------
    certificate : Certificate
        With the level asked for.
    inputs : (T_e, m) or T_e boxes
        u(0), …, u(T_e − 1), exactly or up to boxes.
    epsilon, output, anomaly
        As for `recovery_time_bound`.
    level : "tube_C" or "tube_R"

    Returns
    -------
    steps : int, or `math.inf`

    Raises ValueError where an input lies outside U or the level is missing.

    Source: docs/resilience, theorem 11 and the remark on known inputs.
    """
    eps = _check.positive("epsilon", epsilon)
    boxes = _boxes(certificate, inputs)
    if level not in ("tube_C", "tube_R") or level not in certificate.levels:
        raise ValueError(f"level must be tube_C or tube_R and one of the certificate, got {level!r}")
    if certificate.tube is None:
        raise ValueError("certificate must have finite boxes, got a cell without a bound")
    C, start = output_matrix(certificate, output), first_deviation(certificate, anomaly)
    course = _course(certificate, boxes, start, level)
    weights = output_weights("C", certificate.stack, C)
    return min(iterate_bound(course, weights, eps), iterate_bound(course_of(certificate, level, start), weights, eps))


def _course(certificate: Certificate, boxes: list[Interval], start: Array, level: str) -> Course:
    """One map for each known step on the box of that step, then those of the tube; no map is held before."""
    stack, around = certificate.stack, certificate.tube
    assert around is not None
    later = course_of(certificate, level, start)
    X, Y = [around.box(0)], [around.nominal[0]]
    for t, U in enumerate(boxes):
        X.append(step_stack(stack, X[-1], U) & around.box(t + 1))
        Y.append(step_stack(stack, Y[-1], U) & around.nominal[min(t + 1, around.steps)] & X[-1])
    known = len(boxes)

    def comparison(t: int) -> Comparison:
        if t >= known:
            return later.comparison(t)
        inputs = inputs_of(stack, boxes[t], split(stack, X[t + 1]))
        return stack_map(
            level.removeprefix("tube_"), stack, X[t], inputs, certificate.initial, certificate.split, X[t + 1]
        )

    def widths(t: int) -> Array:
        return deviation_widths(X[t], Y[t]) if t <= known else later.widths(t)

    steps = max(known + 1, around.steps)
    return Course(start, comparison, widths, steps, later.rate, later.pairs, later.output, [], [])


def _boxes(certificate: Certificate, inputs: "Sequence[Box] | ArrayLike") -> list[Interval]:
    m = certificate.stack.inputs
    if isinstance(inputs, Sequence) and inputs and all(isinstance(box, Box) for box in inputs):
        boxes = [box for box in inputs if isinstance(box, Box)]
    else:
        values = _check.matrix("inputs", inputs, columns=m)  # type: ignore[arg-type]
        boxes = [Box(row, row) for row in values]
    for t, box in enumerate(boxes):
        if box.dimension != m:
            raise ValueError(f"inputs[{t}] must have {m} coordinates, got {box.dimension}")
        if not certificate.input_box.includes(box):
            raise ValueError(
                f"inputs[{t}] must lie in the input box of the certificate, got {box.lower} to {box.upper}"
            )
    return [interval(box) for box in boxes]
