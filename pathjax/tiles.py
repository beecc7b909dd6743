"""Tiles of members: how one is cut out of all, taken apart again, and how its records are put beside the others'."""

import jax
import jax.numpy as jnp

from pathjax import trees
from pathjax.loop_state import Records, Scoped


def is_first(i) -> bool:
    """Whether a tile is the one with the baseline; its number is known when tracing, the others' are not."""
    return isinstance(i, int)


def seen_by(scoped: Scoped, i) -> tuple:
    """What belongs to the observables that tile i runs."""
    return scoped.members + (scoped.shared if is_first(i) else ())


def member_variables(program) -> list[str]:
    """Names of what is recorded of each member."""
    return [variable.name for o in program.observables.members for variable in o.variables]


def first_member(program, i):
    """Where tile i begins among the members beside the baseline; the first has one of them less."""
    return 0 if is_first(i) else i * program.layout.tile - 1


def cut_out(program, loop, members, i):
    """Tile i as a group; the first begins with the baseline, and has the shared carries."""
    width = program.layout.tile - is_first(i)
    tile = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, first_member(program, i), width), members)
    if not is_first(i):
        return tile
    group = jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), loop.baseline, tile)
    return group._replace(carries=group.carries + loop.shared[: len(program.observables.shared)])


def split(program, group, records, i):
    """Undo `cut_out`: the baseline, the other members, the shared carries, and the records of each."""
    num = len(program.observables.members)
    own, shared = group._replace(carries=group.carries[:num]), group.carries[num:]
    names = member_variables(program)
    of_members = {name: a for name, a in records.items() if name in names}
    of_nobody = {name: a for name, a in records.items() if name not in names}
    records = Records(of_members, of_nobody)
    if not is_first(i):
        return None, own, shared, records
    return trees.index(own, 0), jax.tree.map(lambda a: a[1:], own), shared, records


def join_records(first: Records, later: Records) -> Records:
    """The first tile's records (time, member, ...) and the others' (tile, time, member, ...) as one device's."""

    def join(a, b):
        rest = jnp.moveaxis(b, 0, 1)
        return jnp.concatenate([a, rest.reshape(len(a), -1, *a.shape[2:])], axis=1)

    return first._replace(members=jax.tree.map(join, first.members, later.members))
