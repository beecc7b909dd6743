"""From a config to everything that a rollout takes. Nothing is written here: what is wrong is told before."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from ml_collections import ConfigDict

import pathjax
from pathjax.core import trees
from pathjax.core.errors import require
from pathjax.core.fast_compile import jit_fast_compile
from pathjax.engine.layout import Layout, auto_mesh, member_mesh
from pathjax.engine.planning import RolloutOptions, plan_rollout
from pathjax.experiments.runner import members, precision
from pathjax.experiments.runner.interventions import Materials
from pathjax.experiments.runner.memory import check_memory
from pathjax.experiments.runner.settings import check_settings
from pathjax.experiments.runner.task import initial, make_task
from pathjax.tangents.propagate import split_moving

STREAMS = ("init", "schedule", "perturbation", "tangents")


class Parts(NamedTuple):
    """What observables are made from: the model and `predict(params, inputs) -> logits`, training and test set as
    (inputs, labels), the baseline's initial state, the perturbations' directions, the number of members, and the key of
    the tangents."""

    dynamics: pathjax.Dynamics
    state: pathjax.State
    model: nn.Module
    predict: Callable
    train: tuple
    test: tuple
    directions: pathjax.core.types.PyTree
    num_members: int
    tangent_key: jax.Array


class Setup(NamedTuple):
    """All that `rollout_chunks` takes, the layout that it will have, and what the summary needs to know;
    `ensemble_of(config)`, other members of the same program, for a config that differs in seed, sizes or steps; where
    the data come from; and the labels of the settings, where there are several ensembles."""

    dynamics: pathjax.Dynamics
    ensemble: pathjax.Ensemble
    ensemble_of: Callable[[ConfigDict], pathjax.Ensemble]
    examples: tuple
    schedule: pathjax.Schedule
    observables: list[pathjax.Observable]
    options: dict
    layout: Layout
    num_test: int
    tangent_key: jax.Array
    origin: dict
    settings: dict[str, tuple] | None = None


def set_up(config: ConfigDict, make_observables: Callable[[ConfigDict, Parts], list]) -> Setup:
    """Build an experiment on perturbed copies of one training run, which records what `make_observables` says.

    Raises:
        InputError: for a setting that does not fit.
    """
    check_settings(config)
    keys = _keys(config.seed)
    members.check(config)
    dataset, model, predict, loss_fn, optimizer, hparams = make_task(config)
    dynamics = pathjax.training_dynamics(loss_fn, optimizer)
    examples, test = precision.stored(config.precision, jax.tree.map(jnp.asarray, (dataset.train, dataset.test)))
    num_train, num_test = len(dataset.train[1]), len(dataset.test[1])
    like = examples[0][:1]
    shapes = jax.eval_shape(lambda key: initial(config, model, key, like), keys["init"])
    materials = Materials(config, loss_fn, predict, shapes, like, dataset.num_classes)
    dynamics = members.with_intervention(materials, dynamics)

    def observe(state, directions):
        parts = (dynamics, state, model, predict, examples, test, directions, members.count(config), keys["tangents"])
        return make_observables(config, Parts(*parts))

    # With shapes alone first, which takes no time and no memory: what does not fit is told before it is computed.
    start = jit_fast_compile(_starter(config, dynamics, model, num_train))
    given = (keys, hparams, dataset.train[0][:1])
    schedule, state, directions, _ = start.eval_shape(*given)
    _check_sizes(config, schedule, state)
    rehearsed = observe(state, directions)
    options, layout = _rehearse(config, dynamics, examples, schedule, state, rehearsed)
    schedule, state, directions, independent = start(*given)
    # The same functions, which are traced already, with arrays in place of shapes.
    observables = [r._replace(data=o.data) for r, o in zip(rehearsed, observe(state, directions), strict=True)]
    ensemble = members.build(config, dynamics, state.params, keys["perturbation"], hparams, independent)

    def ensemble_of(other: ConfigDict) -> pathjax.Ensemble:
        own = _keys(other.seed)
        params = jit_fast_compile(lambda key: initial(config, model, key, like))(own["init"])
        return members.build(other, dynamics, params, own["perturbation"], hparams, None)

    seeds = init_seeds(config)
    if seeds:
        ensemble = pathjax.stack_ensembles(
            [ensemble_of(ConfigDict(config.to_dict() | {"seed": seed})) for seed in seeds]
        )
    parts = (dynamics, ensemble, ensemble_of, examples, schedule, observables)
    return Setup(
        *parts, options, layout, num_test, keys["tangents"], dataset.origin, {"init": seeds} if seeds else None
    )


def _starter(config: ConfigDict, dynamics: pathjax.Dynamics, model: nn.Module, num_train: int) -> Callable:
    """`start(keys, hparams, some_inputs)`: the schedule, the baseline's state, the perturbations' directions, and the
    weights of networks of other initializations (None without)."""

    def start(keys, hparams, some_inputs):
        sizes = (num_train, config.data.batch_size)
        schedule = pathjax.batch_schedule(keys["schedule"], *sizes, num_steps=config.num_steps)
        others = (jax.random.fold_in(keys["init"], i) for i in range(config.get("num_independent", 0)))
        params, *independent = (initial(config, model, key, some_inputs) for key in (keys["init"], *others))
        directions = members.directions(config, keys["perturbation"], params)
        state = members.with_books(config, dynamics.init(params, hparams))
        return schedule, state, directions, trees.stack(independent) if independent else None

    return start


def init_seeds(config: ConfigDict) -> tuple[int, ...]:
    """Seeds of the initializations that are run in one program, on one schedule; none where there is one alone."""
    return tuple(config.get("init_seeds", ()))


def _keys(seed: int) -> dict[str, jax.Array]:
    return {name: jax.random.fold_in(jax.random.key(seed), i) for i, name in enumerate(STREAMS)}


def training_examples(config: ConfigDict, parts: Parts) -> tuple:
    """Those of the training set on which losses are evaluated."""
    return jax.tree.map(lambda a: a[: config.measure.max_train_examples], parts.train)


def chunks_of(setup: Setup, resume: tuple | None = None) -> Iterator[pathjax.Chunk]:
    """The rollout of a setup, chunk by chunk; see `pathjax.rollout_chunks`."""
    parts = (setup.dynamics, setup.ensemble, setup.examples, setup.schedule, setup.observables)
    return pathjax.rollout_chunks(*parts, **setup.options, resume=resume)


def rollout_options(config: ConfigDict, num_members: int, member_bytes: int) -> dict:
    """How `pathjax.rollout` is to cut up steps and members: what the config says, for the devices that are there."""
    tile, num_devices = config.member_tile, config.num_devices
    given = num_devices * jax.process_count() if num_devices else None
    several = bool(init_seeds(config)) and jax.device_count() > 1  # ensembles, which are spread whole
    mesh = member_mesh(given) if given or several else auto_mesh(num_members, member_bytes)
    return {
        "chunk_length": config.chunk_length,
        "member_tile": {"auto": "auto", "all": None}[tile] if tile in ("auto", "all") else int(tile),
        "mesh": mesh,
        "checks": config.checks,
        "memory_bytes": None if config.memory_gib is None else int(config.memory_gib * 2**30),
    }


def _rehearse(config: ConfigDict, dynamics, examples, schedule, state, observables):
    """The options and the layout of the rollout, from shapes alone; InputError for what cannot be built or does not fit
    into memory."""
    num_members, num_inits = members.count(config), len(init_seeds(config))
    shape = (num_inits, num_members) if num_inits else (num_members,)
    states = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*shape, *leaf.shape), leaf.dtype), state)
    ensemble = pathjax.Ensemble(states, None)  # type: ignore[arg-type]  # labels are not looked at
    options = rollout_options(config, num_members, trees.num_bytes(state))
    plan = plan_rollout(dynamics, ensemble, examples, schedule, observables, RolloutOptions(**options))
    return options, plan.program.layout


def _check_sizes(config: ConfigDict, schedule, state) -> None:
    """InputError for what does not fit into memory by itself, or tangents that do not fit the state."""
    num_members = members.count(config) * max(1, len(init_seeds(config)))
    check_memory(f"a schedule of {config.num_steps} steps (num_steps)", schedule.indices)
    check_memory(f"a network of model.widths {tuple(config.model.widths)}", state)
    check_memory(f"{num_members} members (perturbation.epsilons times num_seeds)", state, num_members)
    num_dims = trees.num_elements(split_moving(state)[0])
    for name in ("num_tangents", "num_function_tangents"):
        num = config.measure.get(name, 1)
        fits = f"{num} tangents do not fit a state of {num_dims} dimensions: choose 1 to {num_dims}"
        require(num <= num_dims, f"measure.{name}: {fits}")
