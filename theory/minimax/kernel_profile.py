"""What a stationary kernel does at a distance: its value, slope and curvature, and where they are largest."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _check
from .arguments import choice

Array = NDArray[np.float64]
Profile = Callable[[Array], Array]

GOLDEN = (1 + 5**0.5) / 2


@dataclass(frozen=True)
class Shape:
    """ψ at lengthscale 1: functions of s = r/ℓ and the extreme values of table 2 of docs/minimax."""

    value: Profile
    slope_ratio: Profile  # ψ'/s, closed forms: never a division by s where ψ is smooth
    curvature: Profile  # ψ''
    slope_peak: float  # max |ψ'|
    slope_place: float  # and the s where it is
    curvature_peak: float  # M = max ψ''
    curvature_place: float
    gradient_square: float  # K1 = -ψ''(0) = -min ψ''
    hessian_square: float  # K2 = ψ''''(0)


def _over(s: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.where(s > 0, -np.exp(-s) / s, -np.inf)


R3, R5 = 3**0.5, 5**0.5
SHAPES = {
    "gaussian": Shape(
        lambda s: np.exp(-(s**2) / 2),
        lambda s: -np.exp(-(s**2) / 2),
        lambda s: (s**2 - 1) * np.exp(-(s**2) / 2),
        *(np.exp(-0.5), 1.0, 2 * np.exp(-1.5), R3, 1.0, 3.0),
    ),
    "imq": Shape(
        lambda s: (1 + s**2) ** -0.5,
        lambda s: -((1 + s**2) ** -1.5),
        lambda s: (2 * s**2 - 1) * (1 + s**2) ** -2.5,
        *(2 / (3 * R3), 0.5**0.5, 2 * 0.4**2.5, 1.5**0.5, 1.0, 9.0),
    ),
    "matern32": Shape(
        lambda s: (1 + R3 * s) * np.exp(-R3 * s),
        lambda s: -3 * np.exp(-R3 * s),
        lambda s: 3 * (R3 * s - 1) * np.exp(-R3 * s),
        *(R3 * np.exp(-1.0), 1 / R3, 3 * np.exp(-2.0), 2 / R3, 3.0, np.inf),
    ),
    "matern52": Shape(
        lambda s: (1 + R5 * s + 5 * s**2 / 3) * np.exp(-R5 * s),
        lambda s: -5 / 3 * (1 + R5 * s) * np.exp(-R5 * s),
        lambda s: 5 / 3 * (5 * s**2 - R5 * s - 1) * np.exp(-R5 * s),
        *(R5 / 3 * GOLDEN**3 * np.exp(-GOLDEN), GOLDEN / R5, 25 / 3 * np.exp(-3.0), 3 / R5, 5 / 3, 25.0),
    ),
    "matern12": Shape(
        lambda s: np.exp(-s),
        _over,
        lambda s: np.where(s > 0, np.exp(-s), -np.inf),
        *(1.0, 0.0, np.inf, 0.0, np.inf, np.inf),
    ),
}
KERNELS = tuple(SHAPES)


@dataclass(frozen=True)
class KernelProfile:
    r"""k(x, y) = ψ(r), r = ‖x − y‖, with ψ(0) = 1; made by `kernel_profile`.

    Attributes
    ----------
    kernel : str
    lengthscale : float
        ℓ, in the unit of x.
    """

    kernel: str
    lengthscale: float

    @property
    def shape(self) -> Shape:
        """The same kernel at ℓ = 1, with its extreme values."""
        return SHAPES[self.kernel]

    def value(self, distance: ArrayLike) -> Array:
        """ψ(r) at distances r >= 0 of any shape."""
        return self.shape.value(self._scaled(distance))

    def slope(self, distance: ArrayLike) -> Array:
        """ψ'(r); at r = 0 the one-sided derivative."""
        s = self._scaled(distance)
        if self.kernel == "matern12":
            return -np.exp(-s) / self.lengthscale
        return s * self.shape.slope_ratio(s) / self.lengthscale

    def slope_ratio(self, distance: ArrayLike) -> Array:
        """ψ'(r)/r, in closed form; ψ''(0) at r = 0."""
        return self.shape.slope_ratio(self._scaled(distance)) / self.lengthscale**2

    def curvature(self, distance: ArrayLike) -> Array:
        """ψ''(r)."""
        return self.shape.curvature(self._scaled(distance)) / self.lengthscale**2

    def _scaled(self, distance: ArrayLike) -> Array:
        out = _check.finite("distance", distance)
        if not (out >= 0).all():
            raise ValueError(f"distance must be >= 0, got {out.min():g}")
        return out / self.lengthscale


def kernel_profile(kernel: str, lengthscale: float) -> KernelProfile:
    r"""ψ, ψ', ψ'/r and ψ'' of a stationary kernel, all to a relative error near 1e-15.

    ============  ==============================================
    gaussian      :math:`e^{-s^2/2}`, s = r/ℓ
    imq           :math:`(1 + s^2)^{-1/2}`
    matern32      :math:`(1 + \sqrt3 s) e^{-\sqrt3 s}`
    matern52      :math:`(1 + \sqrt5 s + 5 s^2/3) e^{-\sqrt5 s}`
    matern12      :math:`e^{-s}`, which has a kink at 0
    ============  ==============================================

    The Hessian of k in x has the eigenvalues ψ''(r), along x − y, and ψ'(r)/r, across.

    Raises ValueError for another kernel or ℓ <= 0.  Source: docs/minimax, section 2.

    >>> profile = kernel_profile("gaussian", 2.0)
    >>> float(profile.value(2.0).round(6)), float(profile.curvature(0.0))
    (0.606531, -0.25)
    """
    return KernelProfile(choice("kernel", kernel, KERNELS), _check.positive("lengthscale", lengthscale))
