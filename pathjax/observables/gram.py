"""The cloud of members: inner products of all pairs, which determine its size, shape and dimension."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from pathjax.core.errors import require
from pathjax.core.networks import of_networks, weights_of
from pathjax.core.types import Observable, PyTree, Variable
from pathjax.observables.selection import selected, selection
from pathjax.tangents.propagate import Select


def weight_gram(num_members: int, *, every: int = 1, select: Select | None = None, prefix: str = "") -> Observable:
    """Records inner products of all members' displacements from the baseline, in weight space.

    Records weight_gram (member_1, member_2): <w_m - w_0, w_n - w_0>, for all members of the ensemble in its order.
    `pathjax.analysis.covariance` derives distances of all pairs, total variance, spectrum and dimensions from it. Pairs
    that are much closer to each other than to the baseline lose digits: in single precision, all at a ratio of a
    thousand. All members' states are gathered for it, so its cadence must be the slowest.

    Args:
        num_members: M, including the baseline.
        every: steps between records of M^2 values each.
        select, prefix: see `weight_distance`.

    Returns:
        An Observable of scope "ensemble"; its records are arrays with the dimensions in brackets above, after
        (record,).

    >>> weight_gram(3).variables[0].dims
    ('member_1', 'member_2')
    """

    def read(carry, snapshot):
        return carry, {name: _gram(selected(snapshot.state, select))}

    name, what = f"{prefix}weight_gram", selection(select, prefix)
    label = f"inner product of displacements of the {what.words}"
    return _of_pairs(name, "weight^2", label, num_members, every, read)


def function_gram(predict: Callable, inputs: PyTree, num_members: int, *, every: int = 1) -> Observable:
    """Records the same in function space, for the logits on n `inputs`.

    Records function_gram (member_1, member_2): the mean over examples of <f_m - f_0, f_n - f_0>.

    Args:
        predict: `predict(params, inputs) -> outputs`, (n, ...) to (n, outputs).
        inputs: n examples.
        num_members: M, including the baseline.
        every: steps between records.

    Returns:
        An Observable of scope "ensemble"; its records are arrays with the dimensions in brackets above, after
        (record,).

    >>> function_gram(lambda w, x: x @ w, jnp.ones((5, 2)), 3).variables[0].units
    'logit^2'
    """

    def read(carry, snapshot):
        logits = jax.lax.map(lambda one: of_networks(predict)(one, snapshot.data), weights_of(snapshot.state))
        return carry, {"function_gram": _gram(logits) / len(snapshot.data)}

    label = "inner product of differences of logits, mean over examples"
    return _of_pairs("function_gram", "logit^2", label, num_members, every, read)._replace(data=inputs)


def _of_pairs(name, units, label, num_members, every, read) -> Observable:
    labels = tuple(range(num_members))

    def checked(carry, snapshot):
        num = len(snapshot.state.step)
        require(num == num_members, f"{name} expects {num_members} members, not {num}; give num_members={num}")
        return read(carry, snapshot)

    variables = (Variable(name, ("member_1", "member_2"), units, label),)
    coords = (("member_1", labels), ("member_2", labels))
    return Observable(lambda snapshot: (), checked, None, every, "ensemble", variables, coords=coords)


def _gram(tree):
    """Sums over leaves; uses differences to the first element, which avoids cancellation."""

    def one(leaf):
        leaf = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
        moved = (leaf - leaf[:1]).reshape(len(leaf), -1)
        return jnp.matmul(moved, moved.T, precision="highest")

    return sum(one(leaf) for leaf in jax.tree.leaves(tree))


def weight_projections(
    key: Key[Array, ""], num: int, *, every: int = 1, select: Select | None = None, prefix: str = ""
) -> Observable:
    """Records each member's weights along `num` random directions, from which inner products between any steps follow.

    Records projections (projection,): <z_k, w> with z_k independent standard normal, the same for all members and
    steps. The mean over k of the product of two projections is the inner product of the weights, with a standard error
    of about |w| |w'| sqrt((1 + cos^2) / num).

    Args:
        key: key of the directions, which are redrawn at each record and so take no memory.
        num: K, the number of directions.
        every: steps between records.
        select, prefix: see `weight_distance`.

    Returns:
        An Observable of scope "member"; its records are float arrays with the dimensions in brackets above, after
        (record, member).

    Raises:
        InputError: for num below 1.

    Source: random projections (Johnson and Lindenstrauss 1984).

    >>> weight_projections(jax.random.key(0), 3).coords
    (('projection', (0, 1, 2)),)
    """

    require(num >= 1, f"num must be 1 or more, not {num}")

    def read(carry, snapshot):
        leaves = jax.tree.leaves(selected(snapshot.state, select))

        def one(key):
            keys = jax.random.split(key, len(leaves))
            parts = [
                jnp.sum(leaf * jax.random.normal(k, leaf.shape, leaf.dtype))
                for k, leaf in zip(keys, leaves, strict=True)
            ]
            return sum(parts)

        return carry, {name: jax.lax.map(one, jax.random.split(snapshot.data, num))}

    name, what = f"{prefix}projections", selection(select, prefix)
    variables = (Variable(name, ("projection",), "weight", f"{what.words} along random directions"),)
    coords = (("projection", tuple(range(num))),)
    return Observable(lambda snapshot: (), read, None, every, "member", variables, key, coords)
