"""NumPyro's NUTS on the posterior of a linear network, compiled once a network: data and temperature are arguments."""

from collections.abc import Callable
from typing import Any

import answer
import numpy as np

from lemmata.sim.learning import Posterior


def nuts(like: Posterior, chains: int, draws: int) -> tuple[Callable[[Posterior, float, int], np.ndarray], float]:
    """A function of posterior, β and seed that returns E(w) without its constant, (chains, draws).

    Beside it the CPU seconds of its compilation, for posteriors of the same shapes as `like`.  Default settings, as
    many steps of adaptation as draws, chains one after the other, float64, the standard normal prior.
    """
    import jax
    import jax.numpy as jnp
    import numpyro
    from numpyro.distributions import Normal

    numpyro.enable_x64()
    network = like.network
    names = [f"layer{k}" for k in range(1, len(network.widths))]

    def energy(layers: list[Any], design: Any, targets: tuple[Any, ...]) -> Any:
        total, outputs = 0.0, design
        for weights, count, wanted in zip(layers, network.observed, targets, strict=True):
            outputs = weights @ outputs
            rows = outputs[..., outputs.shape[-2] - count :, :]
            total = total + 0.5 * ((rows - wanted) ** 2).sum((-2, -1))
        return total

    def model(design: Any, targets: tuple[Any, ...], beta: Any) -> None:
        shapes = zip(names, network.widths[1:], network.widths, strict=False)
        layers = [numpyro.sample(name, Normal(0.0, 1.0).expand([a, b]).to_event(2)) for name, a, b in shapes]
        numpyro.factor("likelihood", -beta * energy(layers, design, targets))

    kernel = numpyro.infer.NUTS(model)

    def step(arguments: Any) -> Callable[[Any, None], tuple[Any, Any]]:
        def forward(state: Any, _: None) -> tuple[Any, Any]:
            state = kernel.sample(state, arguments, {})
            return state, state.z

        return forward

    def chain(key: Any, *arguments: Any) -> Any:
        """The draws of one chain: the first steps adapt, the next as many are kept."""
        state = kernel.init(key, draws, None, arguments, {})
        state, _ = jax.lax.scan(step(arguments), state, None, length=draws)
        return jax.lax.scan(step(arguments), state, None, length=draws)[1]

    def arguments(posterior: Posterior, beta: float) -> tuple[Any, ...]:
        targets = tuple(map(jnp.asarray, posterior.targets))
        return jnp.asarray(np.diag(posterior.design)), targets, jnp.asarray(beta)

    example = jax.random.PRNGKey(0), *arguments(like, 1.0)
    compiled, seconds = answer.timed(lambda: jax.jit(chain).lower(*example).compile())

    def run(posterior: Posterior, beta: float, seed: int) -> np.ndarray:
        given = arguments(posterior, beta)
        keys = jax.random.split(jax.random.PRNGKey(seed), chains)
        seen = [jax.block_until_ready(compiled(key, *given)) for key in keys]
        layers = [np.stack([np.asarray(z[name]) for z in seen]) for name in names]
        return np.asarray(energy(layers, np.diag(posterior.design), posterior.targets))

    return run, seconds
