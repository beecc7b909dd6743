"""Rollouts: the compiled loop, called chunk by chunk with host code in between."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from pathjax.core.display import shown_in_short
from pathjax.core.errors import require
from pathjax.core.sources import Source, is_source
from pathjax.core.types import Dynamics, Ensemble, Observable, PyTree, Recorded, State
from pathjax.engine import loop as compiled
from pathjax.engine import memory, observe
from pathjax.engine.argument_checks import check_arguments, check_run
from pathjax.engine.layout import Layout
from pathjax.engine.loop_types import Inputs, LoopState, Records
from pathjax.engine.nan_replay import check_chunk
from pathjax.engine.options import RolloutOptions
from pathjax.engine.planning import Plan, check_hyperparameters, layout_of, narrowed, plan_rollout
from pathjax.engine.sharding import fetch, pad_settings, place, relayout, replicated, spread, to_member_order
from pathjax.engine.streaming import checked_dataset, read_chunks, rows_of, shapes_in_chunk
from pathjax.training.schedule import Schedule, check_indices


@shown_in_short
class Chunk(NamedTuple):
    """The result of a chunk: steps done, the loop's state, and the chunk's records by variable name, as NumPy arrays,
    with the steps of each, `steps[name]`, and what they are, as in a Rollout. The state is valid until the next chunk
    is requested, which reuses its buffers."""

    step: int
    loop: LoopState
    records: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    recorded: tuple[Recorded, ...] = ()

    @property
    def hidden(self) -> tuple[str, ...]:
        """Fields that `repr` leaves out."""
        return ("steps", "recorded")


@shown_in_short
class Rollout(NamedTuple):
    """A finished rollout. It cannot be differentiated: derivatives along the path are observables.

    Attributes:
        ensemble: the final ensemble, on all devices of the mesh.
        records: arrays by variable name, with time on the leading axis.
        steps: the steps of each record, by variable name: 0, every, 2 every, ...
        recorded: dimensions, units and cadence of each variable; see `pathjax.to_dataset`.
    """

    ensemble: Ensemble
    records: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    recorded: tuple[Recorded, ...] = ()

    @property
    def hidden(self) -> tuple[str, ...]:
        """Fields that `repr` leaves out."""
        return ("steps", "recorded")


def rollout(
    dynamics: Dynamics,
    ensemble: Ensemble,
    dataset: PyTree | Source,
    schedule: Schedule,
    observables: Sequence[Observable],
    options: RolloutOptions = RolloutOptions(),
    *,
    first_step: int = 0,
    on_records: Callable[[Chunk], object] | None = None,
) -> Rollout:
    """Trains all members over the schedule and returns the records of the observables.

    Args:
        dynamics: the map; see `training_dynamics`.
        ensemble: see `perturbed_ensemble`; it is not modified.
        dataset: a pytree of arrays with the examples on the leading axis; or, if they do not fit into memory, a
            `pathjax.Source`, of which the examples of each chunk are read while the device computes the one before.
            Interventions that draw from the whole data set need arrays.
        schedule: T steps; a multiple of every observable's `every`.
        observables: what to record; variable names must be unique.
        options: chunks, tiles, devices and memory; see `RolloutOptions`.
        first_step: the step at which the ensemble is, for one that was trained before (and forked, say): it sees the
            schedule from there on, and records begin there. 0: the ensemble begins at the schedule's first step.
        on_records: called on the host with each Chunk as soon as it is done, the records of the first step among them:
            for progress, plots or a tracker. See `RolloutOptions.chunk_length`.

    Returns:
        A Rollout: the final ensemble, and each record, of shape (records, members, ...), with its steps.

    Raises:
        InputError: if cadences do not divide one another or T, two variables share a name, or memory is insufficient
            even for one member at a time; with `checks`, if a value stops being finite.

    >>> import optax, pathjax, jax.numpy as jnp
    >>> dynamics = pathjax.training_dynamics(lambda w, x: 0.5 * jnp.sum(w**2), optax.sgd(0.5))
    >>> params, key = jnp.ones(100), jax.random.key(0)
    >>> ensemble = pathjax.perturbed_ensemble(key, dynamics, params, pathjax.on_sphere(), epsilons=[0.1], num_seeds=1)
    >>> schedule = pathjax.batch_schedule(key, num_examples=4, batch_size=2, num_epochs=1)
    >>> result = rollout(dynamics, ensemble, jnp.zeros(4), schedule, [pathjax.observables.weight_distance()])
    >>> [f"{d:.3f}" for d in result.records["distance"][:, 3]]
    ['1.000', '0.500', '0.250']
    """
    is_callable = on_records is None or callable(on_records)
    require(is_callable, f"on_records must be a function of a Chunk, or None, not of type {type(on_records).__name__}")
    records = []
    parts = (dynamics, ensemble, dataset, schedule, observables, options)
    for chunk in rollout_chunks(*parts, first_step=first_step):
        records.append(chunk.records)
        loop = chunk.loop
        if on_records is not None:
            on_records(chunk)
    steps = observe.record_steps(observables, len(schedule.indices), first_step)
    final = ensemble._replace(state=member_states(ensemble, loop))
    return Rollout(final, join_records(records), steps, chunk.recorded)


def rollout_chunks(
    dynamics: Dynamics,
    ensemble: Ensemble,
    dataset: PyTree | Source,
    schedule: Schedule,
    observables: Sequence[Observable],
    options: RolloutOptions = RolloutOptions(),
    *,
    first_step: int = 0,
    resume: tuple[int, LoopState] | None = None,
) -> Iterator[Chunk]:
    """Runs `rollout` as a generator, with host code between chunks: progress, checkpoints, interrupts.

    Yields the records of the first step, then a Chunk for every chunk of steps. With `resume=(step, loop)` from an
    earlier Chunk, it resumes from there, bit-identically if `chunk_length` is the same.

    Args:
        dynamics, ensemble, dataset, schedule, observables, options, first_step: see `rollout`.
        resume: (step, loop) of an earlier Chunk with the same observables; None: start from the ensemble. Asking an
            iterator for its next Chunk reuses the memory of the last one's loop: copy it before, if you need both.

    Returns:
        An iterator of Chunks: steps done, the loop's state, and the records of these steps as NumPy arrays.

    Raises:
        InputError: see `rollout`; also for a loop state with other observables.

    >>> import pathjax, jax.numpy as jnp
    >>> doubling = pathjax.map_dynamics(lambda x, batch: 2 * x)
    >>> key = jax.random.key(0)
    >>> start, sizes = (key, doubling, jnp.ones(100), pathjax.gaussian()), {"epsilons": [0.1], "num_seeds": 1}
    >>> ensemble = pathjax.perturbed_ensemble(*start, **sizes)
    >>> schedule = pathjax.batch_schedule(key, num_examples=4, batch_size=1, num_epochs=1)
    >>> options = RolloutOptions(chunk_length=2)
    >>> [chunk.step for chunk in rollout_chunks(doubling, ensemble, jnp.zeros(4), schedule, [], options)]
    [0, 2, 4]
    """
    check_arguments(dynamics, ensemble, schedule, observables, options)
    check_run(ensemble, schedule, first_step, resume)
    dataset = checked_dataset(dataset)
    # On the host, so that each chunk can slice its rows there.
    indices, weights = jax.tree.map(lambda a: np.asarray(a)[first_step:], (schedule.indices, schedule.weights))
    schedule = schedule._replace(indices=indices, weights=weights)
    check_indices(schedule, dataset)
    check_hyperparameters(dynamics, ensemble, dataset, schedule)
    resume = resume and (resume[0] - first_step, resume[1])
    sweeps = ensemble.state.step.ndim == 2
    require(not (options.checks and sweeps), "checks do not support sweeps; roll out the setting in question by itself")
    plan_it = functools.partial(plan_rollout, dynamics, ensemble, dataset, schedule, observables, options)
    recorded = observe.recorded(observables, ensemble.state)
    plan, inputs, step, loop, records = _plan_and_compile(plan_it, ensemble, dataset, schedule, resume, options)
    layout, num_steps = plan.program.layout, len(schedule.indices)

    def put(examples: PyTree) -> PyTree:
        return place(layout, examples, P()) if layout.mesh else jax.device_put(examples)

    if not is_source(dataset):
        dataset = put(dataset)
    if resume is None:
        steps = _steps(observables, first_step, first_step - 1, first_step)
        yield Chunk(first_step, loop, _fetch(layout, records), steps, recorded)
    for examples, part in read_chunks(dataset, schedule, step, plan.chunk_length, put):
        inputs, part = inputs._replace(dataset=examples), place(layout, part, P())
        del examples
        before = jax.tree.map(jnp.copy, loop) if options.checks else None
        loop, records = compiled.run_chunk(plan.program, loop, inputs, part)
        if before is not None:
            check_chunk(dynamics, layout, before, loop, inputs, part)
        begin, step = step, min(step + plan.chunk_length, num_steps)
        # Wait for the whole state, even if nothing is recorded: a CPU's devices share threads, and a gather from all of
        # them could wait for a device that has no thread left to finish its chunk.
        jax.block_until_ready(loop)
        inputs = inputs._replace(dataset=None)  # so that the next examples have room
        steps = _steps(observables, first_step, first_step + begin, first_step + step)
        yield Chunk(first_step + step, loop, _fetch(layout, records), steps, recorded)


def _steps(observables: Sequence[Observable], first_step: int, after: int, until: int) -> dict[str, np.ndarray]:
    """Returns the steps of the records of a chunk, by variable name."""
    every = observe.record_steps(observables, until, first_step)
    return {name: steps[steps > after] for name, steps in every.items()}


def _plan_and_compile(
    plan_it: Callable[..., Plan], ensemble: Ensemble, dataset, schedule: Schedule, resume, options: RolloutOptions
):
    """Plans, starts and compiles; repeats with narrower tiles if the compiler needs more memory than estimated."""
    narrower_layout = None
    while True:
        plan = plan_it(layout=narrower_layout)
        layout = plan.program.layout
        inputs = place(layout, Inputs(plan.data, None, schedule.key), P())
        if resume is None:
            step, (loop, records) = 0, compiled.start(plan.program, spread(layout, ensemble.state), inputs)
        else:
            _check_resumed(resume, plan, ensemble)
            step, loop, records = resume[0], for_layout(layout, resume[1]), None
        if step == len(schedule.indices):
            return plan, inputs, step, loop, records
        # Compiled here, and found in the cache by the following call.
        part = rows_of(schedule, step, plan.chunk_length)
        examples, part = place(layout, (shapes_in_chunk(dataset, part[0].shape), part), P())
        whole = inputs._replace(dataset=examples)
        needed = memory.of_compiled(compiled.run_chunk.lower(plan.program, loop, whole, part).compile())
        narrower_layout = narrowed(layout, options, needed + plan.outside_bytes)
        if narrower_layout is None:
            return plan, inputs, step, loop, records


def _check_resumed(resume: tuple[int, LoopState], plan: Plan, ensemble: Ensemble) -> None:
    """Checks that a state to resume from exists, is at the step given, and carries these observables."""
    num_done, loop = resume
    gone = any(leaf.is_deleted() for leaf in jax.tree.leaves(loop) if isinstance(leaf, jax.Array))
    copy = "copy it before, with jax.tree.map(jnp.copy, chunk.loop)"
    require(not gone, f"the state to resume from is gone: the rollout reused its memory for the next chunk; {copy}")
    # Members that stopped being finite stay at an earlier step.
    reached, begin = int(jnp.max(loop.members.state.step)), int(jnp.min(ensemble.state.step))
    is_there = reached == begin + num_done or not bool(jnp.any(loop.members.alive))
    require(
        is_there, f"the state to resume from is at step {reached}, not {begin + num_done}: give its own Chunk's step"
    )
    observables = plan.program.observables
    wanted = (len(observables.members), len(observables.shared) + len(observables.gathered))
    carried = (len(loop.members.carries), len(loop.shared))
    require(
        carried == wanted,
        f"the state to resume from carries {carried[0]} member observables and {carried[1]} others, but {wanted[0]} "
        f"and {wanted[1]} are given; give the observables that it was made with",
    )


def for_layout(layout: Layout, loop: LoopState) -> LoopState:
    """Returns a loop's state for this layout, from any tile width and devices."""
    rows, shares = loop.members.alive.shape[-1], loop.baselines.shape[-1]
    on_mesh = layout.mesh in (None, getattr(loop.members.alive.sharding, "mesh", None))
    if on_mesh and (rows, shares) == (layout.num_rows, layout.num_shares):
        return loop
    rest = pad_settings(layout, loop.shared), layout.baseline_rows
    return LoopState(relayout(layout, shares, loop.members), *place(layout, rest, layout.shared_spec))


def member_states(ensemble: Ensemble, loop: LoopState) -> State:
    """Returns the states of all members of a loop, in the ensemble's order, on every device."""
    sharding = replicated(loop.members.alive.sharding)
    joined = _join(layout_of(ensemble), loop.baselines.shape[-1], sharding)(loop.members.state)
    return jax.block_until_ready(joined)


@functools.lru_cache(maxsize=32)
def _join(layout: Layout, num_shares: int, sharding):
    """Cached, so that equal layouts compile once."""
    return jax.jit(functools.partial(to_member_order, layout, num_shares=num_shares), out_shardings=sharding)


def join_records(parts: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Concatenates the records of consecutive chunks along time.

    >>> join_records([{"distance": np.zeros((1, 3))}, {"distance": np.ones((2, 3))}])["distance"].shape
    (3, 3)
    """
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _fetch(layout: Layout, records: Records) -> dict[str, np.ndarray]:
    """Returns a chunk's records of all members, as NumPy arrays, time first."""
    members, shared = fetch(records)
    members = to_member_order(layout, members, axis=1)
    if layout.num_settings is None:
        return shared | members
    shared = jax.tree.map(lambda a: a[: layout.num_settings], shared)
    return {name: np.moveaxis(array, 0, 1) for name, array in (shared | members).items()}
