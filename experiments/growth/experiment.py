"""Perturbed copies of several initializations in one program: what of the growth is the initialization's?"""

import jax.numpy as jnp
from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax.experiments.growth import report
from pathjax.experiments.growth.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    answers = obs.classification if jnp.issubdtype(parts.test[1].dtype, jnp.integer) else obs.regression
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        answers(parts.predict, {"test": parts.test}, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    summary, text = summarize(trajectory)
    return trajectory, summary, text


EXPERIMENT = Experiment(_observables, _summarize, report.write)
