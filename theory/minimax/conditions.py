"""Which of the three conditions of convergence a loss meets, why, with which constant, and what repairs a failure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arguments import choice
from .kernel_constants import KernelConstants
from .loss_table import JUMP, LOSSES, Entry, Loss, failing
from .network_critic import CriticConstants

REGULARISERS = ("none", "spectral_normalisation", "smooth_activation", "gradient_penalty", "inf_convolution")
NAMES = ("D1", "D2", "D3")
FIELDS = ("alpha", "beta1", "beta2")


@dataclass(frozen=True)
class Condition:
    """One of D1, D2, D3 for a loss with its regularisers.

    Attributes
    ----------
    name : str
    holds : bool
    constant : str
        The formula of the constant, empty where the condition fails.
    value : float or None
        Its value, where known.
    reason : str
        Why it holds, or the measures for which it fails.
    source : str
    repairs : tuple of tuples of str
        Where it fails: lists of regularisers under each of which it holds.
    """

    name: str
    holds: bool
    constant: str
    value: float | None
    reason: str
    source: str
    repairs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Conditions:
    """D1, D2 and D3 of a loss; `lipschitz` α, `smooth` β₁, `stable` β₂."""

    loss: str
    regulariser: tuple[str, ...]
    lipschitz: Condition
    smooth: Condition
    stable: Condition

    @property
    def hold(self) -> bool:
        """Whether all three hold, so that theorem 5 gives a step size."""
        return not self.failures

    @property
    def failures(self) -> tuple[Condition, ...]:
        """Those that fail."""
        return tuple(c for c in (self.lipschitz, self.smooth, self.stable) if not c.holds)


def conditions(
    loss: str,
    regulariser: str | Sequence[str] = "none",
    constants: KernelConstants | CriticConstants | None = None,
) -> Conditions:
    r"""D1, D2, D3 of a loss with its regularisers: which hold, with what constant, why, and what would repair the rest.

    D1(α): every optimal critic Φ_μ is α-Lipschitz.  D2(β₁): ∇Φ_μ is β₁-Lipschitz.
    D3(β₂): :math:`\|\nabla\Phi_\mu(x) - \nabla\Phi_\nu(x)\| \le \beta_2 W_1(\mu, \nu)` for all x.

    Parameters
    ----------
    loss : str
        minimax, non_saturating, kl, chi_squared, wasserstein, mmd, energy or ridge.
    regulariser : str or sequence of str
        none, or any of: spectral_normalisation and smooth_activation (of a network critic), gradient_penalty (under a
        fixed measure, R1), inf_convolution with MMD²/(2λ), which is a ridge (λ/2)‖f‖² on an RKHS critic.
    constants : KernelConstants or CriticConstants, optional
        Fill in the values; an infinite one means that the condition fails after all.

    Raises ValueError for an unknown word, or for a network regulariser together with a critic in an RKHS.
    Source: docs/minimax, section 1, theorems 1 to 4.

    >>> found = conditions("wasserstein", ["spectral_normalisation", "smooth_activation"])
    >>> [condition.name for condition in found.failures], found.stable.repairs[0]
    (['D3'], ('inf_convolution',))
    """
    row = LOSSES[choice("loss", loss, LOSSES)]
    words = (regulariser,) if isinstance(regulariser, str) else tuple(regulariser)
    parts = {choice("regulariser", word, REGULARISERS) for word in words} - {"none"}
    network = parts & {"spectral_normalisation", "smooth_activation"}
    if network and (row.kernel or "inf_convolution" in parts):
        other = f"the loss {loss!r}" if row.kernel else "'inf_convolution'"
        raise ValueError(
            f"regulariser must not join {sorted(network)[0]!r}, which acts on network critics, with {other}, "
            "whose critic lies in an RKHS"
        )
    if row.kernel or "inf_convolution" in parts:
        entries, source = _kernel_entries(loss, row, parts)
        wanted: type = KernelConstants
    else:
        entries, source = _network_entries(row, parts)
        wanted = CriticConstants
    if constants is not None and not isinstance(constants, wanted):
        raise TypeError(f"constants must be {wanted.__name__} for this critic, got {type(constants).__name__}")
    found = [
        _condition(place, entries[place], source[place], loss, row.kernel, constants) for place in range(len(NAMES))
    ]
    return Conditions(loss, tuple(word for word in REGULARISERS if word in parts), *found)


def _kernel_entries(loss: str, row: Loss, parts: set[str]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    ridge = loss == "ridge" or "inf_convolution" in parts
    if ridge and "gradient_penalty" in parts:
        reason = "the critic is A⁻¹(m_μ − m_ν) with A ⪰ λ"
        formulas = ("√(2Δ K1)/λ", "√(2Δ K2)/λ", "K1/λ")
        return tuple(Entry(True, f, reason) for f in formulas), ("docs/minimax, theorem 3",) * 3
    if ridge and loss != "ridge":
        reason = "the critic is (m_μ − m_ν*)/λ with ν* a probability, firmly nonexpansive in m_μ"
        return tuple(Entry(True, e.constant, reason) for e in LOSSES["ridge"].entries), ("docs/minimax, theorem 2",) * 3
    return row.entries, ("docs/minimax, theorem 1" if ridge else "docs/minimax, table 1",) * 3


def _network_entries(row: Loss, parts: set[str]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    first, second, third = row.entries
    sources = ["docs/minimax, table 1"] * 3
    if "spectral_normalisation" in parts:
        first = Entry(True, "S_L P", "each layer's norm is bounded, hence so is their product")
        second = failing("relu has kinks; norms alone do not bound the curvature")
        third = failing("a linear critic of norm 1 is sign(t) x for " + JUMP)
        sources = ["docs/minimax, theorem 4", "docs/minimax, theorem 4", "docs/minimax, table 1"]
        if "smooth_activation" in parts:
            second = Entry(True, "S_L Q", "norms and sup|σ''| are bounded")
    if "gradient_penalty" in parts:
        third = failing(
            third.reason + "; a gradient penalty without a ridge gives stability at the equilibrium only (theorem 16)"
        )
    return (first, second, third), tuple(sources)


def _condition(
    place: int, entry: Entry, source: str, loss: str, kernel: bool, constants: KernelConstants | CriticConstants | None
) -> Condition:
    value = None
    if entry.holds:
        value = float(entry.constant) if entry.constant.isdigit() else getattr(constants, FIELDS[place], None)
        if loss == "mmd" and not entry.constant.isdigit() and isinstance(constants, KernelConstants):
            value = float(np.sqrt((constants.K1, constants.K2)[place])) if entry.constant.startswith("√K") else value
    if value is not None and np.isinf(value):
        reason = "its constant is infinite: take a smoother kernel or activation"
        return Condition(NAMES[place], False, "", value, reason, source, ())
    repairs: tuple[tuple[str, ...], ...] = ()
    if not entry.holds:
        repairs = (("inf_convolution",), ("inf_convolution", "gradient_penalty"))
        if not kernel and place == 0:
            repairs = (("spectral_normalisation",), *repairs)
        if not kernel and place == 1:
            repairs = (("spectral_normalisation", "smooth_activation"), *repairs)
    return Condition(NAMES[place], entry.holds, entry.constant, value, entry.reason, source, repairs)
