"""Trains the arms of several initializations in one program: what do other hyperparameters do, beside what seeds do?"""

from pathjax import observables as obs
from pathjax.experiments.arms import report
from pathjax.experiments.arms.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import RunSettings, setting
from pathjax.experiments.runner.settings.base import Seeds
from pathjax.experiments.runner.setup import Parts, Setup


class Settings(RunSettings):
    """The settings of this experiment."""

    init_seeds: Seeds = setting("seeds of the initializations, on one schedule", "seeds")


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    measures = ("loss", "accuracy", "disagreement", "js_distance")
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.weight_norm(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.classification(
            parts.predict,
            {"test": parts.test},
            measures=measures,
            per_example=["outputs"],
            every=measure.evaluation_every,
        ),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    summary, text = summarize(trajectory)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
