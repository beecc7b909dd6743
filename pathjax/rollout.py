"""The compiled loop: a scan over steps, a vmap over members, observables inside; host code between chunks of steps.

Cadences are nested scans, one level for each `every`, the fastest innermost: a `lax.cond` on the step number would,
under vmap, run every branch at every step. So cadences must divide one another.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from pathjax import observing, trees
from pathjax.errors import require
from pathjax.schedule import Schedule, take_batch
from pathjax.typing import Dynamics, Ensemble, Observable, PyTree, State

DEFAULT_CHUNK = 200


class LoopState(NamedTuple):
    """All that a rollout needs to go on: the ensemble's state and the observables' carries."""

    state: State
    carries: tuple[PyTree, ...]


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
) -> Rollout:
    """Train all members together over the whole schedule and return what the observables recorded.

    Args:
        dynamics: the map; see `training_dynamics`.
        ensemble: see `make_ensemble`; left untouched.
        dataset: a pytree of arrays with the examples on the leading axis.
        schedule: T steps; a multiple of every observable's `every`.
        observables: what to record; their variables' names must differ.
        chunk_length: steps a compiled call (default: about 200); results depend on it by rounding at most.

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
    chunks = rollout_chunks(dynamics, ensemble, dataset, schedule, observables, chunk_length=chunk_length)
    records = []
    for chunk in chunks:
        records.append(chunk.records)
        state = chunk.loop.state
    steps = observing.record_steps(observables, len(schedule.indices))
    return Rollout(ensemble._replace(state=state), join_records(records), steps)


def rollout_chunks(
    dynamics: Dynamics,
    ensemble: Ensemble,
    dataset: PyTree,
    schedule: Schedule,
    observables: Sequence[Observable],
    *,
    chunk_length: int | None = None,
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
    program, data = _split_data(observables)
    if resume is None:
        step = 0
        state, carries, records = observing.start(program, ensemble.state, data)
        loop = LoopState(state, carries)
        yield Chunk(0, loop, jax.device_get(records))
    else:
        step, loop = resume
    while step < num_steps:
        part = jax.tree.map(lambda a, start=step: a[start : start + length], (schedule.indices, schedule.weights))
        loop, records = _run_chunk(dynamics, program, loop, data, dataset, schedule.key, part)
        step = min(step + length, num_steps)
        yield Chunk(step, loop, jax.device_get(records))


def abstract_loop(ensemble: Ensemble, observables: Sequence[Observable]) -> LoopState:
    """Shapes, types and devices of the loop's state, as a checkpoint needs them to be read; computes nothing.

    >>> import jax.numpy as jnp
    >>> state = State(jnp.ones((3, 2)), (), {}, jnp.zeros(3, jnp.int32))
    >>> abstract_loop(Ensemble(state, None), []).state.params.shape
    (3, 2)
    """
    program, data = _split_data(observables)
    state, carries, _ = jax.eval_shape(functools.partial(observing.start, program), ensemble.state, data)
    sharding = ensemble.state.step.sharding
    place = functools.partial(jax.ShapeDtypeStruct, sharding=sharding)
    return jax.tree.map(lambda a: place(a.shape, a.dtype), LoopState(state, carries))


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


def _check_indices(schedule: Schedule, dataset: PyTree) -> None:
    num_examples = min((len(leaf) for leaf in jax.tree.leaves(dataset)), default=None)
    largest = int(schedule.indices.max())
    require(
        num_examples is None or largest < num_examples,
        f"the schedule asks for example {largest} of {num_examples}: make it with num_examples={num_examples}",
    )


def _split_data(observables):
    """The observables without their arrays, which are hashable and key the compilation, and the arrays."""
    return tuple(o._replace(data=None) for o in observables), tuple(o.data for o in observables)


@functools.partial(jax.jit, static_argnames=("dynamics", "observables"), donate_argnames="loop")
def _run_chunk(dynamics, observables, loop, data, dataset, key, schedule_part):
    levels = observing.cadences(observables) or [1]
    step = functools.partial(_step, dynamics, observables, dataset, key)

    def block(level: int, loop, part):
        """Advance by levels[level] steps; return the records of this level and of the faster ones."""
        if level == 0:
            loop = jax.lax.scan(step, loop, part)[0] if levels[0] > 1 else step(loop, trees.index(part, 0))[0]
            records: dict[str, jax.Array] = {}
        else:
            loop, records = jax.lax.scan(lambda loop, part: block(level - 1, loop, part), loop, part)
        carries, now = observing.read(observables, levels[level], loop.state, loop.carries, data)
        return LoopState(loop.state, carries), records | now

    ratios = [levels[0], *(slow // fast for fast, slow in zip(levels, levels[1:], strict=False))]
    nested = jax.tree.map(lambda a: a.reshape(-1, *reversed(ratios), *a.shape[1:]), schedule_part)
    loop, records = jax.lax.scan(lambda loop, part: block(len(levels) - 1, loop, part), loop, nested)
    return loop, observing.flatten_time(observables, levels, records)


def _step(dynamics, observables, dataset, key, loop, schedule_row):
    batch = take_batch(dataset, key, loop.state.step[0], schedule_row)
    state, info = jax.vmap(dynamics.step, in_axes=(0, None))(loop.state, batch)
    carries = observing.update(observables, loop.carries, loop.state, state, batch, info)
    return LoopState(state, carries), None
