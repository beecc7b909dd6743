"""Trains independent networks on dominoes in one program, and returns what they know of each pattern."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pathjax
from pathjax.core.types import Ensemble, Observable
from pathjax.data import Dataset, load_dataset
from pathjax.data.dominoes import Dominoes, Side
from pathjax.experiments.dominoes.probes import probe_observables
from pathjax.experiments.runner.settings import Group
from pathjax.models import MLP

BATCH, RATE = 64, 0.05
MAX_PROBE_EXAMPLES = 300


class Training(Group):
    """How the networks of a cell are trained, and on which sets of images."""

    m: str
    c: str
    m_dir: str | None = None
    c_dir: str | None = None
    num_train: int
    width: int
    num_inits: int
    num_steps: int
    every: int


class Learned(NamedTuple):
    """The steps of the records, and each recorded quantity, float[member, time]."""

    steps: np.ndarray
    records: dict[str, np.ndarray]


def dominoes_of(training: Training, m: dict | None = None, c: dict | None = None) -> Dataset:
    """Returns dominoes whose sides have these settings beside their source; see `pathjax.data.dominoes.Side`."""
    upper, lower = Side(training.m, training.m_dir, **(m or {})), Side(training.c, training.c_dir, **(c or {}))
    return load_dataset("dominoes", dominoes=Dominoes(upper, lower), num_train=training.num_train)


def initial_networks(dataset: Dataset, training: Training, width: int | None = None) -> tuple[MLP, dict]:
    """Returns the network, and the weights of the initializations with a leading axis; the same for every cell."""
    model = MLP((width or training.width,), dataset.num_classes, "relu")
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(training.num_inits))
    return model, jax.jit(jax.vmap(lambda key: model.init(key, dataset.train[0][:1])["params"]))(keys)


def sgd_on(model: MLP) -> tuple[pathjax.Dynamics, Callable]:
    """Returns plain SGD on the cross-entropy of a network, and `predict(params, inputs) -> logits`."""

    def predict(params, inputs):
        return model.apply({"params": params}, inputs)

    def loss_fn(params, examples):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, examples[0]), examples[1])

    return pathjax.training_dynamics(loss_fn, optax.sgd(RATE)), predict


def train(
    dynamics: pathjax.Dynamics,
    ensemble: Ensemble,
    examples: tuple,
    schedule: pathjax.Schedule,
    observables: Sequence[Observable],
) -> Learned:
    """Runs the members on all devices, and returns the records."""
    options = pathjax.RolloutOptions(mesh=pathjax.member_mesh())
    found = pathjax.rollout(dynamics, ensemble, examples, schedule, observables, options).records
    num = len(next(iter(found.values())))
    steps = np.arange(num) * observables[0].every
    return Learned(steps, {name: np.asarray(values, float).T for name, values in found.items()})


def learn(dataset: Dataset, training: Training, width: int | None = None) -> Learned:
    """Trains all initializations of a cell on a data set, with one order of batches, and probes them.

    Returns:
        Learned: accuracies and AUCs of the probes, float[init, time].
    """
    model, networks = initial_networks(dataset, training, width)
    dynamics, predict = sgd_on(model)
    ensemble = pathjax.independent_ensemble(dynamics, networks)
    schedule = pathjax.batch_schedule(jax.random.key(1), len(dataset.train[1]), BATCH, num_steps=training.num_steps)
    probes = jax.tree.map(jnp.asarray, dataset.probes)
    observables = probe_observables(predict, probes, training.every, MAX_PROBE_EXAMPLES)
    return train(dynamics, ensemble, jax.tree.map(jnp.asarray, dataset.train), schedule, observables)
