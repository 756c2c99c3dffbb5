"""What a comparison of models says: every candidate's scores and posterior weights, and which one they choose."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Model = TypeVar("Model")

LONGEST = 24  # rows of the printed table; of more candidates it shows the best
WIDEST = 12  # candidates in a picture
LIGHT_TONE, MIDDLE_TONE, DARK_TONE = "#a9b2bf", "#4c78a8", "#1f2a44"  # told apart in grey too
LINE_TONE = "#dfe3e8"


@dataclass(frozen=True, eq=False)
class Selection(Generic[Model]):
    """Candidates fitted to the same n data, simplest first; scores estimate log marginal likelihoods, in nats.

    Attributes
    ----------
    candidates : (I,)
        What is compared: ranks, `ConceptModel`s, or numbers.
    n : int
    log_likelihood : (I,)
        The maximum ℓ_i of each candidate.
    coefficient : (I,) Fractions
        λ_ii, half the number of free parameters where candidate i is regular.
    bic : (I,)
        ℓ_i − λ_ii log n.
    singular_bic : (I,)
        log L_i of `singular_bic`.
    log_prior : (I,)
        Normalised log prior weights log P_i.
    wbic, wbic_error : (I,), optional
        Minus the widely applicable BIC, so that larger is better here too, and its standard error: they need a
        simulation, and are None where none was run.

    Weights are ∝ P_i exp(score_i); the chosen candidate is the one of largest weight (the largest score, with equal
    prior weights), the earlier one of two that tie.
    """

    candidates: tuple[Model, ...]
    n: int
    log_likelihood: NDArray[np.float64]
    coefficient: tuple[Fraction, ...]
    bic: NDArray[np.float64]
    singular_bic: NDArray[np.float64]
    log_prior: NDArray[np.float64]
    wbic: NDArray[np.float64] | None = None
    wbic_error: NDArray[np.float64] | None = None

    @property
    def bic_weight(self) -> NDArray[np.float64]:
        """(I,) posterior weights under plain BIC."""
        return self._weight(self.bic)

    @property
    def singular_bic_weight(self) -> NDArray[np.float64]:
        """(I,) posterior weights under singular BIC."""
        return self._weight(self.singular_bic)

    @property
    def wbic_weight(self) -> NDArray[np.float64] | None:
        """(I,) posterior weights under WBIC, None where it was not simulated."""
        return None if self.wbic is None else self._weight(self.wbic)

    @property
    def chosen(self) -> Model:
        """The candidate that singular BIC chooses."""
        return self._best(self.singular_bic)

    @property
    def chosen_by_bic(self) -> Model:
        """The candidate that plain BIC chooses."""
        return self._best(self.bic)

    @property
    def chosen_by_wbic(self) -> Model | None:
        """The candidate that WBIC chooses, None where it was not simulated."""
        return None if self.wbic is None else self._best(self.wbic)

    def draw(self, ax: Any) -> None:
        """Draw the posterior weights as bars on the Matplotlib axes `ax`: of many candidates, the 12 heaviest."""
        methods = self._methods()
        shown = self._shown(WIDEST)
        height = 0.8 / len(methods)
        for k, (name, score, tone) in enumerate(methods):
            place = np.arange(shown.size) + (k - (len(methods) - 1) / 2) * height
            ax.barh(place, self._weight(score)[shown], height, label=name, color=tone)
        ax.set_xlim(0.0, 1.0)
        ax.set_xlabel("posterior weight")
        self._finish(ax, shown)

    def draw_scores(self, ax: Any) -> None:
        """Draw how far each score lies below the best of its kind, in nats, on the Matplotlib axes `ax`."""
        shown = self._shown(WIDEST)
        place = np.arange(shown.size)
        for (name, score, tone), (marker, size) in zip(self._methods(), (("o", 9), ("s", 5), ("D", 3)), strict=False):
            relative = score + self.log_prior
            ax.plot((relative - relative.max())[shown], place, marker, markersize=size, label=name, color=tone)
        ax.axvline(0.0, color=LINE_TONE, zorder=0)
        ax.grid(axis="y", color=LINE_TONE, linewidth=0.5)
        ax.set_axisbelow(True)
        ax.set_xlabel("log evidence less the best, nats")
        self._finish(ax, shown)

    def __str__(self) -> str:
        shown = self._shown(LONGEST)
        columns = [_column("candidate", [str(self.candidates[i]) for i in shown], str.ljust)]
        columns.append(_column("log-likelihood", [f"{self.log_likelihood[i]:.2f}" for i in shown]))
        columns.append(_column("λ", [str(self.coefficient[i]) for i in shown]))
        for name, score, _ in self._methods():
            weight, error = self._weight(score), self.wbic_error if score is self.wbic else None
            texts = [f"{score[i]:.2f}" + ("" if error is None else f" ± {error[i]:.2f}") for i in shown]
            columns.append(_column(name, texts))
            columns.append(_column("weight", [f"{weight[i]:.3f}" for i in shown]))
        best = [self.chosen == self.candidates[i] for i in shown]
        marks = ["", *("  <- chosen" if chosen else "" for chosen in best)]
        lines = ["  ".join(cells) + mark for *cells, mark in zip(*columns, marks, strict=True)]
        rest = len(self.candidates) - shown.size
        more = f"\n... and {rest} more candidates of smaller weight" if rest else ""
        return "\n".join(line.rstrip() for line in lines) + more

    def _finish(self, ax: Any, shown: NDArray[np.intp]) -> None:
        """The candidates' names downwards, the legend above where it hides nothing."""
        ax.set_yticks(np.arange(shown.size), [str(self.candidates[i]) for i in shown])
        ax.set_ylim(shown.size - 0.5, -0.5)
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, borderaxespad=0.2)

    def _methods(self) -> list[tuple[str, NDArray[np.float64], str]]:
        """Name, scores and tone of each score at hand."""
        out = [("BIC", self.bic, LIGHT_TONE), ("singular BIC", self.singular_bic, MIDDLE_TONE)]
        return out if self.wbic is None else [*out, ("WBIC", self.wbic, DARK_TONE)]

    def _weight(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        log_weight = score + self.log_prior
        return np.asarray(np.exp(log_weight - logsumexp(log_weight)))

    def _best(self, score: NDArray[np.float64]) -> Model:
        return self.candidates[int(np.argmax(score + self.log_prior))]

    def _shown(self, most: int) -> NDArray[np.intp]:
        """Which candidates to show: all in their order, or the best by singular BIC where there are too many."""
        count = len(self.candidates)
        return np.arange(count) if count <= most else np.argsort(-(self.singular_bic + self.log_prior))[:most]


def _column(title: str, texts: list[str], align: Callable[[str, int], str] = str.rjust) -> list[str]:
    width = max(map(len, [title, *texts]))
    return [align(text, width) for text in (title, *texts)]
