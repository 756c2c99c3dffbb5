"""devinterp, version 1 or 2, in an interpreter of its own: its settings, the data handed to it, and its answers."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lemmata.accel.learning.model import ObservedChain
from lemmata.sim.learning import Data, Posterior
from lemmata.theory.learning.network import Layers, Truth

OFF = 0.05  # of the standard deviation of the prior
WORKER = Path(__file__).with_name("devinterp_worker.py")


@dataclass(frozen=True)
class Settings:
    """What a user of devinterp chooses; localization γ pulls to the start, weight_decay 1 is the prior N(0, I)."""

    lr: float
    nbeta: float
    chains: int
    draws: int
    burnin: int = 0
    localization: float = 0.0
    weight_decay: float = 0.0
    rmsprop: bool = False
    batch: int = 0  # rows a step, 0 for all
    stored: bool = False  # version 2's `llc` with its store of all losses, its mean over the burn-in too

    def __str__(self) -> str:
        words = [f"lr {self.lr:.2g}", f"nβ {self.nbeta:.0f}"]
        words += [f"γ {self.localization:g}"] if self.localization else []
        words += ["prior N(0, I)"] if self.weight_decay else []
        words += ["RMSprop"] if self.rmsprop else []
        words += [f"batch {self.batch}"] if self.batch else []
        return ", ".join([*words, f"{self.chains} × ({self.burnin} + {self.draws})"])


class Answer(NamedTuple):
    """λ̂, the CPU seconds it took, the loss L at the start, and the losses of the draws (chains, draws)."""

    value: float
    seconds: float
    start: float
    trace: np.ndarray


class Worker:
    """An interpreter that waits for requests; `close` ends it."""

    def __init__(self, interpreter: Path | str, folder: Path):
        self.trace = folder / f"trace{id(self)}.npy"
        self.process = subprocess.Popen(
            [str(interpreter), str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.versions: dict[str, str] = self._read()

    def ask(self, data: Path, settings: Settings, seed: int) -> Answer:
        """One estimate; where the library gives up, e.g. because the losses overflow, λ̂ is NaN."""
        request = {"data": str(data), "trace": str(self.trace), "seed": seed, **asdict(settings)}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        seen = self._read()
        return Answer(seen["estimate"], seen["seconds"], seen["start"], np.load(self.trace, allow_pickle=False))

    def close(self) -> None:
        self.process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the interpreter {self.process.args[0]} ended: see its message above")  # type: ignore[index]
        return dict(json.loads(line))


def trained(truth: Truth, posterior: Posterior, rng: np.random.Generator) -> Layers:
    """The weights of a minimum of L_n next to the truth, by L-BFGS on the sufficient statistics.

    The search begins a little off the truth, which is a saddle of L_n where null weights of two layers meet.
    """
    x, y = statistics(posterior)
    off = tuple(layer + OFF * rng.standard_normal(layer.shape) for layer in truth.layers)
    X, Y, model = torch.tensor(x), torch.tensor(y), ObservedChain(Truth(truth.network, off))
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=20_000, tolerance_grad=1e-9, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = 0.5 * (model(X) - Y).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return tuple(layer.weight.detach().numpy().copy() for layer in model.layers)


def statistics(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """N rows of inputs and observations with the gradients of all n data: the design in the coordinates of the data."""
    return posterior.design[:, None] * posterior.rotation.T, np.vstack(posterior.targets).T


def write(file: Path, truth: Truth, layers: Layers, data: Data | Posterior) -> Path:
    """The start and the data, either row by row or as sufficient statistics, which give the same loss."""
    if isinstance(data, Posterior):
        (x, y), n, constant = statistics(data), data.samples, data.constant
    else:
        x, y, n, constant = data.inputs, np.hstack(data.observations), len(data.inputs), 0.0
    weights = {f"w{k}": layer for k, layer in enumerate(layers, start=1)}
    np.savez(file, x=x, y=y, count=n, constant=constant, observed=np.array(truth.network.observed), **weights)
    return file
