"""Tiles of members: how one is cut out of all, taken apart again, and how its records are put beside the others'."""

import functools

import jax
import jax.numpy as jnp

from pathjax.engine.loop_types import Records, Scoped


def is_first(i) -> bool:
    """Whether a tile is the one with the baseline; its number is known when tracing, the others' are not."""
    return isinstance(i, int)


def observables_for_tile(scoped: Scoped, i) -> tuple:
    """What belongs to the observables that tile i runs."""
    return scoped.members + (scoped.shared if is_first(i) else ())


def member_variables(program) -> list[str]:
    """Names of what is recorded of each member."""
    return [variable.name for o in program.observables.members for variable in o.variables]


def cut_out(program, loop, members, i):
    """Tile i as a group; the first has the baseline in front, and the shared carries."""
    width = program.layout.tile
    cut = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=i * width, slice_size=width)
    group = members if program.layout.num_tiles == 1 else jax.tree.map(cut, members)
    if not is_first(i):
        return group
    return group._replace(carries=group.carries + loop.shared[: len(program.observables.shared)])


def put_back(program, members, tile, i):
    """All members with those of tile i; in place, as there is one copy of all and one tile beside it."""
    if program.layout.num_tiles == 1:
        return tile
    write = functools.partial(jax.lax.dynamic_update_slice_in_dim, start_index=i * program.layout.tile, axis=0)
    return jax.tree.map(write, members, tile)


def split(program, group, records):
    """A tile's group with its own carries alone, the shared ones, and per-member and shared records."""
    num = len(program.observables.members)
    names = member_variables(program)
    of_members = {name: a for name, a in records.items() if name in names}
    shared = {name: a for name, a in records.items() if name not in names}
    return group._replace(carries=group.carries[:num]), group.carries[num:], Records(of_members, shared)


def join_records(first: Records, later: Records) -> Records:
    """The first tile's records (time, member, ...) and the others' (tile, time, member, ...) as one device's."""

    def join(a, b):
        rest = jnp.moveaxis(b, 0, 1)
        return jnp.concatenate([a, rest.reshape(len(a), -1, *a.shape[2:])], axis=1)

    return first._replace(members=jax.tree.map(join, first.members, later.members))
