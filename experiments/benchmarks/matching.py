"""The cost of matching the units of two networks, on the host."""

import jax
import jax.numpy as jnp
import numpy as np

from pathjax import symmetry
from pathjax.experiments.benchmarks.paired import Suite, Timed, timed
from pathjax.models import MLP

WIDTHS, INPUTS, PAIRS, ROUNDS = (512, 512), 784, 10, 3


def suite() -> Suite:
    """Returns the suite; a step is a pair of unrelated networks."""
    title = f"What matching costs: pairs of MLP {INPUTS}-512-512-10 with random weights, by weights (a step is a pair)"
    return Suite(title, _programs, ROUNDS)


def _programs() -> dict[str, Timed]:
    model, like = MLP(WIDTHS, 10), jnp.zeros((1, INPUTS))
    networks = [model.init(jax.random.key(seed), like)["params"] for seed in range(PAIRS + 1)]
    spec = symmetry.infer_spec(lambda params, x: model.apply({"params": params}, x), networks[0], like)

    def biased(seed, params):
        key = jax.random.key(seed)
        return jax.tree.map(lambda w: w if w.ndim > 1 else jax.random.normal(key, w.shape, w.dtype), params)

    def program(networks) -> Timed:
        first, *others = jax.tree.map(np.asarray, networks)
        return timed(lambda: [symmetry.match_weights(spec, first, other).similarity for other in others], PAIRS)

    return {
        "initial weights": program(networks),
        "biases of size 1": program([biased(seed, params) for seed, params in enumerate(networks)]),
    }
