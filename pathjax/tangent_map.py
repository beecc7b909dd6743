"""The derivative of a step: how infinitesimal displacements of the state are carried along (the tangent map).

One core for tangents inside the training loop and for spectra of any step function.
"""

import jax

from pathjax import trees
from pathjax.typing import Batch, Dynamics, PyTree, State


def moving_part(state: State) -> PyTree:
    """The float leaves of weights and optimizer state: what carries tangents. Hyperparameters and counters do not.

    >>> import jax.numpy as jnp
    >>> moving_part(State({"w": 1.5}, (3, 0.5), {"learning_rate": 0.1}, jnp.zeros((), jnp.int32)))
    ({'w': 1.5}, (None, 0.5))
    """
    return trees.split_floats((state.params, state.opt_state))[0]


def push_forward(dynamics: Dynamics, state: State, batch: Batch, tangents: PyTree) -> PyTree:
    """J t for each tangent t on the leading axis of `tangents`, J the derivative of the step at `state`.

    Args:
        dynamics: a map.
        state: where the derivative is taken; one state, no member axis.
        batch: the step's batch.
        tangents: like `moving_part(state)` with a leading axis of k tangents.

    >>> import jax.numpy as jnp, pathjax
    >>> tripling = pathjax.map_dynamics(lambda x, batch: 3 * x)
    >>> state, batch = tripling.init(jnp.zeros(2), {}), Batch(None, None, jax.random.key(0))
    >>> push_forward(tripling, state, batch, (jnp.eye(2), ()))[0]
    Array([[3., 0.],
           [0., 3.]], dtype=float32)
    """
    floats, others = trees.split_floats((state.params, state.opt_state))

    def step(floats):
        params, opt_state = trees.merge(floats, others)
        after, _ = dynamics.step(state._replace(params=params, opt_state=opt_state), batch)
        return moving_part(after)

    _, push = jax.linearize(step, floats)
    return jax.vmap(push)(tangents)
