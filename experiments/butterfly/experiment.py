"""How far does a disturbance take training, by the step at which it comes and by its size?"""

from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax.experiments.butterfly import report
from pathjax.experiments.butterfly.summary import summarize
from pathjax.experiments.runner.members import NAME
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup, training_examples


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
        obs.intervention_size(NAME, measure.evaluation_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    summary, text = summarize(trajectory, config.perturbation.kind)
    return trajectory, summary, text


EXPERIMENT = Experiment(_observables, _summarize, report.write)
