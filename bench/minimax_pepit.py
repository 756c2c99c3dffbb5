"""Where PEPit answers the same question, what does its worst case say beside the theorem's rate, and what do both cost?

    python bench/minimax_pepit.py [--repeats 5] [--theorem 7] [--seed 0] [--json FILE]

PEPit poses the worst case of a first-order method over a class of functions or operators as a semidefinite program.
Every theorem of docs/minimax that it can pose is posed (peers/pepit_problems.py), with starts scaled to 1, and solved
with the solver that cvxpy takes by default and with Clarabel.  All take turns on one core.  Nothing is random.
"""

import answer

# isort: split
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

if find_spec("PEPit") is None:
    print("PEPit is not installed: pip install 'lemmata[bench]'")
    sys.exit()

import cvxpy
import numpy as np
from peers import pepit_problems as posed
from PEPit import PEP

from lemmata.theory.minimax import (
    descent_bound,
    exact_critic_bound,
    least_gradient_bound,
    mirror_descent_bound,
    mode_rate,
    monotone_steps,
    ncsc_bound,
    optimal_steps,
    single_loop_step,
    update_map,
)

CLOSE, TINY = 1e-6, 1e-8  # relative and absolute, of what Clarabel solves to 1e-8
LONG = 3.0  # CPU seconds: the default solver is timed once where it takes longer
CALLS = 20  # of ours, timed together
POINTS = 65  # of the spectrum, and again between the two neighbours of the worst
LOW, HIGH, RIDGE, MODULUS = 0.25, 1.0, 1.0, 0.5  # s, S, λ, and m of theorem 10
ETA, GAMMA, LAMBDA, TAU = 0.6, 0.5, 0.8, 0.5  # of theorem 11
ERROR, RELAXATION, CONDITION = 0.5, 0.5, 2.0  # e of theorem 7, δ of theorem 21, κ of theorem 20
# SAME: the class of the theorem.  PROOF: all that its proof uses, more than the theorem.  WIDER: contains that class.
SAME, PROOF, WIDER = "the same", "the proof's", "wider"

COLUMNS = {
    "theorem": "",
    "bounded": "",
    "class in PEPit": "",
    "beside ours": "",
    "N": "d",
    "ours": ".6g",
    "PEPit": ".6g",
    "PEPit / ours": ".4f",
    "ρ": ".4f",
    "PEPit, a step": ".4f",
    "gap of the SDP": ".0e",
    "default's error": ".0e",
    "ours s": ".2g",
    "PEPit default s": ".2g",
    "PEPit Clarabel s": ".2g",
    "× ours": ".2g",
}


@dataclass(frozen=True)
class Case:
    """What a theorem says after N steps, and the problem that asks PEPit for it.

    `attained`: a member of the theorem's class reaches ours, so that PEPit must not say less.  `rate`: ρ of a step.
    """

    theorem: str
    bounded: str
    kind: str
    beside: str
    steps: int
    ours: Callable[[], float]
    problem: Callable[[], PEP]
    attained: bool = False
    rate: float | None = None


def slowest(algorithm: str, steps: int, pair: tuple[float, float], span: tuple[float, float], **game: float) -> float:
    """The largest factor of |x_N|² over the modes t in `span`, from the operator of theorem 9; u alone for f_0 = 0."""
    low, high = span
    for _ in range(3):
        grid = np.linspace(low, high, POINTS)
        factors = [factor(algorithm, steps, pair, t, **game) for t in grid]
        worst = int(np.argmax(factors))
        low, high = grid[max(worst - 1, 0)], grid[min(worst + 1, POINTS - 1)]
    return max(factors)


def factor(
    algorithm: str,
    steps: int,
    pair: tuple[float, float],
    t: float,
    ridge: float = 0.0,
    convexity: float = 0.0,
    alone: float = 0.0,
) -> float:
    root = np.sqrt(t)
    one = update_map([[-convexity, -root], [root, -ridge]], 1, algorithm, *pair)
    power = np.linalg.matrix_power(one, steps)
    if alone:
        return float(power[0, 0] ** 2)
    start = np.vstack([np.eye(2)] * (len(power) // 2))  # optimistic starts with no past
    return float(np.linalg.norm(power[:2] @ start, 2) ** 2)


def descents() -> list[Case]:
    """Theorems 7 and 21: L = 1, J_0 - inf J = 1."""
    square, smooth = "mean |∇J|², t < T", "smooth functions"
    found = []
    for n in (1, 5, 10):
        ours = partial(descent_bound, 1.0, 1.0, n)
        found.append(Case("7, h = 1/L", square, smooth, SAME, n, ours, partial(posed.descent, n, 1.0), attained=True))
    for n in (2, 5, 10):
        ours, problem = partial(least_gradient_bound, 1.0, 1.0, n), partial(posed.descent, n, 1.0, least=True)
        found.append(Case("7, least", "least |∇J|², t < T", smooth, SAME, n, ours, problem, attained=True))
    for h in (0.5, 1.5):
        ours = partial(descent_bound, 1.0, 1.0, 5, h)
        found.append(Case(f"7, h = {h:g}/L", square, smooth, SAME, 5, ours, partial(posed.descent, 5, h)))
    ours = partial(descent_bound, 1.0, 1.0, 5, gradient_errors=[ERROR] * 5)
    wrong = partial(posed.descent, 5, 1.0, error=ERROR)
    found.append(Case(f"7, |e| = {ERROR:g}", square, "smooth functions, wrong gradients", SAME, 5, ours, wrong))
    for n in (2, 8):
        step = single_loop_step(1.0, 1.0, 1.0, RELAXATION).step
        lagging = partial(posed.lagging, n, step, RELAXATION, 1.0)
        kind = "smooth functions, lagging critics"
        found.append(Case(f"21, δ = {RELAXATION:g}", square, kind, PROOF, n, partial(single_loop, n), lagging))
    return found


def single_loop(steps: int) -> float:
    return single_loop_step(1.0, 1.0, 1.0, RELAXATION).bound(1.0, steps, 1.0)


def critics() -> list[Case]:
    """Theorems 2, 12, 13 and 20."""
    found = [
        Case(
            "2, λ = 0.5",
            "|Φ - Φ'|² over |m - m'|²",
            "convex functions, proximal step",
            PROOF,
            1,
            lambda: 0.5**-2,
            partial(posed.proximal_critic, 0.5),
            attained=True,
        )
    ]
    excess = "J - min J"
    for n in (1, 5):
        for name, kind, beside in (
            ("convex quadratics", posed.QUADRATIC, SAME),
            ("smooth convex functions", posed.CONVEX, WIDER),
        ):
            ours = partial(exact_critic_bound, 1.0, 1.0, n)
            problem = partial(posed.best_response, n, 1.0, 0.0, 1.0, kind, values=True)
            found.append(Case("12, η = λ/‖T‖", excess, name, beside, n, ours, problem, attained=True))
    for n in (1, 4):
        step = mirror_descent_bound(1.0, n, 1.0).step
        ours = partial(mirror, n)
        kind = "convex, smooth relative to D"
        found.append(Case("13", excess, kind, PROOF, n, ours, partial(posed.mirror, n, step)))
    for n in (2, 5):
        bound = ncsc_bound(1.0, 1 / CONDITION, 1.0, 1.0, n)
        problem = partial(posed.descent_ascent, n, bound.min_step, bound.max_step, CONDITION)
        kind = "conditions of smooth nonconvex-strongly-concave"
        name, square = f"20, κ = {CONDITION:g}", "mean |∇Φ|², t < T"
        found.append(Case(name, square, kind, WIDER, n, partial(ascent, n), problem))
    return found


def mirror(steps: int) -> float:
    return mirror_descent_bound(1.0, steps, 1.0).bound


def ascent(steps: int) -> float:
    return ncsc_bound(1.0, 1 / CONDITION, 1.0, 1.0, steps).bound


def games() -> list[Case]:
    """Theorems 9 to 11: ours is the largest factor over the modes of the theorem, from its operators."""
    found, span = [], (LOW, HIGH)
    step = 2 * RIDGE / (LOW + HIGH)
    rate = mode_rate("alternating", step, 1 / RIDGE, list(span), RIDGE).rate
    ours = partial(responded, 5, step)
    for name, kind, beside in (
        ("quadratics in [s, S]", posed.QUADRATIC, SAME),
        ("smooth strongly convex", posed.CONVEX, WIDER),
    ):
        problem = partial(posed.best_response, 5, step / RIDGE, LOW, HIGH, kind)
        found.append(Case("9, 3: best response", "|u|²", name, beside, 5, ours, problem, True, rate))
    for algorithm in ("simultaneous", "alternating"):
        best = optimal_steps(algorithm, LOW, HIGH, ridge=RIDGE)
        pair = best.min_step, best.max_step
        for n in (3, 6):
            ours = partial(slowest, algorithm, n, pair, span, ridge=RIDGE, alone=1.0)
            for name, kind, beside in (
                ("quadratics in [s, S]", posed.QUADRATIC, SAME),
                ("smooth strongly convex", posed.CONVEX, WIDER),
            ):
                if beside == WIDER and n == 3:
                    continue
                product, damping = pair[0] * pair[1], pair[1] * RIDGE
                problem = partial(posed.two_players, n, algorithm, product, damping, *span, kind)
                found.append(Case(f"10, {algorithm}", "|u|²", name, beside, n, ours, problem, True, best.rate))
    for algorithm in ("extragradient", "optimistic"):
        best = optimal_steps(algorithm, LOW, HIGH)
        pair = best.min_step, best.max_step
        for n in (2, 5):
            ours = partial(slowest, algorithm, n, pair, span)
            problem = partial(posed.bilinear, n, algorithm, pair[0], *span)
            kind = "skew operators, lower bound added"
            found.append(Case(f"10, {algorithm}", "|(u, f)|²", kind, WIDER, n, ours, problem, True, best.rate))
    best, lipschitz = monotone_steps(HIGH, MODULUS), float(np.hypot(MODULUS, HIGH**0.5))
    pair = best.min_step, best.max_step
    for algorithm, several in (("simultaneous", (1, 5)), ("extragradient", (1, 3))):
        rate = mode_rate(algorithm, *pair, [0.0, HIGH], MODULUS, MODULUS).rate
        for n in several:
            ours = partial(slowest, algorithm, n, pair, (0.0, HIGH), ridge=MODULUS, convexity=MODULUS)
            problem = partial(posed.monotone, n, algorithm, pair[0], MODULUS, lipschitz)
            kind = "Lipschitz strongly monotone"
            found.append(Case(f"10, τ = λ, {algorithm}", "|(u, f)|²", kind, WIDER, n, ours, problem, True, rate))
    rate = mode_rate("simultaneous", ETA, GAMMA, [0.0, HIGH], LAMBDA, TAU).rate
    for n in (2, 4):
        ours = partial(slowest, "simultaneous", n, (ETA, GAMMA), (0.0, HIGH), ridge=LAMBDA, convexity=TAU)
        problem = partial(posed.damped, n, ETA, GAMMA, LAMBDA, TAU, HIGH)
        found.append(Case("11", "|(u, f)|²", "linear operators", SAME, n, ours, problem, True, rate))
    return found


def responded(steps: int, step: float) -> float:
    """The critic is exact from the start, so that the rate holds at every step."""
    return mode_rate("alternating", step, 1 / RIDGE, [LOW, HIGH], RIDGE).rate ** (2 * steps)


def solved(problem: Callable[[], PEP], solver: str | None) -> tuple[float, float, str]:
    """The worst case, the gap between the dual and the primal value, and the solver's name."""
    posing = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the default solver may be inaccurate: its error is in the table
        value = float(posing.solve(verbose=0, solver=solver))
    return value, abs(value - float(posing.wrapper.prob.value)), posing.wrapper.solver_name


def judge(case: Case, ours: float, theirs: float) -> None:
    """Stops where PEPit says that a theorem is wrong, or less than what a game of ours attains."""
    where = f"theorem {case.theorem}, N = {case.steps}, {case.kind}"
    if case.beside != WIDER and theirs > ours * (1 + CLOSE) + TINY:
        raise SystemExit(f"{where}: PEPit's worst case {theirs:.9g} exceeds our {ours:.9g} over {case.beside} class")
    if case.attained and theirs < ours * (1 - CLOSE) - TINY:
        raise SystemExit(f"{where}: PEPit's worst case {theirs:.9g} lies below the {ours:.9g} that we attain")


def row(case: Case, asked: Namespace) -> dict[str, object]:
    ours = case.ours()
    theirs, gap, _ = solved(case.problem, cvxpy.CLARABEL)
    (usual, _, _), once = answer.timed(lambda: solved(case.problem, None))
    judge(case, ours, theirs)
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: [case.ours() for _ in range(CALLS)],
        "clarabel": lambda: solved(case.problem, cvxpy.CLARABEL),
    }
    if once < LONG:
        works["default"] = lambda: solved(case.problem, None)
    seconds = {"default": once} | answer.turns(works, asked.repeats)
    mine = seconds["ours"] / CALLS
    cells = (
        *(case.theorem, case.bounded, case.kind, case.beside, case.steps, ours, theirs, theirs / ours, case.rate),
        None if case.rate is None else theirs ** (0.5 / case.steps),
        *(gap / theirs, abs(usual - theirs) / theirs),
        *(mine, seconds["default"], seconds["clarabel"]),
        min(seconds["default"], seconds["clarabel"]) / mine,
    )
    return dict(zip(COLUMNS, cells, strict=True))


def main() -> None:
    question = __doc__.splitlines()[0]
    parser = answer.parser(question)
    parser.add_argument("--repeats", type=int, default=5, help="timings of each, median taken (default 5)")
    parser.add_argument("--theorem", type=int, help="only this one")
    asked = parser.parse_args()
    cases = [*descents(), *critics(), *games()]
    if asked.theorem is not None:
        cases = [each for each in cases if int(each.theorem.split(",")[0]) == asked.theorem]
        if not cases:
            parser.error(f"--theorem must be one that PEPit can pose, got {asked.theorem}")
    usual = solved(partial(posed.proximal_critic, 1.0), None)[2]
    rows = [row(each, asked) for each in cases]
    notes = (
        "Starts scaled to 1, L = 1. Ours: what the theorem bounds after N steps, from lemmata.theory.minimax. For "
        "10 and 11 the largest factor of N steps over the modes t, from the operators of theorem 9, at 3 times "
        f"{POINTS} modes, which is what its seconds go to; the rate ρ takes microseconds and speaks of N to "
        "infinity. PEPit: its dual value, solved by Clarabel; a step: its 2N-th root.",
        "PEPit / ours: 1 says that the bound is tight; below 1, that it is loose over that class; above 1, which "
        "only wider classes may give, that the theorem uses what makes its own class special. The same: PEPit's "
        "class is the theorem's. The proof's: it is all that the proof uses, more than the theorem's. Wider: it "
        "contains the theorem's.",
        "The script stops where PEPit exceeds ours over a class of the first two kinds, or lies below ours where "
        f"a game attains it, by more than {CLOSE:g} of it and {TINY:g}.",
        "20: PEPit has no class of nonconvex-strongly-concave functions. Conditions that they satisfy are posed, "
        "so that its number too is only an upper bound. 10, extragradient and optimistic: the lower bound on the "
        "singular values is such a condition, on the images of the points.",
        f"Seconds include posing. Default: the solver that cvxpy takes by itself ({usual}), and by how much of "
        f"Clarabel's value its own differs; timed once where it takes more than {LONG:g} s. Gap: dual less primal "
        "of Clarabel, over the value. × ours: the faster of the two. MOSEK, which PEPit prefers, needs a licence "
        "and was not tried.",
        "Not posed: constants of kernels, networks and domains (1, 3 to 6, 8, 22, 23), which belong to no method; "
        "thresholds of given games and linearisations (14 to 19), which no number of steps decides.",
    )
    answer.publish(answer.Answer(question, COLUMNS, rows, notes), asked.json)


if __name__ == "__main__":
    main()
