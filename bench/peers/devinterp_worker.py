"""Local learning coefficients by devinterp, version 1 or 2, whichever this interpreter has: one request a line.

A request is JSON: `data`, a NumPy file with the layers `w1`, `w2`, … of the starting point, `observed` (units a layer),
inputs `x` (rows, N), what the observed units showed `y` (rows, units), a `count` n and a `constant` c, so that

    L(w) = (½ Σ ‖prediction − y‖² + c) / n;

`trace`, the file for the losses of the draws (chains, draws); and the settings: `batch` (rows a step, 0 for all), lr,
localization, weight_decay, nbeta, chains, draws, burnin, seed, rmsprop (the preconditioned sampler) and stored (version
2's `llc`, with its store of all losses and its mean over the burn-in too, instead of its single chains).  The answer
is JSON: `estimate`, CPU `seconds` without imports and reading, `start` = L at the starting point.  Needs NumPy, torch
and devinterp, and nothing of lemmata.
"""

import json
import math
import os
import shutil
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TQDM_DISABLE"] = "1"  # bars cost time

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

VERSION = version("devinterp")
FIRST = VERSION.startswith("1.")
EPOCH = 1000  # times that the whole data are offered before a loader starts again

if FIRST:
    from devinterp.optim import SGLD, SGMCMC
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
else:
    import datasets
    from devinterp.optim import SGMCMC
    from devinterp.slt.llc import llc
    from devinterp.slt.sampler import sample_single_chain


class Chain(nn.Module):
    """A chain of linear layers that shows its observed units, the last ones of each layer."""

    def __init__(self, layers: list[np.ndarray], observed: list[int]):
        super().__init__()
        self.layers = nn.ParameterList([nn.Parameter(torch.tensor(w, dtype=torch.float32)) for w in layers])
        self.observed = observed

    def forward(self, x: Tensor) -> Tensor:
        seen = []
        for weight, count in zip(self.layers, self.observed, strict=True):
            x = x @ weight.T
            if count:
                seen.append(x[:, x.shape[1] - count :])
        return seen[0] if len(seen) == 1 else torch.cat(seen, 1)


class Rows(Dataset):
    """Rows by lists of indices or, `whole`, all of them under every index: nothing is collated one by one."""

    def __init__(self, x: Tensor, y: Tensor, whole: bool):
        self.x, self.y, self.whole = x, y, whole

    def __len__(self) -> int:
        return EPOCH if self.whole else len(self.x)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        return (self.x, self.y) if self.whole else (self.x[indices], self.y[indices])


class Tokens(Dataset):
    """The same for version 2, whose batches are dictionaries; it collates, so that a row is an index alone."""

    def __init__(self, rows: int):
        self.ids = torch.arange(rows).repeat_interleave(2).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[index]}


def same(batch: Any) -> Any:
    """A batch as the data set gave it."""
    return batch


class Problem:
    """The model at its start, the data, and the loss."""

    def __init__(self, file: str, batch: int):
        with np.load(file, allow_pickle=False) as data:
            layers = [data[f"w{k}"] for k in range(1, len(data["observed"]) + 1)]
            self.model = Chain(layers, data["observed"].tolist())
            self.x, self.y = (torch.tensor(data[name], dtype=torch.float32) for name in ("x", "y"))
            self.count, self.constant = int(data["count"]), float(data["constant"])
        self.batch = min(batch, len(self.x)) or len(self.x)
        self.whole = self.batch == len(self.x)

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        squares = 0.5 * (model(x) - y).square().sum()
        return (squares + self.constant) / self.count if self.whole else squares / len(x)

    def losses(self, model: nn.Module, ids: Tensor) -> Tensor:
        """What version 2 asks for, a loss a "token", (rows, 1): the rows are named by their tokens."""
        if self.whole:
            return self.loss(model, self.x, self.y).reshape(1, 1)
        here = ids[:, 0]
        return 0.5 * (model(self.x[here]) - self.y[here]).square().sum(1, keepdim=True)

    def start(self) -> float:
        """L at the starting point, on all data."""
        with torch.no_grad():
            total = 0.5 * (self.model(self.x) - self.y).square().sum(dtype=torch.float64)
        return (float(total) + self.constant) / self.count


def first(problem: Problem, given: dict[str, Any]) -> tuple[float, np.ndarray]:
    """devinterp 1: `estimate_learning_coeff_with_summary`, the baseline on all data."""
    rows = Rows(problem.x, problem.y, problem.whole)
    size = 1 if problem.whole else problem.batch
    found = estimate_learning_coeff_with_summary(
        problem.model,
        DataLoader(rows, batch_size=size, shuffle=not problem.whole, collate_fn=same),
        evaluate=lambda model, data: (problem.loss(model, *data), {}),
        sampling_method=SGMCMC.rmsprop_sgld if given["rmsprop"] else SGLD,
        optimizer_kwargs={name: given[name] for name in ("lr", "localization", "weight_decay", "nbeta")},
        num_draws=given["draws"],
        num_chains=given["chains"],
        num_burnin_steps=given["burnin"],
        init_loss=problem.start(),
        seed=given["seed"],
        verbose=False,
    )
    return float(found["llc/mean"]), np.asarray(found["loss/trace"])


def second(problem: Problem, given: dict[str, Any]) -> tuple[float, np.ndarray]:
    """devinterp 2 by its single chains, which store nothing, the baseline on all data."""
    trace = np.full((given["chains"], given["draws"]), math.nan)  # a chain that fails ends early

    def keep(loss: Tensor, draw: int, chain: int, **_: Any) -> None:
        trace[chain, draw] = loss.mean()

    for chain in range(given["chains"]):
        sample_single_chain(
            problem.model,
            Tokens(1 if problem.whole else len(problem.x)),
            evaluate=lambda model, batch: (problem.losses(model, batch["input_ids"]), {}),
            param_masks={name: None for name, _ in problem.model.named_parameters()},
            num_draws=given["draws"],
            num_burnin_steps=given["burnin"],
            sampling_method=SGMCMC.rmsprop_sgld if given["rmsprop"] else SGMCMC.sgld,
            sampling_method_kwargs={name: given[name] for name in ("lr", "localization", "weight_decay", "nbeta")},
            chain=chain,
            seed=given["seed"] + chain,
            dataloader_seed=given["seed"] + chain,
            callbacks=[keep],
            batch_size=1 if problem.whole else problem.batch,
        )
    return given["nbeta"] * (float(trace.mean()) - problem.start()), trace


def second_stored(problem: Problem, given: dict[str, Any]) -> tuple[float, np.ndarray]:
    """devinterp 2: `llc` as its README calls it, without observables."""
    rows = 1 if problem.whole else len(problem.x)
    ids = {"input_ids": np.repeat(np.arange(rows), 2).reshape(-1, 2)}
    folder = tempfile.mkdtemp()
    try:
        found = llc(
            problem.model,
            datasets.Dataset.from_dict(ids).with_format("torch"),
            {},
            lr=given["lr"],
            n_beta=given["nbeta"],
            loss_fn=problem.losses,
            num_chains=given["chains"],
            num_draws=given["draws"],
            num_burnin_steps=given["burnin"],
            batch_size=1 if problem.whole else problem.batch,
            init_seed=given["seed"],
            localization=given["localization"],
            llc_weight_decay=given["weight_decay"],
            sampling_method="rmsprop_sgld" if given["rmsprop"] else "sgmcmc_sgld",
            device="cpu",
            output_path=Path(folder) / "samples.zarr",
        )
        return float(found["llc_mean"]), np.asarray(found["loss_trace"].load())[:, given["burnin"] :]
    finally:
        shutil.rmtree(folder)


def answer(asked: dict[str, Any]) -> dict[str, float]:
    """One request; an estimate that the library refused is NaN."""
    problem = Problem(asked["data"], asked["batch"])
    estimate = first if FIRST else second_stored if asked["stored"] else second
    begin = process_time()
    try:
        value, trace = estimate(problem, asked)
    except RuntimeError:  # version 1 where a loss is no number
        value, trace = math.nan, np.full((asked["chains"], asked["draws"]), math.nan)
    seconds = process_time() - begin
    np.save(asked["trace"], trace, allow_pickle=False)
    return {"estimate": value, "seconds": seconds, "start": problem.start()}


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # both versions announce what they leave to the caller
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"devinterp": VERSION, "torch": torch.__version__}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
