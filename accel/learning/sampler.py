"""Thousands of chains of the posterior of a linear network at once: one sweep of blocked Gibbs and symmetry moves.

Letters are those of docs/learning, section 8: W weights, Z what a layer receives, R residuals, D backpropagated
residuals, Q = ZZᵀ, P the curvature seen from above.  All tensors lead with the axes (cases, chains).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...theory import _check
from ...theory.learning.network import LinearNetwork, Truth
from .symmetry import rescale, shear

FINE = torch.float64  # the small factorisations are done in it whatever the dtype of the weights


@dataclass(frozen=True)
class Posterior:
    """The densities ∝ exp(−β E(w)) N(w; 0, s²) of several cases, E = ½ Σ_l ‖(W_l … W_1 D)[observed rows] − T_l‖².

    The cases share the network; each has its own inverse temperature, targets and design.

    Attributes
    ----------
    network : LinearNetwork
    targets : L tensors (cases, observed_l, h_0)
        T_l; a layer without observed units has (cases, 0, h_0).
    beta : (cases,)
        β > 0.  For the population of n data it is n.
    design : (cases, h_0) or None
        The diagonal of D, the singular values of the inputs in their own coordinates; None for ones.
    prior_scale : float
        s > 0.
    basis : (h_0, h_0) or None
        An orthogonal V when the inputs are taken in its columns: W_1 V stands in the place of W_1.

    Values are not looked at (the device need not wait); shapes are.  Raises ValueError where they disagree.  In float32
    on CUDA products are exact by torch's default; torch.set_float32_matmul_precision("high") cuts them to TF32, off by
    1e-3.
    """

    network: LinearNetwork
    targets: tuple[Tensor, ...]
    beta: Tensor
    design: Tensor | None = None
    prior_scale: float = 1.0
    basis: Tensor | None = None

    def __post_init__(self) -> None:
        _check.positive("prior_scale", self.prior_scale)
        if self.beta.ndim != 1:
            raise ValueError(f"beta must have shape (cases,), got {tuple(self.beta.shape)}")
        if len(self.targets) != self.network.depth:
            raise ValueError(f"targets must hold {self.network.depth} tensors, got {len(self.targets)}")
        cases, inputs = self.beta.shape[0], self.network.widths[0]
        for i, (target, seen) in enumerate(zip(self.targets, self.network.observed, strict=True)):
            if tuple(target.shape) != (cases, seen, inputs):
                raise ValueError(f"targets[{i}] must have shape {(cases, seen, inputs)}, got {tuple(target.shape)}")
        if self.design is not None and tuple(self.design.shape) != (cases, inputs):
            raise ValueError(f"design must have shape {(cases, inputs)}, got {tuple(self.design.shape)}")

    @classmethod
    def of_population(
        cls,
        truths: Sequence[Truth],
        ns: Sequence[float],
        *,
        prior_scale: float = 1.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype = FINE,
    ) -> "Posterior":
        """The noise-free posterior ∝ exp(−nK(w)) N(w; 0, s²) at each truth with its n > 0.

        Raises ValueError when the truths are of different networks or not as many as `ns`.
        """
        if len(truths) == 0 or len(truths) != len(ns):
            raise ValueError(f"truths and ns must be as many and at least one, got {len(truths)} and {len(ns)}")
        if any(truth.network != truths[0].network for truth in truths):
            raise ValueError("truths must all be of the same network, got different ones")
        beta = torch.tensor([_check.positive("ns", n) for n in ns], dtype=dtype, device=device)
        targets = tuple(_stacked(layer, device, dtype) for layer in zip(*(t.targets for t in truths), strict=True))
        return cls(truths[0].network, targets, beta, prior_scale=prior_scale)

    @classmethod
    def of_data(
        cls,
        network: LinearNetwork,
        inputs: Tensor,
        observations: Tensor,
        betas: Sequence[float],
        *,
        prior_scale: float = 1.0,
    ) -> "Posterior":
        """The posterior of one data set at several inverse temperatures, its cost independent of n.

        With X = U D Vᵀ the energy ½ Σ_i ‖observed(x_i) − y_i‖² is E(w) with targets T_l = Y_lᵀ U and basis V, up to a
        constant; the prior does not notice the basis.

        Parameters
        ----------
        inputs : (n, h_0)
            X, n >= h_0.
        observations : (n, sum of observed)
            What the observed units showed, layer by layer.
        betas : cases numbers > 0
        """
        seen, size = sum(network.observed), network.widths[0]
        if inputs.ndim != 2 or inputs.shape[1] != size or inputs.shape[0] < size:
            raise ValueError(f"inputs must have shape (n, {size}) with n >= {size}, got {tuple(inputs.shape)}")
        if tuple(observations.shape) != (inputs.shape[0], seen):
            raise ValueError(f"observations must have shape {(inputs.shape[0], seen)}, got {tuple(observations.shape)}")
        U, design, Vh = torch.linalg.svd(inputs, full_matrices=False)
        beta = inputs.new_tensor([_check.positive("betas", b) for b in betas])
        targets = torch.split((observations.mT @ U).expand(len(beta), -1, -1), list(network.observed), dim=1)
        return cls(network, targets, beta, design.expand(len(beta), -1), prior_scale, Vh.mT)

    @property
    def cases(self) -> int:
        """How many cases are held."""
        return self.beta.shape[0]

    @property
    def waits(self) -> bool:
        """Whether a sweep makes the device wait, since torch looks at the outcome of eigenvectors.

        They are needed of what inner layers receive, and the first of several where there is a design.
        """
        return self.network.depth > 2 or (self.network.depth == 2 and self.design is not None)

    def energy(self, layers: Sequence[Tensor]) -> Tensor:
        """β E(w), shape (cases, chains)."""
        return self._energy(self._residuals(self._signals(layers)))

    def start(self, chains: int, layers: Sequence[Tensor], generator: torch.Generator | None = None) -> list[Tensor]:
        """Weights (cases, chains, h_l, h_{l−1}) to start from: `layers`, (cases, h_l, h_{l−1}), plus noise s n^{−1/4}.

        n is β times the mean square of the design.  The noise opens the null directions, whose products are of order
        n^{−1/2}; the first sweep corrects the rest.
        """
        n = self.beta if self.design is None else self.beta * self.design.square().mean(-1)
        size = (self.prior_scale * n.clamp_min(1.0) ** -0.25)[:, None, None, None]
        near = list(layers) if self.basis is None else [layers[0] @ self.basis, *layers[1:]]
        return [w[:, None] + size * _noise((self.cases, chains, *w.shape[1:]), w, generator) for w in near]

    def sweep(self, layers: Sequence[Tensor], generator: torch.Generator | None = None) -> tuple[list[Tensor], Tensor]:
        """One sweep: every layer drawn exactly given the others, then the symmetry moves of every unobserved unit.

        Returns the new weights and the smoothed energy (cases, chains): the average over the layers of
        E[βE | the other layers], which has the mean of βE and a smaller variance (Rao-Blackwell).
        The law of the weights is left as it is.  The weights passed in are not changed.
        """
        W = list(layers)
        P = self._curvatures(W)
        smooth = torch.zeros_like(W[0][..., 0, 0])
        for layer in range(self.network.depth):
            Z = self._signals(W)
            R = self._residuals(Z)
            W[layer], mean_energy = self._draw_layer(layer, W, Z, R, P[layer], generator)
            smooth += mean_energy / self.network.depth
        for layer, (width, seen) in enumerate(zip(self.network.widths[1:-1], self.network.observed, strict=False)):
            if width > seen:
                shear(W[layer], W[layer + 1], width - seen, self.prior_scale, generator)
                rescale(W[layer], W[layer + 1], width - seen, self.prior_scale, generator)
        return W, smooth

    def _signals(self, W: Sequence[Tensor]) -> list[Tensor]:
        """Z_1 … Z_L, what the units of each layer compute."""
        Z = [W[0] if self.design is None else W[0] * self.design[:, None, None]]
        for weights in W[1:]:
            Z.append(weights @ Z[-1])
        return Z

    def _residuals(self, Z: Sequence[Tensor]) -> list[Tensor]:
        return [t[:, None] - z[..., z.shape[-2] - t.shape[-2] :, :] for t, z in zip(self.targets, Z, strict=True)]

    def _energy(self, R: Sequence[Tensor]) -> Tensor:
        return 0.5 * self.beta[:, None] * sum((r * r).sum((-2, -1)) for r in R)

    def _curvatures(self, W: Sequence[Tensor]) -> list[Tensor]:
        """P_l = S_l + W_{l+1}ᵀ P_{l+1} W_{l+1} from the output down, S_l the projector on the observed units."""
        P: list[Tensor] = []
        for layer in reversed(range(self.network.depth)):
            width, seen = self.network.widths[layer + 1], self.network.observed[layer]
            own = torch.zeros(width, dtype=FINE, device=W[0].device)
            own[width - seen :].fill_(1.0)
            if P:
                above = W[layer + 1].to(FINE)
                P.append(torch.diag(own) + above.mT @ P[-1] @ above)
            else:
                P.append(torch.diag(own))
        return P[::-1]

    def _backpropagated(self, layer: int, W: Sequence[Tensor], R: Sequence[Tensor]) -> Tensor:
        """D_l = S_lᵀ R_l + W_{l+1}ᵀ D_{l+1}."""
        D = R[-1]
        for k in reversed(range(layer, self.network.depth - 1)):
            D = W[k + 1].mT @ D
            if self.network.observed[k]:
                D[..., D.shape[-2] - self.network.observed[k] :, :] += R[k]
        return D

    def _draw_layer(
        self,
        layer: int,
        W: Sequence[Tensor],
        Z: Sequence[Tensor],
        R: Sequence[Tensor],
        P: Tensor,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        """A draw of W_l from N(W + δ, Λ⁻¹), Λ = βQ⊗P + I/s², Λδ = βDZᵀ − W/s², and the mean of βE under it.

        Working with the shift δ rather than the mean keeps the digits when β is large.
        """
        p, old, beta = self.prior_scale**-2, W[layer], self.beta[:, None, None, None]
        D = self._backpropagated(layer, W, R)
        if layer > 0:
            g = beta * (D @ Z[layer - 1].mT) - p * old
        else:
            g = beta * (D if self.design is None else D * self.design[:, None, None]) - p * old
        fine = beta[..., None].to(FINE)
        if layer == self.network.depth - 1:  # P = I: every row has precision βQ + p I
            Q = self._received(layer, Z)
            mean, noise, spread = _conditional(fine * Q[..., None, :, :], g.mT[..., None, :, :], p, generator)
            mean, noise = mean[..., 0, :, :].mT, noise[..., 0, :, :].mT
        elif layer == 0 and self.design is None:  # Q = I: every column has precision βP + p I
            mean, noise, spread = _conditional(fine * P[..., None, :, :], g[..., None, :, :], p, generator)
            mean, noise = mean[..., 0, :, :], noise[..., 0, :, :]
        else:  # in the eigenvectors V of Q, column j has precision βq_j P + p I
            q, V = torch.linalg.eigh(self._received(layer, Z))
            blocks = fine * q.clamp_min(0.0)[..., None, None] * P[..., None, :, :]
            V = V.to(g.dtype)
            mean, noise, spread = _conditional(blocks, (g @ V).mT[..., None], p, generator)
            mean, noise = mean[..., 0].mT @ V.mT, noise[..., 0].mT @ V.mT
        # ½β‖R − GδZ‖² = ½β‖R‖² − ½ g·δ − p (W + ½δ)·δ, because Λδ = g
        gain = (0.5 * g * mean + p * (old + 0.5 * mean) * mean).sum((-2, -1))
        return old + mean + noise, self._energy(R) - gain + spread.to(gain.dtype)

    def _received(self, layer: int, Z: Sequence[Tensor]) -> Tensor:
        """Q = ZZᵀ of what the layer receives."""
        if layer > 0:
            received = Z[layer - 1].to(FINE)
            return received @ received.mT
        design = torch.ones_like(self.targets[-1][:, 0]) if self.design is None else self.design
        return torch.diag_embed(design[:, None].to(FINE) ** 2)


def true_layers(
    truths: Sequence[Truth], *, device: torch.device | str | None = None, dtype: torch.dtype = FINE
) -> list[Tensor]:
    """The true weights of several truths of one network, for each layer (cases, h_l, h_{l−1})."""
    return [_stacked(layer, device, dtype) for layer in zip(*(t.layers for t in truths), strict=True)]


def _conditional(
    curvature: Tensor, g: Tensor, p: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean Λ⁻¹g and noise of Gaussian columns of precision Λ = curvature + p I, and what their spread adds to βE.

    curvature : (..., blocks, size, size), g : (..., blocks, size, columns).
    The spread adds ½ tr(curvature Λ⁻¹) = ½ (size − p tr Λ⁻¹) a column.
    """
    eye = torch.eye(curvature.shape[-1], dtype=FINE, device=g.device)
    C = torch.linalg.cholesky_ex(curvature + p * eye).L
    U = torch.linalg.solve_triangular(C, eye.expand_as(C), upper=False)
    spread = 0.5 * g.shape[-1] * (C.shape[-3] * C.shape[-1] - p * (U * U).sum((-3, -2, -1)))
    U = U.to(g.dtype)
    return U.mT @ (U @ g), U.mT @ _noise(g.shape, g, generator), spread


def _noise(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def _stacked(matrices: Sequence[NDArray[np.float64]], device: torch.device | str | None, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(np.stack(matrices), dtype=dtype, device=device)
