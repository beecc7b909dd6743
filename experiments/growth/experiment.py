"""Perturbs copies of several initializations in one program: how much does growth depend on the initialization?"""

import jax.numpy as jnp

from pathjax import observables as obs
from pathjax.experiments.growth import report
from pathjax.experiments.growth.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import RunSettings, setting
from pathjax.experiments.runner.settings.base import Seeds
from pathjax.experiments.runner.setup import Parts, Setup


class Settings(RunSettings):
    """The settings of this experiment."""

    init_seeds: Seeds = setting("seeds of the initializations and of their directions, on one schedule", "seeds")


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    answers = obs.classification if jnp.issubdtype(parts.test[1].dtype, jnp.integer) else obs.regression
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        answers(parts.predict, {"test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    summary, text = summarize(trajectory)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
