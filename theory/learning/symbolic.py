"""The closed forms of this folder as SymPy formulas, to be printed, differentiated or put into a paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from .. import _check
from .observed_chain import observed_chain as numeric_chain


def _size(name: str) -> Any:
    return sp.Symbol(name, integer=True, nonnegative=True)


M, H, N, K, r = (_size(name) for name in "MHNKr")
H1, H2, r2, rest, free = (_size(name) for name in ("H_1", "H_2", "r_2", "r'", "r_1"))
parity = _size("epsilon")


@dataclass(frozen=True)
class SymbolicCoefficient:
    r"""λ and m as expressions in the sizes of a network.

    Attributes
    ----------
    value, multiplicity : sympy.Expr
        λ and m.
    symbols : mapping
        From the keywords of the numeric function to the letters of the formula.
    where : mapping
        From the abbreviations in `value` and `multiplicity` to what they stand for, in an order in which each uses
        only those before it.

    >>> form = concept_bottleneck()
    >>> form.value
    H*N/2 + M*r/2
    >>> print(form.latex())
    \lambda = \frac{H N}{2} + \frac{M r}{2}, \qquad m = 1
    >>> form.at(outputs=3, concepts=2, inputs=5, concept_rank=2).value
    8
    """

    value: Any
    multiplicity: Any
    symbols: Mapping[str, Any]
    where: Mapping[Any, Any] = field(default_factory=dict)

    def at(self, **sizes: Any) -> "SymbolicCoefficient":
        """The formula with the named sizes put in: numbers, or expressions in other letters.

        Raises ValueError for a keyword that the formula does not have.  A size that no network has is not noticed:
        that is the business of the numeric functions.
        """
        letters = _letters(self.symbols, sizes)
        where: dict[Any, Any] = {}
        for name, meaning in self.where.items():
            meaning = _put(meaning, letters)
            (letters if meaning.is_number else where)[name] = meaning
        rest_of_symbols = {word: letter for word, letter in self.symbols.items() if word not in sizes}
        return SymbolicCoefficient(_put(self.value, letters), _put(self.multiplicity, letters), rest_of_symbols, where)

    def written_out(self) -> "SymbolicCoefficient":
        """The same formula without abbreviations."""
        letters: dict[Any, Any] = {}
        for name, meaning in self.where.items():
            letters[name] = _put(meaning, letters)
        return SymbolicCoefficient(_put(self.value, letters), _put(self.multiplicity, letters), self.symbols)

    def latex(self) -> str:
        """The two formulas and their abbreviations as LaTeX, for use in a display."""
        lines = [rf"\lambda = {sp.latex(self.value)}", rf"m = {sp.latex(self.multiplicity)}"]
        lines += [rf"{sp.latex(name)} = {sp.latex(meaning)}" for name, meaning in self.where.items()]
        return r", \qquad ".join(lines)

    def __str__(self) -> str:
        lines = [f"λ = {self.value}", f"m = {self.multiplicity}"]
        return ", ".join(lines + [f"{name} = {meaning}" for name, meaning in self.where.items()])


@dataclass(frozen=True)
class SymbolicBounds:
    """The bounds of `partial_concept_bottleneck_bounds` as expressions, each at least the one before it.

    `symbols`, `where`: as in `SymbolicCoefficient`.
    """

    splitting_sharp: Any
    splitting: Any
    concept_bottleneck: Any
    symbols: Mapping[str, Any]
    where: Mapping[Any, Any]

    def at(self, **sizes: Any) -> "SymbolicBounds":
        """The formulas with the named sizes put in; raises ValueError for a keyword that they do not have."""
        sharp, splitting, bottleneck = (
            SymbolicCoefficient(bound, sp.Integer(1), self.symbols, self.where).at(**sizes)
            for bound in (self.splitting_sharp, self.splitting, self.concept_bottleneck)
        )
        return SymbolicBounds(sharp.value, splitting.value, bottleneck.value, sharp.symbols, sharp.where)

    def latex(self) -> str:
        """The chain λ ≤ … ≤ … ≤ … and its abbreviations as LaTeX."""
        steps = (self.splitting_sharp, self.splitting, self.concept_bottleneck)
        chain = r"\lambda \le " + r" \le ".join(sp.latex(step) for step in steps)
        return r", \qquad ".join([chain, *(f"{sp.latex(a)} = {sp.latex(b)}" for a, b in self.where.items())])


def reduced_rank(*, biases: bool = False, unknown_noise: bool = False) -> SymbolicCoefficient:
    r"""`reduced_rank` as one Piecewise of the four cases of Aoyagi and Watanabe; the balanced case comes last.

    Source: docs/learning, theorem 2.

    >>> reduced_rank().at(hidden=1, rank=0).at(outputs=3, inputs=2).value
    1
    """
    value, m, where = _reduced_rank(M, H, N, r)
    words = {"outputs": M, "hidden": H, "inputs": N, "rank": r}
    return SymbolicCoefficient(value + _regular([M], biases, unknown_noise), m, words, where)


def concept_bottleneck(*, biases: bool = False, unknown_noise: bool = False) -> SymbolicCoefficient:
    """`concept_bottleneck`, (M r + N H)/2 with r = rank(B*).  Source: docs/learning, theorem 4."""
    value = M * r / 2 + N * H / 2 + _regular([H, M], biases, unknown_noise)
    words = {"outputs": M, "concepts": H, "inputs": N, "concept_rank": r}
    return SymbolicCoefficient(value, sp.Integer(1), words)


def multitask(*, biases: bool = False, unknown_noise: bool = False) -> SymbolicCoefficient:
    """`multitask`: `reduced_rank` with M + K outputs.  Source: docs/learning, theorem 4."""
    value, m, where = _reduced_rank(M + K, H, N, r)
    words = {"outputs": M, "concepts": K, "hidden": H, "inputs": N, "rank": r}
    return SymbolicCoefficient(value + _regular([M + K], biases, unknown_noise), m, words, where)


_PARTIAL = {"outputs": M, "hidden": H1, "concepts": H2, "inputs": N, "concept_rank": r2, "residual_rank": rest}


def partial_concept_bottleneck(*, biases: bool = False, unknown_noise: bool = False) -> SymbolicCoefficient:
    """`partial_concept_bottleneck`: (M r₂ + N H₂)/2 + λ_RRR(M, H₁, N − r₂; r').  Source: docs/learning, theorem 5."""
    value, m, where = _reduced_rank(M, H1, N - r2, rest)
    front = M * r2 / 2 + N * H2 / 2 + _regular([H2, M], biases, unknown_noise)
    return SymbolicCoefficient(front + value, m, _PARTIAL, where)


def partial_concept_bottleneck_bounds(*, biases: bool = False, unknown_noise: bool = False) -> SymbolicBounds:
    """`partial_concept_bottleneck_bounds` in r₁ = rank(A₁*B₁*), keyword free_rank.

    Source: docs/learning, corollary 5.
    """
    value, _, where = _reduced_rank(M, H1, N, free)
    extra = _regular([H2, M], biases, unknown_noise)
    return SymbolicBounds(
        splitting_sharp=M * r2 / 2 + N * H2 / 2 + value + extra,
        splitting=_over(H2 * (M + N), 2) + value + extra,
        concept_bottleneck=_over((H1 + H2) * (M + N), 2) + extra,
        symbols={**_PARTIAL, "free_rank": free},
        where=where,
    )


def deep_linear(layers: int, *, biases: bool = False, unknown_noise: bool = False) -> SymbolicCoefficient:
    r"""`deep_linear` for a chain of L = `layers` layers, in the sorted gaps g_0 ≤ … ≤ g_L of the widths above the rank.

    Which ℓ + 1 widths are the smallest is no polynomial condition on the widths, so the letters are the gaps after
    sorting, beside r and the end widths h_0, h_L; `deep_linear_sizes` sorts and names them.  One branch a value of ℓ,
    from L down, each taken when its ℓ + 1 gaps satisfy σ_ℓ ≥ ℓ g_ℓ (the first that holds is the right one, by lemma
    3):

    .. math:: \lambda = \frac{r (h_0 + h_L - r)}{2} + \frac14 \left[ \frac{\sigma_\ell^2
        + \tau_\ell(\ell-\tau_\ell)}{\ell} - \sum_{i \le \ell} g_i^2 \right], \qquad
        m = 1 + \tau_\ell(\ell - \tau_\ell), \qquad \tau_\ell = \sigma_\ell \bmod \ell

    Raises ValueError for layers < 1.  Source: docs/learning, theorem 3.

    >>> form = deep_linear(4).at(**deep_linear_sizes([2, 2, 2, 2, 2], rank=0))
    >>> form.value, form.multiplicity
    (3/2, 5)
    """
    L = _check.integer("layers", layers, 1)
    gaps = [_size(f"g_{i}") for i in range(L + 1)]
    first, last = _size("h_0"), _size(f"h_{L}")
    value, m, where = _deep_linear(gaps, first, last, r)
    words = {"rank": r, "inputs": first, "outputs": last, **{f"gap_{i}": g for i, g in enumerate(gaps)}}
    return SymbolicCoefficient(value + _regular([last], biases, unknown_noise), m, words, where)


def deep_linear_sizes(widths: Sequence[int], rank: int) -> dict[str, int]:
    """What `deep_linear(len(widths) - 1).at` takes: the rank, the end widths and the sorted gaps.

    >>> deep_linear_sizes([4, 2, 3], rank=1)
    {'rank': 1, 'inputs': 4, 'outputs': 3, 'gap_0': 1, 'gap_1': 2, 'gap_2': 3}
    """
    h = _check.integers("widths", widths, 1, 2)
    rank = _check.integer("rank", rank, 0, min(h), f"min(widths) = {min(h)}")
    gaps = sorted(w - rank for w in h)
    return {"rank": rank, "inputs": h[0], "outputs": h[-1], **{f"gap_{i}": g for i, g in enumerate(gaps)}}


def observed_chain(
    layers: int, observed: Sequence[int], *, biases: bool = False, unknown_noise: bool = False
) -> SymbolicCoefficient:
    """`observed_chain` for L = `layers` layers of which those numbered `observed` are seen, the last of them L.

    The letters are ρ_1, …, ρ_k (keywords rank_1, …), the widths h_0 and h_l of the observed layers (width_0, …) and,
    for each segment s of more than one layer, its sorted gaps g_{s 0} ≤ g_{s 1} ≤ … (gap_s_0, …), those of
    (ρ_{s−1}, widths of the segment) above ρ_s.  `observed_chain_sizes` names them all.  A segment of one layer needs
    no gaps: it counts ½ρ_{s−1}h.  Source: docs/learning, theorem 6.

    >>> form = observed_chain(2, [1, 2])
    >>> form.value, form.multiplicity
    (h_0*h_1/2 + h_2*rho_1/2, 1)
    >>> sizes = observed_chain_sizes([4, 3, 3, 2, 3], observed=[2, 4], ranks=[2, 1])
    >>> observed_chain(4, [2, 4]).at(**sizes).value
    8
    """
    ends = _checked_observed(_check.integer("layers", layers, 1), observed)
    h = {layer: _size(f"h_{layer}") for layer in (0, *ends)}
    words: dict[str, Any] = {f"width_{layer}": letter for layer, letter in h.items()}
    value, m, where = _regular([h[end] for end in ends], biases, unknown_noise), sp.Integer(1), {}
    start, reach = 0, h[0]
    for s, end in enumerate(ends, start=1):
        rank = words[f"rank_{s}"] = _size(f"rho_{s}")
        if end == start + 1:
            value += reach * h[end] / 2
        else:
            gaps = [_size(f"g_{s}_{i}") for i in range(end - start + 1)]
            words.update({f"gap_{s}_{i}": g for i, g in enumerate(gaps)})
            part, multiplicity, abbreviations = _deep_linear(gaps, reach, h[end], rank, f"{s}_")
            value, m = value + part, m + multiplicity - 1
            where.update(abbreviations)
        start, reach = end, rank
    return SymbolicCoefficient(value, m, words, where)


def observed_chain_sizes(widths: Sequence[int], observed: Sequence[int], ranks: Sequence[int]) -> dict[str, int]:
    """What `observed_chain(len(widths) - 1, observed).at` takes: ranks, widths and the sorted gaps of each segment.

    >>> observed_chain_sizes([3, 2], observed=[1], ranks=[2])
    {'width_0': 3, 'width_1': 2, 'rank_1': 2}
    """
    numeric_chain(widths, observed, ranks)
    sizes = {f"width_{layer}": widths[layer] for layer in (0, *observed)}
    start, reach = 0, widths[0]
    for s, (end, rank) in enumerate(zip(observed, ranks, strict=True), start=1):
        sizes[f"rank_{s}"] = rank
        if end > start + 1:
            gaps = sorted(w - rank for w in (reach, *widths[start + 1 : end + 1]))
            sizes.update({f"gap_{s}_{i}": g for i, g in enumerate(gaps)})
        start, reach = end, rank
    return sizes


def _checked_observed(layers: int, observed: Sequence[int]) -> tuple[int, ...]:
    ends = _check.integers("observed", observed, 1, 1)
    if list(ends) != sorted(set(ends)):
        raise ValueError(f"observed must be increasing, got {list(ends)}")
    if ends[-1] != layers:
        raise ValueError(f"observed must end with the output layer {layers}, got {list(ends)}")
    return ends


def _reduced_rank(M: Any, H: Any, N: Any, r: Any) -> tuple[Any, Any, dict[Any, Any]]:
    """λ, m and the parity of the four cases; an empty network (a side 0) needs no case of its own."""
    wide_input, wide_output, wide_hidden = sp.Gt(N + r, M + H), sp.Gt(M + r, N + H), sp.Gt(H + r, M + N)
    value = sp.Piecewise(
        (_over(H * M - H * r + N * r, 2), wide_input),
        (_over(H * N - H * r + M * r, 2), wide_output),
        (_over(M * N, 2), wide_hidden),
        (_over((H + r) * (M + N) * 2 - (M - N) ** 2 - (H + r) ** 2 + parity, 8), True),
    )
    m = sp.Piecewise((1, sp.Or(wide_input, wide_output, wide_hidden)), (1 + parity, True))
    return value, m, {parity: sp.Mod(M + H + N + r, 2)}


def _deep_linear(
    gaps: Sequence[Any], first: Any, last: Any, rank: Any, segment: str = ""
) -> tuple[Any, Any, dict[Any, Any]]:
    """λ, m and the sums σ_ℓ and remainders τ_ℓ from the sorted gaps: a branch a value of ℓ, the largest first."""
    branches, where = [], {}
    for ell in range(len(gaps) - 1, 1, -1):
        total, left = _size(f"sigma_{segment}{ell}"), _size(f"tau_{segment}{ell}")
        where.update({total: sum(gaps[: ell + 1]), left: sp.Mod(total, ell)})
        squares = sum(g**2 for g in gaps[: ell + 1])
        value = _over((total**2 + left * (ell - left)) / ell - squares, 4)
        branches.append((value, 1 + left * (ell - left), sp.Ge(total, ell * gaps[ell])))
    # ℓ = 1: the bracket is (g_0 + g_1)² − g_0² − g_1², and its condition g_0 >= 0 always holds
    branches.append((gaps[0] * gaps[1] / 2, sp.Integer(1), sp.true))
    value = sp.Piecewise(*((value, condition) for value, _, condition in branches))
    m = sp.Piecewise(*((m, condition) for _, m, condition in branches))
    return _over(rank * (first + last - rank), 2) + value, m, where


def _over(numerator: Any, denominator: int) -> Any:
    """The fraction as it is written in print, not multiplied out."""
    return sp.Mul(sp.Rational(1, denominator), numerator, evaluate=False)


def _regular(blocks: Sequence[Any], biases: bool, unknown_noise: bool) -> Any:
    """What biases and unknown noise covariances of observed blocks add, as in `observation.regular_terms`."""
    biased = sum(h / 2 for h in blocks) if biases else sp.Integer(0)
    return biased + (sum(h * (h + 1) / 4 for h in blocks) if unknown_noise else 0)


def _letters(symbols: Mapping[str, Any], sizes: Mapping[str, Any]) -> dict[Any, Any]:
    unknown = sorted(set(sizes) - set(symbols))
    if unknown:
        raise ValueError(f"sizes must be named {', '.join(symbols)}, got {unknown[0]}")
    return {symbols[word]: sp.sympify(size) for word, size in sizes.items()}


def _put(expression: Any, letters: Mapping[Any, Any]) -> Any:
    # xreplace rebuilds the expression, which also decides the conditions that have become true or false
    return sp.sympify(expression).xreplace(dict(letters))
