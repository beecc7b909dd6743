"""One tile of members through many steps: a vmap over its members, scans over steps, observables between them."""

import functools

import jax
import jax.numpy as jnp

from pathjax.core import trees
from pathjax.core.types import Dynamics, State
from pathjax.engine import observe
from pathjax.engine.layout import Layout
from pathjax.engine.loop_types import Group
from pathjax.engine.member_axis import member_axis
from pathjax.engine.nested_scan import nested_scans
from pathjax.engine.record_packing import is_small, pack, unpack
from pathjax.engine.segmented_scan import segmented_scan
from pathjax.engine.tiles import is_first, member_variables, observables_for_tile
from pathjax.training.schedule import take_batch


def run_tile(program, i, group, part, inputs, path):
    """Tile i through all steps of `part`, with its observables; all but the first are given the baseline's path."""
    observables, data = observables_for_tile(program.observables, i), observables_for_tile(inputs.data, i)
    levels = observe.cadences(observables) or [len(part[0])]
    left = observe.cadences(program.observables.members) if is_first(i) else []
    axis = member_axis(program.layout)
    through = _through(_shielded(program), observables, inputs, axis)

    def leaf(group, rows):
        return through(group, rows), {}

    def read(every, group, at):
        state = _apart(program.layout, axis.put(group.state))
        at = observe.refer(observables, every, trees.index(state, 0), data) if is_first(i) else at
        carries, now = observe.read(observables, every, state, at, group.carries, data)
        of_members = {name: now.pop(name) for name in member_variables(program) if name in now and is_small(now[name])}
        if of_members:
            now |= {_packed_name(every): pack(of_members)}
        if every in left:
            now |= {_path_name(every): _for_members(program, at)}
        return group._replace(carries=carries), now

    group = group._replace(state=axis.drop(group.state), alive=axis.drop(group.alive))
    group, records = nested_scans(levels, leaf, read, group, part, path)
    group = group._replace(state=axis.put(group.state), alive=axis.put(group.alive))
    for every in observe.cadences(program.observables.members):
        if _packed_name(every) in records:
            records |= unpack(records.pop(_packed_name(every)))
    if left:
        path = {every: flat(records.pop(_path_name(every)), len(levels) - levels.index(every)) for every in left}
    return group, observe.flatten_time(observables, levels, records), path


def _path_name(every: int) -> str:
    """What the baseline's path is called beside records by variable name, while the first tile is run."""
    return f"the baseline every {every} steps"


def _packed_name(every: int) -> str:
    """What members' records of one cadence are called together, while they are gathered."""
    return f"members every {every} steps"


def _for_members(program, baseline: observe.Baseline) -> observe.Baseline:
    """Without what only the first tile's observables want of the baseline."""
    return baseline._replace(references=baseline.references[: len(program.observables.members)])


def flat(tree, num_axes: int):
    """The leading axes as one, also of arrays without any numbers."""
    return jax.tree.map(lambda a: jax.lax.collapse(a, 0, num_axes), tree)


def _shielded(program) -> Dynamics:
    """The dynamics, whose step is compiled alike in all tiles.

    Only the first tile pushes tangents, and XLA would merge what their linearization computes with the step itself,
    which then rounds otherwise than in the other tiles: the replica, which is in another, would leave 0.
    """
    dynamics, layout = program.dynamics, program.layout
    pushes = any(one.update is not None for one in program.observables.shared)
    if not (pushes and layout.num_tiles > 1 and layout.platform == "cpu"):
        return dynamics

    def shielded(step):
        def own_block(state, batch):
            return jax.lax.optimization_barrier(step(*jax.lax.optimization_barrier((state, batch))))

        return own_block

    calm = dynamics.undisturbed
    if calm is not None:
        calm = calm._replace(step=shielded(calm.step))
    return dynamics._replace(step=shielded(dynamics.step), undisturbed=calm)


def _through(dynamics, observables, inputs, axis):
    """`(group, rows) -> group` after all the steps of the rows."""
    step = functools.partial(_step, dynamics.step, observables, inputs, axis)
    if dynamics.undisturbed is None:
        return functools.partial(_each_row, step)
    fast_step = functools.partial(_step, dynamics.undisturbed.step, observables, inputs, axis)

    def steps_until_event(group):
        return jnp.min(axis.each(dynamics.undisturbed.num_steps)(group.state))

    return functools.partial(segmented_scan, step, fast_step, steps_until_event)


def _each_row(step, group, rows):
    if len(rows[0]) == 1:
        return step(group, trees.index(rows, 0))
    return jax.lax.scan(lambda group, row: (step(group, row), None), group, rows)[0]


def _step(one_step, observables, inputs, axis, group, row):
    before = group.state
    batch = take_batch(inputs.dataset, inputs.key, jnp.ravel(before.step)[0], row)
    after, info = axis.each(one_step, in_axes=(0, None))(before, batch)
    alive = group.alive & jnp.isfinite(info.loss)
    after = after._replace(params=axis.each(_freeze)(alive, after.params, before.params))
    carries = observe.update(observables, group.carries, axis.put(before), axis.put(after), batch, axis.put(info))
    return Group(after, alive, carries)


def _apart(layout: Layout, state: State) -> State:
    """The state for observables to read.

    XLA on a GPU would merge the update with their sums. One kernel that writes weights and sums them up cannot write in
    place, and weights and momentum would be copied at every step.
    """
    return jax.lax.optimization_barrier(state) if layout.platform == "gpu" else state


def _freeze(alive, after, before):
    """A member whose loss is NaN keeps its last weights."""
    return jax.tree.map(functools.partial(jnp.where, alive), after, before)
