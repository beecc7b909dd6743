"""Tangents of several observables, pushed along the baseline as one batch."""

import itertools

import jax
import jax.numpy as jnp

from pathjax.core.errors import require
from pathjax.core.function_equality import Function
from pathjax.core.types import Observable, PyTree, Snapshot
from pathjax.tangents.propagate import from_groups, to_groups


def share_tangents(*observables: Observable) -> Observable:
    """Combines observables into one that pushes all their tangents through each step as one batch.

    The results are the same up to rounding. The program is smaller, and products are larger. Tangents so large that
    they are pushed one by one (see `pathjax.tangents.propagate.to_groups`) still are.

    Args:
        observables: `lyapunov`, `function_space_lyapunov` or `linear_response`, with the same dynamics and cadence.

    Returns:
        An Observable of scope "baseline"; its records are arrays with the dimensions in brackets above, after
        (record,).

    Raises:
        InputError: if there are none, they push no tangents, or their dynamics or cadences differ.

    >>> import pathjax
    >>> doubling, key = pathjax.map_dynamics(lambda x, batch: 2 * x), jax.random.key(0)
    >>> leading, given = pathjax.observables.lyapunov(key, doubling), pathjax.observables.linear_response
    >>> [variable.name for variable in share_tangents(leading, given(doubling, jnp.eye(3))).variables]
    ['log_growth', 'tangent_collapse', 'tangent_norm']
    """
    require(len(observables) > 0, "no observables to share tangents; give at least one")
    first = observables[0]
    for one in observables:
        pushed = [Function(own.update) for own in (first, one) if own.update is not None]
        require(
            len(pushed) == 2 and pushed[0] == pushed[1] and one.every == first.every,
            f"'{one.variables[0].name}' cannot share tangents with '{first.variables[0].name}'; give observables that "
            "push tangents by the same dynamics, with the same `every`",
        )
    ends = tuple(
        itertools.accumulate(
            sum(len(labels) for _, labels in one.coords if not callable(labels)) for one in observables
        )
    )
    bare = tuple(one._replace(data=None) for one in observables)

    def own_snapshot(number: int, snapshot: Snapshot) -> Snapshot:
        return snapshot._replace(data=snapshot.data[number])

    def init(snapshot: Snapshot):
        return _join([one.init(own_snapshot(i, snapshot)) for i, one in enumerate(bare)])

    def read(carry, snapshot: Snapshot):
        carries = []
        record: dict[str, jax.Array] = {}
        for i, (one, part) in enumerate(zip(bare, _split(carry, ends), strict=True)):
            part, found = one.read(part, own_snapshot(i, snapshot))
            carries.append(part)
            record |= found
        return _join(carries), record

    variables = tuple(variable for one in observables for variable in one.variables)
    coords = tuple(coord for one in observables for coord in one.coords)
    data = tuple(one.data for one in observables)
    return Observable(init, read, first.update, first.every, "baseline", variables, data=data, coords=coords)


def _join(carries: list) -> tuple:
    """Joins carries (tangents, more) into one: all tangents, and more of each."""
    joined = [from_groups(carry[0]) for carry in carries]
    cut = [len(carry[0]) > 1 for carry, tangents in zip(carries, joined, strict=True) if _num(tangents) > 1]
    tangents = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *joined)
    return to_groups(tangents, 1 if cut and all(cut) else None), *(carry[1:] for carry in carries)


def _num(tangents: PyTree) -> int:
    return len(jax.tree.leaves(tangents)[0])


def _split(carry: tuple, ends) -> list:
    """Undoes `_join`; `ends` are the rows at which the tangents of each end."""
    tangents, starts = from_groups(carry[0]), [0, *ends[:-1]]
    rows = [jax.tree.map(lambda a, i=i, j=j: a[i:j], tangents) for i, j in zip(starts, ends, strict=True)]
    return [((one,), *more) for one, more in zip(rows, carry[1:], strict=True)]
