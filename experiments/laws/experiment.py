"""By which law do distances grow? Initializations, each on batches of its own, and their perturbed copies."""

import optax

from pathjax import observables as obs
from pathjax.experiments.laws import report
from pathjax.experiments.laws.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import RunSettings, setting
from pathjax.experiments.runner.settings.base import Seeds
from pathjax.experiments.runner.setup import Parts, Setup
from pathjax.experiments.runner.task import nonsmooth_source
from pathjax.models import leak_of


class Settings(RunSettings):
    """The settings of this experiment."""

    init_seeds: Seeds = setting("seeds of the initializations, of their schedules and of their directions", "seeds")
    own_schedules: bool = setting("whether each initialization has a batch schedule of its own")
    kinks: bool = setting("whether to record kinks between members and their baseline (ReLU networks for classes)")


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    found = [
        obs.weight_distance(every=measure.distance_every),
        obs.weight_norm(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.classification(parts.predict, {"test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]
    return [*found, _kinks(settings, parts)] if has_kinks(settings) else found


def has_kinks(settings: Settings) -> bool:
    """Whether kinks are recorded: if they are asked for, and the network has some."""
    return settings.kinks and nonsmooth_source(settings) == "activation"


def _kinks(settings: Settings, parts: Parts):
    def predict(params, inputs, activation):
        return parts.model.clone(activation=activation).apply({"params": params}, inputs)

    leak = leak_of(settings.model.activation) or 0.0
    loss = optax.softmax_cross_entropy_with_integer_labels
    return obs.kink_crossings(predict, loss, every=settings.measure.distance_every, leak=leak)


def _summarize(setup: Setup, settings: Settings, trajectory):
    own = settings.optimizer
    is_plain = own.name == "sgd" and own.schedule == "constant" and not own.momentum
    summary, text = summarize(trajectory, own.learning_rate if is_plain else None)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
