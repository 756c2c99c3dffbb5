"""The learning coefficient of a deep linear network some of whose layers are observed."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from .. import _check
from .coefficient import LearningCoefficient
from .deep_linear import deep_linear_core
from .observation import regular_terms


def observed_chain(
    widths: Sequence[int],
    observed: Sequence[int],
    ranks: Sequence[int],
    *,
    biases: bool = False,
    unknown_noise: bool = False,
) -> LearningCoefficient:
    r"""λ and m of a chain W_L … W_1 whose layers l₁ < … < l_k = L are all observed, with noise.

    .. math:: \lambda = \sum_s \lambda_{DLN}(\rho_{s-1}, h_{l_{s-1}+1}, \dots, h_{l_s}; \rho_s), \qquad
        m = 1 + \sum_s (m_s - 1)

    Segment s is a deep linear network whose input width is the rank ρ_{s−1} that reaches it (ρ_0 = h_0).

    Parameters
    ----------
    widths : (L+1,) ints >= 1
        From the input h_0 to the output h_L.
    observed : (k,) ints
        Layer numbers in 1..L, increasing, the last of them L.
    ranks : (k,) ints
        ρ_s, the rank of the true map from the input to each observed layer: 0 <= ρ_s <= the smallest width of its
        segment and ρ_{s−1}.
    biases, unknown_noise : bool
        Every observed layer of width h adds h/2 and h(h+1)/4.

    Source: derived in docs/learning, theorem 6.

    >>> deep = observed_chain([4, 3, 3, 2, 3], observed=[2, 4], ranks=[2, 1])
    >>> deep.value, deep.multiplicity
    (Fraction(8, 1), 1)
    """
    h = _check.integers("widths", widths, 1, 2)
    layers = _check.integers("observed", observed, 1, 1)
    rho = _check.integers("ranks", ranks, 0, 1)
    if any(a >= b for a, b in pairwise(layers)):
        raise ValueError(f"observed must be increasing, got {list(layers)}")
    if layers[-1] != len(h) - 1:
        raise ValueError(f"observed must end with the output layer {len(h) - 1}, got {list(layers)}")
    if len(rho) != len(layers):
        raise ValueError(f"ranks must have one entry per observed layer = {len(layers)}, got {len(rho)}")
    value, multiplicity, parts = Fraction(0), 1, []
    start, reach = 0, h[0]
    for s, (end, rank) in enumerate(zip(layers, rho, strict=True)):
        segment = (reach, *h[start + 1 : end + 1])
        _check.integer(f"ranks[{s}]", rank, 0, min(segment), f"the narrowest point before layer {end} = {min(segment)}")
        part = deep_linear_core(segment, rank)
        value, multiplicity = value + part.value, multiplicity + part.multiplicity - 1
        parts.append(str(part.value))
        start, reach = end, rank
    value += regular_terms((h[layer] for layer in layers), biases, unknown_noise)
    return LearningCoefficient(
        value,
        multiplicity,
        f"observed chain, {len(parts)} segments with λ = {' + '.join(parts)} (Aoyagi 2024 on each)",
    )
