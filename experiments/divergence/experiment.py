"""How do perturbed copies of one training run diverge?"""

from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.experiments.divergence import report
from pathjax.experiments.divergence.summary import add_linear_response, summarize
from pathjax.experiments.divergence.tables import format_summary
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.experiments.runner.task import nonsmooth_source


def observables(config: ConfigDict, parts: Parts) -> list:
    """What the experiment records."""
    measure = config.measure
    anchors = tuple(anchor for anchor in measure.anchors if anchor <= config.num_steps)
    given = f"measure.anchors {tuple(measure.anchors)} hold none of the steps 0 to {config.num_steps}"
    require(bool(anchors), f"{given}: choose at least one anchor, such as 0")
    train = training_examples(config, parts)
    return [
        obs.weight_distance(measure.distance_every),
        obs.weight_norm(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.share_tangents(
            obs.linear_response(parts.dynamics, parts.directions, measure.tangent_every),
            obs.lyapunov(parts.dynamics, parts.tangent_key, measure.num_tangents, measure.tangent_every),
        ),
        obs.weight_autocorrelation(anchors, measure.correlation_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    trajectory = add_linear_response(trajectory)
    summary = summarize(trajectory, setup.num_test, config.model.activation, nonsmooth_source(config))
    return trajectory, summary, format_summary(summary)


EXPERIMENT = Experiment(observables, _summarize, report.write)
