"""Tiles of members: taking one from all members, writing it back, and joining the records."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from pathjax.engine.loop_types import Records, Scoped


def is_first(i: Any) -> bool:
    """Whether a tile is the first, with the baseline; its index is static, the others' are traced."""
    return isinstance(i, int)


def observables_for_tile(scoped: Scoped, i: Any) -> tuple:
    """Returns the items of the observables that tile i runs."""
    return scoped.members + (scoped.shared if is_first(i) else ())


def member_variables(program: Any) -> list[str]:
    """Returns the names of per-member variables."""
    return [variable.name for o in program.observables.members for variable in o.variables]


def take_tile(program: Any, loop: Any, members: Any, i: Any) -> Any:
    """Returns tile i as a group; the first includes the baseline and the shared carries."""
    width = program.layout.tile
    cut = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=i * width, slice_size=width)
    group = members if program.layout.num_tiles == 1 else jax.tree.map(cut, members)
    if not is_first(i):
        return group
    return group._replace(carries=group.carries + loop.shared[: len(program.observables.shared)])


def write_tile(program: Any, members: Any, tile: Any, i: Any) -> Any:
    """Writes tile i back to all members, in place: memory holds one copy of all members and one tile."""
    if program.layout.num_tiles == 1:
        return tile
    write = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=i * program.layout.tile, axis=0)
    return jax.tree.map(write, members, tile)


def split(program: Any, group: Any, records: dict) -> tuple:
    """Splits a tile into its group with member carries only, the shared carries, and per-member and shared records."""
    num = len(program.observables.members)
    names = member_variables(program)
    of_members = {name: a for name, a in records.items() if name in names}
    shared = {name: a for name, a in records.items() if name not in names}
    return group._replace(carries=group.carries[:num]), group.carries[num:], Records(of_members, shared)


def join_records(first: Records, later: Records) -> Records:
    """Joins the first tile's records (time, member, ...) with the others' (tile, time, member, ...)."""

    def join(a, b):
        rest = jnp.moveaxis(b, 0, 1)
        return jnp.concatenate([a, rest.reshape(len(a), -1, *a.shape[2:])], axis=1)

    return first._replace(members=jax.tree.map(join, first.members, later.members))
