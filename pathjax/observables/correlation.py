"""How the weights decorrelate from what they were."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from pathjax import trees
from pathjax.errors import require
from pathjax.typing import Observable, Variable


def weight_autocorrelation(anchors: Sequence[int] = (0,), every: int = 1) -> Observable:
    """Two-time correlation of each member's weights with themselves at earlier steps t_a (the waiting times).

    Records autocorrelation (anchor,): C(t_a, t) = <w(t), w(t_a)> / (|w(t)| |w(t_a)|), the cosine of their angle; NaN
    before t_a. No mean is subtracted: for independent weights of mean 0 it is the correlation coefficient over weights.

    Args:
        anchors: the steps t_a, multiples of `every`; a copy of all weights is kept for each.
        every: steps between records.

    Raises:
        InputError: if an anchor is negative, repeated, or no multiple of `every`.

    Source: two-time correlations of ageing systems (Bouchaud et al. 1998).

    >>> weight_autocorrelation(anchors=(0, 100), every=10).coords
    (('anchor', (0, 100)),)
    """
    anchors = tuple(anchors)
    require(every >= 1 and len(anchors) >= 1, "an autocorrelation needs at least one anchor, and every >= 1")
    for anchor in anchors:
        require(
            anchor >= 0 and anchor % every == 0 and anchors.count(anchor) == 1,
            f"anchor {anchor} cannot be kept: choose different multiples of every={every}, 0 or more",
        )

    def init(snapshot):
        params = trees.split_floats(snapshot.state.params)[0]
        return trees.stack([params] * len(anchors))

    def read(kept, snapshot):
        now = trees.split_floats(snapshot.state.params)[0]
        step = snapshot.state.step
        length = trees.norm(now)

        def one(anchor, part):
            part = _select(step == anchor, now, part)
            cosine = trees.dot(now, part) / (length * trees.norm(part))
            return part, jnp.where(step >= anchor, cosine, jnp.nan)

        kept, cosines = jax.vmap(one)(jnp.array(anchors), kept)
        return kept, {"autocorrelation": cosines}

    variables = (Variable("autocorrelation", ("anchor",), "1", "cosine between the weights now and at step `anchor`"),)
    return Observable(init, read, None, every, "member", variables, coords=(("anchor", anchors),))


def _select(condition, a, b):
    return jax.tree.map(lambda x, y: jnp.where(condition, x, y), a, b)
