"""The compiled loop: tiles of members one after the other, a scan over steps in each, a vmap over its members.

Cadences are nested scans, one level for each `every`, the fastest innermost: a `lax.cond` on the step number would,
under vmap, run every branch at every step. So cadences must divide one another.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool

from pathjax import observing, trees
from pathjax.layout import AXIS, Layout, put_together
from pathjax.schedule import take_batch
from pathjax.typing import Dynamics, Observable, PyTree, State


class Scoped(NamedTuple):
    """Something for each observable, by who runs it: every tile; the first one alone (it sees the baseline, or all
    members where there is one tile); or nobody but the whole, on members gathered from all tiles and devices."""

    members: tuple
    shared: tuple
    gathered: tuple


class Group(NamedTuple):
    """Members that advance together: states, whether each still moves, and its observables' carries."""

    state: State
    alive: Bool[Array, "w"]
    carries: tuple[PyTree, ...]


class LoopState(NamedTuple):
    """All that a rollout needs to go on: the baseline and the other members (leading axis, padded to full tiles), each
    with the carries of member scope, and the carries of the other scopes (baseline, then ensemble)."""

    baseline: Group
    members: Group
    shared: tuple[PyTree, ...]


class Records(NamedTuple):
    """What was recorded, by variable name, time first: for the baseline (time, ...), for the other members
    (time, member, ...), and what belongs to no member."""

    baseline: dict[str, Array]
    members: dict[str, Array]
    shared: dict[str, Array]


class Inputs(NamedTuple):
    """Arrays that the loop reads: the observables' data, the dataset, and the schedule's key."""

    data: Scoped
    dataset: PyTree
    key: Array


class Program(NamedTuple):
    """What is compiled, all of it hashable: the map, the observables without their data, and the layout."""

    dynamics: Dynamics
    observables: Scoped
    layout: Layout


LOOP_SPECS: Any = LoopState(P(), P(AXIS), P())  # type: ignore[arg-type]
RECORD_SPECS: Any = Records(P(), P(None, AXIS), P())  # type: ignore[arg-type]


def by_scope(layout: Layout, observables: list[Observable], items: list) -> Scoped:
    """Sort one item for each observable by who runs it."""
    pairs = list(zip(observables, items, strict=True))
    together = tuple(item for o, item in pairs if o.scope == "ensemble")
    members = tuple(item for o, item in pairs if o.scope == "member")
    shared = tuple(item for o, item in pairs if o.scope == "baseline")
    return Scoped(members, shared + together, ()) if layout.is_whole else Scoped(members, shared, together)


@functools.partial(jax.jit, static_argnames="program")
def start(program: Program, baseline: State, members: State, inputs: Inputs) -> tuple[LoopState, Records]:
    """The loop's state at step 0, and the records there, with a time axis of length 1."""
    return _on_devices(program, _start, (P(), P(AXIS)), (baseline, members), inputs)


@functools.partial(jax.jit, static_argnames="program", donate_argnames="loop")
def run_chunk(program: Program, loop: LoopState, inputs: Inputs, part: PyTree) -> tuple[LoopState, Records]:
    """Advance by the steps of `part`, rows (indices, weights) of the schedule."""
    return _on_devices(program, _advance, (LOOP_SPECS, P()), (loop, part), inputs)


def _on_devices(program, fn, in_specs, args, inputs):
    """`fn(program, *args, inputs)` on each device, with its share of the members."""
    run = functools.partial(fn, program)
    if program.layout.mesh is not None:
        run = jax.shard_map(
            run,
            mesh=program.layout.mesh,
            in_specs=(*in_specs, P()),
            out_specs=(LOOP_SPECS, RECORD_SPECS),
            check_vma=False,  # that the devices' copies of the baseline are equal, JAX cannot see
        )
    loop, records = run(*args, inputs)
    return jax.tree.map(_strong, loop), records


def _strong(leaf):
    """Without JAX's mark of a Python number's type, which comes and goes and would compile the loop again."""
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jax.lax.convert_element_type(leaf, leaf.dtype)


def _start(program, baseline, members, inputs):
    alive = jnp.ones(len(members.step), bool)
    loop = LoopState(Group(baseline, alive[0], ()), Group(members, alive, ()), ())

    def one(i, first):
        group = _gather_tile(program, loop, i, first)
        carries, records = observing.start(_seen(program.observables, first), group.state, _seen(inputs.data, first))
        records = jax.tree.map(lambda a: a[None], records)
        return *_split(program, group._replace(carries=carries)), _split_records(program, records)

    baseline, tile, shared, records = one(0, first=True)
    if program.layout.num_tiles > 1:
        _, more, _, later = jax.lax.map(lambda i: one(i, first=False), jnp.arange(1, program.layout.num_tiles))
        tile = jax.tree.map(lambda a, b: jnp.concatenate([a, b.reshape(-1, *b.shape[2:])]), tile, more)
        records = _join_tiles(records, later)
    loop = LoopState(baseline, tile, shared)
    if not program.observables.gathered:
        return loop, records
    carries, now = observing.start(program.observables.gathered, _gather(program, loop), inputs.data.gathered)
    now = jax.tree.map(lambda a: a[None], now)
    return loop._replace(shared=shared + carries), records._replace(shared=records.shared | now)


def _advance(program, loop, part, inputs):
    """All tiles by the steps of `part`; where members must be gathered for a record, tiles wait for one another."""
    observables = program.observables.gathered
    if not observables:
        return _advance_tiles(program, loop, part, inputs)
    levels, num = observing.cadences(observables), len(program.observables.shared)

    def leaf(loop, part):
        loop, records = _advance_tiles(program, loop, part, inputs)
        return loop, {"tiles": records}

    def read(every, loop):
        state, carries = _gather(program, loop), loop.shared[num:]
        carries, now = observing.read(observables, every, state, carries, inputs.data.gathered)
        return loop._replace(shared=loop.shared[:num] + carries), now

    loop, records = _nest(levels, leaf, read, loop, part)
    tiles = jax.tree.map(lambda a: a.reshape(-1, *a.shape[len(levels) + 1 :]), records.pop("tiles"))
    now = observing.flatten_time(observables, levels, records)
    return loop, tiles._replace(shared=tiles.shared | now)


def _advance_tiles(program, loop, part, inputs):
    """Each tile in its turn through all steps of `part`: its state stays in the cache meanwhile."""

    def one(members, i, first):
        group = _gather_tile(program, loop._replace(members=members), i, first)
        group, records = _run(program, first, group, part, inputs)
        baseline, tile, shared = _split(program, group)
        # In place: there is one copy of all members, and one tile beside it.
        members = jax.tree.map(
            lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, i * program.layout.tile, 0), members, tile
        )
        return members, baseline, shared, _split_records(program, records)

    members, baseline, shared, records = one(loop.members, 0, first=True)
    if program.layout.num_tiles > 1:

        def rest(members, i):
            members, _, _, later = one(members, i, first=False)
            return members, later

        members, later = jax.lax.scan(rest, members, jnp.arange(1, program.layout.num_tiles))
        records = _join_tiles(records, later)
    return LoopState(baseline, members, shared + loop.shared[len(shared) :]), records


def _run(program, first, group, part, inputs):
    """One tile through all steps of `part`, with its observables."""
    observables, data = _seen(program.observables, first), _seen(inputs.data, first)
    levels = observing.cadences(observables) or [1]
    step = functools.partial(_step, program.dynamics, observables, inputs)

    def leaf(group, rows):
        return (jax.lax.scan(step, group, rows) if levels[0] > 1 else step(group, trees.index(rows, 0)))[0], {}

    def read(every, group):
        carries, now = observing.read(observables, every, group.state, group.carries, data)
        return group._replace(carries=carries), now

    group, records = _nest(levels, leaf, read, group, part)
    return group, observing.flatten_time(observables, levels, records)


def _step(dynamics, observables, inputs, group, row):
    before = group.state
    batch = take_batch(inputs.dataset, inputs.key, before.step[0], row)
    after, info = jax.vmap(dynamics.step, in_axes=(0, None))(before, batch)
    alive = group.alive & jnp.isfinite(info.loss)
    after = jax.vmap(_freeze)(alive, after, before)
    carries = observing.update(observables, group.carries, before, after, batch, info)
    return Group(after, alive, carries), None


def _freeze(alive, after, before):
    """A member whose loss is no number any more stays where it was; only its step counter goes on."""
    keep = functools.partial(jax.tree.map, functools.partial(jnp.where, alive))
    return after._replace(params=keep(after.params, before.params), opt_state=keep(after.opt_state, before.opt_state))


def _nest(levels: list[int], leaf: Callable, read: Callable, carry, xs):
    """Scans in scans: `leaf(carry, rows)` advances by levels[0] steps, `read(every, carry)` records at each level.

    Records have one time axis for their own level and each slower one.
    """

    def block(level, carry, xs):
        lower = leaf if level == 0 else functools.partial(jax.lax.scan, functools.partial(block, level - 1))
        carry, records = lower(carry, xs)
        carry, now = read(levels[level], carry)
        return carry, records | now

    ratios = [levels[0], *(slow // fast for fast, slow in zip(levels, levels[1:], strict=False))]
    nested = jax.tree.map(lambda a: a.reshape(-1, *reversed(ratios), *a.shape[1:]), xs)
    return jax.lax.scan(functools.partial(block, len(levels) - 1), carry, nested)


def _seen(scoped: Scoped, first: bool) -> tuple:
    return scoped.members + (scoped.shared if first else ())


def _gather_tile(program, loop, i, first):
    """The baseline and tile i as one group; the first tile has the shared carries too."""
    width = program.layout.tile
    tile = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, i * width, width), loop.members)
    group = put_together(width + 1, loop.baseline, tile)
    shared = loop.shared[: len(program.observables.shared)] if first else ()
    return group._replace(carries=group.carries + shared)


def _split(program, group):
    """Undo `_gather_tile`: the baseline, the tile, and the shared carries."""
    num = len(program.observables.members)
    own = group._replace(carries=group.carries[:num])
    return trees.index(own, 0), jax.tree.map(lambda a: a[1:], own), group.carries[num:]


def _split_records(program, records):
    names = {variable.name for o in program.observables.members for variable in o.variables}
    own = {name: a for name, a in records.items() if name in names}
    shared = {name: a for name, a in records.items() if name not in names}
    return Records({name: a[:, 0] for name, a in own.items()}, {name: a[:, 1:] for name, a in own.items()}, shared)


def _join_tiles(first: Records, later: Records) -> Records:
    """The first tile's records (time, member, ...) and the others' (tile, time, member, ...) as one device's."""

    def join(a, b):
        rest = jnp.moveaxis(b, 0, 1)
        return jnp.concatenate([a, rest.reshape(len(a), -1, *a.shape[2:])], axis=1)

    return first._replace(members=jax.tree.map(join, first.members, later.members))


def _gather(program, loop: LoopState) -> State:
    """The states of all members of all devices. This is where devices communicate, and only for such observables."""
    members = loop.members.state
    if program.layout.mesh is not None:
        members = jax.tree.map(lambda a: jax.lax.all_gather(a, AXIS, tiled=True), members)
    return put_together(program.layout.num_members, loop.baseline.state, members)
