"""What a Gaussian mixture is in torch: weights, means and Cholesky factors that agree, on any device."""

from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ...theory.entropy.mixture import WEIGHT_SUM, GaussianMixture, Kind

ROUNDINGS = 32  # by which float32 weights may miss the sum 1, in units of the type


@dataclass(frozen=True, eq=False)
class TorchMixture:
    r"""q = Σ_k π_k N(μ_k, L_k L_kᵀ) on ℝ^m with K components; gradients flow through all three tensors.

    Parameters
    ----------
    weights : (K,)
        π_k > 0, summing to 1 within 1e-12 (float32: 4e-6); they are never rescaled.
    means : (K, m)
        μ_k.
    factors : (K, m, m), (m, m), (K, m) or (K,)
        Lower Cholesky factors L_k with a positive diagonal: full; one for all components (tied); standard deviations
        of each coordinate (diagonal); one standard deviation for each component (spherical).
    kind : "full", "tied", "diagonal" or "spherical"
        Read off the shape when left out; asked for where K = m > 1, as a (K, K) tensor could be tied or diagonal.

    The tensors are kept as they came, on one device and of one dtype, float64 or float32.  Looking at their values
    makes the device wait once.  Raises ValueError or TypeError in one sentence that names the argument, what it must
    be and what came.

    >>> mixture = TorchMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.0], [2.0]]), torch.ones(2))
    >>> mixture
    TorchMixture(2 components, 1 dimension, spherical, torch.float32, cpu)
    """

    weights: Tensor
    means: Tensor
    factors: Tensor
    kind: Kind = field(default="full")

    def __init__(self, weights: Tensor, means: Tensor, factors: Tensor, *, kind: Kind | None = None) -> None:
        tensors = {"weights": weights, "means": means, "factors": factors}
        _same_place(tensors)
        K, m = _shape(weights, means)
        found = _kind(tuple(factors.shape), K, m, kind)
        _values(tensors, found)
        for name, value in (tensors | {"kind": found}).items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mixture(
        cls,
        mixture: GaussianMixture,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> "TorchMixture":
        """The same mixture as tensors; the weights are rounded to `dtype`, not rescaled.

        >>> TorchMixture.from_mixture(GaussianMixture([1.0], [[0.0, 1.0]], [4.0])).factors
        tensor([2.], dtype=torch.float64)
        """
        factors = mixture.factors[0] if mixture.kind == "tied" else mixture.factors
        parts = (torch.tensor(part, dtype=dtype, device=device) for part in (mixture.weights, mixture.means, factors))
        return cls(*parts, kind=mixture.kind)

    def to_mixture(self) -> GaussianMixture:
        """The same mixture for `lemmata.theory`, as `to` float64 and without gradients."""
        wide = self.detach().to(torch.float64, "cpu")
        weights, means, factors = (part.numpy() for part in wide.parts)
        dense = self.kind in ("full", "tied")
        covs = factors @ np.swapaxes(factors, -1, -2) if dense else factors**2
        return GaussianMixture(weights, means, covs, kind=self.kind)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """weights, means, factors."""
        return self.weights, self.means, self.factors

    @property
    def components(self) -> int:
        """K."""
        return self.weights.shape[0]

    @property
    def dimension(self) -> int:
        """m."""
        return self.means.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Of all tensors."""
        return self.weights.dtype

    @property
    def device(self) -> torch.device:
        """Of all tensors."""
        return self.weights.device

    def to(self, dtype: torch.dtype, device: torch.device | str | None = None) -> "TorchMixture":
        """The same mixture in another dtype and place, differentiably; float32 weights that widen are divided by
        their sum.

        >>> TorchMixture.from_mixture(GaussianMixture([1.0], [[0.0]], [4.0])).to(torch.float32)
        TorchMixture(1 component, 1 dimension, spherical, torch.float32, cpu)
        """
        weights, means, factors = (part.to(dtype=dtype, device=device) for part in self.parts)
        if self.dtype != torch.float64 and dtype == torch.float64:
            weights = weights / weights.sum()
        return TorchMixture(weights, means, factors, kind=self.kind)

    def detach(self) -> "TorchMixture":
        """The same mixture without gradients; the tensors are shared."""
        weights, means, factors = (part.detach() for part in self.parts)
        return _unchecked(weights, means, factors, self.kind)

    def __repr__(self) -> str:
        K, m = self.means.shape
        counts = f"{K} component{'s' * (K > 1)}, {m} dimension{'s' * (m > 1)}"
        return f"TorchMixture({counts}, {self.kind}, {self.dtype}, {self.device})"


def _unchecked(weights: Tensor, means: Tensor, factors: Tensor, kind: Kind) -> TorchMixture:
    out = object.__new__(TorchMixture)
    for name, value in {"weights": weights, "means": means, "factors": factors, "kind": kind}.items():
        object.__setattr__(out, name, value)
    return out


def _same_place(tensors: dict[str, Tensor]) -> None:
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}")
        if value.dtype not in (torch.float64, torch.float32):
            raise TypeError(f"{name} must be float64 or float32, got {value.dtype}")
    first = tensors["weights"]
    for name, value in tensors.items():
        if value.dtype != first.dtype:
            raise ValueError(f"{name} must have the dtype of weights, {first.dtype}, got {value.dtype}")
        if value.device != first.device:
            raise ValueError(f"{name} must be on the device of weights, {first.device}, got {value.device}")


def _shape(weights: Tensor, means: Tensor) -> tuple[int, int]:
    if weights.ndim != 1 or not len(weights):
        raise ValueError(f"weights must have shape (K,) with K >= 1, got {tuple(weights.shape)}")
    if means.ndim != 2 or means.shape[0] != len(weights) or not means.shape[1]:
        raise ValueError(f"means must have shape ({len(weights)}, m) with m >= 1, got {tuple(means.shape)}")
    return means.shape[0], means.shape[1]


def _kind(came: tuple[int, ...], K: int, m: int, kind: Kind | None) -> Kind:
    """The kind that the shape shows, or the one asked for if the shape allows it."""
    shapes: dict[Kind, tuple[int, ...]] = {"full": (K, m, m), "tied": (m, m), "diagonal": (K, m), "spherical": (K,)}
    if kind is not None and kind not in shapes:
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    fitting: list[Kind] = [name for name, shape in shapes.items() if came == shape and kind in (None, name)]
    if not fitting:
        wanted = shapes if kind is None else {kind: shapes[kind]}
        words = " or ".join(f"{shape} ({name})" for name, shape in wanted.items())
        raise ValueError(f"factors must have shape {words} to go with means {(K, m)}, got {came}")
    if len(fitting) > 1 and m > 1:
        raise ValueError(f"factors of shape {came} could be tied or diagonal: kind must say which, got None")
    return fitting[0]


@torch.no_grad()
def _values(tensors: dict[str, Tensor], kind: Kind) -> None:
    """One wait when all is well; the questions are asked one by one only when it is not."""
    weights, factors = tensors["weights"], tensors["factors"]
    dense = kind in ("full", "tied")
    scales = factors.diagonal(dim1=-2, dim2=-1) if dense else factors
    allowed = max(WEIGHT_SUM, ROUNDINGS * torch.finfo(weights.dtype).eps)
    missing = (weights.double().sum() - 1).abs()
    good = [torch.isfinite(value).all() for value in tensors.values()]
    good += [(weights > 0).all(), missing <= allowed, (scales > 0).all()]
    if dense:
        good.append((factors.triu(1) == 0).all())
    if bool(torch.stack(good).all()):
        return
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"{name} must be finite, got {value[~torch.isfinite(value)][0].item()}")
    if not (weights > 0).all():
        k = int(weights.argmin())
        raise ValueError(f"weights must be > 0, got {weights[k].item():g} for component {k}")
    if missing > allowed:
        raise ValueError(f"weights must sum to 1 within {allowed:.2g}, got {weights.sum().item()!r}")
    if not (scales > 0).all():
        word = "a positive diagonal" if dense else "positive entries"
        where = int((scales <= 0).nonzero()[0, 0]) if kind != "tied" else None
        label = "the tied factor" if where is None else f"component {where}"
        raise ValueError(f"factors must have {word}, got {scales.min().item():g} for {label}")
    raise ValueError(f"factors must be lower triangular, got {factors.triu(1).abs().max().item():g} above the diagonal")
