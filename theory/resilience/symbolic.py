"""The two-number level and its stability test as SymPy formulas, to be printed, differentiated or put into a paper."""

from typing import Any

import sympy as sp

forget, inp, out, candidate = sp.symbols("sigma_f sigma_i sigma_o phi_g", positive=True)
cell, cell_output = sp.symbols("c_bar phi_c", nonnegative=True)
norm_i, norm_f, norm_g, norm_o = sp.symbols("R_i R_f R_g R_o", nonnegative=True)
alpha = sp.Symbol("alpha", nonnegative=True)


def coupling() -> Any:
    r"""α = ¼ ‖R_f‖ c̄ + σ̄_i ‖R_g‖ + ¼ φ̄_g ‖R_i‖; SymPy.  Source: docs/resilience, theorem 4."""
    return norm_f * cell / 4 + inp * norm_g + candidate * norm_i / 4


def norm_matrix(coupled: Any = alpha) -> Any:
    r"""A = [[σ̄_f, α], [σ̄_o σ̄_f, σ̄_o α + ¼ φ̄_c ‖R_o‖]]; SymPy.

    Source: docs/resilience, theorem 4.

    >>> norm_matrix(0)
    Matrix([
    [        sigma_f,           0],
    [sigma_f*sigma_o, R_o*phi_c/4]])
    """
    return sp.Matrix([[forget, coupled], [out * forget, out * coupled + cell_output * norm_o / 4]])


def schur_test(coupled: Any = alpha) -> Any:
    r"""J = (1 − σ̄_f)(1 − ¼ φ̄_c ‖R_o‖) − σ̄_o α, positive exactly where ρ(A) < 1.

    It is det(I − A).  Source: docs/resilience, theorem 5.

    >>> sp.expand(schur_test() - (sp.eye(2) - norm_matrix()).det())
    0
    """
    return (1 - forget) * (1 - cell_output * norm_o / 4) - out * coupled


def norm_rate(coupled: Any = alpha) -> Any:
    """ρ(A), the larger root of the characteristic polynomial, which is real as A >= 0."""
    A = norm_matrix(coupled)
    trace, product = A[0, 0] - A[1, 1], A[0, 1] * A[1, 0]
    return (A[0, 0] + A[1, 1] + sp.sqrt(trace**2 + 4 * product)) / 2


def single_unit_jacobian() -> Any:
    r"""The Jacobian of one LSTM unit in its gates: with n = 1 every entry that level C bounds, exactly.

    In i, f, g, o, c, c⁺ (new cell) and the recurrent weights r_i, r_f, r_g, r_o.

    >>> single_unit_jacobian().shape
    (2, 2)
    """
    i, f, g, o, c, new = sp.symbols("i f g o c c_new", real=True)
    ri, rf, rg, ro = sp.symbols("r_i r_f r_g r_o", real=True)
    A = c * f * (1 - f) * rf + g * i * (1 - i) * ri + i * (1 - g**2) * rg
    D = o * (1 - sp.tanh(new) ** 2)
    return sp.Matrix([[f, A], [D * f, D * A + sp.tanh(new) * o * (1 - o) * ro]])
