"""A pair of Gaussians in the coordinates in which both are uncorrelated, with derivatives for repeated ratios too."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...theory.entropy.pair_spectrum import ENTRIES, WIDE
from .mixture import TorchMixture

BATCHED = 32  # the widest that any torch takes together


@dataclass(frozen=True, eq=False)
class PairSpectra:
    r"""P pairs (k, j): with L = chol Σ_k, :math:`L^{-1}\Sigma_j L^{-\top} = V \operatorname{diag}(\ell) V^\top`,
    :math:`\delta = V^\top L^{-1}(\mu_j - \mu_k)`; the letters of `theory.entropy.pair_spectrum`.

    Attributes
    ----------
    ratios, squares : (P, n)
        ℓ_i and δ_i².  Where all ℓ_i of a pair agree by construction, n = 1 and δ² is the sum.
    multiplicity : int
        How many dimensions each column of `ratios` stands for: m where n = 1, otherwise 1.
    coupling : (P, n, n) or None
        X_il = δ_i δ_l (Vᵀ M V)_il for i ≠ l, with M = L⁻¹Σ_jL⁻ᵀ and the axes V held fixed: zero, but its derivative is
        not.  A function of the pair is known to first order in M once it is known to first order in ℓ, δ² and X, and
        no difference ℓ_i - ℓ_l is divided by, as it would be in the derivative of the axes.
    """

    ratios: Tensor
    squares: Tensor
    multiplicity: int
    coupling: Tensor | None

    def log_affinity(self, s: float) -> Tensor:
        r"""log C(s) = Σ [½(1-s) log ℓ - ½ log u - ½ s(1-s) δ²/u], (P,), u = (1-s)ℓ + s, for s in [0, 1]."""
        r = 1 - s
        u = r * self.ratios + s
        logs = r * self.ratios.log() - u.log()
        out = 0.5 * (self.multiplicity * logs - s * r * self.squares / u).sum(-1)
        return out + 0.5 * s * r**2 * self._coupled(1 / u)

    def log_bhattacharyya(self) -> Tensor:
        """log BC = log C(½), (P,)."""
        return self.log_affinity(0.5)

    def divergences(self) -> tuple[Tensor, Tensor]:
        """KL(N_k‖N_j) and KL(N_j‖N_k), each (P,), in nats."""
        forward = self.multiplicity * _excess(1 / self.ratios) + self.squares / self.ratios
        backward = self.multiplicity * _excess(self.ratios) + self.squares
        return 0.5 * forward.sum(-1) - 0.5 * self._coupled(1 / self.ratios), 0.5 * backward.sum(-1)

    def squared_separations(self) -> tuple[Tensor, Tensor]:
        """α_kj² and α_jk² of docs/entropy, theorem 6, each (P,)."""
        forward = self.squares.sum(-1) / (1 + self.ratios.amax(-1).sqrt()) ** 2
        away = (self.squares / self.ratios).sum(-1) - self._coupled(1 / self.ratios)
        return forward, away / (1 + self.ratios.amin(-1).rsqrt()) ** 2

    def _coupled(self, v: Tensor) -> Tensor | float:
        """Σ_{i≠l} X_il v_i v_l: zero, with the derivative of what the axes do."""
        if self.coupling is None:
            return 0.0
        return (self.coupling @ v[..., None]).squeeze(-1).mul(v).sum(-1)


def _excess(x: Tensor) -> Tensor:
    """x - 1 - log x >= 0, by its series where the difference cancels."""
    y = x - 1
    near = y.abs() < 1e-4
    t = torch.where(near, y, 0.0)
    return torch.where(near, t * t * (0.5 - t * (1 / 3 - t * (0.25 - t / 5))), y - x.log())


def pair_chunks(mixture: TorchMixture) -> Iterator[tuple[Tensor, Tensor]]:
    """The components (k, j), k < j, of every pair once, in chunks of at most 2^21 entries, or of one pair."""
    first, second = torch.triu_indices(mixture.components, mixture.components, 1, device=mixture.device)
    entries = mixture.dimension**2 if mixture.kind == "full" else mixture.dimension
    yield from zip(*(half.split(max(1, ENTRIES // entries)) for half in (first, second)), strict=True)


def spectra_of(mixture: TorchMixture, first: Tensor, second: Tensor) -> PairSpectra:
    """The pairs (first[p], second[p]); memory P m² for full covariances and P m for the others.

    Raises ValueError where a squared distance or a ratio of variances leaves the range of the dtype.
    """
    m, kind, factors = mixture.dimension, mixture.kind, mixture.factors
    shift = mixture.means[second] - mixture.means[first]
    multiplicity, coupling = 1, None
    if kind == "full":
        L = factors[first]
        maps = torch.linalg.solve_triangular(L, factors[second], upper=False)
        white = torch.linalg.solve_triangular(L, shift[..., None], upper=False).squeeze(-1)
        ratios, squares, coupling = _Spectrum.apply(maps, white)  # type: ignore[no-untyped-call]
    elif kind == "tied":
        white = torch.linalg.solve_triangular(factors, shift.T, upper=False)
        squares, multiplicity = white.square().sum(0)[:, None], m
        ratios = torch.ones_like(squares)
    else:
        scale, other = factors[first], factors[second]
        if kind == "spherical":
            scale, other = scale[:, None], other[:, None]
        ratios, squares = (other / scale) ** 2, (shift / scale) ** 2
        if kind == "spherical":
            squares, multiplicity = squares.sum(1, keepdim=True), m
    _in_range(ratios, squares, first, second)
    return PairSpectra(ratios, squares, multiplicity, coupling)


@torch.no_grad()
def _in_range(ratios: Tensor, squares: Tensor, first: Tensor, second: Tensor) -> None:
    far = squares.sum(-1) + (squares / ratios).sum(-1) + ratios.sum(-1) + (1 / ratios).sum(-1)
    limit = 1e-8 * torch.finfo(ratios.dtype).max
    outside = ~(far < limit)
    if outside.any():
        p = int(outside.nonzero()[0])
        raise ValueError(
            f"means and factors must give squared distances and variance ratios below {limit:.0e}, got "
            f"{far[p].item():g} between components {first[p].item()} and {second[p].item()}"
        )


def ratios_and_axes(maps: Tensor) -> tuple[Tensor, Tensor]:
    """ℓ, (P, n), and V, (P, n, n), of M = maps mapsᵀ, without derivatives."""
    place = maps.device
    if _one_by_one(maps):
        maps = maps.cpu()
    ratios, axes = torch.linalg.eigh(maps @ maps.mT)
    wide = ratios[:, 0] * WIDE < ratios[:, -1]
    if wide.any():  # small eigenvalues of a product have lost their digits
        axes[wide], roots, _ = torch.linalg.svd(maps[wide])
        ratios[wide] = roots**2
    return ratios.to(place), axes.to(place)


def _one_by_one(maps: Tensor) -> bool:
    """Whether torch on CUDA, before 2.12, takes them one after the other: for small matrices a core is faster."""
    return maps.is_cuda and maps.shape[-1] > BATCHED and torch.__version__ < "2.12"


class _Spectrum(torch.autograd.Function):
    r"""(ℓ, δ², X) from the maps L_k⁻¹L_j and the whitened shifts δ₀ = L_k⁻¹(μ_j - μ_k), without derivatives of axes.

    With V fixed, M = V (diag ℓ + off) Vᵀ to first order, so that a gradient (a, b, Y) with respect to ℓ, δ² and X is
    V (diag a + Y_il δ_i δ_l) Vᵀ with respect to M, and 2 V (b δ) with respect to δ₀.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, white: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ratios, axes = ratios_and_axes(maps)
        shift = (axes.mT @ white[..., None]).squeeze(-1)
        ctx.save_for_backward(maps, axes, shift)
        return ratios, shift**2, torch.zeros_like(maps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_ratios: Tensor, of_squares: Tensor, of_coupling: Tensor) -> tuple[Tensor, Tensor]:
        maps, axes, shift = ctx.saved_tensors
        inner = of_coupling * shift[:, :, None] * shift[:, None, :]
        inner = 0.5 * (inner + inner.mT)
        inner.diagonal(dim1=-2, dim2=-1).copy_(of_ratios)
        of_product = axes @ inner @ axes.mT
        of_white = (axes @ (2 * of_squares * shift)[..., None]).squeeze(-1)
        return 2 * of_product @ maps, of_white
