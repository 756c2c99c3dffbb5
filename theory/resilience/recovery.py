"""How many steps a network needs at most until its output is within ε of the one without the anomaly."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .certificate import Certificate
from .course import Course, course_of
from .interval import interval, matvec_up
from .layer import inputs_of, split
from .levels import output_weights, stack_map
from .tube import deviation_widths

Array = NDArray[np.float64]

LONGEST = 10**6  # steps; a longer logarithmic bound is reported instead of iterated


@dataclass(frozen=True)
class LevelRecovery:
    """Steps by one level.

    Attributes
    ----------
    iterate : float
        From the deviation bounds δ_t step by step; `math.inf` where the level proves nothing.
    logarithmic : float
        From λ and v alone, never below `iterate`.
    steps_per_decade : float
        ln 10 / ln(1/λ): how many steps a tenfold anomaly adds until the state-set bound caps them.
    note : str
        What stood in for the level; empty otherwise.
    reachable : bool
        Whether the bound holds for states reachable from B0 only, x̄(0) under inputs in U and x(0) under inputs in U_a.
    """

    iterate: float
    logarithmic: float
    steps_per_decade: float
    note: str = ""
    reachable: bool = False

    @property
    def value(self) -> float:
        """The smaller form."""
        return min(self.iterate, self.logarithmic)


@dataclass(frozen=True)
class RecoveryTime:
    """Upper bounds on the recovery time, in steps.

    Attributes
    ----------
    epsilon : float
        ε.
    levels : mapping
        `LevelRecovery` by level.
    """

    epsilon: float
    levels: Mapping[str, LevelRecovery]

    @property
    def value(self) -> float:
        """The least bound from every state in S_n and S_a, an int, or `math.inf`."""
        return min((level.value for level in self.levels.values() if not level.reachable), default=math.inf)

    @property
    def reachable_value(self) -> float:
        """The least bound from states reachable from B0, an int, or `math.inf`; never above `value`."""
        return min((level.value for level in self.levels.values()), default=math.inf)

    @property
    def level(self) -> str | None:
        """The first level that gives `value`; None where it is infinite."""
        if math.isinf(self.value):
            return None
        return next(name for name, level in self.levels.items() if level.value == self.value and not level.reachable)


def recovery_time_bound(
    certificate: Certificate,
    epsilon: float,
    output: ArrayLike | None = None,
    anomaly: tuple[float, int] | None = None,
) -> RecoveryTime:
    r"""A bound T̂(ε) >= T*(ε) on the steps until ‖y − ȳ‖_∞ stays at or below ε, for any common input in U.

    The state-set version starts from any nominal state in S_n and any perturbed state in S_a; with `anomaly` = (a, D)
    from states that were equal D steps before and saw inputs in U_a at most a apart since.  The bounds hold for exact
    arithmetic with the network's weights.  Where level S starts from states reachable from B0, its bound holds for
    these and does not count for `value`.

    Parameters
    ----------
    certificate : Certificate
    epsilon : float
        ε > 0, in units of y.
    output : (p, n) or None
        C_y of y = C_y h + d; None stands for the output layer of the stack, or y = h.
    anomaly : (a, D) or None
        Size of the input anomaly in each coordinate, a >= 0, and its length in steps, D >= 0.

    Returns
    -------
    recovery : RecoveryTime
        Per level and form; `value` is the least, `math.inf` where nothing is proved.

    Raises ValueError or TypeError in one sentence that names the argument.

    Source: docs/resilience, theorem 11.

    >>> from .cell import LSTMCell
    >>> from .certify import certify
    >>> cell = LSTMCell([[0.5], [0.25], [1], [0.5]], [[0.25], [-0.2], [-0.3], [0.2]], [0, -0.5, 0.25, 0])
    >>> recovery_time_bound(certify(cell, 1.0, 2.0, levels=("C", "tube_C")), 0.1).value
    7
    """
    eps = _check.positive("epsilon", epsilon)
    C = output_matrix(certificate, output)
    start = first_deviation(certificate, anomaly)
    out = {name: _level_recovery(certificate, name, start, C, eps) for name in certificate.levels}
    return RecoveryTime(eps, out)


def deviation_bounds(
    certificate: Certificate,
    level: str,
    steps: int,
    output: ArrayLike | None = None,
    anomaly: tuple[float, int] | None = None,
) -> Array:
    """out(δ_t) for t = 0, …, steps, (steps + 1,): upper bounds on ‖y(t) − ȳ(t)‖_∞ by one level."""
    if level not in certificate.levels:
        raise ValueError(f"level must be one of {', '.join(certificate.levels)}, got {level!r}")
    count = _check.integer("steps", steps, 0)
    if certificate.tube is None:
        raise ValueError("certificate must have finite boxes, got a cell without a bound")
    course = course_of(certificate, level, first_deviation(certificate, anomaly))
    weights = course.output(output_matrix(certificate, output))
    walk = course.deviations()
    return np.array([_out(weights, next(walk)) for _ in range(count + 1)])


def output_matrix(certificate: Certificate, output: ArrayLike | None) -> Array | None:
    """C_y as an argument or of the stack, checked; None for y = h."""
    if output is None:
        return certificate.stack.output
    return _check.matrix("output", output, columns=certificate.stack.units)


def first_deviation(certificate: Certificate, anomaly: tuple[float, int] | None) -> Array:
    """δ_0: the widths w_0, or those that an anomaly of size a and length D can cause, if smaller; rounded up.

    δ ← min(M_a δ + N_a a, w_0), D times from 0, with level C on S_a and inputs in U_a.
    """
    with np.errstate(invalid="ignore"):
        widths = deviation_widths(certificate.anomaly.interval, certificate.nominal.interval)
    if anomaly is None:
        return widths
    try:
        size, length = anomaly
    except (TypeError, ValueError):
        raise ValueError(f"anomaly must be a pair of size and length, got {anomaly!r}") from None
    a = _check.finite("anomaly size", size)
    if a.ndim or not a >= 0:
        raise ValueError(f"anomaly size must be a number >= 0, got {size!r}")
    D = _check.integer("anomaly length", length, 0)
    if not certificate.anomaly.finite:
        return widths
    stack, X = certificate.stack, certificate.anomaly.interval
    inputs = inputs_of(stack, interval(certificate.anomaly_box), split(stack, X))
    grown = stack_map("C", stack, X, inputs, certificate.initial, 1)
    drive = np.full(stack.inputs, float(a))
    deviation = np.zeros(stack.dimension)
    for _ in range(D):
        larger = np.minimum(grown.apply(deviation, drive), widths)
        if (larger == deviation).all():
            break
        deviation = larger
    return deviation


def _level_recovery(certificate: Certificate, name: str, start: Array, C: Array | None, eps: float) -> LevelRecovery:
    if certificate.tube is None:
        weights = output_weights("C", certificate.stack, C)
        h = np.where(weights.any(axis=0), start, 0.0)
        T = 0.0 if _out(weights, h) <= eps else math.inf  # the boxes of h are finite
        return LevelRecovery(int(T) if T == 0 else T, T, math.inf, certificate.levels[name].note)
    course = course_of(certificate, name, start)
    weights = course.output(C)
    log = _logarithmic(course, weights, eps)
    iterate = log if LONGEST < log < math.inf else iterate_bound(course, weights, eps)
    result = certificate.levels[name]
    note = "; ".join(filter(None, [result.note, *course.notes]))
    return LevelRecovery(iterate, log, _steps_per_decade(course.rate), note, result.reachable)


def _steps_per_decade(rate: float) -> float:
    if rate == 0:
        return 0.0
    return math.log(10) / -math.log1p(rate - 1) if rate < 1 else math.inf


def iterate_bound(course: Course, weights: Array, eps: float) -> float:
    """T_it(ε) = 1 + max{t : out(δ_t) > ε}, proved for all t by the stopping rule."""
    K, last = course.steps, -1
    if course.rate >= 1 and course.start.any() and _out(weights, course.widths(K)) > eps:
        return math.inf
    for t, deviation in enumerate(course.deviations()):
        if _out(weights, deviation) > eps:
            last = t
        if not deviation.any():  # equal states stay equal
            break
        if t >= K and (course.rate >= 1 or _held(course, weights, deviation) <= eps):
            break
    return last + 1


def _held(course: Course, weights: Array, deviation: Array) -> float:
    """out(v) max_r δ_r / v_r, which bounds out(δ_s) for all later s; rounded up."""
    v = course.pairs[0][1]
    return _out(weights, v) * float((deviation / v).max()) * (1 + 2.0**-50)


def _logarithmic(course: Course, weights: Array, eps: float) -> float:
    """K + max(0, ⌈log(out(v) ‖δ_K‖_v / ε) / log(1/λ)⌉), the least over the pairs (λ, v)."""
    if course.rate >= 1:
        return math.inf
    walk = course.deviations()
    deviation = next(walk)
    if course.steps and _out(weights, course.widths(0)) <= eps:
        return 0
    for _ in range(course.steps):
        deviation = next(walk)
    best = math.inf
    for rate, v in course.pairs:
        excess = _out(weights, v) * float((deviation / v).max()) * (1 + 2.0**-50) / eps * (1 + 2.0**-51)
        if excess <= 1:
            steps = 0
        elif rate == 0:
            steps = 1
        else:
            steps = math.ceil(math.log(excess) / -math.log1p(rate - 1) * (1 + 1e-12))
        best = min(best, course.steps + steps)
    return best


def _out(weights: Array, deviation: Array) -> float:
    """max_j (W δ)_j, rounded up; a unit weight alone in its row is exact."""
    if weights.shape[0] == 0:
        return 0.0
    return float(matvec_up(weights, deviation).max())
