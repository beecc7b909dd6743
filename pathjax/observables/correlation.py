"""How members forget their earlier selves, in weight space and in function space."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Shaped

from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.networks import bind
from pathjax.core.types import AnyArray, Observable, PyTree, Snapshot, Variable
from pathjax.observables.selection import selected, selection
from pathjax.tangents.propagate import Select


def weight_autocorrelation(
    anchors: Sequence[int] = (0,), *, every: int = 1, select: Select | None = None, prefix: str = ""
) -> Observable:
    """Records the two-time correlation of each member's weights with those at earlier steps t_a (the waiting times).

    Records, NaN before t_a:
        autocorrelation (anchor,): C(t_a, t) = <w(t), w(t_a)> / (|w(t)| |w(t_a)|), the cosine of their angle. No mean is
            subtracted: for independent weights of mean 0 it is the correlation coefficient over weights.
        squared_displacement (anchor,): |w(t) - w(t_a)|^2
        norm_growth (anchor,): |w(t)| / |w(t_a)|

    Args:
        anchors: the steps t_a, multiples of `every`; each keeps a copy of all weights.
        every: steps between records.
        select, prefix: see `weight_distance`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: if an anchor is negative, repeated, or not a multiple of `every`.

    Source: two-time correlations of ageing systems (Bouchaud et al. 1998).

    >>> weight_autocorrelation(anchors=(0, 100), every=10).coords
    (('anchor', (0, 100)),)
    """

    what = selection(select, prefix)

    def weights(snapshot: Snapshot):
        return selected(snapshot.state, select)

    cosine = f"cosine between the {what.words} now and at step `anchor`"
    squared = f"squared distance from the {what.words} at step `anchor`"
    growth = f"norm of the {what.words} relative to that at step `anchor`"
    variables = (
        Variable(f"{prefix}autocorrelation", ("anchor",), "1", cosine),
        Variable(f"{prefix}squared_displacement", ("anchor",), "weight^2", squared),
        Variable(f"{prefix}norm_growth", ("anchor",), "1", growth),
    )
    return _against_anchors(weights, anchors, every, variables)


def function_autocorrelation(
    predict: Callable, inputs: Shaped[AnyArray, "n ..."], anchors: Sequence[int] = (0,), *, every: int = 1
) -> Observable:
    """Records the same in function space: for the logits on n `inputs`, as one vector of length n * classes.

    The records are function_autocorrelation, squared_function_displacement (a mean over examples) and
    function_norm_growth, each (anchor,) and NaN before its anchor.

    Args:
        predict: `predict(params, inputs) -> logits`, (n, ...) to (n, classes).
        inputs: n examples; each anchor keeps their logits.
        anchors: see `weight_autocorrelation`.
        every: steps between records.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: see `weight_autocorrelation`.

    >>> function_autocorrelation(lambda w, x: x @ w, jnp.ones((5, 3)), anchors=(0,), every=10).every
    10
    """
    num = len(inputs)

    def logits(snapshot: Snapshot):
        # Scaled by 1 / sqrt(n), so that squares are means over examples.
        return bind(predict, snapshot.state)(snapshot.state.params, snapshot.data) / num**0.5

    variables = (
        Variable("function_autocorrelation", ("anchor",), "1", "cosine between the logits now and at step `anchor`"),
        Variable(
            "squared_function_displacement", ("anchor",), "logit^2", "squared distance from the logits at `anchor`"
        ),
        Variable("function_norm_growth", ("anchor",), "1", "norm of the logits relative to that at step `anchor`"),
    )
    return _against_anchors(logits, anchors, every, variables)._replace(data=inputs)


def _against_anchors(view: Callable[[Snapshot], PyTree], anchors, every: int, variables) -> Observable:
    """Records cosine with, squared distance from, and norm relative to the view at each anchor."""
    anchors = tuple(anchors)
    require(every >= 1 and len(anchors) >= 1, "give at least one anchor, and every >= 1")
    for anchor in anchors:
        require(
            anchor >= 0 and anchor % every == 0 and anchors.count(anchor) == 1,
            f"anchor {anchor} is invalid; choose distinct multiples of every={every}, 0 or more",
        )

    def init(snapshot):
        return trees.stack([view(snapshot)] * len(anchors))

    def read(kept, snapshot):
        now, step = view(snapshot), snapshot.state.step
        length = trees.norm(now)

        def one(anchor, part):
            part = jax.tree.map(lambda a, b: jnp.where(step == anchor, a, b), now, part)
            anchor_norm = trees.norm(part)
            displacement = jnp.sum(trees.squared_norms(trees.subtract(now, part)))
            found = (trees.dot(now, part) / (length * anchor_norm), displacement, length / anchor_norm)
            return part, jax.tree.map(lambda value: jnp.where(step >= anchor, value, jnp.nan), found)

        kept, found = jax.vmap(one)(jnp.array(anchors), kept)
        return kept, {variable.name: values for variable, values in zip(variables, found, strict=True)}

    return Observable(init, read, None, every, "member", tuple(variables), coords=(("anchor", anchors),))
