"""The peer of `minimax_pepit.py`: what theorems of docs/minimax say, posed to PEPit as worst cases over a class.

Each function returns a problem of which `solve` gives the largest value, after some steps, of what a theorem bounds.
Starts are scaled to 1.
"""

from collections.abc import Sequence

import numpy as np
from PEPit import PEP, Expression, Function, Point
from PEPit.functions import (
    ConvexFunction,
    ConvexIndicatorFunction,
    SmoothFunction,
    SmoothStronglyConvexFunction,
    SmoothStronglyConvexQuadraticFunction,
)
from PEPit.operators import LinearOperator, LipschitzStronglyMonotoneOperatorCheap, SkewSymmetricLinearOperator
from PEPit.primitive_steps import bregman_gradient_step, proximal_step

QUADRATIC, CONVEX = SmoothStronglyConvexQuadraticFunction, SmoothStronglyConvexFunction


def mean(terms: Sequence[Expression]) -> Expression:
    return sum(terms[1:], terms[0]) / len(terms)


def descent(steps: int, step: float, least: bool = False, error: float = 0.0) -> PEP:
    """Mean, or least, of |∇J|² over t < T, J 1-smooth and J_0 - inf J <= 1; with errors of mean square `error`²."""
    problem = PEP()
    J = problem.declare_function(SmoothFunction, L=1.0)
    x, lowest, squares, errors = problem.set_initial_point(), Expression(), [], []
    for t in range(steps):
        slope, value = J.oracle(x)
        above(problem, value, slope, lowest, 1.0)
        if t == 0:
            problem.set_initial_condition(value - lowest <= 1)
        squares.append(slope**2)
        errors.append(Point() if error else 0 * slope)
        x = x - step * (slope + errors[-1])
    slope, value = J.oracle(x)
    above(problem, value, slope, lowest, 1.0)
    if error:
        problem.add_constraint(mean([each**2 for each in errors]) <= error**2)
    for metric in squares if least else [mean(squares)]:
        problem.set_performance_metric(metric)
    return problem


def above(problem: PEP, value: Expression, slope: Point, lowest: Expression, smoothness: float) -> None:
    """One more step of 1/L does not fall below the infimum."""
    problem.add_constraint(value - slope**2 / (2 * smoothness) >= lowest)


def lagging(steps: int, step: float, relaxation: float, coupling: float) -> PEP:
    """Mean of |∇J|² over t < T, J 1-smooth, J_0 - inf J <= 1, gradients as wrong as a relaxed critic is.

    The critic's error E starts within 1, becomes (1 - δ)(E + D) with |D| <= `coupling` · step · |gradient used|, and
    the gradient is wrong by at most |E|.
    """
    problem = PEP()
    J = problem.declare_function(SmoothFunction, L=1.0)
    x, lowest, squares, used = problem.set_initial_point(), Expression(), [], None
    for t in range(steps):
        slope, value = J.oracle(x)
        above(problem, value, slope, lowest, 1.0)
        if t == 0:
            critic = Point()
            problem.set_initial_condition(value - lowest <= 1)
            problem.set_initial_condition(critic**2 <= 1)
        else:
            moved = Point()
            problem.add_constraint(moved**2 <= (coupling * step) ** 2 * used**2)
            critic = (1 - relaxation) * (critic + moved)
        error = Point()
        problem.add_constraint(error**2 <= critic**2)
        squares.append(slope**2)
        used = slope + error
        x = x - step * used
    slope, value = J.oracle(x)
    above(problem, value, slope, lowest, 1.0)
    problem.set_performance_metric(mean(squares))
    return problem


def proximal_critic(ridge: float) -> PEP:
    """|Φ - Φ'|² for Φ = (m - prox m)/λ of a convex function, |m - m'| <= 1."""
    problem = PEP()
    J = problem.declare_function(ConvexFunction)
    first, second = problem.set_initial_point(), problem.set_initial_point()
    problem.set_initial_condition((first - second) ** 2 <= 1)
    critics = [(each - proximal_step(each, J, ridge)[0]) / ridge for each in (first, second)]
    problem.set_performance_metric((critics[0] - critics[1]) ** 2)
    return problem


def best_response(steps: int, step: float, low: float, high: float, kind: type[Function], values: bool = False) -> PEP:
    """|x_N - x*|², or J(x_N) - min J, of gradient descent from |x_0 - x*| <= 1, curvatures in [low, high]."""
    problem = PEP()
    J = problem.declare_function(kind, mu=low, L=high)
    best, x = J.stationary_point(), problem.set_initial_point()
    problem.set_initial_condition((x - best) ** 2 <= 1)
    for _ in range(steps):
        x = x - step * J.gradient(x)
    problem.set_performance_metric(J(x) - J(best) if values else (x - best) ** 2)
    return problem


def two_players(
    steps: int, algorithm: str, product: float, damping: float, low: float, high: float, kind: type[Function]
) -> PEP:
    """|u_N - u*|² from |u_0 - u*| <= 1 and f_0 = 0 with the critic eliminated, which leaves heavy ball.

    Alternating takes the gradient where it stands, simultaneous one step earlier.
    """
    problem = PEP()
    J = problem.declare_function(kind, mu=low, L=high)
    best, now = J.stationary_point(), problem.set_initial_point()
    problem.set_initial_condition((now - best) ** 2 <= 1)
    old = now
    for _ in range(1, steps):
        slope = J.gradient(now if algorithm == "alternating" else old)
        old, now = now, now + (1 - damping) * (now - old) - product * slope
    problem.set_performance_metric((now - best) ** 2)
    return problem


def bilinear(steps: int, algorithm: str, step: float, low: float, high: float) -> PEP:
    """|x_N|² from |x_0| <= 1 on a skew operator whose squared singular values lie in [low, high].

    PEPit has the upper bound; the lower one is added as YᵀY - low XᵀX >= 0 for the images Y of the points X, which the
    class satisfies, and which may be met by more than the class.
    """
    problem = PEP()
    A = problem.declare_function(SkewSymmetricLinearOperator, L=np.sqrt(high))
    x, seen = problem.set_initial_point(), []
    problem.set_initial_condition(x**2 <= 1)

    def image(point: Point) -> Point:
        seen.append((point, A.gradient(point)))
        return seen[-1][1]

    old = now = image(x)
    for k in range(steps):
        now = image(x) if k else now
        if algorithm == "extragradient":
            x = x - step * image(x - step * now)
        else:
            x, old = x - 2 * step * now + step * old, now
    matrix = np.empty((len(seen), len(seen)), dtype=object)
    for i, (point, moved) in enumerate(seen):
        for j, (other, image_of_other) in enumerate(seen):
            matrix[i, j] = moved * image_of_other - low * (point * other)
    problem.add_psd_matrix(matrix)
    problem.set_performance_metric(x**2)
    return problem


def monotone(steps: int, algorithm: str, step: float, modulus: float, lipschitz: float) -> PEP:
    """|x_N - x*|² from |x_0 - x*| <= 1 over the Lipschitz and strongly monotone operators with a zero x*."""
    problem = PEP()
    A = problem.declare_function(LipschitzStronglyMonotoneOperatorCheap, mu=modulus, L=lipschitz)
    best, x = Point(), problem.set_initial_point()
    A.add_point((best, 0 * best, Expression()))
    problem.set_initial_condition((x - best) ** 2 <= 1)
    for _ in range(steps):
        trial = x - step * A.gradient(x) if algorithm == "extragradient" else x
        x = x - step * A.gradient(trial)
    problem.set_performance_metric((x - best) ** 2)
    return problem


def damped(steps: int, min_step: float, max_step: float, ridge: float, strong_convexity: float, high: float) -> PEP:
    """|u_N|² + |f_N|² from 1 on ⟨f, Bu⟩ - (λ/2)|f|² + (τ/2)|u|², simultaneous, |B|² <= high."""
    problem = PEP()
    B = problem.declare_function(LinearOperator, L=np.sqrt(high))
    u, f = problem.set_initial_point(), problem.set_initial_point()
    problem.set_initial_condition(u**2 + f**2 <= 1)
    for _ in range(steps):
        forth, back = B.gradient(u), B.T.gradient(f)
        u, f = u - min_step * (strong_convexity * u + back), f + max_step * (forth - ridge * f)
    problem.set_performance_metric(u**2 + f**2)
    return problem


def mirror(steps: int, step: float) -> PEP:
    """J(x_T) - J(x*) of Bregman gradient steps from D(x*; x_0) <= 1, J convex and 1/h-smooth relative to D."""
    problem = PEP()
    rest = problem.declare_function(ConvexFunction, reuse_gradient=True)
    J = problem.declare_function(ConvexFunction, reuse_gradient=True)
    entropy = step * (rest + J)
    domain = problem.declare_function(ConvexIndicatorFunction, D=np.inf)
    best, x = (J + domain).stationary_point(), problem.set_initial_point()
    (_, at_best), (_, least) = entropy.oracle(best), J.oracle(best)
    (dual, at_start), (slope, value) = entropy.oracle(x), J.oracle(x)
    problem.set_initial_condition(at_best - at_start - dual * (best - x) <= 1)
    for _ in range(steps):
        x, _, _ = bregman_gradient_step(slope, dual, domain + entropy, step)
        slope, value = J.oracle(x)
        dual = step * (rest.gradient(x) + slope)
    problem.set_performance_metric(value - least)
    return problem


def descent_ascent(steps: int, min_step: float, max_step: float, condition: float) -> PEP:
    """Mean of |∇Φ(x_t)|² over t < T for a 1-smooth f(x, y), 1/κ-strongly concave in y, gap and distance at most 1.

    No such class is in PEPit: conditions that it satisfies are written out, joint smoothness between all pairs of
    points, smooth strong concavity where x is the same, y* κ-Lipschitz and Φ (1 + κ)-smooth.  More than the class may
    meet them.  Only ⟨x, x'⟩ and ⟨y, y'⟩ occur, so that both players may share PEPit's one space.
    """
    problem, modulus, smoothness = PEP(), 1 / condition, 1 + condition
    x, y, lowest = problem.set_initial_point(), problem.set_initial_point(), Expression()
    points, tops = [], []
    for t in range(steps + 1):
        slopes, value = (Point(), Point()), Expression()
        top, slope, highest = Point(), Point(), Expression()
        points += [(x, y, *slopes, value, t), (x, top, slope, 0 * slope, highest, t)]
        tops.append((x, top, slope, highest))
        if t == 0:
            problem.set_initial_condition(highest - lowest <= 1)
            problem.set_initial_condition((y - top) ** 2 <= 1)
        above(problem, highest, slope, lowest, smoothness)
        x, y = x - min_step * slopes[0], y + max_step * slopes[1]
    for one in points:
        for two in points:
            if one is two:
                continue
            problem.add_constraint(one[4] - two[4] >= smooth(one[:2], one[2:4], two[:2], two[2:4], 1.0))
            if one[5] == two[5]:
                apart, turned = one[1] - two[1], two[3] - one[3]
                curved = turned**2 + modulus * apart**2 - 2 * modulus * (turned * apart)
                problem.add_constraint(two[4] - one[4] >= -(two[3] * apart) + curved / (2 * (1 - modulus)))
    for one in tops:
        for two in tops:
            if one is two:
                continue
            problem.add_constraint((one[1] - two[1]) ** 2 <= condition**2 * (one[0] - two[0]) ** 2)
            bound = smooth((one[0],), (one[2],), (two[0],), (two[2],), smoothness)
            problem.add_constraint(one[3] - two[3] >= bound)
    problem.set_performance_metric(mean([each[2] ** 2 for each in tops[:steps]]))
    return problem


def smooth(
    at: Sequence[Point], slope: Sequence[Point], other: Sequence[Point], other_slope: Sequence[Point], L: float
) -> Expression:
    """The least f(at) - f(other) of an L-smooth f with these gradients, summed over blocks of coordinates."""
    total = 0
    for a, g, b, h in zip(at, slope, other, other_slope, strict=True):
        total = total - L / 4 * (a - b) ** 2 + 0.5 * ((g + h) * (a - b)) + 1 / (4 * L) * (g - h) ** 2
    return total
