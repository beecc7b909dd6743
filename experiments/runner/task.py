"""From a config to what is trained on what: data, network, loss and optimizer."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from pathjax import models
from pathjax.core.errors import require
from pathjax.data import Dataset, Options, load_dataset
from pathjax.experiments.runner import precision
from pathjax.models.registry import Settings
from pathjax.training.optimizers import SIGN_BASED, UPDATE_KIND, named_optimizer, schedule_factor, scheduled, with_rates

NO_HPARAMS = ("name", "schedule", "warmup_steps")  # of config.optimizer


class Task(NamedTuple):
    """A data set and what is to learn it: the network, `predict(params, inputs) -> logits`, the loss of each example,
    the optimizer of hyperparameters, and these."""

    dataset: Dataset
    model: nn.Module
    predict: Callable
    loss_fn: Callable
    optimizer: Callable
    hparams: dict[str, float]


def make_task(config: ConfigDict) -> Task:
    """What a config trains on what.

    Raises:
        InputError: for data that are not there, or settings that fit neither them nor one another.
    """
    hparams = hparams_of(config)
    optimizer = named_optimizer(config.optimizer.name, hparams)
    if config.optimizer.schedule != "constant" or config.optimizer.warmup_steps:
        factor = schedule_factor(config.optimizer.schedule, config.num_steps, config.optimizer.warmup_steps)
        optimizer = scheduled(optimizer, factor)
    dataset = dataset_of(config)
    classes = np.issubdtype(dataset.train[1].dtype, np.integer)
    fits = classes or config.experiment == "growth"
    one_line = (
        f"data set '{config.data.name}' has numbers for labels, and experiment '{config.experiment}' needs classes"
    )
    require(fits, f"{one_line}: choose another, or the experiment of configs/hoogland2023.py")
    model = network(config, dataset)
    if config.model.parametrization != "standard":
        like = dataset.train[0][:1]
        params = jax.eval_shape(model.init, jax.random.key(0), like)["params"]
        optimizer = with_rates(
            optimizer, models.learning_rate_factors(model, params, like, UPDATE_KIND[config.optimizer.name])
        )
    predict = _predict(model, config.precision)
    return Task(dataset, model, predict, cross_entropy(predict) if classes else squares(predict), optimizer, hparams)


def hparams_of(config: ConfigDict) -> dict[str, float]:
    """The hyperparameters that a config gives its optimizer."""
    return {k: float(v) for k, v in config.optimizer.items() if k not in NO_HPARAMS and v is not None}


def nonsmooth_source(config: ConfigDict) -> str:
    """What in a training step jumps or bends, which no derivative sees: "optimizer", "activation", or ""."""
    if config.optimizer.name in SIGN_BASED:
        return "optimizer"
    return "activation" if config.model.activation in models.PIECEWISE_LINEAR else ""


def dataset_of(config: ConfigDict) -> Dataset:
    """The data that a config names."""
    # As flags have it, no digest is the word None.
    options = {
        name: None if value == "None" else value for name, value in config.data.items() if name in Options._fields
    }
    return load_dataset(config.data.name, config.data.data_dir, **options)


def network(config: ConfigDict, dataset: Dataset):
    """The network that a config names, for a data set."""
    own = config.model
    parametrization = models.Parametrization(own.parametrization, own.family, own.base_width)
    weights = models.Weights(own.initializer, own.bias_initializer, parametrization)
    others = {name: own[name] for name in ("num_heads", "patch_size", "blocks", "norm", "strides", "flatten", "hidden")}
    settings = Settings(tuple(own.widths), own.activation, weights, **others)
    inputs, targets = dataset.train
    shapes = (inputs.shape[1:], targets.shape[1:])
    return models.named_model(own.name, settings, *shapes, dataset.num_classes, dataset.num_tokens)


def initial(config: ConfigDict, model, key, some_inputs):
    """The weights of a network at the start."""
    return precision.stored(config.precision, model.init(key, some_inputs)["params"])


def _predict(model, name: str):
    def predict(params, inputs):
        logits = model.apply({"params": precision.computed(name, params)}, precision.computed(name, inputs))
        return precision.stored(name, logits)

    return predict


def cross_entropy(predict: Callable) -> Callable:
    """The loss of each example (inputs, labels), as `training_dynamics` takes it; of a sequence, its places' mean."""

    def loss_fn(params, examples):
        inputs, labels = examples
        losses = optax.softmax_cross_entropy_with_integer_labels(predict(params, inputs), labels)
        return losses if losses.ndim == 1 else jnp.mean(losses.reshape(len(losses), -1), axis=1)

    return loss_fn


def squares(predict: Callable) -> Callable:
    """Half the squared error of each example (inputs, targets)."""

    def loss_fn(params, examples):
        inputs, targets = examples
        return jnp.sum((predict(params, inputs) - targets) ** 2, axis=-1) / 2

    return loss_fn
