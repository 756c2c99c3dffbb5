"""Entropic mirror descent on probability measures: how fast does the loss fall from a start that knows nothing?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.special import logsumexp

from ...theory import _check
from ...theory.minimax import arguments
from ...theory.minimax.kernel_profile import kernel_profile
from .circulant import wrapped_symbol
from .kernel_sums import block_values, checked_kernel, points
from .threads import one_thread_products

Array = NDArray[np.float64]

TABLE = 1 << 22  # entries of a kernel matrix that is kept rather than made anew at every step
CLOSE = 1e-13  # change of a measure, in total variation, at which an inner problem counts as solved
INNER = 100_000  # steps that it may take


class Response(NamedTuple):
    """The best critic f at the points of the support, (n,), and the loss J."""

    critic: Array
    objective: float


Embedding = Callable[[Array], Array]
BestResponse = Callable[[Array], Response]


@dataclass(frozen=True, eq=False)
class MirrorRun:
    """Mirror descent as done.

    Attributes
    ----------
    objectives : (T + 1,)
        J(μ) at every iterate.
    weights : (n,)
        μ at the end.
    """

    objectives: Array
    weights: Array


def support_embedding(kernel: str, lengthscale: float, support: ArrayLike, *, threads: int = 1) -> Embedding:
    """ξ ↦ Σ_j ξ_j k(·, x_j) at the points x_j of a support (n, d).

    Up to n = 2048 the matrix is kept, beyond sums go in blocks: O(n) memory.  Raises ValueError as `kernel_sums`.
    """
    kind, length = checked_kernel(kernel, lengthscale)
    x = points("support", support)
    workers = _check.integer("threads", threads, 1)
    if len(x) ** 2 > TABLE:
        return lambda xi: block_values(kind, length, x, x, xi, workers)
    squares = ((x[:, None] - x) ** 2).sum(axis=-1)
    gram = kernel_profile(kernel, length).value(np.sqrt(squares))
    return lambda xi: gram @ xi


def torus_embedding(count: int, kernel: str, lengthscale: float) -> Embedding:
    """The same for n equidistant points of a ring of length 1 and the wrapped kernel, divided by ψ(0) there; by FFT.

    Raises ValueError for n < 2 or as `kernel_torus_game`.
    """
    symbol = wrapped_symbol(count, kernel, lengthscale)
    weights = np.full(len(symbol), 2.0)
    weights[0] = 1.0
    if count % 2 == 0:
        weights[-1] = 1.0
    top = float(weights @ symbol) / count  # Σ_k ψ(|k|)
    return lambda xi: fft.irfft(symbol / top * fft.rfft(xi), count)


def ridge_response(embedding: Embedding, target: ArrayLike, ridge: float) -> BestResponse:
    """μ ↦ f = (m_μ − m_μ0)/λ and J = MMD²/(2λ), with μ0 the weights (n,) of `target`.

    Raises ValueError for λ <= 0 or weights that are negative or do not sum to 1.
    """
    q, lam = _measure("target", target), arguments.strong("ridge", ridge)

    def respond(p: Array) -> Response:
        f = embedding(p - q) / lam
        return Response(f, float(0.5 * (p - q) @ f))

    return respond


def inf_convolved_response(embedding: Embedding, target: ArrayLike, ridge: float) -> BestResponse:
    r"""The same for J(μ) = inf_ν KL(ν ‖ μ0) + MMD²(μ, ν)/(2λ), f = (m_μ − m_ν*)/λ, μ0 positive everywhere.

    ν* solves log ν = log μ0 + f + const.  It is found by steps of length 1/(1 + 1/(2λ)) in log ν, each shrinking the
    divergence from ν* by that share, until the measure moves by less than 1e-13.

    Raises ValueError for λ <= 0 or a target that is not positive, RuntimeError if the inner problem stays unsolved.
    Source: docs/minimax, theorem 2.
    """
    q, lam = _measure("target", target), arguments.strong("ridge", ridge)
    if not (q > 0).all():
        raise ValueError("target must be positive everywhere for its divergence, got a zero weight")
    base, share = np.log(q), 1 / (1 + 1 / (2 * lam))

    def respond(p: Array) -> Response:
        log_nu = base
        nu = q
        for _ in range(INNER):
            f = embedding(p - nu) / lam
            log_nu = (1 - share) * log_nu + share * (base + f)
            log_nu = log_nu - logsumexp(log_nu)
            before, nu = nu, np.exp(log_nu)
            if np.abs(nu - before).sum() < CLOSE:
                f = embedding(p - nu) / lam
                return Response(f, float(nu @ (log_nu - base) + 0.5 * (p - nu) @ f))
        raise RuntimeError(f"the inner problem was not solved in {INNER} steps; raise ridge, now {lam:g}")

    return respond


def simulate_mirror_descent(response: BestResponse, start: ArrayLike, step: float, steps: int) -> MirrorRun:
    r"""μ ← e^{−hf} μ/Z with the best critic f at every step, weights kept as logarithms.

    Parameters
    ----------
    response : callable
        From `ridge_response` or `inf_convolved_response`, or any other: weights (n,) ↦ (f, J).
    start : (n,)
        Weights of μ⁽⁰⁾; what is 0 stays 0.
    step : float
        h > 0.
    steps : int
        T >= 0.

    Raises ValueError outside these ranges.  Source: docs/minimax, theorem 13.

    >>> respond = ridge_response(lambda xi: xi, [1.0, 0.0], ridge=1.0)
    >>> simulate_mirror_descent(respond, [0.5, 0.5], 1.0, 1).weights.round(6)
    array([0.731059, 0.268941])
    """
    p, h = _measure("start", start), _check.positive("step", step)
    count = _check.integer("steps", steps, 0)
    objectives = np.empty(count + 1)
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    with one_thread_products():
        for k in range(count + 1):
            f, objectives[k] = response(p)
            if k < count:
                logs = logs - h * f
                logs = logs - logsumexp(logs)
                p = np.exp(logs)
    return MirrorRun(objectives, p)


def _measure(name: str, value: ArrayLike) -> Array:
    """Weights >= 0 that sum to 1 within 1e-9."""
    out = arguments.numbers(name, value)
    return arguments.weights(name, out, len(out))
