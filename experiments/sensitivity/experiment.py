"""Which parameters does a run depend on, by its derivatives, and do finite differences agree?"""

from typing import Annotated

import jax
from pydantic import BeforeValidator

from pathjax import observables as obs
from pathjax.core import trees
from pathjax.derivatives import Parameter, direction, example_weight, hyperparameter
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import Measure, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count, NotNegative, as_tuple
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.experiments.runner.task import activation_of, nonsmooth_source
from pathjax.experiments.sensitivity import report
from pathjax.experiments.sensitivity.summary import summarize
from pathjax.observables.function_space import evaluate

Place = Annotated[tuple[NotNegative, NotNegative], BeforeValidator(as_tuple)]


class SensitivityMeasure(Measure):
    """The cadences and sizes of the records."""

    num_directions: Count = setting("number of random directions of the initial weights")
    examples: Annotated[tuple[Place, ...], BeforeValidator(as_tuple)] = setting(
        "(step, position in its batch) of examples; steps beyond num_steps are ignored",
        example="pairs of a step and a position in its batch, as in --config.measure.examples=(0,0),(100,0)",
    )


class Settings(RunSettings):
    """The settings of this experiment."""

    measure: SensitivityMeasure


def parameters(settings: Settings, parts: Parts) -> dict[str, Parameter]:
    """Returns the parameters by which the run is differentiated, by label."""
    measure = settings.measure
    wrt = {name.replace("_", " "): hyperparameter(name) for name in parts.state.hparams if "/" not in name}
    for number in range(measure.num_directions):
        wrt[f"direction {number + 1}"] = direction(_direction(parts, number))
    for step, place in measure.examples:
        if step < settings.num_steps:
            wrt[f"example {place} of step {step}"] = example_weight(step, place)
    return wrt


def _direction(parts: Parts, number: int):
    """Draws a random direction of the weights, with standard normal elements."""
    floats = trees.split_floats(parts.state.params)[0]
    key = jax.random.fold_in(parts.tangent_key, number)
    draw = jax.eval_shape if isinstance(jax.tree.leaves(floats)[0], jax.ShapeDtypeStruct) else lambda f, *a: f(*a)
    return draw(lambda key: trees.random_normal_like(key, floats), key)


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    train = training_examples(settings, parts)

    def test_loss(*network_and_test):
        *network, test = network_and_test  # the weights, and the model's state if it has one
        predict = lambda params, inputs: parts.predict(params, *network[1:], inputs)  # noqa: E731
        return evaluate(predict, ("loss",), network[0], (*test, test[1]))["loss"]

    batches = (settings.num_steps, settings.data.batch_size or len(parts.train[1]))
    wrt = parameters(settings, parts)
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.sensitivity(parts.dynamics, wrt, batches, every=measure.tangent_every, readout=test_loss, data=parts.test),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    summary, text = summarize(trajectory, activation_of(settings), nonsmooth_source(settings))
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
