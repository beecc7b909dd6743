"""Induction heads: whether a head attends to the token after the previous occurrence of the current one."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Int, Shaped

from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.types import AnyArray, Observable, Snapshot, Variable


def induction_score(
    attention_fn: Callable,
    inputs: Shaped[AnyArray, "n ..."],
    targets: Int[AnyArray, "n places"],
    num_heads: tuple[int, int],
    *,
    every: int = 1,
) -> Observable:
    """Records the attention to the place that an induction head attends to, averaged over all places that have one.

    Records `head_induction` (layer, head), and `induction_score` (), the largest of all heads.

    Args:
        attention_fn: `attention_fn(params, inputs) -> attention` (layers, n, heads, places, places), as returned by
            `pathjax.models.attention_weights`.
        inputs: n sequences of tokens.
        targets: the place to attend to, int (n, places), -1 for places without one, as returned by
            `pathjax.data.induction.induction_targets`.
        num_heads: layers, and heads in each.
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: if no place has a target.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads" (the prefix-matching score).

    >>> targets = jnp.array([[-1, 0]])
    >>> observable = induction_score(lambda w, x: jnp.full((1, 1, 2, 2, 2), w), jnp.zeros((1, 2)), targets, (1, 2))
    >>> [variable.dims for variable in observable.variables]
    [('layer', 'head'), ()]
    """
    require(bool((targets >= 0).any()), "no place has a target; give sequences with repeated tokens")
    layers, heads = num_heads

    def read(carry, snapshot: Snapshot):
        tokens, places = snapshot.data
        seen = places >= 0
        attention = bind(attention_fn, snapshot.state)(snapshot.state.params, tokens)
        # Attention of each place to its target: (layers, n, heads, places).
        where = jnp.maximum(places, 0)[None, :, None, :, None]
        given = jnp.take_along_axis(attention, where, axis=-1)[..., 0]
        score = jnp.sum(given * seen[None, :, None, :], axis=(1, 3)) / jnp.sum(seen)
        return carry, {"head_induction": score, "induction_score": jnp.max(score)}

    variables = (
        Variable("head_induction", ("layer", "head"), "1", "attention to where an induction head looks"),
        Variable("induction_score", (), "1", "that of the head which has most"),
    )
    coords = (("layer", tuple(range(layers))), ("head", tuple(range(heads))))
    data = jax.tree.map(jnp.asarray, (inputs, targets))
    return Observable(lambda snapshot: (), read, None, every, "member", variables, data, coords)
