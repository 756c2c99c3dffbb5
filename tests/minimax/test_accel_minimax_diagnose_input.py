"""What `diagnose` refuses, and that the refusal names the argument."""

import math

import pytest
import torch
from torch import nn

from lemmata.accel.minimax import diagnose
from lemmata.accel.minimax.picture import draw_decay

BATCH = torch.tensor([[-1.0], [0.5], [1.0]])


def lower(G, D, z, x):
    return -D(G(z)).mean()


def upper(G, D, z, x):
    return D(G(z)).mean() - D(x).mean() + sum((w**2).sum() for w in D.parameters())


def arguments(**changes):
    given = {
        "generator": nn.Linear(1, 1),
        "critic": nn.Linear(1, 1),
        "generator_loss": lower,
        "critic_loss": upper,
        "latent": BATCH,
        "data": BATCH,
        "min_step": 0.1,
        "max_step": 0.1,
        "rounds": 0,
    }
    return given | changes


def stepped(module, **options):
    out = torch.optim.Adam(module.parameters(), lr=0.1, **options)
    for w in module.parameters():
        w.grad = torch.ones_like(w)
    out.step()
    return out


def broken(value):
    module = nn.Linear(1, 1)
    nn.init.constant_(module.weight, value)
    return module


def without_gradients():
    return nn.Linear(1, 1).requires_grad_(False)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"generator": lambda z: z}, TypeError, "generator must be a torch module, got function"),
        ({"critic": without_gradients()}, ValueError, "critic must have a weight that requires gradients"),
        ({"critic": broken(math.nan)}, ValueError, "critic must have finite weights"),
        ({"generator": nn.Linear(1, 2000)}, ValueError, "at most 2000 weights together, got 4002"),
        ({"generator_loss": 3.0}, TypeError, "generator_loss must be a function .* got float"),
        ({"critic_loss": lambda G, D, z, x: D(x)}, ValueError, r"critic_loss must return one number .* shape \(3, 1\)"),
        ({"critic_loss": lambda G, D, z, x: 1.0}, ValueError, "critic_loss must return one number .* got float"),
        (
            {"critic_loss": lambda G, D, z, x: D(x).mean() * math.inf},
            ValueError,
            "critic_loss must be finite at these weights",
        ),
        (
            {"generator_loss": lambda G, D, z, x: D(x).mean()},
            ValueError,
            "generator_loss must depend on the generator that it is given",
        ),
        (
            {"critic_loss": lambda G, D, z, x: x.sum()},
            ValueError,
            "critic_loss must depend on the critic that it is given",
        ),
        (
            {"critic_loss": lambda G, D, z, x: upper(lambda z: G(z).detach(), D, z, x)},
            ValueError,
            "critic_loss must let autograd see how its gradient changes with the generator's weights",
        ),
        ({"latent": [[1.0]]}, TypeError, "latent must be a tensor, got list"),
        ({"data": torch.zeros(0, 1)}, ValueError, r"data must be a batch of at least one sample, got shape \(0, 1\)"),
        ({"data": BATCH / 0}, ValueError, "data must be finite"),
        ({"min_step": 0.0}, ValueError, "min_step must be a number > 0, got 0.0"),
        ({"max_step": -1.0}, ValueError, "max_step must be a number > 0, got -1.0"),
        ({"optimizer": "rmsprop"}, ValueError, "optimizer must be one of sgd, sgd_alternating, adam, adam_alternating"),
        ({"critic_steps": 2}, ValueError, "critic_steps must be 1 for simultaneous steps, got 2"),
        ({"critic_steps": 0, "optimizer": "sgd_alternating"}, ValueError, "critic_steps must be >= 1, got 0"),
        ({"momentum": 1.0}, ValueError, "momentum must be < 1, got 1"),
        ({"momentum": -0.1}, ValueError, "momentum must be >= 0, got -0.1"),
        ({"horizon": 0}, ValueError, "horizon must be >= 1, got 0"),
        ({"rounds": -1}, ValueError, "rounds must be >= 0, got -1"),
        ({"state": ()}, ValueError, "state must be None for 'sgd', got tuple"),
        ({"state": (1, 2), "optimizer": "adam"}, TypeError, "state must be a pair of torch.optim.Adam"),
    ],
)
def test_a_bad_argument_is_named(changes, kind, message):
    with pytest.raises(kind, match=message):
        diagnose(**arguments(**changes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_decay": 0.1}, "state must have weight_decay off"),
        ({"amsgrad": True}, "state must have amsgrad off"),
        ({"eps": 0.0}, "state must have eps > 0"),
        ({"betas": (0.8, 0.9)}, "state must have one β₁ for all weights, got 0.5, 0.8"),
    ],
)
def test_a_state_that_the_map_would_not_follow_is_refused(options, message):
    given = arguments(optimizer="adam")
    state = (stepped(given["generator"], betas=(0.5, 0.9)), stepped(given["critic"], **{"betas": (0.5, 0.9)} | options))
    with pytest.raises(ValueError, match=message):
        diagnose(**given, state=state)


def test_a_state_of_other_networks_or_before_its_first_step_is_refused():
    given = arguments(optimizer="adam")
    own = stepped(given["generator"])
    with pytest.raises(ValueError, match="state must hold the critic's weights"):
        diagnose(**given, state=(own, stepped(nn.Linear(1, 1))))
    fresh = torch.optim.Adam(given["critic"].parameters())
    with pytest.raises(ValueError, match="state must have taken a step for every weight of the critic"):
        diagnose(**given, state=(own, fresh))
    with pytest.raises(ValueError, match=r"momentum must be that of state, 0.9, or be left out, got 0.5"):
        diagnose(**given, momentum=0.5, state=(own, stepped(given["critic"])))


def test_players_that_share_a_weight_are_refused():
    shared = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="critic must share no weight with generator"):
        diagnose(**arguments(generator=nn.Sequential(shared), critic=shared))


def test_a_critic_without_one_number_a_sample_is_refused():
    def first(G, D, z, x):
        return -D(G(z))[:, 0].mean()

    def second(G, D, z, x):
        return (D(G(z)) - D(x))[:, 0].mean()

    with pytest.raises(ValueError, match=r"critic must return one number a sample, 6, got shape \(6, 2\)"):
        diagnose(**arguments(critic=nn.Linear(1, 2), generator_loss=first, critic_loss=second))


def test_samples_of_another_shape_than_the_data_are_refused():
    def flat(loss):
        return lambda G, D, z, x: loss(lambda z: G(z).flatten(1), D, z, x)

    given = arguments(generator=nn.Sequential(nn.Linear(1, 1), nn.Unflatten(1, (1, 1))))
    with pytest.raises(ValueError, match=r"generator must return samples of the shape of data, \(1,\), got \(1, 1\)"):
        diagnose(**given | {"generator_loss": flat(lower), "critic_loss": flat(upper)})


def test_a_loss_that_draws_numbers_of_its_own_is_refused():
    numbers = iter(range(1, 10**6))

    def restless(G, D, z, x):
        return next(numbers) ** 0.5 * upper(G, D, z, x)

    with pytest.raises(ValueError, match=r"critic_loss must let autograd see .* random numbers"):
        diagnose(**arguments(critic_loss=restless))


def test_a_decay_that_was_not_run_cannot_be_drawn():
    with pytest.raises(ValueError, match="diagnosis must have a decay"):
        draw_decay(diagnose(**arguments()), None)
