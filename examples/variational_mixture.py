"""Fit a mixture of Gaussians to a posterior with two modes, with an entropy term that is bounded instead of sampled.

    python examples/variational_mixture.py [--plot FILE]        # less than a minute on one core

The diabetes data of Efron et al. 2004 (in scikit-learn, no download), 442 patients, ten inputs.  The model is a neural
network with one hidden unit, a tanh(w x + b) + c, with Gaussian noise and Gaussian priors.  Turning the signs of w, b
and a changes nothing, so that every mode of the posterior over the 14 parameters has a mirror image.

Variational inference maximises E_q log p(data, parameters) + H[q] over mixtures q.  The first term is averaged over
draws.  The entropy H of a mixture has no closed form, and three things are put in its place:

    bound     H̃ minus the least upper bound on its gap: never above H, no densities of q at all
    sampled   the mean of -log q over the same draws: right on average, but noisy, and K² densities a draw
    no gap    H̃ itself: costs nothing, but overstates H where components overlap, by up to log K

The table: E_q log p + H[q] of the fitted q, judged afresh; what the objective claimed over the last steps; a certified
interval of the gap H̃ - H; the mean log density of unseen outcomes; how many densities of components of q the entropy
term evaluated; time.  The bound and the samples lead to the same q.  The bound evaluates no density and has no noise,
but it saves no time here: the pair integrals of so small a mixture cost more than its densities.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor

from lemmata.accel import entropy
from lemmata.accel.entropy import TorchMixture

COMPONENTS, DRAWS, TRAINING = 4, 16, 300
INPUTS = 10
SIZE = INPUTS + 4  # w, b, a, c and the logarithm of the noise

Term = Callable[[TorchMixture, Tensor], Tensor]
TERMS: dict[str, Term] = {
    "bound": lambda q, points: entropy.approximate_entropy(q) - entropy.gap_bounds(q).upper,
    "sampled": entropy.monte_carlo_entropy,
    "no gap": lambda q, points: entropy.approximate_entropy(q),
}


def standardised() -> tuple[Tensor, Tensor]:
    """Inputs (442, 10) and outputs (442,), of mean 0 and variance 1, in random order."""
    inputs, outputs = (torch.tensor(part) for part in load_diabetes(return_X_y=True))
    order = torch.randperm(len(outputs), generator=torch.Generator().manual_seed(0))
    return tuple(((part - part.mean(0)) / part.std(0))[order] for part in (inputs, outputs))


def log_likelihood(parameters: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
    """log p(y | x, parameters), (n, data), for parameters (n, 14)."""
    w, (b, a, c, log_noise) = parameters[:, :INPUTS], parameters[:, INPUTS:, None].unbind(1)
    residuals = (outputs - a * torch.tanh(w @ inputs.T + b) - c) / log_noise.exp()
    return -0.5 * residuals**2 - log_noise - 0.5 * math.log(2 * math.pi)


def log_joint(parameters: Tensor, inputs: Tensor, outputs: Tensor) -> Tensor:
    """log p(data, parameters), (n,), with standard normal priors."""
    prior = -0.5 * parameters.square().sum(1) - 0.5 * SIZE * math.log(2 * math.pi)
    return log_likelihood(parameters, inputs, outputs).sum(1) + prior


@dataclass(frozen=True)
class Fit:
    """A fitted q, and the entropy term and the whole objective after every step."""

    mixture: TorchMixture
    terms: list[float]
    objective: list[float]
    seconds: float


def fit(term: Term, inputs: Tensor, outputs: Tensor, steps: int, seed: int) -> Fit:
    """Adam on logits, means and Cholesky factors; the components start as two pairs of mirror images."""
    generator = torch.Generator().manual_seed(seed)
    means = 0.3 * torch.randn(COMPONENTS // 2, SIZE, dtype=torch.float64, generator=generator)
    signs = torch.ones(SIZE, dtype=torch.float64)
    signs[: INPUTS + 2] = -1  # of w, b and a
    logits = torch.zeros(COMPONENTS, dtype=torch.float64, requires_grad=True)
    means = torch.cat([means, means * signs]).requires_grad_()
    raw = (-2 * torch.eye(SIZE, dtype=torch.float64)).repeat(COMPONENTS, 1, 1).requires_grad_()
    optimiser = torch.optim.Adam([logits, means, raw], lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    terms, objective, begin = [], [], time.perf_counter()
    for _ in range(steps):
        factors = raw.tril(-1) + torch.diag_embed(raw.diagonal(dim1=1, dim2=2).exp())
        q = TorchMixture(logits.softmax(0), means, factors)
        points = entropy.draw_points(q, DRAWS, generator=generator)
        fitting = q.weights @ log_joint(points.flatten(0, 1), inputs, outputs).reshape(COMPONENTS, -1).mean(1)
        bonus = term(q, points)
        optimiser.zero_grad()
        (-fitting - bonus).backward()
        optimiser.step()
        schedule.step()
        terms.append(bonus.item())
        objective.append(fitting.item() + bonus.item())
    return Fit(q.detach(), terms, objective, time.perf_counter() - begin)


@torch.no_grad()
def judge(name: str, seen: Fit, data: tuple[Tensor, Tensor], unseen: tuple[Tensor, Tensor], draws: int) -> None:
    """Print what q is worth: many draws for the first term, a certified interval for the entropy."""
    q, generator = seen.mixture, torch.Generator().manual_seed(1)
    points = entropy.draw_points(q, draws, generator=generator)
    logs = torch.stack([log_joint(part, *data) for part in points])
    predicted = torch.stack([log_likelihood(part, *unseen).logsumexp(0) - math.log(draws) for part in points])
    gap = entropy.estimate_gap(q, 1e-3, generator=generator)
    objective, error = q.weights @ logs.mean(1) + gap.entropy.mean, (q.weights**2 @ logs.var(1) / draws).sqrt()
    score = (q.weights.log()[:, None] + predicted).logsumexp(0).mean()
    claimed = sum(seen.objective[-50:]) / len(seen.objective[-50:])
    densities = len(seen.terms) * DRAWS * COMPONENTS**2 if name == "sampled" else 0
    print(
        f"{name:<12}  {objective:.3f} ± {error:.3f}  {claimed:8.2f}  [{gap.interval[0]:.4f}, {gap.interval[1]:.4f}]  "
        f"{score:7.4f}   {densities:13,}   {seen.seconds:7.1f}"
    )


def draw(fits: dict[str, Fit], axes: list) -> None:
    """The entropy term of the last steps, and draws from the fitted mixture in two of its 14 coordinates."""
    for name, seen in fits.items():
        last = len(seen.terms) // 4
        axes[0].plot(range(len(seen.terms) - last, len(seen.terms)), seen.terms[-last:], label=name, linewidth=0.9)
    axes[0].set(xlabel="step", ylabel="entropy term (nats)", title="The term in the last quarter of the steps")
    axes[0].legend()
    q = fits["bound"].mixture
    for k, part in enumerate(entropy.draw_points(q, 1000, generator=torch.Generator().manual_seed(2))):
        some = part[: math.ceil(1000 * q.weights[k])]
        axes[1].scatter(some[:, 2], some[:, INPUTS + 1], s=4, label=f"component {k}, weight {q.weights[k]:.3f}")
    axes[1].set(xlabel="weight of the body mass index", ylabel="a", title="1000 draws of the fitted mixture")
    axes[1].legend()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="save a picture there")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=4000, help="draws of a component to judge by")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the network is small: more threads only wait for each other

    inputs, outputs = standardised()
    data, unseen = (inputs[:TRAINING], outputs[:TRAINING]), (inputs[TRAINING:], outputs[TRAINING:])
    print(f"{len(data[1])} patients to learn from, {len(unseen[1])} unseen; {options.steps} steps of {DRAWS} draws\n")
    print("entropy term  objective          claimed   gap of q          unseen   densities of q   seconds")
    fits = {}
    for name, term in TERMS.items():
        fits[name] = fit(term, *data, options.steps, options.seed)
        judge(name, fits[name], data, unseen, options.draws)
    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 4.5), layout="constrained")
        draw(fits, list(figure.subplots(1, 2)))
        figure.suptitle("Diabetes: a mixture posterior of a network with one hidden unit")
        figure.savefig(options.plot, dpi=150)
        print(f"\npicture saved to {options.plot}")


if __name__ == "__main__":
    main()
