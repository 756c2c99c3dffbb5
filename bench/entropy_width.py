"""How narrow are the bracket of a mixture's entropy and the samplers' spread, over random mixtures?

    python bench/entropy_width.py [--mixtures 60] [--draws 20000] [--seed 0] [--json FILE]

The bracket's rivals are that of Kolchinsky and Tracey, [kl_mixture, chernoff_mixture], and the bound from separation
ratios alone, [0, separation_ratio] with the best s of each pair and with s = 1/2.  The spread is what a draw costs: the
standard deviation of one draw over the gap Δ, for -log q and for what the three samplers average.
"""

import answer

# isort: split
import numpy as np

from lemmata.sim.entropy import LabelSampler, OverlapSampler, RemainderSampler, draw_points, log_density
from lemmata.theory.entropy import GaussianMixture, gap_bounds, separation_gap_upper
from lemmata.theory.streams import stream

COMPONENTS = (2, 3, 4, 5, 6)
DIMENSIONS = (1, 8)
SPREADS = (1.0, 8.0)  # of the means: from one heap to well apart
APART = 0.1  # nats: below, a mixture is counted as well apart

COLUMNS = {
    "K": "",
    "mixtures": "d",
    "Δ": ".2g",
    "bracket / Δ": ".2g",
    "Kolchinsky-Tracey / bracket": ".3g",
    "separation, best s / bracket": ".3g",
    "separation, s = ½ / bracket": ".3g",
    "at most half as wide %": ".0f",
    "-log q": ".3g",
    "labels": ".3g",
    "labels, alone": ".3g",
    "overlap": ".3g",
    "remainder": ".3g",
}
MEDIANS = tuple(COLUMNS)[2:7] + tuple(COLUMNS)[8:]


def mixture(rng: np.random.Generator, K: int) -> GaussianMixture:
    """Weights, means and Wishart covariances at random; the spread of the means is uniform in the logarithm."""
    m = int(rng.integers(DIMENSIONS[0], DIMENSIONS[1] + 1))
    spread = np.exp(rng.uniform(*np.log(SPREADS)))
    root = rng.standard_normal((K, m, 2 * m)) / np.sqrt(2 * m)
    means = spread * rng.standard_normal((K, m)) / np.sqrt(2 * m)
    return GaussianMixture(rng.dirichlet(np.full(K, 2.0)), means, root @ root.transpose(0, 2, 1) + 0.05 * np.eye(m))


def measure(q: GaussianMixture, rng: np.random.Generator, draws: int) -> dict[str, float]:
    """One mixture's widths and spreads, by column."""
    bounds = gap_bounds(q)
    width = bounds.upper - bounds.lower + 2 * bounds.relative_rounding * bounds.upper
    rival = bounds.chernoff_mixture - bounds.kl_mixture
    labels = LabelSampler(q).draw(rng, draws)
    pairs, remainders = OverlapSampler(q).draw(rng, draws), RemainderSampler(q)
    rest = remainders.draw(rng, draws)
    gap = remainders.offset - rest.mean()
    error = rest.std() / draws**0.5
    if not bounds.lower * (1 - 1e-9) - 5 * error <= gap <= bounds.upper * (1 + 1e-9) + 5 * error:
        raise SystemExit(f"the gap {gap:g} ± {error:g} lies outside [{bounds.lower:g}, {bounds.upper:g}]")
    points, _ = draw_points(q, draws, rng)
    logs = log_density(q, points)
    spreads = (logs.std(), labels.std() * (2 * q.components) ** 0.5, alone(q, points, logs).std())
    values = (
        gap,
        width / gap,
        *(each / width for each in (rival, separation_gap_upper(q), separation_gap_upper(q, 0.5))),
        *(spread / gap for spread in (*spreads, pairs.std(), rest.std())),
    )
    return {**dict(zip(MEDIANS, values, strict=True)), "wins": float(2 * width <= rival)}


def alone(q: GaussianMixture, points: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The label entropy at each point, without rounds and mirror images."""
    parts = [
        np.log(weight) + log_density(GaussianMixture([1.0], [mean], [cov]), points) - logs
        for weight, mean, cov in zip(q.weights, q.means, q.covariances, strict=True)
    ]
    return -sum(np.exp(part) * part for part in parts)


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--mixtures", type=int, default=60, help="with each number of components (default 60)")
    parser.add_argument("--draws", type=int, default=20_000, help="of each sampler (default 20000)")
    asked = parser.parse_args()
    seen = {}
    for K in COMPONENTS:
        rng = stream(asked.seed, "entropy width", K)
        seen[K] = [measure(mixture(rng, K), rng, asked.draws) for _ in range(asked.mixtures)]
    groups = [(str(K), seen[K]) for K in COMPONENTS]
    more = [each for K in COMPONENTS[1:] for each in seen[K]]
    groups.append(("3 to 6", more))
    groups.append((f"3 to 6, Δ < {APART:g}", [each for each in more if each["Δ"] < APART]))
    groups.append((f"3 to 6, Δ ≥ {APART:g}", [each for each in more if each["Δ"] >= APART]))
    rows = []
    for name, group in groups:
        medians = {column: float(np.median([each[column] for each in group])) for column in MEDIANS}
        share = 100 * float(np.mean([each["wins"] for each in group]))
        rows.append({"K": name, "mixtures": len(group), "at most half as wide %": share, **medians})
    notes = (
        f"Medians over random mixtures in {DIMENSIONS[0]} to {DIMENSIONS[1]} dimensions with full covariances, means "
        f"about {SPREADS[0]:g} to {SPREADS[1]:g} deviations apart.",
        "Bracket: the least upper less the greatest lower of gap_bounds, with its rounding, which is all for K = 2. "
        "Kolchinsky-Tracey: chernoff_mixture - kl_mixture, which are among gap_bounds; last of these columns: how "
        "often the bracket is at most half as wide. Separation: the bound itself, as its lower end is 0.",
        "Last five columns: the standard deviation of one draw over Δ. A value of the label sampler is 2K draws (one "
        "mirrored pair a component): its deviation is given times √(2K); alone: the same label entropy at independent "
        f"draws from the mixture. From {asked.draws} values each; Δ is from the remainder sampler.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
