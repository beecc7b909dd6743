"""From a config to everything that a rollout takes. Nothing is written here: what is wrong is told before."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

import pathjax
from pathjax import observables as obs
from pathjax.data import Dataset, load_dataset
from pathjax.errors import require
from pathjax.models import MLP
from pathjax.optimizers import named_optimizer
from pathjax.rollout import abstract_loop, plan_chunks

PERTURBATIONS = {"sphere": pathjax.on_sphere, "gaussian": pathjax.gaussian}
STREAMS = ("init", "schedule", "perturbation", "tangents")


class Setup(NamedTuple):
    """All that `rollout_chunks` takes, and what the summary needs to know."""

    dynamics: pathjax.Dynamics
    ensemble: pathjax.Ensemble
    examples: tuple
    schedule: pathjax.Schedule
    observables: list[pathjax.Observable]
    chunk_length: int
    num_test: int


def set_up(config: ConfigDict) -> Setup:
    """Build the divergence experiment.

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
    tangents = pathjax.directions(perturbation, keys["perturbation"], params, config.perturbation.num_seeds)
    observables = _observables(config, dynamics, model, dataset, tangents, keys["tangents"])
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
    abstract_loop(ensemble, observables)  # traced here, so that what cannot be built is told before anything is written
    examples = jax.tree.map(jnp.asarray, dataset.train)
    return Setup(dynamics, ensemble, examples, schedule, observables, chunk_length, len(dataset.test[1]))


def _cross_entropy(model):
    def loss_fn(params, examples):
        inputs, labels = examples
        logits = model.apply({"params": params}, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)

    return loss_fn


def _observables(config, dynamics, model, dataset: Dataset, tangents, key):
    measure = config.measure

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    anchors = tuple(anchor for anchor in measure.anchors if anchor <= config.num_steps)
    train = jax.tree.map(lambda a: a[: measure.max_train_examples], dataset.train)
    sets = jax.tree.map(jnp.asarray, {"train": train, "test": dataset.test})
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.linear_response(dynamics, tangents, measure.tangent_every),
        obs.lyapunov(dynamics, key, measure.num_tangents, measure.tangent_every),
        obs.weight_autocorrelation(anchors, measure.correlation_every),
        obs.classification(predict, sets, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _check(config: ConfigDict) -> None:
    """What the library does not check itself: types inside tuples, and counts."""
    kinds = ", ".join(PERTURBATIONS)
    kind = config.perturbation.kind
    require(kind in PERTURBATIONS, f"unknown perturbation.kind '{kind}': choose one of {kinds}")
    _check_items("model.widths", config.model.widths, int, "whole numbers")
    _check_items("measure.anchors", config.measure.anchors, int, "whole numbers")
    _check_items("perturbation.epsilons", config.perturbation.epsilons, (int, float), "numbers")
    require(0 <= config.seed < 2**32, f"seed {config.seed} is out of range: choose 0 to 2**32 - 1")
    counts = {
        "num_steps": config.num_steps,
        "chunk_length": config.chunk_length,
        "checkpoint_every": config.checkpoint_every,
        "perturbation.num_seeds": config.perturbation.num_seeds,
        "measure.max_train_examples": config.measure.max_train_examples,
        "measure.num_tangents": config.measure.num_tangents,
    } | {f"measure.{k}": v for k, v in config.measure.items() if k.endswith("_every")}
    for name, value in counts.items():
        require(value is None or value >= 1, f"{name} {value} is out of range: choose 1 or more")
    tangent, distance = config.measure.tangent_every, config.measure.distance_every
    require(tangent % distance == 0, f"measure.distance_every {distance} must divide measure.tangent_every {tangent}")


def _check_items(name, values, types, expected):
    for value in values:
        fits = isinstance(value, types) and not isinstance(value, bool)
        require(fits, f"{name} holds {value!r}: expected {expected}, as in --config.{name}=1,2")
