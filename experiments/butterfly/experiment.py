"""How far does an intervention move training, by its step and its epsilon?"""

from typing import Any

from pathjax import observables as obs
from pathjax.experiments.butterfly import report
from pathjax.experiments.butterfly.summary import summarize
from pathjax.experiments.runner.members import NAME
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import InterventionSettings, Measure, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count
from pathjax.experiments.runner.setup import Parts, Setup, statistics_of, training_examples


class ButterflyMeasure(Measure):
    """The cadences and sizes of the records."""

    num_points: Count = setting("number of points on the line to the baseline")


class Settings(RunSettings):
    """The settings of this experiment."""

    perturbation: InterventionSettings
    measure: ButterflyMeasure


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    train = training_examples(settings, parts)
    sets = {"train": train, "test": parts.test}
    line: dict[str, Any] = {"num_points": measure.num_points, "statistics": statistics_of(settings, parts)}
    wanted = ("loss", "accuracy", "disagreement", "js_distance")
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.classification(parts.predict, sets, measures=wanted, every=measure.evaluation_every),
        obs.linear_connectivity(parts.predict, {"test": parts.test}, **line, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
        obs.intervention_size(NAME, every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    summary, text = summarize(trajectory, settings.perturbation.kind)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
