"""How long an LSTM needs to recover from an anomalous input.

S. Yoshihara, R. Yamamoto, H. Kusumoto and M. Shimura, "Enhancing AI system resiliency: formulation and guarantee for
LSTM resilience based on control theory", 2025, arXiv:2505.17696.
The bounds tested are this project's, by comparison maps on invariant boxes: docs/resilience, theorems 4 to 11.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from ..theory.estimate import Estimate
from ..theory.resilience.box import Box
from ..theory.resilience.cell import Cell, LSTMCell, Stack
from ..theory.resilience.conversion import cells_from_torch
from ..theory.resilience.interval import Interval, interval
from ..theory.resilience.norm_level import norm_bounds
from ..theory.resilience.recovery import first_deviation, recovery_time_bound
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from .random_networks import (
    ANOMALY,
    BEYOND,
    EPSILON,
    INPUT,
    LONGEST,
    NETWORKS,
    NEVER,
    bound_of,
    certificate,
    deviation_bound,
    drawn,
    network,
    of_network,
    recovery_bound,
    recovery_bounds,
    searched_deviation,
    searched_recovery,
    step_less,
    weights,
    whatever_level,
    within,
    without_anomaly,
)
from .sampled_gap import mean_of

Array = NDArray[np.float64]

PAPER = "lstm_resilience"
WARMUP, LENGTH = 4, 8  # steps before an anomaly, and of it
RUNS = 3  # of a trial
RECORDED = 60  # runs that a bound from data would have seen
LONG = 4  # steps of an anomaly of a stated size, at most
TRAINED = 2  # networks in a block at effort 1
STEPS, TIME = 15, 8  # of Adam, and of a training sequence
SLOW = 20, 200  # steps of recovery before the training


# ---- wrong bounds


def _one_bias(kind: str, number: int) -> float:
    """Of the network without its second bias vectors."""
    kept = {name: value for name, value in weights(kind, number).items() if not name.startswith("bias_hh")}
    return bound_of(cells_from_torch(kept))


def _later(kind: str, number: int, level: str, time: int) -> float:
    return deviation_bound(kind, number, level, time + 1)


def _cells_forgotten(kind: str, number: int, level: str, time: int) -> float:
    """As if only h differed at the start: one interval Jacobian after the other on S_a."""
    known = certificate(kind, number)
    deviation, fixed, h = first_deviation(known, None), known.comparison("C", 0), known.stack.units
    deviation[:-h] = 0.0
    for _ in range(time):
        deviation = fixed.apply(deviation)
    return float(deviation[-h:].max())


def _last_layer(kind: str, number: int) -> float:
    """As if the layers before had recovered at once: its input within the box that they leave it."""
    known = certificate(kind, number)
    first, last = known.stack.layers
    h = slice(first.dimension - first.units, first.dimension)
    return bound_of(last, known.anomaly.interval[h].box(), known.nominal.interval[h].box())


# ---- data


def _recorded_recovery(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The longest recovery of runs from rest under inputs and anomalies of all kinds; no box of the theory enters."""
    kind = case.arguments["kind"]
    number, _ = drawn(rng, kind)
    seed, steps = int(rng.integers(2**31)), int(min(recovery_bounds(kind, number).values()))
    return Sighting(_longest(kind, number, steps, RUNS, seed), {"kind": kind, "number": number})


def _longest(kind: str, number: int, steps: int, runs: int, seed: int, only: str | None = None) -> int:
    from ..sim.resilience import anomalous_inputs, nominal_inputs, recovery_times

    known, cell = certificate(kind, number), network(kind, number)
    wait = WARMUP + LENGTH
    nominal = nominal_inputs(known.input_box, runs, wait + steps + BEYOND, seed, kinds=only and [only])
    perturbed = anomalous_inputs(nominal, known.anomaly_box, WARMUP, LENGTH, seed)
    return recovery_times(cell, nominal, perturbed, EPSILON, anomaly_end=wait).largest


def _least_bound(kind: str, number: int) -> float:
    return min(recovery_bounds(kind, number).values())


def _from_data(kind: str, number: int) -> float:
    """The longest recovery in recorded runs under held inputs."""
    return _longest(kind, number, LONGEST, RECORDED, 0, only="held")


def _for_larger(kind: str, number: int) -> float:
    return recovery_time_bound(certificate(kind, number), 3 * EPSILON).value


# ---- the size of the anomaly


def _sized_anomaly(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """The largest deviation of h after D steps in which inputs differed by at most a, runs equal before."""
    from ..sim.resilience import deviations

    kind, runs = case.arguments["kind"], 16
    number, length, size = (
        int(rng.integers(NETWORKS[kind])),
        int(rng.integers(1, LONG + 1)),
        float(rng.choice([0.1, 1.0])),
    )
    known = certificate(kind, number)
    nominal = within(rng, known.input_box, runs, WARMUP + length)
    perturbed = nominal.copy()
    moved = nominal[:, WARMUP:] + size * rng.choice([-1.0, 1.0], (runs, length, 1))
    perturbed[:, WARMUP:] = np.clip(moved, known.anomaly_box.lower, known.anomaly_box.upper)
    seen = deviations(network(kind, number), nominal, perturbed)[:, -1].max()
    return Sighting(float(seen), {"kind": kind, "number": number, "size": size, "length": length})


def _first_deviation(kind: str, number: int, size: float, length: int) -> float:
    """The largest entry of δ_0 in h."""
    known = certificate(kind, number)
    return float(first_deviation(known, (size, length))[-known.stack.units :].max())


# ---- training


def _trained(case: Case, rng: np.random.Generator, effort: float) -> Estimate | Sighting:
    """A block of log₁₀ of the level-A bound after a training with penalty over that before it, from random weights."""
    ratios = np.array([_training(case, rng) for _ in range(max(2, round(TRAINED * effort)))])
    return mean_of(ratios, "trainings from random weights")


def _training(case: Case, rng: np.random.Generator) -> float:
    import torch  # here: the claims are listed without torch

    from ..accel.resilience import stability_penalty

    units = case.arguments["units"]
    lstm, readout = torch.nn.LSTM(1, units).double(), torch.ones(units, dtype=torch.float64, requires_grad=True)
    weights, before = list(lstm.parameters()), 0.0
    while not SLOW[0] <= before <= SLOW[1]:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(torch.from_numpy(rng.uniform(-0.5, 0.5, tuple(weight.shape))))
        before = _norm_recovery(cells_from_torch(lstm))
    inputs = rng.uniform(-INPUT, INPUT, TIME)
    wanted = lfilter([0.3], [1.0, -0.7], np.tanh(inputs))  # a plant of first order
    u, y = torch.from_numpy(inputs)[:, None], torch.from_numpy(wanted)
    optimizer = torch.optim.Adam([*weights, readout], lr=0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        penalty = stability_penalty(lstm, INPUT, "A", case.arguments["target"])
        loss = (lstm(u)[0] @ readout - y).square().mean() + case.arguments["weight"] * penalty
        loss.backward()
        optimizer.step()
    return math.log10(_norm_recovery(cells_from_torch(lstm)) / before)


def _norm_recovery(cell: Cell | Stack) -> float:
    """T_log(ε) by level A with its Perron vector, from the widest cells and outputs that its gates allow."""
    assert isinstance(cell, LSTMCell)
    rest = np.zeros(cell.dimension)
    wide = norm_bounds(cell, Interval(rest, rest), interval(Box([-ANOMALY], [ANOMALY])))
    usual = norm_bounds(cell, Interval(rest, rest + wide.cell), interval(Box([-INPUT], [INPUT])))
    A = usual.matrix
    rate = float(np.linalg.eigvals(A).real.max())
    if rate >= 1.0:
        return NEVER
    v = np.array([usual.coupling, rate - usual.forget_gate])
    start = 2 * np.array([wide.cell, wide.output_gate * wide.cell_output])
    return max(1, math.ceil(math.log(v[1] * (start / v).max() / EPSILON) / -math.log(rate)))


def _cases(named: Mapping[str, Mapping[str, Any]]) -> tuple[Case, ...]:
    return tuple(Case(name, arguments) for name, arguments in named.items())


SINGLE, STACKED = "LSTM", "stack of two"

CLAIMS = (
    Claim(
        name="recovery-time",
        paper=PAPER,
        place="the upper bound on the recovery time; docs/resilience, theorem 11",
        sentence="No sampled or searched recovery takes more steps than T̂(ε), by levels A, B, C and C along the tube.",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_network(recovery_bound),
        simulate=searched_recovery,
        cases=_cases({SINGLE: {"kind": "LSTM"}, STACKED: {"kind": "stack"}}),
        tolerance=0.0,
        remainder="nothing: both sides are integers",
        false_variants=(
            FalseVariant("one step less", of_network(step_less)),
            FalseVariant("one of the two bias vectors for their sum", whatever_level(_one_bias)),
            FalseVariant("S_n for S_a, which an anomaly reaches", whatever_level(without_anomaly), (SINGLE,)),
            FalseVariant("the last layer alone", whatever_level(_last_layer), (STACKED,)),
        ),
        formula=(
            r"T^*(\varepsilon) \le \hat T(\varepsilon), \quad T^*(\varepsilon) = \sup \min \{ T \ge 0 : "
            r"\lVert y(t) - \bar y(t) \rVert_\infty \le \varepsilon \text{ for all } t \ge T \}"
        ),
    ),
    Claim(
        name="deviation",
        paper=PAPER,
        place="the decay behind the bound; docs/resilience, theorem 11",
        sentence="t steps after the anomaly no output is further off than out(δ_t), by the same levels.",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_network(deviation_bound),
        simulate=searched_deviation,
        cases=_cases({SINGLE: {"kind": "LSTM"}}),
        tolerance=1e-12,
        remainder="rounding of the simulation",
        false_variants=(
            FalseVariant("deviations of h alone at the start", of_network(_cells_forgotten)),
            FalseVariant("the deviation one step later", of_network(_later)),
        ),
        formula=(
            r"\lVert y(t) - \bar y(t) \rVert_\infty \le \operatorname{out}(\delta_t), \quad "
            r"\delta_{t+1} = \min \left( T_t(\delta_t), w_{t+1} \right), \quad \delta_0 = w_0"
        ),
    ),
    Claim(
        name="data-independence",
        paper=PAPER,
        place="the bound needs no data; docs/resilience, theorem 11",
        sentence="The bound from the weights holds for inputs and anomalies of every kind, from rest.",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_network(_least_bound),
        simulate=_recorded_recovery,
        cases=_cases({SINGLE: {"kind": "LSTM"}}),
        tolerance=0.0,
        remainder="nothing: both sides are integers",
        false_variants=(
            FalseVariant(f"the longest of {RECORDED} recorded recoveries under held inputs", of_network(_from_data)),
            FalseVariant("the bound for 3ε", of_network(_for_larger)),
        ),
        formula=r"T_R(\varepsilon) \le \min_{\text{levels}} \hat T(\varepsilon)",
    ),
    Claim(
        name="anomaly-size",
        paper=PAPER,
        place="the dependence on the anomaly; docs/resilience, theorem 11",
        sentence="Inputs that differ by at most a for D steps move h by at most δ_0(a, D).",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_network(_first_deviation),
        simulate=_sized_anomaly,
        cases=_cases({SINGLE: {"kind": "LSTM"}}),
        tolerance=1e-12,
        remainder="rounding of the simulation",
        false_variants=(
            FalseVariant(
                "an anomaly of one step for one of D",
                of_network(lambda kind, number, size, length: _first_deviation(kind, number, size, 1)),
            ),
            FalseVariant(
                "half the size of the anomaly",
                of_network(lambda kind, number, size, length: _first_deviation(kind, number, size / 2, length)),
            ),
        ),
        formula=(
            r"\lVert h - \bar h \rVert_\infty \le \max_j \delta_0(a, D)_{h_j}, \quad \delta_0(a, D) = \varphi^D(0), "
            r"\quad "
            r"\varphi(\delta) = \min(M_a \delta + a N_a 1, w_0)"
        ),
    ),
    Claim(
        name="resilience-aware-training",
        paper=PAPER,
        place="resilience-aware training; docs/resilience, section 10",
        sentence="Training with a penalty on ρ(A) at least halves T̂ of level A, in the mean of logarithms.",
        relation=Relation.AT_MOST,
        theory=lambda units, target, weight: float(np.log10(0.5)),
        simulate=_trained,
        cases=_cases({"one unit": {"units": 1, "target": 0.75, "weight": 3.0}}),
        tolerance=0.0,
        remainder="nothing; the plant, the start and the strength of the penalty are those of the case",
        false_variants=(
            FalseVariant("a hundredth for a half", lambda units, target, weight: -2.0),
            FalseVariant("a tenth for a half", lambda units, target, weight: -1.0),
        ),
        formula=(
            r"\mathbb{E} \log_{10} \frac{\hat T_{\text{after}}(\varepsilon)}{\hat T_{\text{before}}(\varepsilon)} \le "
            r"\log_{10} \frac12"
        ),
    ),
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
