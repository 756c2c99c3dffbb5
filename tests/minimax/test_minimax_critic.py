"""Bounds on network critics hold for random networks, differentiated by hand."""

import itertools

import numpy as np
import pytest

from lemmata.theory.minimax.network_critic import ACTIVATIONS, critic_constants

DERIVATIVES = {
    "tanh": (np.tanh, lambda h: 1 - np.tanh(h) ** 2, lambda h: -2 * np.tanh(h) * (1 - np.tanh(h) ** 2)),
    "sigmoid": (
        lambda h: 1 / (1 + np.exp(-h)),
        lambda h: np.exp(-h) / (1 + np.exp(-h)) ** 2,
        lambda h: np.exp(-h) * (np.exp(-h) - 1) / (1 + np.exp(-h)) ** 3,
    ),
    "softplus": (
        lambda h: np.log1p(np.exp(h)),
        lambda h: 1 / (1 + np.exp(-h)),
        lambda h: np.exp(-h) / (1 + np.exp(-h)) ** 2,
    ),
    "sin": (np.sin, np.cos, lambda h: -np.sin(h)),
}


def slope_and_hessian(layers, biases, activation, x):
    """Gradient and Hessian of the scalar network in x, by the chain rule for the Jacobian and its derivative."""
    value, first, second = DERIVATIVES[activation]
    a, jacobian, bend = x, np.eye(len(x)), np.zeros((len(x), len(x), len(x)))
    for w, b in zip(layers[:-1], biases, strict=True):
        h, jacobian, bend = w @ a + b, w @ jacobian, np.einsum("ij,jkl->ikl", w, bend)
        bend = second(h)[:, None, None] * jacobian[:, :, None] * jacobian[:, None, :] + first(h)[:, None, None] * bend
        a, jacobian = value(h), first(h)[:, None] * jacobian
    return (layers[-1] @ jacobian)[0], np.einsum("j,jkl->kl", layers[-1][0], bend)


@pytest.mark.parametrize("activation", sorted(DERIVATIVES))
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_random_network_exceeds_its_constants(cases, activation, depth):
    rng, count = np.random.default_rng(depth), cases(20, 200)
    tightest = 0.0
    for _ in range(count):
        widths = [2, *[int(rng.integers(1, 5)) for _ in range(depth - 1)], 1]
        layers = [rng.normal(size=(m, n)) for n, m in itertools.pairwise(widths)]
        biases = [rng.normal(size=m) for m in widths[1:-1]]
        bound = critic_constants([np.linalg.norm(w, 2) for w in layers], activation)
        for x in rng.normal(size=(20, 2)) * 2:
            slope, hessian = slope_and_hessian(layers, biases, activation, x)
            assert np.linalg.norm(slope) <= bound.alpha * (1 + 1e-12)
            assert np.linalg.norm(hessian, 2) <= bound.beta1 * (1 + 1e-12)
            tightest = max(tightest, np.linalg.norm(slope) / bound.alpha)
            if bound.beta1:
                tightest = max(tightest, np.linalg.norm(hessian, 2) / bound.beta1)
    assert tightest > 0.3  # a bound that nothing comes near would say little
    # a linear critic attains its constant trivially
    cases.record("constants of network critics: share of the bound", count, tightest if depth > 1 else 0.0)


@pytest.mark.parametrize("activation", sorted(DERIVATIVES))
def test_the_table_of_activations_holds_the_suprema_of_their_derivatives(activation):
    h = np.linspace(-20, 20, 400_001)
    value, first, second = DERIVATIVES[activation]
    row = ACTIVATIONS[activation]
    assert np.abs(first(h)).max() == pytest.approx(row.slope, rel=1e-7)  # softplus reaches 1 at infinity only
    assert np.abs(second(h)).max() == pytest.approx(row.curvature, rel=1e-7)
    assert value(0.0) == pytest.approx(row.at_zero, abs=1e-15)
    if np.isfinite(row.bound):
        assert np.abs(value(h)).max() == pytest.approx(row.bound, rel=1e-7)


def test_one_hidden_unit_attains_the_constants():
    """v σ(ux) with |u| = S₁ has slope S₁S₂c₁ and curvature S₂c₂S₁² at the best x."""
    bound = critic_constants([2.0, 3.0], "tanh")
    x = np.linspace(-2, 2, 400_001)
    _, first, second = DERIVATIVES["tanh"]
    assert (6 * first(2 * x)).max() == pytest.approx(bound.alpha, rel=1e-12)
    assert (12 * second(2 * x)).max() == pytest.approx(bound.beta1, rel=1e-9)


def test_relu_has_no_curvature_bound_and_a_linear_critic_has_no_curvature():
    assert critic_constants([2.0, 0.5, 3.0], "relu").alpha == 3.0
    assert critic_constants([2.0, 0.5, 3.0], "relu").beta1 == np.inf
    assert critic_constants([0.0, 1.0], "relu").beta1 == np.inf  # never 0 · ∞
    assert critic_constants([1.0, 0.0], "relu").beta1 == np.inf
    assert critic_constants([2.5], "relu").beta1 == 0.0


@pytest.mark.parametrize(
    ("norms", "activation", "message"),
    [
        ([], "tanh", r"^spectral_norms must have at least 1 entries, got 0$"),
        ([1.0, -2.0], "tanh", r"^spectral_norms must be >= 0, got -2$"),
        ([1.0, float("nan")], "tanh", r"^spectral_norms must be finite, got nan$"),
        ([[1.0]], "tanh", r"^spectral_norms must be a vector, got 2 dimensions$"),
        ([1.0], "gelu", r"^activation must be one of tanh, sigmoid, softplus, sin, relu, got 'gelu'$"),
    ],
)
def test_bad_norms_are_refused_in_one_sentence(norms, activation, message):
    with pytest.raises(ValueError, match=message):
        critic_constants(norms, activation)
