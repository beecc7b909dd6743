"""Perturbed copies of several initializations in one program: what of the growth is the initialization's?"""

import jax.numpy as jnp
from ml_collections import ConfigDict

from experiments import recording
from experiments.setup_run import Parts, Setup
from pathjax import observables as obs
from pathjax.reports import growth as report
from pathjax.summaries.growth import summarise


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure = config.measure
    answers = obs.classification if jnp.issubdtype(parts.test[1].dtype, jnp.integer) else obs.regression
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        answers(parts.predict, {"test": parts.test}, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _summarise(setup: Setup, config: ConfigDict, trajectory):
    summary, text = summarise(trajectory)
    return trajectory, summary, text


EXPERIMENT = recording.Experiment(_observables, _summarise, report.write)
