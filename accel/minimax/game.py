"""A user's generator and critic as a game: its weights, the field that both players follow, and its derivative."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .derivatives import gradient, jacobian

Array = NDArray[np.float64]
Loss = Callable[[nn.Module, nn.Module, Tensor, Tensor], Tensor]

LARGEST = 2000  # weights of a dense Jacobian
SEED = 0  # of random numbers inside the losses, the same at every evaluation
PROBES = (1e-5, 1e-7)  # differences that test the derivative: a kink seldom lies within the smaller
RELATIVE, ABSOLUTE = 1e-3, 1e-7  # by how much they may disagree, the second as a share of ‖J‖


@dataclass(frozen=True, eq=False)
class Game:
    """Two networks in float64 and eval mode, their losses and the fixed batches on which they play.

    Attributes
    ----------
    generator, critic : Module
        Copies; spectral-norm vectors and batch-norm statistics stay as they are.
    generator_loss, critic_loss : callable
        (generator, critic, latent, data) to a number that its own player minimises.
    latent, data : Tensor
    """

    generator: nn.Module
    critic: nn.Module
    generator_loss: Loss
    critic_loss: Loss
    latent: Tensor
    data: Tensor

    @property
    def players(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """θ and ψ: the weights that require gradients."""
        return trainable(self.generator), trainable(self.critic)

    @property
    def minimisers(self) -> int:
        """P, how many weights the generator has."""
        return sum(w.numel() for w in self.players[0])

    @property
    def weights(self) -> Tensor:
        """w = (θ, ψ)."""
        theta, psi = self.players
        return torch.cat([w.detach().reshape(-1) for w in (*theta, *psi)])

    def place(self, weights: Tensor) -> None:
        """Write w into both networks."""
        theta, psi = self.players
        parts = torch.split(weights, [w.numel() for w in (*theta, *psi)])
        with torch.no_grad():
            for w, part in zip((*theta, *psi), parts, strict=True):
                w.copy_(part.view_as(w))

    def copy(self) -> "Game":
        """The same game on networks of its own."""
        networks = (copied(self.generator), copied(self.critic))
        return Game(*networks, self.generator_loss, self.critic_loss, self.latent, self.data)

    def loss(self, player: int) -> Tensor:
        """The loss of the generator (0) or of the critic (1), random numbers in it drawn from a fixed seed."""
        function = (self.generator_loss, self.critic_loss)[player]
        with fixed_random_numbers(self.data.device):
            return function(self.generator, self.critic, self.latent.clone(), self.data.clone())

    def pull(self, player: int, graph: bool = False) -> Tensor:
        """−∇ of a player's loss in its own weights."""
        return -gradient(self.loss(player), self.players[player], graph)

    def field(self, graph: bool = False) -> Tensor:
        """v(w) = (−∇_θ generator_loss, −∇_ψ critic_loss)."""
        return torch.cat([self.pull(0, graph), self.pull(1, graph)])

    def jacobian(self) -> Array:
        """J = Dv, (n, n), by reverse mode twice.

        Raises ValueError where it disagrees with differences of v: a loss that detaches or freezes what it depends on,
        draws numbers of its own, or has a kink at these weights.
        """
        theta, psi = self.players
        v = self.field(graph=True)
        j: Array = jacobian(v, [*theta, *psi]).detach().cpu().numpy()
        if not np.isfinite(j).all():
            raise ValueError("generator_loss and critic_loss must have finite second derivatives, got one that is not")
        self._compare(j)
        return j

    def _compare(self, j: Array) -> None:
        n, first = len(j), self.minimisers
        scale = float(np.linalg.norm(j, 2))
        rng = np.random.default_rng(SEED)
        for name, moved in (("generator", slice(0, first)), ("critic", slice(first, n))):
            direction = np.zeros(n)
            direction[moved] = rng.standard_normal(moved.stop - moved.start)
            direction /= np.linalg.norm(direction)
            seen = [self._difference(direction, probe) for probe in PROBES]
            for loss, rows in (("generator_loss", slice(0, first)), ("critic_loss", slice(first, n))):
                told = j[rows] @ direction
                error = min(float(np.linalg.norm(d[rows] - told)) for d in seen)
                size = float(np.linalg.norm(seen[0][rows]))
                if not error <= RELATIVE * size + ABSOLUTE * scale:
                    raise ValueError(
                        f"{loss} must let autograd see how its gradient changes with the {name}'s weights, got "
                        f"differences of the gradient that deny its derivative by {error:.3g} of {size:.3g}: "
                        "take out detach(), no_grad() and random numbers, or move off a kink"
                    )

    def _difference(self, direction: Array, probe: float) -> Array:
        start = self.weights
        along = torch.as_tensor(direction, dtype=start.dtype, device=start.device)
        values = []
        for sign in (1.0, -1.0):
            self.place(start + sign * probe * along)
            values.append(self.field().detach())
        self.place(start)
        out: Array = ((values[0] - values[1]) / (2 * probe)).cpu().numpy()
        return out


def game(
    generator: nn.Module, critic: nn.Module, generator_loss: Loss, critic_loss: Loss, latent: Tensor, data: Tensor
) -> Game:
    """A `Game` on float64 copies, every argument checked; the networks given are not touched.

    Raises TypeError or ValueError in one sentence that names the argument: no module, nothing to train, shared or
    non-finite weights, more than 2000 of them, batches that are empty or not finite, losses that are not a number or do
    not depend on their own player.
    """
    for name, module in (("generator", generator), ("critic", critic)):
        if not isinstance(module, nn.Module):
            raise TypeError(f"{name} must be a torch module, got {type(module).__name__}")
        if not trainable(module):
            raise ValueError(f"{name} must have a weight that requires gradients, got none")
        if not all(torch.isfinite(w).all() for w in module.parameters()):
            raise ValueError(f"{name} must have finite weights, got one that is not")
    if {id(w) for w in trainable(generator)} & {id(w) for w in trainable(critic)}:
        raise ValueError("critic must share no weight with generator, got one that both train")
    count = sum(w.numel() for module in (generator, critic) for w in trainable(module))
    if count > LARGEST:
        raise ValueError(f"generator and critic must have at most {LARGEST} weights together, got {count}")
    batches = [_batch(name, value) for name, value in (("latent", latent), ("data", data))]
    for name, loss in (("generator_loss", generator_loss), ("critic_loss", critic_loss)):
        if not callable(loss):
            raise TypeError(
                f"{name} must be a function of generator, critic, latent and data, got {type(loss).__name__}"
            )
    out = Game(copied(generator), copied(critic), generator_loss, critic_loss, *batches)
    for player, name in enumerate(("generator_loss", "critic_loss")):
        _check_loss(out, player, name)
    return out


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The weights that require gradients."""
    return [w for w in module.parameters() if w.requires_grad]


def copied(module: nn.Module) -> nn.Module:
    """A float64 copy in eval mode without gradients or graph."""
    memo: dict[int, object] = {}
    for part in module.modules():  # torch refuses to copy tensors with a history, such as a normalised weight
        for value in vars(part).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    out = copy.deepcopy(module, memo).double().eval()
    out.zero_grad(set_to_none=True)
    return out


@contextmanager
def fixed_random_numbers(device: torch.device) -> Iterator[None]:
    """The same random numbers in every block, the caller's own left where they were."""
    elsewhere = [device] if device.type != "cpu" else []
    kind = device.type if elsewhere else "cuda"
    with torch.random.fork_rng(elsewhere, device_type=kind):
        torch.default_generator.manual_seed(SEED)
        if elsewhere:
            torch.get_device_module(device).manual_seed(SEED)
        yield


def _batch(name: str, value: Tensor) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if value.ndim == 0 or not value.numel():
        raise ValueError(f"{name} must be a batch of at least one sample, got shape {tuple(value.shape)}")
    if not torch.isfinite(value).all():
        raise ValueError(f"{name} must be finite, got an entry that is not")
    kept = value.detach().clone()
    return kept.double() if kept.is_floating_point() else kept


def _check_loss(found: Game, player: int, name: str) -> None:
    value = found.loss(player)
    if not isinstance(value, Tensor) or value.numel() != 1:
        came = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name} must return one number as a tensor, got {came}")
    if not torch.isfinite(value):
        raise ValueError(f"{name} must be finite at these weights, got {float(value.detach())}")
    own = found.players[player]
    parts = torch.autograd.grad(value, own, allow_unused=True) if value.requires_grad else (None,)
    if all(part is None for part in parts):
        who = ("generator", "critic")[player]
        raise ValueError(f"{name} must depend on the {who} that it is given, got no gradient in any of its weights")
