"""Whether a trained LSTM or GRU is incrementally stable, with a proof that can be checked."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _check
from .box import Box, symmetric_box
from .cell import GRUCell, LSTMCell, Stack, as_stack
from .certificate import Certificate, LevelResult
from .certificate_vector import Rate, contraction_rate
from .conversion import cells_from_torch
from .interval import interval
from .invariant_set import InvariantSet, initial_interval, settled
from .levels import LEVELS, available
from .metric_level import metric_rate
from .refutation import refute
from .structured_proof import LARGEST, StructuredProof, prove_from_box, prove_reachable

Progress = Callable[[str, float], None]

DEFAULT = ("A", "A2", "A2r", "B", "C", "tube_C", "R", "tube_R", "S")
SEED = 20
NONE = Rate(math.inf, None, math.inf)
REACHABLE = "from states reachable from the initial ones"


def certify(
    module_or_cell: Any,
    input_bound: "float | ArrayLike | Box",
    anomaly_bound: "float | ArrayLike | Box | None" = None,
    initial_box: Box | None = None,
    levels: Sequence[str] = DEFAULT,
    split: int = 3,
    *,
    time_budget: float | None = None,
    progress: Progress | None = None,
) -> Certificate:
    r"""Certify that trajectories under one input converge: |x⁺ − x′⁺| <= T(|x − x′|) with T(v) <= λ v, λ < 1.

    Every number is rounded outward: λ and the boxes hold for exact arithmetic with these weights.

    Parameters
    ----------
    module_or_cell : LSTMCell, GRUCell, Stack, torch module or state_dict
        What `cells_from_torch` accepts with its defaults, or a cell.
    input_bound : float, (m,) or Box
        U: |u| <= bound, or the box itself.
    anomaly_bound : float, (m,), Box or None
        U_a ⊇ U; None stands for U.
    initial_box : Box or None
        B0 of the joint state at time 0, c then h of each layer, h within [−1, 1]; None stands for {0}.
    levels : sequence of str
        From A, A2, A2r, B, C, tube_C, R, tube_R, D, S; those not defined for the network are left out.
    split : int
        Parts into which level R cuts each scalar.
    time_budget : float or None
        Seconds for levels R and S; when they are over level C stands in for R, S is left out, and a note says so.
    progress : callable or None
        Called with the name of each level before it starts and the share done.

    Returns
    -------
    certificate : Certificate
        status "certified" where some λ < 1, "refuted" with a witness, "undecided" otherwise: that says nothing.
        Where level S alone certifies and its note says so, that holds for the states reachable from B0.

    Raises ValueError, TypeError or NotImplementedError in one sentence that names the argument.

    Source: docs/resilience, sections 2 to 8.

    >>> cell = LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))
    >>> certificate = certify(cell, 1.0, 3.0)
    >>> certificate.status, round(certificate.levels["C"].rate.rate, 5)
    ('certified', 0.5)
    """
    network = module_or_cell if isinstance(module_or_cell, LSTMCell | GRUCell | Stack) else None
    stack = as_stack(cells_from_torch(module_or_cell) if network is None else network)
    U = symmetric_box("input_bound", input_bound, stack.inputs)
    Ua = U if anomaly_bound is None else symmetric_box("anomaly_bound", anomaly_bound, stack.inputs)
    if not Ua.includes(U):
        raise ValueError(f"anomaly_bound must contain input_bound, got {_spread(Ua)} for {_spread(U)}")
    names = _names(levels)
    parts = _check.integer("split", split, 1)
    budget = None if time_budget is None else _check.positive("time_budget", time_budget)
    initial = initial_interval(stack, initial_box)
    _tell(progress, "boxes", 0.0)
    anomaly = settled(stack, interval(Ua), initial)
    nominal = settled(stack, interval(U), initial)
    nominal = InvariantSet(nominal.interval & anomaly.interval, nominal.starts, nominal.steps)
    empty = Certificate(stack, U, Ua, initial_box, parts, nominal, anomaly, {}, None, budget)
    results: dict[str, LevelResult] = {}
    deadline = None if budget is None else time.monotonic() + budget
    chosen = [name for name in names if available(stack, name)]
    for number, name in enumerate(chosen):
        _tell(progress, name, (number + 1) / (len(chosen) + 1))
        results[name] = _level(empty, name, deadline, results)
    witness = None
    if not any(result.certified for result in results.values()) and anomaly.finite:
        _tell(progress, "refutation", 1.0)
        witness = refute(stack, interval(U), nominal.interval, anomaly.interval, np.random.default_rng(SEED))
    return Certificate(
        stack, U, Ua, initial_box, parts, nominal, anomaly, results, witness, budget, courses=empty.courses
    )


def _level(certificate: Certificate, name: str, deadline: float | None, done: dict[str, LevelResult]) -> LevelResult:
    if not certificate.anomaly.finite:
        return LevelResult(NONE, NONE, "not evaluated: 1 - f rounds to 0, so that the cell has no bound")
    if name == "D":
        return _metric_level(certificate)
    if name == "S":
        return _structured_level(certificate, deadline)
    if name.endswith("R"):
        return _rows_level(certificate, name, deadline, done)
    if name == "tube_C":
        rate = contraction_rate(certificate.comparison(name))
        return LevelResult(rate, rate)
    rates = [contraction_rate(certificate.comparison(name, t)) for t in (None, 0)]
    return LevelResult(rates[0], rates[1])


def _rows_level(
    certificate: Certificate, name: str, deadline: float | None, done: dict[str, LevelResult]
) -> LevelResult:
    """Level R from the vectors of level C, and level C itself once the time is over."""
    coarse = name.replace("R", "C")
    base = done.get(coarse) or _level(certificate, coarse, None, {})
    if deadline is not None and time.monotonic() > deadline:
        return LevelResult(base.rate, base.recovery, _over(certificate))
    places = (None,) if name == "tube_R" else (None, 0)
    starts = (base.rate, base.recovery)
    rates = []
    for t, start in zip(places, starts, strict=False):
        if deadline is not None and time.monotonic() > deadline:
            return LevelResult(base.rate, base.recovery, _over(certificate))
        rates.append(contraction_rate(certificate.comparison(name, t), start.vector))
    return LevelResult(rates[0], rates[-1])


def _over(certificate: Certificate) -> str:
    return f"time budget of {certificate.time_budget:g} s is over: level C instead"


def _metric_level(certificate: Certificate) -> LevelResult:
    cell = certificate.stack.layers[0]
    if not isinstance(cell, LSTMCell):  # `available` has seen to it
        raise TypeError(f"level D must have an LSTM, got {cell!r}")
    found = [
        metric_rate(cell, box.interval, interval(certificate.input_box))
        for box in (certificate.nominal, certificate.anomaly)
    ]
    rates = [Rate(rate, None, rate) for rate, _ in found]
    return LevelResult(rates[0], rates[1], "", found[0][1], found[1][1])


def _structured_level(certificate: Certificate, deadline: float | None) -> LevelResult:
    """Level S from every state of S_a; where that fails from the states reachable from B0, under U and under U_a."""
    cell, initial = certificate.stack.layers[0], certificate.initial
    if not isinstance(cell, LSTMCell):  # `available` has seen to it
        raise TypeError(f"level S must have an LSTM, got {cell!r}")
    if cell.units > LARGEST:
        return LevelResult(NONE, NONE, f"not evaluated: more than {LARGEST} units")
    U, Ua = interval(certificate.input_box), interval(certificate.anomaly_box)
    same = certificate.input_box.includes(certificate.anomaly_box)
    found: list[StructuredProof | None] = [None, None]
    for step in range(3):
        if deadline is not None and time.monotonic() > deadline:
            note = f"time budget of {certificate.time_budget:g} s is over: not evaluated"
            return _structured_result(found, note)
        if step == 0:
            found = 2 * [prove_from_box(cell, certificate.anomaly.interval, U)]
            if found[0] is not None:
                return _structured_result(found, "")
        elif step == 1:
            found[0] = prove_reachable(cell, U, U, initial)
        else:
            found[1] = found[0] if same else prove_reachable(cell, U, Ua, initial)
    return _structured_result(found, REACHABLE if found != [None, None] else "")


def _structured_result(found: Sequence[StructuredProof | None], note: str) -> LevelResult:
    rates = [NONE if proof is None else _whole_rate(float(proof.rates[-1])) for proof in found]
    return LevelResult(rates[0], rates[1], note, structured=found[0], recovery_structured=found[1])


def _whole_rate(rate: float) -> Rate:
    return Rate(rate, None, rate)


def _names(levels: Sequence[str]) -> tuple[str, ...]:
    if isinstance(levels, str):
        raise TypeError(f"levels must be a sequence of names, got {levels!r}")
    names = tuple(dict.fromkeys(levels))
    for name in names:
        if name not in LEVELS:
            raise ValueError(f"levels must be from {', '.join(LEVELS)}, got {name!r}")
    if not names:
        raise ValueError("levels must hold at least one name, got none")
    return names


def _spread(box: Box) -> str:
    return f"[{', '.join(f'{x:g}' for x in box.lower)}] to [{', '.join(f'{x:g}' for x in box.upper)}]"


def _tell(progress: Progress | None, name: str, share: float) -> None:
    if progress is not None:
        progress(name, share)
