"""One tile of members through many steps: a vmap over members, scans over steps, and observables in between."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.networks import as_network
from pathjax.core.types import Dynamics, PyTree, State
from pathjax.engine import observe
from pathjax.engine.layout import Layout
from pathjax.engine.loop_types import Group
from pathjax.engine.member_axis import member_axis
from pathjax.engine.nested_scan import nested_scans
from pathjax.engine.record_packing import is_small, pack, unpack
from pathjax.engine.segmented_scan import segmented_scan
from pathjax.engine.tiles import is_first, member_variables, observables_for_tile
from pathjax.training.schedule import take_batch

STEP = "step_of_members"  # the name scope of members' steps, by which a traced program tells them from observables


def run_tile(program: Any, i: Any, group: Any, part: PyTree, inputs: PyTree, path: PyTree) -> tuple:
    """Advances tile i through all steps of `part`, with its observables; all but the first get the baseline's path."""
    observables, data = observables_for_tile(program.observables, i), observables_for_tile(inputs.data, i)
    levels = observe.cadences(observables) or [len(part[0])]
    path_cadences = observe.cadences(program.observables.members) if is_first(i) else []
    axis = member_axis(program.layout)
    through = _through(_shielded(program), observables, inputs, axis)

    def leaf(group, rows):
        return through(group, rows), {}

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
    """Returns the dynamics with a step that is compiled identically in all tiles.

    Only the first tile pushes tangents, and XLA would merge their linearization with the step itself, which would then
    round differently than in other tiles: the distance of the replica, which is in another tile, would become nonzero.
    """
    dynamics, layout = program.dynamics, program.layout
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


def _through(dynamics, observables, inputs, axis):
    """Returns `(group, rows) -> group` that runs all steps of the rows."""
    step = functools.partial(_step, dynamics.step, observables, inputs, axis)
    if dynamics.fast_step is None:
        return functools.partial(_each_row, step)
    fast_step = functools.partial(_step, dynamics.fast_step.step, observables, inputs, axis)

    def steps_until_event(group):
        return jnp.min(axis.each(dynamics.fast_step.num_steps)(group.state))

    return functools.partial(segmented_scan, step, fast_step, steps_until_event)


def _each_row(step, group, rows):
    if len(rows[0]) == 1:
        return step(group, trees.index(rows, 0))
    return jax.lax.scan(lambda group, row: (step(group, row), None), group, rows)[0]


def _step(one_step, observables, inputs, axis, group, row):
    before = group.state
    batch = take_batch(inputs.dataset, inputs.key, jnp.ravel(before.step)[0], row)
    with jax.named_scope(STEP):
        after, info = axis.each(one_step, in_axes=(0, None))(before, batch)
    alive = group.alive & jnp.isfinite(info.loss)
    params, model_state = axis.each(_freeze)(alive, as_network(after), as_network(before))
    after = after._replace(params=params, model_state=model_state)
    carries = observe.update(observables, group.carries, axis.put(before), axis.put(after), batch, axis.put(info))
    return Group(after, alive, carries)


def _before_reading(layout: Layout, state: State) -> State:
    """Returns the state for observables to read.

    XLA on a GPU would merge the update with the observables' sums. A kernel that writes weights and sums them cannot
    write in place, so weights and momentum would be copied at every step.
    """
    return jax.lax.optimization_barrier(state) if layout.platform == "gpu" else state


def _freeze(alive, after, before):
    """Keeps the last weights and model state of a member whose loss is NaN."""
    return jax.tree.map(functools.partial(jnp.where, alive), after, before)
