"""Loads your own data sets, losses, optimizers and observables, and validates them immediately."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import optax

from pathjax.core.errors import InputError, require
from pathjax.core.sources import is_source
from pathjax.core.types import Observable
from pathjax.data import Dataset, Options
from pathjax.experiments.own import blaming, call_own, check_returned, is_own, one_line
from pathjax.experiments.runner.settings import RunSettings
from pathjax.experiments.runner.settings.task import OptimizerSettings


def own_loader(name: str) -> Callable[[str, str | None, Options], Dataset]:
    """Returns the loader for `load_dataset`; your function takes `data_dir` and returns a `pathjax.data.Dataset`."""

    def load(_: str, data_dir: str | None, options: Options) -> Dataset:
        found = call_own("data.name", name, data_dir)
        check_returned("data.name", name, found, Dataset, "a pathjax.data.Dataset")
        with blaming("data.name", name):
            _check_dataset(found)
        return found._replace(origin={"source": name} | found.origin)

    return load


def _check_dataset(dataset: Dataset) -> None:
    require(isinstance(dataset.num_classes, int) and dataset.num_classes >= 1, "num_classes must be a positive integer")
    for part in ("train", "test"):
        pair = getattr(dataset, part)
        are_arrays = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(a, np.ndarray) for a in pair)
        require(are_arrays, f"{part} must be a pair of NumPy arrays, inputs and labels")
        inputs, labels = pair
        require(inputs.ndim >= 1 and labels.ndim >= 1, f"{part} must have one row for each example")
        counts = f"{part} has {len(inputs)} inputs and {len(labels)} labels: give the same number, at least one"
        require(len(inputs) == len(labels) > 0, counts)
        for what, array in (("inputs", inputs), ("labels", labels)):
            known = array.dtype in (np.float32, np.int32) or (what == "inputs" and array.dtype == object)
            require(known, f"{part} has {what} of type {array.dtype}: expected float32 or int32")
            are_finite = array.dtype != np.float32 or bool(np.isfinite(array).all())
            require(are_finite, f"{part} has {what} that are NaN or infinite: give finite numbers")
        if labels.dtype == np.int32:
            fits = labels.min() >= 0 and labels.max() < dataset.num_classes
            require(bool(fits), f"{part} has labels beyond 0 to {dataset.num_classes - 1}, the classes of num_classes")
    shapes = [a.shape[1:] for a in (dataset.train[0], dataset.test[0])]
    require(shapes[0] == shapes[1], f"train and test have inputs of shapes {shapes[0]} and {shapes[1]}: give the same")
    streams = dataset.stream is None or is_source(dataset.stream)
    require(streams, "stream must be a pathjax.Source, with len(source) and source.take(indices), or None")
    try:
        json.dumps(dataset.origin, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"origin must hold JSON types only ({one_line(error)})") from error


def own_loss(name: str, predict: Callable) -> Callable:
    """Builds a loss: `function(predict)` returns `loss_fn(params, examples)`."""
    found = call_own("loss", name, predict)
    said = f"loss={name} returned an object of type {type(found).__name__}: expected loss_fn(params, examples)"
    require(callable(found), said)

    def loss_fn(params, examples):
        with blaming("loss", name):
            return found(params, examples)

    return loss_fn


def own_optimizer(name: str, hparams: dict[str, float]) -> Callable[[dict], optax.GradientTransformation]:
    """Returns an optimizer: `function(hparams)` returns an optax optimizer, and is called while the step is traced."""

    def make(hparams: dict) -> optax.GradientTransformation:
        made = call_own("optimizer.name", name, hparams)
        expected = "an optax optimizer, as function(hparams)"
        check_returned("optimizer.name", name, made, optax.GradientTransformation, expected)
        return made._replace(update=_blamed("optimizer.name", name, made.update))

    read = _Read(hparams)
    try:
        make(read)
    except InputError as error:
        missing = error.__cause__.args[0] if isinstance(error.__cause__, KeyError) else None
        if not isinstance(missing, str) or missing in hparams:
            raise
        fix = f"give it, as in --config.optimizer.{missing}=0.1"
        raise InputError(f"optimizer.name={name} finds no hyperparameter '{missing}': {fix}") from error
    unread = sorted(hparams.keys() - read.names - OptimizerSettings.model_fields.keys())
    require(not unread, f"optimizer.name={name} does not read {', '.join(unread)}: leave it out, or correct its name")
    return make


def own_transformations(names: str | None) -> list[Callable[[dict], optax.GradientTransformation]]:
    """Returns gradient transformations: each `function(hparams)` returns one, as for an optimizer."""
    for name in _names(names):
        require(is_own(name), f"optimizer.before has '{name}': expected your own, module:function")
    return [functools.partial(_own_part, name) for name in _names(names)]


def _own_part(name: str, hparams: dict) -> optax.GradientTransformation:
    made = call_own("optimizer.before", name, hparams)
    expected = "an optax transformation, as function(hparams)"
    check_returned("optimizer.before", name, made, optax.GradientTransformation, expected)
    return made._replace(update=_blamed("optimizer.before", name, made.update))


class _Read(dict):
    """A dict that remembers which of its items were read."""

    def __init__(self, items: dict):
        super().__init__(items)
        self.names: set[str] = set()

    def __getitem__(self, name):
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)

    def keys(self):
        self.names.update(self)
        return super().keys()

    def items(self):
        self.names.update(self)
        return super().items()


def _blamed(setting: str, name: str, function: Callable) -> Callable:
    """Wraps a function such that its exceptions name the custom function that made it."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with blaming(setting, name):
            return function(*args, **kwargs)

    return call


def own_observables(settings: RunSettings, parts: Any, others: Sequence[Observable]) -> list[Observable]:
    """Builds observables: each `function(settings, parts)` returns one; `parts` is a `setup.Parts`.

    Raises:
        InputError: if one cannot be built, or records a variable that `others` or another one records.
    """
    names = {variable.name for other in others for variable in other.variables}
    found = []
    for name in _names(settings.observables):
        one = call_own("observables", name, settings, parts)
        check_returned("observables", name, one, Observable, "an Observable")
        for variable in one.variables:
            new = variable.name not in names
            require(
                new, f"observables={name} records '{variable.name}', which is recorded already: rename its Variable"
            )
            names.add(variable.name)
        calls = {part: getattr(one, part) for part in ("init", "read", "update", "reference")}
        found.append(one._replace(**{part: fn and _blamed("observables", name, fn) for part, fn in calls.items()}))
    return found


def _names(text: str | None) -> list[str]:
    """Returns the names in a comma-separated text."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def own_names(settings: RunSettings) -> dict[str, str]:
    """Returns all custom functions that the settings name, by setting."""
    named = {
        "data.name": settings.data.name,
        "model.name": settings.model.name,
        "loss": settings.loss,
        "optimizer.name": settings.optimizer.name,
        "perturbation.kind": settings.perturbation.kind,
    }
    before = {f"optimizer.before[{i}]": name for i, name in enumerate(_names(settings.optimizer.before))}
    of_observables = {name: name for name in _names(settings.observables)}
    return {key: name for key, name in (named | before).items() if name and is_own(name)} | of_observables


@contextlib.contextmanager
def blaming_own(settings: RunSettings) -> Iterator[None]:
    """Turns any exception while a run is built from custom functions into one line that names them.

    Without custom functions the exception is a bug in pathjax, and passes unchanged.
    """
    names = own_names(settings)
    try:
        yield
    except InputError as error:
        if "loss" in names and str(error).startswith("loss_fn"):  # what `training_dynamics` says of its result
            raise InputError(f"loss={names['loss']}: {error}") from error
        raise
    except (Exception, SystemExit) as error:
        if not names:
            raise
        said = ", ".join(f"{key}={name}" if key != name else f"observables={name}" for key, name in names.items())
        raise InputError(f"{said}: no run can be built of this ({one_line(error)}): fix it") from error
