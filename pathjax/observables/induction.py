"""Whether a head of attention looks back to what came after a token the last time."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Int, Shaped

from pathjax.core.errors import require
from pathjax.core.types import AnyArray, Observable, Snapshot, Variable


def induction_score(
    looks: Callable,
    inputs: Shaped[AnyArray, "n ..."],
    targets: Int[AnyArray, "n places"],
    num_heads: tuple[int, int],
    *,
    every: int = 1,
) -> Observable:
    """Attention to the place that an induction head looks at, the mean over all places that have one.

    Records `head_induction` (layer, head), and `induction_score` (), that of the head which has most.

    Args:
        looks: `looks(params, inputs) -> attention` (layers, n, heads, places, places), as
            `pathjax.models.attention_weights` makes it.
        inputs: n sequences of tokens.
        targets: where to look, int (n, places), -1 from where there is nothing, as
            `pathjax.data.induction.induction_targets` finds it.
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
    require(bool((targets >= 0).any()), "no place has a target: give sequences that repeat something")
    layers, heads = num_heads

    def read(carry, snapshot: Snapshot):
        tokens, places = snapshot.data
        seen = places >= 0
        attention = looks(snapshot.state.params, tokens)
        # Of each place, what it gives to its target: (layers, n, heads, places).
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
