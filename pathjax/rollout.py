"""Rollouts: the compiled loop called chunk by chunk, with host code between the chunks."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pathjax import loop as compiled
from pathjax import observing
from pathjax.errors import require
from pathjax.layout import AXIS, Layout, fetch, place, plan_layout, put_together, split_off_baseline
from pathjax.loop import Inputs, LoopState, Program, Records
from pathjax.schedule import Schedule
from pathjax.typing import Dynamics, Ensemble, Observable, PyTree, State

DEFAULT_CHUNK = 200


class Chunk(NamedTuple):
    """What comes out between two chunks: steps done, the loop's state (valid until the next chunk is asked for: its
    buffers are then given to the device again), and the chunk's records by variable name, as NumPy arrays."""

    step: int
    loop: LoopState
    records: dict[str, np.ndarray]


class Rollout(NamedTuple):
    """A finished rollout: the final ensemble, `records[name]` with time on the leading axis, and the steps at which
    each was taken, `steps[name]` (0, every, 2 every, ...)."""

    ensemble: Ensemble
    records: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]


def rollout(
    dynamics: Dynamics,
    ensemble: Ensemble,
    dataset: PyTree,
    schedule: Schedule,
    observables: Sequence[Observable],
    *,
    chunk_length: int | None = None,
    member_tile: int | str | None = "auto",
    mesh: Mesh | None = None,
) -> Rollout:
    """Train all members together over the whole schedule and return what the observables recorded.

    Args:
        dynamics: the map; see `training_dynamics`.
        ensemble: see `make_ensemble`; left untouched.
        dataset: a pytree of arrays with the examples on the leading axis.
        schedule: T steps; a multiple of every observable's `every`.
        observables: what to record; their variables' names must differ.
        chunk_length: steps a compiled call (default: about 200); results depend on it by rounding at most.
        member_tile: how many members advance together; see `pathjax.layout.plan_layout`. Results
            depend on it by rounding.
        mesh: devices to spread the members over, see `pathjax.member_mesh`; default: one. For tiles of the same width
            the results are the same bits on any number of devices.

    Raises:
        InputError: if cadences do not divide one another or T, or two variables share a name.

    >>> import optax, pathjax, jax.numpy as jnp
    >>> dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), optax.sgd(0.5))
    >>> params, key = jnp.ones(100), jax.random.key(0)
    >>> ensemble = pathjax.make_ensemble(dynamics, params, pathjax.on_sphere(), key, epsilons=[0.1], num_seeds=1)
    >>> schedule = pathjax.batch_schedule(key, num_examples=4, batch_size=2, num_epochs=1)
    >>> result = rollout(dynamics, ensemble, jnp.zeros(4), schedule, [pathjax.observables.weight_distance()])
    >>> [f"{d:.3f}" for d in result.records["distance"][:, 3]]
    ['1.000', '0.500', '0.250']
    """
    options: dict[str, Any] = {"chunk_length": chunk_length, "member_tile": member_tile, "mesh": mesh}
    records = []
    for chunk in rollout_chunks(dynamics, ensemble, dataset, schedule, observables, **options):
        records.append(chunk.records)
        loop = chunk.loop
    steps = observing.record_steps(observables, len(schedule.indices))
    return Rollout(ensemble._replace(state=member_states(ensemble, loop)), join_records(records), steps)


def rollout_chunks(
    dynamics: Dynamics,
    ensemble: Ensemble,
    dataset: PyTree,
    schedule: Schedule,
    observables: Sequence[Observable],
    *,
    chunk_length: int | None = None,
    member_tile: int | str | None = "auto",
    mesh: Mesh | None = None,
    resume: tuple[int, LoopState] | None = None,
) -> Iterator[Chunk]:
    """`rollout` as a generator, for host code between chunks: progress, checkpoints, interrupts.

    Yields first the records of step 0 and then a Chunk for every chunk of steps. With `resume=(step, loop)`, as in an
    earlier Chunk, it goes on from there, to the same bits if `chunk_length` is the same.

    >>> import pathjax, jax.numpy as jnp
    >>> doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> key = jax.random.key(0)
    >>> ensemble = pathjax.make_ensemble(doubling, jnp.ones(100), pathjax.gaussian(), key, epsilons=[0.1], num_seeds=1)
    >>> schedule = pathjax.batch_schedule(key, num_examples=4, batch_size=1, num_epochs=1)
    >>> [chunk.step for chunk in rollout_chunks(doubling, ensemble, jnp.zeros(4), schedule, [], chunk_length=2)]
    [0, 2, 4]
    """
    num_steps = len(schedule.indices)
    length = plan_chunks(observables, num_steps, chunk_length)
    _check_indices(schedule, dataset)
    layout = layout_of(ensemble, member_tile, mesh)
    _check_gathered(observables, layout)
    program, data = _without_data(dynamics, observables, layout)
    inputs = place(layout, Inputs(data, dataset, schedule.key), P())
    if resume is None:
        step = 0
        loop, records = compiled.start(program, *_parts(layout, ensemble), inputs)
        yield Chunk(0, loop, _fetch(layout, records))
    else:
        step, loop = resume
    while step < num_steps:
        part = jax.tree.map(lambda a, start=step: a[start : start + length], (schedule.indices, schedule.weights))
        loop, records = compiled.run_chunk(program, loop, inputs, place(layout, part, P()))
        step = min(step + length, num_steps)
        yield Chunk(step, loop, _fetch(layout, records))


def layout_of(ensemble: Ensemble, member_tile: int | str | None = "auto", mesh: Mesh | None = None) -> Layout:
    """The layout that a rollout of this ensemble has; see `pathjax.layout.plan_layout`."""
    leaves = jax.tree.leaves(ensemble.state)
    num_members = len(ensemble.state.step)
    return plan_layout(
        num_members, sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) // num_members, member_tile, mesh
    )


def member_states(ensemble: Ensemble, loop: LoopState) -> State:
    """The states of all members in a loop's state, in the ensemble's order, on every device."""
    join = functools.partial(put_together, len(ensemble.state.step))
    sharding = loop.baseline.alive.sharding
    return jax.jit(join, out_shardings=sharding)(loop.baseline.state, loop.members.state)


def abstract_loop(ensemble: Ensemble, observables: Sequence[Observable], layout: Layout) -> LoopState:
    """Shapes, types and devices of the loop's state, as a checkpoint needs them to be read; computes nothing.

    >>> import jax.numpy as jnp
    >>> ensemble = Ensemble(State(jnp.ones((3, 2)), (), {}, jnp.zeros(3, jnp.int32)), None)
    >>> abstract_loop(ensemble, [], layout_of(ensemble)).members.state.params.shape
    (2, 2)
    """
    program, data = _without_data(None, observables, layout)

    def begin(state, data):
        return compiled.start(program, *split_off_baseline(layout, state), Inputs(data, None, ensemble.state.step))[0]

    shapes = jax.eval_shape(begin, ensemble.state, data)
    if layout.mesh is None:
        return _with_sharding(shapes, ensemble.state.step.sharding)
    everywhere, cut = (NamedSharding(layout.mesh, spec) for spec in (P(), P(AXIS)))
    return _with_sharding(shapes, everywhere)._replace(members=_with_sharding(shapes.members, cut))


def _with_sharding(shapes, sharding):
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), shapes)


def plan_chunks(observables: Sequence[Observable], num_steps: int, chunk_length: int | None = None) -> int:
    """Check the cadences and choose the number of steps a chunk: a multiple of the slowest, in equal parts if possible.

    >>> plan_chunks([], num_steps=2000)
    200
    """
    names = [variable.name for observable in observables for variable in observable.variables]
    for name in names:
        require(names.count(name) == 1, f"two observables record '{name}': rename one of them")
    for observable in observables:
        scopes = ("baseline", "member", "ensemble")
        require(observable.scope in scopes, f"unknown scope '{observable.scope}': choose one of {', '.join(scopes)}")
    levels = observing.cadences(observables)
    for every in levels:
        require(every >= 1, f"every={every} is no cadence: choose 1 or more steps between records")
    for fast, slow in zip(levels, levels[1:], strict=False):
        require(slow % fast == 0, f"cadences must divide one another: every={fast} does not divide every={slow}")
    slowest = levels[-1] if levels else 1
    require(
        num_steps % slowest == 0,
        f"{num_steps} steps are no multiple of every={slowest}: "
        f"take {max(1, round(num_steps / slowest)) * slowest} steps or another cadence",
    )
    blocks = num_steps // slowest
    if chunk_length is None:
        num_chunks = -(-num_steps // max(DEFAULT_CHUNK, slowest))
        return -(-blocks // num_chunks) * slowest
    require(
        chunk_length >= 1 and chunk_length % slowest == 0,
        f"chunk_length {chunk_length} is no multiple of the slowest cadence, every={slowest}",
    )
    return min(chunk_length, num_steps)


def join_records(parts: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Concatenate the records of consecutive chunks along time.

    >>> join_records([{"distance": np.zeros((1, 3))}, {"distance": np.ones((2, 3))}])["distance"].shape
    (3, 3)
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _check_gathered(observables, layout: Layout) -> None:
    """Observables of the whole ensemble are run between the scans of tiles and devices, not in them."""
    gathered = [o for o in observables if o.scope == "ensemble" and not layout.is_whole]
    for observable in gathered:
        name = observable.variables[0].name
        require(
            observable.update is None,
            f"'{name}' looks at all members after every step: they must be together, with member_tile=None and no mesh",
        )
        slower = [o.every for o in observables if o not in gathered and o.every > observable.every]
        require(
            not slower,
            f"'{name}' gathers all members at every={observable.every}, more often than others record (every="
            f"{max(slower, default=0)}): give it the slowest cadence, or keep members together with member_tile=None",
        )


def _check_indices(schedule: Schedule, dataset: PyTree) -> None:
    num_examples = min((len(leaf) for leaf in jax.tree.leaves(dataset)), default=None)
    largest = int(schedule.indices.max())
    require(
        num_examples is None or largest < num_examples,
        f"the schedule asks for example {largest} of {num_examples}: make it with num_examples={num_examples}",
    )


def _without_data(dynamics, observables, layout: Layout) -> tuple[Program, compiled.Scoped]:
    """What is compiled, where observables without their arrays are hashable; and their arrays."""
    bare = [o._replace(data=None) for o in observables]
    data = compiled.by_scope(layout, bare, [o.data for o in observables])
    return Program(dynamics, compiled.by_scope(layout, bare, bare), layout), data


def _parts(layout: Layout, ensemble: Ensemble):
    """The ensemble's state as the baseline's and the others', on their devices."""
    baseline, members = jax.jit(split_off_baseline, static_argnums=0)(layout, ensemble.state)
    return place(layout, baseline, P()), place(layout, members, P(AXIS))


def _fetch(layout: Layout, records: Records) -> dict[str, np.ndarray]:
    """A chunk's records of all members, as NumPy arrays."""
    baseline, members, shared = fetch(records)
    return shared | put_together(layout.num_members, baseline, members, axis=1)
