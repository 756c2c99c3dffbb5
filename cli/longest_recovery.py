"""How long recovery takes in runs that were sampled, and in the worst that a search within some seconds finds."""

import math
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..sim.resilience import RecoveryTimes, anomalous_inputs, deviations, nominal_inputs, recovery_times, worst_case

if TYPE_CHECKING:
    from ..theory.resilience import Certificate

Array = NDArray[np.float64]

BEYOND = 1.35, 5  # how long a run is followed: so many times the bound, and so many steps more
WITHOUT_BOUND, MOST = 200, 1000  # steps that a run is followed without a bound, and at most
WORK = 1e9  # weights times steps of the search that is always made
SEARCHES, ROUNDS = 2, 300  # of it at most
FIRST = 16  # steps of the first search by gradients
RUNS, WARMUP, LENGTH = 1000, 20, 10  # sampled, their steps before the anomaly, and of it


@dataclass(frozen=True, eq=False)
class Found:
    """The longest recovery found from states in S_n and S_a.

    Attributes
    ----------
    recovery_time : int
        A lower bound on T*(ε).
    deviations : (T + 1,)
        e(t) of that pair.
    censored : bool
        Whether it was not over when the runs ended.
    tried : int
        Pairs.
    """

    recovery_time: int
    deviations: Array
    censored: bool
    tried: int


def horizon(bound: float) -> int:
    """Steps to follow a run: a little longer than the bound where there is one."""
    return min(math.ceil(BEYOND[0] * bound) + BEYOND[1], MOST) if math.isfinite(bound) else WITHOUT_BOUND


def search(certificate: "Certificate", epsilon: float, bound: float, seconds: float | None, seed: int) -> Found:
    """A search of a fixed size, and others, by gradients in turn, until `seconds` have passed or `bound` is reached."""
    began, steps = time.monotonic(), horizon(bound)
    size = sum(layer.weight_hh.size + layer.weight_ih.size for layer in certificate.stack.layers)
    rounds = int(np.clip(WORK / (size * (steps + 1) * 128 * SEARCHES), 8, ROUNDS))
    best = _sampled_search(certificate, epsilon, steps, SEARCHES, rounds, seed)
    if seconds is None:
        return best
    gradients, length, cost, turn = find_spec("torch") is not None, FIRST, 0.0, 0
    while (left := seconds - (time.monotonic() - began)) > 0 and best.recovery_time < bound:
        turn += 1
        started = time.monotonic()
        if gradients and turn % 2 and cost < left:
            new = _gradient_search(certificate, epsilon, min(length, steps), steps, seed + turn)
            spent = time.monotonic() - started
            cost, length = 4 * spent, 2 * length if length < steps else length  # the work grows with the square
        else:
            new = _sampled_search(certificate, epsilon, steps, 1, rounds, seed + turn)
        better = max(best, new, key=lambda found: (found.recovery_time, found.deviations[-1]))
        best = Found(better.recovery_time, better.deviations, better.censored, best.tried + new.tried)
    return best


def _sampled_search(
    certificate: "Certificate", epsilon: float, steps: int, searches: int, rounds: int, seed: int
) -> Found:
    return _found(
        certificate,
        worst_case(
            certificate.stack,
            certificate.input_box,
            epsilon,
            nominal_states=certificate.nominal.interval.box(),
            perturbed_states=certificate.anomaly.interval.box(),
            horizon=steps,
            searches=searches,
            rounds=rounds,
            seed=seed,
        ),
        steps,
    )


def _gradient_search(certificate: "Certificate", epsilon: float, steps: int, whole: int, seed: int) -> Found:
    import torch

    from ..accel.resilience import worst_case as steepest

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the products are small: more threads would only wait for each other
    try:
        worst = steepest(
            certificate.stack,
            certificate.input_box,
            epsilon,
            nominal_states=certificate.nominal.interval.box(),
            perturbed_states=certificate.anomaly.interval.box(),
            horizon=steps,
            seed=seed,
        )
    finally:
        torch.set_num_threads(threads)
    return _found(certificate, worst, max(steps, whole))


def _found(certificate: "Certificate", worst: Any, steps: int) -> Found:
    """The pair run again, by the same kernels whichever search it comes from, its last input held to the end."""
    box = certificate.input_box
    inputs: Array = worst.nominal_inputs  # the anomaly is over: both runs receive the same
    last = inputs[-1:] if len(inputs) else np.clip(np.zeros((1, certificate.stack.inputs)), box.lower, box.upper)
    longer = np.concatenate([inputs, np.repeat(last, max(0, steps - len(inputs)), axis=0)])
    e = deviations(certificate.stack, longer, longer, worst.nominal_states, worst.perturbed_states)[0]
    above = np.flatnonzero(e > worst.epsilon)
    recovery = int(above[-1]) + 1 if above.size else 0
    return Found(recovery, e, recovery == len(e), worst.tried)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Runs from rest with an anomaly of ten steps, of all kinds.

    Attributes
    ----------
    times : RecoveryTimes
        Final where a finite bound says that the runs were long enough.
    deviations : (RUNS, T + 1)
        e(t) from the end of the anomaly on.
    """

    times: RecoveryTimes
    deviations: Array


def sample(certificate: "Certificate", epsilon: float, bound: float, seed: int) -> Sampled:
    """Recovery of sampled runs: nominal inputs in U throughout, the anomaly in U_a."""
    steps, wait = horizon(bound), WARMUP + LENGTH
    nominal = nominal_inputs(certificate.input_box, RUNS, wait + steps, seed)
    perturbed = anomalous_inputs(nominal, certificate.anomaly_box, WARMUP, LENGTH, seed)
    seen = recovery_times(certificate.stack, nominal, perturbed, epsilon, anomaly_end=wait)
    final = seen.final | bool(bound <= steps)  # no run can exceed ε again after the bound
    times = RecoveryTimes(seen.times, final, seen.epsilon, seen.horizon)
    return Sampled(times, deviations(certificate.stack, nominal, perturbed)[:, wait:])
