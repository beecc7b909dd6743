"""How far does a disturbance take training, by the step at which it comes and by its size?"""

from ml_collections import ConfigDict

from experiments import recording
from experiments.members import NAME
from experiments.setup_run import Parts, Setup, training_examples
from pathjax import observables as obs
from pathjax.reports import butterfly as report
from pathjax.summaries.butterfly import summarise


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    train = training_examples(config, parts)
    sets = {"train": train, "test": parts.test}
    wanted = ("loss", "accuracy", "disagreement", "js_distance")
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.classification(parts.predict, sets, measure.evaluation_every, wanted),
        obs.linear_connectivity(parts.predict, {"test": parts.test}, measure.evaluation_every, measure.num_points),
        obs.first_nonfinite(measure.evaluation_every),
        obs.moved_by(NAME, measure.evaluation_every),
    ]


def _summarise(setup: Setup, config: ConfigDict, trajectory):
    summary, text = summarise(trajectory, config.perturbation.kind)
    return trajectory, summary, text


EXPERIMENT = recording.Experiment(_observables, _summarise, report.write)
