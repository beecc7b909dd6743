"""Builds the arguments of a rollout from the settings, and validates them before anything is written."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import pathjax
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.core.networks import weights_of
from pathjax.core.types import PyTree
from pathjax.data import Dataset
from pathjax.engine.layout import Layout, auto_mesh, member_mesh
from pathjax.engine.options import RolloutOptions
from pathjax.engine.planning import plan_rollout
from pathjax.experiments.runner import members, precision
from pathjax.experiments.runner.hyperparameters import in_direction_of, with_windows
from pathjax.experiments.runner.interventions import Materials
from pathjax.experiments.runner.memory import check_memory
from pathjax.experiments.runner.own_network import recomputed
from pathjax.experiments.runner.own_task import blaming_own, own_observables
from pathjax.experiments.runner.settings import RunSettings, with_changes
from pathjax.experiments.runner.task import initial, make_task
from pathjax.measures.interpolation import Statistics
from pathjax.tangents.propagate import split_moving

STREAMS = ("init", "schedule", "perturbation", "tangents")


class Parts(NamedTuple):
    """The arguments of observables: the model and `predict(params[, model_state], inputs) -> logits`, training and test
    set as (inputs, labels), the baseline's initial state, the perturbations' directions, the number of members, the key
    of the tangents, and the data set's probes by name, each (inputs, labels)."""

    dynamics: pathjax.Dynamics
    state: pathjax.State
    model: nn.Module
    predict: Callable
    train: tuple
    test: tuple
    directions: PyTree
    num_members: int
    tangent_key: jax.Array
    probes: dict[str, tuple]


class Setup(NamedTuple):
    """The arguments of `rollout_chunks`, its layout and its bytes on each device, and what the summary needs.

    `ensemble_of(settings)` returns other members for the same program, for settings that differ in seed, epsilons or
    steps; `examples` are the training examples in memory, and `dataset` what is trained on: these, or a source of more;
    `origin` says where the data come from; `settings` has the labels of the ensembles, if there are several.
    """

    dynamics: pathjax.Dynamics
    ensemble: pathjax.Ensemble
    ensemble_of: Callable[[RunSettings], pathjax.Ensemble]
    examples: tuple
    dataset: tuple | pathjax.Source
    schedule: pathjax.Schedule
    observables: list[pathjax.Observable]
    options: RolloutOptions
    layout: Layout
    num_bytes: int
    num_test: int
    tangent_key: jax.Array
    origin: dict
    settings: dict[str, tuple] | None = None


def set_up(settings: RunSettings, make_observables: Callable[[Any, Parts], list]) -> Setup:
    """Builds a rollout of perturbed copies of one training run, which records the observables of `make_observables`.

    Raises:
        InputError: if a setting is invalid.
    """
    with blaming_own(settings):
        return _set_up(settings, make_observables)


def _set_up(settings: RunSettings, make_observables: Callable[[Any, Parts], list]) -> Setup:
    keys = _keys(settings.seed)
    members.check(settings)
    dataset, model, predict, loss_fn, optimizer, hparams, flags, has_noise = make_task(settings)
    members.check_noise(settings, has_noise)
    dynamics = with_windows(settings, pathjax.training_dynamics(loss_fn, optimizer, **flags))
    held, stream = _held(settings, dataset)
    sets = (held, dataset.test, dataset.probes)
    examples, test, probes = precision.stored(settings.precision, jax.tree.map(jnp.asarray, sets))
    trained_on = examples if stream is None else stream
    num_train, num_test = dataset.num_train, len(dataset.test[1])
    like = examples[0][:1]
    shapes = jax.eval_shape(lambda key: initial(settings, model, key, like), keys["init"])
    materials = Materials(settings, loss_fn, flags, predict, shapes, like, dataset.num_classes)
    dynamics = members.with_intervention(materials, dynamics)

    def observe(state, directions):
        counts = (directions, members.count(settings), keys["tangents"], probes)
        parts = Parts(dynamics, state, model, predict, examples, test, *counts)
        made = list(make_observables(settings, parts))
        return [*made, *own_observables(settings, parts, made)]

    # With shapes alone first, which takes no time and no memory, so that errors are raised before any computation.
    start = jit_fast_compile(_starter(settings, dynamics, model, num_train))
    given = (keys, hparams, dataset.train[0][:1])
    schedule, state, directions, _ = start.eval_shape(*given)
    _check_sizes(settings, schedule, state)
    abstract = observe(state, directions)
    options, layout, num_bytes = _plan(settings, dynamics, trained_on, schedule, state, abstract)
    schedule, state, directions, independent = start(*given)
    # The same functions, which are already traced, with arrays in place of shapes.
    observables = [a._replace(data=o.data) for a, o in zip(abstract, observe(state, directions), strict=True)]
    ensemble = members.build(settings, dynamics, weights_of(state), keys["perturbation"], hparams, independent)

    def ensemble_of(other: RunSettings) -> pathjax.Ensemble:
        own = _keys(other.seed)
        params = jit_fast_compile(lambda key: initial(settings, model, key, like))(own["init"])
        given = in_direction_of(hparams, other.seed)
        return members.build(other, dynamics, params, own["perturbation"], given, None)

    seeds = init_seeds(settings)
    if seeds:
        ensemble = pathjax.stack_ensembles([ensemble_of(with_changes(settings, {"seed": seed})) for seed in seeds])
        if own_schedules(settings):
            ensemble = pathjax.with_schedules(ensemble, np.arange(len(seeds)))
    parts = (dynamics, ensemble, ensemble_of, examples, trained_on, schedule, observables)
    return Setup(
        *parts,
        options,
        layout,
        num_bytes,
        num_test,
        keys["tangents"],
        dataset.origin,
        {"init": seeds} if seeds else None,
    )


def _held(settings: RunSettings, dataset: Dataset) -> tuple[tuple, pathjax.Source | None]:
    """Returns the training examples in memory; and the source of all, if they stay in their files."""
    if dataset.stream is None:
        return dataset.train, None
    whole = (
        "data.batch_size=None is the whole training set, and data.stream leaves it in its files: choose a batch size"
    )
    require(settings.data.batch_size is not None, whole)
    num = min(len(dataset.stream), settings.measure.max_train_examples)
    return dataset.stream.take(np.arange(num)), precision.StoredSource(settings.precision, dataset.stream)


def _starter(settings: RunSettings, dynamics: pathjax.Dynamics, model: nn.Module, num_train: int) -> Callable:
    """Returns `start(keys, hparams, some_inputs)`.

    It returns the schedule, the baseline's state, the perturbations' directions, and the weights of the independently
    initialized networks (None if there are none).
    """

    def start(keys, hparams, some_inputs):
        schedule = _schedules(settings, keys["schedule"], num_train)
        others = (jax.random.fold_in(keys["init"], i) for i in range(members.num_independent(settings)))
        params, *independent = (initial(settings, model, key, some_inputs) for key in (keys["init"], *others))
        directions = members.directions(settings, keys["perturbation"], params)
        state = members.with_books(settings, dynamics.init(params, hparams))
        if own_schedules(settings) or members.num_orders(settings):
            state = state._replace(schedule=jnp.int32(0))
        return schedule, state, directions, trees.stack(independent) if independent else None

    return start


def _schedule(settings: RunSettings, key, num_train: int) -> pathjax.Schedule:
    if settings.data.batch_size is None:
        # Not `full_batch_schedule`, whose array would be a constant of this compiled program.
        rows = jnp.broadcast_to(jnp.arange(num_train, dtype=jnp.int32), (settings.num_steps, num_train))
        return pathjax.Schedule(rows, None, key)
    return pathjax.batch_schedule(key, num_train, settings.data.batch_size, num_steps=settings.num_steps)


def _schedules(settings: RunSettings, key, num_train: int) -> pathjax.Schedule:
    """Returns the run's schedule; or that of each initialization, by its seed; or several batch orders."""
    num_orders = members.num_orders(settings)
    if own_schedules(settings):
        keys = [_keys(seed)["schedule"] for seed in init_seeds(settings)]
    elif num_orders:
        keys = [key, *(jax.random.fold_in(key, i) for i in range(num_orders))]
    else:
        return _schedule(settings, key, num_train)
    each = [_schedule(settings, one, num_train) for one in keys]
    return pathjax.Schedule(jnp.stack([one.indices for one in each], 1), None, key)


def own_schedules(settings: RunSettings) -> bool:
    """Returns whether each of the initializations has a schedule of its own."""
    return bool(init_seeds(settings)) and getattr(settings, "own_schedules", False)


def init_seeds(settings: RunSettings) -> tuple[int, ...]:
    """Returns the seeds of the initializations that run in one program, on one schedule; empty if there is only one."""
    return getattr(settings, "init_seeds", ())


def _keys(seed: int) -> dict[str, jax.Array]:
    return {name: jax.random.fold_in(jax.random.key(seed), i) for i, name in enumerate(STREAMS)}


def statistics_of(settings: RunSettings, parts: Parts) -> Statistics | None:
    """Returns how lines between networks recompute the model's state, on training examples; None if it has none."""
    if parts.state.model_state is None:
        return None
    return recomputed(parts.model, training_examples(settings, parts)[0], settings.precision)


def training_examples(settings: RunSettings, parts: Parts) -> tuple:
    """Returns the training examples on which losses are evaluated."""
    return jax.tree.map(lambda a: a[: settings.measure.max_train_examples], parts.train)


def chunks_of(setup: Setup, resume: tuple | None = None) -> Iterator[pathjax.Chunk]:
    """Runs the rollout of a setup, chunk by chunk; see `pathjax.rollout_chunks`."""
    parts = (setup.dynamics, setup.ensemble, setup.dataset, setup.schedule, setup.observables)
    return pathjax.rollout_chunks(*parts, setup.options, resume=resume)


def rollout_options(settings: RunSettings, num_members: int, member_bytes: int) -> RolloutOptions:
    """Returns the options of `pathjax.rollout` from the settings and the available devices."""
    tile, num_devices = settings.member_tile, settings.num_devices
    given = num_devices * jax.process_count() if num_devices else None
    several = bool(init_seeds(settings)) and jax.device_count() > 1  # each ensemble stays on one device
    mesh = member_mesh(given) if given or several else auto_mesh(num_members, member_bytes)
    return RolloutOptions(
        chunk_length=settings.chunk_length,
        member_tile={"auto": "auto", "all": None}[tile] if tile in ("auto", "all") else int(tile),
        mesh=mesh,
        checks=settings.checks,
        memory_bytes=None if settings.memory_gib is None else int(settings.memory_gib * 2**30),
    )


def _plan(settings: RunSettings, dynamics, dataset, schedule, state, observables):
    """Returns the options, the layout and the bytes of the rollout, from shapes alone.

    Raises InputError if the rollout cannot be built or does not fit into memory.
    """
    num_members, num_inits = members.count(settings), len(init_seeds(settings))
    shape = (num_inits, num_members) if num_inits else (num_members,)
    states = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*shape, *leaf.shape), leaf.dtype), state)
    ensemble = pathjax.Ensemble(states, None)  # type: ignore[arg-type]  # labels are not used
    options = rollout_options(settings, num_members, trees.num_bytes(state))
    plan = plan_rollout(dynamics, ensemble, dataset, schedule, observables, options)
    return options, plan.program.layout, plan.num_bytes


def _check_sizes(settings: RunSettings, schedule, state) -> None:
    """Raises InputError if an array alone exceeds the memory, or if there are more tangents than dimensions."""
    num_members = members.count(settings) * max(1, len(init_seeds(settings)))
    check_memory(f"a schedule of {settings.num_steps} steps (num_steps)", schedule.indices)
    check_memory(f"a network of model.widths {tuple(settings.model.widths)}", state)
    check_memory(f"{num_members} members (perturbation.epsilons times num_seeds)", state, num_members)
    num_dims = trees.num_elements(split_moving(state)[0])
    for name in ("num_tangents", "num_function_tangents"):
        num = getattr(settings.measure, name, 1)
        fits = f"{num} tangents do not fit a state of {num_dims} dimensions: choose 1 to {num_dims}"
        require(num <= num_dims, f"measure.{name}: {fits}")
