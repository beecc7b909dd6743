"""At which step do induction heads form, member by member?"""

from typing import Annotated

import numpy as np
from pydantic import Field

from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.data.induction import induction_targets
from pathjax.experiments.induction import report
from pathjax.experiments.induction.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import Measure, RunSettings, setting
from pathjax.experiments.runner.settings.base import Count, NotNegative
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.models import attention_weights


class InductionMeasure(Measure):
    """The cadences and sizes of the records."""

    induction_every: Count = setting("steps between records of induction scores")
    formed: Annotated[float, Field(gt=0, lt=1)] = setting("score at which a head counts as formed", "threshold")
    max_probe_examples: Count = setting("largest number of sequences on which the score is measured")


class Settings(RunSettings):
    """The settings of this experiment."""

    measure: InductionMeasure
    num_independent: NotNegative = setting("number of independently initialized networks, on the same batches")


def _observables(settings: Settings, parts: Parts) -> list:
    measure, model = settings.measure, settings.model
    require(model.name == "transformer", f"model '{model.name}' has no attention scores: choose transformer")
    train = training_examples(settings, parts)
    tokens, labels = (a[: measure.max_probe_examples] for a in parts.test)
    targets = induction_targets(np.asarray(tokens), np.asarray(labels))
    heads = (len(model.widths), model.num_heads)
    return [
        obs.weight_distance(every=measure.distance_every),
        obs.batch_loss(every=measure.distance_every),
        obs.induction_score(attention_weights(parts.model), tokens, targets, heads, every=measure.induction_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, every=measure.evaluation_every),
        obs.first_nonfinite(every=measure.evaluation_every),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    formed = settings.measure.formed
    summary, text = summarize(trajectory, formed)
    return trajectory, summary, text


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
