"""Plans a rollout from shapes alone: its chunks, its layout, the compiled program, and its memory."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
from jax.extend.core import Jaxpr
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from pathjax.core import trees
from pathjax.core.errors import InputError, require, require_count
from pathjax.core.function_equality import by_value
from pathjax.core.sources import Source, is_source
from pathjax.core.types import Dynamics, Ensemble, Observable, PyTree, Snapshot, State, Transition
from pathjax.engine import loop as compiled
from pathjax.engine import memory, observe
from pathjax.engine.layout import AXIS, Layout, in_whole_vectors, narrower, plan_layout
from pathjax.engine.loop_types import Inputs, LoopState, Program, Records, Scoped
from pathjax.engine.options import RolloutOptions
from pathjax.engine.record_checks import check_declared, check_recorded
from pathjax.engine.sharding import place, to_member_order, to_row_order_strongly_typed
from pathjax.engine.streaming import shapes_in_chunk, steps_that_fit
from pathjax.engine.thin_products import has_thin_products
from pathjax.training.schedule import Schedule, take_batch

DEFAULT_CHUNK = 200


class Plan(NamedTuple):
    """The compiled program, the observables' arrays, the steps per chunk, and the estimated bytes on each device.
    `outside_bytes` of these are outside the program: the ensemble, and with `checks` a copy of the loop's state."""

    program: Program
    data: Scoped
    chunk_length: int
    num_bytes: int
    outside_bytes: int


def plan_rollout(
    dynamics: Dynamics,
    ensemble: Ensemble,
    dataset: PyTree | Source,
    schedule: Schedule,
    observables: Sequence[Observable],
    options: RolloutOptions,
    layout: Layout | None = None,
) -> Plan:
    """Plans a rollout; takes the arguments of `pathjax.rollout`, and reads only their shapes and types.

    With `member_tile="auto"`, tiles become as narrow as needed to fit into the memory of each device, starting from
    `layout` if it is given.

    Raises:
        InputError: if cadences do not divide one another or T, two variables share a name, or the members do not fit
            even one at a time.
    """
    layout = layout or layout_of(ensemble, options.member_tile, options.mesh)
    length = _chunk_length(observables, schedule, dataset, options, layout.platform)
    held = shapes_in_chunk(dataset, (length, *schedule.indices.shape[1:]))
    ahead_bytes = trees.num_bytes(held) if is_source(dataset) else 0
    while True:
        check_gathered(observables, layout)
        program, data = program_of(dynamics, observables, layout)
        inputs = Inputs(data, held, schedule.key)
        loop, records, at_start = _abstract_start(program, ensemble.state, inputs)
        check_recorded(observables, records, len(jax.tree.leaves(trees.split_floats(ensemble.state.params)[0])))
        outside_bytes = _bytes_as_given(layout, ensemble.state) + (_bytes_on_one_device(loop) if options.checks else 0)
        outside_bytes += 2 * ahead_bytes if layout.platform == "cpu" else ahead_bytes  # as read, and on the device
        traced = _traced(program, loop, inputs, schedule, length)
        if _needs_whole_vectors(layout, options) and has_thin_products(traced):
            layout = in_whole_vectors(layout)
            continue
        estimate = outside_bytes + max(at_start, memory.of_traced(memory.of_one_device(traced)))
        narrower_layout = narrowed(layout, options, estimate)
        if narrower_layout is None:
            return Plan(program, data, length, estimate, outside_bytes)
        layout = narrower_layout


def _chunk_length(
    observables: Sequence[Observable], schedule: Schedule, dataset: PyTree, options: RolloutOptions, platform: str
) -> int:
    """Returns the steps of a chunk: fewer, if the chunk's examples are read from a source and take too much memory."""
    shape, given = schedule.indices.shape, options.chunk_length
    length = plan_chunks(observables, shape[0], given)
    most = steps_that_fit(dataset, shape, options.available_bytes, platform) if given is None else None
    if most is None or most >= length:
        return length
    slowest = max(observe.cadences(observables), default=1)
    return plan_chunks(observables, shape[0], max(1, most // slowest) * slowest)


def check_hyperparameters(dynamics: Dynamics, ensemble: Ensemble, dataset: PyTree | Source, schedule: Schedule) -> None:
    """Checks that the step reads every hyperparameter: one that nothing reads can be swept or perturbed in vain.

    Raises:
        InputError: naming those that nothing reads.
    """
    hparams = ensemble.state.hparams
    if not hparams:
        return
    num_axes = ensemble.state.step.ndim
    state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[num_axes:], leaf.dtype), ensemble.state)
    row = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (schedule.indices, schedule.weights))
    examples = shapes_in_chunk(dataset, row[0].shape)
    traced = _step_without_hyperparameters.trace(by_value(dynamics), state.hparams, state, examples, schedule.key, row)
    program = traced.jaxpr.jaxpr
    read = {id(var) for eqn in program.eqns for var in eqn.invars}
    unread = [name for name, var in zip(sorted(hparams), program.invars, strict=False) if id(var) not in read]
    require(not unread, f"nothing reads the hyperparameter {', '.join(unread)}: leave it out, or correct its name")


@functools.partial(jax.jit, static_argnames="dynamics")
def _step_without_hyperparameters(dynamics, hparams, state, dataset, key, row):
    """Runs one step and drops its hyperparameters, so that only those that the step reads are used."""
    own = state._replace(hparams=hparams)
    after, info = dynamics.step(own, take_batch(dataset, key, own, row))
    return after._replace(hparams={}), info


def _needs_whole_vectors(layout: Layout, options: RolloutOptions) -> bool:
    """Whether tiles of a CPU may still be padded; not if the user gave their width."""
    is_free = options.member_tile is None or options.member_tile == "auto"
    return is_free and layout.platform == "cpu" and layout.tile > 1 and not layout.whole_vectors


def _traced(program: Program, loop: LoopState, inputs: Inputs, schedule: Schedule, length: int) -> Jaxpr:
    """Returns the program of one chunk."""
    rows = (schedule.indices, schedule.weights)
    part = jax.tree.map(lambda a: jax.ShapeDtypeStruct((length, *a.shape[1:]), a.dtype), rows)
    inputs, part = place(program.layout, (jax.eval_shape(lambda tree: tree, inputs), part), P())
    return compiled.run_chunk.trace(program, loop, inputs, part).jaxpr.jaxpr


def _bytes_as_given(layout: Layout, state: State) -> int:
    """Returns the bytes of the ensemble, which the caller still holds: all of it on one accelerator, unless it is
    distributed already. A process's CPU devices share their memory."""
    sharing = max(1, layout.num_devices // jax.process_count()) if layout.platform == "cpu" else 1
    return _bytes_on_one_device(state) // sharing


def _bytes_on_one_device(tree: PyTree) -> int:
    def part(leaf):
        sharding = getattr(leaf, "sharding", None)
        shape = leaf.shape if sharding is None else sharding.shard_shape(leaf.shape)
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    return trees.num_bytes(jax.tree.map(part, tree))


def _abstract_start(program: Program, state: State, inputs: Inputs) -> tuple[LoopState, Records, int]:
    """Returns the loop's state at step 0, as shapes with the shardings of the final arrays, so that the loop is traced
    only once; the shapes of the records there; and the bytes needed on each device to create it."""
    layout = program.layout
    members = place(layout, jax.eval_shape(functools.partial(to_row_order_strongly_typed, layout), state), P(AXIS))
    # The data set is not read at the start.
    inputs = place(layout, jax.eval_shape(lambda tree: tree, inputs._replace(dataset=None)), P())
    traced = compiled.begin.trace(program, members, inputs)
    loop, records = traced.out_info
    rest = place(layout, (loop.shared, loop.baselines), layout.shared_spec)
    loop = LoopState(place(layout, loop.members, P(AXIS)), *rest)
    return compiled.with_states(loop, members), records, memory.of_traced(memory.of_one_device(traced.jaxpr.jaxpr))


def narrowed(layout: Layout, options: RolloutOptions, needed: int) -> Layout | None:
    """Returns a layout with tiles half as wide if the rollout does not fit, or None if it does; raises InputError if
    tiles cannot become narrower."""
    available_bytes = options.available_bytes
    if needed <= available_bytes:
        return None
    if options.member_tile == "auto" and layout.tile > 1:
        return narrower(layout)
    tile = "one member at a time" if layout.tile == 1 else f"{layout.tile} members at a time"
    first = "" if layout.tile == 1 else "narrower tiles (member_tile='auto'), "
    raise InputError(
        f"{layout.num_members} members, {tile}, need {needed:,} bytes ({needed / 2**30:,.3g} GiB) on each device, but "
        f"{available_bytes:,} ({available_bytes / 2**30:,.3g} GiB) are available; choose {first}fewer members, a "
        "smaller network or batch, or more devices"
    )


def layout_of(ensemble: Ensemble, member_tile: int | str | None = "auto", mesh: Mesh | None = None) -> Layout:
    """Returns the layout of a rollout of this ensemble or sweep; see `pathjax.engine.layout.plan_layout`."""
    step = ensemble.state.step
    num_settings = step.shape[0] if step.ndim == 2 else None
    return plan_layout(step.shape[-1], trees.num_bytes(ensemble.state) // step.size, member_tile, mesh, num_settings)


def abstract_loop(ensemble: Ensemble, observables: Sequence[Observable], layout: Layout) -> LoopState:
    """Returns shapes, types and devices of the loop's state, for reading a checkpoint; computes nothing.

    >>> import jax.numpy as jnp
    >>> state = State(params=jnp.ones((3, 2)), opt_state=(), hparams={}, step=jnp.zeros(3, jnp.int32))
    >>> ensemble = Ensemble(state, None)
    >>> abstract_loop(ensemble, [], layout_of(ensemble)).members.state.params.shape
    (3, 2)
    """
    program, data = program_of(None, observables, layout)
    shapes, *_ = _abstract_start(program, ensemble.state, Inputs(data, None, ensemble.state.step))
    sharding = ensemble.state.step.sharding
    return shapes if layout.mesh else jax.tree.map(lambda leaf: leaf.update(sharding=sharding), shapes)


def plan_chunks(observables: Sequence[Observable], num_steps: int, chunk_length: int | None = None) -> int:
    """Checks the cadences and returns the steps per chunk: a multiple of the slowest, in equal parts if possible.

    >>> plan_chunks([], num_steps=2000)
    200
    """
    check_declared(observables)
    levels = observe.cadences(observables)
    for fast, slow in zip(levels, levels[1:], strict=False):
        require(slow % fast == 0, f"cadences must divide one another: every={fast} does not divide every={slow}")
    slowest = levels[-1] if levels else 1
    require(
        num_steps % slowest == 0,
        f"num_steps={num_steps} must be a multiple of every={slowest}; choose "
        f"{max(1, round(num_steps / slowest)) * slowest} steps or another cadence",
    )
    blocks = num_steps // slowest
    if chunk_length is None:
        num_chunks = -(-num_steps // max(DEFAULT_CHUNK, slowest))
        return -(-blocks // num_chunks) * slowest
    require(
        require_count("chunk_length", chunk_length, 1) % slowest == 0,
        f"chunk_length must be a multiple of the slowest cadence, every={slowest}, not {chunk_length}",
    )
    return min(chunk_length, num_steps)


def check_gathered(observables: Sequence[Observable], layout: Layout) -> None:
    """Checks observables of the whole ensemble, which run between the scans of tiles and devices, not in them."""
    gathered = [o for o in observables if o.scope == "ensemble" and not layout.is_whole]
    for observable in gathered:
        name = observable.variables[0].name
        require(
            observable.update is None,
            f"'{name}' reads all members after every step, which needs a single tile; choose member_tile=None, no mesh",
        )
        slower = [o.every for o in observables if o not in gathered and o.every > observable.every]
        require(
            not slower,
            f"'{name}' gathers all members at every={observable.every}, more often than others record (every="
            f"{max(slower, default=0)}); give it the slowest cadence, or choose one tile, member_tile=None",
        )


def program_of(dynamics: Dynamics | None, observables: Sequence[Observable], layout: Layout) -> tuple[Program, Scoped]:
    """Returns the compiled program, hashable because observables are without their arrays, and these arrays."""
    bare = [o._replace(data=None) for o in observables]
    data = compiled.by_scope(layout, bare, [o.data for o in observables])
    ordered = [_in_order(layout.of_one_setting, o) if o.scope == "ensemble" and layout.is_whole else o for o in bare]
    return Program(by_value(dynamics), by_value(compiled.by_scope(layout, bare, ordered)), layout), data


def _in_order(layout: Layout, observable: Observable) -> Observable:
    """Returns an observable of all members that sees them in the ensemble's order instead of the tile's."""

    def ordered_snapshot(snapshot: Snapshot) -> Snapshot:
        return snapshot._replace(state=to_member_order(layout, snapshot.state))

    def ordered_transition(transition: Transition) -> Transition:
        before, after, info = to_member_order(layout, (transition.before, transition.after, transition.info))
        return transition._replace(before=before, after=after, info=info)

    update = observable.update
    return observable._replace(
        init=lambda snapshot: observable.init(ordered_snapshot(snapshot)),
        read=lambda carry, snapshot: observable.read(carry, ordered_snapshot(snapshot)),
        update=None if update is None else lambda carry, transition: update(carry, ordered_transition(transition)),
    )
