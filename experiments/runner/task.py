"""Builds the data set, network, loss and optimizer from the settings."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from pathjax import models
from pathjax.core.errors import require
from pathjax.core.types import Network
from pathjax.data import Dataset, Options, load_dataset
from pathjax.data.dominoes import Dominoes, Side
from pathjax.experiments.own import is_own
from pathjax.experiments.runner import precision
from pathjax.experiments.runner.hyperparameters import TILT_SEED, hyperparameters, of_loss, of_optimizer
from pathjax.experiments.runner.own_network import (
    check_own_network,
    draws_noise,
    loss_in_training,
    own_network,
    state_of,
    trains_otherwise,
)
from pathjax.experiments.runner.own_task import own_loader, own_loss, own_optimizer, own_transformations
from pathjax.experiments.runner.settings import RunSettings
from pathjax.experiments.runner.settings.task import DataSettings
from pathjax.models.registry import Settings
from pathjax.training.optimizers import SIGN_BASED, UPDATE_KIND, named_optimizer
from pathjax.training.regularizers import PENALTIES, penalty, smoothed_cross_entropy
from pathjax.training.transformations import (
    CLIPPING,
    preceded_by,
    schedule_factor,
    scheduled,
    with_clipping,
    with_rates,
)


class Task(NamedTuple):
    """A data set and the training on it: the network, `predict(params[, model_state], inputs) -> logits`, the loss of
    each example, a function from hyperparameters to the optimizer, the hyperparameters, whether the loss takes a
    model's state and a key (the flags of `training_dynamics`), and whether it draws noise from the key."""

    dataset: Dataset
    model: nn.Module
    predict: Callable
    loss_fn: Callable
    optimizer: Callable
    hparams: dict[str, float]
    flags: dict[str, bool]
    draws_noise: bool


def make_task(settings: RunSettings) -> Task:
    """Builds the task of the settings.

    Raises:
        InputError: if the data are missing, or the settings do not fit the data or one another.
    """
    hparams = hyperparameters(settings)
    optimizer = optimizer_of(settings, of_optimizer(settings))
    dataset = dataset_of(settings.data)
    model = network(settings, dataset)
    if settings.model.parametrization != "standard":
        optimizer = _with_factors(settings, optimizer, model, dataset.train[0][:1])
    some_inputs = dataset.train[0][:1]
    variables = jax.eval_shape(model.init, jax.random.key(0), some_inputs)
    has_state, has_noise = bool(state_of(variables)), draws_noise(model, variables, some_inputs)
    flags = {
        "model_state": has_state,
        "stochastic": trains_otherwise(model),
        "hparams_in_loss": bool(of_loss(settings)),
    }
    predict = _predict(model, settings.precision, has_state)
    loss_fn = _loss(settings, dataset, model, predict, has_state)
    return Task(dataset, model, predict, loss_fn, optimizer, hparams, flags, has_noise)


def optimizer_of(settings: RunSettings, hparams: dict[str, float]) -> Callable:
    """Returns a function from hyperparameters to the optimizer, with what comes before it and its schedule.

    Raises:
        InputError: if the optimizer does not take these hyperparameters.
    """
    own, names = settings.optimizer, tuple(hparams)
    for name in set(hparams) & set(CLIPPING):
        require(hparams[name] > 0, f"optimizer.{name} must be positive, or None for no clipping, not {hparams[name]:g}")
    rest = {name: value for name, value in hparams.items() if name not in CLIPPING}
    if is_own(own.name):
        message = f"optimizer.decay_on does not apply to {own.name}: mask the weight decay in the function"
        require(own.decay_on is None, message)
        optimizer = own_optimizer(own.name, rest)
    else:
        optimizer = named_optimizer(own.name, rest, own.decay_on)
    optimizer = with_clipping(preceded_by(own_transformations(own.before), optimizer))
    if own.schedule != "constant" or own.warmup_steps:
        optimizer = scheduled(optimizer, schedule_factor(own.schedule, settings.num_steps, own.warmup_steps))
    return lambda hparams: optimizer({name: hparams[name] for name in names})


def _with_factors(settings: RunSettings, optimizer: Callable, model, some_inputs) -> Callable:
    """Returns the optimizer with the learning-rate factors of the parametrization."""
    for name in (settings.model.name, settings.optimizer.name):
        choose = "choose model.parametrization=standard"
        require(not is_own(name), f"{name} does not have parametrization '{settings.model.parametrization}': {choose}")
    params = jax.eval_shape(model.init, jax.random.key(0), some_inputs)["params"]
    kind = UPDATE_KIND[settings.optimizer.name]
    return with_rates(optimizer, models.learning_rate_factors(model, params, some_inputs, kind))


def _loss(settings: RunSettings, dataset: Dataset, model, predict: Callable, has_state: bool) -> Callable:
    """Returns the loss of the network in training, with its regularizers."""
    plain = _loss_of(settings, dataset)

    def make(loss_of):
        if trains_otherwise(model):
            return loss_in_training(model, has_state, loss_of, settings.precision)
        return loss_of(predict)

    names = of_loss(settings)
    if not names:
        return make(plain)
    is_known = "label_smoothing" not in names or plain is cross_entropy
    require(is_known, f"regularization.label_smoothing needs loss cross_entropy, not {settings.loss}")
    return _regularized(make, plain, names, settings.regularization.penalized)


def _regularized(make: Callable, plain: Callable, names: Iterable[str], penalized: str | None) -> Callable:
    """Returns the loss, whose last argument are the hyperparameters, with penalties and smoothed labels.

    `make(loss_of)` returns the loss without them, and `plain` is its `loss_of`.
    """

    def loss_fn(params, *more):
        *others, hparams = more
        loss_of = plain
        if "label_smoothing" in names:
            loss_of = functools.partial(cross_entropy, smoothing=hparams["label_smoothing"])
        found = make(loss_of)(params, *others)
        added = penalty(params, {name: hparams[name] for name in (*PENALTIES, TILT_SEED) if name in hparams}, penalized)
        return (found[0] + added, *found[1:]) if isinstance(found, tuple) else found + added

    return loss_fn


def _loss_of(settings: RunSettings, dataset: Dataset) -> Callable:
    """Returns the loss that the settings name, or the default loss of the data, as a function of `predict`."""
    classes = np.issubdtype(dataset.train[1].dtype, np.integer)
    name = settings.loss or ("cross_entropy" if classes else "squared_error")
    if is_own(name):
        return functools.partial(own_loss, name)
    require(name in LOSSES, f"unknown loss '{name}': choose one of {', '.join(LOSSES)}, or your own, module:function")
    data = f"data set '{settings.data.name}'"
    if name == "cross_entropy":
        require(classes, f"{data} has real-valued labels, and loss '{name}' needs classes: choose loss=squared_error")
    else:
        hint = "choose loss=cross_entropy"
        require(not classes, f"{data} has classes for labels, and loss '{name}' needs real values: {hint}")
    fits = classes or settings.experiment == "growth" or is_own(settings.experiment)
    needs = f"{data} has real-valued labels, and experiment '{settings.experiment}' needs classes"
    require(fits, f"{needs}: choose another data set, or experiment=growth (configs/hoogland2023.py)")
    return LOSSES[name]


def activation_of(settings: RunSettings) -> str:
    """Returns the name of the network's activation, or that of your own network."""
    return settings.model.name if is_own(settings.model.name) else settings.model.activation


def nonsmooth_source(settings: RunSettings) -> str:
    """Returns the part of a training step that has jumps or kinks: "optimizer", "activation", "network" (your own,
    which may have some), or ""."""
    if settings.optimizer.name in SIGN_BASED:
        return "optimizer"
    if is_own(settings.model.name):
        return "network"
    return "" if models.leak_of(settings.model.activation) is None else "activation"


def missed_by_tangents(settings: RunSettings) -> str:
    """Returns why members may not follow tangents however small their perturbations are: "noise", if they have their
    own, or the `nonsmooth_source`."""
    return "noise" if settings.perturbation.noise == "own" else nonsmooth_source(settings)


def dataset_of(data: DataSettings) -> Dataset:
    """Loads the data set that the settings name."""
    options = {name: getattr(data, name) for name in Options._fields} | {"dominoes": _dominoes_of(data)}
    if is_own(data.name):
        return load_dataset(data.name, data.data_dir, loader=own_loader(data.name), **options)
    return load_dataset(data.name, data.data_dir, **options)


def _dominoes_of(data: DataSettings) -> Dominoes:
    given = data.dominoes
    sides = {side: Side(**getattr(given, side).model_dump()) for side in ("m", "c")}
    return Dominoes(**sides, both=given.both, num_classes=given.num_classes, label_noise=given.label_noise)


def network(settings: RunSettings, dataset: Dataset):
    """Builds the network that the settings name, for a data set."""
    own = settings.model
    inputs, targets = dataset.train
    if is_own(own.name):
        found = own_network(own, inputs.shape[1:], dataset.num_classes)
        check_own_network(own.name, found, dataset)
        return found
    parametrization = models.Parametrization(own.parametrization, own.family, own.base_width)
    weights = models.Weights(own.initializer, own.bias_initializer, parametrization)
    others = ("num_heads", "patch_size", "blocks", "norm", "strides", "flatten", "hidden")
    sizes = Settings(own.widths, own.activation, weights, **{name: getattr(own, name) for name in others})
    shapes = (inputs.shape[1:], targets.shape[1:])
    if not own.log_odds:
        return models.named_model(own.name, sizes, *shapes, dataset.num_classes, dataset.num_tokens)
    is_binary = dataset.num_classes == 2 and targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer)
    require(is_binary, f"model.log_odds is for two classes, not {dataset.num_classes}: leave it False")
    return models.LogOdds(models.named_model(own.name, sizes, *shapes, 1, dataset.num_tokens))


def initial(settings: RunSettings, model, key, some_inputs):
    """Returns the initial weights of a network; a Network if it has a state."""
    variables = precision.stored(settings.precision, model.init(key, some_inputs))
    state = state_of(variables)
    return Network(variables["params"], state) if state else variables["params"]


def _predict(model, name: str, has_state: bool):
    def predict(params, model_state, inputs):
        variables = {"params": precision.computed(name, params)} | model_state
        return precision.stored(name, model.apply(variables, precision.computed(name, inputs)))

    return predict if has_state else lambda params, inputs: predict(params, {}, inputs)


def cross_entropy(predict: Callable, smoothing: Any = None) -> Callable:
    """Returns the loss of each example (inputs, labels), for `training_dynamics`; the mean over a sequence.

    With `smoothing`, all classes get this share of a label.
    """

    def loss_fn(params, examples):
        inputs, labels = examples
        logits = predict(params, inputs)
        if smoothing is None:
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        else:
            losses = smoothed_cross_entropy(logits, labels, smoothing)
        return losses if losses.ndim == 1 else jnp.mean(losses.reshape(len(losses), -1), axis=1)

    return loss_fn


def squares(predict: Callable) -> Callable:
    """Returns the loss that is half the squared error of each example (inputs, targets)."""

    def loss_fn(params, examples):
        inputs, targets = examples
        return jnp.sum((predict(params, inputs) - targets) ** 2, axis=-1) / 2

    return loss_fn


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squares}
