"""Train LSTM models of two plants to recover from bad input, and weigh their accuracy against the certified time.

    python examples/resilient_identification.py [--plot FILE] [--save FOLDER] [--search]    # two minutes, one core

Both plants are simulated here; nothing was measured on a real one.

    tanks   two tanks in a row, the second draining the first: x1 += 0.6 (0.2 + 0.15 u - q1), x2 += 0.6 (q1 - q2) with
            q = 0.4 sqrt(x); u moves the pump, y = (x2 - 0.3) / 0.25 is the level of the second tank
    motor   a DC motor with dry friction: i += (u - i - 0.3 w) / 4, w += 0.15 (1.2 i - w / 2 - 0.2 tanh 5 w); u is the
            voltage, y = w the speed

A network of 6 LSTM units learns y from u, |u| <= 1, each level held for 10 steps.  In use the input may go wrong for a
while, |u| <= 3.  How many steps after it is right again is the prediction within 0.05 of what it would have been?
Without a penalty in the loss nothing is certified.  Three penalties change that:

    A   norms of the weights (theorem 4) at a target rate
    C   the Jacobian over the invariant box (theorem 7) at a target rate
    T   the bound on the recovery time itself, at a target number of steps

The table has a row for each penalty and target.  Means over the seeds: the error on unseen inputs, relative to the
spread of y, and the rates of levels A and C on the nominal set.  Medians: the certified bound on the recovery time, for
all inputs in the boxes, and the longest recovery seen in simulated anomalies, which no bound may fall short of.  With
--search a search by gradients from the worst states in the boxes follows for the first seed.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lemmata.accel.resilience import TorchStack, deviations, recovery_penalty, stability_penalty, worst_case
from lemmata.theory.resilience import Certificate, Stack, cells_from_torch, certify, recovery_time_bound

UNITS, SEQUENCES, LENGTH, WASHOUT, HOLD = 6, 16, 120, 20, 10
INPUT, ANOMALY, EPSILON = 1.0, 3.0, 0.05
LONGEST, AFTER = 20, 80  # steps of an anomaly, and those simulated after it
WEIGHT = 0.1  # of the penalty in the loss; a larger one meets the targets sooner and fits worse


class Model(nn.Module):
    """y(t + 1) from u(0), …, u(t)."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(1, UNITS, batch_first=True)
        self.reading = nn.Linear(UNITS, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.reading(self.memory(inputs)[0])


def tanks(inputs: np.ndarray) -> np.ndarray:
    """y after each input, (N, T), from the levels that u = 0 holds."""
    x1 = x2 = np.full(len(inputs), 0.25)
    y = []
    for u in inputs.T:
        q1, q2 = 0.4 * np.sqrt(x1), 0.4 * np.sqrt(x2)
        x1, x2 = np.maximum(x1 + 0.6 * (0.2 + 0.15 * u - q1), 0.0), np.maximum(x2 + 0.6 * (q1 - q2), 0.0)
        y.append((x2 - 0.3) / 0.25)
    return np.stack(y, axis=1)


def motor(inputs: np.ndarray) -> np.ndarray:
    """y after each input, (N, T), from rest."""
    i = w = np.zeros(len(inputs))
    y = []
    for u in inputs.T:
        i, w = i + (u - i - 0.3 * w) / 4, w + 0.15 * (1.2 * i - w / 2 - 0.2 * np.tanh(5 * w))
        y.append(w)
    return np.stack(y, axis=1)


PLANTS = {"tanks": tanks, "motor": motor}

Penalty = Callable[[Model], Tensor]


@dataclass(frozen=True)
class Recipe:
    """A penalty and its target."""

    kind: str
    target: float

    @property
    def penalty(self) -> Penalty | None:
        if self.kind == "none":
            return None
        if self.kind == "T":
            return lambda model: recovery_penalty(
                model, INPUT, EPSILON, int(self.target), anomaly_bound=ANOMALY, output="reading", refinements=4
            )
        level = self.kind
        return lambda model: stability_penalty(model, INPUT, level, self.target, refinements=4)


RECIPES = (
    Recipe("none", math.nan),
    *(Recipe(level, target) for level in ("A", "C") for target in (0.96, 0.92, 0.86)),
    *(Recipe("T", target) for target in (80, 50, 30)),
)
QUICK = (Recipe("none", math.nan), Recipe("A", 0.9), Recipe("C", 0.9), Recipe("T", 40))


def held_levels(rng: np.random.Generator, sequences: int, length: int, bound: float) -> np.ndarray:
    """Uniform levels in [-bound, bound], each held for 10 steps, (N, T)."""
    return np.repeat(rng.uniform(-bound, bound, (sequences, -(-length // HOLD))), HOLD, axis=1)[:, :length]


def data(plant: str, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of fresh runs, (N, T, 1)."""
    u = held_levels(np.random.default_rng(seed), SEQUENCES, LENGTH, INPUT)
    return tuple(torch.tensor(part[..., None], dtype=torch.float32) for part in (u, PLANTS[plant](u)))


def train(plant: str, recipe: Recipe, steps: int, seed: int) -> Model:
    """Adam on the squared error, the penalty added to it."""
    torch.manual_seed(seed)
    model, penalty = Model(), recipe.penalty
    inputs, outputs = data(plant, 1000 + seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        loss = (model(inputs) - outputs)[:, WASHOUT:].square().mean()
        if penalty is not None:
            loss = loss + WEIGHT * penalty(model)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model


@torch.no_grad()
def error(plant: str, model: Model, seed: int) -> float:
    """The root mean square error on unseen inputs over the standard deviation of y."""
    inputs, outputs = data(plant, 2000 + seed)
    rest = (model(inputs) - outputs)[:, WASHOUT:]
    return (rest.square().mean() / outputs[:, WASHOUT:].var()).sqrt().item()


@torch.no_grad()
def longest_seen(network: Stack, runs: int, seed: int) -> int:
    """The longest recovery among simulated anomalies: levels within [-3, 3] for up to 20 steps."""
    rng = np.random.default_rng(3000 + seed)
    nominal = held_levels(rng, runs, LONGEST + LONGEST + AFTER, INPUT)
    perturbed = nominal.copy()
    lengths = rng.integers(1, LONGEST + 1, runs)
    wrong = held_levels(rng, runs, LONGEST, ANOMALY)
    for run, length in enumerate(lengths):
        perturbed[run, 2 * LONGEST - length : 2 * LONGEST] = wrong[run, :length]
    ours, theirs = (torch.tensor(part[..., None]) for part in (nominal, perturbed))
    e = deviations(TorchStack.from_cells(network), ours, theirs)[:, 2 * LONGEST :]
    above = (e > EPSILON).any(0).nonzero()
    return int(above.max()) + 1 if len(above) else 0


@dataclass(frozen=True)
class Outcome:
    """What became of one trained network."""

    error: float
    certificate: Certificate
    bound: float
    seen: int


def judge(plant: str, model: Model, runs: int, seed: int) -> Outcome:
    network = cells_from_torch(model, output="reading")
    certificate = certify(network, INPUT, ANOMALY, levels=("A", "C", "tube_C"))
    bound = recovery_time_bound(certificate, EPSILON).value
    return Outcome(error(plant, model, seed), certificate, bound, longest_seen(network, runs, seed))


def row(plant: str, recipe: Recipe, found: list[Outcome]) -> str:
    def rate(level: str) -> float:
        return float(np.mean([one.certificate.levels[level].rate.rate for one in found]))

    bounds = [one.bound for one in found]
    certified = sum(math.isfinite(bound) for bound in bounds)
    return (
        f"{plant:<7} {recipe.kind:<8} {'' if recipe.kind == 'none' else f'{recipe.target:g}':<7} "
        f"{np.mean([one.error for one in found]):<7.3f} {rate('A'):<7.2f} {rate('C'):<7.2f} "
        f"{certified} of {len(found)}     {np.median(bounds):<7g} {np.median([one.seen for one in found]):g}"
    )


def search(plant: str, recipe: Recipe, found: Outcome) -> str:
    certificate = found.certificate
    worst = worst_case(
        certificate.stack,
        certificate.input_box,
        EPSILON,
        nominal_states=certificate.nominal.box,
        perturbed_states=certificate.anomaly.box,
        horizon=60,
    )
    target = "" if recipe.kind == "none" else f"{recipe.target:g}"
    longest = f"more than {worst.horizon}" if worst.censored else f"{worst.recovery_time}"
    return f"{plant:<7} {recipe.kind:<8} {target:<7} bound {found.bound:<6g} seen {found.seen:<6g} found {longest}"


def draw(outcomes: dict[tuple[str, Recipe], list[Outcome]], axes: list) -> None:
    """Error against certified recovery time, a curve a penalty; inf stands at the right edge."""
    looks = {"A": ("C0", "o"), "C": ("C1", "s"), "T": ("C2", "^"), "none": ("0.4", "x")}
    finite = [one.bound for found in outcomes.values() for one in found if math.isfinite(one.bound)]
    edge = 2.0 * max(finite, default=50.0)
    for axis, plant in zip(axes, PLANTS, strict=True):
        for kind, (colour, marker) in looks.items():
            rows = [found for (name, recipe), found in outcomes.items() if name == plant and recipe.kind == kind]
            x = [[min(one.bound, edge) for one in found] for found in rows]
            y = [[one.error for one in found] for found in rows]
            axis.scatter(np.ravel(x), np.ravel(y), s=14, color=colour, marker=marker, alpha=0.45)
            label = "no penalty" if kind == "none" else f"penalty {kind}"
            axis.plot(np.median(x, 1), np.median(y, 1), color=colour, marker=marker, label=label)
        axis.axvline(edge, color="0.8", linewidth=0.8, zorder=0)
        axis.text(
            edge, 0.985, "not certified ", ha="right", va="top", color="0.4", transform=axis.get_xaxis_transform()
        )
        axis.set(xscale="log", xlabel="certified recovery time (steps)", title=f"{plant} (simulated)")
        ticks = [
            x
            for x in (10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)
            if min(finite, default=10) / 1.3 < x < edge
        ]
        axis.set_xticks(ticks, [str(x) for x in ticks])
        axis.set_xticks([], minor=True)
        axis.set_ylim(0)
    axes[0].set_ylabel("test error / spread of y")
    axes[1].legend()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="save a picture there")
    parser.add_argument("--save", metavar="FOLDER", type=Path, help="save every state_dict there")
    parser.add_argument("--search", action="store_true", help="search for worst cases of the first seed")
    parser.add_argument("--quick", action="store_true", help="one seed, one target a penalty, few steps")
    parser.add_argument("--seeds", type=int, help="networks for each row (default: 3)")
    parser.add_argument("--steps", type=int, help="of training (default: 250)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the networks are small: more threads only wait for each other
    seeds = options.seeds or (1 if options.quick else 3)
    steps, runs = options.steps or (40 if options.quick else 250), 100 if options.quick else 1000
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)

    print("plants simulated; certified for |u| <= 1 after anomalies |u| <= 3, within 0.05\n")
    print("plant   penalty  target  error   rate A  rate C  certified  bound   seen")
    outcomes: dict[tuple[str, Recipe], list[Outcome]] = {}
    begin = time.perf_counter()
    for plant in PLANTS:
        for recipe in QUICK if options.quick else RECIPES:
            found = []
            for seed in range(seeds):
                model = train(plant, recipe, steps, seed)
                found.append(judge(plant, model, runs, seed))
                if options.save:
                    name = recipe.kind if recipe.kind == "none" else f"{recipe.kind}_{recipe.target:g}"
                    torch.save(model.state_dict(), options.save / f"{plant}_{name}_{seed}.pt")
            outcomes[plant, recipe] = found
            print(row(plant, recipe, found), flush=True)
    every = [one for found in outcomes.values() for one in found]
    short = sum(one.seen > one.bound for one in every)
    print(f"\nbounds that a simulated recovery exceeded: {short} of {len(every)}; {time.perf_counter() - begin:.0f} s")
    if options.search:
        print("\nworst cases found by gradients, from any state in the certified boxes:")
        for (plant, recipe), found in outcomes.items():
            print(search(plant, recipe, found[0]), flush=True)
    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 4.4), layout="constrained")
        draw(outcomes, list(figure.subplots(1, 2)))
        figure.suptitle("Accuracy against certified recovery time, one point a network, lines through the medians")
        figure.savefig(options.plot, dpi=150)
        print(f"picture saved to {options.plot}")


if __name__ == "__main__":
    main()
