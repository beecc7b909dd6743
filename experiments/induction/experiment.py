"""At which step do induction heads form, member by member?"""

import numpy as np
from ml_collections import ConfigDict

from pathjax import observables as obs
from pathjax.core.errors import require
from pathjax.data.induction import induction_targets
from pathjax.experiments.induction import report
from pathjax.experiments.induction.summary import summarize
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.models import attention_weights


def _observables(config: ConfigDict, parts: Parts) -> list:
    measure, model = config.measure, config.model
    require(model.name == "transformer", f"model '{model.name}' has no attention to read: choose transformer")
    train = training_examples(config, parts)
    tokens, labels = (a[: measure.max_probe_examples] for a in parts.test)
    targets = induction_targets(np.asarray(tokens), np.asarray(labels))
    heads = (len(model.widths), model.num_heads)
    return [
        obs.weight_distance(measure.distance_every),
        obs.batch_loss(measure.distance_every),
        obs.induction_score(attention_weights(parts.model), tokens, targets, heads, measure.induction_every),
        obs.classification(parts.predict, {"train": train, "test": parts.test}, measure.evaluation_every),
        obs.first_nonfinite(measure.evaluation_every),
    ]


def _summarize(setup: Setup, config: ConfigDict, trajectory):
    formed = config.measure.formed
    require(0 < formed < 1, f"measure.formed {formed:g} is out of range: choose more than 0 and less than 1")
    summary, text = summarize(trajectory, formed)
    return trajectory, summary, text


EXPERIMENT = Experiment(_observables, _summarize, report.write)
