"""The LSTMs of resilience_tightness.py: as torch draws them, and trained on three simulated plants."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lemmata.accel.resilience import contraction_rates, recovery_penalty, recovery_steps, stability_penalty
from lemmata.theory.resilience import Stack, cells_from_torch
from lemmata.theory.resilience.cell import as_stack
from lemmata.theory.streams import stream

Array = NDArray[np.float64]

INPUT, ANOMALY = 1.0, 3.0  # |u| of the trained networks
EPSILON = 0.05  # in standard deviations of y
TARGET, STEPS = 0.95, 40  # of the penalties: a rate, or steps of recovery
WEIGHTS = 0.3, 1.0, 3.0  # of a penalty: the first with which its own condition holds after training, or the last
PENALTIES = ("none", "A", "A2", "C", "T")
SEQUENCES, LENGTH, WASHOUT, HOLD = 16, 100, 20, 10  # of the data: runs, steps, those not judged, those of one level


@dataclass(frozen=True, eq=False)
class Network:
    """A network in words, the bounds of its inputs, ε, and its error on unseen runs.

    Without an ε it is a share of the largest deviation of h at the start.
    """

    words: str
    stack: Stack
    bound: float
    anomaly: float
    epsilon: float | None
    error: float | None = None

    @property
    def units(self) -> int:
        return self.stack.units


class Model(nn.Module):
    """y(t + 1) from u(0), …, u(t)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(1, units, batch_first=True)
        self.reading = nn.Linear(units, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.reading(self.memory(inputs)[0])
        return out


def tanks(inputs: Array) -> Array:
    """The level of the second of two tanks, the first of which u fills and both of which drain like √x."""
    x1 = x2 = np.full(len(inputs), 0.3)
    out = []
    for u in inputs.T:
        q1, q2 = 0.35 * np.sqrt(x1), 0.35 * np.sqrt(x2)
        x1, x2 = np.maximum(x1 + 0.7 * (0.2 + 0.12 * u - q1), 0), np.maximum(x2 + 0.7 * (q1 - q2), 0)
        out.append(x2)
    return np.stack(out, axis=1)


def neutralisation(inputs: Array) -> Array:
    """Two stirred vessels in a row and the steep curve of a titration behind them."""
    a = b = np.zeros(len(inputs))
    out = []
    for u in inputs.T:
        a, b = a + (u - a) / 4, b + 0.4 * (a - b)
        out.append(np.tanh(3 * b - 0.3) + 0.3 * b)
    return np.stack(out, axis=1)


def pendulum(inputs: Array) -> Array:
    """The angle of a damped pendulum under a torque u."""
    angle = speed = np.zeros(len(inputs))
    out = []
    for u in inputs.T:
        angle, speed = angle + 0.3 * speed, speed + 0.3 * (0.8 * u - np.sin(angle) - 0.7 * speed)
        out.append(angle)
    return np.stack(out, axis=1)


PLANTS: dict[str, Callable[[Array], Array]] = {"tanks": tanks, "neutralisation": neutralisation, "pendulum": pendulum}


def data(plant: str, seed: int, part: str) -> tuple[Tensor, Tensor]:
    """Inputs in levels held for ten steps and outputs, each (N, T, 1)."""
    rng = stream(seed, "resilience tightness", plant, part)
    u = np.repeat(rng.uniform(-INPUT, INPUT, (SEQUENCES, LENGTH // HOLD)), HOLD, axis=1)
    inputs, outputs = (torch.tensor(x[..., None], dtype=torch.float32) for x in (u, PLANTS[plant](u)))
    return inputs, outputs


def penalty_of(model: Model, kind: Any) -> Tensor:
    if kind == "T":
        return recovery_penalty(model, INPUT, EPSILON, STEPS, anomaly_bound=ANOMALY, output="reading", refinements=4)
    return stability_penalty(model, INPUT, kind, TARGET, refinements=4)


@torch.no_grad()
def holds(model: Model, kind: Any) -> bool:
    """Whether what the penalty asks for is proved but for rounding: a rate below 1, or a finite bound."""
    if kind == "T":
        bound = recovery_steps(model, INPUT, EPSILON, anomaly_bound=ANOMALY, output="reading")
        return bool(bound.isfinite())
    return bool((contraction_rates(model, INPUT, kind) < 1).all())


def train(plant: str, units: int, kind: str, steps: int, seed: int) -> tuple[Model, float]:
    """A model, by Adam on the squared error and the penalty, and its error on unseen runs over the spread of y."""
    inputs, outputs = data(plant, seed, "training")
    middle, spread = outputs.mean(), outputs.std()
    for weight in WEIGHTS:
        torch.manual_seed(seed)
        model = Model(units)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            loss = (model(inputs) - (outputs - middle) / spread)[:, WASHOUT:].square().mean()
            if kind != "none":
                loss = loss + weight * penalty_of(model, kind)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if kind == "none" or holds(model, kind):
            break
    unseen, wanted = data(plant, seed, "test")
    with torch.no_grad():
        rest = (model(unseen) - (wanted - middle) / spread)[:, WASHOUT:]
    return model, rest.square().mean().sqrt().item()


def drawn(asked: Namespace) -> Iterator[Network]:
    """Networks as `torch.nn.LSTM` draws them, two inputs, the state itself as the output."""
    for units in asked.units:
        for bound in asked.bounds:
            for number in range(asked.drawn):
                torch.manual_seed(10_000 * asked.seed + number)
                stack = as_stack(cells_from_torch(nn.LSTM(2, units)))
                yield Network("drawn", stack, bound, bound, None)


def trained(asked: Namespace) -> Iterator[Network]:
    for kind in PENALTIES:
        for units in asked.units:
            for plant in PLANTS:
                for number in range(asked.seeds):
                    model, error = train(plant, units, kind, asked.steps, 100 * asked.seed + number)
                    words = "trained, no penalty" if kind == "none" else f"trained, penalty {kind}"
                    stack = as_stack(cells_from_torch(model, output="reading"))
                    yield Network(words, stack, INPUT, ANOMALY, EPSILON, error)
