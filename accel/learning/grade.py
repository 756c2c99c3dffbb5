"""How far off is an estimator of learning coefficients?  Linear networks know the exact answer."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...theory import _check
from ...theory.learning.coefficient import LearningCoefficient
from ...theory.streams import stream
from .model import ObservedChain, draw_data, squared_error
from .suite import Case, rotated, suite_named

Loss = Callable[[Tensor, Tensor], Tensor]
Estimator = Callable[[torch.nn.Module, Loss, tuple[Tensor, Tensor], Mapping[str, Tensor]], float]
NUMBERS = ("λ", "m", "n", "estimate", "bias", "bias/λ", "s/call", "failed")


@dataclass(frozen=True)
class CaseGrade:
    """What an estimator said about one case at one sample size.

    Attributes
    ----------
    case : str
    exact : LearningCoefficient
        λ and m at the true weights.
    n : int
        Data in each data set.
    estimates : tuple of floats
        One a data set, failures left out.
    failures : tuple of str
        What went wrong, one entry a data set that gave no finite number.
    seconds : tuple of floats
        Wall time of every call, failures included.  Not compared by ==.
    """

    case: str
    exact: LearningCoefficient
    n: int
    estimates: tuple[float, ...]
    failures: tuple[str, ...]
    seconds: tuple[float, ...] = field(compare=False)

    @property
    def mean(self) -> float:
        """Mean estimate; NaN when every call failed."""
        return statistics.fmean(self.estimates) if self.estimates else math.nan

    @property
    def bias(self) -> float:
        """Mean estimate − λ; NaN when every call failed."""
        return self.mean - float(self.exact.value)

    @property
    def spread(self) -> float:
        """Standard deviation from data set to data set; NaN with fewer than two estimates."""
        return statistics.stdev(self.estimates) if len(self.estimates) > 1 else math.nan

    @property
    def error(self) -> float:
        """Standard error of the bias."""
        return self.spread / math.sqrt(len(self.estimates)) if self.estimates else math.nan

    @property
    def time(self) -> float:
        """Mean seconds a call."""
        return statistics.fmean(self.seconds)


@dataclass(frozen=True)
class Grade:
    """The grades of an estimator over a suite; `print` it for a table, `draw` it for a picture."""

    estimator: str
    cases: tuple[CaseGrade, ...]

    @property
    def failures(self) -> int:
        """How many calls gave no finite number."""
        return sum(len(case.failures) for case in self.cases)

    def relative_bias(self, n: int) -> float:
        """Mean of |bias|/λ over the cases at sample size n that gave an estimate; NaN when none did."""
        off = [abs(c.bias) / float(c.exact.value) for c in self.cases if c.n == n and c.estimates]
        return statistics.fmean(off) if off else math.nan

    def draw(self, ax: Any) -> None:
        """Draw estimate/λ, mean and standard deviation, on Matplotlib axes: a row a case, a colour a sample size."""
        names = list(dict.fromkeys(c.case for c in self.cases))
        ns = sorted({c.n for c in self.cases})
        for k, n in enumerate(ns):
            seen = [c for c in self.cases if c.n == n and c.estimates]
            exact = [float(c.exact.value) for c in seen]
            rows = [names.index(c.case) + 0.5 * ((k + 0.5) / len(ns) - 0.5) for c in seen]
            spread = [0.0 if math.isnan(c.spread) else c.spread / v for c, v in zip(seen, exact, strict=True)]
            means = [c.mean / v for c, v in zip(seen, exact, strict=True)]
            ax.errorbar(means, rows, xerr=spread, fmt="o", markersize=4, capsize=2, label=f"n = {n}")
        ax.axvline(1.0, color="black", linewidth=0.8, zorder=0, label="exact")
        ax.grid(axis="x", alpha=0.3)
        exact_of = {c.case: c.exact for c in self.cases}
        failed = {name: sum(len(c.failures) for c in self.cases if c.case == name) for name in names}
        labels = [
            f"{name}\nλ = {exact_of[name].value}, m = {exact_of[name].multiplicity}"
            + (f", {failed[name]} failed" if failed[name] else "")
            for name in names
        ]
        ax.set_yticks(range(len(names)), labels)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel("estimate / exact λ  (mean and standard deviation over data sets)")
        ax.set_title(f"{self.estimator} on networks with known λ")
        ax.legend()

    def __str__(self) -> str:
        rows = [("case", *NUMBERS)] + [_row(case) for case in self.cases]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = []
        for row in rows:
            numbers = [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *numbers]))
        lines.insert(1, "-" * len(lines[0]))
        ns = sorted({c.n for c in self.cases})
        summary = ", ".join(f"{self.relative_bias(n):.1%} at n = {n}".replace("nan%", "none") for n in ns)
        reasons = dict.fromkeys(f"  {c.case}, n = {c.n}: {reason}" for c in self.cases for reason in c.failures)
        foot = [f"mean |bias|/λ of {self.estimator}: {summary}; {self.failures} failed calls"]
        return "\n".join([*lines, *foot, *reasons])


def grade_estimator(
    estimator: Estimator,
    suite: str | Sequence[Case] = "standard",
    *,
    ns: Sequence[int] = (1000, 10000),
    repeats: int = 5,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    name: str | None = None,
    progress: Callable[[str], object] | None = None,
) -> Grade:
    r"""Hold a learning-coefficient estimator against exact values.

    What is graded is the **local** learning coefficient λ(w*) at the weights w* that the estimator is given:

    .. math:: \mathrm{volume}\{w \text{ near } w^* : K(w) < \epsilon\} \sim c\, \epsilon^{\lambda}
        (\log 1/\epsilon)^{m-1}, \qquad \epsilon \to 0

    with K(w) the mean Kullback-Leibler divergence from truth to model.  The suites hold only w* at which it is the
    smallest one, the λ of the theorems (docs/grading, lemma 1), so a method that stays near w* and one that roams the
    whole posterior are asked for the same number.  n is finite: what an estimator misses at n although it samples its
    posterior exactly is part of its bias here.  Estimators with the baseline L_n(w*) are low by about a share 1/log n,
    which two temperatures avoid.

    Parameters
    ----------
    estimator : callable
        Gets a `torch.nn.Module` at the weights w* (its own copy), the loss (`squared_error`, half the squared error
        summed over units and averaged over data: the negative log likelihood), the data (inputs, targets) of shapes
        (n, inputs) and (n, units), and w* as a dict from parameter names to tensors.  It returns a number.
    suite : "standard", "quick" or a sequence of `Case`
    ns : ints >= 3
        Sample sizes.
    repeats : int >= 1
        Data sets of each case and size.
    seed : int >= 0
        Data and true weights (rotated at random, see `rotated`) are drawn from it, and torch is seeded with it before
        every call, so an estimator that draws from torch is graded the same each time.  torch's own state is put back.
    device, dtype : optional
        Of the model and the data.
    name : str, optional
        What to call the estimator in tables; by default its own name.
    progress : callable, optional
        Gets a sentence before each case.

    Returns
    -------
    Grade
        A call that raises an Exception or returns NaN, infinity or no number is a failure; the grading goes on.

    >>> def half_the_parameters(model, loss, data, true_parameters):
    ...     return sum(p.numel() for p in true_parameters.values()) / 2
    >>> grade = grade_estimator(half_the_parameters, "quick", ns=[10], repeats=1)
    >>> {c.case: c.bias for c in grade.cases}["regular, concepts 2-2-4"]
    0.0
    """
    cases = suite_named(suite) if isinstance(suite, str) else tuple(suite)
    if not cases:
        raise ValueError("suite must hold at least one case, got none")
    sizes = _check.integers("ns", ns, 3, 1)
    _check.integer("repeats", repeats, 1)
    grades = []
    for case in cases:
        for n in sizes:
            if progress is not None:
                progress(f"{case.name}, n = {n}")
            calls = [_call(estimator, case, n, (seed, k), device, dtype) for k in range(repeats)]
            grades.append(
                CaseGrade(
                    case.name,
                    case.exact,
                    n,
                    tuple(number for number, _, _ in calls if number is not None),
                    tuple(reason for _, reason, _ in calls if reason),
                    tuple(seconds for _, _, seconds in calls),
                )
            )
    own = getattr(getattr(estimator, "func", estimator), "__name__", type(estimator).__name__)
    return Grade(name or own, tuple(grades))


def _call(
    estimator: Estimator,
    case: Case,
    n: int,
    key: tuple[int, int],
    device: torch.device | str | None,
    dtype: torch.dtype,
) -> tuple[float | None, str, float]:
    """The estimate or None, what went wrong or nothing, and the seconds, of one call on a data set of its own."""
    seed, repeat = key
    rng = stream(seed, "grade", case.name, n, repeat)
    truth = rotated(case.truth, rng)
    data = draw_data(truth, n, rng, device=device, dtype=dtype)
    model = ObservedChain(truth, device=device, dtype=dtype)
    w = {name: p.detach().clone() for name, p in model.named_parameters()}
    where = data[0].device
    forked = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(devices=forked):
        torch.manual_seed(int(rng.integers(2**63)))
        begin = time.perf_counter()
        try:
            number, reason = float(estimator(model, squared_error, data, w)), ""
        except Exception as error:
            number, reason = math.nan, f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - begin
    if math.isfinite(number):
        return number, "", seconds
    return None, reason or f"returned {number}", seconds


def _row(case: CaseGrade) -> tuple[str, ...]:
    """A row of the table; what cannot be said is a dash."""
    spread = "–" if math.isnan(case.spread) else f"{case.spread:.3f}"
    seen = bool(case.estimates)
    return (
        case.case,
        str(case.exact.value),
        str(case.exact.multiplicity),
        str(case.n),
        f"{case.mean:.3f} ± {spread}" if seen else "–",
        f"{case.bias:+.3f}" if seen else "–",
        f"{case.bias / float(case.exact.value):+.1%}" if seen else "–",
        f"{case.time:.2f}",
        str(len(case.failures)),
    )
