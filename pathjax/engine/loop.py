"""The compiled loop: tiles of members one after the other, each a scan over steps and a vmap over members."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from pathjax.core import trees
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.types import Observable, PyTree, State
from pathjax.engine import observe
from pathjax.engine.layout import AXIS, Layout
from pathjax.engine.loop_types import Group, Inputs, LoopState, Program, Records, Scoped
from pathjax.engine.nested_scan import nested_scans
from pathjax.engine.sharding import to_member_order
from pathjax.engine.tile_steps import flat, run_tile
from pathjax.engine.tiles import (
    join_records,
    observables_for_tile,
    split,
    take_tile,
    write_tile,
)

# Bytes of the baseline's path that are stored at a time, if the cadences allow it.
PATH_BYTES = 2**28

LOOP_SPECS: Any = LoopState(P(AXIS), P(), P())  # type: ignore[arg-type]
RECORD_SPECS: Any = Records(P(None, AXIS), P())  # type: ignore[arg-type]


def by_scope(layout: Layout, observables: list[Observable], items: list) -> Scoped:
    """Sorts items, one for each observable, by who runs it."""
    pairs = list(zip(observables, items, strict=True))
    together = tuple(item for o, item in pairs if o.scope == "ensemble")
    members = tuple(item for o, item in pairs if o.scope == "member")
    shared = tuple(item for o, item in pairs if o.scope == "baseline")
    return Scoped(members, shared + together, ()) if layout.is_whole else Scoped(members, shared, together)


def start(program: Program, members: State, inputs: Inputs) -> tuple[LoopState, Records]:
    """Returns the loop's state at step 0, including `members`, and the records there, with a time axis of length 1."""
    loop, records = begin(program, members, inputs)
    return with_states(loop, members), records


@functools.partial(jit_fast_compile, static_argnames="program")
def begin(program: Program, members: State, inputs: Inputs) -> tuple[LoopState, Records]:
    """`start` without the states, which would be stored twice: carries of observables, and records."""
    return _on_devices(program, _start, P(AXIS), members, inputs)


def with_states(loop: LoopState, members: State) -> LoopState:
    """Adds the states to the result of `begin`."""
    return loop._replace(members=loop.members._replace(state=members))


@functools.partial(jax.jit, static_argnames="program", donate_argnames="loop")
def run_chunk(program: Program, loop: LoopState, inputs: Inputs, part: PyTree) -> tuple[LoopState, Records]:
    """Advances by the steps of `part`, rows (indices, weights) of the schedule."""

    def run(program, loop, inputs, part):
        return _advance(program, loop, part, inputs)

    return _on_devices(program, run, LOOP_SPECS, loop, inputs, part)


def _on_devices(program, run, specs, states, *shared):
    """Runs `run(program, states, *shared)` on each device, with its share of the members or of a sweep's settings."""
    layout = program.layout
    out_specs: Any = (LOOP_SPECS, RECORD_SPECS)
    run = functools.partial(run, program._replace(layout=layout.of_one_setting))
    if layout.num_settings is not None:
        run, specs, out_specs = _each_setting(run, layout), P(AXIS), P(AXIS)
    if layout.mesh is not None:
        run = jax.shard_map(
            _with_fresh_empties(run),
            mesh=layout.mesh,
            in_specs=(specs, *[P()] * len(shared)),
            out_specs=out_specs,
            check_vma=False,  # JAX cannot see that the devices' copies of the baseline are equal
        )
    loop, records = run(states, *shared)
    return trees.drop_weak_types(loop), records


def _with_fresh_empties(run):
    """Returns `run` with arrays without elements recreated on the devices: jaxlib 0.11.2 crashes if one enters or
    leaves."""

    def recreate(tree):
        return jax.tree.map(lambda leaf: leaf if leaf.size else jnp.zeros(leaf.shape, leaf.dtype), tree)

    return lambda *args: recreate(run(*recreate(args)))


def _each_setting(run, layout: Layout):
    """Runs a complete ensemble for each setting: one after the other on a CPU, all in parallel elsewhere."""

    def sweep(states, *shared):
        num = len(jax.tree.leaves(states)[0])
        return jax.lax.map(lambda one: run(one, *shared), states, batch_size=None if layout.platform == "cpu" else num)

    return sweep


def _start(program, members, inputs):
    alive = jnp.ones(len(members.step), bool)
    loop = LoopState(Group(members, alive, ()), (), jnp.asarray(program.layout.baseline_rows))
    baseline = trees.index(members, 0)

    def one(i):
        observables, data = observables_for_tile(program.observables, i), observables_for_tile(inputs.data, i)
        group = take_tile(program, loop, loop.members, i)
        carries, records = observe.start(observables, group.state, baseline, data)
        records = jax.tree.map(lambda a: a[None], records)
        group, shared, records = split(program, group._replace(carries=carries), records)
        return group._replace(state=None), shared, records

    group, shared, records = one(0)
    if program.layout.num_tiles > 1:
        more, later = jax.lax.map(lambda i: one(i)[::2], jnp.arange(1, program.layout.num_tiles))
        group = jax.tree.map(lambda a, b: jnp.concatenate([a, jax.lax.collapse(b, 0, 2)]), group, more)
        records = join_records(records, later)
    loop = loop._replace(members=group, shared=shared)
    if not program.observables.gathered:
        return loop, records
    state = _gather(program, members)
    carries, now = observe.start(program.observables.gathered, state, trees.index(state, 0), inputs.data.gathered)
    now = jax.tree.map(lambda a: a[None], now)
    return loop._replace(shared=shared + carries), records._replace(shared=records.shared | now)


def _advance(program, loop, part, inputs):
    """Advances all tiles by the steps of `part`; they synchronize wherever a record needs all members."""
    observables = program.observables.gathered
    if not observables:
        return _advance_in_blocks(program, loop, part, inputs)
    levels, num = observe.cadences(observables), len(program.observables.shared)

    def leaf(loop, part):
        loop, records = _advance_in_blocks(program, loop, part, inputs)
        return loop, {"tiles": records}

    def read(every, loop, _):
        state, carries = _gather(program, loop.members.state), loop.shared[num:]
        data = inputs.data.gathered
        baseline = observe.refer(observables, every, trees.index(state, 0), data)
        carries, now = observe.read(observables, every, state, baseline, carries, data)
        return loop._replace(shared=loop.shared[:num] + carries), now

    loop, records = nested_scans(levels, leaf, read, loop, part)
    tiles = flat(records.pop("tiles"), len(levels) + 1)
    now = observe.flatten_time(observables, levels, records)
    return loop, tiles._replace(shared=tiles.shared | now)


def _advance_in_blocks(program, loop, part, inputs):
    """Advances tiles through blocks of steps, so short that one block of the baseline's path fits into memory."""
    num_steps = len(part[0])
    block = block_length(program, num_steps, trees.index(loop.members.state, 0), inputs.data)
    if block == num_steps:
        return _advance_tiles(program, loop, part, inputs)
    blocks = jax.tree.map(lambda a: a.reshape(-1, block, *a.shape[1:]), part)
    loop, records = jax.lax.scan(lambda loop, part: _advance_tiles(program, loop, part, inputs), loop, blocks)
    return loop, flat(records, 2)


def block_length(program: Program, num_steps: int, state: State, data: Scoped) -> int:
    """Returns the steps per block: all, or as many as keep the baseline's path within PATH_BYTES."""
    members = program.observables.members
    levels = observe.cadences(members)
    if program.layout.num_tiles == 1 or not levels:
        return num_steps
    sizes = {every: _path_entry_bytes(members, every, state, data.members) for every in levels}
    if observe.needs(members, "baseline"):
        sizes |= {1: sizes.get(1, 0) + 2 * trees.num_bytes(state)}  # before and after each step
    slowest = max(observe.cadences(members + program.observables.shared))
    fitting = [n for n in range(slowest, num_steps + 1, slowest) if num_steps % n == 0]
    return max([n for n in fitting if sum(n // k * size for k, size in sizes.items()) <= PATH_BYTES], default=slowest)


def _path_entry_bytes(observables, every: int, state: State, data) -> int:
    return trees.num_bytes(jax.eval_shape(lambda *args: observe.refer(observables, every, *args), state, data))


def _advance_tiles(program, loop, part, inputs):
    """Advances the tiles one after the other through all steps of `part`, so that a tile's state stays in the cache.

    The first tile contains the baseline, and records its path for the others.
    """

    def one(members, i, path):
        group, records, path = run_tile(program, i, take_tile(program, loop, members, i), part, inputs, path)
        tile, shared, records = split(program, group, records)
        return write_tile(program, members, tile, i), shared, records, path

    members, shared, records, path = one(loop.members, 0, None)
    if program.layout.num_tiles > 1:
        rest = jnp.arange(1, program.layout.num_tiles)
        members, later = jax.lax.scan(lambda members, i: one(members, i, path)[::2], members, rest)
        records = join_records(records, later)
    return loop._replace(members=members, shared=shared + loop.shared[len(shared) :]), records


def _gather(program, members: State) -> State:
    """Gathers the states of all members of all devices: the only communication, for observables that need it."""
    if program.layout.mesh is not None:
        members = jax.tree.map(lambda a: jax.lax.all_gather(a, AXIS, tiled=True), members)
    return to_member_order(program.layout, members)
