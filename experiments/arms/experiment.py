"""Trains the arms of several initializations in one program: what do other hyperparameters do, beside what seeds do?"""

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from pathjax import observables as obs
from pathjax.analysis.boundaries import plane_of
from pathjax.experiments.arms import report
from pathjax.experiments.arms.summary import summarize
from pathjax.experiments.arms.traces import with_plane
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import RunSettings, setting
from pathjax.experiments.runner.settings.base import Seeds
from pathjax.experiments.runner.setup import Parts, Setup


class Settings(RunSettings):
    """The settings of this experiment."""

    init_seeds: Seeds = setting("seeds of the initializations, on one schedule", "seeds")
    plane: Annotated[int, Field(ge=8, le=1000)] = setting(
        "points per side of the plane in which decision boundaries are recorded, if the data have two inputs",
        default=48,
    )

    @model_validator(mode="after")
    def _has_arms(self) -> "Settings":
        if not self.arms:
            raise ValueError("arms is empty: give at least one, such as {'slow': {'learning_rate': 0.01}}")
        return self


def _observables(settings: Settings, parts: Parts) -> list:
    measure = settings.measure
    measures = ("loss", "accuracy", "disagreement", "js_distance")
    made = [
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
    if parts.train[0].shape[1:] == (2,):
        plane = plane_of(np.asarray(parts.train[0], float), settings.plane)
        made.append(obs.decisions(parts.predict, plane.points, every=measure.evaluation_every))
    return made


def _summarize(setup: Setup, settings: Settings, trajectory):
    trajectory = with_plane(trajectory, *setup.examples)
    summary, text = summarize(trajectory, settings)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
