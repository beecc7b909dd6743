"""One tile of members through many steps: a vmap over members, scans over steps, and observables in between."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.networks import as_network
from pathjax.core.types import Batch, Dynamics, PyTree, State, Transition
from pathjax.engine import observe
from pathjax.engine.layout import Layout
from pathjax.engine.loop_types import Group
from pathjax.engine.member_axis import member_axis
from pathjax.engine.nested_scan import nested_scans
from pathjax.engine.record_packing import is_small, pack, unpack
from pathjax.engine.segmented_scan import segmented_scan
from pathjax.engine.tiles import is_first, member_variables, observables_for_tile
from pathjax.training.schedule import examples_at, has_several, own_row, take_batch

OWN_BATCH: Any = Batch(0, 0, None, None, None)  # type: ignore[arg-type]  # axes for vmap over members
STEPS = "the baseline at each step"  # the key of its transitions in the first tile's records, and in the path
STEP = "step_of_members"  # the name scope of members' steps, by which a traced program tells them from observables


def run_tile(program: Any, i: Any, group: Any, part: PyTree, inputs: PyTree, path: PyTree) -> tuple:
    """Advances tile i through all steps of `part`, with its observables; all but the first get the baseline's path."""
    observables, data = observables_for_tile(program.observables, i), observables_for_tile(inputs.data, i)
    levels = observe.cadences(observables) or [len(part[0])]
    path_cadences = observe.cadences(program.observables.members) if is_first(i) else []
    axis = member_axis(program.layout)
    path = dict(path or {})
    part = (*part, path.pop(STEPS, None))
    through = _through(program, i, observables, data, inputs, axis)

    def leaf(group, rows):
        group, steps = through(group, rows)
        return group, {} if steps is None else {STEPS: steps}

    def read(every, group, at):
        state = _before_reading(program.layout, axis.put(group.state))
        at = observe.refer(observables, every, trees.index(state, 0), data) if is_first(i) else at
        carries, now = observe.read(observables, every, state, at, group.carries, data)
        of_members = {name: now.pop(name) for name in member_variables(program) if name in now and is_small(now[name])}
        if of_members:
            now |= {_packed_name(every): pack(of_members)}
        if every in path_cadences:
            now |= {_path_name(every): _for_members(program, at)}
        return group._replace(carries=carries), now

    group = group._replace(state=axis.drop(group.state), alive=axis.drop(group.alive))
    group, records = nested_scans(levels, leaf, read, group, part, path)
    group = group._replace(state=axis.put(group.state), alive=axis.put(group.alive))
    for every in observe.cadences(program.observables.members):
        if _packed_name(every) in records:
            records |= unpack(records.pop(_packed_name(every)))
    if path_cadences:
        path = {
            every: flat(records.pop(_path_name(every)), len(levels) - levels.index(every)) for every in path_cadences
        }
    if STEPS in records:
        path[STEPS] = flat(records.pop(STEPS), len(levels) + 1)
    return group, observe.flatten_time(observables, levels, records), path


def _path_name(every: int) -> str:
    """The key of the baseline's path among the records, while the first tile runs."""
    return f"the baseline every {every} steps"


def _packed_name(every: int) -> str:
    """The key of the packed member records of one cadence."""
    return f"members every {every} steps"


def _for_members(program, baseline: observe.Baseline) -> observe.Baseline:
    """Drops the references that only the first tile's observables need."""
    return baseline._replace(references=baseline.references[: len(program.observables.members)])


def flat(tree: PyTree, num_axes: int) -> PyTree:
    """Merges the leading axes, also of arrays without elements."""
    return jax.tree.map(lambda a: jax.lax.collapse(a, 0, num_axes), tree)


def _shielded(program) -> Dynamics:
    """Returns the dynamics with a step that is compiled identically in all tiles, and returns only what is needed.

    Only the first tile pushes tangents, and XLA would merge their linearization with the step itself, which would then
    round differently than in other tiles: the distance of the replica, which is in another tile, would become nonzero.
    """
    dynamics, layout = _without_gradients(program), program.layout
    pushes = any(one.update is not None for one in program.observables.shared)
    if not (pushes and layout.num_tiles > 1 and layout.platform == "cpu"):
        return dynamics

    def shielded(step):
        def own_block(state, batch):
            return jax.lax.optimization_barrier(step(*jax.lax.optimization_barrier((state, batch))))

        return own_block

    plain = dynamics.fast_step
    if plain is not None:
        plain = plain._replace(step=shielded(plain.step))
    return dynamics._replace(step=shielded(dynamics.step), fast_step=plain)


def _without_gradients(program) -> Dynamics:
    """Returns the dynamics without the steps' gradients, unless an observable needs them."""
    dynamics, scoped = program.dynamics, program.observables
    if observe.needs(scoped.members + scoped.shared + scoped.gathered, "gradients"):
        return dynamics

    def without(step):
        def step_alone(state, batch):
            after, info = step(state, batch)
            return after, info._replace(gradients=None)

        return step_alone

    plain = dynamics.fast_step
    if plain is not None:
        plain = plain._replace(step=without(plain.step))
    return dynamics._replace(step=without(dynamics.step), fast_step=plain)


def _through(program, i, observables, data, inputs, axis):
    """Returns `(group, rows) -> group, steps`, which runs all steps of the rows.

    `steps` are the baseline's transitions, which the first tile stores if the observables of others need them.
    """
    dynamics = _shielded(program)
    stores = is_first(i) and program.layout.num_tiles > 1 and observe.needs(program.observables.members, "baseline")
    compares = stores or observe.needs(observables, "baseline")
    tile = _Steps(observables, data, inputs, axis, is_first(i), compares, stores)

    def step_by(one_step):
        return functools.partial(_step, one_step, tile)

    step = step_by(dynamics.step)
    plain = dynamics.fast_step
    if plain is None:
        return functools.partial(_each_row, step)
    fast_step = step_by(plain.step)

    def steps_until_event(group):
        return jnp.min(axis.each(plain.num_steps)(group.state))

    return functools.partial(segmented_scan, step, fast_step, steps_until_event)


def _each_row(step, group, rows):
    if len(rows[0]) == 1:
        group, steps = step(group, trees.index(rows, 0))
        return group, jax.tree.map(lambda a: a[None], steps)
    return jax.lax.scan(step, group, rows)


class _Steps(NamedTuple):
    """What all steps of a tile share: its observables and their data, the loop's inputs, the member axis, whether it is
    the first tile, whether observables compare members with the baseline, and whether the tile stores the baseline's
    transitions."""

    observables: tuple
    data: tuple
    inputs: Any
    axis: Any
    is_first: bool
    compares: bool
    stores: bool


def _step(one_step, tile: _Steps, group, row):
    before, axis = group.state, tile.axis
    batch, batch_axes = _batch(tile.inputs, axis, before, row[:2])
    with jax.named_scope(STEP):
        after, info = axis.each(one_step, in_axes=(0, batch_axes))(before, batch)
    alive = group.alive & jnp.isfinite(info.loss)
    params, model_state = axis.each(_freeze)(alive, as_network(after), as_network(before))
    after = after._replace(params=params, model_state=model_state)
    if batch_axes is not None:
        own = axis.put((batch.examples, batch.weights))
        batch = batch._replace(examples=own[0], weights=own[1])
    transition = Transition(axis.put(before), axis.put(after), batch, axis.put(info))
    baseline = _of_baseline(tile, transition, batch_axes, row) if tile.compares else None
    transition = transition._replace(baseline=baseline)
    carries = observe.update(tile.observables, group.carries, transition, batch_axes, tile.data)
    kept = baseline._replace(batch=None) if baseline and tile.stores else None  # type: ignore[arg-type]
    return Group(after, alive, carries), kept


def _of_baseline(tile: _Steps, transition: Transition, batch_axes: Any, row) -> Transition:
    """Returns the baseline's transition: in the first tile that of its first member, in others as that tile stored it,
    but for the batch, which is gathered again."""
    if tile.is_first:
        return observe.of_baseline(transition, batch_axes)
    *own, stored = row
    return stored._replace(batch=take_batch(tile.inputs.dataset, tile.inputs.key, stored.before, tuple(own)))


def _batch(inputs, axis, state: State, row) -> tuple[Batch, Any]:
    """Returns the step's batch, and which of its parts have a member axis: none, if all members follow one schedule."""
    first = state._replace(step=jnp.ravel(state.step)[0], schedule=None)
    if not has_several(row):
        return take_batch(inputs.dataset, inputs.key, first, row), None

    def own(state):
        indices, weights = own_row(state, row)
        return examples_at(inputs.dataset, indices), weights

    shared = take_batch(inputs.dataset, inputs.key, first, trees.index(row, 0))
    examples, weights = axis.each(own)(state)
    return shared._replace(examples=examples, weights=weights), OWN_BATCH


def _before_reading(layout: Layout, state: State) -> State:
    """Returns the state for observables to read.

    XLA on a GPU would merge the update with the observables' sums. A kernel that writes weights and sums them cannot
    write in place, so weights and momentum would be copied at every step.
    """
    return jax.lax.optimization_barrier(state) if layout.platform == "gpu" else state


def _freeze(alive, after, before):
    """Keeps the last weights and model state of a member whose loss is NaN."""
    return jax.tree.map(functools.partial(jnp.where, alive), after, before)
