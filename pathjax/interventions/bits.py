"""Interventions on the bits of a single weight."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.types import State
from pathjax.interventions.base import Intervention
from pathjax.interventions.epsilon_checks import between, check_finite


def of_ulps() -> Intervention:
    """Moves one random weight away from zero by epsilon units in the last place.

    Returns:
        An Intervention; epsilon is an integer number of units in the last place.

    >>> kick, state = of_ulps(), State(params=jnp.ones(3), opt_state=(), hparams={}, step=0)
    >>> moved = kick.on_state(jax.random.key(0), state, None, 2.0).params
    >>> sorted(((moved - 1) / jnp.finfo(jnp.float32).eps).tolist())
    [0.0, 0.0, 2.0]
    """
    return _of_one_weight(
        lambda bits, epsilon: bits + jnp.asarray(epsilon, bits.dtype), between(1, 2**15, integer=True)
    )


def of_flipped_bit(bit: int) -> Intervention:
    """Flips one bit of one random weight. Takes no epsilon.

    Args:
        bit: 0 is the last bit of the mantissa; in float32, 22 is the first of the mantissa, 30 the first of the
            exponent, and 31 the sign.

    Returns:
        An Intervention without an epsilon.

    Raises:
        InputError: when it happens to weights that are too narrow for this bit.

    >>> kick, state = of_flipped_bit(31), State(params=jnp.ones(3), opt_state=(), hparams={}, step=0)
    >>> sorted(kick.on_state(jax.random.key(0), state, None, None).params.tolist())
    [-1.0, 1.0, 1.0]
    """

    def flip(bits, epsilon):
        width = jnp.iinfo(bits.dtype).bits
        require(0 <= bit < width, f"bit must be 0 to {width - 1} for weights of {width} bits, not {bit}")
        return bits ^ (jnp.ones((), bits.dtype) << bit)

    return _of_one_weight(flip)


def _of_one_weight(change: Callable, check: Callable = check_finite) -> Intervention:
    """Applies `change(bits, epsilon)` to one weight, all equally likely; bits are an unsigned integer."""

    def on_state(key, state: State, batch, epsilon):
        floats, others = trees.split_floats(state.params)
        leaves, treedef = jax.tree.flatten(floats)
        place = jax.random.randint(key, (), 0, trees.num_elements(floats))
        moved = []
        for leaf in leaves:
            inside = (place >= 0) & (place < leaf.size)
            at = jnp.where(inside, place, 0)
            old = leaf.ravel()[at] if leaf.size else leaf
            if leaf.size:
                bits = jax.lax.bitcast_convert_type(old, f"uint{leaf.dtype.itemsize * 8}")
                new = jax.lax.bitcast_convert_type(change(bits, epsilon), leaf.dtype)
                leaf = leaf.ravel().at[at].set(jnp.where(inside, new, old)).reshape(leaf.shape)
            moved.append(leaf)
            place = place - leaf.size
        return state._replace(params=trees.merge(jax.tree.unflatten(treedef, moved), others))

    return Intervention(on_state, None, check=check)
