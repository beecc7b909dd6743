"""Trains on images of two patterns, in many copies: which is learned first, and which decides where they conflict?"""

from pathjax import observables as obs
from pathjax.experiments.dominoes import report
from pathjax.experiments.dominoes.probes import probe_observables
from pathjax.experiments.dominoes.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import Measure, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count, NotNegative, Seeds
from pathjax.experiments.runner.setup import Parts, Setup, training_examples


class DominoMeasure(Measure):
    """The cadences and sizes of the records."""

    pattern_every: Count = setting("steps between records of what has been learned of each pattern")
    max_probe_examples: Count = setting("largest number of test examples of each set on which patterns are measured")


class Settings(RunSettings):
    """The settings of this experiment."""

    init_seeds: Seeds = setting("seeds of the initializations, all on the same batch orders", "seeds")
    num_orders: NotNegative = setting("copies of each baseline that see the examples in another order of batches")
    measure: DominoMeasure


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    sets = {"train": training_examples(settings, parts), "test": parts.test}
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        *probe_observables(parts.predict, parts.probes, measure.pattern_every, measure.max_probe_examples),
        obs.classification(parts.predict, sets, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    summary, text = summarize(trajectory, setup.origin)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
