"""What does a run depend on, infinitesimally, and do finite differences say the same?"""

import jax
from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax.core import trees
from pathjax.derivatives import Parameter, direction, example_weight, hyperparameter
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.experiments.runner.task import nonsmooth_source
from pathjax.experiments.sensitivity import report
from pathjax.experiments.sensitivity.summary import summarize
from pathjax.observables.function_space import evaluate


def parameters(config: ConfigDict, parts: Parts) -> dict[str, Parameter]:
    """All that the run is differentiated by, by label."""
    measure = config.measure
    wrt = {name.replace("_", " "): hyperparameter(name) for name in parts.state.hparams}
    for number in range(measure.num_directions):
        wrt[f"direction {number + 1}"] = direction(_direction(parts, number))
    for step, place in measure.examples:
        if step < config.num_steps:
            wrt[f"example {place} of step {step}"] = example_weight(step, place)
    return wrt


def _direction(parts: Parts, number: int):
    """A random direction, as long as the weights are when they have elements of size 1."""
    floats = trees.split_floats(parts.state.params)[0]
    key = jax.random.fold_in(parts.tangent_key, number)
    draw = jax.eval_shape if isinstance(jax.tree.leaves(floats)[0], jax.ShapeDtypeStruct) else lambda f, *a: f(*a)
    return draw(lambda key: trees.random_normal_like(key, floats), key)


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    train = training_examples(config, parts)

    def test_loss(params, test):
        return evaluate(parts.predict, ("loss",), params, (*test, test[1]))["loss"]

    batches = (config.num_steps, config.data.batch_size)
    wrt = parameters(config, parts)
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.sensitivity(parts.dynamics, wrt, batches, measure.tangent_every, test_loss, parts.test),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    summary, text = summarize(trajectory, config.model.activation, nonsmooth_source(config))
    return trajectory, summary, text


EXPERIMENT = Experiment(_observables, _summarize, report.write)
