"""The bounds δ_t that one level gives step by step, and where its maps come from."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .certificate import Certificate
from .certificate_vector import resolvent_vector, verified_rate
from .comparison import Comparison, MatrixMap
from .levels import output_weights, reduced
from .structured_proof import StructuredProof
from .tube import deviation_widths

Array = NDArray[np.float64]

SHARES = (1e-6, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # s = λ + (1 − λ) θ
KEPT = 4096  # deviations of one course held for the next question
SMALL = 32  # coordinates of a state; 400 maps take 13 MB there
HOLD = 1e-3  # relative shrinking of a box that is worth a new map at level R


@dataclass(frozen=True, eq=False)
class Course:
    """The bounds δ_t of one level from one start.

    Attributes
    ----------
    start : (d,)
        δ_0 as the level has it.
    comparison : callable
        T_t.
    widths : callable
        w_t as the level has it.
    steps : int
        K, from which T_t and w_t do not change.
    rate : float
        λ of T_K.
    pairs : list of (λ, v)
        With T_K(v) <= λ v and λ < 1; the first is the certificate's.
    output : callable
        From C_y to the weights W of out(δ) = max_j (W δ)_j.
    kept : list
        δ_0, δ_1, … as far as known.
    notes : list
        What stood in for the level.
    """

    start: Array
    comparison: Callable[[int], Comparison]
    widths: Callable[[int], Array]
    steps: int
    rate: float
    pairs: list[tuple[float, Array]]
    output: Callable[[Array | None], Array]
    kept: list[Array]
    notes: list[str]

    def deviations(self) -> Iterator[Array]:
        """δ_0, δ_1, …: δ_{t+1} = min(T_t δ_t, w_{t+1}), rounded up."""
        t, current = 0, self.start
        while True:
            if t < len(self.kept):
                current = self.kept[t]
            elif t:
                current = self._next(t, current)
                if t < KEPT:
                    self.kept.append(current)
            else:
                self.kept.append(current)
            yield current
            t += 1

    def _next(self, t: int, deviation: Array) -> Array:
        """δ_t; the widths alone where the level has no finite map, and 0 after 0."""
        if not deviation.any():
            return deviation
        if np.isinf(self.rate):
            return self.widths(t)
        return np.minimum(self.comparison(t - 1).apply(deviation), self.widths(t))


def course_of(certificate: Certificate, name: str, start: Array) -> Course:
    key = (name, start.tobytes())
    if key not in certificate.courses:
        certificate.courses[key] = _new_course(certificate, name, start)
    course: Course = certificate.courses[key]
    return course


def _new_course(certificate: Certificate, name: str, start: Array) -> Course:
    stack, result, around = certificate.stack, certificate.levels[name], certificate.tube
    assert around is not None
    notes: list[str] = []
    if name.startswith("tube_"):
        maps = _held_maps(certificate, name, notes) if name == "tube_R" else _tube_maps(certificate)
        limit = certificate.comparison("tube_C" if result.note else name)
        pairs = _pairs(limit, result.rate.rate, result.rate.vector)
        return Course(
            start, maps, around.widths, around.steps, result.rate.rate, pairs,
            lambda C: output_weights("C", stack, C), [], notes,
        )  # fmt: skip
    w0 = deviation_widths(certificate.anomaly.interval, certificate.nominal.interval)
    rate = result.recovery.rate
    if name == "D":
        return _metric_course(certificate, start, w0)
    if name == "S":
        return _structured_course(certificate, start, w0)
    level = "C" if result.note else name
    fixed = certificate.comparison(level, 0)
    pairs = _pairs(fixed, rate, result.recovery.vector)
    widths = reduced(name, stack, w0)
    return Course(
        reduced(name, stack, start), lambda t: fixed, lambda t: widths, 0, rate, pairs,
        lambda C: output_weights(name, stack, C), [], notes,
    )  # fmt: skip


def _metric_course(certificate: Certificate, start: Array, widths: Array) -> Course:
    result = certificate.levels["D"]
    found, fixed = result.recovery_metric, certificate.comparison("D", 0)

    def size(deviation: Array) -> Array:
        return np.array([np.inf if found is None else found.size(deviation)])

    def weights(C: Array | None) -> Array:
        whole = output_weights("C", certificate.stack, None)
        signed = whole if C is None else np.hstack([np.zeros_like(C), C])
        return np.array([[found.output_norm(signed)]]) if found is not None and len(signed) else np.zeros((1, 1))

    rate, top = result.recovery.rate, size(widths)
    pairs = [(rate, np.ones(1))] if rate < 1 else []
    return Course(size(start), lambda t: fixed, lambda t: top, 0, rate, pairs, weights, [], [])


def _structured_course(certificate: Certificate, start: Array, widths: Array) -> Course:
    """δ_t is ‖Δx(t)‖_P, shrunk by the rate of its stage and cut with the size of the widths there."""
    stack, result = certificate.stack, certificate.levels["S"]
    proof = result.recovery_structured
    if proof is None:
        return Course(
            start, lambda t: certificate.comparison("S", 0), lambda t: widths, 0, np.inf, [],
            lambda C: output_weights("C", stack, C), [], [],
        )  # fmt: skip
    nominal = certificate.nominal.interval
    if result.structured is not None and not result.structured.whole:
        nominal = nominal & result.structured.stages[0].states
    spread = [np.minimum(deviation_widths(bounds.states, bounds.states & nominal), widths) for bounds in proof.stages]
    tops = [np.array([proof.size(width)]) for width in spread]
    none = np.zeros((1, stack.inputs))
    maps = [MatrixMap(np.array([[rate]]), none, slice(0, 1)) for rate in proof.rates.tolist()]
    rate = float(proof.rates[-1])
    return Course(
        np.array([proof.size(np.minimum(start, spread[0]))]),
        lambda t: maps[proof.stage(t)],
        lambda t: tops[proof.stage(t)],
        proof.steps,
        rate,
        [(rate, np.ones(1))],
        lambda C: _norm_weights(output_weights("C", stack, None) if C is None else _hidden_rows(C), proof),
        [],
        [],
    )


def _hidden_rows(C: Array) -> Array:
    return np.hstack([np.zeros_like(C), C])


def _norm_weights(rows: Array, proof: StructuredProof) -> Array:
    return np.array([[proof.output_norm(rows)]]) if len(rows) else np.zeros((1, 1))


def _tube_maps(certificate: Certificate) -> Callable[[int], Comparison]:
    """Level C along the tube; the maps of small networks are kept for the next question."""
    around = certificate.tube
    assert around is not None
    kept = certificate.courses if certificate.stack.dimension <= SMALL else {}

    def at(t: int) -> Comparison:
        key = ("map", min(t, around.steps))
        if key not in kept:
            if certificate.stack.dimension > SMALL:
                kept.clear()
            kept[key] = certificate.comparison("tube_C", key[1])
        found: Comparison = kept[key]
        return found

    return at


def _held_maps(certificate: Certificate, name: str, notes: list[str]) -> Callable[[int], Comparison]:
    """Level R along the tube, a map held while its box shrinks by less than 0.1 %, level C once the time is over."""
    around = certificate.tube
    assert around is not None
    coarse = _tube_maps(certificate)
    if certificate.levels[name].note:
        return coarse
    held: list[tuple[int, Comparison, Array]] = []
    spent = [0.0]

    def at(t: int) -> Comparison:
        k = min(t, around.steps)
        if certificate.time_budget is not None and spent[0] > certificate.time_budget:
            if not notes:
                notes.append(f"time budget of {certificate.time_budget:g} s is over: level C instead from step {t}")
            return coarse(t)
        began = time.monotonic()
        width = around.box(k).width
        last = held[0][0] if held else k + 1
        if last > k or (last < k and ((width < held[0][2] * (1 - HOLD)).any() or k == around.steps)):
            held[:] = [(k, certificate.comparison(name, k), width)]  # a map serves later times only
        spent[0] += time.monotonic() - began
        return _Timed(held[0][1], spent)

    return at


@dataclass(frozen=True, eq=False)
class _Timed:
    """A map that adds the seconds it takes to a running sum."""

    inner: Comparison
    spent: list[float]

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def hidden(self) -> slice:
        return self.inner.hidden

    def apply(self, deviation: Array, drive: Array | None = None) -> Array:
        began = time.monotonic()
        out = self.inner.apply(deviation, drive)
        self.spent[0] += time.monotonic() - began
        return out

    def rows(self, deviation: Array, drive: Array | None = None) -> MatrixMap:
        return self.inner.rows(deviation, drive)


def _pairs(fixed: Comparison, rate: float, vector: Array | None) -> list[tuple[float, Array]]:
    """The certificate's (λ, v) and those of other resolvent vectors of its worst rows, each verified."""
    if vector is None or not rate < 1:
        return []
    rows = fixed.rows(vector).matrix
    pairs = [(rate, vector)]
    for share in SHARES:
        v = resolvent_vector(rows, rate + (1 - rate) * share)
        if v is not None:
            found = verified_rate(fixed, v)
            if found < 1:
                pairs.append((found, v))
    return pairs
