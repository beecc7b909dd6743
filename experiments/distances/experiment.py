"""Measures every distance of the library on one run, side by side."""

from typing import Any

import jax

from pathjax import observables as obs
from pathjax import symmetry
from pathjax.core.errors import require
from pathjax.experiments.distances import report
from pathjax.experiments.distances.summary import add_families, family_lines
from pathjax.experiments.divergence import experiment as divergence
from pathjax.experiments.runner.run import Experiment
from pathjax.experiments.runner.settings import setting
from pathjax.experiments.runner.settings.base import Count, NotNegative
from pathjax.experiments.runner.setup import Parts, Setup, training_examples
from pathjax.models.intermediates import layer_outputs
from pathjax.observables.classification_measures import MEASURES

BASIC = obs.function_space.DEFAULT  # the divergence experiment already records these for training and test set


class DistancesMeasure(divergence.DivergenceMeasure):
    """The cadences and sizes of the records."""

    norm: float = setting("p of the p-norm, which is recorded in addition to the 2-norm and the max norm", "p")
    function_every: Count = setting("steps between records of distances in function space")
    slow_every: Count = setting(
        "steps between records of layers, matching, lines to the baseline and all pairs of members"
    )
    num_points: Count = setting("number of points on a line")
    max_probe_examples: Count = setting("largest number of examples on which functions and layers are compared")
    num_projections: Count = setting("number of random directions, for correlations between any two records")


class Settings(divergence.Settings):
    """The settings of this experiment."""

    measure: DistancesMeasure
    num_independent: NotNegative = setting("number of independently initialized networks, on the same batches")


def _observables(settings: Settings, parts: Parts) -> list:
    measure, name = settings.measure, settings.model.name
    fits = name in ("mlp", "cnn")
    require(fits, f"experiment 'distances' cannot match the units of model '{name}': choose mlp or cnn")
    probe, labels = (a[: measure.max_probe_examples] for a in parts.test)
    anchors = tuple(anchor for anchor in measure.anchors if anchor <= settings.num_steps)
    sets = {"probe": (probe, labels)}
    train = training_examples(settings, parts)
    layers = layer_outputs(parts.model)
    names = tuple(jax.eval_shape(layers, parts.state.params, probe))
    spec = symmetry.infer_spec(parts.predict, parts.state.params, probe[:1])

    def activations(params, inputs):
        return symmetry.group_activations(spec, layers(params, inputs))

    scales = symmetry.infer_scales(parts.predict, spec, parts.state.params, probe)
    line: dict[str, Any] = {"sets": sets, "num_points": measure.num_points}
    others = tuple(name for name in MEASURES if name not in BASIC)
    return [
        *divergence.observables(settings, parts),
        *(obs.norm_distance(p, every=measure.distance_every) for p in sorted({measure.norm, float("inf")})),
        obs.weight_angle(every=measure.distance_every),
        obs.balanced_distance(scales, parts.predict, probe, every=measure.slow_every),
        obs.classification(
            parts.predict, {"train": train, "test": parts.test}, measures=others, every=measure.function_every
        ),
        obs.classification(parts.predict, sets, measures=tuple(MEASURES), every=measure.function_every),
        obs.function_autocorrelation(parts.predict, probe, anchors, every=measure.correlation_every),
        obs.linear_cka(layers, names, probe, every=measure.slow_every),
        obs.linear_connectivity(parts.predict, sets, num_points=measure.num_points, every=measure.slow_every),
        obs.alignment(spec, parts.predict, probe, every=measure.slow_every, **line),
        obs.activation_alignment(spec, parts.predict, activations, probe, every=measure.slow_every, **line),
        obs.weight_gram(parts.num_members, every=measure.slow_every),
        obs.function_gram(parts.predict, probe, parts.num_members, every=measure.slow_every),
        obs.weight_projections(
            jax.random.fold_in(parts.tangent_key, 1), measure.num_projections, every=measure.slow_every
        ),
    ]


def _summarize(setup: Setup, settings: Settings, trajectory):
    trajectory, summary, text = divergence.EXPERIMENT.summarize(setup, settings, trajectory)
    trajectory, families = add_families(trajectory)
    return trajectory, summary | {"families": families}, f"{text}\n\n{family_lines(families)}"


EXPERIMENT = Experiment(Settings, _observables, _summarize, report.write)
