"""NumPyro's NUTS on the posterior of a linear network, compiled once a network: data and temperature are arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lemmata.sim.learning import Posterior
from lemmata.theory.learning.network import LinearNetwork


def nuts(network: LinearNetwork, chains: int, draws: int) -> Callable[[Posterior, float, int], np.ndarray]:
    """A function of posterior, β and seed that returns E(w) without its constant, (chains, draws).

    Default settings, as many steps of adaptation as draws, chains one after the other, float64, the standard normal
    prior.  The first call compiles.
    """
    import jax
    import jax.numpy as jnp
    import numpyro
    from numpyro.distributions import Normal

    numpyro.enable_x64()
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

    @jax.jit
    def chain(key: Any, *arguments: Any) -> Any:
        """The draws of one chain: the first steps adapt, the next as many are kept."""
        state = kernel.init(key, draws, None, arguments, {})
        state, _ = jax.lax.scan(step(arguments), state, None, length=draws)
        return jax.lax.scan(step(arguments), state, None, length=draws)[1]

    def run(posterior: Posterior, beta: float, seed: int) -> np.ndarray:
        given = np.diag(posterior.design), posterior.targets
        arguments = jnp.asarray(given[0]), tuple(map(jnp.asarray, given[1])), jnp.asarray(beta)
        keys = jax.random.split(jax.random.PRNGKey(seed), chains)
        seen = [jax.block_until_ready(chain(key, *arguments)) for key in keys]
        return np.asarray(energy([np.stack([np.asarray(z[name]) for z in seen]) for name in names], *given))

    return run
