"""When two trajectories of an LSTM or a GRU under the same input come together: conditions on the norms of its weights.

E. Terzi, F. Bonassi, M. Farina and R. Scattolini, "Learning model predictive control with long short-term memory
networks", International Journal of Robust and Nonlinear Control 31 (2021) 8877-8896.
F. Bonassi, M. Farina and R. Scattolini, "On the stability properties of Gated Recurrent Units neural networks", Systems
& Control Letters 157 (2021) 105049.
S. De Carli, D. Previtali, L. Pitturelli, M. Mazzoleni, A. Ferramosca and F. Previdi, "Infinity-norm-based
input-to-state-stable long short-term memory networks: a thermal systems perspective", 2025, arXiv:2503.11553.
What is tested are this project's forms of their conditions, and the sharper levels: docs/resilience, theorems 4 to 16.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ..theory.resilience.box import Box
from ..theory.resilience.cell import GRUCell, LSTMCell
from ..theory.resilience.interval import point
from ..theory.resilience.norm_level import Norm, NormBounds, gru_norm_map, norm_bounds
from .engine.claim import Case, Claim, FalseVariant, Relation, Sighting
from .kept import Kept
from .one_block_networks import (
    INPUT,
    NETWORKS,
    PAIRS,
    PAPER,
    ROUNDING,
    cases,
    one_block,
    pairs_of,
    run_pairs,
    usual_inputs,
)
from .order_of_levels import ORDER_CLAIMS
from .random_networks import (
    of_network,
    recovery_bound,
    searched_recovery,
    step_less,
    whatever_level,
    within,
    without_anomaly,
)

Array = NDArray[np.float64]

STEPS = 8  # at most


@Kept
def _norms(number: int, norm: Norm) -> NormBounds:
    cell = one_block("LSTM", number)
    assert isinstance(cell, LSTMCell)
    return norm_bounds(cell, point(np.zeros(cell.dimension)), usual_inputs(), norm)


def _moved(
    cell: LSTMCell | GRUCell, box: Box, rng: np.random.Generator, steps: int, order: float
) -> tuple[list[float], list[float]]:
    """Norms of the blocks of Δx(0) and of Δx(steps) of the pair that grew most."""
    blocks = 2 if isinstance(cell, LSTMCell) else 1
    pairs = pairs_of(rng, box, blocks)
    inputs = within(rng, Box([-INPUT], [INPUT]), steps, PAIRS)
    before = _block_norms(pairs[1] - pairs[0], blocks, order)
    after = _block_norms(run_pairs(cell, pairs, inputs), blocks, order)
    growth = after[:, -1] / np.maximum(before.sum(1), 1e-300)
    best = int(growth.argmax())
    return before[best].tolist(), after[best].tolist()


def _block_norms(states: Array, blocks: int, order: float) -> Array:
    out: Array = np.linalg.norm(states.reshape(len(states), blocks, -1), ord=order, axis=-1)
    return out


# ---- level A of an LSTM


def _lstm_pair(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """How far apart two trajectories are after some steps: the norm of Δc or of Δh."""
    number, norm = int(rng.integers(NETWORKS)), case.arguments["norm"]
    cell, steps = one_block("LSTM", number), 1 + int(rng.integers(STEPS)) * int(rng.random() < 0.2)
    side = np.append(np.full(cell.units, _norms(number, norm).cell), np.ones(cell.units))
    before, after = _moved(cell, Box(-side, side), rng, steps, math.inf if norm == "max" else 2)
    part = int(rng.integers(2))
    return Sighting(
        after[part], {"number": number, "norm": norm, "before": tuple(before), "steps": steps, "part": part}
    )


def _after(matrix: Callable[[int, Norm], Array]) -> Callable[..., float]:
    """An entry of A^t (‖Δc(0)‖, ‖Δh(0)‖)."""
    once = Kept(matrix)

    def at(number: int, norm: Norm, before: tuple[float, float], steps: int, part: int) -> float:
        return float((np.linalg.matrix_power(once(number, norm), steps) @ before)[part])

    return at


def _norm_matrix(number: int, norm: Norm) -> Array:
    return _norms(number, norm).matrix


def lstm_matrix(number: int, norm: Norm, slope: float = 0.25, cells: float = 1.0, outputs: float = 1.0) -> Array:
    """A from the scalars of the theory, with another largest slope of σ, and c̄ and φ̄_c times a factor."""
    at, order = _norms(number, norm), np.inf if norm == "max" else 2
    Ri, Rf, Rg, Ro = (np.linalg.norm(R, order) for R in np.split(one_block("LSTM", number).weight_hh, 4))
    alpha = slope * Rf * cells * at.cell + at.input_gate * Rg + slope * at.candidate * Ri
    f, o = at.forget_gate, at.output_gate
    return np.array([[f, alpha], [o * f, o * alpha + slope * outputs * at.cell_output * Ro]])


def _input_to_state(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """‖c⁺‖ in the largest-entry norm after a state with h = o∘tanh(c)."""
    number = int(rng.integers(NETWORKS))
    cell, size = one_block("LSTM", number), float(rng.choice([0.1, 1.0, 10.0]))
    c = size * rng.uniform(-1.0, 1.0, (PAIRS, cell.units))
    h = expit(rng.uniform(-4.0, 4.0, c.shape)) * np.tanh(c)
    after = cell.step(np.stack([c, h], axis=1), within(rng, Box([-INPUT], [INPUT]), PAIRS))
    grown, old = np.abs(after[:, 0]).max(1), np.abs(c).max(1)
    best = int((grown / old).argmax())
    return Sighting(float(grown[best]), {"number": number, "cell": float(old[best])})


def cell_bound(number: int, cell: float, recurrent: float = 1.0, drive: float = 1.0) -> float:
    """(σ̄_f + σ̄_i ‖R_g‖) ‖c‖ + σ̄_i (‖W_g‖ u_max + ‖b_g‖); the factors are for what is wrong."""
    at, net = _norms(number, "max"), one_block("LSTM", number)
    assert isinstance(net, LSTMCell)
    g = slice(2 * net.units, 3 * net.units)
    Rg, Wg = (float(np.abs(part[g]).sum(1).max()) for part in (net.weight_hh, net.weight_ih))
    pushed = drive * at.input_gate * (Wg * INPUT + float(np.abs(net.bias[g]).max()))
    return (at.forget_gate + recurrent * at.input_gate * Rg) * cell + pushed


# ---- level A of a GRU


def _gru_pair(case: Case, rng: np.random.Generator, effort: float) -> Sighting:
    """‖Δh‖ in the largest-entry norm after some steps."""
    number = int(rng.integers(NETWORKS))
    cell, steps = one_block("GRU", number), 1 + int(rng.integers(STEPS)) * int(rng.random() < 0.2)
    side = np.ones(cell.units)
    before, after = _moved(cell, Box(-side, side), rng, steps, math.inf)
    return Sighting(after[0], {"number": number, "before": before[0], "steps": steps})


def _contracted(rate: Callable[[int], float]) -> Callable[..., float]:
    """λ^t ‖Δh(0)‖."""
    once = Kept(rate)
    return lambda number, before, steps: once(number) ** steps * before


@Kept
def _gru_rate(number: int) -> float:
    cell = one_block("GRU", number)
    assert isinstance(cell, GRUCell)
    return float(gru_norm_map(cell, usual_inputs()).matrix[0, 0])


def gru_rate(number: int, slope: float = 0.25, apart: float = 1.0, inner_bias: float = 1.0) -> float:
    """λ_A = z̄ + (1 − z̄) L + s ‖R_z‖ (a + φ̄), L = r̄ ‖R_n‖ + s ‖R_r‖ q̄, true for s = ¼ and a = 1; L > 1 with z̄ = 0."""
    cell = one_block("GRU", number)
    assert isinstance(cell, GRUCell)
    W, R, inner = np.split(cell.weight_ih, 3), np.split(cell.weight_hh, 3), inner_bias * np.split(cell.bias_hh, 3)[2]
    both, own = np.split(cell.bias_ih + cell.bias_hh, 3), np.split(cell.bias_ih, 3)[2]
    size = [np.abs(P).sum(1) for P in R]
    r, z = (expit((np.abs(W[k])[:, 0] * INPUT + size[k] + np.abs(both[k])).max()) for k in (0, 1))
    q = float((size[2] + np.abs(inner)).max())
    v = math.tanh((np.abs(W[2])[:, 0] * INPUT + np.abs(own)).max() + r * q)
    L = r * size[2].max() + slope * size[0].max() * q
    return float((z + (1 - z) * L if L <= 1 else L) + slope * size[1].max() * (apart + v))


LARGEST, EUCLIDEAN = "largest entry", "Euclidean"

CLAIMS = (
    Claim(
        name="lstm-norms",
        paper=PAPER,
        place="the condition of Terzi et al. for δISS; docs/resilience, theorems 4 and 5",
        sentence="(‖Δc(t)‖, ‖Δh(t)‖) ≤ A^t (‖Δc(0)‖, ‖Δh(0)‖), A = [[σ̄_f, α], [σ̄_oσ̄_f, σ̄_oα + ¼φ̄_c‖R_o‖]].",
        relation=Relation.NEVER_EXCEEDS,
        theory=_after(_norm_matrix),
        simulate=_lstm_pair,
        cases=cases({LARGEST: {"norm": "max"}, EUCLIDEAN: {"norm": "euclidean"}}),
        tolerance=ROUNDING,
        remainder="rounding",
        false_variants=(
            FalseVariant("⅛ for ¼, the largest slope of σ", _after(lambda k, norm: lstm_matrix(k, norm, slope=1 / 8))),
            FalseVariant("α without c̄", _after(lambda k, norm: lstm_matrix(k, norm, cells=0.0))),
            FalseVariant("no term of R_o", _after(lambda k, norm: lstm_matrix(k, norm, outputs=0.0))),
        ),
        formula=(
            r"\begin{pmatrix} \lVert \Delta c(t) \rVert \\ \lVert \Delta h(t) \rVert \end{pmatrix} \le A^t "
            r"\begin{pmatrix} \lVert \Delta c(0) \rVert \\ \lVert \Delta h(0) \rVert \end{pmatrix}, \quad "
            r"A = \begin{pmatrix} \bar\sigma_f & \alpha \\ \bar\sigma_o \bar\sigma_f & "
            r"\bar\sigma_o \alpha + \tfrac14 \bar\varphi_c \lVert R_o \rVert \end{pmatrix} \\ "
            r"\alpha = \tfrac14 \lVert R_f \rVert \bar c + \bar\sigma_i \lVert R_g \rVert + \tfrac14 \bar\varphi_g "
            r"\lVert R_i \rVert"
        ),
    ),
    Claim(
        name="lstm-cells",
        paper=PAPER,
        place="the condition of De Carli et al. for ISS in the largest-entry norm",
        sentence="‖c⁺‖ ≤ (σ̄_f + σ̄_i‖R_g‖) ‖c‖ + σ̄_i (‖W_g‖ u_max + ‖b_g‖) where h = o∘tanh(c).",
        relation=Relation.NEVER_EXCEEDS,
        theory=cell_bound,
        simulate=_input_to_state,
        cases=cases({LARGEST: {}}),
        tolerance=ROUNDING,
        remainder="rounding",
        false_variants=(
            FalseVariant("σ̄_f alone", lambda number, cell: cell_bound(number, cell, recurrent=0.0)),
            FalseVariant("half the drive", lambda number, cell: cell_bound(number, cell, drive=0.5)),
        ),
        formula=(
            r"\lVert c^+ \rVert_\infty \le (\bar\sigma_f + \bar\sigma_i \lVert R_g \rVert_\infty) \lVert c "
            r"\rVert_\infty "
            r"+ \bar\sigma_i (\lVert W_g \rVert_\infty u_{\max} + \lVert b_g \rVert_\infty)"
        ),
    ),
    Claim(
        name="gru-norm",
        paper=PAPER,
        place="the condition of Bonassi et al. for δISS, reset after the product; docs/resilience, theorem 15",
        sentence="‖Δh(t)‖ ≤ λ^t ‖Δh(0)‖, λ = z̄ + (1 − z̄)L + ¼‖R_z‖(1 + φ̄), where L = r̄‖R_n‖ + ¼‖R_r‖q̄ ≤ 1, else z̄ = 0.",
        relation=Relation.NEVER_EXCEEDS,
        theory=_contracted(_gru_rate),
        simulate=_gru_pair,
        cases=cases({LARGEST: {}}),
        tolerance=ROUNDING,
        remainder="rounding",
        false_variants=(
            FalseVariant("⅛ for ¼, the largest slope of σ", _contracted(lambda number: gru_rate(number, slope=1 / 8))),
            FalseVariant("φ̄ for 1 + φ̄", _contracted(lambda number: gru_rate(number, apart=0.0))),
            FalseVariant("q̄ without b_hn", _contracted(lambda number: gru_rate(number, inner_bias=0.0))),
        ),
        formula=(
            r"\lVert \Delta h(t) \rVert \le \lambda^t \lVert \Delta h(0) \rVert, \quad "
            r"\lambda = \max(\bar z + (1 - \bar z) L, L) + \tfrac14 \lVert R_z \rVert (1 + \bar\varphi), \quad "
            r"L = \bar r \lVert R_n \rVert + \tfrac14 \lVert R_r \rVert \bar q"
        ),
    ),
    Claim(
        name="gru-recovery",
        paper=PAPER,
        place="docs/resilience, theorems 11 and 16",
        sentence="No sampled or searched recovery of a GRU takes more steps than T̂(ε), by A, B, C and the tube of C.",
        relation=Relation.NEVER_EXCEEDS,
        theory=of_network(recovery_bound),
        simulate=searched_recovery,
        cases=cases({"GRU": {"kind": "GRU"}}),
        tolerance=0.0,
        remainder="nothing: both sides are integers",
        false_variants=(
            FalseVariant("one step less", of_network(step_less)),
            FalseVariant("S_n for S_a, which an anomaly reaches", whatever_level(without_anomaly)),
        ),
        formula=(
            r"T^*(\varepsilon) \le \hat T(\varepsilon), \quad T^*(\varepsilon) = \sup \min \{ T \ge 0 : "
            r"\lVert y(t) - \bar y(t) \rVert_\infty \le \varepsilon \text{ for all } t \ge T \}"
        ),
    ),
    *ORDER_CLAIMS,
)

if __name__ == "__main__":
    from .engine.script import main

    main(PAPER, CLAIMS)
