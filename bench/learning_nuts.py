"""How many times more effective draws of K per CPU second than NUTS does the Gibbs sampler give, and do they agree?

    python bench/learning_nuts.py [--draws 500] [--target 0.8] [--seeds 5] [--seed 0] [--json FILE]

Both sample the same posterior ∝ exp(−βE(w)) N(w; 0, I) in float64: noise-free at β = n, and of one data set at
β = 1/log n, from the same sufficient statistics.  NUTS is NumPyro's with its default settings, with a diagonal and with
a dense mass matrix: 4 chains one after the other, as many steps of adaptation as draws.  The effective sample size is
ArviZ's, of the raw energy βE, for both.  Without NumPyro the script says so and does nothing.
"""

import answer

# isort: split
import os
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np

from lemmata.sim.learning import Posterior, diagnose, draw_data, from_data, population, sample
from lemmata.sim.learning.batch_means import mean_with_error
from lemmata.sim.learning.smoothing import smoothed_energy
from lemmata.theory.learning.network import partial_concept_bottleneck_truth, reduced_rank_truth
from lemmata.theory.streams import stream

CHAINS, SWEEPS, WARMUP = 64, 4000, 200  # of the Gibbs sampler
NUTS_CHAINS = 4
TRUTHS = {
    "reduced rank (3, 3, 4, 1)": reduced_rank_truth(3, 3, 4, 1),
    "partial bottleneck (3, 2, 2, 5, 2, 1)": partial_concept_bottleneck_truth(3, 2, 2, 5, 2, 1),
}
SAMPLE_SIZES = (1000, 10_000)

COLUMNS = {
    "posterior": "",
    "mean of βE, Gibbs": "",
    "NUTS": "",
    "difference / error": ".1f",
    "mass": "",
    "R-hat": ".4f",
    "divergent %": ".2f",
    "leapfrogs a draw": ".0f",
    "Gibbs ESS/s": ".0f",
    "NUTS ESS/s": ".0f",
    "ratio": ".0f",
    "ratio, smoothed": ".0f",
}


@dataclass(frozen=True)
class Run:
    """Raw energies (chains, draws), CPU seconds, and what else there is to say."""

    raw: np.ndarray
    seconds: float
    divergent: float = 0.0
    leapfrogs: float = 0.0

    @property
    def rate(self) -> float:
        """Effective draws per CPU second."""
        return diagnose(self.raw).effective / self.seconds


def posteriors(seed: int) -> list[tuple[str, Posterior, float]]:
    """Name, posterior and β of what is sampled."""
    out = []
    for name, truth in TRUTHS.items():
        out += [(f"{name}, β = n = {n}, no noise", population(truth), float(n)) for n in SAMPLE_SIZES]
        for n in SAMPLE_SIZES:
            data = draw_data(truth, n, stream(seed, "nuts", name, n))
            given = from_data(truth.network, data.inputs, data.observations)
            out.append((f"{name}, {n} data, β = 1/log n", given, 1.0 / float(np.log(n))))
    return out


def gibbs(posterior: Posterior, beta: float, rng: np.random.Generator) -> tuple[Run, Any]:
    """Raw energies, warm-up included in the seconds, and the smoothed mean of the same draws."""
    seen, seconds = answer.timed(lambda: sample(posterior, beta, rng=rng, sweeps=SWEEPS, chains=CHAINS, warmup=WARMUP))
    return Run(seen.energy[0], seconds), mean_with_error(smoothed_energy(seen)[0], "smoothed")


def nuts(posterior: Posterior, beta: float, dense: bool, draws: int, target: float) -> Callable[[int], Run]:
    """NumPyro's sampler of the same density, compiled: a function of the seed that adapts, then times the draws."""
    import jax
    import jax.numpy as jnp
    import numpyro
    from numpyro.distributions import Normal

    numpyro.enable_x64()
    widths, observed = posterior.network.widths, posterior.network.observed
    names = [f"layer{k}" for k in range(1, len(widths))]

    def energy(layers: list[Any]) -> Any:
        """βE of layers (..., h_l, h_{l−1}), NumPy's or JAX's."""
        total, product = 0.0, np.diag(posterior.design)
        for weights, seen, wanted in zip(layers, observed, posterior.targets, strict=True):
            product = weights @ product
            rows = product[..., product.shape[-2] - seen :, :]
            total = total + 0.5 * beta * ((rows - wanted) ** 2).sum((-2, -1))
        return total

    def model() -> None:
        shapes = zip(names, widths[1:], widths, strict=False)
        prior = Normal(0.0, posterior.prior_scale)
        layers = [numpyro.sample(name, prior.expand([a, b]).to_event(2)) for name, a, b in shapes]
        numpyro.factor("likelihood", -energy([jnp.asarray(w) for w in layers]))

    kernel = numpyro.infer.NUTS(model, dense_mass=dense, target_accept_prob=target)

    def step(state: Any, _: None) -> tuple[Any, Any]:
        state = kernel.sample(state, (), {})
        return state, (state.z, state.diverging, state.num_steps)

    def start(seed: int, chain: int) -> Any:
        return kernel.init(jax.random.PRNGKey(NUTS_CHAINS * seed + chain), draws, None, (), {})

    # the first `draws` steps after a start adapt, all later ones do not: one compiled function serves both
    advance = jax.jit(lambda state: jax.lax.scan(step, state, None, length=draws)).lower(start(0, 0)).compile()

    def run(seed: int) -> Run:
        adapted = [jax.block_until_ready(advance(start(seed, k)))[0] for k in range(NUTS_CHAINS)]
        kept, seconds = answer.timed(lambda: [jax.block_until_ready(advance(state))[1] for state in adapted])
        raw = energy([np.stack([np.asarray(chain[0][name]) for chain in kept]) for name in names])
        divergent, leapfrogs = (float(np.mean([chain[k] for chain in kept])) for k in (1, 2))
        return Run(raw, seconds, divergent, leapfrogs)

    return run


def rows_of(name: str, posterior: Posterior, beta: float, asked: Namespace) -> list[dict[str, object]]:
    """Both mass matrices against the Gibbs sampler at one posterior."""
    ours = [gibbs(posterior, beta, stream(asked.seed, "nuts", name, k)) for k in range(asked.seeds)]
    rate = median(run.rate for run, _ in ours)
    # the draws of raw energy that would know the mean as well as the smoothed energy does
    smoothed = median(float(run.raw.var()) / mean.error**2 / run.seconds for run, mean in ours)
    exact = float(np.mean([mean.mean for _, mean in ours]))
    error = float(np.sqrt(np.sum([mean.error**2 for _, mean in ours]))) / len(ours)
    rows = []
    for mass in ("diagonal", "dense"):
        run = nuts(posterior, beta, mass == "dense", asked.draws, asked.target)
        theirs = [run(asked.seed + k) for k in range(asked.seeds)]
        together = np.concatenate([seen.raw for seen in theirs])
        known, slow = diagnose(together), median(seen.rate for seen in theirs)
        values = (
            name,
            f"{exact:.4f} ± {error:.4f}",
            f"{together.mean():.3f} ± {known.error:.3f}",
            float((together.mean() - exact) / np.hypot(known.error, error)),
            mass,
            known.r_hat,
            100 * float(np.mean([seen.divergent for seen in theirs])),
            float(np.mean([seen.leapfrogs for seen in theirs])),
            rate,
            slow,
            rate / slow,
            smoothed / slow,
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--draws", type=int, default=500, help="of each NUTS chain, after as many of adaptation")
    parser.add_argument("--target", type=float, default=0.8, help="acceptance that NUTS adapts its step to")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each sampler (default 5)")
    asked = parser.parse_args()
    if find_spec("numpyro") is None:
        print("NumPyro is not installed: pip install 'lemmata[bench]' brings it; nothing was run.")
        return
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # read by JAX
    sample(population(reduced_rank_truth(2, 2, 2, 1)), 10.0, rng=stream(0), sweeps=10, chains=2)  # compiles
    rows = [row for case in posteriors(asked.seed) for row in rows_of(*case, asked)]
    notes = (
        f"ESS/s: ArviZ's effective sample size of the raw energy βE per CPU second, median of {asked.seeds} runs. "
        f"Gibbs: {CHAINS} chains of {SWEEPS} sweeps, its {WARMUP} sweeps of warm-up included. NUTS: {NUTS_CHAINS} "
        f"chains of {asked.draws} draws, its {asked.draws} steps of adaptation and its compilation not included, "
        f"target acceptance {asked.target}, trees to depth 10, float64.",
        f"Means, R-hat and divergences are over all {asked.seeds} runs; the Gibbs mean is that of the smoothed energy.",
        "Ratio: of the two rates. Smoothed: the same with the raw draws that would know the mean as well as the "
        "smoothed energy does.",
        f"The smallest ratio is {min(float(str(row['ratio'])) for row in rows):.0f}, the largest difference of the "
        f"means {max(abs(float(str(row['difference / error']))) for row in rows):.1f} standard errors.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
