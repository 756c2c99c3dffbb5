"""A term that keeps the certified recovery time of a network below a target while it is trained."""

import math

import torch
from torch import Tensor, nn

from ...theory import _check
from .comparison import Comparison, apply, contraction_rate, worst_rows
from .interval import Interval
from .invariant_set import REFINEMENTS, step_stack, widths
from .jacobian_level import jacobian_maps
from .network import TorchStack
from .penalties import Bound, as_network, reachable

SHARES = (1e-3, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # θ in s = ρ + |1 − ρ| θ
LEAST = 1e-3  # of |1 − ρ|, so that s stays apart from ρ
POLICY_STEPS = 10


def recovery_penalty(
    module: nn.Module | TorchStack,
    input_bound: Bound,
    epsilon: float,
    steps: int,
    *,
    anomaly_bound: Bound | None = None,
    tube_steps: int = 0,
    output: str | None = None,
    prefix: str | None = None,
    refinements: int = REFINEMENTS,
) -> Tensor:
    r"""max(0, min_v [max(0, log(out(v) ‖δ_K‖_v / ε)) / (T − K) + log λ_v]): zero where the bound on recovery is <= T.

    λ_v = max_r T(v)_r / v_r of level C, so that K + log(out(v) ‖δ_K‖_v / ε) / log(1/λ_v), where λ_v < 1, is the
    logarithmic bound on the recovery time that `recovery_time_bound` gives, before it is rounded up; the term is
    log(1/λ_v) times the relative excess of that bound over T, and goes on where λ_v >= 1 proves nothing yet.  v runs
    over the resolvent vectors (I − M/s)⁻¹ 1.  Use and accuracy are those of `stability_penalty`.

    Parameters
    ----------
    module : Module or TorchStack
    input_bound, anomaly_bound : float, (m,) or Box
        U and U_a ⊇ U; None stands for U.
    epsilon : float
        ε > 0, in units of y.
    steps : int
        T > K, the target.
    tube_steps : int
        K >= 0: the boxes are followed for K steps after the anomaly, as they shrink, before λ is taken.
    output : str or None
        Name of the linear layer that reads y; left out, y = h (of a `TorchStack`, its own output).
    prefix, refinements
        As for `stability_penalty`.

    Raises ValueError, TypeError or NotImplementedError in one sentence that names the argument.

    Source: docs/resilience, section 10 and theorem 11.

    >>> bool(recovery_penalty(nn.GRU(1, 4), 1.0, 0.05, 5, anomaly_bound=3.0) > 0)
    True
    """
    eps, K = _check.positive("epsilon", epsilon), _check.integer("tube_steps", tube_steps, 0)
    T = _check.integer("steps", steps, K + 1)
    stack = as_network(module, prefix, output)
    rates, excess = _pairs(stack, input_bound, anomaly_bound, eps, K, refinements)
    return torch.relu((excess / (T - K) + rates.log()).amin())


def recovery_steps(
    module: nn.Module | TorchStack,
    input_bound: Bound,
    epsilon: float,
    *,
    anomaly_bound: Bound | None = None,
    tube_steps: int = 0,
    output: str | None = None,
    prefix: str | None = None,
    refinements: int = REFINEMENTS,
) -> Tensor:
    """The bound itself, a real number of steps before it is rounded up; infinite where no λ is below 1.

    Arguments and errors are those of `recovery_penalty`.  Not rounded outward.
    """
    eps, K = _check.positive("epsilon", epsilon), _check.integer("tube_steps", tube_steps, 0)
    stack = as_network(module, prefix, output)
    rates, excess = _pairs(stack, input_bound, anomaly_bound, eps, K, refinements)
    needed = excess / -torch.where(rates < 1, rates, rates.new_tensor(0.5)).log()
    return K + torch.where(rates < 1, needed, rates.new_tensor(math.inf)).amin()


def _pairs(
    stack: TorchStack, input_bound: Bound, anomaly_bound: Bound | None, epsilon: float, K: int, refinements: int
) -> tuple[Tensor, Tensor]:
    """λ_v and max(0, log(out(v) ‖δ_K‖_v / ε)) for every v, both (J,)."""
    U, X, Y = reachable(stack, input_bound, anomaly_bound, refinements)
    maps, deviation = _after_tube(stack, U, X, Y, K)
    v = _vectors(maps)
    rates = (apply(maps, v) / v).amax(-1).clamp(min=1e-12)  # λ = 0 has no logarithm
    size = out(stack, v) * (deviation / v).amax(-1)
    return rates, (size.clamp(min=epsilon) / epsilon).log()


def _after_tube(
    stack: TorchStack, U: Interval, X: tuple[Interval, ...], Y: tuple[Interval, ...], K: int
) -> tuple[list[Comparison], Tensor]:
    """T_K and δ_K: δ_{t+1} = min(T_t(δ_t), w_{t+1}) along boxes that shrink; with K = 0 those of S_a and w_0."""
    deviation = widths(X, Y)
    if not K:
        return jacobian_maps(stack, X, U), deviation
    for _ in range(K):
        after, Y = step_stack(stack, X, U), step_stack(stack, Y, U)
        deviation = torch.minimum(apply(jacobian_maps(stack, X, U, after), deviation), widths(after, Y))
        X = after
    return jacobian_maps(stack, X, U, step_stack(stack, X, U)), deviation


def _vectors(maps: list[Comparison]) -> Tensor:
    """v = (I − M/s)⁻¹ 1 >= 1 for the worst rows M and s = ρ + |1 − ρ| θ, (J, d)."""
    rho = torch.stack([contraction_rate(layer) for layer in maps]).amax()
    shares = torch.tensor(SHARES, dtype=rho.dtype, device=rho.device)
    s = rho + (1 - rho).abs().clamp(min=LEAST) * shares
    with torch.no_grad():
        v = torch.ones_like(torch.cat([layer.tables[0, :, 0] for layer in maps]))
        tables = max(len(layer.tables) for layer in maps)
        for _ in range(POLICY_STEPS if tables > 1 else 0):
            v = _resolvent(worst_rows(maps, v), s[:1])[0]
    return _resolvent(worst_rows(maps, v), s)


def _resolvent(matrix: Tensor, s: Tensor) -> Tensor:
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    ones = torch.ones_like(matrix[0]).expand(len(s), -1)
    v: Tensor = torch.linalg.solve(eye - matrix / s[:, None, None], ones)
    return v


def out(stack: TorchStack, deviation: Tensor) -> Tensor:
    """max_j (|C_y| δ_h)_j of joint deviations (..., d)."""
    h = deviation[..., -stack.units :]
    return (h if stack.output is None else h @ stack.output.abs().T).amax(-1)
