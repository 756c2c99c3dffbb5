"""The mode and Dirac-GAN polynomials of this folder, derived with SymPy from the steps and the losses themselves."""

from typing import Any

import sympy as sp

from .arguments import choice
from .dirac_gan import SLOPES
from .modes import ALGORITHMS

p, c, w = sp.symbols("p c w", nonnegative=True)  # ητ, γλ, ηγt
z = sp.Symbol("z")
theta, psi, noise = sp.symbols("theta psi n", real=True)
h, slope = sp.symbols("h c", positive=True)
gamma, delta, deviation = sp.symbols("gamma delta s", nonnegative=True)


def iteration(field: Any, algorithm: str) -> Any:
    """The matrix of one step for the field −Âx of two players, SymPy; (x, old x) for optimistic.

    Source: docs/minimax, theorem 9.

    >>> iteration(sp.Matrix([[0, 1], [-w, 0]]), "alternating")
    Matrix([
    [1,    -1],
    [w, 1 - w]])
    """
    choice("algorithm", algorithm, ALGORITHMS)
    one = sp.eye(2)
    first, second = sp.diag(1, 0), sp.diag(0, 1)
    if algorithm == "simultaneous":
        return one - field
    if algorithm == "alternating":
        return (one - second * field) * (one - first * field)
    if algorithm == "extragradient":
        return one - field * (one - field)
    return sp.Matrix(sp.BlockMatrix([[one - 2 * field, field], [one, sp.zeros(2)]]))


def mode_polynomial(algorithm: str) -> Any:
    r"""det(zI − M) of one mode in z, p = ητ, c = γλ, w = ηγt; SymPy, expanded in z.

    Â = [[p, η], [−γt, c]] is similar to [[p, 1], [−w, c]].  Source: docs/minimax, theorem 9.

    >>> sp.factor(mode_polynomial("simultaneous") - (z**2 - (2 - p - c) * z + (1 - p) * (1 - c) + w))
    0
    """
    matrix = iteration(sp.Matrix([[p, 1], [-w, c]]), algorithm)
    return sp.collect(sp.expand((z * sp.eye(matrix.rows) - matrix).det(method="berkowitz")), z)


def schur_conditions(polynomial: Any) -> tuple[Any, Any, Any]:
    """For z² + a₁z + a₀: (1 − a₀, P(1), P(−1)), all > 0 if and only if both roots lie in |z| < 1.

    Source: docs/minimax, lemma 2.

    >>> schur_conditions(z**2 - z / 2)
    (1, 1/2, 3/2)
    """
    quadratic = sp.Poly(polynomial, z)
    if quadratic.degree() != 2:
        raise ValueError(f"polynomial must have degree 2 in z, got {quadratic.degree()}")
    a0 = quadratic.coeff_monomial(1) / quadratic.LC()
    return tuple(sp.factor(x) for x in (1 - a0, polynomial.subs(z, 1), polynomial.subs(z, -1)))


def dirac_jacobian(loss: str) -> Any:
    r"""The derivative at 0 of the Dirac-GAN's flow with R1 weight γ, generator decay δ and instance noise s; SymPy.

    The payoff E_n[g(ψ(θ + n)) + g(−ψn)] − (γ/2)ψ² + (δ/2)θ² is differentiated first; what is left is a polynomial in
    the noise n, whose mean is taken.  Source: docs/minimax, theorem 18.

    >>> dirac_jacobian("logistic")
    Matrix([
    [-delta,            -1/2],
    [   1/2, -gamma - s**2/2]])
    """
    choice("loss", loss, SLOPES)
    x = sp.Symbol("x")
    g = sp.Lambda(x, -sp.log(1 + sp.exp(-x)) if loss == "logistic" else x)
    payoff = g(psi * (theta + noise)) + g(-psi * noise) - gamma * psi**2 / 2 + delta * theta**2 / 2
    field = sp.Matrix([-sp.diff(payoff, theta), sp.diff(payoff, psi)])
    at_zero = field.jacobian([theta, psi]).subs({theta: 0, psi: 0})
    return at_zero.applyfunc(lambda entry: sp.expand(entry).subs(noise**2, deviation**2).subs(noise, 0))


def dirac_eigenvalues(loss: str) -> tuple[Any, Any]:
    """Both eigenvalues of `dirac_jacobian`, SymPy.

    >>> [value.subs({delta: 0, deviation: 0, gamma: 1}) for value in dirac_eigenvalues("logistic")]
    [-1/2, -1/2]
    """
    half = dirac_jacobian(loss)
    trace, determinant = half.trace(), half.det()
    root = sp.sqrt(sp.factor(trace**2 / 4 - determinant))
    return trace / 2 + root, trace / 2 - root


def dirac_polynomial(algorithm: str) -> Any:
    r"""det(zI − M) of equal steps h on θ̇ = −cψ, ψ̇ = cθ − γψ, in z, h, c (`slope`), γ; SymPy.

    Source: docs/minimax, theorem 18.

    >>> dirac_polynomial("alternating").coeff(z, 0)
    -gamma*h + 1
    """
    matrix = iteration(h * sp.Matrix([[0, slope], [-slope, gamma]]), algorithm)
    return sp.collect(sp.expand((z * sp.eye(matrix.rows) - matrix).det(method="berkowitz")), z)


def dirac_threshold(algorithm: str) -> Any:
    r"""The equal step h up to which the Dirac-GAN with R1 is stable, from the Schur conditions; SymPy in c, γ.

    simultaneous: γ/c² for γ <= 2c, else (γ − √(γ² − 4c²))/c²; alternating: (√(γ² + 4c²) − γ)/c².
    Raises ValueError for the other algorithms, whose polynomials give no such form.
    Source: docs/minimax, theorem 18.

    >>> dirac_threshold("alternating").subs({gamma: 0, slope: 1})
    2
    """
    choice("algorithm", algorithm, ("simultaneous", "alternating"))
    determinant, _, edge = schur_conditions(dirac_polynomial(algorithm))
    roots = sp.solve(edge, h)
    if algorithm == "alternating":
        return next(root for root in roots if root.subs({gamma: 0, slope: 1}) > 0)
    inner = next(root for root in sp.solve(determinant, h) if root != 0)
    small = min(roots, key=lambda root: root.subs({gamma: 3, slope: 1}))
    return sp.Piecewise((inner, gamma <= 2 * slope), (small, True))
