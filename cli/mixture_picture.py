"""A Gaussian mixture seen along its first principal directions, beside the overlap of its pairs."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..theory.entropy import GaussianMixture

Array = NDArray[np.float64]

DECADES = 8.0  # of pair gaps that the colours tell apart
LINKED = 4.0  # decades below the largest in which a pair is joined by a line
LINKS = 400  # such pairs at most
NUMBERED = 30  # components with a number beside them
WRITTEN = 8  # components with their pair gaps written out
GRID = 240
NEUTRAL = "0.35"
PAPER = "0.93"  # where there is no pair


def pair_colours(pairs: Array) -> Any:
    """The scale of log₁₀ g_kj: the eight decades below the largest, from light to dark."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    finite = pairs[np.isfinite(pairs)]
    high = float(finite.max()) if finite.size else 0.0
    low = max(float(finite.min()), high - DECADES) if finite.size else -1.0
    if high - low < 0.5:  # a single pair, or all alike
        low = high - 0.5
    shades = colormaps["magma_r"](np.linspace(0.03, 0.85, 256))  # neither white nor black
    return ScalarMappable(Normalize(low, high), ListedColormap(shades))


def draw_mixture(mixture: "GaussianMixture", pairs: Array, colours: Any, ax: Any) -> None:
    """The density with each component in it: curves on a line, otherwise ellipses along two principal directions.

    `pairs` is log₁₀ g_kj; components whose pair gap is within four decades of the largest are joined by a line.
    """
    if mixture.dimension == 1:
        _draw_line(mixture, ax)
    else:
        _draw_plane(mixture, pairs, colours, ax)


def draw_pairs(pairs: Array, colours: Any, ax: Any) -> None:
    """The matrix of log₁₀ g_kj with its scale."""
    K = len(pairs)
    if K == 1:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "one component:\nno pair, no gap", ha="center", va="center", transform=ax.transAxes)
        return
    ax.set_title("what each pair adds to the gap")
    ax.set_facecolor(PAPER)
    ax.imshow(np.ma.masked_invalid(pairs), norm=colours.norm, cmap=colours.cmap, interpolation="nearest")
    below = np.isfinite(pairs) & (pairs < colours.norm.vmin)
    ax.figure.colorbar(
        colours, ax=ax, label="log₁₀ of the pair gap $g_{kj}$ in nats", extend="min" if below.any() else "neither"
    )
    ax.set_xlabel("component")
    ax.set_ylabel("component")
    if K <= NUMBERED:
        ax.set_xticks(range(K))
        ax.set_yticks(range(K))
    if K <= WRITTEN:
        for k, j in zip(*np.nonzero(np.isfinite(pairs)), strict=True):
            dark = colours.norm(pairs[k, j]) > 0.5
            ax.text(j, k, _short(pairs[k, j]), ha="center", va="center", color="white" if dark else "black", size=8)


def _short(log10: float) -> str:
    if log10 > -3:
        return f"{10**log10:.2g}"
    return f"{10**log10:.1e}" if log10 > -300 else f"1e{log10:.0f}"


def _draw_line(mixture: "GaussianMixture", ax: Any) -> None:
    centres = mixture.means[:, 0]
    widths = np.sqrt([mixture.covariance(k)[0, 0] for k in range(mixture.components)])
    low, high = (centres - 4 * widths).min(), (centres + 4 * widths).max()
    # nodes near every mean too, or narrow components would be missed
    near = (centres[:, None] + widths[:, None] * np.linspace(-4, 4, 81)).ravel()
    x = np.unique(np.concatenate([np.linspace(low, high, 800), near]))
    parts = np.exp(-0.5 * ((x - centres[:, None]) / widths[:, None]) ** 2)
    parts *= (mixture.weights / widths / np.sqrt(2 * np.pi))[:, None]
    for k, part in enumerate(parts):
        seen = part > 1e-4 * part.max()
        ax.fill_between(x[seen], part[seen], alpha=max(0.08, 0.35 / len(parts) ** 0.3), color=f"C{k % 10}", linewidth=0)
    density = parts.sum(0)
    ax.plot(x, density, color="black", linewidth=1.2)
    if len(parts) <= NUMBERED:
        for k, height in enumerate(np.interp(centres, x, density)):
            ax.annotate(str(k), (centres[k], height), (0, 3), textcoords="offset points", ha="center")
    ax.set_xlim(low, high)
    ax.set_ylim(0, 1.08 * density.max())
    ax.set_xlabel("x")
    ax.set_ylabel("density")
    ax.set_title("the mixture and its components")


def _draw_plane(mixture: "GaussianMixture", pairs: Array, colours: Any, ax: Any) -> None:
    from matplotlib.collections import LineCollection

    axes, shares = _principal_directions(mixture)
    centres = mixture.means @ axes
    covs = np.array([axes.T @ mixture.covariance(k) @ axes for k in range(mixture.components)])
    spreads = np.sqrt(np.diagonal(covs, axis1=1, axis2=2))
    low, high = (centres - 3 * spreads).min(0), (centres + 3 * spreads).max(0)
    middle, reach = (low + high) / 2, max(high - low) / 2
    low, high = middle - reach, middle + reach
    density = _density(mixture.weights, centres, covs, low, high)
    extent = (low[0], high[0], low[1], high[1])
    ax.imshow(np.sqrt(density), extent=extent, origin="lower", cmap="Blues", vmax=1.6 * np.sqrt(density.max()))
    turn = np.linspace(0, 2 * np.pi, 73)
    rings = centres[:, None] + (np.linalg.cholesky(covs) @ [np.cos(turn), np.sin(turn)]).transpose(0, 2, 1)
    thin = 0.9 if mixture.components <= NUMBERED else 0.4
    ax.add_collection(LineCollection(list(rings), colors=NEUTRAL, linewidths=thin))
    first, second = _links(pairs)
    if len(first):
        levels = colours.norm(pairs[first, second])
        lines = list(np.stack([centres[first], centres[second]], 1))
        widths = (0.4 + 2.2 * levels**2) * (1.0 if mixture.components <= NUMBERED else 0.3)
        ax.add_collection(LineCollection(lines, colors=colours.cmap(levels), linewidths=widths))
    sizes = 6 + 60 * mixture.weights / mixture.weights.max()
    ax.scatter(
        *centres.T, s=sizes if mixture.components <= NUMBERED else sizes / 4, color="black", zorder=3, linewidths=0
    )
    if mixture.components <= NUMBERED:
        for number, centre in enumerate(centres):
            ax.annotate(str(number), centre, (5, 5), textcoords="offset points", zorder=4)
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_xlabel(f"first principal direction ({shares[0]:.0%} of the variance)")
    ax.set_ylabel(f"second ({shares[1]:.0%})")
    ax.set_title("the mixture, one standard deviation around each mean")


def _links(pairs: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs to be joined, the largest gap last and so on top."""
    first, second = np.triu_indices(len(pairs), 1)
    logs = pairs[first, second]
    order = np.argsort(-logs)[:LINKS]
    order = order[logs[order] >= logs.max(initial=-np.inf) - LINKED][::-1]
    return first[order], second[order]


def _principal_directions(mixture: "GaussianMixture") -> tuple[Array, Array]:
    """The first two as columns, (m, 2), and their shares of the variance."""
    centred = mixture.means - mixture.weights @ mixture.means
    total = (mixture.weights * centred.T) @ centred
    for k, weight in enumerate(mixture.weights):
        total += weight * mixture.covariance(k)
    values, vectors = np.linalg.eigh(total)
    return vectors[:, :-3:-1], values[:-3:-1] / values.sum()


def _density(weights: Array, centres: Array, covs: Array, low: Array, high: Array) -> Array:
    """The projected mixture on a grid of cells, (GRID, GRID)."""
    x, y = (np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True))
    out = np.zeros((GRID, GRID))
    for weight, centre, cov in zip(weights, centres, covs, strict=True):
        inverse = np.linalg.inv(cov)
        u, v = x - centre[0], (y - centre[1])[:, None]
        squares = inverse[0, 0] * u**2 + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v**2
        out += weight * np.exp(-0.5 * squares) / (2 * np.pi * np.sqrt(np.linalg.det(cov)))
    return out
