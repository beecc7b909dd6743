"""From a config to everything that a rollout takes. Nothing is written here: what is wrong is told before."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

import pathjax
from pathjax.data import load_dataset
from pathjax.errors import require
from pathjax.layout import Layout, devices_worth, member_mesh
from pathjax.models import MLP
from pathjax.optimizers import named_optimizer
from pathjax.rollout import abstract_loop, layout_of, plan_chunks

PERTURBATIONS = {"sphere": pathjax.on_sphere, "gaussian": pathjax.gaussian}
STREAMS = ("init", "schedule", "perturbation", "tangents")


class Parts(NamedTuple):
    """What observables are made from: `predict(params, inputs) -> logits`, training and test set as (inputs, labels),
    the baseline's initial state, the perturbations' directions, and the key of the tangents."""

    dynamics: pathjax.Dynamics
    state: pathjax.State
    predict: Callable
    train: tuple
    test: tuple
    directions: pathjax.typing.PyTree
    tangent_key: jax.Array


class Setup(NamedTuple):
    """All that `rollout_chunks` takes, and what the summary needs to know."""

    dynamics: pathjax.Dynamics
    ensemble: pathjax.Ensemble
    examples: tuple
    schedule: pathjax.Schedule
    observables: list[pathjax.Observable]
    chunk_length: int
    layout: Layout
    num_test: int
    tangent_key: jax.Array


def set_up(config: ConfigDict, make_observables: Callable[[ConfigDict, Parts], list]) -> Setup:
    """Build an experiment on perturbed copies of one training run, which records what `make_observables` says.

    Raises:
        InputError: for a setting that does not fit.
    """
    _check(config)
    keys = {name: jax.random.fold_in(jax.random.key(config.seed), i) for i, name in enumerate(STREAMS)}
    hparams = {k: float(v) for k, v in config.optimizer.items() if k != "name" and v is not None}
    optimizer = named_optimizer(config.optimizer.name, hparams)
    perturbation = PERTURBATIONS[config.perturbation.kind](config.perturbation.per_leaf)
    dataset = load_dataset(config.data.name, config.data.data_dir)
    model = MLP(tuple(config.model.widths), dataset.num_classes, config.model.activation)
    dynamics = pathjax.training_dynamics(_cross_entropy(model), optimizer)
    num_train = len(dataset.train[1])
    schedule = pathjax.batch_schedule(keys["schedule"], num_train, config.data.batch_size, num_steps=config.num_steps)
    params = jax.jit(model.init)(keys["init"], jnp.asarray(dataset.train[0][:1]))["params"]
    examples, test = jax.tree.map(jnp.asarray, (dataset.train, dataset.test))
    directions = pathjax.directions(perturbation, keys["perturbation"], params, config.perturbation.num_seeds)
    state = dynamics.init(params, hparams)
    parts = Parts(dynamics, state, _predict(model), examples, test, directions, keys["tangents"])
    observables = make_observables(config, parts)
    chunk_length = plan_chunks(observables, config.num_steps, config.chunk_length)
    ensemble = pathjax.make_ensemble(
        dynamics,
        params,
        perturbation,
        keys["perturbation"],
        epsilons=[float(epsilon) for epsilon in config.perturbation.epsilons],
        num_seeds=config.perturbation.num_seeds,
        hparams=hparams,
    )
    layout = _layout(config, ensemble)
    abstract_loop(
        ensemble, observables, layout
    )  # traced here, so that what cannot be built is told before anything is written
    num_test = len(dataset.test[1])
    return Setup(dynamics, ensemble, examples, schedule, observables, chunk_length, layout, num_test, keys["tangents"])


def _layout(config: ConfigDict, ensemble: pathjax.Ensemble) -> Layout:
    """How members are cut into tiles and spread over the devices that are there."""
    tile, num_devices = config.member_tile, config.num_devices
    require(
        tile in ("auto", "all") or tile.isdecimal(), f"member_tile '{tile}' is no width: give a number, auto or all"
    )
    if num_devices is None:
        num_devices = devices_worth(len(ensemble.members.role))
    width = tile if tile == "auto" else None if tile == "all" else int(tile)
    return layout_of(ensemble, width, member_mesh(num_devices) if num_devices > 1 else None)


def _predict(model):
    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    return predict


def _cross_entropy(model):
    def loss_fn(params, examples):
        inputs, labels = examples
        logits = model.apply({"params": params}, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)

    return loss_fn


def _check(config: ConfigDict) -> None:
    """What the library does not check itself: types inside tuples, and counts."""
    kinds = ", ".join(PERTURBATIONS)
    kind = config.perturbation.kind
    require(kind in PERTURBATIONS, f"unknown perturbation.kind '{kind}': choose one of {kinds}")
    _check_items("model.widths", config.model.widths, int, "whole numbers")
    _check_items("measure.anchors", config.measure.get("anchors", ()), int, "whole numbers")
    _check_items("perturbation.epsilons", config.perturbation.epsilons, (int, float), "numbers")
    require(0 <= config.seed < 2**32, f"seed {config.seed} is out of range: choose 0 to 2**32 - 1")
    counts = {
        "num_steps": config.num_steps,
        "chunk_length": config.chunk_length,
        "checkpoint_every": config.checkpoint_every,
        "num_devices": config.num_devices,
        "perturbation.num_seeds": config.perturbation.num_seeds,
    } | {f"measure.{k}": v for k, v in config.measure.items() if isinstance(v, int) and not isinstance(v, bool)}
    for name, value in counts.items():
        require(value is None or value >= 1, f"{name} {value} is out of range: choose 1 or more")
    tangent, distance = config.measure.tangent_every, config.measure.distance_every
    require(tangent % distance == 0, f"measure.distance_every {distance} must divide measure.tangent_every {tangent}")


def _check_items(name, values, types, expected):
    for value in values:
        fits = isinstance(value, types) and not isinstance(value, bool)
        require(fits, f"{name} holds {value!r}: expected {expected}, as in --config.{name}=1,2")
