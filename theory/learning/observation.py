"""What biases and unknown noise add to a learning coefficient: regular coordinates, counted exactly."""

from collections.abc import Iterable
from fractions import Fraction

from .. import _check


def regular_terms(blocks: Iterable[int], biases: bool, unknown_noise: bool) -> Fraction:
    """λ of the biases and noise covariances of observed blocks of the given sizes.

    A block of size h that carries a bias adds h/2; a full unknown noise covariance with a smooth positive prior adds
    h(h+1)/4.  The bias of an unobserved layer is free, given the bias of the next observed layer, and adds nothing.
    The multiplicity does not change.  Source: docs/learning, section 7.

    >>> regular_terms([2, 3], biases=True, unknown_noise=False)
    Fraction(5, 2)
    """
    sizes = tuple(blocks)
    biased = Fraction(sum(sizes), 2) if biases else Fraction(0)
    noise = Fraction(sum(h * (h + 1) for h in sizes), 4) if unknown_noise else Fraction(0)
    return biased + noise


def softmax_outputs(classes: int) -> int:
    """How many linear outputs a softmax over `classes` classes counts as: its logits are seen modulo a common shift.

    Source: docs/learning, section 7.

    >>> softmax_outputs(10)
    9
    """
    return _check.integer("classes", classes, 1) - 1
