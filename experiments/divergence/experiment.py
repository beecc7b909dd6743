"""How do perturbed copies of one training run diverge?"""

from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.experiments.divergence import report
from pathjax.experiments.divergence.summary import add_linear_response, summarize
from pathjax.experiments.divergence.tables import format_summary
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import Measure, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count, WholeNumbers
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.experiments.runner.task import activation_of, missed_by_tangents


class DivergenceMeasure(Measure):
    """The cadences and sizes of the records."""

    correlation_every: Count = setting("steps between records of correlations with the anchors' weights")
    num_tangents: Count = setting("number of leading Lyapunov exponents", "num_exponents", "k")
    anchors: WholeNumbers = setting(
        "steps whose weights are correlated with later weights; anchors beyond num_steps are ignored"
    )


class Settings(RunSettings):
    """The settings of this experiment."""

    measure: DivergenceMeasure


def observables(settings: Settings, parts: Parts) -> list:
    """Returns the observables of the experiment."""
    measure = settings.measure
    anchors = tuple(anchor for anchor in measure.anchors if anchor <= settings.num_steps)
    given = f"measure.anchors {tuple(measure.anchors)} has no step from 0 to {settings.num_steps}"
    require(bool(anchors), f"{given}: choose at least one anchor, such as 0")
    train = training_examples(settings, parts)
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.weight_norm(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.share_tangents(
            obs.linear_response(parts.dynamics, parts.directions, every=measure.tangent_every),
            obs.lyapunov(parts.tangent_key, parts.dynamics, measure.num_tangents, every=measure.tangent_every),
        ),
        obs.weight_autocorrelation(anchors, every=measure.correlation_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    trajectory = add_linear_response(trajectory)
    summary = summarize(trajectory, setup.num_test, activation_of(settings), missed_by_tangents(settings))
    return trajectory, summary, format_summary(summary)


EXPERIMENT = Experiment(Settings, observables, _summarize, report.write)
