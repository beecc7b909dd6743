"""By which law do distances grow? Initializations, each on batches of its own, and their perturbed copies."""

import optax
from pydantic import model_validator

from pathjax import observables as obs
from pathjax.analysis.law_fits import MIN_TIMES, MIN_UNITS
from pathjax.experiments.laws import report
from pathjax.experiments.laws.summary import add_mean_tangent, summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import RunSettings, setting
from pathjax.experiments.runner.settings.base import NotNegative, Seeds
from pathjax.experiments.runner.setup import Parts, Setup
from pathjax.experiments.runner.task import nonsmooth_source
from pathjax.models import leak_of


class Settings(RunSettings):
    """The settings of this experiment."""

    init_seeds: Seeds = setting("seeds of the initializations, of their schedules and of their directions", "seeds")
    own_schedules: bool = setting("whether each initialization has a batch schedule of its own")
    later_step: NotNegative = setting(
        "step, on a record, from which laws are fitted a second time: after the early period"
    )
    kinks: bool = setting("whether to record kinks between members and their baseline (ReLU networks for classes)")
    tangents: bool = setting("whether to record tangents, and to try the laws beside the growth that they predict")

    @model_validator(mode="after")
    def _laws_can_be_fitted(self) -> "Settings":
        if len(self.init_seeds) < MIN_UNITS:
            raise ValueError(
                f"init_seeds holds {len(self.init_seeds)}: give {MIN_UNITS} or more, whose spread is the noise"
            )
        every, rest = self.measure.distance_every, self.num_steps - self.later_step
        if self.later_step % every or rest < MIN_TIMES * every:
            last = self.num_steps - MIN_TIMES * every
            raise ValueError(f"later_step {self.later_step} must be a multiple of measure.distance_every, 0 to {last}")
        return self


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    found = [
        obs.weight_distance(every=measure.distance_every),
        obs.weight_norm(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.classification(parts.predict, {"test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]
    if settings.tangents:
        # All initializations have the directions of the first.
        found.append(obs.linear_response(parts.dynamics, parts.directions, every=measure.tangent_every))
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
    trajectory = add_mean_tangent(trajectory)
    summary, text = summarize(trajectory, settings.later_step, own.learning_rate if is_plain else None)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
